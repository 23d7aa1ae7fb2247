"""`plan()` with nothing to do, against the bare catalogue queries and Peewee's own tools.

    python -m benchmarks.noop [--tables 10 100 1000] [--quick]

The bare queries are the statements that `plan` itself sent, executed and fetched and no more, on
the same connection. "first" is the first call in a new process and on a new connection, against
the bare queries in the same position; the others are repeated in turn in the same processes.
"""

from __future__ import annotations

import argparse
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import peewee

from benchmarks.measuring import (
    Line,
    Seconds,
    Statement,
    bind,
    in_fresh_process,
    interleaved,
    make_models,
    new_sqlite,
    open_database,
    print_machine,
    print_table,
    timed,
    united,
)
from benchmarks.relay import delayed
from peewee_automigrate import migrate, plan
from tests.support.mysql_servers import main_mysql
from tests.support.servers import main_postgres

try:
    from playhouse.schema_diff import diff_models
except ImportError:  # it came with Peewee 4
    diff_models = None

BARE, PLAN, FIRST = "the bare catalogue queries", "plan()", "plan(), first"
FIRST_BARE, CREATE, DIFF = "bare queries, first", "create_tables(safe=True)", "schema_diff"
SELECT = "SELECT 1"
GOALS = {"SQLite": 3.0, "PostgreSQL": 3.0, "MariaDB": 2.5}
GOAL_TABLES = 1000


def prepare(url: str, tables: int) -> list[Statement]:
    """Create the tables, and return the statements that `plan` sends when nothing is missing."""
    database, models = open_database(url), make_models(tables)
    bind(database, models)
    migrate(database, models)
    if isinstance(database, peewee.PostgresqlDatabase):
        database.execute_sql("VACUUM ANALYZE")  # as autovacuum would have done
    with recorded(database) as statements:
        todo = plan(database, models)
    database.close()
    if todo:
        raise SystemExit(f"there was something to do:\n{todo}")
    return statements


@contextmanager
def recorded(database: peewee.Database) -> Iterator[list[Statement]]:
    """Collect the statements that are sent through a database's `execute_sql`."""
    statements: list[Statement] = []
    send = database.execute_sql

    def execute_sql(sql: str, params: object = None, *rest: object) -> object:
        statements.append((sql, params))
        return send(sql, params, *rest)

    database.execute_sql = execute_sql
    try:
        yield statements
    finally:
        del database.execute_sql


def bare_queries(database: peewee.Database, statements: list[Statement]) -> Callable[[], object]:
    """Return a call that executes statements and fetches their rows."""
    return lambda: [database.execute_sql(*statement).fetchall() for statement in statements]


# What runs in a process of its own


def measure(url: str, tables: int, statements: list[Statement], rounds: int) -> dict[str, Seconds]:
    """Time the first plan, then all contestants in turn."""
    database, models = open_database(url), make_models(tables)
    bind(database, models)
    database.execute_sql(SELECT)
    contestants: dict[str, Callable[[], object]] = {
        PLAN: lambda: plan(database, models),
        BARE: bare_queries(database, statements),
        CREATE: lambda: database.create_tables(models, safe=True),
    }
    if diff_models:
        contestants[DIFF] = lambda: diff_models(database, models)
    contestants[SELECT] = lambda: database.execute_sql(SELECT).fetchall()
    first = timed(contestants[PLAN])
    return {FIRST: [first], **interleaved(contestants, rounds)}


def measure_first_bare(url: str, statements: list[Statement]) -> dict[str, Seconds]:
    """Time the bare queries in a new process and on a new connection."""
    database = open_database(url)
    database.execute_sql(SELECT)
    return {FIRST_BARE: [timed(bare_queries(database, statements))]}


