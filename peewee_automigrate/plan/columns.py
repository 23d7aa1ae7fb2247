"""A missing column -> the step that adds it, or the finding that says why not.

Enters: the situation and one change. Leaves: steps and findings. Reads only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..dialects import Addition, Dialect
from ..schema import UNKNOWN, AddColumn, Column, Finding, Step, TableName
from ..texts import blocked, drift, note
from . import ddl
from .questions import Situation, Value, is_blocked


def column_items(situation: Situation, change: AddColumn) -> Iterator[Step | Finding]:
    """Yield the step of a missing column and what is to be said of it."""
    column, actual = change.column, change.actual
    assert actual is not None
    value = situation.values[change.table, column.name]
    if column.type in situation.unknown_types:
        yield blocked("AM116", change.table, column.name, type=column.type)
    elif value.problem:
        yield blocked("AM110", change.table, column.name, reason=value.problem)
    elif value.per_row or change.fill_only:
        yield from _filled(situation, change, value)
    else:
        rows = situation.has_rows(change.table)
        addition = Addition(actual, column, value.expression, change.foreign_key, rows)
        problem = _problem(situation, change, addition)
        if problem:
            yield problem
        if problem is None or not is_blocked(problem):
            yield _added(situation, change, addition)


def _problem(situation: Situation, change: AddColumn, addition: Addition) -> Finding | None:
    """Say why the data or the database forbid a column, or None."""
    column, table, default = change.column, change.table, addition.default
    has_value = default is not None and default.upper() != "NULL"
    if not column.null and not has_value and not column.generated and addition.has_rows:
        return blocked("AM101", table, column.name)
    reason = situation.dialect.refuses(addition)
    if reason:
        return blocked("AM103", table, column.name, reason=reason)
    if not addition.has_rows:
        return None
    if has_value and _is_unique_alone(situation, change):
        rows = situation.rows(addition.table)
        if rows > 1:
            return blocked("AM104", table, column.name, rows=f"{rows:,}")
    return situation.row_problem(addition, table)


def _is_unique_alone(situation: Situation, change: AddColumn) -> bool:
    return any(
        other.table == change.table
        and other.index.unique
        and other.index.is_plain
        and other.index.columns == (change.column.name,)
        for other in situation.indexes
    )


def _added(situation: Situation, change: AddColumn, addition: Addition) -> Step:
    """On a table with rows, what the server would check row by row under the lock of ALTER TABLE
    is added NOT VALID, and validated afterwards.
    """
    dialect, column, default = situation.dialect, change.column, addition.default
    has_key = addition.foreign_key is not None and not change.key_follows
    key_scans = has_key and default is not None
    scans = addition.has_rows and (key_scans or any(map(ddl.is_check, column.making.constraints)))
    later = dialect.validates_later and addition.table.kind != "partitioned"
    inline = not (scans and later)
    models = situation.models(change.table)
    mark = dialect.key_mark if change.key_follows else ""
    given = None if column.making.in_database else default
    form = ddl.ColumnForm(not column.null, given, inline, mark)
    statements = ddl.add_column(dialect, models, change, form)
    later_at = None
    if not inline:
        names = [name for name, _ in ddl.later_constraints(dialect, models, change)]
        for name in names:
            statements += dialect.mark("constraint", change.table, name)
        later_at = len(statements)
        statements += ddl.validations(dialect, change.table, names)
    effect = (
        dialect.column_effect(addition.table, column, default) if addition.has_rows else "instant"
    )
    return Step(
        "add_column",
        str(change.table),
        column.name,
        statements,
        effect="scans" if scans and effect == "instant" else effect,
        rows=situation.rows(addition.table),
        blocks="reads and writes" if effect == "rewrites" else "nothing",
        reason=_reason(change, default),
        later_at=later_at,
        parents=situation.standing(filter(None, [change.foreign_key]), change.table),
        change=change,
    )


def _reason(change: AddColumn, default: str | None) -> str:
    if change.column.generated:
        return "generated"
    if default is not None:
        return f"default {default} stays in the database"
    return "nullable, old rows hold NULL" if change.column.null else "the table is empty"


def _filled(situation: Situation, change: AddColumn, value: Value) -> Iterator[Step | Finding]:
    """Plan a column in which each row gets a value of its own. Where an interrupted run has left
    it unfilled, and the model has no default any more, only the mark is taken away.
    """
    dialect, column, actual = situation.dialect, change.column, change.actual
    assert actual is not None
    addition = Addition(actual, column, None, change.foreign_key, True)
    problem = _fill_problem(situation, change, addition)
    if problem:
        yield problem
        return
    added: tuple[str, ...] = ()
    if not change.fill_only:
        form = ddl.ColumnForm(not_null=False, default=None, mark=dialect.fill_mark)
        added = ddl.add_column(dialect, situation.models(change.table), change, form)
        added += dialect.mark("column", change.table, column.name)
    finish = _unmarked(situation, change)
    if value == Value() or (dialect.fill_mark and not value.per_row):
        yield _only_unmarked(change, finish)
        return
    triggers = dialect.update_triggers(actual)
    if triggers:
        yield note("AM310", change.table, column.name, triggers=", ".join(triggers))
    name = getattr(value.per_row, "__name__", repr(value.per_row))
    source = f"{name}()" if value.per_row else f"the default {value.expression}"
    comment = f"-- each row of {change.table} gets its own {column.name} from {source}"
    yield Step(
        "add_column",
        str(change.table),
        column.name,
        (*added, " ".join(comment.split()), *finish),
        effect="fills",
        rows=situation.rows(actual),
        reason=f"nullable, then each row gets its own value from {source}",
        later_at=len(added),
        fill_at=len(added),
        parents=situation.standing(filter(None, [change.foreign_key]), change.table),
        change=change,
    )
    if not column.null and not change.fill_only:
        sql = dialect.alter_sql(change.table, column, "null")
        yield note("AM305", change.table, column.name, sql)


def _fill_problem(situation: Situation, change: AddColumn, addition: Addition) -> Finding | None:
    dialect, table, name = situation.dialect, change.table, change.column.name
    problem = mark_problem(situation, table, change.column) if change.fill_only else None
    reason = None if change.fill_only else dialect.refuses(addition)
    if situation.values[table, name].per_row:
        reason = reason or dialect.refuses_fill(addition.table)
    return problem or (blocked("AM103", table, name, reason=reason) if reason else None)


def _only_unmarked(change: AddColumn, finish: tuple[str, ...]) -> Step:
    return Step(
        "add_column",
        str(change.table),
        change.column.name,
        finish,
        reason="an interrupted run has added it; there is nothing to fill any more",
        later_at=0,
        change=change,
    )


def _unmarked(situation: Situation, change: AddColumn) -> tuple[str, ...]:
    """Return statements that take the mark off a filled column, or that mark it as one whose
    foreign key follows.
    """
    dialect, table = situation.dialect, change.table
    if not dialect.fill_mark:
        return dialect.unmark("column", table, change.column.name)
    mark = dialect.key_mark if change.key_follows else ""
    form = replace(standing_form(situation, table, change.column), mark=mark)
    models = situation.models(table)
    return (ddl.unmarked_column(dialect, models, table, change.column, form),)


def mark_problem(situation: Situation, table: TableName, column: Column) -> Finding | None:
    """Say that a marked column is not of the type that the model declares by now: to take the mark
    off would change it.
    """
    standing = situation.standing_column(table, column.name)
    dialect = situation.dialect
    if not (standing and dialect.fill_mark) or dialect.same_type(column.type, standing.type):
        return None
    words = {"declared": column.type, "actual": standing.type}
    return drift("AM213", table, column.name, **words)


def standing_form(situation: Situation, table: TableName, column: Column) -> ddl.ColumnForm:
    """Return how a column stands that an interrupted run has added, or how this one adds it."""
    if situation.actual(table) is None:
        return ddl.ColumnForm(not column.null, None)
    standing = situation.standing_column(table, column.name)
    if standing and standing.default != UNKNOWN:
        return ddl.ColumnForm(not standing.null, standing.default)
    value = situation.value(table, column)
    given = None if column.making.in_database or value.per_row else value.expression
    if standing:
        return ddl.ColumnForm(not standing.null, given)
    return ddl.ColumnForm(not column.null and not value.per_row, given)


def merged(dialect: Dialect, steps: Sequence[Step]) -> tuple[Step, ...]:
    """Add all columns of a table by one ALTER TABLE, in the step of the first."""
    if not dialect.alters_at_once:
        return tuple(steps)
    groups: dict[TableName, list[Step]] = {}
    for step in steps:
        if isinstance(step.change, AddColumn) and not step.change.fill_only:
            groups.setdefault(step.change.table, []).append(step)
    by_id = {
        id(step): new for name, group in groups.items() for step, new in _one(dialect, name, group)
    }
    return tuple(by_id.get(id(step), step) for step in steps)


def _one(dialect: Dialect, table: TableName, group: Sequence[Step]) -> Iterator[tuple[Step, Step]]:
    """Yield each step, and the one that stands for it."""
    clauses = [ddl.clause_of(dialect, table, step.statements[0]) for step in group]
    statement = ddl.altered(dialect, table, clauses)
    first, *others = group
    reason = first.reason
    if all(step.effect != "rewrites" for step in group):
        statement = dialect.instant(statement)
        reason += "; as the server can, where it refuses INSTANT" if first.rows else ""
    yield first, replace(first, statements=(statement, *first.statements[1:]), reason=reason)
    for step in others:
        rest = replace(
            step,
            statements=step.statements[1:],
            later_at=None if step.later_at is None else step.later_at - 1,
            fill_at=None if step.fill_at is None else step.fill_at - 1,
            reason=f"{step.reason}, by the statement of {first.name}",
        )
        yield step, rest
