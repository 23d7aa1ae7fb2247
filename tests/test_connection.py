"""The connection: used as it is found, and left as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import peewee
import pytest
from peewee import (
    BlobField,
    CharField,
    Database,
    DatabaseProxy,
    ForeignKeyField,
    IntegerField,
    ManyToManyField,
    Model,
    MySQLDatabase,
    PostgresqlDatabase,
    SqliteDatabase,
    TextField,
)
from playhouse.cockroachdb import CockroachDatabase
from playhouse.db_url import connect, parse
from playhouse.pool import PooledMySQLDatabase, PooledPostgresqlDatabase, PooledSqliteDatabase
from playhouse.postgres_ext import PostgresqlExtDatabase

try:
    from playhouse.postgres_ext import Psycopg3Database
except ImportError:  # Peewee 3 has it in a module of its own.
    from playhouse.psycopg3_ext import Psycopg3Database

from peewee_automigrate import (
    AutoMigrateError,
    LockTimeout,
    MigrationBlocked,
    MigrationFailed,
    ModelsNotFound,
    UnsupportedDatabase,
    migrate,
    plan,
)
from tests.support import catalogue
from tests.support.clients import (
    READ,
    SHORT,
    holding,
    migration_lock,
    name_of_kind,
    number_of,
    on,
    release,
    session,
    user,
)
from tests.support.fields import model
from tests.support.mysql_servers import empty_mysql
from tests.support.places import advisory_locks, ask, facts
from tests.support.releases import after, grown, with_rows
from tests.support.workers import first, second

Make = Callable[..., Database]


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """A function that makes a closed database object; all of them lead to one empty database."""
    if request.param == "sqlite":
        path = str(tmp_path / "made.db")
        return lambda kind=SqliteDatabase, **options: kind(path, **options)
    url = request.getfixturevalue(f"{request.param}_url")
    usual = PostgresqlDatabase if request.param == "postgres" else MySQLDatabase
    return lambda kind=usual, **options: kind(**parse(url, unquote_password=True), **options)


@pytest.fixture
def postgres_maker(postgres_url: str) -> Make:
    return lambda kind, **options: kind(**parse(postgres_url, unquote_password=True), **options)


def unbound() -> type[Model]:
    """Return a model that no database is bound to."""
    fields = {"name": CharField(index=True), "data": BlobField(null=True)}
    return model(None, "thing", fields)


def blocked(database: Database) -> list[type[Model]]:
    """Write: give models with a column that can't be added."""
    before = model(database, "thing", {})
    database.create_tables([before])
    before.create()
    return [model(database, "thing", {"name": CharField()})]


def tables(database: Database) -> set[str]:
    if isinstance(database, MySQLDatabase):
        return set(database.get_tables())
    kind, place = ("table", 1) if isinstance(database, SqliteDatabase) else ("relation", 2)
    rows = [fact for fact in catalogue.facts(database) if fact[0] == kind]
    return {row[place] for row in rows if kind == "table" or row[3] == "r"} - {
        "sqlite_schema",
        "sqlite_temp_schema",
    }


# Closed and open.


@pytest.mark.parametrize("function", [plan, migrate])
@pytest.mark.parametrize("autoconnect", [False, True])
def test_closed_database_is_closed_again(
    make: Make, function: Callable[..., Any], autoconnect: bool
) -> None:
    database = make(autoconnect=autoconnect)
    assert function(database, after(database))
    assert database.is_closed()


@pytest.mark.parametrize("autoconnect", [False, True])
def test_closed_database_is_migrated(make: Make, autoconnect: bool) -> None:
    database = make(autoconnect=autoconnect)
    migrate(database, after(database))
    with database.connection_context():
        assert {"author", "post", "comment"} <= tables(database)


def test_closed_database_is_closed_again_after_an_error(make: Make) -> None:
    database = make()
    with database.connection_context():
        models = blocked(database)
    with pytest.raises(MigrationBlocked):
        migrate(database, models)
    assert database.is_closed()


