"""A signal at any moment of a run: what its handler raises leaves as itself, and nothing stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from peewee import IntegerField, SqliteDatabase

from peewee_automigrate import StepEvent, migrate, plan
from tests.support import kills
from tests.support.catalogue import Facts
from tests.support.clients import READ, exclusive, migration_lock, on, session
from tests.support.crew import ROOT, Migrate
from tests.support.places import Places, advisory_locks, ask, old_rows
from tests.support.project import Project
from tests.support.workers import RELEASES, database_of, filled, model, second

# At each statement, in this process.


@contextmanager
def raising(kind: type[BaseException]) -> Iterator[None]:
    """Have SIGTERM raise an error of a kind."""

    def handle(*_: object) -> None:
        raise kind(7)

    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Terminated:
    """A database whose n-th statement ends this process, before it is sent or after its answer."""

    def __init__(self, database: Any, number: int, after: bool = False) -> None:
        self.send, self.number, self.after, self.count = database.execute_sql, number, after, 0
        database.execute_sql = self

    def __call__(self, *args: Any, **options: Any) -> Any:
        self.count += 1
        is_now = self.count == self.number
        if is_now and not self.after:
            os.kill(os.getpid(), signal.SIGTERM)
        result = self.send(*args, **options)
        if is_now and self.after:
            os.kill(os.getpid(), signal.SIGTERM)
        return result


def problems(url: str, number: int, *, opened: bool, after: bool) -> tuple[int, list[str]]:
    """Write: migrate, terminated at a statement; return how many were sent, and what is wrong."""
    database = database_of(url)
    if opened:
        database.connect()
    counted = Terminated(database, number, after)
    threads, found = threading.active_count(), []
    with raising(SystemExit):
        try:
            migrate(database, second(database), online_rows=0)
            found = ["it went on"] if counted.count >= number > 0 else []
        except BaseException as error:
            found = [] if type(error) is SystemExit else [f"{type(error).__name__}: {error}"]
    found += ["a thread is left"] if threading.active_count() > threads else []
    found += ["a transaction is left"] if opened and database.in_transaction() else []
    found += ["a lock is left"] if number and advisory_locks(url) else []
    database.close()
    return counted.count, found


@pytest.mark.parametrize(
    ("kind", "step"), [("sqlite", 4), ("postgres", 9), ("mysql", 9)], indirect=["kind"]
)
@pytest.mark.parametrize("opened", [True, False])
def test_exit_at_any_statement_leaves_as_itself_and_next_run_completes(
    places: Places, wanted: Facts, step: int, opened: bool
) -> None:
    with places.given(True) as url:
        count, found = problems(url, 0, opened=opened, after=False)
    for number in [*range(1 + opened, count, step), count - 1, count]:
        with places.given(True) as url:
            _, wrong = problems(url, number, opened=opened, after=False)
            wrong += kills.after(url, wanted)
            found += [f"statement {number} of {count}: {line}" for line in wrong]
    assert found == []


@pytest.mark.parametrize("number", range(1, 12))
def test_exit_while_a_default_is_quoted_leaves_as_itself(
    places: Places, kind: str, number: int
) -> None:
    with places.given(True) as url:
        assert problems(url, number, opened=True, after=number % 2 == 0)[1] == []


# In each phase, from outside.

PHASES: dict[str, tuple[str, Callable[[str], list[str]]]] = {
    "waits for the migration lock": ("column", lambda url: [migration_lock(url)]),
    "waits for a table": ("column", lambda _: ["BEGIN", READ]),
    "reads rows": ("unique", lambda url: exclusive(url, "post")),
}


@pytest.mark.parametrize("raised", ["SystemExit", "KeyboardInterrupt"])
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize(
    ("kind", "driver"),
    [("sqlite", "psycopg2"), ("postgres", "psycopg2"), ("postgres", "psycopg3"), ("mysql", "")],
    indirect=["kind"],
)
def test_terminated_in_a_phase_what_the_handler_raises_leaves_as_itself(
    start: Migrate, url: str, wanted: Facts, driver: str, phase: str, raised: str
) -> None:
    release, statements = PHASES[phase]
    rows = old_rows(database_of(url))
    with session(url, *statements(url)):
        more = {"driver": driver or "psycopg2", "terminated": raised}
        worker = start(url, release, {"lock_timeout": 1.0, "lock_wait": 30.0}, **more)
        time.sleep(0.6)
        worker.terminate()
        answer = worker.answer(20.0)
    assert answer is not None
    assert (answer["error"], answer["text"], answer["threads"]) == (raised, "7", 1)
    again = start(url, release).answer(60.0)
    assert again is not None and again["error"] is None
    assert not plan(database_of(url), RELEASES[release](database_of(url)))
    assert (advisory_locks(url), old_rows(database_of(url))) == (0, rows)


# An online build, a fill.


@pytest.mark.parametrize("raised", ["SystemExit", "KeyboardInterrupt"])
@pytest.mark.parametrize("driver", ["psycopg2", "psycopg3"])
@on("postgres")
def test_terminated_in_an_online_build_ends_it_and_next_run_completes(
    start: Migrate, url: str, wanted: Facts, driver: str, raised: str
) -> None:
    with kills.snapshot(url):
        options = {"online_rows": 0}
        worker = start(url, "second", options, driver=driver, terminated=raised)
        kills.wait_for(url, kills.BUILDING)
        worker.terminate()
        answer = worker.answer(20.0)
        assert advisory_locks(url) == 0
    assert answer is not None
    assert (answer["error"], answer["text"], answer["threads"]) == (raised, "7", 1)
    assert kills.after(url, wanted) == []


@on("postgres")
def test_exit_just_before_a_build_is_sent_does_not_wait_for_it(url: str) -> None:
    database: Any = database_of(url)
    send, main = database.execute_sql, threading.get_ident()

    def execute_sql(sql: str, *args: Any) -> Any:
        if sql == "SET lock_timeout = 0" and threading.get_ident() != main:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.3)  # in which the main thread cancels what is not sent yet
        return send(sql, *args)

    database.execute_sql = execute_sql
    started = time.monotonic()
    with kills.snapshot(url), raising(SystemExit), pytest.raises(SystemExit):
        timer = threading.Timer(20.0, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        try:
            migrate(database, RELEASES["index"](database), online_rows=0)
        finally:
            timer.cancel()
    assert time.monotonic() - started < 10.0


@pytest.mark.parametrize("raised", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_ended_in_a_fill_next_run_completes(places: Places, raised: type[BaseException]) -> None:
    def tell(event: StepEvent) -> None:
        if event.phase == "filling":
            os.kill(os.getpid(), signal.SIGTERM)

    with places.grown(2_500) as url:
        database = database_of(url)
        with database.connection_context(), raising(raised), pytest.raises(raised):
            migrate(database, filled(database), on_step=tell)
        assert advisory_locks(url) == 0
        migrate(database, filled(database))
        assert ask(url, "SELECT count(DISTINCT token) FROM post") == [(2_500,)]


# Without a handler, and at the end of the interpreter.


@pytest.mark.parametrize("phase", PHASES)
def test_terminated_without_a_handler_next_run_completes(
    start: Migrate, url: str, phase: str
) -> None:
    release, statements = PHASES[phase]
    with session(url, *statements(url)):
        worker = start(url, release, {"lock_timeout": 1.0})
        time.sleep(0.6)
        worker.terminate()
        assert worker.answer(20.0) is None
        assert worker.process.returncode == -signal.SIGTERM
    again = start(url, release).answer(60.0)
    assert again is not None and again["error"] is None
    assert not plan(database_of(url), RELEASES[release](database_of(url)))


DAEMON = """
    import sys, threading, time
    from peewee_automigrate import migrate
    from tests.support.workers import RELEASES, database_of
    url, release = sys.argv[1:]
    database, told = database_of(url), threading.Event()
    def tell(event):
        if event.state in ("waiting", "start"):
            told.set()
    thread = threading.Thread(
        target=migrate,
        args=(database, RELEASES[release](database)),
        kwargs={"on_step": tell, "lock_timeout": 1.0},
        daemon=True,
    )
    thread.start()
    told.wait(30)
