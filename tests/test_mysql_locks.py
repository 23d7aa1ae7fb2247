"""MySQL and MariaDB: many processes at once, the lock between them, busy tables, the session."""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import peewee
import pytest
from peewee import CharField, Database, DatabaseProxy, IntegerField, Model, MySQLDatabase
from playhouse.db_url import parse
from playhouse.pool import PooledMySQLDatabase

from peewee_automigrate import (
    AutoMigrateError,
    LockTimeout,
    MigrationBlocked,
    MigrationFailed,
    migrate,
    plan,
)
from peewee_automigrate.dialects.mysql.session import lock_name
from tests.support import kills
from tests.support.crew import Crew, Migrate
from tests.support.fields import model
from tests.support.mysql_holders import (
    SHORT,
    WAITING,
    holding,
    impatient,
    number_of,
    session,
    take_lock,
)
from tests.support.mysql_servers import MysqlServer
from tests.support.places import Places, advisory_locks, ask, facts, old_rows
from tests.support.rounds import one_round, order, undisturbed, wrong
from tests.support.wire import recorded
from tests.support.workers import child, column, database_of, key, second

PROCESSES = 16
NOTHING = "Nothing was changed. Run again when it has ended, or raise lock_wait."
ADDED = ["add column post.views"]


@pytest.fixture
def url(grown_mysql_url: str) -> str:
    return grown_mysql_url


@pytest.fixture
def done_url(url: str) -> str:
    """A database in which nothing is missing."""
    migrate(database_of(url), second(database_of(url)))
    return url


def seconds_left_out(text: str) -> str:
    return re.sub(r"\d+(\.\d+)? s\b", "N s", text)


def who(database: Database, command: str = "Sleep") -> str:
    return f"connection {number_of(database)} (root@localhost, {command} for N s)"


# Many at once.


@pytest.mark.parametrize("number", range(2))
@pytest.mark.parametrize("start", ["empty", "upgrade"])
def test_processes_at_once_on_mysql_exactly_one_applies(
    crew: Crew, mysql_places: Places, start: str, number: int
) -> None:
    _, found = one_round(crew, mysql_places, processes=PROCESSES, grown=start == "upgrade")
    assert found == []


def test_old_and_new_release_at_once_on_mysql_exactly_one_applies(
    crew: Crew, mysql_places: Places, url: str
) -> None:
    wanted = undisturbed(crew, mysql_places, True)
    orders = [order(url, release) for release in ("first", "second") * 4]
    assert wrong(crew.together(orders), url, wanted, 8) == []


def test_different_releases_at_once_on_mysql_all_are_added(crew: Crew, url: str) -> None:
    releases = ("column", "child", "index", "unique") * 2
    answers = crew.together([order(url, release) for release in releases])
    assert [answer["text"] for answer in answers if answer["error"]] == []
    assert [crew.do(order(url, release))["applied"] for release in set(releases)] == [[]] * 4


def test_threads_of_one_process_on_mysql_exactly_one_applies(
    crew: Crew, mysql_places: Places, url: str
) -> None:
    wanted = undisturbed(crew, mysql_places, True)
    database = database_of(url)
    models, barrier = second(database), threading.Barrier(8)
    answers: list[dict[str, Any]] = []

    def work() -> None:
        barrier.wait()
        try:
            answers.append({"error": None, "applied": migrate(database, models).applied})
        except Exception as error:
            answers.append({"error": type(error).__name__, "text": str(error)})

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong(answers, url, wanted, 8) == []


def before_statement(database: Any, number: int, work: Callable[[], object]) -> int:
    """Migrate, and do some work before the n-th statement; return the number of GET_LOCK."""
    send, count, lock = database.execute_sql, 0, 0

    def execute_sql(sql: str, *args: Any, **options: Any) -> Any:
        nonlocal count, lock
        count += 1
        lock = lock or count * ("GET_LOCK" in sql)
        if count == number:
            work()
        return send(sql, *args, **options)

    database.execute_sql = execute_sql
    migrate(database, second(database))
    return lock


