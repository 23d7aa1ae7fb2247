"""What a person sees: the first line, layout and colours, `migrate` as it happens, the volume."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import click
import peewee
import pytest
from peewee import (
    CharField,
    IntegerField,
    ManyToManyField,
    Model,
    PostgresqlDatabase,
    SqliteDatabase,
    TextField,
)

import peewee_automigrate
from peewee_automigrate import (
    AutoMigrateError,
    MigrationBlocked,
    ModelsNotFound,
    Plan,
    Step,
    StepEvent,
    migrate,
    plan,
    printing,
    report,
)
from peewee_automigrate.changes import CreateSchema
from peewee_automigrate.dialects.base import Dialect
from peewee_automigrate.faces.cli import main
from peewee_automigrate.faces.terminal import Style, bar, text
from peewee_automigrate.printing import script_of
from tests.support.project import Project, Terminal, with_a_row
from tests.support.terminal import erased, plain

# Its plan has all there is: new tables, several steps of one table, blocked items, drift, notes.
SHOP = """
    import uuid
    from peewee import *

    db = SqliteDatabase("shop.db")

    class Base(Model):
        class Meta:
            database = db

    class Stamped(Base):
        created = DateTimeField(null=True)

    class User(Base):
        name = CharField(unique=True)
        email = CharField()
        karma = IntegerField(default=0, index=True)
        token = UUIDField(default=uuid.uuid4, unique=True)

    class Invoice(Stamped):
        user = ForeignKeyField(User)

    class Subscription(Base):
        user = ForeignKeyField(User)
        plan = CharField()
        since = DateField(null=True)

        class Meta:
            indexes = ((("user", "plan"), True),)

    class Legacy(Base):
        class Meta:
            automigrate = False
"""
STANDING = """
    CREATE TABLE user (id INTEGER PRIMARY KEY, name VARCHAR(255) NOT NULL, secret BLOB NOT NULL);
    CREATE UNIQUE INDEX user_name ON user (name);
    INSERT INTO user (name, secret) VALUES ('ann', ''), ('bob', '');
    CREATE TABLE subscription (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL, plan INTEGER);
    INSERT INTO subscription (user_id, plan) VALUES (1, 1), (1, 1);
