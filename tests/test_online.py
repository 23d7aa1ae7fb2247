"""Indexes on PostgreSQL tables that stand: built online, told about, and repaired when broken."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from peewee import SQL, Database, IntegerField, TextField

from peewee_automigrate import MigrationBlocked, MigrationFailed, migrate, plan
from tests.support import kills
from tests.support.catalogue import Facts
from tests.support.clients import on, stop
from tests.support.crew import ROOT, Migrate, Worker
from tests.support.places import ROWS, advisory_locks, ask, facts
from tests.support.wire import recorded
from tests.support.workers import column, database_of, first, index, model, unique

pytestmark = on("postgres")

ONLINE: dict[str, Any] = {"online_rows": 0}
VALID = """SELECT indisvalid, indisunique FROM pg_index
           WHERE indexrelid = to_regclass('post_length')"""
INVALID = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    made = database_of(url)
    made.connect()
    yield made
    made.close()


def broken_index(
    url: str, table: str = "post", name: str = "post_length", by: str = "length"
) -> None:
    """Leave an INVALID index, as a build that was cancelled leaves one."""
    with kills.snapshot(url), closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("SET statement_timeout = 300")
        with pytest.raises(psycopg2.errors.QueryCanceled):
            cursor.execute(f"CREATE INDEX CONCURRENTLY {name} ON {table} ({by})")
    assert ask(url, INVALID) == [(1,)]


@contextmanager
def building(
    start: Migrate, url: str, release: str = "index", options: Any = ONLINE, **more: Any
) -> Iterator[Worker]:
    """Give a worker that builds an index, which an older snapshot holds up in this block."""
    with kills.snapshot(url):
        worker = start(url, release, options, **more)
        kills.wait_for(url, kills.BUILDING)
        yield worker


# How an index is built.


@pytest.mark.parametrize(("rows", "online"), [(0, True), (ROWS - 1, True), (ROWS, False)])
def test_index_above_online_rows_is_built_concurrently(
    database: Database, rows: int, online: bool
) -> None:
    with recorded(database):
        (step,) = migrate(database, index(database), online_rows=rows).applied
    assert (step.online, "CONCURRENTLY" in step.statements[0]) == (online, online)


def test_index_built_online_is_valid(database: Database, url: str) -> None:
    migrate(database, index(database), **ONLINE)
    assert ask(url, VALID) == [(True, False)]


def test_index_that_the_model_writes_in_small_letters_is_built_concurrently(
    database: Database, url: str
) -> None:
    author, post = first(database)
    post._meta.indexes = [SQL("create index post_length on post (length)")]
    (step,) = migrate(database, [author, post], **ONLINE).applied
    assert step.statements == ("create INDEX CONCURRENTLY post_length on post (length)",)
    assert ask(url, VALID) == [(True, False)]


def test_plan_of_an_index_says_how_it_is_built(database: Database) -> None:
    online, small = (plan(database, index(database), online_rows=rows) for rows in (0, ROWS))
    assert [(step.reason, step.blocks) for made in (online, small) for step in made.steps] == [
        ("built online", "nothing"),
        ("built in a transaction", "writes"),
    ]


def test_atomic_builds_no_index_online(database: Database) -> None:
    (step,) = migrate(database, index(database), atomic=True, **ONLINE).applied
    assert (step.online, step.reason) == (False, "built in a transaction")


def test_plan_inside_a_transaction_says_that_no_index_is_built_online(database: Database) -> None:
    with database.atomic():
        (step,) = plan(database, index(database), **ONLINE).steps
    assert (step.online, step.reason) == (False, "built in a transaction")


def test_inside_a_transaction_no_index_is_built_online(database: Database, url: str) -> None:
    with database.atomic():
        migrate(database, index(database), **ONLINE)
    assert ask(url, VALID) == [(True, False)]


def test_build_longer_than_the_lock_timeout_goes_on(start: Migrate, url: str) -> None:
    with building(start, url, options={**ONLINE, "lock_timeout": 0.1}) as worker:
        time.sleep(0.6)
    answer = worker.answer(30.0)
    assert answer is not None and answer["error"] is None
    assert ask(url, VALID) == [(True, False)]


@pytest.mark.parametrize("setting", ["lock_timeout", "statement_timeout"])
def test_build_goes_on_under_a_timeout_of_the_connection(
    start: Migrate, url: str, setting: str
) -> None:
    with building(start, url, connect={"options": f"-c {setting}=300"}) as worker:
        time.sleep(0.7)
    answer = worker.answer(30.0)
    assert answer is not None and answer["error"] is None


def test_while_an_index_is_built_the_lock_is_held_without_a_snapshot(
    start: Migrate, url: str
) -> None:
    sql = """SELECT DISTINCT a.state, a.backend_xmin IS NULL FROM pg_locks AS l
             JOIN pg_stat_activity AS a USING (pid) WHERE l.locktype = 'advisory'
             AND l.objid = 0 AND a.datname = current_database()"""
    seen = []
    with building(start, url) as worker:
        for _ in range(20):
            seen += ask(url, sql)
            time.sleep(0.02)
    worker.answer(30.0)
    assert seen.count(("idle", True)) >= 15


# What is told meanwhile.


def test_progress_of_a_build_is_told(start: Migrate, url: str) -> None:
    with building(start, url, events=True) as worker:
        time.sleep(1.3)
    answer = worker.answer(30.0)
    assert answer is not None
    states = [event[0] for event in answer["events"]]
    assert (states[0], set(states[1:-1]), states[-1]) == ("start", {"progress"}, "done")
    assert "waiting for old snapshots" in {event[1] for event in answer["events"]}


@pytest.fixture
def command(url: str, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """A function that starts the command line, which builds an index online."""
    (tmp_path / "app_models.py").write_text(
        textwrap.dedent("""
            from peewee import *

            class Post(Model):
                title = TextField()
                length = IntegerField(index=True)

                class Meta:
                    table_name = "post"
        """)
    )
    words = [sys.executable, "-m", "peewee_automigrate", "migrate", "app_models"]
    words += ["--database", url, "--online-rows", "0"]
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}"}

    def begin(output: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            text=True,
        )

    return begin


def test_progress_of_a_build_is_shown_on_a_terminal(
    command: Callable[..., subprocess.Popen[str]], url: str
) -> None:
    ours, theirs = pty.openpty()
    with kills.snapshot(url) as holder:
        process = command(theirs)
        os.close(theirs)
        kills.wait_for(url, kills.BUILDING)
        time.sleep(1.3)
        holder.rollback()
        shown = b"".join(iter(lambda: read_terminal(ours), b"")).decode()
        assert process.wait(30) == 0, shown
    assert "waiting for old snapshots" in shown or "%" in shown, shown


def read_terminal(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # the other end is closed
        return b""


# What a broken build leaves.


REPAIRED = (
    "post.post_length: an INVALID leftover of the same definition. It is dropped and built again."
)


def test_invalid_leftover_is_planned_to_be_repaired_and_said(database: Database, url: str) -> None:
    broken_index(url)
    made = plan(database, index(database), **ONLINE)
    assert [str(finding) for finding in made.findings] == [REPAIRED]
    assert made.sql() == [
        'DROP INDEX CONCURRENTLY "post_length"',
        'CREATE INDEX CONCURRENTLY "post_length" ON "post" ("length")',
    ]


@pytest.mark.parametrize("options", [ONLINE, {}, {"atomic": True}])
def test_invalid_leftover_is_repaired(
    database: Database, url: str, options: dict[str, Any]
) -> None:
    broken_index(url)
    report = migrate(database, index(database), **options)
    assert [str(finding) for finding in report.findings] == [REPAIRED]
    assert ask(url, VALID) == [(True, False)]


def test_invalid_leftover_of_another_definition_is_a_finding(database: Database, url: str) -> None:
    broken_index(url, by="title")
    with pytest.raises(MigrationBlocked) as caught:
        migrate(database, index(database), **ONLINE)
    assert str(caught.value) == (
        "1 blocked, nothing was changed:\n"
        "  post.post_length: the name is taken by an index of post, and index (length) is "
        "missing. Give the index another name, or rename the other one."
    )


def test_invalid_leftover_of_another_definition_is_not_touched(
    database: Database, url: str
) -> None:
    broken_index(url, by="title")
    before = facts(url)
    migrate(database, index(database), on_blocked="skip", **ONLINE)
    assert facts(url) == before


def test_invalid_index_that_no_model_knows_is_a_finding(database: Database, url: str) -> None:
    broken_index(url, name="by_hand")
    (finding,) = plan(database, first(database)).drift
    assert str(finding) == (
        "post.by_hand: the index (length) is INVALID and unknown to the models. "
        "Drop or rebuild it by hand."
    )


def test_invalid_index_that_no_model_knows_is_not_touched(database: Database, url: str) -> None:
    broken_index(url, name="by_hand")
    migrate(database, column(database), **ONLINE)
    assert ask(url, INVALID) == [(1,)]


def test_index_that_somebody_builds_right_now_is_not_dropped(start: Migrate, url: str) -> None:
    oid = "SELECT 'post_length'::regclass::oid::text"
    with kills.snapshot(url) as holder:
        create = "CREATE INDEX CONCURRENTLY post_length ON post (length)"
        thread = threading.Thread(target=lambda: ask(url, create))
        thread.start()
        kills.wait_for(url, kills.BUILDING)
        built = ask(url, oid)
        worker = start(url, "index", {**ONLINE, "lock_wait": 20})
        time.sleep(1.0)
        holder.rollback()
        thread.join()
        worker.answer(30.0)
    assert ask(url, oid) == built


def test_build_that_its_killed_client_left_behind_is_waited_for(start: Migrate, url: str) -> None:
    with building(start, url) as killed:
        ((pid,),) = kills.wait_for(url, kills.BUILDING)
        kills.stop(killed)
        worker = start(url, "column", {**ONLINE, "lock_wait": 20})
        time.sleep(1.0)
    answer = worker.answer(30.0)
    assert answer is not None and answer["applied"] == ["add column post.views"]
    assert any(f"for the lock of pid {pid} (worker, active for " in line for line in answer["log"])


def test_build_that_its_killed_client_left_behind_is_not_built_again(
    start: Migrate, url: str
) -> None:
    with building(start, url) as killed:
        built = ask(url, "SELECT 'post_length'::regclass::oid::text")
        kills.stop(killed)
        worker = start(url, "index", {**ONLINE, "lock_wait": 20})
        time.sleep(0.5)
    answer = worker.answer(30.0)
    assert answer is not None and (answer["error"], answer["applied"]) == (None, [])
    assert ask(url, "SELECT 'post_length'::regclass::oid::text") == built


@pytest.fixture
def spoilt(start: Migrate, url: str) -> dict[str, Any]:
    """The answer of a migration in whose unique index duplicates arrive while it waits."""
    with closing(psycopg2.connect(url)) as writer:
        writer.cursor().execute("INSERT INTO post (title, length) VALUES ('post 1', 1)")
        worker = start(url, "unique", ONLINE)
        kills.wait_for(url, kills.BUILDING)
        writer.commit()
        answer = worker.answer(30.0)
    assert answer is not None
    return answer


def test_duplicates_that_arrive_during_the_build_the_error_names_the_statement(
    spoilt: dict[str, Any],
) -> None:
    statement = 'CREATE UNIQUE INDEX CONCURRENTLY "post_title" ON "post" ("title")'
    assert (spoilt["error"], spoilt["statement"]) == ("MigrationFailed", statement)
    assert 'could not create unique index "post_title"' in spoilt["text"]


def test_duplicates_that_arrive_during_the_build_the_error_tells_of_the_leftover(
    spoilt: dict[str, Any], url: str
) -> None:
    assert ask(url, INVALID) == [(1,)]
    assert "Nothing was changed." not in spoilt["text"]
    assert "INVALID" in spoilt["text"]


def test_duplicates_that_arrive_during_the_build_next_run_is_blocked(
    spoilt: dict[str, Any], database: Database
) -> None:
    with pytest.raises(MigrationBlocked) as caught:
        migrate(database, unique(database), **ONLINE)
    assert [finding.code for finding in caught.value.blocked] == ["AM105"]


def test_duplicates_that_arrived_and_went_next_run_completes(
    spoilt: dict[str, Any], database: Database, url: str
) -> None:
    ask(url, f"DELETE FROM post WHERE id > {ROWS}")
    migrate(database, unique(database), **ONLINE)
    assert (ask(url, INVALID), plan(database, unique(database)).steps) == ([(0,)], ())


# A build that is stopped.


@pytest.mark.parametrize("what", ["connection", "statement"])
def test_build_that_is_stopped_next_run_completes(
    start: Migrate, url: str, wanted: Facts, what: str
) -> None:
    with building(start, url, "second") as worker:
        ((pid,),) = kills.wait_for(url, kills.BUILDING)
        stop(url, pid, what)
        answer = worker.answer(30.0)
    assert answer is not None and answer["error"] == "MigrationFailed"
    assert answer["statement"].startswith("CREATE INDEX CONCURRENTLY")
    assert advisory_locks(url) == 0
    assert kills.after(url, wanted) == []


def test_lock_holder_that_is_lost_during_a_build_next_run_completes(
    start: Migrate, url: str, wanted: Facts
) -> None:
    holder = """SELECT pid FROM pg_stat_activity
                WHERE application_name = 'worker' AND state = 'idle'"""
    with building(start, url, "second") as worker:
        ((pid,),) = kills.wait_for(url, holder)
        stop(url, pid)
        answer = worker.answer(30.0)
    assert answer is not None and answer["error"] == "MigrationFailed"
    assert kills.after(url, wanted) == []


def test_interrupted_build_ends_at_once(start: Migrate, url: str) -> None:
    with building(start, url) as worker:
        worker.interrupt()
        answer = worker.answer(8.0)
        assert answer is not None and answer["error"] == "KeyboardInterrupt"
        assert advisory_locks(url) == 0
        assert ask(url, kills.BUILDING + " AND pid <> pg_backend_pid() AND state = 'active'") == []


def test_interrupted_build_next_run_completes(start: Migrate, url: str, wanted: Facts) -> None:
    with building(start, url, "second") as worker:
        worker.interrupt()
        assert worker.answer(8.0) is not None
    assert kills.after(url, wanted) == []


def test_interrupted_command_line_ends_without_a_traceback(
    command: Callable[..., subprocess.Popen[str]], url: str
) -> None:
    with kills.snapshot(url):
        process = command(subprocess.PIPE)
        kills.wait_for(url, kills.BUILDING)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert process.returncode not in (0, 1)  # 1: check found pending work
    assert "Traceback" not in err
    assert err.strip()
    assert advisory_locks(url) == 0


# Partitioned tables, which have no online builds.


def partitioned(**fields: Any) -> Callable[[Database], Any]:
    return lambda database: [
        model(database, "day", day=IntegerField(primary_key=True), title=TextField(**fields))
    ]


@pytest.fixture
def partitions(url: str) -> None:
    ask(
        url,
        """CREATE TABLE day (day integer NOT NULL PRIMARY KEY, title text NOT NULL)
               PARTITION BY RANGE (day);
           CREATE TABLE day_1 PARTITION OF day FOR VALUES FROM (0) TO (100);
           CREATE TABLE day_2 PARTITION OF day FOR VALUES FROM (100) TO (200);
           INSERT INTO day SELECT i, 'day ' || i FROM generate_series(0, 199) AS i""",
    )


def test_index_of_a_partitioned_table_is_planned_without_concurrently(
    database: Database, partitions: None
) -> None:
    (step,) = plan(database, partitioned(index=True)(database), **ONLINE).steps
    assert step.statements == ('CREATE INDEX "day_title" ON "day" ("title")',)
    expected = "built in a transaction, since a partitioned table has no online builds"
    assert (step.reason, step.blocks) == (expected, "writes")


def test_index_of_a_partitioned_table_is_built_on_every_partition(
    database: Database, partitions: None, url: str
) -> None:
    migrate(database, partitioned(index=True)(database), **ONLINE)
    sql = "SELECT count(*) FROM pg_index WHERE indisvalid AND indnatts = 1 AND NOT indisprimary"
    assert ask(url, sql + " AND indrelid::regclass::text LIKE 'day%'") == [(3,)]


def test_unique_index_of_a_partitioned_table_without_its_key_is_blocked(
    database: Database, partitions: None
) -> None:
    with pytest.raises(MigrationBlocked) as caught:
        migrate(database, partitioned(unique=True)(database), **ONLINE)
    assert str(caught.value) == (
        "1 blocked, nothing was changed:\n"
        "  day.day_title: a unique index here must have day as well. "
        "Declare it otherwise, or add it by your own script, then run again."
    )


def test_failed_build_the_error_carries_the_driver_s(database: Database, url: str) -> None:
    ask(
        url,
        """CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS
           $$ BEGIN RAISE EXCEPTION 'no indexes today'; END $$;
           CREATE EVENT TRIGGER no ON ddl_command_start WHEN TAG IN ('CREATE INDEX')
           EXECUTE FUNCTION no()""",
    )
    with pytest.raises(MigrationFailed) as caught:
        migrate(database, index(database), **ONLINE)
    assert "no indexes today" in str(caught.value.__cause__)
    assert not isinstance(caught.value.__cause__, MigrationFailed)
