"""Builds the `Plan`: declared minus actual, questions about data, the cost of each step.

Enters: a dialect, collected and bound models, options. Leaves: a `Plan`. Reads only.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TypeAlias

from peewee import Field

from . import ddl
from .columns import column_items, mark_problem, merged, standing_form
from .declared import Declared, declare
from .dialects import Dialect
from .diff import diff, mentioned, needed_columns
from .findings import blocked, note
from .models import Collected
from .options import Options
from .report import Plan
from .schema import (
    UNKNOWN,
    AddColumn,
    AddForeignKey,
    AddIndex,
    Catalog,
    Change,
    CreateSchema,
    CreateTable,
    Difference,
    Finding,
    ForeignKey,
    Index,
    Key,
    Step,
    Table,
    TableName,
    ValidateConstraint,
)
from .situation import Memory, Situation, is_blocked


@contextmanager
def _no_collector() -> Iterator[None]:
    """Pause the garbage collector while many values are made, none of which is garbage: it would
    walk them all again and again, for a third of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class Planner:
    """Plans for one set of models, as often as a run needs it.

    What the models declare is read once. Raises `ModelsNotFound` for models that contradict each
    other.
    """

    @_no_collector()
    def __init__(self, dialect: Dialect, collected: Collected, options: Options) -> None:
        self.dialect = dialect
        self.options = options
        self.collected = collected
        self.bases = set(collected.bases)
        self.declared = declare(dialect, (*collected.models, *collected.bases))
        self.memory = Memory()
        self.last: tuple[Catalog, Plan] | None = None  # where only the catalogue was asked

    @_no_collector()
    def plan(self) -> Plan:
        """Reads the catalogue, and of the data what the missing things make necessary."""
        declared, catalog, left_out = self._read()
        if self.last and self.last[0] == catalog and self._knows_types():
            return self.last[1]
        made = self._plan(declared, catalog, left_out)
        creates = {"create_schema", "create_table"} >= {step.kind for step in made.steps}
        self.last = (catalog, made) if creates and not made.blocked else None
        return made

    def _knows_types(self) -> bool:
        """Reads: tell whether the server knows each type; the catalogue does not say it."""
        types = {column.type for table in self.declared.tables for column in table.columns}
        return not self.dialect.unknown_types(sorted(types - {""}))

    def _plan(self, declared: Declared, catalog: Catalog, left_out: list[Finding]) -> Plan:
        difference = diff(declared.tables, catalog, self.dialect)
        situation = Situation(
            self.dialect, declared, catalog, self.options, difference.changes, self.memory
        )
        said: list[Step | Finding] = [*difference.findings, *left_out]
        with ExitStack() as stack:
            if any(not isinstance(c, CreateSchema | CreateTable) for c in difference.changes):
                stack.enter_context(self.dialect.short_reads(self.options.lock_timeout))
            said = [*_items(situation, difference), *said]
        steps = merged(self.dialect, [item for item in said if isinstance(item, Step)])
        findings = [item for item in said if isinstance(item, Finding)]
        return Plan(
            steps=steps,
            blocked=tuple(sorted(filter(is_blocked, findings), key=_place)),
            findings=tuple(f for f in findings if f.level == "drift")
            + tuple(f for f in findings if f.level == "note"),
            summary=self._summary(declared),
        )

    def _summary(self, declared: Declared) -> str:
        tables = declared.tables if self.bases else ()
        keys = {self.dialect.table_key(table.name) for table in tables}
        present = {model for key in keys for model in self.declared.models[key]}
        return self.collected.summary(self.bases - present, self.dialect.place())

    @_no_collector()
    def remaining(self) -> set[object]:
        """Reads the catalogue: what is still missing, as changes' texts and (table, name)."""
        declared, catalog, _ = self._read()
        difference = diff(declared.tables, catalog, self.dialect)
        names = {(f.table, f.name) for f in difference.findings if is_blocked(f) and f.name}
        return {str(change) for change in difference.changes} | names

    def field(self, table: TableName, column: str) -> Field:
        """Return the field that declares a column."""
        models = self.declared.models[self.dialect.table_key(table)]
        return ddl.field_of(models, self.dialect, column)[1]

    def _read(self) -> tuple[Declared, Catalog, list[Finding]]:
        """Read the catalogue, and leave out the abstract bases that have no table."""
        catalog = self.dialect.read_catalog(self.declared.wanted())
        absent = {
            key
            for key, models in self.declared.models.items()
            if key not in catalog.tables and set(models) <= self.bases
        }
        tables = self.declared.tables
        if absent:
            tables = tuple(t for t in tables if self.dialect.table_key(t.name) not in absent)
        declared = Declared(tables, self.declared.models)
        left_out = [note("AM307", key, None) for key in sorted(absent, key=str)]
        return declared, _reconciled(self.dialect, declared, catalog), left_out


