"""MySQL's and MariaDB's rows: how a batch of them is filled.

Enters: values, the keys of rows. Leaves: filled rows. Source:
https://dev.mysql.com/doc/refman/8.0/en/timestamp-initialization.html.
"""

from __future__ import annotations

from ...schema import Column
from ..filling import Filler, Keys, Rows


class MysqlFiller(Filler):
    """Fills by primary key."""

    def write(self, source: str, target: str, column: Column, keys: Keys, rows: Rows) -> int:
        """One UPDATE. A column that the server would touch by itself is set to what it holds."""
        match = " AND ".join(f"{name} = %s" for name, _ in keys)
        names = ", ".join(name for name, _ in keys)
        marks = f"({', '.join(['%s'] * len(keys))})"
        cases = " ".join([f"WHEN {match} THEN %s"] * len(rows))
        kept = "".join(f", {name} = {name}" for name in self._self_updating(source))
        values = [item for row in rows for item in (*row[1:], row[0])]
        cursor = self.dialect.database.execute_sql(
            f"UPDATE {source} SET {target} = CASE {cases} END{kept}"
            f" WHERE {target} IS NULL AND ({names}) IN ({', '.join([marks] * len(rows))})",
            [*values, *(item for row in rows for item in row[1:])],
        )
        return int(cursor.rowcount)

    def _self_updating(self, source: str) -> list[str]:
        """Read: columns that are ON UPDATE CURRENT_TIMESTAMP."""
        return [
            self.escaped(self.dialect.quote(name))
            for name, _, _, _, _, extra in self.dialect.rows(f"SHOW COLUMNS FROM {source}", ())
            if "on update" in str(extra).lower()
        ]
