"""PostgreSQL's rows: how they are told apart, and how a batch of them is filled.

Enters: tables, values. Leaves: filled rows. Source:
https://www.postgresql.org/docs/current/ddl-system-columns.html.
"""

from __future__ import annotations

from ...schema import Column, Table
from ..filling import Filler, Keys, Rows
from .catalogue import INHERITED
from .names import KNOWN, base_type
from .pinned import pinned

_COMPARED = KNOWN - {"real", "double precision"}


class PostgresFiller(Filler):
    """Fills by primary key, or by a row's place."""

    def row_key(self, table: Table) -> Keys:
        """The primary key, or the row's place where there is none, or where two rows may have
        one key, or a key's text may not be all of it, or its type is somebody's own.
        """
        keys = super().row_key(table)
        is_inherited = INHERITED in table.options
        if keys and not is_inherited and {base_type(t) for _, t in keys} <= _COMPARED:
            return keys
        spread = is_inherited or table.kind == "partitioned"
        return [*([("tableoid", "oid")] if spread else []), ("ctid", "tid")]

    def key_value(self, name: str) -> str:
        """As text: a driver has no value for each value of a key, such as infinity."""
        return name + pinned("::text")

    def placeholder(self, type_name: str) -> str:
        """It was read as text, and is sent as such to a driver that asks of what type it is."""
        return f"CAST(CAST(%s AS pg_catalog.text) AS {type_name})"

    def write(self, source: str, target: str, column: Column, keys: Keys, rows: Rows) -> int:
        """One UPDATE, and outside of a transaction one short transaction."""
        heads = [f"key_{number}" for number in range(len(keys))]
        pairs = zip(keys, heads, strict=True)
        join = " AND ".join(f"t.{name}{pinned(' = ')}s.{head}" for (name, _), head in pairs)
        own = [self.placeholder(type_name) for _, type_name in keys]
        marks = ", ".join([f"CAST(%s AS {column.type})", *own])
        cursor = self.dialect.database.execute_sql(
            f"UPDATE {source} AS t SET {target} = s.value"
            f" FROM (VALUES {', '.join([f'({marks})'] * len(rows))})"
            f" AS s (value, {', '.join(heads)}) WHERE {join} AND t.{target} IS NULL",
            [item for row in rows for item in row],
        )
        return int(cursor.rowcount)
