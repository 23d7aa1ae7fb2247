"""Filling a new column: each row that holds NULL gets a value of its own, in batches.

Enters: a column that has just been added, and a function that gives a value. Leaves: filled rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

from ..changes import Fill
from ..models.rendering import escaped
from ..schema import UNKNOWN, Column, Table
from .base import Dialect

FILL_ROWS = 1000
Keys: TypeAlias = Sequence[tuple[str, str]]
"""Quoted name and type of the columns by which rows are told apart."""
Rows: TypeAlias = Sequence[tuple[Any, ...]]


class NotFilled(Exception):
    """Rows still hold NULL after a batch has given them values."""


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
        source = self.escaped(dialect.names.quote_table(fill.table.name))
        target = self.escaped(dialect.quote(fill.column.name))
        last: tuple[Any, ...] = ()
        after, filled = "", 0
        while True:
            query = f"SELECT {values} FROM {source} AS t WHERE t.{target} IS NULL {after}"
            sent = [item for length in range(1, len(last) + 1) for item in last[:length]]
            rows = dialect.rows(f"{query} ORDER BY {names} LIMIT {FILL_ROWS}", sent)
            if not rows:
                return
            if rows[-1] == last:
                raise NotFilled(f"the rows of {source} can't be told apart by {names}")
            items = [(value() if fill.expression is None else UNKNOWN, *row) for row in rows]
            batch(partial(self._write, fill, source, target, keys, items))
            after, last, filled = f"AND ({self._behind(keys)})", rows[-1], filled + len(rows)
            done(filled)

    def _write(self, fill: Fill, source: str, target: str, keys: Keys, items: Rows) -> None:
        """Write a batch; raise `NotFilled` where rows that were given a value hold NULL then."""
        given = [row[1:] for row in items if row[0] is not None]
        if fill.expression is None:
            changed = self.write(source, target, fill.column, keys, items)
        else:
            made = self.escaped(fill.expression)
            where, values = self.where(keys, given)
            sql = f"UPDATE {source} SET {target} = {made} WHERE {target} IS NULL AND {where}"
            changed = self.dialect.database.execute_sql(sql, values).rowcount
        if given and changed < len(given):
            where, values = self.where(keys, given)
            own = self.dialect.own
            query = f"SELECT {own('count(*)')} FROM {source} WHERE {target} IS NULL AND {where}"
            left = self.dialect.rows(query, values)[0][0]
            if left and fill.expression is None:
                raise NotFilled(
                    f"{left:,} rows were given a value, and hold NULL: a trigger or a rule keeps "
                    f"them from it. This query lists them: SELECT * FROM {source} WHERE {target} "
                    "IS NULL"
                )

    def _behind(self, keys: Keys) -> str:
        """Return what is true for rows behind one: as a list of single comparisons, since a server
        may compare tuples by other rules.
        """
        own = self.dialect.own
        sides = [(f"t.{name}", self.placeholder(type_name)) for name, type_name in keys]
        parts = []
        for length in range(1, len(sides) + 1):
            *equal, (name, mark) = sides[:length]
            alike = [column + own(" = ") + other for column, other in equal]
            parts.append(" AND ".join([*alike, name + own(" > ") + mark]))
        return " OR ".join(parts)

    def where(self, keys: Keys, rows: Rows) -> tuple[str, list[Any]]:
        """Return a condition for rows of these keys, and what is sent with it."""
        own = self.dialect.own
        marks = [name + own(" = ") + self.placeholder(type_name) for name, type_name in keys]
        where = " OR ".join([f"({' AND '.join(marks)})"] * len(rows))
        return f"({where})", [item for row in rows for item in row]

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

    def write(self, source: str, target: str, column: Column, keys: Keys, rows: Rows) -> int:
        """Write: set the column of some rows; each of ``rows`` is the value, then the key. Returns
        how many rows were changed.
        """
        raise NotImplementedError
