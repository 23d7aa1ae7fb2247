"""MySQL's and MariaDB's catalogue: two statements for all tables, and what their rows mean.

Enters: rows of ``information_schema``. Leaves: `Table` values. A lock that somebody holds by LOCK
TABLES does not make these wait. Sources:
https://dev.mysql.com/doc/refman/8.0/en/information-schema.html and
https://mariadb.com/kb/en/information-schema-tables/. MySQL 8 itself was not run.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from ...compare.spelling import constraint, normalize
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
from ...sql import defined, unquote
from ..base import MARK, ChangedMeanwhile
from . import servers
from .names import (
    Settings,
    bytes_per_character,
    canonical_action,
    canonical_default,
    canonical_type,
    is_number,
    key_limit,
)

SETTINGS = """
SELECT version(), database(), @@lower_case_table_names, @@collation_database, @@sql_mode"""

# One row per schema, relation and column. The schema is compared to one constant, since only then
# does MariaDB look into no other.
_RELATIONS = """
SELECT 'schema' AS kind, SCHEMA_NAME, '' AS name, NULL AS a, NULL AS b, NULL AS c, NULL AS d,
       NULL AS remark, NULL AS characters, 0 AS place
FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {schema}
UNION ALL
SELECT 'table', TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_ROWS, ROW_FORMAT,
       CREATE_OPTIONS, TABLE_COLLATION, 0
FROM information_schema.TABLES WHERE TABLE_SCHEMA = {schema} AND TABLE_NAME IN ({tables})
UNION ALL
SELECT 'column', TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT,
       concat_ws(_utf8mb4 X'0A', EXTRA, COLUMN_COMMENT), COLLATION_NAME, ORDINAL_POSITION
FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = {schema} AND TABLE_NAME IN ({tables})
"""

# One row per key of an index, and one per column of a foreign key.
_DETAILS = """
SELECT 'key' AS kind, TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, NON_UNIQUE, COLUMN_NAME, SUB_PART,
       INDEX_TYPE, COLLATION, {expression} AS expression, SEQ_IN_INDEX AS place
FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = {schema} AND TABLE_NAME IN ({tables})
UNION ALL
SELECT 'parent', TABLE_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, NULL, COLUMN_NAME,
       REFERENCED_TABLE_SCHEMA, REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME, NULL,
       ORDINAL_POSITION
FROM information_schema.KEY_COLUMN_USAGE
WHERE TABLE_SCHEMA = {schema} AND TABLE_NAME IN ({tables}) AND REFERENCED_TABLE_NAME IS NOT NULL
UNION ALL
SELECT 'actions', CONSTRAINT_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, NULL, DELETE_RULE, UPDATE_RULE,
       NULL, NULL, NULL, 0
FROM information_schema.REFERENTIAL_CONSTRAINTS
WHERE CONSTRAINT_SCHEMA = {schema} AND TABLE_NAME IN ({tables})
"""
_MARIADB_CHECK = """
UNION ALL
SELECT 'check', CONSTRAINT_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, NULL, CHECK_CLAUSE, NULL, NULL,
       NULL, NULL, 0
FROM information_schema.CHECK_CONSTRAINTS
WHERE CONSTRAINT_SCHEMA = {schema} AND TABLE_NAME IN ({tables})"""
_MYSQL_CHECK = """
UNION ALL
SELECT 'check', c.CONSTRAINT_SCHEMA, t.TABLE_NAME, c.CONSTRAINT_NAME, NULL, c.CHECK_CLAUSE, NULL,
       NULL, NULL, NULL, 0
FROM information_schema.CHECK_CONSTRAINTS AS c JOIN information_schema.TABLE_CONSTRAINTS AS t
  ON t.CONSTRAINT_SCHEMA = c.CONSTRAINT_SCHEMA AND t.CONSTRAINT_NAME = c.CONSTRAINT_NAME
