"""A Galera cluster, in which GET_LOCK holds on one node only: a node refuses to migrate."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from peewee import Database

from peewee_automigrate import AutoMigrateError, migrate, plan
from tests.support.mysql_servers import MISSING, MysqlServer, find_program, run_mariadb
from tests.support.places import advisory_locks, facts
from tests.support.workers import database_of, fill, first, second

pytestmark = pytest.mark.slow

PROVIDER = Path("/usr/lib/galera/libgalera_smm.so")
REFUSED = (
    "the server is a node of a Galera cluster, where GET_LOCK holds on one node only, so that two "
    "migrators could run at once. Print the statements by `plan --format sql`, run them on one "
    "node, and fill the columns that it names."
)


@pytest.fixture(scope="module")
def node() -> Iterator[MysqlServer]:
    """The only node of a cluster; Debian's mariadb-server brings what makes one."""
    program = find_program("mariadbd")
    if program is None or not PROVIDER.exists():
        pytest.skip(MISSING)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = f"gmcast.listen_addr=tcp://127.0.0.1:{port};gcache.size=1M;ist.recv_bind=127.0.0.1"
    with run_mariadb(
        program,
        "--wsrep-on=ON",
        f"--wsrep-provider={PROVIDER}",
        f"--wsrep-provider-options={options}",
        "--wsrep-cluster-address=gcomm://",
        "--wsrep-node-address=127.0.0.1",
        "--binlog-format=ROW",
        "--innodb-autoinc-lock-mode=2",
    ) as server:
        yield server


@pytest.fixture
def url(node: MysqlServer) -> Iterator[str]:
    with node.database() as url:
        yield url


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """An open database on the node, with the first release's tables."""
    fill(database_of(url), 10)
    made = database_of(url)
    made.connect()
    yield made
    made.close()


def test_cluster_with_pending_work_migrate_refuses_with_the_remedy(
    database: Database, url: str
) -> None:
    before = facts(url)
    with pytest.raises(AutoMigrateError) as caught:
        migrate(database, second(database))
    assert str(caught.value) == REFUSED
    assert (facts(url), advisory_locks(url)) == (before, 0)


def test_cluster_with_pending_work_plan_shows_it(database: Database) -> None:
    assert plan(database, second(database)).steps


def test_cluster_with_nothing_to_do_migrate_does_nothing(database: Database) -> None:
    assert not migrate(database, first(database))
