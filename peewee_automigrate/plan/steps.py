"""Changes -> steps in the order of the graph, or the findings that say why not.

Enters: questions about data, what is stopped. Leaves: steps and findings. Reads only. What a change
is in SQL, what it costs, and what the database refuses, its dialect says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import TypeAlias

from ..changes import AddColumn, AddForeignKey, AddIndex, Change, CreateTable, Finding, Step
from ..compare.graph import Graph, Need
from ..compare.spelling import column_of
from ..schema import Ref
from ..texts import blocked
from .questions import Questions, tables_of

Said: TypeAlias = list[Step | Finding]


def steps_and_findings(questions: Questions, lacking: Collection[Ref], graph: Graph) -> Said:
    """Turn each change into a step, or into a finding that says why not; ``lacking``: what the
    comparison has stopped, by folded names.

    What needs something that is stopped is stopped too; in a circle that shows only later.
    """
    changes, stuck = graph.ordered(questions.changes)
    names, stopped, known = questions.dialect.names, set(lacking), -1
    said: dict[int, Said] = {}
    while known < len(stopped):
        known = len(stopped)
        for number, change in enumerate(changes):
            lack = next((need for need in graph.needs(change) if need[0] in stopped), None)
            ref = names.ref(change.ref)
            if lack is not None and (number not in said or _has_step(said[number])):
                said[number] = _stopped(questions, change, lack)
            elif number not in said and ref in stuck:
                said[number] = [blocked("AM140", change.ref, what=stuck[ref])]
            elif number not in said:
                said[number] = list(_items(questions, change))
            if not _has_step(said[number]):
                stopped |= set(graph.made(change))
            stopped |= {names.ref(found.ref) for found in _blocked(said[number])}
    return [item for items in said.values() for item in items]


def _stopped(questions: Questions, change: Change, lack: Need) -> Said:
    """Say of a change that it lacks something; a key whose own column does not stand, or is
    stopped, says nothing: its table or column does.
    """
    if isinstance(change, AddForeignKey):
        column = Ref("column", change.table, change.foreign_key.columns[0])
        names = questions.dialect.names
        stands = column_of(questions.actual(change.table), column.name, names.fold)
        if not stands or lack[0] == names.ref(column):
            return []
    return [blocked("AM111", change.ref, what=lack[1])]


def _has_step(items: Said) -> bool:
    return any(isinstance(item, Step) for item in items)


def _blocked(items: Said) -> list[Finding]:
    found = [item for item in items if isinstance(item, Finding)]
    return [finding for finding in found if finding.level == "blocked"]


def _items(questions: Questions, change: Change) -> Iterator[Step | Finding]:
    hidden = questions.hidden & tables_of(change)
    if hidden:
        yield blocked("AM153", change.ref, table=min(hidden, key=str))
        return
    table = change.table if isinstance(change, CreateTable) else None
    unknown = [c for c in (table.columns if table else ()) if c.type in questions.unknown_types]
    for column in unknown:
        yield blocked("AM116", Ref("column", change.ref.table, column.name), type=column.type)
    if isinstance(change, AddColumn):
        yield from _column_items(questions, change)
    elif isinstance(change, AddIndex):
        yield from _index_items(questions, change)
    elif not unknown:
        yield from questions.writer.write(change, questions)


def _column_items(questions: Questions, change: AddColumn) -> Iterator[Step | Finding]:
    column, ref = change.column, change.ref
    value = questions.value(change.table, column)
    given = value.expression is not None and value.expression.upper() != "NULL"
    if column.type in questions.unknown_types:
        yield blocked("AM116", ref, type=column.type)
        return
    if value.problem:
        yield blocked("AM110", ref, reason=value.problem)
        return
    is_filled = value.is_filled or change.fill_only
    needs_value = not (is_filled or column.null or given or column.generated)
    if needs_value and questions.has_rows(change.table):
        yield blocked("AM101", ref)
        return
    items = list(questions.writer.write(change, questions))
    asks = not is_filled and not _blocked(items) and questions.has_rows(change.table)
    yield from _unless(questions.refused_by_rows(change) if asks else None, items)


def _index_items(questions: Questions, change: AddIndex) -> Iterator[Step | Finding]:
    items = list(questions.writer.write(change, questions))
    steps = [item for item in items if isinstance(item, Step)]
    if not steps or not change.index.unique or not steps[0].rows:
        yield from items
        return
    problem = questions.duplicates(change)
    if problem is None:
        reason = f"no duplicates now, {steps[0].reason}"
        items = [replace(i, reason=reason) if isinstance(i, Step) else i for i in items]
    yield from _unless(problem, items)


def _unless(problem: Finding | None, items: Said) -> Said:
    """Return what is said of a change, after what its rows say, which may block it."""
    if problem and problem.level == "blocked":
        return [problem]
    return [problem, *items] if problem else items
