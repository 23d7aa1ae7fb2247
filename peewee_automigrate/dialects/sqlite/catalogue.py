"""SQLite's catalogue: one statement for all tables of all schemas, and what its rows mean.

Enters: rows. Leaves: `Table` values. Sources: https://www.sqlite.org/pragma.html (table-valued
functions) and https://www.sqlite.org/schematab.html.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeAlias

from ...compare.spelling import constraint, normalize, spelled_keys
from ...schema import (
    UNKNOWN,
    Catalog,
    Column,
    ForeignKey,
    Index,
    Key,
    Table,
    TableName,
    Wanted,
    standing,
)
from ...sql import defined, parse_index, parts_of, table_constraints, table_options, tokens, unquote
from .names import canonical_type, fold, rowids, unbracketed

# One row per column, index key, foreign key column, and other relation of a wanted name. The
# pragma functions describe one table each; joined to the schema table they describe them all.
_CATALOG = """
SELECT 'column', :schema, m.name, x.name, x.type, x."notnull", x.dflt_value, x.pk, x.hidden,
       CASE WHEN x.cid = 0 THEN m.sql END
FROM {schema}.sqlite_master AS m JOIN pragma_table_xinfo(m.name, :schema) AS x
WHERE m.type IN ('table', 'view') AND lower(m.name) IN (SELECT value FROM json_each(:tables))
UNION ALL
SELECT 'key', :schema, m.name, l.name, l."unique", l.origin, l.partial, k.cid, k.name,
       CASE WHEN k."desc" THEN 'desc,' || k.coll WHEN k.coll <> 'BINARY' THEN ',' || k.coll END
FROM {schema}.sqlite_master AS m
JOIN pragma_index_list(m.name, :schema) AS l JOIN pragma_index_xinfo(l.name, :schema) AS k
WHERE m.type = 'table' AND k.key AND lower(m.name) IN (SELECT value FROM json_each(:tables))
UNION ALL
SELECT 'parent', :schema, m.name, f."table", f.id, f."from", f."to", f.on_delete, f.on_update,
       NULL
FROM {schema}.sqlite_master AS m JOIN pragma_foreign_key_list(m.name, :schema) AS f
WHERE m.type = 'table' AND lower(m.name) IN (SELECT value FROM json_each(:tables))
UNION ALL
SELECT 'name', :schema, m.tbl_name, m.name, lower(m.name),
       CASE m.type WHEN 'index' THEN 'an index of ' || m.tbl_name ELSE 'a ' || m.type END,
       NULL, NULL, NULL, m.sql
FROM {schema}.sqlite_master AS m
WHERE m.type <> 'trigger' AND lower(m.name) IN (SELECT value FROM json_each(:names))
   OR m.type = 'index' AND lower(m.tbl_name) IN (SELECT value FROM json_each(:tables))
