"""The protocol: plan, lock, plan again, run, read back, release.

Enters: what the caller gave to `plan` or `migrate`. Leaves: a `Plan`, or a `Report` of what was
done. This is the only module that changes a database.
"""

from __future__ import annotations

import gc
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from peewee import Database, InterfaceError, PeeweeException

from . import ddl
from .dialects import Dialect, dialect_for
from .errors import AutoMigrateError, LockTimeout, MigrationBlocked, MigrationFailed
from .models import Models, bound, collect, unwrapped
from .options import Options, StepEvent
from .planner import Planner
from .report import Plan, Report
from .schema import AddColumn, AddForeignKey, AddIndex, Step

log = logging.getLogger("peewee_automigrate")
log.addHandler(logging.NullHandler())

TABLES_PER_TRANSACTION = 200  # each table holds some locks, and a server's lock table is finite
_IN_PROCESS = threading.RLock()


def plan(database: Database, models: Models, **options: Any) -> Plan:
    """Return what `migrate` would do. Reads the database, writes nothing.

    ``models``: model classes, a module or package, or a mix; ``options`` as in `Options`.
    Raises `ModelsNotFound`, `UnsupportedDatabase`, or the driver's error while reading.
    """
    chosen = Options(**options)
    with _no_collector(), _session(database, models, chosen) as planner:
        return planner.plan()


def migrate(database: Database, models: Models, **options: Any) -> Report:
    """Add what the models have and the database lacks. Reads, then writes if anything is missing.

    Returns the `Report`; a run that finds nothing to do takes no lock and sends no DDL. Raises
    what `plan` raises, and `MigrationBlocked` before anything ran, `LockTimeout` when a lock was
    not free in time, `MigrationFailed` when a statement failed.
    """
    chosen = Options(**options)
    started = time.monotonic()
    with _session(database, models, chosen) as planner:
        dialect = planner.dialect
        with _no_collector():
            first = planner.plan()
        _refuse_blocked(first, chosen)
        if not first.steps:
            report = _report(first, (), 0.0, started)
            log.debug("%s", report)
            return report
        dialect.prepare_to_write()
        _refuse_pooler(dialect, first)
        with _in_process_lock(chosen.lock_wait):
            report = _locked_run(planner, started)
        log.info("%s", report)
        return report


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


def _refuse_pooler(dialect: Dialect, made: Plan) -> None:
    online = [step for step in made.steps if step.online]
    if online and not dialect.builds_online:
        names = ", ".join(f"{step.table}.{step.name}" for step in online)
        raise AutoMigrateError(
            f"{names}: to be built online, but the connection goes through a pooler that hands "
            "statements to different server processes, where no lock outlasts a transaction. "
            "Migrate over a direct URL of the server, or with atomic=True."
        )


def _locked_run(planner: Planner, started: float) -> Report:
    """Plan again under the lock and run; try again when the end of it waits for readers."""
    dialect, options = planner.dialect, planner.options
    deadline = time.monotonic() + options.lock_wait
    made = Plan(())
    while True:
        try:
            with _lock(dialect, options) as waited:
                with _no_collector():
                    made = planner.plan()
                _refuse_blocked(made, options)
                run = _Run(planner, made)
                run.all()
            run.finish()
            return _report(made, tuple(run.applied), waited, started)
        except (PeeweeException, MigrationFailed) as error:
            busy = any(map(dialect.is_lock_timeout, filter(None, (error, error.__cause__))))
            if not busy or not dialect.one_transaction or time.monotonic() >= deadline:
                if isinstance(error, MigrationFailed):
                    raise
                # The transaction that is the lock fails when it ends, outside of any step.
                text = f"the transaction failed: {error}\nNothing was changed."
                raise MigrationFailed(text, rolled_back=made.steps) from error
            log.info("the database is in use by others, trying again")
        time.sleep(random.uniform(0.1, 0.5))


def _report(done: Plan, applied: tuple[Step, ...], waited: float, started: float) -> Report:
    for finding in done.blocked:
        log.warning("skipped: %s %s", finding.code, finding)
    duration = time.monotonic() - started
    return Report(applied, done.findings, done.blocked, waited, duration)


@contextmanager
def _session(database: Any, models: Models, options: Options) -> Iterator[Planner]:
    """Read the models, open the connection if it is closed, and close it again then."""
    collected = collect(models)
    database = unwrapped(database)
    dialect = dialect_for(database)
    with bound(database, collected):
        was_closed = database.is_closed()
        try:
            try:
                planner = Planner(dialect, collected, options)  # before a connection makes a file
            except InterfaceError:  # a literal that only the database can quote
                _connect(database, options.wait)
                planner = Planner(dialect, collected, options)
            if database.is_closed():
                _connect(database, options.wait)
            yield planner
        finally:
            if was_closed and not database.is_closed():
                database.close()


