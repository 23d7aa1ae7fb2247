"""What needs a second connection: index builds that do not block, and telling poolers apart.

Enters: a Peewee database whose connections are one a thread. Leaves: a built index, or an error.
The first connection stays free to hold the migration lock and to tell the progress.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from peewee import Database, PeeweeException

from ..base import Progress
from .pinned import pinned

LOCK = 0x70656577  # "peew", the class of our advisory locks
BUILD = 1  # the advisory lock that a build holds, also when its client has been killed
_PROBES = 10  # with 8 clients at once, one probe was wrong in 6 of 320 tries, ten in none of 640
EVERY = 0.5  # seconds between two looks at the progress

_PROGRESS = pinned("""
SELECT phase, CASE WHEN blocks_total > 0 THEN blocks_done::float8 / blocks_total END
FROM pg_catalog.pg_stat_progress_create_index WHERE pid = %s
""")


class _Worker(threading.Thread):
    """Runs one statement on a connection of its own."""

    def __init__(self, database: Database, work: Callable[[_Worker], None]) -> None:
        super().__init__(daemon=True)
        self.database = database
        self.work = work
        self.pid = 0
        self.connection: Any = None
        self.error: BaseException | None = None
        self.ready = threading.Event()
        self.release = threading.Event()

    def run(self) -> None:
        try:
            with self.database.connection_context():
                self.connection = self.database.connection()
                self.pid = _pid(self.database)
                self.work(self)
        except BaseException as error:  # whatever it is, it belongs to the thread that waits
            self.error = error
        finally:
            self.ready.set()

    def stop(self) -> None:
        """Cancel what it runs, also what it only begins meanwhile, and wait for its end."""
        while self.is_alive():
            if self.connection is not None:
                self.connection.cancel()
            self.join(EVERY)


def build(database: Database, statement: str, progress: Progress) -> None:
    """Write: run CREATE or DROP INDEX CONCURRENTLY, telling the progress meanwhile. With a
    lock_timeout an unrelated reader would cancel the build, and leave an INVALID index:
    https://www.postgresql.org/docs/current/sql-createindex.html
    """

    def work(worker: _Worker) -> None:
        execute = database.execute_sql
        execute(pinned("SELECT pg_advisory_lock(%s, %s)"), (LOCK, BUILD))
        execute("SET lock_timeout = 0")
        execute("SET statement_timeout = 0")
        try:
            execute(statement)
        finally:
            if _is_usable(database):
                execute("RESET lock_timeout")
                execute("RESET statement_timeout")
            unlock(database, BUILD)

    worker = _Worker(database, work)
    try:
        worker.start()
        while not worker.ready.wait(EVERY):
            for phase, fraction in database.execute_sql(_PROGRESS, (worker.pid,)).fetchall():
                progress(phase, fraction)
    except BaseException:
        worker.stop()
        raise
    worker.join()
    if worker.error is not None:
        raise worker.error


def is_pooled(database: Database) -> bool:
    """Read: tell whether statements of this connection may reach different server processes.

    A pooler tells a process number of its own when a connection starts. Does it keep a server
    process for a session? Not when a second connection, in a transaction, gets the process of the
    first, or the first then gets another. Where it can't tell, the answer is yes.
    """
    pid = _pid(database)
    if database.connection().info.backend_pid == pid:
        return False
    return any(_changes_process(database, pid) for _ in range(_PROBES))


def _changes_process(database: Database, pid: int) -> bool:
    """Probe once; among many clients another one may take the process that would have told."""

    def work(worker: _Worker) -> None:
        with database.atomic():
            worker.pid = _pid(database)
            worker.ready.set()
            worker.release.wait()

    worker = _Worker(database, work)
    try:
        worker.start()
        worker.ready.wait()
        return worker.error is not None or worker.pid == pid or _pid(database) != pid
    except PeeweeException:
        return True
    finally:
        worker.release.set()
        while worker.is_alive():
            worker.join()


def unlock(database: Database, lock: int) -> None:
    """Write: let go of an advisory lock of ours; a lost connection has done so by itself."""
    if _is_usable(database):
        database.execute_sql(pinned("SELECT pg_advisory_unlock(%s, %s)"), (LOCK, lock))


def _is_usable(database: Database) -> bool:
    """Tell whether a connection can send a statement; Peewee 3.17 fails to for psycopg 3."""
    try:
        return bool(database.is_connection_usable())
    except AttributeError:
        return not database.connection().closed


def _pid(database: Database) -> int:
    return int(database.execute_sql(pinned("SELECT pg_backend_pid()")).fetchone()[0])
