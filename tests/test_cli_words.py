"""What people write on the command line: files as MODELS, other programs' words, `.env` files."""

from __future__ import annotations

import re

import pytest

from tests.support.project import FIRST, Program, Project
from tests.test_cli import assert_one_line

FACTORY = """
    from flask import Flask
    from peewee import *
    from peewee_automigrate.flask import AutoMigrate

    class Shelf(Model):
        pass

    def create_app():
        app = Flask("library")
        AutoMigrate(app, SqliteDatabase("library.db"), [Shelf])
        return app

    app = create_app()
    bare = Flask("bare")

    def needs(config):
        return app
"""


@pytest.fixture
def shop(project: Project) -> Project:
    """A package, a folder without one, and an application, beside the modules that are there."""
    project.module("app_shop/__init__", "")
    project.module("app_shop/base", "from peewee import *\nclass Base(Model): pass")
    project.module("app_shop/models", "from .base import *\nclass Cup(Base): pass")
    project.module("loose/app_alone", FIRST)
    project.module("app_flask", FACTORY)
    return project


# MODELS.


@pytest.mark.parametrize(
    ("word", "tables"),
    [
        ("app.py", ["author", "post"]),
        ("./app.py", ["author", "post"]),
        ("app.py:Author", ["author"]),
        ("app.py:chosen()", ["author"]),
        ("app:chosen()", ["author"]),
        ("app_shop/models.py", ["cup"]),
        ("app_shop/models.py:Cup", ["cup"]),
        ("app_shop/__init__.py", ["cup"]),
        ("app_shop/", ["cup"]),
        ("./loose/app_alone.py", ["author"]),
        ("loose/../app_shop/models.py", ["cup"]),
    ],
)
def test_file_or_call_is_what_is_meant(shop: Project, word: str, tables: list[str]) -> None:
    result = shop.on(shop.url, "migrate", word)
    assert (result.exit_code, shop.database().get_tables()) == (0, tables), result.output


def test_absolute_path_is_what_is_meant(shop: Project) -> None:
    assert shop.on(shop.url, "migrate", str(shop.folder / "app.py")).exit_code == 0
    assert shop.database().get_tables() == ["author", "post"]


@pytest.mark.parametrize(
    "word", ["app_flask:create_app()", "app_flask:create_app", "app_flask:app", "app_flask.py:app"]
)
def test_application_gives_its_models_and_its_database(shop: Project, word: str) -> None:
    result = shop.run("plan", word)
    assert result.output.splitlines() == [
        "1 model of app_flask on sqlite library.db, which is not there yet",
        "+ create table shelf  instant  new table, 0 indexes",
        "To add: 1 table.",
    ]


NOT_MEANT = {
    "missing_file": ("app_shop/nothing.py", r"app_shop/nothing\.py: no module's file, and no pack"),
    "missing_here": ("nothing.py", r"nothing\.py: there is no module 'nothing'"),
    "without_suffix": ("app_shop/models", r"app_shop/models: no module's file, .*shop/models\.py"),
    "folder": ("./loose", r"\./loose: no module's file, and no package"),
    "other_file": ("./app.txt", r"\./app\.txt: no module's file, and no package"),
    "arguments": (
        "app_flask:create_app('x')",
        r"app_flask:create_app\('x'\): a function gets",
    ),
    "needs": ("app_flask:needs()", r"app_flask:needs: fails: TypeError: .*'config'"),
    "bare": ("app_flask:bare", r"app_flask:bare: an application without the AutoMigrate exten"),
}


@pytest.mark.parametrize("case", NOT_MEANT)
def test_word_that_cannot_be_meant_is_one_line(shop: Project, case: str) -> None:
    (shop.folder / "app.txt").touch()
    word, expected = NOT_MEANT[case]
    assert_one_line(shop.run("plan", word), expected)


def test_two_files_of_one_name_are_refused(shop: Project) -> None:
    shop.module("other/app_alone", FIRST)
    result = shop.on(shop.url, "plan", "loose/app_alone.py", "other/app_alone.py")
    place = re.escape(str(shop.folder / "loose" / "app_alone.py"))
    assert_one_line(result, rf"other/app_alone\.py: app_alone is {place} already\. Rename one")


def test_file_in_the_files_of_a_project_is_understood(shop: Project) -> None:
    text = "[peewee_automigrate]\nmodels = app_shop/models.py\n"
    (shop.folder / "setup.cfg").write_text(text)
    assert shop.on(shop.url, "migrate").exit_code == 0
    assert shop.database().get_tables() == ["cup"]


# Words of other programs.


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("diff", "plan"),
        ("status", "check"),
        ("up", "migrate"),
        ("upgrade", "migrate"),
        ("sync", "migrate"),
        ("migrat", "migrate"),
    ],
)
def test_command_of_other_programs_names_ours(project: Project, word: str, meant: str) -> None:
    assert_one_line(
        project.run(word, "app"), f'{word}: no such command; use "main {meant} MODELS"$'
    )


def test_unknown_command_lists_the_known(project: Project) -> None:
    assert_one_line(project.run("app.py"), r"app\.py: no such command; use one of plan, mig")


