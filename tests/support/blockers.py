"""Somebody is busy with a table that a migration changes: how long do all the others wait?

Each blocker holds what its name says for some seconds. Meanwhile a worker migrates, and two more
read and write as the first release does. Leaves: the longest wait of each, and errors.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg2

from tests.support.crew import Crew
from tests.support.kills import snapshot, wait_for
from tests.support.places import Places

BIG = 2_000
CHANGES: dict[str, tuple[str, dict[str, Any]]] = {
    "ADD COLUMN": ("column", {}),
    "CREATE TABLE with a foreign key": ("child", {}),
    "CREATE INDEX": ("index", {}),
    "CREATE INDEX CONCURRENTLY": ("index", {"online_rows": 0}),
}


@dataclass(frozen=True)
class Waits:
    """The longest wait of a reader and of a writer, in seconds, and what went wrong."""

    blocker: str
    change: str
    reader: float
    writer: float
    migration: float
    problems: tuple[str, ...]

    @property
    def longest(self) -> float:
        return max(self.reader, self.writer)


@contextmanager
def session(url: str, name: str, **settings: Any) -> Iterator[Any]:
    """Give a connection with an open transaction."""
    with closing(psycopg2.connect(url, application_name=name)) as connection:
        connection.set_session(**settings)
        yield connection
        connection.rollback()


@contextmanager
def executing(url: str, name: str, statement: str) -> Iterator[None]:
    """Run a statement in a thread until it is done."""
    errors: list[Exception] = []

    def run() -> None:
        with closing(psycopg2.connect(url, application_name=name)) as connection:
            connection.autocommit = True
            try:
                connection.cursor().execute(statement)
            except psycopg2.Error as error:
                errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    wait_for(
        url,
        f"SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query = {quoted(statement)}",
    )
    yield
    thread.join()
    assert not errors, errors


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@contextmanager
def long_reader(url: str, seconds: float) -> Iterator[None]:
    """One SELECT that takes so long."""
    with executing(url, "reader", f"SELECT count(*), pg_sleep({seconds}) FROM post"):
        yield


@contextmanager
def long_writer(url: str, seconds: float) -> Iterator[None]:
    """A transaction that has written a row, and is not done."""
    with executing(
        url,
        "writer",
        "DO $$ BEGIN UPDATE post SET length = length WHERE id = 1;"
        f" PERFORM pg_sleep({seconds}); END $$",
    ):
        yield


@contextmanager
def idle_in_transaction(url: str, seconds: float) -> Iterator[None]:
    """A client that has read, and forgot to end its transaction."""
    with session(url, "idle") as connection:
        connection.cursor().execute("SELECT count(*) FROM post")
        yield from _until(connection, seconds)


@contextmanager
def old_snapshot(url: str, seconds: float) -> Iterator[None]:
    """A repeatable read that has not looked at the table yet."""
    with snapshot(url) as connection:
        yield from _until(connection, seconds)


@contextmanager
def waiting_alter(url: str, seconds: float) -> Iterator[None]:
    """Somebody else's ALTER TABLE, which waits behind a reader for a quarter of the time."""
    with ExitStack() as stack:
        reader = stack.enter_context(session(url, "reader"))
        reader.cursor().execute("SELECT count(*) FROM post")
        alter = "ALTER TABLE post ADD COLUMN by_hand integer"
        stack.enter_context(executing(url, "alter", alter))
        yield from _until(reader, seconds / 4)


def _until(connection: Any, seconds: float) -> Iterator[None]:
    timer = threading.Timer(seconds, connection.rollback)
    timer.start()
    yield
    timer.join()


BLOCKERS: dict[str, Callable[[str, float], Any]] = {
    "long reader": long_reader,
    "long writer": long_writer,
    "idle in transaction": idle_in_transaction,
    "repeatable-read snapshot": old_snapshot,
    "a waiting ALTER of somebody else": waiting_alter,
}


def cell(
    crew: Crew, places: Places, blocker: str, change: str, seconds: float, lock_timeout: float
) -> Waits:
    """Measure one blocker against one change."""
    release, options = CHANGES[change]
    options = {**options, "lock_timeout": lock_timeout}
    with places.grown(BIG) as url:
        migrator, reader, writer = crew.take(3)
        jobs = {"read": reader, "write": writer}
        order = {"do": "migrate", "url": url, "release": release, "options": options}
        migrator.send(order)
        for do, worker in jobs.items():
            worker.send({"do": do, "url": url})
        for worker in (migrator, reader, writer):
            worker.ready()
        with BLOCKERS[blocker](url, seconds):
            started = time.monotonic()
            reader.go()
            writer.go()
            time.sleep(0.05)
            migrator.go()
            done = migrator.answer()
            took = time.monotonic() - started
        for worker in jobs.values():
            worker.go()
        answers = [worker.answer() for worker in jobs.values()]
    problems = [f"migrate: {done['error']}: {done['text']}"] if done and done["error"] else []
    for do, answer in zip(jobs, answers, strict=True):
        problems += [f"{do}: {error}" for error in (answer or {}).get("errors", ["died"])]
    read, written = (answer["longest"] if answer else 0.0 for answer in answers)
    return Waits(blocker, change, read, written, took, tuple(problems))
