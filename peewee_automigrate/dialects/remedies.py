"""How the server would keep what is declared, by which SQL a person could resolve a finding, and
what that would lose.

Enters: findings, the table as declared and as it stands. Leaves: findings with SQL, which is never
run by the package; declared tables and indexes in the server's words. Reads at most: what it asks
of a temporary table is gone afterwards, locks no table of anybody and reads no row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

from peewee import DatabaseError

from ..changes import AddColumn, Finding
from ..compare.spelling import column_of, same_names
from ..schema import UNKNOWN, Column, Constraint, ForeignKey, Index, Table, TableName
from ..sql import clauses
from .base import Dialect, Unanswered

if TYPE_CHECKING:
    from .base import Facts
    from .writing import Writer

SECONDS = 10.0  # for one count of rows
_SAMPLES = ("0", "2000-01-01", "00:00", "00000000-0000-0000-0000-000000000000", "0.0.0.0")


class Remedies:
    """What the remedies of all databases share: those of PostgreSQL and MySQL are ALTER TABLE."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.quote = dialect.quote

    def resolved(self, found: Finding, table: Table, actual: Table) -> Finding:
        """Read: return a finding with the SQL that resolves it, as it is where there is none."""
        try:
            with self.dialect.database.atomic():
                lines = list(self.lines(found, table, actual))
        except DatabaseError as error:  # such as a type that is none to the server
            if self.dialect.trouble(error):
                raise
            return found
        return replace(found, sql=script(lines)) if lines else found

    def lines(self, found: Finding, table: Table, actual: Table) -> Iterable[str]:
        name, fold = found.ref.name, self.dialect.names.fold
        column, standing = (column_of(side, name, fold) for side in (table, actual))
        fk = next((fk for fk in table.foreign_keys if ", ".join(fk.columns) == name), None)
        match found.code:
            case "AM201" | "AM213" if column and standing:
                yield from self._losses(self.changed(column, standing), actual)
                yield from self.retyped(actual, column, standing)
            case "AM202" | "AM305" if column and standing and not column.null:
                yield from self._nulls(actual, column)
                yield from self.tightened(actual, column)
            case "AM202" | "AM209" if standing:
                yield from self.loosened(actual, standing)
            case "AM203" if column and standing:
                default = None if column.default == UNKNOWN else column.default
                yield from self.defaulted(actual, standing, default)
            case "AM206" | "AM207" if fk:
                old = (o for o in actual.foreign_keys if same_names(o.columns, fk.columns, fold))
                yield from self.keyed(actual, fk, next(old, None))
            case "AM208":
                named = (one for one in table.constraints if one.text in found.fact)
                for one in (one for one in named if one.name == name):
                    yield from self.constrained(actual, one)
                    return
            case "AM211":
                yield f"DROP INDEX CONCURRENTLY {self.quote(actual.schema, name)}"

    # What the server makes of a declaration

    def kept(self, table: Table) -> Table | None:
        """Read: return a declared table with its types, defaults and checks as the server would
        keep them; None where it can't or may not tell.
        """
        checks = [c for c in table.constraints if c.kind == "check"]
        lines = [self._definition(c) for c in table.columns if c.type and not c.generated]
        lines += [f"CONSTRAINT c{n} CHECK {clauses(c.sql)[0].body}" for n, c in enumerate(checks)]
        try:
            made = self.made(lines)
        except Unanswered:
            return None
        texts = {c.name: c.text for c in made.constraints}
        said = {id(c): texts.get(f"c{n}", c.text) for n, c in enumerate(checks)}
        return table._replace(
            columns=tuple(_as_kept(c, column_of(made, c.name, str)) for c in table.columns),
            constraints=tuple(replace(c, text=said.get(id(c), c.text)) for c in table.constraints),
        )

    def kept_indexes(self, table: Table, indexes: Sequence[Index]) -> list[Index | str]:
        """Read: return declared indexes of a table that stands as the server would keep them, or
        why it does not tell.
        """
        lines, is_spatial = [], "spatial" in [index.method for index in indexes]
        null = "NOT NULL" if is_spatial else "NULL"  # for which not every type has a default
        for column in table.columns:
            collations = column.declared.of_kind("collate", "usual collate")
            collated = "".join(f" COLLATE {self.quote(clause.body)}" for clause in collations)
            lines.append(f"{self.quote(column.name)} {column.type}{collated} {null}")
        try:
            found = {index.name: index for index in self.made(lines, indexes, table).indexes}
        except Unanswered as error:
            return [str(error)] * len(indexes)
        return [found.get(str(number), "the server refuses it") for number in range(len(indexes))]

    def made(
        self, definitions: list[str], indexes: Sequence[Index] = (), standing: Table | None = None
    ) -> Table:
        """Read: return a temporary table as the server keeps it. Its indexes, which are those of a
        table that stands, have their numbers as names. Raises `Unanswered`.
        """
        try:
            return self.temporary(f"declared_{uuid4().hex}", definitions, indexes, standing)
        except DatabaseError as error:
            if self.dialect.trouble(error):
                raise
            why = str(error).partition("\n")[0]
            raise Unanswered(f"the server makes no temporary table to answer it: {why}") from error

    def temporary(
        self, name: str, definitions: list[str], indexes: Sequence[Index], standing: Table | None
    ) -> Table:
        """Read: do what `made` does, under a name, and leave nothing of it behind."""
        raise NotImplementedError

    def _definition(self, column: Column) -> str:
        words = [self.quote(column.name), column.type]
        words += [clause.sql for clause in column.declared.of_kind("collate")]
        if column.default not in (None, UNKNOWN) and not column.declared.automatic:
            words.append(f"DEFAULT {column.default}")
        return " ".join([*words, "NULL" if column.null else "NOT NULL"])

    def renamed(self, old: TableName, new: TableName) -> str:
        return f"ALTER TABLE {self.dialect.names.quote_table(old)} RENAME TO {self.quote(new.name)}"

    # What would be lost

    def count(self, table: Table, where: str) -> int | None:
        """Read: return how many rows fulfil a condition; None where the server can't tell, or only
        after a wait for somebody's lock.
        """
        source = self.dialect.names.quote_table(table.name)
        try:
            with self.dialect.limited(0, SECONDS), self.dialect.database.atomic():
                query = f"SELECT {self.dialect.own('count(*)')} FROM {source} WHERE {where}"
                return int(self.dialect.rows(query)[0][0])
        except DatabaseError:
            return None

    def _losses(self, where: str | None, table: Table) -> Iterable[str]:
        rows = self.count(table, where) if where else None
        if where == "":
            yield "-- it changes values perhaps, which can't be told beforehand"
        elif where and rows is None:
            yield "-- not every value can be read as the new type"
        elif where and rows:
            query = f"SELECT * FROM {self.dialect.names.quote_table(table.name)} WHERE {where}"
            yield f"-- it changes the values of {rows:,} rows, or is refused: {query}"

    def _nulls(self, table: Table, column: Column) -> Iterable[str]:
        where = f"{self.quote(column.name)} IS NULL"
        stands = column_of(table, column.name, self.dialect.names.fold)
        rows = self.count(table, where) if stands else 0
        if rows != 0:
            known = column.default not in (None, UNKNOWN)
            yield f"-- {rows or 'some'} rows hold NULL" + ("" if known else ", to be filled first:")
            target = self.dialect.names.quote_table(table.name)
            value = column.default if known else "..."
            fill = f"UPDATE {target} SET {self.quote(column.name)} = {value} WHERE {where}"
            yield fill if known else f"-- {fill}"

    def changed(self, column: Column, standing: Column) -> str | None:
        """Return a condition that is true of the rows whose value another type would change, ""
        where there is none that could tell.
        """
        return None

    # The remedies

    def alter(self, table: TableName, *parts: str) -> str:
        return f"ALTER TABLE {self.dialect.names.quote_table(table)} {', '.join(parts)}"

    def retyped(self, table: Table, column: Column, standing: Column) -> Iterable[str]:
        """Read: return what gives a column the declared type."""
        raise NotImplementedError

    def tightened(self, table: Table, column: Column) -> Iterable[str]:
        """Read: return what makes a column NOT NULL."""
        raise NotImplementedError

    def loosened(self, table: Table, standing: Column) -> Iterable[str]:
        """Read: return what lets a column be NULL."""
        raise NotImplementedError

    def defaulted(self, table: Table, standing: Column, default: str | None) -> Iterable[str]:
        """Read: return what gives a column another default, or none."""
        change = f"SET DEFAULT {default}" if default else "DROP DEFAULT"
        yield self.alter(table.name, f"ALTER COLUMN {self.quote(standing.name)} {change}")

    def keyed(self, table: Table, fk: ForeignKey, old: ForeignKey | None) -> Iterable[str]:
        """Read: return what adds a foreign key in place of an old one, if any."""
        if old:
            yield self.alter(table.name, f"DROP FOREIGN KEY {self.quote(old.name)}")
        yield self.alter(table.name, f"ADD {self.key_clause(fk)}")

    def key_clause(self, fk: ForeignKey) -> str:
        """Return a foreign key as a constraint of its table."""
        columns, parents = (
            ", ".join(map(self.quote, side)) for side in (fk.columns, fk.parent_columns)
        )
        actions = f" ON DELETE {fk.on_delete}" if fk.on_delete else ""
        actions += f" ON UPDATE {fk.on_update}" if fk.on_update else ""
        actions += f" {fk.deferrable}" if fk.deferrable else ""
        name = f"CONSTRAINT {self.quote(fk.name)} " if fk.name else ""
        parent = self.dialect.names.quote_table(fk.parent)
        return f"{name}FOREIGN KEY ({columns}) REFERENCES {parent} ({parents}){actions}"

    def constrained(self, table: Table, one: Constraint) -> Iterable[str]:
        """Read: return what adds a constraint of a table."""
        yield self.alter(table.name, f"ADD {one.sql}")

    def filled(self, change: AddColumn, writer: Writer, facts: Facts) -> str:
        """Read: return what adds a NOT NULL column that has no default to a table with rows."""
        table, column = change.actual, change.column
        value = self.sample(change)
        statements = writer.without_default(change, facts)
        grown = table._replace(columns=(*table.columns, column._replace(null=True)))
        target = self.dialect.names.quote_table(table.name)
        return script(
            [
                *statements,
                "-- choose the value",
                f"UPDATE {target} SET {self.quote(column.name)} = {value}",
                *self.tightened(grown, column),
            ]
        )

    def sample(self, change: AddColumn) -> str:
        """Read: return a value that a new column can hold."""
        fk = change.foreign_key
        if fk:
            parent = self.dialect.names.quote_table(fk.parent)
            return f"(SELECT min({self.quote(fk.parent_columns[0])}) FROM {parent})"
        for text in _SAMPLES:
            try:
                return self.dialect.literal(text, change.column.type)
            except ValueError:
                continue
        return "NULL"


def _as_kept(column: Column, made: Column | None) -> Column:
    """Return a declared column with the type and the default of the one that was made of it."""
    if made is None:
        return column
    has_default = column.default not in (None, UNKNOWN)
    return column._replace(type=made.type, default=made.default if has_default else column.default)


def script(lines: Iterable[str]) -> str:
    """Return statements as one text, each but the last closed by a semicolon."""
    *first, last = lines
    return "\n".join([*(x if x.startswith("--") else f"{x};" for x in first), last])
