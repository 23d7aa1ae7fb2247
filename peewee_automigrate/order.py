"""What a change needs, and in which order changes can run.

Enters: declared tables, the catalogue, changes, and the dialect's rules. Leaves: the same in their
order. Pure: no connection, no peewee, no dialect.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

from .drift import Rules, unique_columns
from .expression import column_names, upper_words
from .schema import (
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
    Table,
    TableName,
    ValidateConstraint,
)

_ORDER = (CreateSchema, CreateTable, AddColumn, AddIndex, AddForeignKey, ValidateConstraint)


def runnable(
    changes: Sequence[Change], declared: Sequence[Table], catalog: Catalog, rules: Rules
) -> tuple[Change, ...]:
    """Return changes in the order in which they can run: schemas, tables, columns, indexes, keys.

    Those that come in one phase keep their order. What has to wait for a unique index that a
    foreign key refers to comes behind, in the same order.
    """
    inside = rules.parents_first and not rules.keys_follow
    waits = _waits(declared, catalog, rules) if inside and any(map(_is_key, changes)) else {}
    return tuple(sorted(changes, key=lambda change: (_wait(change, waits, rules), _phase(change))))


def _phase(change: Change) -> float:
    """Foreign keys of new tables follow the tables; those of tables that stand come late."""
    new = isinstance(change, AddForeignKey) and change.new_table
    return 1.5 if new else _ORDER.index(type(change))


_Place: TypeAlias = tuple[TableName, str]
"""A new table with "", or a missing column by its folded name."""


def _waits(declared: Sequence[Table], catalog: Catalog, rules: Rules) -> Mapping[_Place, int]:
    """Return how many unique indexes have to be built, one after another, before a table or column
    whose foreign key needs them: a key in a statement of its own would be lost with a killed run.
    """
    edges = list(_edges(declared, catalog, rules))
    waits: dict[_Place, int] = defaultdict(int)
    for _ in edges:  # a column that waits for itself, which is absurd, ends this too
        before = dict(waits)
        for child, parent, indexes in edges:
            waits[child] = max(waits[child], waits[parent] + indexes)
        if waits == before:
            break
    return waits


def _edges(
    declared: Sequence[Table], catalog: Catalog, rules: Rules
) -> Iterator[tuple[_Place, _Place, int]]:
    """Yield what has to come after what else, and the number of indexes between them."""
    fold, key_of = rules.fold, rules.table_key
    for table in declared:
        key = key_of(table.name)
        for name in table.depends_on:
            yield (key, ""), (key_of(name), ""), 0
        for fk in table.foreign_keys:
            child = key, fold(fk.columns[0]) if key in catalog.tables else ""
            parent = key_of(fk.parent)
            actual = catalog.tables.get(parent)
            if actual is None:
                yield child, (parent, ""), 0
            elif not has_unique(actual, fk, fold):
                for column in fk.parent_columns:
                    yield child, (parent, fold(column)), 1


def _is_key(change: Change) -> bool:
    return isinstance(change, AddIndex) and change.index.unique


def _wait(change: Change, waits: Mapping[_Place, int], rules: Rules) -> int:
    """Return for how many indexes a change waits."""
    match change:
        case CreateTable(Table(name=table)) | AddForeignKey(table, new_table=True):
            names: Sequence[str] = [""]
        case AddColumn(table, column):
            names = [column.name]
        case AddIndex(table, index):
            names = needed_columns(index)
        case _:
            return 0
    key = rules.table_key(table)
    return max((waits.get((key, rules.fold(name)), 0) for name in names), default=0)


def dependency_order(
    tables: Mapping[TableName, Table], key_of: Callable[[TableName], TableName]
) -> list[TableName]:
    """Return table keys, parents first, otherwise by name; a cycle is entered at its first name."""
    waiting = {
        key: {key_of(fk.parent) for fk in table.foreign_keys if not fk.deferred}
        | {key_of(name) for name in table.depends_on}
        for key, table in sorted(tables.items(), key=lambda item: str(item[0]))
    }
    children: dict[TableName, list[TableName]] = {key: [] for key in waiting}
    for key, needs in waiting.items():
        waiting[key] = {parent for parent in needs if parent in waiting and parent != key}
        for parent in waiting[key]:
            children[parent].append(key)
    ordered: list[TableName] = []
    free = [key for key, needs in waiting.items() if not needs]
    while waiting:
        done = set(free or [next(iter(waiting))])
        ordered += [key for key in waiting if key in done] if len(done) > 1 else done
        for key in done:
            del waiting[key]
        after = {child for key in done for child in children[key] if child in waiting}
        for child in after:
            waiting[child] -= done
        free = [child for child in after if not waiting[child]]
    return ordered


def resting_last(columns: Sequence[Column], fold: Callable[[str], str]) -> Iterator[Column]:
    """Yield columns, each after those of them that it mentions; a cycle is entered at its first."""
    waiting = {fold(column.name): column for column in columns}
    while waiting:
        needs = {n: {*map(fold, mentioned(c))} & waiting.keys() - {n} for n, c in waiting.items()}
        free = [name for name, names in needs.items() if not names]
        for name in free or list(waiting)[:1]:
            yield waiting.pop(name)


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
