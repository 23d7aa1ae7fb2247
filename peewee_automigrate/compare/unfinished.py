"""What an interrupted run has left to do for columns that it has marked; loaded where it has.

Enters: a declared table, the actual one, a pair of their columns. Leaves: changes, findings. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..changes import AddColumn, AddForeignKey, Change, Finding, ValidateConstraint
from ..schema import UNKNOWN, Column, Ref, Table
from ..texts import drift, note
from .drift import actions, find_key, said_of
from .spelling import Names


def unfinished(
    table: Table, actual: Table, pair: tuple[Column, Column], names: Names
) -> Iterator[Change | Finding]:
    """Yield what is left to do for a column, where it is a run of ours that has left the mark."""
    column, standing = pair
    is_filling = names.fold(column.name) in map(names.fold, actual.filling)
    is_due = names.fold(column.name) in map(names.fold, actual.keys_due)
    fk = table.key_of(column.name) if is_due else None
    ref = Ref("column", table.name, column.name)
    if (is_filling or fk) and not _is_left(column, standing, filling=is_filling):
        yield note("AM315", ref)
        return
    if (is_filling or fk) and not names.same_type(column.type, standing.type):
        yield drift("AM213", ref, declared=column.type, actual=standing.type)
        return
    stands = fk is not None and bool(find_key(actual, fk, names))
    if is_filling:
        follows = fk is not None and not stands
        yield AddColumn(table.name, column, None, actual, fill_only=True, key_follows=follows)
    if fk and not (is_filling and stands):
        yield AddForeignKey(table.name, fk, column=column, stands=stands)


def validations(
    table: Table, actual: Table, pending: Sequence[str], names: Names
) -> Iterator[Change | Finding]:
    """Yield which constraints a run has left to be validated: only what the model declares, since
    what they name is called by that.
    """
    known = {constraint.text for constraint in table.constraints} - {UNKNOWN}
    ours = [c.name for c in actual.constraints if c.text.removesuffix(" not valid") in known]
    for fk in table.foreign_keys:
        ours += [o.name for o in find_key(actual, fk, names) if actions(o) == actions(fk)]
    for name in pending:
        if name in ours:
            yield ValidateConstraint(table.name, name, actual)
        else:
            yield drift("AM218", Ref("constraint", table.name, name), constraint=name)


def _is_left(column: Column, actual: Column, *, filling: bool) -> bool:
    """Tell whether a column with a mark stands as an interrupted run of ours leaves it: one that is
    being filled can be NULL and has no default yet.
    """
    if actual.generated or actual.null != (filling or column.null):
        return False
    if filling and actual.default is not None:
        return False
    said = [clause.body for clause in column.declared.clauses]
    own = () if column.declared.of_kind("collate", "type") else ("own collate",)
    odd = [clause for clause in actual.declared.of_kind("other", *own) if clause.body not in said]
    return not odd and said_of(column, "on update") == said_of(actual, "on update")
