"""A session with MySQL or MariaDB: settings, waits, timeouts, the lock between migrators.

Enters: statements. Leaves: locks, and what the server says of itself. Sources:
https://dev.mysql.com/doc/refman/8.0/en/locking-functions.html and
https://mariadb.com/kb/en/server-system-variables/. MySQL 8 itself was not run.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any

from peewee import PeeweeException

from ...errors import AutoMigrateError, UnsupportedDatabase
from ...options import Options
from ...schema import TableName
from ..base import Dialect, Trouble
from ..waiting import poll
from .catalogue import Settings

_ALGORITHM = re.compile(r", ALGORITHM=\w+$")
_LOCK_NAME = 64  # characters
_WAITS = ("lock_wait_timeout", "innodb_lock_wait_timeout")
_OLDEST = {True: (10, 6), False: (8, 0, 16)}  # MariaDB, MySQL
# Error numbers: https://mariadb.com/kb/en/mariadb-error-codes/ and MySQL's server error reference.
_TROUBLES: dict[int | None, Trouble] = {
    **{1205: "locked", 1213: "locked", 3572: "locked", 1969: "late", 3024: "late"},
    **{0: "lost", 2006: "lost", 2013: "lost"},
}
_IN_TRANSACTION = 1  # SERVER_STATUS_IN_TRANS of the protocol
_REFUSED_ALGORITHM = {1845, 1846, 4092}


class MysqlSession(Dialect):
    """One connection to MySQL or MariaDB."""

    @cached_property
    def settings(self) -> Settings:
        """Read: what the server says of itself, once."""
        found = Settings.read(self.rows)
        if found.version < _OLDEST[found.is_mariadb]:
            text = ".".join(map(str, found.version))
            kind = "MariaDB" if found.is_mariadb else "MySQL"
            raise UnsupportedDatabase(
                f"{kind} {text}: too old. Use MariaDB 10.6, MySQL 8.0.16, or a later one."
            )
        return found

    def in_transaction(self) -> bool:
        """Also one that was begun by SQL, which Peewee does not know of."""
        if self.settings.is_mariadb:
            return bool(self.rows("SELECT @@in_transaction")[0][0])
        status = getattr(self.database.connection(), "server_status", 0)  # of PyMySQL
        return bool(self.database.in_transaction() or status & _IN_TRANSACTION)

    def run(self, statement: str) -> str:
        """Where the server can't do it at once after all, let it choose how."""
        freely = _ALGORITHM.sub("", statement)
        try:
            return super().run(statement)
        except PeeweeException as error:
            if freely == statement or _number(error) not in _REFUSED_ALGORITHM:
                raise
        return super().run(freely)

    def prepare_to_write(self) -> None:
        """In a Galera cluster a lock of one node says nothing to the others."""
        rows = self.rows("SHOW GLOBAL VARIABLES LIKE 'wsrep_on'")
        if rows and str(rows[0][1]).upper() in ("ON", "1"):
            raise AutoMigrateError(
                "the server is a node of a Galera cluster, where GET_LOCK holds on one node only, "
                "so that two migrators could run at once. Print the statements by "
                "`plan --format sql`, run them on one node, and fill the columns that it names."
            )

    @contextmanager
    def migration_lock(self, options: Options, waiting: Callable[[str], None]) -> Iterator[float]:
        """GET_LOCK survives the commits of DDL, and ends with the connection."""
        name = lock_name(self.settings.schema or "")

        def attempt() -> bool:
            return bool(self.rows("SELECT GET_LOCK(%s, 0)", (name,))[0][0])

        waited = poll(attempt, lambda: self._lock_holder(name), options.lock_wait, waiting)
        before = self._session()
        try:
            if not self.rows("SELECT IS_USED_LOCK(%s) = CONNECTION_ID()", (name,))[0][0]:
                raise AutoMigrateError(
                    "the migration lock is held by another connection of the same pooler. "
                    "Migrate over a direct URL of the server."
                )
            if self.settings.is_mariadb:  # there it would stop DDL
                self.run("SET SESSION max_statement_time = 0")
            yield waited
        except BaseException:
            with suppress(Exception):  # a lost connection has let go of the lock by itself
                self._release(name, before)
            raise
        self._release(name, before)

    def _session(self) -> dict[str, Any]:
        """Read: return the settings of the session that a run changes."""
        names = ["foreign_key_checks", *_WAITS]
        names += ["max_statement_time"] if self.settings.is_mariadb else []
        values = self.rows("SELECT " + ", ".join(f"@@SESSION.{name}" for name in names))[0]
        return dict(zip(names, values, strict=True))

    def _release(self, name: str, before: Mapping[str, Any]) -> None:
        settings = ", ".join(f"{setting} = %s" for setting in before)
        self.rows(f"SET SESSION {settings}", tuple(before.values()))
        self.rows("SELECT RELEASE_LOCK(%s)", (name,))

    def _lock_holder(self, name: str) -> str | None:
        return self._described("ID = IS_USED_LOCK(%s)", (name,))

    def blockers(self, table: TableName) -> str | None:
        """Without the server's performance schema nobody tells who holds a table; those who are
        in a transaction, or lock tables, may.
        """
        condition = "ID IN (SELECT trx_mysql_thread_id FROM information_schema.INNODB_TRX)"
        try:
            return self._described(condition, ())
        except PeeweeException:  # it takes the privilege PROCESS
            return None

    def _described(self, condition: str, params: tuple[object, ...]) -> str | None:
        rows = self.rows(
            "SELECT ID, USER, HOST, COMMAND, TIME FROM information_schema.PROCESSLIST"
            f" WHERE ID <> CONNECTION_ID() AND {condition} ORDER BY TIME DESC LIMIT 3",
            params,
        )
        found = [
            f"connection {number} ({user}@{host}, {command} for {seconds} s)"
            for number, user, host, command, seconds in rows
        ]
        return "; ".join(found) or None

    @contextmanager
    def short_locks(self, seconds: float) -> Iterator[None]:
        """In whole seconds. Who locks the session takes it back: `migration_lock`."""
        whole = max(math.ceil(seconds), 1)
        self.run("SET SESSION " + ", ".join(f"{name} = {whole}" for name in _WAITS))
        yield

    @contextmanager
    def short_reads(self, seconds: float) -> Iterator[None]:
        with self._setting("lock_wait_timeout", max(math.ceil(seconds), 1)):
            yield

    @contextmanager
    def bounded(self, seconds: float) -> Iterator[None]:
        maria = self.settings.is_mariadb
        name = "max_statement_time" if maria else "max_execution_time"
        with self._setting(name, seconds if maria else int(seconds * 1000)):
            yield

    @contextmanager
    def _setting(self, name: str, value: float) -> Iterator[None]:
        before = self.rows(f"SELECT @@SESSION.{name}")[0][0]
        self.run(f"SET SESSION {name} = {value}")
        try:
            yield
        finally:
            self.run(f"SET SESSION {name} = {before}")

    def trouble(self, error: BaseException) -> Trouble | None:
        """A statement goes on when its client is gone."""
        return _TROUBLES.get(_number(error))


def lock_name(schema: str) -> str:
    """Return the name of a database's lock; it is known to the whole server, so it contains the
    database, or where that is too long its beginning and a digest.
    """
    name = f"peewee_automigrate.{schema}"
    if len(name) <= _LOCK_NAME:
        return name
    return f"{name[: _LOCK_NAME - 17]}.{hashlib.sha256(schema.encode()).hexdigest()[:16]}"


def _number(error: BaseException) -> int | None:
    """The drivers' errors, and Peewee's around them, have the number as their first argument."""
    number = error.args[0] if error.args else None
    return number if isinstance(number, int) else None
