"""SQLite's rows: how they are told apart, and how a batch of them is filled.

Enters: tables, values. Leaves: filled rows. Source: https://www.sqlite.org/lang_createtable.html,
section "ROWIDs and the INTEGER PRIMARY KEY".
"""

from __future__ import annotations

from ...schema import Column, Table
from ..filling import Filler, Keys, Rows
from .names import rowids


class SqliteFiller(Filler):
    """Fills by rowid."""

    def row_key(self, table: Table) -> Keys:
        """The rowid, under a name that no column hides, or else the primary key."""
        free = rowids(table.options, table.columns)
        return [(free[0], "")] if free else super().row_key(table)

    def write(self, source: str, target: str, column: Column, keys: Keys, rows: Rows) -> int:
        where = " AND ".join(f"{name} = ?" for name, _ in keys)
        statement = f"UPDATE {source} SET {target} = ? WHERE {where}"
        cursor = self.dialect.database.cursor()
        if not hasattr(cursor, "executemany"):  # one of Peewee's asyncio databases
            return sum(self.dialect.database.execute_sql(statement, row).rowcount for row in rows)
        cursor.executemany(statement, rows)
        return int(cursor.rowcount)