"""
WIDTHS = (60, 80, 100, 120, 200)
each_width = pytest.mark.parametrize("width", WIDTHS)


@pytest.fixture
def shop(project: Project) -> Project:
    project.module("app_shop", SHOP)
    database = SqliteDatabase("shop.db")
    database.connect()
    database.connection().executescript(STANDING)
    database.close()
    return project


@pytest.fixture
def made(shop: Project) -> Plan:
    """The plan of the shop."""
    shop.run("check", "app_shop")
    module = sys.modules["app_shop"]
    return plan(module.db, module)


# The first line.


def first_line(database: Any, models: Any) -> str:
    return str(plan(database, models)).partition("\n")[0]


def test_first_line_counts_the_models_and_names_module_and_place(project: Project) -> None:
    project.file.touch()
    line = project.on(project.url, "plan", "app").output.partition("\n")[0]
    assert line == f"2 models of app on sqlite {project.file}"


def test_first_line_says_what_was_left_out_and_why(made: Plan) -> None:
    assert made.summary == (
        "3 models of app_shop on sqlite shop.db; "
        "left out: Base, Stamped (abstract), Legacy (automigrate = False)"
    )


def test_first_line_counts_an_abstract_base_that_has_a_table(shop: Project) -> None:
    SqliteDatabase("shop.db").execute_sql("CREATE TABLE stamped (id INTEGER PRIMARY KEY)")
    line = shop.run("plan", "app_shop").output.partition("\n")[0]
    assert line == (
        "4 models of app_shop on sqlite shop.db; "
        "left out: Base (abstract), Legacy (automigrate = False)"
    )


def model_of(module: str, table: str) -> type[Model]:
    meta = type("Meta", (), {"table_name": table})
    return type(table.title(), (Model,), {"__module__": module, "Meta": meta})


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (1, "1 model of m0 on sqlite :memory:"),
        (3, "3 models of m0, m1, m2 on sqlite :memory:"),
        (4, "4 models of m0, m1, m2 and 1 more on sqlite :memory:"),
        (40, "40 models of m0, m1, m10 and 37 more on sqlite :memory:"),
    ],
)
def test_first_line_abbreviates_many_modules(number: int, expected: str) -> None:
    models = [model_of(f"m{n}", f"t{n}") for n in range(number)]
    assert first_line(SqliteDatabase(":memory:"), models) == expected


def test_first_line_names_no_module_of_peewee() -> None:
    class Tag(Model):
        pass

    class Page(Model):
        tags = ManyToManyField(Tag)

    line = first_line(SqliteDatabase(":memory:"), [Tag, Page])
    assert line == f"3 models of {__name__} on sqlite :memory:"


def test_first_line_names_database_and_host_of_postgres(
    postgres_database: PostgresqlDatabase,
) -> None:
    info = postgres_database.connection().info
    line = first_line(postgres_database, [model_of("m", "t")])
    assert line.startswith(f"1 model of m on postgresql {info.dbname} at {info.host}")


def test_first_line_hides_the_password_of_a_url_as_name(postgres_url: str) -> None:
    url = re.sub(r"://([^:@/]*)[^@/]*@", r"://\1:s3cr3t@", postgres_url)
    database = PostgresqlDatabase(url)
    line = first_line(database, [model_of("m", "t")])
    assert (database.database, "s3cr3t" in line) == (url, False)
    assert re.match(r"1 model of m on postgresql automigrate_\w+ at ", line)


def test_first_line_hides_the_settings_of_a_file_uri(tmp_path: Path) -> None:
    database = SqliteDatabase(f"file:{tmp_path}/app.db?mode=rwc&key=s3cr3t", uri=True)
    assert first_line(database, [model_of("m", "t")]).endswith(f" on sqlite file:{tmp_path}/app.db")


@pytest.mark.parametrize(
    ("name", "host", "expected"),
    [
        ("app", "db.local", "some app at db.local"),
        ("app", None, "some app"),
        ("some://me:s3cr3t@host/app", None, "some"),
        ("dbname=app password=s3cr3t", "db.local", "some at db.local"),
    ],
)
def test_place_of_any_database_hides_what_may_hold_a_password(
    name: str, host: str | None, expected: str
) -> None:
    dialect = Dialect(PostgresqlDatabase(name, **({"host": host} if host else {})))
    dialect.name = "some"
    assert dialect.place() == expected


def test_models_that_all_refuse_are_an_error_that_names_them() -> None:
    class Old(Model):
        class Meta:
            automigrate = False

    with pytest.raises(ModelsNotFound, match=r"want a table \(automigrate = False: Old\)\.$"):
        plan(SqliteDatabase(":memory:"), [Old])


# Plain text.


def test_plain_plan_is_grouped_by_table(made: Plan) -> None:
    lines = [line for line in str(made).splitlines()[1:-1] if line[0] not in "!~·"]
    heads = [re.split(" {2,}", line.strip())[0] for line in lines if not line.startswith("    ")]
    assert heads == [
        "+ create table invoice",
        "user",
        "+ add column user.karma",
        "+ add column user.token",
        "+ add index user_karma on user (karma)",
        "+ add unique index user_token on user (token)",
        "subscription",
        "+ add column subscription.since",
        "+ add index subscription_user_id on subscription (user_id)",
    ]


def test_plain_plan_of_two_schemas_has_a_line_for_each() -> None:
    steps = [
        Step("create_schema", "", name, (), reason="new schema", change=CreateSchema(name))
        for name in ("app", "log")
    ]
    assert str(Plan(tuple(steps))).splitlines()[:-1] == [
        f"+ {step}  instant  new schema" for step in steps
    ]


def test_plain_plan_says_effect_rows_and_what_it_blocks(made: Plan) -> None:
    line = next(line for line in str(made).splitlines() if "add index user_karma" in line)
    assert re.split(" {2,}", line.strip()) == [
        "+ add index user_karma on user (karma)",
        "builds ~2 rows, blocks writes",
        "built in a transaction",
    ]


def test_plain_plan_has_blocked_items_then_drift_then_notes_then_a_count(made: Plan) -> None:
    signs = [line[0] for line in str(made).splitlines() if line[0] in "!~·T"]
    assert "".join(signs) == "".join(sorted(signs, key="!~·T".index))
    assert set(signs) == set("!~·T")
    assert str(made).splitlines()[-1] == (
        "To add: 1 table, 3 columns, 3 indexes, 2 blocked. 4 drift, 1 note."
    )


def test_plain_plan_has_a_line_for_each_step_and_finding(made: Plan) -> None:
    lines = str(made).splitlines()
    for item in (*made.steps, *made.blocked, *made.findings):
        assert sum(str(item) in line for line in lines) == (getattr(item, "code", "") != "AM307")


def test_plain_plan_aligns_the_costs(made: Plan) -> None:
    costs = [re.search(r" (instant|fills|builds)", line) for line in str(made).splitlines()]
    assert len({found.start() for found in costs if found}) == 1


# Laid out for a width.


def statements(made: Plan) -> list[str]:
    findings = (*made.blocked, *made.findings)
    offered = [line for found in findings if found.sql for line in script_of(found)]
    return [*made.sql(), *(line.removesuffix(";") for line in offered)]


@each_width
def test_no_line_is_wider_than_the_terminal(made: Plan, width: int) -> None:
    sql = [statement.removesuffix(";") for statement in statements(made)]
    lines = text(made, Style(width, sql=True)).splitlines()
    wide = [line.strip().removesuffix(";") for line in lines if len(line) > width]
    assert set(wide) <= set(sql)


@each_width
def test_statements_are_never_wrapped(made: Plan, width: int) -> None:
    lines = [line.strip() for line in text(made, Style(width, sql=True)).splitlines()]
    for sql in statements(made):
        assert sql in [line.removesuffix(";") for line in lines]


@each_width
def test_every_word_is_there_at_every_width(made: Plan, width: int) -> None:
    words = sorted(text(made, Style(width)).replace(";", "").split())
    assert words == sorted(str(made).replace(";", "").split())


@each_width
def test_no_line_ends_in_spaces(made: Plan, width: int) -> None:
    lines = text(made, Style(width, sql=True)).splitlines()
    assert [line for line in lines if line != line.rstrip()] == []


@each_width
def test_longest_names_stay_whole(width: int) -> None:
    name = "n" * 63
    model = model_of("m", name)
    model._meta.add_field("x" * 50, IntegerField(index=True))
    shown = text(plan(SqliteDatabase(":memory:"), [model]), Style(width, sql=True))
    assert f"create table {name}" in " ".join(shown.split())


def test_plan_on_60_columns_reads_well() -> None:
    class Person(Model):
        name = CharField(unique=True)
        motto = TextField()

    database = SqliteDatabase(":memory:")
    database.execute_sql("CREATE TABLE person (id INTEGER PRIMARY KEY, name INTEGER NOT NULL)")
    database.execute_sql("INSERT INTO person (name) VALUES (1)")
    made = plan(database, [Person])
    one, other = (
        "".join(f"      {line}\n" for line in script_of(found, is_whole=False))
        for found in (*made.blocked, *made.drift)
    )
    assert (
        text(made, Style(60))
        == f"""\
