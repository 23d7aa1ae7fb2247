"""A table of bad inputs: names that a database or a terminal might stumble over, in each place.

Each is either taken, and found again by the next plan, or refused by one clear line, and then
nothing was changed. No text of ours moves a cursor.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable
from typing import Any

import peewee
import pymysql
import pytest
from peewee import Check, Database, IntegerField, MySQLDatabase

from peewee_automigrate import AutoMigrateError, MigrationFailed, migrate, plan
from peewee_automigrate.changes import visible
from peewee_automigrate.printing import markdown, sql_text
from tests.cases_base import PEEWEE, Maker
from tests.support import catalogue
from tests.support.project import Project

NAMES = {
    "a double quote": 'a"b',
    "two double quotes": '"a""',
    "a single quote": "a'b",
    "a backtick": "a`b",
    "a NUL": "a\0b",
    "a newline": "a\nb",
    "a forged line": "a\n! blocked AM101 forged",
    "a carriage return": "a\rb",
    "a tab": "a\tb",
    "an escape sequence": "a\x1b[2Jb",
    "a title of a terminal": "a\x1b]0;owned\x07b",
    "a C1 control character": "a\x9b2Jb",
    "a delete": "a\x7fb",
    "a mark that turns the direction": "a\u202eb",
    "an isolate": "a\u2066b\u2069",
    "a line separator": "a\u2028b",
    "a letter of no width": "a\u200bb",
    "64 letters": "a" * 64,
    "1,000 letters": "a" * 1000,
    "an emoji": "a😀b",
    "half of a character": "a\ud800b",
    "letters of another script": "ąć_ß_Ω_漢字_עברית",
    "an accent of its own": "e\u0301",
    "a keyword": "select",
    "a system's word": "pg_class",
    "a per cent sign": "a%b",
    "two per cent signs": "a%%b",
    "a placeholder": "a%sb",
    "a placeholder with a name": "a%(x)sb",
    "a question mark": "a?b",
    "a dot": "a.b",
    "round brackets": "a(b)",
    "square brackets": "a[b]",
    "braces": "a{b}{}",
    "a backslash": "a\\b",
    "a backslash at the end": "a\\",
    "a semicolon and a comment": "a; DROP TABLE author; --",
    "a comment that never ends": "a/*b",
    "a dollar quote": "a$$b",
    "blanks around": " a ",
    "a blank only": " ",
    "an end of HTML": "</td><script>alert(1)</script>",
    "a link of Markdown": "[a](http://b)|`c`",
}
QUICK = {"a double quote", "a backtick", "a NUL", "a newline", "two per cent signs", "64 letters"}
SHOWN = [what for what, name in NAMES.items() if re.search("[\0-\x1f\x7f-\x9f\u2028-\u2069]", name)]
CONTROLS = re.compile("[\0-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
EMPTY = "CREATE TABLE {} (id INTEGER NOT NULL PRIMARY KEY, n INTEGER)"


def a_table(M: Maker, name: str) -> Any:
    return M(name, called="T", n=IntegerField(null=True, index=True))


def a_column(M: Maker, name: str) -> Any:
    return M("t", n=IntegerField(null=True), m=IntegerField(null=True, column_name=name))


def an_index(M: Maker, name: str) -> Any:
    made: Any = M("t", n=IntegerField(null=True))
    made.add_index(peewee.ModelIndex(made, [made.n], name=name))
    return made


def a_constraint(M: Maker, name: str) -> Any:
    return M("new", {"constraints": [Check("n > 0", name)]}, n=IntegerField())


def a_schema(M: Maker, name: str) -> Any:
    return M("t", {"schema": name}, n=IntegerField(null=True))


PLACES = {f.__name__: f for f in (a_table, a_column, an_index, a_constraint, a_schema)}


def assert_harmless(*texts: str) -> None:
    for text in texts:
        assert not CONTROLS.search(text), repr(text)
        outside = re.sub(r"(?ms)^(```+)sql$.*?^\1$", "", text)  # of a fence nothing begins a line
        assert not re.search(r"(?m)^! blocked AM101 forged", outside)


def texts_of(made: Any) -> list[str]:
    """Return all that is said of a plan, to people and to programs."""
    said = [str(made), made.summary, markdown(made), json.dumps(made.to_dict())]
    return [*said, *map(str, (*made.steps, *made.findings, *made.blocked))]


def with_slow(names: Iterable[str]) -> list[Any]:
    """Return names as parameters; of many alike a quick run takes a few."""
    return [pytest.param(n, marks=[] if n in QUICK else [pytest.mark.slow]) for n in names]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("what", with_slow(NAMES))
def test_name_of_a_model_is_taken_or_refused(
    database: Database, what: str, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    M, name = Maker(database), NAMES[what]
    if PEEWEE < (4,) and isinstance(database, peewee.MySQLDatabase) and '"' in name:
        return  # which Peewee before 4.0 does not quote
    database.execute_sql(EMPTY.format("t"))
    before = catalogue.facts(database)
    caplog.set_level(logging.DEBUG, "peewee_automigrate")
    try:
        made = plan(database, PLACES[place](M, name))
        assert_harmless(*texts_of(made))
        migrate(database, PLACES[place](M, name))
    except (AutoMigrateError, peewee.PeeweeException) as error:
        assert isinstance(error, AutoMigrateError) or "Incorrect database name" in str(error)
        assert len(visible(str(error)).split("\n")) == 1 or isinstance(error, MigrationFailed)
        assert catalogue.facts(database) == before
        assert_harmless(str(error))
    else:
        again = plan(database, PLACES[place](Maker(database), name))
        assert (again.steps, again.blocked) == ((), ())
    assert not CONTROLS.search(caplog.text)  # a statement's own lines stay lines


@pytest.mark.parametrize("place", [a_table, a_column, an_index, a_constraint])
def test_script_says_names_exactly_and_none_of_them_raw(
    postgres_database: Database, place: Any
) -> None:
    database = postgres_database
    names = [NAMES[what] for what in SHOWN if "\0" not in NAMES[what]]
    database.execute_sql(EMPTY.format("t"))
    for name in (*names, "a\\\x1b'"):
        models = place(Maker(database), name)
        with database.atomic() as transaction:
            script = sql_text(plan(database, models))
            assert_harmless(script)
            database.connection().cursor().execute(script)
            again = plan(database, models)
            assert (again.steps, again.blocked) == ((), ())
            transaction.rollback()


# From the catalogue.


def quoted(database: Database, name: str) -> str:
    mark = database.quote[0]
    return str(mark + name.replace(mark, mark * 2) + mark)


IN_CATALOGUE = {what: name for what, name in NAMES.items() if not re.search("[\0\ud800]", name)}


@pytest.mark.parametrize("what", with_slow(IN_CATALOGUE))
def test_name_from_the_catalogue_is_harmless(
    database: Database, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "peewee_automigrate")
    M, name, cursor = Maker(database), NAMES[what], database.connection().cursor()
    if isinstance(database, MySQLDatabase) and (len(name) > 64 or "😀" in name or name[-1] == " "):
        with pytest.raises(pymysql.err.MySQLError):
            cursor.execute(f"CREATE TABLE {quoted(database, name)} (id INT)")
        return
    one = quoted(database, name)
    cursor.execute(f"CREATE TABLE {one} (id INTEGER NOT NULL PRIMARY KEY, n INTEGER)")
    columns = f"id INTEGER NOT NULL PRIMARY KEY, n INTEGER NOT NULL, {one} INTEGER NOT NULL"
    cursor.execute(f"CREATE TABLE t ({columns}, CONSTRAINT {one} CHECK (n > 0))")
    cursor.execute(f"CREATE UNIQUE INDEX {quoted(database, name[:40] + 'i')} ON t (n)")
    model = M("t", n=IntegerField(), m=IntegerField(null=True))
    made = plan(database, [model])
    assert made.findings
    assert_harmless(*texts_of(made))
    migrate(database, [model], on_blocked="skip")
    assert not CONTROLS.search(caplog.text)
    again = plan(database, [model])
    assert again.steps == ()


# At a terminal, and by the exit code.

APP = """
    from peewee import *
    db = SqliteDatabase("app.db")
    class T(Model):
        n = IntegerField(column_name={name!r}, null=True)
        class Meta:
            database = db
            table_name = {name!r}
