"""What a plan says beyond what a start has to know: drift without false alarms, and its SQL.

Enters: findings of a comparison, the declared tables and the actual ones. Leaves: findings. Asks
the server how it would keep what is declared, and about rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..changes import Finding
from ..compare.drift import differences, matched
from ..dialects.remedies import Remedies
from ..schema import Catalog, Table


def explained(
    findings: Iterable[Finding], remedies: Remedies, tables: Iterable[Table], catalog: Catalog
) -> list[Finding]:
    """Reads: return findings as the server sees them, with the SQL that would resolve them."""
    names, said = remedies.dialect.names, list(findings)
    declared = {names.table_key(table.name): table for table in tables}
    for key in {names.table_key(one.ref.table): None for one in said if _is_in_doubt(one)}:
        table, actual = declared[key], catalog.tables[key]
        if kept := remedies.kept(table):
            columns = matched(table, actual, names.fold), matched(kept, actual, names.fold)
            before = list(differences(table, actual, columns[0], names))
            after = list(differences(kept, actual, columns[1], names, certain=True))
            declared[key], said = kept, list(_replaced(said, before, after))
    said.sort(key=lambda finding: finding.code != "AM209")
    for place, found in enumerate(said):
        key = names.table_key(found.ref.table)
        is_open = found.level != "blocked" and not found.sql
        if is_open and key in declared and key in catalog.tables:
            said[place] = remedies.resolved(found, declared[key], catalog.tables[key])
    return said


_IN_DOUBT = {"AM201", "AM203", "AM208", "AM304"}  # which rest on how a text is spelled


def _is_in_doubt(found: Finding) -> bool:
    return found.code in _IN_DOUBT and found.ref.kind in ("column", "constraint")


def _replaced(
    said: Sequence[Finding], before: Sequence[Finding], after: Sequence[Finding]
) -> Iterator[Finding]:
    """Yield findings with what was found of one table, in its place, by what is found now."""
    first = next(filter(_is_in_doubt, before))
    for finding in said:
        if finding == first:
            yield from after
        elif finding not in before:
            yield finding
