"""`migrate --plan`: what a person has reviewed runs, and nothing else. The document itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from peewee import (
    CharField,
    Database,
    DateField,
    DateTimeField,
    IntegerField,
    Model,
    SqliteDatabase,
    TextField,
)

from peewee_automigrate import Plan, PlanChanged, migrate, plan
from peewee_automigrate.printing import markdown
from tests.support.project import Project

jsonschema = pytest.importorskip("jsonschema")
SCHEMA = json.loads((Path(__file__).parents[1] / "docs/plan.schema.json").read_text("utf-8"))


def model(**fields: Any) -> type[Model]:
    return type("Event", (Model,), {**fields, "Meta": type("Meta", (), {"table_name": "event"})})


@pytest.fixture
def event(database: Database) -> Database:
    """A database with a table and a row."""
    migrate(database, [model(name=CharField(null=True))])
    database.execute_sql("INSERT INTO event (name) VALUES ('first')")
    return database


def reviewed(database: Database, **fields: Any) -> Any:
    return json.loads(json.dumps(plan(database, [model(**fields)]).to_dict()))


def value(database: Database) -> Any:
    return database.execute_sql("SELECT made FROM event").fetchone()[0]


def test_reviewed_moment_is_the_one_that_is_added(event: Database) -> None:
    document = reviewed(event, made=DateTimeField(default=lambda: datetime(2001, 2, 3, 4, 5, 6)))
    later = model(made=DateTimeField(default=lambda: datetime(2022, 2, 2, 2, 2, 2)))
    report = migrate(event, [later], reviewed=document)
    assert str(value(event))[:19] == "2001-02-03 04:05:06"
    assert [sql for step in report.applied for sql in step.statements] == [
        sql for step in document["steps"] for sql in step["statements"]
    ]


def test_constant_that_is_another_moment_is_refused(event: Database) -> None:
    document = reviewed(event, made=DateField(default=date(2001, 2, 3)))
    with pytest.raises(PlanChanged):
        migrate(event, [model(made=DateField(default=date(2002, 2, 3)))], reviewed=document)


def test_constant_beside_a_moment_that_varies_is_refused(event: Database) -> None:
    def fields(text: str) -> dict[str, Any]:
        return {"made": DateTimeField(default=datetime.now), "day": CharField(default=text)}

    document = reviewed(event, **fields("2001-02-03"))
    with pytest.raises(PlanChanged):
        migrate(event, [model(**fields("2002-02-03"))], reviewed=document)
    assert migrate(event, [model(**fields("2001-02-03"))], reviewed=document)


def test_what_another_process_has_done_is_as_reviewed(event: Database) -> None:
    fields: dict[str, Any] = {"made": IntegerField(default=1)}
    document = reviewed(event, **fields)
    migrate(event, [model(**fields)])
    assert not migrate(event, [model(**fields)], reviewed=document)


def test_rows_that_came_meanwhile_are_no_difference(event: Database) -> None:
    fields: dict[str, Any] = {"made": IntegerField(default=1)}
    document = reviewed(event, **fields)
    event.execute_sql("INSERT INTO event (name) VALUES ('second')")
    assert migrate(event, [model(**fields)], reviewed=document)


def test_other_default_is_refused_with_both_sides(event: Database) -> None:
    document = reviewed(event, made=IntegerField(default=1))
    with pytest.raises(PlanChanged) as caught:
        migrate(event, [model(made=IntegerField(default=2))], reviewed=document)
    head, before, now = str(caught.value).splitlines()
    assert head.endswith("nothing was changed. Reviewed (-) and now (+):")
    assert ("DEFAULT 1" in before, "DEFAULT 2" in now) == (True, True)
    assert (before[:4], now[:4]) == ("  - ", "  + ")


@pytest.mark.parametrize(
    "now",
    [
        lambda: {"made": IntegerField(default=1), "more": TextField(null=True)},
        lambda: {"made": IntegerField(default=1, index=True)},
        lambda: {"made": IntegerField(null=True)},
        lambda: {"other": IntegerField(default=1)},
    ],
)
def test_any_other_difference_is_refused(
    event: Database, now: Callable[[], dict[str, Any]]
) -> None:
    document = reviewed(event, made=IntegerField(default=1))
    before = plan(event, [model(**now())])
    with pytest.raises(PlanChanged):
        migrate(event, [model(**now())], reviewed=document)
    assert plan(event, [model(**now())]) == before


def test_edited_statement_never_runs(event: Database) -> None:
    document = reviewed(event, made=IntegerField(default=1))
    document["steps"][0]["statements"] = ["DROP TABLE event"]
    with pytest.raises(PlanChanged):
        migrate(event, [model(made=IntegerField(default=1))], reviewed=document)
    assert event.table_exists("event")


@pytest.mark.parametrize("document", [{}, {"version": 2}, {"version": 1, "steps": [{}]}, "text"])
def test_document_that_is_no_plan_is_an_error(document: Any) -> None:
    with pytest.raises(ValueError, match="use a plan as JSON, of this version"):
        migrate(SqliteDatabase(":memory:"), [model()], reviewed=document)


# The command line.


def test_command_runs_the_plan_that_it_wrote(project: Project) -> None:
    project.file.touch()
    (project.folder / "p.json").write_text(
        project.on(project.url, "plan", "app", "--format", "json").stdout
    )
    assert project.on(project.url, "migrate", "app", "--plan", "p.json").exit_code == 0
    again = project.on(project.url, "migrate", "app", "--plan", "p.json")
    assert (again.exit_code, "nothing to do" in again.output) == (0, True)


def test_command_with_another_plan_exits_with_3(project: Project) -> None:
    project.file.touch()
    (project.folder / "p.json").write_text(
        project.on(project.url, "plan", "app_first", "--format", "json").stdout
    )
    result = project.on(project.url, "migrate", "app", "--plan", "p.json")
    assert (result.exit_code, "not the one that was reviewed" in result.stderr) == (3, True)
    assert project.database().get_tables() == []


@pytest.mark.parametrize("text", ["", "[]", "{}", None])
def test_file_that_is_no_plan_is_wrong_usage(project: Project, text: str | None) -> None:
    if text is not None:
        (project.folder / "p.json").write_text(text)
    assert project.on(project.url, "migrate", "app", "--plan", "p.json").exit_code == 2


# The document.


TWO = """
    from peewee import *
    one, two = SqliteDatabase("one.db"), SqliteDatabase("two.db")
    class First(one.Model):
        pass
    class Second(two.Model):
        pass
