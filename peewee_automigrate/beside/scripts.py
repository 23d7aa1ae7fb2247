"""Runs own scripts, each once and in order, under the migration lock.

Enters: what is pending. Leaves: what the scripts did, and their rows in the history; or
`MigrationFailed`, which says what stays.
"""

from __future__ import annotations

import logging
import random
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from importlib.machinery import SourceFileLoader
from types import ModuleType
from typing import Any

from peewee import PeeweeException

from ..changes import visible
from ..dialects import migrator_for
from ..dialects.waiting import pause
from ..errors import AutoMigrateError, LockTimeout, MigrationBlocked, MigrationFailed, pass_on
from ..options import Options
from .files import Script, statements
from .history import History, Waiting, patiently

log = logging.getLogger("peewee_automigrate")


class Runner:
    """Runs the pending scripts of one phase. ``begin`` is called under the lock before the first
    one, with what is about to run.
    """

    def __init__(
        self,
        history: History,
        options: Options,
        waiting: Waiting,
        begin: Callable[[Sequence[Any]], None],
    ) -> None:
        self.history, self.options, self.waiting, self.begin = history, options, waiting, begin
        self.dialect = history.dialect
        self.database = history.dialect.database
        self.is_sqlite = self.dialect.transactions == "one"
        self.done: list[Script] = []
        self.is_begun = False
        self.checks_keys = False  # when a script has ended, in place of meanwhile
        self.kind = "sqlite" if self.is_sqlite else self.dialect.name
        if self.kind == "mysql" and "NO_BACKSLASH" in str(self.dialect.rows("SELECT @@sql_mode")):
            self.kind = "mysql plain"
        self.where: tuple[Script, int, str | None]  # what runs now: line, statement

    def run(self, *, after: bool) -> None:
        """Run them. SQLite's lock is a transaction: there each script has one of its own."""
        deadline = time.monotonic() + self.options.lock_wait
        self._check(after=after)
        is_over = False
        while not is_over:
            is_over, alone = patiently(
                self.dialect, self.options, self.waiting, lambda: self._round(deadline, after=after)
            )
            if alone:
                self._alone(alone)
                with self._lock():
                    self._finish(alone)
            elif not is_over and self.is_sqlite:
                pause(random.uniform(0.0, 0.1))  # another process may be at one of them

    def _round(self, deadline: float, *, after: bool) -> tuple[bool, Script | None]:
        """Run what can be run under the lock held once: tell whether that was all, and what has to
        run outside of it.
        """
        count = len(self.done)
        try:
            with self._foreign_keys(), self._lock():
                self.history.forget()
                left = self.history.pending(after=after)
                if not self._is_free(deadline):
                    return False, None
                return not (self.is_sqlite and left), self._locked(left)
        except PeeweeException as error:
            if "no transaction is active" in str(error):
                ended = AutoMigrateError("it has ended the transaction that it runs in")
                raise self._failed(self.where[0], ended) from error
            if self.is_sqlite:  # its transaction, which is the lock, was taken back
                del self.done[count:]
                self.is_begun = False
            raise

    def _check(self, *, after: bool) -> None:
        """Raise what is wrong with any of them, before the first one runs."""
        for script in self.history.pending(after=after):
            if script.is_alone and self.database.in_transaction():
                raise AutoMigrateError(
                    f"{script.path}: wants no transaction, and migrate was called inside of one. "
                    "Call migrate outside of it."
                )
            if not script.is_python:
                statements(script, self.kind)

    def _lock(self) -> Any:
        limits = self.options.lock_wait, self.options.lock_timeout
        return self.dialect.migration_lock(*limits, self.waiting)

    def _transaction(self) -> Any:
        return self.dialect.transaction(self.options.lock_timeout, None, (), 0)

    def _is_free(self, deadline: float) -> bool:
        """Tell whether no script stands as begun. Where the lock can't be held while one runs,
        another process may be at it.
        """
        found = [each for each in self.history.findings() if each.level == "blocked"]
        if found and (not self.is_sqlite or time.monotonic() >= deadline):
            raise MigrationBlocked(found)
        return not found

    def _locked(self, left: Sequence[Script]) -> Script | None:
        """Run what is left under the lock, on SQLite the first one; return one that has to run
        outside of the transaction that is the lock.
        """
        if not self.is_begun:
            self.is_begun = True
            self.begin(left)
            self.history.create()
            if self.history.is_new:
                self.history.skip(self.options.release)
        for script in left[:1] if self.is_sqlite else left:
            log.info("script %s", script.name)
            if self.is_sqlite and script.is_alone:
                self.history.begin(script, self.options.release)
                return script
            if script.is_alone or self.dialect.transactions == "none":
                self.history.begin(script, self.options.release)
                self._alone(script)
                self._finish(script)
            else:
                self._whole(script)
        return None

    def _finish(self, script: Script) -> None:
        with self._transaction():
            self.history.finish([script.name], "done")
        self.history.forget()
        self.done.append(script)

    # One script

    def _whole(self, script: Script) -> None:
        """Run a script and its row in one transaction, again where a lock was not free."""
        try:
            patiently(self.dialect, self.options, self.waiting, partial(self._once, script))
        except LockTimeout:
            raise
        except Exception as error:
            raise self._failed(script, error) from error

    def _once(self, script: Script) -> None:
        with self._transaction():
            self.history.begin(script, self.options.release)
            broken = self._broken()
            self._do(script)
            if more := self._broken() - broken:
                raise AutoMigrateError(f"foreign keys are broken: {sorted(more)[:5]}")
            self.history.finish([script.name], "done")
        self.history.forget()
        self.done.append(script)

    def _alone(self, script: Script) -> None:
        """Run a script that no transaction takes back."""
        try:
            with nullcontext() if script.is_alone else self._transaction():
                self._do(script)
        except Exception as error:
            lines = [] if script.is_python else [line for line, _ in statements(script, self.kind)]
            if self.where[1] in lines[:1]:
                with suppress(Exception):
                    self.history.remove(script.name)
            raise self._failed(script, error) from error

    def _do(self, script: Script) -> None:
        self.where = script, 0, None
        if script.is_python:
            try:
                self._up(script)
            except SystemExit as error:
                pass_on(error)
                text = f"it has called sys.exit({error.code!r})"
                raise AutoMigrateError(text).with_traceback(error.__traceback__) from error
        for line, statement in () if script.is_python else statements(script, self.kind):
            self.where = script, line, statement
            log.info("%s:%d %s", script.name, line, visible(self.dialect.run(statement)))

    def _up(self, script: Script) -> None:
        module = ModuleType(script.path.stem)
        module.__file__ = str(script.path)
        SourceFileLoader(module.__name__, module.__file__).exec_module(module)
        if not callable(getattr(module, "up", None)):
            raise AutoMigrateError("it has no function up(migrator, db)")
        module.up(migrator_for(self.database), self.database)

    def _broken(self) -> set[tuple[str, ...]]:
        rows = self.dialect.rows("PRAGMA foreign_key_check") if self.checks_keys else ()
        return {tuple(map(str, row)) for row in rows}

    def _failed(self, script: Script, error: Exception) -> MigrationFailed:
        """Return the error that names file, line and statement, and says what stays."""
        line, statement = self.where[1:]
        if script.is_python:
            frames = traceback.extract_tb(error.__traceback__)
            line = next((f.lineno or 0 for f in frames[::-1] if f.filename == str(script.path)), 0)
        place = f"{script.path}:{line}" if line else str(script.path)
        sql = f"\n  {statement}" if statement else ""
        text = " ".join(str(error).split()) or type(error).__name__
        words = (
            "It was begun, and may be half done. Look at the database, then say "
            f"`script done {script.name}` or `script retry {script.name}`."
        )
        with suppress(Exception):  # it may have committed, or have lost the connection
            self.history.forget()
            if script.name not in self.history.known:
                words = "Nothing of it stays."
            elif self.history.known[script.name][2] is not None:
                words = "It stays, and stands as done."
        return MigrationFailed(f"{place}: {text}{sql}\n{words}", statement=statement)

    @contextmanager
    def _foreign_keys(self) -> Iterator[None]:
        """On SQLite check no foreign keys while a script may rebuild tables, but in its end."""
        if not self.is_sqlite or self.database.in_transaction():
            yield
            return
        self.checks_keys = bool(self.dialect.rows("PRAGMA foreign_keys")[0][0])
        self.dialect.rows("PRAGMA foreign_keys = 0")
        try:
            yield
        finally:
            if self.checks_keys and not self.database.is_closed():
                self.dialect.rows("PRAGMA foreign_keys = 1")
