"""A line that breaks between any two messages, and timeouts that a role brings along."""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from peewee_automigrate import LockTimeout, MigrationFailed, migrate, plan
from tests.support import kills
from tests.support.catalogue import Facts
from tests.support.clients import READ, holding, on
from tests.support.cutting import Cut, Direction, cut_at, messages, run
from tests.support.places import Places, ask, old_rows
from tests.support.workers import RELEASES, database_of, filled

SPREAD = 9  # cuts in each direction


@pytest.mark.parametrize("direction", ["to the server", "to the client"])
@pytest.mark.parametrize("kind", ["postgres", "mysql"], indirect=True)
def test_line_that_is_cut_next_run_completes(
    places: Places, wanted: Facts, direction: Direction
) -> None:
    count, found = messages(places, direction, grown=True), []
    assert count > 50
    for number in sorted({*range(1, count, count // SPREAD), count - 1}):
        found += cut_at(places, Cut(direction, number), wanted, grown=True)
    assert found == []


# Timeouts of the role.


@pytest.fixture
def role(url: str) -> Iterator[str]:
    """The URL of a superuser, whose settings a test may choose."""
    name = f"r_{uuid.uuid4().hex[:20]}"
    ask(url, f"CREATE ROLE {name} LOGIN SUPERUSER")
    yield re.sub(r"://[^@/]*@", f"://{name}@", url)
    ask(url, f"DROP OWNED BY {name}; DROP ROLE {name}")


def settled(role: str, url: str, setting: str) -> str:
    name = re.search(r"://([^@]*)@", role)
    assert name
    ask(url, f"ALTER ROLE {name[1]} SET {setting}")
    return role


TIMEOUTS = [
    "statement_timeout = '20s'",
    "lock_timeout = '1ms'",
    "lock_timeout = 0",
    "idle_in_transaction_session_timeout = '1s'",
    "idle_session_timeout = '2s'",
    "transaction_timeout = '20s'",
]


@on("postgres")
@pytest.mark.parametrize("setting", TIMEOUTS)
def test_timeout_of_the_role_lets_a_run_through(
    role: str, url: str, wanted: Facts, setting: str
) -> None:
    try:
        settled(role, url, setting)
    except Exception as error:  # an older server does not know it
        assert "unrecognized configuration parameter" in str(error)
    assert run(role) is None
    assert kills.after(url, wanted) == []


@on("postgres")
def test_statement_timeout_while_a_table_is_locked_says_who_holds_it(
    role: str, url: str, wanted: Facts
) -> None:
    role = settled(role, url, "statement_timeout = '400ms'")
    database = database_of(role)
    with holding(url, READ), pytest.raises((LockTimeout, MigrationFailed)) as caught:
        migrate(database, RELEASES["column"](database), lock_timeout=0.2, lock_wait=1.0)
    assert "report" in str(caught.value)
    assert "Nothing was changed." in str(caught.value)
    assert kills.after(url, wanted) == []


@on("postgres")
def test_statement_timeout_shorter_than_the_lock_timeout_is_named(
    role: str, url: str, wanted: Facts
) -> None:
    role = settled(role, url, "statement_timeout = '300ms'")
    database = database_of(role)
    with holding(url, READ), pytest.raises(MigrationFailed) as caught:
        migrate(database, RELEASES["column"](database), lock_timeout=5.0, lock_wait=5.0)
    assert "canceling statement due to statement timeout" in str(caught.value)
    assert str(caught.value).endswith("Nothing was changed.")
    assert kills.after(url, wanted) == []


@on("postgres")
def test_statement_timeout_does_not_stop_an_online_build(role: str, url: str) -> None:
    role = settled(role, url, "statement_timeout = '500ms'")
    database = database_of(role)
    with kills.snapshot(url) as holder:
        timer = threading.Timer(1.5, holder.rollback)
        timer.start()
        applied = migrate(database, RELEASES["index"](database), online_rows=0).applied
        timer.join()
    assert [step.online for step in applied] == [True]
    assert not plan(database, RELEASES["index"](database))


@on("postgres")
def test_idle_timeout_in_a_transaction_of_the_caller_is_told_and_next_run_completes(
    role: str, url: str, wanted: Facts
) -> None:
    role = settled(role, url, "idle_in_transaction_session_timeout = '200ms'")
    database: Any = database_of(role)

    def tell(event: Any) -> None:
        if event.state == "start":
            time.sleep(0.6)

    rows = old_rows(database)
    with pytest.raises(MigrationFailed) as caught:
        migrate(database, filled(database), atomic=True, on_step=tell)
    assert re.search("idle-in-transaction|connection .*lost|closed", str(caught.value))
    database.close()
    assert old_rows(database_of(url)) == rows
    assert kills.after(url, wanted) == []
