"""What stands in a database, as a set of facts: two equal sets mean two equal schemas.

A fact is a tuple whose first word tells its kind. Adding something to a schema only adds facts,
so that "nothing else was touched" is a subset. This reads the catalogue by itself, apart from the
package, and knows nothing of Peewee's models.
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias

from peewee import Database, MySQLDatabase, SqliteDatabase

Facts: TypeAlias = set[tuple[Any, ...]]

OURS = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
POSTGRES = {
    "schema": f"SELECT n.nspname FROM pg_namespace AS n WHERE {OURS}",
    "relation": f"""
        SELECT n.nspname, c.relname, c.relkind::text, c.relpersistence::text,
               c.reloptions::text, m.amname
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        LEFT JOIN pg_am AS m ON m.oid = c.relam
        WHERE {OURS}""",
    "column": f"""
        SELECT n.nspname, c.relname, a.attname, a.attnum, format_type(a.atttypid, a.atttypmod),
               a.attnotnull, pg_get_expr(d.adbin, d.adrelid), a.attidentity::text,
               a.attgenerated::text, o.collname
        FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        LEFT JOIN pg_collation AS o ON o.oid = a.attcollation
        WHERE {OURS} AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm')
        """,
    "index": f"""
        SELECT n.nspname, t.relname, pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisready,
               i.indisprimary
        FROM pg_index AS i JOIN pg_class AS t ON t.oid = i.indrelid
        JOIN pg_namespace AS n ON n.oid = t.relnamespace
        WHERE {OURS}""",
    "constraint": f"""
        SELECT n.nspname, t.relname, k.conname, pg_get_constraintdef(k.oid), k.convalidated
        FROM pg_constraint AS k JOIN pg_class AS t ON t.oid = k.conrelid
        JOIN pg_namespace AS n ON n.oid = t.relnamespace
        WHERE {OURS}""",
    "sequence": f"""
        SELECT n.nspname, c.relname, format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement,
               t.relname AS owner
        FROM pg_sequence AS s JOIN pg_class AS c ON c.oid = s.seqrelid
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        LEFT JOIN pg_depend AS d ON d.objid = c.oid AND d.deptype IN ('a', 'i')
             AND d.refclassid = 'pg_class'::regclass AND d.classid = 'pg_class'::regclass
        LEFT JOIN pg_class AS t ON t.oid = d.refobjid
        WHERE {OURS}""",
    "comment": f"""
        SELECT n.nspname, c.relname, d.objsubid, d.description
        FROM pg_description AS d JOIN pg_class AS c ON c.oid = d.objoid
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE {OURS} AND d.classoid = 'pg_class'::regclass
        UNION ALL
        SELECT n.nspname, k.conname, 0, d.description
        FROM pg_description AS d JOIN pg_constraint AS k ON k.oid = d.objoid
        JOIN pg_namespace AS n ON n.oid = k.connamespace
        WHERE {OURS} AND d.classoid = 'pg_constraint'::regclass""",
}
SQLITE = {
    "table": """
        SELECT name, type, wr, strict FROM pragma_table_list
        WHERE schema = 'main' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'""",
    "column": """
        SELECT m.name, x.cid, x.name, x.type, x."notnull", x.dflt_value, x.pk, x.hidden
        FROM sqlite_master AS m JOIN pragma_table_xinfo(m.name) AS x
        WHERE m.type IN ('table', 'view')""",
    "index": """
        SELECT m.name, l.name, l."unique", l.origin, l.partial, s.sql
        FROM sqlite_master AS m JOIN pragma_index_list(m.name) AS l
        LEFT JOIN sqlite_master AS s ON s.type = 'index' AND s.name = l.name
        WHERE m.type = 'table'""",
    "index key": """
        SELECT m.name, l.name, x.seqno, x.cid, x.name, x."desc", x.coll
        FROM sqlite_master AS m JOIN pragma_index_list(m.name) AS l
        JOIN pragma_index_xinfo(l.name) AS x WHERE m.type = 'table' AND x.key""",
    "foreign key": """
        SELECT m.name, f."from", f."table", f."to", f.on_delete, f.on_update
        FROM sqlite_master AS m JOIN pragma_foreign_key_list(m.name) AS f
        WHERE m.type = 'table'""",
    "other": "SELECT type, name, sql FROM sqlite_master WHERE type IN ('trigger', 'view')",
}
MYSQL = {
    "relation": """
        SELECT table_name, table_type, engine, table_collation, row_format, create_options,
               table_comment
        FROM information_schema.tables WHERE table_schema = DATABASE()""",
    "column": """
        SELECT table_name, column_name, ordinal_position, column_type, is_nullable, extra,
               column_default, generation_expression, collation_name, column_comment
        FROM information_schema.columns WHERE table_schema = DATABASE()""",
    "index key": """
        SELECT table_name, index_name, seq_in_index, column_name, sub_part, collation, non_unique,
               index_type, index_comment
        FROM information_schema.statistics WHERE table_schema = DATABASE()""",
    "constraint": """
        SELECT table_name, constraint_name, constraint_type
        FROM information_schema.table_constraints WHERE table_schema = DATABASE()""",
    "foreign key": """
        SELECT k.table_name, k.constraint_name, k.ordinal_position, k.column_name,
               NULLIF(k.referenced_table_schema, DATABASE()), k.referenced_table_name,
               k.referenced_column_name, r.delete_rule, r.update_rule
        FROM information_schema.key_column_usage AS k
        JOIN information_schema.referential_constraints AS r
             ON r.constraint_schema = k.constraint_schema AND r.table_name = k.table_name
             AND r.constraint_name = k.constraint_name
        WHERE k.table_schema = DATABASE() AND k.referenced_table_name IS NOT NULL""",
    "check": """
        SELECT table_name, constraint_name, check_clause
        FROM information_schema.check_constraints WHERE constraint_schema = DATABASE()""",
    "trigger": """
        SELECT event_object_table, trigger_name, action_timing, event_manipulation,
               action_order, action_statement
        FROM information_schema.triggers WHERE trigger_schema = DATABASE()""",
    "view": """
        SELECT table_name, REPLACE(view_definition, CONCAT('`', DATABASE(), '`.'), '')
        FROM information_schema.views WHERE table_schema = DATABASE()""",
}
# There a constraint's name is its own in all of a database.
ORACLE_CHECK = """
    SELECT constraint_name, check_clause
    FROM information_schema.check_constraints WHERE constraint_schema = DATABASE()"""
