"""The options: one definition of each, for Python, the command line, Flask and files."""

from __future__ import annotations

import sys
from typing import Any

import click
import pytest
from flask import Flask
from peewee import CharField, Model, SqliteDatabase

from peewee_automigrate import Options, plan
from peewee_automigrate.faces.cli import main
from peewee_automigrate.flask import AutoMigrate
from peewee_automigrate.options import TEXTUAL, read
from tests.support.project import Project

COMMANDS = ["plan", "migrate", "check"]
WRITING = {"on_blocked", "backup", "release"}  # options of what writes


class Author(Model):
    name = CharField()


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("on_blocked", "ignore", '"raise" or "skip"'),
        ("on_blocked", None, '"raise" or "skip"'),
        ("lock_wait", "5", "a number of seconds, 0 or more"),
        ("lock_timeout", True, "a number of seconds, 0 or more"),
        ("wait", float("nan"), "a number of seconds, 0 or more"),
        ("wait", None, "a number of seconds, 0 or more"),
        ("online_rows", 2.5, "a whole number, 0 or more"),
        ("online_rows", -1, "a whole number, 0 or more"),
        ("atomic", "false", "True or False"),
        ("samples", 1, "True or False"),
        ("on_step", "print", "a function"),
        ("scripts", "", "a folder's path"),
        ("backup", 1, "a folder's path"),
        ("release", "", "a text of at most 100 letters"),
        ("release", "1\n2", "a text of at most 100 letters"),
    ],
)
def test_wrong_value_is_an_error_that_says_what_is_allowed(
    name: str, value: Any, allowed: str
) -> None:
    with pytest.raises(ValueError, match=name) as caught:
        plan(SqliteDatabase(":memory:"), [Author], **{name: value})
    assert str(caught.value) == f"{name} is {value!r}; use {allowed}."


@pytest.mark.parametrize("name", TEXTUAL.keys() - {"scripts", "backup", "release"})
def test_text_that_means_nothing_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is 'soon'; use "):
        read(name, "soon")


@pytest.mark.parametrize("command", COMMANDS)
def test_command_has_each_option_that_can_be_given_as_text(command: str) -> None:
    names = {each.name for each in main.commands[command].params}
    assert set(TEXTUAL) - names == (set() if command == "migrate" else WRITING)


@pytest.mark.parametrize("command", COMMANDS)
def test_default_of_a_command_is_that_of_python(command: str) -> None:
    found = {each.name: each.default for each in main.commands[command].params}
    expected = {name: getattr(Options(), name) for name in TEXTUAL if name in found}
    assert {name: found[name] for name in expected} == expected


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The options with which a command has planned last."""
    given: dict[str, Any] = {}

    def noting(*items: Any, **options: Any) -> Any:
        given.update(options)
        return plan(*items, **options)

    monkeypatch.setattr("peewee_automigrate.faces.commands.plan", noting)
    return given


@pytest.mark.parametrize("command", ["plan", "check"])
def test_plan_uses_the_options_of_the_application(
    noted: dict[str, Any], command: str, tmp_path: Any
) -> None:
    app = Flask(__name__)
    app.config.update(AUTOMIGRATE_ATOMIC=True, AUTOMIGRATE_ONLINE_ROWS="5")
    with SqliteDatabase(str(tmp_path / "a.db")) as database:
        AutoMigrate(app, database, [Author], lock_wait=2.0)
        app.test_cli_runner().invoke(args=["automigrate", command])
    assert (noted["atomic"], noted["online_rows"], noted["lock_wait"]) == (True, 5, 2.0)


FILES: dict[str, str] = {
    "pyproject.toml": """[tool.peewee_automigrate]
models = ["app"]
database = "sqlite:///app.db"
atomic = true
online_rows = 7
""",
    "setup.cfg": """[peewee_automigrate]
models = app
database = sqlite:///app.db
atomic = true
online_rows = 7
""",
}
each_file = pytest.mark.parametrize(
    "name", [name for name in FILES if name != "pyproject.toml" or sys.version_info >= (3, 11)]
)


@each_file
def test_file_gives_models_database_and_options(
    project: Project, noted: dict[str, Any], name: str
) -> None:
    (project.folder / name).write_text(FILES[name])
    project.file.touch()
    result = project.run("plan")
    assert (result.exit_code, "create table author" in result.output) == (0, True)
    assert (noted["atomic"], noted["online_rows"]) == (True, 7)


@each_file
def test_command_line_and_environment_win_over_a_file(
    project: Project, noted: dict[str, Any], name: str
) -> None:
    (project.folder / name).write_text(FILES[name])
    project.file.touch()
    env = {"PEEWEE_AUTOMIGRATE_ATOMIC": "0"}
    result = project.run("plan", "app_more", "--online-rows", "9", env=env)
    assert "app_more" in result.output
    assert (noted["atomic"], noted["online_rows"]) == (False, 9)


@each_file
@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("online_rows = 7", "online_rows = -7", "use a whole number, 0 or more."),
        ("online_rows", "online_row", "{}: 'online_row' is no option. Use models, "),
    ],
)
def test_file_with_a_wrong_line_is_wrong_usage(
    project: Project, name: str, before: str, after: str, words: str
) -> None:
    (project.folder / name).write_text(FILES[name].replace(before, after))
    result = project.run("plan")
    assert (result.exit_code, words.format(name) in result.stderr) == (2, True)


def test_options_of_click_are_made_from_the_fields() -> None:
    """The help of each is written once."""
    options = [each for each in main.commands["migrate"].params if isinstance(each, click.Option)]
    helps = {each.name: each.help for each in options}
    assert all(helps[name] == known.metadata["help"] for name, known in TEXTUAL.items())
