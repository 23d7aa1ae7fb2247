"""Everything that stands in a database, as one dict that must not change; and bystanders."""

from __future__ import annotations

import re
from typing import Any

from peewee import Database, MySQLDatabase, PostgresqlDatabase, SqliteDatabase

from tests.support.mysql_servers import empty_mysql

Standing = dict[tuple[str, ...], Any]

SYSTEM = "!~ '^(pg_|information_schema$)'"

_POSTGRES = {
    "relation": f"""
        SELECT n.nspname, c.relname, c.oid, c.relkind, c.reloptions, c.relrowsecurity
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname {SYSTEM} AND c.relkind NOT IN ('i', 'I')""",
    "file": f"""
        SELECT n.nspname, c.relname, coalesce(t.relname, c.relname), c.relfilenode
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_index i ON i.indexrelid = c.oid LEFT JOIN pg_class t ON t.oid = i.indrelid
        WHERE n.nspname {SYSTEM} AND (c.relkind = 'r' OR c.relkind = 'i' AND i.indisvalid)""",
    "column": f"""
        SELECT n.nspname, c.relname, a.attname, a.attnum, format_type(a.atttypid, a.atttypmod),
               a.attnotnull, a.attidentity, a.attgenerated, a.attcollation,
               pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE n.nspname {SYSTEM} AND a.attnum > 0 AND c.relkind NOT IN ('i', 'I')""",
    "index": f"""
        SELECT n.nspname, c.relname, pg_get_indexdef(c.oid), c.oid, i.indisready
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname {SYSTEM} AND i.indisvalid""",
    "constraint": f"""
        SELECT n.nspname, c.conrelid::regclass::text, c.conname, c.convalidated,
               pg_get_constraintdef(c.oid)
        FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace
        WHERE n.nspname {SYSTEM}""",
    "trigger": """
        SELECT t.tgrelid::regclass::text, t.tgname, pg_get_triggerdef(t.oid), t.tgenabled
        FROM pg_trigger t WHERE NOT t.tgisinternal""",
    "view": f"""
        SELECT n.nspname, c.relname, pg_get_viewdef(c.oid)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname {SYSTEM} AND c.relkind IN ('v', 'm')""",
    "relation's ways": f"""
        SELECT n.nspname, c.relname, c.relowner::regrole::text, c.relacl::text, c.relpersistence,
               c.relreplident, c.relforcerowsecurity, c.reltablespace, c.relam
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname {SYSTEM}""",
    "column's ways": f"""
        SELECT n.nspname, c.relname, a.attname, a.attacl::text, a.attstattarget,
               a.attoptions::text, a.attstorage, a.attinhcount, a.attislocal
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname {SYSTEM} AND a.attnum > 0 AND NOT a.attisdropped""",
    "schema": f"""
        SELECT nspname, nspowner::regrole::text, nspacl::text
        FROM pg_namespace WHERE nspname {SYSTEM}""",
    "comment": """
        SELECT classoid::regclass::text, objoid, objsubid, description
        FROM pg_description WHERE objoid >= 16384""",
    "rule": f"""
        SELECT schemaname, tablename, rulename, definition
        FROM pg_rules WHERE schemaname {SYSTEM}""",
    "policy": f"""
        SELECT schemaname, tablename, policyname, permissive, roles::text, cmd, qual, with_check
        FROM pg_policies WHERE schemaname {SYSTEM}""",
    "function": f"""
        SELECT n.nspname, p.proname, p.oid, p.proowner::regrole::text, p.proacl::text,
               CASE WHEN p.prokind IN ('f', 'p') THEN pg_get_functiondef(p.oid) END
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname {SYSTEM}""",
    "sequence": f"""
        SELECT schemaname, sequencename, data_type::text, start_value, min_value, max_value,
               increment_by, cycle, cache_size
        FROM pg_sequences WHERE schemaname {SYSTEM}""",
    "type": f"""
        SELECT n.nspname, t.typname, t.typtype, t.typowner::regrole::text, t.typacl::text,
               t.typnotnull, t.typdefault, ARRAY(
                   SELECT enumlabel::text FROM pg_enum WHERE enumtypid = t.oid ORDER BY 1)
        FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE n.nspname {SYSTEM}""",
    "statistics": """
        SELECT stxnamespace::regnamespace::text, stxname, stxrelid::regclass::text,
               stxkeys::text, stxkind::text, stxstattarget
        FROM pg_statistic_ext""",
    "event trigger": "SELECT evtname, evtevent, evtenabled, evtfoid FROM pg_event_trigger",
    "default right": """
        SELECT defaclrole::regrole::text, defaclnamespace, defaclobjtype, defaclacl::text
        FROM pg_default_acl""",
    "extension": "SELECT extname, extversion, extnamespace FROM pg_extension",
    "setting": "SELECT setdatabase, setrole, setconfig::text FROM pg_db_role_setting",
}
_KEY_LENGTH = {
    "column": 3,
    "column's ways": 3,
    "comment": 3,
    "rule": 3,
    "policy": 3,
    "function": 3,
    "default right": 3,
    "right": 5,
    "column right": 5,
    "constraint": 3,
    "file": 3,
    "check": 3,
    "index key": 4,
    "foreign key": 4,
}

