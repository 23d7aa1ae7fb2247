"""Fresh databases: empty, or with the tables and rows of the first release; gone at the end.

Enters: a server, or a folder for SQLite. Leaves: URLs.
"""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg2
from peewee import Database, SqliteDatabase

from tests import catalogue
from tests.servers import Server
from tests.workers import database_of, fill

ROWS = 60


class Places:
    """Databases of one kind, "sqlite" or "postgres"."""

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

    def given(self, grown: bool) -> Any:
        """Give a database of either sort."""
        return self.grown() if grown else self.empty()

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
        name = f"chaos_{uuid.uuid4().hex}"
        if self.server is None:
            path = self.folder / f"{name}.db"
            if template:
                shutil.copy(template.removeprefix("sqlite:///"), path)
            return f"sqlite:///{path}"
        base = _name(template) if template else "template0"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {base}")
        return re.sub(r"(://[^/?]*)(/[^?]*)?", rf"\1/{name}", self.server.url, count=1)

    def _drop(self, url: str) -> None:
        if self.server is None:
            path = url.removeprefix("sqlite:///")
            for tail in ("", "-journal", "-wal", "-shm"):
                with suppress(FileNotFoundError):
                    Path(path + tail).unlink()
        else:
            self._execute(f"DROP DATABASE IF EXISTS {_name(url)} WITH (FORCE)")

    def _execute(self, statement: str) -> None:
        assert self.server is not None
        with closing(psycopg2.connect(self.server.url)) as connection:
            connection.autocommit = True
            connection.cursor().execute(statement)


def _name(url: str) -> str:
    return re.sub(r".*://[^/]*/([^?]*).*", r"\1", url)


def facts(url: str) -> catalogue.Facts:
    """Read all that stands in the schema of a database."""
    database = database_of(url)
    with database.connection_context():
        return catalogue.facts(database)


def ask(url: str, sql: str) -> list[tuple[Any, ...]]:
    """Run a statement on a connection of its own, and return its rows."""
    if url.startswith("sqlite"):
        database = database_of(url)
        with database.connection_context():
            return list(database.execute_sql(sql).fetchall())
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(sql)
        return list(cursor.fetchall()) if cursor.description else []


def advisory_locks(url: str) -> int:
    """Count the advisory locks that somebody holds in a database."""
    sql = """SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (
             SELECT oid FROM pg_database WHERE datname = current_database())"""
    return 0 if url.startswith("sqlite") else int(ask(url, sql)[0][0])


def old_rows(database: Database) -> list[list[tuple[Any, ...]]]:
    """Return the rows of the first release's tables, in its columns."""
    queries = ("SELECT id, name FROM author", "SELECT id, title, length FROM post")
    return [sorted(database.execute_sql(query).fetchall()) for query in queries]


def is_sqlite(database: Database) -> bool:
    return isinstance(database, SqliteDatabase)