1 model of {__name__} on sqlite :memory:

person
  + add unique index person_name on person (name)
      builds ~1 row, blocks writes
      no duplicates now, built in a transaction

! blocked AM101 person.motto: NOT NULL without a default,
      and the table has rows.
      Give it a default or null=True, or add it by your own
      script, then run again.
{one}
~ drift AM201 person.name: the type is INTEGER, the model
      says VARCHAR(255).
      Nothing is changed.
{other}
To add: 1 index, 1 blocked. 1 drift."""
    )


# In a terminal, and in a pipe.


@each_width
def test_terminal_shows_the_plan_in_its_own_width(
    shop: Project, made: Plan, width: int, terminal: Terminal
) -> None:
    code, output = terminal(width, "plan", "app_shop")
    assert (code, plain(output)) == (3, text(made, Style(width)) + "\n")


def test_terminal_shows_colours(shop: Project, terminal: Terminal) -> None:
    output = terminal(200, "plan", "app_shop")[1]
    assert "\x1b[32m+ create table invoice\x1b[0m" in output
    assert "\x1b[31m\x1b[1m! blocked AM101\x1b[0m user.email: " in output


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_terminal_without_colours_shows_none(
    shop: Project, env: dict[str, str], terminal: Terminal
) -> None:
    assert "\x1b" not in terminal(80, "plan", "app_shop", **env)[1]


def test_pipe_has_neither_colours_nor_wrapped_lines(shop: Project, made: Plan) -> None:
    assert shop.run("plan", "app_shop", color=True).output == f"{made}\n"


@pytest.mark.parametrize(
    ("env", "is_coloured"),
    [
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "0"}, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, False),
    ],
)
def test_pipe_is_coloured_by_force(shop: Project, env: dict[str, str], is_coloured: bool) -> None:
    output = shop.run("plan", "app_shop", env=env, color=True).output
    assert ("\x1b[32m" in output) is is_coloured


@pytest.mark.parametrize("form", ["sql", "json", "markdown"])
def test_other_formats_are_never_coloured(shop: Project, form: str, terminal: Terminal) -> None:
    output = terminal(60, "plan", "app_shop", "--format", form)[1]
    assert "\x1b" not in output
    assert output == shop.run("plan", "app_shop", "--format", form).output


def test_markdown_begins_with_the_first_line(shop: Project, made: Plan) -> None:
    output = shop.run("plan", "app_shop", "--format", "markdown").output
    assert output.partition("\n")[0] == made.summary


# `migrate` as it happens.

SLOW = """
    import time
    import uuid
    from peewee import *

    def slow():
        time.sleep(0.0005)
        return uuid.uuid4()

    class Author(Model):
        token = UUIDField(default=slow)
        name = TextField(null=True)
