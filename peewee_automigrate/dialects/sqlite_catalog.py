"""SQLite's catalogue: one statement for all tables of all schemas, and what its rows mean.

Enters: rows. Leaves: `Table` values. Sources: https://www.sqlite.org/pragma.html (the pragmas as
table-valued functions) and https://www.sqlite.org/schematab.html.
"""

from __future__ import annotations

import json
import re
import string
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeAlias

from ..expression import parse_index, table_constraints, table_options, tokens, unquote
from ..schema import UNKNOWN, Catalog, Column, Constraint, ForeignKey, Index, Key, Table, TableName
from .base import Wanted

# One row per column, index key, foreign key column, and other relation of a wanted name. The
# pragma functions describe one table each; joined to the schema table they describe them all.
_CATALOG = """
SELECT 'column', :schema, m.name, x.name, x.type, x."notnull", x.dflt_value, x.pk, x.hidden,
       CASE WHEN x.cid = 0 THEN m.sql END
FROM {schema}.sqlite_master AS m JOIN pragma_table_xinfo(m.name, :schema) AS x
WHERE m.type IN ('table', 'view') AND lower(m.name) IN (SELECT value FROM json_each(:tables))
UNION ALL
SELECT 'key', :schema, m.name, l.name, l."unique", l.origin, l.partial, k.cid, k.name,
       CASE WHEN k."desc" THEN 'desc' ELSE '' END || ',' || k.coll
FROM {schema}.sqlite_master AS m
JOIN pragma_index_list(m.name, :schema) AS l JOIN pragma_index_xinfo(l.name, :schema) AS k
WHERE m.type = 'table' AND k.key AND lower(m.name) IN (SELECT value FROM json_each(:tables))
UNION ALL
SELECT 'parent', :schema, m.name, f."table", f.id, f."from", f."to", f.on_delete, f.on_update,
       NULL
FROM {schema}.sqlite_master AS m JOIN pragma_foreign_key_list(m.name, :schema) AS f
WHERE m.type = 'table' AND lower(m.name) IN (SELECT value FROM json_each(:tables))
UNION ALL
SELECT 'name', :schema, m.tbl_name, m.name, m.type, NULL, NULL, NULL, NULL, m.sql
FROM {schema}.sqlite_master AS m
WHERE lower(m.name) IN (SELECT value FROM json_each(:names))
   OR m.type = 'index' AND lower(m.tbl_name) IN (SELECT value FROM json_each(:tables))
"""
_ACTIONS = {"NO ACTION": "", "NONE": ""}


_Name: TypeAlias = tuple[str, str]  # schema and table or index
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def fold(name: str) -> str:
    """Names ignore the case of ASCII letters, and only of these."""
    return name.lower() if name.isascii() else name.translate(_LOWER)


@cache
def canonical_type(text: str) -> str:
    """Return a type in upper case, with single spaces."""
    return " ".join(text.upper().split())


def read(ask: Callable[..., list[Any]], quote: Callable[[str], str], wanted: Wanted) -> Catalog:
    """Read the wanted tables; ``ask`` sends a query. One statement, two with attached schemas."""
    schemas = sorted({table.schema for table in wanted.tables if table.schema} | {"main"})
    attached = {"main"}
    if len(schemas) > 1:
        attached = {row[1] for row in ask("PRAGMA database_list")}
    reader = _Reader({TableName(_none(n.schema), fold(n.name)) for n in wanted.constrained})
    statements: list[str] = []
    params: list[str] = []
    for schema in filter(attached.__contains__, schemas):
        values = {
            "schema": schema,
            "tables": _folded(wanted.tables, schema),
            "names": _folded(wanted.names, schema),
        }
        sql = _CATALOG.format(schema=quote(schema))
        params += [values[name] for name in re.findall(r":(\w+)\b", sql)]
        statements.append(re.sub(r":\w+\b", "?", sql))
    for row in ask(" UNION ALL ".join(statements), params):
        reader.add(row)
    return Catalog(reader.tables(), reader.owners, frozenset(attached), "main")


def _none(schema: str | None) -> str | None:
    """The main schema goes without a name."""
    return None if schema == "main" else schema


def _folded(names: Sequence[TableName], schema: str) -> str:
    return json.dumps([fold(n.name) for n in names if (n.schema or "main") == schema])


