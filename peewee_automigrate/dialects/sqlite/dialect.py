"""SQLite: its catalogue, its limits of ALTER TABLE, and its one write lock.

Sources: https://www.sqlite.org/lang_altertable.html, https://www.sqlite.org/pragma.html and
https://www.sqlite.org/lang_transaction.html.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from peewee import OperationalError

from ...options import Options
from ...schema import Catalog, Column, Table
from ...sql import is_constant, tokens, upper_words
from ..base import Addition, Dialect, Keys, Rows, Trouble, Wanted
from ..waiting import poll
from . import catalogue as sqlite_catalog

_ROWIDS = ("rowid", "_rowid_", "oid")
_STRICT = {
    "INT": ("null", "integer"),
    "INTEGER": ("null", "integer"),
    "REAL": ("null", "integer", "real"),
    "TEXT": ("null", "integer", "real", "text"),
    "BLOB": ("null", "blob"),
    "ANY": ("null", "integer", "real", "text", "blob"),
}


class Sqlite(Dialect):
    """SQLite, through the standard library's driver, APSW or SQLCipher."""

    name = "sqlite"
    parents_first = False
    one_transaction = True
    makes_file = True
    keys_cross_schemas = False  # https://www.sqlite.org/syntax/foreign-key-clause.html
    truths = ("0", "1")
    casts_values = False  # a cast would be stricter than a column is
    fold = staticmethod(sqlite_catalog.fold)
    canonical_type = staticmethod(sqlite_catalog.canonical_type)

    def place(self) -> str:
        name = str(self.database.database)
        return f"{self.name} {name.partition('?')[0] if name.startswith('file:') else name}"

    def same_type(self, declared: str, actual: str) -> bool | None:
        """Compare by affinity, and by length where both sides state one.

        A column's type is a hint only, and a column of INTEGER affinity behaves like one of
        NUMERIC affinity: https://www.sqlite.org/datatype3.html.
        """
        if declared == actual:
            return True
        lengths = {tuple(re.findall(r"\d+", side)) for side in (declared, actual) if "(" in side}
        return _affinity(declared) == _affinity(actual) and len(lengths) < 2

    def literal(self, value: Any, type_name: str) -> str:
        """Infinity has no literal of its own; a string ends at a NUL character."""
        if isinstance(value, float) and math.isinf(value):
            return "9e999" if value > 0 else "-9e999"
        if isinstance(value, str) and "\0" in value:
            raise ValueError("SQLite has no literal for a text with a NUL character")
        return self.quoted_value(value, "quote")

    def read_catalog(self, wanted: Wanted) -> Catalog:
        return sqlite_catalog.read(self.rows, self.quote, wanted)

    def refuses(self, addition: Addition) -> str | None:
        """Section "ALTER TABLE ADD COLUMN" of the manual; SQLite looks at rows, not at types."""
        if "strict" in addition.table.options:
            problem = self._refused_by_strict(addition)
            if problem:
                return problem
        if "UNIQUE" in upper_words(addition.column.making.constraints):
            return "SQLite adds no column with a UNIQUE constraint; declare unique=True instead"
        if not addition.has_rows or addition.default is None:
            return None
        if not is_constant(addition.default):
            return (
                f"the default {addition.default} is not a constant, and SQLite adds no such "
                "column to a table with rows"
            )
        if addition.foreign_key:
            return (
                "SQLite adds no foreign key column with a default to a table with rows, since it "
                "would not check the default"
            )
        return None

    def _refused_by_strict(self, addition: Addition) -> str | None:
        """https://www.sqlite.org/stricttables.html; older versions store what newer ones refuse."""
        allowed = _STRICT.get(addition.column.type)
        if allowed is None:
            return f"a STRICT table takes no column of type {addition.column.type or 'none'}"
        if addition.default is None or not is_constant(addition.default):
            return None
        kind = self.rows(f"SELECT typeof({addition.default})")[0][0]
        if kind in allowed:
            return None
        return f"a STRICT table takes no default of type {kind} for {addition.column.type}"

    def estimated_rows(self, table: Table) -> int:
        """The largest rowid is found at once, where a count would read the whole table."""
        ((key, _), *_) = self.row_key(table)
        sql = f"SELECT max({key}) FROM {self.quote_table(table.name)}"
        return int(self.rows(sql)[0][0]) if key in _ROWIDS else table.rows

    def update_triggers(self, table: Table) -> list[str]:
        """A trigger on UPDATE OF other columns stays silent."""
        rows = self.rows(
            f"SELECT name, sql FROM {self.quote(table.schema)}.sqlite_master"
            " WHERE type = 'trigger' AND lower(tbl_name) = ?",
            (self.fold(table.name.name),),
        )
        heads = {name: " ".join(tokens(sql.lower())).partition(" begin ")[0] for name, sql in rows}
        return sorted(n for n, head in heads.items() if " update on " in head)

    def column_effect(self, table: Table, column: Column, default: str | None) -> str:
        """Only the schema's text changes, but a CHECK is tried on each row."""
        return "scans" if "CHECK" in upper_words(column.making.constraints) else "instant"

    @contextmanager
    def migration_lock(self, options: Options, waiting: Callable[[str], None]) -> Iterator[float]:
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
                    stack.enter_context(self.database.transaction("IMMEDIATE"))
                except OperationalError as error:
                    if self.trouble(error) == "locked":
                        return False
                    raise
                return True

            stack.enter_context(self._busy_timeout(options.lock_timeout))
            with self._busy_timeout(0):
                waited = poll(begin, lambda: None, options.lock_wait, waiting)
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

    def trouble(self, error: BaseException) -> Trouble | None:
        """SQLITE_BUSY, SQLITE_LOCKED and SQLITE_INTERRUPT are told by their text only."""
        text = str(error).lower() if isinstance(error, OperationalError) else ""
        if "is locked" in text or "busy" in text:
            return "locked"
        return "late" if "interrupted" in text else None

    @contextmanager
    def bounded(self, seconds: float) -> Iterator[None]:
        """A statement has no timeout; a progress handler that returns true interrupts it."""
        connection = self.database.connection()
        if not hasattr(connection, "set_progress_handler"):
            yield
            return
        deadline = time.monotonic() + seconds
        connection.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
        try:
            yield
        finally:
            connection.set_progress_handler(None, 0)

    def row_key(self, table: Table) -> Keys:
        """The rowid, under a name that no column hides, or else the primary key."""
        hidden = {self.fold(column.name) for column in table.columns}
        free = [name for name in _ROWIDS if name not in hidden]
        if free and "without rowid" not in table.options:
            return [(free[0], "")]
        return super().row_key(table)

    def _fill_rows(self, source: str, target: str, column: Column, keys: Keys, rows: Rows) -> None:
        where = " AND ".join(f"{name} = ?" for name, _ in keys)
        statement = f"UPDATE {source} SET {target} = ? WHERE {where}"
        self.database.cursor().executemany(statement, rows)


def _affinity(type_name: str) -> str:
    """Section 3.1 of https://www.sqlite.org/datatype3.html, in its order."""
    if "INT" in type_name:
        return "NUMERIC"
    if any(word in type_name for word in ("CHAR", "CLOB", "TEXT")):
        return "TEXT"
    if "BLOB" in type_name or not type_name:
        return "BLOB"
    if any(word in type_name for word in ("REAL", "FLOA", "DOUB")):
        return "REAL"
    return "NUMERIC"
