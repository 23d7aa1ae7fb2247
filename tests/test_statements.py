"""The statements: how many read the catalogue, which ones run, and what stays when one fails."""

from __future__ import annotations

import itertools
import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any

import peewee
import psycopg2
import pytest
from click.testing import CliRunner
from peewee import (
    Database,
    IntegerField,
    MySQLDatabase,
    OperationalError,
    PostgresqlDatabase,
    SqliteDatabase,
    TextField,
)
from playhouse.db_url import connect

from peewee_automigrate import MigrationFailed, Step, StepEvent, migrate, plan
from peewee_automigrate.faces.cli import main
from peewee_automigrate.printing import UNFILLED, sql_text
from tests.support import catalogue, shell
from tests.support.fields import model
from tests.support.mysql_servers import MysqlServer
from tests.support.releases import Models, after, grown, with_rows
from tests.support.servers import Server
from tests.support.wire import recorded

LOGGER = "peewee_automigrate"
READS = ("SELECT", "PRAGMA DATABASE_LIST", "SHOW SESSION STATUS", "SHOW SESSION VARIABLES")
# MySQL also has to be asked what it is.
AT_MOST = {True: 3, False: 2}
# What surrounds a question about rows, so that it can be given up in time.
AROUND_READS = (
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT",
    "RELEASE",
    "SET LOCAL",
    "SET SESSION",
)


def is_mysql(database: Database) -> bool:
    return isinstance(database, MySQLDatabase)


def many(database: Database, number: int) -> Models:
    return [
        model(database, f"table_{n}", {"size": IntegerField(index=True)}) for n in range(number)
    ]


@pytest.fixture
def another_sqlite(tmp_path: Path) -> Iterator[Database]:
    yield from opened(SqliteDatabase(str(tmp_path / "another.db")))


@pytest.fixture
def another_postgres(postgres_server: Server) -> Iterator[Database]:
    with postgres_server.database() as url:
        yield from opened(connect(url, unquote_password=True))


@pytest.fixture
def another_mysql(mysql_server: MysqlServer) -> Iterator[Database]:
    with mysql_server.database() as url:
        yield from opened(connect(url, unquote_password=True))


def opened(database: Database) -> Iterator[Database]:
    database.connect()
    yield database
    database.close()


@pytest.fixture
def another(database: Database, request: pytest.FixtureRequest) -> Database:
    """A second open and empty database of the same kind as the first."""
    kinds = {SqliteDatabase: "sqlite", MySQLDatabase: "mysql"}
    kind = next((kinds[base] for base in type(database).__mro__ if base in kinds), "postgres")
    found: Database = request.getfixturevalue(f"another_{kind}")
    return found


# How many statements read the catalogue.


@pytest.mark.parametrize("number", [1, 100, pytest.param(1000, marks=pytest.mark.slow)])
def test_plan_with_nothing_to_do_reads_in_a_few_statements(database: Database, number: int) -> None:
    models = many(database, number)
    migrate(database, models)
    with recorded(database) as sent:
        assert not plan(database, models)
    assert len(sent) <= AT_MOST[is_mysql(database)], sent


@pytest.mark.parametrize("number", [1, 100, pytest.param(1000, marks=pytest.mark.slow)])
def test_plan_from_empty_reads_the_catalogue_in_a_few_statements(
    database: Database, number: int
) -> None:
    models = many(database, number)
    with recorded(database) as sent:
        assert plan(database, models)
    # Only where tables are missing: about temporary ones, other ones, and about a cluster.
    questions = 3 if is_mysql(database) else 2
    assert len(sent) <= AT_MOST[is_mysql(database)] + questions, sent


def test_plan_of_several_schemas_reads_in_two_statements(postgres_database: Database) -> None:
    models = [
        model(postgres_database, f"t{n}", {"a": IntegerField()}, schema=f"schema_{n}")
        for n in range(5)
    ]
    migrate(postgres_database, models)
    with recorded(postgres_database) as sent:
        assert not plan(postgres_database, models)
    assert len(sent) <= 2, sent


def test_plan_of_several_databases_of_a_server_reads_in_three_statements(
    mysql_database: MySQLDatabase, mysql_server: MysqlServer
) -> None:
    with mysql_server.database() as one, mysql_server.database() as two:
        models = [
            model(mysql_database, "t", {"a": IntegerField()}, schema=mysql_server.name_of(url))
            for url in (one, two)
        ]
        migrate(mysql_database, models)
        with recorded(mysql_database) as sent:
            assert not plan(mysql_database, models)
        assert len(sent) <= 3, sent


