"""Many processes at once, and processes killed anywhere: one applies, nobody fails."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from peewee_automigrate import migrate
from tests.support import kills
from tests.support.crew import Crew
from tests.support.places import Places, ask, facts
from tests.support.rounds import one_round, order, undisturbed, wrong
from tests.support.workers import database_of, second

PROCESSES = 16


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("start", ["empty", "upgrade"])
def test_processes_at_once_exactly_one_applies(
    crew: Crew, places: Places, start: str, number: int
) -> None:
    _, found = one_round(crew, places, processes=PROCESSES, grown=start == "upgrade")
    assert found == []


def test_processes_at_once_through_psycopg_3_exactly_one_applies(
    crew: Crew, postgres_places: Places
) -> None:
    _, found = one_round(crew, postgres_places, processes=8, grown=True, driver="psycopg3")
    assert found == []


def test_processes_at_once_without_a_busy_timeout_exactly_one_applies(
    crew: Crew, sqlite_places: Places
) -> None:
    for _ in range(5):
        _, found = one_round(crew, sqlite_places, processes=8, grown=True, connect={"timeout": 0})
        assert found == []


def test_processes_at_once_in_wal_mode_exactly_one_applies(
    crew: Crew, sqlite_places: Places
) -> None:
    pragmas = {"pragmas": {"journal_mode": "wal"}}
    _, found = one_round(crew, sqlite_places, processes=8, grown=True, connect=pragmas)
    assert found == []


def test_old_and_new_release_at_once_exactly_one_applies(crew: Crew, places: Places) -> None:
    wanted = undisturbed(crew, places, True)
    with places.grown() as url:
        orders = [order(url, release) for release in ("first", "second") * 4]
        assert wrong(crew.together(orders), url, wanted, 8) == []


def test_different_releases_at_once_all_are_added(crew: Crew, places: Places) -> None:
    releases = ("column", "child", "index", "unique") * 2
    with places.grown() as url:
        answers = crew.together([order(url, release) for release in releases])
        assert [answer["text"] for answer in answers if answer["error"]] == []
        assert len([answer for answer in answers if answer["applied"]]) == 4
        done = [crew.do(order(url, release))["applied"] for release in set(releases)]
    assert done == [[]] * 4


def test_threads_of_one_process_exactly_one_applies(crew: Crew, places: Places) -> None:
    wanted = undisturbed(crew, places, True)
    with places.grown() as url:
        database = database_of(url)
        models = second(database)
        answers: list[dict[str, Any]] = []
        barrier = threading.Barrier(8)

        def work() -> None:
            barrier.wait()
            try:
                report = migrate(database, models, online_rows=0)
                answers.append({"error": None, "applied": report.applied})
            except Exception as error:
                answers.append({"error": type(error).__name__, "text": str(error)})

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong(answers, url, wanted, 8) == []


def before_statement(database: Any, number: int, work: Callable[[], object]) -> int:
    """Migrate, and do some work before the n-th statement that stands in no transaction of its
    own; return how many of these precede the lock.
    """
    send, count, precede = database.execute_sql, 0, 0

    def execute_sql(sql: str, *args: Any, **options: Any) -> Any:
        nonlocal count, precede
        count += not database.in_transaction()
        if precede == 0 and ("advisory" in sql or sql.startswith("BEGIN IMMEDIATE")):
            precede = count
        if count == number and not database.in_transaction():
            work()
        return send(sql, *args, **options)

    database.execute_sql = execute_sql
    migrate(database, second(database))
    return precede


def test_another_process_done_between_any_two_reads_the_slower_one_goes_on(
    crew: Crew, places: Places
) -> None:
    wanted = undisturbed(crew, places, True)
    found = []
    with places.grown() as url:
        count = before_statement(database_of(url), 0, lambda: None)
    for number in range(1, count + 1):
        with places.grown() as url:
            database, other = database_of(url), database_of(url)
            try:
                with database.connection_context():
                    before_statement(database, number, partial(migrate, other, second(other)))
            except Exception as error:
                found.append(f"before statement {number}: {type(error).__name__}: {error}")
            found += ["the catalogue differs"] if facts(url) != wanted else []
    assert found == []


def test_databases_of_one_server_do_not_wait_for_each_other(
    crew: Crew, postgres_places: Places
) -> None:
    with postgres_places.grown() as first, postgres_places.grown() as second_url:
        workers = crew.take(2)
        with kills.snapshot(first):
            workers[0].begin(order(first, "index"))
            kills.wait_for(first, kills.BUILDING)
            answer = workers[1].do(order(second_url, "column"), 20.0)
        held = workers[0].answer()
    assert (answer["error"], len(answer["applied"])) == (None, 1)
    assert held is not None and held["error"] is None


# Kills. After each the next run completes; what stands is as after an undisturbed run.


@pytest.mark.parametrize("start", ["empty", "upgrade"])
def test_kill_before_any_write_next_run_completes(crew: Crew, places: Places, start: str) -> None:
    grown = start == "upgrade"
    count = kills.statements(crew, places, grown=grown, writes=True)
    step = 2 if grown else 5  # chaos tries all; a start from nothing is one transaction
    found = []
    for number in range(1, count + 1, step):
        found += kills.kill_at(crew, places, number, "before", grown=grown, writes=True)
    assert found == []


def test_kill_after_the_last_write_next_run_completes(crew: Crew, places: Places) -> None:
    count = kills.statements(crew, places, grown=True, writes=True)
    assert kills.kill_at(crew, places, count, "after", grown=True, writes=True) == []


def test_kill_at_random_moments_next_run_completes(crew: Crew, places: Places) -> None:
    found = []
    for _ in range(6):
        found += kills.kill_randomly(crew, places, 0.8, grown=random.random() < 0.7)
    assert found == []


def test_kill_while_an_index_is_built_next_run_completes(
    crew: Crew, postgres_places: Places
) -> None:
    assert kills.kill_while_building(crew, postgres_places, 0.5) == []


def test_kill_of_the_first_of_many_another_applies(crew: Crew, places: Places) -> None:
    wanted = undisturbed(crew, places, True)
    with places.grown() as url:
        workers = crew.take(6)
        kill = {"statement": 12, "when": "before"}
        for number, worker in enumerate(workers):
            worker.send(order(url, kill=kill if number < 3 else None))
        for worker in workers:
            worker.ready()
        for worker in workers:
            worker.go()
        answers = [answer for worker in workers if (answer := worker.answer())]
        assert [answer["text"] for answer in answers if answer["error"]] == []
        assert facts(url) == wanted


def test_kill_of_the_lock_holder_a_waiting_process_goes_on(
    crew: Crew, postgres_places: Places
) -> None:
    with postgres_places.grown() as url, kills.snapshot(url) as holder:
        first, waiter = crew.take(2)
        holder.cursor().execute("SELECT count(*) FROM post")
        first.begin(order(url, "column"))
        kills.wait_for(url, "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        waiter.begin(order(url, "column"))
        kills.stop(first)
        holder.rollback()
        answer = waiter.answer(30.0)
        assert answer is not None
        assert answer["applied"] == ["add column post.views"]
        assert ask(url, "SELECT DISTINCT views FROM post") == [(0,)]
