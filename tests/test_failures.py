"""A run that fails or is stopped half-way: what stays, what is said, and the next run completes."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from peewee import Database, OperationalError, TextField, UUIDField

from peewee_automigrate import MigrationFailed, StepEvent, migrate, plan
from tests.cases_base import Maker
from tests.cases_keys import waiting_keys
from tests.support import kills, rolling
from tests.support.catalogue import Facts
from tests.support.clients import (
    READ,
    holding,
    migration_lock,
    number_of,
    on,
    others,
    session,
    stop,
    waiting,
)
from tests.support.crew import Crew, Migrate, Worker
from tests.support.places import Places, advisory_locks, ask, facts
from tests.support.workers import RELEASES, child, database_of, first, model, second

ADDED = ["add column post.views"]
NEW_TABLES = [
    *("create table comment", "create table team", "create table player"),
    "add foreign key team (lead_id) to player",
]
OF_AUTHOR = [f"add column author.{name}" for name in ("motto", "share", "age", "token")]
COLUMNS = [*OF_AUTHOR, "add column post.writer_id", "add column post.editor_id"]
INDEXES = [
    "add index author_name on author (name)",
    "add unique index author_token on author (token)",
    "add index author_name_motto on author (name, motto)",
]
REFUSE = """
    CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS
    $$ BEGIN
        IF current_query() LIKE '%{word}%' THEN RAISE EXCEPTION 'not today'; END IF;
    END $$;
    CREATE EVENT TRIGGER refuse ON ddl_command_start EXECUTE FUNCTION refuse()"""
ALLOW = "DROP EVENT TRIGGER refuse; DROP FUNCTION refuse()"
on_servers = on("postgres", "mysql")


def before_step(name: str, work: Callable[[], object]) -> Callable[[StepEvent], None]:
    """Return an `on_step` that does some work before the step of this table or name."""

    def tell(event: StepEvent) -> None:
        step = event.step
        if event.state == "start" and step and name in (step.name, step.table):
            work()

    return tell


def failed(database: Database, **options: Any) -> MigrationFailed:
    """Return the error of a run that fails."""
    with pytest.raises(MigrationFailed) as caught:
        migrate(database, second(database), **options)
    return caught.value


def failed_after(url: str, step: str, work: Callable[[], object]) -> MigrationFailed:
    """Return the error of a run in which some work is done before a step."""
    with session(url) as database:
        return failed(database, on_step=before_step(step, work))


def refused(url: str, word: str, **options: Any) -> MigrationFailed:
    """Return the error of a run in which PostgreSQL refuses the statements with a word."""
    ask(url, REFUSE.format(word=word))
    with session(url) as database:
        return failed(database, **options)


# A statement that the server refuses.


@dataclass(frozen=True)
class Refusal:
    """Something is done before a step, and a statement fails; then it is repaired."""

    step: str
    work: str
    repair: str
    statement: str
    stays: list[str]
    left: set[str]
    first_line: str
    cause: str


REFUSALS = {
    "postgres": Refusal(
        step="comment",
        work=REFUSE.format(word="writer_id"),
        repair=ALLOW,
        statement='ALTER TABLE "post" ADD COLUMN "writer_id" INTEGER REFERENCES "author" ("id") '
        "ON DELETE CASCADE",
        stays=[*NEW_TABLES, *OF_AUTHOR],
        left={"add column post.writer_id", "add column post.editor_id"},
        first_line="statement 21 of 33 failed: not today(?s:.*)",
        cause="not today",
    ),
    "mysql": Refusal(
        step="post_title",
        work="UPDATE post SET title = 'same' WHERE id < 3",
        repair="UPDATE post SET title = concat('post ', id)",
        statement="CREATE UNIQUE INDEX `post_title` ON `post` (`title`)",
        stays=[*NEW_TABLES, *COLUMNS, *INDEXES],
        left={"add unique index post_title on post (title)"},
        first_line=r"statement \d+ of \d+ failed: .*Duplicate entry 'same'.*",
        cause="Duplicate entry",
    ),
}


@pytest.fixture
def refusal(kind: str) -> Refusal:
    return REFUSALS[kind]


@pytest.fixture
def error(url: str, refusal: Refusal) -> Iterator[MigrationFailed]:
    """The error of a run whose statement is refused; its connection is still open."""
    with session(url) as database:
        work = before_step(refusal.step, lambda: ask(url, refusal.work))
        yield failed(database, on_step=work)


@on_servers
def test_refused_statement_the_error_says_what_stays(
    error: MigrationFailed, refusal: Refusal
) -> None:
    stays = "; ".join(refusal.stays)
    rest = re.escape(f"\n  {refusal.statement}\nApplied, and stays: {stays}.")
    assert re.fullmatch(refusal.first_line + rest, str(error))


@on_servers
def test_refused_statement_the_error_carries_it_as_data(
    error: MigrationFailed, refusal: Refusal
) -> None:
    stays = [str(step) for step in error.applied]
    assert (error.statement, stays) == (refusal.statement, refusal.stays)
    assert error.rolled_back == ()


@on_servers
def test_refused_statement_the_error_carries_the_driver_s(
    error: MigrationFailed, refusal: Refusal
) -> None:
    assert not isinstance(error.__cause__, MigrationFailed)
    assert refusal.cause in str(error.__cause__)


@on_servers
def test_refused_statement_what_stays_is_there(
    error: MigrationFailed, refusal: Refusal, url: str
) -> None:
    ask(url, refusal.repair)
    left = {str(step) for step in plan(database_of(url), second(database_of(url))).steps}
    assert not left & {str(step) for step in error.applied}
    assert refusal.left <= left


@on_servers
def test_refused_statement_the_lock_is_released(error: MigrationFailed, url: str) -> None:
    assert advisory_locks(url) == 0


@on_servers
def test_refused_statement_next_run_completes(
    error: MigrationFailed, refusal: Refusal, url: str, wanted: Facts
) -> None:
    ask(url, refusal.repair)
    assert kills.after(url, wanted) == []


# PostgreSQL takes back what stands in the same transaction.


@on("postgres")
def test_refused_second_column_the_error_says_what_is_rolled_back(url: str) -> None:
    error = refused(url, "editor_id")
    assert [str(step) for step in error.rolled_back] == ["add column post.writer_id"]
    assert str(error).endswith("Rolled back: add column post.writer_id.")


@on("postgres")
def test_refused_validation_the_column_is_not_said_to_be_done(url: str) -> None:
    error = refused(url, "VALIDATE CONSTRAINT")
    assert "add column author.age" not in map(str, error.applied)


@on("postgres")
def test_refused_validation_next_run_completes(url: str, wanted: Facts) -> None:
    refused(url, "VALIDATE CONSTRAINT")
    ask(url, ALLOW)
    assert kills.after(url, wanted) == []


@on("postgres")
def test_atomic_refused_statement_everything_is_rolled_back(url: str) -> None:
    before = facts(url)
    error = refused(url, "long_posts", atomic=True, online_rows=0)
    assert error.applied == ()
    assert "Applied, and stays" not in str(error)
    assert facts(url) == before


@on("postgres")
def test_atomic_refused_statement_the_error_lists_what_was_rolled_back(url: str) -> None:
    error = refused(url, "editor_id", atomic=True)
    undone = [*NEW_TABLES, *OF_AUTHOR, "add column post.writer_id"]
    assert [str(step) for step in error.rolled_back] == undone
    assert str(error).endswith(f"Rolled back: {'; '.join(undone)}.")


@on("postgres")
@pytest.mark.parametrize("online_rows", [0, 10_000])
def test_atomic_undisturbed_everything_is_added_in_one_transaction(
    url: str, wanted: Facts, online_rows: int
) -> None:
    migrate(database_of(url), second(database_of(url)), atomic=True, online_rows=online_rows)
    sql = """SELECT count(DISTINCT xmin::text) FROM pg_class
             WHERE relname IN ('team', 'comment', 'author_name', 'long_posts', 'post_title')"""
    assert ask(url, sql) == [(1,)]
    assert facts(url) == wanted


@pytest.mark.parametrize("number", range(2 * 7))
def test_stopped_before_or_after_any_step_next_run_completes_the_foreign_keys(
    postgres_database: Database, number: int
) -> None:
    models, events = waiting_keys(Maker(postgres_database)), itertools.count()
    postgres_database.execute_sql("CREATE TABLE t (id serial PRIMARY KEY, a text NOT NULL)")
    postgres_database.execute_sql("CREATE TABLE p (id serial PRIMARY KEY)")
    postgres_database.execute_sql("CREATE TABLE b (id serial PRIMARY KEY)")

    def stop_run(_: StepEvent) -> None:
        if next(events) == number:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        migrate(postgres_database, models, on_step=stop_run)
    migrate(postgres_database, models)
    made = plan(postgres_database, models)
    assert (made.steps, made.findings) == ((), ())


# MySQL commits each statement by itself.


@on("mysql")
def test_first_statement_fails_the_error_says_that_nothing_was_changed(url: str) -> None:
    error = failed_after(url, "comment", lambda: ask(url, "CREATE TABLE comment (id int)"))
    assert re.match(r"statement 1 of \d+ failed: ", str(error))
    assert str(error).endswith("Nothing was changed.")


@on("mysql")
def test_columns_of_a_table_are_added_together_or_not_at_all(url: str) -> None:
    interference = "ALTER TABLE author ADD COLUMN token varchar(40)"
    error = failed_after(url, "motto", lambda: ask(url, interference))
    assert "Duplicate column name 'token'" in str(error)
    assert [str(step) for step in error.applied] == NEW_TABLES
    names = {fact[2] for fact in facts(url) if fact[:2] == ("column", "author")}
    assert names == {"id", "name", "token"}


@on("mysql")
def test_dangling_value_written_before_the_key_stands_is_said(url: str) -> None:
    def dangle() -> None:
        if ("column", "post", "writer_id") in {fact[:3] for fact in facts(url)}:
            ask(url, "UPDATE post SET writer_id = 999 WHERE id = 1")

    first_line, _ = str(failed_after(url, "writer_id", dangle)).splitlines()
    assert first_line.startswith(
        "add foreign key post (writer_id) to author: it stands, but somebody has written values "
        "that it refuses before. This query lists them: "
    )
    ((number, *_),) = ask(url, first_line.partition("lists them: ")[2])
    assert number == 1


def lost_before(url: str, step: str) -> MigrationFailed:
    """Return the error of a run whose connection is ended before a step."""
    with session(url) as database:
        number = number_of(database)
        return failed(database, on_step=before_step(step, lambda: stop(url, number)))


@on("mysql")
@pytest.mark.parametrize(
    ("step", "stays"),
    [("motto", NEW_TABLES), ("author_name", [*NEW_TABLES, *COLUMNS])],
)
def test_lost_connection_the_error_says_what_stays(url: str, step: str, stays: list[str]) -> None:
    error = lost_before(url, step)
    assert re.match(r"statement \d+ of \d+ failed: ", str(error))
    assert str(error).endswith(f"Applied, and stays: {'; '.join(stays)}.")
    assert [str(one) for one in error.applied] == stays


@on("mysql")
@pytest.mark.parametrize("step", ["motto", "author_name", "post_title"])
def test_lost_connection_next_run_completes(url: str, wanted: Facts, step: str) -> None:
    lost_before(url, step)
    assert advisory_locks(url) == 0
    assert kills.after(url, wanted) == []


@pytest.fixture
def gone(start: Migrate, url: str) -> Any:
    """The answer of a run whose client gave a statement up, which the server may complete."""
    with holding(url, READ):
        impatience = {"read_timeout": 1}
        return start(url, "column", {"lock_timeout": 30.0}, connect=impatience).answer(30.0)


@on("mysql")
def test_client_gone_during_a_statement_does_not_claim_to_know_what_stays(gone: Any) -> None:
    assert gone["error"] == "MigrationFailed"
    assert "Lost connection" in gone["text"]
    assert "Nothing was changed" not in gone["text"]


@on("mysql")
def test_client_gone_during_a_statement_next_run_completes(
    start: Migrate, gone: Any, url: str
) -> None:
    answer = start(url, "column").answer(60.0)
    assert answer is not None and answer["error"] is None
    assert ask(url, "SELECT DISTINCT views FROM post") == [(0,)]


# A connection that is lost, and a statement that is cancelled.


def stopped_while_it_waits(start: Migrate, url: str, release: str, what: str) -> dict[str, Any]:
    """Return the answer of a run that is stopped while it waits for a table."""
    with holding(url, READ):
        worker = start(url, release, {"lock_timeout": 30.0})
        stop(url, waiting(url), what)
        answer = worker.answer(30.0)
        assert advisory_locks(url) == 0
    assert answer is not None and answer["error"] == "MigrationFailed"
    return answer


@pytest.mark.parametrize(
    ("kind", "what", "end"),
    [
        ("postgres", "connection", "Nothing was changed."),
        ("postgres", "statement", "Nothing was changed."),
        ("mysql", "connection", "The next run finds out."),
        ("mysql", "statement", "Nothing was changed."),
    ],
    indirect=["kind"],
)
def test_stopped_while_it_waits_for_a_table_the_error_is_clear(
    start: Migrate, url: str, what: str, end: str
) -> None:
    answer = stopped_while_it_waits(start, url, "column", what)
    assert answer["stays"] == []
    assert answer["text"].startswith("statement 1 of 1 failed: ")
    assert answer["text"].endswith(end)


@on_servers
@pytest.mark.parametrize("what", ["connection", "statement"])
@pytest.mark.parametrize("release", ["column", "second"])
def test_stopped_while_it_waits_for_a_table_next_run_goes_on(
    start: Migrate, url: str, what: str, release: str
) -> None:
    stopped_while_it_waits(start, url, release, what)
    again = start(url, release).answer(30.0)
    assert again is not None and again["error"] is None and again["applied"]


@on_servers
@pytest.mark.parametrize("what", ["connection", "statement"])
def test_stopped_while_it_waits_for_a_table_next_run_completes(
    start: Migrate, url: str, wanted: Facts, what: str
) -> None:
    stopped_while_it_waits(start, url, "second", what)
    assert kills.after(url, wanted) == []


@on_servers
def test_lost_while_it_waits_for_the_lock_is_an_error_at_once(start: Migrate, url: str) -> None:
    with session(url, migration_lock(url)) as holder:
        worker = start(url, "column")
        found = others(holder, url)
        time.sleep(0.5)
        for number in found:
            stop(url, number)
        answer = worker.answer(10.0)
    assert answer is not None and answer["error"] == "MigrationFailed"


# Ctrl-C.


def interrupted(worker: Worker, seconds: float = 8.0) -> dict[str, Any]:
    worker.interrupt()
    answer = worker.answer(seconds)
    assert answer is not None and answer["error"] == "KeyboardInterrupt"
    return answer


def test_interrupted_while_it_waits_for_the_lock_ends_at_once_and_next_run_completes(
    start: Migrate, url: str
) -> None:
    with session(url, migration_lock(url)):
        worker = start(url, "column")
        time.sleep(0.5)
        interrupted(worker)
    again = start(url, "column").answer(60.0)
    assert again is not None and (again["error"], again["applied"]) == (None, ADDED)
    assert ask(url, "SELECT DISTINCT views FROM post") == [(0,)]


@pytest.mark.parametrize(  # psycopg2 hears of Ctrl-C only when the server has answered
    ("kind", "lock_timeout"), [("postgres", 1.0), ("mysql", 30.0)], indirect=["kind"]
)
def test_interrupted_while_it_waits_for_a_table_ends_at_once_and_next_run_completes(
    start: Migrate, url: str, lock_timeout: float
) -> None:
    with holding(url, READ):
        worker = start(url, "column", {"lock_timeout": lock_timeout})
        waiting(url)
        interrupted(worker)
    again = start(url, "column").answer(60.0)
    assert again is not None and again["error"] is None
    assert ask(url, "SELECT DISTINCT views FROM post") == [(0,)]


@on("postgres")
def test_interrupted_while_it_waits_for_a_table_nothing_was_done(start: Migrate, url: str) -> None:
    with holding(url, READ):
        worker = start(url, "column", {"lock_timeout": 1.0})
        waiting(url)
        interrupted(worker)
        assert advisory_locks(url) == 0
    again = start(url, "column").answer(30.0)
    assert again is not None and again["applied"] == ADDED


@on("sqlite")
def test_interrupted_while_somebody_reads_the_file_everything_is_rolled_back(
    start: Migrate, url: str
) -> None:
    before = facts(url)
    with holding(url, READ):
        worker = start(url, "second", {"lock_timeout": 0.5})
        time.sleep(0.4)
        interrupted(worker)
    assert facts(url) == before


# A disk that is full.


def full(url: str, pages: int) -> Database:
    """Return a SQLite file that may grow by so many pages only."""
    ((now,),) = ask(url, "PRAGMA page_count")
    return database_of(url, pragmas={"max_page_count": now + pages})


@on("sqlite")
@pytest.mark.parametrize("pages", [0, 3, 6, 9])
def test_full_disk_everything_is_rolled_back(url: str, pages: int) -> None:
    before = facts(url)
    assert failed(full(url, pages)).applied == ()
    assert facts(url) == before
    assert ask(url, "PRAGMA integrity_check") == [("ok",)]


@on("sqlite")
def test_full_disk_the_error_is_clear(url: str) -> None:
    database = full(url, 0)
    with pytest.raises(MigrationFailed) as caught:
        migrate(database, child(database))
    assert str(caught.value) == (
        "statement 1 of 2 failed: database or disk is full\n"
        '  CREATE TABLE "comment" ("id" INTEGER NOT NULL PRIMARY KEY, "post_id" INTEGER NOT NULL, '
        '"text" TEXT NOT NULL, FOREIGN KEY ("post_id") REFERENCES "post" ("id"))\n'
        "Nothing was changed."
    )
    assert str(caught.value.__cause__) == "database or disk is full"


@on("sqlite")
@pytest.mark.parametrize("is_inside", [False, True])
def test_full_disk_while_rows_are_filled_the_first_error_is_told(
    url: str, *, is_inside: bool
) -> None:
    database = database_of(url)
    with database.connection_context(), database.atomic():
        database.execute_sql("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)")
        rows = [("name",)] * 3000
        database.connection().executemany("INSERT INTO item (name) VALUES (?)", rows)
    before = facts(url)
    database = full(url, 2)
    models = [model(database, "item", name=TextField(null=True), token=UUIDField(default=uuid4))]
    with (
        database.connection_context(),
        suppress(OperationalError),  # the caller's own COMMIT
        database.atomic() if is_inside else nullcontext(),
        pytest.raises(MigrationFailed, match="database or disk is full") as caught,
    ):
        migrate(database, models)
    assert "rollback" not in str(caught.value)
    assert "savepoint" not in str(caught.value)
    assert facts(url) == before


@on("sqlite")
def test_full_disk_next_run_completes(url: str, wanted: Facts) -> None:
    failed(full(url, 5))
    assert kills.after(url, wanted) == []


# Rolling deploys: the previous release goes on, during the migration and after it.


@pytest.mark.parametrize(
    ("kind", "release", "rows", "lock_timeout", "more"),
    [
        ("postgres", "big", 50_000, 0.5, 1.0),
        ("postgres", "filled", 20_000, 0.5, 1.0),
        ("mysql", "second", 20_000, 1.0, 2.0),
        ("mysql", "filled", 20_000, 1.0, 2.0),
    ],
    indirect=["kind"],
)
def test_previous_release_during_a_migration_sees_no_error_and_no_long_wait(
    crew: Crew, places: Places, release: str, rows: int, lock_timeout: float, more: float
) -> None:
    rolled = rolling.roll(crew, places, rows, release, lock_timeout=lock_timeout)
    assert rolled.problems == ()
    assert max(rolled.reader, rolled.writer) <= lock_timeout + more
    assert min(rolled.reads, rolled.writes) > 10


@on("sqlite")
def test_previous_release_during_a_migration_of_a_file_sees_no_error(
    crew: Crew, places: Places
) -> None:
    assert rolling.roll(crew, places, 2_000, "second").problems == ()


@pytest.mark.parametrize("release", sorted(set(RELEASES) - {"unique"}))
def test_previous_release_after_the_migration_still_writes(url: str, release: str) -> None:
    with session(url) as database:
        migrate(database, RELEASES[release](database))
        author, post = first(database)
        author.create(name="of the previous release")
        post.create(title="of the previous release", length=1)
        post.update(length=2).where(post.id == 1).execute()
        assert not migrate(database, first(database))


def test_previous_release_starts_on_the_new_database(url: str) -> None:
    with session(url) as database:
        migrate(database, second(database))
        before = facts(url)
        assert not migrate(database, first(database))
        assert facts(url) == before