def _place(finding: Finding) -> tuple[str, str, str]:
    return finding.table, finding.name or "", finding.code


def _reconciled(dialect: Dialect, declared: Declared, catalog: Catalog) -> Catalog:
    """Ask the server about expressions whose texts differ under one index name, and write the
    declared text over the actual one where the server says that they are the same.
    """
    tables = dict(catalog.tables)
    for table in declared.tables:
        key = dialect.table_key(table.name)
        if key in tables and any(index.sql for index in table.indexes):
            indexes = tuple(
                _agreed(dialect, tables[key], table, index) for index in tables[key].indexes
            )
            tables[key] = tables[key]._replace(indexes=indexes)
    return replace(catalog, tables=tables)


def _agreed(dialect: Dialect, actual: Table, table: Table, index: Index) -> Index:
    for other in table.indexes:
        named = dialect.fold(other.name) == dialect.fold(index.name)
        texts = (index.keys, index.where) != (other.keys, other.where)
        if named and texts and other.sql and len(other.keys) == len(index.keys):
            answer = dialect.same_expressions(actual, other, index)
            if answer is None:
                return index._replace(where=UNKNOWN)
            if answer and index.columns == other.columns:
                return index._replace(keys=other.keys, where=other.where)
    return index


Said: TypeAlias = list[Step | Finding]


def _items(situation: Situation, difference: Difference) -> Said:
    """Turn each change into a step, or into a finding that says why not.

    What rests on something that is blocked is blocked too, also where that comes after it.
    """
    fold = situation.dialect.fold
    stopped = {(f.table, fold(f.name or "")) for f in difference.findings if is_blocked(f)}
    said: dict[int, Said] = {}
    known = -1
    while known < len(stopped):
        known = len(stopped)
        for number, change in enumerate(difference.changes):
            items = said[number] = _said(situation, change, stopped, said.get(number))
            stopped |= {(f.table, fold(f.name or "")) for f in _blocked(items)}
            if isinstance(change, CreateTable) and not _has_step(items):
                stopped.add((str(change.table.name), ""))
    return [item for items in said.values() for item in items]


def _said(
    situation: Situation, change: Change, stopped: set[tuple[str, str]], before: Said | None
) -> Said:
    """Return what was said of a change before, unless something that it needs is blocked since."""
    if before is not None and not _has_step(before):
        return before
    obstacle = _obstacle(situation, change, stopped)
    if obstacle is None:
        return list(_change_items(situation, change)) if before is None else before
    if isinstance(change, AddForeignKey):
        column = change.foreign_key.columns[0]
        stands = situation.standing_column(change.table, column)
        if not stands or (str(change.table), situation.dialect.fold(column)) in stopped:
            return []  # its table or column says so
    return [obstacle, *_blocked(before or [])]


def _has_step(items: Said) -> bool:
    return any(isinstance(item, Step) for item in items)


def _blocked(items: Said) -> list[Finding]:
    return [item for item in items if isinstance(item, Finding) and is_blocked(item)]