def test_another_process_done_between_any_two_reads_on_mysql_the_slower_one_goes_on(
    crew: Crew, mysql_places: Places, url: str
) -> None:
    wanted = undisturbed(crew, mysql_places, True)
    count, found = before_statement(database_of(url), 0, lambda: None), []
    assert count
    for number in range(1, count + 1, 3):
        with mysql_places.grown() as grown:
            database, other = database_of(grown), database_of(grown)
            try:
                before_statement(database, number, partial(migrate, other, second(other)))
            except Exception as error:
                found.append(f"before statement {number}: {type(error).__name__}: {error}")
            found += ["the catalogue differs"] if facts(grown) != wanted else []
    assert found == []


# The lock between migrators.


@pytest.mark.parametrize("schema", ["app", "a" * 64, "ü" * 64])
def test_lock_name_of_any_database_fits(schema: str) -> None:
    assert len(lock_name(schema)) <= 64


def test_lock_name_contains_the_database() -> None:
    assert lock_name("app").endswith(".app")


def test_lock_name_of_a_long_database_contains_its_beginning() -> None:
    assert "." + "a" * 20 in lock_name("a" * 64)


def test_lock_name_of_long_databases_that_begin_alike_differs() -> None:
    assert lock_name("a" * 63 + "b") != lock_name("a" * 63 + "c")


def test_lock_name_of_a_long_database_is_taken_by_the_server(mysql_server: MysqlServer) -> None:
    name = f"long_{uuid.uuid4().hex}".ljust(64, "x")
    ask(mysql_server.url, f"CREATE DATABASE {name}")
    long_url = re.sub(r"/\w+\?", f"/{name}?", mysql_server.url)
    try:
        with session(mysql_server.url, take_lock(long_url)), pytest.raises(LockTimeout):
            migrate(database_of(long_url), column(database_of(long_url)), lock_wait=0)
    finally:
        ask(mysql_server.url, f"DROP DATABASE {name}")


def test_migration_lock_on_mysql_past_lock_wait_the_error_names_the_holder(
    start: Migrate, url: str
) -> None:
    with session(url, take_lock(url)) as holder:
        answer = start(url, "column", {"lock_wait": 0.5}).answer(30.0)
        expected = who(holder)
    assert answer is not None
    assert (answer["error"], seconds_left_out(answer["text"])) == (
        "LockTimeout",
        f"migration lock: not free after N s, held by {expected}. "
        "Wait for it to end, or raise lock_wait.",
    )
    assert seconds_left_out(answer["holder"]) == expected


def test_migration_lock_on_mysql_past_lock_wait_nothing_is_changed(url: str) -> None:
    before = facts(url)
    with session(url, take_lock(url)), pytest.raises(LockTimeout):
        migrate(database_of(url), second(database_of(url)), lock_wait=0)
    assert facts(url) == before


def test_migration_lock_on_mysql_while_waiting_the_log_says_who_holds_it(
    start: Migrate, url: str
) -> None:
    with session(url, take_lock(url)) as holder:
        answer = start(url, "column", {"lock_wait": 0.5}).answer(30.0)
        expected = who(holder)
    assert answer is not None
    lines = [seconds_left_out(line) for line in answer["log"]]
    assert lines == [f"waited N s for the lock of {expected}"]


def test_migration_lock_on_mysql_free_in_time_the_report_says_how_long_it_took(
    start: Migrate, url: str
) -> None:
    with session(url, take_lock(url)):
        worker = start(url, "column")
        time.sleep(1.0)
    answer = worker.answer(30.0)
    assert answer is not None and answer["applied"] == ADDED
    assert answer["waited"] >= 0.5


def test_migration_lock_of_another_database_is_not_waited_for(
    mysql_places: Places, url: str
) -> None:
    with mysql_places.grown() as other, session(other, take_lock(other)):
        assert migrate(database_of(url), column(database_of(url)), lock_wait=0).applied


def test_migration_lock_on_mysql_is_held_while_statements_run(url: str) -> None:
    database, held = database_of(url), []
    models = second(database)
    migrate(database, models, on_step=lambda event: held.append(advisory_locks(url)))
    assert set(held) == {1}


def test_migration_lock_on_mysql_after_success_is_free(url: str) -> None:
    with session(url) as database:
        migrate(database, second(database))
        assert advisory_locks(url) == 0


def test_migration_lock_on_mysql_after_a_failure_is_free(url: str) -> None:
    with session(url) as database:
        with pytest.raises(MigrationFailed):
            migrate(database, second(database), on_step=fail_at_the_end(url))
        assert advisory_locks(url) == 0


