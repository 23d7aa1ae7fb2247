"""Fresh databases: empty, or with the tables and rows of the first release; gone at the end.

Enters: a server, or a folder for SQLite. Leaves: URLs.
"""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg2
from peewee import Database, OperationalError, SqliteDatabase

from peewee_automigrate.dialects.mysql import lease
from peewee_automigrate.dialects.mysql.session import lock_name
from tests.support import catalogue
from tests.support.servers import Server
from tests.support.workers import database_of, fill

ROWS = 60


class Places:
    """Databases of one kind: "sqlite", "postgres" or "mysql"."""

    def __init__(self, kind: str, server: Server | None, folder: Path) -> None:
        self.kind = kind
        self.server = server
        self.folder = folder
        self._templates: dict[int, str] = {}
        self._expected: dict[object, catalogue.Facts] = {}

    @contextmanager
    def empty(self) -> Iterator[str]:
        """Give the URL of an empty database that exists as long as the block runs."""
        url = self._create(None)
        try:
            yield url
        finally:
            self._drop(url)

    @contextmanager
    def grown(self, rows: int = ROWS) -> Iterator[str]:
        """Give the URL of a database with this many rows in each table of the first release."""
        if rows not in self._templates:
            self._templates[rows] = self._create(None)
            fill(database_of(self._templates[rows]), rows)
        url = self._create(self._templates[rows])
        try:
            yield url
        finally:
            self._drop(url)

    def given(self, grown: bool, rows: int = ROWS) -> Any:
        """Give a database of either sort."""
        return self.grown(rows) if grown else self.empty()

    def expected(self, grown: bool, migrate: Callable[[str], object]) -> catalogue.Facts:
        """Return what stands after ``migrate(url)``, undisturbed."""
        if grown not in self._expected:
            with self.given(grown) as url:
                migrate(url)
                self._expected[grown] = facts(url)
        return self._expected[grown]

    def close(self) -> None:
        for url in self._templates.values():
            self._drop(url)

    def _create(self, template: str | None) -> str:
        if self.server is None:
            path = self.folder / f"{uuid.uuid4().hex}.db"
            if template:
                shutil.copy(template.removeprefix("sqlite:///"), path)
            return f"sqlite:///{path}"
        if self.kind == "mysql":
            return self._copy_mysql(template)
        return self.server.create_database(Server.name_of(template) if template else "template0")

    def _copy_mysql(self, template: str | None) -> str:
        """The server copies no database, only tables, and these without their foreign keys."""
        assert self.server is not None
        url = self.server.create_database()
        if template:
            base = Server.name_of(template)
            for (table,) in ask(template, "SHOW TABLES"):
                ask(url, f"CREATE TABLE {table} LIKE {base}.{table}")
                ask(url, f"INSERT INTO {table} SELECT * FROM {base}.{table}")
        return url

    def _drop(self, url: str) -> None:
        if self.kind == "mysql":
            assert self.server is not None
            _insist(self.server.drop_database, url)
        elif self.server is None:
            path = url.removeprefix("sqlite:///")
            for tail in ("", "-journal", "-wal", "-shm"):
                with suppress(FileNotFoundError):
                    Path(path + tail).unlink()
        else:
            self.server.drop_database(url)


def _insist(work: Callable[[str], None], url: str) -> None:
    """Try again when a session ends by itself before it is ended."""
    deadline = time.monotonic() + 30.0
    while True:
        try:
            return work(url)
        except OperationalError:
            if time.monotonic() > deadline:
                raise


def facts(url: str) -> catalogue.Facts:
    """Read all that stands in the schema of a database."""
    database = database_of(url)
    with database.connection_context():
        return catalogue.facts(database)


def ask(url: str, sql: str) -> list[tuple[Any, ...]]:
    """Run a statement on a connection of its own, and return its rows."""
    if not url.startswith("postgres"):
        database = database_of(url)
        with database.connection_context():
            return catalogue.ask(database, sql)
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(sql)
        return list(cursor.fetchall()) if cursor.description else []


def advisory_locks(url: str) -> int:
    """Count the locks between migrators that somebody holds in a database."""
    if url.startswith("sqlite"):
        return 0
    sql = """SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (
             SELECT oid FROM pg_database WHERE datname = current_database())"""
    if url.startswith("mysql"):
        sql = f"SELECT IS_USED_LOCK('{lock_name(Server.name_of(url))}') IS NOT NULL"
        if ask(url, f"SHOW TABLES LIKE '{lease.TABLE}'"):
            sql = f"SELECT count(*) FROM {lease.TABLE} WHERE id = 1"
    return int(ask(url, sql)[0][0])


def old_rows(database: Database) -> list[list[tuple[Any, ...]]]:
    """Return the rows of the first release's tables, in its columns."""
    queries = ("SELECT id, name FROM author", "SELECT id, title, length FROM post")
    return [sorted(database.execute_sql(query).fetchall()) for query in queries]


def is_sqlite(database: Database) -> bool:
    return isinstance(database, SqliteDatabase)
