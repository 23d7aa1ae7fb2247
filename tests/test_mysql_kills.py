"""MySQL and MariaDB: a run that is killed or fails at any statement, and the one that follows."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from peewee import UUIDField

from peewee_automigrate import AutoMigrateError, LockTimeout, MigrationFailed, migrate, plan
from tests.support import kills, rolling
from tests.support.crew import Crew, Migrate
from tests.support.fields import model
from tests.support.mysql_holders import (
    SHORT,
    WAITING,
    holding,
    number_of,
    session,
    take_lock,
)
from tests.support.places import Places, advisory_locks, ask, facts
from tests.support.rounds import undisturbed
from tests.support.workers import RELEASES, database_of, filled, first, second, words

ROWS = 2_500  # three batches of a fill
NEW_TABLES = [
    *("create table team", "create table player", "create table comment"),
    "add foreign key team (lead_id) to player",
]
COLUMNS = [
    *(f"add column author.{name}" for name in ("motto", "share", "age", "token")),
    *(f"add column post.{name}" for name in ("writer_id", "editor_id")),
]
INDEXES = [
    "add index author_name on author (name)",
    "add unique index author_token on author (token)",
    "add index author_name_motto on author (name, motto)",
]
FILL = "-- each row of author gets its own token from uuid4()"


@pytest.fixture
def url(grown_mysql_url: str) -> str:
    return grown_mysql_url


@pytest.fixture
def wanted(crew: Crew, mysql_places: Places) -> Any:
    """What stands after an undisturbed run."""
    return undisturbed(crew, mysql_places, True)


# SIGKILL.


def test_kill_of_an_upgrade_of_mysql_before_any_write_next_run_completes(
    crew: Crew, mysql_places: Places
) -> None:
    options: dict[str, Any] = {"grown": True, "writes": True, "rows": ROWS}
    count, found = kills.statements(crew, mysql_places, **options), []
    assert count > 15
    for number in range(1, count + 1):
        found += kills.kill_at(crew, mysql_places, number, "before", **options)
    assert found == []


def test_kill_of_a_first_creation_on_mysql_before_any_write_next_run_completes(
    crew: Crew, mysql_places: Places
) -> None:
    count, found = kills.statements(crew, mysql_places, grown=False, writes=True), []
    assert count > 5
    for number in range(1, count + 1):
        found += kills.kill_at(crew, mysql_places, number, "before", grown=False, writes=True)
    assert found == []


def test_kill_after_the_last_write_to_mysql_next_run_completes(
    crew: Crew, mysql_places: Places
) -> None:
    count = kills.statements(crew, mysql_places, grown=True, writes=True)
    assert kills.kill_at(crew, mysql_places, count, "after", grown=True, writes=True) == []


def test_kill_at_random_moments_of_mysql_next_run_completes(
    crew: Crew, mysql_places: Places
) -> None:
    found = []
    for number in range(8):
        found += kills.kill_randomly(crew, mysql_places, 0.8, grown=number % 3 < 2)
    assert found == []


@pytest.fixture
def half_filled(start: Migrate, mysql_places: Places) -> Any:
    """The URL of a database in which a fill was killed after its first batch."""
    with mysql_places.grown(ROWS) as url:
        kill = {"statement": 3, "when": "before"}
        assert start(url, "filled", kill=kill).answer(30.0) is None
        yield url


def test_killed_fill_of_mysql_has_filled_some_rows(half_filled: str) -> None:
    ((count, filled_ones),) = ask(half_filled, "SELECT count(*), count(token) FROM post")
    assert 0 < filled_ones < count == ROWS


def test_killed_fill_of_mysql_next_run_keeps_what_is_filled(half_filled: str) -> None:
    sql = "SELECT id, token FROM post WHERE token IS NOT NULL"
    before = set(ask(half_filled, sql))
    migrate(database_of(half_filled), filled(database_of(half_filled)))
    after = set(ask(half_filled, sql))
    assert before < after and len(after) == len({token for _, token in after}) == ROWS


def test_killed_fill_of_mysql_next_release_without_that_default_takes_the_mark_away(
    half_filled: str,
) -> None:
    database = database_of(half_filled)
    fields = {"title": words(database), "token": UUIDField(null=True)}
    models = [model(database, "post", fields)]
    migrate(database, models)
    assert not plan(database, models)
    sql = """SELECT column_comment FROM information_schema.columns
             WHERE table_schema = DATABASE() AND column_name = 'token'"""
    assert ask(half_filled, sql) == [("",)]


def test_killed_fill_of_mysql_previous_release_still_writes(half_filled: str) -> None:
    _, post = first(database_of(half_filled))
    post.create(title="of the previous release", length=1)
    migrate(database_of(half_filled), filled(database_of(half_filled)))
    assert ask(half_filled, "SELECT count(*) FROM post WHERE token IS NULL") == [(0,)]


# A statement that fails.


def before_step(name: str, work: Callable[[], object]) -> Callable[[Any], None]:
    """Return an `on_step` that does some work before the step of this table or name."""

    def tell(event: Any) -> None:
        if event.state == "start" and name in (event.step.name, event.step.table):
            work()

    return tell


def make_duplicates(url: str) -> None:
    ask(url, "UPDATE post SET title = 'same' WHERE id < 3")


def failed(url: str, step: str, work: Callable[[], object], **options: Any) -> MigrationFailed:
    """Return the error of a run in which some work is done before a step."""
    with session(url) as database, pytest.raises(MigrationFailed) as caught:
        migrate(database, second(database), on_step=before_step(step, work), **options)
    return caught.value


def test_duplicates_made_before_the_build_the_error_says_what_stays(url: str) -> None:
    error = failed(url, "post_title", lambda: make_duplicates(url))
    first_line, statement, rest = str(error).splitlines()
    assert re.fullmatch(r"statement \d+ of \d+ failed: .*Duplicate entry 'same'.*", first_line)
    assert statement == "  CREATE UNIQUE INDEX `post_title` ON `post` (`title`)"
    stays = "; ".join([*NEW_TABLES, *COLUMNS, *INDEXES])
    assert rest == f"Applied, and stays: {stays}."


def test_duplicates_made_before_the_build_the_error_carries_it_as_data(url: str) -> None:
    error = failed(url, "post_title", lambda: make_duplicates(url))
    assert error.statement == "CREATE UNIQUE INDEX `post_title` ON `post` (`title`)"
    assert [str(step) for step in error.applied] == [*NEW_TABLES, *COLUMNS, *INDEXES]
    assert error.rolled_back == ()
    assert "Duplicate entry" in str(error.__cause__)


def test_duplicates_made_before_the_build_what_is_said_to_stay_is_there(url: str) -> None:
    error = failed(url, "post_title", lambda: make_duplicates(url))
    ask(url, "UPDATE post SET title = concat('post ', id)")
    left = {str(step) for step in plan(database_of(url), second(database_of(url))).steps}
    assert not left & {str(step) for step in error.applied}
    assert "add unique index post_title on post (title)" in left


def test_duplicates_made_before_the_build_next_run_completes(url: str, wanted: Any) -> None:
    failed(url, "post_title", lambda: make_duplicates(url))
    ask(url, "UPDATE post SET title = concat('post ', id)")
    assert kills.after(url, wanted) == []


def test_first_statement_of_mysql_fails_the_error_says_that_nothing_was_changed(url: str) -> None:
    error = failed(url, "team", lambda: ask(url, "CREATE TABLE team (id int)"))
    assert re.match(r"statement 1 of \d+ failed: ", str(error))
    assert str(error).endswith("Nothing was changed.")


def test_columns_of_a_table_of_mysql_are_added_together_or_not_at_all(url: str) -> None:
    def interfere() -> None:
        ask(url, "ALTER TABLE author ADD COLUMN token varchar(40)")

    error = failed(url, "motto", interfere)
    assert "Duplicate column name 'token'" in str(error)
    assert [str(step) for step in error.applied] == NEW_TABLES
    names = {fact[2] for fact in facts(url) if fact[:2] == ("column", "author")}
    assert names == {"id", "name", "token"}


def test_dangling_value_written_before_the_key_stands_is_said(url: str) -> None:
    dangle = "UPDATE post SET writer_id = 999 WHERE id = 1"
    error = failed(url, "writer_id", lambda: ask(url, dangle) if has_writers(url) else None)
    first_line, _ = str(error).splitlines()
    assert first_line.startswith(
        "add foreign key post (writer_id) to author: it stands, but somebody has written values "
        "that it refuses before. This query lists them: "
    )
    ((number, *_),) = ask(url, first_line.partition("lists them: ")[2])
    assert number == 1


def has_writers(url: str) -> bool:
    return ("writer_id",) in {fact[2:3] for fact in facts(url) if fact[:2] == ("column", "post")}


# A connection that is lost, a statement that is stopped.


def stopped_before(url: str, step: str) -> MigrationFailed:
    """Return the error of a run whose connection is ended before a step."""
    with session(url) as database, pytest.raises(MigrationFailed) as caught:
        number = number_of(database)
        work = before_step(step, lambda: ask(url, f"KILL {number}"))
        migrate(database, second(database), on_step=work)
    return caught.value


@pytest.mark.parametrize(
    ("step", "stays"),
    [("motto", NEW_TABLES), ("author_name", [*NEW_TABLES, *COLUMNS])],
)
def test_lost_connection_to_mysql_the_error_says_what_stays(
    url: str, step: str, stays: list[str]
) -> None:
    error = stopped_before(url, step)
    assert re.match(r"statement \d+ of \d+ failed: ", str(error))
    assert str(error).endswith(f"Applied, and stays: {'; '.join(stays)}.")
    assert [str(one) for one in error.applied] == stays


@pytest.mark.parametrize("step", ["motto", "author_name", "post_title"])
def test_lost_connection_to_mysql_next_run_completes(url: str, wanted: Any, step: str) -> None:
    stopped_before(url, step)
    assert advisory_locks(url) == 0
    assert kills.after(url, wanted) == []


def test_lost_connection_during_a_fill_of_mysql_the_error_says_what_is_begun(url: str) -> None:
    def end(event: Any) -> None:
        if event.phase == "filling":
            ask(url, f"KILL {number}")

    with session(url) as database, pytest.raises(MigrationFailed) as caught:
        number = number_of(database)
        migrate(database, filled(database), on_step=end)
    assert str(caught.value).endswith(
        "Begun, and completed by the next run: add column post.token."
    )


@pytest.mark.parametrize(
    ("word", "end"), [("CONNECTION", "The next run finds out."), ("QUERY", "Nothing was changed.")]
)
def test_stopped_while_it_waits_for_a_table_of_mysql_the_error_is_clear(
    start: Migrate, url: str, word: str, end: str
) -> None:
    with holding(url, "SELECT count(*) FROM post"):
        worker = start(url, "column", {"lock_timeout": 30.0})
        ((number,),) = kills.wait_for(url, WAITING)
        ask(url, f"KILL {word} {number}")
        answer = worker.answer(30.0)
    assert answer is not None
    assert (answer["error"], answer["stays"]) == ("MigrationFailed", [])
    assert answer["text"].startswith("statement 1 of 1 failed: ")
    assert answer["text"].endswith(end)


@pytest.mark.parametrize("word", ["CONNECTION", "QUERY"])
def test_stopped_while_it_waits_for_a_table_of_mysql_next_run_completes(
    start: Migrate, url: str, wanted: Any, word: str
) -> None:
    with holding(url, "SELECT count(*) FROM post"):
        worker = start(url, "second", {"lock_timeout": 30.0})
        ((number,),) = kills.wait_for(url, WAITING)
        ask(url, f"KILL {word} {number}")
        answer = worker.answer(30.0)
        assert advisory_locks(url) == 0
    assert answer is not None and answer["error"] == "MigrationFailed"
    assert kills.after(url, wanted) == []


@pytest.fixture
def gone(start: Migrate, url: str) -> Any:
    """The answer of a run whose client gave a statement up, which the server may complete."""
    with holding(url, "SELECT count(*) FROM post"):
        impatience = {"read_timeout": 1}
        return start(url, "column", {"lock_timeout": 30.0}, connect=impatience).answer(30.0)


def test_client_gone_during_a_statement_of_mysql_does_not_claim_to_know_what_stays(
    gone: Any,
) -> None:
    assert gone["error"] == "MigrationFailed"
    assert "Lost connection" in gone["text"]
    assert "Nothing was changed" not in gone["text"]


def test_client_gone_during_a_statement_of_mysql_next_run_completes(
    start: Migrate, gone: Any, url: str
) -> None:
    answer = start(url, "column").answer(60.0)
    assert answer is not None and answer["error"] is None
    assert ask(url, "SELECT DISTINCT views FROM post") == [(0,)]


def test_lost_while_it_waits_for_the_lock_of_mysql_is_an_error_at_once(
    start: Migrate, url: str
) -> None:
    others = "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id NOT IN "
    with session(url, take_lock(url)) as holder:
        worker = start(url, "column")
        time.sleep(0.5)
        rows = kills.wait_for(url, f"{others} ({number_of(holder)}, CONNECTION_ID())")
        for (number,) in rows:
            ask(url, f"KILL {number}")
        answer = worker.answer(20.0)
    assert answer is not None and answer["error"] == "MigrationFailed"


# Ctrl-C.


@pytest.mark.parametrize("busy", ["lock", "table"])
def test_interrupted_on_mysql_ends_at_once_and_next_run_completes(
    start: Migrate, url: str, busy: str
) -> None:
    waits_for = (take_lock(url),) if busy == "lock" else ("BEGIN", "SELECT count(*) FROM post")
    with session(url, *waits_for):
        worker = start(url, "column", {"lock_timeout": 30.0})
        time.sleep(0.5) if busy == "lock" else kills.wait_for(url, WAITING)
        worker.interrupt()
        answer = worker.answer(10.0)
    assert answer is not None and answer["error"] == "KeyboardInterrupt"
    again = start(url, "column").answer(60.0)
    assert again is not None and again["error"] is None
    assert ask(url, "SELECT DISTINCT views FROM post") == [(0,)]


# A fill, while others write.


def locking(url: str, until: Callable[[], object]) -> Callable[[Any], None]:
    """Return an `on_step` that locks a row of the second batch when the first is filled; the lock
    ends when ``until`` returns.
    """

    def lock() -> None:
        with holding(url, "UPDATE post SET length = 3 WHERE id = 1500"):
            taken.set()
            until()

    threads: list[threading.Thread] = []
    taken = threading.Event()

    def tell(event: Any) -> None:
        if event.phase == "filling" and not threads:
            threads.append(threading.Thread(target=lock))
            threads[0].start()
            assert taken.wait(30.0)

    return tell


def test_row_locked_during_a_fill_of_mysql_is_waited_for(mysql_places: Places) -> None:
    with mysql_places.grown(ROWS) as url, session(url) as database:
        tell = locking(url, lambda: time.sleep(2.5))  # longer than one try
        report = migrate(database, filled(database), on_step=tell, lock_timeout=1.0)
        assert [str(step) for step in report.applied] == ["add column post.token"]
        assert ask(url, "SELECT count(DISTINCT token) FROM post") == [(ROWS,)]


@pytest.fixture
def locked_fill(mysql_places: Places) -> Iterator[tuple[str, AutoMigrateError]]:
    """A database in which a fill met a locked row for too long, and the error."""
    over = threading.Event()
    with mysql_places.grown(ROWS) as url:
        try:
            with session(url) as database, pytest.raises(AutoMigrateError) as caught:
                tell = locking(url, lambda: over.wait(60.0))
                migrate(database, filled(database), on_step=tell, **SHORT)
        finally:
            over.set()
        yield url, caught.value


def test_row_locked_for_long_during_a_fill_of_mysql_the_error_says_what_is_begun(
    locked_fill: Any,
) -> None:
    _, error = locked_fill
    assert isinstance(error, LockTimeout)
    assert "Begun, and completed by the next run: add column post.token." in str(error)


def test_row_locked_for_long_during_a_fill_of_mysql_next_run_completes(locked_fill: Any) -> None:
    url, _ = locked_fill
    migrate(database_of(url), filled(database_of(url)))
    assert ask(url, "SELECT count(DISTINCT token) FROM post") == [(ROWS,)]


def test_row_written_during_a_fill_of_mysql_keeps_its_value(mysql_places: Places) -> None:
    with mysql_places.grown(ROWS) as url, session(url) as database:

        def write(event: Any) -> None:
            if event.phase == "filling":
                ask(url, "UPDATE post SET token = 'mine' WHERE id = 2400")

        migrate(database, filled(database), on_step=write)
        assert ask(url, "SELECT token FROM post WHERE id = 2400") == [("mine",)]


@pytest.mark.parametrize("release", ["second", "filled"])
def test_previous_release_during_a_migration_of_mysql_sees_no_error_and_no_long_wait(
    crew: Crew, mysql_places: Places, release: str
) -> None:
    rolled = rolling.roll(crew, mysql_places, 20_000, release, lock_timeout=1.0)
    assert rolled.problems == ()
    assert max(rolled.reader, rolled.writer) <= 1.0 + 2
    assert min(rolled.reads, rolled.writes) > 10


@pytest.mark.parametrize("release", sorted(set(RELEASES) - {"unique"}))
def test_previous_release_after_the_migration_of_mysql_still_writes(url: str, release: str) -> None:
    with session(url) as database:
        migrate(database, RELEASES[release](database))
        author, post = first(database)
        author.create(name="of the previous release")
        post.create(title="of the previous release", length=1)
        post.update(length=2).where(post.id == 1).execute()
        assert not migrate(database, first(database))