def test_migration_lock_on_mysql_after_blocked_items_is_free(url: str) -> None:
    with session(url) as database:
        with pytest.raises(MigrationBlocked):
            migrate(database, [model(database, "post", {"note": CharField()})])
        assert advisory_locks(url) == 0


def test_migration_lock_on_mysql_of_a_killed_process_is_free(start: Migrate, url: str) -> None:
    with holding(url, "SELECT count(*) FROM post"):
        killed = start(url, "column", {"lock_timeout": 30.0})
        kills.wait_for(url, WAITING)
        kills.stop(killed)
    answer = start(url, "column").answer(60.0)
    assert answer is not None and answer["error"] is None
    assert ask(url, "SELECT DISTINCT views FROM post") == [(0,)]


def test_kill_of_the_first_of_many_on_mysql_another_applies(
    crew: Crew, mysql_places: Places, url: str
) -> None:
    wanted = undisturbed(crew, mysql_places, True)
    workers = crew.take(6)
    for number, worker in enumerate(workers):
        kill = {"statement": 5, "when": "before"}
        worker.send(order(url, kill=kill if number < 3 else None))
    for worker in workers:
        worker.ready()
    for worker in workers:
        worker.go()
    answers = [answer for worker in workers if (answer := worker.answer())]
    assert [answer["text"] for answer in answers if answer["error"]] == []
    assert facts(url) == wanted


# Nothing to do.


@pytest.mark.parametrize("function", [plan, migrate])
def test_nothing_to_do_while_tables_of_mysql_are_locked_waits_for_nobody(
    done_url: str, function: Any
) -> None:
    tables = ", ".join(f"{name} WRITE" for name in ("author", "post", "comment", "team", "player"))
    with session(done_url, f"LOCK TABLES {tables}"), impatient(done_url) as database:
        assert not function(database, second(database))


def test_nothing_to_do_while_an_alter_of_mysql_waits_waits_for_nobody(
    start: Migrate, done_url: str
) -> None:
    with holding(done_url, "SELECT count(*) FROM post"), impatient(done_url) as database:
        worker = start(done_url, "column", {"lock_timeout": 20.0})
        kills.wait_for(done_url, WAITING)
        assert not migrate(database, second(database))
        kills.stop(worker)


def test_nothing_to_do_on_mysql_while_somebody_migrates_waits_for_nobody(done_url: str) -> None:
    with session(done_url, take_lock(done_url)), impatient(done_url) as database:
        assert not migrate(database, second(database), lock_wait=0)


def test_nothing_to_do_sends_only_reads_to_mysql(done_url: str) -> None:
    with session(done_url) as database:
        with recorded(database) as sent:
            migrate(database, second(database))
        assert {statement.split()[0] for statement in sent} == {"SELECT"}
        assert len(sent) <= 3
        assert not [statement for statement in sent if "GET_LOCK" in statement]


@contextmanager
def user(url: str, grants: str) -> Iterator[str]:
    """Give the URL of a user who has these rights in the database and no others."""
    name = f"u_{uuid.uuid4().hex[:20]}"
    for host in ("%", "localhost"):
        ask(url, f"CREATE USER {name}@'{host}'")
        ask(url, f"GRANT {grants} ON {MysqlServer.name_of(url)}.* TO {name}@'{host}'")
    try:
        yield re.sub(r"://[^@]*@", f"://{name}@", url)
    finally:
        for host in ("%", "localhost"):
            ask(url, f"DROP USER {name}@'{host}'")


@pytest.mark.parametrize("function", [plan, migrate])
def test_user_who_may_only_read_starts_with_nothing_to_do(done_url: str, function: Any) -> None:
    with user(done_url, "SELECT") as powerless, session(powerless) as database:
        with pytest.raises(peewee.OperationalError):
            database.execute_sql("UPDATE post SET length = 1")
        assert not function(database, second(database))


def test_user_who_may_only_read_fails_when_something_is_missing(url: str) -> None:
    with (
        user(url, "SELECT") as powerless,
        session(powerless) as database,
        pytest.raises(MigrationFailed, match="command denied"),
    ):
        migrate(database, column(database))


