"""The error types.

Enters: plain values (findings, steps, texts). Leaves: exceptions that carry them as data.
Imports nothing of the package at run time.
"""

from __future__ import annotations

import signal
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .changes import Finding, Step


class AutoMigrateError(Exception):
    """Base of every error that this package raises."""


class ModelsNotFound(AutoMigrateError):
    """The models as given can't be used: none, not a model, clashing, or of several databases."""


class UnsupportedDatabase(AutoMigrateError):
    """There is no dialect for this database, and none is guessed."""


class MigrationBlocked(AutoMigrateError):
    """Something is missing that must not be added blindly; nothing ran.

    ``blocked`` holds every blocked `Finding` at once, in plan order.
    """

    def __init__(self, blocked: Sequence[Finding]) -> None:
        self.blocked = tuple(blocked)
        head = f"{len(self.blocked)} blocked, nothing was changed:"
        super().__init__("\n  ".join(map(str, (head, *self.blocked))))


class PlanChanged(AutoMigrateError):
    """The plan is not the one that was reviewed; nothing ran."""


class MigrationFailed(AutoMigrateError):
    """A statement failed, or what was added did not read back as declared.

    ``statement``: the SQL that failed, None when the read-back failed; ``applied``: the steps that
    stay; ``rolled_back``: those that ran and were undone. ``__cause__``: the driver's error.
    """

    def __init__(
        self,
        message: str,
        *,
        statement: str | None = None,
        applied: Sequence[Step] = (),
        rolled_back: Sequence[Step] = (),
    ) -> None:
        self.statement = statement
        self.applied = tuple(applied)
        self.rolled_back = tuple(rolled_back)
        super().__init__(message)


class LockTimeout(AutoMigrateError):
    """A lock was not free within ``lock_wait`` seconds.

    ``holder`` describes who holds it, or is None where the database can't tell.
    """

    def __init__(self, message: str, *, holder: str | None = None) -> None:
        self.holder = holder
        super().__init__(message)


def pass_on(error: BaseException) -> None:
    """Raise what a signal's handler has raised: it has a frame in the traceback."""
    handlers = map(signal.getsignal, signal.valid_signals())
    codes = {getattr(handler, "__code__", None) for handler in handlers}
    if any(frame.f_code in codes for frame, _ in traceback.walk_tb(error.__traceback__)):
        raise error
