"""Other clients of a database: what they hold, what an error calls them, and how they end.

Enters: URLs. Leaves: open connections. What differs between the databases stands in `KINDS`.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from peewee import Database, MySQLDatabase, PeeweeException, SqliteDatabase

from peewee_automigrate.dialects.mysql.session import lock_name
from tests.support import kills
from tests.support.places import ask
from tests.support.servers import Server
from tests.support.workers import database_of

READ = "SELECT count(*) FROM post"
WRITE = "UPDATE post SET length = 1 WHERE id = 1"
SHORT: dict[str, Any] = {"lock_timeout": 0.2, "lock_wait": 1.0}


@dataclass(frozen=True)
class Kind:
    """How the clients of one kind of database meet.

    ``number`` asks for the session's own number. ``idle`` and ``busy`` are what an error calls a
    client that does nothing and a migrator at work. ``waiting`` asks who waits for a table,
    ``others`` who else is there. ``exclusive`` keeps all others from tables, whose names have
    ``between`` between them, and ``migration_lock`` the other migrators. ``stops`` ends another
    session's connection, or its statement. ``usual`` are options of a connection, ``impatient``
    of one that fails when it waits. Nothing to do takes at most ``reads`` queries.
    """

    number: str = "SELECT 0"
    idle: str = "another connection"
    busy: str = "another connection"
    waiting: str = ""
    exclusive: tuple[str, ...] = ()
    between: str = ", "
    migration_lock: str = "BEGIN IMMEDIATE"
    others: str = ""
    stops: dict[str, str] = field(default_factory=dict)
    usual: dict[str, Any] = field(default_factory=dict)
    impatient: dict[str, Any] = field(default_factory=dict)
    reads: int = 2


KINDS = {
    "sqlite": Kind(
        exclusive=("BEGIN IMMEDIATE", "UPDATE post SET length = 1"),
        impatient={"timeout": 0},
    ),
    "postgres": Kind(
        number="SELECT pg_backend_pid()",
        idle="pid {} (report, idle in transaction for N s)",
        busy="pid {} (first, active for N s)",
        waiting="SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
        others="SELECT pid FROM pg_stat_activity WHERE pid <> {}",
        exclusive=("BEGIN", "LOCK TABLE {} IN ACCESS EXCLUSIVE MODE"),
        # In a transaction, so that the client is called the same whatever it holds.
        migration_lock=f"BEGIN; SELECT pg_advisory_lock({0x70656577}, 0)",
        stops={
            "connection": "SELECT pg_terminate_backend({})",
            "statement": "SELECT pg_cancel_backend({})",
        },
        usual={"application_name": "report"},
        impatient={"options": "-c statement_timeout=3000"},
        reads=3,  # the outlines, and two for the tables that these can't settle
    ),
    "mysql": Kind(
        number="SELECT CONNECTION_ID()",
        idle="connection {} (root@localhost, Sleep for N s)",
        busy="connection {} (root@localhost, Query for N s)",
        waiting="""SELECT id FROM information_schema.processlist
                   WHERE db = DATABASE() AND state LIKE '%metadata lock%'""",
        others="""SELECT id FROM information_schema.processlist
                  WHERE db = DATABASE() AND id NOT IN ({}, CONNECTION_ID())""",
        exclusive=("LOCK TABLES {} WRITE",),
        between=" WRITE, ",
        migration_lock="SELECT GET_LOCK('{lock_name}', 0)",
        stops={"connection": "KILL CONNECTION {}", "statement": "KILL QUERY {}"},
        usual={"read_timeout": 30},
        impatient={"read_timeout": 5},
        reads=3,
    ),
}


def on(*kinds: str) -> pytest.MarkDecorator:
    """Run a test on these kinds of databases, of all that the fixture `kind` knows."""
    return pytest.mark.parametrize("kind", kinds, indirect=True)


def kind_of(where: str | Database) -> Kind:
    """Return the kind of a URL's database, or of a database object."""
    return KINDS[name_of_kind(where)]


