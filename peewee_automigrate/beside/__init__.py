"""What a run does beside the additions: own scripts, a backup before, a row in a ledger.

Enters: a dialect, options that ask for any of it. Leaves: the database as the scripts make it, a
file, a row. Nothing here is loaded, or read, to decide what the models lack.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from peewee import PeeweeException

from ..changes import Step, visible
from ..errors import AutoMigrateError
from ..plan.planner import Planner
from ..report import Plan, Report
from .files import Script
from .history import PEEWEES, PREFIX, History
from .ledger import Ledger
from .scripts import Runner

_Done: TypeAlias = "tuple[Report, Exception | None]"
log = logging.getLogger("peewee_automigrate")
_IN_SCRIPTS: ContextVar[bool] = ContextVar("_IN_SCRIPTS", default=False)


class Beside:
    """What one call of `migrate` does beside the additions."""

    def __init__(self, planner: Planner, waiting: Callable[[float, str], None]) -> None:
        dialect, options = planner.dialect, planner.options
        self.dialect, self.options, self.waiting = dialect, options, waiting
        self.is_inside = dialect.database.in_transaction()
        has_row = options.release or options.scripts
        self.ledger = Ledger(dialect, options, waiting) if has_row else None
        self.history = _history(planner) if options.scripts else None
        self.done: list[Script] = []
        self.is_changed = False  # by additions
        self.backup: str | None = None
        self._target: Path | None = None
        if options.backup and self.is_inside:
            raise AutoMigrateError(
                "backup: called inside of a transaction, of which a backup would see nothing. "
                "Call migrate outside of it, or leave backup out."
            )
        if self.history and _IN_SCRIPTS.get():
            raise AutoMigrateError(
                "migrate was called by one of its own scripts. Take the call out: what is missing "
                "is added when the scripts have run."
            )
        if self.ledger and options.release:
            with _told():
                self.ledger.notice()

    def around(self, add: Callable[[], tuple[Report, Exception | None]]) -> _Done:
        """Write: the scripts before the additions, these, the scripts after them, and the row of
        the run. Returns the report of all that was done, and what the caller's own code raised.
        """
        try:
            if self.ledger and self.dialect.transactions == "one" and not self.is_inside:
                with _told():
                    self.ledger.begin()  # what the run's transaction writes may end with it
            with _told():
                self.scripts(after=False)
            report, callers = add()
            self.is_changed = bool(report.applied)
            with _told():
                self.scripts(after=True)
        except BaseException as error:
            self._tell(error)
            self._end(f"failed: {type(error).__name__}")
            raise
        whole = replace(report, scripts=tuple(s.name for s in self.done), backup=self.backup)
        self._end("done", whole.applied)
        return whole, callers

    def _end(self, outcome: str, applied: Sequence[Step] = ()) -> None:
        """Write: the end of the row; that it can't be written changes nothing of what was done."""
        try:
            if self.ledger:
                self.ledger.end(outcome, self.backup, self.done, applied)
        except (PeeweeException, AutoMigrateError) as error:
            reason = " ".join(str(error).split())
            log.warning("the ledger's row stays without its end: %s", visible(reason))

    def _tell(self, error: BaseException) -> None:
        """Let an error of what follows say what the scripts have done."""
        if self.done and isinstance(error, AutoMigrateError):
            names = ", ".join(script.name for script in self.done)
            text = str(error).replace("othing was changed", "othing else was changed")
            where = "in your transaction" if self.is_inside else "and stay"
            error.args = (f"{text}\nScripts that ran before it, {where}: {names}.",)

    def before_first(self, steps: Sequence[object]) -> None:
        """Write, under the lock and before the first statement: the backup, the row's begin."""
        if not steps:
            return
        if self.options.backup and not (self.is_changed or self.done):
            from .backup import backup, target

            self._target = self._target or target(self.dialect, self.options)
            backup(self.dialect, self._target, self.options, self.waiting)
            self.backup = str(self._target)
            log.info("backup: %s", self.backup)
        if self.ledger and self.ledger.number is None:
            with _told():
                self.ledger.begin()

    def scripts(self, *, after: bool) -> None:
        """Write: run the pending scripts that are meant for before or after the additions, each
        once, whoever else migrates.
        """
        if not self.history or not self.history.wants(after=after):
            return
        runner = Runner(self.history, self.options, self.waiting, self.before_first)
        token = _IN_SCRIPTS.set(True)
        try:
            runner.run(after=after)
        finally:
            _IN_SCRIPTS.reset(token)
            self.done += runner.done


@contextmanager
def _told() -> Iterator[None]:
    """Say of an error whose table it was about."""
    try:
        yield
    except PeeweeException as error:
        reason = " ".join(str(error).split())
        raise AutoMigrateError(
            f"the tables beside the models ({PREFIX}run, {PREFIX}script, {PEEWEES}) can't be read "
            f"or written: {reason}. Migrate as a role that may, or leave scripts and release out."
        ) from error


def _history(planner: Planner) -> History:
    schemas = {table.name.schema for table in planner.declared.tables}
    return History(planner.dialect, Path(planner.options.scripts or ""), schemas)


def with_scripts(made: Plan, planner: Planner) -> Plan:
    """Read: return a plan with the scripts that are pending, and what is to be said of them."""
    history = _history(planner)
    names = tuple(script.name for script in history.pending(unfinished=True))
    found = history.findings()
    blocked = tuple(each for each in found if each.level == "blocked")
    notes = tuple(each for each in found if each.level != "blocked")
    return replace(
        made, scripts=names, blocked=(*blocked, *made.blocked), findings=(*made.findings, *notes)
    )
