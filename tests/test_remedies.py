"""The SQL that a finding offers: it runs, the finding is gone, and all else is as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from peewee import Database, Field, IntegerField, SqliteDatabase, TextField

from peewee_automigrate import Finding, migrate, plan
from tests.cases import CASES
from tests.cases_base import PEEWEE, Case, Maker
from tests.support.standing import add_bystanders, ask, is_mysql, is_postgres, run
from tests.test_cases import mysql, postgres, standing_database

__all__ = ["mysql", "postgres", "standing_database"]  # fixtures

ASKED = {"AM105", "AM114"}  # their SQL is a query
UNTOLD = {"AM204", "AM213"}  # a key is another one's own affair; the marks have tests of their own
UNTOLD |= {"AM215", "AM216", "AM217"}  # whose text says that they want a script
CHOSEN = [
    pytest.param(kind, case, id=f"{kind}: {case.sentence}")
    for case in CASES
    for kind in case.on
    if case.expects("peewee", kind) <= PEEWEE
    and (case.texts("drift", kind) or "AM101" in str(case.expects("blocked", kind)))
]


def offers(database: Database, models: Any, case: Case) -> list[Finding]:
    """Return what a plan finds, and could be resolved."""
    made = plan(database, models, **case.options)
    found = [*made.blocked, *made.drift, *made.findings]
    return [one for one in found if one.code == "AM101" or one.level == "drift"]


def execute(database: Any, sql: str) -> None:
    """Write: run a script as a person would, and end at the first error."""
    if isinstance(database, SqliteDatabase):
        database.connection().executescript(sql)
        return
    for statement in sql.split(";\n"):
        lines = [line for line in statement.splitlines() if not line.startswith("-- ")]
        database.execute_sql("\n".join(lines).replace("%", "%%"))


def kept(database: Database) -> dict[str, Any]:
    """Return what no remedy may touch: rows by their old columns, triggers, views, counters."""
    found: dict[str, Any] = {}
    for name in database.get_tables():
        if name == "by hand log":  # what updates rows fires triggers
            continue
        columns = [column.name for column in database.get_columns(name)]
        found[name] = columns, rows_of(database, name, columns)
    if isinstance(database, SqliteDatabase):
        made = "SELECT type, name, sql FROM sqlite_master WHERE type <> 'table' AND sql <> ''"
        found["made"] = sorted(ask(database, made))
        sequences = ask(database, "SELECT name FROM sqlite_master WHERE name = 'sqlite_sequence'")
        sql = "SELECT name, seq FROM sqlite_sequence"
        found["counters"] = sorted(ask(database, sql)) if sequences else []
    return found


def rows_of(database: Database, table: str, columns: list[str]) -> list[Any]:
    context = database.get_sql_context
    quoted = [
        context().literal(f"{database.quote[0]}{name}{database.quote[1]}").query()[0]
        for name in (table, *columns)
    ]
    found = ask(database, f"SELECT {', '.join(quoted[1:])} FROM {quoted[0]}")
    return sorted(map(repr, found))


def assert_kept(database: Database, before: dict[str, Any]) -> None:
    after = kept(database)
    for name, value in before.items():
        if name in ("made", "counters"):
            assert after[name] == value
        else:
            columns, rows = value
            assert set(columns) <= set(after[name][0])
            assert rows_of(database, name, columns) == rows


@pytest.mark.parametrize(("kind", "case"), CHOSEN)
def test_remedy_runs_and_its_finding_is_gone(
    kind: str, case: Case, standing_database: Database
) -> None:
    database = standing_database
    run(database, case.script(kind).replace("{folder}", str(Path(str(database.database)).parent)))
    if case.bystanders:
        add_bystanders(database)
    made = case.models(Maker(database))
    models = made if isinstance(made, list) else [made]
    migrate(database, models, **{**case.options, "on_blocked": "skip"})
    seen: set[tuple[str, str]] = set()
    while left := [f for f in offers(database, models, case) if (f.code, str(f.ref)) not in seen]:
        found = left[0]
        seen.add((found.code, str(found.ref)))
        if found.code in UNTOLD or "none to the server" in case.sentence:
            continue
        assert found.sql, str(found)
        before = kept(database)
        if "-- over a connection to the file" in found.sql:
            continue  # a view names the schema, so that its file can't be opened alone
        if "to be filled first" in found.sql or "has to be dropped first" in found.sql:
            continue
        execute(database, found.sql)
        again = [(f.code, f.ref) for f in offers(database, models, case)]
        assert (found.code, found.ref) not in again, found.sql
        if "-- it changes" not in found.sql:
            assert_kept(database, before)


LOSSES = {  # by kind: a type, a value of it, another type, how many rows it would change
    "sqlite": [("INTEGER", "9007199254740993", "REAL", 1), ("INTEGER", "12", "REAL", 0)],
    "postgres": [("interval", "'1 hour'", "varchar(5)", 1), ("json", "'7'", "integer", 0)],
    "mysql": [("text", "'12.7'", "date", 1), ("bigint", "300", "tinyint", 1)],
}
LOSSES["sqlite"] += [("TEXT", "'1.5'", "INTEGER", 0), ("REAL", "1.5", "INTEGER", 0)]
LOSSES["postgres"] += [("integer", "7", "json", 0), ("boolean", "true", "char(3)", 1)]
LOSSES["mysql"] += [("bigint", "-128", "tinyint", 0), ("int", "-1", "int unsigned", 1)]


def test_rows_that_another_type_would_change_are_counted(database: Database) -> None:
    kind = "postgres" if is_postgres(database) else "mysql" if is_mysql(database) else "sqlite"
    cases = LOSSES[kind]
    columns = ", ".join(f"c{n} {old}" for n, (old, *_) in enumerate(cases))
    database.execute_sql(f"CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, {columns})")
    database.execute_sql(f"INSERT INTO t VALUES (1, {', '.join(value for _, value, *_ in cases)})")
    fields = {
        f"c{n}": type("Typed", (Field,), {"field_type": new})(null=True)
        for n, (*_, new, _) in enumerate(cases)
    }
    found = plan(database, [Maker(database).t(**fields)]).drift
    counted = {f"c{n}": rows for n, (*_, rows) in enumerate(cases)}
    assert {
        one.name: int("-- it changes the values of 1 rows" in str(one.sql)) for one in found
    } == counted
    assert not [one for one in found if "not every value" in str(one.sql)]


def test_text_of_a_key_is_no_rowid() -> None:
    database = SqliteDatabase(":memory:")
    with database.connection_context():
        run(database, "CREATE TABLE t ([the id] TEXT PRIMARY KEY, a TEXT); ")
        run(database, "INSERT INTO t VALUES ('12', 'x');")
        models = [
            Maker(database).t(
                id=IntegerField(primary_key=True, column_name="the id"), a=TextField(null=True)
            )
        ]
        execute(database, str(plan(database, models).drift[0].sql))
        assert ask(database, "SELECT * FROM t") == [(12, "x")]
