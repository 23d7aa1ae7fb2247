"""Runs the steps of one plan: transactions, short locks, retries, fills, online builds.

Enters: a planner and its plan, under the migration lock. Leaves: the steps that were applied, or
`MigrationFailed` that says what stays. This is the only module that changes a database.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Any

from peewee import Node

from ..changes import (
    AddColumn,
    AddForeignKey,
    AddIndex,
    CreateSchema,
    CreateTable,
    Fill,
    Step,
    visible,
)
from ..dialects import filler_of
from ..dialects.base import ChangedMeanwhile, Dialect
from ..dialects.statements import field_of
from ..dialects.waiting import pause, poll
from ..errors import AutoMigrateError
from ..options import Options, StepEvent
from ..plan.planner import Planner
from ..report import Plan
from ..schema import Ref
from .outcome import Outcome, Running

TABLES_PER_TRANSACTION = 200  # each table holds some locks, and a server's lock table is finite
log = logging.getLogger("peewee_automigrate")


class Run:
    """Runs the steps of one plan under the lock."""

    def __init__(self, dialect: Dialect, options: Options, planner: Planner, made: Plan) -> None:
        self.dialect, self.options, self.planner = dialect, options, planner
        inside = dialect.transactions != "none" and dialect.database.in_transaction()
        is_whole = dialect.transactions == "one" or options.atomic or inside
        self.outcome = Outcome(dialect, made.steps, is_whole=is_whole)
        self.running, self.is_whole = self.outcome.running, is_whole
        self.total = len(made.sql())
        self.number = 0
        self.statement: str | None = None
        self.callers: Exception | None = None  # the first error of a callback or a log handler

    def all(self) -> None:
        """Run every step, and read back. Nothing happens when there are none."""
        try:
            if self.is_whole and self.running:
                self._transaction(self.running, self._whole)
            elif self.running:
                self._piecewise()
                self._verify()
        except AutoMigrateError:
            raise
        except Exception as error:
            first, place = self.outcome.first(error), f"{self.number} of {self.total}"
            if not isinstance(first, Exception):  # an interrupt
                raise first from None
            raise self.outcome.failed(first, self.statement, place) from first

    def finish(self) -> None:
        """Tell that the steps of one transaction are done, now that it is over."""
        for one in self.running if self.is_whole else ():
            self._tell(one, "done")

    # Groups of steps

    def _whole(self) -> None:
        for one in self.running:
            with self._clock(one):
                self._send(one, one.step.locked)
                self._fill(one)
                self._send(one, one.step.after, behind=True)
            one.state = "open"
        self._verify()

    def _piecewise(self) -> None:
        for group in (
            [[one] for one in self.running] if self.outcome.commits_alone else self._groups()
        ):
            if group[0].step.online:
                self._online(group[0])
            elif any(one.step.locked for one in group):
                self._transaction(group, partial(self._locked, group))
            for one in group:
                with self._clock(one):  # also where another step's statement does all
                    pass
                self._after(one)
                one.state = "applied"
                self._tell(one, "done")

    def _groups(self) -> list[list[Running]]:
        """Group steps into transactions: new tables in chunks, the columns of a table, else one."""
        groups: list[list[Running]] = []
        for one in self.running:
            key = "" if self.outcome.commits_alone else _group(one.step)
            fits = groups and key and _group(groups[-1][0].step) == key
            if fits and (key != "new" or len(groups[-1]) < TABLES_PER_TRANSACTION):
                groups[-1].append(one)
            else:
                groups.append([one])
        return groups

    def _locked(self, group: Sequence[Running]) -> None:
        for one in group:
            with self._clock(one):
                self._send(one, one.step.locked)
            one.state = "open"

    def _after(self, one: Running) -> None:
        """Run what needs no lock of the table."""

        def rest() -> None:
            with self._clock(one):
                self._send(one, one.step.after, behind=True)

        if one.step.fill:
            one.state = "begun"
            with self._clock(one):
                self._fill(one)
        if one.step.after:
            self._transaction([one], rest, locks=False)

    def _online(self, one: Running) -> None:
        change = one.step.change
        if isinstance(change, AddIndex) and change.leftover and self._is_built(change):
            return

        def progress(phase: str, fraction: float | None) -> None:
            self._tell(one, "progress", phase, fraction)

        self.outcome.building = one.step
        with self._clock(one):
            for statement in one.step.statements:
                self.statement = statement
                self.number += 1
                self.dialect.run_online(statement, progress)
                self._log(statement)
        self.outcome.building = None

    def _is_built(self, change: AddIndex) -> bool:
        """Wait for whoever builds an index that looks left over; tell whether it stands then."""
        index = change.table, change.index.name
        poll(
            lambda: self.dialect.is_built(*index) is not None,
            lambda: self.dialect.blockers(change.table),
            self.options.lock_wait,
            lambda _, line: log.info("%s", line),
        )
        return bool(self.dialect.is_built(*index))

    # Transactions

    def _transaction(
        self, group: Sequence[Running], work: Callable[[], None], *, locks: bool = True
    ) -> None:
        """Run ``work`` in a transaction whose waits for locks are short, and try again."""
        number, states = self.number, [one.state for one in group]

        def attempt() -> None:
            self.number, self.statement = number, None
            for one, state in zip(group, states, strict=True):
                one.state = state
            work()

        self._retried(group, attempt, locks=locks and not self.is_whole)
        for one in group:
            if one.state == "open":
                needs_more = (one.step.fill or one.step.after) and not self.is_whole
                one.state = "begun" if needs_more else "applied"

    def _retried(
        self, group: Sequence[Running], attempt: Callable[[], None], *, locks: bool
    ) -> None:
        """Call ``attempt`` in a transaction until no lock is waited for long."""
        steps = [one.step for one in group]
        altered = [step.change.table for step in steps if isinstance(step.change, AddColumn)]
        parents = sorted({parent for step in steps for parent in step.parents}, key=str)
        table = altered[0] if altered and locks else None
        deadline, length = time.monotonic() + self.options.lock_wait, 0.05
        for tries in count():
            try:
                seconds, others = self.options.lock_timeout, parents if locks else ()
                with self.dialect.transaction(seconds, table, others, tries):
                    return attempt()
            except Exception as error:
                is_one = self.dialect.transactions == "one"
                if is_one or self.dialect.trouble(error) != "locked":
                    raise
                holder = self._blockers(steps)
                if time.monotonic() >= deadline:
                    seconds = self.options.lock_wait
                    raise self.outcome.lock_timeout(steps[0], seconds, holder) from error
                line = f"{steps[0].table} is locked by {holder or 'somebody'}, trying again"
                self._quietly(log.info, "%s", line)
                self._tell(group[0], "waiting", line)
            pause(length * random.uniform(0.5, 1.5))
            length = min(length * 2, 2.0)

    def _blockers(self, steps: Sequence[Step]) -> str | None:
        changes = (step.change for step in steps)
        tables = {change.table for change in changes if isinstance(change, AddColumn | AddIndex)}
        tables |= {parent for step in steps for parent in step.parents}
        return "; ".join(filter(None, map(self.dialect.blockers, sorted(tables, key=str)))) or None

    # Statements

    def _send(self, one: Running, statements: Sequence[str], *, behind: bool = False) -> None:
        """Run and log statements; the text of one stays for the error when it fails."""
        size = len(one.step.statements)
        for place, statement in enumerate(statements, size - len(statements) if behind else 0):
            self.number += 1
            if place in one.sent:
                continue
            self.statement = statement
            self._log(self.dialect.run(statement))
            if self.outcome.commits_alone:
                one.sent.add(place)
                one.state = "begun" if place + 1 < size else one.state

    def _log(self, sent: str) -> None:
        self.statement = None
        lines = "\n".join(map(visible, sent.split("\n")))
        self._quietly(log.info, "%d/%d %s", self.number, self.total, lines)

    def _quietly(self, call: Callable[..., None], *words: Any) -> None:
        """Call what is the caller's own: where it fails, the run goes on, and its error is raised
        when all is done and said.
        """
        try:
            call(*words)
        except Exception as error:
            self.callers = self.callers or error

    def _fill(self, one: Running) -> None:
        """Give each row a value of its own."""
        fill = one.step.fill
        if fill is None:
            return
        self.number += 1
        self.statement = f"-- {fill}"

        def progress(rows: int) -> None:
            fraction = min(rows / one.step.rows, 1.0) if one.step.rows > 0 else None
            self._tell(one, "progress", "filling", fraction)

        def batch(work: Callable[[], None]) -> None:
            work() if self.is_whole else self._retried([one], work, locks=False)

        filler_of(self.dialect).fill(fill, self._value_of(fill), batch, progress)
        self._log(self.statement)

    def _value_of(self, fill: Fill) -> Callable[[], Any]:
        """Return what gives a value as the driver takes it; it reads where a field makes SQL."""
        models = self.planner.declared.models[self.dialect.names.table_key(fill.table.name)]
        _, field = field_of(models, self.dialect, fill.column.name)

        def value() -> Any:
            stored = field.db_value(field.default() if callable(field.default) else field.default)
            return self.dialect.first_value(stored) if isinstance(stored, Node) else stored

        return value

    # What is told

    @contextmanager
    def _clock(self, one: Running) -> Iterator[None]:
        """Count the time of a part of a step, and tell when its first part starts."""
        if not one.is_told:
            one.is_told = True
            self._tell(one, "start")
        one.seconds -= time.monotonic()  # while it goes on, `_tell` adds the time
        try:
            yield
        finally:
            one.seconds += time.monotonic()

    def _tell(
        self, one: Running, state: Any, phase: str = "", fraction: float | None = None
    ) -> None:
        if self.options.on_step:
            seconds = one.seconds + (time.monotonic() if one.seconds < 0 else 0.0)
            total = len(self.running)
            event = StepEvent(one.step, state, one.number, total, seconds, fraction, phase)
            self._quietly(self.options.on_step, event)

    def _remaining(self) -> set[Ref]:
        """Read what is still missing, again while others change the schema between two reads."""
        for seconds in (0.05, 0.1, 0.2, 0.4):
            try:
                return self.planner.remaining()
            except ChangedMeanwhile:
                pause(seconds)
        return self.planner.remaining()

    def _verify(self) -> None:
        """Read back; what was added must be there, as declared."""
        left = self._remaining()
        steps = [one.step for one in self.running]
        missing = [step for step in steps if left and self.planner.made(step.change) & left]
        if missing:
            names = "; ".join(map(str, missing))
            raise self.outcome.error(f"the statements ran, but the database still lacks: {names}")
        for step in steps:
            query = self.dialect.left_behind(step.change)
            if query:
                raise self.outcome.error(
                    f"{step}: it stands, but somebody has written values that it refuses "
                    f"before. This query lists them: {query}"
                )


def _group(step: Step) -> str:
    """Return what the steps of one transaction have in common, "" for one that stands alone."""
    change = step.change
    new_key = isinstance(change, AddForeignKey) and change.new_table
    if isinstance(change, CreateSchema | CreateTable) or new_key:
        return "new"
    is_column = isinstance(change, AddColumn) and not change.fill_only
    return f"columns of {step.table}" if is_column else ""
