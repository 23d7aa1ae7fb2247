"""Builds the `Plan`: declared minus actual, questions about data, the cost of each step.

Enters: a dialect, collected and bound models, options. Leaves: a `Plan`. Reads only.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from peewee import Field

from ..compare.diff import diff
from ..dialects import Dialect
from ..models.collect import Collected
from ..models.declared import Declared, declare
from ..options import Options
from ..report import Plan
from ..schema import (
    UNKNOWN,
    Catalog,
    CreateSchema,
    CreateTable,
    Finding,
    Index,
    Step,
    Table,
    TableName,
)
from ..texts import note
from . import ddl
from .columns import merged
from .questions import Memory, Situation, is_blocked
from .steps import steps_and_findings


@contextmanager
def _no_collector() -> Iterator[None]:
    """Pause the garbage collector while many values are made, none of which is garbage: it would
    walk them all again and again, for a third of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class Planner:
    """Plans for one set of models, as often as a run needs it.

    What the models declare is read once. Raises `ModelsNotFound` for models that contradict each
    other.
    """

    @_no_collector()
    def __init__(self, dialect: Dialect, collected: Collected, options: Options) -> None:
        self.dialect = dialect
        self.options = options
        self.collected = collected
        self.bases = set(collected.bases)
        self.declared = declare(dialect, (*collected.models, *collected.bases))
        self.memory = Memory()
        self.last: tuple[Catalog, Plan] | None = None  # where only the catalogue was asked

    @_no_collector()
    def plan(self) -> Plan:
        """Reads the catalogue, and of the data what the missing things make necessary."""
        declared, catalog, left_out = self._read()
        if self.last and self.last[0] == catalog and self._knows_types():
            return self.last[1]
        made = self._plan(declared, catalog, left_out)
        creates = {"create_schema", "create_table"} >= {step.kind for step in made.steps}
        self.last = (catalog, made) if creates and not made.blocked else None
        return made

    def _knows_types(self) -> bool:
        """Reads: tell whether the server knows each type; the catalogue does not say it."""
        types = {column.type for table in self.declared.tables for column in table.columns}
        return not self.dialect.unknown_types(sorted(types - {""}))

    def _plan(self, declared: Declared, catalog: Catalog, left_out: list[Finding]) -> Plan:
        difference = diff(declared.tables, catalog, self.dialect)
        self.graph = difference.graph
        situation = Situation(
            self.dialect, declared, catalog, self.options, difference.changes, self.memory
        )
        said: list[Step | Finding] = [*difference.findings, *left_out]
        with ExitStack() as stack:
            if any(not isinstance(c, CreateSchema | CreateTable) for c in difference.changes):
                stack.enter_context(self.dialect.short_reads(self.options.lock_timeout))
            said = [*steps_and_findings(situation, difference), *said]
        steps = merged(self.dialect, [item for item in said if isinstance(item, Step)])
        findings = [item for item in said if isinstance(item, Finding)]
        return Plan(
            steps=steps,
            blocked=tuple(sorted(filter(is_blocked, findings), key=_place)),
            findings=tuple(f for f in findings if f.level == "drift")
            + tuple(f for f in findings if f.level == "note"),
            summary=self._summary(declared),
        )

    def _summary(self, declared: Declared) -> str:
        tables = declared.tables if self.bases else ()
        keys = {self.dialect.table_key(table.name) for table in tables}
        present = {model for key in keys for model in self.declared.models[key]}
        return self.collected.summary(self.bases - present, self.dialect.place())

    @_no_collector()
    def remaining(self) -> set[object]:
        """Reads the catalogue: what is still missing."""
        declared, catalog, _ = self._read()
        left = diff(declared.tables, catalog, self.dialect)
        return {*left.stopped, *(ref for change in left.changes for ref in left.graph.made(change))}

    def made(self, step: Step) -> set[object]:
        """Return what a step makes."""
        return set(self.graph.made(step.change))

    def field(self, table: TableName, column: str) -> Field:
        """Return the field that declares a column."""
        models = self.declared.models[self.dialect.table_key(table)]
        return ddl.field_of(models, self.dialect, column)[1]

    def _read(self) -> tuple[Declared, Catalog, list[Finding]]:
        """Read the catalogue, and leave out the abstract bases that have no table."""
        catalog = self.dialect.read_catalog(self.declared.wanted())
        absent = {
            key
            for key, models in self.declared.models.items()
            if key not in catalog.tables and set(models) <= self.bases
        }
        tables = self.declared.tables
        if absent:
            tables = tuple(t for t in tables if self.dialect.table_key(t.name) not in absent)
        declared = Declared(tables, self.declared.models)
        left_out = [note("AM307", key, None) for key in sorted(absent, key=str)]
        return declared, _reconciled(self.dialect, declared, catalog), left_out


def _place(finding: Finding) -> tuple[str, str, str]:
    return finding.table, finding.name or "", finding.code


def _reconciled(dialect: Dialect, declared: Declared, catalog: Catalog) -> Catalog:
    """Ask the server about expressions whose texts differ under one index name, and write the
    declared text over the actual one where the server says that they are the same.
    """
    tables = dict(catalog.tables)
    for table in declared.tables:
        key = dialect.table_key(table.name)
        if key in tables and any(index.sql for index in table.indexes):
            indexes = tuple(
                _agreed(dialect, tables[key], table, index) for index in tables[key].indexes
            )
            tables[key] = tables[key]._replace(indexes=indexes)
    return replace(catalog, tables=tables)


def _agreed(dialect: Dialect, actual: Table, table: Table, index: Index) -> Index:
    for other in table.indexes:
        named = dialect.fold(other.name) == dialect.fold(index.name)
        texts = (index.keys, index.where) != (other.keys, other.where)
        if named and texts and other.sql and len(other.keys) == len(index.keys):
            answer = dialect.same_expressions(actual, other, index)
            if answer is None:
                return index._replace(where=UNKNOWN)
            if answer and index.columns == other.columns:
                return index._replace(keys=other.keys, where=other.where)
    return index
