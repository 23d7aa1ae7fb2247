"""What is said of a run that ends early: what stays, what was undone, what nobody knows.

Enters: the steps of a run and how far each is, an error. Leaves: `MigrationFailed`, `LockTimeout`.
Reads nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Literal, NoReturn

from peewee import PeeweeException

from ..changes import Step, visible
from ..dialects.base import Dialect
from ..errors import LockTimeout, MigrationFailed


def raise_ended(
    error: Exception, outer: BaseException | None, dialect: Dialect, steps: Sequence[Step]
) -> NoReturn:
    """Raise what ended a run: the transaction that is the lock may fail when it ends, outside of
    any step. ``outer``: what the caller handles meanwhile.
    """
    told: BaseException | None = error
    while told and told is not outer:  # a ROLLBACK may fail too, as when the disk is full
        if isinstance(told, MigrationFailed):
            raise told
        told = told.__context__
    if dialect.transactions == "one" and dialect.trouble(error) != "lost":
        text = f"the transaction failed: {error}\nNothing was changed."
        raise MigrationFailed(text, rolled_back=steps) from error
    raise MigrationFailed(f"the run failed: {error}\nThe next run finds out what stays.") from error


class Running:
    """One step of a run: its place among the others, how long it has taken, how far it is."""

    def __init__(self, step: Step, number: int) -> None:
        self.step = step
        self.number = number
        self.seconds = 0.0  # in statements of its own
        self.is_told = False  # that it has started
        self.state: Literal["waiting", "open", "begun", "applied"] = "waiting"
        self.sent: set[int] = set()  # statements that no rollback takes back, by place


class Outcome:
    """How far the steps of one run are. ``is_whole``: they are one transaction."""

    def __init__(self, dialect: Dialect, steps: Sequence[Step], *, is_whole: bool) -> None:
        self.dialect = dialect
        self.running = [Running(step, number) for number, step in enumerate(steps, 1)]
        self.is_whole = is_whole
        self.commits_alone = dialect.transactions == "none"
        self.building: Step | None = None
        self.is_lost = False  # the connection, in the middle of a statement
        self.outer = sys.exc_info()[1]  # what the caller handles meanwhile

    def in_state(self, state: str) -> tuple[Step, ...]:
        """Return the steps in a state, in order."""
        return tuple(one.step for one in self.running if one.state == state)

    def first(self, error: BaseException) -> BaseException:
        """Return what came first: a ROLLBACK over a lost connection fails too. A driver's own error
        counts where it is not what Peewee has put into its own.
        """
        first, before = error, error.__context__
        while before is not None and before is not self.outer:
            is_drivers = "Error" in [kind.__name__ for kind in type(before).__mro__]
            is_first = isinstance(before, PeeweeException) or not isinstance(before, Exception)
            is_first |= is_drivers and str(before) != str(first)
            first = before if is_first else first
            before = before.__context__
        return first

    def failed(self, error: BaseException, statement: str | None, place: str) -> MigrationFailed:
        """Return the error of a run in which a statement, at its place ("3 of 7"), or the end of a
        transaction has failed.
        """
        text = "\n".join(map(visible, str(error).strip().split("\n")))
        is_certain = statement and not self.commits_alone  # it was no COMMIT
        if self.dialect.trouble(error) == "lost" and not is_certain:
            text += "\nThe connection is lost, and the server may still complete the statement."
            self.is_lost = True
        if statement:
            what = f"statement {place} failed: {text}\n  {visible(statement)}"
            return self.error(what, statement)
        return self.error(f"the {'run' if self.commits_alone else 'transaction'} failed: {text}")

    def error(self, message: str, statement: str | None = None) -> MigrationFailed:
        """Return an error that says what remains."""
        return MigrationFailed(
            f"{message}\n{self._what_remains()}",
            statement=statement,
            applied=() if self.is_whole else self.in_state("applied"),
            rolled_back=() if self.is_lost else self.in_state("open"),
        )

    def _what_remains(self) -> str:
        building = f"{self.building.name} on {self.building.table}" if self.building else ""
        parts = {
            "Applied, and stays: {}.": _listed(() if self.is_whole else self.in_state("applied")),
            "Begun, and completed by the next run: {}.": _listed(self.in_state("begun")),
            "Rolled back: {}.": _listed(() if self.is_lost else self.in_state("open")),
            "Not known, the next run finds out: {}.": _listed(
                self.in_state("open") if self.is_lost else ()
            ),
            "An INVALID index may stay, which the next run replaces: {}.": building,
        }
        said = [text.format(what) for text, what in parts.items() if what]
        nothing = "The next run finds out." if self.is_lost else "Nothing was changed."
        return " ".join(said) or nothing

    def lock_timeout(self, step: Step, seconds: float, holder: str | None) -> LockTimeout:
        """Return the error of a table whose lock was not free in time."""
        return LockTimeout(
            f"{step.table}: its lock was not free within {seconds:.1f} s, held by "
            f"{holder or 'another connection'}. {self._what_remains()} "
            "Run again when it has ended, or raise lock_wait.",
            holder=holder,
        )


def _listed(steps: Sequence[Step]) -> str:
    return "; ".join(map(str, steps))
