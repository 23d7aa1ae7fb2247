"""The migration lock where several nodes take writes: a row that one migrator holds for a time.

Enters: a session with one of the nodes. Leaves: the lease, or `LockTimeout`. Each step is one
statement that commits by itself, and that the cluster certifies: of two at once one fails
(https://galeracluster.com/library/documentation/certification-based-replication.html). No clocks
are compared. `tests/test_galera.py` has it held by many, killed and cut off.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from peewee import PeeweeException

from ...errors import AutoMigrateError
from ..base import LockLost
from ..waiting import poll
from . import cluster

if TYPE_CHECKING:
    from .session import Mysql

TABLE = "peewee_automigrate_lease"
SECONDS = 30.0  # after which a waiter doubts that the holder is alive
BEATS = 10  # in this time
_TRIES = 20  # of a statement that lost against another one
_LOST_RACE = {1062, 1205, 1213, 1146}  # duplicate, lock wait, deadlock, table not shown yet
_PAUSES = 15.0  # seconds, for which a take-over may take longer than two leases

_CREATE = f"""CREATE TABLE IF NOT EXISTS {TABLE} (
  id INT NOT NULL PRIMARY KEY, owner CHAR(32) NOT NULL, beat BIGINT NOT NULL,
  holder VARCHAR(255) NOT NULL
) ENGINE=InnoDB COMMENT='peewee_automigrate: the row 1 is held by who migrates'"""
_READ = f"SELECT owner, beat, holder FROM {TABLE} WHERE id = 1"
_TAKE = f"INSERT INTO {TABLE} (id, owner, beat, holder) VALUES (1, %s, 0, %s)"
_DOUBT = f"REPLACE INTO {TABLE} (id, owner, beat, holder) VALUES (2, %s, 0, %s)"
_TAKE_OVER_FROM = f"""
UPDATE {TABLE} SET owner = %s, beat = 0, holder = %s WHERE id = 1 AND owner = %s AND beat = %s"""
_BEAT = f"UPDATE {TABLE} SET beat = beat + 1 WHERE id = 1 AND owner = %s"
_GIVE_BACK = f"DELETE FROM {TABLE} WHERE owner = %s"


class Lease:
    """The row, as one migrator sees it."""

    def __init__(self, dialect: Mysql) -> None:
        self.dialect, self.database = dialect, dialect.database
        self.me = uuid.uuid4().hex
        self.name = f"process {os.getpid()} on {socket.gethostname()}"[:255]
        self._seen: tuple[Any, ...] | None = None
        self._since = 0.0  # on this machine's monotonic clock
        self._is_proven = False  # that nothing held the beat up
        self._stop, self._ready = threading.Event(), threading.Event()
        self._error: BaseException | None = None

    # To take it

    def attempt(self) -> bool:
        """Write: take a free lease, or one whose beat stood still for two times its seconds. What
        takes long holds up the beat, and a write of our own too: after it the second time starts.
        """
        row = self._row()
        if row is None:
            return self._wins(_TAKE, self.me, self.name)
        if row != self._seen:
            self._seen, self._since, self._is_proven = row, time.monotonic(), False
        elif time.monotonic() - self._since >= SECONDS:
            if self._is_proven:
                return self._wins(_TAKE_OVER_FROM, self.me, self.name, *row[:2])
            self._is_proven = self._wins(_DOUBT, self.me, self.name)
            self._since = time.monotonic()
        return False

    def holder(self) -> str | None:
        """Read: who holds it."""
        return str(row[2]) if (row := self._row()) else None

    def _row(self) -> tuple[Any, ...] | None:
        try:
            return next(iter(self.dialect.rows(_READ, ())), None)
        except PeeweeException as error:
            if error.args[0] not in _LOST_RACE:
                raise
            return None

    def _wins(self, statement: str, *params: object) -> bool:
        """Write: run a statement that only one of many can; tell whether it was this one."""
        try:
            return bool(self.database.execute_sql(statement, params).rowcount)
        except PeeweeException as error:
            if error.args[0] not in _LOST_RACE:
                raise
            return False

    # To keep it

    def keep(self) -> None:
        """Beat on a second connection, until it is given back."""
        held = self.database.connection()

        def beat() -> None:
            try:
                with self.database.connection_context():
                    if self.database.connection() is held:
                        raise AutoMigrateError("all threads share one connection (thread_safe)")
                    self._ready.set()
                    while not self._stop.wait(SECONDS / BEATS):
                        self._wins(_BEAT, self.me)
            except BaseException as error:  # it belongs to the thread that waits
                self._error = error
                self._ready.set()

        def keep_on() -> None:
            while not self._stop.is_set():
                beat()  # what fails is tried again: `check` tells whether the lease is lost
                self._stop.wait(SECONDS / BEATS)

        self._thread = threading.Thread(target=keep_on, daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._error:
            text = "in a cluster the migration lock takes a second connection"
            raise AutoMigrateError(f"{text}: {self._error}") from self._error

    def check(self) -> None:
        """Write: raise `LockLost` unless it is still held."""
        if not self._insist(_BEAT):
            raise LockLost(
                "not sent, since the migration lock is lost: this process was paused or cut off, "
                f"and {self.holder() or 'another migrator'} may have taken it over"
            )

    def give_back(self) -> None:
        """Write: end the beat, and delete what is ours."""
        self.dialect.lease = None
        self._stop.set()
        self._thread.join(SECONDS)
        self._insist(_GIVE_BACK)

    def _insist(self, statement: str) -> bool:
        for _ in range(_TRIES):
            if self._wins(statement, self.me):
                return True
            time.sleep(0.05)
        return False


@contextmanager
def leased(
    dialect: Mysql, lock_wait: float, waiting: Callable[[float, str], None]
) -> Iterator[float]:
    """Write: hold the lease; gives the seconds waited, by one lease's time enough for a take-over.
    Each read sees what other nodes have committed."""
    lease = Lease(dialect)
    name, value = cluster.SYNCHRONOUS[dialect.cluster]
    with dialect.kept([name]):
        dialect.run(f"SET SESSION {name} = {value}")
        try:
            if not dialect.database.table_exists(TABLE):  # DDL fails what is open elsewhere
                dialect.run(_CREATE)
            least = 2 * SECONDS + _PAUSES if lock_wait >= SECONDS else 0.0
            waited = poll(lease.attempt, lease.holder, max(lock_wait, least), waiting)
        except PeeweeException:
            cluster.refuse(dialect)
            raise
        with dialect.ending(lease.give_back):
            lease.keep()
            dialect.lease = lease
            yield waited
