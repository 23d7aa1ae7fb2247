"""The command line: what it prints, the code with which it exits, and how it takes bad input."""

from __future__ import annotations

import json
import logging
import os
import re
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from click.testing import Result
from peewee import SqliteDatabase
from playhouse.db_url import connect

from peewee_automigrate import AutoMigrateError, migrate, plan
from tests.support import catalogue
from tests.support.project import FIRST, Program, Project, opened, with_a_row

SECRET = "s3cr3t-Pa55"


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
def url(request: pytest.FixtureRequest, project: Project) -> str:
    """The URL of an empty database, of each kind in turn."""
    if request.param == "sqlite":
        SqliteDatabase(str(project.file)).connect()
        project.file.touch()
        return project.url
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


def facts(url: str) -> catalogue.Facts:
    database = opened(url)
    found = catalogue.facts(database)
    database.close()
    return found


# What the commands do.


def test_plan_exits_with_0_when_something_is_to_add(project: Project, url: str) -> None:
    assert project.on(url, "plan", "app").exit_code == 0


def test_plan_changes_nothing(project: Project, url: str) -> None:
    before = facts(url)
    project.on(url, "plan", "app")
    assert facts(url) == before


def test_plan_shows_each_step_and_a_count(project: Project, url: str) -> None:
    lines = project.on(url, "plan", "app").output.splitlines()
    assert [line[:21] for line in lines[1:3]] == ["+ create table author", "+ create table post  "]
    assert lines[-1] == "To add: 2 tables."


def test_plan_with_nothing_to_do_says_so(project: Project, url: str) -> None:
    project.on(url, "migrate", "app")
    result = project.on(url, "plan", "app")
    assert (result.exit_code, result.output.splitlines()[-1]) == (0, "Nothing to do.")


def test_plan_with_blocked_items_exits_with_3(project: Project, url: str) -> None:
    with_a_row(url)
    assert project.on(url, "plan", "app_blocked").exit_code == 3


@pytest.mark.parametrize("form", ["text", "sql", "json", "markdown"])
def test_plan_prints_nothing_on_standard_error(project: Project, url: str, form: str) -> None:
    assert project.on(url, "plan", "app", "--format", form).stderr == ""


def test_plan_as_json_is_the_plan(project: Project, url: str) -> None:
    printed = json.loads(project.on(url, "plan", "app", "--format", "json").stdout)
    assert printed == plan(opened(url), sys.modules["app"]).to_dict()


def test_plan_as_sql_is_the_statements(project: Project, url: str) -> None:
    printed = project.on(url, "plan", "app", "--format", "sql").stdout
    waits = ["SET lock_timeout = 3000"] if "postgres" in url else []
    expected = [*waits, *plan(opened(url), sys.modules["app"]).sql()]
    assert printed == "".join(f"{sql};\n" for sql in expected)


def test_plan_as_sql_with_nothing_to_do_is_empty(project: Project, url: str) -> None:
    project.on(url, "migrate", "app")
    assert project.on(url, "plan", "app", "--format", "sql").stdout == ""


def test_plan_as_markdown_has_a_row_for_each_step(project: Project, url: str) -> None:
    printed = project.on(url, "plan", "app", "--format", "markdown").stdout
    assert re.findall(r"^\| (create table \w+) ", printed, re.M) == [
        "create table author",
        "create table post",
    ]


def test_plan_as_markdown_holds_the_statements(project: Project, url: str) -> None:
    printed = project.on(url, "plan", "app", "--format", "markdown").stdout
    block = re.findall(r"```sql\n(.*?)```", printed, re.S)
    assert block == [project.on(url, "plan", "app", "--format", "sql").stdout]


def test_plan_with_an_unknown_format_is_wrong_usage(project: Project, url: str) -> None:
    assert project.on(url, "plan", "app", "--format", "yaml").exit_code == 2


def test_migrate_makes_what_the_models_declare(project: Project, url: str) -> None:
    assert project.on(url, "migrate", "app").exit_code == 0
    assert not plan(opened(url), sys.modules["app"])


def test_migrate_says_each_step_that_is_done(project: Project, url: str) -> None:
    output = project.on(url, "migrate", "app").output
    done = re.findall(r"^done (\d/\d) (.*) \(\d+\.\d\d s\)$", output, re.M)
    assert done == [("1/2", "create table author"), ("2/2", "create table post")]


