"""PostgreSQL's remedies: USING where no cast is implied, constraints validated afterwards.

Enters: tables. Leaves: SQL. Sources: https://www.postgresql.org/docs/current/sql-altertable.html
and catalog-pg-cast.html beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ...changes import Finding
from ...schema import UNKNOWN, Column, Constraint, ForeignKey, Index, Table, TableName, Wanted
from ...sql import index_body
from ..base import Unanswered
from ..remedies import Remedies
from .names import KNOWN, base_type
from .pinned import pinned

if TYPE_CHECKING:
    from .session import Postgres

# Whether ALTER .. TYPE finds the way by itself, and whether a cast does.
_CASTS = pinned("""
SELECT COALESCE(bool_or(c.castcontext <> 'e'), false) OR s.oid = t.oid OR t.typcategory = 'S',
       count(c.oid) > 0 OR s.typcategory = 'S'
FROM pg_catalog.pg_type AS s CROSS JOIN pg_catalog.pg_type AS t
LEFT JOIN pg_catalog.pg_cast AS c ON c.castsource = s.oid AND c.casttarget = t.oid
WHERE s.oid = to_regtype(%s) AND t.oid = to_regtype(%s)
GROUP BY s.oid, s.typcategory, t.oid, t.typcategory""")
_ENFORCED = pinned("""
SELECT to_jsonb(k) ->> 'conenforced' FROM pg_catalog.pg_constraint AS k
WHERE k.conrelid = to_regclass(%s) AND k.conname = %s""")
_LISTENS = pinned("SELECT count(*) FROM pg_catalog.pg_event_trigger WHERE evtenabled <> 'D'")
_OWN_SCHEMA = pinned("SELECT pg_my_temp_schema()::regnamespace::text")

_TEXTS = {"text", "character varying", "character", "bpchar"}


class PostgresRemedies(Remedies):
    """ALTER TABLE, with no long lock."""

    dialect: Postgres

    def temporary(
        self, name: str, definitions: list[str], indexes: Sequence[Index], standing: Table | None
    ) -> Table:
        """It is made in the session's own schema, and rolled back. An index that the server
        refuses is left out.
        """
        if self.dialect.rows(_LISTENS)[0][0]:
            raise Unanswered(
                "an event trigger would be told of the temporary table that answers it"
            )
        target = f'pg_temp."{name}"'
        with self.dialect.database.atomic() as transaction:
            self.dialect.run(f"CREATE TEMPORARY TABLE {target} ({', '.join(definitions)})")
            for number, index in enumerate(indexes):
                kind = f'{"UNIQUE " if index.unique else ""}INDEX "{number}"'
                self.dialect.refusal(f"CREATE {kind} ON {target} {index_body(index.sql)}")
            place = TableName(self.dialect.rows(_OWN_SCHEMA)[0][0], name)
            found = self.dialect.read_catalog(Wanted((place,), ())).tables[place]
            transaction.rollback()
        return found

    def lines(self, found: Finding, table: Table, actual: Table) -> Iterable[str]:
        if found.code != "AM212":
            yield from super().lines(found, table, actual)
            return
        columns = tuple(found.ref.name.split(", "))
        for fk in actual.foreign_keys:
            if fk.columns == columns and not fk.valid:
                yield from self._validated(actual, fk.name)

    def _validated(self, table: Table, name: str) -> Iterable[str]:
        target = self.dialect.names.quote_table(table.name)
        enforced = self.dialect.rows(_ENFORCED, (target, name))
        constraint = f"CONSTRAINT {self.quote(name)}"
        is_off = enforced and enforced[0][0] == "false"
        change = f"ALTER {constraint} ENFORCED" if is_off else f"VALIDATE {constraint}"
        yield self.alter(table.name, change)

    def changed(self, column: Column, standing: Column) -> str | None:
        types = column.type, standing.type
        if not set(map(base_type, types)) <= KNOWN:
            return ""
        name = self.quote(standing.name)
        value = f"{name}{self._via(*types)}::{column.type}"
        if base_type(column.type) not in _TEXTS:
            value += f"{self._via(*reversed(types))}::{standing.type}"
        return f"{value}::text IS DISTINCT FROM {name}::text"

    def _via(self, new: str, old: str) -> str:
        """Read: return the cast to text through which one type becomes another, or nothing."""
        rows = self.dialect.rows(_CASTS, (old, new))
        return "" if not rows or rows[0][1] or rows[0][0] else "::text"

    def retyped(self, table: Table, column: Column, standing: Column) -> Iterable[str]:
        name = self.quote(standing.name)
        rows = self.dialect.rows(_CASTS, (standing.type, column.type))
        target = f"ALTER COLUMN {name}"
        collation = "".join(f" {c.sql}" for c in column.declared.of_kind("collate"))
        change = f"{target} TYPE {column.type}{collation}"
        if rows and rows[0][0]:
            yield self.alter(table.name, change)
            return
        via = self._via(column.type, standing.type)
        parts = [f"{change} USING {name}{via}::{column.type}"]
        if standing.default is not None:
            parts.insert(0, f"{target} DROP DEFAULT")
        if standing.default is not None and column.default not in (None, UNKNOWN):
            parts.append(f"{target} SET DEFAULT {column.default}")
        yield self.alter(table.name, *parts)

    def tightened(self, table: Table, column: Column) -> Iterable[str]:
        """A CHECK that is validated under a light lock spares SET NOT NULL its scan."""
        name = self.quote(column.name)
        check = f"CONSTRAINT {self.quote(f'{column.name} is not null')}"
        yield self.alter(table.name, f"ADD {check} CHECK ({name} IS NOT NULL) NOT VALID")
        yield self.alter(table.name, f"VALIDATE {check}")
        yield self.alter(table.name, f"ALTER COLUMN {name} SET NOT NULL")
        yield self.alter(table.name, f"DROP {check}")

    def loosened(self, table: Table, standing: Column) -> Iterable[str]:
        yield self.alter(table.name, f"ALTER COLUMN {self.quote(standing.name)} DROP NOT NULL")

    def keyed(self, table: Table, fk: ForeignKey, old: ForeignKey | None) -> Iterable[str]:
        taken = {other.name for other in table.foreign_keys if other is not old}
        name = self._free(fk.name or f"{table.name.name}_{'_'.join(fk.columns)}_fkey", taken)
        parts = [f"DROP CONSTRAINT {self.quote(old.name)}"] if old else []
        parts.append(f"ADD {self.key_clause(fk._replace(name=name))}")
        yield from self._later(table, name, parts)

    def constrained(self, table: Table, one: Constraint) -> Iterable[str]:
        if one.kind != "check":
            yield from super().constrained(table, one)
            return
        taken = {other.name for other in table.constraints}
        name = one.name or self._free(f"{table.name.name}_check", taken)
        sql = one.sql if one.name else f"CONSTRAINT {self.quote(name)} {one.sql}"
        yield from self._later(table, name, [f"ADD {sql}"])

    def _later(self, table: Table, name: str, parts: list[str]) -> Iterable[str]:
        """Return what adds a constraint, and then looks at the rows that stand."""
        if table.kind == "partitioned":
            yield self.alter(table.name, *parts)
            return
        yield f"{self.alter(table.name, *parts)} NOT VALID"
        yield self.alter(table.name, f"VALIDATE CONSTRAINT {self.quote(name)}")

    def _free(self, name: str, taken: set[str]) -> str:
        fold = self.dialect.names.fold
        names = (fold(f"{name[: 60 - len(str(n))]}{n or ''}") for n in range(len(taken) + 1))
        return next(found for found in names if found not in taken)
