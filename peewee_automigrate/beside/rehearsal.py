"""A rehearsal: the whole migration on a copy, with what it takes, and whether both releases live.

Enters: a database, of which it only reads, and models. Leaves: what was seen on the copy, which is
gone afterwards if it was made here.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from peewee import AutoField, Database, Model, PeeweeException, SqliteDatabase

from ..dialects import dialect_for, watched
from ..dialects.base import Dialect
from ..errors import AutoMigrateError
from ..models.collect import collect, unwrapped
from ..options import Options, StepEvent
from ..report import Plan, Report
from . import backup


@dataclass(frozen=True)
class Rehearsal:
    """What a rehearsal has seen. True when all went well.

    ``seconds`` of each step, by its text; ``left`` is the plan afterwards; ``refused`` are the
    tables into which the previous release can no longer insert, each with the error; ``untried``
    those of which it is not known, and why; ``locks`` the strongest lock on each table, and for how
    many seconds it was seen (PostgreSQL).
    """

    report: Report
    seconds: Mapping[str, float]
    left: Plan
    refused: Mapping[str, str]
    untried: Mapping[str, str]
    locks: Mapping[str, tuple[str, float]]

    def __bool__(self) -> bool:
        return not (self.left.steps or self.left.scripts or self.refused)

    def lines(self) -> list[str]:
        """Return it for a person."""
        steps = [(f"{self.seconds.get(str(s), 0.0):9.3f} s", s) for s in self.report.applied]
        rows = (f"  ~{s.rows:,} rows" if s.rows > 0 else "" for _, s in steps)
        found = [f"{took}  {s}  {s.effect}{n}" for (took, s), n in zip(steps, rows, strict=True)]
        found += [f"lock of {t}: {m} for {s:.3f} s" for t, (m, s) in sorted(self.locks.items())]
        found += [f"script {name} ran" for name in self.report.scripts]
        found += [f"still to do: {step}" for step in self.left.steps]
        found += [f"the previous release can't insert: {t}: {e}" for t, e in self.refused.items()]
        found += [f"not tried to insert: {t}: {why}" for t, why in self.untried.items()]
        return [*found, f"Rehearsed: {self.report}"]

    def markdown(self) -> str:
        """Return it as Markdown, for a pull request's comment."""
        return "\n".join(("```text", *self.lines(), "```", ""))

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready dicts."""
        return {
            "steps": [
                {"step": str(s), "seconds": self.seconds.get(str(s), 0.0), "rows": s.rows}
                for s in self.report.applied
            ],
            "scripts": [*self.report.scripts],
            "left": self.left.to_dict(),
            "refused": dict(self.refused),
            "untried": dict(self.untried),
            "locks": dict(self.locks),
            "duration": self.report.duration,
        }


class Work(NamedTuple):
    """What is rehearsed: `peewee_automigrate.plan` and `migrate`."""

    plan: Callable[..., Plan]
    migrate: Callable[..., Report]


def rehearse(
    work: Work, copied: AbstractContextManager[Database], models: Any, options: Options
) -> Rehearsal:
    """Migrate a copy, such as `copied` makes; no backup is made of it, and no row in a ledger.

    Raises what `migrate` raises, and `AutoMigrateError` where no copy can be made.
    """
    with copied as copy, copy.connection_context():
        return _rehearsed(work, copy, models, replace(options, backup=None, release=None))


def _rehearsed(work: Work, copy: Database, models: Any, options: Options) -> Rehearsal:
    classes = collect(models).models
    seconds: dict[str, float] = {}

    def note(event: StepEvent) -> None:
        if event.state == "done":
            seconds[str(event.step)] = event.seconds

    tables = {s.table for s in work.plan(copy, models, options).steps if s.kind == "add_column"}
    grown = [model for model in classes if model._meta.table_name in tables]
    rows = {model: _row(copy, model) for model in grown}
    before = {model: _tried(copy, model, row) for model, row in rows.items()}
    with watched(dialect_for(copy)) as locks:
        report = work.migrate(copy, models, replace(options, on_step=note))
    later = {m: {n: v for n, v in _row(copy, m).items() if n in row} for m, row in rows.items()}
    after = {model: _tried(copy, model, row) for model, row in later.items()}
    name = {model: model._meta.table_name for model in grown}
    return Rehearsal(
        report,
        seconds,
        work.plan(copy, models, options),
        {name[m]: error for m, error in after.items() if error and not before[m]},
        {name[m]: error for m, error in before.items() if error},
        locks,
    )


# What the previous release would insert


def _row(copy: Database, model: type[Model]) -> dict[str, Any]:
    """Read: a row as the previous release would insert it: one that stands, with other values
    where these have to differ.
    """
    meta = model._meta
    cursor = copy.execute_sql(f"SELECT * FROM {_table(copy, model)} ORDER BY 1 DESC LIMIT 1")
    names = [column[0] for column in cursor.description]
    found = dict(zip(names, cursor.fetchone() or (), strict=False))
    differing = {
        column
        for index in copy.get_indexes(meta.table_name, meta.schema)
        for column in index.columns
        if index.unique
    } | set(copy.get_primary_keys(meta.table_name, meta.schema))
    if isinstance(meta.primary_key, AutoField):
        found.pop(meta.primary_key.column_name, None)
    return {n: _another(value) if n in differing else value for n, value in found.items()}


def _another(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value + 1_000_003
    if isinstance(value, uuid.UUID):
        return uuid.uuid4()
    return uuid.uuid4().hex[: max(len(value), 8)] if isinstance(value, str) else value


def _tried(copy: Database, model: type[Model], row: dict[str, Any]) -> str:
    """Write, and take it back: return why the row can't be inserted, "" where it can."""
    if not row:
        return "it has no row to go by"
    names = ", ".join(dialect_for(copy).quote(name) for name in row)
    marks = ", ".join([copy.param] * len(row))
    table = _table(copy, model)
    with copy.atomic() as transaction:
        try:
            copy.execute_sql(f"INSERT INTO {table} ({names}) VALUES ({marks})", [*row.values()])
        except PeeweeException as error:
            return " ".join(str(error).split())
        finally:
            transaction.rollback()
    return ""


