"""The values: what a schema is made of, what can be added to it, and what can be said of it.

Enters and leaves: plain text and numbers. Values never query and never write SQL.
Imports nothing of the package, nor peewee. Equality means "nothing to do".

The changes are a closed set. A drop or an alteration can't be expressed. What is made by the
thousand is a named tuple, which is made, hashed and compared in half the time of a dataclass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

UNKNOWN = "?"
"""Stands for the text of an expression that could not be read. It equals nothing."""


class TableName(NamedTuple):
    """A table's name; ``schema`` is None for the connection's default schema."""

    schema: str | None
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name


class Ref(NamedTuple):
    """What a change can make, by folded names: a "table", "column", "index", "key" or
    "constraint". The ``name`` of a table is "", that of a key its columns.
    """

    kind: str
    table: TableName
    name: str = ""


@dataclass(frozen=True, slots=True)
class Making:
    """How a declared column is to be made: ``computed`` (its default is a callable), ``automatic``
    (it counts up), ``in_database`` (its default is SQL), ``generated_as`` and ``constraints``
    (SQL as declared).
    """

    computed: bool = False
    automatic: bool = False
    in_database: bool = False
    generated_as: str = ""
    constraints: tuple[str, ...] = ()


PLAIN = Making()


class Column(NamedTuple):
    """A column. ``type`` is in the dialect's canonical spelling, ``default`` is SQL text,
    ``generated`` is "", "virtual", "stored", "identity" or "rowid".
    """

    name: str
    type: str
    null: bool
    default: str | None = None
    generated: str = ""
    making: Making = PLAIN


class Key(NamedTuple):
    """One key of an index: a column's name, or a normalised expression, and its options.

    ``options`` are lower-case words in SQL order: collation, operator class, ``desc``, nulls.
    """

    text: str
    is_column: bool = True
    options: str = ""

    def __str__(self) -> str:
        text = self.text if self.is_column else f"({self.text})"
        return f"{text} {self.options}".rstrip()


class Index(NamedTuple):
    """An index, or the index behind a unique constraint or a primary key.

    ``keys`` are in index order, without ``INCLUDE`` columns; ``where`` is a normalised predicate.
    ``sql`` is the statement, where there is an expression to ask the server about. ``misread`` are
    names in it that are no columns, so that the database reads them as strings.
    """

    name: str
    keys: tuple[Key, ...]
    unique: bool = False
    method: str = "btree"
    where: str = ""
    nulls_distinct: bool = True
    valid: bool = True
    origin: str = "index"
    sql: str = ""
    misread: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the key columns in index order; expressions are left out."""
        return tuple(key.text for key in self.keys if key.is_column)

    @property
    def is_plain(self) -> bool:
        """True when every key is a column and there is no predicate."""
        return not self.where and all(key.is_column for key in self.keys)

    def __str__(self) -> str:
        using = "" if self.method == "btree" else f" using {self.method}"
        return f"{'unique ' if self.unique else ''}index{using} {self.definition}"

    @property
    def definition(self) -> str:
        """The keys and what qualifies them, as a person reads it."""
        parts = [f"({', '.join(map(str, self.keys))})"]
        if not self.nulls_distinct:
            parts.append("nulls not distinct")
        if self.where:
            parts.append(f"where {self.where}")
        return " ".join(parts)


class ForeignKey(NamedTuple):
    """A foreign key. ``columns`` and ``parent_columns`` pair up in order; a parent column "" is
    the parent's primary key. ``pending``: an interrupted run of ours has not validated it yet.

    Actions are upper case ("CASCADE"); "" stands for NO ACTION, which is the default.
    """

    columns: tuple[str, ...]
    parent: TableName
    parent_columns: tuple[str, ...]
    on_delete: str = ""
    on_update: str = ""
    name: str = ""
    deferred: bool = False
    valid: bool = True
    pending: bool = False


@dataclass(frozen=True, slots=True)
class Constraint:
    """A table constraint as normalised text; ``name`` is "" when it has none, ``sql`` as written.

    ``pending`` is true for one that an interrupted run of ours has not validated yet.
    """

    name: str
    text: str
    pending: bool = False
    sql: str = field(default="", compare=False)


