"""SQLite's remedies: the script of a rebuild, since its ALTER TABLE changes no column.

Enters: tables. Leaves: SQL. Source: section "Making Other Kinds Of Table Schema Changes" of
https://www.sqlite.org/lang_altertable.html, whose twelve steps it takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from ...changes import AddColumn
from ...schema import Column, Constraint, ForeignKey, Index, Table
from ...sql import clauses, listed_columns, parts_of, redefined, tokens, unquote
from ..remedies import Remedies, script
from .names import canonical_type, fold

if TYPE_CHECKING:
    from ..base import Facts
    from ..writing import Writer

_MADE = """
SELECT type, name, sql FROM {schema}.sqlite_master WHERE lower(tbl_name) = ? AND sql IS NOT NULL
ORDER BY type <> 'index', rowid"""


class SqliteRemedies(Remedies):
    """Rebuilds of a table, by hand."""

    def kept(self, table: Table) -> Table:
        """It keeps each text as it was written."""
        return table

    def kept_indexes(self, table: Table, indexes: Sequence[Index]) -> list[Index | str]:
        return []

    def changed(self, column: Column, standing: Column) -> str | None:
        """A text that is a number becomes one, and a number may lose digits."""
        name, affinity = self.quote(standing.name), canonical_type(column.type) or "BLOB"
        cast = f"CAST({name} AS {'NUMERIC' if 'INT' in affinity else affinity})"
        new = f"CAST({cast} AS TEXT)"
        digits = f"{name} GLOB '*[0-9]*' AND {name} NOT GLOB '*[^0-9.eE+ -]*'"
        is_number = f"typeof({name}) IN ('integer', 'real') AND CAST({cast} AS NUMERIC) <> {name}"
        return f"typeof({name}) = 'text' AND {digits} AND {new} <> {name} OR {is_number}"

    def retyped(self, table: Table, column: Column, standing: Column) -> Iterable[str]:
        if table.primary_key == (standing.name,) and canonical_type(column.type) == "INTEGER":
            table = table._replace(implicit=())  # it is the rowid then
        return self._redefined(table, standing.name, column.type, set())

    def tightened(self, table: Table, column: Column) -> Iterable[str]:
        return self._redefined(table, column.name, None, {"null", "not null"}, "NOT NULL")

    def loosened(self, table: Table, standing: Column) -> Iterable[str]:
        return self._redefined(table, standing.name, None, {"not null"})

    def defaulted(self, table: Table, standing: Column, default: str | None) -> Iterable[str]:
        added = [f"DEFAULT {default}"] if default else []
        return self._redefined(table, standing.name, None, {"default"}, *added)

    def keyed(self, table: Table, fk: ForeignKey, old: ForeignKey | None) -> Iterable[str]:
        columns = tuple(map(fold, fk.columns))

        def edited(parts: list[str]) -> list[str]:
            kept = []
            for part in parts if old else ():
                if _is_column(part, fk.columns[0]):
                    part = redefined(part, None, {"references"})
                first = clauses(part)[0]
                listed = listed_columns(first) if first.kind == "foreign key" else ()
                if tuple(map(fold, listed)) != columns:
                    kept.append(part)
            parent = fk.parent._replace(schema=None)
            return [*(kept or parts), self.key_clause(fk._replace(parent=parent))]

        return self._rebuilt(table, edited)

    def constrained(self, table: Table, one: Constraint) -> Iterable[str]:
        return self._rebuilt(table, lambda parts: [*parts, one.sql])

    def filled(self, change: AddColumn, writer: Writer, facts: Facts) -> str:
        (statement,) = writer.without_default(change, facts, not_null=True)
        head = f"{self.alter(change.table)}ADD COLUMN "
        definition = statement.removeprefix(head)
        name, value = self.quote(change.column.name), self.sample(change)

        def edited(parts: list[str]) -> list[str]:
            last = max(n for n, part in enumerate(parts) if _is_column(part))
            return [*parts[: last + 1], definition, *parts[last + 1 :]]

        lines = self._rebuilt(change.actual, edited, (name, value))
        return script(["-- choose the value", *lines])

    def _redefined(
        self, table: Table, name: str, type_name: str | None, without: set[str], *added: str
    ) -> Iterable[str]:
        def edited(parts: list[str]) -> list[str]:
            return [
                redefined(part, type_name, without, *added) if _is_column(part, name) else part
                for part in parts
            ]

        return self._rebuilt(table, edited)

    def _rebuilt(
        self,
        table: Table,
        edited: Callable[[list[str]], list[str]],
        more: tuple[str, str] | None = None,
    ) -> Iterable[str]:
        """Read: return the script; ``more`` is a column with the value that it gets."""
        name, own = self.quote(table.name.name), table.name.name
        rows = self.dialect.rows(_MADE.format(schema=self.quote(table.schema)), (fold(own),))
        made = next(sql for kind, _, sql in rows if kind == "table")
        parts, tail = parts_of(made)
        new = self.quote(f"new {own}")
        kept = [self.quote(c.name) for c in table.columns if c.generated in ("", "rowid")]
        kept += table.implicit[:1]
        columns = ", ".join([*kept, *(more or ())[:1]])
        values = ", ".join([*kept, *(more or ())[1:]])
        if table.schema != "main":
            yield f"-- over a connection to the file of {table.schema}"
        yield "-- by `sqlite3 -bail`, or whatever ends at the first error; then plan again"
        yield "PRAGMA foreign_keys = OFF"
        yield "PRAGMA legacy_alter_table = ON"
        yield "BEGIN IMMEDIATE"
        yield f"CREATE TABLE {new} ({', '.join(edited(parts))}) {tail}".rstrip()
        yield f"INSERT INTO {new} ({columns}) SELECT {values} FROM {name}"
        if "autoincrement" in map(str.lower, tokens(made)):
            new_text, text = (self.dialect.literal(n, "") for n in (f"new {own}", own))
            yield f"DELETE FROM sqlite_sequence WHERE name = {new_text}"
            query = f"SELECT {new_text}, seq FROM sqlite_sequence WHERE name = {text}"
            yield f"INSERT INTO sqlite_sequence (name, seq) {query}"
        yield f"DROP TABLE {name}"
        yield f"ALTER TABLE {new} RENAME TO {name}"
        yield from (sql for kind, _, sql in rows if kind in ("index", "trigger"))
        yield "PRAGMA foreign_key_check"
        yield "COMMIT"
        yield "PRAGMA legacy_alter_table = OFF"
        enforced = self.dialect.rows("PRAGMA foreign_keys")[0][0]
        yield f"PRAGMA foreign_keys = {'ON' if enforced else 'OFF'}"


def _is_column(part: str, name: str | None = None) -> bool:
    """Tell whether a part of a CREATE TABLE is a column, of a name where one is given."""
    first = tokens(part)[0]
    words = {"constraint", "check", "unique", "foreign", "primary"}
    found = unquote(first) if first[0] != "[" else part[1 : part.index("]")]
    return first.lower() not in words and (name is None or fold(found) == fold(name))
