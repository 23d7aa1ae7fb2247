"""Creating 1,000 tables with their indexes from empty: `migrate()` against a script of the same
statements, sent through the driver in one transaction, and against `create_tables`.

    python -m benchmarks.first_run [--tables 1000] [--quick]

Every run starts from a database of its own, empty, on a new connection. The script is not timed
while it is written: its statements are those that `plan` printed before.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from functools import partial

import peewee

from benchmarks.measuring import (
    Line,
    Seconds,
    bind,
    make_models,
    new_sqlite,
    open_database,
    print_machine,
    print_table,
    run_script,
    timed,
)
from peewee_automigrate import migrate, plan
from tests.support.mysql_servers import main_mysql
from tests.support.servers import main_postgres

SCRIPT, OURS, CREATE = "a script in one transaction", "migrate()", "create_tables()"
IN_ONE = "create_tables() in one transaction"
GOALS = {"SQLite": 1.5, "PostgreSQL": 1.5, "MariaDB": 2.0}
GOAL_TABLES = 1000
Fresh = Callable[[], AbstractContextManager[str]]


def measure(fresh: Fresh, tables: int, rounds: int) -> tuple[int, dict[str, Seconds]]:
    """Time the contestants in turn; return the number of statements, and the times."""
    models = make_models(tables)
    with fresh() as url, closing(open_database(url)) as database:
        bind(database, models)
        statements = plan(database, models).sql()
    measured: dict[str, Seconds] = {}
    for _ in range(rounds):
        for name, work in contestants(models, statements).items():
            with fresh() as url, closing(open_database(url)) as database:
                bind(database, models)
                seconds = timed(partial(work, database))
                measured.setdefault(name, []).append(seconds)
                if plan(database, models):
                    raise SystemExit(f"{name}: there is something left to do")
    return len(statements), measured


def contestants(
    models: list[type[peewee.Model]], statements: list[str]
) -> dict[str, Callable[[peewee.Database], object]]:
    """Return what is to be timed, by name."""

    def in_one_transaction(database: peewee.Database) -> None:
        with database.atomic():
            database.create_tables(models)

    return {
        SCRIPT: lambda database: run_script(database, statements),
        OURS: lambda database: migrate(database, models),
        CREATE: lambda database: database.create_tables(models),
        IN_ONE: in_one_transaction,
    }


def lines_of(
    name: str, tables: int, statements: int, measured: dict[str, Seconds]
) -> Iterator[Line]:
    base = measured[SCRIPT]
    yield Line(f"{name}, {tables:,} tables, {statements:,} statements")
    yield Line(f"  {SCRIPT}", base)
    yield Line(f"  {OURS}", measured[OURS], base, GOALS[name] if tables >= GOAL_TABLES else None)
    yield Line(f"  {CREATE}", measured[CREATE], base)
    yield Line(f"  {IN_ONE}", measured[IN_ONE], base)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=int, default=1000)
    parser.add_argument("--quick", action="store_true", help="a smoke run: one round")
    options = parser.parse_args()
    rounds, tables = (1 if options.quick else 3), options.tables
    lines: list[Line] = []
    with main_postgres() as server:
        for name, fresh in (("SQLite", new_sqlite), ("PostgreSQL", server.database)):
            lines += lines_of(name, tables, *measure(fresh, tables, rounds))
        with main_mysql() as mysql:
            if mysql:
                lines += lines_of("MariaDB", tables, *measure(mysql.database, tables, rounds))
            print_machine(*(open_database(one.url) for one in (server, mysql) if one))
    print_table("from empty", lines)


if __name__ == "__main__":
    main()
