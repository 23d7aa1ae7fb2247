"""The protocol: plan, lock, plan again, run, read back, release.

Enters: what the caller gave to `plan` or `migrate`. Leaves: a `Plan`, or a `Report` of what was
done. Of the database it takes the lock only; `run` changes it.
"""

from __future__ import annotations

import logging
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from peewee import Database, ImproperlyConfigured, PeeweeException, SqliteDatabase

from ..changes import Step, visible
from ..dialects import dialect_for
from ..dialects.base import ChangedMeanwhile, Dialect
from ..dialects.waiting import pause, taken_back
from ..errors import AutoMigrateError, LockTimeout, MigrationBlocked, MigrationFailed, PlanChanged
from ..models.collect import Models, bound, collect, unwrapped
from ..options import Given, Options, StepEvent, combined
from ..plan.planner import Planner
from ..report import Plan, Report
from ..texts import QUESTIONS

if TYPE_CHECKING:
    from peewee import Proxy
    from typing_extensions import Unpack

    from ..beside import Beside

_TRIES = 5  # of a plan, while others change the schema that it reads
_IN_PROCESS: dict[tuple[object, ...], threading.RLock] = {}  # by process and database
log = logging.getLogger("peewee_automigrate")


def plan(
    database: Database | Proxy,
    models: Models,
    options: Options | None = None,
    **more: Unpack[Given],
) -> Plan:
    """Return what `migrate` would do. Reads the database, writes nothing.

    ``models``: model classes, modules or packages, their names, or a mix; ``more`` go before
    ``options``, by the names of `Options`. Raises `ValueError` for an option that means nothing,
    `ModelsNotFound`, `UnsupportedDatabase`, or the driver's error while reading.
    """
    chosen = combined(options, more)
    with ExitStack() as stack:
        database = unwrapped(database)
        if dialect_for(database).existence == "missing" and database.is_closed():
            database = stack.enter_context(_empty(database))
        planner = stack.enter_context(_session(database, models, chosen))
        planner.explains = True
        return _planned(planner)


@contextmanager
def _empty(missing: Database) -> Iterator[Database]:
    """Stand in for an SQLite file that is not there, and that a plan must not make."""
    with SqliteDatabase(":memory:") as database:
        database.database = f"{missing.database}, which is not there yet"
        yield database


def migrate(
    database: Database | Proxy,
    models: Models,
    options: Options | None = None,
    **more: Unpack[Given],
) -> Report:
    """Add what the models have and the database lacks. Reads, then writes if anything is missing.

    Returns the `Report`; a run that finds nothing to do takes no lock and sends no DDL. Raises
    what `plan` raises, and `MigrationBlocked` before anything ran, `LockTimeout` when a lock was
    not free in time, `MigrationFailed` when a statement failed, `PlanChanged` when the plan is
    not the ``reviewed`` one.
    """
    chosen = combined(options, more)
    started = time.monotonic()
    with _session(database, models, chosen) as planner:
        planner.asks_outlines = not (chosen.accept or chosen.reviewed)
        dialect, beside = planner.dialect, _beside(planner)
        first = _planned(planner)
        if chosen.on_plan:
            chosen.on_plan(first)
        if not first.scripts:  # which may resolve what is blocked
            _refuse_blocked(first, chosen)
        if not (first.steps or first.scripts):
            report = _report(first, (), 0.0, started, chosen)
            log.debug("%s", report)
            return report
        dialect.prepare(first.steps, atomic=chosen.atomic)
        with _in_process_lock(dialect.database, chosen.lock_wait):
            if beside:
                report, callers = beside.around(
                    lambda: _locked_run(planner, first, started, beside)
                )
            else:
                report, callers = _locked_run(planner, first, started)
    log.info("%s", report)
    if callers:
        raise callers
    return report


def _beside(planner: Planner) -> Beside | None:
    """Return what is asked for beside the additions, loaded only then."""
    options = planner.options
    if options.scripts is options.backup is options.release is None:
        return None
    from ..beside import Beside

    return Beside(planner, _waiting(options))


