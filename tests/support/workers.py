"""The child programs: they migrate, write or read at one signal, and can be killed anywhere.

Run as `python -m tests.support.workers`. Lines come in and go out: an order (JSON) comes, "ready"
goes when the models are made, the signal comes, the answer (JSON) goes. `tests.support.crew` is the
other end.
"""

from __future__ import annotations

import json
import logging
import os
import random
import re
import select
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import peewee
from peewee import (
    CharField,
    Check,
    Database,
    DeferredForeignKey,
    ForeignKeyField,
    IntegerField,
    Model,
    MySQLDatabase,
    PostgresqlDatabase,
    SqliteDatabase,
    TextField,
    UUIDField,
)
from playhouse.db_url import parse

from peewee_automigrate import migrate
from peewee_automigrate.dialects import dialect_for
from peewee_automigrate.dialects.mysql import lease

try:
    from playhouse.postgres_ext import Psycopg3Database
except ImportError:  # Peewee 3 has it in a module of its own.
    from playhouse.psycopg3_ext import Psycopg3Database

POSTGRES = {"psycopg2": PostgresqlDatabase, "psycopg3": Psycopg3Database}
DOUBLED = """
    WITH RECURSIVE n(i) AS (
        SELECT 1 UNION ALL
        SELECT 2 * n.i + b.i FROM n JOIN (SELECT 0 AS i UNION ALL SELECT 1) AS b
        WHERE 2 * n.i + b.i <= %d
    )"""
LEASE = lease.SECONDS
WRITES = re.compile(r"\s*(ALTER|COMMENT|CREATE|DROP|UPDATE)", re.IGNORECASE)

Models = list[type[Model]]


def database_of(url: str, driver: str = "psycopg2", **options: Any) -> Database:
    """Make a closed database object; ``options`` are the driver's."""
    if url.startswith("sqlite"):
        options.pop("application_name", None)
        return SqliteDatabase(url.removeprefix("sqlite:///"), **options)
    kind = MySQLDatabase if url.startswith("mysql") else POSTGRES[driver]
    return kind(**parse(url, unquote_password=True), **options)


# The releases of one application. Each function gives the models of a release.


def model(database: Database, table: str, **fields: Any) -> type[Model]:
    """Make a model that is bound to the database."""
    options = {"database": database, "table_name": table, "indexes": fields.pop("indexes", ())}
    members = {**fields, "Meta": type("Meta", (), options)}
    made: type[Model] = type(Model)(table.capitalize(), (Model,), members)
    return made


def editor(database: Database, author: type[Model]) -> ForeignKeyField:
    """Make a foreign key with a default, which SQLite adds to no table with rows."""
    is_sqlite = isinstance(database, SqliteDatabase)
    return ForeignKeyField(author, null=is_sqlite, default=None if is_sqlite else 1)


def words(database: Database, **options: Any) -> CharField | TextField:
    """Make a field for any text; MySQL has no index of one without a length."""
    return (CharField if isinstance(database, MySQLDatabase) else TextField)(**options)


def first(database: Database) -> Models:
    """What stands before."""
    author = model(database, "author", name=CharField())
    return [author, model(database, "post", title=words(database), length=IntegerField())]


def second(database: Database) -> Models:
    """Something of every kind is new."""
    author = model(
        database,
        "author",
        name=CharField(index=True),
        motto=words(database, null=True),
        share=CharField(default="it's"),
        age=IntegerField(default=1, constraints=[Check("age > 0")]),
        token=UUIDField(default=uuid.uuid4, unique=True),
        indexes=((("name", "motto"), False),),
    )
    post = model(
        database,
        "post",
        title=words(database, unique=True),
        length=IntegerField(),
        writer=ForeignKeyField(author, null=True, on_delete="CASCADE"),
        editor=editor(database, author),
    )
    if not isinstance(database, MySQLDatabase):  # which has no partial indexes
        post.add_index(post.index(post.title, where=post.length > 5, name="long_posts"))
    comment = model(
        database,
        "comment",
        post=ForeignKeyField(post),
        by=ForeignKeyField(author),
        text=TextField(),
    )
    team = model(database, "team", lead=DeferredForeignKey("Player", null=True))
    player = model(database, "player", team=ForeignKeyField(team), nick=CharField(unique=True))
    return [author, post, comment, team, player]


def column(database: Database) -> Models:
    """One column is new."""
    author, post = first(database)
    post._meta.add_field("views", IntegerField(default=0))
    return [author, post]