class Table(NamedTuple):
    """A table or another relation of ``kind`` table, partitioned, view, materialized view,
    foreign or virtual. ``rows`` is the server's estimate, -1 when it has none; ``options`` are
    those of SQLite, such as "strict"; ``filling`` names columns whose fill was interrupted,
    ``keys_due`` those whose foreign key is still to come.
    """

    name: TableName
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()
    indexes: tuple[Index, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    kind: str = "table"
    rows: int = -1
    depends_on: tuple[TableName, ...] = ()
    sequences: tuple[TableName, ...] = ()
    schema: str | None = None
    options: tuple[str, ...] = ()
    filling: tuple[str, ...] = ()
    keys_due: tuple[str, ...] = ()

    def key_of(self, column: str) -> ForeignKey | None:
        """Return the foreign key of this one column."""
        return next((fk for fk in self.foreign_keys if fk.columns == (column,)), None)


@dataclass(frozen=True, slots=True)
class Catalog:
    """What stands in the database, for the names that were asked for.

    ``tables`` and ``owners`` are keyed by folded names. ``owners`` tells what holds a name that
    tables and indexes share ("index of stock_item", "view"). ``default_schema`` is where an
    unqualified table would be created, ``schemas`` those that exist.
    """

    tables: Mapping[TableName, Table]
    owners: Mapping[TableName, str]
    schemas: frozenset[str]
    default_schema: str | None


# The changes. Each prints as one plain sentence.


@dataclass(frozen=True, slots=True)
class CreateSchema:
    """Create a schema."""

    schema: str

    def __str__(self) -> str:
        return f"create schema {self.schema}"


@dataclass(frozen=True, slots=True)
class CreateTable:
    """Create a table with its indexes; ``late`` foreign keys follow as changes of their own."""

    table: Table
    late: tuple[ForeignKey, ...] = ()

    def __str__(self) -> str:
        return f"create table {self.table.name}"


@dataclass(frozen=True, slots=True)
class AddColumn:
    """Add a column with its foreign key to the table that stands as ``actual``.

    ``fill_only``: the column stands, and an interrupted run has not filled all its rows.
    ``key_follows``: its foreign key is added by a change of its own; until then it is marked.
    """

    table: TableName
    column: Column
    foreign_key: ForeignKey | None = None
    actual: Table | None = None
    fill_only: bool = False
    key_follows: bool = False

    def __str__(self) -> str:
        return f"add column {self.table}.{self.column.name}"


@dataclass(frozen=True, slots=True)
class AddIndex:
    """Add an index to a table that stands. ``leftover``: an INVALID one of the same name and
    definition, left by a failed online build, goes first.
    """

    table: TableName
    index: Index
    actual: Table
    leftover: bool = False

    def __str__(self) -> str:
        kind = "unique index" if self.index.unique else "index"
        return f"add {kind} {self.index.name} on {self.table} {self.index.definition}"


@dataclass(frozen=True, slots=True)
class AddForeignKey:
    """Add a foreign key that could not stand in its table's or column's own statement.

    ``new_table``: the run creates its table, so no row has to be checked. ``column`` is the one
    whose mark this takes off, where the same run or an interrupted one has added it; ``stands``:
    only that is left to do.
    """

    table: TableName
    foreign_key: ForeignKey
    new_table: bool = False
    column: Column | None = None
    stands: bool = False

    def __str__(self) -> str:
        columns = ", ".join(self.foreign_key.columns)
        return f"add foreign key {self.table} ({columns}) to {self.foreign_key.parent}"


@dataclass(frozen=True, slots=True)
class ValidateConstraint:
    """Validate a constraint that this run, or an interrupted one, has added."""

    table: TableName
    name: str
    actual: Table

    def __str__(self) -> str:
        return f"validate constraint {self.name} of {self.table}"


Change: TypeAlias = (
    CreateSchema | CreateTable | AddColumn | AddIndex | AddForeignKey | ValidateConstraint
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something worth saying. ``level`` is "blocked", "drift" or "note"; ``code`` is stable.

    ``table`` and ``name`` (the column or index, or None) tell the object, then come the fact and
    the remedy; ``sql`` is what a person could run, or None.
    """

    code: str
    level: str
    table: str
    name: str | None
    fact: str
    remedy: str = ""
    sql: str | None = None

    @property
    def head(self) -> str:
        """The object and the fact, without the remedy."""
        subject = f"{self.table}.{self.name}" if self.name else self.table
        return f"{subject}: {self.fact}{'' if self.fact.endswith('?') else '.'}"

    def __str__(self) -> str:
        return f"{self.head} {self.remedy}".rstrip()


@dataclass(frozen=True, slots=True)
class Difference:
    """What `diff.diff` returns: changes in the order in which they can run, findings, the graph of
    the changes, and what of it is ``stopped`` whatever the rows are.
    """

    changes: tuple[Change, ...]
    findings: tuple[Finding, ...]
    graph: Any
    stopped: frozenset[Ref]


@dataclass(frozen=True, slots=True)
class Step:
    """One change as it will run. ``kind`` is "create_schema", "create_table", "add_column",
    "add_index" or "add_foreign_key"; ``name`` is the column, index or key, None for a table.

    ``statements`` run in order. Those from ``later_at`` on need not run in the transaction that
    holds the table's lock; the one at ``fill_at`` is a comment, in whose place each row gets its
    own value. ``effect`` is "instant", "scans", "builds", "fills" or "rewrites"; ``rows`` is
    the table's estimated number of rows, -1 when unknown; ``blocks`` says what waits meanwhile.
    ``parents`` are other tables that stand and that a new foreign key locks for a moment.
    """

    kind: str
    table: str
    name: str | None
    statements: tuple[str, ...]
    effect: str = "instant"
    rows: int = 0
    blocks: str = "nothing"
    reason: str = ""
    later_at: int | None = None
    fill_at: int | None = None
    online: bool = False
    parents: tuple[TableName, ...] = ()
    change: Change = field(kw_only=True, repr=False)

    def __str__(self) -> str:
        return str(self.change)
