"""MySQL and MariaDB: the outlines of all tables, by one statement.

Enters: names of tables. Leaves: an `Outline` by name. A row for each column and each key of an
index, since ``group_concat_max_len`` would cut a row for each table. Sources as in `catalogue`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from peewee import PeeweeException

from ...schema import GIVEN, NEEDED, Outline, TableName
from ..base import MARK
from .catalogue import KEY_MARK, asked, names_in, settings_of
from .names import canonical_type
from .session import Mysql

_OUTLINES = """
SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, COLUMN_TYPE,
       IF(IS_NULLABLE = 'YES', '0', IF(COLUMN_DEFAULT IS NULL, '1', '2')) AS flag, EXTRA,
       COLUMN_COMMENT AS remark, NULL AS place
FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = {schema} AND TABLE_NAME IN ({tables})
UNION ALL
SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, INDEX_NAME, NON_UNIQUE, INDEX_TYPE,
       IF(SUB_PART IS NULL AND COLLATION = 'A', '', 'odd'), SEQ_IN_INDEX
FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = {schema} AND TABLE_NAME IN ({tables})
"""
_SERVER = """
UNION ALL
SELECT '', version(), database(), @@lower_case_table_names, @@collation_database, @@sql_mode,
       NULL, -1
"""
_MADE = re.compile("auto_increment|generated", re.IGNORECASE)  # of whose values the server makes


def read(dialect: Mysql, tables: Sequence[TableName]) -> dict[TableName, Outline]:
    """Read the outlines of those tables that stand."""
    told = list(_asked(dialect, tables))
    settings, fold = dialect.settings, dialect.names.fold_table
    rows: dict[tuple[str, str], list[Sequence[Any]]] = defaultdict(list)
    for row in told:
        rows[row[0], fold(row[1])].append(row[2:])
    found = {t: rows.get((t.schema or settings.schema or "", fold(t.name))) for t in tables}
    return {table: _outline(its) for table, its in found.items() if its}


def _asked(dialect: Mysql, tables: Sequence[TableName]) -> Iterator[Sequence[Any]]:
    """Ask by one statement, where all tables are in the current database also what the server is:
    what only speaks the protocol may fail here, and is refused by its name.
    """
    if any(table.schema for table in tables):
        settings = dialect.settings
        schemas = sorted({table.schema or settings.schema or "" for table in tables})
        parts = [(name, names_in(tables, name, settings)) for name in schemas]
        yield from asked(dialect.rows, _OUTLINES, parts)
        return
    query = _OUTLINES.replace("{schema}", "database()") + _SERVER
    try:
        rows = asked(dialect.rows, query, [("", sorted({table.name for table in tables}))])
    except PeeweeException:
        _ = dialect.settings
        raise
    for row in rows:
        if row[-1] == -1:
            dialect.settings = settings_of(row[1:6])
        else:
            yield row


def _outline(rows: list[Sequence[Any]]) -> Outline:
    columns: dict[str, tuple[str, str]] = {}
    keys: dict[str, list[tuple[int, str | None]]] = defaultdict(list)
    kinds, odd = {}, set()
    for name, text, flag, extra, remark, place in rows:
        if place is None:
            is_given = flag == NEEDED and _MADE.search(extra)
            columns[name] = (canonical_type(text), GIVEN if is_given else flag)
            if remark and remark.endswith((MARK, KEY_MARK)):
                odd.add("")
            continue
        keys[text].append((int(place), name))
        kinds[text] = "index" if int(flag) else "primary" if text == "PRIMARY" else "unique"
        if remark or name is None or extra != "BTREE":
            odd.add(text)
    is_odd = any(kinds.get(name) != "index" for name in odd)
    plain = {
        (kinds[name], *[str(column) for _, column in sorted(found)])
        for name, found in keys.items()
        if name not in odd
    }
    return Outline(columns, plain, is_odd)
