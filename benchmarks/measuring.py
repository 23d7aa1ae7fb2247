"""What the benchmarks share: models, databases, rounds, and the table that they print.

Only what was measured is printed. Time to import and to define models is never counted.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import platform
import re
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import peewee
from playhouse.db_url import connect

import peewee_automigrate

Seconds = list[float]
Statement = tuple[str, Any]


# Databases


def open_database(url: str) -> peewee.Database:
    """Return an open database."""
    database = connect(url, unquote_password=True)
    database.connect()
    return database


@contextmanager
def new_sqlite() -> Iterator[str]:
    """Give the URL of an SQLite file that exists as long as the block runs."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        yield f"sqlite:///{folder}/bench.db"


def run_script(database: peewee.Database, statements: Sequence[str]) -> None:
    """Send statements in one transaction through the driver, as a script by hand would."""
    cursor = database.cursor()
    cursor.execute("BEGIN")
    for statement in statements:
        cursor.execute(statement)
    cursor.execute("COMMIT")


# Models


def make_models(number: int) -> list[type[peewee.Model]]:
    """Define models of 12 columns, 3 indexes and a foreign key each.

    The indexes are the foreign key's, a unique one and one of two columns; the primary key comes
    on top. The foreign keys form a tree, in which each table has up to four children. Most
    columns have names of their own, so that nothing is gained by remembering a column.
    """
    models: list[type[peewee.Model]] = []
    for n in range(number):
        table = f"item_{n:04}"
        parent = models[(n - 1) // 4] if n else "self"
        members = {
            "parent": peewee.ForeignKeyField(parent, null=True),
            f"name_{n}": peewee.CharField(max_length=100, unique=True),
            f"email_{n}": peewee.CharField(),
            f"status_{n}": peewee.CharField(default="new"),
            f"amount_{n}": peewee.DecimalField(max_digits=12, decimal_places=2, default=0),
            f"visits_{n}": peewee.IntegerField(default=0),
            f"active_{n}": peewee.BooleanField(default=True),
            f"score_{n}": peewee.DoubleField(null=True),
            f"note_{n}": peewee.TextField(null=True),
            "created": peewee.DateTimeField(default=datetime.now),
            "changed": peewee.DateTimeField(null=True),
        }
        indexes = (((f"status_{n}", "created"), False),)
        members["Meta"] = type("Meta", (), {"table_name": table, "indexes": indexes})
        models.append(type(f"Item{n:04}", (peewee.Model,), members))
    return models


def bind(database: peewee.Database, models: Sequence[type[peewee.Model]]) -> None:
    """Bind models to a database for good."""
    database.bind(models, bind_refs=False, bind_backrefs=False)


# Rounds


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that a call takes; garbage left by others is collected before."""
    gc.collect()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def interleaved(
    contestants: Mapping[str, Callable[[], object]], rounds: int, budget: float = 1.0
) -> dict[str, Seconds]:
    """Time each contestant in turn, in several rounds.

    One that has used up its ``budget`` of seconds sits out the remaining rounds.
    """
    measured: dict[str, Seconds] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, work in contestants.items():
            if sum(measured[name]) < budget:
                measured[name].append(timed(work))
    return measured


def united(several: Sequence[Mapping[str, Seconds]]) -> dict[str, Seconds]:
    """Put the measurements of several processes together."""
    names = dict.fromkeys(name for measured in several for name in measured)
    return {name: [s for measured in several for s in measured.get(name, ())] for name in names}


def in_fresh_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function of a module returns in a new interpreter."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


# The table


@dataclass(frozen=True)
class Line:
    """One line of the table: what was measured, against what, and the goal for the ratio of the
    best of both. A heading has no measurements; ``text`` stands in place of the times.
    """

    what: str
    seconds: Seconds = field(default_factory=list)
    base: Seconds | None = None
    goal: float | None = None
    text: str = ""

    def cells(self) -> tuple[str, ...]:
        if not self.seconds:
            return self.what, self.text, "", "", "", "", ""
        best, median = min(self.seconds), statistics.median(self.seconds)
        ratio = best / min(self.base) if self.base else None
        verdict = goal = ""
        if self.goal is not None and ratio is not None:
            goal = f"<= {self.goal:g}"
            verdict = "ok" if ratio <= self.goal else "MISSED"
        ratio_text = "" if ratio is None else f"{ratio:.2f}"
        times = f"{best * 1000:,.2f}", f"{median * 1000:,.2f}"
        return self.what, *times, str(len(self.seconds)), ratio_text, goal, verdict


def print_table(title: str, lines: Sequence[Line]) -> None:
    """Print an aligned table."""
    head = (title, "best ms", "median ms", "runs", "ratio", "goal", "")
    rows = [head, *(line.cells() for line in lines)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(head))]
    for row in rows:
        first, *rest = row
        cells = [text.rjust(width) for text, width in zip(rest[:-1], widths[1:-1], strict=True)]
        print("  ".join([first.ljust(widths[0]), *cells, rest[-1]]).rstrip())
    print()


def print_machine(*databases: peewee.Database) -> None:
    """Print what the numbers depend on."""
    versions = [f"SQLite {sqlite3.sqlite_version}"]
    for database in databases:
        if isinstance(database, peewee.PostgresqlDatabase):
            version = database.execute_sql("SHOW server_version").fetchone()[0]
            driver = type(database.connection()).__module__.partition(".")[0]
            versions.append(f"PostgreSQL {version} through {driver}")
        if isinstance(database, peewee.MySQLDatabase):
            version = database.execute_sql("SELECT version()").fetchone()[0]
            driver = type(database.connection()).__module__.partition(".")[0]
            versions.append(f"{version} through {driver}")
    print(
        f"{os.cpu_count()} cores, {_processor()}; Python {platform.python_version()}, "
        f"Peewee {peewee.__version__}, {', '.join(versions)}, "
        f"peewee_automigrate {peewee_automigrate.__version__}"
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text() if cpuinfo.exists() else ""
    found = re.search(r"model name\s*:\s*(.*)", text)
    return found[1] if found else platform.processor() or platform.machine()