def test_migrate_ends_with_a_summary(project: Project, url: str) -> None:
    lines = project.on(url, "migrate", "app").output.splitlines()
    assert re.fullmatch(r"applied 2 tables in \d+\.\d\d s\.", lines[-1])


def test_migrate_with_nothing_to_do_says_so(project: Project, url: str) -> None:
    project.on(url, "migrate", "app")
    result = project.on(url, "migrate", "app")
    assert result.exit_code == 0
    assert re.fullmatch(r"nothing to do in \d+\.\d\d s\.", result.output.splitlines()[-1])


def test_migrate_makes_an_sqlite_file_that_is_not_there(project: Project) -> None:
    assert project.on(project.url, "migrate", "app").exit_code == 0
    assert project.file.exists()


def test_migrate_with_blocked_items_exits_with_3(project: Project, url: str) -> None:
    with_a_row(url)
    assert project.on(url, "migrate", "app_blocked").exit_code == 3


def test_migrate_with_blocked_items_changes_nothing(project: Project, url: str) -> None:
    with_a_row(url)
    before = facts(url)
    project.on(url, "migrate", "app_blocked")
    assert facts(url) == before


def test_migrate_that_skips_what_is_blocked_exits_with_0(project: Project, url: str) -> None:
    with_a_row(url)
    assert project.on(url, "migrate", "app_blocked", "--on-blocked", "skip").exit_code == 0


def test_migrate_that_skips_what_is_blocked_does_the_rest(project: Project, url: str) -> None:
    with_a_row(url)
    project.on(url, "migrate", "app_blocked", "--on-blocked", "skip")
    left = plan(opened(url), sys.modules["app_blocked"])
    assert ([f.name for f in left.blocked], left.steps) == (["name"], ())


def test_migrate_that_fails_exits_with_4(project: Project) -> None:
    with_a_row(project.url)
    text = f"""
        from peewee import *
        db = SqliteDatabase("file:{project.file}?mode=ro", uri=True)
        class Thing(db.Model):
            pass
    """
    project.module("app_read_only", text)
    result = project.run("migrate", "app_read_only")
    assert (result.exit_code, "is read-only" in result.stderr) == (4, True)


def test_migrate_that_waits_in_vain_exits_with_4(project: Project) -> None:
    with_a_row(project.url)
    other = project.database()
    with other.atomic("IMMEDIATE"):
        result = project.on(project.url, "migrate", "app_more", "--lock-wait", "0.1")
    assert (result.exit_code, result.stderr.startswith("Error: migration lock: ")) == (4, True)


@pytest.mark.parametrize("option", ["--lock-wait", "--lock-timeout", "--online-rows"])
def test_migrate_with_a_negative_option_is_wrong_usage(
    project: Project, url: str, option: str
) -> None:
    result = project.on(url, "migrate", "app", option, "-1")
    assert (result.exit_code, "Traceback" in result.output) == (2, False)


def test_check_with_nothing_to_do_exits_with_0(project: Project, url: str) -> None:
    project.on(url, "migrate", "app")
    assert project.on(url, "check", "app").exit_code == 0


def test_check_with_something_to_add_exits_with_1(project: Project, url: str) -> None:
    assert project.on(url, "check", "app").exit_code == 1


def test_check_with_blocked_items_exits_with_1(project: Project, url: str) -> None:
    with_a_row(url)
    assert project.on(url, "check", "app_blocked").exit_code == 1


def test_check_changes_nothing(project: Project, url: str) -> None:
    before = facts(url)
    project.on(url, "check", "app")
    assert facts(url) == before


def test_check_with_drift_exits_with_0(project: Project, url: str) -> None:
    project.on(url, "migrate", "app")
    assert project.on(url, "check", "app_drift").exit_code == 0


def test_check_with_drift_exits_with_5_when_strict(project: Project, url: str) -> None:
    project.on(url, "migrate", "app")
    assert project.on(url, "check", "app_drift", "--strict").exit_code == 5


def test_check_without_drift_exits_with_0_when_strict(project: Project, url: str) -> None:
    project.on(url, "migrate", "app")
    assert project.on(url, "check", "app", "--strict").exit_code == 0


def test_check_names_what_is_pending_and_counts_it(project: Project, url: str) -> None:
    assert project.on(url, "check", "app").output.splitlines() == [
        "+ create table author",
        "+ create table post",
        "To add: 2 tables.",
    ]


