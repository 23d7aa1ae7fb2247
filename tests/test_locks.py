"""Locks: none for nothing to do, short ones on tables, one between migrators that names who."""

from __future__ import annotations

import logging
import re
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from peewee import Database, Model, SqliteDatabase, UUIDField

from peewee_automigrate import LockTimeout, migrate, plan
from tests.support import blockers, kills
from tests.support.crew import Crew, Migrate
from tests.support.holders import holding, reading, writing
from tests.support.places import Places, advisory_locks, ask, facts
from tests.support.wire import recorded
from tests.support.workers import child, column, database_of, fill, model, second

SHORT = {"lock_timeout": 0.2, "lock_wait": 1.0}
NOTHING = "Nothing was changed. Run again when it has ended, or raise lock_wait."


def impatient(url: str) -> Database:
    """Return an open connection that fails when it waits, so that a test never hangs."""
    database = database_of(url, options="-c statement_timeout=3000")
    database.connect()
    return database


def pid_of(connection: Any) -> int:
    return int(connection.info.backend_pid)


def seconds_left_out(text: str) -> str:
    return re.sub(r"\d+(\.\d+)? s\b", "N s", text)


# Nothing to do.


@pytest.fixture
def done_url(any_postgres_url: str) -> str:
    """A database in which nothing is missing, on each server in turn."""
    fill(database_of(any_postgres_url), 20)
    database = database_of(any_postgres_url)
    migrate(database, second(database))
    return any_postgres_url


TABLES = ("author", "post", "comment", "team", "player")


@pytest.mark.parametrize("function", [plan, migrate])
def test_nothing_to_do_while_tables_are_locked_waits_for_nobody(
    done_url: str, function: Any
) -> None:
    database = impatient(done_url)
    with holding(done_url, f"LOCK TABLE {', '.join(TABLES)} IN ACCESS EXCLUSIVE MODE"):
        assert not function(database, second(database))
    database.close()


def test_nothing_to_do_while_an_alter_waits_waits_for_nobody(done_url: str) -> None:
    database = impatient(done_url)
    alter = "ALTER TABLE post ADD COLUMN by_hand integer"
    with blockers.session(done_url, "reader") as reader:
        reader.cursor().execute("SELECT count(*) FROM post")
        with blockers.executing(done_url, "alter", alter):
            assert not migrate(database, second(database))
            reader.rollback()
    database.close()


def test_nothing_to_do_while_somebody_migrates_waits_for_nobody(done_url: str) -> None:
    database = impatient(done_url)
    with holding(done_url, f"SELECT pg_advisory_lock({0x70656577}, 0)"):
        assert not migrate(database, second(database), lock_wait=0)
    database.close()


def test_nothing_to_do_sends_only_reads_of_the_catalogue(done_url: str) -> None:
    database = impatient(done_url)
    with recorded(database) as sent:
        migrate(database, second(database))
    database.close()
    words = [statement.split()[0] for statement in sent]
    assert len(sent) <= 2 and set(words) == {"SELECT"}
    assert not [statement for statement in sent if "advisory" in statement]


@pytest.fixture
def powerless_url(done_url: str) -> Iterator[str]:
    """The URL of a role that may connect and nothing else."""
    role = f"powerless_{uuid.uuid4().hex}"
    ask(done_url, f"CREATE ROLE {role} LOGIN")
    yield done_url.replace("://postgres", f"://{role}", 1)
    ask(done_url, f"DROP ROLE {role}")


@pytest.mark.parametrize("function", [plan, migrate])
def test_nothing_to_do_works_for_a_role_without_rights(powerless_url: str, function: Any) -> None:
    database = impatient(powerless_url)
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        ask(powerless_url, "SELECT * FROM post")
    assert not function(database, second(database))
    database.close()


def test_nothing_to_do_works_in_a_read_only_session(done_url: str) -> None:
    database = database_of(done_url, options="-c default_transaction_read_only=on")
    assert not migrate(database, second(database))


def test_nothing_to_do_works_on_a_read_only_file(sqlite_url: str) -> None:
    database = database_of(sqlite_url)
    migrate(database, second(database))
    path = sqlite_url.removeprefix("sqlite:///")
    read_only = SqliteDatabase(f"file:{path}?mode=ro", uri=True)
    assert not migrate(read_only, second(read_only))


