"""The platform's releases as a database really held them; plain SQL to build, fill and read them.

Enters: a release of tests/data, made from what GORM left in the catalogues. Leaves: the same as a
schema, as rows, as models. Nothing of the package stands here, so that it cannot agree with itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peewee import (
    SQL,
    BigAutoField,
    BigIntegerField,
    BooleanField,
    CompositeKey,
    Database,
    Field,
    Model,
    MySQLDatabase,
    SqliteDatabase,
    TextField,
)

from examples.kagent.base import BigSerialField, JSONField, TimestampField, WordField

DATA = Path(__file__).parents[1] / "data"
ROWS = 3

Release = dict[str, Any]


@dataclass(frozen=True)
class Column:
    type: str
    null: bool
    default: str | None


@dataclass(frozen=True)
class Index:
    columns: tuple[str, ...]
    unique: bool


@dataclass(frozen=True)
class Table:
    """Equal when the database behaves the same; the order of columns does not count."""

    columns: dict[str, Column]
    primary_key: tuple[str, ...]
    indexes: dict[str, Index]


Schema = dict[str, Table]


def release(name: str) -> Release:
    """Read one release of tests/data, such as "v1" or "pre-v0.4.2"."""
    found: Release = json.loads((DATA / f"{name}.json").read_text())
    return found


def table_names(found: Release) -> set[str]:
    return {table["name"] for table in found["tables"]}


def is_sqlite(database: Database) -> bool:
    return isinstance(database, SqliteDatabase)


def is_mysql(database: Database) -> bool:
    return isinstance(database, MySQLDatabase)


def dialect(database: Database) -> str:
    if is_sqlite(database):
        return "sqlite"
    return "mysql" if is_mysql(database) else "postgresql"


# Build and fill: the statements that GORM sends, with its quotes.


def build(database: Database, found: Release) -> None:
    """Write the tables of a release into an empty database, as GORM creates them."""
    for table in found["tables"]:
        database.execute_sql(create_table(table, database))
        for index in table["indexes"]:
            database.execute_sql(create_index(index, table["name"], database))


def create_table(table: dict[str, Any], database: Database) -> str:
    counted_inline = is_sqlite(database) and any(map(is_counted, table["columns"]))
    parts = [column_definition(column, database) for column in table["columns"]]
    if not counted_inline:
        parts.append(f"PRIMARY KEY ({quoted_list(table['primary_key'], database)})")
    for constraint in table.get("unique_constraints", []):
        name = quoted(constraint["name"], database)
        parts.append(f"CONSTRAINT {name} UNIQUE ({quoted_list(constraint['columns'], database)})")
    return f"CREATE TABLE {quoted(table['name'], database)} ({','.join(parts)})"


def column_definition(column: dict[str, Any], database: Database) -> str:
    name = quoted(column["name"], database)
    if is_counted(column):
        counted = {
            "sqlite": "integer PRIMARY KEY AUTOINCREMENT",
            "postgresql": "bigserial",
            "mysql": f"{column['types'].get('mysql')} AUTO_INCREMENT",
        }
        return f"{name} {counted[dialect(database)]}"
    not_null = "" if is_null(column, database) else " NOT NULL"
    default = "" if column["default"] is None else f" DEFAULT {column['default']}"
    return f"{name} {column['types'][dialect(database)]}{not_null}{default}"


def create_index(index: dict[str, Any], table: str, database: Database) -> str:
    columns = quoted_list(index["columns"], database)
    return (
        f"CREATE INDEX {quoted(index['name'], database)} ON {quoted(table, database)} ({columns})"
    )


def is_counted(column: dict[str, Any]) -> bool:
    return bool(column.get("auto_increment"))


def is_null(column: dict[str, Any], database: Database) -> bool:
    return bool(column["null"] or (is_sqlite(database) and column.get("sqlite_null")))


def quoted(name: str, database: Database) -> str:
    return f'"{name}"' if dialect(database) == "postgresql" else f"`{name}`"


def quoted_list(names: Collection[str], database: Database) -> str:
    return ",".join(quoted(name, database) for name in names)


def fill(database: Database, found: Release) -> None:
    """Write three rows into each table; the last one holds NULL wherever it may."""
    for table in found["tables"]:
        columns = [column for column in table["columns"] if not is_counted(column)]
        names = quoted_list([column["name"] for column in columns], database)
        marks = ",".join([database.param] * len(columns))
        sql = f"INSERT INTO {quoted(table['name'], database)} ({names}) VALUES ({marks})"
        for number in range(1, ROWS + 1):
            values = [value(column, number, database) for column in columns]
            database.execute_sql(sql, values)


def value(column: dict[str, Any], number: int, database: Database) -> object:
    if number == ROWS and is_null(column, database) and not column["primary_key"]:
        return None
    return {
        "text": f"{column['name']} {number}: naïve \"quoted\" 'text' \\ 100%\n",
        "json": f'{{"b":  [{number}, 2.50], "a": "é"}}',
        "bigint": 2**62 + number,
        "boolean": number == 1,
        "timestamp with time zone": f"2025-07-0{number} 12:34:56.789012"
        + ("" if is_mysql(database) else "+02:00"),
    }[column["type"]]


# Read: columns, keys and indexes as the catalogue tells them.


def read(database: Database) -> Schema:
    """Read the schema of every table. Text of defaults without its cast; types in lower case."""
    readers = {"sqlite": read_sqlite, "postgresql": read_postgres, "mysql": read_mysql}
    return readers[dialect(database)](database)


def read_sqlite(database: Database) -> Schema:
    names = database.execute_sql(
        "SELECT name FROM sqlite_master"
        " WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    )
    return {name: read_sqlite_table(name, database) for (name,) in names.fetchall()}


def read_sqlite_table(table: str, database: Database) -> Table:
    found = database.execute_sql(f"PRAGMA table_info({quoted(table, database)})").fetchall()
    key = tuple(row[1] for row in sorted(found, key=lambda row: row[5]) if row[5])
    columns = {
        # SQLite reports a rowid's column as nullable, and never stores NULL in it.
        name: Column(
            kind.lower(), not (not_null or (key == (name,) and kind.lower() == "integer")), default
        )
        for _, name, kind, not_null, default, _ in found
    }
    indexes = {}
    for row in database.execute_sql(f"PRAGMA index_list({quoted(table, database)})").fetchall():
        name, unique, origin = row[1:4]
        if origin == "c":
            info = database.execute_sql(f"PRAGMA index_info({quoted(name, database)})").fetchall()
            indexes[name] = Index(tuple(column for _, _, column in info), bool(unique))
    return Table(columns, key, indexes)


POSTGRES_COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
       pg_get_expr(d.adbin, d.adrelid)
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
ORDER BY c.relname, a.attnum
"""

