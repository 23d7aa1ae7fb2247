"""Questions about data, and what else is known while a plan is made.

Enters: a dialect, what is declared, the catalogue, the changes. Leaves: facts and findings. Reads
only, and only tables in which something is missing; no question is asked twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from peewee import DatabaseError, Field, Model, Node, SelectBase

from ..changes import AddColumn, AddIndex, Change, CreateTable, Finding, keys_of
from ..compare.spelling import column_of
from ..dialects.base import RowValue
from ..dialects.statements import field_of
from ..dialects.writing import Writer
from ..errors import pass_on
from ..models.declared import Declared
from ..models.defaults import python_default
from ..models.rendering import render
from ..options import Options
from ..schema import Catalog, Column, ForeignKey, Table, TableName
from ..sql import column_names, parse_index, tokens
from ..texts import blocked, note

SAMPLES = 5
SECONDS = 10.0  # for one question about rows


class Questions:
    """One plan's facts. ``counted``: about how many rows tables have, as far as it is known."""

    def __init__(
        self,
        writer: Writer,
        declared: Declared,
        catalog: Catalog,
        options: Options,
        changes: tuple[Change, ...],
        counted: dict[TableName, int],
    ) -> None:
        self.writer, self.dialect = writer, writer.dialect
        self.catalog = catalog
        self.online_rows = options.online_rows
        self.shows_rows = options.samples is not False
        is_one = options.atomic or self.dialect.transactions == "one"
        self.may_build_online = not (is_one or self.dialect.database.in_transaction())
        self.changes = changes
        self.columns = [change for change in changes if isinstance(change, AddColumn)]
        self.indexes = [change for change in changes if isinstance(change, AddIndex)]
        self._models = declared.models
        self._declared = {self.dialect.names.table_key(t.name): t for t in declared.tables}
        self._counted = counted
        self._filled: dict[TableName, bool] = {}
        self._grown: dict[TableName, Table] = {}

    # What is known

    @cached_property
    def unknown_types(self) -> frozenset[str]:
        """Reads: the types of missing columns that the server does not know."""
        types = {change.column.type for change in self.columns}
        for change in self.changes:
            if isinstance(change, CreateTable) and change.table.kind == "table":
                types |= {column.type for column in change.table.columns}
        return frozenset(self.dialect.unknown_types(sorted(types - {""})))

    @cached_property
    def hidden(self) -> set[TableName]:
        """Reads: the tables to be changed or referred to that a temporary one hides."""
        return self.dialect.hidden(sorted(set().union(*map(tables_of, self.changes)), key=str))

    @cached_property
    def values(self) -> dict[tuple[TableName, str], RowValue]:
        """Reads: what the rows of each missing column get, by table and column."""
        return {(c.table, c.column.name): self._value(c.table, c.column) for c in self.columns}

    def models(self, table: TableName) -> tuple[type[Model], ...]:
        """Return the models that declare a table."""
        return self._models[self.dialect.names.table_key(table)]

    def actual(self, table: TableName) -> Table | None:
        """Return a table as it stands, None where it does not."""
        return self.catalog.tables.get(self.dialect.names.table_key(table))

    def declared(self, table: TableName) -> Table | None:
        """Return a table as the models declare it, None where none does."""
        return self._declared.get(self.dialect.names.table_key(table))

    def parents(self, keys: Iterable[ForeignKey], table: TableName) -> tuple[TableName, ...]:
        """Return the tables that stand and that these foreign keys of a table refer to."""
        found = sorted({fk.parent for fk in keys if fk.parent != table}, key=str)
        return tuple(filter(self.actual, found))

    def grown(self, table: Table) -> Table:
        """Return a table that stands with the columns and indexes that this run adds to it."""
        key_of = self.dialect.names.table_key
        key = key_of(table.name)
        if key not in self._grown:
            columns = [change.column for change in self._coming(table.name)]
            indexes = [change.index for change in self.indexes if key_of(change.table) == key]
            self._grown[key] = table._replace(
                columns=(*table.columns, *columns), indexes=(*table.indexes, *indexes)
            )
        return self._grown[key]

    def _coming(self, table: TableName) -> list[AddColumn]:
        """Return the additions to a table that stands, in whichever spelling it is named."""
        key_of = self.dialect.names.table_key
        key = key_of(table)
        return [c for c in self.columns if key_of(c.table) == key and not c.fill_only]

    # Values

    def value(self, table: TableName, column: Column) -> RowValue:
        """Reads: return what the rows of a column get, missing or marked."""
        return self.values.get((table, column.name)) or self._value(table, column)

    def _value(self, table: TableName, column: Column) -> RowValue:
        if column.declared.default_is == "sql" or column.generated:
            return RowValue(column.default)
        _, owner = field_of(self.models(table), self.dialect, column.name)
        if owner.default is None:
            return RowValue()
        default = None
        try:
            with self.dialect.limited():
                default = python_default(owner)
                if default and default.is_sql:
                    return self._evaluated(column, default.value)
                literal = self._literal(owner, column, default.value) if default else None
        except (Exception, SystemExit) as error:  # whatever a callable or a field class raises
            pass_on(error)
            varies = default is not None and default.per_row is not None
            reason = "what the callable gives does not fit" if varies else str(error)
            return RowValue(problem=f"{type(error).__name__}: {reason}")
        per_row = default.per_row if default else None
        return RowValue(per_row=per_row) if per_row else RowValue(literal)

    def _evaluated(self, column: Column, node: Node) -> RowValue:
        """Return SQL that may give each row another value as it is, and else what it gives."""
        made = render(self.dialect, node)
        made = f"({made})" if isinstance(node, SelectBase) else made
        if self.dialect.is_volatile(made):
            return RowValue(made, each=True)
        given = self.dialect.rows(f"SELECT {self.dialect.typed(made, column.type)}")[0][0]
        return RowValue(None if given is None else self.dialect.literal(given, column.type))

    def _literal(self, owner: Field, column: Column, value: Any) -> str | None:
        stored = owner.db_value(value)
        is_text = isinstance(stored, str) and not isinstance(value, str)
        if is_text and stored == str(value) and " at 0x" in stored:
            raise ValueError(f"{stored} is no value, but where one is in memory")
        length = getattr(owner, "max_length", None)
        if isinstance(stored, str) and length and len(stored) > length:
            raise ValueError(f"{stored!r} is longer than {length} characters")
        return None if stored is None else self.dialect.literal(stored, column.type)

    # Rows

    def has_rows(self, table: TableName, where: str = "") -> bool:
        """Read: tell whether a table has any row."""
        if not where and table in self._filled:
            return self._filled[table]
        source = self.dialect.names.quote_table(table)
        found = bool(self.dialect.rows(f"SELECT 1 FROM {source}{where} LIMIT 1"))
        if not where:
            self._filled[table] = found
        return found

    def rows(self, table: Table) -> int:
        """Read: count up to ``online_rows``; beyond, take the larger of count and estimate."""
        if not self._counted.get(table.name):
            limit = self.online_rows + 1
            source = self.dialect.names.quote_table(table.name)
            counted = self._count(f"SELECT 1 FROM {source} LIMIT {limit}")
            if counted == limit:
                counted = max(counted, self.dialect.estimated_rows(table))
            self._counted[table.name] = counted
        return self._counted[table.name]

    def holds_values(self, table: TableName, column: Column) -> bool:
        """Read: tell whether any row has, or gets, a value other than NULL in a column."""
        value = self.values.get((table, column.name), RowValue())
        if value.is_filled or value.expression is not None:
            return True
        where = f" WHERE {self.dialect.quote(column.name)} IS NOT NULL"
        stands = column_of(self.actual(table), column.name, self.dialect.names.fold)
        return stands is not None and self.has_rows(table, where)

    def _count(self, query: str) -> int:
        count = self.dialect.own("count(*)")
        return int(self.dialect.rows(f"SELECT {count} FROM ({query}) AS counted")[0][0])

    def _ask(self, question: Callable[[], Finding | None], change: Change) -> Finding | None:
        """Return what a question finds; a note when the answer takes longer than `SECONDS`."""
        try:
            with self.dialect.limited(statements=SECONDS):
                return question()
        except Exception as error:  # Peewee 3.17 lets the driver's own through
            trouble = self.dialect.trouble(error)
            if trouble == "late":
                return note("AM309", change.ref, seconds=f"{SECONDS:.0f}")
            if trouble or not isinstance(error, DatabaseError):
                raise
            reason = str(error).partition("\n")[0] if self.shows_rows else type(error).__name__
            return blocked("AM146", change.ref, reason=reason)

    def refused_by_rows(self, change: AddColumn) -> Finding | None:
        """Read: say why the rows that stand forbid a column with one value for all, or None."""
        value = self.value(change.table, change.column).expression
        has_value = value is not None and value.upper() != "NULL"
        repeats = has_value and self._is_unique_alone(change) and self.rows(change.actual) > 1
        if repeats and not self.dialect.is_volatile(str(value)):
            return blocked("AM104", change.ref, rows=f"{self.rows(change.actual):,}")
        refers = change.foreign_key is not None and value is not None
        may_be_null = not change.column.null and len(tokens(value or "")) > 2
        if not (refers or may_be_null or change.column.declared.of_kind("check")):
            return None
        empty = blocked("AM110", change.ref, reason="it is NULL, and the column is NOT NULL")
        return self._ask(
            lambda: (
                (empty if may_be_null and self._is_null(change, str(value)) else None)
                or self._check_problem(change)
                or self._parent_problem(change, value)
            ),
            change,
        )

    def _is_null(self, change: AddColumn, value: str) -> bool:
        asks = not self.dialect.is_volatile(value) and self.has_rows(change.table)
        return asks and bool(self.dialect.rows(f"SELECT ({value}) IS NULL")[0][0])

    def _is_unique_alone(self, change: AddColumn) -> bool:
        own = [other.index for other in self.indexes if other.table == change.table]
        return any(i.unique and i.is_plain and i.columns == (change.column.name,) for i in own)

    def _check_problem(self, change: AddColumn) -> Finding | None:
        """Say which rows a new column's CHECK would refuse."""
        for clause in change.column.declared.of_kind("check"):
            source = self._source(change.actual, clause.body)
            query = f"SELECT * FROM {source} WHERE NOT {clause.body}"
            rows = self._count(query)
            if rows:
                words = {"rows": f"{rows:,}", "check": f"CHECK {clause.body}", "query": query}
                return blocked("AM114", change.ref, query, **words)
        return None

    def _parent_problem(self, change: AddColumn, default: str | None) -> Finding | None:
        """Say that a new column's default has no parent row."""
        fk = change.foreign_key
        if fk is None or default is None:
            return None
        value = self.dialect.typed(default, change.column.type)
        parent, key = self.actual(fk.parent), self.dialect.quote(fk.parent_columns[0])
        if parent:
            source = self._source(parent, key)
            if self._count(f"SELECT 1 FROM {source} WHERE {key}{self.dialect.own(' = ')}{value}"):
                return None
        where = f"{fk.parent} ({fk.parent_columns[0]})"
        return blocked("AM115", change.ref, default=default, parent=where)

    def duplicates(self, change: AddIndex) -> Finding | None:
        """Read: say which keys would stand more than once in a unique index.

        A column that gets a value of its own in each row is taken to differ in each.
        """
        for (table, name), value in self.values.items():
            if table != change.table or name not in change.index.columns:
                continue
            text = value.expression
            if value.is_filled or (text and self.dialect.is_volatile(text)):
                return None
        return self._ask(lambda: self._duplicates(change), change)

    def _duplicates(self, change: AddIndex) -> Finding | None:
        index = change.index
        parts = self.writer.key_texts(index)
        conditions = [f"{part} IS NOT NULL" for part in parts] if index.nulls_distinct else []
        parsed = parse_index(index.sql) if index.where else None
        conditions += [f"({parsed.where})"] if parsed else []
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        listed = ", ".join(parts)
        source = self._source(change.actual, f"{listed}{where}")
        shown, query = (
            f"SELECT {listed}, {own('count(*)')} FROM {source}{where}"
            f" GROUP BY {listed} HAVING {own('count(*) > 1')}"
            for own in (str, self.dialect.own)
        )
        groups = self._count(query)
        if not groups:
            return None
        order = f"ORDER BY {self.dialect.own('count(*)')} DESC, {listed} LIMIT {SAMPLES}"
        rows = self.dialect.rows(f"{query} {order}") if self.shows_rows else []
        keys = ", ".join(f"({', '.join(map(repr, key))}) {times} times" for *key, times in rows)
        samples = f", for example {keys}" if keys else ""
        stand = f"{groups:,} key{' stands' if groups == 1 else 's stand'}"
        words = {"wanted": index, "groups": stand, "samples": samples, "query": shown}
        return blocked("AM105", change.ref, shown, **words)

    def _source(self, table: Table, text: str) -> str:
        """Return the table as it will be, with the columns that the same run adds and that a text
        mentions.
        """
        quote, source = self.dialect.quote, self.dialect.names.quote_table(table.name)
        name, coming = quote(table.name.name), self._mentioned(table.name, text)
        for change in coming:
            column, value = change.column, self.values[change.table, change.column.name]
            made = column.expression or self.dialect.typed(value.expression, column.type)
            source = f"(SELECT {name}.*, {made} AS {quote(column.name)} FROM {source} AS {name})"
        return f"{source} AS {name}" if coming else source

    def _mentioned(self, table: TableName, text: str) -> list[AddColumn]:
        """Return the additions of columns that a text mentions, each after those of which it is
        made.
        """
        fold, found = self.dialect.names.fold, []
        names = set(map(fold, column_names(text)))
        for change in reversed(self._coming(table)):
            if fold(change.column.name) in names:
                found.append(change)
                names |= set(map(fold, column_names(change.column.expression)))
        return found[::-1]


def tables_of(change: Change) -> set[TableName]:
    """Return the tables that a change alters, makes or refers to."""
    return {change.ref.table, *(fk.parent for fk in keys_of(change))}