def test_check_names_what_is_blocked_and_what_drifts_with_codes(project: Project) -> None:
    script = "CREATE TABLE author (id INTEGER PRIMARY KEY, old TEXT NOT NULL);"
    with closing(sqlite3.connect(project.file)) as connection:
        connection.executescript(script + "INSERT INTO author (old) VALUES ('x')")
    *lines, last = project.on(project.url, "check", "app").output.splitlines()
    assert {line[:1] for line in lines} == {"+", "!", "~"}
    assert all(line.startswith("+ ") or " AM" in line for line in lines)
    assert last.startswith("To add: ")
    script = project.on(project.url, "plan", "app", "--format", "sql").output
    assert script.startswith("-- blocked AM")


# What the models and the database may be.


def test_database_url_of_the_environment_is_used(project: Project, url: str) -> None:
    result = project.run("migrate", "app", env={"DATABASE_URL": url})
    assert result.exit_code == 0
    assert not plan(opened(url), sys.modules["app"])


def test_database_option_wins_over_the_environment(project: Project, url: str) -> None:
    words = ["migrate", "app", "--database", url]
    project.run(*words, env={"DATABASE_URL": "sqlite:////nowhere/at/all.db"})
    assert not plan(opened(url), sys.modules["app"])


def test_own_database_of_the_models_is_used(project: Project) -> None:
    text = f"""
        from peewee import *
        db = SqliteDatabase({str(project.file)!r})
        class Own(db.Model):
            name = TextField()
    """
    project.module("app_own", text)
    assert project.run("migrate", "app_own").exit_code == 0
    assert project.database().get_tables() == ["own"]


def test_own_databases_of_models_are_migrated_each(project: Project) -> None:
    text = f"""
        from peewee import *
        one, two = (SqliteDatabase({str(project.folder)!r} + n) for n in ("/one.db", "/two.db"))
        class First(one.Model):
            pass
        class Second(two.Model):
            pass
    """
    project.module("app_two", text)
    assert project.run("migrate", "app_two").exit_code == 0
    files = [SqliteDatabase(str(project.folder / name)) for name in ("one.db", "two.db")]
    assert [database.get_tables() for database in files] == [["first"], ["second"]]


@pytest.mark.parametrize(
    ("words", "tables"),
    [
        (["app"], ["author", "post"]),
        (["app:Author"], ["author"]),
        (["app:some"], ["author", "post"]),
        (["app:chosen"], ["author"]),
        (["app:Author", "app:Post"], ["author", "post"]),
        (["app:Author", "app"], ["author", "post"]),
    ],
)
def test_models_can_be_a_module_a_model_a_list_or_a_function(
    project: Project, words: list[str], tables: list[str]
) -> None:
    assert project.on(project.url, "migrate", *words).exit_code == 0
    assert project.database().get_tables() == tables


def test_models_can_be_a_package(project: Project) -> None:
    project.module("app_package/__init__", "")
    project.module("app_package/people", FIRST)
    project.module("app_package/deep/__init__", "")
    project.module("app_package/deep/posts", FIRST.replace("Author", "Post"))
    assert project.on(project.url, "migrate", "app_package").exit_code == 0
    assert project.database().get_tables() == ["author", "post"]


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_lists_the_exit_codes(project: Project, word: str) -> None:
    output = project.run(word).output
    assert re.findall(r"^ +(\d)  ", output, re.M) == list("012345")


# Real processes.