POSTGRES_INDEXES = """
SELECT c.relname, i.relname, x.indisprimary, x.indisunique, a.attname
FROM pg_index x
JOIN pg_class c ON c.oid = x.indrelid
JOIN pg_class i ON i.oid = x.indexrelid
CROSS JOIN LATERAL unnest(x.indkey) WITH ORDINALITY AS k (attnum, n)
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
WHERE c.relnamespace = current_schema()::regnamespace
  AND (x.indisprimary OR NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.oid))
ORDER BY c.relname, i.relname, k.n
"""


def read_postgres(database: Database) -> Schema:
    schema: Schema = {}
    for table, name, kind, null, default in database.execute_sql(POSTGRES_COLUMNS).fetchall():
        counted = (default or "").startswith("nextval(")
        text = None if default is None or counted else re.sub("::.*", "", default)
        schema.setdefault(table, Table({}, (), {})).columns[name] = Column(kind, null, text)
    keys: dict[tuple[str, str, bool, bool], list[str]] = {}
    for table, name, primary, unique, column in database.execute_sql(POSTGRES_INDEXES).fetchall():
        keys.setdefault((table, name, primary, unique), []).append(column)
    for (table, name, primary, unique), columns in keys.items():
        if primary:
            schema[table] = Table(schema[table].columns, tuple(columns), schema[table].indexes)
        else:
            schema[table].indexes[name] = Index(tuple(columns), unique)
    return schema


