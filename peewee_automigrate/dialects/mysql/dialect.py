"""MySQL 8 and MariaDB 10.6 and later: names, types, literals, and DDL that commits by itself.

MySQL 8 itself was not run: where the two differ, what its manual says stands here. Sources:
https://dev.mysql.com/doc/refman/8.0/en/ and https://mariadb.com/kb/en/documentation/.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from ...schema import Catalog, Column, Index, Key, Table, TableName
from ..base import MARK, Keys, Rows, Wanted
from . import catalogue as mysql_catalog
from . import names as mysql_types
from .catalogue import KEY_MARK
from .limits import MysqlLimits

_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_PREFIX = re.compile(r"(.+) \( (\d+) \)", re.DOTALL)


class Mysql(MysqlLimits):
    """MySQL and MariaDB, through PyMySQL or mysqlclient."""

    name = "mysql"
    shares_index_names = False
    adds_constraints = True
    transactional_ddl = False
    keys_inside = True
    alters_at_once = True
    keys_follow = True
    defers_keys = False
    longest_name = 64
    truths = ("0", "1")
    casts_values = False
    null_word = "NULL"  # without it some servers give a TIMESTAMP a default of their own
    fill_mark = f"COMMENT '{MARK}'"
    key_mark = f"COMMENT '{KEY_MARK}'"
    canonical_type = staticmethod(mysql_types.canonical_type)
    canonical_default = staticmethod(mysql_catalog.canonical_default)
    canonical_action = staticmethod(mysql_catalog.canonical_action)
    table_options = staticmethod(mysql_catalog.table_options)

    @staticmethod
    def fold(name: str) -> str:
        """Names of columns, indexes and constraints ignore case."""
        return name.lower()

    def fold_table(self, name: str) -> str:
        """``lower_case_table_names`` says whether names of tables do."""
        return name.lower() if self.settings.folds_tables else name

    def same_type(self, declared: str, actual: str) -> bool | None:
        """JSON is another word for LONGTEXT on MariaDB."""
        if declared == actual:
            return True
        if self.settings.is_mariadb and {declared, actual} == {"json", "longtext"}:
            return True
        known = {mysql_types.base_type(side) for side in (declared, actual)} <= mysql_types.KNOWN
        return False if known else None

    def unknown_types(self, types: Sequence[str]) -> list[str]:
        return [name for name in types if mysql_types.base_type(name) not in mysql_types.KNOWN]

    def canonical_index(self, index: Index) -> Index:
        """A key such as ``a (10)`` is a prefix here. InnoDB makes every other method a B-tree.
        MariaDB has descending keys since 10.8.
        """
        keys = tuple(map(_key, index.keys))
        ordered = any("desc" in key.options for key in keys)
        if ordered and self.settings.is_mariadb and self.settings.version < (10, 8):
            keys = tuple(
                key._replace(options=key.options.replace("desc", "").strip()) for key in keys
            )
        method = index.method if index.method in ("fulltext", "spatial") else "btree"
        return index._replace(keys=keys, method=method)

    def literal(self, value: Any, type_name: str) -> str:
        """Bytes go as hexadecimal digits, and so does text in which a backslash is only that."""
        if isinstance(value, bytes | bytearray | memoryview):
            return f"X'{bytes(value).hex()}'"
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"MySQL has no literal for {value}")
        text = _ESCAPED.sub(_unescaped, self.quoted_value(value, "QUOTE"))
        if "\\" in text and "NO_BACKSLASH_ESCAPES" in self.settings.sql_mode:
            return f"CONVERT(X'{str(value).encode().hex()}' USING utf8mb4)"
        return text

    def default_clause(self, default: str, type_name: str) -> str:
        """MySQL takes a default of a text as an expression only, in brackets."""
        bare = self.settings.is_mariadb or not mysql_types.is_text(type_name)
        return default if bare else f"({default})"

    def refuses_value(self, literal: str, type_name: str) -> str | None:
        """Find what a server that is not strict would change without a word."""
        if mysql_types.is_number(type_name):
            is_wrong = not mysql_types.holds_number(type_name, literal.strip("'"))
        elif mysql_types.base_type(type_name) in ("date", "datetime", "timestamp"):
            is_wrong = self.rows(f"SELECT CAST({literal} AS DATETIME) IS NULL")[0][0]
        else:
            text = literal[1:-1].replace("''", "'").replace("\\\\", "\\")
            is_wrong = literal[:1] == "'" and not mysql_types.holds_text(type_name, text)
        return f"{literal} is no {type_name}" if is_wrong else None

    def read_catalog(self, wanted: Wanted) -> Catalog:
        return mysql_catalog.read(self.rows, self.settings, self.fold_table, wanted)

    def key_value(self, key: Key) -> str:
        length = re.match(r"\((\d+)\)", key.options)
        name = self.quote(key.text)
        return f"left({name}, {length[1]})" if length else name

    def update_triggers(self, table: Table) -> list[str]:
        rows = self.rows(
            "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = %s"
            " AND EVENT_OBJECT_TABLE = %s AND EVENT_MANIPULATION = 'UPDATE' ORDER BY 1",
            (table.schema, table.name.name),
        )
        return [row[0] for row in rows]

    def alter_sql(self, table: TableName, column: Column, what: str) -> str | None:
        target = f"ALTER TABLE {self.quote_table(table)}"
        name = self.quote(column.name)
        if what == "default":
            change = f"SET DEFAULT {column.default}" if column.default else "DROP DEFAULT"
            return f"{target} ALTER COLUMN {name} {change}"
        words = "NULL" if column.null else "NOT NULL"
        words += " AUTO_INCREMENT" if column.making.automatic else ""
        rest = "/* and all else that SHOW CREATE TABLE says of it, or it is lost */"
        return f"{target} MODIFY COLUMN {name} {column.type} {words} {rest}"

    def instant(self, statement: str) -> str:
        return f"{statement}, ALGORITHM=INSTANT"

    def unchecked(self, statement: str) -> tuple[str, ...]:
        """With checks the table is copied; without, InnoDB only builds what index is missing."""
        how = "NOCOPY" if self.settings.is_mariadb else "INPLACE"
        checks = "SET SESSION foreign_key_checks = "
        return f"{checks}0", f"{statement}, ALGORITHM={how}", f"{checks}1"

    @property
    def columns_have_checks(self) -> bool:
        """To MySQL each CHECK is one of the table."""
        return self.settings.is_mariadb

    def _fill_rows(self, source: str, target: str, column: Column, keys: Keys, rows: Rows) -> None:
        """One UPDATE. A column that the server would touch by itself is set to what it holds."""
        match = " AND ".join(f"{name} = %s" for name, _ in keys)
        names = ", ".join(name for name, _ in keys)
        marks = f"({', '.join(['%s'] * len(keys))})"
        cases = " ".join([f"WHEN {match} THEN %s"] * len(rows))
        kept = "".join(f", {name} = {name}" for name in self._self_updating(source))
        values = [item for row in rows for item in (*row[1:], row[0])]
        self.database.execute_sql(
            f"UPDATE {source} SET {target} = CASE {cases} END{kept}"
            f" WHERE {target} IS NULL AND ({names}) IN ({', '.join([marks] * len(rows))})",
            [*values, *(item for row in rows for item in row[1:])],
        )

    def _self_updating(self, source: str) -> list[str]:
        """Read: columns that are ON UPDATE CURRENT_TIMESTAMP."""
        rows = self.rows(f"SHOW COLUMNS FROM {source}", ())
        return [
            self.escaped(self.quote(row[0])) for row in rows if "on update" in str(row[5]).lower()
        ]


def _unescaped(escape: re.Match[str]) -> str:
    """QUOTE writes a quote as \\', which standard SQL doubles."""
    return "''" if escape[1] == "'" else escape[0]


def _key(key: Key) -> Key:
    found = None if key.is_column else _PREFIX.fullmatch(key.text)
    if not found:
        return key
    name = found[1]
    quoted = name.startswith('"')
    return Key(name[1:-1] if quoted else name, True, f"({found[2]}) {key.options}".rstrip())