# A schema is a database there, and a server has others that are none of ours.
_OURS = "IN (DATABASE(), 'app')"
_MYSQL = {
    "relation": f"""
        SELECT table_schema, table_name, table_type, engine, table_collation, row_format,
               create_options, table_comment
        FROM information_schema.tables WHERE table_schema {_OURS}""",
    "counter": f"""
        SELECT table_schema, table_name, auto_increment
        FROM information_schema.tables WHERE table_schema {_OURS}""",
    "column": f"""
        SELECT table_schema, table_name, column_name, ordinal_position, column_type, is_nullable,
               column_default, extra, generation_expression, collation_name, column_comment
        FROM information_schema.columns WHERE table_schema {_OURS}""",
    "index key": f"""
        SELECT table_schema, table_name, index_name, seq_in_index, column_name, sub_part,
               collation, non_unique, index_type, index_comment
        FROM information_schema.statistics WHERE table_schema {_OURS}""",
    "constraint": f"""
        SELECT table_schema, table_name, constraint_name, constraint_type
        FROM information_schema.table_constraints WHERE table_schema {_OURS}""",
    "check": f"""
        SELECT constraint_schema, constraint_name, check_clause
        FROM information_schema.check_constraints WHERE constraint_schema {_OURS}""",
    "foreign key": f"""
        SELECT k.table_schema, k.table_name, k.constraint_name, k.ordinal_position, k.column_name,
               k.referenced_table_schema, k.referenced_table_name, k.referenced_column_name,
               r.delete_rule, r.update_rule
        FROM information_schema.key_column_usage k
        JOIN information_schema.referential_constraints r
             ON r.constraint_schema = k.constraint_schema AND r.table_name = k.table_name
             AND r.constraint_name = k.constraint_name
        WHERE k.table_schema {_OURS} AND k.referenced_table_name IS NOT NULL""",
    "trigger": f"""
        SELECT trigger_schema, trigger_name, event_object_table, action_timing,
               event_manipulation, action_order, action_statement, sql_mode
        FROM information_schema.triggers WHERE trigger_schema {_OURS}""",
    "view": f"""
        SELECT table_schema, table_name, view_definition
        FROM information_schema.views WHERE table_schema {_OURS}""",
    "routine": f"""
        SELECT routine_schema, routine_name, routine_type, routine_definition, sql_mode, definer
        FROM information_schema.routines WHERE routine_schema {_OURS}""",
    "event": f"""
        SELECT event_schema, event_name, event_definition, status, definer
        FROM information_schema.events WHERE event_schema {_OURS}""",
    "right": f"""
        SELECT table_schema, table_name, '', grantee, privilege_type, is_grantable
        FROM information_schema.table_privileges WHERE table_schema {_OURS}""",
    "column right": f"""
        SELECT table_schema, table_name, column_name, grantee, privilege_type, is_grantable
        FROM information_schema.column_privileges WHERE table_schema {_OURS}""",
    "schema": f"""
        SELECT schema_name, default_character_set_name, default_collation_name
        FROM information_schema.schemata WHERE schema_name {_OURS}""",
    "file": """
        SELECT SUBSTRING_INDEX(name, '/', 1), name, SUBSTRING_INDEX(name, '/', -1), table_id
        FROM information_schema.innodb_sys_tables
        WHERE SUBSTRING_INDEX(name, '/', 1) IN (DATABASE(), 'app')""",
}

