"""SQLite: the outlines of all tables, by one statement with a row for each table.

Enters: names of tables. Leaves: an `Outline` by name. Sources as in `catalogue`.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...compare.outlines import ITEM, PART, columns_of
from ...schema import GIVEN, NEEDED, NULLABLE, Outline, TableName
from ..base import Dialect
from .catalogue import asked
from .names import canonical_type, fold

_OUTLINES = f"""
SELECT :schema, m.name,
  (SELECT count(*) || '{ITEM}' || group_concat(
     x.name || '{PART}' || x.type || '{PART}' || CASE
       WHEN NOT x."notnull" THEN {NULLABLE}
       WHEN x.dflt_value IS NULL AND x.hidden = 0 THEN {NEEDED} ELSE {GIVEN} END
     || '{PART}' || x.pk, '{ITEM}')
   FROM pragma_table_xinfo(m.name, :schema) AS x WHERE x.hidden <> 1),
  (SELECT group_concat(
     CASE WHEN l.origin = 'pk' THEN 'primary' WHEN l."unique" THEN 'unique' ELSE 'index' END
     || '{PART}' || (
       SELECT group_concat(CASE
         WHEN l.partial OR k.cid < 0 OR l.origin = 'c' AND (k."desc" OR k.coll <> 'BINARY') THEN ''
         ELSE k.name END, '{PART}')
       FROM pragma_index_xinfo(l.name, :schema) AS k WHERE k.key), '{ITEM}')
   FROM pragma_index_list(m.name, :schema) AS l)
FROM {{schema}}.sqlite_master AS m
WHERE m.type = 'table' AND m.sql NOT LIKE 'CREATE VIRTUAL%'
  AND lower(m.name) IN (SELECT value FROM json_each(:tables))
"""


def read(dialect: Dialect, tables: Sequence[TableName]) -> dict[TableName, Outline]:
    """Read the outlines of those tables that stand."""
    _, rows = asked(dialect.rows, dialect.quote, _OUTLINES, tables, tables)
    made = {(schema, fold(name)): rest for schema, name, *rest in rows}
    found = {table: made.get((table.schema or "main", fold(table.name))) for table in tables}
    return {table: _outline(*rest) for table, rest in found.items() if rest}


def _outline(columns: str, indexes: str | None) -> Outline:
    found = columns_of(columns, 4)
    kinds = {name: (canonical_type(text), flag) for name, text, flag, _ in found}
    each = {tuple(item.split(PART)) for item in indexes.split(ITEM)} if indexes else set()
    odd = {index for index in each if "" in index}
    key = sorted((int(place), name) for name, _, _, place in found if place != "0")
    if key and not any(index[0] == "primary" for index in each):
        each.add(("primary", *[name for _, name in key]))
    is_odd = not found or any(index[0] != "index" for index in odd)
    return Outline(kinds, each - odd, is_odd)