def _obstacle(
    situation: Situation, change: Change, stopped: set[tuple[str, str]]
) -> Finding | None:
    """Return a finding when a change needs a table or column that is blocked."""
    if isinstance(change, CreateSchema | ValidateConstraint):
        return None
    table, columns, name, keys = _needs(change)
    limit = situation.dialect.longest_name
    for what, text in _names(change):
        if len(text) > limit:
            return blocked("AM119", table, name, what=what, limit=limit)
    for column in columns:
        if (str(table), situation.dialect.fold(column)) in stopped:
            what = f"the column {column}" if column else f"the table {table}"
            return blocked("AM111", table, name, what=what)
    for fk in keys:
        if fk.deferred and not situation.dialect.adds_constraints:
            continue  # it will not be there
        need = situation.blocked_need(fk, stopped)
        if need:
            return blocked("AM111", table, name, what=need)
        reason = situation.refused_key(table, fk)
        if reason:
            return blocked("AM118", table, ", ".join(fk.columns), reason=reason)
    return None


def _names(change: Change) -> Iterator[tuple[str, str]]:
    """Yield the names that a change takes, each after what it is called."""
    match change:
        case CreateTable(table):
            yield "the table's name", table.name.name
            yield from ((f"the name of the column {c.name}", c.name) for c in table.columns)
            yield from ((f"the name of the index {i.name}", i.name) for i in table.indexes)
        case AddColumn(_, column):
            yield "the column's name", column.name
        case AddIndex(_, index):
            yield "the index's name", index.name


def _needs(
    change: CreateTable | AddColumn | AddIndex | AddForeignKey,
) -> tuple[TableName, tuple[str, ...], str | None, tuple[ForeignKey, ...]]:
    """Return table, columns ("" for the table itself), name and foreign keys of a change."""
    match change:
        case CreateTable(table):
            return table.name, (), None, table.foreign_keys
        case AddColumn(table, column, fk):
            return table, mentioned(column), column.name, (fk,) if fk else ()
        case AddForeignKey(table, fk):
            return table, ("", *fk.columns), ", ".join(fk.columns), (fk,)
        case AddIndex(table, index):
            return table, needed_columns(index), index.name, ()


def _change_items(situation: Situation, change: Change) -> Iterator[Step | Finding]:
    match change:
        case CreateSchema(schema):
            statements = ddl.create_schema(situation.dialect, schema)
            yield Step("create_schema", "", schema, statements, reason="new schema", change=change)
        case CreateTable():
            yield from _table_items(situation, change)
        case AddColumn():
            yield from column_items(situation, change)
        case AddIndex():
            yield from _index_items(situation, change)
        case AddForeignKey(table, _, _, column):
            problem = mark_problem(situation, table, column) if column else None
            write = _following_key_step if column else _foreign_key_step
            yield problem or write(situation, change)
        case ValidateConstraint():
            yield _validation_step(situation, change)


def _table_items(situation: Situation, change: CreateTable) -> Iterator[Step | Finding]:
    change, refused = _without_refused_indexes(situation, change)
    yield from refused
    if any(finding.name is None for finding in refused):
        return
    table = change.table
    problems = list(_column_problems(situation, table))
    if problems:
        yield from problems
        return
    catalog = situation.catalog
    places = {name: name.schema or catalog.default_schema for name in table.sequences}
    standing = {n for n, schema in places.items() if TableName(schema, n.name) in catalog.owners}
    memo = (table.name, change.late, table.indexes, frozenset(standing))
    if memo not in situation.memory.written:
        situation.memory.written[memo] = ddl.create_table(
            situation.dialect, situation.models(table.name), change, frozenset(standing)
        )
    statements = situation.memory.written[memo]
    number = len(table.indexes)
    yield Step(
        "create_table",
        str(table.name),
        None,
        statements,
        reason=f"new table, {number} index{'es' if number != 1 else ''}",
        parents=situation.standing(table.foreign_keys, table.name),
        change=change,
    )


def _column_problems(situation: Situation, table: Table) -> Iterator[Finding]:
    """Say of the columns of a new table why the database can't have them."""
    for column in table.columns:
        reason = situation.dialect.refuses_column(column)
        if column.type in situation.unknown_types:
            yield blocked("AM116", table.name, column.name, type=column.type)
        elif reason:
            yield blocked("AM103", table.name, column.name, reason=reason)


