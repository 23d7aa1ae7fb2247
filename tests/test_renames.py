"""What may have been renamed is asked, by a plan and by a run's warnings, and its SQL is right."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from peewee import CharField, Database, IntegerField, Model

from peewee_automigrate import MigrationBlocked, migrate, plan
from tests.support.fields import model

LOGGER = "peewee_automigrate"


def test_renamed_column_is_blocked_and_its_sql_brings_the_values_along(database: Database) -> None:
    old = model(database, "person", {"fullname": CharField()})
    migrate(database, [old])
    old.create(fullname="Ann")
    new = model(database, "person", {"full_name": CharField(default="")})
    with pytest.raises(MigrationBlocked, match="renamed") as caught:
        migrate(database, [new])
    (finding,) = caught.value.blocked
    assert finding.sql and finding.sql in str(caught.value)
    database.execute_sql(finding.sql)
    assert not plan(database, [new])
    assert list(new.select(new.full_name).tuples()) == [("Ann",)]


def test_renamed_table_is_created_with_a_warning_whose_sql_is_right_beforehand(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    fields = {"name": CharField(), "city": CharField()}
    old = model(database, "customer", fields)
    migrate(database, [old])
    old.create(name="Ann", city="Ulm")
    new = model(database, "client", {name: field.clone() for name, field in fields.items()})
    (finding,) = plan(database, [new]).findings
    assert finding.code == "AM214" and finding.sql
    with database.atomic() as undone:
        database.execute_sql(finding.sql)
        assert not plan(database, [new])
        assert new.select().count() == 1
        undone.rollback()
    if not database.table_exists("customer"):  # MariaDB commits
        database.execute_sql("ALTER TABLE client RENAME TO customer")
    with caplog.at_level(logging.WARNING, LOGGER):
        report = migrate(database, [new])
    assert [step.table for step in report.applied] == ["client"]
    (warning,) = [record.getMessage() for record in caplog.records]
    assert "AM214" in warning and finding.sql in warning
    caplog.clear()
    migrate(database, [new])
    assert caplog.records == []


def test_what_is_new_is_said_for_one_model_and_not_inherited(database: Database) -> None:
    class Base(Model):
        class Meta:
            automigrate_not_renamed = ("karma",)

    standing = [model(database, name, {"points": IntegerField()}) for name in ("a", "b")]
    migrate(database, standing)

    def made(name: str, **more: Any) -> type[Model]:
        meta = type("Meta", (), {"database": database, "table_name": name, **more})
        return type(name, (Base,), {"karma": IntegerField(default=1), "Meta": meta})

    new = [made("a"), made("b", automigrate_not_renamed="karma")]
    found = plan(database, new)
    assert [f"{step.table}.{step.name}" for step in found.steps] == ["b.karma"]
    assert [(finding.code, finding.table) for finding in found.blocked] == [("AM154", "a")]
