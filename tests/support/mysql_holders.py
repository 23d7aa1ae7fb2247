"""Other clients of MariaDB or MySQL, which may hold a lock, and how a test names them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from peewee import Database

from peewee_automigrate.dialects.mysql.session import lock_name
from tests.support.mysql_servers import MysqlServer
from tests.support.workers import database_of

SHORT: dict[str, Any] = {"lock_timeout": 0.5, "lock_wait": 1.5}
WAITING = """
    SELECT id FROM information_schema.processlist
    WHERE db = DATABASE() AND state LIKE '%metadata lock%'"""


@contextmanager
def session(url: str, *statements: str, **options: Any) -> Iterator[Any]:
    """Give an open connection, which has sent the statements and never waits for long."""
    with closing(database_of(url, **{"read_timeout": 30, **options})) as database:
        database.connect()
        for statement in statements:
            database.execute_sql(statement)
        yield database


def holding(url: str, *statements: str) -> Any:
    """Hold what the statements lock, in an open transaction of another client."""
    return session(url, "BEGIN", *statements)


def impatient(url: str) -> Any:
    """Give a connection that fails when it waits, so that a test never hangs."""
    return session(url, read_timeout=10)


def number_of(database: Database) -> int:
    return int(database.execute_sql("SELECT CONNECTION_ID()").fetchone()[0])


def take_lock(url: str) -> str:
    return f"SELECT GET_LOCK('{lock_name(MysqlServer.name_of(url))}', 0)"
