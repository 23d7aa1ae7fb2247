"""SIGKILL, at every statement and at random moments; then the next run has to complete."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2

from peewee_automigrate import migrate, plan
from tests.support import catalogue
from tests.support.crew import Crew, Worker
from tests.support.places import ROWS, Places, advisory_locks, ask, facts, is_sqlite, old_rows
from tests.support.rounds import ONLINE, order, undisturbed
from tests.support.workers import database_of, second

BUILDING = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'CREATE%INDEX CONCURRENTLY%'"


def statements(crew: Crew, places: Places, *, grown: bool, writes: bool, rows: int = ROWS) -> int:
    """Count the statements that an undisturbed migration sends, those that write or all."""
    with places.given(grown, rows) as url:
        kill = {"statement": 0, "when": "before", "writes": writes}
        return int(crew.do(order(url, kill=kill))["statements"])


def kill_at(
    crew: Crew,
    places: Places,
    statement: int,
    when: str,
    *,
    grown: bool,
    writes: bool,
    rows: int = ROWS,
    elsewhere: Callable[[str], str] = str,
) -> list[str]:
    """Kill a migration before or after its n-th statement; say what is wrong after the next run,
    over the URL that ``elsewhere`` makes of the first one's.
    """
    wanted = undisturbed(crew, places, grown)
    with places.given(grown, rows) as url:
        worker = crew.take(1)[0]
        kill = {"statement": statement, "when": when, "writes": writes}
        worker.begin(order(url, kill=kill))
        found = [] if worker.answer() is None else ["it was not killed"]
        crew.take(1)  # the next one starts meanwhile
        return [
            f"{when} statement {statement}: {line}"
            for line in found + after(elsewhere(url), wanted, rows)
        ]


def kill_randomly(crew: Crew, places: Places, seconds: float, *, grown: bool) -> list[str]:
    """Kill a migration at some moment within so many seconds; say what is wrong afterwards."""
    wanted = undisturbed(crew, places, grown)
    with places.given(grown) as url:
        worker = crew.take(1)[0]
        worker.begin(order(url))
        moment = random.uniform(0, seconds)
        time.sleep(moment)
        stop(worker)
        crew.take(1)
        return [f"after {moment:.3f} s: {line}" for line in after(url, wanted)]


def kill_while_building(crew: Crew, places: Places, seconds: float) -> list[str]:
    """Kill a migration while it builds an index online, which the server goes on to build.

    An older snapshot holds the build up; it ends ``seconds`` after the next run has begun.
    """
    wanted = undisturbed(crew, places, True)
    with places.grown() as url, snapshot(url) as holder:
        worker, second_worker = crew.take(2)
        worker.begin(order(url))
        wait_for(url, BUILDING)
        stop(worker)
        second_worker.begin(order(url))
        time.sleep(seconds)
        holder.rollback()
        answer = second_worker.answer()
        found = [] if answer and not answer["error"] else [f"the next run: {answer}"]
        return [f"while it builds: {line}" for line in found + after(url, wanted)]


def after(url: str, wanted: catalogue.Facts, rows: int = ROWS) -> list[str]:
    """Run again, and say what is wrong then: an error, a difference, a lost row, a lock."""
    database = database_of(url)
    with database.connection_context():
        grown = database.table_exists("post") and bool(old_rows(database)[0])
        try:
            migrate(database, second(database), **ONLINE)
        except Exception as error:
            return [f"the next run failed: {type(error).__name__}: {error}"]
        found = [f"then still to do: {step}" for step in plan(database, second(database)).steps]
        if grown:
            found += changed(database, rows) + unfilled(database, rows)
        if is_sqlite(database):
            check = database.execute_sql("PRAGMA integrity_check").fetchone()[0]
            found += [] if check == "ok" else [f"integrity_check: {check}"]
    if (stands := facts(url)) != wanted:
        found.append(f"the catalogue differs: {sorted(map(str, stands ^ wanted))}")
    if locks := advisory_locks(url):
        found.append(f"{locks} advisory locks are left")
    return found


def changed(database: Any, rows: int) -> list[str]:
    """Say whether the old rows are no longer those that `fill` wrote."""
    numbers = range(1, rows + 1)
    written = [[(i, f"author {i}") for i in numbers], [(i, f"post {i}", i % 10) for i in numbers]]
    return [] if old_rows(database) == written else ["rows were lost or changed"]


def unfilled(database: Any, rows: int) -> list[str]:
    """Say which new columns do not hold what they should."""
    sql = """SELECT count(*), count(DISTINCT token), sum(age),
             sum(CASE WHEN share = 'it''s' THEN 1 ELSE 0 END) FROM author"""
    row = tuple(database.execute_sql(sql).fetchone())
    return [] if row == (rows,) * 4 else [f"columns are not filled: {row}"]


@contextmanager
def snapshot(url: str) -> Iterator[Any]:
    """Hold a snapshot and no table's lock, until the block ends or the connection rolls back."""
    with closing(psycopg2.connect(url, application_name="snapshot")) as connection:
        connection.set_session(isolation_level="REPEATABLE READ")
        connection.cursor().execute("SELECT 1 FROM pg_catalog.pg_class LIMIT 1")
        yield connection


def wait_for(url: str, query: str, seconds: float = 30.0) -> list[tuple[Any, ...]]:
    """Return the rows of a query as soon as it has any."""
    deadline = time.monotonic() + seconds
    if url.startswith("postgres"):
        query += " AND pid <> pg_backend_pid() AND datname = current_database()"
    while not (rows := ask(url, query)):
        assert time.monotonic() < deadline, f"never true: {query}"
        time.sleep(0.02)
    return rows


def stop(worker: Worker) -> None:
    """Kill a worker, whatever it does, and wait for its end."""
    worker.kill()
    worker.close()


def wait_stopped(worker: Worker, seconds: float = 30.0) -> None:
    """Wait until a worker has paused itself."""
    deadline = time.monotonic() + seconds
    while (
        state := Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()[0]
    ) != "T":
        assert time.monotonic() < deadline and state != "Z", "it never paused"
        time.sleep(0.02)
