"""MySQL and MariaDB as their owners set them up: names, letters, rights, what is instant."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from peewee import (
    CharField,
    Database,
    ForeignKeyField,
    IntegerField,
    Model,
    MySQLDatabase,
)
from playhouse.db_url import parse

from peewee_automigrate import AutoMigrateError, LockTimeout, migrate, plan
from peewee_automigrate.dialects.mysql.session import lock_name
from tests.support.clients import migration_lock, session
from tests.support.fields import model
from tests.support.mysql_servers import MISSING, MysqlServer, find_program, open_mysql, run_mariadb
from tests.support.places import ask
from tests.support.releases import after, grown
from tests.support.workers import column, database_of

# A server that folds the names of tables, as on Windows and macOS.


@pytest.fixture(scope="module")
def folding_server() -> Iterator[MysqlServer]:
    program = find_program("mariadbd")
    if program is None:
        pytest.skip(MISSING)
    with run_mariadb(program, "--lower-case-table-names=1") as server:
        yield server


@pytest.fixture
def folding_database(folding_server: MysqlServer) -> Iterator[MySQLDatabase]:
    with folding_server.database() as url, closing(open_mysql(url)) as database:
        yield database


def mixed(database: Database, **fields: object) -> list[type[Model]]:
    parent = model(database, "Order", {"name": CharField(unique=True)})
    child = {"order": ForeignKeyField(parent), **fields}
    return [parent, model(database, "OrderLine", child)]


def test_folded_tables_are_found_again(folding_database: MySQLDatabase) -> None:
    migrate(folding_database, mixed(folding_database))
    made = plan(folding_database, mixed(folding_database))
    assert (list(map(str, made.steps)), list(map(str, made.findings))) == ([], [])


def test_folded_table_gets_its_column(folding_database: MySQLDatabase) -> None:
    migrate(folding_database, mixed(folding_database))
    wanted = mixed(folding_database, size=IntegerField(default=7, index=True))
    migrate(folding_database, wanted)
    assert not plan(folding_database, wanted)


def test_folded_table_of_another_model_is_the_same(folding_database: MySQLDatabase) -> None:
    folding_database.create_tables([model(folding_database, "order", {"name": CharField()})])
    made = plan(folding_database, [model(folding_database, "ORDER", {"name": CharField()})])
    assert list(map(str, made.steps)) == []


# The letters of a connection.


@pytest.mark.parametrize("charset", ["utf8mb4", "utf8mb3", "latin1"])
def test_letters_of_the_connection_change_no_default(mysql_url: str, charset: str) -> None:
    """What the connection can't say is refused, and never replaced by question marks."""
    options = {**parse(mysql_url, unquote_password=True), "charset": charset}
    with closing(MySQLDatabase(**options)) as database:
        database.connect()
        before = model(database, "thing", {})
        database.create_tables([before])
        before.create()
        text = "żółć 🐘"
        migrate(
            database, [model(database, "thing", {"n": CharField(default=text)})], on_blocked="skip"
        )
    with closing(open_mysql(mysql_url)) as database:
        names = [column.name for column in database.get_columns("thing")]
        rows = database.execute_sql(f"SELECT {names[-1]} FROM thing").fetchall()
    assert (names, rows) in ((["id"], ((1,),)), (["id", "n"], ((text,),)))


# Rights.


@contextmanager
def login(database: MySQLDatabase, rights: str, url: str) -> Iterator[MySQLDatabase]:
    """Give the database through a user who has only these rights in it."""
    database.execute_sql("CREATE OR REPLACE USER somebody@'%%' IDENTIFIED BY 'pw'")
    database.execute_sql(f"GRANT {rights} ON {database.database}.* TO somebody@'%%'")
    options = {**parse(url), "user": "somebody", "password": "pw"}
    with closing(MySQLDatabase(**options)) as opened:
        opened.connect()
        yield opened
    database.execute_sql("DROP USER somebody@'%%'")


