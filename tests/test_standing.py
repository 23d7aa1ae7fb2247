"""A database in memory outlives a run, and a file that is not there is not made by a plan."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from peewee import CharField, SqliteDatabase

from peewee_automigrate import migrate, plan
from tests.support.fields import model

SCRIPT = """
from peewee import CharField, Model, SqliteDatabase
from peewee_automigrate import migrate

database = SqliteDatabase(":memory:")
database.execute_sql("CREATE TABLE person (id INTEGER PRIMARY KEY, alias VARCHAR(255))")

class Person(Model):
    name = CharField(null=True)
    class Meta:
        database = database

migrate(database, [Person])
"""


@pytest.mark.parametrize("name", [":memory:", "file::memory:", "file:x?mode=memory"])
def test_database_in_memory_stays_open(name: str) -> None:
    database = SqliteDatabase(name, uri=name.startswith("file:"))
    person = model(database, "person", {"name": CharField()})
    assert migrate(database, [person])
    assert person.select().count() == 0
    assert not migrate(database, [person])
    database.close()


def test_plan_of_a_missing_file_makes_none_and_names_it(tmp_path: Path) -> None:
    database = SqliteDatabase(str(tmp_path / "new.db"))
    person = model(database, "person", {"name": CharField()})
    made = plan(database, [person])
    assert [step.table for step in made.steps] == ["person"]
    assert "new.db, which is not there yet" in made.summary
    assert (list(tmp_path.iterdir()), database.is_closed()) == ([], True)
    assert person._meta.database is database
    migrate(database, [person])
    assert not plan(database, [person])


def test_program_without_logging_shows_warnings_on_standard_error() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    assert "AM210" in done.stderr and "RENAME COLUMN" in done.stderr
