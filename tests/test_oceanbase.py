"""OceanBase, by its embedded server: cases, kills and races as elsewhere, and what it has not.

There is no package of it for Python 3.10; see `tests/conftest.py`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest
from peewee import SQL, CharField, Database, IntegerField, MySQLDatabase, TextField

from peewee_automigrate import MigrationBlocked, migrate, plan
from peewee_automigrate.dialects.mysql import lease
from peewee_automigrate.dialects.mysql.servers import warn
from tests import test_cases
from tests.cases import CASES
from tests.cases_base import MYSQL, Case
from tests.support import kills
from tests.support.crew import Crew
from tests.support.fields import model
from tests.support.galera import LEASE
from tests.support.mysql_servers import MysqlServer, open_mysql
from tests.support.places import Places
from tests.support.rounds import one_round, order
from tests.support.seekdb import run_seekdb
from tests.support.standing import clear
from tests.support.workers import column, database_of

pytestmark = pytest.mark.slow

SENTENCES = {
    "a constant default stays in the database and fills old rows: an int",
    "a constant default stays in the database and fills old rows: a float",
}
CHOSEN = [case for case in CASES if case.sentence in SENTENCES]


@pytest.fixture(scope="module")
def seekdb() -> Iterator[MysqlServer]:
    with run_seekdb() as server:
        yield server


@pytest.fixture(scope="module")
def places(seekdb: MysqlServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    made = Places("mysql", seekdb, tmp_path_factory.mktemp("places"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def database(seekdb: MysqlServer) -> Iterator[MySQLDatabase]:
    with seekdb.database() as url, closing(open_mysql(url)) as made:
        yield made


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a lease end soon in this process too."""
    monkeypatch.setattr(lease, "SECONDS", LEASE)


@pytest.mark.parametrize("case", CHOSEN, ids=lambda case: case.sentence)
def test_case_is_as_on_mysql(case: Case, database: Database) -> None:
    clear(database)
    test_cases.test_case_adds_what_is_missing_and_leaves_the_rest(MYSQL, case, database)


def test_processes_at_once_exactly_one_applies(crew: Crew, places: Places) -> None:
    _, found = one_round(crew, places, processes=8, grown=True)
    assert found == []


@pytest.mark.usefixtures("quick")
def test_kill_in_the_middle_next_run_completes(crew: Crew, places: Places) -> None:
    found = kills.kill_at(crew, places, 18, "before", grown=True, writes=True)
    assert found == []


@pytest.mark.usefixtures("quick")
def test_killed_holder_of_the_lease_is_taken_over(crew: Crew, places: Places) -> None:
    """GET_LOCK would stay with the killed session."""
    with places.grown() as url:
        worker = crew.take(1)[0]
        worker.begin(order(url, "column", kill={"statement": 4, "when": "before"}))
        assert worker.answer() is None
        database = database_of(url)
        assert migrate(database, column(database)).waited > 2 * LEASE


# What it does otherwise


def test_default_that_differs_is_blocked(database: Database) -> None:
    """It would give all rows that stand one value."""
    clear(database)
    database.execute_sql("CREATE TABLE thing (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY)")
    token = CharField(36, constraints=[SQL("DEFAULT (uuid())")])
    fields = {"token": token, "text": TextField(default="x"), "n": IntegerField(default=7)}
    thing = model(database, "thing", fields)
    with pytest.raises(MigrationBlocked) as caught:
        migrate(database, [thing])
    assert sorted(finding.code for finding in caught.value.blocked) == ["AM155", "AM156"]


def test_default_in_sql_of_a_new_table_is_no_drift(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    clear(database)
    warn.cache_clear()
    token = CharField(36, constraints=[SQL("DEFAULT (uuid())")])
    thing = model(database, "thing", {"token": token, "name": CharField(default="x")})
    migrate(database, [thing])
    again = plan(database, [thing])
    assert (again.steps, [f.code for f in again.findings if f.level == "drift"]) == ((), [])
    assert "embedded server only" in caplog.text
    thing.insert_many([{"name": "a"}, {"name": "b"}]).execute()
    assert len({uuid.UUID(row.token) for row in thing.select()}) == 2