_POSTGRES_BYSTANDERS = """
CREATE SEQUENCE "by hand counter" START 41;
SELECT nextval('"by hand counter"');
CREATE TABLE "by hand log" (id serial, word text CHECK (word <> ''));
INSERT INTO "by hand log" (word) VALUES ('one'), ('two');
DELETE FROM "by hand log";
CREATE FUNCTION "by hand watch"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO public."by hand log" (word) VALUES (TG_OP); RETURN NULL; END $$;
"""
_POSTGRES_TABLE = """
ALTER TABLE {table} ADD COLUMN "by hand" text DEFAULT 'kept' CHECK ("by hand" <> '');
ALTER TABLE {table} ALTER COLUMN "by hand" SET STATISTICS 17;
CREATE INDEX "by hand {n}" ON {table} ("by hand");
COMMENT ON TABLE {table} IS 'kept';
COMMENT ON COLUMN {table}."by hand" IS 'kept too';
GRANT SELECT, UPDATE ("by hand") ON {table} TO PUBLIC;
CREATE POLICY "by hand" ON {table} USING ("by hand" = 'kept');
CREATE RULE "by hand" AS ON DELETE TO {table} WHERE old."by hand" = 'gone' DO NOTHING;
CREATE VIEW {schema}"by hand view {n}" AS SELECT "by hand", count(*) FROM {table} GROUP BY 1;
CREATE TRIGGER "by hand trigger" AFTER UPDATE OR DELETE ON {table}
FOR EACH ROW EXECUTE FUNCTION public."by hand watch"();
"""
_SQLITE_SCHEMA = """
CREATE TABLE {schema}"by hand log" (id INTEGER PRIMARY KEY AUTOINCREMENT,
                                    word TEXT CHECK (word <> '')) STRICT;
INSERT INTO {schema}"by hand log" (word) VALUES ('one'), ('two');
DELETE FROM {schema}"by hand log";
CREATE TABLE {schema}"by hand key" (word TEXT PRIMARY KEY) WITHOUT ROWID;
"""
_SQLITE_TABLE = """
ALTER TABLE {table} ADD COLUMN "by hand" TEXT DEFAULT 'kept' CHECK ("by hand" <> '');
CREATE INDEX {schema}"by hand {n}" ON {name} ("by hand");
CREATE VIEW {schema}"by hand view {n}" AS SELECT "by hand", count(*) FROM {table} GROUP BY 1;
CREATE TRIGGER {schema}"by hand update {n}" AFTER UPDATE ON {name}
BEGIN INSERT INTO "by hand log" (word) VALUES ('update'); END;
CREATE TRIGGER {schema}"by hand delete {n}" AFTER DELETE ON {name}
BEGIN INSERT INTO "by hand log" (word) VALUES ('delete'); END;
"""


_MYSQL_SCHEMA = """
CREATE TABLE {schema}`by hand log` (id INTEGER NOT NULL AUTO_INCREMENT PRIMARY KEY,
                                    word VARCHAR(9) CHECK (word <> '')) COMMENT 'kept';
INSERT INTO {schema}`by hand log` (word) VALUES ('one'), ('two');
DELETE FROM {schema}`by hand log`;
"""
_MYSQL_TABLE = """
ALTER TABLE {table} ADD COLUMN `by hand` VARCHAR(9) DEFAULT 'kept' COMMENT 'by hand'
CHECK (`by hand` <> '');
CREATE INDEX `by hand {n}` ON {table} (`by hand`);
CREATE VIEW {schema}`by hand view {n}` AS SELECT `by hand`, count(*) FROM {table} GROUP BY 1;
CREATE TRIGGER {schema}`by hand update {n}` AFTER UPDATE ON {table} FOR EACH ROW
INSERT INTO {schema}`by hand log` (word) VALUES ('update');
CREATE TRIGGER {schema}`by hand delete {n}` AFTER DELETE ON {table} FOR EACH ROW
INSERT INTO {schema}`by hand log` (word) VALUES ('delete');
"""
_STATEMENT = re.compile(r"(?:'(?:[^'\\]|\\.)*'|`[^`]*`|[^;'`])+")


def is_postgres(database: Database) -> bool:
    return isinstance(database, PostgresqlDatabase)


