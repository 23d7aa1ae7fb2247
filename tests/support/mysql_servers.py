"""Real MariaDB and MySQL servers for tests and benchmarks.

The started server has a data folder of its own, listens on a socket in it and nowhere else, reads
no settings of the system, and is gone when its block ends.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import peewee
from playhouse.db_url import connect

from tests.support.servers import Server

MISSING = (
    "left out: all tests on MySQL and MariaDB, since no server is there. To run them: "
    "apt-get install mariadb-server, or TEST_MYSQL_URL=mysql://user:password@host/mysql"
)
# Nothing here outlives the run.
SETTINGS = (
    "--no-defaults",
    "--character-set-server=utf8mb4",
    "--collation-server=utf8mb4_general_ci",
    "--debug-no-sync",
    "--innodb-buffer-pool-size=64M",
    "--innodb-doublewrite=OFF",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-log-file-size=32M",
    "--max-connections=200",
    "--skip-log-bin",
    "--skip-name-resolve",
    "--skip-networking",
)
START_SECONDS = 60


class MysqlServer(Server):
    """A running MariaDB or MySQL; `url` leads to a database that stays."""

    def drop_database(self, url: str) -> None:
        """Drop the database of this URL, whoever is still connected to it."""
        name = self.name_of(url)
        with closing(connect(self.url, unquote_password=True)) as database:
            sql = "SELECT id FROM information_schema.processlist WHERE db = %s"
            for (session,) in database.execute_sql(sql, (name,)).fetchall():
                with suppress(peewee.PeeweeException):  # It has ended meanwhile.
                    database.execute_sql(f"KILL {session}")
            database.execute_sql("SET foreign_key_checks = 0")  # Of keys from another database.
            database.execute_sql(f"DROP DATABASE IF EXISTS {name}")

    def _create(self, name: str, template: str) -> None:
        """There are no templates."""
        with closing(connect(self.url, unquote_password=True)) as database:
            database.execute_sql(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")


@contextmanager
def main_mysql() -> Iterator[MysqlServer | None]:
    """Give the server of TEST_MYSQL_URL, or run the MariaDB of this system; None without either."""
    url = os.environ.get("TEST_MYSQL_URL")
    program = find_program("mariadbd")
    if url:
        yield MysqlServer("TEST_MYSQL_URL", url)
    elif program:
        with run_mariadb(program) as server:
            yield server
    else:
        yield None


@contextmanager
def run_mariadb(program: str, *more: str) -> Iterator[MysqlServer]:
    """Run a MariaDB of its own; ``more`` are settings."""
    with tempfile.TemporaryDirectory(prefix="mariadb-") as name:
        folder = Path(name)
        # A server that starts clears its folder for temporary files, other servers' files too.
        (folder / "tmp").mkdir()
        words = [*SETTINGS, f"--datadir={folder / 'data'}", f"--tmpdir={folder / 'tmp'}"]
        if os.geteuid() == 0:
            words.append("--user=root")
        _run_installer(words, folder)
        with (folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [
                    *(program, *words, *more),
                    *(f"--socket={folder / 's'}", f"--pid-file={folder / 'pid'}"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # An interrupt at the keyboard is for the tests alone.
            )
        try:
            # Peewee 3.17 asks for three bytes a letter unless told otherwise.
            url = f"mysql://root@localhost/mysql?unix_socket={folder / 's'}&charset=utf8mb4"
            _wait_until_started(process, url, folder)
            yield MysqlServer("mariadb", url)
        finally:
            process.terminate()
            try:
                process.wait(START_SECONDS)
            finally:
                process.kill()


def open_mysql(url: str) -> peewee.MySQLDatabase:
    """Return an open database, which knows MariaDB's way with JSON when it is that."""
    database = connect(url, unquote_password=True)
    database.connect()
    database.mariadb = database.server_version >= (10,)  # There is no MySQL 10.
    return database


def empty_mysql(database: peewee.MySQLDatabase) -> None:
    """Write: make the database anew, and the session too."""
    name = database.database
    database.execute_sql("SET foreign_key_checks = 0")  # Of keys from another database.
    database.execute_sql(f"DROP DATABASE IF EXISTS {name}")
    database.execute_sql(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    database.close()
    database.connect()


def find_program(name: str) -> str | None:
    """Return the path of a server's program; not everybody has /usr/sbin on the path."""
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin")))


def _run_installer(words: list[str], folder: Path) -> None:
    command = ["mariadb-install-db", *words, "--auth-root-authentication-method=normal"]
    with (folder / "log").open("ab") as log:
        subprocess.run(
            [*command, "--skip-test-db"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=True,
        )


def _wait_until_started(process: subprocess.Popen[bytes], url: str, folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            connect(url).connect()
            return
        except peewee.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((folder / "log").read_text()[-2000:]) from None
            time.sleep(0.05)
