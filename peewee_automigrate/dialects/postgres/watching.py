"""Which locks on tables a session holds, and for how long, as another session sees it.

Enters: a dialect whose session is to be watched. Leaves: of each table the strongest mode. Source:
https://www.postgresql.org/docs/current/explicit-locking.html.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .session import Postgres

_INTERVAL = 0.005  # seconds; what is held for less may not be seen
_MODES = (  # from the weakest to the strongest
    *("AccessShareLock", "RowShareLock", "RowExclusiveLock", "ShareUpdateExclusiveLock"),
    *("ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock"),
)
_HELD = """
SELECT DISTINCT c.relname, l.mode FROM pg_catalog.pg_locks AS l
JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE l.pid = %s AND l.granted AND c.relkind IN ('r', 'p') AND n.nspname <> 'pg_catalog'"""


@contextmanager
def watched(dialect: Postgres) -> Iterator[dict[str, tuple[str, float]]]:
    """Give what is filled while the block runs: by table the strongest mode that this session was
    seen to hold, and for how many seconds.
    """
    seen: dict[tuple[str, str], float] = {}
    strongest: dict[str, tuple[str, float]] = {}
    pid, is_over = dialect.rows("SELECT pg_backend_pid()")[0][0], threading.Event()

    def watch() -> None:
        with dialect.database.connection_context():  # a connection of this thread's own
            before = time.monotonic()
            while not is_over.wait(_INTERVAL):
                held, now = dialect.rows(_HELD, (pid,)), time.monotonic()
                for table, mode in held:
                    seen[table, mode] = seen.get((table, mode), 0.0) + now - before
                before = now

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield strongest
    finally:
        is_over.set()
        thread.join()
        for mode in _MODES:
            strongest |= {table: (mode, seen[table, mode]) for table, its in seen if its == mode}
