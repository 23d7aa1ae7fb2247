"""Every statement that a driver is given, recorded below Peewee."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2.extensions
import pymysql.cursors
from peewee import Database, MySQLDatabase, SqliteDatabase


@contextmanager
def recorded(database: Database) -> Iterator[list[str]]:
    """Give a list that gets the statements of the block; the connection must be open."""
    sent: list[str] = []
    connection = database.connection()
    if isinstance(database, SqliteDatabase):

        def note(sql: str) -> None:
            # SQLite marks so what it sends to itself: https://www.sqlite.org/c3ref/c_trace.html
            if not sql.startswith("--"):
                sent.append(sql)

        connection.set_trace_callback(note)
        yield sent
        connection.set_trace_callback(None)
        return

    if isinstance(database, MySQLDatabase):

        class MysqlRecorder(pymysql.cursors.Cursor):
            def execute(self, sql: str, params: Any = None) -> int:
                sent.append(self.mogrify(sql, params))
                return int(super().execute(sql, params))

        connection.cursorclass = MysqlRecorder
        yield sent
        connection.cursorclass = pymysql.cursors.Cursor
        return

    class Recorder(psycopg2.extensions.cursor):
        def execute(self, sql: Any, params: Any = None) -> None:
            sent.append(self.mogrify(sql, params).decode())
            super().execute(sql, params)

    connection.cursor_factory = Recorder
    yield sent
    connection.cursor_factory = psycopg2.extensions.cursor