"""


@pytest.fixture
def slow(project: Project) -> Project:
    """Filling a column takes two seconds and more."""
    project.module("app_slow", SLOW)
    with_a_row(project.url)
    rows = "WITH r AS (SELECT 2 AS n UNION ALL SELECT n + 1 FROM r LIMIT 4000) SELECT n FROM r"
    project.database().execute_sql(f"INSERT INTO author (id) {rows}")
    return project


@pytest.mark.parametrize("width", [60, 120])
def test_terminal_shows_a_bar_for_a_long_step(
    slow: Project, width: int, terminal: Terminal
) -> None:
    code, output = terminal(width, "migrate", "app_slow", "--database", slow.url)
    bars = [line for line in erased(output) if re.search(r"\[#+-+\]  *\d+% \d+ s filling$", line)]
    assert (code, bool(bars)) == (0, True)
    assert max(len(line) for line in erased(output)) < width


def test_terminal_keeps_nothing_of_the_bar(slow: Project, terminal: Terminal) -> None:
    _, output = terminal(80, "migrate", "app_slow", "--database", slow.url)
    lines = plain(output).splitlines()
    begin = next(n for n, line in enumerate(lines) if line.startswith("To add: "))
    assert [re.sub(r"\d+\.\d\d", "0.00", line) for line in lines[begin:]] == [
        "To add: 2 columns. 1 note.",
        "done 1/2 add column author.token (0.00 s)",
        "done 2/2 add column author.name (0.00 s)",
        "applied 2 columns in 0.00 s.",
    ]


def test_terminal_keeps_nothing_of_the_bar_after_an_error(
    slow: Project, terminal: Terminal
) -> None:
    slow.module(
        "app_slow",
        SLOW.replace("return", "if n.append(0) or len(n) > 3500: 1 / 0\n        return").replace(
            "def slow", "n = []\n    def slow"
        ),
    )
    code, output = terminal(80, "migrate", "app_slow", "--database", slow.url)
    assert (code, bool(erased(output))) == (4, True)
    assert re.search(r"\n\nTo add: .*\nError: statement 2 of \d failed: ", plain(output))


def test_pipe_has_nothing_of_the_bar(slow: Project) -> None:
    output = slow.on(slow.url, "migrate", "app_slow", color=True).output
    assert [word for word in ("\r", "\x1b", "[#", "...") if word in output] == []


@cache
def some_step() -> Step:
    return plan(SqliteDatabase(":memory:"), [model_of("m", "a_name_of_some_length")]).steps[0]


def event(fraction: float | None, phase: str) -> StepEvent:
    return StepEvent(some_step(), "progress", 3, 12, 61.0, fraction, phase)


@pytest.mark.parametrize("room", [*range(20, 81), 100, 120, 199])
@pytest.mark.parametrize("fraction", [0.0, 0.5, 1.0, None])
def test_bar_fits_into_any_width(room: int, fraction: float | None) -> None:
    assert len(bar(event(fraction, "building index: loading tuples in tree"), room)) <= room


def test_bar_shows_step_share_seconds_and_phase() -> None:
    assert bar(event(0.5, "filling"), 80) == (
        "3/12 create table a_name_of_some_length [##########----------]  50% 61 s filling"
    )


def test_bar_without_a_known_share_has_none() -> None:
    expected = "3/12 create table a_name_of_some_length 61 s waiting"
    assert bar(event(None, "waiting"), 79) == expected


def test_migrate_shows_the_plan_that_runs(project: Project) -> None:
    with_a_row(project.url)
    planned = project.on(project.url, "plan", "app_more").output
    shown = project.on(project.url, "migrate", "app_more").output
    assert shown.startswith(planned)
    assert "done 1/" in shown[len(planned) :]


def test_migrate_that_is_blocked_shows_the_plan_and_the_reasons(project: Project) -> None:
    with_a_row(project.url)
    planned = project.on(project.url, "plan", "app_blocked").output
    result = project.on(project.url, "migrate", "app_blocked")
    assert result.stdout == planned
    assert "author.name: NOT NULL without a default" in result.stderr


def test_terminal_says_once_what_is_blocked(project: Project, terminal: Terminal) -> None:
    with_a_row(project.url)
    code, output = terminal(200, "migrate", "app_blocked", "--database", project.url)
    assert (code, plain(output).count("NOT NULL without a default")) == (3, 1)


def test_migrate_that_waits_says_for_whom_on_a_terminal(
    project: Project, terminal: Terminal
) -> None:
    with_a_row(project.url)
    words = ("migrate", "app_more", "--database", project.url, "--lock-wait", "0.5")
    other = project.database()
    with other.atomic("IMMEDIATE"):
        code, output = terminal(100, *words)
    assert (code, "for the lock of another connection" in "".join(erased(output))) == (4, True)


def test_verbose_migrate_that_waits_logs_for_whom(project: Project) -> None:
    with_a_row(project.url)
    words = ("migrate", "-v", "app_more", "--database", project.url, "--lock-wait", "0.2")
    with project.database().atomic("IMMEDIATE"):
        logged = project.run(*words).stderr
    assert re.search(
        r"^ +0\.\d\d s  waited 0\.0 s for the lock of another connection$", logged, re.M
    )


@pytest.mark.parametrize("words", [[], ["-v"], ["-q"]])
def test_migrate_leaves_the_logger_as_it_was(project: Project, words: list[str]) -> None:
    logger = logging.getLogger("peewee_automigrate")
    before = logger.level, list(logger.handlers), list(logger.filters)
    project.on(project.url, "migrate", *words, "app")
    assert (logger.level, logger.handlers, logger.filters) == before


# Told for whom it waits.


class Author(Model):
    name = TextField(null=True)


class Tag(Model):
    name = TextField(null=True)


def test_on_step_is_told_of_a_wait_before_the_first_step(project: Project) -> None:
    with_a_row(project.url)
    told: list[StepEvent] = []
    other = project.database()
    other.execute_sql("BEGIN IMMEDIATE")

    def on_step(event: StepEvent) -> None:
        told.append(event)
        if event.state == "waiting":
            other.close()

    migrate(project.database(), [Author, Tag], on_step=on_step)
    first, *others = told
    assert (first.step, first.state, first.number, first.total) == (None, "waiting", 0, 2)
    assert first.phase == "waited 0.0 s for the lock of another connection"
    assert {event.state for event in others} == {"start", "done"}


def test_on_step_is_told_of_a_wait_for_the_database_to_come_up() -> None:
    told: list[StepEvent] = []
    down = PostgresqlDatabase("name", host="127.0.0.1", port=1)
    with pytest.raises(AutoMigrateError):
        migrate(down, [Author], wait=0.3, on_step=told.append)
    assert {(event.step, event.state) for event in told} == {(None, "waiting")}
    assert told[0].phase.startswith("can't connect yet, trying again: ")


def test_on_step_gets_a_step_each_time_when_nobody_is_waited_for(
    sqlite_database: SqliteDatabase,
) -> None:
    told: list[str] = []
    migrate(
        sqlite_database,
        [Author],
        on_step=lambda event: told.append(event.step.kind if event.step else ""),
    )
    assert told == ["create_table", "create_table"]


def test_connection_that_waiting_does_not_mend_is_not_waited_for(tmp_path: Path) -> None:
    told: list[StepEvent] = []
    wrong = SqliteDatabase(str(tmp_path / "app.db"), nonsense=1)
    with pytest.raises(AutoMigrateError, match="can't connect to the database: .*nonsense"):
        migrate(wrong, [Author], wait=30, on_step=told.append)
    assert told == []


# Told which plan will run.


def test_on_plan_is_called_once_with_the_plan_that_runs(sqlite_database: SqliteDatabase) -> None:
    told: list[Plan] = []
    report = migrate(sqlite_database, [Author, Tag], on_plan=told.append)
    assert [made.steps for made in told] == [report.applied]


def test_on_plan_is_called_with_an_empty_plan(sqlite_database: SqliteDatabase) -> None:
    migrate(sqlite_database, [Author])
    told: list[Plan] = []
    migrate(sqlite_database, [Author], on_plan=told.append)
    assert list(map(bool, told)) == [False]


def test_on_plan_is_called_before_blocked_items_are_refused(
    sqlite_database: SqliteDatabase,
) -> None:
    class Author(Model):
        name = TextField()

    sqlite_database.execute_sql("CREATE TABLE author (id INTEGER PRIMARY KEY)")
    sqlite_database.execute_sql("INSERT INTO author DEFAULT VALUES")
    told: list[Plan] = []
    with pytest.raises(MigrationBlocked):
        migrate(sqlite_database, [Author], on_plan=told.append)
    assert [len(made.blocked) for made in told] == [1]


def changing(database: Any, told: list[Plan]) -> Callable[[Plan], None]:
    """Return an ``on_plan`` during whose first call somebody else adds a table."""

    def on_plan(made: Plan) -> None:
        told.append(made)
        if len(told) == 1:
            other = SqliteDatabase(database.database)
            migrate(other, [Author])
            other.close()

    return on_plan


def test_on_plan_is_called_again_when_others_change_the_database(
    sqlite_database: SqliteDatabase,
) -> None:
    told: list[Plan] = []
    report = migrate(sqlite_database, [Author, Tag], on_plan=changing(sqlite_database, told))
    assert [list(map(str, made.steps)) for made in told] == [
        ["create table author", "create table tag"],
        ["create table tag"],
    ]
    assert report.applied == told[-1].steps


# Quiet and verbose.


@pytest.mark.parametrize(
    ("words", "code"), [(["plan"], 0), (["check"], 1), (["migrate"], 0), (["check"], 1)]
)
def test_quiet_prints_nothing(project: Project, words: list[str], code: int) -> None:
    with_a_row(project.url)
    result = project.on(project.url, *words, "-q", "app_more")
    assert (result.exit_code, result.output) == (code, "")


def test_quiet_prints_errors(project: Project) -> None:
    with_a_row(project.url)
    result = project.on(project.url, "migrate", "--quiet", "app_blocked")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "author.name: NOT NULL without a default" in result.stderr


def test_quiet_and_verbose_exclude_each_other(project: Project) -> None:
    result = project.on(project.url, "plan", "-q", "-v", "app")
    assert (result.exit_code, "exclude each other" in result.stderr) == (2, True)


@pytest.mark.parametrize("command", ["plan", "check"])
def test_verbose_shows_the_sql_of_each_step_and_the_time(project: Project, command: str) -> None:
    with_a_row(project.url)
    lines = project.on(project.url, command, "-v", "app_more").stdout.splitlines()
    step = next(n for n, line in enumerate(lines) if line.startswith("+ create table post"))
    assert lines[step + 1].startswith('      CREATE TABLE "post" (')
    assert re.fullmatch(r"planned in \d+\.\d\d s\.", lines[-1])


def test_verbose_migrate_shows_each_statement_and_its_time(project: Project) -> None:
    with_a_row(project.url)
    logged = project.on(project.url, "migrate", "-v", "app_more").stderr
    assert re.findall(r"^ +\d+\.\d\d s  (\d/2) (CREATE \w+) ", logged, re.M) == [
        ("1/2", "CREATE TABLE"),
        ("2/2", "CREATE INDEX"),
    ]


def test_verbose_migrate_says_once_what_was_done(project: Project) -> None:
    assert project.on(project.url, "migrate", "-v", "app").output.count("applied") == 1


def test_usual_migrate_shows_no_statement(project: Project) -> None:
    with_a_row(project.url)
    assert "CREATE TABLE" not in project.on(project.url, "migrate", "app_more").output


# Several databases.


@pytest.fixture
def two(project: Project) -> Project:
    text = """
        from peewee import *
        one, two = SqliteDatabase("one.db"), SqliteDatabase("two.db")
        class First(one.Model):
            pass
        class Second(two.Model):
            pass
    """
    project.module("app_two", text)
    for name in ("one.db", "two.db"):
        (project.folder / name).touch()
    return project


def test_plan_of_two_databases_has_a_heading_for_each(two: Project) -> None:
    parts = two.run("plan", "app_two").output.split("\n\n")
    assert [part.partition("\n")[0] for part in parts] == [
        "1 model of app_two on sqlite one.db",
        "1 model of app_two on sqlite two.db",
    ]


def test_migrate_of_two_databases_has_a_heading_for_each(two: Project) -> None:
    parts = two.run("migrate", "app_two").output.split("\n\n")
    assert [part.partition("\n")[0] for part in parts] == [
        "1 model of app_two on sqlite one.db",
        "1 model of app_two on sqlite two.db",
    ]


def test_check_of_two_databases_has_a_line_for_each(two: Project) -> None:
    lines = two.run("check", "app_two").output.splitlines()
    assert [line for line in lines if not line.startswith("+ ")] == [
        "1 model of app_two on sqlite one.db: To add: 1 table.",
        "1 model of app_two on sqlite two.db: To add: 1 table.",
    ]


# The environment.


@pytest.mark.parametrize(
    ("name", "value", "option", "expected"),
    [
        ("ON_BLOCKED", "skip", "on_blocked", "skip"),
        ("LOCK_WAIT", "7", "lock_wait", 7.0),
        ("LOCK_TIMEOUT", "0.5", "lock_timeout", 0.5),
        ("ONLINE_ROWS", "99", "online_rows", 99),
        ("WAIT", "3", "wait", 3.0),
        ("ATOMIC", "1", "atomic", True),
        ("SAMPLES", "0", "samples", False),
    ],
)
def test_option_of_migrate_comes_from_the_environment(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    option: str,
    expected: object,
) -> None:
    given: dict[str, Any] = {}

    def noting(*items: Any, **options: Any) -> Any:
        given.update(options)
        return migrate(*items, **options)

    monkeypatch.setattr("peewee_automigrate.faces.commands.migrate", noting)
    result = project.on(project.url, "migrate", "app", env={f"PEEWEE_AUTOMIGRATE_{name}": value})
    assert (result.exit_code, given[option]) == (0, expected)


def test_option_on_the_command_line_wins_over_the_environment(project: Project) -> None:
    with_a_row(project.url)
    env = {"PEEWEE_AUTOMIGRATE_ON_BLOCKED": "skip"}
    words = ("migrate", "app_blocked", "--on-blocked", "raise")
    assert project.on(project.url, *words, env=env).exit_code == 3


def test_bad_option_in_the_environment_is_wrong_usage(project: Project) -> None:
    env = {"PEEWEE_AUTOMIGRATE_LOCK_WAIT": "soon"}
    assert project.on(project.url, "migrate", "app", env=env).exit_code == 2


def test_format_comes_from_the_environment(project: Project) -> None:
    project.file.touch()
    result = project.on(project.url, "plan", "app", env={"PEEWEE_AUTOMIGRATE_FORMAT": "json"})
    assert json.loads(result.stdout)["version"] == 1


def test_strict_comes_from_the_environment(project: Project) -> None:
    project.on(project.url, "migrate", "app")
    result = project.on(
        project.url, "check", "app_drift", env={"PEEWEE_AUTOMIGRATE_STRICT": "true"}
    )
    assert result.exit_code == 5


def test_quiet_comes_from_the_environment(project: Project) -> None:
    result = project.on(project.url, "migrate", "app", env={"PEEWEE_AUTOMIGRATE_QUIET": "1"})
    assert (result.exit_code, result.output) == (0, "")


def test_verbose_comes_from_the_environment(project: Project) -> None:
    env = {"PEEWEE_AUTOMIGRATE_VERBOSE": "1"}
    assert "CREATE TABLE" in project.on(project.url, "migrate", "app", env=env).stderr


NOWHERE = "sqlite:////nowhere/at/all.db"


@pytest.mark.parametrize(
    ("words", "env"),
    [
        ([], {"PEEWEE_AUTOMIGRATE_DATABASE": "URL"}),
        ([], {"PEEWEE_AUTOMIGRATE_DATABASE": "URL", "DATABASE_URL": NOWHERE}),
        (["--database", "URL"], {"PEEWEE_AUTOMIGRATE_DATABASE": NOWHERE, "DATABASE_URL": NOWHERE}),
    ],
)
def test_database_comes_from_the_option_then_its_variable_then_database_url(
    project: Project, words: list[str], env: dict[str, str]
) -> None:
    def filled(word: str) -> str:
        return word.replace("URL", project.url) if word == "URL" else word

    known = {name: filled(value) for name, value in env.items()}
    result = project.run("migrate", "app", *map(filled, words), env=known)
    assert (result.exit_code, project.file.exists()) == (0, True)


@pytest.mark.parametrize("command", ["plan", "migrate", "check"])
def test_help_names_the_variable_of_each_option(project: Project, command: str) -> None:
    output = " ".join(project.run(command, "--help").output.split())
    options = [o for o in main.commands[command].params if isinstance(o, click.Option)]
    names = [max(option.opts, key=len).lstrip("-").replace("-", "_").upper() for option in options]
    assert [name for name in names if f"PEEWEE_AUTOMIGRATE_{name}" not in output] == []
    assert "DATABASE_URL" in output


@pytest.mark.parametrize("command", ["plan", "migrate", "check"])
def test_help_of_a_command_lists_the_exit_codes(project: Project, command: str) -> None:
    output = project.run(command, "--help").output
    assert re.findall(r"^ +(\d)  ", output, re.M) == list("012345")


def test_version_in_the_environment_is_no_question_for_it(project: Project) -> None:
    """A Dockerfile may well keep the version to install under this name."""
    env = {"PEEWEE_AUTOMIGRATE_VERSION": "1"}
    assert project.on(project.url, "migrate", "app", env=env).output.startswith("2 models")


def test_version_names_program_peewee_python_and_drivers(project: Project) -> None:
    named = dict(line.split(" ") for line in project.run("--version").output.splitlines())
    assert named["peewee-automigrate"] == peewee_automigrate.__version__
    assert named["peewee"] == peewee.__version__
    assert named["python"] == sys.version.split(" ")[0]
    assert named["sqlite"] == peewee.sqlite3.sqlite_version
    assert {"psycopg2-binary", "psycopg2"} & set(named)


def test_report_has_how_a_plan_reads() -> None:
    """Loaded where somebody asks; what is in neither module is an AttributeError."""
    assert (report.markdown, report.sql_text) == (printing.markdown, printing.sql_text)
    with pytest.raises(AttributeError):
        _ = report.nothing
