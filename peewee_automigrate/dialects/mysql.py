"""MySQL 8 and MariaDB 10.6 and later: their limits, costs, locks, and DDL that commits by itself.

Sources: https://dev.mysql.com/doc/refman/8.0/en/innodb-online-ddl-operations.html,
https://mariadb.com/kb/en/innodb-online-ddl-operations-with-the-instant-alter-algorithm/ and
https://dev.mysql.com/doc/refman/8.0/en/locking-functions.html. MySQL 8 itself was not run: where
the two differ, what its manual says stands here, and the cautious way is taken.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from typing import Any

from peewee import Database, PeeweeException

from ..errors import AutoMigrateError, UnsupportedDatabase
from ..expression import called_functions, is_constant, tokens
from ..options import Options
from ..schema import Catalog, Column, ForeignKey, Index, Key, Table, TableName
from . import mysql_catalog, mysql_types
from .base import Addition, Dialect, Place, Wanted
from .mysql_catalog import MARK, Settings
from .waiting import poll

_ALGORITHM = re.compile(r", ALGORITHM=\w+$")
_UNLIMITED = 2**32  # bytes
_LOCK_NAME = 64  # characters
_WAITS = ("lock_wait_timeout", "innodb_lock_wait_timeout")
_OLDEST = {True: (10, 6), False: (8, 0, 16)}  # MariaDB, MySQL
_STEADY = {"current_timestamp", "now", "localtime", "localtimestamp", "curdate", "utc_timestamp"}
# Error numbers: https://mariadb.com/kb/en/mariadb-error-codes/ and MySQL's server error reference.
_LOCK_TIMEOUTS = {1205, 1213, 3572}
_TIMEOUTS = {1969, 3024}
_LOST = {0, 2006, 2013}
_IN_TRANSACTION = 1  # SERVER_STATUS_IN_TRANS of the protocol
_REFUSED_ALGORITHM = {1845, 1846, 4092}
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_PREFIX = re.compile(r"(.+) \( (\d+) \)", re.DOTALL)


class Mysql(Dialect):
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
    canonical_type = staticmethod(mysql_types.canonical_type)
    canonical_default = staticmethod(mysql_catalog.canonical_default)
    canonical_action = staticmethod(mysql_catalog.canonical_action)

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._known_collations: dict[tuple[str, str], dict[str, str | None]] = {}

    @cached_property
    def settings(self) -> Settings:
        """Read: what the server says of itself, once."""
        found = Settings.read(self.rows)
        if found.version < _OLDEST[found.is_mariadb]:
            text = ".".join(map(str, found.version))
            kind = "MariaDB" if found.is_mariadb else "MySQL"
            raise UnsupportedDatabase(
                f"{kind} {text}: too old. Use MariaDB 10.6, MySQL 8.0.16, or a later one."
            )
        return found

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
        """A key such as ``a (10)`` is a prefix here. InnoDB makes every other method a B-tree."""
        keys = tuple(map(_key, index.keys))
        method = index.method if index.method in ("fulltext", "spatial") else "btree"
        return replace(index, keys=keys, method=method)

    def truth(self, value: bool) -> str:
        return "1" if value else "0"

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

    def null_clause(self) -> str:
        """Without the word some servers give a TIMESTAMP a default of their own."""
        return "NULL"

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

    def typed(self, expression: str | None, type_name: str) -> str:
        return expression or "NULL"

    # Questions

    def read_catalog(self, wanted: Wanted) -> Catalog:
        return mysql_catalog.read(self.rows, self.settings, self.fold_table, wanted)

    def column_effect(self, table: Table, column: Column, default: str | None) -> str:
        """INSTANT changes the dictionary only, where nothing has to be computed for each row."""
        words = {word.upper() for sql in column.making.constraints for word in tokens(sql)}
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
        words = {
            token.upper() for sql in addition.column.making.constraints for token in tokens(sql)
        }
        if "system versioned" in addition.table.options:
            return "the table is system-versioned, and its history would change"
        if "UNIQUE" in words:
            return "a UNIQUE constraint can't be checked beforehand; declare unique=True instead"
        return self._lacks_letters(addition)

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

    def key_value(self, key: Key) -> str:
        length = re.match(r"\((\d+)\)", key.options)
        name = self.quote(key.text)
        return f"left({name}, {length[1]})" if length else name

    def refuses_fill(self, table: Table) -> str | None:
        if table.primary_key:
            return None
        return "the table has no primary key, so that its rows can't be told apart to fill it"

    def refuses_key(self, child: Place, parent: Place) -> str | None:
        """With foreign_key_checks off the server accepts more than works."""
        for place, what in ((child, "the table"), (parent, "the table that it refers to")):
            options = place.table.options if place.table else ("innodb",)
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
        if collations[0] == collations[1]:
            return None
        return f"it is {collations[0]}, and the column that it refers to is {collations[1]}"

    def _collation(self, place: Place) -> str:
        """Read: return the collation of a column that stands, or that it would get."""
        if place.table is None:
            return self.settings.collation
        collations = self._collations(place.table)
        return collations.get("" if place.is_new else self.fold(place.column.name)) or ""

    def _collations(self, table: Table) -> dict[str, str | None]:
        """Read: return the collations of a table's columns, and under "" that of the table."""
        if table.schema is None or not table.options:
            return {"": self.settings.collation}
        key = (table.schema, table.name.name)
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
        limit = mysql_catalog.key_limit(table.options or ("innodb", "dynamic"))
        older = "compact" in table.options or "redundant" in table.options
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

    def home(self) -> str | None:
        """A parent without a schema is looked for in the child's, and with foreign_key_checks off
        accepted where it is not.
        """
        return self.settings.schema

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
        null = "NULL" if column.null else "NOT NULL"
        return f"{target} MODIFY COLUMN {name} {column.type} {null}"

    # Verbs

    def run(self, statement: str) -> str:
        """Where the server can't do it at once after all, let it choose how."""
        freely = _ALGORITHM.sub("", statement)
        try:
            return super().run(statement)
        except PeeweeException as error:
            if freely == statement or _number(error) not in _REFUSED_ALGORITHM:
                raise
        return super().run(freely)

    def prepare_to_write(self) -> None:
        """In a Galera cluster a lock of one node says nothing to the others."""
        rows = self.rows("SHOW GLOBAL VARIABLES LIKE 'wsrep_on'")
        if rows and str(rows[0][1]).upper() in ("ON", "1"):
            raise AutoMigrateError(
                "the server is a node of a Galera cluster, where GET_LOCK holds on one node only, "
                "so that two migrators could run at once. Print the statements by "
                "`plan --format sql`, and run them on one node."
            )

    @contextmanager
    def migration_lock(self, options: Options, waiting: Callable[[str], None]) -> Iterator[float]:
        """GET_LOCK survives the commits of DDL, and ends with the connection."""
        name = lock_name(self.settings.schema or "")

        def attempt() -> bool:
            return bool(self.rows("SELECT GET_LOCK(%s, 0)", (name,))[0][0])

        waited = poll(attempt, lambda: self._lock_holder(name), options.lock_wait, waiting)
        before = self._session()
        try:
            if not self.rows("SELECT IS_USED_LOCK(%s) = CONNECTION_ID()", (name,))[0][0]:
                raise AutoMigrateError(
                    "the migration lock is held by another connection of the same pooler. "
                    "Migrate over a direct URL of the server."
                )
            if self.settings.is_mariadb:  # there it would stop DDL
                self.run("SET SESSION max_statement_time = 0")
            yield waited
        except BaseException:
            with suppress(Exception):  # a lost connection has let go of the lock by itself
                self._release(name, before)
            raise
        self._release(name, before)

    def _session(self) -> dict[str, Any]:
        """Read: return the settings of the session that a run changes."""
        names = ["foreign_key_checks", *_WAITS]
        names += ["max_statement_time"] if self.settings.is_mariadb else []
        values = self.rows("SELECT " + ", ".join(f"@@SESSION.{name}" for name in names))[0]
        return dict(zip(names, values, strict=True))

    def _release(self, name: str, before: Mapping[str, Any]) -> None:
        settings = ", ".join(f"{setting} = %s" for setting in before)
        self.rows(f"SET SESSION {settings}", tuple(before.values()))
        self.rows("SELECT RELEASE_LOCK(%s)", (name,))

    def _lock_holder(self, name: str) -> str | None:
        return self._described("ID = IS_USED_LOCK(%s)", (name,))

    def blockers(self, table: TableName) -> str | None:
        """Without the server's performance schema nobody tells who holds a table; those who are
        in a transaction, or lock tables, may.
        """
        condition = "ID IN (SELECT trx_mysql_thread_id FROM information_schema.INNODB_TRX)"
        try:
            return self._described(condition, ())
        except PeeweeException:  # it takes the privilege PROCESS
            return None

    def _described(self, condition: str, params: tuple[object, ...]) -> str | None:
        rows = self.rows(
            "SELECT ID, USER, HOST, COMMAND, TIME FROM information_schema.PROCESSLIST"
            f" WHERE ID <> CONNECTION_ID() AND {condition} ORDER BY TIME DESC LIMIT 3",
            params,
        )
        return (
            "; ".join(
                f"connection {number} ({user}@{host}, {command} for {seconds} s)"
                for number, user, host, command, seconds in rows
            )
            or None
        )

    @contextmanager
    def short_locks(self, seconds: float) -> Iterator[None]:
        """In whole seconds. Who locks the session takes it back: `migration_lock`."""
        whole = max(math.ceil(seconds), 1)
        self.run("SET SESSION " + ", ".join(f"{name} = {whole}" for name in _WAITS))
        yield

    @contextmanager
    def short_reads(self, seconds: float) -> Iterator[None]:
        with self._setting("lock_wait_timeout", max(math.ceil(seconds), 1)):
            yield

    def may_go_on(self, error: BaseException) -> bool:
        """A statement goes on when its client is gone."""
        return _number(error) in _LOST

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

    def in_transaction(self) -> bool:
        """Also one that was begun by SQL, which Peewee does not know of."""
        if self.settings.is_mariadb:
            return bool(self.rows("SELECT @@in_transaction")[0][0])
        status = getattr(self.database.connection(), "server_status", 0)  # of PyMySQL
        return bool(self.database.in_transaction() or status & _IN_TRANSACTION)

    def is_lock_timeout(self, error: BaseException) -> bool:
        return _number(error) in _LOCK_TIMEOUTS

    @contextmanager
    def bounded(self, seconds: float) -> Iterator[None]:
        maria = self.settings.is_mariadb
        name = "max_statement_time" if maria else "max_execution_time"
        with self._setting(name, seconds if maria else int(seconds * 1000)):
            yield

    @contextmanager
    def _setting(self, name: str, value: float) -> Iterator[None]:
        before = self.rows(f"SELECT @@SESSION.{name}")[0][0]
        self.run(f"SET SESSION {name} = {value}")
        try:
            yield
        finally:
            self.run(f"SET SESSION {name} = {before}")

    def is_timeout(self, error: BaseException) -> bool:
        return _number(error) in _TIMEOUTS

    def instant(self, statement: str) -> str:
        return f"{statement}, ALGORITHM=INSTANT"

    def key_effect(self, table: Table) -> str:
        """A hash is a hidden virtual column, beside which nothing is done in place."""
        return "rewrites" if "hash" in table.options else "instant"

    def unchecked(self, statement: str) -> tuple[str, ...]:
        """With checks the table is copied; without, InnoDB only builds what index is missing."""
        how = "NOCOPY" if self.settings.is_mariadb else "INPLACE"
        checks = "SET SESSION foreign_key_checks = "
        return f"{checks}0", f"{statement}, ALGORITHM={how}", f"{checks}1"

    @property
    def columns_have_checks(self) -> bool:
        """To MySQL each CHECK is one of the table."""
        return self.settings.is_mariadb

    def column_mark(self) -> str:
        return f"COMMENT '{MARK}'"

    def _row_key(self, table: Table) -> list[tuple[str, str]]:
        return [(self.quote(name), "") for name in table.primary_key]

    def _fill_rows(
        self,
        source: str,
        target: str,
        column: Column,
        keys: Sequence[tuple[str, str]],
        rows: Sequence[tuple[Any, ...]],
    ) -> None:
        """One UPDATE. A column that the server would touch by itself is set to what it holds."""
        own = [self._escaped(name) for name, _ in keys]
        match = " AND ".join(f"{name} = %s" for name in own)
        names = ", ".join(own)
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
        rows = self.rows(f"SHOW COLUMNS FROM {source.replace('%%', '%')}")
        return [
            self._escaped(self.quote(row[0])) for row in rows if "on update" in str(row[5]).lower()
        ]


def lock_name(schema: str) -> str:
    """Return the name of a database's lock; it is known to the whole server, so it contains the
    database, or where that is too long its beginning and a digest.
    """
    name = f"peewee_automigrate.{schema}"
    if len(name) <= _LOCK_NAME:
        return name
    return f"{name[: _LOCK_NAME - 17]}.{hashlib.sha256(schema.encode()).hexdigest()[:16]}"


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


def _number(error: BaseException) -> int | None:
    """The drivers' errors, and Peewee's around them, have the number as their first argument."""
    number = error.args[0] if error.args else None
    return number if isinstance(number, int) else None
