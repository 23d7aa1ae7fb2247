"""The Flask extension: what it takes, what the configuration says, and its commands."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import Result
from flask import Flask
from peewee import CharField, Database, DatabaseProxy, Model, SqliteDatabase, TextField
from playhouse.db_url import connect
from playhouse.flask_utils import FlaskDB

from peewee_automigrate import AutoMigrateError, MigrationBlocked, ModelsNotFound, Options
from peewee_automigrate.faces.cli import main
from peewee_automigrate.flask import AutoMigrate
from tests.support.modules import Modules, modules_in
from tests.support.serving import until


class Author(Model):
    name = TextField()


class Reader(Model):
    name = CharField(unique=True)


class Required(Model):
    """The table of `Author` a release later; it can't be added to rows."""

    name = TextField()
    email = TextField()
    motto = TextField(null=True)

    class Meta:
        table_name = "author"


BOTH = ["author", "reader"]


@pytest.fixture
def app() -> Flask:
    """An application that migrates at start."""
    return made()


def made(**config: Any) -> Flask:
    app = Flask("library")
    app.config.from_mapping({"AUTOMIGRATE_ON_START": "migrate", **config})
    return app


def with_a_row(database: Database) -> None:
    """Write: make the table of `Author`, and a row in it."""
    AutoMigrate(made(), database, [Author])
    database.execute_sql("INSERT INTO author (name) VALUES ('ann')")


# The database.


def test_start_migrates_a_database(app: Flask, database: Database) -> None:
    AutoMigrate(app, database, [Author, Reader])
    assert database.get_tables() == BOTH


def test_start_migrates_a_database_behind_a_proxy(app: Flask, database: Database) -> None:
    proxy = DatabaseProxy()
    proxy.initialize(database)
    AutoMigrate(app, proxy, [Author])
    assert database.get_tables() == ["author"]


def test_start_migrates_the_database_of_flask_db(app: Flask, database: Database) -> None:
    AutoMigrate(app, FlaskDB(app, database), [Author])
    assert database.get_tables() == ["author"]


def test_start_migrates_models_of_flask_db_that_was_made_before_its_application(
    app: Flask, database: Database
) -> None:
    holder: Any = FlaskDB(database=database)

    class Book(holder.Model):
        title = TextField()

    holder.init_app(app)
    AutoMigrate(app, holder, [Book])
    assert database.get_tables() == ["book"]


def test_start_migrates_the_database_of_an_object_that_holds_it(
    app: Flask, database: Database
) -> None:
    """As flask-peewee's Database does, which is no Peewee database itself."""
    AutoMigrate(app, SimpleNamespace(database=database), [Author])
    assert database.get_tables() == ["author"]


def test_start_migrates_models_in_their_own_databases(app: Flask, tmp_path: Path) -> None:
    one: Any = SqliteDatabase(str(tmp_path / "one.db"))
    two: Any = SqliteDatabase(str(tmp_path / "two.db"))

    class First(one.Model):
        pass

    class Second(two.Model):
        pass

    AutoMigrate(app, models=[First, Second])
    assert (one.get_tables(), two.get_tables()) == (["first"], ["second"])


def test_start_leaves_a_closed_database_closed(app: Flask, tmp_path: Path) -> None:
    closed = SqliteDatabase(str(tmp_path / "closed.db"))
    AutoMigrate(app, closed, [Author])
    assert closed.is_closed()


CONNECTIONS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.mark.parametrize("start", ["migrate", "warn"])
def test_start_leaves_no_connection_in_a_pool(
    start: str, postgres_url: str, postgres_database: Database
) -> None:
    """A server that forks afterwards would share it among its workers."""
    pool = connect(postgres_url.replace("postgresql", "postgresql+pool", 1))
    AutoMigrate(made(AUTOMIGRATE_ON_START=start), pool, [Author])

    def is_free() -> bool | None:
        return postgres_database.execute_sql(CONNECTIONS).fetchone() == (0,) or None

    assert until(is_free, lambda: "a connection is open")