def test_nothing_to_do_while_somebody_writes_the_file_waits_for_nobody(sqlite_url: str) -> None:
    database = database_of(sqlite_url, timeout=0)
    migrate(database, second(database))
    with writing(sqlite_url) as writer:
        writer.execute_sql("UPDATE post SET length = 1")
        assert not migrate(database, second(database), lock_wait=0)


def test_nothing_to_do_sends_only_reads_to_sqlite(sqlite_url: str) -> None:
    database = database_of(sqlite_url)
    migrate(database, second(database))
    with database.connection_context(), recorded(database) as sent:
        migrate(database, second(database))
    assert len(sent) <= 2 and {statement.split()[0] for statement in sent} <= {"SELECT", "WITH"}


# Table locks.


@pytest.mark.parametrize("change", list(blockers.CHANGES))
@pytest.mark.parametrize("blocker", list(blockers.BLOCKERS))
def test_busy_table_nobody_waits_long(
    crew: Crew, postgres_places: Places, blocker: str, change: str
) -> None:
    lock_timeout = 0.2
    waits = blockers.cell(crew, postgres_places, blocker, change, 0.7, lock_timeout)
    assert waits.problems == ()
    assert waits.longest <= lock_timeout + 1


def test_busy_table_past_lock_wait_the_error_names_who_blocks(
    start: Migrate, grown_postgres_url: str
) -> None:
    with holding(grown_postgres_url, "SELECT count(*) FROM post") as holder:
        answer = start(grown_postgres_url, "column", SHORT).answer(30.0)
        pid = pid_of(holder)
    assert answer is not None
    who = f"pid {pid} (report, idle in transaction for N s)"
    text = f"post: its lock was not free within N s, held by {who}. {NOTHING}"
    assert (answer["error"], seconds_left_out(answer["text"])) == ("LockTimeout", text)
    assert seconds_left_out(answer["holder"]) == who


def test_busy_table_past_lock_wait_nothing_is_changed(
    start: Migrate, grown_postgres_url: str
) -> None:
    before = facts(grown_postgres_url)
    with holding(grown_postgres_url, "SELECT count(*) FROM post"):
        start(grown_postgres_url, "column", SHORT).answer(30.0)
    assert (facts(grown_postgres_url), advisory_locks(grown_postgres_url)) == (before, 0)


def test_busy_table_past_lock_wait_it_ends_in_time(start: Migrate, grown_postgres_url: str) -> None:
    with holding(grown_postgres_url, "SELECT count(*) FROM post"):
        answer = start(grown_postgres_url, "column", SHORT).answer(30.0)
    assert answer is not None and 1.0 <= answer["duration"] <= 3.0


def test_busy_table_the_log_names_who_blocks(start: Migrate, grown_postgres_url: str) -> None:
    with holding(grown_postgres_url, "SELECT count(*) FROM post") as holder:
        pid = pid_of(holder)
        worker = start(grown_postgres_url, "column", {"lock_timeout": 0.2})
        time.sleep(0.6)
        holder.rollback()
        answer = worker.answer(30.0)
    assert answer is not None
    lines = [seconds_left_out(line) for line in answer["log"]]
    who = f"pid {pid} (report, idle in transaction for N s)"
    assert f"post is locked by {who}, trying again" in lines


def test_busy_parent_past_lock_wait_the_error_names_who_blocks(
    start: Migrate, grown_postgres_url: str
) -> None:
    with holding(grown_postgres_url, "UPDATE author SET name = name WHERE id = 1") as holder:
        pid = pid_of(holder)
        answer = start(grown_postgres_url, "key", SHORT).answer(30.0)
    assert answer is not None
    who = f"pid {pid} (report, idle in transaction for N s)"
    assert (answer["error"], seconds_left_out(answer["holder"] or "")) == ("LockTimeout", who)


