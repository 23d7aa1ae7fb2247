"""How people write the place of a database, the driver that it needs, and errors in their code."""

from __future__ import annotations

import re

import pytest

from peewee_automigrate.faces.database import open_url
from tests.support.project import Program, Project
from tests.test_cli import SECRET, assert_one_line

LOGIN = f"me:{SECRET}@127.0.0.1:1"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("shop.db", "shop.db"),
        ("data/shop.sqlite3", "data/shop.sqlite3"),
        ("/srv/shop.sqlite", "/srv/shop.sqlite"),
        ("sqlite3:///shop.db", "shop.db"),
        ("sqlite+pysqlite:///shop.db", "shop.db"),
        ("sqlite+aiosqlite:////srv/shop.db", "/srv/shop.db"),
    ],
)
def test_file_is_opened_however_it_is_written(url: str, name: str) -> None:
    database = open_url(url)
    assert (type(database).__name__, database.database) == ("SqliteDatabase", name)


@pytest.mark.parametrize(
    ("scheme", "kind"),
    [
        *((scheme, "PostgresqlDatabase") for scheme in ("postgres", "postgresql")),
        *((f"postgresql+{name}", "PostgresqlDatabase") for name in ("psycopg2", "psycopg")),
        *((f"postgresql+{name}", "PostgresqlDatabase") for name in ("asyncpg", "pg8000")),
        *((scheme, "MySQLDatabase") for scheme in ("mysql", "mariadb", "mariadb+pymysql")),
        *((f"mysql+{name}", "MySQLDatabase") for name in ("pymysql", "mysqldb", "asyncmy")),
        ("mysql+mysqlconnector", "MySQLDatabase"),
    ],
)
def test_server_is_found_by_the_words_of_other_programs(scheme: str, kind: str) -> None:
    database = open_url(f"{scheme}://{LOGIN}/name")
    found = database.connect_params
    password = found.get("password") or found.get("passwd")
    assert (type(database).__name__, database.database, password) == (kind, "name", SECRET)


def test_pool_stays_a_pool() -> None:
    assert type(open_url(f"mysql+pool://{LOGIN}/name")).__name__ == "PooledMySQLDatabase"


BAD = {
    "two_slashes": (
        "sqlite://shop.db",
        r"the database URL can't be read \(ValueError\)\. "
        r"Write sqlite:///file\.db\.$",
    ),
    "one_slash": (
        "sqlite:shop",
        r"the database URL has the scheme ''.* such as sqlite:///shop\.db",
    ),
    "settings": (f"host=here password={SECRET}.db", r"the database URL has the scheme ''"),
    "no_scheme": (f"{LOGIN}/shop.db", r"the database URL has the scheme ''"),
    "unknown_driver": (f"postgresql+nothing://{LOGIN}/x", r"the database URL has the scheme 'post"),
}


@pytest.mark.parametrize("case", BAD)
def test_place_that_cannot_be_meant_is_one_line(project: Project, case: str) -> None:
    url, expected = BAD[case]
    result = project.on(url, "plan", "app")
    assert_one_line(result, expected)
    assert SECRET not in result.stderr


WITHOUT_DRIVERS = """
import sys
for name in ("psycopg2", "psycopg", "pymysql", "MySQLdb", "mysql"):
    sys.modules[name] = None
from peewee_automigrate.faces.cli import main
main()
"""


@pytest.mark.parametrize(
    ("scheme", "extra"), [("postgresql", "postgres"), ("mysql+pool", "mysql"), ("mysql", "mysql")]
)
def test_missing_driver_is_named_with_its_extra(program: Program, scheme: str, extra: str) -> None:
    done = program("-c", WITHOUT_DRIVERS, "plan", "app", "--database", f"{scheme}://{LOGIN}/x")
    expected = f"Install it: pip install 'peewee-automigrate[{extra}]'"
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.endswith(f" {expected}\n")
    assert SECRET not in done.stderr


@pytest.mark.parametrize(
    ("text", "extra"),
    [
        ("Postgres driver not installed!", "postgres"),
        ("psycopg2 postgres driver not found.", "postgres"),
        ("psycopg postgres driver not found.", "psycopg"),
        ("psycopg3 is not installed!", "psycopg"),
        ("MySQL driver not installed!", "mysql"),
    ],
)
def test_each_release_of_peewee_tells_the_driver(
    project: Project, program: Program, text: str, extra: str
) -> None:
    module = f"""
        from peewee import *
        class Missing(SqliteDatabase):
            def _connect(self):
                raise ImproperlyConfigured({text!r})
        class Own(Model):
            class Meta:
                database = Missing("here.db")
    """
    project.module("app_own", module)
    (project.folder / "here.db").touch()
    done = program("-m", "peewee_automigrate", "plan", "app_own")
    assert done.stderr.endswith(f" pip install 'peewee-automigrate[{extra}]'\n")


def test_missing_driver_of_the_models_own_database_is_named(
    project: Project, program: Program
) -> None:
    text = "from peewee import *\nclass Own(Model):\n    class Meta:\n        database = {}\n"
    project.module("app_own", text.format("PostgresqlDatabase('app')"))
    done = program("-c", WITHOUT_DRIVERS, "plan", "app_own")
    assert done.stderr.endswith(" pip install 'peewee-automigrate[postgres]'\n")


# Errors in the user's code.

FAILING = {
    "line": ("import json\n\njson.loads('{')\n", r"JSONDecodeError: .* \(app_bad.py, line 3\)\.$"),
    "in": (
        "def deep():\n    1 / 0\n\ndeep()\n",
        r"ZeroDivision.* \(app_bad.py, line 2\)\.$",
    ),
    "syntax": ("x = 1\nclass A(:\n", r"SyntaxError: invalid syntax \(app_bad.py, line 2\)\.$"),
    "peewee": (
        "from peewee import *\n\nclass A(Model):\n    a = ForeignKeyField(5)\n",
        r".*Error: .* \(app_bad.py, line [34]\)\.$",
    ),
    "missing": (
        "\nimport not_there_at_all\n",
        r"ModuleNotFound.* \(app_bad.py, line 2\)\.$",
    ),
    "exit": ("raise SystemExit('no')\n", r"SystemExit: no \(app_bad.py, line 1\)\.$"),
}


@pytest.mark.parametrize("case", FAILING)
def test_error_in_a_module_names_file_and_line(project: Project, case: str) -> None:
    text, expected = FAILING[case]
    project.module("app_bad", text)
    assert_one_line(project.run("plan", "app_bad"), f"app_bad: fails to import: {expected}")


def test_error_in_a_module_of_a_module_names_that_one(project: Project) -> None:
    project.module("app_deep/__init__", "")
    project.module("app_deep/inner", "\n\nint('x')\n")
    project.module("app_bad", "import app_deep.inner\n")
    place = re.escape("(app_deep/inner.py, line 3).")
    assert_one_line(project.run("plan", "app_bad"), f"app_bad: fails .*{place}$")


def test_error_in_a_function_names_file_and_line(project: Project) -> None:
    line = 1 + (project.folder / "app.py").read_text().splitlines().index(
        '    raise RuntimeError("no models today")'
    )
    expected = rf"app:failing: fails: RuntimeError: no models today \(app\.py, line {line}\)\.$"
    assert_one_line(project.run("plan", "app:failing"), expected)


def test_error_in_a_module_shows_its_traceback_when_verbose(project: Project) -> None:
    project.module("app_bad", "1 / 0\n")
    result = project.run("plan", "-v", "app_bad")
    assert (result.exit_code, "app_bad.py" in result.stderr) == (2, True)
    assert "Traceback (most recent call last)" in result.stderr
