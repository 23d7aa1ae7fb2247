"""The protocol: plan, lock, plan again, run, read back, release.

Enters: what the caller gave to `plan` or `migrate`. Leaves: a `Plan`, or a `Report` of what was
done. This is the only module that changes a database.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from peewee import Database

from . import ddl
from .dialects import Dialect, dialect_for
from .errors import AutoMigrateError, LockTimeout, MigrationBlocked, MigrationFailed
from .models import Collected, Models, bound, collect, unwrapped
from .options import Options, StepEvent
from .planner import make_plan, remaining
from .report import Plan, Report
from .schema import AddColumn, AddForeignKey, AddIndex, Step

log = logging.getLogger("peewee_automigrate")

TABLES_PER_TRANSACTION = 200  # each table holds some locks, and a server's lock table is finite
_IN_PROCESS = threading.RLock()


def plan(database: Database, models: Models, **options: Any) -> Plan:
    """Return what `migrate` would do. Reads the database, writes nothing.

    ``models``: model classes, a module or package, or a mix; ``options`` as in `Options`.
    Raises `ModelsNotFound`, `UnsupportedDatabase`, or the driver's error while reading.
    """
    with _session(database, models) as (dialect, collected):
        return make_plan(dialect, collected, Options(**options))


def migrate(database: Database, models: Models, **options: Any) -> Report:
    """Add what the models have and the database lacks. Reads, then writes if anything is missing.

    Returns the `Report`; a run that finds nothing to do takes no lock and sends no DDL. Raises
    what `plan` raises, and `MigrationBlocked` before anything ran, `LockTimeout` when a lock was
    not free in time, `MigrationFailed` when a statement failed.
    """
    chosen = Options(**options)
    started = time.monotonic()
    with _session(database, models) as (dialect, collected):
        first = make_plan(dialect, collected, chosen)
        _refuse_blocked(first, chosen)
        if not first.steps:
            report = _report(first, (), 0.0, started)
            log.debug("%s", report)
            return report
        with _in_process_lock(chosen.lock_wait), _lock(dialect, chosen) as waited:
            again = make_plan(dialect, collected, chosen)
            _refuse_blocked(again, chosen)
            applied = _Run(dialect, collected, chosen, again).all() if again.steps else ()
        report = _report(again, applied, waited, started)
        log.info("%s", report)
        return report


def _report(done: Plan, applied: tuple[Step, ...], waited: float, started: float) -> Report:
    duration = time.monotonic() - started
    return Report(applied, done.findings, done.blocked, waited, duration)


@contextmanager
def _session(database: Any, models: Models) -> Iterator[tuple[Dialect, Collected]]:
    """Find models and dialect, open the connection if it is closed, and close it again then."""
    collected = collect(models)
    database = unwrapped(database)
    dialect = dialect_for(database)
    with bound(database, collected):
        was_closed = database.is_closed()
        if was_closed:
            _connect(database)
        try:
            with dialect.prepared():
                yield dialect, collected
        finally:
            if was_closed and not database.is_closed():
                database.close()


def _connect(database: Database) -> None:
    try:
        database.connect()
    except Exception as error:
        text = str(error).strip().replace("\n", " ")
        raise AutoMigrateError(f"can't connect to the database: {text}") from error


def _refuse_blocked(made: Plan, options: Options) -> None:
    if made.blocked and options.on_blocked == "raise":
        raise MigrationBlocked(made.blocked)
    for finding in made.blocked:
        log.warning("skipped: %s %s", finding.code, finding)


@contextmanager
def _in_process_lock(seconds: float) -> Iterator[None]:
    if not _IN_PROCESS.acquire(timeout=seconds):
        raise LockTimeout(
            f"migration lock: a thread of this process held it for {seconds:.1f} s. "
            "Wait for it to end, or raise lock_wait.",
            holder="a thread of this process",
        )
    try:
        yield
    finally:
        _IN_PROCESS.release()


def _lock(dialect: Dialect, options: Options) -> AbstractContextManager[float]:
    return dialect.migration_lock(options.lock_wait, lambda line: log.info("%s", line))


class _Run:
    """Runs the steps of one plan under the lock."""

    def __init__(
        self, dialect: Dialect, collected: Collected, options: Options, made: Plan
    ) -> None:
        self.dialect = dialect
        self.collected = collected
        self.options = options
        self.steps = made.steps
        self.total = sum(len(step.statements) for step in made.steps)
        self.number = 0
        self.statement: str | None = None
        self.started: dict[int, float] = {}
        self.applied: list[Step] = []
        self.open: list[Step] = []

    def all(self) -> tuple[Step, ...]:
        """Run every step, read back, and return them."""
        database = self.dialect.database
        whole = self.dialect.one_transaction or self.options.atomic or database.in_transaction()
        try:
            if whole:
                self._transaction(self.steps, self._whole)
            else:
                self._piecewise()
                self._verify()
        except (AutoMigrateError, KeyboardInterrupt, SystemExit):
            raise
        except Exception as error:
            raise self._failed(error) from error
        return tuple(self.applied)

    def _whole(self, steps: Sequence[Step]) -> None:
        for step in steps:
            self._start(step)
            self._part(step, 0, len(step.statements))
            self.open.append(step)
        self._verify()

    def _piecewise(self) -> None:
        for group in transactions(self.steps):
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
            self._transaction((step,), rest)

    def _online(self, step: Step) -> None:
        self._start(step)
        self._part(step, 0, len(step.statements))

    def _transaction(self, steps: Sequence[Step], work: Callable[[Sequence[Step]], None]) -> None:
        """Run ``work`` in a transaction whose waits for locks are short, and try again."""
        deadline = time.monotonic() + self.options.lock_wait
        pause, number, database = 0.05, self.number, self.dialect.database
        while True:
            try:
                with database.atomic(), self.dialect.short_locks(self.options.lock_timeout):
                    work(steps)
                break
            except Exception as error:
                if not self.dialect.is_lock_timeout(error):
                    raise
                holder = self._blockers(steps)
                if time.monotonic() >= deadline:
                    raise self._lock_timeout(steps[0], holder) from error
                log.info("%s is locked by %s, trying again", steps[0].table, holder or "somebody")
            self.number, self.open = number, []
            time.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(pause * 2, 2.0)
        self.applied += self.open
        self.open = []

    def _blockers(self, steps: Sequence[Step]) -> str | None:
        changes = (step.change for step in steps)
        tables = {change.table for change in changes if isinstance(change, AddColumn | AddIndex)}
        found = filter(None, map(self.dialect.blockers, sorted(tables, key=str)))
        return "; ".join(found) or None

    def _part(self, step: Step, start: int, end: int) -> None:
        for position in range(start, end):
            self.statement = step.statements[position]
            self.number += 1
            if position == step.fill_at:
                self._fill(step)
            else:
                self.dialect.run(self.statement)
            log.info("%d/%d %s", self.number, self.total, self.statement)
        self.statement = None

    def _fill(self, step: Step) -> None:
        change = step.change
        assert isinstance(change, AddColumn) and change.actual is not None
        models = [m for m in self.collected.models if m._meta.table_name == change.table.name]
        _, field = ddl.field_of(models, self.dialect, change.column.name)

        def value() -> Any:
            return ddl.plain_value(self.dialect, field, field.default())

        def progress(rows: int) -> None:
            self._tell(step, "progress", rows)

        self.dialect.fill(change.actual, change.column, value, progress)

    def _start(self, step: Step) -> None:
        if id(step) not in self.started:
            self.started[id(step)] = time.monotonic()
            self._tell(step, "start")

    def _done(self, step: Step) -> None:
        if step not in self.applied:
            self.applied.append(step)
        self._tell(step, "done")

    def _tell(self, step: Step, state: Any, rows: int = 0) -> None:
        if self.options.on_step:
            seconds = time.monotonic() - self.started.get(id(step), time.monotonic())
            number = self.steps.index(step) + 1
            self.options.on_step(StepEvent(step, state, number, len(self.steps), seconds, rows))

    def _verify(self) -> None:
        """Read back; what was added must be there, as declared."""
        left = remaining(self.dialect, self.collected)
        missing = [
            step for step in self.steps if str(step) in left or (step.table, step.name) in left
        ]
        if missing:
            names = "; ".join(map(str, missing))
            raise self._error(f"the statements ran, but the database still lacks: {names}")

    def _failed(self, error: Exception) -> MigrationFailed:
        text = str(error).strip()
        if self.statement is None:
            return self._error(f"the transaction failed: {text}")
        return self._error(
            f"statement {self.number} of {self.total} failed: {text}\n  {self.statement}"
        )

    def _error(self, message: str) -> MigrationFailed:
        database = self.dialect.database
        whole = self.dialect.one_transaction or self.options.atomic or database.in_transaction()
        undone = tuple(self.open)
        applied = () if whole else tuple(self.applied)
        return MigrationFailed(
            f"{message}\n{_what_remains(applied, undone)}",
            statement=self.statement,
            applied=applied,
            rolled_back=undone,
        )

    def _lock_timeout(self, step: Step, holder: str | None) -> LockTimeout:
        return LockTimeout(
            f"{step.table}: its lock was not free within {self.options.lock_wait:.1f} s, held by "
            f"{holder or 'another connection'}. {_what_remains(tuple(self.applied), ())} "
            "Run again when it has ended, or raise lock_wait.",
            holder=holder,
        )


def _what_remains(applied: Sequence[Step], undone: Sequence[Step]) -> str:
    stays = f"Applied, and stays: {'; '.join(map(str, applied))}." if applied else ""
    back = f"Rolled back: {'; '.join(map(str, undone))}." if undone else ""
    return " ".join(filter(None, (stays, back))) or "Nothing was changed."


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
