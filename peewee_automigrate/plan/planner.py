"""Builds the `Plan`: declared minus actual, then, where something is missing, steps.

Enters: a dialect, collected and bound models, options. Leaves: a `Plan`. Reads only. What asks
about data and writes steps is loaded when there is something to add.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from peewee import InterfaceError, Model

from ..changes import AddColumn, Change, CreateSchema, CreateTable, Difference, Finding, Step
from ..compare.outlines import agree
from ..dialects import outlines_of, remedies_of, writer_of
from ..dialects.base import ChangedMeanwhile, Dialect
from ..models.collect import Collected, without_password
from ..models.declared import PLAIN_NAMES, Declared, Types, declare, name_of
from ..models.outline import outline
from ..options import Options
from ..report import Plan
from ..schema import Catalog, Ref, Table, TableName
from ..texts import note

if TYPE_CHECKING:
    from ..dialects.remedies import Remedies
    from ..dialects.writing import Writer


class Planner:
    """Plans for one set of models, as often as a run needs it.

    ``models``: those of the collected ones that are meant, if not all.
    """

    def __init__(
        self,
        dialect: Dialect,
        collected: Collected,
        options: Options,
        models: Sequence[type[Model]] | None = None,
    ) -> None:
        self.dialect = dialect
        self.options = options
        self.collected = collected
        self.models = (*collected.models, *collected.bases) if models is None else models
        self.bases = set(collected.bases)
        self.explains = False  # say by which SQL drift could be resolved, which reads
        self.asks_outlines = False  # first, since nothing may be missing
        self._counted: dict[TableName, int] = {}
        self._last: tuple[Catalog, Plan] | None = None  # where only the catalogue was asked

    @cached_property
    def declared(self) -> Declared:
        """What the models declare, read once. Raises `ModelsNotFound` for models that contradict
        each other.
        """
        found = declare(self.dialect, self.models)
        return found._replace(tables=tuple(map(self.dialect.names.spell, found.tables)))

    @property
    def accept(self) -> list[str]:
        """The findings that the models' own ``Meta`` accepts, each as "CODE target"."""
        does = any(getattr(model._meta, "automigrate_accept", None) for model in self.models)
        return self.declared.accept if does else []

    def read_models(self) -> None:
        """Raise what is wrong with models, as far as it can be told without a connection."""
        with suppress(InterfaceError):  # a literal that only the database can quote
            _ = self.declared

    @cached_property
    def remedies(self) -> Remedies:
        """What writes the SQL of findings, loaded when there are any."""
        return remedies_of(self.dialect)

    @cached_property
    def writer(self) -> Writer:
        """What writes changes as steps, loaded when there are any."""
        return writer_of(self.dialect)

    def plan(self) -> Plan:
        """Reads the catalogue, and of the data what the missing things make necessary."""
        if self.asks_outlines:
            self.asks_outlines = False
            settled = self._settled()
            if settled is not None:
                return settled
        declared, catalog, left_out = self._read()
        if self._last and self._last[0] == catalog and self._knows_types():
            return self._last[1]
        made = self._plan(declared, catalog, left_out)
        if any(found.code == "AM146" for found in made.blocked):
            self._expect(catalog)
        creates = {"create_schema", "create_table"} >= {step.kind for step in made.steps}
        self._last = (catalog, made) if creates and not made.blocked else None
        return made

    def _settled(self) -> Plan | None:
        """Reads outlines, and in full only the tables that these can't settle: the plan where
        nothing is missing, else None.
        """
        rest = self.unsettled()
        if rest and len(rest) == len(self.models):
            return None
        return Planner(self.dialect, self.collected, self.options, rest).nothing()

    def nothing(self) -> Plan | None:
        """Reads the catalogue: the plan where nothing is missing, else None."""
        declared, catalog, left_out = self._read()
        difference = self._difference(declared, catalog)
        if difference.changes or any(found.level == "blocked" for found in difference.findings):
            return None
        return self._plan(declared, catalog, left_out)

    def unsettled(self) -> list[type[Model]]:
        """Reads: the models whose tables may lack something, differ, or are shared."""
        names = [name_of(model._meta) for model in self.models]
        if not all(PLAIN_NAMES.fullmatch(f"{name.schema or ''} {name.name}") for name in names):
            return [*self.models]  # some might not be sent as they are
        found = outlines_of(self.dialect, list(dict.fromkeys(names))) if names else {}
        owners = Counter(map(self.dialect.names.table_key, names))
        types = Types(self.dialect)
        rest = []
        for model, name in zip(self.models, names, strict=True):
            actual = found.get(name)
            declared = outline(model, types) if actual else None
            settled = actual and declared and agree(declared, actual)
            if not settled or owners[self.dialect.names.table_key(name)] > 1:
                rest.append(model)
        return rest

    def _expect(self, catalog: Catalog) -> None:
        """Reads: raise `ChangedMeanwhile` unless the columns still stand as they were read: of what
        another process has just added a question may be refused.
        """
        before, now = (
            {key: table.columns for key, table in found.tables.items()}
            for found in (catalog, self._read()[1])
        )
        if before != now:
            raise ChangedMeanwhile("the tables were changed while their rows were asked about")

    def _knows_types(self) -> bool:
        """Reads: tell whether the server knows each type; the catalogue does not say it."""
        types = {column.type for table in self.declared.tables for column in table.columns}
        return not self.dialect.unknown_types(sorted(types - {""}))

    def _plan(self, declared: Declared, catalog: Catalog, left_out: list[Finding]) -> Plan:
        difference = self._difference(declared, catalog)
        said: list[Step | Finding] = [*difference.findings, *left_out]
        if difference.changes:
            said = [*self._written(difference, declared, catalog), *said]
        steps = tuple(item for item in said if isinstance(item, Step))
        findings = [item for item in said if isinstance(item, Finding)]
        if self.explains and findings:
            from .explaining import explained

            findings = explained(findings, self.remedies, declared.tables, catalog)
        levels = {level: [f for f in findings if f.level == level] for level in _LEVELS}
        return Plan(
            steps=self.writer.joined(steps) if steps else (),
            blocked=tuple(sorted(levels["blocked"], key=lambda f: (f.table, f.name or "", f.code))),
            findings=(*levels["drift"], *levels["note"]),
            summary=self._summary(declared),
            database=without_password(self.dialect.place()),
            lock_timeout=self.options.lock_timeout,
        )

    def _difference(self, declared: Declared, catalog: Catalog) -> Difference:
        """Compare, by what a start with nothing to do never loads."""
        if not declared.tables:
            return Difference((), (), frozenset())
        from ..compare.diff import diff

        return diff(declared.tables, catalog, self.dialect.names)

    def _written(
        self, difference: Difference, declared: Declared, catalog: Catalog
    ) -> list[Step | Finding]:
        from ..compare.graph import Graph
        from .questions import Questions
        from .steps import steps_and_findings

        dialect = self.dialect
        parts = [part for c in difference.changes for part in self.writer.parts(c)]
        changes = tuple(part for part in parts if not isinstance(part, Finding))
        graph = Graph(declared.tables, catalog, dialect.names)
        questions = Questions(self.writer, declared, catalog, self.options, changes, self._counted)
        with ExitStack() as stack:
            if any(not isinstance(change, CreateSchema | CreateTable) for change in changes):
                stack.enter_context(dialect.limited(locks=self.options.lock_timeout))
            said = steps_and_findings(questions, difference.stopped, graph)
            by_ref = {change.ref: change for change in changes if isinstance(change, AddColumn)}
            for number, item in enumerate(said):
                if isinstance(item, Finding) and item.code == "AM101":
                    sql = self.remedies.filled(by_ref[item.ref], self.writer, questions)
                    said[number] = replace(item, sql=sql)
        said += [part for part in parts if isinstance(part, Finding)]
        return [*said, *self._renamed([c.table for c in changes if isinstance(c, CreateTable)])]

    def _renamed(self, missing: list[Table]) -> Iterator[Finding]:
        """Reads: ask about each table to be created beside an unknown one of the same columns."""
        from ..compare.renames import renamed_tables

        known = {self.dialect.names.table_key(table.name) for table in self.declared.tables}
        others: dict[TableName, list[str]] = {}
        for schema in {table.name.schema for table in missing}:
            for table, column in self.dialect.all_columns(schema):
                if not table.startswith("peewee_automigrate_"):
                    others.setdefault(TableName(schema, table), []).append(column)
        unknown = {n: c for n, c in others.items() if self.dialect.names.table_key(n) not in known}
        for new, old in renamed_tables(missing, unknown, self.dialect.names).items():
            yield note("AM214", Ref("table", new), self.remedies.renamed(old, new), other=old)

    def _summary(self, declared: Declared) -> str:
        tables = declared.tables if self.bases else ()
        keys = {self.dialect.names.table_key(table.name) for table in tables}
        present = {model for key in keys for model in self.declared.models[key]}
        return self.collected.summary(self.bases - present, self.dialect.place())

    def remaining(self) -> set[Ref]:
        """Reads the catalogue: what is still missing, by folded names."""
        declared, catalog, _ = self._read()
        left = self._difference(declared, catalog)
        return {*left.stopped, *(ref for change in left.changes for ref in self.made(change))}

    def made(self, change: Change) -> set[Ref]:
        """Return what a change makes, by folded names."""
        from ..compare.graph import Graph

        return set(Graph((), _NOTHING, self.dialect.names).made(change))

    def _read(self) -> tuple[Declared, Catalog, list[Finding]]:
        """Read the catalogue, and leave out the abstract bases that have no table."""
        tables = self.declared.tables
        wanted = self.declared.wanted(all_constraints=self.explains)
        catalog = self.dialect.read_catalog(wanted) if tables else _NOTHING
        absent = {
            key
            for key, models in self.declared.models.items()
            if key not in catalog.tables and set(models) <= self.bases
        }
        if absent:
            key_of = self.dialect.names.table_key
            tables = tuple(table for table in tables if key_of(table.name) not in absent)
        declared = Declared(tables, self.declared.models)
        left_out = [note("AM307", Ref("table", key)) for key in sorted(absent, key=str)]
        temporary = [name_of(model._meta) for model in self.collected.temporary]
        left_out += [note("AM311", Ref("table", name)) for name in temporary]
        is_left = any(c.pending for table in catalog.tables.values() for c in table.constraints)
        if is_left or any(index.sql for table in tables for index in table.indexes):
            from .reconciling import reconciled

            catalog = reconciled(remedies_of(self.dialect), tables, catalog)
        return declared, catalog, left_out


_NOTHING = Catalog({}, {}, frozenset(), None)
_LEVELS = ("blocked", "drift", "note")
