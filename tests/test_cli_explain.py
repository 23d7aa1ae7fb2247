"""`explain`: the page of a finding, on both command lines."""

from __future__ import annotations

import pytest
from flask import Flask
from peewee import Model, SqliteDatabase

from peewee_automigrate.flask import AutoMigrate
from peewee_automigrate.texts import TEXTS
from tests.support.project import Project

AM105 = """\
AM105 blocked: <the index> over duplicate rows: <so many keys stand> more than once<up to five of them>
  What to do: Remove the duplicates, then run again. This query lists them: <query>
"""  # noqa: E501


@pytest.mark.parametrize("word", ["AM105", "am105", "105"])
def test_code_is_explained(project: Project, word: str) -> None:
    result = project.run("explain", word)
    assert (result.exit_code, result.output) == (0, AM105)


def test_codes_are_explained_one_after_the_other(project: Project) -> None:
    lines = project.run("explain", "AM305", "AM105").output.splitlines()
    assert [line.partition(":")[0] for line in lines if line[0] != " "] == [
        "AM305 note",
        "AM105 blocked",
    ]


def test_all_codes_are_listed_in_a_line_each(project: Project) -> None:
    lines = project.run("explain").output.splitlines()
    assert [line[:5] for line in lines] == sorted(TEXTS)
    assert {line.split()[1] for line in lines} == {"blocked", "drift", "note"}
    assert not [line for line in lines if "{" in line]


@pytest.mark.parametrize(
    ("word", "near"),
    [("AM141", "AM140, AM139, AM138"), ("999", "AM318, AM317, AM316")],
)
def test_unknown_code_names_the_nearest(project: Project, word: str, near: str) -> None:
    result = project.run("explain", "AM105", word)
    expected = f'Error: {word}: no such code. The nearest are {near}. "main explain" lists all.\n'
    assert (result.exit_code, result.stderr) == (2, expected)


def test_word_that_is_no_code_says_how_to_list_all(project: Project) -> None:
    result = project.run("explain", "karma")
    assert result.stderr == 'Error: karma: no such code. "main explain" lists all.\n'


def test_flask_explains_too() -> None:
    class Author(Model):
        pass

    app = Flask("library")
    AutoMigrate(app, SqliteDatabase(":memory:"), [Author])
    result = app.test_cli_runner().invoke(args=["automigrate", "explain", "AM105"])
    assert (result.exit_code, result.output) == (0, AM105)
