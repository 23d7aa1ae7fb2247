"""A run that fails or is stopped half-way: what stays, what is said, and the next run completes."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from peewee import Database, IntegerField, TextField, UUIDField

from peewee_automigrate import MigrationFailed, StepEvent, migrate, plan
from tests.cases_base import Maker
from tests.cases_keys import waiting_keys
from tests.support import kills, rolling
from tests.support.crew import ROOT, Crew, Migrate
from tests.support.holders import holding, reading, writing
from tests.support.places import Places, advisory_locks, ask, facts
from tests.support.rounds import undisturbed
from tests.support.workers import RELEASES, child, database_of, first, model, second

WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
REFUSE = """
    CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS
    $$ BEGIN
        IF current_query() LIKE '%{word}%' THEN RAISE EXCEPTION 'not today'; END IF;
    END $$;
    CREATE EVENT TRIGGER refuse ON ddl_command_start EXECUTE FUNCTION refuse()"""
ALLOW = "DROP EVENT TRIGGER refuse; DROP FUNCTION refuse()"


@pytest.fixture
def url(grown_postgres_url: str) -> str:
    return grown_postgres_url


def open_database(url: str, **options: Any) -> Database:
    database = database_of(url, **options)
    database.connect()
    return database


def completes(url: str, wanted: Any) -> list[str]:
    """Run again; say what is wrong then."""
    return kills.after(url, wanted)


# A statement that the server refuses.


@pytest.fixture
def refused(url: str) -> Iterator[MigrationFailed]:
    """The error of a run whose statement on a column of post fails."""
    ask(url, REFUSE.format(word="writer_id"))
    database = open_database(url)
    with pytest.raises(MigrationFailed) as caught:
        migrate(database, second(database))
    database.close()
    yield caught.value


BEFORE_POST = [
    *("create table team", "create table player", "create table comment"),
    "add foreign key team (lead_id) to player",
    *(f"add column author.{name}" for name in ("motto", "share", "age", "token")),
]
STATEMENT = (
    'ALTER TABLE "post" ADD COLUMN "writer_id" INTEGER REFERENCES "author" ("id") ON DELETE CASCADE'
)


def test_refused_statement_the_error_says_what_stays(refused: MigrationFailed) -> None:
    first_line, *rest = str(refused).splitlines()
    assert first_line.startswith("statement 21 of 33 failed: not today")
    assert rest[-2:] == [
        f"  {STATEMENT}",
        f"Applied, and stays: {'; '.join(BEFORE_POST)}.",
    ]


def test_refused_statement_the_error_carries_it_as_data(refused: MigrationFailed) -> None:
    stays = [str(step) for step in refused.applied]
    assert (refused.statement, stays, refused.rolled_back) == (STATEMENT, BEFORE_POST, ())


def test_refused_statement_the_error_carries_the_driver_s(refused: MigrationFailed) -> None:
    assert not isinstance(refused.__cause__, MigrationFailed)
    assert "not today" in str(refused.__cause__)


def test_refused_statement_what_stays_is_there(refused: MigrationFailed, url: str) -> None:
    database = open_database(url)
    left = [str(step) for step in plan(database, second(database)).steps]
    database.close()
    assert not set(BEFORE_POST) & set(left)
    assert {"add column post.writer_id", "add column post.editor_id"} <= set(left)


def test_refused_statement_the_lock_is_released(refused: MigrationFailed, url: str) -> None:
    assert advisory_locks(url) == 0


def test_refused_statement_next_run_completes(
    crew: Crew, postgres_places: Places, refused: MigrationFailed, url: str
) -> None:
    ask(url, ALLOW)
    assert completes(url, undisturbed(crew, postgres_places, True)) == []


def test_refused_second_column_the_error_says_what_is_rolled_back(url: str) -> None:
    ask(url, REFUSE.format(word="editor_id"))
    database = open_database(url)
    with pytest.raises(MigrationFailed) as caught:
        migrate(database, second(database))
    database.close()
    assert [str(step) for step in caught.value.rolled_back] == ["add column post.writer_id"]
    assert str(caught.value).endswith("Rolled back: add column post.writer_id.")


def test_refused_validation_the_column_is_not_said_to_be_done(url: str) -> None:
    ask(url, REFUSE.format(word="VALIDATE CONSTRAINT"))
    database = open_database(url)
    with pytest.raises(MigrationFailed) as caught:
        migrate(database, second(database))
    database.close()
    assert "add column author.age" not in map(str, caught.value.applied)


def test_refused_validation_next_run_completes(
    crew: Crew, postgres_places: Places, url: str
) -> None:
    ask(url, REFUSE.format(word="VALIDATE CONSTRAINT"))
    database = open_database(url)
    with pytest.raises(MigrationFailed):
        migrate(database, second(database))
    database.close()
    ask(url, ALLOW)
    assert completes(url, undisturbed(crew, postgres_places, True)) == []


def test_atomic_refused_statement_everything_is_rolled_back(url: str) -> None:
    before = facts(url)
    ask(url, REFUSE.format(word="long_posts"))
    database = open_database(url)
    with pytest.raises(MigrationFailed) as caught:
        migrate(database, second(database), atomic=True, online_rows=0)
    database.close()
    assert caught.value.applied == ()
    assert "Applied, and stays" not in str(caught.value)
    assert facts(url) == before


def test_atomic_refused_statement_the_error_lists_what_was_rolled_back(url: str) -> None:
    ask(url, REFUSE.format(word="editor_id"))
    database = open_database(url)
    with pytest.raises(MigrationFailed) as caught:
        migrate(database, second(database), atomic=True)
    database.close()
    undone = [*BEFORE_POST, "add column post.writer_id"]
    assert [str(step) for step in caught.value.rolled_back] == undone
    assert str(caught.value).endswith(f"Rolled back: {'; '.join(undone)}.")


def test_atomic_undisturbed_everything_is_one_transaction(url: str) -> None:
    database = open_database(url)
    migrate(database, second(database), atomic=True, online_rows=0)
    database.close()
    sql = """SELECT count(DISTINCT xmin::text) FROM pg_class
             WHERE relname IN ('team', 'comment', 'author_name', 'long_posts', 'post_title')"""
    assert ask(url, sql) == [(1,)]


def test_atomic_undisturbed_the_catalogue_is_the_same(
    crew: Crew, postgres_places: Places, url: str
) -> None:
    database = open_database(url)
    migrate(database, second(database), atomic=True)
    database.close()
    assert facts(url) == undisturbed(crew, postgres_places, True)


def test_stopped_fill_next_release_without_that_default_completes(start: Migrate, url: str) -> None:
    kill = {"statement": 3, "when": "before"}  # the column and its mark are committed
    start(url, "filled", kill=kill).answer(30.0)
    database = open_database(url)
    fields = {"title": TextField(), "length": IntegerField(), "token": UUIDField(null=True)}
    migrate(database, [model(database, "post", **fields)])
    database.close()
    assert ask(url, "SELECT DISTINCT token FROM post") == [(None,)]


@pytest.mark.parametrize("number", range(2 * 7))
def test_stopped_before_or_after_any_step_next_run_completes_the_foreign_keys(
    postgres_database: Database, number: int
) -> None:
    models, events = waiting_keys(Maker(postgres_database)), itertools.count()
    postgres_database.execute_sql("CREATE TABLE t (id serial PRIMARY KEY, a text NOT NULL)")
    postgres_database.execute_sql("CREATE TABLE p (id serial PRIMARY KEY)")
    postgres_database.execute_sql("CREATE TABLE b (id serial PRIMARY KEY)")

    def stop(_: StepEvent) -> None:
        if next(events) == number:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        migrate(postgres_database, models, on_step=stop)
    migrate(postgres_database, models)
    made = plan(postgres_database, models)
    assert (made.steps, made.findings) == ((), ())


# A connection that is lost, and a statement that is cancelled.


@pytest.mark.parametrize("signal_of", ["pg_terminate_backend", "pg_cancel_backend"])
def test_stopped_while_it_waits_for_a_table_the_error_is_clear(
    start: Migrate, url: str, signal_of: str
) -> None:
    with holding(url, "SELECT count(*) FROM post"):
        worker = start(url, "column")
        ((pid,),) = kills.wait_for(url, WAITING)
        ask(url, f"SELECT {signal_of}({pid})")
        answer = worker.answer(30.0)
    assert answer is not None
    assert (answer["error"], answer["stays"]) == ("MigrationFailed", [])
    assert answer["text"].startswith("statement 1 of 1 failed: ")
    assert answer["text"].endswith("Nothing was changed.")


@pytest.mark.parametrize("signal_of", ["pg_terminate_backend", "pg_cancel_backend"])
@pytest.mark.parametrize("release", ["column", "second"])
def test_stopped_while_it_waits_for_a_table_next_run_completes(
    start: Migrate, url: str, signal_of: str, release: str
) -> None:
    with holding(url, "SELECT count(*) FROM post"):
        worker = start(url, release)
        ((pid,),) = kills.wait_for(url, WAITING)
        ask(url, f"SELECT {signal_of}({pid})")
        worker.answer(30.0)
        assert advisory_locks(url) == 0
    again = start(url, release).answer(30.0)
    assert again is not None and again["error"] is None and again["applied"]


@pytest.mark.parametrize("signal_of", ["pg_terminate_backend", "pg_cancel_backend"])
def test_build_that_is_stopped_next_run_completes(
    crew: Crew, postgres_places: Places, start: Migrate, url: str, signal_of: str
) -> None:
    with kills.snapshot(url):
        worker = start(url, "second", {"online_rows": 0})
        ((pid,),) = kills.wait_for(url, kills.BUILDING)
        ask(url, f"SELECT {signal_of}({pid})")
        answer = worker.answer(30.0)
    assert answer is not None and answer["error"] == "MigrationFailed"
    assert answer["statement"].startswith("CREATE INDEX CONCURRENTLY")
    assert advisory_locks(url) == 0
    assert completes(url, undisturbed(crew, postgres_places, True)) == []


def test_lock_holder_that_is_lost_during_a_build_next_run_completes(
    crew: Crew, postgres_places: Places, start: Migrate, url: str
) -> None:
    holder = """SELECT pid FROM pg_stat_activity
                WHERE application_name = 'worker' AND state = 'idle'"""
    with kills.snapshot(url):
        worker = start(url, "second", {"online_rows": 0})
        kills.wait_for(url, kills.BUILDING)
        ((pid,),) = kills.wait_for(url, holder)
        ask(url, f"SELECT pg_terminate_backend({pid})")
        answer = worker.answer(30.0)
    assert answer is not None and answer["error"] == "MigrationFailed"
    assert completes(url, undisturbed(crew, postgres_places, True)) == []


def test_lost_while_it_waits_for_the_lock_is_an_error_at_once(start: Migrate, url: str) -> None:
    with holding(url, f"SELECT pg_advisory_lock({0x70656577}, 0)"):
        worker = start(url, "column", name="waiter")
        ((pid,),) = kills.wait_for(
            url, "SELECT pid FROM pg_stat_activity WHERE application_name = 'waiter'"
        )
        time.sleep(0.5)
        ask(url, f"SELECT pg_terminate_backend({pid})")
        answer = worker.answer(10.0)
    assert answer is not None and answer["error"] == "MigrationFailed"


# Ctrl-C.


def interrupted(worker: Any, seconds: float = 8.0) -> dict[str, Any]:
    worker.interrupt()
    answer = worker.answer(seconds)
    assert answer is not None
    return dict(answer)


def test_interrupted_while_it_waits_for_the_lock_ends_at_once(start: Migrate, url: str) -> None:
    with holding(url, f"SELECT pg_advisory_lock({0x70656577}, 0)"):
        worker = start(url, "column")
        time.sleep(0.5)
        assert interrupted(worker)["error"] == "KeyboardInterrupt"


def test_interrupted_while_it_waits_for_a_table_next_run_completes(
    start: Migrate, url: str
) -> None:
    with holding(url, "SELECT count(*) FROM post"):
        worker = start(url, "column", {"lock_timeout": 1.0})
        kills.wait_for(url, WAITING)
        assert interrupted(worker)["error"] == "KeyboardInterrupt"
        assert advisory_locks(url) == 0
    again = start(url, "column").answer(30.0)
    assert again is not None and again["applied"] == ["add column post.views"]


def test_interrupted_build_ends_at_once(start: Migrate, url: str) -> None:
    with kills.snapshot(url):
        worker = start(url, "index", {"online_rows": 0})
        kills.wait_for(url, kills.BUILDING)
        assert interrupted(worker)["error"] == "KeyboardInterrupt"
        assert advisory_locks(url) == 0
        assert ask(url, kills.BUILDING + " AND pid <> pg_backend_pid() AND state = 'active'") == []


def test_interrupted_build_next_run_completes(
    crew: Crew, postgres_places: Places, start: Migrate, url: str
) -> None:
    with kills.snapshot(url):
        worker = start(url, "second", {"online_rows": 0})
        kills.wait_for(url, kills.BUILDING)
        interrupted(worker)
    assert completes(url, undisturbed(crew, postgres_places, True)) == []


def test_interrupted_while_somebody_writes_the_file_next_run_completes(
    start: Migrate, sqlite_url: str
) -> None:
    with writing(sqlite_url):
        worker = start(sqlite_url, "column")
        time.sleep(0.4)
        assert interrupted(worker)["error"] == "KeyboardInterrupt"
    again = start(sqlite_url, "column").answer(30.0)
    assert again is not None and again["applied"] == ["add column post.views"]


def test_interrupted_while_somebody_reads_the_file_everything_is_rolled_back(
    start: Migrate, sqlite_url: str
) -> None:
    before = facts(sqlite_url)
    with reading(sqlite_url):
        worker = start(sqlite_url, "second", {"lock_timeout": 0.5})
        time.sleep(0.4)
        assert interrupted(worker)["error"] == "KeyboardInterrupt"
    assert facts(sqlite_url) == before


@pytest.fixture
def interrupted_command(url: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """What the command line says when Ctrl-C stops it."""
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
    command = [sys.executable, "-m", "peewee_automigrate", "migrate", "app_models"]
    command += ["--database", url, "--online-rows", "0"]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        text=True,
    )
    with kills.snapshot(url):
        kills.wait_for(url, kills.BUILDING)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def test_interrupted_command_line_ends_without_a_traceback(
    interrupted_command: subprocess.CompletedProcess[str], url: str
) -> None:
    assert interrupted_command.returncode not in (0, 1)  # 1: check found pending work
    assert "Traceback" not in interrupted_command.stderr
    assert interrupted_command.stderr.strip()
    assert advisory_locks(url) == 0


# A disk that is full.


def full(url: str, pages: int) -> Database:
    """Return a SQLite file that may grow by so many pages only."""
    ((now,),) = ask(url, "PRAGMA page_count")
    return database_of(url, pragmas={"max_page_count": now + pages})


@pytest.mark.parametrize("pages", [0, 3, 6, 9])
def test_full_disk_everything_is_rolled_back(sqlite_url: str, pages: int) -> None:
    before = facts(sqlite_url)
    database = full(sqlite_url, pages)
    with pytest.raises(MigrationFailed) as caught:
        migrate(database, second(database))
    assert facts(sqlite_url) == before
    assert caught.value.applied == ()
    assert ask(sqlite_url, "PRAGMA integrity_check") == [("ok",)]


def test_full_disk_the_error_is_clear(sqlite_url: str) -> None:
    database = full(sqlite_url, 0)
    with pytest.raises(MigrationFailed) as caught:
        migrate(database, child(database))
    assert str(caught.value) == (
        "statement 1 of 2 failed: database or disk is full\n"
        '  CREATE TABLE "comment" ("id" INTEGER NOT NULL PRIMARY KEY, "post_id" INTEGER NOT NULL, '
        '"text" TEXT NOT NULL, FOREIGN KEY ("post_id") REFERENCES "post" ("id"))\n'
        "Nothing was changed."
    )
    assert str(caught.value.__cause__) == "database or disk is full"


def test_full_disk_next_run_completes(crew: Crew, sqlite_places: Places, sqlite_url: str) -> None:
    database = full(sqlite_url, 5)
    with pytest.raises(MigrationFailed):
        migrate(database, second(database))
    assert completes(sqlite_url, undisturbed(crew, sqlite_places, True)) == []


# Rolling deploys: the previous release goes on, during the migration and after it.


def test_previous_release_during_a_migration_sees_no_error_and_no_long_wait(
    crew: Crew, postgres_places: Places
) -> None:
    rolled = rolling.roll(crew, postgres_places, 50_000, lock_timeout=0.5)
    assert rolled.problems == ()
    assert max(rolled.reader, rolled.writer) <= 0.5 + 1
    assert min(rolled.reads, rolled.writes) > 10


def test_previous_release_during_a_fill_sees_no_error_and_no_long_wait(
    crew: Crew, postgres_places: Places
) -> None:
    rolled = rolling.roll(crew, postgres_places, 20_000, "filled", lock_timeout=0.5)
    assert rolled.problems == ()
    assert max(rolled.reader, rolled.writer) <= 0.5 + 1


def test_previous_release_during_a_migration_of_a_file_sees_no_error(
    crew: Crew, sqlite_places: Places
) -> None:
    assert rolling.roll(crew, sqlite_places, 2_000, "second").problems == ()


@pytest.mark.parametrize("release", sorted(set(RELEASES) - {"unique"}))
def test_previous_release_after_the_migration_still_writes(grown_url: str, release: str) -> None:
    database = open_database(grown_url)
    migrate(database, RELEASES[release](database))
    author, post = first(database)
    author.create(name="of the previous release")
    post.create(title="of the previous release", length=1)
    post.update(length=2).where(post.id == 1).execute()
    assert not migrate(database, first(database))
    database.close()


def test_previous_release_starts_on_the_new_database(grown_url: str) -> None:
    database = open_database(grown_url)
    migrate(database, second(database))
    before = facts(grown_url)
    assert not migrate(database, first(database))
    assert facts(grown_url) == before
    database.close()
