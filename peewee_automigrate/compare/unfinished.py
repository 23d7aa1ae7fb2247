"""What an interrupted run has left to do for columns that it has marked; loaded where it has.

Enters: a declared table, the actual one, a pair of their columns. Leaves: changes, findings. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..changes import AddColumn, AddForeignKey, Change, Finding
from ..schema import Column, Ref, Table
from ..texts import note
from .drift import find_key, said_of
from .spelling import Names


def unfinished(
    table: Table, actual: Table, pair: tuple[Column, Column], names: Names
) -> Iterator[Change | Finding]:
    """Yield what is left to do for a column, where it is a run of ours that has left the mark."""
    column, standing = pair
    is_filling = names.fold(column.name) in map(names.fold, actual.filling)
    is_due = names.fold(column.name) in map(names.fold, actual.keys_due)
    fk = table.key_of(column.name) if is_due else None
    if (is_filling or fk) and not _is_left(column, standing, filling=is_filling):
        yield note("AM315", Ref("column", table.name, column.name))
        return
    stands = fk is not None and bool(find_key(actual, fk, names))
    if is_filling:
        follows = fk is not None and not stands
        yield AddColumn(table.name, column, None, actual, fill_only=True, key_follows=follows)
    if fk and not (is_filling and stands):
        yield AddForeignKey(table.name, fk, column=column, stands=stands)


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