def _without_refused_indexes(
    situation: Situation, change: CreateTable
) -> tuple[CreateTable, list[Finding]]:
    """Leave out the indexes that the database can't have, and say why."""
    table, refused, kept = change.table, [], []
    primary = Index("", tuple(map(Key, table.primary_key)), unique=True, origin="pk")
    reason = situation.dialect.refuses_index(table, primary) if table.primary_key else None
    if reason:
        refused.append(blocked("AM103", table.name, None, reason=f"as a primary key, {reason}"))
    for index in table.indexes:
        reason = situation.dialect.refuses_index(table, index)
        if reason:
            refused.append(blocked("AM103", table.name, index.name, reason=reason))
        else:
            kept.append(index)
    return (
        replace(change, table=table._replace(indexes=tuple(kept))) if refused else change
    ), refused


def _index_items(situation: Situation, change: AddIndex) -> Iterator[Step | Finding]:
    dialect, index, actual = situation.dialect, change.index, change.actual
    grown = situation.with_coming(actual)
    refusal = dialect.refuses_index(grown, index)
    if refusal:
        yield blocked("AM103", change.table, index.name, reason=refusal)
        return
    rows = situation.rows(actual)
    problem = situation.duplicates(change) if index.unique and rows else None
    if problem:
        yield problem
        if is_blocked(problem):
            return
    if change.leftover:
        yield note("AM308", change.table, index.name)
    online = situation.builds_online and rows > situation.options.online_rows
    online = online and actual.kind != "partitioned"
    reason = "built online" if online else "built in a transaction"
    if not dialect.transactional_ddl:
        reason = "built in place"
    if actual.kind == "partitioned":
        reason += ", since a partitioned table has no online builds"
    effect, blocks = ("builds", "") if online else dialect.index_effect(grown, index)
    if index.unique and rows and not problem:
        reason = f"no duplicates now, {reason}"
    yield Step(
        "add_index",
        str(change.table),
        index.name,
        ddl.add_index(dialect, situation.models(change.table), change, online=online),
        effect=effect if rows else "instant",
        rows=rows,
        blocks=blocks if rows and not online else "nothing",
        reason=reason,
        online=online,
        change=change,
    )


def _foreign_key_step(situation: Situation, change: AddForeignKey) -> Step:
    """The key of a new table, which comes in the same transaction."""
    fk, models = change.foreign_key, situation.models(change.table)
    return Step(
        "add_foreign_key",
        str(change.table),
        ", ".join(fk.columns),
        ddl.add_foreign_key(situation.dialect, models, change),
        reason=f"refers to {fk.parent}",
        parents=situation.standing([fk], change.table),
        change=change,
    )


def _following_key_step(situation: Situation, change: AddForeignKey) -> Step:
    """The key of a column that was added without; it takes off the column's mark."""
    dialect, column, models = situation.dialect, change.column, situation.models(change.table)
    assert column is not None
    table = situation.actual(change.table)
    rows = situation.rows(table) if table else 0
    form = standing_form(situation, change.table, column)
    (statement,) = ddl.add_foreign_key(dialect, models, change)
    is_empty = not situation.holds_values(change.table, column)
    statements = dialect.unchecked(statement) if rows and is_empty else (statement,)
    statements = () if change.stands else statements
    statements += (ddl.unmarked_column(dialect, models, change.table, column, form),)
    effect = "rewrites" if table is None or not is_empty else dialect.key_effect(table)
    if effect == "instant" and not situation.has_index(change.table, column):
        effect = "builds"
    return Step(
        "add_foreign_key",
        str(change.table),
        ", ".join(change.foreign_key.columns),
        statements,
        effect=effect if rows and not change.stands else "instant",
        rows=rows,
        blocks="writes" if rows and effect == "rewrites" and not change.stands else "nothing",
        reason=f"refers to {change.foreign_key.parent}",
        parents=situation.standing([change.foreign_key], change.table),
        change=change,
    )


def _validation_step(situation: Situation, change: ValidateConstraint) -> Step:
    is_key = any(fk.name == change.name for fk in change.actual.foreign_keys)
    return Step(
        "add_foreign_key" if is_key else "add_column",
        str(change.table),
        change.name,
        ddl.validations(situation.dialect, change.table, [change.name]),
        effect="scans",
        rows=situation.rows(change.actual),
        reason="an interrupted run has added it",
        later_at=0,
        change=change,
    )