@pytest.mark.parametrize("function", [plan, migrate])
def test_open_connection_is_kept(database: Database, function: Callable[..., Any]) -> None:
    before = database.connection(), number_of(database)
    function(database, after(database))
    assert (database.connection(), number_of(database)) == before


# Settings of the session, by default and set by its owner.


SETTINGS: dict[str, dict[str, Any]] = {
    "sqlite": {"busy_timeout": 77, "foreign_keys": 1, "journal_mode": "truncate"},
    "postgres": {
        "lock_timeout": "77s",
        "statement_timeout": "33s",
        "search_path": "public",
        "transaction_isolation": "read committed",
        "default_transaction_read_only": "off",
    },
    "mysql": {
        **{"foreign_key_checks": 0, "lock_wait_timeout": 77, "innodb_lock_wait_timeout": 33},
        **{"max_statement_time": 123.5, "autocommit": 1, "sql_mode": "STRICT_ALL_TABLES"},
        **{"time_zone": "+01:00", "character_set_connection": "utf8mb4"},
    },
}
SHOW = {"sqlite": "PRAGMA {}", "postgres": "SHOW {}", "mysql": "SELECT @@SESSION.{}"}
CHANGE = {
    "sqlite": "PRAGMA {} = {}",
    "postgres": "SET {} = {!r}",
    "mysql": "SET SESSION {} = {!r}",
}


def settings(database: Database) -> dict[str, Any]:
    kind = name_of_kind(database)
    return {
        name: database.execute_sql(SHOW[kind].format(name)).fetchone()[0] for name in SETTINGS[kind]
    }


@pytest.fixture(params=["default", "own"])
def set_up(request: pytest.FixtureRequest, url: str) -> Iterator[Database]:
    """An open database of each kind, with the settings of its server, or with its owner's."""
    with session(url) as database:
        kind = name_of_kind(database)
        for name, value in SETTINGS[kind].items():
            if request.param == "own" and name != "transaction_isolation":
                database.execute_sql(CHANGE[kind].format(name, value))
        yield database


@pytest.mark.parametrize("function", [plan, migrate])
@pytest.mark.parametrize("options", [{}, {"online_rows": 0}], ids=["small", "online"])
def test_settings_of_the_connection_are_kept(
    set_up: Database, function: Callable[..., Any], options: dict[str, Any]
) -> None:
    before = settings(set_up)
    function(set_up, second(set_up), **options)
    assert settings(set_up) == before


@pytest.mark.parametrize("missing", [first, second])
def test_settings_are_kept_by_a_plan_in_the_callers_transaction(
    set_up: Database, missing: Callable[..., Any]
) -> None:
    with set_up.atomic():
        before = settings(set_up)
        plan(set_up, missing(set_up))
        assert settings(set_up) == before


@on("sqlite", "postgres")
def test_settings_of_the_connection_are_kept_by_an_atomic_run(set_up: Database) -> None:
    before = settings(set_up)
    migrate(set_up, second(set_up), atomic=True)
    assert settings(set_up) == before


def test_settings_of_the_connection_are_kept_after_blocked_items(set_up: Database) -> None:
    before = settings(set_up)
    with pytest.raises(MigrationBlocked):
        migrate(set_up, [model(set_up, "post", {"note": CharField()})])
    assert settings(set_up) == before


def fail_at_the_end(database: Database) -> Callable[[Any], None]:
    """Return an `on_step` that makes duplicates before the last unique index is built."""

    def make_duplicates(event: Any) -> None:
        if event.state == "start" and event.step.name == "post_title":
            database.execute_sql("UPDATE post SET title = 'same' WHERE id < 3")

    return make_duplicates


def test_settings_of_the_connection_are_kept_after_a_failure(set_up: Database) -> None:
    before = settings(set_up)
    with pytest.raises(MigrationFailed):
        migrate(set_up, second(set_up), on_step=fail_at_the_end(set_up))
    assert settings(set_up) == before


