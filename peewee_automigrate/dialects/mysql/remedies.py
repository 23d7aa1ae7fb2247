"""MySQL's and MariaDB's remedies: MODIFY with the whole column, as the server tells it.

Enters: tables. Leaves: SQL. Source: https://mariadb.com/kb/en/alter-table/.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ...changes import AddColumn, AddForeignKey
from ...compare.spelling import column_of, constraint
from ...schema import UNKNOWN, Column, Index, Table, TableName
from ...sql import index_body, parts_of, redefined, tokens, unquote
from ..remedies import Remedies, script
from .catalogue import kept_column, kept_indexes
from .names import base_type, has_characters, is_number, is_text

if TYPE_CHECKING:
    from ..base import Facts
    from ..writing import Writer
    from .session import Mysql

_BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
_CASTS = {
    **dict.fromkeys(_BITS, "SIGNED"),
    **{name: name.upper() for name in ("date", "datetime", "time")},
}


class MysqlRemedies(Remedies):
    """ALTER TABLE, of which only MODIFY changes a type."""

    dialect: Mysql

    def changed(self, column: Column, standing: Column) -> str | None:
        name, base = self.quote(standing.name), base_type(column.type)
        length = re.search(r"\(.*\)", column.type)
        cast = _CASTS.get(base, "UNSIGNED" if column.type.endswith("unsigned") else "")
        if base == "decimal" and length:
            cast = f"DECIMAL{length[0]}"
        elif base in ("char", "varchar") and length:
            cast = f"CHAR{length[0]}"
        same = f"CAST(CAST({name} AS {cast}) AS CHAR) <=> CAST({name} AS CHAR)"
        if base in _BITS:
            low, bits = (0, 0) if column.type.endswith("unsigned") else (-1, 1)
            size = 2 ** (_BITS[base] - bits)
            same += f" AND {name} BETWEEN {low * size} AND {size - 1}"
        can_tell = cast and base_type(standing.type) != "bit"
        return f"{name} IS NOT NULL AND NOT ({same})" if can_tell else ""

    def renamed(self, old: TableName, new: TableName) -> str:
        names = self.dialect.names
        return f"RENAME TABLE {names.quote_table(old)} TO {names.quote_table(new)}"

    def retyped(self, table: Table, column: Column, standing: Column) -> Iterable[str]:
        sides = column.type, standing.type
        without = {"type"}
        if not all(map(has_characters, sides)):
            without |= {"collate"}
        added = [c.sql for c in column.declared.of_kind("collate")]
        if is_number(sides[0]) != is_number(sides[1]):
            without |= {"default"}
            if column.default not in (None, UNKNOWN):
                added.append(f"DEFAULT {column.default}")
        keys = [*table.primary_key, *(name for fk in table.foreign_keys for name in fk.columns)]
        keys += [name for i in table.indexes if is_text(sides[0]) for name in i.columns]
        if standing.name in keys:
            yield "-- what refers to it, or is made of it, has to be dropped first, and added again"
        yield from self._modified(table, standing.name, column.type, without, *added)

    def filled(self, change: AddColumn, writer: Writer, facts: Facts) -> str:
        (clause,) = writer.without_default(change, facts)
        strict = redefined(
            clause.removeprefix("ADD COLUMN "), None, {"null", "default"}, "NOT NULL"
        )
        value, name = self.sample(change), self.quote(change.column.name)
        lines = [
            self.alter(change.table, clause),
            "-- choose the value",
            f"UPDATE {self.dialect.names.quote_table(change.table)} SET {name} = {value}",
            self.alter(change.table, f"MODIFY COLUMN {strict}"),
        ]
        if change.foreign_key:
            key = AddForeignKey(change.table, change.foreign_key)
            lines += writer.add_key(key, facts.models(change.table))
        return script(lines)

    def tightened(self, table: Table, column: Column) -> Iterable[str]:
        standing = column_of(table, column.name, self.dialect.names.fold)
        without = {"null", "not null"}
        if standing and standing.default is None:
            without.add("default")  # which is NULL
        return self._modified(table, column.name, None, without, "NOT NULL")

    def loosened(self, table: Table, standing: Column) -> Iterable[str]:
        return self._modified(table, standing.name, None, {"null", "not null"}, "NULL")

    def temporary(
        self, name: str, definitions: list[str], indexes: Sequence[Index], standing: Table | None
    ) -> Table:
        """It ends no transaction, as long as its indexes are made with it:
        https://mariadb.com/kb/en/create-table/.
        """
        target, lines = self.quote(name), [*definitions]
        for number, index in enumerate(indexes):
            method = index.method.upper() if index.method in ("fulltext", "spatial") else ""
            kind = "UNIQUE" if index.unique else method
            lines.append(f"{kind} INDEX `{number}` {index_body(index.sql)}")
        self.dialect.run(f"CREATE TEMPORARY TABLE {target} ({', '.join(lines)})")
        try:
            parts, _ = parts_of(self.dialect.rows(f"SHOW CREATE TABLE {target}")[0][1])
            keys = self.dialect.rows(f"SHOW INDEX FROM {target}") if standing else []
        finally:
            self.dialect.run(f"DROP TEMPORARY TABLE {target}")
        return Table(
            TableName(None, name),
            tuple(kept_column(part, self.dialect.settings) for part in parts if part[0] == "`"),
            indexes=tuple(kept_indexes(keys, standing)) if standing else (),
            constraints=tuple(constraint(p) for p in parts if p.startswith("CONSTRAINT")),
        )

    def _modified(
        self, table: Table, name: str, type_name: str | None, without: set[str], *added: str
    ) -> Iterable[str]:
        target = self.dialect.names.quote_table(table.name)
        parts, _ = parts_of(self.dialect.rows(f"SHOW CREATE TABLE {target}")[0][1])
        fold = self.dialect.names.fold
        for part in parts:
            if part[0] == "`" and fold(unquote(tokens(part)[0])) == fold(name):
                column = redefined(part, type_name, without, *added)
                yield self.alter(table.name, f"MODIFY COLUMN {column}")
