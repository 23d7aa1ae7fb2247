"""A session with MariaDB 10.6 or MySQL 8, or a later one: literals, waits, the migration lock.

Enters: values, statements. Leaves: literals, locks. Each statement of DDL commits by itself.
Sources: https://dev.mysql.com/doc/refman/8.0/en/locking-functions.html and
https://mariadb.com/kb/en/server-system-variables/. MySQL 8 itself was not run: where the two
differ, what its manual says stands here.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cached_property
from typing import Any

from peewee import Database, PeeweeException

from ...changes import AddForeignKey, Change, Step
from ...errors import AutoMigrateError, MigrationFailed
from ...schema import Catalog, TableName, Wanted
from ...sql import called_functions
from ..base import SESSION_LOST, Dialect, LockLost, Trouble
from ..waiting import poll, surely
from . import catalogue, cluster, servers
from .lease import Lease, leased
from .names import KNOWN, MysqlNames, Settings, base_type, holds, standard_quotes

_ALGORITHM = re.compile(r", ALGORITHM=\w+$")
_LOCK_NAME = 64  # characters
_WAITS = ("lock_wait_timeout", "innodb_lock_wait_timeout")
# Error numbers: https://mariadb.com/kb/en/mariadb-error-codes/ and MySQL's server error reference.
_VARYING = {"uuid", "uuid_short", "uuid_v4", "uuid_v7", "sys_guid", "rand", "random_bytes"}
_VARYING |= {"nextval", "setval", "sleep", "benchmark", "last_insert_id", "get_lock"}
_TROUBLES: dict[int | None, Trouble] = {
    **{1205: "locked", 1213: "locked", 3572: "locked", 1969: "late", 3024: "late"},
    **{0: "lost", 2006: "lost", 2013: "lost"},
}
_IN_TRANSACTION = 1  # SERVER_STATUS_IN_TRANS of the protocol
_NOT_READY = 1047  # a node of Galera
_REFUSED_ALGORITHM = {1845, 1846, 4092}
_HOLDERS = """
SELECT ID, USER, HOST, COMMAND, TIME FROM information_schema.PROCESSLIST
WHERE ID <> CONNECTION_ID() AND {condition} ORDER BY TIME DESC LIMIT 3"""


class Mysql(Dialect):
    """MySQL and MariaDB, through PyMySQL or mysqlclient."""

    name = "mysql"
    transactions = "none"
    lease: Lease | None = None  # that is held in a cluster, and checked before each statement

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.names: MysqlNames = MysqlNames(self.quote, lambda: self.settings)

    @cached_property
    def settings(self) -> Settings:
        """Read: what the server says of itself, once."""
        return catalogue.settings_of(self.rows(catalogue.SETTINGS)[0])

    @cached_property
    def cluster(self) -> cluster.Kind:
        """Read: whether other nodes take writes too, once."""
        return cluster.kind(self)

    # Questions

    def rows(self, sql: str, params: Sequence[object] | None = None) -> list[tuple[Any, ...]]:
        """A node that is cut off from its cluster reads no table."""
        try:
            return super().rows(sql, params)
        except PeeweeException as error:
            if _number(error) == _NOT_READY:
                cluster.refuse(self)
            raise

    def read_catalog(self, wanted: Wanted) -> Catalog:
        return catalogue.read(self.rows, self.settings, self.names.fold_table, wanted)

    def unknown_types(self, types: Sequence[str]) -> list[str]:
        return [name for name in types if base_type(name) not in KNOWN]

    def literal(self, value: Any, type_name: str) -> str:
        """A server that is not strict would change what does not fit without a word."""
        literal = str(int(value)) if isinstance(value, int) else self._quoted(value)
        if not self._holds(type_name, literal):
            raise ValueError(f"{literal} is no {type_name}")
        return literal

    def _quoted(self, value: Any) -> str:
        """Bytes go as hexadecimal digits, and so does text in which a backslash is only that."""
        if isinstance(value, bytes | bytearray | memoryview):
            return f"X'{bytes(value).hex()}'"
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"MySQL has no literal for {value}")
        text = standard_quotes(self.quoted_value(value, "QUOTE"))
        if "\\" in text and "NO_BACKSLASH_ESCAPES" in self.settings.sql_mode:
            return f"CONVERT(X'{str(value).encode().hex()}' USING utf8mb4)"
        return text

    def _holds(self, type_name: str, literal: str) -> bool:
        if base_type(type_name) in ("date", "datetime", "timestamp"):
            return not self.rows(f"SELECT CAST({literal} AS DATETIME) IS NULL")[0][0]
        return holds(type_name, literal)

    @contextmanager
    def limited(
        self, locks: float | None = None, statements: float | None = None
    ) -> Iterator[None]:
        settings: dict[str, float] = {}
        if locks is not None:
            least = 0 if self.settings.is_mariadb else 1  # 0: not at all
            settings["lock_wait_timeout"] = max(math.ceil(locks), least)
        if statements is not None and self.settings.is_mariadb:
            settings["max_statement_time"] = statements
        elif statements is not None:
            settings["max_execution_time"] = int(statements * 1000)
        with self.kept(list(settings)) if settings else nullcontext():
            for name, value in settings.items():
                self.run(f"SET SESSION {name} = {value}")
            yield

    def kept(self, names: Sequence[str]) -> AbstractContextManager[None]:
        """Read: put settings of the session back in the end."""
        values = self.rows("SELECT " + ", ".join(f"@@SESSION.{name}" for name in names))[0]
        statement = "SET SESSION " + ", ".join(f"{name} = %s" for name in names)
        return self.ending(lambda: self.rows(statement, values))

    @contextmanager
    def ending(self, work: Callable[[], object]) -> Iterator[None]:
        """Write: do this in the end; after an error it may fail, and the error is told."""
        try:
            yield
        except BaseException:
            with suppress(Exception):
                surely(work)
            raise
        surely(work)

    def is_volatile(self, expression: str) -> bool:
        """A function of the database's own may be anything."""
        called = sorted(called_functions(expression))
        if not called or not _VARYING.isdisjoint(called):
            return bool(called)
        marks = ", ".join(["%s"] * len(called))
        sql = f"SELECT 1 FROM information_schema.ROUTINES WHERE ROUTINE_NAME IN ({marks}) LIMIT 1"
        return bool(self.rows(sql, called))

    def in_transaction(self) -> bool:
        """Also one that was begun by SQL, which Peewee does not know of."""
        if self.settings.is_mariadb:
            return bool(self.rows("SELECT @@in_transaction")[0][0])
        status = getattr(self.database.connection(), "server_status", 0)  # of PyMySQL
        return bool(self.database.in_transaction() or status & _IN_TRANSACTION)

    def trouble(self, error: BaseException) -> Trouble | None:
        """A statement goes on when its client is gone."""
        return _TROUBLES.get(_number(error))

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
        found = [
            f"connection {number} ({user}@{host}, {command} for {seconds} s)"
            for number, user, host, command, seconds in self.rows(
                _HOLDERS.format(condition=condition), params
            )
        ]
        return "; ".join(found) or None

    def left_behind(self, change: Change) -> str | None:
        """Somebody may have written to the column before its foreign key stood."""
        if not isinstance(change, AddForeignKey):
            return None
        fk, table = change.foreign_key, change.table
        child, parent = self.quote("c", fk.columns[0]), self.quote("p", fk.parent_columns[0])
        home = self.settings.schema if table.schema else None
        source = self.quote(fk.parent.schema or home, fk.parent.name)
        query = (
            f"SELECT c.* FROM {self.names.quote_table(table)} AS c LEFT JOIN {source} AS p"
            f" ON {parent} = {child} WHERE {child} IS NOT NULL AND {parent} IS NULL"
        )
        return query if self.rows(f"{query} LIMIT 1") else None

    # Verbs

    def run(self, statement: str) -> str:
        """Where the server can't do it at once after all, let it choose how."""
        if self.lease:
            self.lease.check()
        freely = _ALGORITHM.sub("", statement)
        try:
            return super().run(statement)
        except PeeweeException as error:
            if freely == statement or _number(error) not in _REFUSED_ALGORITHM:
                raise
        return super().run(freely)

    def hidden(self, tables: Sequence[TableName]) -> set[TableName]:
        """It is not in the catalogue, and hides the qualified name too. MariaDB counts those that
        a session has made: https://mariadb.com/kb/en/com_create_temporary_table/.
        """
        made = self.rows("SHOW SESSION STATUS LIKE 'Com_create_temporary_table'")
        if made and not int(made[0][1]):
            return set()
        return {table for table in tables if self._is_temporary(table)}

    def _is_temporary(self, table: TableName) -> bool:
        with suppress(PeeweeException):  # there is no such table
            (row,) = self.rows(f"SHOW CREATE TABLE {self.names.quote_table(table)}")
            return str(row[1]).startswith("CREATE TEMPORARY ")
        return False

    def all_columns(self, schema: str | None) -> list[tuple[str, str]]:
        sql = """
            SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS
            WHERE TABLE_SCHEMA = COALESCE(%s, DATABASE())"""
        return self.rows(sql, (schema,))

    def prepare(self, steps: Sequence[Step], *, atomic: bool) -> None:
        """Refuse to be part of a transaction that the first DDL statement would commit, and a node
        of a cluster that is not one with the others.
        """
        if atomic:
            raise AutoMigrateError(
                f"atomic=True: {self.name} commits each DDL statement by itself, so that nothing "
                "could be rolled back. Leave it out."
            )
        if self.in_transaction():
            raise AutoMigrateError(
                f"called inside of a transaction, which the first DDL statement of {self.name} "
                "would commit. Call migrate outside of atomic()."
            )
        cluster.refuse(self)
        if text := cluster.read_only(self):
            raise MigrationFailed(f"{text}. Nothing was changed.")
        servers.warn(self.settings.server)

    @contextmanager
    def migration_lock(
        self, lock_wait: float, lock_timeout: float, waiting: Callable[[float, str], None]
    ) -> Iterator[float]:
        """In a cluster a lease, since GET_LOCK is granted on each node."""
        settings = ["foreign_key_checks", *_WAITS]
        settings += ["max_statement_time"] if self.settings.is_mariadb else []
        hold = leased(self, lock_wait, waiting) if self.cluster else self._named(lock_wait, waiting)
        with hold as waited, self.kept(settings):
            if self.settings.is_mariadb:  # there it would stop DDL
                self.run("SET SESSION max_statement_time = 0")
            yield waited

    @contextmanager
    def _named(self, lock_wait: float, waiting: Callable[[float, str], None]) -> Iterator[float]:
        """GET_LOCK survives the commits of DDL, and ends with the connection."""
        name = lock_name(self.settings.schema or "")

        def attempt() -> bool:
            return bool(self.rows("SELECT GET_LOCK(%s, 0)", (name,))[0][0])

        def holder() -> str | None:
            return self._described("ID = IS_USED_LOCK(%s)", (name,))

        waited = poll(attempt, holder, lock_wait, waiting)
        with self.ending(lambda: self.rows("SELECT RELEASE_LOCK(%s)", (name,))):
            if not self._is_ours(name):
                raise AutoMigrateError(
                    "the migration lock is held by another connection of the same pooler. "
                    "Migrate over a direct URL of the server."
                )
            yield waited

    @contextmanager
    def transaction(
        self, seconds: float, altered: TableName | None, parents: Sequence[TableName], tries: int
    ) -> Iterator[None]:
        """DDL commits it, but nothing connects anew by itself in what Peewee takes for one; where
        a lease is checked, that statement has to commit by itself. The waits are short until
        `migration_lock` puts them back.
        """
        with nullcontext() if self.lease else self.database.atomic():
            self._check_lock()
            waits = ", ".join(f"{name} = {max(math.ceil(seconds), 1)}" for name in _WAITS)
            self.run(f"SET SESSION {waits}")
            yield

    def _check_lock(self) -> None:
        """Read: raise `LockLost` where another session goes on than the one that has the lock; a
        lease is checked before each statement.
        """
        if not self.lease and not self._is_ours(lock_name(self.settings.schema or "")):
            raise LockLost(SESSION_LOST)

    def _is_ours(self, lock: str) -> bool:
        return bool(self.rows("SELECT IS_USED_LOCK(%s) = CONNECTION_ID()", (lock,))[0][0])


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
