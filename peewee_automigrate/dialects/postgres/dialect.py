"""PostgreSQL 12 and later, through psycopg2 or psycopg 3: types, costs, locks, online builds.

Sources: https://www.postgresql.org/docs/current/explicit-locking.html and sql-altertable.html,
sql-createindex.html and functions-admin.html beside it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from peewee import Cast, DatabaseError, Value

from ...options import Options
from ...schema import Catalog, Column, Index, Key, Table, TableName
from ...sql import called_functions, is_constant, parse_index
from ..base import MARK, Addition, Dialect, Keys, Marked, Progress, Rows, Trouble, Wanted
from ..waiting import poll
from . import catalogue as postgres_catalog
from . import online as postgres_online
from .names import KNOWN, base_type, canonical_type
from .online import BUILD, LOCK

_MIGRATION = 0
_THIS_DATABASE = """database = (
    SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())"""
_TROUBLES: dict[str | None, Trouble] = {"55P03": "locked", "57014": "late"}
_SMALL = re.compile(r"-?\d{1,9}")


class Postgres(Dialect):
    """PostgreSQL."""

    name = "postgresql"
    creates_schemas = True
    adds_constraints = True
    validates_later = True
    builds_online = True
    fold = staticmethod(postgres_catalog.fold)
    canonical_type = staticmethod(canonical_type)

    def place(self) -> str:
        """Ask the connection: Peewee's name of the database may be a URL with a password."""
        info = self.database.connection().info
        port = "" if not info.host or info.host.startswith("/") else f":{info.port}"
        return f"{self.name} {info.dbname}" + (f" at {info.host}{port}" if info.host else "")

    def same_type(self, declared: str, actual: str) -> bool | None:
        if declared == actual:
            return True
        known = {base_type(declared), base_type(actual)} <= KNOWN
        return False if known else None

    def unknown_types(self, types: Sequence[str]) -> list[str]:
        asked = sorted({name for name in types if base_type(name) not in KNOWN})
        if not asked:
            return []
        rows = self.rows(
            "SELECT t FROM unnest(CAST(%s AS text[])) AS t WHERE to_regtype(t) IS NULL",
            ([base_type(name) for name in asked],),
        )
        missing = {row[0] for row in rows}
        return [name for name in asked if base_type(name) in missing]

    def literal(self, value: Any, type_name: str) -> str:
        """A value other than text goes through its type, which also checks it."""
        if not isinstance(value, str):
            value = Cast(Value(value, converter=False, unpack=False), type_name)
        return self.quoted_value(Cast(value, "text"), "quote_literal")

    def refuses_value(self, literal: str, type_name: str) -> str | None:
        if type_name in ("integer", "bigint") and _SMALL.fullmatch(literal):
            return None
        try:
            with self.database.atomic():
                self.rows(f"SELECT CAST({literal} AS {type_name})")
        except DatabaseError as error:
            return str(error).partition("\n")[0]
        return None

    # Questions

    def read_catalog(self, wanted: Wanted) -> Catalog:
        self.database.connection()
        return postgres_catalog.read(self.rows, int(self.database.server_version or 0), wanted)

    def same_expressions(self, table: Table, declared: Index, actual: Index) -> bool | None:
        """Let the server print both through EXPLAIN, which reads no rows."""
        if self._without_defaults(declared) == actual.keys and declared.where == actual.where:
            return True
        if not actual.sql:
            return False
        sides = parse_index(declared.sql), parse_index(actual.sql)
        if sides[0] is None or sides[1] is None:
            return None
        if len(sides[0].expressions) != len(sides[1].expressions):
            return False
        texts = [f"({text})" for side in sides if side for text in side.expressions]
        source = self.quote_table(table.name)
        sql = f"EXPLAIN (VERBOSE, FORMAT JSON) SELECT {', '.join(texts)} FROM {source}"
        try:
            with self.database.atomic():
                answer = self.rows(sql)[0][0]
        except DatabaseError:
            return None
        answer = json.loads(answer) if isinstance(answer, str) else answer
        output = answer[0]["Plan"]["Output"]
        half = len(texts) // 2
        return bool(output[:half] == output[half:])

    def _without_defaults(self, index: Index) -> tuple[Key, ...]:
        """Drop the operator classes that a key would have anyway."""
        words = {word for key in index.keys for word in key.options.split() if "_ops" in word}
        sql = "SELECT opcname FROM pg_catalog.pg_opclass"
        sql += " WHERE opcdefault AND opcname = ANY (CAST(%s AS name[]))"
        usual = {row[0] for row in self.rows(sql, (sorted(words),))} if words else set()
        return tuple(
            key._replace(options=" ".join(w for w in key.options.split() if w not in usual))
            for key in index.keys
        )

    def column_effect(self, table: Table, column: Column, default: str | None) -> str:
        """A default that is not volatile is kept in the catalogue, not written to the rows."""
        if base_type(column.type) not in KNOWN and self._is_domain(column.type):
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
        return any(row[0] for row in self.rows(sql, (base_type(type_name),)))

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

    def prepare_to_write(self) -> None:
        """Behind a pooler that hands statements to different server processes, a session lock
        protects nothing: then everything has to happen in one transaction.
        """
        if not self.database.in_transaction() and postgres_online.is_pooled(self.database):
            self.one_transaction = True
            self.builds_online = False

    @contextmanager
    def migration_lock(self, options: Options, waiting: Callable[[str], None]) -> Iterator[float]:
        """One advisory lock for the database, polled: a blocking wait would hold a snapshot and
        deadlock with CREATE INDEX CONCURRENTLY. Where one transaction holds everything, the lock
        is that transaction's.
        """
        with ExitStack() as stack:

            def attempt() -> bool:
                inside = self.one_transaction or self.database.in_transaction()
                with ExitStack() as trial:
                    if inside:
                        trial.enter_context(self.database.atomic())
                    if not self._try_lock():
                        return False
                    if not inside:
                        trial.callback(self._unlock)
                    if self._is_building():
                        return False
                    stack.enter_context(trial.pop_all())
                return True

            yield poll(attempt, self._lock_holder, options.lock_wait, waiting)

    def _try_lock(self) -> bool:
        inside = self.database.in_transaction()
        function = "pg_try_advisory_xact_lock" if inside else "pg_try_advisory_lock"
        return bool(self.rows(f"SELECT {function}(%s, %s)", (LOCK, _MIGRATION))[0][0])

    def _unlock(self) -> None:
        """A lost connection has let go of the lock by itself."""
        if postgres_online.is_usable(self.database):
            self.rows("SELECT pg_advisory_unlock(%s, %s)", (LOCK, _MIGRATION))

    def _is_building(self) -> bool:
        """An index build goes on when its client was killed; it holds a lock of its own."""
        sql = "SELECT 1 FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND granted"
        sql += f" AND classid::bigint = %s AND objid = %s AND {_THIS_DATABASE}"
        return bool(self.rows(sql, (LOCK, BUILD)))

    def _lock_holder(self) -> str | None:
        return self._describe(
            f"l.locktype = 'advisory' AND l.classid::bigint = %s AND {_THIS_DATABASE}", (LOCK,)
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
        found = [
            f"pid {pid} ({name or 'no application_name'}, {state or 'unknown'} for {time or 0} s)"
            for pid, name, state, time in rows
        ]
        return "; ".join(found) or None

    @contextmanager
    def short_locks(self, seconds: float) -> Iterator[None]:
        """SET LOCAL ends with the transaction, which the caller has begun."""
        self.run(f"SET LOCAL lock_timeout = {max(int(seconds * 1000), 1)}")
        yield

    def lock_statements(self, altered: TableName | None, parents: Sequence[TableName]) -> list[str]:
        """The modes that ALTER TABLE and a new foreign key take themselves."""
        modes = [(altered, "ACCESS EXCLUSIVE")] if altered else []
        modes += [(parent, "SHARE ROW EXCLUSIVE") for parent in parents if parent != altered]
        return [f"LOCK TABLE {self.quote_table(name)} IN {mode} MODE" for name, mode in modes]

    def trouble(self, error: BaseException) -> Trouble | None:
        return _TROUBLES.get(_sqlstate(error))

    @contextmanager
    def bounded(self, seconds: float) -> Iterator[None]:
        with self.database.atomic():
            before = self.rows("SELECT current_setting('statement_timeout')")[0][0]
            self.run(f"SET LOCAL statement_timeout = {int(seconds * 1000)}")
            yield
            self.run(f"SET LOCAL statement_timeout = '{before}'")

    def update_triggers(self, table: Table) -> list[str]:
        """A trigger on UPDATE OF other columns stays silent."""
        rows = self.rows(
            "SELECT tgname FROM pg_catalog.pg_trigger WHERE tgrelid = to_regclass(%s)"
            " AND NOT tgisinternal AND tgenabled <> 'D' AND tgtype & 16 = 16"
            " AND tgattr::text = '' ORDER BY 1",
            (self.quote_table(table.name),),
        )
        return [row[0] for row in rows]

    def is_built(self, table: TableName, index: str) -> bool | None:
        rows = self.rows(
            "SELECT i.indisvalid, p.pid FROM pg_catalog.pg_index AS i LEFT JOIN"
            " pg_catalog.pg_stat_progress_create_index AS p ON p.index_relid = i.indexrelid"
            " WHERE i.indexrelid = to_regclass(%s)",
            (self.quote(table.schema, index),),
        )
        if any(pid for _, pid in rows):
            return None
        return any(is_valid for is_valid, _ in rows)

    @contextmanager
    def short_reads(self, seconds: float) -> Iterator[None]:
        with self.database.atomic(), self.short_locks(seconds):
            yield

    def refuses_index(self, table: Table, index: Index) -> str | None:
        """A unique index of a partitioned table must have the partition key among its columns:
        https://www.postgresql.org/docs/current/ddl-partitioning.html.
        """
        if table.kind != "partitioned" or not index.unique:
            return None
        rows = self.rows(
            "SELECT a.attname FROM pg_catalog.pg_partitioned_table AS p"
            " JOIN pg_catalog.pg_attribute AS a ON a.attrelid = p.partrelid"
            " AND a.attnum = ANY (p.partattrs) WHERE p.partrelid = to_regclass(%s)",
            (self.quote_table(table.name),),
        )
        missing = sorted({row[0] for row in rows} - set(index.columns))
        return f"a unique index here must have {', '.join(missing)} as well" if missing else None

    def run_online(self, statement: str, progress: Progress) -> None:
        postgres_online.build(self.database, self.escaped(statement), progress)

    def mark(self, kind: Marked, table: TableName, name: str) -> tuple[str, ...]:
        return self._comment(kind, table, name, f"'{MARK}'")

    def unmark(self, kind: Marked, table: TableName, name: str) -> tuple[str, ...]:
        return self._comment(kind, table, name, "NULL")

    def _comment(self, kind: Marked, table: TableName, name: str, text: str) -> tuple[str, ...]:
        quoted, own = self.quote_table(table), self.quote(name)
        target = f"{quoted}.{own}" if kind == "column" else f"{own} ON {quoted}"
        return (f"COMMENT ON {kind.upper()} {target} IS {text}",)

    def row_key(self, table: Table) -> Keys:
        """The primary key, or the row's place where there is none."""
        place = [("tableoid", "oid")] if table.kind == "partitioned" else []
        return super().row_key(table) or [*place, ("ctid", "tid")]

    def _key_value(self, name: str) -> str:
        """As text: a driver has no value for each value of a key, such as infinity."""
        return f"CAST({name} AS text)"

    def _mark(self, type_name: str) -> str:
        return f"CAST(%s AS {type_name})"

    def _fill_rows(self, source: str, target: str, column: Column, keys: Keys, rows: Rows) -> None:
        """One UPDATE, and outside of a transaction one short transaction."""
        heads = [f"key_{number}" for number in range(len(keys))]
        pairs = zip(keys, heads, strict=True)
        join = " AND ".join(f"t.{name} = s.{head}" for (name, _), head in pairs)
        marks = ", ".join(self._mark(name) for name in (column.type, *(t for _, t in keys)))
        self.database.execute_sql(
            f"UPDATE {source} AS t SET {target} = s.value"
            f" FROM (VALUES {', '.join([f'({marks})'] * len(rows))})"
            f" AS s (value, {', '.join(heads)}) WHERE {join} AND t.{target} IS NULL",
            [item for row in rows for item in row],
        )


def _sqlstate(error: BaseException) -> str | None:
    """Peewee keeps the driver's error as ``orig``; psycopg2 and psycopg 3 name its code unlike."""
    driver = getattr(error, "orig", error)
    return getattr(driver, "pgcode", None) or getattr(driver, "sqlstate", None)
