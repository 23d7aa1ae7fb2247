"""What MySQL and MariaDB refuse, and what a change costs there.

Enters: tables as they stand, what is to be added. Leaves: reasons and effects, or None. Sources:
https://dev.mysql.com/doc/refman/8.0/en/innodb-online-ddl-operations.html and
https://mariadb.com/kb/en/innodb-online-ddl-operations-with-the-instant-alter-algorithm/. MySQL 8
itself was not run: where the two differ, what its manual says stands here, the cautious way.
"""

from __future__ import annotations

import re

from peewee import Database

from ...schema import UNKNOWN, Column, ForeignKey, Index, Key, Table, TableName
from ...sql import called_functions, is_constant, named_constraint, upper_words
from ..base import Addition, Place
from . import catalogue as mysql_catalog
from . import names as mysql_types
from .session import MysqlSession

_UNLIMITED = 2**32  # bytes
_STEADY = {"current_timestamp", "now", "localtime", "localtimestamp", "curdate", "utc_timestamp"}


class MysqlLimits(MysqlSession):
    """The limits of InnoDB, and of the other engines."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._known_collations: dict[tuple[str, str], dict[str, str | None]] = {}

    def column_effect(self, table: Table, column: Column, default: str | None) -> str:
        """INSTANT changes the dictionary only, where nothing has to be computed for each row."""
        words = upper_words(column.making.constraints)
        fulltext = any(index.method == "fulltext" for index in table.indexes)
        checked = "CHECK" in words and not self.settings.is_mariadb
        plain = table.options[:1] == ("innodb",) and "compressed" not in table.options
        virtual = {self.fold(c.name) for c in table.columns if c.generated == "virtual"}
        indexed = any(virtual & set(map(self.fold, index.columns)) for index in table.indexes)
        if not plain or indexed or fulltext or checked or "REFERENCES" in words:
            return "rewrites"
        if default is None or is_constant(default):
            return "instant"
        called = set(called_functions(default)) or {default.lower()}
        return "instant" if called <= _STEADY else "rewrites"

    def refuses(self, addition: Addition) -> str | None:
        if "system versioned" in addition.table.options:
            return "the table is system-versioned, and its history would change"
        if "UNIQUE" in upper_words(addition.column.making.constraints):
            return "a UNIQUE constraint can't be checked beforehand; declare unique=True instead"
        return self.refuses_column(addition.column) or self._lacks_letters(addition)

    def refuses_column(self, column: Column) -> str | None:
        """To MariaDB anything else is a syntax error: https://mariadb.com/kb/en/constraint/."""
        found = list(map(named_constraint, column.making.constraints))
        named = any(name and text.startswith("check ") for name, text in found)
        early = any(text.startswith("check ") for _, text in found[:-1])
        if self.settings.is_mariadb and (named or early):
            return "on MariaDB a column has one CHECK, which has no name and comes last"
        return None

    def _lacks_letters(self, addition: Addition) -> str | None:
        """Read: say that a default has letters which the table's character set lacks."""
        default = addition.default or ""
        if default.isascii() or addition.column.making.constraints:
            return None
        charset = (self._collations(addition.table).get("") or "").partition("_")[0]
        if charset.startswith("utf8mb4"):
            return None
        kept = f"CONVERT(CONVERT({default} USING {charset}) USING utf8mb4)"
        if self.rows(f"SELECT {kept} = {default}")[0][0]:
            return None
        return f"its default has letters that the table's character set {charset} lacks"

    def refuses_fill(self, table: Table) -> str | None:
        keys = {column.type for column in table.columns if column.name in table.primary_key}
        if any(mysql_types.base_type(key) == "float" for key in keys):
            return "the primary key is a FLOAT, whose values no query can name"
        if table.primary_key:
            return None
        return "the table has no primary key, so that its rows can't be told apart to fill it"

    def refuses_key(self, child: Place, parent: Place) -> str | None:
        """With foreign_key_checks off the server accepts more than works."""
        for place, what in ((child, "the table"), (parent, "the table that it refers to")):
            options = place.table.options
            if options[:1] != ("innodb",):
                return f"{what} is of the engine {options[0]}, and only InnoDB has foreign keys"
            if "partitioned" in options:
                return f"{what} is partitioned, and has no foreign keys"
        types = child.column.type, parent.column.type
        if not mysql_types.can_refer(*types):
            return f"it is {types[0]}, and the column that it refers to is {types[1]}"
        if not mysql_types.has_characters(types[0]) or child.column.making.constraints:
            return None
        collations = self._collation(child), self._collation(parent)
        if not _are_unlike(*collations):
            return None
        return f"it is {collations[0]}, and the column that it refers to is {collations[1]}"

    def _collation(self, place: Place) -> str:
        """Read: return the collation of a column that stands, or that it would get, or only the
        character set where no more is sure; "" when it can't tell.
        """
        collations = self._collations(place.table)
        return collations.get("" if place.is_new else self.fold(place.column.name)) or ""

    def _collations(self, table: Table) -> dict[str, str | None]:
        """Read: return the collations of a table's columns, and under "" that of the table."""
        if "new" in table.options:
            return {"": self._coming_collation(table)}
        key = (table.schema or "", table.name.name)
        if key not in self._known_collations:
            rows = self.rows(
                "SELECT COLUMN_NAME, COLLATION_NAME FROM information_schema.COLUMNS"
                " WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s UNION ALL"
                " SELECT '', TABLE_COLLATION FROM information_schema.TABLES"
                " WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s",
                (*key, *key),
            )
            self._known_collations[key] = {self.fold(name): collation for name, collation in rows}
        return self._known_collations[key]

    def _coming_collation(self, table: Table) -> str:
        """Read: return the collation of a table that the run creates, or its character set."""
        charset, schema = table.options[-1], table.name.schema
        if charset or schema is None:
            return charset.strip(UNKNOWN) if charset else self.settings.collation
        if (schema, "") not in self._known_collations:
            rows = self.rows(
                "SELECT '', DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA"
                " WHERE SCHEMA_NAME = %s",
                (schema,),
            )
            self._known_collations[schema, ""] = dict(rows)
        return self._known_collations[schema, ""].get("") or ""

    def refuses_index(self, table: Table, index: Index) -> str | None:
        """``table`` has the columns that the same run adds."""
        server = "MariaDB" if self.settings.is_mariadb else "MySQL"
        if index.where:
            return f"{server} has no partial indexes"
        if not index.nulls_distinct:
            return f"{server} has no NULLS NOT DISTINCT"
        if not all(key.is_column for key in index.keys):
            older = self.settings.is_mariadb
            return "MariaDB has no indexes on expressions" if older else None
        return self._too_long(table, index) if index.method == "btree" else None

    def _too_long(self, table: Table, index: Index) -> str | None:
        """MariaDB takes the longest prefix of a long column, and a hash for a long unique index."""
        sizes = [self._key_bytes(table, key) for key in index.keys]
        limit = mysql_catalog.key_limit(table.options)
        older = "compact" in table.options or "redundant" in table.options
        if older and max(sizes) <= limit:  # that is the limit of one column there
            limit, older = mysql_catalog.key_limit(("innodb", "dynamic")), False
        if self.settings.is_mariadb and index.origin != "pk" and not older:
            total = 0 if index.unique else sum(min(size, limit) for size in sizes)
        else:
            total = sum(sizes)
        if total <= limit:
            return None
        return (
            f"its key can be longer than the {limit:,} bytes that the table takes; index a prefix "
            f"by SQL, such as ({index.keys[0].text}(191))"
        )

    def _key_bytes(self, table: Table, key: Key) -> int:
        """Read: return the most bytes of a key, or of its prefix."""
        types = {self.fold(column.name): column.type for column in table.columns}
        type_name = types.get(self.fold(key.text), "")
        collations = self._collations(table)
        collation = collations.get(self.fold(key.text), collations.get("")) or ""
        width = mysql_catalog.bytes_per_character(collation.partition("_")[0])
        length = re.match(r"\((\d+)\)", key.options)
        if length:
            return int(length[1]) * (width if mysql_types.has_characters(type_name) else 1)
        size = mysql_types.key_bytes(type_name, width)
        return _UNLIMITED if size is None else size

    def index_effect(self, table: Table, index: Index) -> tuple[str, str]:
        """A full-text index adds a hidden column, and a hash is made of a copy of the table."""
        if index.method != "btree":
            has_one = any(other.method == index.method for other in table.indexes)
            return ("builds" if has_one else "rewrites"), "writes"
        sizes = sum(self._key_bytes(table, key) for key in index.keys)
        is_hash = index.unique and sizes > mysql_catalog.key_limit(table.options)
        return ("rewrites", "writes") if is_hash else ("builds", "nothing")

    def key_effect(self, table: Table) -> str:
        """A hash is a hidden virtual column, beside which nothing is done in place."""
        return "rewrites" if "hash" in table.options else "instant"

    def dangling(self, table: TableName, fk: ForeignKey) -> str | None:
        """Somebody may have written to the column before its foreign key stood."""
        child, parent = self.quote("c", fk.columns[0]), self.quote("p", fk.parent_columns[0])
        home = self.home() if table.schema else None
        source = self.quote(fk.parent.schema or home, fk.parent.name)
        query = (
            f"SELECT c.* FROM {self.quote_table(table)} AS c LEFT JOIN {source} AS p"
            f" ON {parent} = {child} WHERE {child} IS NOT NULL AND {parent} IS NULL"
        )
        return query if self.rows(f"{query} LIMIT 1") else None

    def home(self) -> str | None:
        """A parent without a schema is looked for in the child's, and with foreign_key_checks off
        accepted where it is not.
        """
        return self.settings.schema


def _are_unlike(one: str, other: str) -> bool:
    """Compare collations; one without an underscore is only a character set."""
    sides = [name.replace("utf8mb3", "utf8") for name in (one, other)]
    if not all("_" in side for side in sides):
        sides = [side.partition("_")[0] for side in sides]
    return all(sides) and sides[0] != sides[1]
