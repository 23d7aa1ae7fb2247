"""What must not happen: rows left out in silence, false claims, passwords shown, forged lines."""

from __future__ import annotations

import logging
import os
import threading
import uuid
from pathlib import Path
from typing import Any

import pytest
from peewee import (
    CharField,
    Database,
    IntegerField,
    ManyToManyField,
    Model,
    OperationalError,
    SqliteDatabase,
    TextField,
    UUIDField,
)
from playhouse.db_url import connect
from playhouse.sqliteq import SqliteQueueDatabase

from peewee_automigrate import (
    AutoMigrateError,
    LockTimeout,
    MigrationBlocked,
    MigrationFailed,
    ModelsNotFound,
    StepEvent,
    UnsupportedDatabase,
    migrate,
    plan,
)
from tests.support.fields import model
from tests.support.project import Project

KEEPERS = {
    "sqlite": [
        "CREATE TRIGGER keep BEFORE UPDATE ON t BEGIN SELECT raise(IGNORE); END",
    ],
    "postgres": [
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER keep BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION keep()",
    ],
}


def with_rows(database: Database, *statements: str) -> None:
    """Write: make a table with two rows, and more."""
    columns = {"a": TextField(null=True)}
    database.create_tables([model(database, "t", columns)])
    for statement in ("INSERT INTO t (a) VALUES ('x'), ('y')", *statements):
        database.execute_sql(statement)


def filled(database: Database) -> Any:
    return model(database, "t", {"a": TextField(null=True), "n": UUIDField(default=uuid.uuid4)})


# Rows


@pytest.mark.parametrize("kind", KEEPERS)
def test_rows_that_a_trigger_keeps_from_their_value_the_run_fails(
    kind: str, request: pytest.FixtureRequest
) -> None:
    database = request.getfixturevalue(f"{kind}_database")
    with_rows(database, *KEEPERS[kind])
    with pytest.raises(
        MigrationFailed, match=r"2 rows were given a value, and hold NULL"
    ) as caught:
        migrate(database, filled(database))
    assert 'SELECT * FROM "t" WHERE "n" IS NULL' in str(caught.value)
    assert [step.name for step in plan(database, filled(database)).steps] == ["n"]


def test_rows_that_row_level_security_hides_block_what_asks_for_them(postgres_url: str) -> None:
    owner = connect(postgres_url, unquote_password=True)
    with owner.connection_context():
        with_rows(owner)
        role = f"role_{uuid.uuid4().hex}"
        for statement in (
            f"CREATE ROLE {role}",
            f"ALTER TABLE t OWNER TO {role}",
            f"GRANT ALL ON SCHEMA public TO {role}",
            "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE t FORCE ROW LEVEL SECURITY",
            f"SET ROLE {role}",
        ):
            owner.execute_sql(statement)
        plain = {"a": TextField(null=True), "m": IntegerField(null=True)}
        needy = {
            "n": UUIDField(default=uuid.uuid4),
            "k": IntegerField(),
            "u": IntegerField(null=True, unique=True),
        }
        blocked = plan(owner, model(owner, "t", {**plain, **needy})).blocked
        assert {(found.code, found.name) for found in blocked} == {
            ("AM144", "n"),
            ("AM144", "k"),
            ("AM144", "model_t_u"),
        }
        with pytest.raises(MigrationBlocked):
            migrate(owner, filled(owner))
        migrate(owner, model(owner, "t", plain))
        owner.execute_sql("RESET ROLE")
        owner.execute_sql(f"ALTER TABLE t OWNER TO current_user; DROP OWNED BY {role}")
        owner.execute_sql(f"DROP ROLE {role}")


# Models that were not named


def test_through_table_belongs_to_the_model_whose_field_declares_it(
    sqlite_database: SqliteDatabase,
) -> None:
    class User(Model):
        class Meta:
            database = sqlite_database

    class Post(Model):
        likers = ManyToManyField(User, backref="liked")

        class Meta:
            database = sqlite_database

    migrate(sqlite_database, [User])
    assert sqlite_database.get_tables() == ["user"]
    migrate(sqlite_database, [User, Post])
    assert sqlite_database.get_tables() == ["post", "post_user_through", "user"]


def test_temporary_model_is_left_out_with_a_note(database: Database) -> None:
    class Scratch(Model):
        class Meta:
            temporary = True

    Scratch.bind(database)
    made = plan(database, [Scratch])
    assert ([found.code for found in made.findings], made.steps) == (["AM311"], ())
    assert not migrate(database, [Scratch])
    assert database.get_tables() == []


# Claims