HOLDERS: dict[str, tuple[Any, str]] = {
    "flask_db": (
        FlaskDB(),
        "FlaskDB: has no database yet. Call its init_app(app) before that of AutoMigrate.",
    ),
    "proxy": (
        DatabaseProxy(),
        "DatabaseProxy: not initialised. Call its initialize(database) first.",
    ),
    "deferred": (
        SqliteDatabase(None),
        "SqliteDatabase: has no name yet. Call its init(name) first.",
    ),
    "url": (
        "postgresql://me:secret@localhost/library",
        "str: neither a Peewee database nor does it hold one.",
    ),
}


@pytest.mark.parametrize("case", HOLDERS)
def test_start_on_what_is_no_database_yet_is_an_error(app: Flask, case: str) -> None:
    holder, expected = HOLDERS[case]
    with pytest.raises(AutoMigrateError) as caught:
        AutoMigrate(app, holder, [Author])
    assert str(caught.value) == expected


# The models.


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Modules]:
    with modules_in(tmp_path, monkeypatch) as found:
        found.write("books.people", "from peewee import *\nclass Person(Model): 'x'")
        found.write("books.shelves", "from peewee import *\nclass Shelf(Model): 'x'")
        yield found


@pytest.mark.parametrize(
    ("models", "tables"),
    [
        (Author, ["author"]),
        ([Author, Reader], BOTH),
        ("books", ["person", "shelf"]),
        ("books.people", ["person"]),
        ("books.people:Person", ["person"]),
        (["books.shelves", Author], ["author", "shelf"]),
    ],
)
def test_models_are_classes_or_words(
    app: Flask, modules: Modules, database: Database, models: Any, tables: list[str]
) -> None:
    AutoMigrate(app, database, models)
    assert database.get_tables() == tables


def test_models_are_a_module(app: Flask, modules: Modules, database: Database) -> None:
    AutoMigrate(app, database, modules.load("books"))
    assert database.get_tables() == ["person", "shelf"]


def test_init_app_takes_what_the_constructor_was_not_given(app: Flask, database: Database) -> None:
    AutoMigrate().init_app(app, database, [Author])
    assert database.get_tables() == ["author"]


def test_init_app_uses_what_the_constructor_was_given(app: Flask, database: Database) -> None:
    AutoMigrate(database=database, models=[Author]).init_app(app)
    assert database.get_tables() == ["author"]


def test_one_extension_serves_two_applications(tmp_path: Path) -> None:
    one, two = (SqliteDatabase(str(tmp_path / name)) for name in ("one.db", "two.db"))
    extension = AutoMigrate(models=[Author])
    extension.init_app(made(), one)
    extension.init_app(made(), two, [Reader])
    assert (one.get_tables(), two.get_tables()) == (["author"], ["reader"])


def test_application_without_models_is_an_error(app: Flask, database: Database) -> None:
    with pytest.raises(ModelsNotFound) as caught:
        AutoMigrate(app, database)
    assert str(caught.value) == "library: AutoMigrate(app, database, models) has no models."


def test_application_that_has_the_extension_is_an_error(app: Flask, database: Database) -> None:
    extension = AutoMigrate(app, database, [Author])
    with pytest.raises(AutoMigrateError) as caught:
        extension.init_app(app)
    assert str(caught.value) == (
        "library: has AutoMigrate already. Give it all models in one init_app."
    )


CIRCLE = """
    from flask import Flask
    from peewee import SqliteDatabase
    from peewee_automigrate.flask import AutoMigrate

    app = Flask(__name__)
    app.config["AUTOMIGRATE_ON_START"] = "migrate"
    AutoMigrate(app, SqliteDatabase(":memory:"), {models})
    db = SqliteDatabase(":memory:")
"""


def test_models_that_import_an_unfinished_module_are_an_error(modules: Modules) -> None:
    modules.write("circle", CIRCLE.format(models='"books.late"'))
    modules.write("books.late", "from circle import db\n")
    with pytest.raises(ModelsNotFound) as caught:
        modules.load("circle")
    text = str(caught.value)
    assert text.startswith("books.late: fails to import: ImportError: cannot import name 'db'")
    assert text.endswith("If it is still being imported, call init_app after its models.")