"""


def test_plans_of_two_databases_are_one_document(project: Project) -> None:
    project.module("app_two", TWO)
    for name in ("one.db", "two.db"):
        (project.folder / name).touch()
    text = project.run("plan", "app_two", "--format", "json").stdout
    document = json.loads(text)
    jsonschema.validate(document, SCHEMA)
    names = [part["database"] for part in document["plans"]]
    assert names == ["sqlite one.db", "sqlite two.db"]
    (project.folder / "p.json").write_text(text)
    assert project.run("migrate", "app_two", "--plan", "p.json").exit_code == 0


@pytest.fixture
def odd(database: Database) -> Plan:
    """A plan with steps, what is blocked, drift and notes."""
    quote = "`" if type(database).__name__.startswith("MySQL") else '"'
    sql = (
        "CREATE TABLE event (id INTEGER NOT NULL PRIMARY KEY, kind INTEGER NOT NULL, Q*b* <b>Q INT)"
    )
    database.execute_sql(sql.replace("Q", quote))
    database.execute_sql("INSERT INTO event (id, kind) VALUES (1, 5), (2, 5)")
    kind = TextField(unique=False)
    fields = {"kind": kind, "title": CharField(default="<b>`x`</b> *y*"), "need": IntegerField()}
    made = model(**fields)
    made._meta.indexes = [(("kind",), True)]
    return plan(database, [made])


def test_document_is_as_its_schema_says(odd: Plan) -> None:
    assert odd.steps
    assert odd.blocked
    assert odd.findings
    jsonschema.validate(odd.to_dict(), SCHEMA)


def test_markdown_shows_every_character(odd: Plan) -> None:
    """The asterisks of ``count(*)`` vanished, and names became HTML."""
    reader = pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable("table")
    tokens = reader.parse(markdown(odd))
    inline = [child for token in tokens for child in token.children or ()]
    shown = " ".join(" ".join(child.content for child in inline).split())
    assert {token.type for token in inline} <= {
        "text",
        "strong_open",
        "strong_close",
        "code_inline",
        "softbreak",
        "text_special",
    }
    assert "count(*)" in shown.lower().replace(" ", "")
    assert [token.content for token in tokens if token.type == "html_block"][:1] == [
        "<details><summary>SQL</summary>\n"
    ]


def test_markdown_has_the_sql_of_findings(odd: Plan) -> None:
    for finding in (*odd.blocked, *odd.findings):
        assert all(line in markdown(odd) for line in (finding.sql or "").split("\n"))


def test_notebook_shows_the_markdown(odd: Plan) -> None:
    assert odd._repr_markdown_() == markdown(odd)


def test_long_script_is_folded_in_a_text() -> None:
    database = SqliteDatabase(":memory:")
    with database:
        database.execute_sql("CREATE TABLE event (id INTEGER NOT NULL PRIMARY KEY, kind TEXT)")
        made = plan(database, [model(kind=IntegerField())])
        lines = str(made).splitlines()
        script = next(f.sql for f in made.drift if f.sql)
    assert len(script.split("\n")) > 6
    assert len(lines) < 12
    assert "more lines, with --verbose" in str(made)
