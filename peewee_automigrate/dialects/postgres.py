"""PostgreSQL 12 and later, through psycopg2 or psycopg 3: types, costs, locks, online builds.

Sources: https://www.postgresql.org/docs/current/explicit-locking.html and sql-altertable.html,
sql-createindex.html and functions-admin.html beside it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from peewee import Cast, DatabaseError, Value

from ..expression import called_functions, is_constant, parse_index
from ..schema import (
    Catalog,
    Column,
    Index,
    Table,
    TableName,
)
from . import postgres_catalog
from .base import Addition, Dialect, Wanted
from .postgres_catalog import MARK
from .waiting import poll

_LOCK = 0x70656577  # "peew"
_FILL_ROWS = 1000
_ALIASES = {
    "int": "integer",
    "int4": "integer",
    "serial": "integer",
    "serial4": "integer",
    "int8": "bigint",
    "bigserial": "bigint",
    "serial8": "bigint",
    "int2": "smallint",
    "smallserial": "smallint",
    "varchar": "character varying",
    "char": "character",
    "bpchar": "character",
    "decimal": "numeric",
    "bool": "boolean",
    "float4": "real",
    "float8": "double precision",
    "float": "double precision",
    "varbit": "bit varying",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "time": "time without time zone",
    "timetz": "time with time zone",
}
_KNOWN = {
    *_ALIASES.values(),
    *("text", "uuid", "bytea", "json", "jsonb", "date", "interval", "name", "money", "xml", "bit"),
    *("inet", "cidr", "macaddr", "tsvector", "tsquery", "oid", "point", "line", "circle", "box"),
    *("path", "polygon"),
}
_TYPE = re.compile(
    r"([^()\[\]]+?)\s*(?:\(([^)]*)\))?\s*((?:with|without) time zone)?\s*((?:\[\])*)"
)


@cache
def canonical_type(text: str) -> str:
    """Return the spelling of ``format_type`` for a type as Peewee or a person writes it."""
    words = re.sub(r" generated .*", "", " ".join(text.lower().split()))
    match = _TYPE.fullmatch(words)
    if match is None:
        return text
    base, modifiers, zone, array = match.groups()
    name = _ALIASES.get(f"{base}tz" if zone == "with time zone" else base, base)
    if name == "character" and modifiers is None:
        modifiers = "1"
    if modifiers is not None:
        head, _, tail = name.partition(" with")
        inner = ",".join(part.strip() for part in modifiers.split(","))
        name = f"{head}({inner})" + (f" with{tail}" if tail else "")
    return name + (array or "")


def _base_type(canonical: str) -> str:
    return re.sub(r"\([^)]*\)|(\[\])+$", "", canonical).strip()


class Postgres(Dialect):
    """PostgreSQL."""

    name = "postgresql"
    creates_schemas = True
    adds_constraints = True
    validates_later = True
    builds_online = True

    def fold(self, name: str) -> str:
        return postgres_catalog.fold(name)

    def canonical_type(self, text: str) -> str:
        return canonical_type(text)

    def same_type(self, declared: str, actual: str) -> bool | None:
        if declared == actual:
            return True
        known = {_base_type(declared), _base_type(actual)} <= _KNOWN
        return False if known else None

    def unknown_types(self, types: Sequence[str]) -> list[str]:
        asked = sorted({name for name in types if _base_type(name) not in _KNOWN})
        if not asked:
            return []
        rows = self.rows(
            "SELECT t FROM unnest(CAST(%s AS text[])) AS t WHERE to_regtype(t) IS NULL",
            ([_base_type(name) for name in asked],),
        )
        missing = {row[0] for row in rows}
        return [name for name in asked if _base_type(name) in missing]

    def literal(self, value: Any, type_name: str) -> str:
        """A value other than text goes through its type, which also checks it."""
        if not isinstance(value, str):
            value = Cast(Value(value, converter=False, unpack=False), type_name)
        return self.quoted_value(Cast(value, "text"), "quote_literal")

    # Questions

    def read_catalog(self, wanted: Wanted) -> Catalog:
        self.database.connection()
        return postgres_catalog.read(self.rows, int(self.database.server_version or 0), wanted)

    def same_expressions(self, table: Table, declared: Index, actual: Index) -> bool | None:
        """Let the server print both through EXPLAIN, which reads no rows."""
        sides = parse_index(declared.sql), parse_index(actual.sql)
        if sides[0] is None or sides[1] is None:
            return None
        if len(sides[0].expressions) != len(sides[1].expressions):
            return False
        texts = [f"({text})" for side in sides if side for text in side.expressions]
        sql = f"EXPLAIN (VERBOSE, FORMAT JSON) SELECT {', '.join(texts)} FROM "
        sql = (sql + self.quote_table(table.name)).replace("%", "%%")
        try:
            with self.database.atomic():
                answer = self.rows(sql)[0][0]
        except DatabaseError:
            return None
        answer = json.loads(answer) if isinstance(answer, str) else answer
        output = answer[0]["Plan"]["Output"]
        half = len(texts) // 2
        return bool(output[:half] == output[half:])

    def column_effect(self, column: Column, default: str | None) -> str:
        """A default that is not volatile is kept in the catalogue, not written to the rows."""
        if _base_type(column.type) not in _KNOWN and self._is_domain(column.type):
            return "rewrites"
        if default is None or is_constant(default):
            return "instant"
        functions = called_functions(default)
        volatile = self.rows(
            "SELECT provolatile = 'v' FROM pg_catalog.pg_proc WHERE proname = ANY(%s::name[])",
            (list(functions),),
        )
        unknown = bool(functions) and not volatile
        return "rewrites" if unknown or any(row[0] for row in volatile) else "instant"

    def _is_domain(self, type_name: str) -> bool:
        sql = "SELECT typtype = 'd' FROM pg_catalog.pg_type WHERE oid = to_regtype(%s)"
        return any(row[0] for row in self.rows(sql, (_base_type(type_name),)))

    def refuses(self, addition: Addition) -> str | None:
        if addition.table.kind == "partitioned" and addition.column.generated == "virtual":
            return "PostgreSQL adds no virtual column to a partitioned table"
        return None

    def alter_sql(self, table: TableName, column: Column, what: str) -> str | None:
        change = {
            "type": f"TYPE {column.type}",
            "null": "DROP NOT NULL" if column.null else "SET NOT NULL",
            "default": f"SET DEFAULT {column.default}" if column.default else "DROP DEFAULT",
        }[what]
        target = self.quote(column.name)
        return f"ALTER TABLE {self.quote_table(table)} ALTER COLUMN {target} {change}"

    # Verbs

    @contextmanager
    def migration_lock(self, seconds: float, waiting: Callable[[str], None]) -> Iterator[float]:
        """One advisory lock for the database, polled: a blocking wait would hold a snapshot and
        deadlock with CREATE INDEX CONCURRENTLY. Inside a transaction of the caller the lock
        ends with that transaction.
        """
        inside = self.database.in_transaction()
        function = "pg_try_advisory_xact_lock" if inside else "pg_try_advisory_lock"

        def attempt() -> bool:
            return bool(self.rows(f"SELECT {function}(%s, 0)", (_LOCK,))[0][0])

        waited = poll(attempt, self._lock_holder, seconds, waiting)
        try:
            yield waited
        finally:
            if not inside and self.database.is_connection_usable():
                self.rows("SELECT pg_advisory_unlock(%s, 0)", (_LOCK,))

    def _lock_holder(self) -> str | None:
        return self._describe(
            "l.locktype = 'advisory' AND l.classid::bigint = %s AND l.objid = 0"
            " AND l.database = (SELECT oid FROM pg_catalog.pg_database"
            " WHERE datname = current_database())",
            (_LOCK,),
        )

    def blockers(self, table: TableName) -> str | None:
        return self._describe("l.relation = to_regclass(%s)", (self.quote_table(table),))

    def _describe(self, condition: str, params: tuple[object, ...]) -> str | None:
        rows = self.rows(
            "SELECT DISTINCT a.pid, a.application_name, a.state,"
            " round(extract(epoch FROM now() - coalesce(a.xact_start, a.query_start)))"
            " FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_stat_activity AS a USING (pid)"
            f" WHERE l.granted AND l.pid <> pg_backend_pid() AND {condition} ORDER BY 1 LIMIT 3",
            params,
        )
        return (
            "; ".join(
                f"pid {pid} ({application or 'no application_name'}, {state or 'unknown'}"
                f" for {seconds or 0} s)"
                for pid, application, state, seconds in rows
            )
            or None
        )

    @contextmanager
    def short_locks(self, seconds: float) -> Iterator[None]:
        """SET LOCAL ends with the transaction, which the caller has begun."""
        self.run(f"SET LOCAL lock_timeout = {max(int(seconds * 1000), 1)}")
        yield

    def is_lock_timeout(self, error: BaseException) -> bool:
        """Peewee keeps the driver's error as the first argument of its own."""
        cause = error.args[0] if error.args else None
        code = getattr(cause, "pgcode", None) or getattr(cause, "sqlstate", None)
        return code == "55P03"

    def mark_filling(self, table: TableName, column: str) -> tuple[str, ...]:
        target = f"{self.quote_table(table)}.{self.quote(column)}"
        return (f"COMMENT ON COLUMN {target} IS '{MARK}'",)

    def mark_filled(self, table: TableName, column: str) -> tuple[str, ...]:
        target = f"{self.quote_table(table)}.{self.quote(column)}"
        return (f"COMMENT ON COLUMN {target} IS NULL",)

    def mark_pending(self, table: TableName, constraint: str) -> tuple[str, ...]:
        target = f"{self.quote(constraint)} ON {self.quote_table(table)}"
        return (f"COMMENT ON CONSTRAINT {target} IS '{MARK}'",)

    def mark_validated(self, table: TableName, constraint: str) -> tuple[str, ...]:
        target = f"{self.quote(constraint)} ON {self.quote_table(table)}"
        return (f"COMMENT ON CONSTRAINT {target} IS NULL",)

    def fill(
        self, table: Table, column: Column, value: Callable[[], Any], done: Callable[[int], None]
    ) -> int:
        """Batches by primary key, or by place where there is none, each its own transaction."""
        types = {c.name: c.type for c in table.columns}
        keys = [(self.quote(n), types[n]) for n in table.primary_key] or [("ctid", "tid")]
        names = ", ".join(name for name, _ in keys)
        marks = ", ".join(f"CAST(%s AS {type_name})" for _, type_name in keys)
        source = self.quote_table(table.name).replace("%", "%%")
        target = self.quote(column.name).replace("%", "%%")
        names = names.replace("%", "%%")
        join = " AND ".join(
            f"t.{name.replace('%', '%%')} = s.key_{n}" for n, (name, _) in enumerate(keys)
        )
        heads = ", ".join(f"key_{n}" for n in range(len(keys)))
        after, filled = "", 0
        last: tuple[Any, ...] = ()
        while True:
            ids = self.rows(
                f"SELECT {names} FROM {source} WHERE {target} IS NULL {after}"
                f" ORDER BY {names} LIMIT {_FILL_ROWS}",
                last,
            )
            if not ids:
                return filled
            row = f"(CAST(%s AS {column.type}), {marks})"
            params = [item for key in ids for item in (value(), *key)]
            self.database.execute_sql(
                f"UPDATE {source} AS t SET {target} = s.value"
                f" FROM (VALUES {', '.join([row] * len(ids))}) AS s (value, {heads})"
                f" WHERE {join} AND t.{target} IS NULL",
                params,
            )
            after, last, filled = f"AND ({names}) > ({marks})", ids[-1], filled + len(ids)
            done(filled)