"""


@pytest.mark.parametrize("release", ["column", "second"])
@pytest.mark.parametrize("waits", [True, False])
def test_interpreter_ends_under_a_daemon_thread_that_migrates_next_run_completes(
    start: Migrate, url: str, release: str, waits: bool
) -> None:
    with session(url, *([migration_lock(url)] if waits else [])):
        program = [sys.executable, "-c", textwrap.dedent(DAEMON), url, release]
        done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    again = start(url, release).answer(60.0)
    assert again is not None and again["error"] is None
    assert not plan(database_of(url), RELEASES[release](database_of(url)))


# What a handler raises while models are read.


@pytest.mark.parametrize("body", ["", "def make(): "])
def test_exit_while_models_are_read_leaves_as_itself(project: Project, body: str) -> None:
    name = f"app_slow{len(body)}"
    project.module(name, f"import os, signal\n{body}os.kill(os.getpid(), signal.SIGTERM)\n")
    words = f"{name}:make" if body else name
    with raising(SystemExit), pytest.raises(SystemExit, match="7"):
        plan(SqliteDatabase(":memory:"), words)


def test_exit_while_a_default_is_asked_leaves_as_itself(sqlite_database: SqliteDatabase) -> None:
    sqlite_database.execute_sql("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY)")
    made = model(
        sqlite_database, "t", n=IntegerField(default=lambda: os.kill(os.getpid(), signal.SIGTERM))
    )
    with raising(SystemExit), pytest.raises(SystemExit, match="7"):
        migrate(sqlite_database, [made], on_blocked="skip")
    assert not sqlite_database.in_transaction()


# Greenlets.

GREENLETS = """
    from gevent import monkey; monkey.patch_all()
    import sys, gevent
    from peewee_automigrate import migrate
    from tests.support.workers import RELEASES, database_of
    url = sys.argv[1]
    def run(_):
        database = database_of(url)
        with database.connection_context():
            return len(migrate(database, RELEASES["second"](database), online_rows=0).applied)
    jobs = [gevent.spawn(run, n) for n in range(8)]
    gevent.joinall(jobs, raise_error=True)
    print(sum(job.value > 0 for job in jobs))
"""


def test_greenlets_that_migrate_together_run_once(url: str, wanted: Facts) -> None:
    program = [sys.executable, "-c", textwrap.dedent(GREENLETS), url]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=90)
    assert (done.stdout, done.stderr) == ("1\n", "")
    assert kills.after(url, wanted) == []
