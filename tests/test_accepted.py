"""Findings that are accepted: told apart, not logged, and no failure of a strict check."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from peewee import CharField, IntegerField, Model, SqliteDatabase, TextField

from peewee_automigrate import Plan, migrate, plan
from peewee_automigrate.accepted import lines_in
from tests.support.project import Project

MADE_BY_HAND = (
    "CREATE TABLE author "
    "(id INTEGER NOT NULL PRIMARY KEY, name TEXT, born TEXT NOT NULL DEFAULT '')"
)
MODULE = """
    from peewee import *

    class Author(Model):
        name = CharField()
        born = IntegerField(default=0)
"""


@pytest.fixture
def by_hand(project: Project) -> Project:
    """A database that somebody made by hand, and models that differ."""
    with project.database() as database:
        database.execute_sql(MADE_BY_HAND)
    project.module("app_by_hand", MODULE)
    return project


def check(project: Project, *words: str) -> tuple[int, str]:
    result = project.on(project.url, "check", "app_by_hand", "--strict", *words)
    return result.exit_code, result.output


def test_written_file_is_a_gate_from_the_first_day(by_hand: Project) -> None:
    assert check(by_hand)[0] == 5
    assert check(by_hand, "--write-accept", "known")[0] == 0
    code, output = check(by_hand, "--accept", "known")
    assert (code, output.splitlines()[-1][:29]) == (0, "Nothing to do. 3 accepted.")


def test_written_file_names_each_finding(by_hand: Project) -> None:
    check(by_hand, "--write-accept", "known")
    made = plan(by_hand.database(), "app_by_hand")
    found = {f"{each.code} {each.table}.{each.name}" for each in made.findings}
    written = (by_hand.folder / "known").read_text()
    assert (set(lines_in(written)), written[:2]) == (found, "# ")


def test_written_file_accepts_all_constraints_without_a_name(by_hand: Project) -> None:
    meta = "    class Meta:\n            constraints = [Check('born < 9'), Check('born > 0')]"
    by_hand.module("app_by_hand", f"{MODULE}\n    {meta}")
    assert "2 drift" not in check(by_hand, "--write-accept", "known")[1]
    code, output = check(by_hand, "--accept", "known")
    assert (code, output.splitlines()[-1][:29]) == (0, "Nothing to do. 5 accepted.")


def test_new_drift_fails_beside_what_is_accepted(by_hand: Project) -> None:
    check(by_hand, "--write-accept", "known")
    known = by_hand.folder / "known"
    kept = [line for line in known.read_text().splitlines() if "AM202" not in line]
    known.write_text("\n".join(kept))
    assert check(by_hand, "--accept", "known")[0] == 5


def test_line_that_accepts_nothing_is_reported(by_hand: Project) -> None:
    check(by_hand, "--write-accept", "known")
    with (by_hand.folder / "known").open("a") as known:
        known.write("AM209 author.gone  # since the import\n")
    code, output = check(by_hand, "--accept", "known")
    assert (code, "AM313 author.gone: accepted as AM209, which" in output) == (0, True)


def test_comments_and_empty_lines_accept_nothing() -> None:
    text = "# all of these\n\n  AM201 a.b   # why\nAM209 a.c#d\n"
    assert lines_in(text) == ["AM201 a.b", "AM209 a.c#d"]


@pytest.mark.parametrize(
    ("text", "words"), [("author.name\n", "use lines such as"), (None, "No such file")]
)
def test_file_that_can_not_be_read_is_wrong_usage(
    by_hand: Project, text: str | None, words: str
) -> None:
    if text:
        (by_hand.folder / "known").write_text(text)
    code, output = check(by_hand, "--accept", "known")
    assert (code, words in output) == (2, True)


def test_what_is_blocked_is_never_accepted(sqlite_database: SqliteDatabase) -> None:
    sqlite_database.execute_sql("CREATE TABLE author (id INTEGER NOT NULL PRIMARY KEY)")
    sqlite_database.execute_sql("INSERT INTO author VALUES (1)")

    class Author(Model):
        name = CharField()

    with pytest.raises(ValueError, match="accept is "):
        plan(sqlite_database, [Author], accept=["AM101 author.name"])


def accepted(made: Plan) -> list[str]:
    return [f"{found.code} {found.name}" for found in made.accepted]


def said(**meta: Any) -> type[Model]:
    return type(
        "Author",
        (Model,),
        {"year": IntegerField(column_name="born"), "Meta": type("Meta", (), meta)},
    )


def test_model_accepts_for_itself(sqlite_database: SqliteDatabase) -> None:
    sqlite_database.execute_sql(MADE_BY_HAND)
    model = said(table_name="author", automigrate_accept={"AM201": ["year"], "AM301": "name"})
    made = plan(sqlite_database, [model])
    assert accepted(made) == ["AM201 born", "AM301 name"]
    assert [each["code"] for each in made.to_dict()["accepted"]] == ["AM201", "AM301"]


def test_model_does_not_accept_for_those_below_it(sqlite_database: SqliteDatabase) -> None:
    sqlite_database.execute_sql(MADE_BY_HAND)
    base = said(table_name="other", automigrate_accept={"AM201": ["year"]})

    class Author(base):  # type: ignore[misc, valid-type]
        class Meta:
            table_name = "author"

    assert accepted(plan(sqlite_database, [Author])) == []


def test_accepted_question_is_not_logged(
    sqlite_database: SqliteDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    sqlite_database.execute_sql("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, fullname TEXT)")
    fields = {"full_name": TextField(null=True)}
    model = type("T", (Model,), {**fields, "Meta": type("Meta", (), {"table_name": "t"})})
    with caplog.at_level(logging.WARNING):
        migrate(sqlite_database, [model], accept=["AM210 t.full_name", "AM301 t.fullname"])
    assert caplog.records == []
