"""A fill of many rows of MySQL and MariaDB, in batches, while others write or stop it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from peewee_automigrate import AutoMigrateError, LockTimeout, MigrationFailed, migrate
from tests.support.clients import SHORT, holding, number_of, session, stop
from tests.support.places import Places, ask
from tests.support.workers import database_of, filled

ROWS = 2_500  # three batches
BEGUN = "Begun, and completed by the next run: add column post.token."


@pytest.fixture
def url(mysql_places: Places) -> Iterator[str]:
    with mysql_places.grown(ROWS) as url:
        yield url


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


def test_row_locked_during_a_fill_is_waited_for(url: str) -> None:
    with session(url) as database:
        tell = locking(url, lambda: time.sleep(2.5))  # longer than one try
        report = migrate(database, filled(database), on_step=tell, lock_timeout=1.0)
    assert [str(step) for step in report.applied] == ["add column post.token"]
    assert ask(url, "SELECT count(DISTINCT token) FROM post") == [(ROWS,)]


@pytest.fixture
def locked_fill(url: str) -> AutoMigrateError:
    """The error of a fill that met a locked row for too long."""
    over = threading.Event()
    try:
        with session(url) as database, pytest.raises(AutoMigrateError) as caught:
            tell = locking(url, lambda: over.wait(60.0))
            migrate(database, filled(database), on_step=tell, **SHORT)
    finally:
        over.set()
    return caught.value


def test_row_locked_for_long_during_a_fill_the_error_says_what_is_begun(
    locked_fill: AutoMigrateError,
) -> None:
    assert isinstance(locked_fill, LockTimeout)
    assert BEGUN in str(locked_fill)


def test_row_locked_for_long_during_a_fill_next_run_completes(
    locked_fill: AutoMigrateError, url: str
) -> None:
    migrate(database_of(url), filled(database_of(url)))
    assert ask(url, "SELECT count(DISTINCT token) FROM post") == [(ROWS,)]


def during_the_fill(work: Callable[[], object]) -> Callable[[Any], None]:
    """Return an `on_step` that does some work after each batch."""

    def tell(event: Any) -> None:
        if event.phase == "filling":
            work()

    return tell


def test_row_written_during_a_fill_keeps_its_value(url: str) -> None:
    write = "UPDATE post SET token = 'mine' WHERE id = 2400"
    with session(url) as database:
        migrate(database, filled(database), on_step=during_the_fill(lambda: ask(url, write)))
    assert ask(url, "SELECT token FROM post WHERE id = 2400") == [("mine",)]


def test_lost_connection_during_a_fill_the_error_says_what_is_begun(url: str) -> None:
    with session(url) as database, pytest.raises(MigrationFailed) as caught:
        number = number_of(database)
        migrate(database, filled(database), on_step=during_the_fill(lambda: stop(url, number)))
    assert str(caught.value).endswith(BEGUN)
