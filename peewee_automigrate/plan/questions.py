"""What is known while a plan is made: the declared and the actual, and answers about rows.

Enters: a dialect, declared tables, the catalogue, the changes. Leaves: facts and blocked findings.
Reads only, and only tables in which something is missing; no question is asked twice.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from peewee import Field, Model

from ..dialects import Addition, Dialect, Place
from ..models.declared import Declared, python_default
from ..options import Options
from ..schema import (
    AddColumn,
    AddIndex,
    Catalog,
    Change,
    Column,
    CreateTable,
    Finding,
    ForeignKey,
    Table,
    TableName,
)
from ..sql import column_names, parse_index
from ..texts import blocked, note
from . import ddl


@dataclass(frozen=True, slots=True)
class Memory:
    """What an earlier plan of the same run has found out, and need not be found out again: the
    statements of new tables, about how many rows a table has.
    """

    written: dict[Hashable, tuple[str, ...]] = field(default_factory=dict)
    rows: dict[TableName, int] = field(default_factory=dict)


SAMPLES = 5
SECONDS = 10.0  # for one question about rows


def is_blocked(finding: Finding) -> bool:
    """Tell whether a finding stops its object."""
    return finding.level == "blocked"


@dataclass(frozen=True, slots=True)
class Value:
    """What a new column's rows get: one SQL ``expression`` for all (None for NULL), or one value
    each by ``per_row``. ``problem`` says why the default can't be used.
    """

    expression: str | None = None
    per_row: Callable[[], Any] | None = None
    problem: str = ""


class Situation:
    """One plan's facts."""

    def __init__(
        self,
        dialect: Dialect,
        declared: Declared,
        catalog: Catalog,
        options: Options,
        changes: tuple[Change, ...],
        memory: Memory,
    ) -> None:
        self.dialect = dialect
        self.declared = declared
        self.catalog = catalog
        self.options = options
        self.memory = memory
        whole = options.atomic or dialect.database.in_transaction()
        self.builds_online = dialect.builds_online and not whole
        self.columns = [change for change in changes if isinstance(change, AddColumn)]
        self.indexes = [change for change in changes if isinstance(change, AddIndex)]
        self.new_tables = [change for change in changes if isinstance(change, CreateTable)]

    @cached_property
    def unknown_types(self) -> frozenset[str]:
        """The types of missing columns that the server does not know."""
        types = {change.column.type for change in self.columns}
        for change in self.new_tables:
            if change.table.kind == "table":
                types |= {column.type for column in change.table.columns}
        return frozenset(self.dialect.unknown_types(sorted(types - {""})))

    @cached_property
    def values(self) -> dict[tuple[TableName, str], Value]:
        """What the rows of each missing column get, by table and column."""
        return {(c.table, c.column.name): self._value(c.table, c.column) for c in self.columns}

    @cached_property
    def _declared_tables(self) -> dict[TableName, Table]:
        return {self.dialect.table_key(table.name): table for table in self.declared.tables}

    def models(self, table: TableName) -> tuple[type[Model], ...]:
        """Return the models that declare a table."""
        return self.declared.models[self.dialect.table_key(table)]

    def actual(self, table: TableName) -> Table | None:
        """Return a table as it stands, None where it does not."""
        return self.catalog.tables.get(self.dialect.table_key(table))

    def standing(self, keys: Iterable[ForeignKey], table: TableName) -> tuple[TableName, ...]:
        """Return the tables that stand and that these foreign keys of a table refer to."""
        parents = sorted({fk.parent for fk in keys if fk.parent != table}, key=str)
        return tuple(filter(self.actual, parents))

    def has_rows(self, table: TableName, where: str = "") -> bool:
        """Read: tell whether a table has any row."""
        source = self.dialect.quote_table(table)
        return bool(self.dialect.rows(f"SELECT 1 FROM {source}{where} LIMIT 1"))

    def rows(self, table: Table) -> int:
        """Read: count up to ``online_rows``; beyond, take the larger of count and estimate."""
        known = self.memory.rows
        if not known.get(table.name):
            limit = self.options.online_rows + 1
            source = self.dialect.quote_table(table.name)
            counted = self._count(f"SELECT 1 FROM {source} LIMIT {limit}")
            if counted == limit:
                counted = max(counted, self.dialect.estimated_rows(table))
            known[table.name] = counted
        return known[table.name]

    def _coming(self, table: TableName) -> list[AddColumn]:
        """Return the additions to a table that stands, in whichever spelling it is named."""
        key_of = self.dialect.table_key
        key = key_of(table)
        return [c for c in self.columns if key_of(c.table) == key and not c.fill_only]

    def with_coming(self, table: Table) -> Table:
        """Return a table that stands with the columns that this run adds to it."""
        coming = [change.column for change in self._coming(table.name)]
        return table._replace(columns=(*table.columns, *coming))

    def refused_key(self, table: TableName, fk: ForeignKey) -> str | None:
        """Return why the database can't have a foreign key, or None."""
        _, owner = ddl.field_of(self.models(table), self.dialect, fk.columns[0])
        if not self.dialect.defers_keys and owner.deferrable:
            return f"{self.dialect.name} has no deferrable foreign keys"
        home = self.catalog.default_schema
        crosses = (table.schema or home) != (fk.parent.schema or home)
        if crosses and not self.dialect.keys_cross_schemas:
            return f"{self.dialect.name} has no foreign keys to another schema"
        child = self._place(table, fk.columns[0])
        parent = self._place(fk.parent, fk.parent_columns[0])
        return self.dialect.refuses_key(child, parent) if child and parent else None

    def _place(self, table: TableName, name: str) -> Place | None:
        """Return a column as it stands, or else as it is declared."""
        actual, fold = self.actual(table), self.dialect.fold
        declared = self._declared_tables.get(self.dialect.table_key(table))
        for side in filter(None, (actual, declared)):
            for column in side.columns:
                if fold(column.name) == fold(name):
                    return Place(actual or side, column, side is not actual)
        return None

    def standing_column(self, table: TableName, name: str) -> Column | None:
        """Return a column as it stands, None where it does not."""
        actual, fold = self.actual(table), self.dialect.fold
        columns = actual.columns if actual else ()
        return next((c for c in columns if fold(c.name) == fold(name)), None)

    def value(self, table: TableName, column: Column) -> Value:
        """Return what the rows of a column get, missing or marked."""
        return self.values.get((table, column.name)) or self._value(table, column)

    def has_index(self, table: TableName, column: Column) -> bool:
        """Tell whether an index begins with a column, or will when this run's are built."""
        actual, fold = self.actual(table), self.dialect.fold
        coming = [change.index for change in self.indexes if change.table == table]
        firsts = [i.columns[:1] for i in (*(actual.indexes if actual else ()), *coming)]
        return any(fold(name) == fold(column.name) for names in firsts for name in names)

    def holds_values(self, table: TableName, column: Column) -> bool:
        """Read: tell whether any row has, or gets, a value other than NULL in a column."""
        value = self.values.get((table, column.name), Value())
        if value.per_row or value.expression is not None:
            return True
        if self.standing_column(table, column.name) is None:
            return False
        return self.has_rows(table, f" WHERE {self.dialect.quote(column.name)} IS NOT NULL")

    def _value(self, table: TableName, column: Column) -> Value:
        """Read: evaluate a default, and let the database quote it."""
        if column.making.in_database or column.generated:
            return Value(column.default)
        _, owner = ddl.field_of(self.models(table), self.dialect, column.name)
        default = None
        try:
            default = python_default(owner)
            literal = self._literal(owner, column, default.value) if default else None
        except Exception as error:  # whatever a model's callable or a field class raises
            varies = default is not None and default.per_row is not None
            reason = "what the callable gives does not fit" if varies else str(error)
            return Value(problem=f"{type(error).__name__}: {reason}")
        per_row = default.per_row if default else None
        return Value(per_row=per_row) if per_row else Value(literal)

    def _literal(self, owner: Field, column: Column, value: Any) -> str | None:
        stored = owner.db_value(value)
        length = getattr(owner, "max_length", None)
        if isinstance(stored, str) and length and len(stored) > length:
            raise ValueError(f"{stored!r} is longer than {length} characters")
        if stored is None:
            return None
        if isinstance(stored, bool):
            literal = self.dialect.truths[stored]
        else:
            plain = type(stored) is int
            literal = str(stored) if plain else self.dialect.literal(stored, column.type)
        refusal = self.dialect.refuses_value(literal, column.type)
        if refusal:
            raise ValueError(refusal)
        return literal

    # Questions about rows

    def _ask(
        self, question: Callable[[], Finding | None], table: TableName, name: str
    ) -> Finding | None:
        """Return what a question finds; a note when the answer takes longer than `SECONDS`."""
        try:
            with self.dialect.bounded(SECONDS):
                return question()
        except Exception as error:  # Peewee 3.17 lets the driver's own through
            if self.dialect.trouble(error) != "late":
                raise
            return note("AM309", table, name, seconds=f"{SECONDS:.0f}")

    def row_problem(self, addition: Addition, table: TableName) -> Finding | None:
        """Read: say which rows a new column's CHECK would refuse, or that its default has no
        parent row.
        """
        checks = any(map(ddl.is_check, addition.column.making.constraints))
        if not checks and (addition.foreign_key is None or addition.default is None):
            return None

        def question() -> Finding | None:
            return self._check_problem(addition, table) or self._parent_problem(addition, table)

        return self._ask(question, table, addition.column.name)

    def _check_problem(self, addition: Addition, table: TableName) -> Finding | None:
        column = addition.column
        for sql in filter(ddl.is_check, column.making.constraints):
            check = sql[sql.lower().index("check") :].strip()
            body = check[len("check") :].strip()
            query = f"SELECT * FROM {self._source(addition.table, body)} WHERE NOT {body}"
            rows = self._count(query)
            if rows:
                words = {"rows": f"{rows:,}", "check": check, "query": query}
                return blocked("AM114", table, column.name, query, **words)
        return None

    def _parent_problem(self, addition: Addition, table: TableName) -> Finding | None:
        fk = addition.foreign_key
        if fk is None or addition.default is None:
            return None
        value = self.dialect.typed(addition.default, addition.column.type)
        where = f"{fk.parent} ({fk.parent_columns[0]})"
        parent, key = self.actual(fk.parent), self.dialect.quote(fk.parent_columns[0])
        if parent:
            source = self._source(parent, key)
            if self._count(f"SELECT 1 FROM {source} WHERE {key} = {value}"):
                return None
        name = addition.column.name
        return blocked("AM115", table, name, default=addition.default, parent=where)

    def duplicates(self, change: AddIndex) -> Finding | None:
        """Read: say which keys would stand more than once in a unique index.

        A column that gets a value of its own in each row is taken to differ in each.
        """
        values = {
            name: value for (table, name), value in self.values.items() if table == change.table
        }
        if any(values[name].per_row for name in change.index.columns if name in values):
            return None
        return self._ask(lambda: self._duplicates(change), change.table, change.index.name)

    def _duplicates(self, change: AddIndex) -> Finding | None:
        index = change.index
        keys = self._key_texts(change)
        conditions = [f"{key} IS NOT NULL" for key in keys] if index.nulls_distinct else []
        parsed = parse_index(index.sql) if index.where else None
        conditions += [f"({parsed.expressions[-1]})"] if parsed else []
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        listed = ", ".join(keys)
        source = self._source(change.actual, f"{listed}{where}")
        query = f"SELECT {listed}, count(*) FROM {source}{where}"
        query += f" GROUP BY {listed} HAVING count(*) > 1"
        groups = self._count(query)
        if not groups:
            return None
        order = f"ORDER BY count(*) DESC, {listed} LIMIT {SAMPLES}"
        rows = self.dialect.rows(f"{query} {order}")
        samples = ", ".join(f"({', '.join(map(repr, key))}) {times} times" for *key, times in rows)
        words = {"wanted": index, "groups": f"{groups:,}", "samples": samples, "query": query}
        return blocked("AM105", change.table, index.name, query, **words)

    def _source(self, table: Table, text: str) -> str:
        """Return the table as it will be, with the columns that the same run adds and that a text
        mentions.
        """
        quote, source = self.dialect.quote, self.dialect.quote_table(table.name)
        name, coming = quote(table.name.name), self._mentioned(table.name, text)
        for change in coming:
            column, value = change.column, self.values[change.table, change.column.name]
            made = generated_expression(column) or self.dialect.typed(value.expression, column.type)
            source = f"(SELECT {name}.*, {made} AS {quote(column.name)} FROM {source} AS {name})"
        return f"{source} AS {name}" if coming else source

    def _mentioned(self, table: TableName, text: str) -> list[AddColumn]:
        """Return the additions of columns that a text mentions, each after those of which it is
        made.
        """
        fold, found = self.dialect.fold, []
        names = set(map(fold, column_names(text)))
        for change in reversed(self._coming(table)):
            if fold(change.column.name) in names:
                found.append(change)
                names |= set(map(fold, column_names(generated_expression(change.column))))
        return found[::-1]

    def _key_texts(self, change: AddIndex) -> list[str]:
        keys = change.index.keys
        parsed = parse_index(change.index.sql) if change.index.sql else None
        sources = [key.source for key in parsed.keys] if parsed else [""] * len(keys)
        return [
            self.dialect.key_value(key) if key.is_column else f"({source})"
            for key, source in zip(keys, sources, strict=True)
        ]

    def _count(self, query: str) -> int:
        return int(self.dialect.rows(f"SELECT count(*) FROM ({query}) AS counted")[0][0])


def generated_expression(column: Column) -> str:
    """Return the expression of a generated column, "" for another one."""
    _, opening, rest = column.making.generated_as.partition("(")
    body, closing, _ = rest.rpartition(")")
    return f"({body})" if opening and closing else ""