@pytest.mark.parametrize("words", [["migrate", "app", "OPTION"], ["OPTION", "migrate", "app"]])
@pytest.mark.parametrize(
    ("option", "meant"), [("--dry-run", "plan"), ("--sql", "plan --format sql")]
)
def test_option_of_other_programs_names_the_command(
    project: Project, words: list[str], option: str, meant: str
) -> None:
    result = project.run(*(word.replace("OPTION", option) for word in words))
    assert_one_line(result, f'{option}: no such option; use "main {meant} MODELS"$')


@pytest.mark.parametrize("option", ["--plans", "--nothing"])
def test_option_that_nobody_has_is_told_by_its_command(project: Project, option: str) -> None:
    result = project.run("check", "app", option)
    assert (result.exit_code, result.stderr.splitlines()[0]) == (
        2,
        "Usage: main check [OPTIONS] MODELS...",
    )


def test_flask_names_its_own_commands(shop: Project, program: Program) -> None:
    words = ["-m", "flask", "--app", "app_flask:app", "automigrate"]
    for given, said in (
        (["upgrade"], 'upgrade: no such command; use "python -m flask automigrate migrate"'),
        (["migrate", "--dry-run"], '--dry-run: no such option; use "python -m flask automigrate'),
    ):
        done = program(*words, *given)
        assert (done.returncode, done.stderr.splitlines()[0][: len(said) + 7]) == (
            2,
            f"Error: {said}",
        )


def test_help_is_a_word_too(project: Project) -> None:
    assert project.run("help").output == project.run("--help").output
    assert project.run("help", "plan").output == project.run("plan", "--help").output
    assert project.run("help").exit_code == 0


def test_shell_completes_behind_help(project: Project, program: Program) -> None:
    env = {"COMP_WORDS": "peewee-automigrate help ", "COMP_CWORD": "2"}
    code = "from peewee_automigrate.faces.cli import main; main(prog_name='peewee-automigrate')"
    done = program("-c", code, **env, _PEEWEE_AUTOMIGRATE_COMPLETE="bash_complete")
    assert (done.returncode, "Usage" in done.stdout, done.stderr) == (0, False, "")


def test_link_to_a_file_is_what_is_meant(shop: Project) -> None:
    (shop.folder / "app_linked.py").symlink_to(shop.folder / "app_first.py")
    assert shop.on(shop.url, "migrate", "./app_linked.py").exit_code == 0


# Files of the environment.

ENVIRONMENT = {
    ".env": "PEEWEE_AUTOMIGRATE_FORMAT=sql\nDATABASE_URL=sqlite:///of_env.db\n",
    ".flaskenv": "PEEWEE_AUTOMIGRATE_FORMAT=json\nFLASK_APP=app_flask\n",
}
SQL = "CREATE TABLE "
COMMANDS = {
    "ours": ["-m", "peewee_automigrate", "plan", "app_flask:Shelf"],
    "flask": ["-m", "flask", "automigrate", "plan"],
}
each_program = pytest.mark.parametrize("command", COMMANDS.values(), ids=list(COMMANDS))


@pytest.fixture
def environment(shop: Project) -> Project:
    for name, text in ENVIRONMENT.items():
        (shop.folder / name).write_text(text)
    return shop


@each_program
def test_env_files_are_read(environment: Project, program: Program, command: list[str]) -> None:
    done = program(*command)
    assert (done.returncode, done.stdout[: len(SQL)]) == (0, SQL), done.stderr


@each_program
def test_environment_goes_before_its_files(
    environment: Project, program: Program, command: list[str]
) -> None:
    done = program(*command, PEEWEE_AUTOMIGRATE_FORMAT="markdown")
    assert (done.returncode, "```sql\n" in done.stdout) == (0, True), done.stderr


@each_program
def test_flaskenv_is_read_alone(environment: Project, program: Program, command: list[str]) -> None:
    (environment.folder / ".env").unlink()
    done = program(*command, DATABASE_URL="sqlite:///x.db")
    assert (done.returncode, done.stdout[:1]) == (0, "{"), done.stderr


@each_program
def test_env_files_of_a_folder_above_are_read(
    environment: Project, program: Program, command: list[str]
) -> None:
    below = environment.folder / "below"
    below.mkdir()
    (environment.folder / "app_flask.py").rename(below / "app_flask.py")
    environment.folder = below
    done = program(*command)
    assert (done.returncode, done.stdout[: len(SQL)]) == (0, SQL), done.stderr


@each_program
def test_env_files_are_skipped_when_told_so(
    environment: Project, program: Program, command: list[str]
) -> None:
    words = [*command[:2], "--app", "app_flask", *command[2:]] if "flask" in command else command
    done = program(*words, FLASK_SKIP_DOTENV="1", DATABASE_URL="sqlite:///x.db")
    assert (done.returncode, done.stdout[:7]) == (0, "1 model"), done.stderr


def test_program_needs_no_python_dotenv(environment: Project, program: Program) -> None:
    code = "import sys; sys.modules['dotenv'] = None; from peewee_automigrate.faces.cli import main"
    done = program("-c", f"{code}; main()", "plan", "app", DATABASE_URL="sqlite:///x.db")
    assert (done.returncode, done.stdout[:8]) == (0, "2 models"), done.stderr
