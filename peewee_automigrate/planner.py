"""Builds the `Plan`: declared minus actual, questions about data, the cost of each step.

Enters: a dialect, collected and bound models, options. Leaves: a `Plan`. Reads only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

from . import ddl
from .data import DataQuestions
from .declared import Declared, declare, python_default
from .dialects import Addition, Dialect
from .diff import diff
from .expression import is_name, tokens, unquote
from .findings import blocked, note
from .models import Collected
from .options import Options
from .report import Plan
from .schema import (
    AddColumn,
    AddForeignKey,
    AddIndex,
    Catalog,
    Change,
    Column,
    CreateSchema,
    CreateTable,
    Difference,
    Finding,
    ForeignKey,
    Index,
    Step,
    Table,
    TableName,
    ValidateConstraint,
)


def make_plan(dialect: Dialect, collected: Collected, options: Options) -> Plan:
    """Reads the catalogue, and of the data what the missing things make necessary.

    Raises `ModelsNotFound` for models that contradict each other.
    """
    declared, catalog, left_out = _read(dialect, collected)
    difference = diff(declared.tables, catalog, dialect)
    planner = _Planner(dialect, declared, catalog, options, difference)
    said = [*planner.run(), *difference.findings, *left_out]
    steps = tuple(item for item in said if isinstance(item, Step))
    findings = [item for item in said if isinstance(item, Finding)]
    return Plan(
        steps=steps,
        blocked=tuple(sorted((f for f in findings if f.level == "blocked"), key=_place)),
        findings=tuple(f for f in findings if f.level == "drift")
        + tuple(f for f in findings if f.level == "note"),
        summary=f"Tables of the models on {dialect.name}: {len(declared.tables)}.",
    )


def _place(finding: Finding) -> tuple[str, str, str]:
    return finding.table, finding.name or "", finding.code


def _read(dialect: Dialect, collected: Collected) -> tuple[Declared, Catalog, list[Finding]]:
    """Read the catalogue, and leave out the abstract bases that have no table."""
    declared = declare(dialect, (*collected.models, *collected.bases))
    catalog = dialect.read_catalog(declared.wanted())
    absent = {
        key
        for key, models in declared.models.items()
        if set(models) <= set(collected.bases) and key not in catalog.tables
    }
    tables = tuple(t for t in declared.tables if _key(dialect, t.name) not in absent)
    left_out = [note("AM307", key, None) for key in sorted(absent, key=str)]
    declared = Declared(tables, declared.models)
    return declared, _reconciled(dialect, declared, catalog), left_out


def _key(dialect: Dialect, name: TableName) -> TableName:
    return TableName(name.schema, dialect.fold(name.name))


def _reconciled(dialect: Dialect, declared: Declared, catalog: Catalog) -> Catalog:
    """Ask the server about expressions whose texts differ under one index name, and write the
    declared text over the actual one where the server says that they are the same.
    """
    tables = dict(catalog.tables)
    for table in declared.tables:
        key = _key(dialect, table.name)
        if key in tables and any(index.sql for index in table.indexes):
            indexes = tuple(
                _agreed(dialect, tables[key], table, index) for index in tables[key].indexes
            )
            tables[key] = replace(tables[key], indexes=indexes)
    return replace(catalog, tables=tables)


def _agreed(dialect: Dialect, actual: Table, table: Table, index: Index) -> Index:
    for other in table.indexes:
        named = dialect.fold(other.name) == dialect.fold(index.name)
        texts = (index.keys, index.where) != (other.keys, other.where)
        if named and texts and other.sql and index.sql and len(other.keys) == len(index.keys):
            answer = dialect.same_expressions(actual, other, index)
            if answer is None:
                return replace(index, where="?")
            columns = [k for k in index.keys if k.is_column] == [
                k for k in other.keys if k.is_column
            ]
            if answer and columns:
                return replace(index, keys=other.keys, where=other.where)
    return index


class _Planner:
    """Turns each change into a step, or into a finding that says why not."""

    def __init__(
        self,
        dialect: Dialect,
        declared: Declared,
        catalog: Catalog,
        options: Options,
        difference: Difference,
    ) -> None:
        self.dialect = dialect
        self.declared = declared
        self.catalog = catalog
        self.options = options
        self.changes = difference.changes
        self.data = DataQuestions(dialect)
        self.one_transaction = (
            dialect.one_transaction or options.atomic or dialect.database.in_transaction()
        )
        self.stopped = {
            (finding.table, dialect.fold(finding.name or ""))
            for finding in difference.findings
            if finding.level == "blocked"
        }
        self.coming: dict[TableName, dict[str, str | None]] = {}
        self.rows = lru_cache(maxsize=None)(self._rows)

    def run(self) -> Iterator[Step | Finding]:
        unknown = self._unknown_types()
        for change in self.changes:
            for item in self._items(change, unknown):
                if isinstance(item, Finding) and item.level == "blocked":
                    self.stopped.add((item.table, self.dialect.fold(item.name or "")))
                yield item

    def _items(self, change: Change, unknown: frozenset[str]) -> Iterator[Step | Finding]:
        match change:
            case CreateSchema():
                statements = ddl.create_schema(self.dialect, change.schema)
                yield _step("create_schema", change, "", change.schema, statements, "new schema")
            case CreateTable():
                yield from self._table(change, unknown)
            case AddColumn():
                yield from self._column(change, unknown)
            case AddIndex():
                yield from self._index(change)
            case AddForeignKey():
                yield from self._foreign_key(change)
            case ValidateConstraint():
                yield self._validation(change)

    def _models(self, table: TableName) -> Any:
        return self.declared.models[_key(self.dialect, table)]

    def _unknown_types(self) -> frozenset[str]:
        types = [c.column.type for c in self.changes if isinstance(c, AddColumn)]
        for change in self.changes:
            if isinstance(change, CreateTable) and change.table.kind == "table":
                types += [column.type for column in change.table.columns]
        return frozenset(self.dialect.unknown_types([name for name in types if name]))

    def _rows(self, table: Table) -> int:
        """Count up to ``online_rows``, beyond that take the larger of count and estimate."""
        limit = self.options.online_rows + 1
        counted = self.dialect.count_rows(table.name, limit)
        return max(counted, table.rows) if counted == limit else counted

    def _needs(self, table: TableName, names: list[str], name: str) -> Finding | None:
        """Say that something rests on a column or table that is blocked."""
        for column in names:
            if (str(table), self.dialect.fold(column)) in self.stopped:
                return blocked("AM111", table, name, column=column)
        return None

    # Tables

    def _table(self, change: CreateTable, unknown: frozenset[str]) -> Iterator[Step | Finding]:
        table = change.table
        bad = [column for column in table.columns if column.type in unknown]
        for column in bad:
            yield blocked("AM116", table.name, column.name, type=column.type)
        parents = [fk.parent for fk in table.foreign_keys if fk.parent != table.name]
        gone = [parent for parent in parents if (str(parent), "") in self.stopped]
        if gone:
            yield blocked("AM109", table.name, None, parent=gone[0])
        if bad or gone:
            self.stopped.add((str(table.name), ""))
            return
        standing = frozenset(self.catalog.owners)
        path = self.catalog.default_schema
        known = frozenset(
            name
            for name in table.sequences
            if TableName(name.schema or path, name.name) in standing
        )
        statements = ddl.create_table(self.dialect, self._models(table.name), change, known)
        number = len(table.indexes)
        reason = f"new table, {number} index{'es' if number != 1 else ''}"
        parents_standing = self._standing(table.foreign_keys, table.name)
        yield _step(
            "create_table",
            change,
            str(table.name),
            None,
            statements,
            reason,
            parents=parents_standing,
        )

    def _standing(self, keys: Iterable[ForeignKey], table: TableName) -> tuple[TableName, ...]:
        """Return the tables that stand and that these foreign keys of a table refer to."""
        found = {fk.parent for fk in keys if fk.parent != table}
        return tuple(
            n for n in sorted(found, key=str) if _key(self.dialect, n) in self.catalog.tables
        )

    # Columns

    def _column(self, change: AddColumn, unknown: frozenset[str]) -> Iterator[Step | Finding]:
        column, actual = change.column, change.actual
        assert actual is not None
        if column.type in unknown:
            yield blocked("AM116", change.table, column.name, type=column.type)
            return
        _, field = ddl.field_of(self._models(change.table), self.dialect, column.name)
        try:
            default = python_default(field)
            literal = self._literal(field, column, default.value if default else None)
        except Exception as error:  # whatever a model's callable or a field class raises
            reason = f"{type(error).__name__}: {error}"
            yield blocked("AM110", change.table, column.name, reason=reason)
            return
        per_row = default.per_row if default and not column.in_database else None
        if change.fill_only or (per_row and not column.generated):
            yield from self._filled(change, per_row)
            return
        addition = Addition(
            actual,
            column,
            column.default if column.in_database else literal,
            change.foreign_key,
            self.dialect.has_rows(change.table),
        )
        problem = self._refusal(change, addition)
        if problem:
            yield problem
        if problem is None or problem.level != "blocked":
            self._note_coming(change, addition.default)
            yield self._added(change, addition, literal)

    def _literal(self, field: Any, column: Column, value: Any) -> str | None:
        """Quote a default; raises what the field class raises, or `ValueError` when too long."""
        if value is None or column.in_database:
            return None
        stored = field.db_value(value)
        if isinstance(stored, bool):
            return self.dialect.truth(stored)
        if type(stored) is int:
            return str(stored)
        length = getattr(field, "max_length", None)
        if isinstance(stored, str) and length and len(stored) > length:
            raise ValueError(f"{stored!r} is longer than {length} characters")
        return None if stored is None else self.dialect.literal(stored, column.type)

    def _note_coming(self, change: AddColumn, default: str | None) -> None:
        value = self.dialect.typed(default, change.column.type)
        self.coming.setdefault(change.table, {})[change.column.name] = value

    def _refusal(self, change: AddColumn, addition: Addition) -> Finding | None:
        """Say why the data or the database forbid a column, or None."""
        column, table = change.column, change.table
        has_value = addition.default is not None and addition.default.upper() != "NULL"
        if not column.null and not has_value and not column.generated and addition.has_rows:
            return blocked("AM101", table, column.name)
        reason = self.dialect.refuses(addition)
        if reason:
            return blocked("AM103", table, column.name, reason=reason)
        if not addition.has_rows:
            return None
        if has_value and self._is_unique_alone(change) and addition.default:
            rows = self.rows(addition.table)
            if rows > 1:
                return blocked("AM104", table, column.name, rows=f"{rows:,}")
        return self.data.ask(
            lambda: self.data.column_problem(addition, table), str(table), column.name
        )

    def _is_unique_alone(self, change: AddColumn) -> bool:
        return any(
            isinstance(other, AddIndex)
            and other.table == change.table
            and other.index.unique
            and other.index.is_plain
            and other.index.columns == (change.column.name,)
            for other in self.changes
        )

    def _added(self, change: AddColumn, addition: Addition, literal: str | None) -> Step:
        column = change.column
        inline = not (
            self.dialect.validates_later
            and addition.has_rows
            and (
                (addition.foreign_key and addition.default is not None)
                or any(map(ddl.is_check, column.constraints))
            )
        )
        form = ddl.ColumnForm(not column.null, literal, inline)
        models = self._models(change.table)
        statements = ddl.add_column(self.dialect, models, change, form)
        later_at = None
        if not inline:
            names = [n for n, _ in ddl.later_constraints(self.dialect, models, change)]
            marks = [m for n in names for m in self.dialect.mark_pending(change.table, n)]
            later_at = len(statements) + len(marks)
            statements = (*statements, *marks, *self._validations(change.table, names))
        effect = "instant"
        if addition.has_rows:
            effect = self.dialect.column_effect(column, addition.default)
            effect = "scans" if not inline and effect == "instant" else effect
        reason = "nullable, old rows hold NULL"
        if addition.default is not None:
            reason = f"default {addition.default} stays in the database"
        elif column.generated:
            reason = "generated"
        elif not column.null:
            reason = "the table is empty"
        return _step(
            "add_column",
            change,
            str(change.table),
            column.name,
            statements,
            reason,
            effect=effect,
            rows=self.rows(addition.table),
            blocks="reads and writes" if effect == "rewrites" else "nothing",
            later_at=later_at,
            parents=self._standing(filter(None, [change.foreign_key]), change.table),
        )

    def _validations(self, table: TableName, names: list[str]) -> tuple[str, ...]:
        return tuple(
            statement
            for name in names
            for statement in (
                ddl.validate(self.dialect, table, name),
                *self.dialect.mark_validated(table, name),
            )
        )

    def _filled(
        self, change: AddColumn, per_row: Callable[[], Any] | None
    ) -> Iterator[Step | Finding]:
        """Plan a column in which each row gets a value of its own."""
        column, actual = change.column, change.actual
        assert actual is not None
        added: tuple[str, ...] = ()
        if not change.fill_only:
            addition = Addition(actual, column, None, change.foreign_key, True)
            reason = self.dialect.refuses(addition)
            if reason:
                yield blocked("AM103", change.table, column.name, reason=reason)
                return
            form = ddl.ColumnForm(not_null=False, default=None)
            added = ddl.add_column(self.dialect, self._models(change.table), change, form)
            added += self.dialect.mark_filling(change.table, column.name)
        name = getattr(per_row, "__name__", repr(per_row))
        comment = f"-- each row of {change.table} gets its own {column.name} from {name}()"
        finish = self.dialect.mark_filled(change.table, column.name)
        yield _step(
            "add_column",
            change,
            str(change.table),
            column.name,
            (*added, comment.replace("\n", " "), *finish),
            f"nullable, then each row gets its own value from {name}()",
            effect="fills",
            rows=self.rows(actual),
            later_at=len(added),
            fill_at=len(added),
            parents=self._standing(filter(None, [change.foreign_key]), change.table),
        )
        if not column.null and not change.fill_only:
            sql = self.dialect.alter_sql(change.table, column, "null")
            yield note("AM305", change.table, column.name, sql)

    # Indexes and foreign keys

    def _index(self, change: AddIndex) -> Iterator[Step | Finding]:
        index, actual = change.index, change.actual
        assert actual is not None
        texts = [key.text for key in index.keys if not key.is_column] + [index.where]
        names = [unquote(item) for text in texts for item in tokens(text) if is_name(item)]
        problem = self._needs(change.table, [*index.columns, *names], index.name)
        if problem:
            yield problem
            return
        reason = self.dialect.refuses_index(actual, index)
        if reason:
            yield blocked("AM103", change.table, index.name, reason=reason)
            return
        rows = self.rows(actual)
        if index.unique and rows:
            duplicates = self.data.duplicates(
                change, self.coming.get(change.table, {}), self.filled
            )
            if duplicates:
                yield duplicates
                return
        online = (
            self.dialect.builds_online
            and not self.one_transaction
            and rows > self.options.online_rows
            and actual.kind != "partitioned"
        )
        if change.leftover:
            yield note("AM308", change.table, index.name)
        reason = "built online" if online else "built in a transaction"
        if actual.kind == "partitioned":
            reason += ", since a partitioned table has no online builds"
        if index.unique and rows:
            reason = f"no duplicates now, {reason}"
        yield _step(
            "add_index",
            change,
            str(change.table),
            index.name,
            ddl.add_index(self.dialect, self._models(change.table), change, online=online),
            reason,
            effect="builds" if rows else "instant",
            rows=rows,
            blocks="writes" if rows and not online else "nothing",
            online=online,
        )

    @property
    def filled(self) -> set[tuple[TableName, str]]:
        """The columns that get a value of their own in each row."""
        return {
            (change.table, change.column.name)
            for change in self.changes
            if isinstance(change, AddColumn)
            and change.column.name not in self.coming.get(change.table, {})
        }

    def _foreign_key(self, change: AddForeignKey) -> Iterator[Step | Finding]:
        fk = change.foreign_key
        name = ", ".join(fk.columns)
        problem = self._needs(change.table, ["", *fk.columns], name)
        if problem is None and (str(fk.parent), "") in self.stopped:
            problem = blocked("AM109", change.table, name, parent=fk.parent)
        if problem:
            yield problem
            return
        standing = self.catalog.tables.get(_key(self.dialect, change.table))
        rows = self.rows(standing) if standing else 0
        models = self._models(change.table)
        split = bool(rows) and self.dialect.validates_later
        statements = ddl.add_foreign_key(self.dialect, models, change, validated=not split)
        later_at = None
        if split:
            _, field = ddl.field_of(models, self.dialect, fk.columns[0])
            constraint = field.get_constraint_name()
            statements += self.dialect.mark_pending(change.table, constraint)
            later_at = len(statements)
            statements += self._validations(change.table, [constraint])
        yield _step(
            "add_foreign_key",
            change,
            str(change.table),
            name,
            statements,
            f"refers to {fk.parent}",
            effect="scans" if rows else "instant",
            rows=rows,
            later_at=later_at,
            parents=self._standing([fk], change.table) + ((change.table,) if standing else ()),
        )

    def _validation(self, change: ValidateConstraint) -> Step:
        actual = change.actual
        assert actual is not None
        is_key = any(fk.name == change.name for fk in actual.foreign_keys)
        return _step(
            "add_foreign_key" if is_key else "add_column",
            change,
            str(change.table),
            change.name,
            self._validations(change.table, [change.name]),
            "an interrupted run has added it",
            effect="scans",
            rows=self.rows(actual),
            later_at=0,
        )


def _step(
    kind: str,
    change: Change,
    table: str,
    name: str | None,
    statements: tuple[str, ...],
    reason: str,
    **rest: Any,
) -> Step:
    return Step(kind, table, name, statements, reason=reason, change=change, **rest)


def remaining(dialect: Dialect, collected: Collected) -> set[object]:
    """Read the catalogue again: what is still missing, as changes' texts and (table, name)."""
    declared, catalog, _ = _read(dialect, collected)
    difference = diff(declared.tables, catalog, dialect)
    names = {(f.table, f.name) for f in difference.findings if f.level == "blocked" and f.name}
    return {str(change) for change in difference.changes} | names