def _table(copy: Database, model: type[Model]) -> str:
    names = filter(None, (model._meta.schema, model._meta.table_name))
    return dialect_for(copy).quote(*names)


# Copies


@contextmanager
def copied(live: Database, *, with_rows: bool = True) -> Iterator[Database]:
    """Give a copy of a database that is gone at the end; SQLite's always has the rows.

    Raises `AutoMigrateError` where it can't be had.
    """
    live = unwrapped(live)
    with _opened(live), tempfile.TemporaryDirectory(prefix="rehearsal-") as folder:
        dialect = dialect_for(live)
        path = Path(folder) / "copy.db"
        is_file = dialect.name == "sqlite"
        with _file(dialect, path) if is_file else _database(dialect, path, with_rows) as copy:
            yield copy


@contextmanager
def _file(dialect: Dialect, path: Path) -> Iterator[Database]:
    backup.copy_sqlite(dialect, path)
    checks_keys = dialect.rows("PRAGMA foreign_keys")[0][0]
    yield SqliteDatabase(str(path), pragmas={"foreign_keys": checks_keys})


@contextmanager
def _database(dialect: Dialect, path: Path, with_rows: bool) -> Iterator[Database]:
    live, name = dialect.database, f"automigrate_rehearsal_{uuid.uuid4().hex[:12]}"
    copy = type(live)(name, **live.connect_params)
    try:
        live.execute_sql(f"CREATE DATABASE {name}")
        backup.restore_into(dialect, name, path, with_rows=with_rows)
        yield copy
    finally:
        if not copy.is_closed():
            copy.close()
        if hasattr(copy, "close_idle"):  # a pool's connections
            copy.close_idle()
        live.execute_sql(f"DROP DATABASE IF EXISTS {name}")


def _opened(live: Database) -> AbstractContextManager[Any]:
    return live.connection_context() if live.is_closed() else nullcontext()


def copyable(live: Database, *, may_create: bool) -> None:
    """Read: raise `AutoMigrateError` where no copy may be made: nobody has said so, or the role may
    do everything, and a restore runs what others have defined.
    """
    live = unwrapped(live)
    dialect = dialect_for(live)
    if dialect.name == "sqlite":
        return
    if not may_create:
        raise AutoMigrateError(
            "rehearse: takes a copy. Name one by --on URL, or let it be made on the same server by "
            "--scratch."
        )
    with _opened(live):
        if backup.is_superuser(dialect):
            raise AutoMigrateError(
                "rehearse: connects as a superuser, and a copy runs what others have defined in "
                "the database. Use a role that may create databases and read all of this one, or "
                "name a copy of your own by --on URL."
            )