def name_of_kind(where: str | Database) -> str:
    if isinstance(where, str):
        return where.partition(":")[0].replace("postgresql", "postgres")
    kinds = {SqliteDatabase: "sqlite", MySQLDatabase: "mysql", Database: "postgres"}
    return next(name for kind, name in kinds.items() if isinstance(where, kind))


@contextmanager
def session(url: str, *statements: str, **options: Any) -> Iterator[Database]:
    """Give an open connection, which has sent the statements."""
    with closing(database_of(url, **{**kind_of(url).usual, **options})) as database:
        database.connect()
        for statement in statements:
            database.execute_sql(statement)
        try:
            yield database
        finally:
            release(database)


@contextmanager
def holding(url: str, *statements: str, begin: str = "BEGIN") -> Iterator[Database]:
    """Hold what the statements lock, in an open transaction of another client."""
    with session(url, begin, *statements) as database:
        yield database


@contextmanager
def impatient(url: str, **options: Any) -> Iterator[Database]:
    """Give a connection that fails when it waits, so that a test never hangs."""
    with session(url, **kind_of(url).impatient, **options) as database:
        yield database


def release(database: Database) -> None:
    """End the transaction, if there is one."""
    if not database.is_closed():
        with suppress(PeeweeException):  # no transaction, or the connection is lost
            database.execute_sql("ROLLBACK")


def exclusive(url: str, *tables: str) -> list[str]:
    """Return the statements that keep all others from some tables."""
    kind = kind_of(url)
    return [statement.format(kind.between.join(tables)) for statement in kind.exclusive]


def migration_lock(url: str) -> str:
    """Return the statement that takes the lock between the migrators of a database."""
    return kind_of(url).migration_lock.format(lock_name=lock_name(Server.name_of(url)))


def number_of(database: Database) -> int:
    """Read: return what the server numbers this connection with."""
    return int(database.execute_sql(kind_of(database).number).fetchone()[0])


def who(database: Database) -> str:
    """Read: return what an error calls this client, when it only holds something."""
    return kind_of(database).idle.format(number_of(database))


def waiting(url: str) -> int:
    """Return the number of the session that waits for a table, as soon as one does."""
    ((number,),) = kills.wait_for(url, kind_of(url).waiting)
    return int(number)


def others(database: Database, url: str) -> list[int]:
    """Return the numbers of the other sessions with a database, as soon as there are any."""
    query = kind_of(url).others.format(number_of(database))
    return [int(number) for (number,) in kills.wait_for(url, query)]


def stop(url: str, number: int, what: str = "connection") -> None:
    """Write: end a session's connection, or stop its statement."""
    ask(url, kind_of(url).stops[what].format(number))


@contextmanager
def waiting_alter(url: str) -> Iterator[None]:
    """Let somebody's ALTER TABLE wait for a reader."""
    alter = "ALTER TABLE post ADD COLUMN by_hand integer"
    with ThreadPoolExecutor(1) as pool:
        with holding(url, READ):
            altered = pool.submit(ask, url, alter)
            waiting(url)
            yield
        altered.result(30.0)


@contextmanager
def user(url: str, grants: str) -> Iterator[str]:
    """Give the URL of a user who has these rights in the database and no others."""
    name, schema = f"u_{uuid.uuid4().hex[:20]}", Server.name_of(url)
    is_mysql = url.startswith("mysql")
    names = [f"{name}@'%'", f"{name}@'localhost'"] if is_mysql else [name]
    create = "CREATE USER {}" if is_mysql else "CREATE ROLE {} LOGIN"
    grant = f"GRANT {grants} ON {schema}.* TO {{}}" if is_mysql else f"GRANT {grants} TO {{}}"
    drop = "DROP USER {}" if is_mysql else "DROP OWNED BY {0}; DROP ROLE {0}"
    try:
        for one in names:
            ask(url, create.format(one))
            ask(url, grant.format(one) if grants else "SELECT 1")
        yield re.sub(r"://[^@/]*@", f"://{name}@", url)
    finally:
        for one in names:
            ask(url, drop.format(one))


def seconds_left_out(text: str) -> str:
    return re.sub(r"\d+(\.\d+)? s\b", "N s", text)