"""
_ACTIONS = {"NO ACTION": "", "NONE": ""}

_Row: TypeAlias = tuple[Any, ...]
_GENERATED = {2: "virtual", 3: "stored"}


def read(ask: Callable[..., list[Any]], quote: Callable[[str], str], wanted: Wanted) -> Catalog:
    """Read the wanted tables; ``ask`` sends a query. One statement, two with attached schemas."""
    attached, rows = asked(ask, quote, _CATALOG, wanted.tables, wanted.names)
    reader = _Reader(rows)
    tables = {}
    for want in wanted.tables:
        found = reader.table(want, want in wanted.constrained)
        if found:
            tables[TableName(want.schema, fold(want.name))] = found
    return Catalog(tables, reader.owners, frozenset(attached), "main")


def asked(
    ask: Callable[..., list[Any]],
    quote: Callable[[str], str],
    query: str,
    tables: Sequence[TableName],
    names: Sequence[TableName],
) -> tuple[set[str], list[_Row]]:
    """Send a query of each schema as one statement; return the schemas that stand, and rows."""
    schemas = sorted({table.schema for table in tables if table.schema} | {"main"})
    attached = {"main"}
    if len(schemas) > 1:
        attached = {row[1] for row in ask("PRAGMA database_list")}
    statements: list[str] = []
    params: list[str] = []
    for schema in filter(attached.__contains__, schemas):
        values = {
            "schema": schema,
            "tables": _folded(tables, schema),
            "names": _folded(names, schema),
        }
        sql = query.format(schema=quote(schema))
        params += [values[name] for name in re.findall(r":(\w+)\b", sql)]
        statements.append(re.sub(r":\w+\b", "?", sql))
    return attached, ask(" UNION ALL ".join(statements), params)


def _folded(names: Sequence[TableName], schema: str) -> str:
    return json.dumps([fold(n.name) for n in names if (n.schema or "main") == schema])


def _grouped(rows: Iterable[_Row], key: Callable[[_Row], Any]) -> dict[Any, list[_Row]]:
    """Group rows by a key; those of one key mostly follow each other."""
    groups: dict[Any, list[_Row]] = defaultdict(list)
    for name, group in groupby(rows, key):
        groups[name] += group
    return groups


class _Reader:
    """Sorts the rows of the catalogue query by table, and makes tables of them."""

    def __init__(self, rows: list[_Row]) -> None:
        self.rows = _grouped(rows, itemgetter(0, 1, 2))
        columns = [place for kind, *place in self.rows if kind == "column"]
        self.places = {(schema, fold(name)): (schema, name) for schema, name in columns}
        self.owners = {TableName(row[1], row[4]): row[5] for row in rows if row[0] == "name"}

    def table(self, wanted: TableName, is_constrained: bool) -> Table | None:
        place = self.places.get((wanted.schema or "main", fold(wanted.name)))
        if place is None:
            return None
        rows, keys, parents, names = (
            self.rows.get((kind, *place), []) for kind in ("column", "key", "parent", "name")
        )
        sql = next((row[9] for row in rows if row[9]), "")
        words = sql[:40].upper().split()
        kind = {"VIRTUAL": "virtual", "VIEW": "view"}.get(words[1] if words[1:] else "", "table")
        primary = tuple(row[3] for row in sorted((r for r in rows if r[7]), key=itemgetter(7)))
        options = table_options(sql) if kind == "table" else ()
        is_rowid = len(primary) == 1 and "without rowid" not in options
        columns = tuple([_column(row, is_rowid) for row in rows if row[8] != 1])
        if kind == "table" and "collate" in sql.lower():
            columns = tuple(_collated(columns, sql))
        has_alias = any(column.generated == "rowid" for column in columns)
        made = {row[3]: row[9] or "" for row in names}
        indexes = [
            _index(name, group, columns, made.get(name, ""))
            for name, group in _grouped(keys, itemgetter(3)).items()
        ]
        if primary and not any(index.origin == "pk" for index in indexes):
            indexes.append(Index("", tuple(map(Key, primary)), unique=True, origin="pk"))
        groups = _grouped(parents, itemgetter(4)).values()
        return Table(
            TableName(wanted.schema, place[1]),
            columns,
            primary,
            tuple(indexes),
            tuple([_foreign_key(place[0], group) for group in groups]),
            tuple(map(constraint, table_constraints(sql))) if is_constrained else (),
            kind,
            schema=place[0],
            options=options,
            implicit=rowids(options, columns) if kind == "table" and not has_alias else (),
        )


def _column(row: _Row, is_rowid: bool) -> Column:
    _, _, _, name, type_name, not_null, default, primary, hidden, _ = row
    canonical = canonical_type(type_name)
    rowid_alias = bool(is_rowid and primary and canonical == "INTEGER")
    generated = "rowid" if rowid_alias else _GENERATED.get(hidden, "")
    return Column(name, canonical, not (not_null or rowid_alias), default, generated)


def _collated(columns: Sequence[Column], sql: str) -> Iterator[Column]:
    """Yield columns with the collations that only the statement tells."""
    parts = map(defined, parts_of(unbracketed(sql))[0])
    told = {fold(unquote(name)): found for name, _, found in parts}
    for column in columns:
        bodies = [c.body for c in told.get(fold(column.name), ()) if c.kind == "collate"]
        yield column._replace(declared=standing(collate=bodies[-1])) if bodies else column


def _index(name: str, rows: list[_Row], columns: tuple[Column, ...], sql: str) -> Index:
    """Make an index of its rows, and of its statement where they do not say all of it."""
    unique, origin, partial = bool(rows[0][4]), rows[0][5], rows[0][6]
    is_plain = not partial and all(row[7] != -2 for row in rows)
    orders = {row[9] or "" for row in rows} if origin == "c" else set()
    is_told = is_plain and orders <= {"", "desc,BINARY"}
    parsed = None if is_told else parse_index(unbracketed(sql))
    if parsed is None:
        keys = tuple(
            Key(UNKNOWN, False) if row[7] == -2 else Key(row[8], True, (row[9] or "").split(",")[0])
            for row in rows
        )
        where, origin = "" if is_plain else UNKNOWN, "index" if origin == "c" else origin
        return Index(name, keys, unique, where=where, origin=origin)
    keys = tuple(
        key._replace(is_column=False) if row[7] == -2 else Key(row[8], True, key.options)
        for key, row in zip(spelled_keys(parsed), rows, strict=True)
    )
    known = {fold(column.name) for column in columns}
    texts = [key.text for key in parsed.keys if key.is_column]
    quoted = [item for text in parsed.expressions for item in tokens(text) if item[0] == '"']
    misread = tuple(text for text in (*texts, *map(unquote, quoted)) if fold(text) not in known)
    return Index(name, keys, unique, where=normalize(parsed.where), misread=misread)


def _foreign_key(schema: str, rows: list[_Row]) -> ForeignKey:
    """Make a foreign key of its rows; a parent column that is not named is the primary key."""
    _, _, _, parent, _, _, _, on_delete, on_update, _ = rows[0]
    return ForeignKey(
        columns=tuple([row[5] for row in rows]),
        parent=TableName(schema, parent),
        parent_columns=tuple([row[6] or "" for row in rows]),
        on_delete=_ACTIONS.get(str(on_delete), str(on_delete)),
        on_update=_ACTIONS.get(str(on_update), str(on_update)),
    )
