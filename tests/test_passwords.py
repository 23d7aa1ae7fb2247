"""A password is planted wherever one can be given, and looked for in all that leaves."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from peewee import Database, IntegerField, MySQLDatabase, PostgresqlDatabase
from playhouse.db_url import parse

from peewee_automigrate import AutoMigrateError, migrate, plan
from peewee_automigrate.printing import markdown
from tests.support import kills
from tests.support.clients import READ, holding, on, waiting
from tests.support.fields import model
from tests.support.places import ask
from tests.support.project import Project
from tests.support.workers import database_of, second

SECRET = "Pl4nt3d!&=x"
ROOT = Path(__file__).parents[1]
FORMS = ["text", "sql", "json", "markdown"]


def shown(text: str) -> bool:
    """Tell whether a text has the password, as it is or as a URL has it."""
    return any(word in text for word in (SECRET, quote(SECRET, safe=""), quote(SECRET), "Pl4nt3d"))


def planted(url: str, user: str = "") -> str:
    """Return a URL with the password, which the server does not ask for."""
    head, _, rest = url.partition("://")
    given, _, where = rest.partition("@")
    name = user or given.partition(":")[0]
    return f"{head}://{name}:{quote(SECRET, safe='')}@{where}"


def by_url(url: str) -> Database:
    return database_of(planted(url))


def by_parameters(url: str) -> Database:
    given = parse(url, unquote_password=True)
    kind = MySQLDatabase if url.startswith("mysql") else PostgresqlDatabase
    return kind(given.pop("database"), **{**given, "password": SECRET})


def by_settings(url: str) -> Database:
    """Put all into the name of the database, which libpq takes."""
    given = parse(url, unquote_password=True)
    words = {"dbname": given["database"], "host": given["host"], "user": given["user"]}
    return PostgresqlDatabase(
        " ".join(f"{k}={v}" for k, v in {**words, "password": SECRET}.items())
    )


def by_name(url: str) -> Database:
    """Put the URL into the name of the database, which libpq takes too."""
    return PostgresqlDatabase(planted(url))


WAYS: dict[str, Callable[[str], Database]] = {
    f.__name__: f for f in (by_url, by_parameters, by_settings, by_name)
}
PLACES = [*(("postgres", way) for way in WAYS), ("mysql", "by_url"), ("mysql", "by_parameters")]
each_way = pytest.mark.parametrize(("kind", "way"), PLACES, indirect=["kind"])
each_way_in = pytest.mark.parametrize(  # psycopg2 takes neither for a name
    ("kind", "way"),
    [pair for pair in PLACES if pair[1] in ("by_url", "by_parameters")],
    indirect=["kind"],
)


def said_of(made: Any) -> list[str]:
    return [str(made), repr(made), markdown(made), json.dumps(made.to_dict()), *made.sql()]


@each_way_in
def test_password_is_in_nothing_that_a_plan_or_report_says(
    request: pytest.FixtureRequest, url: str, kind: str, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    url = with_password(request, url, kind)
    caplog.clear()
    caplog.set_level(logging.DEBUG)
    database = WAYS[way](url)
    events: list[str] = []
    made = plan(database, second(database))
    report = migrate(database, second(database), on_step=lambda event: events.append(repr(event)))
    assert report.applied and events
    texts = [*said_of(made), str(report), repr(report), *events]
    assert [text for text in [*texts, caplog.text] if shown(text)] == []


def with_password(request: pytest.FixtureRequest, url: str, kind: str) -> str:
    """Return the URL of somebody whose password is the planted one; PostgreSQL here asks nobody."""
    if kind != "mysql":
        return url
    name = f"u{os.urandom(6).hex()}"
    ask(url, f"CREATE USER {name}@localhost IDENTIFIED BY '{SECRET}'")
    ask(url, f"GRANT ALL ON *.* TO {name}@localhost")
    request.addfinalizer(lambda: ask(url, f"DROP USER {name}@localhost"))
    return url.replace("root@", f"{name}@")


@each_way
def test_password_is_in_no_error_of_a_connection_that_fails(
    url: str, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    nobody = re.sub(r"://[^@/]*@", "://no_such_user@", url)
    database = WAYS[way](nobody)
    for function in (plan, migrate):
        with pytest.raises(AutoMigrateError, match="can't connect") as caught:
            function(database, [model(database, "t", {"n": IntegerField()})])
        error: BaseException | None = caught.value
        while error is not None:
            assert not shown(str(error)) and not shown(repr(error))
            error = error.__cause__ or error.__context__
        assert not shown("".join(traceback.format_exception(caught.value)))
    assert not shown(caplog.text)


@each_way_in
def test_password_is_in_no_error_of_a_statement_or_a_lock(
    request: pytest.FixtureRequest, url: str, kind: str, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    database = WAYS[way](with_password(request, url, kind))
    caplog.clear()
    caplog.set_level(logging.DEBUG)
    with holding(url, READ), pytest.raises(AutoMigrateError) as caught:
        migrate(database, second(database), lock_timeout=0.2, lock_wait=0.5)
    assert not shown("".join(traceback.format_exception(caught.value)))
    assert not shown(caplog.text)


COMMANDS = [
    *(["plan", "app", "--format", form] for form in FORMS),
    *(
        [name, "app", *more]
        for name in ("plan", "check", "migrate")
        for more in ([], ["-v"], ["-q"])
    ),
    ["plan", "nowhere", "-v"],
]


@pytest.mark.parametrize("user", ["", "no_such_user"])
@pytest.mark.parametrize("kind", ["postgres", "mysql"], indirect=True)
def test_password_is_in_no_output_of_the_command_line(
    request: pytest.FixtureRequest, project: Project, url: str, kind: str, user: str
) -> None:
    whole = planted(with_password(request, url, kind), user)
    for words in COMMANDS:
        result = project.run(*words, env={"DATABASE_URL": whole})
        assert not shown(result.output + result.stderr), words
        assert not shown("".join(traceback.format_exception(result.exception or Exception())))


@on("postgres")
def test_password_of_the_environment_is_not_in_the_list_of_processes(
    project: Project, url: str
) -> None:
    words = "title = TextField(); length = IntegerField(); views = IntegerField(null=True)"
    project.module("app_views", f"from peewee import *\nclass Post(Model):\n    {words}\n")
    command = [sys.executable, "-m", "peewee_automigrate", "migrate", "app_views"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "DATABASE_URL": planted(url)}
    with holding(url, READ):
        running = subprocess.Popen(command, cwd=project.folder, env=env, stderr=subprocess.PIPE)
        waiting(url)
        listed = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True).stdout
        rows = kills.wait_for(
            url, "SELECT application_name, query FROM pg_stat_activity WHERE true"
        )
        running.terminate()
        running.communicate(timeout=30)
    assert "peewee_automigrate migrate" in listed
    assert not shown(listed) and not shown(str(rows))


def test_package_starts_programs_for_backups_only() -> None:
    starts = re.compile(r"\b(subprocess|multiprocessing|os\.(system|popen|exec\w*|spawn\w*))\b")
    paths = (ROOT / "peewee_automigrate").rglob("*.py")
    assert [path.name for path in paths if starts.search(path.read_text())] == ["backup.py"]
