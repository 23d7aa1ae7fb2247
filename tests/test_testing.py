"""What the tests of applications use."""

from __future__ import annotations

import pytest
from peewee import CharField, DatabaseProxy, Model, SqliteDatabase, TextField

from peewee_automigrate import migrate, plan
from peewee_automigrate.testing import assert_migrated


class Author(Model):
    name = CharField()


class Grown(Model):
    name = CharField()
    motto = TextField()

    class Meta:
        table_name = "author"


def test_database_that_lacks_something_fails_with_the_plan(sqlite_database: SqliteDatabase) -> None:
    with pytest.raises(AssertionError) as caught:
        assert_migrated(sqlite_database, [Author])
    assert str(caught.value) == str(plan(sqlite_database, [Author]))
    assert sqlite_database.get_tables() == []


def test_what_is_blocked_fails_too(sqlite_database: SqliteDatabase) -> None:
    migrate(sqlite_database, [Author])
    sqlite_database.execute_sql("INSERT INTO author (name) VALUES ('ann')")
    with pytest.raises(AssertionError, match="blocked AM101"):
        assert_migrated(sqlite_database, [Grown])


def test_migrated_database_passes(sqlite_database: SqliteDatabase) -> None:
    migrate(sqlite_database, [Author])
    proxy = DatabaseProxy()
    proxy.initialize(sqlite_database)
    assert_migrated(proxy, [Author])
