"""The values that a schema is made of, declared or actual.

Enters and leaves: plain text and numbers. Values never query and never write SQL. Imports nothing
of the package, nor peewee. Equality means "nothing to do". What is made by the thousand is a named
tuple, which is made and compared in half the time of a dataclass.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

DEFERRABLE = "deferrable"
"""The origin of an index that is checked at the end of a transaction only."""
UNKNOWN = "?"
"""Stands for the text of an expression that could not be read. It equals nothing."""


class TableName(NamedTuple):
    """A table's name; ``schema`` is None for the connection's default schema."""

    schema: str | None
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name


class Ref(NamedTuple):
    """What a change can make: a "schema", "table", "column", "index", "key" or "constraint".

    The ``name`` of a table is "", that of a key its columns. Names that are to be matched are
    folded once, by `compare.spelling.Names.ref`; a finding has them as they were declared.
    """

    kind: str
    table: TableName
    name: str = ""


class Clause(NamedTuple):
    """One clause of the SQL behind a column's type.

    ``kind``: "default", "null", "not null", "check", "unique", "primary key", "references",
    "collate" ("usual collate": of any column, "own collate": not its table's), "generated",
    "comment", "on update", "type" (a part of it, such as UNSIGNED) or "other"; ``body`` is what it
    says (the expression of a check in its brackets, the name of a collation), ``name`` its
    constraint's.
    """

    kind: str
    body: str
    name: str
    sql: str


class Declaration(NamedTuple):
    """What a model says of a column beyond what a catalogue tells.

    ``default_is``: "" (none, or a value), "callable" or "sql"; ``automatic``: it counts up;
    ``clauses`` in order, but for NULL and DEFAULT; ``is_new``: it is no other one renamed.
    """

    default_is: str = ""
    automatic: bool = False
    clauses: tuple[Clause, ...] = ()
    is_new: bool = False

    def of_kind(self, *kinds: str) -> tuple[Clause, ...]:
        """Return the clauses of some kinds, in order."""
        return tuple(clause for clause in self.clauses if clause.kind in kinds)


PLAIN = Declaration()


@cache
def standing(**bodies: str | None) -> Declaration:
    """Return what a catalogue tells of a column in clauses; a blank in a kind is written "_"."""
    found = [(kind.replace("_", " "), body) for kind, body in bodies.items()]
    clauses = tuple([Clause(kind, body, "", "") for kind, body in found if body])
    return Declaration(clauses=clauses) if clauses else PLAIN


class Column(NamedTuple):
    """A column. ``type`` is in the dialect's canonical spelling, ``default`` is SQL text,
    ``generated`` is "", "virtual", "stored", "identity" or "rowid".
    """

    name: str
    type: str
    null: bool
    default: str | None = None
    generated: str = ""
    declared: Declaration = PLAIN

    @property
    def is_unique(self) -> bool:
        """True when a clause of its own allows each value only once."""
        return bool(self.declared.of_kind("unique", "primary key"))

    @property
    def needs_value(self) -> bool:
        """True when an insert that leaves it out fails."""
        return not (self.null or self.default is not None or self.generated)

    @property
    def expression(self) -> str:
        """The expression of a generated column in its brackets, "" for another one."""
        return "".join(clause.body for clause in self.declared.of_kind("generated"))


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

    @property
    def source(self) -> str:
        """The text, which is as it was written where `sql.parse_index` has read it."""
        return self.text


class Index(NamedTuple):
    """An index, or the index behind a unique constraint or a primary key.

    ``keys`` are in index order, without ``INCLUDE`` columns; ``where`` is a normalised predicate.
    ``sql`` is the statement, where there is an expression to ask the server about. ``misread`` are
    names in it that are no columns, so that the database reads them as strings. ``doubt`` says why
    its text is not known.
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
    doubt: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the key columns in index order; expressions are left out."""
        return tuple(key.text for key in self.keys if key.is_column)

    @property
    def expressions(self) -> tuple[str, ...]:
        """The key expressions, and the predicate last."""
        texts = [key.text for key in self.keys if not key.is_column]
        return (*texts, self.where) if self.where else tuple(texts)

    @property
    def is_plain(self) -> bool:
        """True when every key is a column and there is no predicate."""
        return not self.expressions

    def __str__(self) -> str:
        using = "" if self.method == "btree" else f" using {self.method}"
        return f"{'unique ' if self.unique else ''}index{using} {self.definition}"

    @property
    def definition(self) -> str:
        """The keys and what qualifies them, as a person reads it."""
        nulls = "" if self.nulls_distinct else " nulls not distinct"
        where = f" where {self.where}" if self.where else ""
        return f"({', '.join(map(str, self.keys))}){nulls}{where}"


class ForeignKey(NamedTuple):
    """A foreign key. ``columns`` and ``parent_columns`` pair up in order; a parent column "" is
    the parent's primary key. ``pending``: an interrupted run of ours has not validated it yet;
    ``deferrable``: the words of the standard for it, in upper case.

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
    deferrable: str = ""

    def ref(self, table: TableName) -> Ref:
        """Return what refers to it as a key of a table: its columns name it."""
        return Ref("key", table, ", ".join(self.columns))


@dataclass(frozen=True, slots=True)
class Constraint:
    """A table constraint. ``kind``: "check", "unique", "primary key", "foreign key", "exclude" or
    `UNKNOWN`; ``columns`` those that it lists, or whose own it is; ``text`` its normal form;
    ``name`` "" when it has none, ``sql`` as written.

    ``pending`` is true for one that an interrupted run of ours has not validated yet.
    """

    kind: str
    name: str
    text: str
    columns: tuple[str, ...] = ()
    pending: bool = False
    sql: str = field(default="", compare=False)

    @property
    def is_key(self) -> bool:
        """True when no two rows can have the same values in its columns."""
        return self.kind in ("unique", "primary key")


class Table(NamedTuple):
    """A table or another relation of ``kind`` table, partitioned, view, materialized view,
    foreign or virtual. ``rows`` is the server's estimate, -1 when it has none; ``options`` are
    those of SQLite, such as "strict"; ``filling`` names columns whose fill was interrupted,
    ``keys_due`` those whose foreign key is still to come. ``implicit`` are names that its rowid has
    without being a column.
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
    implicit: tuple[str, ...] = ()

    @property
    def described(self) -> str:
        """The kind of relation, as a person says it."""
        return self.kind if self.kind.endswith(("view", "table")) else f"{self.kind} table"

    def key_of(self, column: str) -> ForeignKey | None:
        """Return the foreign key of this one column."""
        return next((fk for fk in self.foreign_keys if fk.columns == (column,)), None)


class Outline(NamedTuple):
    """What of a table decides whether anything is missing. ``columns``: the type of each by name,
    and one of `NULLABLE`, `NEEDED`, `GIVEN`; ``indexes``: those of columns alone, each as
    "primary", "unique" or "index" before its columns; ``is_odd``: the rest must be read too.
    """

    columns: Mapping[str, tuple[str, str]]
    indexes: Collection[tuple[str, ...]]
    is_odd: bool = False


NULLABLE, NEEDED, GIVEN = "0", "1", "2"
"""A column may be NULL, needs a value in each insert, or has a default."""


class Catalog(NamedTuple):
    """What stands in the database, for the names that were asked for.

    ``tables`` and ``owners`` are keyed by folded names. ``owners`` tells what holds a name that
    tables and indexes share ("index of stock_item", "view"). ``default_schema`` is where an
    unqualified table would be created, ``schemas`` those that exist.
    """

    tables: Mapping[TableName, Table]
    owners: Mapping[TableName, str]
    schemas: frozenset[str]
    default_schema: str | None


class Wanted(NamedTuple):
    """What to look up in a catalogue: declared tables, and the other ``names`` that they will
    need; ``constrained`` are tables whose constraints are to be compared.
    """

    tables: tuple[TableName, ...]
    names: tuple[TableName, ...]
    constrained: frozenset[TableName] = frozenset()