def test_settings_of_the_connection_are_kept_after_a_lock_timeout(
    set_up: Database, url: str
) -> None:
    before = settings(set_up)
    with holding(url, READ), pytest.raises(LockTimeout):
        migrate(set_up, second(set_up), **SHORT)
    assert settings(set_up) == before


def test_settings_of_the_connection_are_kept_after_the_lock_was_not_free(
    set_up: Database, url: str
) -> None:
    before = settings(set_up)
    with session(url, migration_lock(url)), pytest.raises(LockTimeout):
        migrate(set_up, second(set_up), lock_wait=0)
    assert settings(set_up) == before


OPEN = {
    "sqlite": "SELECT 1 WHERE 0",
    "postgres": """SELECT 1 FROM pg_stat_activity WHERE pid = {} AND state LIKE 'idle in%'""",
    "mysql": "SELECT 1 FROM information_schema.innodb_trx WHERE trx_mysql_thread_id = {}",
}


@pytest.mark.parametrize("options", [{}, {"online_rows": 0}])
def test_no_transaction_is_left_open(url: str, kind: str, options: dict[str, Any]) -> None:
    with session(url) as database:
        migrate(database, second(database), **options)
        assert not database.in_transaction()
        assert ask(url, OPEN[kind].format(number_of(database))) == []


def test_no_transaction_is_left_open_by_an_atomic_run(transactional_database: Database) -> None:
    migrate(transactional_database, grown(transactional_database), atomic=True)
    assert not transactional_database.in_transaction()


@pytest.mark.parametrize(
    ("kind", "query"),
    [
        (
            "postgres",
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
        ),
        ("mysql", "SELECT RELEASE_ALL_LOCKS()"),
    ],
    indirect=["kind"],
)
def test_no_lock_is_left(url: str, query: str) -> None:
    with session(url) as database:
        migrate(database, second(database))
        assert database.execute_sql(query).fetchone() == (0,)


# Inside a transaction of the caller.


def test_inside_a_transaction_that_is_rolled_back_nothing_stays(
    transactional_database: Database,
) -> None:
    models = grown(transactional_database)
    found = catalogue.facts(transactional_database)
    with transactional_database.atomic() as transaction:
        migrate(transactional_database, models)
        transaction.rollback()
    assert catalogue.facts(transactional_database) == found


def test_inside_a_transaction_that_is_committed_everything_stays(
    transactional_database: Database,
) -> None:
    models = grown(transactional_database)
    with transactional_database.atomic():
        migrate(transactional_database, models)
    assert not plan(transactional_database, models)


def test_inside_a_transaction_plan_keeps_it_open(database: Database) -> None:
    models = grown(database)
    with database.atomic() as transaction:
        models[0].delete().execute()
        plan(database, models)
        transaction.rollback()
    assert database.execute_sql("SELECT count(*) FROM author").fetchone() == (3,)


def test_inside_a_savepoint_that_is_rolled_back_nothing_stays(
    transactional_database: Database,
) -> None:
    models = grown(transactional_database)
    found = catalogue.facts(transactional_database)
    with transactional_database.atomic(), transactional_database.atomic() as savepoint:
        migrate(transactional_database, models)
        savepoint.rollback()
    assert catalogue.facts(transactional_database) == found


def test_inside_a_transaction_blocked_items_leave_it_usable(
    transactional_database: Database,
) -> None:
    models = blocked(transactional_database)
    with transactional_database.atomic():
        transactional_database.execute_sql("CREATE TABLE by_hand (a integer)")
        with pytest.raises(MigrationBlocked):
            migrate(transactional_database, models)
    assert "by_hand" in tables(transactional_database)