def _planned(planner: Planner) -> Plan:
    """Plan, and try again when somebody holds a lock, or has changed the schema between two reads.

    Raises `LockTimeout` when a table can't be read within ``lock_wait``.
    """
    dialect, options = planner.dialect, planner.options
    deadline = time.monotonic() + options.lock_wait
    tries = 1 if dialect.database.in_transaction() else _TRIES
    while True:
        try:
            with taken_back(dialect.database, dialect.transactions == "some"):
                made = _with_scripts(planner.plan(), planner)
            return _held(_accepted(made, planner), planner.options)
        except (PeeweeException, ChangedMeanwhile) as error:
            locked = dialect.trouble(error) == "locked"
            tries -= not locked
            if locked and time.monotonic() >= deadline:
                tables = [step.name for step in planner.declared.tables]
                holder = "; ".join(filter(None, map(dialect.blockers, tables))) or None
                raise LockTimeout(
                    f"a table could not be read within {options.lock_wait:.1f} s, held by "
                    f"{holder or 'another connection'}. Nothing was changed. "
                    "Run again when it has ended, or raise lock_wait.",
                    holder=holder,
                ) from error
            if " denied " in str(error):
                reason = str(error).partition("\n")[0]
                raise AutoMigrateError(
                    f"{reason}. To plan for a table in which something is missing takes the right "
                    "to SELECT from it. Grant it, then run again."
                ) from error
            if tries < 1 or dialect.trouble(error) == "lost":
                raise
        pause(random.uniform(0.05, 0.2))


def _with_scripts(made: Plan, planner: Planner) -> Plan:
    """Name the scripts that are pending."""
    if planner.options.scripts is None:
        return made
    from ..beside import with_scripts

    return with_scripts(made, planner)


def _accepted(made: Plan, planner: Planner) -> Plan:
    """Set apart what the options and the models accept."""
    lines = {*planner.options.accept, *planner.accept}
    if not lines:
        return made
    from ..accepted import with_accepted

    return with_accepted([made], lines)[0]


def _held(made: Plan, options: Options) -> Plan:
    """Hold a plan to the reviewed one, if there is one."""
    if options.reviewed is None:
        return made
    if made.scripts:
        raise PlanChanged(
            f"scripts are pending, behind which the plan is another one: {', '.join(made.scripts)}."
            " Nothing was changed. Run them first, then review what is left."
        )
    from ..reviewed import as_reviewed

    return as_reviewed(made, options.reviewed)


def _locked_run(
    planner: Planner, made: Plan, started: float, beside: Beside | None = None
) -> tuple[Report, Exception | None]:
    """Plan again under the lock and run; try again when the end of it waits for readers."""
    dialect, options = planner.dialect, planner.options
    waiting = _waiting(options, len(made.steps))
    begun, outer = time.monotonic(), sys.exc_info()[1]
    while True:
        try:
            return _run_once(planner, made, waiting, started, beside)
        except (PeeweeException, MigrationFailed) as error:
            busy = "locked" in map(dialect.trouble, filter(None, (error, error.__cause__)))
            is_step = isinstance(error, MigrationFailed) and dialect.transactions != "one"
            if is_step or not busy:
                from .outcome import raise_ended

                raise_ended(error, outer, dialect, made.steps)
            if dialect.database.in_transaction():
                raise LockTimeout(
                    "the database is in use by others, and the transaction in which migrate was "
                    "called has read it before them. Nothing was changed. Call migrate outside of "
                    'it, or begin it by transaction("IMMEDIATE"), then run again.'
                ) from error
            if time.monotonic() >= begun + options.lock_wait:
                raise LockTimeout(
                    f"the database was in use by others for {options.lock_wait:.1f} s, and the "
                    "transaction could not end. Nothing was changed. "
                    "Run again when they have ended, or raise lock_wait."
                ) from error
            waiting(time.monotonic() - begun, "the database is in use by others, trying again")
        pause(random.uniform(0.1, 0.5))