WHERE c.CONSTRAINT_SCHEMA = {schema} AND t.TABLE_NAME IN ({tables})
  AND t.CONSTRAINT_TYPE = 'CHECK'"""
_KINDS = {"VIEW": "view", "SYSTEM VIEW": "view", "SEQUENCE": "sequence"}
_ROWS = ("table", "column", "key", "parent", "actions", "check")
_UNREAD = (UNKNOWN, UNKNOWN)  # actions of a foreign key, to a role that may only read
_Row: TypeAlias = Sequence[Any]
KEY_MARK = "peewee_automigrate: foreign key follows"


def settings_of(row: Sequence[Any]) -> Settings:
    """Return what a row of `SETTINGS` tells of the server. Raises `UnsupportedDatabase`."""
    text, schema, lower_case, collation, sql_mode = row
    server, version = servers.known(text)
    return Settings(version, server, schema, bool(int(lower_case)), collation, sql_mode)


def read(
    ask: Callable[..., list[Any]],
    settings: Settings,
    fold_table: Callable[[str], str],
    wanted: Wanted,
) -> Catalog:
    """Read the wanted tables in two statements; ``ask`` sends a query.

    Raises `ChangedMeanwhile` for a table that is being created just now.
    """
    schemas = sorted({t.schema or settings.schema or "" for t in wanted.tables})
    parts = [(name, names_in(wanted.tables, name, settings)) for name in schemas]
    relations = asked(ask, _RELATIONS, parts)
    details = asked(ask, _details(settings, bool(wanted.constrained)), parts)
    rows: dict[tuple[str, str, str], list[_Row]] = defaultdict(list)
    for row in (*relations, *details):
        rows[row[0], row[1], fold_table(row[2])].append(row)
    tables = {}
    for want in wanted.tables:
        key, schema = TableName(want.schema, fold_table(want.name)), want.schema or settings.schema
        kinds = {kind: rows.get((kind, schema or "", key.name), []) for kind in _ROWS}
        if kinds["table"] and kinds["table"][0][3] != "SEQUENCE":
            tables[key] = _table(want, kinds, settings)
    owners = {
        TableName(schema, name): f"a {_KINDS.get(its[0][3], 'table')}"
        for (kind, schema, name), its in rows.items()
        if kind == "table"
    }
    found = frozenset(schema for kind, schema, _ in rows if kind == "schema")
    return Catalog(tables, owners, found, settings.schema)


def names_in(tables: Sequence[TableName], schema: str, settings: Settings) -> list[str]:
    return sorted({t.name for t in tables if (t.schema or settings.schema) == schema})


def _details(settings: Settings, with_checks: bool) -> str:
    """Return the second query; MySQL has indexes on expressions, and keeps no table of a CHECK."""
    check = _MARIADB_CHECK if settings.is_mariadb else _MYSQL_CHECK
    expression = "NULL" if settings.is_mariadb else "CAST(EXPRESSION AS CHAR)"
    return _DETAILS.replace("{expression}", expression) + (check if with_checks else "")


def asked(
    ask: Callable[..., list[Any]], sql: str, parts: Sequence[tuple[str, Sequence[str]]]
) -> list[Any]:
    """Send one statement for the tables of several schemas."""
    words = re.findall(r"{(schema|tables)}", sql)
    statements: list[str] = []
    params: list[str] = []
    for schema, names in parts:
        marks = ", ".join(["%s"] * len(names))
        statements.append(sql.format(schema="%s", tables=marks))
        for word in words:
            params += [schema] if word == "schema" else names
    return ask(" UNION ALL ".join(statements), params)


def _table(wanted: TableName, rows: dict[str, list[_Row]], settings: Settings) -> Table:
    """Make a table of its rows by their kind."""
    relation = rows["table"][0]
    columns = sorted(rows["column"], key=_place)
    if not columns and relation[3] == "BASE TABLE":
        text = "the database shows this role no columns of the table"
        raise ChangedMeanwhile(f"{wanted}: {text}")
    charsets = {row[3]: (row[8] or "").partition("_")[0] or None for row in columns}
    options = _options(relation, rows["key"])
    keys = _by_name(rows["key"]).values()
    indexes = [_index(found, charsets, key_limit(options)) for found in keys]
    actions = {row[3]: map(canonical_action, row[5:7]) for row in rows["actions"]}
    return Table(
        name=TableName(wanted.schema, relation[2]),
        columns=tuple([_column(row, settings, relation[8]) for row in columns]),
        primary_key=next((i.columns for i in indexes if i.origin == "pk"), ()),
        indexes=tuple(indexes),
        foreign_keys=tuple(
            _foreign_key(found, *actions.get(name, _UNREAD))
            for name, found in _by_name(rows["parent"]).items()
        ),
        constraints=tuple(constraint(f"CHECK ({row[5]})", row[3]) for row in rows["check"]),
        kind=_KINDS.get(relation[3], "table"),
        rows=int(relation[5]) if relation[5] is not None else -1,
        schema=relation[1],
        options=options,
        filling=_marked(columns, MARK),
        keys_due=_marked(columns, MARK, KEY_MARK),
    )


def _marked(rows: Sequence[_Row], *marks: str) -> tuple[str, ...]:
    """Return the columns whose comment is one of these; a fill may have its key still to come."""
    return tuple(row[3] for row in rows if (row[7] or "").partition("\n")[2] in marks)


def _by_name(rows: Sequence[_Row]) -> dict[str, list[_Row]]:
    """Return the rows of each index or constraint by its name, in order."""
    found: dict[str, list[_Row]] = defaultdict(list)
    for row in sorted(rows, key=_place):
        found[row[3]].append(row)
    return found


def _place(row: _Row) -> int:
    return int(row[-1])


def _options(relation: _Row, keys: Sequence[_Row]) -> tuple[str, ...]:
    """The engine and the row format, then "partitioned", "system versioned" and "hash" (a unique
    index is one), in lower case.
    """
    options = [str(relation[4] or "").lower(), str(relation[6] or "").lower()]
    options += ["partitioned"] if "partitioned" in str(relation[7] or "") else []
    options += ["system versioned"] if relation[3] == "SYSTEM VERSIONED" else []
    is_hash = any(row[7] == "HASH" for row in keys)
    return (*options, *(["hash"] if is_hash else []))


def _column(row: _Row, settings: Settings, usual: str | None) -> Column:
    _, _, _, name, type_name, nullable, default, remark, collation, _ = row
    extra = (remark or "").partition("\n")[0].lower()
    canonical = canonical_type(type_name)
    generated = "identity" if "auto_increment" in extra else ""
    if " generated" in f" {extra}":
        generated = "stored" if "stored" in extra else "virtual"
    found = None if generated else _default(default, canonical, extra, settings)
    head, _, renewed = extra.partition("on update ")
    renewed, _, tail = renewed.partition(" ")
    other = "" if generated else " ".join(f"{head} {tail}".replace("default_generated", "").split())
    told = standing(
        usual_collate=collation,
        own_collate=collation if collation != usual else None,
        on_update=canonical_default(renewed),
        other=other.rstrip(","),
    )
    return Column(name, canonical, nullable == "YES", found, generated, told)


def kept_column(definition: str, settings: Settings) -> Column:
    """Return a column of its definition in SHOW CREATE TABLE, as `read` would tell it."""
    name, type_name, found = defined(definition)
    words = [clause.sql for clause in found if clause.kind == "type"]
    canonical = canonical_type(" ".join([type_name, *words]))
    text = next((clause.body for clause in found if clause.kind == "default"), "NULL")
    if not settings.is_mariadb and is_number(canonical):
        text = text.strip("'")
    default = _default(text, canonical, "default_generated", settings)
    is_null = all(clause.kind != "not null" for clause in found)
    return Column(unquote(name), canonical, is_null, default)


def _default(text: str | None, type_name: str, extra: str, settings: Settings) -> str | None:
    """MariaDB tells all defaults in SQL, MySQL those that its EXTRA names, OceanBase does not."""
    is_oceanbase = settings.server == "OceanBase"
    is_sql = settings.is_mariadb or "default_generated" in extra or text == "CURRENT_TIMESTAMP"
    if text is None or (is_sql and text == "NULL"):
        return None
    if not is_sql and not is_number(type_name):
        text = "'" + text.replace("'", "''") + "'"
    text = canonical_default(text)
    # The catalogue's character set has no place for some letters, and shows others as escapes.
    is_unsure = "\\" in text or (is_sql and "?" in text) or (is_oceanbase and "(" in text)
    return UNKNOWN if is_unsure else text


def _index(rows: list[_Row], charsets: dict[str, str | None], limit: int) -> Index:
    """An index of a whole text is a hash on MariaDB when unique, and the longest prefix otherwise:
    both count as an index of the column.
    """
    _, _, _, name, non_unique, _, _, method, _, _, _ = rows[0]
    keys = []
    for row in rows:
        column, length, direction, expression = row[5], row[6], row[8], row[9]
        if column is None or expression:
            keys.append(Key(normalize(expression) if expression else UNKNOWN, False))
            continue
        words = []
        if length and int(length) != limit // bytes_per_character(charsets.get(column)):
            words.append(f"({length})")
        if direction == "D":
            words.append("desc")
        keys.append(Key(column, True, " ".join(words)))
    methods = {"FULLTEXT": "fulltext", "SPATIAL": "spatial", "RTREE": "spatial"}
    return Index(
        name,
        tuple(keys),
        not int(non_unique),
        methods.get(method, "btree"),
        origin="pk" if name == "PRIMARY" else "index",
    )


def kept_indexes(shown: Sequence[_Row], table: Table) -> list[Index]:
    """Return the indexes of their rows in SHOW INDEX, as `read` would tell those of a table."""
    collations = {c.name: "".join(k.body for k in c.declared.clauses) for c in table.columns}
    charsets = {name: text.partition("_")[0] or None for name, text in collations.items()}
    rows = [
        ("key", "", "", row[2], row[1], row[4], row[7], row[10], row[5], None, row[3])
        for row in shown
    ]
    limit = key_limit(table.options)
    return [_index(found, charsets, limit) for found in _by_name(rows).values()]


def _foreign_key(rows: list[_Row], on_delete: str, on_update: str) -> ForeignKey:
    return ForeignKey(
        columns=tuple(row[5] for row in rows),
        parent=TableName(rows[0][6], rows[0][7]),
        parent_columns=tuple(row[8] for row in rows),
        on_delete=on_delete,
        on_update=on_update,
        name=rows[0][3],
    )
