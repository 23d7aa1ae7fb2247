"""Marks of interrupted runs, which anybody who owns a table can write too: what stands is compared
with the model before anything is validated or filled.
"""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from peewee import (
    Check,
    Database,
    ForeignKeyField,
    IntegerField,
    PostgresqlDatabase,
    UUIDField,
)

from peewee_automigrate import migrate, plan
from peewee_automigrate.dialects.base import MARK
from tests.cases_base import Maker

RUN = "CREATE FUNCTION spy() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN CREATE TABLE seen (); "
RUN += "RETURN true; END $$"
STANDS = """SELECT conname, convalidated, obj_description(oid, 'pg_constraint') FROM pg_constraint
            WHERE conrelid = 't'::regclass AND contype IN ('c', 'f') ORDER BY 1"""


def ask(database: Database, sql: str) -> list[Any]:
    return list(database.execute_sql(sql).fetchall())


@pytest.fixture
def database(postgres_database: PostgresqlDatabase) -> PostgresqlDatabase:
    """Write: a table with rows, and a parent."""
    for statement in (
        "CREATE TABLE p (id serial PRIMARY KEY)",
        "CREATE TABLE q (id serial PRIMARY KEY)",
        "CREATE TABLE t (id serial PRIMARY KEY, n integer NOT NULL DEFAULT 1, p_id integer)",
        "INSERT INTO p DEFAULT VALUES",
        "INSERT INTO q DEFAULT VALUES",
        "INSERT INTO t (n, p_id) VALUES (1, 1), (2, NULL)",
    ):
        postgres_database.execute_sql(statement)
    return postgres_database


def models(database: Database, check: str = "n > 0", **options: Any) -> list[Any]:
    M = Maker(database)
    parent = M("p")
    key = ForeignKeyField(parent, null=True, index=False, **options)
    return [parent, M("t", n=IntegerField(default=1, constraints=[Check(check)]), p=key)]


def marked(database: Database, *constraints: str) -> None:
    """Write: add constraints that are not validated and bear the mark."""
    for number, text in enumerate(constraints):
        database.execute_sql(f"ALTER TABLE t ADD CONSTRAINT k{number} {text} NOT VALID")
        database.execute_sql(f"COMMENT ON CONSTRAINT k{number} ON t IS '{MARK}'")


@pytest.mark.parametrize("text", ["CHECK (n > 0)", "CHECK ((n)>0)"])
def test_marked_check_that_the_model_declares_is_validated(database: Database, text: str) -> None:
    marked(database, text, "FOREIGN KEY (p_id) REFERENCES p (id)")
    applied = migrate(database, models(database)).applied
    assert len(applied) == 2
    assert ask(database, STANDS) == [("k0", True, None), ("k1", True, None)]
    assert not plan(database, models(database))


@pytest.mark.parametrize(
    "check",
    ["n IN (1, 2)", "n BETWEEN 1 AND 9", "n::text <> '9' AND n != 7", "n = ANY (ARRAY[1, 2])"],
)
def test_marked_check_that_the_server_words_otherwise_is_validated(
    database: Database, check: str
) -> None:
    marked(database, f"CHECK ({check})")
    assert "AM218" not in [f.code for f in migrate(database, models(database, check)).findings]
    assert ask(database, STANDS)[0] == ("k0", True, None)


@pytest.mark.parametrize(
    "text",
    [
        "CHECK (spy())",
        "CHECK (n > 0 AND spy())",
        "CHECK (n >= 0)",
        "FOREIGN KEY (p_id) REFERENCES q (id)",
        "FOREIGN KEY (p_id) REFERENCES p (id) ON DELETE CASCADE",
        "FOREIGN KEY (n) REFERENCES p (id)",
    ],
)
def test_marked_constraint_that_no_model_declares_is_a_finding(
    database: Database, text: str
) -> None:
    database.execute_sql(RUN)
    marked(database, text)
    before = ask(database, STANDS)
    made, report = plan(database, models(database)), migrate(database, models(database))
    assert (made.steps, report.applied) == ((), ())
    assert ask(database, STANDS) == before
    assert [one.name for one in report.findings if one.code == "AM218"] == ["k0"]
    assert ask(database, "SELECT to_regclass('seen')") == [(None,)]


@pytest.mark.parametrize("kind", ["varchar(40)", "text", "uuid[]", "integer"])
def test_marked_column_of_another_type_is_not_filled(database: Database, kind: str) -> None:
    database.execute_sql(f"ALTER TABLE t ADD COLUMN token {kind}")
    database.execute_sql(f"COMMENT ON COLUMN t.token IS '{MARK}'")
    fields = {"n": IntegerField(default=1), "p_id": IntegerField(null=True)}
    found = migrate(database, [Maker(database)("t", **fields, token=UUIDField(default=uuid.uuid4))])
    assert found.applied == ()
    assert {one.code for one in found.findings} >= {"AM213"}
    assert ask(database, "SELECT DISTINCT token FROM t") == [(None,)]


def test_marked_column_of_its_type_is_filled(database: Database) -> None:
    database.execute_sql("ALTER TABLE t ADD COLUMN token uuid")
    database.execute_sql(f"COMMENT ON COLUMN t.token IS '{MARK}'")
    fields = {"n": IntegerField(default=1), "p_id": IntegerField(null=True)}
    models = [Maker(database)("t", **fields, token=UUIDField(default=uuid.uuid4))]
    assert len(migrate(database, models).applied) == 1
    assert ask(database, "SELECT count(DISTINCT token) FROM t") == [(2,)]
    assert not plan(database, models)