@pytest.mark.parametrize("atomic", [False, True])
def test_table_that_nobody_may_even_read_past_lock_wait_is_a_lock_timeout(
    start: Migrate, grown_postgres_url: str, atomic: bool
) -> None:
    with holding(grown_postgres_url, "LOCK TABLE post IN ACCESS EXCLUSIVE MODE"):
        answer = start(grown_postgres_url, "column", {**SHORT, "atomic": atomic}).answer(5.0)
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
@pytest.mark.parametrize("release", ["key", "second"])
def test_waiting_for_a_table_no_other_table_is_held(
    start: Migrate, grown_postgres_url: str, release: str, busy: str
) -> None:
    seen = []
    write = f"UPDATE {busy} SET id = id WHERE id = 1"
    with holding(grown_postgres_url, write) as holder:
        worker = start(grown_postgres_url, release, {"lock_timeout": 0.1, "lock_wait": 20})
        until = time.monotonic() + 1.0
        with holding(grown_postgres_url) as looking:
            cursor = looking.cursor()
            while time.monotonic() < until:
                cursor.execute(WAITS_AND_HOLDS)
                seen += cursor.fetchall()
                time.sleep(0.005)
        holder.rollback()
        answer = worker.answer(30.0)
    assert seen == []
    assert answer is not None and answer["error"] is None


def test_columns_of_a_table_are_added_in_one_transaction(grown_postgres_url: str) -> None:
    database = database_of(grown_postgres_url)
    migrate(database, second(database))
    sql = """SELECT attrelid::regclass::text, count(DISTINCT xmin::text) FROM pg_attribute
             WHERE attname IN ('motto', 'share', 'age', 'token', 'writer_id', 'editor_id')
               AND attrelid IN ('author'::regclass, 'post'::regclass)
             GROUP BY 1 ORDER BY 1"""
    assert ask(grown_postgres_url, sql) == [("author", 1), ("post", 1)]


def test_columns_of_two_tables_are_added_in_two_transactions(grown_postgres_url: str) -> None:
    database = database_of(grown_postgres_url)
    migrate(database, second(database))
    sql = """SELECT count(DISTINCT xmin::text) FROM pg_attribute
             WHERE attname IN ('motto', 'writer_id')
               AND attrelid IN ('author'::regclass, 'post'::regclass)"""
    assert ask(grown_postgres_url, sql) == [(2,)]


@pytest.fixture
def unfilled_url(any_postgres_url: str) -> str:
    """A table whose new column an interrupted run has left unfilled, on each server in turn."""
    ask(any_postgres_url, "CREATE TABLE t (id serial PRIMARY KEY, token uuid)")
    ask(any_postgres_url, "INSERT INTO t (token) VALUES (NULL), (NULL)")
    ask(any_postgres_url, "COMMENT ON COLUMN t.token IS 'peewee_automigrate: unfinished'")
    return any_postgres_url


def token(database: Database) -> type[Model]:
    return model(database, "t", token=UUIDField(default=uuid.uuid4))


def test_row_that_is_locked_past_lock_wait_the_error_names_who_holds_it(unfilled_url: str) -> None:
    database = database_of(unfilled_url)
    with (
        holding(unfilled_url, "SELECT FROM t WHERE id = 2 FOR UPDATE") as holder,
        pytest.raises(LockTimeout, match=f"pid {pid_of(holder)} .report"),
    ):
        migrate(database, [token(database)], **SHORT)


def test_row_that_was_locked_next_run_fills_it(unfilled_url: str) -> None:
    database = database_of(unfilled_url)
    with (
        holding(unfilled_url, "SELECT FROM t WHERE id = 2 FOR UPDATE"),
        pytest.raises(LockTimeout),
    ):
        migrate(database, [token(database)], **SHORT)
    migrate(database, [token(database)])
    assert ask(unfilled_url, "SELECT count(DISTINCT token) FROM t") == [(2,)]


LOCKS_OF_OTHERS = """
    SELECT l.relation::regclass::text, l.mode FROM pg_locks AS l
    JOIN pg_stat_activity AS a USING (pid)
    WHERE l.granted AND l.relation IN ('post'::regclass, 'author'::regclass)
      AND a.application_name = 'migrator'
      AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'AccessExclusiveLock')
"""


