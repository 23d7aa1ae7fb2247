"""What each change makes and needs: the order in which changes run, and what stops with what.

Enters: declared tables, the catalogue, a database's names. Leaves: references, and orders. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import TypeAlias, TypeVar, get_args

from ..changes import AddColumn, AddForeignKey, AddIndex, Change, CreateTable
from ..schema import DEFERRABLE, Catalog, Column, ForeignKey, Ref, Table, TableName
from ..sql import column_names
from .spelling import Names

_PHASES = get_args(Change)
K = TypeVar("K", bound=Hashable)
Need: TypeAlias = tuple[Ref, str]
"""What is needed, by folded names, and what a person calls it."""


class Graph:
    """The changes of one plan, by what they make and need."""

    def __init__(self, declared: Sequence[Table], catalog: Catalog, names: Names) -> None:
        self.names = names
        self.catalog = catalog
        self.declared = {names.table_key(table.name): table for table in declared}

    def made(self, change: Change) -> Iterator[Ref]:
        """Yield what a change makes."""
        yield self.names.ref(change.ref)
        if isinstance(change, CreateTable):
            table = change.table
            yield from (self._ref("column", table.name, c.name) for c in table.columns)
            yield from (self._ref("index", table.name, i.name) for i in table.indexes)

    def needs(self, change: Change, *, at_once: bool = False) -> Iterator[Need]:
        """Yield what must not be stopped, or else the change is stopped too; ``at_once``: only
        what has to be there before it.
        """
        match change:
            case CreateTable(table, late):
                if table.name.schema:
                    schema = table.name.schema
                    yield self._ref("schema", TableName(None, schema)), f"the schema {schema}"
                for name in table.depends_on if not at_once else ():
                    yield self._ref("table", name), f"the table {name}"
                for fk in table.foreign_keys:
                    if not (at_once and fk in late):
                        yield from self._parent(fk)
            case AddColumn(table, column, fk):
                yield from self._columns(table, mentioned(column))
                yield from self._parent(fk) if fk else ()
            case AddIndex(table, index):
                inside = [name for text in index.expressions for name in column_names(text)]
                yield from self._columns(table, (*index.columns, *inside))
            case AddForeignKey(table, fk):
                yield self._ref("table", table), f"the table {table}"
                yield from self._columns(table, fk.columns)
                yield from self._parent(fk)

    def _wishes(self, change: Change) -> Iterator[Ref]:
        """Yield what should come before a change, but need not."""
        if isinstance(change, CreateTable):
            yield from (self._ref("table", name) for name in change.table.depends_on)

    def _ref(self, kind: str, table: TableName, name: str = "") -> Ref:
        return self.names.ref(Ref(kind, table, name))

    def _columns(self, table: TableName, names: Iterable[str]) -> Iterator[Need]:
        return ((self._ref("column", table, name), f"the column {name}") for name in names)

    def _parent(self, fk: ForeignKey) -> Iterator[Need]:
        """Yield the table, columns and unique index that a foreign key needs."""
        key, fold = self.names.table_key(fk.parent), self.names.fold
        declared, actual = self.declared.get(key), self.catalog.tables.get(key)
        yield self._ref("table", fk.parent), f"the table {fk.parent}"
        for column in fk.parent_columns:
            yield self._ref("column", fk.parent, column), f"the column {fk.parent}.{column}"
        bare = declared._replace(indexes=()) if declared else None
        if any(has_unique(side, fk, fold) for side in (actual, bare)):
            return
        for index in declared.indexes if declared else ():
            if has_unique(Table(fk.parent, (), indexes=(index,)), fk, fold):
                name = f"the index {fk.parent}.{index.name}"
                yield self._ref("index", fk.parent, index.name), name
                return

    def ordered(self, changes: Sequence[Change]) -> tuple[tuple[Change, ...], dict[Ref, str]]:
        """Return changes, each after what it needs, else in the order of `_PHASES`; and of those
        that can't be, since what they need needs them, what that is.
        """
        listed = sorted(changes, key=_phase)
        makers = {ref: number for number, change in enumerate(listed) for ref in self.made(change)}
        needs = {n: list(self.needs(c, at_once=True)) for n, c in enumerate(listed)}
        order, circles = in_order(
            {
                n: [*(makers.get(r) for r, _ in its), *map(makers.get, self._wishes(listed[n]))]
                for n, its in needs.items()
            }
        )
        places = {number: place for place, number in enumerate(order)}
        stuck = {}
        for n in circles:
            unmet = [t for r, t in needs[n] if places.get(makers.get(r, n), -1) > places[n]]
            if unmet:
                stuck[self.names.ref(listed[n].ref)] = unmet[0]
        return tuple(listed[number] for number in order), stuck


def _phase(change: Change) -> float:
    """Foreign keys of new tables follow the tables; those of tables that stand come late."""
    new = isinstance(change, AddForeignKey) and change.new_table
    return 1.5 if new else _PHASES.index(type(change))


def in_order(needs: Mapping[K, Iterable[K | None]]) -> tuple[list[K], list[K]]:
    """Return the keys, each after those that it needs, else as given; and those at which a circle
    was entered, its first ones.
    """
    keys, children, circles = list(needs), defaultdict(list), []
    rank = {key: number for number, key in enumerate(keys)}
    waiting = {key: {k for k in its if k in rank and k != key} for key, its in needs.items()}
    for key, its in waiting.items():
        for need in its:
            children[need].append(key)
    ready = [rank[key] for key, its in waiting.items() if not its]
    heapify(ready)
    ordered: list[K] = []
    while waiting:
        if not ready:
            circles.append(next(iter(waiting)))
        key = keys[heappop(ready)] if ready else circles[-1]
        del waiting[key]
        ordered.append(key)
        for child in filter(waiting.__contains__, children[key]):
            waiting[child].discard(key)
            if not waiting[child]:
                heappush(ready, rank[child])
    return ordered, circles


def mentioned(column: Column) -> tuple[str, ...]:
    """Return the names in a column's checks and expression, its own among them."""
    bodies = [clause.body for clause in column.declared.of_kind("check", "generated")]
    return tuple(name for body in bodies for name in column_names(body))


def has_unique(table: Table | None, fk: ForeignKey, fold: Callable[[str], str]) -> bool:
    """Tell whether a table, if there is one, has the key that a foreign key refers to."""
    wanted = sorted(map(fold, fk.parent_columns))
    keys = _unique_keys(table) if table else ()
    return any(sorted(map(fold, key)) == wanted for key in keys)


def _unique_keys(table: Table) -> Iterator[Sequence[str]]:
    """Yield the columns of each key that no two rows have in common, the likeliest first."""
    yield table.primary_key
    found = (i for i in table.indexes if i.unique and i.valid and i.is_plain)
    yield from (i.columns for i in found if i.origin != DEFERRABLE)
    yield from ((column.name,) for column in table.columns if column.is_unique)
    late = {index.name for index in table.indexes if index.origin == DEFERRABLE}
    yield from (one.columns for one in table.constraints if one.is_key and one.name not in late)
