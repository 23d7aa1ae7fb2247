"""(missing, unknown) -> what may have been renamed. It is never decided, only asked.

Enters: what is missing, and what stands that no model knows. Leaves: pairs. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import product
from typing import Any

from ..changes import Finding
from ..schema import Column, Ref, Table, TableName
from ..texts import blocked, note
from .spelling import Names


def renamed_columns(
    table: TableName, missing: Sequence[Column], unknown: Sequence[Column], names: Names
) -> dict[str, Finding]:
    """Return for the names of missing columns a question about the unknown one that it may have
    been: each one once, those whose names are most alike first.
    """
    pairs = [(new, old) for new, old in product(missing, unknown) if _may_be(new, old, names)]
    found = _paired((_likeness(new.name, old.name), new.name, old.name, old) for new, old in pairs)
    return {name: _question(Ref("column", table, name), old, names) for name, old in found.items()}


def _question(ref: Ref, old: Column, names: Names) -> Finding:
    """Return a question, which blocks the column where inserts without the old one would fail."""
    sql = f"ALTER TABLE {names.quote_table(ref.table)} RENAME COLUMN {names.quote(old.name)}"
    sql += f" TO {names.quote(ref.name)}"
    if old.needs_value:
        return blocked("AM154", ref, sql, other=old.name, name=ref.name)
    return note("AM210", ref, sql, other=old.name)


def _may_be(new: Column, old: Column, names: Names) -> bool:
    if new.declared.is_new or old.generated in ("virtual", "stored"):
        return False
    words = [c.type.partition("(")[0].strip().lower() for c in (new, old)]
    # SQLite takes all texts for one type; MariaDB calls JSON LONGTEXT.
    is_alike = words[0] in (words[1], "json")
    return is_alike and bool(names.same_type(new.type, old.type))


def renamed_tables(
    missing: Sequence[Table], others: Mapping[TableName, Iterable[str]], names: Names
) -> dict[TableName, TableName]:
    """Return for the names of missing tables those with the same columns, each one once."""
    columns = {name: set(map(names.fold, found)) for name, found in others.items()}
    wanted = {table.name: {names.fold(c.name) for c in table.columns} for table in missing}
    pairs = [(new, old) for new, old in product(wanted, columns) if wanted[new] == columns[old]]
    alike = ((_likeness(new.name, old.name), new, old, old) for new, old in pairs)
    return _paired(pair for pair in alike if len(wanted[pair[1]]) > 1)


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other).ratio()


def _paired(found: Iterable[tuple[float, Any, Any, Any]]) -> dict[Any, Any]:
    """Take the most alike first, and each side once."""
    pairs: dict[Any, Any] = {}
    used: set[Any] = set()
    for _, new, key, old in sorted(found, key=lambda pair: (-pair[0], str(pair[1]), str(pair[2]))):
        if new not in pairs and key not in used:
            pairs[new] = old
            used.add(key)
    return pairs