def test_module_that_has_no_models_yet_is_an_error(modules: Modules) -> None:
    modules.write("circle", CIRCLE.format(models="__name__"))
    with pytest.raises(ModelsNotFound) as caught:
        modules.load("circle")
    assert str(caught.value) == (
        "circle: no Peewee models here that want a table. "
        "If it is still being imported, call init_app after its models."
    )


# The configuration.


@pytest.mark.parametrize("value", [None, False, "", "off"])
def test_start_that_is_off_does_nothing(database: Database, value: Any) -> None:
    AutoMigrate(made(AUTOMIGRATE_ON_START=value), database, [Author])
    assert database.get_tables() == []


def test_start_is_off_when_nothing_is_said(database: Database) -> None:
    AutoMigrate(Flask("library"), database, [Author])
    assert database.get_tables() == []


PENDING = (
    "library: the database lacks what the models have: create table author, create table reader. "
    "Run `flask automigrate migrate`, then start again."
)
BLOCKED = (
    "library: the database lacks what the models have: add column author.motto, "
    "author.email (blocked). Run `flask automigrate migrate`, then start again."
)


def test_check_refuses_pending_work(database: Database) -> None:
    with pytest.raises(AutoMigrateError) as caught:
        AutoMigrate(made(AUTOMIGRATE_ON_START="check"), database, [Author, Reader])
    assert (str(caught.value), database.get_tables()) == (PENDING, [])


def test_check_refuses_what_is_blocked(database: Database) -> None:
    with_a_row(database)
    with pytest.raises(AutoMigrateError) as caught:
        AutoMigrate(made(AUTOMIGRATE_ON_START="check"), database, [Required])
    assert str(caught.value) == BLOCKED


def test_check_names_ten_changes_and_counts_the_rest(database: Database) -> None:
    models = [type(f"Model{n:02}", (Model,), {}) for n in range(12)]
    with pytest.raises(AutoMigrateError, match=r"create table model09 and 2 more\. Run"):
        AutoMigrate(made(AUTOMIGRATE_ON_START="check"), database, models)


def test_check_lets_start_when_nothing_is_pending(app: Flask, database: Database) -> None:
    AutoMigrate(app, database, [Author])
    AutoMigrate(made(AUTOMIGRATE_ON_START="check"), database, [Author])


