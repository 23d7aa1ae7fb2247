"""A Galera cluster of three nodes, where GET_LOCK is granted on each: the lock is a lease."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest
from peewee import Database, OperationalError

from peewee_automigrate import AutoMigrateError, LockTimeout, MigrationFailed, migrate, plan
from peewee_automigrate.dialects.mysql import lease
from tests.support import kills
from tests.support.crew import Crew
from tests.support.galera import LEASE, Cluster, holding_rounds, node_lost, one_round
from tests.support.places import Places, advisory_locks, ask, facts
from tests.support.rounds import order
from tests.support.workers import column, database_of, first, second

pytestmark = pytest.mark.slow

ADDED = ["add column post.views"]
MANY = 600_000  # rows, of which a copy takes some leases' time
STATE = "the node of the Galera cluster is {}, its component {}. Migrate over a node that is "
HELD = f"INSERT INTO {lease.TABLE} VALUES (1, 'somebody', 7, 'process 1 on elsewhere')"


@pytest.fixture
def url(galera_places: Places) -> Iterator[str]:
    """A database with the first release's tables and rows, over the first node."""
    with galera_places.grown() as url:
        yield url


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    made = database_of(url)
    made.connect()
    yield made
    made.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a lease end soon in this process too."""
    monkeypatch.setattr(lease, "SECONDS", LEASE)


# Many at once


@pytest.mark.parametrize("number", range(2))
@pytest.mark.parametrize("grown", [False, True])
def test_processes_on_all_nodes_exactly_one_applies(
    crew: Crew, galera: Cluster, galera_places: Places, grown: bool, number: int
) -> None:
    assert one_round(crew, galera, galera_places, processes=24, grown=grown) == []


def test_processes_on_all_nodes_some_die_two_are_never_inside(
    crew: Crew, galera: Cluster, galera_places: Places
) -> None:
    entries, deaths, found = holding_rounds(
        crew, galera, galera_places, processes=12, rounds=6, die=0.08
    )
    assert found == []
    assert deaths and entries > 40


def test_statement_of_many_leases_time_waiters_take_nothing_over(
    crew: Crew, galera: Cluster, galera_places: Places
) -> None:
    with galera_places.grown(MANY) as url:
        workers = crew.take(7)
        more = {"lease": LEASE, "options": {"lock_wait": 120.0}}
        for number, worker in enumerate(workers):
            worker.begin(order(galera.over(number, url), "key", **more))
        answers = [answer for answer in (worker.answer() for worker in workers) if answer]
        assert [answer["text"] for answer in answers] == [""] * 7
        (holder,) = (answer for answer in answers if answer["applied"])
        assert holder["duration"] > 3 * LEASE


# Killed, paused, cut off


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("grown", [False, True])
def test_kill_before_any_write_next_run_on_another_node_completes(
    crew: Crew, galera: Cluster, galera_places: Places, grown: bool
) -> None:
    count, found = kills.statements(crew, galera_places, grown=grown, writes=True), []
    assert count > 10
    for number in range(1, count + 1, 6):
        found += kills.kill_at(
            crew,
            galera_places,
            number,
            "before",
            grown=grown,
            writes=True,
            elsewhere=lambda url: galera.over(1, url),
        )
    assert found == []


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("how", "statement"), [("killed", 20), ("cut off", 30)])
def test_node_lost_in_the_middle_next_run_on_another_node_completes(
    crew: Crew, galera: Cluster, galera_places: Places, how: str, statement: int
) -> None:
    assert node_lost(crew, galera, galera_places, statement, how) == []


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        (11, "the migration lock is lost: this process was paused or cut off"),
        (12, "already exists"),  # between the check and its statement, which is sent
    ],
)
def test_paused_holder_loses_the_lease_and_stops(
    crew: Crew, galera: Cluster, url: str, statement: int, text: str
) -> None:
    paused, other = crew.take(2)
    kill = {"statement": statement, "when": "before", "by": signal.SIGSTOP}
    paused.begin(order(url, kill=kill))
    kills.wait_stopped(paused)
    done = other.do(order(galera.over(1, url), lease=LEASE))
    assert (done["error"], bool(done["applied"])) == (None, True)
    before = facts(url)
    paused.resume()
    answer = paused.answer()
    assert answer and answer["error"] == MigrationFailed.__name__
    assert text in answer["text"]
    assert (facts(url), advisory_locks(url)) == (before, 0)


# What is said


def test_held_lease_times_out_and_names_the_holder(database: Database, url: str) -> None:
    migrate(database, column(database))
    ask(url, HELD)
    with pytest.raises(LockTimeout) as caught:
        migrate(database, second(database), lock_wait=0.3)
    assert caught.value.holder == "process 1 on elsewhere"


@pytest.mark.usefixtures("quick")
def test_dead_holder_is_waited_for_longer_than_lock_wait(database: Database, url: str) -> None:
    migrate(database, column(database))
    ask(url, HELD)
    assert migrate(database, second(database), lock_wait=LEASE).waited > 2 * LEASE


def test_nothing_to_do_writes_nothing_and_makes_no_table(database: Database, url: str) -> None:
    before = facts(url)
    assert not migrate(database, first(database))
    assert facts(url) == before


def test_lease_table_is_made_once_and_unknown_to_nobody(database: Database) -> None:
    migrate(database, column(database))
    again = plan(database, column(database))
    assert (again.steps, again.findings) == ((), ())
    assert database.table_exists(lease.TABLE)


def test_lease_sees_at_once_what_another_node_has_done(
    galera: Cluster, database: Database, url: str
) -> None:
    assert [str(step) for step in migrate(database, column(database)).applied] == ADDED
    for number in (1, 2):
        other = database_of(galera.over(number, url))
        assert not migrate(other, column(other))


def test_plan_says_what_an_alter_does_to_the_cluster(database: Database) -> None:
    shown = str(plan(database, second(database)))
    fails = "waits for nobody: transactions that hold the table on any node fail (1213)"
    assert shown.count(fails) == 2  # of both tables that stand
    assert "builds ~60 rows, blocks every write in the cluster" in shown
    assert "add column post.writer_id" in shown


def test_alter_fails_open_transactions_and_waits_for_none(
    galera: Cluster, database: Database, url: str
) -> None:
    other = database_of(galera.over(1, url))
    with (
        other.connection_context(),
        pytest.raises(OperationalError, match="1213|1317"),
        other.atomic(),
    ):
        other.execute_sql("UPDATE post SET length = 1 WHERE id = 1")
        assert migrate(database, column(database)).duration < 2.0
        time.sleep(0.5)
        other.execute_sql("UPDATE post SET length = 1 WHERE id = 1")


# What is refused


def test_statements_of_this_node_only_are_refused(database: Database, url: str) -> None:
    before = facts(url)
    database.execute_sql("SET SESSION wsrep_OSU_method = 'RSU'")
    with pytest.raises(AutoMigrateError, match=r"^wsrep_OSU_method is RSU, by which DDL stays on"):
        migrate(database, column(database))
    database.execute_sql("SET SESSION wsrep_OSU_method = 'TOI', wsrep_on = OFF")
    with pytest.raises(AutoMigrateError, match="^wsrep_on is OFF, so that other nodes"):
        migrate(database, column(database))
    assert facts(url) == before


def test_node_that_is_cut_off_is_refused_with_its_state(galera: Cluster, url: str) -> None:
    database = database_of(galera.over(2, url))
    galera.cut_off(2)
    try:
        galera.wait(2, "Initialized")
        for call in (plan, migrate):
            with pytest.raises(AutoMigrateError) as caught:
                call(database, column(database))
            assert str(caught.value).startswith(STATE.format("Initialized", "non-Primary"))
        assert not migrate(database, first(database))  # of which the catalogue tells
    finally:
        galera.cut_off(2, back=True)
        galera.wait(2)


def test_pool_of_one_connection_is_refused(database: Database, url: str) -> None:
    from playhouse.pool import PooledMySQLDatabase

    pool = PooledMySQLDatabase(database.database, max_connections=1, **database.connect_params)
    with pytest.raises(AutoMigrateError, match="the migration lock takes a second connection"):
        migrate(pool, column(pool))
    assert advisory_locks(url) == 0