def is_mysql(database: Database) -> bool:
    return isinstance(database, MySQLDatabase)


def quoted(*names: str, mark: str = '"') -> str:
    return ".".join(mark + name.replace(mark, mark * 2) + mark for name in names)


def ask(database: Database, sql: str) -> list[tuple[Any, ...]]:
    """Send SQL as it is, and return its rows, if it has any."""
    cursor = database.connection().cursor()
    cursor.execute(sql)
    return [tuple(row) for row in cursor.fetchall()] if cursor.description else []


def run(database: Database, script: str) -> None:
    """Send several statements at once."""
    if is_postgres(database):
        database.connection().cursor().execute(script or "SELECT 1")
    elif is_mysql(database):
        for statement in filter(str.strip, _STATEMENT.findall(script)):
            database.connection().cursor().execute(statement)
    else:
        database.connection().executescript(script)
    database.connection().commit()


def clear(database: Database) -> None:
    """Drop all that stands in a database, and what its session has set."""
    if is_mysql(database):
        run(database, "SET foreign_key_checks = 0; DROP DATABASE IF EXISTS app")
        empty_mysql(database)
        return
    schemas = ask(database, f"SELECT nspname FROM pg_namespace WHERE nspname {SYSTEM}")
    for (name,) in schemas:
        run(database, f"DROP SCHEMA {quoted(name)} CASCADE")
    run(database, "RESET ALL; DROP FOREIGN DATA WRAPPER IF EXISTS away CASCADE")
    run(database, "DISCARD TEMP")
    run(database, "CREATE SCHEMA public")


def add_bystanders(database: Database) -> None:
    """Give every table what no model knows: a column with a CHECK, index, view, triggers."""
    mark, once, for_schema, for_table = '"', "", _SQLITE_SCHEMA, _SQLITE_TABLE
    if is_postgres(database):
        once, for_schema, for_table = _POSTGRES_BYSTANDERS, "", _POSTGRES_TABLE
        tables = _postgres_tables(database)
        schemas = []
    elif is_mysql(database):
        mark, for_schema, for_table = "`", _MYSQL_SCHEMA, _MYSQL_TABLE
        tables = _mysql_tables(database)
        schemas = [database.database, *{schema for schema, _ in tables} - {database.database}]
    else:
        tables = _sqlite_tables(database)
        schemas = [row[1] for row in ask(database, "PRAGMA database_list")]
    script = once + "".join(
        for_schema.format(schema=quoted(name, mark=mark) + ".") for name in schemas
    )
    for n, (schema, name) in enumerate(tables):
        script += for_table.format(
            n=n,
            table=quoted(schema, name, mark=mark),
            schema=quoted(schema, mark=mark) + ".",
            name=quoted(name, mark=mark),
        )
    if script:
        run(database, script)


def _mysql_tables(database: Database) -> list[tuple[str, str]]:
    return ask(
        database,
        "SELECT table_schema, table_name FROM information_schema.tables"
        f" WHERE table_schema {_OURS} AND table_type = 'BASE TABLE' ORDER BY 1, 2",
    )


def _postgres_tables(database: Database) -> list[tuple[str, str]]:
    return ask(
        database,
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        f" WHERE n.nspname {SYSTEM} AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
        " ORDER BY 1, 2",
    )


def _sqlite_tables(database: Database) -> list[tuple[str, str]]:
    return [
        (row[0], row[1])
        for row in ask(database, "PRAGMA table_list")
        if row[2] == "table" and not row[1].startswith("sqlite_")
    ]


def standing(database: Database) -> Standing:
    """Read all definitions, counters and rows."""
    if isinstance(database, SqliteDatabase):
        return _read_sqlite(database)
    return _read_postgres(database) if is_postgres(database) else _read_mysql(database)


def changed(before: Standing, after: Standing, rewritten: set[str]) -> Standing:
    """Return what stood before and no longer stands as it did: (before, after) by key."""
    found = {}
    for key, value in before.items():
        now = after.get(key)
        if key[0] == "rows" and now is not None:
            now = [row[: len(value[0])] for row in now] if value else now
            now = sorted(now)
        if key[0] == "table" and now is not None:
            now = (_without_addition(value[0], now[0]), *now[1:])
        excused = key[0] == "file" and key[-1] in rewritten
        if now != value and not excused:
            found[key] = (value, now)
    return found


