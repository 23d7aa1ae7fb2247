"""Constraints that exist and differ: reported, never touched. Loaded where there are any.

Enters: one declared table as `spelling` spells it, the actual one, a database's names. Leaves:
findings. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..changes import Finding
from ..schema import UNKNOWN, Constraint, Ref, Table
from ..texts import drift, note
from .spelling import Names, does_constraint, same_names


def constraints(
    table: Table, actual: Table, missing: set[str], names: Names, certain: bool
) -> Iterator[Finding]:
    """Yield what differs, and what no model knows. ``missing`` are folded names of columns whose
    own checks come with them; ``certain`` as `drift.differences` takes it.
    """
    for constraint in table.constraints:
        if constraint.kind != "check" or missing.isdisjoint(map(names.fold, constraint.columns)):
            yield from _constraint(table, actual, constraint, names, certain)
    yield from _unknown_constraints(table, actual, names)


def _constraint(
    table: Table, actual: Table, constraint: Constraint, names: Names, certain: bool
) -> Iterator[Finding]:
    """Another text under the same name, or without a name, may still mean the same."""
    fold = names.fold
    name, others = fold(constraint.name), actual.constraints
    if constraint.text in [other.text for other in others]:
        return
    if any(does_constraint(index, constraint, names) for index in actual.indexes):
        return
    keys = actual.foreign_keys if constraint.kind == "foreign key" else ()
    if any(same_names(fk.columns, constraint.columns, fold) for fk in keys):
        return
    ref = Ref("constraint", table.name, constraint.name)
    named = next((other for other in others if name and fold(other.name) == name), None)
    if named and UNKNOWN in (constraint.text, named.text):
        return
    alike = any(other.kind in (constraint.kind, UNKNOWN) for other in others)
    if named and certain:
        texts = {"actual": named.text, "declared": constraint.text}
        yield drift("AM216", ref, constraint=constraint.name, **texts)
    elif named or (alike and not name and not certain):
        yield note("AM304", ref, what=f"the constraint {constraint.text}")
    else:
        yield drift("AM208", ref, constraint=constraint.text)


def _unknown_constraints(table: Table, actual: Table, names: Names) -> Iterator[Finding]:
    """Yield what only the database has, and can refuse rows; a unique index tells of itself."""
    fold = names.fold
    known = {fold(c.name) for c in table.constraints if c.name}
    known |= {c.text for c in table.constraints}
    for one in actual.constraints:
        is_known = one.text in known or fold(one.name) in known or UNKNOWN in (one.kind, one.text)
        if one.kind in ("check", "exclude") and not is_known and "json_valid" not in one.text:
            yield note("AM314", Ref("constraint", table.name, one.name), constraint=one.text)
    lists = [set(map(fold, fk.columns)) for fk in table.foreign_keys]
    lists += [set(map(fold, c.columns)) for c in table.constraints if c.kind == "foreign key"]
    for fk in actual.foreign_keys:
        if set(map(fold, fk.columns)) not in lists:
            text = f"foreign key ({', '.join(fk.columns)}) to {fk.parent}"
            yield note("AM314", fk.ref(table.name), constraint=text)
