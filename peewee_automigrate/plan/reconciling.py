"""Indexes and checks whose texts differ and that may be the same all the same: the server tells.

Enters: declared tables and actual ones. Leaves: the actual ones, in the declared words where the
server says that the two are one. Loaded where an index is SQL, or a run has left a check to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..compare.diff import satisfies
from ..compare.spelling import Names
from ..dialects.remedies import Remedies
from ..schema import UNKNOWN, Catalog, Index, Table
from ..sql import index_body

_AGREED = "none: it is in the words of a declared one"


def reconciled(remedies: Remedies, declared: Iterable[Table], catalog: Catalog) -> Catalog:
    """Reads: ask about what is in doubt, all indexes of a table at once."""
    names, tables = remedies.dialect.names, dict(catalog.tables)
    for table in declared:
        key = names.table_key(table.name)
        actual = tables.get(key)
        if actual and any(c.pending and c.kind == "check" for c in actual.constraints):
            actual = tables[key] = _with_checks(remedies, table, actual)
        doubtful = _in_doubt(table, actual, names) if actual else []
        if actual and doubtful:
            standing = {names.fold(index.name): index for index in actual.indexes}
            answers = remedies.kept_indexes(actual, doubtful)
            for index, answer in zip(doubtful, answers, strict=False):
                _write(standing, index, answer, names.fold(index.name))
            tables[key] = actual._replace(indexes=tuple(standing.values()))
    return catalog._replace(tables=tables)


def _with_checks(remedies: Remedies, table: Table, actual: Table) -> Table:
    """Read: put the checks of a table into the words of the declared ones that they are."""
    kept = remedies.kept(table) or table
    pairs = zip(kept.constraints, table.constraints, strict=True)
    said = {f"{one.text} not valid": declared.text for one, declared in pairs}
    checks = [replace(c, text=said.get(c.text, c.text)) for c in actual.constraints]
    return actual._replace(constraints=tuple(checks))


def _in_doubt(table: Table, actual: Table, names: Names) -> list[Index]:
    """Return the indexes that are missing by their text, where something may be them."""
    return [
        index
        for index in table.indexes
        if index.sql
        and not any(satisfies(one, index, names) for one in actual.indexes)
        and any(_may_be(one, index, names) for one in actual.indexes)
    ]


def _may_be(actual: Index, index: Index, names: Names) -> bool:
    if UNKNOWN in (actual.where, *(key.text for key in actual.keys)):
        return False
    is_named = names.fold(actual.name) == names.fold(index.name)
    is_special = actual.sql or any(key.options for key in (*actual.keys, *index.keys))
    return is_named or bool(is_special and len(actual.keys) == len(index.keys))


def _write(standing: dict[str, Index], index: Index, answer: Index | str, name: str) -> None:
    """Put one actual index into the words of a declared one that it is, or note the doubt."""
    if isinstance(answer, str):
        if name in standing:
            standing[name] = standing[name]._replace(where=UNKNOWN, doubt=answer)
        return
    for other in sorted(standing, key=lambda other: other != name):  # that of its name first
        actual = standing[other]
        if actual.doubt != _AGREED and _is_same(actual, answer):
            agreed = actual._replace(keys=index.keys, where=index.where, method=index.method)
            standing[other] = agreed._replace(doubt=_AGREED)
            return


def _is_same(actual: Index, kept: Index) -> bool:
    """Compare what the server says of two indexes, but for their names and for being unique."""
    if actual.sql and kept.sql:
        return index_body(actual.sql) == index_body(kept.sql)
    same = actual.keys == kept.keys and actual.nulls_distinct == kept.nulls_distinct
    return same and actual.method == kept.method and not (actual.sql or kept.sql)
