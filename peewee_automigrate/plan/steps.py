"""Turns each change into its step, or into the finding that says why not.

Enters: a `Situation` and a `Difference`. Leaves: steps and findings, in the order of the changes.
Reads only. What becomes of a missing column stands in `columns`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TypeAlias

from ..schema import (
    AddColumn,
    AddForeignKey,
    AddIndex,
    Change,
    CreateSchema,
    CreateTable,
    Difference,
    Finding,
    ForeignKey,
    Index,
    Key,
    Ref,
    Step,
    Table,
    TableName,
    ValidateConstraint,
)
from ..texts import blocked, note
from . import ddl
from .columns import column_items, mark_problem, standing_form
from .questions import Situation, is_blocked

Said: TypeAlias = list[Step | Finding]


def steps_and_findings(situation: Situation, difference: Difference) -> Said:
    """Turn each change into a step, or into a finding that says why not.

    What needs something that is stopped is stopped too; in a circle that shows only later.
    """
    graph, stopped, known = difference.graph, set(difference.stopped), -1
    said: dict[int, Said] = {}
    while known < len(stopped):
        known = len(stopped)
        for number, change in enumerate(difference.changes):
            lack = next((text for ref, text in graph.needs(change) if ref in stopped), None)
            if lack is not None and (number not in said or _has_step(said[number])):
                said[number] = _stopped(situation, change, lack, stopped)
            elif number not in said:
                said[number] = list(_change_items(situation, change))
            if not _has_step(said[number]):
                stopped |= set(graph.made(change))
            stopped |= {graph.ref("index", *ref) for ref in _refused(change, said[number])}
    return [item for items in said.values() for item in items]


def _stopped(situation: Situation, change: Change, lack: str, stopped: set[Ref]) -> Said:
    """Say of a change that it lacks something; a key whose own column is stopped says nothing."""
    match change:
        case CreateTable(table):
            return [blocked("AM111", table.name, None, what=lack)]
        case AddColumn(table, column):
            return [blocked("AM111", table, column.name, what=lack)]
        case AddIndex(table, index):
            return [blocked("AM111", table, index.name, what=lack)]
        case AddForeignKey(table, fk):
            stands = situation.standing_column(table, fk.columns[0])
            name = ", ".join(fk.columns)
            own = stands and lack != f"the column {name}"
            return [blocked("AM111", table, name, what=lack)] if own else []
        case _:
            return []


def _refused(change: Change, items: Said) -> Iterator[tuple[TableName, str]]:
    """Yield the indexes that a new table goes without."""
    if isinstance(change, CreateTable):
        names = {index.name for index in change.table.indexes}
        found = (item.name for item in items if isinstance(item, Finding) and is_blocked(item))
        yield from ((change.table.name, name) for name in found if name in names)


def _has_step(items: Said) -> bool:
    return any(isinstance(item, Step) for item in items)


def _refusal(situation: Situation, change: Change) -> Finding | None:
    """Say that the database can't have a name, or a foreign key, of a change."""
    limit = situation.dialect.longest_name
    if isinstance(change, CreateSchema | ValidateConstraint):
        return None
    table = change.table.name if isinstance(change, CreateTable) else change.table
    for what, text in _names(change):
        if len(text) > limit:
            name = None if isinstance(change, CreateTable) else text
            return blocked("AM119", table, name, what=what, limit=limit)
    for fk in _keys(change):
        reason = None if _absent(situation, fk) else situation.refused_key(table, fk)
        if reason:
            return blocked("AM118", table, ", ".join(fk.columns), reason=reason)
    return None


def _absent(situation: Situation, fk: ForeignKey) -> bool:
    return fk.deferred and not situation.dialect.adds_constraints


def _keys(change: Change) -> tuple[ForeignKey, ...]:
    match change:
        case CreateTable(table):
            return table.foreign_keys
        case AddColumn(foreign_key=fk) | AddForeignKey(foreign_key=fk):
            return (fk,) if fk else ()
        case _:
            return ()


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


def _change_items(situation: Situation, change: Change) -> Iterator[Step | Finding]:
    refusal = _refusal(situation, change)
    if refusal:
        yield refusal
        return
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