def test_module_runs_as_a_program(project: Project, program: Program) -> None:
    words = ["-m", "peewee_automigrate", "migrate", "app", "--database", project.url]
    done = program(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert project.database().get_tables() == ["author", "post"]


def test_program_finds_modules_of_the_current_folder(project: Project, program: Program) -> None:
    """The installed program, unlike `python -m`, does not have it on its path."""
    code = "import sys; sys.path.remove(''); from peewee_automigrate.faces.cli import main; main()"
    done = program("-c", code, "migrate", "app", "--database", project.url)
    assert (done.returncode, done.stderr) == (0, "")


def test_program_that_is_blocked_exits_with_3(project: Project, program: Program) -> None:
    with_a_row(project.url)
    done = program("-m", "peewee_automigrate", "migrate", "app_blocked", DATABASE_URL=project.url)
    assert (done.returncode, done.stdout.count("Traceback")) == (3, 0)


def test_program_with_bad_input_says_one_line(project: Project, program: Program) -> None:
    done = program("-m", "peewee_automigrate", "plan", "nothing", DATABASE_URL=project.url)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_program_shows_the_traceback_when_verbose(project: Project, program: Program) -> None:
    words = ["-m", "peewee_automigrate", "plan", "-v", "nothing", "--database", project.url]
    assert "Traceback (most recent call last)" in program(*words).stderr


# Bad input: one clear line, exit code 2, no traceback, nothing touched.

BAD_MODULES = {
    "app_empty": "",
    "app_abstract": "from peewee import Model\n",
    "app_broken": "import json\njson.loads('{')\n",
    "app_syntax": "class Model(:\n",
    "app_exit": "raise SystemExit('not today')\n",
    "app_needs": "import a_module_that_is_not_there\n",
    "app_lines": "raise ValueError('first line\\nsecond line')\n",
    "app_clash": """
        from peewee import *
        class First(Model):
            name = CharField()
            class Meta:
                table_name = "same"
        class Second(Model):
            name = IntegerField()
            class Meta:
                table_name = "same"
    """,
    "app_keys": """
        from peewee import *
        class First(Model):
            name = CharField(primary_key=True)
            class Meta:
                table_name = "same"
        class Second(Model):
            name = CharField()
            other = CharField(primary_key=True)
            class Meta:
                table_name = "same"
    """,
    "app_deferred": """
        from peewee import *
        class Waiting(Model):
            other = DeferredForeignKey("NeverDefined")
    """,
    "app_indexes": """
        from peewee import *
        class Wrong(Model):
            a = IntegerField()
            class Meta:
                indexes = ((("nosuch",), False),)
    """,
    "app_raw": """
        from peewee import *
        class Raw(Model):
            a = IntegerField()
            class Meta:
                indexes = [SQL("DROP TABLE author")]
    """,
}
BAD_MODELS = {
    "no_models": ("app_empty", r"app_empty: no Peewee models here"),
    "only_peewees_own": ("app_abstract", r"app_abstract: no Peewee models here"),
    "missing": ("nowhere.to.be.found", r"nowhere\.to\.be\.found: there is no module 'nowhere'"),
    "missing_part": ("app.models", r"app\.models: "),
    "failing": ("app_broken", r"app_broken: fails to import: JSONDecodeError: "),
    "syntax": ("app_syntax", r"app_syntax: fails to import: SyntaxError: "),
    "exiting": ("app_exit", r"app_exit: fails to import: SystemExit: not today"),
    "dependency": ("app_needs", r"app_needs: fails to import: ModuleNotFoundError: .*not_there"),
    "many_lines": ("app_lines", r"app_lines: fails to import: ValueError: first line"),
    "no_name": ("app:Nothing", r"app:Nothing: the module app has no 'Nothing'"),
    "no_model": ("app:number", r"5: neither a Peewee model nor a module"),
    "failing_function": ("app:failing", r"app:failing: fails: RuntimeError: no models today"),
    "empty_word": ("", r".+"),
    "only_a_colon": (":", r".+"),
    "path": ("./nothing.py", r"\./nothing\.py: no module's file, and no package\. Write "),
    "dots": ("..app", r".+"),
    "clash": ("app_clash", r"same: app_clash\.First and app_clash\.Second declare column name"),
    "keys": ("app_keys", r"same: app_keys\.First and app_keys\.Second declare the primary key"),
    "deferred": ("app_deferred", r"Waiting\.other: waits for a model named 'neverdefined'"),
    "index": ("app_indexes", r"Wrong: Meta\.indexes can't be read"),
    "raw_index": ("app_raw", r"Raw: .* in Meta\.indexes is no CREATE INDEX statement"),
}
each_command = pytest.mark.parametrize("command", ["plan", "migrate", "check"])
each_bad_model = pytest.mark.parametrize("case", BAD_MODELS)


@pytest.fixture
def bad(project: Project) -> Project:
    for name, text in BAD_MODULES.items():
        project.module(name, text)
    return project


def assert_one_line(result: Result, expected: str) -> None:
    lines = result.stderr.splitlines()
    assert (result.exit_code, result.stdout, len(lines)) == (2, "", 1), result.output
    assert re.match(f"Error: {expected}", lines[0]), lines[0]


@each_command
@each_bad_model
def test_bad_models_are_one_line(bad: Project, command: str, case: str) -> None:
    word, expected = BAD_MODELS[case]
    SqliteDatabase(str(bad.file)).connect()
    bad.file.touch()
    assert_one_line(bad.on(bad.url, command, word), expected)


@each_bad_model
def test_bad_models_create_no_file(bad: Project, case: str) -> None:
    bad.on(bad.url, "migrate", BAD_MODELS[case][0])
    assert not bad.file.exists()


@each_bad_model
def test_bad_models_change_no_database(bad: Project, case: str) -> None:
    with_a_row(bad.url)
    before = bad.file.read_bytes()
    bad.on(bad.url, "migrate", BAD_MODELS[case][0])
    assert bad.file.read_bytes() == before


@each_bad_model
def test_bad_models_show_a_traceback_when_verbose(bad: Project, case: str) -> None:
    with_a_row(bad.url)
    result = bad.run("migrate", "-v", BAD_MODELS[case][0], "--database", bad.url)
    assert (result.exit_code, "Traceback" in result.stderr) == (2, True)


@each_command
def test_no_models_at_all_are_wrong_usage(project: Project, command: str) -> None:
    result = project.on(project.url, command)
    assert (result.exit_code, "Traceback" in result.output) == (2, False)


BAD_URLS = {
    "empty_scheme": ("nonsense", r"the database URL has the scheme ''"),
    "unknown_scheme": (f"oracle://me:{SECRET}@host/name", r"the database URL has the scheme 'or"),
    "no_name": (f"postgresql://me:{SECRET}@host", r"the database URL can't be read"),
    "bad_port": (f"postgresql://me:{SECRET}@host:port/name", r"the database URL can't be read"),
    "bad_bracket": (f"postgresql://me:{SECRET}@[host/name", r"the database URL can't be read"),
    "bad_option": (
        f"postgresql://me:{SECRET}@localhost/name?nonsense=1",
        r"can't connect to the database: ",
    ),
    "down": (f"postgresql://me:{SECRET}@127.0.0.1:1/name", r"can't connect to the database: "),
    "no_host": (f"postgresql://me:{SECRET}@host.invalid/name", r"can't connect to the database: "),
    "mysql_down": (f"mysql://me:{SECRET}@127.0.0.1:1/name", r"can't connect to the database"),
    "cockroach": (
        f"cockroachdb://me:{SECRET}@localhost/name",
        r"CockroachDatabase: not supported",
    ),
    "folder": ("sqlite:////nowhere/at/all.db", r".*(no such file|can't connect)"),
}
each_bad_url = pytest.mark.parametrize("case", BAD_URLS)


@each_command
@each_bad_url
def test_bad_database_is_one_line(project: Project, command: str, case: str) -> None:
    url, expected = BAD_URLS[case]
    assert_one_line(project.on(url, command, "app"), expected)


@each_command
@pytest.mark.parametrize("verbose", [[], ["-v"]])
@each_bad_url
def test_bad_database_never_shows_the_password(
    project: Project,
    command: str,
    case: str,
    verbose: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    url, _ = BAD_URLS[case]
    with caplog.at_level(logging.DEBUG):
        result = project.run(command, *verbose, "app", "--database", url)
    assert SECRET not in result.output + caplog.text


@each_bad_url
def test_bad_database_shows_a_traceback_when_verbose(project: Project, case: str) -> None:
    result = project.run("plan", "-v", "app", "--database", BAD_URLS[case][0])
    assert (result.exit_code, "Traceback" in result.stderr) == (2, True)


@each_command
def test_database_that_is_not_on_the_server_is_one_line(
    project: Project, postgres_url: str, command: str
) -> None:
    url = re.sub(r"automigrate_\w+", "not_there", postgres_url)
    assert_one_line(project.on(url, command, "app"), r"can't connect .*not_there.* does not exist")


@pytest.mark.parametrize("command", ["plan", "check"])
def test_file_that_is_not_there_is_planned_for(project: Project, command: str) -> None:
    result = project.on(project.url, command, "app")
    assert result.exit_code == (1 if command == "check" else 0)
    assert result.output.endswith("To add: 2 tables.\n")


@pytest.mark.parametrize("command", ["plan", "check"])
def test_file_that_is_not_there_is_not_made_by_reading(project: Project, command: str) -> None:
    project.on(project.url, command, "app")
    assert not project.file.exists()


@pytest.mark.parametrize("command", ["plan", "check"])
def test_own_file_that_is_not_there_is_not_made_by_reading(project: Project, command: str) -> None:
    text = f"""
        from peewee import *
        db = SqliteDatabase({str(project.file)!r})
        class Own(db.Model):
            name = TextField()
    """
    project.module("app_own", text)
    project.run(command, "app_own")
    assert not project.file.exists()


@each_command
def test_file_that_is_no_database_is_one_line(project: Project, command: str) -> None:
    project.file.write_text("Dear Sir or Madam, this is no database at all.\n" * 50)
    assert_one_line(project.on(project.url, command, "app"), r".*file is not a database")


@each_command
def test_unbound_models_without_a_database_are_one_line(project: Project, command: str) -> None:
    expected = (
        r"app\.Author: bound to no database\. Bind it, give --database URL, or set DATABASE_URL\."
    )
    assert_one_line(project.run(command, "app"), expected)


@each_command
def test_models_of_two_databases_with_a_third_are_one_line(project: Project, command: str) -> None:
    text = """
        from peewee import *
        one, two = SqliteDatabase("one.db"), SqliteDatabase("two.db")
        class First(one.Model):
            pass
        class Second(two.Model):
            pass
    """
    project.module("app_two", text)
    project.file.touch()
    expected = r"the models belong to 2 databases \(one\.db, two\.db\)"
    assert_one_line(project.on(project.url, command, "app_two"), expected)


UNUSABLE = {
    "deferred": ("SqliteDatabase(None)", r"SqliteDatabase: has no name yet"),
    "proxy": (
        "DatabaseProxy()",
        r"app_unusable\.Thing: its DatabaseProxy is not initialised\. Call ",
    ),
    "mysql_down": (
        "MySQLDatabase('name', host='127.0.0.1', port=1)",
        r"can't connect to the database",
    ),
    "folder": ("SqliteDatabase('/nowhere/at/all.db')", r".*(no such file|can't connect)"),
    "down": (
        f"PostgresqlDatabase('name', host='127.0.0.1', port=1, password='{SECRET}')",
        r"can't connect to the database: ",
    ),
}


@each_command
@pytest.mark.parametrize("case", UNUSABLE)
def test_own_database_that_is_unusable_is_one_line(
    project: Project, command: str, case: str
) -> None:
    made, expected = UNUSABLE[case]
    text = f"""
        from peewee import *
        db = {made}
        class Thing(Model):
            class Meta:
                database = db
    """
    project.module("app_unusable", text)
    assert_one_line(project.run(command, "app_unusable"), expected)


# Passwords.


def error_of(function: Callable[..., Any], *words: Any) -> BaseException:
    with pytest.raises(AutoMigrateError) as caught:
        function(*words)
    return caught.value


@pytest.fixture
def with_password(postgres_url: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """A URL with a password, of a role that may do nothing."""
    database = opened(postgres_url)
    role = "role_" + os.urandom(6).hex()
    database.execute_sql(f"CREATE ROLE {role} LOGIN PASSWORD '{SECRET}'")
    yield re.sub(r"://[^/@]*@", f"://{role}:{SECRET}@", postgres_url)
    database.execute_sql(f"DROP ROLE {role}")
    database.close()


@each_command
@pytest.mark.parametrize("verbose", [[], ["-v"]])
def test_password_of_a_role_without_rights_is_never_shown(
    project: Project,
    with_password: str,
    command: str,
    verbose: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG):
        result = project.run(command, *verbose, "app", "--database", with_password)
    assert result.exit_code != 2
    assert SECRET not in result.output + caplog.text


def test_password_is_not_in_the_repr_of_an_error(project: Project) -> None:
    project.run("plan", "app", "--database", project.url)  # imports the models
    database = connect(f"postgresql://me:{SECRET}@127.0.0.1:1/name")
    error = error_of(migrate, database, sys.modules["app"])
    assert SECRET not in repr(error) + repr(vars(error)) + repr(error.__cause__)


@each_bad_url
def test_password_is_not_in_the_traceback_of_a_program(
    project: Project, case: str, program: Program
) -> None:
    words = ["-m", "peewee_automigrate", "plan", "-v", "app"]
    done = program(*words, DATABASE_URL=BAD_URLS[case][0])
    assert (SECRET in done.stdout + done.stderr, done.returncode) == (False, 2)


def test_password_with_escapes_reaches_the_server(project: Project, with_password: str) -> None:
    """A wrong password can't be told apart where the server trusts everybody."""
    url = with_password.replace(SECRET, "".join(f"%{ord(c):02x}" for c in SECRET))
    assert project.on(url, "plan", "app").exit_code == 0
