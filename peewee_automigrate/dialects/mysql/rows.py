"""MySQL's and MariaDB's rows: how a batch of them is filled.

Enters: values, the keys of rows. Leaves: filled rows. Source:
https://dev.mysql.com/doc/refman/8.0/en/timestamp-initialization.html.
"""

from __future__ import annotations

from ...schema import Column, Table
from ..filling import Filler, Keys, Rows
from .names import base_type


class MysqlFiller(Filler):
    """Fills by primary key."""

    def row_key(self, table: Table) -> Keys:
        """ENUM, SET and BIT are sorted by number, and compared as text or bytes."""
        keys = super().row_key(table)
        return [(f"{n} + 0" if base_type(t) in ("enum", "set", "bit") else n, t) for n, t in keys]

    def write(self, source: str, target: str, column: Column, keys: Keys, rows: Rows) -> int:
        """One UPDATE. A column that the server would touch by itself is set to what it holds."""
        match = " AND ".join(f"{name} = %s" for name, _ in keys)
        cases = " ".join([f"WHEN {match} THEN %s"] * len(rows))
        columns = self.dialect.rows(f"SHOW COLUMNS FROM {source}", ())
        renewed = [row[0] for row in columns if "on update" in str(row[5]).lower()]
        own = [self.escaped(self.dialect.quote(name)) for name in renewed]
        kept = "".join(f", {name} = {name}" for name in own)
        where, sent = self.where(keys, [row[1:] for row in rows])
        values = [item for row in rows for item in (*row[1:], row[0])]
        cursor = self.dialect.database.execute_sql(
            f"UPDATE {source} SET {target} = CASE {cases} END{kept}"
            f" WHERE {target} IS NULL AND {where}",
            [*values, *sent],
        )
        return int(cursor.rowcount)