def _without_addition(old: str, new: str) -> str:
    """Return ``old`` when ``new`` is the old text with something put in at one place."""
    start = next((n for n, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), 0)
    return old if new.startswith(old[:start]) and new.endswith(old[start:]) else new


def _read_postgres(database: Database) -> Standing:
    found: Standing = {}
    for kind, sql in _POSTGRES.items():
        length = _KEY_LENGTH.get(kind, 2)
        for row in ask(database, sql):
            key = (kind, *row[:length])
            found[key] = row[length:]
    for key, value in [item for item in found.items() if item[0][0] == "relation"]:
        if value[1] == "S":
            counter = ("counter", *key[1:])
            found[counter] = ask(database, f"SELECT last_value, is_called FROM {quoted(*key[1:])}")
        elif value[1] in "rpm":
            numbered = sorted(
                (column[0], name[3])
                for name, column in found.items()
                if name[:3] == ("column", *key[1:])
            )
            columns = [quoted(name) + "::text" for _, name in numbered if "pg.dropped" not in name]
            rows = ("rows", *key[1:])
            found[rows] = _rows(database, columns, quoted(*key[1:]))
    return found


def _mysql_queries(database: Database) -> dict[str, str]:
    """Return what the server has: MySQL calls one of MariaDB's tables otherwise, and OceanBase has
    no events.
    """
    ((version,),) = ask(database, "SELECT version()")
    queries = dict(_MYSQL)
    if "OceanBase" in version:
        del queries["event"]
        # What a view's columns are is found out anew when its table has changed.
        queries["column"] += f""" AND table_name IN (
            SELECT table_name FROM information_schema.tables
            WHERE table_schema {_OURS} AND table_type = 'BASE TABLE')"""
    elif "MariaDB" not in version:
        queries["file"] = queries["file"].replace("innodb_sys_tables", "innodb_tables")
    return queries


def _read_mysql(database: Database) -> Standing:
    found: Standing = {}
    for kind, sql in _mysql_queries(database).items():
        length = _KEY_LENGTH.get(kind, 2)
        for row in ask(database, sql):
            key = (kind, *row[:length])
            found[key] = row[length:]
    for _, schema, name in [key for key in found if key[0] == "relation"]:
        columns = sorted(
            (value[0], key[3])
            for key, value in found.items()
            if key[:3] == ("column", schema, name)
        )
        names = [quoted(column, mark="`") for _, column in columns]
        found["rows", schema, name] = _rows(database, names, quoted(schema, name, mark="`"))
    filled = {key[1:] for key, rows in found.items() if key[0] == "rows" and rows}
    return {key: v for key, v in found.items() if key[0] != "file" or (key[1], key[3]) in filled}


def _read_sqlite(database: Database) -> Standing:
    found: Standing = {}
    for _, schema, _ in ask(database, "PRAGMA database_list"):
        objects = ask(
            database,
            f"SELECT type, name, tbl_name, rootpage, sql FROM {quoted(schema)}.sqlite_master",
        )
        for kind, name, table, page, sql in objects:
            found[kind, schema, name] = (sql, table, page)
        for (name,) in [row[1:2] for row in objects if row[0] == "table"]:
            columns = ask(
                database, f"SELECT * FROM pragma_table_xinfo('{_inner(name)}', '{schema}')"
            )
            for column in columns:
                found["column", schema, name, column[1]] = column
            names = {column[1].lower() for column in columns}
            shown = [f"quote({quoted(column[1])})" for column in columns if column[6] != 1]
            source = quoted(schema, name)
            if "rowid" not in names and _has_rowid(database, source):
                shown.insert(0, "rowid")
            found["rows", schema, name] = _rows(database, shown, source)
    return found


def _inner(name: str) -> str:
    return name.replace("'", "''")


def _has_rowid(database: Database, source: str) -> bool:
    try:
        ask(database, f"SELECT rowid FROM {source} LIMIT 0")
    except Exception:
        return False
    return True


def _rows(database: Database, columns: list[str], source: str) -> list[tuple[Any, ...]]:
    rows = ask(database, f"SELECT {', '.join(columns) or '1'} FROM {source}")
    return sorted(tuple(repr(value) for value in row) for row in rows)
