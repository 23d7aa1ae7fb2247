"""The locks of PostgreSQL's tables and rows, and what a migrator holds while it waits or scans."""

from __future__ import annotations

import logging
import time
import uuid
from typing import Any

import pytest
from peewee import Database, Model, UUIDField

from peewee_automigrate import LockTimeout, migrate
from tests.support import blockers, kills
from tests.support.clients import READ, SHORT, WRITE, holding, number_of, session, waiting
from tests.support.crew import Crew, Migrate
from tests.support.places import Places, ask
from tests.support.workers import database_of, model, second


@pytest.fixture
def url(grown_postgres_url: str) -> str:
    return grown_postgres_url


# Busy tables.


@pytest.mark.parametrize("change", list(blockers.CHANGES))
@pytest.mark.parametrize("blocker", list(blockers.BLOCKERS))
def test_busy_table_nobody_waits_long(
    crew: Crew, postgres_places: Places, blocker: str, change: str
) -> None:
    lock_timeout = 0.2
    waits = blockers.cell(crew, postgres_places, blocker, change, 0.7, lock_timeout)
    assert waits.problems == ()
    assert waits.longest <= lock_timeout + 1


def test_small_index_waits_with_a_short_lock_timeout(start: Migrate, url: str) -> None:
    with holding(url, WRITE):
        answer = start(url, "index", SHORT).answer(30.0)
    assert answer is not None and answer["error"] == "LockTimeout"


WAITS_AND_HOLDS = """
    SELECT DISTINCT h.relation::regclass, w.relation::regclass
    FROM pg_locks AS w JOIN pg_locks AS h USING (pid)
    JOIN pg_class AS c ON c.oid = h.relation
    WHERE NOT w.granted AND h.granted AND h.relation <> w.relation AND c.relkind = 'r'
      AND c.relnamespace = 'public'::regnamespace
      AND h.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'AccessExclusiveLock')
"""


@pytest.mark.parametrize("busy", ["post", "author"])
@pytest.mark.parametrize("release_name", ["key", "second"])
def test_waiting_for_a_table_no_other_table_is_held(
    start: Migrate, url: str, release_name: str, busy: str
) -> None:
    seen: list[Any] = []
    write = f"UPDATE {busy} SET id = id WHERE id = 1"
    with holding(url, write), session(url) as looking:
        worker = start(url, release_name, {"lock_timeout": 0.1, "lock_wait": 20})
        until = time.monotonic() + 1.0
        while time.monotonic() < until:
            seen += looking.execute_sql(WAITS_AND_HOLDS).fetchall()
            time.sleep(0.005)
    answer = worker.answer(30.0)
    assert seen == []
    assert answer is not None and answer["error"] is None


# What is done in one transaction.


def test_columns_of_a_table_are_added_in_one_transaction(done_url: str) -> None:
    sql = """SELECT attrelid::regclass::text, count(DISTINCT xmin::text) FROM pg_attribute
             WHERE attname IN ('motto', 'share', 'age', 'token', 'writer_id', 'editor_id')
               AND attrelid IN ('author'::regclass, 'post'::regclass)
             GROUP BY 1 ORDER BY 1"""
    assert ask(done_url, sql) == [("author", 1), ("post", 1)]


def test_columns_of_two_tables_are_added_in_two_transactions(done_url: str) -> None:
    sql = """SELECT count(DISTINCT xmin::text) FROM pg_attribute
             WHERE attname IN ('motto', 'writer_id')
               AND attrelid IN ('author'::regclass, 'post'::regclass)"""
    assert ask(done_url, sql) == [(2,)]


def test_constraints_of_new_columns_are_valid_in_the_end(done_url: str) -> None:
    sql = """SELECT convalidated, obj_description(oid, 'pg_constraint') FROM pg_constraint
             WHERE conname IN ('author_age_check', 'fk_post_editor_id_refs_author')"""
    assert ask(done_url, sql) == [(True, None)] * 2


