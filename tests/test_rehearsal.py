"""A rehearsal: on a copy, which is gone afterwards; the database itself is only read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from peewee import CharField, Database, IntegerField

from peewee_automigrate import migrate, plan
from peewee_automigrate.beside.rehearsal import Work, copied, copyable, rehearse
from peewee_automigrate.errors import AutoMigrateError
from peewee_automigrate.options import Options
from tests.support.clients import on
from tests.support.places import Places, ask, facts
from tests.support.project import Project
from tests.support.servers import Server
from tests.support.workers import database_of, model, second

pytestmark = pytest.mark.usefixtures("postgres_programs")
WORK = Work(plan, migrate)
NEXT = """
    from peewee import *

    class Author(Model):
        name = CharField(unique=True)
        age = IntegerField(default=1)
"""


def databases(url: str) -> list[tuple[str, ...]]:
    if url.startswith("sqlite"):
        return []
    sql = "SELECT datname FROM pg_database" if url.startswith("postgres") else "SHOW DATABASES"
    return [row for row in ask(url, sql) if "rehearsal" in row[0]]


def test_copy_is_migrated_and_gone_the_database_is_as_it_was(url: str) -> None:
    before = facts(url)
    database = database_of(url)
    seen = rehearse(WORK, copied(database), second(database), Options())
    assert seen, seen.lines()
    assert database.is_closed()
    assert facts(url) == before
    assert databases(url) == []
    assert {str(step) for step in seen.report.applied} == set(seen.seconds)
    assert not seen.refused
    assert not seen.untried
    text = "\n".join(seen.lines())
    assert "add column author.age" in text
    assert json.dumps(seen.to_dict())


@pytest.fixture
def pair(places: Places) -> Iterator[Database]:
    with places.empty() as url:
        database = database_of(url)
        with database.connection_context():
            migrate(database, [model(database, "pair", a=IntegerField(unique=True), b=CharField())])
            database.execute_sql("INSERT INTO pair (a, b) VALUES (7, 'x')")
            yield database


def test_script_that_ends_inserts_of_the_previous_release(pair: Database, tmp_path: Path) -> None:
    (tmp_path / "1.sql").write_text("-- after\nALTER TABLE pair ADD COLUMN d INTEGER;\n")
    if pair.param == "?":
        (tmp_path / "1.sql").write_text(
            "-- after\nCREATE TRIGGER no BEFORE INSERT ON pair\n"
            "BEGIN SELECT RAISE(ABORT, 'no'); END;"
        )
    elif "MySQL" in type(pair).__name__:
        (tmp_path / "1.sql").write_text(
            "-- after\nALTER TABLE pair MODIFY c INT NOT NULL, ADD CHECK (b IS NOT NULL AND a < 9)"
        )
    else:
        (tmp_path / "1.sql").write_text("-- after\nALTER TABLE pair ALTER c DROP DEFAULT;")
    fields = {"a": IntegerField(unique=True), "b": CharField(), "c": IntegerField(default=1)}
    seen = rehearse(WORK, copied(pair), [model(pair, "pair", **fields)], Options(scripts=tmp_path))
    assert not seen
    assert set(seen.refused) == {"pair"}
    assert "previous release can't insert" in "\n".join(seen.lines())
    assert seen.report.scripts == ("1.sql",)


@on("postgres", "mysql")
def test_superuser_makes_no_copy(pair: Database) -> None:
    with pytest.raises(AutoMigrateError, match="superuser"):
        copyable(pair, may_create=True)
    with pytest.raises(AutoMigrateError, match="--on URL"):
        copyable(pair, may_create=False)


def test_command(project: Project) -> None:
    assert project.on(project.url, "migrate", "app").exit_code == 0
    project.module("app_next", NEXT)
    done = project.on(project.url, "rehearse", "app_next")
    assert done.exit_code == 0, done.output
    assert " s  add column author.age" in done.output
    assert "not tried to insert: author: it has no row to go by" in done.output
    assert project.on(project.url, "check", "app_next").exit_code == 1
    done = project.on(project.url, "rehearse", "app_next", "--format", "json")
    assert json.loads(done.output)[0]["steps"][0]["step"] == "add column author.age"
    done = project.on(project.url, "rehearse", "app_next", "--on", "sqlite:///copy.db")
    assert done.exit_code == 0
    assert project.on("sqlite:///copy.db", "check", "app_next").exit_code == 0


@pytest.fixture
def plain_url(places: Places) -> Iterator[str]:
    """A database whose owner may create others, and nothing more."""
    assert places.server is not None
    with places.empty() as url:
        name = Server.name_of(url)
        if places.kind == "postgres":
            statements = [
                "DROP ROLE IF EXISTS plain",
                "CREATE ROLE plain LOGIN CREATEDB PASSWORD 'p\"w'",
                f"ALTER DATABASE {name} OWNER TO plain",
            ]
        else:
            statements = [
                "CREATE OR REPLACE USER plain@localhost IDENTIFIED BY 'p\"w'",
                f"GRANT ALL ON {name}.* TO plain@localhost",
                r"GRANT ALL ON `automigrate\_rehearsal\_%`.* TO plain@localhost",
            ]
        for statement in statements:
            ask(url, statement)
        yield re.sub(r"://[^@/]*@?", "://plain:p%22w@", url, count=1)
        ask(places.server.url, f"DROP DATABASE IF EXISTS {name}")
        ask(
            places.server.url,
            "DROP ROLE plain" if places.kind == "postgres" else "DROP USER plain@localhost",
        )


@on("postgres", "mysql")
def test_command_makes_a_copy_as_a_role_that_is_no_superuser(
    project: Project, plain_url: str
) -> None:
    assert project.on(plain_url, "migrate", "app").exit_code == 0
    ask(plain_url, "INSERT INTO author (name) VALUES ('Ann')")
    project.module("app_next", NEXT)
    done = project.on(plain_url, "rehearse", "app_next", "--scratch")
    assert done.exit_code == 0, done.output
    assert " s  add column author.age" in done.output
    assert "not tried" not in done.output
    words = ("rehearse", "app_next", "--scratch", "--schema-only", "--format", "markdown")
    done = project.on(plain_url, *words)
    assert done.output.startswith("```text\n")
    assert "not tried to insert: author: it has no row to go by" in done.output
    assert databases(plain_url) == []
    assert project.on(plain_url, "rehearse", "app_next").exit_code == 2
    assert project.on(plain_url, "check", "app_next").exit_code == 1


@on("postgres")
def test_strongest_lock_is_told(url: str, tmp_path: Path) -> None:
    text = "LOCK TABLE post IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(0.5);"
    (tmp_path / "1.sql").write_text(text)
    database = database_of(url)
    seen = rehearse(WORK, copied(database), second(database), Options(scripts=tmp_path))
    mode, seconds = seen.locks["post"]
    assert mode == "AccessExclusiveLock"
    assert 0.3 < seconds <= seen.report.duration
    assert "lock of post: AccessExclusiveLock for " in "\n".join(seen.lines())
