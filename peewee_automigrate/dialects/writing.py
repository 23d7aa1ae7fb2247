"""Changes -> steps: their statements, what they cost, what a database refuses.

Enters: changes, facts. Leaves: steps, or findings that say why the database can't. Reads at most.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from ..changes import (
    AddColumn,
    AddForeignKey,
    AddIndex,
    Change,
    CreateSchema,
    CreateTable,
    Fill,
    Finding,
    Step,
    ValidateConstraint,
    keys_of,
)
from ..schema import Column, ForeignKey, Index, Key, Table, TableName
from ..sql import parse_index
from ..texts import note
from .base import Facts, RowValue
from .statements import ColumnForm, Statements


class Writer(Statements):
    """What the writers of all databases share."""

    def migrate(self, *operations: Any) -> None:
        """Write: run operations of a migrator, as Peewee's own do since 4.4."""
        for operation in operations:
            operation.run()

    def parts(self, change: Change) -> Iterator[Change | Finding]:
        """Yield the changes as which this database makes one, and what is to be said of it."""
        yield change

    def joined(self, steps: Sequence[Step]) -> tuple[Step, ...]:
        """Return the steps of one plan as this database runs them: those of a table together."""
        return tuple(steps)

    def write(self, change: Change, facts: Facts) -> Iterator[Step | Finding]:
        """Read: yield the step of a change, or the finding that says why the database can't."""
        refusals = list(self.refuses(change, facts))
        if refusals:
            yield from refusals
            return
        match change:
            case CreateSchema(schema):
                statement = f"CREATE SCHEMA {self.dialect.quote(schema)}"
                yield step_of(change, "create_schema", (statement,), reason="new schema")
            case CreateTable():
                yield from self.table(change, facts)
            case AddColumn():
                yield from self.column(change, facts)
            case AddIndex():
                yield from self.index(change, facts)
            case AddForeignKey():
                yield from self.key(change, facts)
            case ValidateConstraint():
                yield from self.validation(change, facts)

    def table(self, change: CreateTable, facts: Facts) -> Iterator[Step | Finding]:
        """Yield the step of a new table, without the indexes that the database can't have."""
        table, kept = change.table, []
        for index in table.indexes:
            refusal = self.refuses_index(table, AddIndex(table.name, index, table))
            if refusal:
                yield refusal
            else:
                kept.append(index)
        change = CreateTable(table._replace(indexes=tuple(kept)), change.late)
        yield step_of(
            change,
            "create_table",
            self.create_table(change, facts.models(table.name), facts.catalog),
            reason=f"new table, {len(kept)} index{'es' if len(kept) != 1 else ''}",
            parents=facts.parents(table.foreign_keys, table.name),
        )

    def column(self, change: AddColumn, facts: Facts) -> Iterator[Step | Finding]:
        """Yield the step of a missing column."""
        value = facts.value(change.table, change.column)
        problem = None if change.fill_only else self.refuses_column(change, value, facts)
        if value.is_filled:
            problem = problem or self.refuses_fill(change, facts)
        if problem:
            yield problem
        elif value.is_filled or change.fill_only:
            yield from self.filled(change, value, facts)
        else:
            yield self.added(change, value, facts)

    def added(self, change: AddColumn, value: RowValue, facts: Facts) -> Step:
        """Return the step of a column that holds one value in all rows."""
        default, effect = value.expression, "instant"
        if facts.has_rows(change.table):
            effect = self.column_effect(change, default)
        return step_of(
            change,
            "add_column",
            self.add(change, self.form(change, default), facts.models(change.table)),
            effect=effect,
            rows=facts.rows(change.actual),
            blocks="reads and writes" if effect == "rewrites" else "nothing",
            reason=_reason(change.column, default),
            parents=facts.parents(keys_of(change), change.table),
        )

    def form(self, change: AddColumn, default: str | None) -> ColumnForm:
        """Return how a column is added; one with a default in SQL brings its own."""
        given = None if change.column.declared.default_is == "sql" else default
        return ColumnForm(not change.column.null, given)

    def filled(self, change: AddColumn, value: RowValue, facts: Facts) -> Iterator[Step | Finding]:
        """Yield the step of a column in which each row gets a value of its own. Where an
        interrupted run has left one, and the model has no default any more, it loses its mark only.
        """
        column, actual = change.column, change.actual
        finish = self.unmarked(change, facts)
        if value == RowValue() or (change.fill_only and not self.fills(value)):
            reason = "an interrupted run has added it; there is nothing to fill any more"
            yield step_of(change, "add_column", after=finish, reason=reason)
            return
        triggers = self.update_triggers(actual)
        if triggers:
            yield note("AM310", change.ref, triggers=", ".join(triggers))
        source = f"the default {value.expression}"
        if value.per_row:
            source = getattr(value.per_row, "__name__", repr(value.per_row)) + "()"
        expression = value.expression if value.each else None
        yield step_of(
            change,
            "add_column",
            () if change.fill_only else self.unfilled(change, facts),
            fill=Fill(facts.grown(actual), column, source, expression),
            after=finish,
            effect="fills",
            rows=facts.rows(actual),
            reason=f"nullable, then each row gets its own value from {source}",
            parents=facts.parents(keys_of(change), change.table),
        )
        if not column.null and not change.fill_only:
            yield note("AM305", change.ref)

    def fills(self, value: RowValue) -> bool:
        """Tell whether an interrupted fill goes on by giving each row this value."""
        return True

    def unfilled(self, change: AddColumn, facts: Facts) -> tuple[str, ...]:
        """Return the statements that add a column which is to be filled, and say so."""
        return self.without_default(change, facts)

    def without_default(
        self, change: AddColumn, facts: Facts, *, not_null: bool = False
    ) -> tuple[str, ...]:
        """Return the statements that add a column without a default."""
        return self.add(change, ColumnForm(not_null, None), facts.models(change.table))

    def unmarked(self, change: AddColumn, facts: Facts) -> tuple[str, ...]:
        """Return the statements that take the mark off a filled column."""
        return ()

    def index(self, change: AddIndex, facts: Facts) -> Iterator[Step | Finding]:
        """Yield the step of an index on a table that stands."""
        actual = facts.grown(change.actual)
        refusal = self.refuses_index(actual, change)
        if refusal:
            yield refusal
            return
        rows = facts.rows(change.actual)
        online = self.builds_online(change, rows, facts)
        if change.leftover:
            yield note("AM308", change.ref)
        effect, blocks = self.index_effect(actual, change)
        yield step_of(
            change,
            "add_index",
            self.create_index(change, facts.models(change.table), online=online),
            effect=effect if rows else "instant",
            rows=rows,
            blocks=blocks if rows and not online else "nothing",
            reason=self.how_built(change, online=online),
            online=online,
        )

    def builds_online(self, change: AddIndex, rows: int, facts: Facts) -> bool:
        """Tell whether an index is built by a statement that blocks no writes."""
        return False

    def how_built(self, change: AddIndex, *, online: bool) -> str:
        """Return how an index is built, for a person."""
        return "built in a transaction"

    def key(self, change: AddForeignKey, facts: Facts) -> Iterator[Step | Finding]:
        """Yield the step of the key of a new table, which comes in the same transaction."""
        yield step_of(
            change,
            "add_foreign_key",
            self.add_key(change, facts.models(change.table)),
            reason=f"refers to {change.foreign_key.parent}",
            parents=facts.parents(keys_of(change), change.table),
        )

    def validation(self, change: ValidateConstraint, facts: Facts) -> Iterator[Step | Finding]:
        """Yield the step that validates what an interrupted run has added."""
        raise NotImplementedError

    # What a database refuses, and what a change costs there

    def refuses(self, change: Change, facts: Facts) -> Iterator[Finding]:
        """Read: say why the database can't have a change whatever else it says, or nothing."""
        found = (self.refuses_key(change.ref.table, fk, facts) for fk in keys_of(change))
        yield from islice(filter(None, found), 1)

    def refuses_column(self, change: AddColumn, value: RowValue, facts: Facts) -> Finding | None:
        """Read: say why the database can't add this column, or None."""
        return None

    def refuses_fill(self, change: AddColumn, facts: Facts) -> Finding | None:
        """Say why the rows of a table can't get a value each, or None."""
        return None

    def refuses_index(self, table: Table, change: AddIndex) -> Finding | None:
        """Read: say why a table, which has all columns that the index needs, can't have it."""
        return None

    def refuses_key(self, table: TableName, fk: ForeignKey, facts: Facts) -> Finding | None:
        """Read: say why the database can't have a foreign key of a table, or None."""
        return None

    def column_effect(self, change: AddColumn, default: str | None) -> str:
        """Read: return the effect of adding a column with this DEFAULT to a table with rows."""
        return "rewrites"

    def index_effect(self, table: Table, change: AddIndex) -> tuple[str, str]:
        """Return the effect of building an index on rows, other than online, and what waits."""
        return "builds", "writes"

    def key_texts(self, index: Index) -> list[str]:
        """Return what an index compares, as SQL."""
        parsed = parse_index(index.sql) if index.sql else None
        sources = [key.source for key in parsed.keys] if parsed else [""] * len(index.keys)
        return [
            self._key_text(key) if key.is_column else f"({source})"
            for key, source in zip(index.keys, sources, strict=True)
        ]

    def _key_text(self, key: Key) -> str:
        """Return a column with its collation, or the prefix of it that an index compares."""
        name, words = self.dialect.quote(key.text), key.options.split()
        if words[:1] == ["collate"]:
            return f"{name} COLLATE {self.dialect.quote(words[1])}"
        return f"left({name}, {words[0].strip('()')})" if words and words[0][0] == "(" else name

    def update_triggers(self, table: Table) -> list[str]:
        """Read: return names of the triggers that an UPDATE of a new column would fire."""
        return []


def step_of(change: Change, kind: str, locked: tuple[str, ...] = (), **more: Any) -> Step:
    """Return the step of a change; ``more`` as in `Step`."""
    table, name = str(change.ref.table), change.ref.name or None
    if isinstance(change, CreateSchema):
        table, name = "", change.schema
    return Step(kind, table, name, locked, change=change, **more)


def _reason(column: Column, default: str | None) -> str:
    if column.generated:
        return "generated"
    if default is not None:
        return f"default {default} stays in the database"
    return "nullable, old rows hold NULL" if column.null else "the table is empty"
