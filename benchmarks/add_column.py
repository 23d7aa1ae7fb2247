"""Adding a NOT NULL column with a default to a large table: `migrate()` against the `ALTER TABLE`
that a person would write, and against `playhouse.migrate`.

    python -m benchmarks.add_column [--rows 1000000] [--quick]

Every run works on a copy of its own of one database, on a new connection that has run the same
query before. `migrate()` is timed with all that it does around the statement: it plans, takes
the lock, plans again, and reads the result back. What that costs does not depend on the rows.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from pathlib import Path

import peewee
import psycopg2
from playhouse import migrate as playhouse_migrate

from benchmarks.measuring import (
    Line,
    Seconds,
    open_database,
    print_machine,
    print_table,
    timed,
)
from peewee_automigrate import migrate
from tests.support.mysql_servers import main_mysql
from tests.support.servers import Server, main_postgres

Copies = Callable[[], AbstractContextManager[str]]
BY_HAND, OURS, PLAYHOUSE = "ALTER TABLE by hand", "migrate()", "playhouse.migrate.add_column"
STATEMENT = "ALTER TABLE person ADD COLUMN karma INTEGER NOT NULL DEFAULT 7"
COUNT = "SELECT count(*) FROM person"
GOAL = 3.0
GOAL_ROWS = 1_000_000
FILL = {
    "sqlite": "INSERT INTO person (name, email) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL"
    " SELECT i + 1 FROM n WHERE i < {rows}) SELECT 'name ' || i, i || '@example.org' FROM n",
    "postgresql": "INSERT INTO person (name, email) SELECT 'name ' || i, i || '@example.org'"
    " FROM generate_series(1, {rows}) AS i",
    "mysql": "INSERT INTO person (name, email) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL"
    " SELECT i + 1 FROM n WHERE i < {rows}) SELECT concat('name ', i), concat(i, '@example.org')"
    " FROM n",
}


class Before(peewee.Model):
    """The table as it stands."""

    name = peewee.CharField()
    email = peewee.CharField(index=True)

    class Meta:
        table_name = "person"


class After(Before):
    """The table with the column."""

    karma = peewee.IntegerField(default=7)

    class Meta:
        table_name = "person"


def by_hand(database: peewee.Database) -> None:
    """Send the one statement."""
    instant = ", ALGORITHM=INSTANT" if isinstance(database, peewee.MySQLDatabase) else ""
    database.execute_sql(STATEMENT + instant)


def ours(database: peewee.Database) -> None:
    """Let `migrate` find out and do it."""
    migrate(database, [After])


def with_playhouse(database: peewee.Database) -> None:
    """Do as the documentation of playhouse.migrate says."""
    migrator = playhouse_migrate.SchemaMigrator.from_database(database)
    with database.atomic():
        playhouse_migrate.migrate(migrator.add_column("person", "karma", After.karma))


CONTESTANTS = {BY_HAND: by_hand, OURS: ours, PLAYHOUSE: with_playhouse}


def prepare(url: str, kind: str, rows: int) -> None:
    """Create and fill the table."""
    database = open_database(url)
    with database.bind_ctx([Before]):
        database.create_tables([Before])
        if kind == "mysql":
            database.execute_sql(f"SET SESSION max_recursive_iterations = {rows}")
        database.execute_sql(FILL[kind].format(rows=rows))
    if kind == "postgresql":
        database.execute_sql("VACUUM ANALYZE")
    database.close()


def measure(copies: Copies, rounds: int, rows: int, budget: float) -> dict[str, Seconds]:
    """Time the contestants in turn, each on a copy; check the rows afterwards.

    One that has used up its budget of seconds sits out the rounds from the third on.
    """
    measured: dict[str, Seconds] = {name: [] for name in CONTESTANTS}
    for number in range(rounds):
        for name, work in CONTESTANTS.items():
            if number > 1 and sum(measured[name]) > budget:
                continue
            with copies() as url, closing(open_database(url)) as database:
                database.execute_sql(COUNT).fetchall()
                measured[name].append(timed(partial(work, database)))
                filled = database.execute_sql(f"{COUNT} WHERE karma = 7").fetchone()[0]
                if filled != rows:
                    raise SystemExit(f"{name}: {filled:,} rows of {rows:,} have the default")
    return measured


@contextmanager
def sqlite_copies(rows: int) -> Iterator[Copies]:
    """Give a function that copies a filled SQLite file."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        source = Path(folder, "source.db")
        prepare(f"sqlite:///{source}", "sqlite", rows)

        @contextmanager
        def copy() -> Iterator[str]:
            target = shutil.copy(source, Path(folder, "copy.db"))
            yield f"sqlite:///{target}"
            Path(target).unlink()

        yield copy


@contextmanager
def postgres_copies(server: Server, rows: int) -> Iterator[Copies]:
    """Give a function that copies a filled database of the server."""
    with server.database() as source:
        prepare(source, "postgresql", rows)
        name = source.partition("?")[0].rpartition("/")[2]
        target = f"{name}_copy"

        def run(statement: str) -> None:
            with closing(psycopg2.connect(server.url)) as connection:
                connection.autocommit = True
                connection.cursor().execute(statement)

        @contextmanager
        def copy() -> Iterator[str]:
            run(f"CREATE DATABASE {target} TEMPLATE {name}")
            try:
                yield source.replace(name, target)
            finally:
                run(f"DROP DATABASE {target} WITH (FORCE)")

        yield copy


@contextmanager
def mysql_copies(server: Server, rows: int) -> Iterator[Copies]:
    """Give a function that copies a filled table into a database of its own."""
    with server.database() as source:
        prepare(source, "mysql", rows)
        name = source.partition("?")[0].rpartition("/")[2]

        @contextmanager
        def copy() -> Iterator[str]:
            with server.database() as target:
                with closing(open_database(target)) as database:
                    database.execute_sql(f"CREATE TABLE person LIKE {name}.person")
                    database.execute_sql(f"INSERT INTO person SELECT * FROM {name}.person")
                yield target

        yield copy


def lines_of(name: str, rows: int, measured: dict[str, Seconds]) -> Iterator[Line]:
    base = measured[BY_HAND]
    yield Line(f"{name}, {rows:,} rows")
    yield Line(f"  {BY_HAND}", base)
    yield Line(f"  {OURS}", measured[OURS], base, GOAL if rows >= GOAL_ROWS else None)
    yield Line(f"  {PLAYHOUSE}", measured[PLAYHOUSE], base)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--quick", action="store_true", help="a smoke run: one round")
    options = parser.parse_args()
    rounds, rows = (1 if options.quick else 7), options.rows
    lines: list[Line] = []
    with main_postgres() as server:
        with sqlite_copies(rows) as copies:
            lines += lines_of("SQLite", rows, measure(copies, rounds, rows, 5.0))
        with postgres_copies(server, rows) as copies:
            lines += lines_of("PostgreSQL", rows, measure(copies, rounds, rows, 5.0))
        with main_mysql() as mysql:
            servers = [open_database(one.url) for one in (server, mysql) if one]
            if mysql:
                with mysql_copies(mysql, rows) as copies:
                    lines += lines_of("MariaDB", rows, measure(copies, rounds, rows, 5.0))
            print_machine(*servers)
    print_table("a NOT NULL column with a default", lines)


if __name__ == "__main__":
    main()