def measure_memory(url: str, tables: int, statements: list[Statement] | None) -> tuple[int, int]:
    """Return the peak of Python's memory in bytes, and by how much that of the process grew,
    during a plan or, where given, during its statements.
    """
    database, models = open_database(url), make_models(tables)
    bind(database, models)
    call = bare_queries(database, statements) if statements else lambda: plan(database, models)
    before = _process_peak()
    call()
    grown = _process_peak() - before
    tracemalloc.start()
    call()
    return tracemalloc.get_traced_memory()[1], grown


def _process_peak() -> int:
    """Return the process's peak of resident memory in bytes, 0 where the system can't tell."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    peaks = [line.split()[1] for line in lines if line.startswith("VmHWM")]
    return int(peaks[0]) * 1024 if peaks else 0


# The table


def compare(
    url: str, name: str, tables: int, rounds: int, processes: int, memory: bool
) -> Iterator[Line]:
    """Measure one database at one size, and yield the lines of the table."""
    statements = prepare(url, tables)
    measured = _measured(url, tables, statements, rounds, processes)
    first_bare = united(
        [in_fresh_process(measure_first_bare, url, statements) for _ in range(processes)]
    )[FIRST_BARE]
    goal = GOALS[name] if tables >= GOAL_TABLES else None
    bare = measured[BARE]
    yield Line(f"{name}, {tables:,} tables")
    yield Line(f"  {BARE}: {len(statements)}", bare)
    yield Line(f"  {PLAN}", measured[PLAN], bare, goal)
    yield Line(f"  {FIRST_BARE} in the process", first_bare)
    yield Line(f"  {FIRST} in the process", measured[FIRST], first_bare, goal)
    yield Line(f"  {CREATE}", measured[CREATE], bare)
    if DIFF in measured:
        yield Line(f"  playhouse.{DIFF}", measured[DIFF], bare)
    if memory:
        for what, arguments in ((PLAN, None), (BARE, statements)):
            peak, grown = in_fresh_process(measure_memory, url, tables, arguments)
            text = f"{peak / 1e6:.1f} MB"
            yield Line(f"  memory of {what}, Python's peak", text=text)
            yield Line(f"  memory of {what}, growth of the process", text=f"{grown / 1e6:.1f} MB")
    if url.startswith("postgres"):
        with delayed(url) as far:
            yield from _over_network(
                _measured(far, tables, statements, rounds, 1), name, tables, rounds
            )


def _measured(
    url: str, tables: int, statements: list[Statement], rounds: int, processes: int
) -> dict[str, Seconds]:
    arguments = (url, tables, statements, rounds)
    return united([in_fresh_process(measure, *arguments) for _ in range(processes)])


def _over_network(
    measured: dict[str, Seconds], name: str, tables: int, rounds: int
) -> Iterator[Line]:
    created = measured[CREATE]
    yield Line(f"{name}, {tables:,} tables, 1 ms round trip")
    yield Line(f"  {SELECT}, the round trip as measured", measured[SELECT])
    yield Line(f"  {CREATE}", created)
    yield Line(f"  {PLAN}", measured[PLAN], created, 1.0)
    yield Line(f"  {FIRST} in the process", measured[FIRST], created, 1.0)
    if DIFF in measured:
        yield Line(f"  playhouse.{DIFF}", measured[DIFF], created)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--quick", action="store_true", help="a smoke run: one process, one round")
    options = parser.parse_args()
    rounds, processes = (1, 1) if options.quick else (9, 3)
    lines: list[Line] = []
    with main_postgres() as server, main_mysql() as mysql:
        for tables in options.tables:
            memory = tables == max(options.tables)
            with new_sqlite() as url:
                lines += compare(url, "SQLite", tables, rounds, processes, memory)
            with server.database() as url:
                lines += compare(url, "PostgreSQL", tables, rounds, processes, memory)
            if mysql:
                with mysql.database() as url:
                    lines += compare(url, "MariaDB", tables, rounds, processes, memory)
        print_machine(*(open_database(one.url) for one in (server, mysql) if one))
    print_table("nothing to do", lines)


if __name__ == "__main__":
    main()
