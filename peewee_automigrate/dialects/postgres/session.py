"""A session with PostgreSQL 12 or later: literals, locks, timeouts, transactions.

Enters: values, statements. Leaves: literals, locks, transactions. Sources:
https://www.postgresql.org/docs/current/explicit-locking.html and functions-admin.html beside it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any

from peewee import Cast, Database, DatabaseError, InterfaceError, OperationalError, Value

from ...changes import Step
from ...errors import AutoMigrateError, MigrationFailed
from ...models.rendering import escaped
from ...schema import Catalog, TableName, Wanted
from ...sql import called_functions
from ..base import SESSION_LOST, Dialect, LockLost, Progress, Trouble, is_async
from ..waiting import poll, surely
from . import catalogue, online, servers
from .names import KNOWN, PostgresNames, base_type
from .online import BUILD, LOCK
from .pinned import pinned

_MIGRATION = 0
_OURS = """l.locktype = 'advisory' AND l.classid = %s::oid AND l.database = (
    SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())"""
_BUILDS = """
SELECT i.indisvalid, p.pid FROM pg_catalog.pg_index AS i
LEFT JOIN pg_catalog.pg_stat_progress_create_index AS p ON p.index_relid = i.indexrelid
WHERE i.indexrelid = to_regclass(%s)"""
_HOLDERS = """
SELECT DISTINCT a.pid, a.application_name, a.state,
       round(EXTRACT(epoch FROM now() - COALESCE(a.xact_start, a.query_start)))
FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
WHERE l.granted AND l.pid <> pg_backend_pid() AND {condition} ORDER BY 1 LIMIT 3"""
_TROUBLES: dict[str | None, Trouble] = {"55P03": "locked", "57014": "late", "57P01": "lost"}
_VOLATILITY = """
SELECT p.proname, p.provolatile = 'v' FROM pg_catalog.pg_proc AS p
WHERE p.proname = ANY (%s::name[])"""
_TEMPORARY = pinned("""
SELECT relname FROM pg_catalog.pg_class
WHERE relnamespace = pg_my_temp_schema() AND pg_table_is_visible(oid)""")
_COLUMNS = pinned("""
SELECT c.relname, a.attname FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid
WHERE n.nspname = COALESCE(%s, current_schema()) AND (c.relkind = 'r' OR c.relkind = 'p')
AND a.attnum > 0 AND NOT a.attisdropped""")
_SMALL = re.compile(r"-?\d{1,9}")


class Postgres(Dialect):
    """PostgreSQL, through psycopg2, psycopg 3 or asyncpg."""

    name = "postgresql"
    spelling = PostgresNames

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.is_async = is_async(database)
        if self.is_async:  # its second connection would be another task's
            self.transactions = "one"

    def sent(self, sql: str) -> str:
        """Of asyncpg a per cent sign without parameters is no placeholder."""
        return sql if self.is_async else super().sent(sql)

    def place(self) -> str:
        """Ask the connection: Peewee's name of the database may be a URL with a password."""
        info = getattr(self.database.connection(), "info", None)
        if info is None:
            return super().place()
        port = "" if not info.host or info.host.startswith("/") else f":{info.port}"
        return f"{self.name} {info.dbname}" + (f" at {info.host}{port}" if info.host else "")

    def typed(self, expression: str | None, type_name: str) -> str:
        return f"CAST({expression or 'NULL'} AS {type_name})"

    own = staticmethod(pinned)

    def ask(self, sql: str, params: Sequence[object] | None = None) -> list[tuple[Any, ...]]:
        """Read: return all rows of a query of ours."""
        return self.rows(pinned(sql), params)

    # Questions

    def hidden(self, tables: Sequence[TableName]) -> set[TableName]:
        found = {row[0] for row in self.rows(_TEMPORARY)}
        return {table for table in tables if not table.schema and table.name in found}

    def all_columns(self, schema: str | None) -> list[tuple[str, str]]:
        return self.rows(_COLUMNS, (schema,))

    def unknown_types(self, types: Sequence[str]) -> list[str]:
        asked = sorted(set(map(base_type, types)) - KNOWN)
        missing = {name for name in asked if self.refusal(f"SELECT CAST(NULL AS {name})")}
        return [name for name in types if base_type(name) in missing]

    def refusal(self, statement: str) -> str:
        """Read: return why the server refuses a statement, "" where it does not; it may hold what
        is no SQL at all.
        """
        try:
            with self.database.atomic():
                self.run(statement)
        except DatabaseError as error:
            if self.trouble(error):
                raise
            return str(error).partition("\n")[0]
        return ""

    def literal(self, value: Any, type_name: str) -> str:
        """A value other than text goes through its type; the server says whether it is one."""
        if type(value) in (bool, int):
            literal = str(value).upper()
        else:
            if not isinstance(value, str):
                value = Cast(Value(value, converter=False, unpack=False), type_name)
            literal = self.quoted_value(Cast(value, "pg_catalog.text"), "pg_catalog.quote_literal")
        is_small = type_name in ("integer", "bigint") and _SMALL.fullmatch(literal)
        if is_small or type_name in ("", "text", "boolean"):
            return literal
        if problem := self.refusal(f"SELECT CAST({literal} AS {type_name})"):
            raise ValueError(problem)
        return literal

    def read_catalog(self, wanted: Wanted) -> Catalog:
        """What only speaks PostgreSQL's protocol may fail here, and is refused by its name."""
        self.database.connection()
        try:
            return catalogue.read(self.rows, int(self.database.server_version or 0), wanted)
        except DatabaseError:
            with suppress(DatabaseError):
                servers.refuse(*self.ask(servers.SERVER)[0])
            raise

    @contextmanager
    def limited(
        self, locks: float | None = None, statements: float | None = None
    ) -> Iterator[None]:
        """SET LOCAL ends with a transaction that may be the caller's: timeouts are put back."""
        seconds = {"lock_timeout": locks, "statement_timeout": statements}
        wanted = {name: value for name, value in seconds.items() if value is not None}
        with self.database.atomic():
            if not wanted:
                yield
                return
            names = ", ".join(f"current_setting('{name}')" for name in wanted)
            before = dict(zip(wanted, self.ask(f"SELECT {names}")[0], strict=True))
            for name, value in wanted.items():
                self.run(f"SET LOCAL {name} = {max(int(value * 1000), 1)}")
            yield
            for name, text in before.items():
                self.run(f"SET LOCAL {name} = '{text}'")

    def trouble(self, error: BaseException) -> Trouble | None:
        """Peewee keeps the driver's error as ``orig``; the drivers name its code unlike. Without a
        code it is no answer of the server's.
        """
        driver = getattr(error, "orig", error)
        state = getattr(driver, "pgcode", None) or getattr(driver, "sqlstate", None)
        if isinstance(error, OperationalError | InterfaceError) and (state or "08")[:2] == "08":
            return "lost"
        return _TROUBLES.get(state)

    def blockers(self, table: TableName) -> str | None:
        return self._describe("l.relation = to_regclass(%s)", (self.names.quote_table(table),))

    def _describe(self, condition: str, params: tuple[object, ...]) -> str | None:
        found = [
            f"pid {pid} ({name or 'no application_name'}, {state or 'unknown'} for {time or 0} s)"
            for pid, name, state, time in self.ask(_HOLDERS.format(condition=condition), params)
        ]
        return "; ".join(found) or None

    def is_volatile(self, expression: str) -> bool:
        """A function that is unknown counts as volatile."""
        called = set(called_functions(expression))
        rows = self.ask(_VOLATILITY, (sorted(called),)) if called else []
        return bool(called - {name for name, _ in rows}) or any(volatile for _, volatile in rows)

    # Verbs

    def prepare(self, steps: Sequence[Step], *, atomic: bool) -> None:
        """Refuse what the role may not do. Where a pooler changes server processes a session lock
        protects nothing: then everything has to happen in one transaction.
        """
        from .rights import lacking

        if text := lacking(self, steps):
            raise MigrationFailed(f"{text}. Nothing was changed.")
        if self.is_async or self.database.in_transaction() or not online.is_pooled(self.database):
            return
        self.transactions = "one"
        names = ", ".join(f"{step.table}.{step.name}" for step in steps if step.online)
        if names:
            raise AutoMigrateError(
                f"{names}: to be built online, but the connection goes through a pooler that "
                "hands statements to different server processes, where no lock outlasts a "
                "transaction. Migrate over a direct URL of the server, or with atomic=True."
            )

    @contextmanager
    def migration_lock(
        self, lock_wait: float, lock_timeout: float, waiting: Callable[[float, str], None]
    ) -> Iterator[float]:
        """One advisory lock for the database, polled: a blocking wait would hold a snapshot and
        deadlock with CREATE INDEX CONCURRENTLY. Where one transaction holds everything, the lock
        is that transaction's.
        """
        with ExitStack() as stack:

            def attempt() -> bool:
                inside = self.transactions == "one" or self.database.in_transaction()
                function = "pg_try_advisory_xact_lock" if inside else "pg_try_advisory_lock"
                with ExitStack() as trial:
                    if inside:
                        trial.enter_context(self.database.atomic())
                    if not self.ask(f"SELECT {function}(%s, %s)", (LOCK, _MIGRATION))[0][0]:
                        return False
                    if not inside:
                        trial.callback(surely, partial(online.unlock, self.database, _MIGRATION))
                    if self._holders(BUILD):  # also one whose client was killed
                        return False
                    stack.enter_context(trial.pop_all())
                return True

            yield poll(attempt, lambda: self._describe(_OURS, (LOCK,)), lock_wait, waiting)

    def _holders(self, lock: int) -> list[tuple[Any, ...]]:
        """Read: tell of each session that holds a lock of ours whether it is this one."""
        sql = f"SELECT pid = pg_backend_pid() FROM pg_catalog.pg_locks AS l WHERE {_OURS}"
        return self.ask(f"{sql} AND granted AND objid = %s::oid", (LOCK, lock))

    def _check_lock(self) -> None:
        """Read: raise `LockLost` where another session goes on than the one that has the lock.
        Peewee's `ReconnectMixin` connects anew between transactions, never inside of one.
        """
        if not any(is_own for (is_own,) in self._holders(_MIGRATION)):
            raise LockLost(SESSION_LOST)

    @contextmanager
    def transaction(
        self, seconds: float, altered: TableName | None, parents: Sequence[TableName], tries: int
    ) -> Iterator[None]:
        """The locks are of the modes that ALTER TABLE and a new foreign key take themselves."""
        modes = [(altered, "ACCESS EXCLUSIVE")] if altered else []
        modes += [(parent, "SHARE ROW EXCLUSIVE") for parent in parents if parent != altered]
        if len(modes) < 2:
            modes = []  # ALTER TABLE waits for it
        start = tries % len(modes) if modes else 0
        with self.database.atomic():
            self._check_lock()
            self.run(f"SET LOCAL lock_timeout = {max(int(seconds * 1000), 1)}")
            for place, (name, mode) in enumerate(modes[start:] + modes[:start]):
                lock = f"LOCK TABLE {self.names.quote_table(name)} IN {mode} MODE"
                self.run(f"{lock} NOWAIT" if place else lock)
            yield

    def is_built(self, table: TableName, index: str) -> bool | None:
        for is_valid, builder in self.ask(_BUILDS, (self.quote(table.schema, index),)):
            return None if builder else bool(is_valid)
        return False

    def run_online(self, statement: str, progress: Progress) -> None:
        self._check_lock()
        online.build(self.database, escaped(self.database, statement), progress)