MYSQL_COLUMNS = """
SELECT table_name, column_name, column_type, is_nullable = 'YES', NULLIF(column_default, 'NULL')
FROM information_schema.columns WHERE table_schema = DATABASE()
ORDER BY table_name, ordinal_position
"""

MYSQL_INDEXES = """
SELECT table_name, index_name, NOT non_unique, column_name
FROM information_schema.statistics WHERE table_schema = DATABASE()
ORDER BY table_name, index_name, seq_in_index
"""


def read_mysql(database: Database) -> Schema:
    schema: Schema = {}
    for table, name, kind, null, default in database.execute_sql(MYSQL_COLUMNS).fetchall():
        column = Column(without_width(kind), bool(null), default)
        schema.setdefault(table, Table({}, (), {})).columns[name] = column
    keys: dict[tuple[str, str, bool], list[str]] = {}
    for table, name, unique, column in database.execute_sql(MYSQL_INDEXES).fetchall():
        keys.setdefault((table, name, bool(unique)), []).append(column)
    for (table, name, unique), columns in keys.items():
        if name == "PRIMARY":
            schema[table] = Table(schema[table].columns, tuple(columns), schema[table].indexes)
        else:
            schema[table].indexes[name] = Index(tuple(columns), unique)
    return schema


def without_width(kind: str) -> str:
    """Return a type without the width of a number, which MySQL 8 no longer tells."""
    return re.sub(r"(?<!tiny)int\(\d+\)", "int", kind)


PEEWEE_TYPES = {
    "sqlite": {"vector(768)": "blob", "numeric": "integer"},
    "postgresql": {"vector(768)": "bytea"},
    "mysql": {"datetime(3)": "datetime", "bigint unsigned": "bigint"},
}
# GORM never made these on MySQL.
MYSQL_TYPES = {
    "text": "text",
    "bigint": "bigint",
    "timestamp with time zone": "datetime(3)",
    "vector(768)": "blob",
}


def expected(found: Release, database: Database, ours: Collection[str] = ()) -> Schema:
    """The schema that the release tells.

    Tables named in `ours` are made by Peewee, which differs from GORM: on SQLite a text primary key
    is NOT NULL, a boolean is an integer and a composite key keeps all its columns; on MySQL a time
    has no parts of a second, a text is no LONGTEXT and a number is signed. And the example keeps
    the vector as bytes.
    """
    return {
        table["name"]: expected_table(table, database, ours=table["name"] in ours)
        for table in found["tables"]
    }


def expected_table(table: dict[str, Any], database: Database, ours: bool) -> Table:
    key = table["primary_key"]
    if is_sqlite(database) and not ours:
        key = table.get("primary_key_sqlite", key)
    return Table(
        columns={
            column["name"]: expected_column(column, database, ours, column["name"] in keyed(table))
            for column in table["columns"]
        },
        primary_key=tuple(key),
        indexes={
            index["name"]: Index(tuple(index["columns"]), index["unique"])
            for index in table["indexes"]
        },
    )


def keyed(table: dict[str, Any]) -> set[str]:
    """Return the names of a table's columns that stand in a key or an index."""
    return {
        *table["primary_key"],
        *(name for index in table["indexes"] for name in index["columns"]),
    }


def expected_column(
    column: dict[str, Any], database: Database, ours: bool, is_keyed: bool
) -> Column:
    default = column["default"]
    if is_mysql(database):
        kind = without_width(column["types"].get("mysql") or MYSQL_TYPES[column["type"]])
        default = {"false": "0"}.get(default, default)
        if ours and column["type"] == "text":
            kind = "varchar(191)" if is_keyed else "text"
    else:
        kind = column["types"][dialect(database)].lower()
    if ours:
        return Column(PEEWEE_TYPES[dialect(database)].get(kind, kind), column["null"], default)
    return Column(kind, is_null(column, database), default)


# Witnesses: rows and everything else, to compare before with after.


