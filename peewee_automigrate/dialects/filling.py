"""Filling a new column: each row that holds NULL gets a value of its own, in batches.

Enters: a column that has just been added, and a function that gives a value. Leaves: filled rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

from ..changes import Fill
from ..models.rendering import escaped
from ..schema import Column, Table
from .base import Dialect

FILL_ROWS = 1000
Keys: TypeAlias = Sequence[tuple[str, str]]
"""Quoted name and type of the columns by which rows are told apart."""
Rows: TypeAlias = Sequence[tuple[Any, ...]]


class Filler:
    """Fills columns of one database, which says how its rows are told apart and written."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect

    def fill(
        self,
        fill: Fill,
        value: Callable[[], Any],
        batch: Callable[[Callable[[], None]], None],
        done: Callable[[int], None],
    ) -> None:
        """Write: give each row a ``value``; ``batch`` runs a part, ``done`` is told the rows so
        far. Rows are walked in the order of their key: each is seen once, also when a value is
        NULL again.
        """
        dialect = self.dialect
        keys = [(self.escaped(name), type_name) for name, type_name in self.row_key(fill.table)]
        own = [f"t.{name}" for name, _ in keys]
        names, values = ", ".join(own), ", ".join(map(self.key_value, own))
        marks = ", ".join(self.placeholder(type_name) for _, type_name in keys)
        source = self.escaped(dialect.names.quote_table(fill.table.name))
        target = self.escaped(dialect.quote(fill.column.name))
        after, last, filled = "", (), 0
        while True:
            query = f"SELECT {values} FROM {source} AS t WHERE t.{target} IS NULL {after}"
            rows = dialect.rows(f"{query} ORDER BY {names} LIMIT {FILL_ROWS}", last)
            if not rows:
                return
            items = [(value(), *row) for row in rows]
            batch(partial(self.write, source, target, fill.column, keys, items))
            after, last, filled = f"AND ({names}) > ({marks})", rows[-1], filled + len(rows)
            done(filled)

    def escaped(self, sql: str) -> str:
        """Return SQL as it is sent together with parameters."""
        return escaped(self.dialect.database, sql)

    def row_key(self, table: Table) -> Keys:
        """Return the columns by which rows are told apart: the primary key."""
        types = {column.name: column.type for column in table.columns}
        return [(self.dialect.quote(name), types.get(name, "")) for name in table.primary_key]

    def key_value(self, name: str) -> str:
        """Return what to select of a key's column, so that it can be sent back."""
        return name

    def placeholder(self, type_name: str) -> str:
        """Return the placeholder of a value of a type."""
        return str(self.dialect.database.param)

    def write(self, source: str, target: str, column: Column, keys: Keys, rows: Rows) -> None:
        """Write: set the column of some rows; each of ``rows`` is the value, then the key."""
        raise NotImplementedError