def test_check_makes_no_file(tmp_path: Path) -> None:
    database = SqliteDatabase(str(tmp_path / "new.db"))
    with pytest.raises(AutoMigrateError, match="lacks what the models have: create table author"):
        AutoMigrate(made(AUTOMIGRATE_ON_START="check"), database, [Author])
    assert not (tmp_path / "new.db").exists()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_warn_logs_pending_work(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    AutoMigrate(made(AUTOMIGRATE_ON_START="warn"), database, [Author, Reader])
    assert (warnings(caplog), database.get_tables()) == ([PENDING], [])


def test_warn_is_silent_when_nothing_is_pending(
    app: Flask, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    AutoMigrate(app, database, [Author])
    assert [line.partition(" in ")[0] for line in warnings(caplog)] == [
        "library: applied 1 table",
    ]
    caplog.clear()
    AutoMigrate(made(AUTOMIGRATE_ON_START="warn"), database, [Author])
    assert warnings(caplog) == []


def test_warn_never_stops_the_start(caplog: pytest.LogCaptureFixture) -> None:
    nowhere = SqliteDatabase("/nowhere/at/all.db")
    AutoMigrate(made(AUTOMIGRATE_ON_START="warn"), nowhere, [Author])
    assert warnings(caplog) == ["can't connect to the database: unable to open database file"]


def test_start_with_blocked_items_is_refused(app: Flask, database: Database) -> None:
    with_a_row(database)
    with pytest.raises(MigrationBlocked):
        AutoMigrate(app, database, [Required])


def test_start_skips_what_is_blocked_when_told_so(database: Database) -> None:
    with_a_row(database)
    AutoMigrate(made(AUTOMIGRATE_ON_BLOCKED="skip"), database, [Required])
    assert [column.name for column in database.get_columns("author")] == ["id", "name", "motto"]


def options_of(app: Flask, **options: Any) -> Options:
    app.config["AUTOMIGRATE_ON_START"] = None
    AutoMigrate(app, SqliteDatabase(":memory:"), [Author], **options)
    found: Options = app.extensions["automigrate"].options
    return found


CONFIGURED = [
    ("LOCK_WAIT", 5, {"lock_wait": 5.0}),
    ("LOCK_WAIT", "2.5", {"lock_wait": 2.5}),
    ("LOCK_TIMEOUT", 0, {"lock_timeout": 0.0}),
    ("ONLINE_ROWS", 100, {"online_rows": 100}),
    ("ONLINE_ROWS", "100", {"online_rows": 100}),
    ("ON_BLOCKED", "skip", {"on_blocked": "skip"}),
    ("ATOMIC", True, {"atomic": True}),
    ("ATOMIC", "true", {"atomic": True}),
    ("ATOMIC", "0", {"atomic": False}),
    ("WAIT", 30, {"wait": 30.0}),
    ("WAIT", None, {}),
    ("SAMPLES", "false", {"samples": False}),
]


@pytest.mark.parametrize(("key", "value", "expected"), CONFIGURED)
def test_configuration_sets_an_option(key: str, value: Any, expected: dict[str, Any]) -> None:
    found = options_of(made(**{f"AUTOMIGRATE_{key}": value}))
    assert found == Options(**expected)


def test_environment_sets_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_AUTOMIGRATE_LOCK_WAIT", "7")
    app = made()
    app.config.from_prefixed_env()
    assert options_of(app) == Options(lock_wait=7.0)


def test_options_in_the_code_are_the_defaults_of_the_configuration() -> None:
    found = options_of(made(AUTOMIGRATE_WAIT=3), lock_wait=2.0, wait=1.0)
    assert found == Options(lock_wait=2.0, wait=3.0)


SECONDS = "a number of seconds, 0 or more"
WRONG = [
    ("ON_START", "always", '"migrate", "check", "warn" or "off"'),
    ("ON_START", True, '"migrate", "check", "warn" or "off"'),
    ("ON_BLOCKED", "ignore", '"raise" or "skip"'),
    ("LOCK_WAIT", "soon", SECONDS),
    ("LOCK_WAIT", -1, SECONDS),
    ("LOCK_WAIT", "nan", SECONDS),
    ("LOCK_WAIT", True, SECONDS),
    ("LOCK_TIMEOUT", [3], SECONDS),
    ("WAIT", "inf", SECONDS),
    ("ONLINE_ROWS", 2.5, "a whole number, 0 or more"),
    ("ONLINE_ROWS", -1, "a whole number, 0 or more"),
    ("ATOMIC", "perhaps", "True or False"),
]


@pytest.mark.parametrize("start", ["migrate", None])
@pytest.mark.parametrize(("key", "value", "allowed"), WRONG)
def test_wrong_configuration_is_an_error(
    start: str | None, key: str, value: Any, allowed: str
) -> None:
    app = made(**{"AUTOMIGRATE_ON_START": start, f"AUTOMIGRATE_{key}": value})
    with pytest.raises(AutoMigrateError) as caught:
        AutoMigrate(app, SqliteDatabase(":memory:"), [Author])
    assert str(caught.value) == (f"AUTOMIGRATE_{key}: {value!r} is not understood. Use {allowed}.")


# The commands.


@pytest.fixture
def idle(database: Database) -> Flask:
    """An application with an empty database, which does nothing at start."""
    app = made(AUTOMIGRATE_ON_START=None)
    AutoMigrate(app, database, [Author, Reader])
    return app


def run(app: Flask, *words: str, **options: Any) -> Result:
    return app.test_cli_runner().invoke(args=["automigrate", *words], **options)


def test_commands_are_those_of_the_command_line(idle: Flask) -> None:
    group = idle.cli.commands["automigrate"]
    assert isinstance(group, click.Group)
    found = group.commands
    assert {name: id(command) for name, command in found.items()} == {
        name: id(command) for name, command in main.commands.items()
    }


def test_plan_shows_what_the_application_lacks(idle: Flask) -> None:
    result = run(idle, "plan")
    assert (result.exit_code, result.output.splitlines()[-1]) == (0, "To add: 2 tables.")


def test_migrate_adds_what_the_application_lacks(idle: Flask, database: Database) -> None:
    assert run(idle, "migrate").exit_code == 0
    assert database.get_tables() == BOTH


@pytest.mark.parametrize(("words", "code"), [(["check"], 1), (["migrate"], 0)])
def test_exit_codes_are_those_of_the_command_line(idle: Flask, words: list[str], code: int) -> None:
    assert run(idle, *words).exit_code == code


def test_blocked_items_exit_with_3_as_one_error(database: Database) -> None:
    with_a_row(database)
    app = made(AUTOMIGRATE_ON_START=None)
    AutoMigrate(app, database, [Required])
    result = run(app, "migrate")
    assert (result.exit_code, result.stderr.splitlines()[0]) == (
        3,
        "Error: 1 blocked, nothing was changed:",
    )


def test_configuration_sets_the_defaults_of_the_commands(database: Database) -> None:
    with_a_row(database)
    app = made(AUTOMIGRATE_ON_START=None, AUTOMIGRATE_ON_BLOCKED="skip")
    AutoMigrate(app, database, [Required])
    assert run(app, "migrate").exit_code == 0
    assert run(app, "migrate", "--on-blocked", "raise").exit_code == 3


def test_models_and_database_can_be_named(idle: Flask, modules: Modules) -> None:
    words = ["books.people", "--database", "sqlite:///other.db"]
    assert run(idle, "migrate", *words).exit_code == 0
    assert SqliteDatabase("other.db").get_tables() == ["person"]


def test_url_of_mysql_in_the_configuration_serves_start_and_commands(mysql_url: str) -> None:
    for models, start in (([Author], "migrate"), ([Author, Reader], "off")):
        app = made(DATABASE=mysql_url, AUTOMIGRATE_ON_START=start)
        holder = FlaskDB(app)
        AutoMigrate(app, holder, models)
        assert holder.database.get_tables() == ["author"]
    assert run(app, "migrate").exit_code == 0
    assert holder.database.get_tables() == BOTH


def test_named_models_that_are_bound_to_none_belong_to_the_application(
    idle: Flask, database: Database, modules: Modules
) -> None:
    assert run(idle, "migrate", "books.people").exit_code == 0
    assert database.get_tables() == ["person"]


def test_named_models_are_migrated_in_their_own_database(
    idle: Flask, database: Database, modules: Modules
) -> None:
    modules.write(
        "own", "from peewee import *\nclass Own(SqliteDatabase('own.db').Model): 'its own'"
    )
    assert run(idle, "migrate", "own").exit_code == 0
    assert (SqliteDatabase("own.db").get_tables(), database.get_tables()) == (["own"], [])


def test_database_url_of_the_environment_is_not_the_applications(
    idle: Flask, database: Database, modules: Modules
) -> None:
    run(idle, "migrate", env={"DATABASE_URL": "sqlite:///other.db"})
    assert (database.get_tables(), Path("other.db").exists()) == (BOTH, False)


def test_errors_are_one_line() -> None:
    app = made(AUTOMIGRATE_ON_START=None)
    AutoMigrate(app, DatabaseProxy(), [Author])
    result = run(app, "plan")
    assert (result.exit_code, result.stderr) == (
        2,
        "Error: DatabaseProxy: not initialised. Call its initialize(database) first.\n",
    )


def test_models_that_fail_to_import_are_one_line(modules: Modules, database: Database) -> None:
    app = made(AUTOMIGRATE_ON_START=None)
    AutoMigrate(app, database, "books.nothing")
    result = run(app, "plan")
    assert (result.exit_code, result.stderr) == (
        2,
        "Error: books.nothing: there is no module 'books.nothing'. "
        "Run from its folder, or install it.\n",
    )


def test_help_says_whose_models_they_are(idle: Flask) -> None:
    assert "Without MODELS those of the application" in run(idle, "--help").output
