"""What SQLite can add, what it refuses, and what that costs.

Enters: changes, facts. Leaves: steps, findings. Sources: the section "ALTER TABLE ADD COLUMN" of
https://www.sqlite.org/lang_altertable.html and https://www.sqlite.org/stricttables.html.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

from peewee import ForeignKeyField
from playhouse.migrate import SqliteMigrator

from ...changes import AddColumn, AddForeignKey, Change, CreateTable, Finding
from ...schema import Catalog, ForeignKey, Table, TableName
from ...sql import is_constant, tokens
from ...texts import blocked, note
from ..base import Facts, RowValue
from ..statements import Models
from ..writing import Writer
from .rows import SqliteFiller

_STRICT = {
    "INT": ("null", "integer"),
    "INTEGER": ("null", "integer"),
    "REAL": ("null", "integer", "real"),
    "TEXT": ("null", "integer", "real", "text"),
    "BLOB": ("null", "blob"),
    "ANY": ("null", "integer", "real", "text", "blob"),
}


class SqliteWriter(Writer, SqliteMigrator):
    """Peewee's migrator for SQLite rebuilds a table for a NOT NULL column; this one does not."""

    def parts(self, change: Change) -> Iterator[Change | Finding]:
        """A foreign key stands in its table's or column's own statement, or nowhere. Its parent
        need not stand by then, which is what ``late`` says here.
        """
        match change:
            case CreateTable(table):
                kept = tuple(fk for fk in table.foreign_keys if not fk.deferred)
                yield CreateTable(table._replace(foreign_keys=kept), late=kept)
            case AddForeignKey(_, fk):
                if fk.deferred:
                    yield note("AM306", change.ref, parent=fk.parent)
            case AddColumn(table, column, fk, actual) if fk and fk.deferred:
                yield AddColumn(table, column, None, actual)
                yield from self.parts(AddForeignKey(table, fk))
            case _:
                yield change

    def parent_schema(self, field: ForeignKeyField) -> None:
        """https://www.sqlite.org/syntax/foreign-key-clause.html has no place for one."""

    def create_table(
        self, change: CreateTable, models: Models, catalog: Catalog
    ) -> tuple[str, ...]:
        return super().create_table(CreateTable(change.table), models, catalog)

    def refuses_key(self, table: TableName, fk: ForeignKey, facts: Facts) -> Finding | None:
        home = facts.catalog.default_schema
        if (table.schema or home) == (fk.parent.schema or home):
            return None
        return blocked("AM136", AddForeignKey(table, fk).ref, server="sqlite")

    def refuses_column(self, change: AddColumn, value: RowValue, facts: Facts) -> Finding | None:
        """SQLite looks at rows, not at types."""
        default = value.expression
        if "strict" in change.actual.options:
            refusal = self._refused_by_strict(change, default)
            if refusal:
                return refusal
        if change.column.declared.of_kind("unique"):
            why = "SQLite adds no column with a UNIQUE constraint"
            return blocked("AM120", change.ref, why=why)
        if value.is_filled or default is None or not facts.has_rows(change.table):
            return None
        if not _is_taken(default):
            return blocked("AM103", change.ref, default=default)
        refers = change.foreign_key or change.column.declared.of_kind("references")
        return blocked("AM121", change.ref) if refers else None

    def refuses_fill(self, change: AddColumn, facts: Facts) -> Finding | None:
        keys = SqliteFiller(self.dialect).row_key(facts.grown(change.actual))
        return None if keys else blocked("AM130", change.ref)

    def _refused_by_strict(self, change: AddColumn, default: str | None) -> Finding | None:
        """Older versions store what newer ones refuse."""
        type_name = change.column.type
        allowed = _STRICT.get(type_name)
        if allowed is None:
            return blocked("AM122", change.ref, type=type_name or "none")
        if default is None or not is_constant(default):
            return None
        kind = self.dialect.rows(f"SELECT typeof({default})")[0][0]
        return None if kind in allowed else blocked("AM123", change.ref, kind=kind, type=type_name)

    def column_effect(self, change: AddColumn, default: str | None) -> str:
        """Only the schema's text changes, but a CHECK is tried on each row."""
        return "scans" if change.column.declared.of_kind("check") else "instant"

    def update_triggers(self, table: Table) -> list[str]:
        """A trigger on UPDATE OF other columns stays silent."""
        rows = self.dialect.rows(
            f"SELECT name, sql FROM {self.dialect.quote(table.schema)}.sqlite_master"
            " WHERE type = 'trigger' AND lower(tbl_name) = ?",
            (self.dialect.names.fold(table.name.name),),
        )
        heads = {name: " ".join(tokens(sql.lower())).partition(" begin ")[0] for name, sql in rows}
        return sorted(name for name, head in heads.items() if " update on " in head)


def _is_taken(default: str) -> bool:
    """Tell whether SQLite adds a column with this default to a table with rows, by a try."""
    with closing(sqlite3.connect(":memory:")) as elsewhere:
        elsewhere.executescript("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
        try:
            elsewhere.execute(f"ALTER TABLE t ADD COLUMN b DEFAULT {default}")
        except sqlite3.Error:
            return False
    return True
