"""Locks: none for nothing to do, short ones on tables, one between migrators that names who."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from peewee import CharField, IntegerField

from peewee_automigrate import LockTimeout, MigrationBlocked, StepEvent, migrate, plan
from tests.support import kills
from tests.support.clients import (
    READ,
    SHORT,
    WRITE,
    exclusive,
    holding,
    impatient,
    kind_of,
    migration_lock,
    on,
    release,
    seconds_left_out,
    session,
    user,
    waiting,
    waiting_alter,
    who,
)
from tests.support.crew import Migrate
from tests.support.places import Places, advisory_locks, ask, facts
from tests.support.wire import recorded
from tests.support.workers import child, column, database_of, key, model, second

ADDED = ["add column post.views"]
NOTHING = "Nothing was changed. Run again when it has ended, or raise lock_wait."
STAYS = {
    "both": ["add column author.views"],
    "second": [
        *("create table comment", "create table team", "create table player"),
        "add foreign key team (lead_id) to player",
        *(f"add column author.{name}" for name in ("motto", "share", "age", "token")),
    ],
}
on_servers = on("postgres", "mysql")


# Nothing to do.


on_all = on("sqlite", "postgres", "postgres-system", "mysql")


@on_all
@pytest.mark.parametrize("function", [plan, migrate])
def test_nothing_to_do_while_tables_are_locked_waits_for_nobody(
    done_url: str, function: Any
) -> None:
    statements = exclusive(done_url, "author", "post", "comment", "team", "player")
    with session(done_url, *statements), impatient(done_url) as database:
        assert not function(database, second(database), lock_wait=0)


@on("postgres", "postgres-system", "mysql")
def test_drift_of_a_locked_table_is_told_without_its_rows(done_url: str) -> None:
    with session(done_url, *exclusive(done_url, "author")), impatient(done_url) as database:
        author, *_ = second(database)
        author._meta.add_field("name", IntegerField())
        assert "AM201" in [finding.code for finding in plan(database, author).findings]


@on("postgres", "postgres-system", "mysql")
def test_nothing_to_do_while_an_alter_waits_waits_for_nobody(done_url: str) -> None:
    with waiting_alter(done_url), impatient(done_url) as database:
        assert not migrate(database, second(database))


@on_all
def test_nothing_to_do_while_somebody_migrates_waits_for_nobody(done_url: str) -> None:
    with session(done_url, migration_lock(done_url)), impatient(done_url) as database:
        assert not migrate(database, second(database), lock_wait=0)


@on_all
def test_nothing_to_do_sends_only_reads(done_url: str) -> None:
    with impatient(done_url) as database:
        with recorded(database) as sent:
            migrate(database, second(database))
        words = {statement.split()[0] for statement in sent}
    assert 0 < len(sent) <= kind_of(done_url).reads
    assert words <= ({"SELECT", "WITH"} if done_url.startswith("sqlite") else {"SELECT"})
    assert not [sql for sql in sent if "advisory" in sql or "GET_LOCK" in sql]


# Busy tables.


@on_servers
def test_busy_table_past_lock_wait_the_error_names_who_blocks(start: Migrate, url: str) -> None:
    with holding(url, READ) as holder:
        answer = start(url, "column", SHORT).answer(30.0)
        expected = who(holder)
    assert answer is not None
    text = f"post: its lock was not free within N s, held by {expected}. {NOTHING}"
    assert (answer["error"], seconds_left_out(answer["text"])) == ("LockTimeout", text)
    assert seconds_left_out(answer["holder"]) == expected


def test_busy_table_past_lock_wait_nothing_is_changed(start: Migrate, url: str) -> None:
    before = facts(url)
    with holding(url, READ):
        answer = start(url, "column", SHORT).answer(30.0)
        assert (facts(url), advisory_locks(url)) == (before, 0)
    assert answer is not None and answer["error"] == "LockTimeout"


def test_busy_table_past_lock_wait_it_ends_in_time(start: Migrate, url: str) -> None:
    with holding(url, READ):
        answer = start(url, "column", SHORT).answer(30.0)
    assert answer is not None and 1.0 <= answer["duration"] <= 3.0


@on_servers
def test_busy_table_the_log_names_who_blocks(start: Migrate, url: str) -> None:
    with holding(url, READ) as holder:
        worker = start(url, "column", {"lock_timeout": 0.2})
        waiting(url)
        time.sleep(1.5)  # longer than one try
        expected = who(holder)
    answer = worker.answer(30.0)
    assert answer is not None and answer["applied"] == ADDED
    lines = [seconds_left_out(line) for line in answer["log"]]
    assert f"post is locked by {expected}, trying again" in lines


@pytest.mark.parametrize(
    ("kind", "lock_timeout", "seconds", "more"),
    [("sqlite", 0.2, 1.5, 1.0), ("postgres", 0.2, 1.5, 1.0), ("mysql", 1.0, 4.0, 2.0)],
    indirect=["kind"],
)
def test_busy_table_others_wait_only_for_short(
    start: Migrate, url: str, lock_timeout: float, seconds: float, more: float
) -> None:
    longest, count = 0.0, 0
    with holding(url, READ), session(url) as reader:
        worker = start(url, "column", {"lock_timeout": lock_timeout, "lock_wait": 20.0})
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            began = time.monotonic()
            reader.execute_sql(READ).fetchone()
            longest, count = max(longest, time.monotonic() - began), count + 1
    answer = worker.answer(30.0)
    assert answer is not None and answer["applied"] == ADDED
    assert count > 2 and longest <= lock_timeout + more


@pytest.mark.parametrize(
    ("kind", "release_name", "statement"),
    [("postgres", "both", WRITE), ("postgres", "second", READ), ("mysql", "both", WRITE)],
    indirect=["kind"],
)
def test_busy_table_after_others_are_changed_the_error_says_what_stays(
    start: Migrate, url: str, release_name: str, statement: str
) -> None:
    with holding(url, statement) as holder:
        answer = start(url, release_name, SHORT).answer(30.0)
        expected = who(holder)
    assert answer is not None
    assert seconds_left_out(answer["text"]) == (
        f"post: its lock was not free within N s, held by {expected}. Applied, and stays: "
        f"{'; '.join(STAYS[release_name])}. Run again when it has ended, or raise lock_wait."
    )


BUSY_PARENT = "UPDATE author SET name = name WHERE id = 1"


@on_servers
def test_busy_parent_past_lock_wait_the_error_names_who_blocks(start: Migrate, url: str) -> None:
    with holding(url, BUSY_PARENT) as holder:
        answer = start(url, "key", SHORT).answer(30.0)
        expected = who(holder)
    assert answer is not None
    assert (answer["error"], seconds_left_out(answer["holder"] or "")) == ("LockTimeout", expected)


@on_servers
def test_busy_parent_that_is_free_in_time_is_waited_for(start: Migrate, url: str) -> None:
    with holding(url, BUSY_PARENT):
        worker = start(url, "key", {"lock_timeout": 1.0})
        waiting(url)
    answer = worker.answer(30.0)
    assert answer is not None and answer["error"] is None
    assert not plan(database_of(url), key(database_of(url)))


@pytest.mark.parametrize(
    ("kind", "release_name", "options"),
    [
        *(("mysql", name, {}) for name in ("column", "index", "key", "filled")),
        *(("postgres", name, {}) for name in ("column", "index", "key", "filled")),
        ("postgres", "column", {"atomic": True}),
    ],
    indirect=["kind"],
)
def test_table_that_nobody_may_even_read_past_lock_wait_is_a_lock_timeout(
    start: Migrate, url: str, release_name: str, options: dict[str, Any]
) -> None:
    with session(url, *exclusive(url, "post")):
        answer = start(url, release_name, {**SHORT, **options}).answer(5.0)
    assert answer is not None and answer["error"] == "LockTimeout"
    assert seconds_left_out(answer["text"]).startswith(
        "a table could not be read within N s, held by "
    )


# The lock between migrators.


@pytest.fixture
def lock_holder(request: pytest.FixtureRequest, url: str) -> Iterator[str]:
    """What an error calls who holds the lock: a client, or a migrator at work."""
    if request.param == "client":
        with session(url, migration_lock(url)) as holder:
            yield who(holder)
    else:
        request.getfixturevalue("busy_migrator")
        yield kind_of(url).busy.format(waiting(url))


held = pytest.mark.parametrize(
    ("kind", "lock_holder"),
    [
        *((kind, "client") for kind in ("sqlite", "postgres", "mysql")),
        *((kind, "migrator") for kind in ("postgres", "mysql")),
    ],
    indirect=True,
)


@held
def test_migration_lock_past_lock_wait_the_error_names_the_holder(
    start: Migrate, url: str, lock_holder: str
) -> None:
    answer = start(url, "child", {"lock_wait": 0.5}).answer(30.0)
    assert answer is not None
    assert (answer["error"], seconds_left_out(answer["text"])) == (
        "LockTimeout",
        f"migration lock: not free after N s, held by {lock_holder}. "
        "Wait for it to end, or raise lock_wait.",
    )
    assert seconds_left_out(answer["holder"] or "another connection") == lock_holder


@held
def test_migration_lock_while_waiting_the_log_says_who_holds_it(
    start: Migrate, url: str, lock_holder: str
) -> None:
    answer = start(url, "child", {"lock_wait": 0.5}).answer(30.0)
    assert answer is not None
    lines = [seconds_left_out(line) for line in answer["log"]]
    assert lines == [f"waited N s for the lock of {lock_holder}"]


def test_migration_lock_past_lock_wait_nothing_is_changed(url: str) -> None:
    before = facts(url)
    with session(url, migration_lock(url)), pytest.raises(LockTimeout):
        migrate(database_of(url), second(database_of(url)), lock_wait=0)
    assert facts(url) == before


def test_migration_lock_free_in_time_the_report_says_how_long_it_took(
    start: Migrate, url: str
) -> None:
    with session(url, migration_lock(url)):
        worker = start(url, "column")
        time.sleep(1.0)
    answer = worker.answer(30.0)
    assert answer is not None and answer["applied"] == ADDED
    assert answer["waited"] >= 0.5


@on_servers
def test_migration_lock_of_a_migrator_that_ends_in_time_is_waited_for(
    start: Migrate, busy_migrator: Any, url: str
) -> None:
    first, holder = busy_migrator
    waiter = start(url, "child")
    time.sleep(1.0)
    release(holder)
    assert first.answer(30.0)["error"] is None
    answer = waiter.answer(30.0)
    assert answer is not None and answer["applied"] == ["create table comment"]
    assert answer["waited"] >= 0.5


@on_servers
def test_migration_lock_of_another_database_is_not_waited_for(places: Places, url: str) -> None:
    with places.grown() as other, session(other, migration_lock(other)):
        assert migrate(database_of(url), column(database_of(url)), lock_wait=0).applied


@on_servers
def test_migration_lock_is_held_while_statements_run(url: str) -> None:
    database, locks = database_of(url), []
    models = second(database)
    migrate(database, models, on_step=lambda event: locks.append(advisory_locks(url)))
    assert set(locks) == {1}


@on_servers
def test_migration_lock_after_success_is_free(url: str) -> None:
    with session(url) as database:
        migrate(database, second(database))
        assert advisory_locks(url) == 0


@on_servers
def test_migration_lock_after_blocked_items_is_free(url: str) -> None:
    with session(url) as database:
        with pytest.raises(MigrationBlocked):
            migrate(database, [model(database, "post", note=CharField())])
        assert advisory_locks(url) == 0


@on_servers
def test_migration_lock_of_a_killed_process_is_free(
    start: Migrate, busy_migrator: Any, url: str
) -> None:
    killed, holder = busy_migrator
    kills.stop(killed)
    release(holder)
    answer = start(url, "column").answer(60.0)
    assert answer is not None and answer["error"] is None
    assert ask(url, "SELECT DISTINCT views FROM post") == [(0,)]


# How long a step takes, however many stand in its transaction.


def test_steps_of_one_transaction_together_take_no_longer_than_the_run(places: Places) -> None:
    with places.empty() as url, session(url) as database:
        models = [model(database, f"table_{number}", name=CharField()) for number in range(40)]
        events: list[StepEvent] = []
        report = migrate(database, models, on_step=events.append)
    done = [event for event in events if event.state == "done"]
    assert [event.step for event in done] == list(report.applied)
    assert len({str(event.step) for event in done}) == 40
    assert sum(event.seconds for event in done) <= report.duration * 1.05


# A file, whose one lock is the migrators' as well.


@on("sqlite")
@pytest.mark.parametrize("begin", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
@pytest.mark.parametrize("timeout", [0, 5])
def test_writer_of_the_file_that_ends_in_time_is_waited_for(
    start: Migrate, url: str, begin: str, timeout: float
) -> None:
    with holding(url, begin=begin):
        worker = start(url, "column", connect={"timeout": timeout})
        time.sleep(0.5)
    answer = worker.answer(30.0)
    assert answer is not None
    assert (answer["error"], answer.get("applied")) == (None, ADDED)


@on("sqlite")
def test_reader_of_the_file_that_ends_in_time_is_waited_for(start: Migrate, url: str) -> None:
    with holding(url, READ):
        worker = start(url, "column", {"lock_timeout": 0.2})
        time.sleep(0.8)
    answer = worker.answer(30.0)
    assert answer is not None
    assert (answer["error"], answer.get("applied")) == (None, ADDED)


@on("sqlite")
def test_migration_lock_held_by_a_thread_past_lock_wait_the_error_says_so(url: str) -> None:
    database, entered, leave = database_of(url), threading.Event(), threading.Event()

    def pause(event: Any) -> None:
        entered.set()
        leave.wait(20)

    models = column(database)
    thread = threading.Thread(target=migrate, args=(database, models), kwargs={"on_step": pause})
    thread.start()
    entered.wait(20)
    try:
        with pytest.raises(LockTimeout) as caught:
            migrate(database, child(database), lock_wait=0.3)
    finally:
        leave.set()
        thread.join()
    assert seconds_left_out(str(caught.value)) == (
        "migration lock: a thread of this process held it for N s. "
        "Wait for it to end, or raise lock_wait."
    )


# A server that does not show each user who else is there, or that stops what takes long.


@on("mysql")
def test_user_without_the_privilege_process_gets_a_lock_timeout(url: str) -> None:
    with (
        user(url, "ALL") as simple,
        holding(url, READ),
        session(simple) as database,
        pytest.raises(LockTimeout, match="post: its lock was not free within"),
    ):
        migrate(database, column(database), **SHORT)


@on("mysql")
def test_statement_time_of_the_session_stops_no_statement(start: Migrate, url: str) -> None:
    impatience = {"init_command": "SET SESSION max_statement_time = 1"}
    with holding(url, READ):
        worker = start(url, "column", {"lock_timeout": 20.0}, connect=impatience)
        waiting(url)
        time.sleep(1.5)
    answer = worker.answer(30.0)
    assert answer is not None and answer["applied"] == ADDED
