"""A plan of twice as much takes about twice as long: calls are counted, not seconds."""

from __future__ import annotations

import cProfile
import pstats
from typing import Any

import pytest
from peewee import Database, IntegerField, SqliteDatabase

from peewee_automigrate import plan
from tests.cases_base import Maker
from tests.support.clients import on
from tests.support.workers import database_of

MOST = 2.3  # times the calls of half as much

pytestmark = pytest.mark.slow


def calls(database: Database, models: list[Any], steps: int) -> int:
    """Read: count the calls of functions that a plan of so many steps takes."""
    with cProfile.Profile() as profile:
        made = plan(database, models)
    assert len(made.sql()) >= steps
    stats: Any = pstats.Stats(profile)
    return int(stats.total_calls)


def columns(count: int, **options: Any) -> dict[str, IntegerField]:
    return {f"c{number}": IntegerField(null=True, **options) for number in range(count)}


@pytest.mark.parametrize("unique", [False, True])
@on("sqlite", "postgres", "mysql")
def test_twice_as_many_indexes_take_twice_as_many_calls(url: str, unique: bool) -> None:
    database = database_of(url)
    counts = {}
    sizes = (15, 30, 60) if url.startswith("mysql") else (75, 150, 300)  # it allows 64 a table
    with database.connection_context():
        M = Maker(database)
        for size in sizes:
            database.create_tables([M(f"t{size}", **columns(size))])
            models = [M(f"t{size}", **columns(size, index=True, unique=unique))]
            counts[size] = calls(database, models, 1)
    for size in sizes[1:]:
        assert counts[size] / counts[size // 2] < MOST


@pytest.mark.parametrize("default", [None, 7])
def test_twice_as_many_columns_take_twice_as_many_calls(
    sqlite_database: SqliteDatabase, default: int | None
) -> None:
    M, counts = Maker(sqlite_database), {}
    sqlite_database.create_tables([M("t")])
    for size in (475, 950, 1900):
        models = [M("t", **columns(size, default=default))]
        counts[size] = calls(sqlite_database, models, size)
    assert counts[950] / counts[475] < MOST
    assert counts[1900] / counts[950] < MOST


def test_columns_are_looked_up_without_walking_all(sqlite_database: SqliteDatabase) -> None:
    """A walk in a comprehension is one call to the profiler: its lines are counted by time."""
    M, seconds = Maker(sqlite_database), {}
    sqlite_database.create_tables([M("t")])
    for size in (475, 1900):
        models = [M("t", **columns(size))]
        taken = []
        for _ in range(3):
            with cProfile.Profile() as profile:
                plan(sqlite_database, models)
            found: Any = pstats.Stats(profile)
            taken.append(found.total_tt)
        seconds[size] = min(taken)
    assert seconds[1900] / seconds[475] < 4 * 1.8
