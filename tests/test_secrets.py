"""What is kept out of messages: values of rows unless they are asked for, and passwords."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from peewee import Database, IntegerField, SqliteDatabase

from peewee_automigrate import MigrationBlocked, migrate, plan
from peewee_automigrate.printing import markdown
from tests.cases_base import Maker
from tests.support.project import Project

SECRET = "sk-live-9f8e7d"


@pytest.fixture
def doubled(database: Database) -> Any:
    """Write: a table in which a secret stands twice; give the model that wants it unique."""
    M = Maker(database)
    database.create_tables([M("t", a=M.text())])
    for _ in range(2):
        database.execute_sql(f"INSERT INTO t (a) VALUES ('{SECRET}')")
    return M("t", a=M.text(unique=True), n=IntegerField(null=True))


def said(database: Database, model: Any, caplog: pytest.LogCaptureFixture, **options: Any) -> Any:
    """Write: migrate in both ways; return what is logged, and the texts of the plan and errors."""
    made = plan(database, model, **options)
    with pytest.raises(MigrationBlocked) as caught:
        migrate(database, model, **options)
    texts = [str(made), markdown(made), json.dumps(made.to_dict()), str(caught.value), repr(made)]
    with caplog.at_level(logging.DEBUG, "peewee_automigrate"):
        report = migrate(database, model, on_blocked="skip", **options)
    assert [finding.code for finding in report.skipped] == ["AM105"]
    assert "AM105" in caplog.text
    return caplog.text, texts


def test_values_of_rows_stay_out_of_logs(
    doubled: Any, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    logged, texts = said(database, doubled, caplog)
    assert SECRET not in logged
    assert [SECRET in text for text in texts] == [True] * len(texts)


def test_values_of_rows_are_logged_when_asked(
    doubled: Any, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    logged, _ = said(database, doubled, caplog, samples=True)
    assert SECRET in logged


def test_without_samples_no_text_has_values_of_rows(
    doubled: Any, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    logged, texts = said(database, doubled, caplog, samples=False)
    assert SECRET not in logged
    assert [text for text in texts if SECRET in text] == []
    assert "1 key stands more than once. Remove the duplicates" in texts[0]


APP = """
    from peewee import *
    db = SqliteDatabase("app.db")
    class T(Model):
        a = TextField(unique=True)
        class Meta: database = db
"""


@pytest.mark.parametrize("words", [["plan"], ["plan", "--format", "json"], ["migrate", "-v"]])
def test_command_line_shows_no_values_of_rows_when_told_so(
    project: Project, words: list[str]
) -> None:
    project.module("app_twice", APP)
    database = SqliteDatabase("app.db")
    database.execute_sql("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, a TEXT NOT NULL)")
    database.execute_sql(f"INSERT INTO t (a) VALUES ('{SECRET}'), ('{SECRET}')")
    database.close()
    assert SECRET in project.run(*words, "app_twice").output
    result = project.run(*words, "app_twice", "--no-samples")
    assert (result.exit_code, SECRET in result.output + result.stderr) == (3, False)