def rows(database: Database, found: Release) -> dict[str, list[tuple[Any, ...]]]:
    """Read the columns that the release knows, exactly as stored, with where each row lies."""
    return {
        table["name"]: read_rows(
            database, table["name"], [column["name"] for column in table["columns"]]
        )
        for table in found["tables"]
    }


def read_rows(database: Database, table: str, columns: Collection[str]) -> list[tuple[Any, ...]]:
    if is_sqlite(database):
        place, values = "rowid", [f"quote({quoted(name, database)})" for name in columns]
    elif is_mysql(database):
        place, values = "NULL", [f"hex({quoted(name, database)})" for name in columns]
    else:
        place, values = (
            "ctid::text, xmin::text",
            [f"{quoted(name, database)}::text" for name in columns],
        )
    sql = f"SELECT {place}, {', '.join(values)} FROM {quoted(table, database)} ORDER BY 1, 2, 3"
    return list(database.execute_sql(sql).fetchall())


POSTGRES_CATALOGUE = (
    """
    SELECT oid, relname, relkind, relfilenode FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace ORDER BY oid
    """,
    """
    SELECT attrelid, attnum, attname, atttypid, atttypmod, attnotnull, atthasdef
    FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
    WHERE c.relnamespace = current_schema()::regnamespace ORDER BY attrelid, attnum
    """,
    """
    SELECT oid, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = current_schema()::regnamespace ORDER BY oid
    """,
)


def dump(database: Database) -> list[Any]:
    """Read the whole catalogue and all rows: equal dumps mean that nothing at all has changed."""
    if is_sqlite(database):
        return list(database.connection().iterdump())
    schema = read(database)
    queries = list(POSTGRES_CATALOGUE)
    if is_mysql(database):
        queries = [f"SHOW CREATE TABLE {quoted(name, database)}" for name in schema]
    catalogue = [database.execute_sql(sql).fetchall() for sql in queries]
    return [
        *catalogue,
        *(read_rows(database, name, table.columns) for name, table in schema.items()),
    ]


def clear(database: Database) -> None:
    """Write: drop every table."""
    for name in read(database):
        database.execute_sql(f"DROP TABLE {quoted(name, database)}")


@contextmanager
def read_only(database: Database) -> Iterator[None]:
    """Let the database refuse every statement that writes."""
    on, off = {
        "sqlite": ("PRAGMA query_only = ON", "PRAGMA query_only = OFF"),
        "postgresql": (
            "SET default_transaction_read_only = on",
            "SET default_transaction_read_only = off",
        ),
        "mysql": ("SET SESSION TRANSACTION READ ONLY", "SET SESSION TRANSACTION READ WRITE"),
    }[dialect(database)]
    database.execute_sql(on)
    try:
        yield
    finally:
        database.execute_sql(off)


# Models of a release that the examples do not hold.


def models(found: Release) -> list[type[Model]]:
    """Make one Peewee model for each table of the release, all unbound."""
    return [model(table) for table in found["tables"]]


def model(table: dict[str, Any]) -> type[Model]:
    key = table["primary_key"]
    meta = {"table_name": table["name"]} | (
        {"primary_key": CompositeKey(*key)} if len(key) > 1 else {}
    )
    fields = {
        column["name"]: field(column, key == [column["name"]], column["name"] in keyed(table))
        for column in table["columns"]
    }
    made: type[Model] = type(table["model"], (Model,), {**fields, "Meta": type("Meta", (), meta)})
    for index in table["indexes"]:
        made.add_index(*(getattr(made, name) for name in index["columns"]), name=index["name"])
    return made


def field(column: dict[str, Any], alone: bool, is_keyed: bool) -> Field:
    """Make the field of a column; `alone`: it is the whole primary key."""
    if is_counted(column):
        return BigAutoField() if alone else BigSerialField()
    classes: dict[str, type[Field]] = {
        "text": WordField if is_keyed else TextField,
        "json": JSONField,
        "bigint": BigIntegerField,
        "boolean": BooleanField,
        "timestamp with time zone": TimestampField,
    }
    constraints = None if column["default"] is None else [SQL(f"DEFAULT {column['default']}")]
    return classes[column["type"]](null=column["null"], primary_key=alone, constraints=constraints)