def test_plan_of_attached_schemas_reads_in_two_statements(sqlite_database: SqliteDatabase) -> None:
    models = []
    for n in range(3):
        sqlite_database.attach(":memory:", f"side_{n}")
        models.append(
            model(sqlite_database, f"t{n}", {"a": IntegerField(index=True)}, schema=f"side_{n}")
        )
    migrate(sqlite_database, models)
    with recorded(sqlite_database) as sent:
        assert not plan(sqlite_database, models)
    assert len(sent) <= 2, sent


def test_migrate_with_nothing_to_do_only_reads(database: Database) -> None:
    models = after(database)
    migrate(database, models)
    with recorded(database) as sent:
        migrate(database, models)
    assert [sql for sql in sent if not sql.strip().upper().startswith(READS)] == []


def test_migrate_with_nothing_to_do_takes_no_lock(database: Database) -> None:
    models = after(database)
    migrate(database, models)
    with recorded(database) as sent:
        migrate(database, models)
    assert [sql for sql in sent if "_lock(" in sql or "LOCK TABLE" in sql.upper()] == []


def test_migrate_with_nothing_to_do_runs_beside_a_writer(sqlite_database: SqliteDatabase) -> None:
    models = after(sqlite_database)
    migrate(sqlite_database, models)
    with closing(sqlite3.connect(sqlite_database.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert not migrate(sqlite_database, models, lock_wait=0)


def test_plan_changes_nothing(database: Database) -> None:
    models = grown(database)
    found = catalogue.facts(database)
    plan(database, models)
    assert catalogue.facts(database) == found


def test_plan_sends_nothing_that_writes(database: Database) -> None:
    models = grown(database)
    with recorded(database) as sent:
        plan(database, models)
    assert [sql for sql in sent if not sql.strip().upper().startswith(READS + AROUND_READS)] == []


# The plan's statements are those that run.


def ran(steps: tuple[Step, ...]) -> list[str]:
    return [statement for step in steps for statement in step.statements]


@pytest.mark.parametrize("online_rows", [0, 10_000])
def test_report_has_the_statements_of_the_plan(database: Database, online_rows: int) -> None:
    models = grown(database)
    planned = plan(database, models, online_rows=online_rows).sql()
    assert ran(migrate(database, models, online_rows=online_rows).applied) == planned


@pytest.mark.parametrize("online_rows", [0, 10_000])
def test_log_has_the_statements_of_the_plan_in_order(
    database: Database, caplog: pytest.LogCaptureFixture, online_rows: int
) -> None:
    models = grown(database)
    planned = plan(database, models, online_rows=online_rows).sql()
    with caplog.at_level(logging.INFO, LOGGER):
        migrate(database, models, online_rows=online_rows)
    total = len(planned)
    expected = [f"{n}/{total} {sql}" for n, sql in enumerate(planned, 1)]
    assert [r.getMessage() for r in caplog.records if r.name == LOGGER][:-1] == expected


def test_driver_gets_the_statements_of_the_plan(database: Database) -> None:
    models = grown(database)
    planned = plan(database, models).sql()
    with recorded(database) as sent:
        migrate(database, models)
    beside = ("--", "SET SESSION")
    assert list(filter(changes, sent)) == [sql for sql in planned if not sql.startswith(beside)]


def changes(sql: str) -> bool:
    return sql.startswith(("CREATE", "ALTER", "COMMENT", "DROP"))


def test_log_ends_with_one_summary_line(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, LOGGER):
        report = migrate(database, after(database))
    assert caplog.records[-1].getMessage() == str(report)


def test_log_says_that_nothing_was_to_do_at_debug(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    models = after(database)
    migrate(database, models)
    with caplog.at_level(logging.DEBUG, LOGGER):
        report = migrate(database, models)
    said = [(r.levelname, r.getMessage()) for r in caplog.records if r.name == LOGGER]
    assert said == [("DEBUG", str(report))]


# Pasting the script.


@pytest.mark.parametrize("online_rows", [0, 10_000])
def test_script_pasted_makes_what_migrate_makes(
    database: Database, another: Database, online_rows: int
) -> None:
    migrate(database, grown(database), online_rows=online_rows)
    script = sql_text(plan(another, grown(another), online_rows=online_rows))
    shell.paste(another, script)
    assert unmarked(catalogue.facts(another)) == catalogue.facts(database)
    migrate(another, after(another), online_rows=online_rows)
    assert catalogue.facts(another) == catalogue.facts(database)


def unmarked(found: catalogue.Facts) -> catalogue.Facts:
    """Return the facts without the marks of columns whose rows no script can fill."""
    mark = "peewee_automigrate: unfinished"
    kept = [fact for fact in found if not (fact[0] == "comment" and fact[-1] == mark)]
    return {tuple("" if item == mark else item for item in fact) for fact in kept}


def test_script_of_the_command_line_is_the_plan(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = grown(database)
    (tmp_path / "release_of_statements.py").write_text("models = []\n")
    monkeypatch.syspath_prepend(tmp_path)
    module: Any = import_module("release_of_statements")
    module.models = models
    words = ["plan", "--format", "sql", "release_of_statements:models"]
    assert CliRunner().invoke(main, words).output == sql_text(plan(database, models))


def test_script_pasted_leaves_only_the_values_of_rows(
    database: Database, another: Database
) -> None:
    with_rows(another)
    models = after(another)
    shell.paste(another, sql_text(plan(another, models)))
    migrate(another, models)
    migrate(database, grown(database))
    assert catalogue.facts(another) == catalogue.facts(database)


def test_script_pasted_says_where_migrate_will_not_fill_the_rows(database: Database) -> None:
    with_rows(database)
    numbers = itertools.count(1)
    models = [model(database, "author", {"n": IntegerField(default=numbers.__next__)})]
    script = sql_text(plan(database, models))
    shell.paste(database, script)
    migrate(database, models)
    empty = database.execute_sql("SELECT count(*) FROM author WHERE n IS NULL").fetchone()[0]
    assert (empty > 0) == (UNFILLED in script.splitlines()) == isinstance(database, SqliteDatabase)


# The events.


def events(database: Database, **options: Any) -> list[StepEvent]:
    told: list[StepEvent] = []
    migrate(database, grown(database), on_step=told.append, **options)
    return told


@pytest.mark.parametrize("state", ["start", "done"])
def test_events_tell_each_step_once_and_in_order(database: Database, state: str) -> None:
    told = [event for event in events(database) if event.state == state]
    assert [event.number for event in told] == list(range(1, told[0].total + 1 if told else 2))


@pytest.mark.parametrize("state", ["start", "done"])
def test_events_of_an_atomic_run_tell_each_step_once_and_in_order(
    transactional_database: Database, state: str
) -> None:
    told = [event for event in events(transactional_database, atomic=True) if event.state == state]
    assert [event.number for event in told] == list(range(1, told[0].total + 1 if told else 2))


def test_events_tell_the_start_of_a_step_before_its_end(database: Database) -> None:
    told = [event for event in events(database) if event.state != "progress"]
    steps = [event.step for event in told if event.step]
    states = {step.name: [e.state for e in told if e.step is step] for step in steps}
    assert set(map(tuple, states.values())) == {("start", "done")}


def test_events_tell_of_rows_that_were_filled(database: Database) -> None:
    told = [event for event in events(database) if event.state == "progress"]
    assert [(event.step.name, event.phase) for event in told[-1:] if event.step] == [
        ("token", "filling")
    ]


# Failures.


def failing(database: Database, tag: str) -> None:
    """Write: let the server refuse every statement of this kind."""
    database.execute_sql(f"""
        CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$
        BEGIN IF tg_tag = '{tag}' THEN RAISE EXCEPTION 'refused: %%', tg_tag; END IF; END $$""")
    database.execute_sql("CREATE EVENT TRIGGER refuse ON ddl_command_end EXECUTE FUNCTION refuse()")


def failing_no_more(database: Database) -> None:
    database.execute_sql("DROP EVENT TRIGGER refuse")
    database.execute_sql("DROP FUNCTION refuse()")


def failed(database: Database, models: Models, **options: Any) -> MigrationFailed:
    with pytest.raises(MigrationFailed) as caught:
        migrate(database, models, **options)
    return caught.value


@pytest.fixture
def full_disk(sqlite_database: SqliteDatabase) -> Models:
    """Models whose tables do not all fit into the file; `roomy` makes room."""
    models = many(sqlite_database, 5)
    pages = sqlite_database.execute_sql("PRAGMA page_count").fetchone()[0]
    sqlite_database.execute_sql(f"PRAGMA max_page_count = {pages + 4}")
    return models


def roomy(database: Database) -> None:
    database.execute_sql("PRAGMA max_page_count = 100000")


def test_failure_names_its_statement(postgres_database: Database) -> None:
    models = grown(postgres_database)
    failing(postgres_database, "CREATE INDEX")
    error = failed(postgres_database, models)
    planned = plan(postgres_database, models).sql()
    assert error.statement in planned


def test_failure_says_number_statement_and_reason(full_disk: Models) -> None:
    database = full_disk[0]._meta.database
    planned = plan(database, full_disk).sql()
    error = failed(database, full_disk)
    number = planned.index(error.statement or "") + 1
    assert str(error).startswith(
        f"statement {number} of {len(planned)} failed: database or disk is full"
    )


def test_failure_on_sqlite_rolls_everything_back(full_disk: Models) -> None:
    database = full_disk[0]._meta.database
    found = catalogue.facts(database)
    failed(database, full_disk)
    assert catalogue.facts(database) == found


def test_failure_on_sqlite_says_what_was_rolled_back(full_disk: Models) -> None:
    error = failed(full_disk[0]._meta.database, full_disk)
    assert (error.applied, [step.table for step in error.rolled_back][:1]) == ((), ["table_0"])


def test_failure_on_sqlite_leaves_no_transaction_open(full_disk: Models) -> None:
    database = full_disk[0]._meta.database
    failed(database, full_disk)
    assert not database.in_transaction()


def test_failure_on_sqlite_is_completed_by_the_next_run(full_disk: Models) -> None:
    database = full_disk[0]._meta.database
    failed(database, full_disk)
    roomy(database)
    migrate(database, full_disk)
    assert not plan(database, full_disk)


def test_failure_has_the_error_of_the_driver_as_its_cause(full_disk: Models) -> None:
    error = failed(full_disk[0]._meta.database, full_disk)
    assert isinstance(error.__cause__, peewee.OperationalError)


def test_failure_on_postgres_keeps_what_was_committed(postgres_database: Database) -> None:
    models = grown(postgres_database)
    failing(postgres_database, "CREATE INDEX")
    # A new table comes with its index in one transaction; columns of other tables come before it.
    error = failed(postgres_database, models[:2])
    facts = {fact[1:4] for fact in catalogue.facts(postgres_database) if fact[0] == "column"}
    kept = [("public", step.table, step.name) for step in error.applied]
    assert kept and set(kept) <= facts


def test_failure_on_postgres_says_what_stays(postgres_database: Database) -> None:
    models = grown(postgres_database)
    failing(postgres_database, "CREATE INDEX")
    error = failed(postgres_database, models[:2])
    texts = [str(step) for step in error.applied]
    assert texts and f"Applied, and stays: {'; '.join(texts)}." in str(error)


@pytest.mark.parametrize("tag", ["CREATE TABLE", "ALTER TABLE", "CREATE INDEX", "COMMENT"])
@pytest.mark.parametrize("online_rows", [0, 10_000])
def test_failure_on_postgres_is_completed_by_the_next_run(
    postgres_database: Database, another_postgres: Database, tag: str, online_rows: int
) -> None:
    models = grown(postgres_database)
    failing(postgres_database, tag)
    failed(postgres_database, models, online_rows=online_rows)
    failing_no_more(postgres_database)
    migrate(postgres_database, models, online_rows=online_rows)
    migrate(another_postgres, grown(another_postgres))
    assert catalogue.facts(postgres_database) == catalogue.facts(another_postgres)


@pytest.mark.parametrize("tag", ["CREATE TABLE", "ALTER TABLE", "CREATE INDEX"])
def test_failure_of_an_atomic_run_on_postgres_rolls_everything_back(
    postgres_database: Database, tag: str
) -> None:
    models = grown(postgres_database)
    failing(postgres_database, tag)
    found = catalogue.facts(postgres_database)
    error = failed(postgres_database, models, atomic=True)
    assert (error.applied, catalogue.facts(postgres_database)) == ((), found)


def test_atomic_run_is_one_transaction(postgres_database: Database) -> None:
    models = grown(postgres_database)
    with recorded(postgres_database) as sent:
        migrate(postgres_database, models, atomic=True, online_rows=0)
    places = [place for place, sql in enumerate(sent) if changes(sql)]
    between = sent[places[0] : places[-1]]
    assert [sql for sql in between if sql.upper().startswith(("BEGIN", "COMMIT"))] == []


def test_duplicates_that_come_after_the_plan_fail_the_index(
    postgres_database: Database, postgres_url: str
) -> None:
    models = grown(postgres_database)
    wanted = [*models[:1], model(postgres_database, "post", {"title": TextField(unique=True)})]

    def interfere(event: StepEvent) -> None:
        if event.state == "start" and event.step and event.step.kind == "add_column":
            with closing(psycopg2_connection(postgres_url)) as other:
                other.cursor().execute("INSERT INTO post (title, length) VALUES ('one', 1)")

    error = failed(postgres_database, wanted, on_step=interfere)
    assert "UNIQUE INDEX" in (error.statement or "")


def psycopg2_connection(url: str) -> Any:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    return connection


@pytest.mark.parametrize("online_rows", [0, 10_000])
def test_duplicates_that_came_after_the_plan_block_the_next_run(
    postgres_database: Database, postgres_url: str, online_rows: int
) -> None:
    with_rows(postgres_database)
    wanted = [model(postgres_database, "post", {"title": TextField(unique=True)})]

    def interfere(event: StepEvent) -> None:
        if event.state == "start":
            with closing(psycopg2_connection(postgres_url)) as other:
                other.cursor().execute("INSERT INTO post (title, length) VALUES ('one', 1)")

    failed(postgres_database, wanted, on_step=interfere, online_rows=online_rows)
    codes = [finding.code for finding in plan(postgres_database, wanted).blocked]
    assert codes == ["AM105"]


# An error while reading is an error, never "missing".


def corrupt_file(tmp_path: Path) -> SqliteDatabase:
    path = tmp_path / "corrupt.db"
    path.write_bytes(b"SQLite format 3\x00" + bytes(range(256)) * 16)
    return SqliteDatabase(str(path))


def no_database_file(tmp_path: Path) -> SqliteDatabase:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Sir or Madam, this is no database at all.\n" * 50)
    return SqliteDatabase(str(path))


def damaged_page(tmp_path: Path) -> SqliteDatabase:
    """Return a real database whose first page, which holds the catalogue, is overwritten."""
    path = tmp_path / "damaged.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        for number in range(200):
            connection.execute(f"CREATE TABLE t{number} (a integer)")
        connection.execute("COMMIT")
    raw = bytearray(path.read_bytes())
    raw[100:4096] = b"\xff" * 3996
    path.write_bytes(raw)
    return SqliteDatabase(str(path))


UNREADABLE = [corrupt_file, no_database_file, damaged_page]


@pytest.mark.parametrize("unreadable", UNREADABLE)
@pytest.mark.parametrize("function", [plan, migrate])
def test_unreadable_file_is_an_error(
    tmp_path: Path, unreadable: Callable[[Path], SqliteDatabase], function: Callable[..., Any]
) -> None:
    database = unreadable(tmp_path)
    with pytest.raises(Exception) as caught:
        function(database, after(database))
    assert not isinstance(caught.value, MigrationFailed)


@pytest.mark.parametrize("unreadable", UNREADABLE)
def test_unreadable_file_is_left_as_it_was(
    tmp_path: Path, unreadable: Callable[[Path], SqliteDatabase]
) -> None:
    database = unreadable(tmp_path)
    before_it = Path(database.database).read_bytes()
    with pytest.raises(Exception, match="malformed|not a database|can't"):
        migrate(database, after(database))
    assert Path(database.database).read_bytes() == before_it


@pytest.mark.parametrize("function", [plan, migrate])
def test_connection_that_ended_is_an_error(
    postgres_database: PostgresqlDatabase, postgres_url: str, function: Callable[..., Any]
) -> None:
    [[pid]] = postgres_database.execute_sql("SELECT pg_backend_pid()").fetchall()
    with closing(psycopg2_connection(postgres_url)) as other:
        other.cursor().execute("SELECT pg_terminate_backend(%s)", (pid,))
    with pytest.raises((OperationalError, peewee.InterfaceError)):
        function(postgres_database, after(postgres_database))


@pytest.mark.parametrize("function", [plan, migrate])
def test_catalogue_that_may_not_be_read_is_an_error(
    postgres_database: PostgresqlDatabase, function: Callable[..., Any]
) -> None:
    """Nothing can be read in a transaction that has failed already."""
    with postgres_database.atomic() as transaction:
        with pytest.raises(peewee.DatabaseError):
            postgres_database.execute_sql("SELECT 1/0")
        with pytest.raises(peewee.DatabaseError):
            function(postgres_database, after(postgres_database))
        transaction.rollback()
