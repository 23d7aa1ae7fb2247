"""Real databases as fixtures: a fresh one for each test, gone afterwards."""

from __future__ import annotations

import gc
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import peewee
import pytest
from hypothesis import is_hypothesis_test
from playhouse.db_url import connect

from tests.support.mysql_servers import MISSING, MysqlServer, main_mysql, open_mysql
from tests.support.project import Program, Project, Terminal, project_in
from tests.support.servers import Server, find_system_postgres, main_postgres, run_postgres
from tests.support.sqlite import PRAGMAS

pytest_plugins = ["tests.support.fixtures"]

# Its package is for these only, see setup.cfg.
HAS_OCEANBASE = sys.version_info >= (3, 11) and sys.platform == "linux"
collect_ignore = [] if HAS_OCEANBASE else ["test_oceanbase.py"]

SERVERS = ("postgres", "mysql", "galera")
KIND = re.compile(r"(postgres|mysql)\b")
SLOW = {"crew", "program", "terminal"}  # these start processes


def pytest_configure() -> None:
    signal.signal(signal.SIGTERM, end_run)
    # A shell starts what runs in the background with SIGINT ignored, and workers would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Mark each test with the servers that it needs, or "sqlite"; what takes long is "slow"."""
    for item in items:
        for name in needed_servers(item) or ["sqlite"]:
            item.add_marker(name)
        if SLOW.intersection(item.fixturenames) or is_property(item):
            item.add_marker("slow")


def pytest_collection_finish() -> None:
    """Look at thousands of collected tests once, and not at each collection of garbage."""
    gc.collect()
    gc.freeze()


def is_property(item: pytest.Function) -> bool:
    """Tell whether hypothesis runs a test with many examples."""
    return bool(is_hypothesis_test(item.obj))


def needed_servers(item: pytest.Function) -> list[str]:
    """Tell servers by the fixtures, by parameters such as "postgres", and by the module's name."""
    words = [item.path.stem, *item.fixturenames, *parameters(item)]
    return [name for name in SERVERS if any(name in word for word in words)]


def parameters(item: pytest.Function) -> list[str]:
    """Return those parameters of a test that are a kind of database."""
    values = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return [value for value in values if isinstance(value, str) and KIND.match(value)]


def end_run(*_: object) -> None:
    """End a terminated run as an interrupted one, so that the servers stop with it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    pytest.exit("terminated", returncode=128 + signal.SIGTERM)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if forbidden_skips(session.config):
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    count = forbidden_skips(config)
    if count:
        terminalreporter.line(
            f"FAILED: {count} skipped, and with CI set skips are failures", red=True
        )


def forbidden_skips(config: pytest.Config) -> int:
    """Count the skipped tests where CI is set; elsewhere a test may be skipped."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return len(reporter.stats.get("skipped", ())) if reporter and os.environ.get("CI") else 0


@pytest.fixture(autouse=True)
def without_database_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the developer's own settings, which the command line would use."""
    for name in ("DATABASE_URL", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


def expect_marker(request: pytest.FixtureRequest, name: str) -> None:
    """Fail where a server is asked for by a test that is not marked as needing it."""
    assert any(item.get_closest_marker(name) for item in request.session.items), name


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    expect_marker(request, "postgres")
    with main_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def system_postgres_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    expect_marker(request, "postgres")
    programs = find_system_postgres()
    if programs is None:
        pytest.skip("no PostgreSQL is installed on this system")
    with run_postgres("postgres-system", programs) as server:
        yield server


@pytest.fixture(scope="session")
def mysql_server(request: pytest.FixtureRequest) -> Iterator[MysqlServer]:
    expect_marker(request, "mysql")
    with main_mysql() as server:
        if server is None:
            pytest.skip(MISSING)
        yield server


@pytest.fixture
def mysql_url(mysql_server: MysqlServer) -> Iterator[str]:
    with mysql_server.database() as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: Server) -> Iterator[str]:
    with postgres_server.database() as url:
        yield url


@pytest.fixture
def postgres_system_url(system_postgres_server: Server) -> Iterator[str]:
    with system_postgres_server.database() as url:
        yield url


@pytest.fixture(params=["postgres", "postgres-system"])
def any_postgres_url(request: pytest.FixtureRequest) -> str:
    """The URL of a fresh database, on each of the two servers in turn."""
    url: str = request.getfixturevalue(request.param.replace("-", "_") + "_url")
    return url


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Iterator[peewee.SqliteDatabase]:
    """An open, empty SQLite file."""
    database = peewee.SqliteDatabase(str(tmp_path / "test.db"), pragmas=PRAGMAS)
    database.connect()
    yield database
    database.close()


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[peewee.PostgresqlDatabase]:
    """An open, empty PostgreSQL database, through psycopg2."""
    database = connect(postgres_url, unquote_password=True)
    database.connect()
    yield database
    database.close()


@pytest.fixture
def mysql_database(mysql_url: str) -> Iterator[peewee.MySQLDatabase]:
    """An open, empty MariaDB or MySQL database, through PyMySQL."""
    database = open_mysql(mysql_url)
    yield database
    database.close()


@pytest.fixture(params=["sqlite", "postgres"])
def transactional_database(request: pytest.FixtureRequest) -> peewee.Database:
    """An open, empty database, of each kind that can take DDL back."""
    return request.getfixturevalue(f"{request.param}_database")


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
def database(request: pytest.FixtureRequest) -> peewee.Database:
    """An open, empty database, of each kind in turn."""
    return request.getfixturevalue(f"{request.param}_database")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    with project_in(tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture
def program(project: Project) -> Program:
    """Run Python in the project's folder, as a process of its own."""
    return project.run_program


@pytest.fixture
def terminal(project: Project) -> Terminal:
    """Run the command line in the project's folder, on a terminal of a width."""
    return project.run_on_terminal
