"""What can be added to a schema, and what is said of it: changes, findings, steps.

Enters and leaves: values. They never query and never write SQL. Imports `schema` only.
The changes are a closed set, in which a drop or an alteration can't be expressed. Each prints as
one plain sentence; its ``ref`` is what it makes, as declared.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias

from .schema import Column, ForeignKey, Index, Ref, Table, TableName


class CreateSchema(NamedTuple):
    """Create a schema."""

    schema: str

    @property
    def ref(self) -> Ref:
        return Ref("schema", TableName(None, self.schema))

    def __str__(self) -> str:
        return f"create schema {self.schema}"


class CreateTable(NamedTuple):
    """Create a table with its indexes; ``late`` foreign keys follow as changes of their own."""

    table: Table
    late: tuple[ForeignKey, ...] = ()

    @property
    def ref(self) -> Ref:
        return Ref("table", self.table.name)

    def __str__(self) -> str:
        return f"create table {self.table.name}"


class AddColumn(NamedTuple):
    """Add a column with its foreign key to the table that stands as ``actual``.

    ``fill_only``: the column stands, and an interrupted run has not filled all its rows.
    ``key_follows``: its foreign key is added by a change of its own; until then it is marked.
    """

    table: TableName
    column: Column
    foreign_key: ForeignKey | None
    actual: Table
    fill_only: bool = False
    key_follows: bool = False

    @property
    def ref(self) -> Ref:
        return Ref("column", self.table, self.column.name)

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

    @property
    def ref(self) -> Ref:
        return Ref("index", self.table, self.index.name)

    def __str__(self) -> str:
        kind = "unique index" if self.index.unique else "index"
        return f"add {kind} {self.index.name} on {self.table} {self.index.definition}"


class AddForeignKey(NamedTuple):
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

    @property
    def ref(self) -> Ref:
        return self.foreign_key.ref(self.table)

    def __str__(self) -> str:
        return f"add foreign key {self.table} ({self.ref.name}) to {self.foreign_key.parent}"


class ValidateConstraint(NamedTuple):
    """Validate a constraint that this run, or an interrupted one, has added."""

    table: TableName
    name: str
    actual: Table

    @property
    def ref(self) -> Ref:
        return Ref("constraint", self.table, self.name)

    def __str__(self) -> str:
        return f"validate constraint {self.name} of {self.table}"


Change: TypeAlias = (
    CreateSchema | CreateTable | AddColumn | AddIndex | AddForeignKey | ValidateConstraint
)
"""One of these, in the order in which they run."""


def keys_of(change: Change) -> tuple[ForeignKey, ...]:
    """Return the foreign keys that a change brings."""
    if isinstance(change, CreateTable):
        return change.table.foreign_keys
    fk = change.foreign_key if isinstance(change, AddColumn | AddForeignKey) else None
    return (fk,) if fk else ()


@dataclass(frozen=True, slots=True)
class Finding:
    """Something worth saying. ``level`` is "blocked", "drift" or "note"; ``code`` is stable.

    ``ref`` is the object as declared, then come the fact and the remedy; ``sql`` is what a person
    could run, or None. ``samples`` is what the fact tells of rows, "" where it tells nothing.
    """

    code: str
    level: str
    ref: Ref
    fact: str
    remedy: str = ""
    sql: str | None = None
    samples: str = field(default="", repr=False)

    @property
    def table(self) -> str:
        """The object's table, with its schema where one was declared."""
        return str(self.ref.table)

    @property
    def name(self) -> str | None:
        """The column, index, constraint or key (by its columns); None for a table."""
        return self.ref.name or None

    @property
    def subject(self) -> str:
        """The object, as a text shows it."""
        return visible(f"{self.table}.{self.name}" if self.name else self.table)

    @property
    def head(self) -> str:
        """The object and the fact, without the remedy."""
        return visible(f"{self.subject}: {self.fact}{'' if self.fact.endswith('?') else '.'}")

    def without_samples(self) -> Finding:
        """Return it without values of rows."""
        return replace(self, fact=self.fact.replace(self.samples, ""), samples="")

    def __str__(self) -> str:
        return f"{self.head} {visible(self.remedy)}".rstrip()


class Difference(NamedTuple):
    """What `compare.diff` returns: what is missing, findings, and what is ``stopped`` whatever the
    rows are, by folded names.
    """

    changes: tuple[Change, ...]
    findings: tuple[Finding, ...]
    stopped: frozenset[Ref]


class Fill(NamedTuple):
    """Each row of ``table`` that holds NULL in the new ``column`` gets a value of its own, which
    comes from ``source``: a callable of the model, or this SQL ``expression``.
    """

    table: Table
    column: Column
    source: str
    expression: str | None = None

    def __str__(self) -> str:
        text = f"each row of {self.table.name} gets its own {self.column.name} from {self.source}"
        return " ".join(text.split())


@dataclass(frozen=True, slots=True)
class Step:
    """One change as it will run. ``kind`` is "create_schema", "create_table", "add_column",
    "add_index" or "add_foreign_key"; ``name`` is the column, index or key, None for a table.

    ``locked`` are statements that run in the transaction that holds the table's lock, then comes
    the ``fill``, and then what needs no such lock, ``after``. ``effect`` is "instant", "scans",
    "builds", "fills" or "rewrites"; ``rows`` is the table's estimated number of rows, -1 when
    unknown; ``blocks`` says what waits meanwhile. ``parents`` are other tables that stand and that
    a new foreign key locks for a moment. ``online``: outside of any transaction.
    """

    kind: str
    table: str
    name: str | None
    locked: tuple[str, ...] = ()
    fill: Fill | None = None
    after: tuple[str, ...] = ()
    effect: str = "instant"
    rows: int = 0
    blocks: str = "nothing"
    reason: str = ""
    online: bool = False
    parents: tuple[TableName, ...] = ()
    change: Change = field(kw_only=True, repr=False)

    @property
    def statements(self) -> tuple[str, ...]:
        """All statements in order; a comment stands for the fill, which is no statement."""
        return (*self.locked, *([f"-- {self.fill}"] if self.fill else []), *self.after)

    def __str__(self) -> str:
        return visible(str(self.change))


_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """Return a text in which control characters, and marks that turn its direction, are shown as
    escapes: a name from a database neither moves a cursor nor begins a line.
    """
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def counted(steps: Sequence[Step]) -> str:
    """Return "2 tables, 1 column, 3 indexes" for steps."""
    kinds = ("create_schema", "create_table", "add_column", "add_index", "add_foreign_key")
    counts = {kind[kind.index("_") + 1 :]: sum(s.kind == kind for s in steps) for kind in kinds}
    return ", ".join(plural(n, word.replace("_", " ")) for word, n in counts.items() if n)


def plural(number: int, word: str) -> str:
    """Return "1 table" or "2 indexes"."""
    ending = "es" if word == "index" else "s"
    return f"{number} {word}{'' if number == 1 else ending}"