def test_user_without_the_privilege_process_gets_a_lock_timeout(url: str) -> None:
    with (
        user(url, "ALL") as simple,
        holding(url, "SELECT count(*) FROM post"),
        session(simple) as database,
        pytest.raises(LockTimeout, match="post: its lock was not free within"),
    ):
        migrate(database, column(database), **SHORT)


def test_nothing_to_do_works_in_a_read_only_session_of_mysql(done_url: str) -> None:
    with session(done_url, "SET SESSION TRANSACTION READ ONLY") as database:
        assert not migrate(database, second(database))


# Busy tables.


def test_busy_table_of_mysql_past_lock_wait_the_error_names_who_may_block(
    start: Migrate, url: str
) -> None:
    with holding(url, "SELECT count(*) FROM post") as holder:
        answer = start(url, "column", SHORT).answer(30.0)
        expected = who(holder)
    assert answer is not None
    assert (answer["error"], seconds_left_out(answer["text"])) == (
        "LockTimeout",
        f"post: its lock was not free within N s, held by {expected}. {NOTHING}",
    )
    assert seconds_left_out(answer["holder"]) == expected


def test_busy_table_of_mysql_past_lock_wait_nothing_is_changed(start: Migrate, url: str) -> None:
    before = facts(url)
    with holding(url, "SELECT count(*) FROM post"):
        start(url, "column", SHORT).answer(30.0)
        assert (facts(url), advisory_locks(url)) == (before, 0)


def test_busy_table_of_mysql_that_is_free_in_time_is_waited_for(start: Migrate, url: str) -> None:
    with holding(url, "SELECT count(*) FROM post") as holder:
        worker = start(url, "column", {"lock_timeout": 1.0})
        kills.wait_for(url, WAITING)
        time.sleep(1.5)  # longer than one try
        expected = who(holder)
    answer = worker.answer(30.0)
    assert answer is not None and answer["applied"] == ADDED
    lines = [seconds_left_out(line) for line in answer["log"]]
    assert f"post is locked by {expected}, trying again" in lines


def test_busy_table_of_mysql_others_wait_only_for_short(start: Migrate, url: str) -> None:
    longest, count, until = 0.0, 0, time.monotonic() + 4.0
    with holding(url, "SELECT count(*) FROM post"), session(url) as reader:
        worker = start(url, "column", {"lock_timeout": 1.0, "lock_wait": 20.0})
        kills.wait_for(url, WAITING)
        while time.monotonic() < until:
            began = time.monotonic()
            reader.execute_sql("SELECT count(*) FROM post").fetchone()
            longest, count = max(longest, time.monotonic() - began), count + 1
    answer = worker.answer(30.0)
    assert answer is not None and answer["applied"] == ADDED
    assert count > 2 and longest <= 1.0 + 2


def test_busy_table_of_mysql_after_others_are_changed_the_error_says_what_stays(
    start: Migrate, url: str
) -> None:
    with holding(url, "UPDATE post SET length = 1 WHERE id = 1") as holder:
        answer = start(url, "both", SHORT).answer(30.0)
        expected = who(holder)
    assert answer is not None
    assert seconds_left_out(answer["text"]) == (
        f"post: its lock was not free within N s, held by {expected}. Applied, and stays: add "
        "column author.views. Run again when it has ended, or raise lock_wait."
    )


def test_busy_parent_of_mysql_past_lock_wait_the_error_names_who_may_block(
    start: Migrate, url: str
) -> None:
    with holding(url, "UPDATE author SET id = id WHERE id = 1") as holder:
        answer = start(url, "key", SHORT).answer(30.0)
        expected = who(holder)
    assert answer is not None
    assert (answer["error"], seconds_left_out(answer["holder"] or "")) == ("LockTimeout", expected)


def test_busy_parent_of_mysql_that_is_free_in_time_is_waited_for(start: Migrate, url: str) -> None:
    with holding(url, "UPDATE author SET id = id WHERE id = 1"):
        worker = start(url, "key", {"lock_timeout": 1.0})
        kills.wait_for(url, WAITING)
    answer = worker.answer(30.0)
    assert answer is not None and answer["error"] is None
    assert not plan(database_of(url), key(database_of(url)))