@pytest.mark.parametrize("word", ["VALIDATE", "each row", "CONCURRENTLY"])
def test_scan_of_old_rows_holds_no_lock_that_stops_writers(
    grown_postgres_url: str, word: str
) -> None:
    database = database_of(grown_postgres_url, application_name="migrator")
    seen: dict[str, list[Any]] = {}

    class Looker(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if word in record.getMessage():
                seen[record.getMessage()] = ask(grown_postgres_url, LOCKS_OF_OTHERS)

    log, handler = logging.getLogger("peewee_automigrate"), Looker(logging.INFO)
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        migrate(database, second(database), online_rows=0)
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
    assert seen and not any(seen.values())


def test_constraints_of_new_columns_are_valid_in_the_end(grown_postgres_url: str) -> None:
    database = database_of(grown_postgres_url)
    migrate(database, second(database))
    sql = """SELECT convalidated, obj_description(oid, 'pg_constraint') FROM pg_constraint
             WHERE conname IN ('author_age_check', 'fk_post_editor_id_refs_author')"""
    assert ask(grown_postgres_url, sql) == [(True, None)] * 2


def test_failed_lock_of_several_changes_the_error_says_what_stays(
    start: Migrate, grown_postgres_url: str
) -> None:
    with holding(grown_postgres_url, "SELECT count(*) FROM post") as holder:
        pid = pid_of(holder)
        answer = start(grown_postgres_url, "second", SHORT).answer(30.0)
    assert answer is not None
    stays = "; ".join(
        [
            *("create table team", "create table player", "create table comment"),
            "add foreign key team (lead_id) to player",
            *(f"add column author.{name}" for name in ("motto", "share", "age", "token")),
        ]
    )
    assert seconds_left_out(answer["text"]) == (
        f"post: its lock was not free within N s, held by pid {pid} (report, idle in transaction "
        f"for N s). Applied, and stays: {stays}. Run again when it has ended, or raise lock_wait."
    )


# The lock between migrators.


@pytest.fixture
def busy_migrator(start: Migrate, grown_postgres_url: str) -> Iterator[tuple[Any, Any]]:
    """A migrator that waits for a table, and the client that makes it wait."""
    with holding(grown_postgres_url, "SELECT count(*) FROM post") as holder:
        worker = start(grown_postgres_url, "column", {"lock_timeout": 2.0}, name="first")
        kills.wait_for(
            grown_postgres_url, "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        )
        yield worker, holder


def migrator_pid(url: str) -> int:
    return int(ask(url, "SELECT pid FROM pg_stat_activity WHERE application_name = 'first'")[0][0])


def test_migration_lock_past_lock_wait_the_error_names_the_holder(
    start: Migrate, busy_migrator: Any, grown_postgres_url: str
) -> None:
    answer = start(grown_postgres_url, "child", {"lock_wait": 0.5}).answer(30.0)
    assert answer is not None
    who = f"pid {migrator_pid(grown_postgres_url)} (first, active for N s)"
    assert (answer["error"], seconds_left_out(answer["text"])) == (
        "LockTimeout",
        f"migration lock: not free after N s, held by {who}. "
        "Wait for it to end, or raise lock_wait.",
    )
    assert seconds_left_out(answer["holder"]) == who


def test_migration_lock_while_waiting_the_log_says_who_holds_it(
    start: Migrate, busy_migrator: Any, grown_postgres_url: str
) -> None:
    answer = start(grown_postgres_url, "child", {"lock_wait": 0.5}).answer(30.0)
    assert answer is not None
    who = f"pid {migrator_pid(grown_postgres_url)} (first, active for N s)"
    assert [seconds_left_out(line) for line in answer["log"]] == [
        f"waited N s for the lock of {who}"
    ]


def test_migration_lock_while_waiting_no_snapshot_is_held(
    start: Migrate, busy_migrator: Any, grown_postgres_url: str
) -> None:
    waiter = start(grown_postgres_url, "child", {"lock_wait": 1.5}, name="waiter")
    sql = """SELECT state, backend_xmin IS NULL FROM pg_stat_activity
             WHERE application_name = 'waiter'"""
    kills.wait_for(grown_postgres_url, sql)
    time.sleep(0.7)
    seen = []
    for _ in range(20):
        seen += ask(grown_postgres_url, sql)
        time.sleep(0.02)
    waiter.answer(30.0)
    assert seen.count(("idle", True)) >= 15


def test_migration_lock_free_in_time_the_report_says_how_long_it_took(
    start: Migrate, busy_migrator: Any, grown_postgres_url: str
) -> None:
    first, holder = busy_migrator
    waiter = start(grown_postgres_url, "child")
    time.sleep(1.0)
    holder.rollback()
    assert first.answer(30.0)["error"] is None
    answer = waiter.answer(30.0)
    assert answer is not None and answer["applied"] == ["create table comment"]
    assert answer["waited"] >= 0.5


def test_migration_lock_of_a_dead_process_is_free(
    start: Migrate, busy_migrator: Any, grown_postgres_url: str
) -> None:
    kills.stop(busy_migrator[0])
    answer = start(grown_postgres_url, "child").answer(30.0)
    assert answer is not None and answer["applied"] == ["create table comment"]


def test_migration_lock_held_by_a_thread_past_lock_wait_the_error_says_so(
    sqlite_url: str,
) -> None:
    database, entered, leave = database_of(sqlite_url), threading.Event(), threading.Event()

    def pause(event: Any) -> None:
        entered.set()
        leave.wait(20)

    thread = threading.Thread(
        target=lambda: migrate(database, column(database), on_step=pause), daemon=True
    )
    thread.start()
    entered.wait(20)
    try:
        with pytest.raises(LockTimeout) as caught:
            migrate(database, child(database), lock_wait=0.3)
    finally:
        leave.set()
        thread.join()
    assert seconds_left_out(str(caught.value)) == (
        "migration lock: a thread of this process held it for N s. "
        "Wait for it to end, or raise lock_wait."
    )


def test_foreign_writer_of_the_file_past_lock_wait_is_a_lock_timeout(
    start: Migrate, sqlite_url: str
) -> None:
    with writing(sqlite_url):
        answer = start(sqlite_url, "column", {"lock_wait": 0.5}).answer(30.0)
    assert answer is not None
    assert (answer["error"], seconds_left_out(answer["text"])) == (
        "LockTimeout",
        "migration lock: not free after N s, held by another connection. "
        "Wait for it to end, or raise lock_wait.",
    )


def test_foreign_writer_of_the_file_while_waiting_the_log_says_so(
    start: Migrate, sqlite_url: str
) -> None:
    with writing(sqlite_url):
        answer = start(sqlite_url, "column", {"lock_wait": 0.5}).answer(30.0)
    assert answer is not None
    lines = [seconds_left_out(line) for line in answer["log"]]
    assert lines == ["waited N s for the lock of another connection"]


@pytest.mark.parametrize("begin", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
@pytest.mark.parametrize("timeout", [0, 5])
def test_foreign_writer_of_the_file_that_ends_in_time_is_waited_for(
    start: Migrate, sqlite_url: str, begin: str, timeout: float
) -> None:
    with writing(sqlite_url, begin) as writer:
        worker = start(sqlite_url, "column", connect={"timeout": timeout})
        time.sleep(0.5)
        writer.execute_sql("ROLLBACK")
        answer = worker.answer(30.0)
    assert answer is not None
    assert (answer["error"], answer.get("applied")) == (None, ["add column post.views"])


def test_reader_of_the_file_that_ends_in_time_is_waited_for(
    start: Migrate, sqlite_url: str
) -> None:
    with reading(sqlite_url) as cursor:
        worker = start(sqlite_url, "column", {"lock_timeout": 0.2})
        time.sleep(0.8)
        cursor.close()
        answer = worker.answer(30.0)
    assert answer is not None
    assert (answer["error"], answer.get("applied")) == (None, ["add column post.views"])


def test_reader_of_the_file_past_lock_wait_is_a_lock_timeout(
    start: Migrate, sqlite_url: str
) -> None:
    before = facts(sqlite_url)
    with reading(sqlite_url):
        answer = start(sqlite_url, "column", SHORT).answer(30.0)
    assert facts(sqlite_url) == before
    assert answer is not None and answer["error"] == "LockTimeout"


def test_reader_of_the_file_others_wait_only_for_short(start: Migrate, sqlite_url: str) -> None:
    longest = 0.0
    with reading(sqlite_url):
        worker = start(sqlite_url, "column", {"lock_timeout": 0.2, "lock_wait": 1.5})
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            began = time.monotonic()
            ask(sqlite_url, "SELECT count(*) FROM post")
            longest = max(longest, time.monotonic() - began)
        worker.answer(30.0)
    assert longest <= 0.2 + 1


def test_small_index_waits_with_a_short_lock_timeout(
    start: Migrate, grown_postgres_url: str
) -> None:
    with holding(grown_postgres_url, "UPDATE post SET length = 1 WHERE id = 1"):
        answer = start(grown_postgres_url, "index", SHORT).answer(30.0)
    assert answer is not None and answer["error"] == "LockTimeout"