def both(database: Database) -> Models:
    """One column is new in each table."""
    author, post = column(database)
    author._meta.add_field("views", IntegerField(default=0))
    return [author, post]


def child(database: Database) -> Models:
    """A table is new that refers to one that stands."""
    author, post = first(database)
    return [author, post, model(database, "comment", post=ForeignKeyField(post), text=TextField())]


def index(database: Database) -> Models:
    """One index is new."""
    author, _ = first(database)
    return [author, model(database, "post", title=words(database), length=IntegerField(index=True))]


def unique(database: Database) -> Models:
    """One unique index is new."""
    author, _ = first(database)
    return [
        author,
        model(database, "post", title=words(database, unique=True), length=IntegerField()),
    ]


def key(database: Database) -> Models:
    """A foreign key is new, in a column that every row gets a value for."""
    author, _ = first(database)
    fields = {"title": words(database), "length": IntegerField()}
    return [author, model(database, "post", **fields, editor=editor(database, author))]


def filled(database: Database) -> Models:
    """A column is new in which each row gets a value of its own."""
    author, _ = first(database)
    fields = {"title": words(database), "length": IntegerField()}
    return [author, model(database, "post", **fields, token=UUIDField(default=uuid.uuid4))]


def big(database: Database) -> Models:
    """Two columns, a unique index and a foreign key are new."""
    author, _ = first(database)
    fields = {
        "title": words(database, unique=True),
        "length": IntegerField(),
        "views": IntegerField(default=0),
        "editor": editor(database, author),
    }
    return [author, model(database, "post", **fields)]


RELEASES: dict[str, Callable[[Database], Models]] = {
    release.__name__: release
    for release in (first, second, column, both, child, index, unique, key, filled, big)
}


def fill(database: Database, rows: int) -> None:
    """Write: make the tables of the first release, with this many rows in each."""
    with database.connection_context():
        database.create_tables(first(database), safe=False)
        numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
        if isinstance(database, PostgresqlDatabase):
            numbers = "WITH n(i) AS (SELECT generate_series(1, %d))"
        if isinstance(database, MySQLDatabase):  # which goes a thousand times round at most
            numbers = DOUBLED
            database.execute_sql("SET SESSION sql_mode = concat(@@sql_mode, ',PIPES_AS_CONCAT')")
        insert = "INSERT INTO author (name) {} SELECT 'author ' || i FROM n ORDER BY i"
        database.execute_sql(insert.format(numbers % rows))
        insert = (
            "INSERT INTO post (title, length) {} SELECT 'post ' || i, i {} 10 FROM n ORDER BY i"
        )
        percent = "%%" if database.param == "%s" else "%"
        database.execute_sql(insert.format(numbers % rows, percent))


# What a worker can do. Each function makes ready, yields, and gives its answer after the signal.

Job = Iterator[dict[str, Any] | None]


def do_migrate(order: dict[str, Any]) -> Job:
    """Migrate to a release, and tell everything that came of it."""
    database = _opened(order)
    lease.SECONDS = order.get("lease", LEASE)
    models = RELEASES[order["release"]](database)
    answer: dict[str, Any] = {"log": [], "events": [], "error": None, "text": ""}
    if order.get("kill"):
        _kill_at(database, **order["kill"])
    ending = ENDINGS.get(order.get("terminated", ""))
    signal.signal(signal.SIGTERM, partial(_raise, ending) if ending else signal.SIG_DFL)
    options = order.get("options", {})
    if order.get("events"):
        options["on_step"] = lambda event: answer["events"].append(
            (event.state, event.phase, event.fraction, str(event.step))
        )
    yield None
    with _logged(answer["log"]):
        started = time.monotonic()
        try:
            report = migrate(database, models, **options)
            answer["applied"] = [str(step) for step in report.applied]
            answer["findings"] = [str(finding) for finding in report.findings]
            answer["waited"], answer["summary"] = report.waited, str(report)
        except BaseException as error:
            answer |= _described(error)
        answer["duration"] = time.monotonic() - started
    answer["statements"] = getattr(database, "statements", 0)
    answer["threads"] = threading.active_count()
    yield answer


ENDINGS = {"SystemExit": SystemExit, "KeyboardInterrupt": KeyboardInterrupt}


def _raise(kind: type[BaseException], *_: object) -> None:
    """What a handler of a signal does."""
    raise kind(7)


