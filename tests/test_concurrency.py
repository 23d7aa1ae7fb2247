"""Many processes and threads at once: one applies, nobody fails."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from peewee import SqliteDatabase

from peewee_automigrate import migrate
from tests.support import kills
from tests.support.catalogue import Facts
from tests.support.crew import Crew
from tests.support.places import Places, facts
from tests.support.rounds import one_round, order, wrong
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


@pytest.mark.parametrize("number", range(5))
def test_processes_at_once_without_a_busy_timeout_exactly_one_applies(
    crew: Crew, sqlite_places: Places, number: int
) -> None:
    _, found = one_round(crew, sqlite_places, processes=8, grown=True, connect={"timeout": 0})
    assert found == []


def test_processes_at_once_in_wal_mode_exactly_one_applies(
    crew: Crew, sqlite_places: Places
) -> None:
    pragmas = {"pragmas": {"journal_mode": "wal"}}
    _, found = one_round(crew, sqlite_places, processes=8, grown=True, connect=pragmas)
    assert found == []


def test_old_and_new_release_at_once_exactly_one_applies(
    crew: Crew, url: str, wanted: Facts
) -> None:
    orders = [order(url, release) for release in ("first", "second") * 4]
    assert wrong(crew.together(orders), url, wanted, 8) == []


def test_different_releases_at_once_all_are_added(crew: Crew, url: str) -> None:
    releases = ("column", "child", "index", "unique") * 2
    answers = crew.together([order(url, release) for release in releases])
    assert [answer["text"] for answer in answers if answer["error"]] == []
    assert len([answer for answer in answers if answer["applied"]]) == 4
    assert [crew.do(order(url, release))["applied"] for release in set(releases)] == [[]] * 4


def test_threads_of_one_process_exactly_one_applies(url: str, wanted: Facts) -> None:
    database, barrier = database_of(url), threading.Barrier(8)
    models = second(database)

    def work(_: int) -> dict[str, Any]:
        barrier.wait()
        try:
            return {"error": None, "applied": migrate(database, models, online_rows=0).applied}
        except Exception as error:
            return {"error": type(error).__name__, "text": str(error)}

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(work, range(8)))
    assert wrong(answers, url, wanted, 8) == []


def before_statement(database: Any, number: int, work: Callable[[], object]) -> int:
    """Migrate, and do some work before the n-th statement that stands in no transaction of its
    own; return how many of these precede the lock.
    """
    send, count, precede = database.execute_sql, 0, 0

    def execute_sql(sql: str, *args: Any, **options: Any) -> Any:
        nonlocal count, precede
        count += not database.in_transaction()
        begun = isinstance(database, SqliteDatabase) and database.in_transaction()
        if precede == 0 and (begun or "advisory" in sql or "GET_LOCK" in sql):
            precede = count
        if count == number and not database.in_transaction():
            work()
        return send(sql, *args, **options)

    database.execute_sql = execute_sql
    with database.connection_context():
        migrate(database, second(database))
    return precede


@pytest.mark.parametrize(
    ("kind", "step"), [("sqlite", 1), ("postgres", 1), ("mysql", 1)], indirect=["kind"]
)
def test_another_process_done_between_any_two_reads_the_slower_one_goes_on(
    places: Places, wanted: Facts, step: int
) -> None:
    found = []
    with places.grown() as url:
        count = before_statement(database_of(url), 0, lambda: None)
    assert count
    for number in range(1, count + 1, step):
        with places.grown() as url:
            other = database_of(url)
            work = partial(migrate, other, second(other))
            try:
                before_statement(database_of(url), number, work)
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
