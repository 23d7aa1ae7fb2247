"""What an interrupted run has left on MySQL and MariaDB: columns marked by their comment."""

from __future__ import annotations

from typing import Any

import pytest
from peewee import (
    SQL,
    CharField,
    Database,
    DateTimeField,
    ForeignKeyField,
    IntegerField,
    MySQLDatabase,
)

from peewee_automigrate import migrate, plan
from peewee_automigrate.printing import sql_text
from tests.support.fields import model

KEY = "COMMENT 'peewee_automigrate: foreign key follows'"
UNFINISHED = "COMMENT 'peewee_automigrate: unfinished'"
COMMENTS = """SELECT column_comment FROM information_schema.columns
              WHERE table_schema = DATABASE() AND table_name = 't' AND column_name = 'n'"""


@pytest.fixture
def database(mysql_database: MySQLDatabase) -> MySQLDatabase:
    """A parent with one row, and a child with two rows."""
    for statement in (
        "CREATE TABLE p (id VARCHAR(9) NOT NULL PRIMARY KEY)",
        "CREATE TABLE t (id INTEGER NOT NULL AUTO_INCREMENT PRIMARY KEY)",
        "INSERT INTO p VALUES ('wer?')",
        "INSERT INTO t VALUES (), ()",
    ):
        mysql_database.execute_sql(statement)
    return mysql_database


def with_key(database: Database, **options: Any) -> list[Any]:
    parent = model(database, "p", {"id": CharField(9, primary_key=True)})
    key = ForeignKeyField(parent, column_name="n", **options)
    return [parent, model(database, "t", {"n": key})]


def asked(database: Database, sql: str) -> list[Any]:
    return list(database.execute_sql(sql).fetchall())


def test_column_that_waits_for_its_key_is_not_filled(database: MySQLDatabase) -> None:
    database.execute_sql(f"ALTER TABLE t ADD n VARCHAR(9) {KEY}")
    migrate(database, with_key(database, null=True, default=lambda: "wer?"))
    assert asked(database, "SELECT n FROM t") == [(None,), (None,)]
    assert asked(database, COMMENTS) == [("",)]


def test_column_whose_key_stands_loses_its_mark_only(database: MySQLDatabase) -> None:
    database.execute_sql(
        f"ALTER TABLE t ADD n VARCHAR(9) {KEY}, ADD FOREIGN KEY (n) REFERENCES p (id)"
    )
    made = plan(database, with_key(database, null=True))
    assert [statement.split(" ")[3] for statement in made.sql()] == ["MODIFY"]
    migrate(database, with_key(database, null=True))
    assert asked(database, COMMENTS) == [("",)]


def test_mark_comes_off_a_default_that_the_catalogue_can_not_show(database: MySQLDatabase) -> None:
    database.execute_sql(f"ALTER TABLE t ADD n VARCHAR(9) NOT NULL DEFAULT 'wer?' {KEY}")
    migrate(database, with_key(database, default="wer?"))
    database.execute_sql("INSERT INTO t (id) VALUES (9)")
    assert asked(database, "SELECT n FROM t WHERE id = 9") == [("wer?",)]
    assert not plan(database, with_key(database, default="wer?"))


def test_comment_of_the_model_does_not_hide_the_mark(database: MySQLDatabase) -> None:
    own = IntegerField(default=iter(range(1, 99)).__next__, constraints=[SQL("COMMENT 'own'")])
    models = [model(database, "t", {"n": own})]
    database.execute_sql(plan(database, models).sql()[0])  # and here the run is killed
    migrate(database, models)
    assert len(set(asked(database, "SELECT n FROM t WHERE n IS NOT NULL"))) == 2
    assert asked(database, COMMENTS) == [("own",)]


@pytest.mark.parametrize(("index", "effect"), [(True, "instant"), (False, "builds")])
def test_key_makes_the_index_that_is_not_there(
    database: MySQLDatabase, index: bool, effect: str
) -> None:
    made = plan(database, with_key(database, null=True, index=index))
    assert [s.effect for s in made.steps if s.kind == "add_foreign_key"] == [effect]


def test_script_leaves_what_it_can_not_fill_to_migrate(database: MySQLDatabase) -> None:
    numbers = iter(range(1, 99))
    models = [model(database, "t", {"n": IntegerField(default=numbers.__next__)})]
    for statement in sql_text(plan(database, models)).split(";\n"):
        if statement.strip() and not statement.startswith("--"):
            database.execute_sql(statement)
    assert UNFINISHED[9:-1] in asked(database, COMMENTS)[0][0]
    migrate(database, models)
    assert len(set(asked(database, "SELECT n FROM t WHERE n IS NOT NULL"))) == 2


def test_script_of_default_actions_reads_the_same_without_the_right_to_see_them(
    database: MySQLDatabase,
) -> None:
    models = with_key(database, null=True, on_delete="CASCADE")
    migrate(database, models)
    user = f"r{database.database[-20:]}"
    database.execute_sql(f"CREATE USER {user}")
    try:
        database.execute_sql(f"GRANT SELECT ON {database.database}.* TO {user}")
        options = {**database.connect_params, "user": user}
        options.pop("passwd", None)
        reader = MySQLDatabase(database.database, **options)
        with reader.connection_context():
            made = plan(reader, with_key(reader, null=True, on_delete="CASCADE"))
        assert not made and not made.drift
    finally:
        database.execute_sql(f"DROP USER {user}")


# Marks that no run of ours has left


@pytest.mark.parametrize(
    "column",
    [
        "n INT NULL COMMENT 'see docs: peewee_automigrate: unfinished'",
        f"n INT NULL INVISIBLE {UNFINISHED}",
        f"n INT NULL DEFAULT 7 {UNFINISHED}",
        f"n INT NOT NULL {UNFINISHED}",
        f"n INT AS (1) VIRTUAL {UNFINISHED}",
        f"n TIMESTAMP NULL ON UPDATE CURRENT_TIMESTAMP {UNFINISHED}",
        f"n VARCHAR(9) CHARACTER SET latin1 COLLATE latin1_bin NULL {UNFINISHED}",
        f"n INT NULL INVISIBLE {KEY}",
        f"n INT NOT NULL DEFAULT 1 {KEY}",
    ],
)
def test_mark_of_another_is_not_believed(database: MySQLDatabase, column: str) -> None:
    database.execute_sql(f"ALTER TABLE t ADD {column}, ADD m INT")
    before = asked(database, "SHOW CREATE TABLE t")
    words = {"TIMESTAMP": DateTimeField, "VARCHAR": CharField}
    field = next((words[word] for word in words if word in column), IntegerField)
    models: list[Any] = [model(database, "t", {"n": field(null=True), "m": IntegerField()})]
    if KEY in column:
        database.execute_sql("CREATE TABLE q (id INT PRIMARY KEY)")
        parent = model(database, "q", {"id": IntegerField(primary_key=True)})
        key = ForeignKeyField(parent, column_name="n", null=True, index=False)
        models = [parent, model(database, "t", {"n": key, "m": IntegerField()})]
    found = migrate(database, models)
    assert (found.applied, asked(database, "SHOW CREATE TABLE t")) == ((), before)
    expected = [] if "see docs" in column else ["AM315"]
    assert [one.code for one in found.findings if one.code == "AM315"] == expected
