"""What PostgreSQL can add, and what that costs: short locks, constraints validated afterwards.

Enters: changes, facts. Leaves: steps, findings. Sources:
https://www.postgresql.org/docs/current/sql-altertable.html, sql-createindex.html and
ddl-partitioning.html beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from playhouse.migrate import PostgresqlMigrator

from ...changes import AddColumn, AddIndex, Change, CreateTable, Finding, Step, ValidateConstraint
from ...compare.spelling import column_of
from ...schema import ForeignKey, Table, TableName
from ...sql import is_constant, tokens
from ...texts import blocked
from ..base import MARK, Facts, RowValue
from ..statements import Models, field_of
from ..writing import Writer, step_of
from .catalogue import BOUND, GUARDED
from .names import KNOWN, base_type
from .pinned import pinned

if TYPE_CHECKING:
    from .session import Postgres

_INDEX = re.compile(r"\bINDEX\b", re.IGNORECASE)
_UPDATE_TRIGGERS = pinned("""
SELECT tgname FROM pg_catalog.pg_trigger
WHERE tgrelid = to_regclass(%s) AND NOT tgisinternal AND tgenabled <> 'D' AND tgtype & 16 = 16
  AND tgattr::text = ''
ORDER BY 1""")
_IS_DOMAIN = pinned("SELECT typtype = 'd' FROM pg_catalog.pg_type WHERE oid = to_regtype(%s)")
_ODD = {"json", "xml", "point", "line", "circle", "box", "path", "polygon"}  # to sort, or to hash
_HAS_CLASS = pinned("""
SELECT 1 FROM pg_catalog.pg_opclass AS o JOIN pg_catalog.pg_am AS m ON m.oid = o.opcmethod
WHERE o.opcdefault AND o.opcintype = to_regtype(%s) AND m.amname = %s""")
_PARTITION_COLUMNS = pinned("""
SELECT a.attname FROM pg_catalog.pg_partitioned_table AS p
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = p.partrelid AND a.attnum = ANY (p.partattrs)
WHERE p.partrelid = to_regclass(%s)""")


class PostgresWriter(Writer, PostgresqlMigrator):
    """Peewee's migrator for PostgreSQL rewrites all rows for a NOT NULL column; this one none."""

    dialect: Postgres

    def added(self, change: AddColumn, value: RowValue, facts: Facts) -> Step:
        """On a table with rows, what the server would check row by row under the lock of ALTER
        TABLE is added NOT VALID, and validated afterwards.
        """
        step = super().added(change, value, facts)
        scans = (change.foreign_key and value.expression is not None) or (
            change.column.declared.of_kind("check")
        )
        if not scans or not facts.has_rows(change.table):
            return step
        if step.effect == "instant":
            step = replace(step, effect="scans")
        if change.actual.kind == "partitioned":
            return step
        models = facts.models(change.table)
        form = self.form(change, value.expression)._replace(inline=False)
        later = dict(self._later_constraints(change, models))
        marks = [self._comment("CONSTRAINT", change.table, name, MARK) for name in later]
        locked = (*self.add(change, form, models), *later.values(), *marks)
        return replace(step, locked=locked, after=self._validations(change.table, later))

    def _later_constraints(self, change: AddColumn, models: Models) -> Iterator[tuple[str, str]]:
        """Yield (name, statement) of each constraint of a new column that is validated later."""
        model, field = field_of(models, self.dialect, change.column.name)
        if change.foreign_key:
            name = self.key_name(field)
            yield name, f"{self.key_statement(field, name)} NOT VALID"
        taken = {constraint.name for constraint in change.actual.constraints}
        for clause in change.column.declared.of_kind("check"):
            name, number = clause.name, 0
            while not name or name in taken:
                own = f"{model._meta.table_name}_{field.column_name}_check{number or ''}"
                name = self.shortened(own)
                number += 1
            taken.add(name)
            check = f"CONSTRAINT {self.dialect.quote(name)} CHECK {clause.body} NOT VALID"
            yield name, self.altered(change.table, f"ADD {check}")

    def _validations(self, table: TableName, names: Iterable[str]) -> tuple[str, ...]:
        """Return statements that validate constraints under a light lock, and unmark them."""
        found: list[str] = []
        for name in names:
            what = f"VALIDATE CONSTRAINT {self.dialect.quote(name)}"
            found += [self.altered(table, what), self._comment("CONSTRAINT", table, name, None)]
        return tuple(found)

    def _comment(self, kind: str, table: TableName, name: str, text: str | None) -> str:
        quoted, own = self.dialect.names.quote_table(table), self.dialect.quote(name)
        target = f"{quoted}.{own}" if kind == "COLUMN" else f"{own} ON {quoted}"
        return f"COMMENT ON {kind} {target} IS " + (f"'{text}'" if text else "NULL")

    def unfilled(self, change: AddColumn, facts: Facts) -> tuple[str, ...]:
        mark = self._comment("COLUMN", change.table, change.column.name, MARK)
        return (*super().unfilled(change, facts), mark)

    def unmarked(self, change: AddColumn, facts: Facts) -> tuple[str, ...]:
        return (self._comment("COLUMN", change.table, change.column.name, None),)

    def validation(self, change: ValidateConstraint, facts: Facts) -> Iterator[Step | Finding]:
        is_key = any(fk.name == change.name for fk in change.actual.foreign_keys)
        yield step_of(
            change,
            "add_foreign_key" if is_key else "add_column",
            after=self._validations(change.table, [change.name]),
            effect="scans",
            rows=facts.rows(change.actual),
            reason="an interrupted run has added it",
        )

    def refuses(self, change: Change, facts: Facts) -> Iterator[Finding]:
        """Where row-level security hides rows, nothing can be said of them, nor can all be filled:
        https://www.postgresql.org/docs/current/ddl-rowsecurity.html.
        """
        yield from super().refuses(change, facts)
        columns = change.table.columns if isinstance(change, CreateTable) else ()
        columns = (change.column,) if isinstance(change, AddColumn) else columns
        version = int(self.database.server_version or 0)
        if version < 180000 and any(column.generated == "virtual" for column in columns):
            yield blocked("AM152", change.ref)
        match change:
            case AddIndex(_, index, actual) if GUARDED in actual.options and index.unique:
                yield blocked("AM144", change.ref)
            case AddColumn(table, column, fk, actual) if GUARDED in actual.options:
                value = facts.value(table, column)
                asks = fk or column.declared.of_kind("check") or not column.null
                if value.is_filled or (asks and not is_constant(value.expression or "?")):
                    yield blocked("AM144", change.ref)

    # Indexes

    def builds_online(self, change: AddIndex, rows: int, facts: Facts) -> bool:
        large = facts.may_build_online and rows > facts.online_rows
        return large and change.actual.kind != "partitioned"

    def how_built(self, change: AddIndex, *, online: bool) -> str:
        if change.actual.kind == "partitioned":
            return "built in a transaction, since a partitioned table has no online builds"
        return "built online" if online else "built in a transaction"

    def create_index(self, change: AddIndex, models: Models, *, online: bool) -> tuple[str, ...]:
        """An INVALID leftover goes first: REINDEX would add a second one where it fails."""
        (statement,) = super().create_index(change, models, online=online)
        words = "INDEX CONCURRENTLY" if online else "INDEX"
        if online and "CONCURRENTLY" not in tokens(statement.upper())[:4]:
            statement = _INDEX.sub(words, statement, count=1)
        name = self.dialect.quote(change.table.schema, change.index.name)
        return (f"DROP {words} {name}", statement) if change.leftover else (statement,)

    def refuses_index(self, table: Table, change: AddIndex) -> Finding | None:
        """A unique index of a partitioned table must have the partition key among its columns."""
        keys = set(change.index.columns)
        types = {c.name: base_type(c.type) for c in table.columns if c.name in keys}
        for key in change.index.keys:
            asked = types.get(key.text, ""), change.index.method
            is_odd = key.is_column and not key.options and asked[0] in _ODD
            if is_odd and not self.dialect.rows(_HAS_CLASS, asked):
                return blocked("AM151", change.ref, type=asked[0], method=asked[1])
        if table.kind != "partitioned" or not change.index.unique:
            return None
        target = self.dialect.names.quote_table(table.name)
        rows = self.dialect.rows(_PARTITION_COLUMNS, (target,))
        missing = sorted({row[0] for row in rows} - set(change.index.columns))
        return blocked("AM125", change.ref, columns=", ".join(missing)) if missing else None

    # Columns

    def refuses_column(self, change: AddColumn, value: RowValue, facts: Facts) -> Finding | None:
        if change.actual.kind == "partitioned" and change.column.generated == "virtual":
            return blocked("AM124", change.ref)
        bound = BOUND.intersection(change.actual.options)
        return blocked("AM149", change.ref, what=bound.pop()) if bound else None

    def refuses_key(self, table: TableName, fk: ForeignKey, facts: Facts) -> Finding | None:
        """Where both types are the server's own, it says whether they can be compared."""
        child = self._type(facts, table, fk.columns[0])
        parent = self._type(facts, fk.parent, fk.parent_columns[0])
        if child == parent or not {base_type(child), base_type(parent)} <= KNOWN:
            return None
        if self.dialect.refusal(f"SELECT CAST(NULL AS {child}) = CAST(NULL AS {parent})"):
            return blocked("AM118", fk.ref(table), child=child, parent=parent)
        return None

    def _type(self, facts: Facts, table: TableName, column: str) -> str:
        """Return the type of a column as it stands, or as it is declared; "" for neither."""
        sides = facts.actual(table), facts.declared(table)
        found = (column_of(side, column, self.dialect.names.fold) for side in sides)
        return next((one.type for one in found if one), "")

    def column_effect(self, change: AddColumn, default: str | None) -> str:
        """A default that is not volatile is kept in the catalogue, not written to the rows."""
        type_name, ask = base_type(change.column.type), self.dialect.rows
        if type_name not in KNOWN and any(row[0] for row in ask(_IS_DOMAIN, (type_name,))):
            return "rewrites"
        if default is None or is_constant(default):
            return "instant"
        return "rewrites" if self.dialect.is_volatile(default) else "instant"

    def update_triggers(self, table: Table) -> list[str]:
        """A trigger on UPDATE OF other columns stays silent."""
        target = self.dialect.names.quote_table(table.name)
        return [row[0] for row in self.dialect.rows(_UPDATE_TRIGGERS, (target,))]
