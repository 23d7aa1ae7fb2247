"""What MySQL and MariaDB refuse, or don't do at once: sizes of keys, engines, letters.

Enters: tables as they stand, what is to be added. Leaves: findings, sizes. Reads collations.
Sources: https://mariadb.com/kb/en/innodb-limitations/ and
https://dev.mysql.com/doc/refman/8.0/en/create-table-foreign-keys.html.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ...changes import AddColumn, AddIndex, Finding
from ...compare.spelling import column_of
from ...schema import UNKNOWN, Column, ForeignKey, Index, Key, Ref, Table, TableName
from ...sql import called_functions, column_names, is_constant
from ...texts import blocked
from ..base import Facts
from ..statements import field_of
from ..writing import Writer
from .names import (
    base_type,
    bytes_per_character,
    can_refer,
    has_characters,
    is_text,
    key_bytes,
    key_limit,
)

if TYPE_CHECKING:
    from .session import Mysql

_COLLATIONS = """
SELECT COLUMN_NAME, COLLATION_NAME FROM information_schema.COLUMNS
WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s
UNION ALL
SELECT '', TABLE_COLLATION FROM information_schema.TABLES
WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s"""
_COLLATION = """
SELECT '', DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s"""
_PARTITIONED = """
SELECT DISTINCT PARTITION_EXPRESSION FROM information_schema.PARTITIONS
WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s"""
_KEYS = 64  # of a table
_UNLIMITED = 2**32  # bytes
_STEADY = {"current_timestamp", "now", "localtime", "localtimestamp", "curdate", "utc_timestamp"}


class _Place(NamedTuple):
    """A column, and its table as it stands, or as declared where the run creates it."""

    table: Table
    column: Column
    is_new: bool


class Limits(Writer):
    """The limits of InnoDB, and of the other engines."""

    dialect: Mysql

    def __init__(self, dialect: Mysql) -> None:
        super().__init__(dialect)
        self.settings = dialect.settings
        self.fold = dialect.names.fold
        self._known: dict[tuple[str, ...], dict[str, str]] = {}

    # Columns

    def refuses_check(self, ref: Ref, column: Column) -> Finding | None:
        """Say that a column's CHECK is a syntax error to MariaDB, or None:
        https://mariadb.com/kb/en/constraint/.
        """
        found = [clause for clause in column.declared.clauses if clause.kind != "generated"]
        checks = column.declared.of_kind("check")
        is_odd = any(clause.name or clause is not found[-1] for clause in checks)
        return blocked("AM128", ref) if is_odd and self.settings.is_mariadb else None

    def is_instant(self, table: Table, column: Column, default: str | None) -> bool:
        """Tell whether nothing has to be computed for each row when a column is added."""
        virtual = {self.fold(one.name) for one in table.columns if one.generated == "virtual"}
        for index in table.indexes:
            if index.method == "fulltext" or virtual & set(map(self.fold, index.columns)):
                return False
        is_plain = table.options[:1] == ("innodb",) and "compressed" not in table.options
        if not is_plain or column.declared.of_kind("references"):
            return False
        if default is None or is_constant(default):
            return True
        return (set(called_functions(default)) or {default.lower()}) <= _STEADY

    def refuses_default(self, change: AddColumn, default: str | None) -> Finding | None:
        """Read: say why a table takes no such default, for its letters or OceanBase, or None."""
        if default and self.settings.server == "OceanBase":
            if is_text(change.column.type):
                return blocked("AM155", change.ref, type=change.column.type)
            if not self.is_instant(change.actual, change.column, default):
                return blocked("AM156", change.ref, default=default)
        if not default or default.isascii() or change.column.declared.clauses:
            return None
        charset = self._collations(change.actual).get("", "").partition("_")[0]
        kept = f"CONVERT(CONVERT({default} USING {charset}) USING utf8mb4)"
        if charset == "utf8mb4" or self.dialect.rows(f"SELECT {kept} = {default}")[0][0]:
            return None
        return blocked("AM127", change.ref, charset=charset)

    def refuses_type(self, change: AddColumn) -> Finding | None:
        """Say that the engine of a table has no columns of this type, or None."""
        engine, type_name = change.actual.options[0], change.column.type
        if engine != "memory" or not is_text(type_name):
            return None
        return blocked("AM148", change.ref, engine="MEMORY", type=type_name)

    def refuses_fill(self, change: AddColumn, facts: Facts) -> Finding | None:
        """Say why the rows of a table can't get a value each, or None."""
        table = change.actual
        types = [column.type for column in table.columns if column.name in table.primary_key]
        if "float" in map(base_type, types):
            return blocked("AM129", change.ref)
        return None if table.primary_key else blocked("AM130", change.ref)

    # Foreign keys

    def refuses_key(self, table: TableName, fk: ForeignKey, facts: Facts) -> Finding | None:
        """Read: say why a foreign key can't be, or None: with foreign_key_checks off the server
        accepts more than works.
        """
        ref = fk.ref(table)
        _, owner = field_of(facts.models(table), self.dialect, fk.columns[0])
        if owner.deferrable:
            return blocked("AM135", ref, server=self.dialect.name)
        child = self._place(table, fk.columns[0], facts)
        parent = self._place(fk.parent, fk.parent_columns[0], facts)
        if child is None or parent is None:
            return None
        for place, what in ((child, "the table"), (parent, "the table that it refers to")):
            options = place.table.options
            if options[0] != "innodb":
                return blocked("AM137", ref, what=what, engine=options[0])
            if "partitioned" in options:
                return blocked("AM138", ref, what=what)
        types = child.column.type, parent.column.type
        if not can_refer(*types):
            return blocked("AM118", ref, child=types[0], parent=types[1])
        if not has_characters(types[0]) or child.column.declared.clauses:
            return None
        collations = self._collation(child), self._collation(parent)
        if _are_unlike(*collations):
            return blocked("AM139", ref, child=collations[0], parent=collations[1])
        return None

    def _place(self, name: TableName, column: str, facts: Facts) -> _Place | None:
        """Return a column as it stands, or else as it is declared."""
        actual = facts.actual(name)
        for side in filter(None, (actual, facts.declared(name))):
            if found := column_of(side, column, self.fold):
                return _Place(actual or side, found, side is not actual)
        return None

    def _collation(self, place: _Place) -> str:
        """Read: return the collation of a column that stands, or that it would get, or only the
        character set where no more is sure; "" when it can't tell.
        """
        name = "" if place.is_new else self.fold(place.column.name)
        return self._collations(place.table).get(name, "")

    def _collations(self, table: Table) -> dict[str, str]:
        """Read: return the collations of a table's columns, and under "" that of the table, which
        of one that the run creates is its character set where it declares one.
        """
        is_new, charset, schema = "new" in table.options, table.options[-1], table.name.schema
        if is_new and (charset or schema is None):
            return {"": charset.strip(UNKNOWN) if charset else self.settings.collation}
        names = (schema or "",) if is_new else (table.schema or "", table.name.name) * 2
        if names not in self._known:
            rows = self.dialect.rows(_COLLATION if is_new else _COLLATIONS, names)
            self._known[names] = {self.fold(name): found or "" for name, found in rows}
        return self._known[names]

    # Indexes

    def refuses_index(self, table: Table, change: AddIndex) -> Finding | None:
        """Read: say why a table, with the columns that the same run adds, can't have an index."""
        index, ref, is_mariadb = change.index, change.ref, self.settings.is_mariadb
        server = "MariaDB" if is_mariadb else "MySQL"
        if index.where:
            return blocked("AM131", ref, server=server)
        if not index.nulls_distinct:
            return blocked("AM132", ref, server=server)
        if not all(key.is_column for key in index.keys):
            return blocked("AM133", ref, server=server) if is_mariadb else None
        names = [other.name for other in table.indexes]
        if index.name in names[_KEYS:]:
            return blocked("AM147", ref, limit=_KEYS)
        if index.unique and "partitioned" in table.options:
            columns = set(map(self.fold, index.columns))
            rows = self.dialect.rows(_PARTITIONED, (table.schema, table.name.name))
            missing = {n for (text,) in rows for n in column_names(text or "")} - columns
            if missing:
                return blocked("AM125", ref, columns=", ".join(sorted(missing)))
        return self._too_long(table, index, ref) if index.method == "btree" else None

    def refuses_primary_key(self, table: Table) -> Finding | None:
        """Read: say that the primary key of a new table is too long, or None."""
        index = Index("", tuple(map(Key, table.primary_key)), unique=True, origin="pk")
        ref = Ref("table", table.name)
        return self._too_long(table, index, ref) if table.primary_key else None

    def _too_long(self, table: Table, index: Index, ref: Ref) -> Finding | None:
        """MariaDB takes the longest prefix of a long column, and a hash for a long unique index."""
        sizes = [self._key_bytes(table, key) for key in index.keys]
        limit, is_key = key_limit(table.options), index.origin == "pk"
        older = "compact" in table.options or "redundant" in table.options
        if older and max(sizes) <= limit:  # that is the limit of one column there
            limit, older = key_limit(("innodb", "dynamic")), False
        if self.settings.is_mariadb and not is_key and not older:
            total = 0 if index.unique else sum(min(size, limit) for size in sizes)
        else:
            total = sum(sizes)
        if total <= limit:
            return None
        words = {"role": "as a primary key, " if is_key else "", "column": index.keys[0].text}
        return blocked("AM134", ref, limit=f"{limit:,}", **words)

    def is_hash(self, table: Table, index: Index) -> bool:
        """Read: tell whether MariaDB makes a hash of a unique index, since its key is too long."""
        sizes = sum(self._key_bytes(table, key) for key in index.keys)
        return index.unique and sizes > key_limit(table.options)

    def _key_bytes(self, table: Table, key: Key) -> int:
        """Read: return the most bytes of a key, or of its prefix."""
        found, collations = column_of(table, key.text, self.fold), self._collations(table)
        type_name = found.type if found else ""
        collation = collations.get(self.fold(key.text)) or collations.get("", "")
        width = bytes_per_character(collation.partition("_")[0])
        length = re.match(r"\((\d+)\)", key.options)
        if length:
            return int(length[1]) * (width if has_characters(type_name) else 1)
        size = key_bytes(type_name, width)
        return _UNLIMITED if size is None else size


def _are_unlike(one: str, other: str) -> bool:
    """Compare collations; one without an underscore is only a character set."""
    sides = [name.replace("utf8mb3", "utf8") for name in (one, other)]
    if not all("_" in side for side in sides):
        sides = [side.partition("_")[0] for side in sides]
    return all(sides) and sides[0] != sides[1]
