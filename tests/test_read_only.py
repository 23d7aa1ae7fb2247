"""Where nothing can be written: nothing to do is quiet, work is refused in one line."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from peewee import Database, SqliteDatabase

from peewee_automigrate import MigrationFailed, migrate, plan
from tests.support.clients import on, session, user
from tests.support.places import ask, facts
from tests.support.project import Project
from tests.support.servers import Server, run_postgres
from tests.support.workers import database_of, fill, second

STANDBY = "the server is a hot standby, which only reads; migrate over a URL of its primary. "
READ_ONLY = "transactions of this role only read; set default_transaction_read_only off for it. "
FILE = "sqlite {} is read-only, by its URI, its rights or PRAGMA query_only; "
FILE += "migrate where it can be written. "
NOTHING = "Nothing was changed."


def refused(database: Database, words: str) -> None:
    """Assert that work is planned, and refused by these words."""
    assert plan(database, second(database)).steps
    with pytest.raises(MigrationFailed) as caught:
        migrate(database, second(database))
    assert str(caught.value) == words + NOTHING
    assert (caught.value.applied, caught.value.rolled_back) == ((), ())


def quiet(url: str) -> None:
    """Assert that nothing is to do, and is done."""
    database = database_of(url)
    assert not plan(database, second(database)).steps
    assert not migrate(database, second(database))


# PostgreSQL.


def as_owner(folder: Path, program: Path, *words: str) -> None:
    """Run a program of PostgreSQL's, which refuses to be run by root."""
    prefix = ["runuser", "-u", folder.owner(), "--"] if os.geteuid() == 0 else []
    command = [*prefix, str(program), *words]
    done = subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=90
    )
    assert done.returncode == 0, done.stdout.decode()


@contextmanager
def standby_of(primary: Server) -> Iterator[str]:
    """Run a hot standby; give the folder of its socket."""
    sql = "SELECT current_setting('data_directory'), current_setting('unix_socket_directories')"
    ((data, sockets),) = ask(primary.url, sql)
    ((programs,),) = ask(primary.url, "SELECT setting FROM pg_config WHERE name = 'BINDIR'")
    with tempfile.TemporaryDirectory(prefix="standby-") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            shutil.chown(folder, Path(data).owner())
        where = ["-h", sockets.split(",")[0], "-U", "postgres", "-D", name + "/data"]
        as_owner(folder, Path(programs, "pg_basebackup"), *where, "-R", "-c", "fast")
        control = ["-D", name + "/data", "-w", "-s", "-l", name + "/log"]
        as_owner(folder, Path(programs, "pg_ctl"), *control, "-o", f"-k {name} -h ''", "start")
        try:
            yield name
        finally:
            as_owner(folder, Path(programs, "pg_ctl"), *control, "-m", "immediate", "stop")


@pytest.fixture(scope="module")
def standby() -> Iterator[tuple[str, str]]:
    """The URLs of two databases on a hot standby: with work to do, and without."""
    with run_postgres("primary") as primary, primary.database() as url, primary.database() as done:
        for one in (url, done):
            fill(database_of(one), 60)
        migrate(database_of(done), second(database_of(done)))
        with standby_of(primary) as folder:
            names = map(Server.name_of, (url, done))
            first, other = (f"postgresql://postgres@/{name}?host={folder}" for name in names)
            yield first, other


@pytest.mark.postgres
def test_hot_standby_with_nothing_to_do_is_quiet(standby: tuple[str, str]) -> None:
    quiet(standby[1])


@pytest.mark.postgres
def test_hot_standby_with_work_is_refused_and_names_the_primary(standby: tuple[str, str]) -> None:
    refused(database_of(standby[0]), STANDBY)


@pytest.fixture
def role(url: str) -> Iterator[str]:
    """The URL of a superuser whose transactions only read."""
    name = f"r_{uuid.uuid4().hex[:20]}"
    ask(url, f"CREATE ROLE {name} LOGIN SUPERUSER")
    ask(url, f"ALTER ROLE {name} SET default_transaction_read_only = on")
    yield re.sub(r"://[^@/]*@", f"://{name}@", url)
    ask(url, f"DROP ROLE {name}")