"""


@pytest.mark.parametrize("form", ["text", "json", "markdown", "sql"])
@pytest.mark.parametrize("what", SHOWN)
def test_terminal_gets_no_control_character(project: Project, what: str, form: str) -> None:
    project.module("app_names", APP.format(name=NAMES[what]))
    result = project.run("plan", "app_names", "--format", form)
    assert result.exit_code == (2 if what == "a NUL" else 0)
    assert "Traceback" not in result.output
    assert not CONTROLS.search(result.stdout + result.stderr)
    assert not (project.folder / "app.db").exists()


BAD_WORDS = {
    "a format": (["plan", "app", "--format", "yaml"], "yaml"),
    "an empty format": (["plan", "app", "--format", ""], "format"),
    "a number with letters": (["migrate", "app", "--online-rows", "ten"], "ten"),
    "a fraction of rows": (["migrate", "app", "--online-rows", "1.5"], "1.5"),
    "a negative number of rows": (["migrate", "app", "--online-rows", "-1"], "online.rows"),
    "no number of seconds": (["migrate", "app", "--lock-wait", "soon"], "soon"),
    "an endless wait": (["migrate", "app", "--lock-wait", "inf"], "lock_wait is 'inf'"),
    "a negative wait": (["migrate", "app", "--lock-wait", "-1"], "lock_wait"),
    "a huge timeout": (["migrate", "app", "--lock-timeout", "1e12"], "lock_timeout"),
    "what to do when blocked": (["migrate", "app", "--on-blocked", "ignore"], "ignore"),
    "an option that is none": (["migrate", "app", "--force"], "--force"),
    "a command that is none": (["drop", "app"], "drop"),
    "a URL without a value": (["migrate", "app", "--database"], "--database"),
    "an escape sequence as models": (["plan", "a\x1b[2Jb"], "a"),
    "a NUL as models": (["plan", "a\0b"], "a"),
    "a new line as models": (["plan", "a\nb"], "a"),
    "a turned direction as models": (["plan", "a\u202eb"], "a"),
    "a name of 1,000 letters as models": (["plan", "a" * 1000], "a"),
    "a module of dots": (["plan", "..."], "..."),
    "a file that is not there": (["plan", "nowhere.py"], "nowhere"),
    "a folder as models": (["plan", "/etc/passwd"], "passwd"),
    "Peewee's own base": (["plan", "peewee:Model"], "Model"),
    "a private name": (["plan", "app:__name__x"], "app"),
    "a URL of an escape sequence": (["plan", "app", "--database", "a\x1b[2Jb://x"], "URL"),
    "a URL of a new line": (["plan", "app", "--database", "sqli\nte:///x.db"], ""),
    "a URL of another scheme": (["plan", "app", "--database", "http://host/name"], "http"),
    "a URL of blanks": (["plan", "app", "--database", "   "], "URL"),
    "a URL without a name": (["plan", "app", "--database", "postgresql://"], ""),
    "a URL of a file for a server": (["plan", "app", "--database", "mysql:///"], ""),
    "a port that is none": (["plan", "app", "--database", "mysql://h:99999999/d"], ""),
}


@pytest.mark.parametrize("what", BAD_WORDS)
def test_wrong_words_are_refused_in_one_line(project: Project, what: str) -> None:
    words, part = BAD_WORDS[what]
    result = project.run(*words, *([] if "--database" in words else ["--database", project.url]))
    assert result.exit_code == 2, result.output
    said = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(said) == 1 and re.search(part, said[0]), result.stderr
    assert "Traceback" not in result.output
    assert not CONTROLS.search(result.output)
    assert not project.file.exists()
