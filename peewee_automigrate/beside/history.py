"""Which scripts have run: Peewee's own history for .py files, a table of ours for what it lacks.

Enters: a dialect, a folder. Leaves: what is pending, findings, rows. Never asked what the models
lack.
"""

from __future__ import annotations

import datetime
import random
import time
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from peewee import CharField, DateTimeField, Model, PeeweeException

from ..changes import Finding
from ..dialects.base import Dialect
from ..dialects.waiting import pause
from ..errors import AutoMigrateError, LockTimeout
from ..options import Options
from ..schema import Ref, TableName
from ..texts import blocked, note
from .files import Script, read_folder

T = TypeVar("T")
Waiting: TypeAlias = Callable[[float, str], None]
PREFIX = "peewee_automigrate_"
PEEWEES = "schema_migration"  # of playhouse.migrations


def table(dialect: Dialect, table_name: str, **fields: Any) -> type[Model]:
    """Return a model of a table beside the application's own."""
    meta = {"database": dialect.database, "table_name": table_name, "legacy_table_names": False}
    return type(table_name, (Model,), {**fields, "Meta": type("Meta", (), meta)})


def now() -> datetime.datetime:
    """Return the time as rows have it: UTC, without a zone."""
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None, microsecond=0)


def patiently(dialect: Dialect, options: Options, waiting: Waiting, work: Callable[[], T]) -> T:
    """Write: do this in a transaction, again for ``lock_wait`` seconds where a lock was not free;
    the end of one of SQLite's waits for readers. Raises `LockTimeout` then.
    """
    begun = time.monotonic()
    while True:
        try:
            return work()
        except PeeweeException as error:
            if dialect.trouble(error) != "locked":
                raise
            if time.monotonic() >= begun + options.lock_wait:
                raise LockTimeout(
                    f"what a script or the ledger writes was locked for {options.lock_wait:.1f} s. "
                    "Nothing of it stays. Run again when others have ended, or raise lock_wait."
                ) from error
            waiting(time.monotonic() - begun, "the database is in use by others, trying again")
        pause(random.uniform(0.1, 0.5))


class History:
    """What has run of a folder's scripts."""

    def __init__(self, dialect: Dialect, folder: Path, schemas: Iterable[str | None] = ()) -> None:
        self.dialect, self.files, self.schemas = dialect, read_folder(folder), {None, *schemas}
        self.rows = table(
            dialect,
            f"{PREFIX}script",
            name=CharField(
                primary_key=True,
                collation="utf8mb4_bin" if dialect.name == "mysql" else None,  # as of files
            ),
            sha256=CharField(64),
            started=DateTimeField(),
            finished=DateTimeField(null=True),
            release=CharField(null=True),
            outcome=CharField(),
        )
        self.peewees = table(
            dialect,
            PEEWEES,
            name=CharField(unique=True),
            applied=DateTimeField(default=datetime.datetime.now),
        )

    @cached_property
    def known(self) -> dict[str, tuple[str, Any, Any]]:
        """Read: the digest, start and end of each script that was begun, by its file's name."""
        begun, names = self.rows.select(), self.peewees.select(self.peewees.name)
        rows = begun.tuples() if self.rows.table_exists() else ()
        done = {f"{n}.py" for (n,) in names.tuples()} if self.peewees.table_exists() else set()
        found: dict[str, tuple[str, Any, Any]] = {
            name: (digest, started, finished)
            for name, digest, started, finished, *_ in rows
            if name in done or not (name.endswith(".py") and finished)  # `pwmigrate down`
        }
        for name in done:
            digest, started, _ = found.get(name, ("", now(), None))
            found[name] = digest, started, started
        return found

    def forget(self) -> None:
        """Read anew what has run, since others may have run more."""
        self.__dict__.pop("known", None)

    @property
    def is_new(self) -> bool:
        """Read: tell a database whose ``schemas`` hold no table but ours."""
        names = {name for place in self.schemas for name, _ in self.dialect.all_columns(place)}
        return not {name for name in names if name != PEEWEES and not name.startswith(PREFIX)}

    def pending(self, *, after: bool | None = None, unfinished: bool = False) -> list[Script]:
        """Read: return the scripts that have not run, in order; ``after``: of one kind only;
        ``unfinished``: with those that were begun.
        """
        left = [s for s in self.files if s.name not in self.known]
        if unfinished:
            left = [s for s in self.files if s in left or self.known[s.name][2] is None]
        if left and self.is_new:
            left = [s for s in left if s.also_new]
        return [script for script in left if after is None or script.after is after]

    def wants(self, *, after: bool) -> bool:
        """Read: tell whether there is anything to run, or to record as not needed."""
        is_unrecorded = any(s.name not in self.known for s in self.files) and self.is_new
        return bool(self.pending(after=after, unfinished=True) or (is_unrecorded and not after))

    def findings(self) -> list[Finding]:
        """Read: return what is to be said of the scripts."""
        found, files = [], {script.name: script for script in self.files}
        for name, (digest, started, finished) in sorted(self.known.items()):
            if finished is None:
                found.append(blocked("AM157", _ref(name), started=started, name=name))
            elif name not in files:
                found.append(note("AM317", _ref(name)))
            elif digest and digest != files[name].sha256:
                found.append(note("AM316", _ref(name)))
        for number, group in groupby(self.files, lambda script: script.number):
            names = [script.name for script in group]
            if len(names) > 1:
                others = ", ".join(names[1:])
                found.append(note("AM318", _ref(names[0]), number=number, others=others))
        return found

    def create(self) -> None:
        """Write: the tables, where they are missing."""
        needs = [self.rows, *([self.peewees] if any(s.is_python for s in self.files) else [])]
        for model in needs:
            if not model.table_exists():
                model.create_table()

    def begin(self, script: Script, release: str | None) -> None:
        """Write: that a script is about to run."""
        self.remove(script.name)
        self.rows.insert(
            name=script.name,
            sha256=script.sha256,
            started=now(),
            release=release,
            outcome="begun",
        ).execute()

    def finish(self, names: Sequence[str], outcome: str) -> None:
        """Write: that scripts are done with; those of Peewee's kind in its own history too."""
        where = self.rows.name.in_(names)
        self.rows.update(finished=now(), outcome=outcome).where(where).execute()
        stems = [name.removesuffix(".py") for name in names if name.endswith(".py")]
        if stems:
            self.peewees.delete().where(self.peewees.name.in_(stems)).execute()
        for stem in stems:
            self.peewees.insert(name=stem, applied=datetime.datetime.now()).execute()

    def skip(self, release: str | None) -> None:
        """Write: that a database made by this run needs no script that is older than it."""
        old = [s for s in self.files if s.name not in self.known and not s.also_new]
        with self.dialect.database.atomic():
            for script in old:
                self.begin(script, release)
            self.finish([script.name for script in old], "not needed")

    def resolve(self, name: str, *, is_done: bool) -> None:
        """Write: that a script which has not finished is done, or is to run again. Raises
        `AutoMigrateError` for another one.
        """
        if name not in self.known or self.known[name][2] is not None:
            begun = [known for known, row in self.known.items() if row[2] is None]
            raise AutoMigrateError(
                f"{name}: is no script that was begun and has not finished"
                f"{': these are ' + ', '.join(begun) if begun else ', nor is any'}."
            )
        if is_done:
            self.finish([name], "by hand")
        else:
            self.remove(name)

    def remove(self, name: str) -> None:
        """Write: that a script has not run."""
        self.rows.delete().where(self.rows.name == name).execute()


def _ref(name: str) -> Ref:
    return Ref("script", TableName(None, name))
