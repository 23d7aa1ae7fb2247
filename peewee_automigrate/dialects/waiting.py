"""Waiting for something that another process holds: try, sleep a little longer, try again.

Enters: a function that tries. Leaves: the seconds that were waited, or `LockTimeout`.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from peewee import Database

from ..errors import LockTimeout

FIRST_PAUSE, LONGEST_PAUSE, LINE_EVERY = 0.02, 1.0, 5.0  # seconds


def pause(seconds: float) -> None:
    """Sleep; below `playhouse.pwasyncio` so that the event loop's other tasks go on."""
    bridge = sys.modules.get("playhouse.pwasyncio")
    try:
        is_async = bridge and bridge.asyncio.get_running_loop() and bridge.getcurrent().parent
    except RuntimeError:  # no loop in this thread
        is_async = False
    if bridge and is_async:
        bridge.await_(bridge.asyncio.sleep(seconds))
    else:
        time.sleep(seconds)


@contextmanager
def taken_back(database: Database, may_wait: bool) -> Iterator[None]:
    """Inside of the caller's transaction, give back the locks that reading takes: while this one
    waits for the migration lock, the migrator that holds it may need these tables.
    """
    with ExitStack() as stack:
        if may_wait and database.in_transaction():
            stack.callback(stack.enter_context(database.atomic()).rollback)
        yield


def surely(work: Callable[[], object]) -> None:
    """Do what gives a lock back, again where a signal comes in between; it may be done twice."""
    try:
        work()
    except BaseException as error:
        if not isinstance(error, Exception):
            work()
        raise


def poll(
    attempt: Callable[[], bool],
    holder: Callable[[], str | None],
    seconds: float,
    waiting: Callable[[float, str], None],
) -> float:
    """Call ``attempt`` until it returns true; return the seconds that this took.

    Between two attempts it sleeps, with growing pauses and jitter. ``waiting`` gets the seconds
    so far, and a line that says for whom, at the first pause and then every 5 seconds. Raises
    `LockTimeout` with the holder after ``seconds``.
    """
    started = time.monotonic()
    length, next_line = FIRST_PAUSE, 0.0
    while not attempt():
        waited = time.monotonic() - started
        if waited >= seconds:
            who = holder()
            raise LockTimeout(
                f"migration lock: not free after {waited:.1f} s, held by "
                f"{who or 'another connection'}. Wait for it to end, or raise lock_wait.",
                holder=who,
            )
        if waited >= next_line:
            whose = holder() or "another connection"
            waiting(waited, f"waited {waited:.1f} s for the lock of {whose}")
            next_line = waited + LINE_EVERY
        pause(min(length, max(seconds - waited, 0.0)) * random.uniform(0.5, 1.0))
        length = min(length * 1.6, LONGEST_PAUSE)
    return time.monotonic() - started
