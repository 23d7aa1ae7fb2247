"""Every case of the table, on every database that it applies to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from peewee import (
    Database,
    DatabaseError,
    IntegrityError,
    MySQLDatabase,
    PostgresqlDatabase,
    SqliteDatabase,
)
from playhouse.db_url import connect

from peewee_automigrate import Finding, MigrationBlocked, Plan, Step, migrate, plan
from tests.cases import CASES
from tests.cases_base import ALL, MYSQL, PEEWEE, ROWS, SQLITE, Case, Maker, spoken
from tests.support.mysql_servers import MysqlServer, open_mysql
from tests.support.servers import Server
from tests.support.sqlite import PRAGMAS
from tests.support.standing import add_bystanders, ask, changed, clear, run, standing

# No value for a column that needs one, a CHECK on MariaDB and on MySQL.
MYSQL_REFUSALS = (1364, 4025, 3819)
CHOSEN = [
    pytest.param(
        *(kind, case),
        id=f"{kind}: {case.sentence}",
        marks=[pytest.mark.slow] if case.slow else [],
    )
    for case in CASES
    for kind in case.on
    if case.expects("peewee", kind) <= PEEWEE
]


@pytest.fixture(scope="module")
def postgres(postgres_server: Server) -> Iterator[PostgresqlDatabase]:
    """One database for all cases, since to make one takes longer than a case."""
    with postgres_server.database() as url:
        database = connect(url, unquote_password=True)
        database.connect()
        yield database
        database.close()


@pytest.fixture(scope="module")
def mysql(mysql_server: MysqlServer) -> Iterator[MySQLDatabase]:
    with mysql_server.database() as url:
        database = open_mysql(url)
        yield database
        database.close()


@pytest.fixture
def standing_database(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """An open, empty database of one kind."""
    if kind == SQLITE:
        database = SqliteDatabase(str(tmp_path / "test.db"), pragmas=PRAGMAS)
        database.connect()
        yield database
        database.close()
    else:
        database = request.getfixturevalue(kind)
        clear(database)
        yield database


def object_name(item: Step | Finding) -> str:
    return ".".join(filter(None, (item.table, item.name)))


def step_texts(steps: tuple[Step, ...]) -> list[str]:
    return sorted(f"{step.kind} {object_name(step)}" for step in steps)


def finding_texts(findings: tuple[Finding, ...], level: str) -> list[str]:
    """Return those that are not about bystanders."""
    return [
        f"{found.code} {object_name(found)}"
        for found in findings
        if found.level == level and "by hand" not in f"{found.name} {found.fact}"
    ]


def rewritten(made: Plan) -> set[str]:
    return {step.table.rpartition(".")[2] for step in made.steps if step.effect == "rewrites"}


@pytest.mark.parametrize(("kind", "case"), CHOSEN)
def test_case_adds_what_is_missing_and_leaves_the_rest(
    kind: str, case: Case, standing_database: Database
) -> None:
    database = standing_database
    run(database, case.script(kind).replace("{folder}", str(Path(str(database.database)).parent)))
    if case.bystanders:
        add_bystanders(database)
    before = standing(database)
    made = case.models(Maker(database))
    models = made if isinstance(made, list) else [made]

    planned = plan(database, models, **case.options)
    assert step_texts(planned.steps) == sorted(case.texts("changes", kind))
    assert finding_texts(planned.blocked, "blocked") == case.texts("blocked", kind)
    assert finding_texts(planned.findings, "drift") == case.texts("drift", kind)
    if case.notes is not None:
        assert finding_texts(planned.findings, "note") == case.texts("notes", kind)
    if case.effects is not None:
        assert [step.effect for step in planned.steps] == case.texts("effects", kind)

    options = dict(case.options)
    if planned.blocked:
        options["on_blocked"] = "skip"
        with pytest.raises(MigrationBlocked) as caught:
            migrate(database, models, **case.options)
        assert caught.value.blocked == planned.blocked
        if case.expects("says", kind):
            assert str(caught.value) == whole_message(case.texts("says", kind))
    assert standing(database) == before
    report = migrate(database, models, **options)
    assert step_texts(report.applied) == sorted(case.texts("changes", kind))
    assert finding_texts(report.skipped, "blocked") == case.texts("blocked", kind)

    after = standing(database)
    stood = {
        key: value
        for key, value in before.items()
        if not (filled(planned) and is_log(key)) and not set(key) & set(case.moves)
    }
    assert changed(stood, after, rewritten(planned)) == {}

    again = plan(database, models, **case.options)
    assert step_texts(again.steps) == []
    assert finding_texts(again.blocked, "blocked") == case.texts("blocked", kind)
    assert finding_texts(again.findings, "drift") == case.texts("drift", kind)

    for name, expected in case.values.items():
        assert values(models[0], name) == expected
    if case.expects("then", kind):
        query, rows = case.expects("then", kind)
        assert ask(database, spoken(query, kind)) == rows
    if case.expects("refuses", kind):
        assert_refused(database, kind, case.expects("refuses", kind))
    if case.before is ROWS and case.old_insert:
        with database.atomic() as transaction:
            database.execute_sql(case.expects("old_insert", kind))
            transaction.rollback()


def assert_refused(database: Database, kind: str, sql: str) -> None:
    """Write: send a statement that violates a constraint."""
    if kind == MYSQL:  # Peewee before 4.5 asks for a mode in which it refuses less.
        database.execute_sql("SET SESSION sql_mode = 'STRICT_ALL_TABLES'")
    with pytest.raises(DatabaseError) as caught, database.atomic():
        database.execute_sql(sql)
    is_refusal = kind == MYSQL and caught.value.args[0] in MYSQL_REFUSALS
    assert is_refusal or isinstance(caught.value, IntegrityError)


def whole_message(lines: list[str]) -> str:
    return "\n  ".join([f"{len(lines)} blocked, nothing was changed:", *lines])


def filled(made: Plan) -> bool:
    return any(step.effect == "fills" for step in made.steps)


def is_log(key: tuple[str, ...]) -> bool:
    """Tell what the bystanders' triggers change when rows are filled."""
    return "sqlite_sequence" in key or any(str(part).startswith("by hand log") for part in key)


def values(model: Any, name: str) -> list[Any]:
    """Return a field's value in each row, as Peewee reads it."""
    found = [getattr(row, name) for row in model.select(getattr(model, name))]
    return [bytes(value) if isinstance(value, memoryview) else value for value in found]


def test_cases_have_a_sentence_each() -> None:
    sentences = [case.sentence for case in CASES]
    assert len(sentences) == len(set(sentences))
    assert {param.values[0] for param in CHOSEN} == set(ALL)