# Rows that somebody holds.


@pytest.fixture
def unfilled_url(any_postgres_url: str) -> str:
    """A table whose new column an interrupted run has left unfilled, on each server in turn."""
    ask(any_postgres_url, "CREATE TABLE t (id serial PRIMARY KEY, token uuid)")
    ask(any_postgres_url, "INSERT INTO t (token) VALUES (NULL), (NULL)")
    ask(any_postgres_url, "COMMENT ON COLUMN t.token IS 'peewee_automigrate: unfinished'")
    return any_postgres_url


def token(database: Database) -> type[Model]:
    return model(database, "t", token=UUIDField(default=uuid.uuid4))


LOCKED_ROW = "SELECT FROM t WHERE id = 2 FOR UPDATE"


def test_row_that_is_locked_past_lock_wait_the_error_names_who_holds_it(unfilled_url: str) -> None:
    database = database_of(unfilled_url)
    with holding(unfilled_url, LOCKED_ROW) as holder:
        who = f"pid {number_of(holder)} .report"
        with pytest.raises(LockTimeout, match=who):
            migrate(database, [token(database)], **SHORT)


def test_row_that_was_locked_next_run_fills_it(unfilled_url: str) -> None:
    database = database_of(unfilled_url)
    with holding(unfilled_url, LOCKED_ROW), pytest.raises(LockTimeout):
        migrate(database, [token(database)], **SHORT)
    migrate(database, [token(database)])
    assert ask(unfilled_url, "SELECT count(DISTINCT token) FROM t") == [(2,)]


# Scans of the old rows.


LOCKS_OF_OTHERS = """
    SELECT l.relation::regclass::text, l.mode FROM pg_locks AS l
    JOIN pg_stat_activity AS a USING (pid)
    WHERE l.granted AND l.relation IN ('post'::regclass, 'author'::regclass)
      AND a.application_name = 'migrator'
      AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'AccessExclusiveLock')
"""


@pytest.mark.parametrize("word", ["VALIDATE", "each row", "CONCURRENTLY"])
def test_scan_of_old_rows_holds_no_lock_that_stops_writers(
    caplog: pytest.LogCaptureFixture, url: str, word: str
) -> None:
    database = database_of(url, application_name="migrator")
    seen: dict[str, list[Any]] = {}

    def look(record: logging.LogRecord) -> bool:
        if word in record.getMessage():
            seen[record.getMessage()] = ask(url, LOCKS_OF_OTHERS)
        return True

    caplog.handler.addFilter(look)
    with caplog.at_level(logging.INFO, "peewee_automigrate"):
        migrate(database, second(database), online_rows=0)
    caplog.handler.removeFilter(look)
    assert seen and not any(seen.values())


# The lock between migrators.


def test_migration_lock_while_waiting_no_snapshot_is_held(
    start: Migrate, busy_migrator: Any, url: str
) -> None:
    waiter = start(url, "child", {"lock_wait": 1.5}, name="waiter")
    sql = """SELECT state, backend_xmin IS NULL FROM pg_stat_activity
             WHERE application_name = 'waiter'"""
    kills.wait_for(url, sql)
    time.sleep(0.7)
    seen = []
    for _ in range(20):
        seen += ask(url, sql)
        time.sleep(0.02)
    waiter.answer(30.0)
    assert seen.count(("idle", True)) >= 15


def test_migration_lock_of_a_dead_process_is_free_while_the_table_is_still_busy(
    start: Migrate, url: str
) -> None:
    """The dead one's statement goes on waiting on the server for its own lock_timeout."""
    with holding(url, READ):
        worker = start(url, "column", {"lock_timeout": 2.0}, name="first")
        waiting(url)
        kills.stop(worker)
        answer = start(url, "child").answer(30.0)
    assert answer is not None and answer["applied"] == ["create table comment"]
