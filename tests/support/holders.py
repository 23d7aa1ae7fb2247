"""Other clients that hold a lock as long as a block runs: of PostgreSQL, or of a SQLite file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2

from tests.support.workers import database_of


@contextmanager
def holding(url: str, *statements: str, name: str = "report") -> Iterator[Any]:
    """Hold what the statements lock, in an open transaction of another client."""
    with closing(psycopg2.connect(url, application_name=name)) as connection:
        for statement in statements:
            connection.cursor().execute(statement)
        yield connection
        connection.rollback()


@contextmanager
def reading(url: str) -> Iterator[Any]:
    """Hold a read lock of a SQLite file, which keeps others from committing."""
    database = database_of(url)
    with database.connection_context():
        cursor = database.execute_sql("SELECT id FROM post")
        cursor.fetchone()
        yield cursor
        cursor.close()


@contextmanager
def writing(url: str, begin: str = "BEGIN IMMEDIATE") -> Iterator[Any]:
    """Hold the write lock of a SQLite file, as another process would."""
    database = database_of(url)
    with database.connection_context():
        database.execute_sql(begin)
        yield database
        if database.connection().in_transaction:
            database.execute_sql("ROLLBACK")
