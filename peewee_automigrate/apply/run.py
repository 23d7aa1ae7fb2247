"""Runs the steps of one plan: transactions, short locks, retries, fills, online builds.

Enters: a planner and its plan, under the migration lock. Leaves: the steps that were applied, or
`MigrationFailed` that says what stays. This is the only module that changes a database.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import count
from typing import Any

from ..dialects import poll
from ..errors import AutoMigrateError, LockTimeout, MigrationFailed
from ..options import StepEvent
from ..plan import ddl
from ..plan.planner import Planner
from ..report import Plan
from ..schema import AddColumn, AddForeignKey, AddIndex, Step

log = logging.getLogger("peewee_automigrate")
log.addHandler(logging.NullHandler())

TABLES_PER_TRANSACTION = 200  # each table holds some locks, and a server's lock table is finite


class Run:
    """Runs the steps of one plan under the lock."""

    def __init__(self, planner: Planner, made: Plan) -> None:
        dialect, options = planner.dialect, planner.options
        self.planner = planner
        self.dialect = dialect
        self.options = options
        self.steps = made.steps
        self.total = sum(len(step.statements) for step in made.steps)
        self.number = 0
        self.statement: str | None = None
        self.started: dict[int, float] = {}
        self.seconds: dict[int, float] = {}
        self.numbers = {id(step): number for number, step in enumerate(made.steps, 1)}
        self.applied: dict[int, Step] = {}
        self.begun: dict[int, Step] = {}  # added, and yet to be filled or validated
        self.open: list[Step] = []  # in the transaction that is under way
        self.building: Step | None = None
        self.lost = False  # the connection, in the middle of a statement
        self.ran: set[tuple[int, int]] = set()  # statements that no rollback takes back
        self.whole = dialect.one_transaction or options.atomic or dialect.database.in_transaction()

    def all(self) -> None:
        """Run every step, and read back. Nothing happens when there are none."""
        try:
            if self.whole and self.steps:
                self._transaction(self.steps, self._whole)
            elif self.steps:
                self._piecewise()
                self._verify()
        except AutoMigrateError:
            raise
        except Exception as error:
            raise self._failed(error) from error

    def finish(self) -> None:
        """Tell that the steps of one transaction are done, now that it is over."""
        for step in self.applied.values() if self.whole else ():
            self._tell(step, "done")

    def _whole(self, steps: Sequence[Step]) -> None:
        for step in steps:
            self._start(step)
            self._part(step, 0, len(step.statements))
            self.seconds[id(step)] = self._elapsed(step)
            self.open.append(step)
        self._verify()

    def _piecewise(self) -> None:
        groups = transactions(self.steps) if self.dialect.transactional_ddl else None
        for group in groups or [[step] for step in self.steps]:
            if group[0].online:
                self._online(group[0])
            elif group[0].later_at != 0:
                self._transaction(group, self._first_parts)
            for step in group:
                self._later(step)
                self._done(step)

    def _first_parts(self, steps: Sequence[Step]) -> None:
        for step in steps:
            self._start(step)
            end = len(step.statements) if step.later_at is None else step.later_at
            self._part(step, 0, end)
            self.open.append(step)

    def _later(self, step: Step) -> None:
        if step.later_at is None:
            return
        start, end = step.later_at, len(step.statements)
        if step.fill_at is not None:
            self._start(step)
            self._part(step, start, step.fill_at + 1)
            start = step.fill_at + 1

        def rest(steps: Sequence[Step]) -> None:
            self._start(step)
            self._part(step, start, end)

        if start < end:
            self._transaction((step,), rest, locks=False)

    def _online(self, step: Step) -> None:
        self._start(step)

        def progress(phase: str, fraction: float | None) -> None:
            self._tell(step, "progress", phase=phase, fraction=fraction)

        change = step.change
        if isinstance(change, AddIndex) and change.leftover and self._is_built(change):
            return
        self.building = step
        for statement in step.statements:
            self.statement = statement
            self.number += 1
            self.dialect.run_online(statement, progress)
            self._log(statement)
        self.building = None

    def _is_built(self, change: AddIndex) -> bool:
        """Wait for whoever builds an index that looks left over; tell whether it stands then."""
        index = change.table, change.index.name
        poll(
            lambda: self.dialect.is_built(*index) is not None,
            lambda: self.dialect.blockers(change.table),
            self.options.lock_wait,
            log.info,
        )
        return bool(self.dialect.is_built(*index))

    def _transaction(
        self, steps: Sequence[Step], work: Callable[[Sequence[Step]], None], *, locks: bool = True
    ) -> None:
        """Run ``work`` in a transaction whose waits for locks are short, and try again.

        A lock on one table that stands is never held while waiting for another: one is waited
        for, the others are taken at once or not at all. The next try waits for another one.
        """
        taken, number = self._lock_statements(steps) if locks else [], self.number

        def attempt(tries: int) -> None:
            self.number, self.open, self.statement = number, [], None
            start = tries % len(taken) if taken else 0
            for position, lock in enumerate(taken[start:] + taken[:start]):
                self.dialect.run(f"{lock} NOWAIT" if position else lock)
            work(steps)

        self._retried(steps, attempt)
        for step in self.open:
            done = self.applied if self.whole or step.later_at is None else self.begun
            done[id(step)] = step
        self.open = []

    def _retried(self, steps: Sequence[Step], attempt: Callable[[int], None]) -> None:
        """Call ``attempt`` with the number of tries before, until no lock is waited for long."""
        deadline, pause = time.monotonic() + self.options.lock_wait, 0.05
        for tries in count():
            try:
                with self._scope(), self.dialect.short_locks(self.options.lock_timeout):
                    return attempt(tries)
            except Exception as error:
                if self.dialect.one_transaction or self.dialect.trouble(error) != "locked":
                    raise
                holder = self._blockers(steps)
                if time.monotonic() >= deadline:
                    raise self._lock_timeout(steps[0], holder) from error
                log.info("%s is locked by %s, trying again", steps[0].table, holder or "somebody")
            time.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(pause * 2, 2.0)

    def _scope(self) -> AbstractContextManager[Any]:
        """A transaction, where it could take anything back."""
        return self.dialect.database.atomic() if self.dialect.transactional_ddl else nullcontext()

    def _lock_statements(self, steps: Sequence[Step]) -> list[str]:
        """Return the locks of a transaction that concerns several tables that stand."""
        altered = [step.change.table for step in steps if isinstance(step.change, AddColumn)]
        parents = {parent for step in steps for parent in step.parents}
        locks = self.dialect.lock_statements(
            altered[0] if altered else None, sorted(parents, key=str)
        )
        return locks if len(locks) > 1 and not self.whole else []

    def _blockers(self, steps: Sequence[Step]) -> str | None:
        changes = (step.change for step in steps)
        tables = {change.table for change in changes if isinstance(change, AddColumn | AddIndex)}
        tables |= {parent for step in steps for parent in step.parents}
        found = filter(None, map(self.dialect.blockers, sorted(tables, key=str)))
        return "; ".join(found) or None

    def _part(self, step: Step, start: int, end: int) -> None:
        for position in range(start, end):
            self.number += 1
            if (id(step), position) in self.ran:
                continue
            self._statement(step, position)
            if not self.dialect.transactional_ddl:
                self.ran.add((id(step), position))
                if position + 1 < len(step.statements):
                    self.begun[id(step)] = step

    def _statement(self, step: Step, position: int) -> None:
        """Run and log a statement; its text stays for the error when it fails."""
        self.statement = sent = step.statements[position]
        if position == step.fill_at:
            self._fill(step)
        else:
            sent = self.dialect.run(self.statement)
        self._log(sent)

    def _log(self, sent: str) -> None:
        log.info("%d/%d %s", self.number, self.total, sent)
        self.statement = None

    def _fill(self, step: Step) -> None:
        change = step.change
        assert isinstance(change, AddColumn) and change.actual is not None
        field = self.planner.field(change.table, change.column.name)

        default = field.default

        def value() -> Any:
            given = default() if callable(default) else default
            return ddl.plain_value(self.dialect, field, given)

        def progress(rows: int) -> None:
            fraction = min(rows / step.rows, 1.0) if step.rows > 0 else None
            self._tell(step, "progress", phase="filling", fraction=fraction)

        def batch(work: Callable[[], None]) -> None:
            work() if self.whole else self._retried([step], lambda _: work())

        self.dialect.fill(change.actual, change.column, value, batch, progress)

    def _start(self, step: Step) -> None:
        if id(step) not in self.started:
            self.started[id(step)] = time.monotonic()
            self._tell(step, "start")

    def _done(self, step: Step) -> None:
        self.applied[id(step)] = step
        self.begun.pop(id(step), None)
        self._tell(step, "done")

    def _elapsed(self, step: Step) -> float:
        now = time.monotonic()
        return now - self.started.get(id(step), now)

    def _tell(self, step: Step, state: Any, phase: str = "", fraction: float | None = None) -> None:
        if self.options.on_step:
            seconds = self.seconds.get(id(step), self._elapsed(step))
            number = self.numbers[id(step)]
            event = StepEvent(step, state, number, len(self.steps), seconds, fraction, phase)
            self.options.on_step(event)

    def _verify(self) -> None:
        """Read back; what was added must be there, as declared."""
        left = self.planner.remaining()
        missing = [step for step in self.steps if self.planner.made(step) & left]
        if missing:
            names = "; ".join(map(str, missing))
            raise self._error(f"the statements ran, but the database still lacks: {names}")
        for change in (step.change for step in self.steps):
            if isinstance(change, AddForeignKey) and change.column:
                query = self.dialect.dangling(change.table, change.foreign_key)
                if query:
                    raise self._error(
                        f"{change}: it stands, but somebody has written values that it refuses "
                        f"before. This query lists them: {query}"
                    )

    def _failed(self, error: Exception) -> MigrationFailed:
        text = str(error).strip()
        if self.dialect.trouble(error) == "lost":
            text += "\nThe connection is lost, and the server may still complete the statement."
            self.lost = True
        if self.statement is None:
            what = "transaction" if self.dialect.transactional_ddl else "run"
            return self._error(f"the {what} failed: {text}")
        return self._error(
            f"statement {self.number} of {self.total} failed: {text}\n  {self.statement}"
        )

    def _error(self, message: str) -> MigrationFailed:
        applied = () if self.whole else tuple(self.applied.values())
        return MigrationFailed(
            f"{message}\n{self._what_remains()}",
            statement=self.statement,
            applied=applied,
            rolled_back=tuple(self.open),
        )

    def _what_remains(self) -> str:
        building = f"{self.building.name} on {self.building.table}" if self.building else ""
        parts = (
            (
                "Applied, and stays: {}.",
                "; ".join(map(str, () if self.whole else self.applied.values())),
            ),
            ("Begun, and completed by the next run: {}.", "; ".join(map(str, self.begun.values()))),
            ("Rolled back: {}.", "; ".join(map(str, self.open))),
            ("An INVALID index may stay, which the next run replaces: {}.", building),
        )
        said = [text.format(what) for text, what in parts if what]
        nothing = "The next run finds out." if self.lost else "Nothing was changed."
        return " ".join(said) or nothing

    def _lock_timeout(self, step: Step, holder: str | None) -> LockTimeout:
        return LockTimeout(
            f"{step.table}: its lock was not free within {self.options.lock_wait:.1f} s, held by "
            f"{holder or 'another connection'}. {self._what_remains()} "
            "Run again when it has ended, or raise lock_wait.",
            holder=holder,
        )


def transactions(steps: Sequence[Step]) -> list[list[Step]]:
    """Group steps into transactions: new tables in chunks, the columns of a table, else one."""
    groups: list[list[Step]] = []
    for step in steps:
        key = _group(step)
        fits = groups and key and _group(groups[-1][0]) == key
        if fits and (key != "new" or len(groups[-1]) < TABLES_PER_TRANSACTION):
            groups[-1].append(step)
        else:
            groups.append([step])
    return groups


def _group(step: Step) -> str:
    new_key = isinstance(step.change, AddForeignKey) and step.change.new_table
    if step.kind in ("create_schema", "create_table") or new_key:
        return "new"
    is_column = isinstance(step.change, AddColumn) and not step.change.fill_only
    return f"columns of {step.table}" if is_column else ""