@on("postgres")
def test_role_that_only_reads_is_refused_before_anything(role: str, url: str) -> None:
    before = facts(url)
    refused(database_of(role), READ_ONLY)
    assert facts(url) == before


@on("postgres")
def test_role_that_only_reads_is_quiet_with_nothing_to_do(role: str, done_url: str) -> None:
    quiet(role)


@on("postgres")
def test_transaction_that_only_reads_is_refused(url: str) -> None:
    with session(url) as database, database.atomic():
        database.execute_sql("SET TRANSACTION READ ONLY")
        with pytest.raises(MigrationFailed, match="transactions of this role only read"):
            migrate(database, second(database))


# MariaDB.


@pytest.fixture
def replica(mysql_url: str) -> Iterator[tuple[str, str]]:
    """The URLs of a server that is read_only: of one who may write all the same, and of a role
    that may do all in its database.
    """
    with user(mysql_url, "ALL PRIVILEGES") as role:
        fill(database_of(mysql_url), 60)
        ask(mysql_url, "SET GLOBAL read_only = 1")
        try:
            yield mysql_url, role
        finally:
            ask(mysql_url, "SET GLOBAL read_only = 0")


def test_mysql_that_is_read_only_is_refused(replica: tuple[str, str]) -> None:
    words = "the server is read_only, as a replica is; migrate over a URL of its primary. "
    before = facts(replica[0])
    refused(database_of(replica[1]), words)
    assert facts(replica[0]) == before


def test_mysql_that_is_read_only_is_quiet_with_nothing_to_do(replica: tuple[str, str]) -> None:
    database = database_of(replica[0])
    assert migrate(database, second(database))  # its role may write all the same
    quiet(replica[1])


@on("mysql")
def test_mysql_session_that_is_read_only_is_refused(url: str) -> None:
    with session(url, "SET SESSION TRANSACTION READ ONLY") as database:
        refused(database, "the session is READ ONLY; migrate over one that is READ WRITE. ")


# SQLite.


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize("option", ["mode=ro", "immutable=1"])
@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_file_that_is_read_only(url: str, option: str, journal: str) -> None:
    path = url.removeprefix("sqlite:///")
    ask(url, f"PRAGMA journal_mode = {journal}")
    before = facts(url)
    refused(SqliteDatabase(f"file:{path}?{option}", uri=True), FILE.format(f"file:{path}"))
    assert facts(url) == before
    migrate(database_of(url), second(database_of(url)))
    database = SqliteDatabase(f"file:{path}?{option}", uri=True)
    assert not migrate(database, second(database))


@on("sqlite")
def test_query_only_is_refused(url: str) -> None:
    database = SqliteDatabase(url.removeprefix("sqlite:///"), pragmas={"query_only": 1})
    before = facts(url)
    refused(database, FILE.format(database.database))
    assert facts(url) == before


@on("sqlite")
def test_query_only_is_quiet_with_nothing_to_do(done_url: str) -> None:
    database = SqliteDatabase(done_url.removeprefix("sqlite:///"), pragmas={"query_only": 1})
    assert not plan(database, second(database)).steps
    assert not migrate(database, second(database))


@on("sqlite")
def test_query_only_in_a_transaction_of_the_caller_is_refused(url: str) -> None:
    words = "is read-only, .* Nothing was changed.$"
    with (
        session(url, "PRAGMA query_only = 1") as database,
        database.atomic(),
        pytest.raises(MigrationFailed, match=words),
    ):
        migrate(database, second(database))


def test_command_line_says_it_in_one_line(project: Project) -> None:
    fill(database_of(project.url), 1)
    text = """
        from peewee import *
        db = SqliteDatabase(%r, pragmas={"query_only": 1})
        class Thing(db.Model):
            pass
    """
    project.module("app_query_only", text % str(project.file))
    result = project.run("migrate", "app_query_only")
    said = result.stderr.strip().split("\n")
    assert (result.exit_code, len(said)) == (4, 1)
    assert said[0] == "Error: " + FILE.format(project.file) + NOTHING
