"""Processes killed anywhere: the next run completes, and what stands is as after no kill."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from peewee import IntegerField, UUIDField

from peewee_automigrate import migrate, plan
from tests.support import kills
from tests.support.catalogue import Facts
from tests.support.clients import READ, holding, on, release, waiting
from tests.support.crew import Crew, Migrate
from tests.support.places import Places, ask, facts
from tests.support.rounds import order
from tests.support.workers import database_of, filled, first, model, words

ROWS = 2_500  # three batches of a fill
ADDED = ["add column post.views"]
COMMENT = {
    "postgres": "SELECT col_description('post'::regclass, 4)",
    "mysql": """SELECT NULLIF(column_comment, '') FROM information_schema.columns
                WHERE table_schema = DATABASE() AND column_name = 'token'""",
}


# The chaos suite tries every statement of all; MySQL alone commits each by itself.


@pytest.mark.parametrize(
    ("kind", "step", "rows"),
    [("sqlite", 2, 60), ("postgres", 2, 60), ("mysql", 1, ROWS)],
    indirect=["kind"],
)
def test_kill_of_an_upgrade_before_any_write_next_run_completes(
    crew: Crew, places: Places, step: int, rows: int
) -> None:
    options: dict[str, Any] = {"grown": True, "writes": True, "rows": rows}
    count, found = kills.statements(crew, places, **options), []
    assert count > 15
    for number in range(1, count + 1, step):
        found += kills.kill_at(crew, places, number, "before", **options)
    assert found == []


@pytest.mark.parametrize(
    ("kind", "step"), [("sqlite", 5), ("postgres", 5), ("mysql", 1)], indirect=["kind"]
)
def test_kill_of_a_first_creation_before_any_write_next_run_completes(
    crew: Crew, places: Places, step: int
) -> None:
    count, found = kills.statements(crew, places, grown=False, writes=True), []
    assert count > 5
    for number in range(1, count + 1, step):
        found += kills.kill_at(crew, places, number, "before", grown=False, writes=True)
    assert found == []


def test_kill_after_the_last_write_next_run_completes(crew: Crew, places: Places) -> None:
    count = kills.statements(crew, places, grown=True, writes=True)
    assert kills.kill_at(crew, places, count, "after", grown=True, writes=True) == []


@pytest.mark.parametrize("number", range(8))
def test_kill_at_a_random_moment_next_run_completes(
    crew: Crew, places: Places, number: int
) -> None:
    assert kills.kill_randomly(crew, places, 0.8, grown=number % 3 < 2) == []


@on("postgres")
def test_kill_while_an_index_is_built_next_run_completes(crew: Crew, places: Places) -> None:
    assert kills.kill_while_building(crew, places, 0.5) == []


@pytest.mark.parametrize("statement", [5, 12])
def test_kill_of_the_first_of_many_another_applies(
    crew: Crew, url: str, wanted: Facts, statement: int
) -> None:
    workers, kill = crew.take(6), {"statement": statement, "when": "before"}
    for number, worker in enumerate(workers):
        worker.send(order(url, kill=kill if number < 3 else None))
    for worker in workers:
        worker.ready()
    for worker in workers:
        worker.go()
    answers = [answer for worker in workers if (answer := worker.answer())]
    assert [answer["text"] for answer in answers if answer["error"]] == []
    assert facts(url) == wanted


@on("postgres")
def test_kill_of_the_lock_holder_a_waiting_process_goes_on(crew: Crew, url: str) -> None:
    with holding(url, READ) as holder:
        killed, waiter = crew.take(2)
        killed.begin(order(url, "column"))
        waiting(url)
        waiter.begin(order(url, "column"))
        kills.stop(killed)
        release(holder)
        answer = waiter.answer(30.0)
        assert answer is not None and answer["applied"] == ADDED
        assert ask(url, "SELECT DISTINCT views FROM post") == [(0,)]


# A fill of many rows, killed after its first batch; a file rolls all of it back.


@pytest.fixture
def half_filled(start: Migrate, places: Places) -> Iterator[str]:
    """The URL of a database in which a fill was killed after its first batch."""
    with places.grown(ROWS) as url:
        kill = {"statement": 3, "when": "before"}
        assert start(url, "filled", kill=kill).answer(30.0) is None
        yield url


@on("mysql")
def test_killed_fill_has_filled_some_rows(half_filled: str) -> None:
    ((count, filled_ones),) = ask(half_filled, "SELECT count(*), count(token) FROM post")
    assert 0 < filled_ones < count == ROWS


@on("mysql")
def test_killed_fill_next_run_keeps_what_is_filled(half_filled: str) -> None:
    sql = "SELECT id, token FROM post WHERE token IS NOT NULL"
    before = set(ask(half_filled, sql))
    migrate(database_of(half_filled), filled(database_of(half_filled)))
    after = set(ask(half_filled, sql))
    assert before < after and len(after) == len({token for _, token in after}) == ROWS


@on("postgres", "mysql")
def test_killed_fill_next_release_without_that_default_completes(
    half_filled: str, kind: str
) -> None:
    database = database_of(half_filled)
    fields = {"length": IntegerField(), "token": UUIDField(null=True)}
    models = [model(database, "post", title=words(database), **fields)]
    before = ask(half_filled, "SELECT token FROM post ORDER BY id")
    migrate(database, models)
    assert not plan(database, models)
    assert ask(half_filled, COMMENT[kind]) == [(None,)]
    assert ask(half_filled, "SELECT token FROM post ORDER BY id") == before


@on("mysql")
def test_killed_fill_previous_release_still_writes(half_filled: str) -> None:
    _, post = first(database_of(half_filled))
    post.create(title="of the previous release", length=1)
    migrate(database_of(half_filled), filled(database_of(half_filled)))
    assert ask(half_filled, "SELECT count(*) FROM post WHERE token IS NULL") == [(0,)]