@pytest.mark.parametrize("release", ["column", "index", "key", "filled"])
def test_table_of_mysql_that_somebody_locks_is_a_lock_timeout(
    start: Migrate, url: str, release: str
) -> None:
    with session(url, "LOCK TABLES post WRITE"):
        answer = start(url, release, SHORT).answer(30.0)
    assert answer is not None and answer["error"] == "LockTimeout"
    assert seconds_left_out(answer["text"]).startswith(
        "a table could not be read within N s, held by "
    )


# The session: used as it is found, and left as it was.


SETTINGS = {
    "foreign_key_checks": 0,
    "lock_wait_timeout": 77,
    "innodb_lock_wait_timeout": 33,
    "max_statement_time": 123.5,
}


def settings(database: Database) -> dict[str, float]:
    sql = "SELECT " + ", ".join(f"@@SESSION.{name}" for name in SETTINGS)
    return dict(zip(SETTINGS, database.execute_sql(sql).fetchone(), strict=True))


@pytest.fixture
def set_up(url: str) -> Iterator[Any]:
    """A connection with settings of its own."""
    words = ", ".join(f"SESSION {name} = {value}" for name, value in SETTINGS.items())
    with session(url, f"SET {words}") as database:
        yield database


def fail_at_the_end(url: str) -> Callable[[Any], None]:
    """Return an `on_step` that makes duplicates before the last unique index is built."""

    def insert(event: Any) -> None:
        if event.state == "start" and event.step.name == "post_title":
            ask(url, "UPDATE post SET title = 'same' WHERE id < 3")

    return insert


def blocked(database: Database) -> list[type[Model]]:
    return [model(database, "post", {"note": CharField()})]


@pytest.mark.parametrize("function", [plan, migrate])
def test_settings_of_the_mysql_session_are_kept(set_up: Database, function: Any) -> None:
    function(set_up, second(set_up))
    assert settings(set_up) == SETTINGS


def test_settings_of_the_mysql_session_that_checks_keys_are_kept(url: str) -> None:
    with session(url) as database:
        before = settings(database)
        migrate(database, second(database))
        assert settings(database) == before


def test_settings_of_the_mysql_session_are_kept_after_blocked_items(set_up: Database) -> None:
    with pytest.raises(MigrationBlocked):
        migrate(set_up, blocked(set_up))
    assert settings(set_up) == SETTINGS


def test_settings_of_the_mysql_session_are_kept_after_a_failure(set_up: Any, url: str) -> None:
    with pytest.raises(MigrationFailed):
        migrate(set_up, second(set_up), on_step=fail_at_the_end(url))
    assert settings(set_up) == SETTINGS


def test_settings_of_the_mysql_session_are_kept_after_a_lock_timeout(set_up: Any, url: str) -> None:
    with holding(url, "SELECT count(*) FROM post"), pytest.raises(LockTimeout):
        migrate(set_up, second(set_up), **SHORT)
    assert settings(set_up) == SETTINGS


def test_settings_of_the_mysql_session_are_kept_after_the_lock_was_not_free(
    set_up: Any, url: str
) -> None:
    with session(url, take_lock(url)), pytest.raises(LockTimeout):
        migrate(set_up, second(set_up), lock_wait=0)
    assert settings(set_up) == SETTINGS


def test_statement_time_of_the_mysql_session_stops_no_statement(start: Migrate, url: str) -> None:
    impatience = {"init_command": "SET SESSION max_statement_time = 1"}
    with holding(url, "SELECT count(*) FROM post"):
        worker = start(url, "column", {"lock_timeout": 20.0}, connect=impatience)
        kills.wait_for(url, WAITING)
        time.sleep(1.5)
    answer = worker.answer(30.0)
    assert answer is not None and answer["applied"] == ADDED


# Transactions of the caller.

ATOMIC = (
    "atomic=True: mysql commits each DDL statement by itself, so that nothing could be rolled "
    "back. Leave it out."
)
INSIDE = (
    "called inside of a transaction, which the first DDL statement of mysql would commit. "
    "Call migrate outside of atomic()."
)


def test_atomic_on_mysql_is_refused_before_anything_happens(url: str) -> None:
    before = facts(url)
    with session(url) as database:
        with pytest.raises(AutoMigrateError) as caught:
            migrate(database, second(database), atomic=True)
        assert str(caught.value) == ATOMIC
        assert (facts(url), advisory_locks(url)) == (before, 0)