def _connect(database: Database, seconds: float) -> None:
    """Connect, and while the database can't be reached try again for ``seconds``."""
    deadline, pause = time.monotonic() + seconds, 0.1
    while True:
        try:
            database.connect()
            return
        except Exception as error:
            if time.monotonic() + pause >= deadline:
                text = " ".join(str(error).split())
                waited = f" within {seconds:.0f} s" if seconds else ""
                raise AutoMigrateError(f"can't connect to the database{waited}: {text}") from error
            log.info("can't connect yet, trying again: %s", " ".join(str(error).split()))
        time.sleep(pause)
        pause = min(pause * 2, 2.0)


def _refuse_blocked(made: Plan, options: Options) -> None:
    if made.blocked and options.on_blocked == "raise":
        raise MigrationBlocked(made.blocked)


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
    return dialect.migration_lock(options, lambda line: log.info("%s", line))


class _Run:
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
        self.applied: list[Step] = []
        self.open: list[Step] = []
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
        for step in self.applied if self.whole else ():
            self._tell(step, "done")

    def _whole(self, steps: Sequence[Step]) -> None:
        for step in steps:
            self._start(step)
            self._part(step, 0, len(step.statements))
            self.seconds[id(step)] = self._elapsed(step)
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

        def progress(phase: str, fraction: float | None) -> None:
            self._tell(step, "progress", phase=phase, fraction=fraction)

        for statement in step.statements:
            with self._running(statement):
                self.dialect.run_online(statement, progress)

    def _transaction(self, steps: Sequence[Step], work: Callable[[Sequence[Step]], None]) -> None:
        """Run ``work`` in a transaction whose waits for locks are short, and try again.

        A lock on one table that stands is never held while waiting for another: one is waited
        for, the others are taken at once or not at all. The next try waits for another one.
        """
        deadline = time.monotonic() + self.options.lock_wait
        pause, number, database = 0.05, self.number, self.dialect.database
        locks = self._lock_statements(steps)
        while True:
            try:
                with database.atomic(), self.dialect.short_locks(self.options.lock_timeout):
                    for position, lock in enumerate(locks):
                        self.dialect.run(f"{lock} NOWAIT" if position else lock)
                    work(steps)
                break
            except Exception as error:
                if self.dialect.one_transaction or not self.dialect.is_lock_timeout(error):
                    raise
                holder = self._blockers(steps)
                if time.monotonic() >= deadline:
                    raise self._lock_timeout(steps[0], holder) from error
                log.info("%s is locked by %s, trying again", steps[0].table, holder or "somebody")
            self.number, self.open, self.statement = number, [], None
            locks = locks[1:] + locks[:1]
            time.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(pause * 2, 2.0)
        self.applied += self.open
        self.open = []

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
            statement = step.statements[position]
            with self._running(statement):
                if position == step.fill_at:
                    self._fill(step)
                else:
                    self.dialect.run(statement)

    @contextmanager
    def _running(self, statement: str) -> Iterator[None]:
        """Number and log a statement; its text stays for the error when it fails."""
        self.statement = statement
        self.number += 1
        yield
        log.info("%d/%d %s", self.number, self.total, statement)
        self.statement = None

    def _fill(self, step: Step) -> None:
        change = step.change
        assert isinstance(change, AddColumn) and change.actual is not None
        field = self.planner.field(change.table, change.column.name)

        def value() -> Any:
            return ddl.plain_value(self.dialect, field, field.default())

        def progress(rows: int) -> None:
            fraction = min(rows / step.rows, 1.0) if step.rows > 0 else None
            self._tell(step, "progress", phase="filling", fraction=fraction)

        self.dialect.fill(change.actual, change.column, value, progress)

    def _start(self, step: Step) -> None:
        if id(step) not in self.started:
            self.started[id(step)] = time.monotonic()
            self._tell(step, "start")

    def _done(self, step: Step) -> None:
        if step not in self.applied:
            self.applied.append(step)
        self._tell(step, "done")

    def _elapsed(self, step: Step) -> float:
        now = time.monotonic()
        return now - self.started.get(id(step), now)

    def _tell(self, step: Step, state: Any, phase: str = "", fraction: float | None = None) -> None:
        if self.options.on_step:
            seconds = self.seconds.get(id(step), self._elapsed(step))
            number = self.steps.index(step) + 1
            event = StepEvent(step, state, number, len(self.steps), seconds, fraction, phase)
            self.options.on_step(event)

    def _verify(self) -> None:
        """Read back; what was added must be there, as declared."""
        with _no_collector():
            left = self.planner.remaining()
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
        undone = tuple(self.open)
        applied = () if self.whole else tuple(self.applied)
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
