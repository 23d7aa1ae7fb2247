"""The ledger: a row for each run that has applied anything, for people to read.

Enters: what a run is and did. Leaves: rows. Never read to decide what is missing.
"""

from __future__ import annotations

import getpass
import hashlib
import logging
import socket
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import peewee
from peewee import AutoField, CharField, DateTimeField, IntegerField, Model, TextField

from ..changes import Step
from ..dialects.base import Dialect
from ..options import Options
from .files import Script
from .history import PREFIX, Waiting, now, patiently, table

log = logging.getLogger("peewee_automigrate")


def rows_of(dialect: Dialect) -> type[Model]:
    """Return the model of the ledger's table."""
    return table(
        dialect,
        f"{PREFIX}run",
        id=AutoField(),
        started=DateTimeField(),
        finished=DateTimeField(null=True),
        release=CharField(null=True),
        by=CharField(),
        host=CharField(),
        tool=CharField(),
        statements=IntegerField(default=0),
        sha256=CharField(64, default=""),
        outcome=TextField(),
        backup=TextField(null=True),
    )


def history_of(dialect: Dialect) -> list[dict[str, Any]]:
    """Read: return the rows, the newest first; none where there is no ledger."""
    rows: Any = rows_of(dialect)
    return list(rows.select().order_by(rows.id.desc()).dicts()) if rows.table_exists() else []


class Ledger:
    """The row of one run."""

    def __init__(self, dialect: Dialect, options: Options, waiting: Waiting) -> None:
        self.dialect, self.release = dialect, options.release
        self.options, self.waiting = options, waiting
        self.rows: Any = rows_of(dialect)
        self.number: int | None = None

    def notice(self) -> None:
        """Read: say so where a later release has run since this one did."""
        if not self.rows.table_exists():
            return
        runs = self.rows.select(self.rows.release).order_by(self.rows.id)
        known = [release for (release,) in runs.tuples()]
        if known and known[-1] != self.release and self.release in known:
            log.info("release %s stands before %s in the ledger", self.release, known[-1])

    def begin(self) -> None:
        """Write: that a run is about to apply something."""
        patiently(self.dialect, self.options, self.waiting, self._begin)

    def _begin(self) -> None:
        ours = version("peewee-automigrate")
        with self._short():
            if not self.rows.table_exists():
                self.rows.create_table()
            number = self.rows.insert(
                started=now(),
                release=self.release,
                by=_user(),
                host=socket.gethostname(),
                tool=f"peewee-automigrate {ours}, peewee {peewee.__version__}",
                outcome="begun",
            ).execute()
        self.number = number

    def end(
        self,
        outcome: str,
        backup: str | None,
        scripts: Sequence[Script] = (),
        steps: Sequence[Step] = (),
    ) -> None:
        """Write: how the run has ended; a row of one that another was faster than goes."""
        if self.number is None:
            return
        mine = self.rows.id == self.number
        sent = [sql for step in steps for sql in step.statements]
        with self._short():
            if outcome == "done" and not (scripts or steps):
                self.rows.delete().where(mine).execute()
                return
            texts = [*(script.text for script in scripts), *sent]
            self.rows.update(
                finished=now(),
                statements=len(sent),
                sha256=hashlib.sha256("\n".join(texts).encode()).hexdigest(),
                outcome=outcome,
                backup=backup,
            ).where(mine).execute()

    def _short(self) -> Any:
        """A transaction of its own, which on SQLite takes the write lock at once."""
        if self.dialect.transactions != "one" or self.dialect.database.in_transaction():
            return self.dialect.database.atomic()
        limits = self.options.lock_wait, self.options.lock_timeout
        return self.dialect.migration_lock(*limits, self.waiting)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's number without a name
        return "unknown"