def do_write(order: dict[str, Any]) -> Job:
    """Insert and update rows as the first release does, until the next line comes."""
    database = _opened(order)
    _, post = first(database)
    number = 0

    def once() -> None:
        nonlocal number
        number += 1
        post.insert(title=f"written {os.getpid()} {number}", length=number % 10).execute()
        post.update(length=3).where(post.id == order.get("row", 2)).execute()

    yield None
    yield _repeated(once, database)


def do_read(order: dict[str, Any]) -> Job:
    """Read rows as the first release does, until the next line comes."""
    database = _opened(order)
    _, post = first(database)
    yield None
    yield _repeated(lambda: list(post.select().where(post.id < 20)), database)


def do_hold(order: dict[str, Any]) -> Job:
    """Take the migration lock again and again, and write down who is inside, at the start and at
    the end; a round is sometimes the last one. Tells of a row that is not as it should be.
    """
    database = _opened(order)
    lease.SECONDS = order.get("lease", LEASE)
    chance, me, found = random.Random(os.getpid()), f"{os.getpid()}", []
    yield None
    with database.connection_context():
        dialect = dialect_for(database)
        for _ in range(order["rounds"]):
            with dialect.migration_lock(order.get("seconds", 60.0), 3.0, lambda *_: None):
                who = dialect.rows("SELECT who FROM inside")[0][0]
                if who and _lives(int(who)):
                    found.append(f"{me} came in beside {who}")
                dialect.run(f"UPDATE inside SET who = '{me}', entries = entries + 1")
                time.sleep(chance.uniform(0.0, 0.05))
                if chance.random() < order.get("die", 0.0):
                    os.kill(os.getpid(), signal.SIGKILL)
                cursor = database.execute_sql("UPDATE inside SET who = '' WHERE who = %s", (me,))
                if cursor.rowcount != 1:
                    found.append(f"{me} was no longer inside")
    yield {"error": None, "found": found}


def _lives(pid: int) -> bool:
    """Tell whether a process runs, and is not only still to be waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _repeated(work: Callable[[], object], database: Database) -> dict[str, Any]:
    """Call again and again; tell how often, the longest time in seconds, and the errors."""
    answer: dict[str, Any] = {"count": 0, "longest": 0.0, "errors": []}
    with database.connection_context():
        while not select.select([sys.stdin], [], [], 0)[0]:
            started = time.monotonic()
            try:
                work()
            except peewee.PeeweeException as error:
                answer["errors"].append(str(error))
            answer["longest"] = max(answer["longest"], time.monotonic() - started)
            answer["count"] += 1
            time.sleep(0.001)
    sys.stdin.readline()
    return answer


def _opened(order: dict[str, Any]) -> Database:
    options = dict(order.get("connect", {}))
    if order["url"].startswith("postgres"):
        options["application_name"] = order.get("name", "worker")
    return database_of(order["url"], order.get("driver", "psycopg2"), **options)


def _described(error: BaseException) -> dict[str, Any]:
    return {
        "error": type(error).__name__,
        "text": str(error),
        "holder": getattr(error, "holder", None),
        "statement": getattr(error, "statement", None),
        "stays": [str(step) for step in getattr(error, "applied", ())],
        "undone": [str(step) for step in getattr(error, "rolled_back", ())],
    }


@contextmanager
def _logged(lines: list[str]) -> Iterator[None]:
    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    log, handler = logging.getLogger("peewee_automigrate"), Handler()
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    yield
    log.removeHandler(handler)


def _kill_at(
    database: Any, statement: int, when: str, writes: bool = True, by: int = signal.SIGKILL
) -> None:
    """Kill this process before or after its n-th statement, of those that write or of all, or
    pause it ``by`` SIGSTOP.

    With n = 0 nothing is killed; the statements are counted all the same.
    """
    send = database.execute_sql
    database.statements = 0

    def execute_sql(sql: str, *args: Any, **options: Any) -> Any:
        counts = bool(WRITES.match(sql)) or not writes
        database.statements += counts
        now = counts and database.statements == statement
        if now and when == "before":
            os.kill(os.getpid(), by)
        result = send(sql, *args, **options)
        if now and when == "after":
            os.kill(os.getpid(), by)
        return result

    database.execute_sql = execute_sql


JOBS: dict[str, Callable[[dict[str, Any]], Job]] = {
    "migrate": do_migrate,
    "write": do_write,
    "read": do_read,
    "hold": do_hold,
}


def main() -> None:
    for line in iter(sys.stdin.readline, ""):
        order = json.loads(line)
        job = JOBS[order["do"]](order)
        next(job)
        say("ready")
        if not sys.stdin.readline():
            return
        say(json.dumps(next(job)))


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