def test_inside_a_transaction_of_mysql_is_refused_before_anything_happens(url: str) -> None:
    before = facts(url)
    with session(url) as database, database.atomic():
        with pytest.raises(AutoMigrateError) as caught:
            migrate(database, second(database))
        assert str(caught.value) == INSIDE
        assert (facts(url), advisory_locks(url)) == (before, 0)


@pytest.mark.parametrize("function", [plan, migrate])
def test_inside_a_transaction_of_mysql_the_caller_can_still_roll_back(
    url: str, function: Any
) -> None:
    with session(url) as database:
        before = old_rows(database)
        with database.atomic() as transaction:
            database.execute_sql("DELETE FROM post")
            try:
                function(database, second(database))
            except AutoMigrateError as error:
                assert str(error) == INSIDE
            transaction.rollback()
        assert old_rows(database) == before


def test_inside_a_transaction_that_sql_has_begun_the_caller_can_still_roll_back(url: str) -> None:
    with session(url, "BEGIN", "DELETE FROM post WHERE id = 1") as database:
        with pytest.raises(AutoMigrateError) as caught:
            migrate(database, second(database))
        assert str(caught.value) == INSIDE
        database.execute_sql("ROLLBACK")
    assert ask(url, "SELECT id FROM post WHERE id = 1") == [(1,)]


def test_inside_a_transaction_of_mysql_plan_shows_all_steps(url: str) -> None:
    with session(url) as database:
        expected = plan(database, second(database))
        with database.atomic():
            assert plan(database, second(database)) == expected


def test_inside_a_transaction_of_mysql_nothing_to_do_is_no_error(done_url: str) -> None:
    with session(done_url) as database, database.atomic():
        assert not migrate(database, second(database))


# The connection.


@pytest.mark.parametrize("autoconnect", [False, True])
@pytest.mark.parametrize("function", [plan, migrate])
def test_closed_database_of_mysql_is_closed_again(
    url: str, function: Any, autoconnect: bool
) -> None:
    database = database_of(url, autoconnect=autoconnect)
    assert function(database, second(database))
    assert database.is_closed()


def test_closed_database_of_mysql_is_closed_again_after_an_error(url: str) -> None:
    database = database_of(url)
    with pytest.raises(MigrationBlocked):
        migrate(database, blocked(database))
    assert database.is_closed()


def test_open_connection_of_mysql_is_kept(url: str) -> None:
    with session(url) as database:
        number = number_of(database)
        migrate(database, second(database))
        assert number_of(database) == number


def test_open_connection_of_mysql_is_left_without_a_transaction(url: str) -> None:
    with session(url) as database:
        migrate(database, second(database))
        assert not database.in_transaction()
        sql = "SELECT trx_mysql_thread_id FROM information_schema.innodb_trx"
        assert (number_of(database),) not in ask(url, sql)


@pytest.fixture
def pool(url: str) -> Iterator[Database]:
    database = PooledMySQLDatabase(**parse(url, unquote_password=True), max_connections=2)
    yield database
    database.close_all()


def test_pooled_database_of_mysql_gets_its_connection_back(pool: Any) -> None:
    for _ in range(5):  # More often than there are connections.
        migrate(pool, second(pool))
    assert pool.is_closed()


def test_pooled_database_of_mysql_is_migrated(pool: Any) -> None:
    migrate(pool, second(pool))
    assert not plan(pool, second(pool))


def test_pooled_connection_of_mysql_is_handed_back_as_it_was(pool: Any) -> None:
    with pool.connection_context():
        number, before = number_of(pool), settings(pool)
    migrate(pool, second(pool))
    with pool.connection_context():
        assert (number_of(pool), settings(pool)) == (number, before)


def test_proxy_of_mysql_is_migrated(url: str) -> None:
    proxy = DatabaseProxy()
    thing = model(proxy, "thing", {"number": IntegerField(index=True)})
    proxy.initialize(database_of(url))
    migrate(proxy, [thing])
    assert thing._meta.database is proxy
    assert ask(url, "SELECT * FROM thing") == []


def test_mysql_server_that_is_down_is_an_error(url: str) -> None:
    database = MySQLDatabase("app", unix_socket="/nowhere/socket", user="root")
    with pytest.raises(AutoMigrateError, match="can't connect to the database: "):
        migrate(database, child(database))
