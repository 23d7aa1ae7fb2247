"""The options of `plan` and `migrate`, in one value."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .changes import Step

if TYPE_CHECKING:
    from .report import Plan


@dataclass(frozen=True, slots=True)
class StepEvent:
    """What ``on_step`` is told: ``state`` "start", "progress" or "done" of step ``number`` of
    ``total``; ``seconds`` that its statements have taken so far. While a step goes on,
    ``fraction`` is what is done of it (0 to 1, None when unknown), and ``phase`` what it does
    ("filling", or the server's word).

    "waiting" comes only while the run waits for others: ``seconds`` so far, and for whom as
    ``phase``, in the words of the log. ``step`` is None then, and ``number`` 0.
    """

    step: Step | None
    state: Literal["waiting", "start", "progress", "done"]
    number: int
    total: int
    seconds: float = 0.0
    fraction: float | None = None
    phase: str = ""


@dataclass(frozen=True, slots=True)
class Options:
    """How to migrate.

    ``on_blocked``: "raise" before anything runs, or "skip" the blocked items and do the rest.
    ``lock_wait``: seconds to wait for other migrators. ``lock_timeout``: seconds to wait for a
    table's lock, tried again within ``lock_wait``. ``online_rows``: an index on a table with more
    rows is built without blocking writes, where the database can. ``atomic``: everything in one
    transaction, no online builds. ``on_step``: called with a `StepEvent` around each step.
    ``on_plan``: called with the `Plan` before the lock is taken, and once more under the lock if
    the database has changed meanwhile: what it was given last is what runs.
    ``wait``: seconds to wait for a database that can't be reached yet. ``samples``: False leaves
    values of rows out of all that is said, True shows them in logged lines too, which else have
    none.
    """

    on_blocked: Literal["raise", "skip"] = "raise"
    lock_wait: float = 60.0
    lock_timeout: float = 3.0
    online_rows: int = 10_000
    atomic: bool = False
    on_step: Callable[[StepEvent], None] | None = None
    on_plan: Callable[[Plan], None] | None = None
    wait: float = 0.0
    samples: bool | None = None

    def __post_init__(self) -> None:
        """Raise `ValueError` for a value that means nothing."""
        if self.on_blocked not in ("raise", "skip"):
            raise ValueError(f'on_blocked is {self.on_blocked!r}; use "raise" or "skip".')
        for name in ("lock_wait", "lock_timeout", "online_rows", "wait"):
            value = getattr(self, name)
            if value < 0:
                raise ValueError(f"{name} is {value}; it must not be negative.")
            if not value < threading.TIMEOUT_MAX:
                raise ValueError(f"{name} is {value}; it must be a number of some size.")
