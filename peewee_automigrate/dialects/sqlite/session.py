"""A session with SQLite: literals, waits, its one write lock, and the run as one transaction.

Enters: values, statements. Leaves: literals, locks, transactions. Sources:
https://www.sqlite.org/lang_expr.html and https://www.sqlite.org/lang_transaction.html.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

from peewee import Database, OperationalError

from ...errors import MigrationFailed
from ...schema import Catalog, Table, TableName, Wanted
from ...sql import called_functions
from ..base import Dialect, Trouble
from ..waiting import poll
from . import catalogue
from .names import ROWIDS, SqliteNames, fold

_VARYING = {"random", "randomblob", "changes", "total_changes", "last_insert_rowid"}


class Sqlite(Dialect):
    """SQLite, through the standard library's driver, APSW or SQLCipher."""

    name = "sqlite"

    @property
    def existence(self) -> Literal["kept", "missing", "temporary"]:
        """A database in memory, or without a name, is temporary:
        https://www.sqlite.org/inmemorydb.html.
        """
        name = str(self.database.database or ":memory:")
        if name == ":memory:" or (name.startswith("file:") and "memory" in name):
            return "temporary"
        path = Path(name)
        is_missing = path.parent.is_dir() and not path.exists() and not name.startswith("file:")
        return "missing" if is_missing else "kept"

    transactions = "one"

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.names = SqliteNames(self.quote, lambda: bool(self.rows("PRAGMA foreign_keys")[0][0]))

    def place(self) -> str:
        name = str(self.database.database)
        return f"{self.name} {name.partition('?')[0] if name.startswith('file:') else name}"

    def literal(self, value: Any, type_name: str) -> str:
        """Infinity has no literal of its own; a string ends at a NUL character."""
        if isinstance(value, int):
            if not -(2**63) <= value < 2**63:
                raise ValueError(f"{value} is longer than 64 bits")
            return str(int(value))
        if isinstance(value, float) and math.isinf(value):
            return "9e999" if value > 0 else "-9e999"
        if isinstance(value, str) and "\0" in value:
            raise ValueError("SQLite has no literal for a text with a NUL character")
        return self.quoted_value(value, "quote")

    def read_catalog(self, wanted: Wanted) -> Catalog:
        return catalogue.read(self.rows, self.quote, wanted)

    def is_volatile(self, expression: str) -> bool:
        """What is not built in may be anything."""
        called = set(called_functions(expression))
        sql = "SELECT name FROM pragma_function_list WHERE builtin"
        return bool(called & _VARYING or called - {row[0] for row in self.rows(sql)})

    def hidden(self, tables: Sequence[TableName]) -> set[TableName]:
        found = {fold(row[0]) for row in self.rows("SELECT name FROM sqlite_temp_master")}
        return {table for table in tables if not table.schema and fold(table.name) in found}

    def all_columns(self, schema: str | None) -> list[tuple[str, str]]:
        sql = f"""
            SELECT m.name, c.name FROM {self.quote(schema or "main", "sqlite_master")} AS m
            JOIN pragma_table_info(m.name, ?) AS c WHERE m.type = 'table'"""
        return self.rows(sql, (schema or "main",))

    def estimated_rows(self, table: Table) -> int:
        """The largest rowid is found at once, where a count would read the whole table."""
        from .rows import SqliteFiller

        key = next((name for name, _ in SqliteFiller(self).row_key(table)), "")
        sql = f"SELECT max({key}) FROM {self.names.quote_table(table.name)}"
        return int(self.rows(sql)[0][0]) if key in ROWIDS else table.rows

    def trouble(self, error: BaseException) -> Trouble | None:
        """SQLITE_BUSY, SQLITE_LOCKED and SQLITE_INTERRUPT are told by their text only."""
        text = str(error).lower() if isinstance(error, OperationalError) else ""
        if "is locked" in text or "busy" in text:
            return "locked"
        return "late" if "interrupted" in text else None

    @contextmanager
    def limited(
        self, locks: float | None = None, statements: float | None = None
    ) -> Iterator[None]:
        """A statement has no timeout; a progress handler that returns true interrupts it."""
        connection: Any = self.database.connection() if statements is not None else None
        if statements is None or not hasattr(connection, "set_progress_handler"):
            yield
            return
        deadline = time.monotonic() + statements
        connection.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
        try:
            yield
        finally:
            connection.set_progress_handler(None, 0)

    def run(self, statement: str) -> str:
        with self._writing():
            return super().run(statement)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """No statement goes through where the first one does not."""
        try:
            yield
        except OperationalError as error:
            if "readonly" not in str(error):
                raise
            raise MigrationFailed(
                f"{self.place()} is read-only, by its URI, its rights or PRAGMA query_only; "
                "migrate where it can be written. Nothing was changed."
            ) from error

    @contextmanager
    def migration_lock(
        self, lock_wait: float, lock_timeout: float, waiting: Callable[[float, str], None]
    ) -> Iterator[float]:
        """The lock is the write transaction in which everything happens.

        COMMIT waits for readers (in rollback-journal mode), and new ones wait for it meanwhile:
        it gives up after ``lock_timeout``, and the whole is tried again.
        """
        if self.database.in_transaction():
            with self.database.atomic():
                yield 0.0
            return
        with ExitStack() as stack:

            def begin() -> bool:
                try:
                    with self._writing():
                        stack.enter_context(self.database.transaction("IMMEDIATE"))
                except OperationalError as error:
                    if self.trouble(error) == "locked":
                        return False
                    raise
                return True

            stack.enter_context(self._busy_timeout(lock_timeout))
            with self._busy_timeout(0):
                waited = poll(begin, lambda: None, lock_wait, waiting)
            yield waited

    @contextmanager
    def _busy_timeout(self, seconds: float) -> Iterator[None]:
        """Set how long a statement waits for a lock."""
        before = self.rows("PRAGMA busy_timeout")[0][0]
        self.rows(f"PRAGMA busy_timeout = {int(seconds * 1000)}")
        try:
            yield
        finally:
            self.rows(f"PRAGMA busy_timeout = {before}")