def test_table_whose_columns_are_not_shown_is_read_again_and_not_taken_for_empty(
    mysql_database: MySQLDatabase, mysql_url: str
) -> None:
    """So it looks for a moment, too, while somebody creates it."""
    migrate(mysql_database, [model(mysql_database, "Author", {"name": CharField()})])
    text = "Author: the database shows this role no columns"
    with (
        login(mysql_database, "TRIGGER", mysql_url) as database,
        pytest.raises(AutoMigrateError, match=text),
    ):
        plan(database, [model(database, "Author", {"name": CharField()})])


def test_user_with_rights_in_one_database_migrates(
    mysql_database: MySQLDatabase, mysql_url: str
) -> None:
    grown(mysql_database)
    rights = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, REFERENCES"
    with login(mysql_database, rights, mysql_url) as database:
        migrate(database, after(database))
    assert not plan(mysql_database, after(mysql_database))


# What is instant, and what is not after all.


def test_column_that_is_not_instant_after_all_is_added(mysql_database: MySQLDatabase) -> None:
    models = grown(mysql_database)
    name = "GLOBAL innodb_instant_alter_column_allowed"
    mysql_database.execute_sql(f"SET {name} = 'never'")
    try:
        migrate(mysql_database, models)
    finally:
        mysql_database.execute_sql(f"SET {name} = 'add_drop_reorder'")
    assert not plan(mysql_database, models)


def test_columns_of_one_table_come_at_once(mysql_database: MySQLDatabase) -> None:
    """A single statement is atomic: another process sees all of a table's new columns or none."""
    models = grown(mysql_database)
    statements = plan(mysql_database, models).sql()
    adding = [sql for sql in statements if "`author` ADD COLUMN" in sql]
    assert [sql.count("ADD COLUMN") for sql in adding] == [3]


# The name of the lock between migrators.


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
    url = re.sub(r"/\w+\?", f"/{name}?", mysql_server.url)
    try:
        with session(mysql_server.url, migration_lock(url)), pytest.raises(LockTimeout):
            migrate(database_of(url), column(database_of(url)), lock_wait=0)
    finally:
        ask(mysql_server.url, f"DROP DATABASE {name}")


# The letters of another database.


@pytest.fixture
def latin_database(mysql_server: MysqlServer, mysql_database: MySQLDatabase) -> Iterator[str]:
    """The name of another database, of other letters."""
    with mysql_server.database() as url:
        name = mysql_server.name_of(url)
        mysql_database.execute_sql(f"ALTER DATABASE {name} CHARACTER SET latin1")
        yield name


def test_index_fits_into_the_letters_of_another_database(
    mysql_database: MySQLDatabase, latin_database: str
) -> None:
    fields = {"a": CharField(500), "b": CharField(500)}
    meta = {"schema": latin_database, "indexes": [(("a", "b"), False)]}
    thing = model(mysql_database, "thing", fields, **meta)
    migrate(mysql_database, [thing])
    assert not plan(mysql_database, [thing])


def test_foreign_key_into_a_database_of_other_letters_is_blocked(
    mysql_database: MySQLDatabase, latin_database: str
) -> None:
    key = {"id": CharField(9, primary_key=True)}
    parent = model(mysql_database, "p", key, schema=latin_database)
    child = model(mysql_database, "c", {"p": ForeignKeyField(parent)})
    assert [found.code for found in plan(mysql_database, [parent, child]).blocked] == ["AM139"]


# What differs, and the SQL that would change it.


def test_key_that_counts_still_does_when_its_type_is_changed(mysql_database: MySQLDatabase) -> None:
    sql = "CREATE TABLE thing (id BIGINT AUTO_INCREMENT PRIMARY KEY)"
    mysql_database.execute_sql(sql)
    thing = model(mysql_database, "thing", {})
    (found,) = plan(mysql_database, [thing]).findings
    assert found.sql == (
        "-- what refers to it, or is made of it, has to be dropped first, and added again\n"
        "ALTER TABLE `thing` MODIFY COLUMN `id` int NOT NULL AUTO_INCREMENT"
    )
    mysql_database.execute_sql(found.sql)
    assert thing.create().id == 1
    assert not plan(mysql_database, [thing]).findings
