"""PostgreSQL: the outlines of all tables, by one statement with a row for each table.

Enters: names of tables. Leaves: an `Outline` by name. One aggregated row a
table is neither sorted nor joined on the server, and holds no text that waits for a lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from ...compare.outlines import ITEM, PART, columns_of
from ...schema import GIVEN, NEEDED, NULLABLE, Outline, TableName
from ..base import MARK, Dialect
from .names import fold
from .pinned import pinned
from .servers import SERVER, refuse

# Objects of users have numbers from 16384 on, so that the comments of the server's own are not
# read: https://www.postgresql.org/docs/current/system-catalog-initial-data.html.
_MARKED = f"""ARRAY(
    SELECT b.objoid FROM pg_catalog.pg_description AS b
    WHERE b.objoid >= 16384 AND b.description = '{MARK}'
    UNION ALL
    SELECT k.conrelid FROM pg_catalog.pg_description AS b
    JOIN pg_catalog.pg_constraint AS k ON k.oid = b.objoid
    WHERE b.objoid >= 16384 AND b.description = '{MARK}')"""

# The first row tells of the server, and which operator classes are a plain B-tree's.
_OUTLINES = pinned(f"""
SELECT NULL::name, NULL::int4, s.version::name AS relname, s.version AS columns,
       array_to_string(ARRAY(SELECT oid FROM pg_catalog.pg_opclass
                             WHERE opcdefault AND opcmethod = 403), ' ') AS indexes, s.citus
FROM ({SERVER}) AS s
UNION ALL
SELECT n.nspname, array_position(current_schemas(false), n.nspname), c.relname,
  (SELECT concat(count(*), '{ITEM}', string_agg(concat_ws('{PART}', a.attnum, a.attname,
      format_type(a.atttypid, a.atttypmod),
      CASE WHEN NOT a.attnotnull THEN {NULLABLE}
           WHEN a.atthasdef OR a.attidentity <> '' THEN {GIVEN} ELSE {NEEDED} END), '{ITEM}'))
   FROM pg_catalog.pg_attribute AS a
   WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
  (SELECT string_agg(concat_ws('{PART}',
      CASE WHEN NOT i.indisvalid THEN 'invalid' WHEN i.indisprimary THEN 'primary'
           WHEN i.indisunique THEN 'unique' ELSE 'index' END,
      i.indkey, i.indclass, i.indcollation, i.indoption,
      (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL OR NOT i.indimmediate
       OR i.indnkeyatts <> i.indnatts OR %s)::int4), '{ITEM}')
   FROM pg_catalog.pg_index AS i WHERE i.indrelid = c.oid),
  c.oid = ANY ({_MARKED})
FROM pg_catalog.pg_namespace AS n
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid
WHERE c.relname = ANY (%%s::name[]) AND c.relkind = ANY ('{{r,p}}')
  AND (n.nspname = ANY (current_schemas(false)) OR n.nspname = ANY (%%s::name[]))
""")


def read(dialect: Dialect, tables: Sequence[TableName]) -> dict[TableName, Outline]:
    """Read the outlines of those tables that stand, along the search path."""
    database = dialect.database
    database.connection()
    has_nulls = int(database.server_version or 0) >= 150000
    names = sorted({table.name for table in tables})
    schemas = sorted({table.schema for table in tables if table.schema})
    flag = "i.indnullsnotdistinct" if has_nulls else "false"
    rows = dialect.rows(_OUTLINES % flag, (names, schemas))
    server = next(row for row in rows if row[0] is None)
    refuse(server[3], server[5])
    path = [name for _, name in sorted({(row[1], row[0]) for row in rows if row[1] is not None})]
    made = {(row[0], row[2]): row for row in rows}
    found = {}
    for table in tables:
        places = [(s, fold(table.name)) for s in ([table.schema] if table.schema else path)]
        row = next((made[place] for place in places if place in made), None)
        if row:
            found[table] = _outline(server[4], *row[3:])
    return found


def _outline(usual: str, columns: str, indexes: str | None, is_marked: bool) -> Outline:
    """Make an outline of a row of a table; ``usual`` are the operator classes of a plain B-tree."""
    found = columns_of(columns, 4)
    names = {number: name for number, name, _, _ in found}
    is_odd = is_marked or not found
    each: set[tuple[str, ...]] = set()
    for item in indexes.split(ITEM) if indexes else ():
        kind, keys, *rest = item.split(PART)
        if kind != "invalid" and _is_plain(usual, *rest):
            each.add((kind, *[names.get(number, "") for number in keys.split()]))
        elif kind != "index":
            is_odd = True
    return Outline({name: (text, flag) for _, name, text, flag in found}, each, is_odd)


@cache  # of the few ways in which keys are qualified
def _is_plain(usual: str, classes: str, collations: str, options: str, flag: str) -> bool:
    """Tell whether all keys are columns in the usual order and collation of a B-tree."""
    is_usual = {*collations.split()} <= {"0", "100"} and {*options.split(), flag} == {"0"}
    return is_usual and {*classes.split()} <= {*usual.split()}