def test_inside_a_transaction_a_failure_leaves_it_usable(sqlite_database: Database) -> None:
    models = grown(sqlite_database)
    with sqlite_database.atomic():
        sqlite_database.execute_sql("CREATE TABLE by_hand (a integer)")
        pages = sqlite_database.execute_sql("PRAGMA page_count").fetchone()[0]
        sqlite_database.execute_sql(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(MigrationFailed):
            migrate(sqlite_database, models)
    assert tables(sqlite_database) >= {"author", "post", "by_hand"}


def test_inside_a_transaction_a_failure_on_postgres_leaves_it_usable(
    postgres_database: Database,
) -> None:
    models = grown(postgres_database)
    postgres_database.execute_sql(
        "CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS"
        " $$ BEGIN IF left(current_query(), 5) = 'ALTER' THEN RAISE EXCEPTION 'no'; END IF; END $$;"
        "CREATE EVENT TRIGGER refuse ON ddl_command_start EXECUTE FUNCTION refuse()"
    )
    try:
        with postgres_database.atomic():
            postgres_database.execute_sql("CREATE TABLE by_hand (a integer)")
            with pytest.raises(MigrationFailed):
                migrate(postgres_database, models)
        assert "by_hand" in tables(postgres_database)
    finally:
        postgres_database.execute_sql("DROP EVENT TRIGGER refuse")


INSIDE = (
    "called inside of a transaction, which the first DDL statement of mysql would commit. "
    "Call migrate outside of atomic()."
)


def test_inside_a_transaction_of_mysql_is_an_error(
    mysql_database: Database, mysql_url: str
) -> None:
    """The first statement would commit what the caller may want to roll back."""
    models = grown(mysql_database)
    found = catalogue.facts(mysql_database)
    with mysql_database.atomic() as transaction:
        mysql_database.execute_sql("DELETE FROM post")
        with pytest.raises(AutoMigrateError) as caught:
            migrate(mysql_database, models)
        transaction.rollback()
    assert str(caught.value) == INSIDE
    assert mysql_database.execute_sql("SELECT count(*) FROM post").fetchone() == (2,)
    assert (catalogue.facts(mysql_database), advisory_locks(mysql_url)) == (found, 0)


def test_inside_a_transaction_that_sql_has_begun_the_caller_can_still_roll_back(
    mysql_database: Database,
) -> None:
    models = grown(mysql_database)
    mysql_database.execute_sql("BEGIN")
    mysql_database.execute_sql("DELETE FROM post WHERE id = 1")
    with pytest.raises(AutoMigrateError) as caught:
        migrate(mysql_database, models)
    assert str(caught.value) == INSIDE
    mysql_database.execute_sql("ROLLBACK")
    assert mysql_database.execute_sql("SELECT id FROM post WHERE id = 1").fetchone() == (1,)


def test_inside_a_transaction_plan_shows_all_steps(database: Database) -> None:
    models = grown(database)
    expected = plan(database, models)
    with database.atomic():
        assert plan(database, models) == expected


def test_inside_a_transaction_of_mysql_nothing_to_do_is_no_error(mysql_database: Database) -> None:
    models = after(mysql_database)
    migrate(mysql_database, models)
    with mysql_database.atomic() as transaction:
        models[0].create(name="ann")
        assert not migrate(mysql_database, models)
        transaction.rollback()
    assert mysql_database.execute_sql("SELECT count(*) FROM author").fetchone() == (0,)


def test_inside_a_transaction_of_mysql_blocked_items_leave_it_usable(
    mysql_database: Database,
) -> None:
    models = blocked(mysql_database)
    with mysql_database.atomic() as transaction:
        mysql_database.execute_sql("INSERT INTO thing () VALUES ()")
        with pytest.raises(MigrationBlocked):
            migrate(mysql_database, models)
        mysql_database.execute_sql("INSERT INTO thing () VALUES ()")
        transaction.rollback()
    assert mysql_database.execute_sql("SELECT count(*) FROM thing").fetchone() == (1,)


def test_atomic_on_mysql_is_an_error_and_changes_nothing(
    mysql_database: Database, mysql_url: str
) -> None:
    models = grown(mysql_database)
    found = catalogue.facts(mysql_database)
    with pytest.raises(AutoMigrateError) as caught:
        migrate(mysql_database, models, atomic=True)
    assert str(caught.value) == (
        "atomic=True: mysql commits each DDL statement by itself, so that nothing could be rolled "
        "back. Leave it out."
    )
    assert (catalogue.facts(mysql_database), advisory_locks(mysql_url)) == (found, 0)


# Other kinds of database objects.


@pytest.fixture
def pool(make: Make) -> Iterator[Any]:
    """A closed database object that keeps two connections."""
    pools = {
        SqliteDatabase: PooledSqliteDatabase,
        PostgresqlDatabase: PooledPostgresqlDatabase,
        MySQLDatabase: PooledMySQLDatabase,
    }
    database = make(pools[type(make())], max_connections=2)
    yield database
    database.close_all()


def test_pooled_database_is_migrated(pool: Any) -> None:
    migrate(pool, after(pool))
    assert not plan(pool, after(pool))


def test_pooled_database_gets_its_connection_back(pool: Any) -> None:
    for _ in range(5):  # More often than there are connections.
        migrate(pool, after(pool))
    assert pool.is_closed()


def test_pooled_connection_is_handed_back_as_it_was(pool: Any) -> None:
    with pool.connection_context():
        before = number_of(pool), settings(pool)
    migrate(pool, after(pool))
    with pool.connection_context():
        assert (number_of(pool), settings(pool)) == before


def test_proxy_of_a_closed_database_is_migrated(make: Make) -> None:
    proxy, database = DatabaseProxy(), make()
    thing = model(proxy, "thing", {"number": IntegerField(index=True)})
    proxy.initialize(database)
    migrate(proxy, [thing])
    assert thing._meta.database is proxy
    with database.connection_context():
        assert list(database.execute_sql("SELECT * FROM thing").fetchall()) == []


def test_proxy_is_migrated(database: Database) -> None:
    proxy = DatabaseProxy()
    proxy.initialize(database)
    migrate(proxy, [unbound()])
    assert "thing" in tables(database)


def test_models_of_a_proxy_are_migrated(database: Database) -> None:
    proxy = DatabaseProxy()
    thing = model(proxy, "thing", {"data": BlobField(default=b"x")})
    proxy.initialize(database)
    migrate(proxy, [thing])
    assert not plan(database, [thing])


def test_models_of_a_proxy_stay_with_it(database: Database) -> None:
    proxy = DatabaseProxy()
    thing = model(proxy, "thing", {"name": TextField()})
    proxy.initialize(database)
    migrate(proxy, [thing])
    assert thing._meta.database is proxy


def test_proxy_within_a_proxy_is_migrated(database: Database) -> None:
    outer, inner = DatabaseProxy(), DatabaseProxy()
    outer.initialize(inner)
    inner.initialize(database)
    migrate(outer, [unbound()])
    assert "thing" in tables(database)


@pytest.mark.parametrize("function", [plan, migrate])
def test_proxy_without_a_database_is_an_error(function: Callable[..., Any]) -> None:
    with pytest.raises(AutoMigrateError) as caught:
        function(DatabaseProxy(), [unbound()])
    expected = "DatabaseProxy: not initialised. Call its initialize(database) first."
    assert str(caught.value) == expected


@pytest.mark.parametrize("kind", [SqliteDatabase, PostgresqlDatabase, MySQLDatabase])
@pytest.mark.parametrize("function", [plan, migrate])
def test_database_without_a_name_is_an_error(
    kind: type[Database], function: Callable[..., Any]
) -> None:
    with pytest.raises(AutoMigrateError) as caught:
        function(kind(None), [unbound()])
    assert str(caught.value) == f"{kind.__name__}: has no name yet. Call its init(name) first."


def test_database_named_later_is_migrated(tmp_path: Path) -> None:
    database = SqliteDatabase(None)
    thing = model(database, "thing", {"data": BlobField()})
    database.init(str(tmp_path / "later.db"))
    migrate(database, [thing])
    assert not plan(database, [thing])


@pytest.mark.parametrize("function", [plan, migrate])
def test_unsupported_database_is_an_error_before_it_is_connected(
    function: Callable[..., Any],
) -> None:
    database = CockroachDatabase("nowhere", host="nowhere.invalid")
    with pytest.raises(UnsupportedDatabase) as caught:
        function(database, [unbound()])
    assert str(caught.value).startswith("CockroachDatabase: not supported.")


@pytest.mark.parametrize("kind", [PostgresqlDatabase, PostgresqlExtDatabase, Psycopg3Database])
def test_driver_of_postgres_makes_no_difference(
    postgres_maker: Make, postgres_database: Database, kind: type[Database]
) -> None:
    """Both objects lead to one database, which is emptied in between."""
    migrate(postgres_database, grown(postgres_database))
    expected = catalogue.facts(postgres_database)
    postgres_database.execute_sql("DROP SCHEMA public CASCADE")
    postgres_database.execute_sql("CREATE SCHEMA public")
    database = postgres_maker(kind)
    database.connect()
    migrate(database, grown(database))
    database.close()
    assert catalogue.facts(postgres_database) == expected


def test_driver_of_mysql_makes_no_difference(
    mysql_database: MySQLDatabase, mysql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both objects lead to one database, which is emptied in between."""
    migrate(mysql_database, grown(mysql_database))
    expected = catalogue.facts(mysql_database)
    empty_mysql(mysql_database)
    monkeypatch.setattr(peewee, "mysql", pytest.importorskip("MySQLdb"))
    database = connect(mysql_url, unquote_password=True)
    database.connect()
    models = grown(database)
    migrate(database, models)
    assert "MySQLdb" in type(database.connection()).__module__
    assert not plan(database, models)
    database.close()
    assert catalogue.facts(mysql_database) == expected


@pytest.mark.parametrize("online_rows", [0, 10_000])
def test_psycopg_3_needs_nothing_more(postgres_maker: Make, online_rows: int) -> None:
    database = postgres_maker(Psycopg3Database)
    database.connect()
    models = grown(database)
    migrate(database, models, online_rows=online_rows)
    assert not plan(database, models)
    database.close()


@pytest.mark.parametrize("options", [{"isolation_level": 3}, {"server_side_cursors": True}])
def test_options_of_postgres_make_no_difference(
    postgres_maker: Make, options: dict[str, Any]
) -> None:
    kind = PostgresqlExtDatabase if "server_side_cursors" in options else PostgresqlDatabase
    database = postgres_maker(kind, **options)
    database.connect()
    models = grown(database)
    migrate(database, models)
    assert not plan(database, models)
    database.close()


@pytest.mark.parametrize(
    "pragmas", [{"foreign_keys": 1}, {"journal_mode": "wal"}, {"locking_mode": "exclusive"}]
)
def test_pragmas_of_sqlite_make_no_difference(tmp_path: Path, pragmas: dict[str, Any]) -> None:
    database = SqliteDatabase(str(tmp_path / "set.db"), pragmas=pragmas)
    database.connect()
    models = grown(database)
    migrate(database, models)
    assert not plan(database, models)
    database.close()


def test_database_in_memory_is_migrated() -> None:
    database = SqliteDatabase(":memory:")
    database.connect()
    models = grown(database)
    migrate(database, models)
    assert not plan(database, models)
    database.close()


def test_current_schema_of_the_connection_gets_the_tables(postgres_database: Database) -> None:
    postgres_database.execute_sql("CREATE SCHEMA side")
    postgres_database.execute_sql("SET search_path = side, public")
    migrate(postgres_database, after(postgres_database))
    schemas = {f[1] for f in catalogue.facts(postgres_database) if f[0] == "column"}
    assert schemas == {"side"}


# Models of no database, and of another one.


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[SqliteDatabase]:
    database = SqliteDatabase(str(tmp_path / "elsewhere.db"))
    database.connect()
    yield database
    database.close()


def test_unbound_model_is_migrated(database: Database) -> None:
    thing = unbound()
    migrate(database, [thing])
    assert not plan(database, [thing])


def test_unbound_model_stays_unbound(database: Database) -> None:
    thing = unbound()
    migrate(database, [thing])
    assert thing._meta.database is None


def test_model_of_another_database_is_migrated_where_it_is_told(
    transactional_database: Database, elsewhere: Database
) -> None:
    models = after(elsewhere)
    migrate(transactional_database, models)
    assert ("author" in tables(transactional_database), "author" in tables(elsewhere)) == (
        True,
        False,
    )


def test_model_of_another_database_reads_the_same_as_one_of_its_own(
    postgres_database: Database, elsewhere: Database
) -> None:
    with_rows(postgres_database)
    migrate(postgres_database, after(elsewhere))
    assert not plan(postgres_database, after(postgres_database))


def test_model_of_another_database_is_bound_back(
    transactional_database: Database, elsewhere: Database
) -> None:
    models = after(elsewhere)
    migrate(transactional_database, models)
    assert {made._meta.database for made in models} == {elsewhere}


def test_model_of_another_database_is_bound_back_after_an_error(
    database: Database, elsewhere: Database
) -> None:
    blocked(database)
    thing = model(elsewhere, "thing", {"name": CharField()})
    with pytest.raises(MigrationBlocked):
        migrate(database, [thing])
    assert thing._meta.database is elsewhere


def test_through_model_of_another_database_is_bound_back(
    database: Database, elsewhere: Database
) -> None:
    user = model(elsewhere, "user", {"name": CharField()})
    club = model(elsewhere, "club", {"members": ManyToManyField(user)})
    migrate(database, [user, club])
    assert club.members.get_through_model()._meta.database is elsewhere


def test_parent_that_is_not_among_the_models_keeps_its_database(
    database: Database, elsewhere: Database
) -> None:
    parent = model(elsewhere, "parent", {"name": CharField()})
    child = model(elsewhere, "child", {"parent": ForeignKeyField(parent)})
    migrate(database, [parent])
    seen: list[Any] = []
    migrate(database, [child], on_step=lambda event: seen.append(parent._meta.database))
    assert set(seen) == {elsewhere}


def test_models_of_two_databases_are_an_error(
    sqlite_database: Database, elsewhere: Database
) -> None:
    models = [model(sqlite_database, "a", {}), model(elsewhere, "b", {})]
    with pytest.raises(ModelsNotFound, match="the models belong to 2 databases"):
        migrate(sqlite_database, models)


def test_models_of_two_databases_change_neither(
    sqlite_database: Database, elsewhere: Database
) -> None:
    models = [model(sqlite_database, "a", {}), model(elsewhere, "b", {})]
    with pytest.raises(ModelsNotFound):
        migrate(sqlite_database, models)
    assert (tables(sqlite_database), tables(elsewhere)) == (set(), set())


# Those who may only read.


@pytest.mark.parametrize(
    ("kind", "grants", "refused"),
    [
        ("postgres", "", "SELECT * FROM post"),
        ("postgres-system", "", "SELECT * FROM post"),
        ("postgres", "USAGE ON SCHEMA public", "SELECT * FROM post"),
        ("postgres", "SELECT ON ALL TABLES IN SCHEMA public", "UPDATE post SET length = 1"),
        ("mysql", "SELECT", "UPDATE post SET length = 1"),
    ],
    indirect=["kind"],
)
@pytest.mark.parametrize("function", [plan, migrate])
def test_user_who_may_only_read_starts_with_nothing_to_do(
    done_url: str, function: Any, grants: str, refused: str
) -> None:
    with user(done_url, grants) as powerless, session(powerless) as database:
        with pytest.raises(peewee.DatabaseError, match="permission denied|command denied"):
            database.execute_sql(refused)
        release(database)
        assert not function(database, second(database))


@pytest.mark.parametrize(
    ("kind", "grants", "text", "cause"),
    [
        (
            *("postgres", "SELECT ON ALL TABLES IN SCHEMA public"),
            *('does not own "author"; migrate as .* Nothing was changed', type(None)),
        ),
        ("mysql", "SELECT", "command denied", peewee.OperationalError),
    ],
    indirect=["kind"],
)
def test_user_who_may_only_read_fails_when_something_is_missing_and_changes_nothing(
    url: str, grants: str, text: str, cause: type[Any]
) -> None:
    before = facts(url)
    with (
        user(url, grants) as powerless,
        session(powerless) as database,
        pytest.raises(MigrationFailed, match=text) as caught,
    ):
        migrate(database, second(database))
    assert isinstance(caught.value.__cause__, cause)
    assert facts(url) == before


@pytest.mark.parametrize("kind", ["postgres"], indirect=True)
@pytest.mark.parametrize("function", [plan, migrate])
def test_user_who_may_not_even_read_learns_which_right_is_missing(url: str, function: Any) -> None:
    expected = "permission denied for table .*SELECT"
    with user(url, "") as powerless, session(powerless) as database:
        with pytest.raises(AutoMigrateError, match=expected) as caught:
            function(database, second(database))
        assert isinstance(caught.value.__cause__, peewee.ProgrammingError)


@pytest.mark.parametrize(
    ("kind", "setting"),
    [
        ("postgres", "default_transaction_read_only = on"),
        ("postgres-system", "default_transaction_read_only = on"),
        ("mysql", "SESSION TRANSACTION READ ONLY"),
    ],
    indirect=["kind"],
)
def test_session_that_may_only_read_starts_with_nothing_to_do(done_url: str, setting: str) -> None:
    with session(done_url, f"SET {setting}") as database:
        assert not migrate(database, second(database))


def read_only(database: Database) -> SqliteDatabase:
    database.close()
    return SqliteDatabase(f"file:{database.database}?mode=ro", uri=True)


def test_file_that_may_only_be_read_starts_with_nothing_to_do(
    sqlite_database: SqliteDatabase,
) -> None:
    migrate(sqlite_database, after(sqlite_database))
    database = read_only(sqlite_database)
    assert not migrate(database, after(database))


def test_file_that_may_only_be_read_can_be_planned(sqlite_database: SqliteDatabase) -> None:
    with_rows(sqlite_database)
    database = read_only(sqlite_database)
    assert plan(database, after(database)).steps


def test_file_that_may_only_be_read_fails_when_something_is_missing(
    sqlite_database: SqliteDatabase,
) -> None:
    with_rows(sqlite_database)
    database = read_only(sqlite_database)
    with pytest.raises(
        MigrationFailed, match=r"is read-only.* can be written. Nothing was changed.$"
    ):
        migrate(database, after(database))


# Nobody there.


@pytest.mark.parametrize("function", [plan, migrate])
def test_folder_that_is_not_there_is_an_error(tmp_path: Path, function: Callable[..., Any]) -> None:
    database = SqliteDatabase(str(tmp_path / "no such folder" / "file.db"))
    with pytest.raises(AutoMigrateError, match="can't connect to the database: unable to open"):
        function(database, [unbound()])


@pytest.mark.parametrize("function", [plan, migrate])
@pytest.mark.parametrize(
    "made",
    [
        lambda folder: connect(f"postgresql://me:s3cr3t@/name?host={folder}"),
        lambda folder: connect(f"mysql://me@/name?unix_socket={folder}/socket"),
    ],
    ids=["psycopg2", "pymysql"],
)
def test_server_that_is_down_is_an_error(
    tmp_path: Path, made: Callable[[Path], Database], function: Callable[..., Any]
) -> None:
    database = made(tmp_path)
    with pytest.raises(AutoMigrateError, match="can't connect to the database: "):
        function(database, [unbound()])


def test_database_that_is_no_database_is_an_error() -> None:
    with pytest.raises(AutoMigrateError, match="not a Peewee database"):
        plan("sqlite:///file.db", [unbound()])


def test_connection_error_has_the_error_of_the_driver_as_its_cause(tmp_path: Path) -> None:
    database = SqliteDatabase(str(tmp_path / "no such folder" / "file.db"))
    with pytest.raises(AutoMigrateError) as caught:
        plan(database, [model(None, "thing", {"a": IntegerField()})])
    assert isinstance(caught.value.__cause__, peewee.OperationalError)