def test_callback_that_fails_changes_neither_the_run_nor_what_is_said(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with_rows(database)

    def fail(event: StepEvent) -> None:
        raise OperationalError(f"no such table: progress of {event.state}")

    with (
        caplog.at_level(logging.INFO, "peewee_automigrate"),
        pytest.raises(OperationalError, match="progress of start"),
    ):
        migrate(database, filled(database), on_step=fail)
    assert caplog.messages[-1].startswith("applied 1 column in ")
    assert not plan(database, filled(database))


def test_fill_that_fails_is_begun(mysql_database: Database) -> None:
    with_rows(mysql_database)
    calls = iter(range(1_000_000))

    def third() -> str:
        if next(calls) > 4:
            raise RuntimeError("no more")
        return uuid.uuid4().hex

    columns = {"a": TextField(null=True), "m": IntegerField(null=True)}
    wanted = model(mysql_database, "t", {**columns, "n": CharField(default=third, null=True)})
    with pytest.raises(MigrationFailed, match="no more") as caught:
        migrate(mysql_database, wanted)
    assert "Begun, and completed by the next run: add column t.n." in str(caught.value)
    assert "Nothing was changed" not in str(caught.value)


# Locks between threads


def test_thread_that_waits_for_one_database_holds_up_no_other(tmp_path: Path) -> None:
    busy, free = (SqliteDatabase(str(tmp_path / name)) for name in ("busy.db", "free.db"))
    other = SqliteDatabase(str(tmp_path / "busy.db"))
    said: list[str] = []

    def wait() -> None:
        with pytest.raises(LockTimeout):
            migrate(busy, [model(busy, "t", {})], lock_wait=1.5)
        said.append("waited")

    with other.connection_context(), other.atomic("IMMEDIATE"):
        thread = threading.Thread(target=wait)
        thread.start()
        assert migrate(free, [model(free, "t", {})], lock_wait=0.5).waited < 0.5
        thread.join()
    assert said == ["waited"]


def test_process_forked_while_a_thread_migrates_is_not_held_up(tmp_path: Path) -> None:
    busy, name = SqliteDatabase(str(tmp_path / "busy.db")), str(tmp_path / "busy.db")
    inside, go_on = threading.Event(), threading.Event()

    def pause(event: StepEvent) -> None:
        inside.set()
        go_on.wait(10)

    thread = threading.Thread(
        target=migrate, args=(busy, [model(busy, "t", {})]), kwargs={"on_step": pause}
    )
    thread.start()
    inside.wait(10)
    pid = os.fork()
    if pid == 0:  # the lock of the file is still held: what ends is the wait for that
        own = SqliteDatabase(name)
        try:
            migrate(own, [model(own, "t", {})], lock_wait=0.2)
            os._exit(1)
        except LockTimeout as error:
            os._exit(3 if "a thread of this process" in str(error) else 0)
    status = os.waitpid(pid, 0)[1]
    go_on.set()
    thread.join()
    assert status == 0


def test_queue_of_writes_is_refused_in_one_line(tmp_path: Path) -> None:
    database = SqliteQueueDatabase(str(tmp_path / "queue.db"), autostart=False)
    with pytest.raises(UnsupportedDatabase, match="before it starts"):
        migrate(database, [model(database, "t", {})])
    assert not (tmp_path / "queue.db").exists()


# What is shown


@pytest.mark.parametrize(
    "given",
    ["postgresql://app:S3cret@db/app", "host=db password=S3cret dbname=app"],
)
def test_password_in_place_of_a_database_is_not_shown(given: Any) -> None:
    with pytest.raises(AutoMigrateError, match="not a Peewee database") as caught:
        plan(given, [model(SqliteDatabase(":memory:"), "t", {})])
    assert "S3cret" not in str(caught.value)


def test_password_of_one_of_two_databases_is_not_shown() -> None:
    models = []
    for name in ("one", "two"):
        database = SqliteDatabase(f"postgresql://app:S3cret@db/{name}")
        models.append(model(database, name, {}))
    with pytest.raises(ModelsNotFound, match="belong to 2 databases") as caught:
        plan(models[0]._meta.database, models)
    assert "S3cret" not in str(caught.value)


def test_name_from_the_catalogue_moves_no_cursor_and_forges_no_line(
    sqlite_database: SqliteDatabase, project: Project
) -> None:
    names = ("a\x1b[2J", "b\n! blocked AM101 forged", "c\u202ed")
    columns = ", ".join(f'"{name}"' for name in names)
    sqlite_database.execute_sql(f"CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, {columns})")
    text = str(plan(sqlite_database, model(sqlite_database, "t", {})))
    assert not {"\x1b", "\u202e"} & set(text)
    assert [line for line in text.splitlines() if line.startswith("! ")] == []
    assert r"t.a\x1b[2J: not in the model" in text


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e10, -1])
def test_time_that_means_nothing_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="lock_wait is "):
        plan(SqliteDatabase(":memory:"), [Model], lock_wait=number)


UNEXPECTED = """
    from peewee import *
    db = SqliteDatabase("app.db")
    class Odd(IntegerField):
        def ddl_datatype(self, context): raise ZeroDivisionError("in my field")
    class T(Model):
        x = Odd()
        class Meta: database = db
    def create_app():
        raise SystemExit(0)
"""


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["migrate", "app_odd"], 2, "T: can't be read: ZeroDivisionError: in my field."),
        (["check", "app_lazy"], 2, "Error: app_lazy: no Peewee models here"),
        (["check", "app_lazy:it"], 4, "Error: unexpected: RuntimeError: lazy it"),
        (["migrate", "app_odd:create_app"], 2, "Error: app_odd:create_app: fails: SystemExit: 0 "),
        (
            ["migrate", "app_odd", "--lock-wait", "nan"],
            2,
            "'--lock-wait': lock_wait is 'nan'; use a number of seconds",
        ),
    ],
)
def test_failure_of_any_kind_is_no_traceback_and_no_exit_code_of_another(
    project: Project, words: list[str], code: int, text: str
) -> None:
    project.module("app_odd", UNEXPECTED)
    project.module("app_lazy", "def __getattr__(name): raise RuntimeError('lazy ' + name)")
    result = project.run(*words)
    assert (result.exit_code, "Traceback" in result.stderr) == (code, False)
    assert text in result.stderr
