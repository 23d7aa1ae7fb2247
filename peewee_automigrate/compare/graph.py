"""What each change makes and needs: the order in which changes run, and what stops with what.

Enters: declared tables, the catalogue, the dialect's rules. Leaves: references, and orders. Pure:
no connection, no peewee, no dialect.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import TypeAlias, TypeVar

from ..schema import (
    AddColumn,
    AddForeignKey,
    AddIndex,
    Catalog,
    Change,
    Column,
    CreateSchema,
    CreateTable,
    ForeignKey,
    Index,
    Ref,
    Table,
    TableName,
    ValidateConstraint,
)
from ..sql import column_names, upper_words
from .drift import Rules, unique_columns

_PHASES = (CreateSchema, CreateTable, AddColumn, AddIndex, AddForeignKey, ValidateConstraint)
K = TypeVar("K", bound=Hashable)


Need: TypeAlias = tuple[Ref, str]
"""What is needed, and what a person calls it."""


class Graph:
    """The changes of one plan, by what they make and need."""

    def __init__(self, declared: Sequence[Table], catalog: Catalog, rules: Rules) -> None:
        self.rules = rules
        self.catalog = catalog
        self.declared = {rules.table_key(table.name): table for table in declared}

    def ref(self, kind: str, table: TableName, name: str = "") -> Ref:
        return Ref(kind, self.rules.table_key(table), self.rules.fold(name))

    def made(self, change: Change) -> Iterator[Ref]:
        """Yield what a change makes."""
        match change:
            case CreateTable(table):
                yield self.ref("table", table.name)
                yield from (self.ref("column", table.name, c.name) for c in table.columns)
                yield from (self.ref("index", table.name, i.name) for i in table.indexes)
            case AddColumn(table, column):
                yield self.ref("column", table, column.name)
            case AddIndex(table, index):
                yield self.ref("index", table, index.name)
            case AddForeignKey(table, fk):
                yield self.ref("key", table, ", ".join(fk.columns))
            case ValidateConstraint(table, name):
                yield self.ref("constraint", table, name)

    def needs(self, change: Change) -> Iterator[Need]:
        """Yield what has to be there before a change, or else the change is stopped too."""
        match change:
            case CreateTable(table):
                for name in table.depends_on:
                    yield self.ref("table", name), f"the table {name}"
                for fk in table.foreign_keys:
                    yield from self._parent(fk)
            case AddColumn(table, column, fk):
                yield from self._columns(table, mentioned(column))
                yield from self._parent(fk) if fk else ()
            case AddIndex(table, index):
                yield from self._columns(table, needed_columns(index))
            case AddForeignKey(table, fk):
                yield self.ref("table", table), f"the table {table}"
                yield from self._columns(table, fk.columns)
                yield from self._parent(fk)

    def _columns(self, table: TableName, names: Iterable[str]) -> Iterator[Need]:
        return ((self.ref("column", table, name), f"the column {name}") for name in names)

    def _parent(self, fk: ForeignKey) -> Iterator[Need]:
        """Yield the table, columns and unique index that a foreign key needs."""
        if fk.deferred and not self.rules.adds_constraints:
            return  # it will not be there
        parent, actual = (side.get(self.rules.table_key(fk.parent)) for side in self._sides())
        yield self.ref("table", fk.parent), f"the table {fk.parent}"
        for column in fk.parent_columns:
            yield self.ref("column", fk.parent, column), f"the column {fk.parent}.{column}"
        bare = parent._replace(indexes=()) if parent else None
        if not any(side and has_unique(side, fk, self.rules.fold) for side in (actual, bare)):
            for index in parent.indexes if parent else ():
                if has_unique(Table(fk.parent, (), indexes=(index,)), fk, self.rules.fold):
                    text = f"the index {fk.parent}.{index.name}"
                    yield self.ref("index", fk.parent, index.name), text
                    return

    def _sides(self) -> tuple[Mapping[TableName, Table], Mapping[TableName, Table]]:
        return self.declared, self.catalog.tables

    def ordered(self, changes: Sequence[Change]) -> tuple[Change, ...]:
        """Return changes, each after what it needs, else in the order of `_PHASES`."""
        listed = sorted(changes, key=_phase)
        makers = {ref: number for number, change in enumerate(listed) for ref in self.made(change)}
        needs = {n: [makers.get(r) for r, _ in self.needs(c)] for n, c in enumerate(listed)}
        return tuple(listed[number] for number in in_order(needs))


def _phase(change: Change) -> float:
    """Foreign keys of new tables follow the tables; those of tables that stand come late."""
    new = isinstance(change, AddForeignKey) and change.new_table
    return 1.5 if new else _PHASES.index(type(change))


def in_order(needs: Mapping[K, Iterable[K | None]]) -> list[K]:
    """Return the keys, each after those that it needs, else as given; a circle is entered at its
    first.
    """
    keys, children = list(needs), defaultdict(list)
    rank = {key: number for number, key in enumerate(keys)}
    waiting = {key: {k for k in its if k in rank and k != key} for key, its in needs.items()}
    for key, its in waiting.items():
        for need in its:
            children[need].append(key)
    ready = [rank[key] for key, its in waiting.items() if not its]
    heapify(ready)
    ordered: list[K] = []
    while waiting:
        key = keys[heappop(ready)] if ready else next(iter(waiting))
        del waiting[key]
        ordered.append(key)
        for child in children[key]:
            if child in waiting:
                waiting[child].discard(key)
                if not waiting[child]:
                    heappush(ready, rank[child])
    return ordered


def needed_columns(index: Index) -> tuple[str, ...]:
    """Return the columns of an index, and the names in its expressions that may be columns."""
    texts = [key.text for key in index.keys if not key.is_column] + [index.where]
    return (*index.columns, *(name for text in texts for name in column_names(text)))


def mentioned(column: Column) -> tuple[str, ...]:
    """Return the names in a column's constraints and expression, its own among them."""
    texts = (*column.making.constraints, column.making.generated_as)
    return tuple(name for text in texts for name in column_names(text))


def has_unique(table: Table, fk: ForeignKey, fold: Callable[[str], str]) -> bool:
    """Tell whether a table has the key that a foreign key refers to."""
    wanted = sorted(map(fold, fk.parent_columns))
    return any(sorted(map(fold, key)) == wanted for key in _unique_keys(table))


def _unique_keys(table: Table) -> Iterator[Sequence[str]]:
    """Yield the columns of each key that no two rows have in common, the likeliest first."""
    yield table.primary_key
    yield from (i.columns for i in table.indexes if i.unique and i.valid and i.is_plain)
    yield from ((column.name,) for column in table.columns if is_unique(column))
    yield from map(unique_columns, table.constraints)


def is_unique(column: Column) -> bool:
    """Tell whether a column's own constraints allow a value only once."""
    return not upper_words(column.making.constraints).isdisjoint(("UNIQUE", "PRIMARY"))