class _Reader:
    """Collects the rows of the catalogue query and makes tables of them."""

    def __init__(self, constrained: set[TableName]) -> None:
        self.constrained = constrained
        self.owners: dict[TableName, str] = {}
        self._columns: dict[_Name, list[Any]] = defaultdict(list)
        self._keys: dict[_Name, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
        self._parents: dict[_Name, dict[int, list[Any]]] = defaultdict(lambda: defaultdict(list))
        self._index_sql: dict[_Name, str] = {}

    def add(self, row: Sequence[Any]) -> None:
        kind, schema, table = row[:3]
        key = (schema, table)
        if kind == "column":
            self._columns[key].append(row[3:])
        elif kind == "key":
            self._keys[key][row[3]].append(row[4:])
        elif kind == "parent":
            self._parents[key][row[4]].append(row[3:])
        else:
            is_index = row[4] == "index"
            self.owners[TableName(schema, fold(row[3]))] = (
                f"an index of {table}" if is_index else f"a {row[4]}"
            )
            if is_index and row[9]:
                self._index_sql[schema, row[3]] = row[9]

    def tables(self) -> dict[TableName, Table]:
        return {
            TableName(_none(schema), fold(name)): self._table(schema, name, rows)
            for (schema, name), rows in self._columns.items()
        }

    def _table(self, schema: str, table: str, rows: list[Any]) -> Table:
        name = TableName(_none(schema), table)
        sql = next(row[6] for row in rows if row[6]) or ""
        words = sql[:40].upper().split()
        kind = {"VIRTUAL": "virtual", "VIEW": "view"}.get(words[1] if words[1:] else "", "table")
        primary = tuple(row[0] for row in sorted((r for r in rows if r[4]), key=lambda r: r[4]))
        options = table_options(sql) if kind == "table" else ()
        is_rowid = len(primary) == 1 and "without rowid" not in options
        columns = tuple(self._column(row, is_rowid) for row in rows if row[5] != 1)
        indexes = tuple(
            self._index(schema, index, keys, columns)
            for index, keys in self._keys[schema, table].items()
        )
        if primary and not any(index.origin == "pk" for index in indexes):
            keys = tuple(Key(column) for column in primary)
            indexes += (Index("", keys, unique=True, origin="pk"),)
        constraints: tuple[Constraint, ...] = ()
        if TableName(name.schema, fold(name.name)) in self.constrained:
            constraints = tuple(Constraint(*pair) for pair in table_constraints(sql))
        parents = tuple(
            _foreign_key(name.schema, fk) for fk in self._parents[schema, table].values()
        )
        return Table(
            name,
            columns,
            primary,
            indexes,
            parents,
            constraints,
            kind,
            schema=schema,
            options=options,
        )

    def _column(self, row: Sequence[Any], is_rowid: bool) -> Column:
        name, type_name, not_null, default, primary, hidden, _ = row
        canonical = canonical_type(type_name)
        rowid_alias = is_rowid and bool(primary) and canonical == "INTEGER"
        generated = {2: "virtual", 3: "stored"}.get(hidden, "rowid" if rowid_alias else "")
        return Column(name, canonical, not (not_null or rowid_alias), default, generated)

    def _index(self, schema: str, name: str, rows: list[Any], columns: tuple[Column, ...]) -> Index:
        unique, origin, partial = bool(rows[0][0]), rows[0][1], bool(rows[0][2])
        keys = tuple(Key(row[4], True, row[5].split(",")[0]) for row in rows if row[3] >= -1)
        binary = all(row[5].endswith(",BINARY") for row in rows)
        if len(keys) == len(rows) and not partial and (binary or origin != "c"):
            return Index(name, keys, unique, origin={"c": "index"}.get(origin, origin))
        sql = self._index_sql.get((schema, name), "")
        parsed = parse_index(sql)
        if parsed is None:
            return Index(name, keys, unique, where=UNKNOWN if partial else "")
        keys = tuple(
            Key(key.text, key.is_column and row[3] != -2, key.options)
            for key, row in zip(parsed.keys, rows, strict=True)
        )
        known = {fold(column.name) for column in columns}
        texts = [key.text for key in parsed.keys if key.is_column]
        texts += [unquote(item) for item in tokens(sql) if item.startswith('"')]
        misread = tuple(text for text in texts if fold(text) not in known)
        return Index(name, keys, unique, where=parsed.where, misread=misread)


def _foreign_key(schema: str | None, rows: list[Any]) -> ForeignKey:
    """Make a foreign key of its rows; a parent column that is not named is the primary key."""
    parent, _, _, _, on_delete, on_update, _ = rows[0]
    return ForeignKey(
        columns=tuple(row[2] for row in rows),
        parent=TableName(schema, parent),
        parent_columns=tuple(row[3] or "" for row in rows),
        on_delete=_ACTIONS.get(on_delete, on_delete),
        on_update=_ACTIONS.get(on_update, on_update),
    )