def _run_once(
    planner: Planner,
    before: Plan,
    waiting: Callable[[float, str], None],
    started: float,
    beside: Beside | None,
) -> tuple[Report, Exception | None]:
    """Plan again under the lock, and run; return the first error of the caller's callbacks too."""
    from .run import Run  # with what writes, which a start with nothing to do never loads

    dialect, options = planner.dialect, planner.options
    with dialect.migration_lock(options.lock_wait, options.lock_timeout, waiting) as waited:
        made = _planned(planner)
        if options.on_plan and _gist(before) != _gist(made):
            options.on_plan(made)
        _refuse_blocked(made, options)
        if beside:
            beside.before_first(made.steps)
        run = Run(dialect, options, planner, made)
        run.all()
    run.finish()
    return _report(made, run.outcome.in_state("applied"), waited, started, options), run.callers


def _waiting(options: Options, total: int = 0) -> Callable[[float, str], None]:
    """Return a function that says in the log, and tells ``on_step``, that the run waits."""

    def tell(seconds: float, line: str) -> None:
        log.info("%s", line)
        if options.on_step:
            options.on_step(StepEvent(None, "waiting", 0, total, seconds, phase=line))

    return tell


def _gist(made: Plan) -> tuple[object, ...]:
    """Return what makes one plan differ from another; estimated rows do not."""
    return made.sql(), made.blocked, made.findings


def _report(
    done: Plan, applied: tuple[Step, ...], waited: float, started: float, options: Options
) -> Report:
    for finding in done.blocked:
        shown = finding if options.samples else finding.without_samples()
        log.warning("skipped: %s %s", finding.code, shown)
    for finding in done.findings:
        if finding.code in QUESTIONS:
            log.warning("%s %s %s;", finding.code, finding, visible(finding.sql or ""))
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
            if was_closed and dialect.existence != "missing":
                _connect(dialect, options)
            planner = Planner(dialect, collected, options)
            if database.is_closed():
                planner.read_models()  # before a connection makes a file
                _connect(dialect, options)
            yield planner
        finally:
            if was_closed and not (database.is_closed() or dialect.existence == "temporary"):
                database.close()


def _connect(dialect: Dialect, options: Options) -> None:
    """Connect, and while the database can't be reached try again for ``wait`` seconds; while it
    is locked (by a switch of the journal mode, say) for ``lock_wait``.
    """
    waiting, started, length = _waiting(options), time.monotonic(), 0.1
    while True:
        try:
            dialect.database.connect()
            return
        except Exception as error:
            text = " ".join(str(error).split())
            locked = dialect.trouble(error) == "locked"
            is_wrong = isinstance(error, ImproperlyConfigured | TypeError | ValueError)
            seconds = max(options.wait * (not is_wrong), options.lock_wait * locked)
            if time.monotonic() + length >= started + seconds:
                waited = f" within {seconds:.0f} s" if seconds else ""
                raise AutoMigrateError(f"can't connect to the database{waited}: {text}") from error
            waiting(time.monotonic() - started, f"can't connect yet, trying again: {text}")
        pause(length)
        length = min(length * 2, 2.0)


def _refuse_blocked(made: Plan, options: Options) -> None:
    if made.blocked and options.on_blocked == "raise":
        raise MigrationBlocked(made.blocked)


@contextmanager
def _in_process_lock(database: Database, seconds: float) -> Iterator[None]:
    """Hold back other threads of this process, not of one that was forked meanwhile."""
    place = map(database.connect_params.get, ("host", "port", "unix_socket"))
    lock = _IN_PROCESS.setdefault((os.getpid(), database.database, *place), threading.RLock())
    if not lock.acquire(timeout=seconds):
        raise LockTimeout(
            f"migration lock: a thread of this process held it for {seconds:.1f} s. "
            "Wait for it to end, or raise lock_wait.",
            holder="a thread of this process",
        )
    try:
        yield
    finally:
        lock.release()