MADE_UP = re.compile(r"(_OB(CHECK|FK)_)\d+")
SQLITE_TEXT = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name <> 'sqlite_sequence'"


def facts(database: Database) -> Facts:
    """Read all that stands in the schema of a database."""
    queries = queries_for(database)
    return {
        (kind, *map(_named, row)) for kind, sql in queries.items() for row in ask(database, sql)
    }


def _named(value: Any) -> Any:
    """Return a name without the moment at which OceanBase has made it up."""
    return MADE_UP.sub(r"\1", value) if isinstance(value, str) else value


def queries_for(database: Database) -> dict[str, str]:
    if isinstance(database, SqliteDatabase):
        return SQLITE
    if not isinstance(database, MySQLDatabase):
        return POSTGRES
    is_mariadb = "MariaDB" in ask(database, "SELECT VERSION()")[0][0]
    return MYSQL if is_mariadb else MYSQL | {"check": ORACLE_CHECK}


def text(database: Database) -> Facts:
    """Read the statements that SQLite keeps; elsewhere the facts, since nothing keeps any."""
    if isinstance(database, SqliteDatabase):
        return set(ask(database, SQLITE_TEXT))
    return facts(database)


def without_defaults(found: Facts) -> Facts:
    """Return the facts without the default of any column."""
    position = 6 if any(fact[0] == "table" for fact in found) else 7
    return {
        (*fact[:position], None, *fact[position + 1 :]) if fact[0] == "column" else fact
        for fact in found
    }


def ask(database: Database, sql: str) -> list[tuple[Any, ...]]:
    """Read: return the rows of a query that has no parameters."""
    escaped = sql if isinstance(database, SqliteDatabase) else sql.replace("%", "%%")
    return [tuple(row) for row in database.execute_sql(escaped).fetchall()]
