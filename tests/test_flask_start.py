"""When a Flask application starts: in which of the processes that load it, each one run."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from peewee import SqliteDatabase

from tests.support.serving import ended, served, until

pytestmark = pytest.mark.slow

# Logs each start with WERKZEUG_RUN_MAIN, which is set in the process that a reloader serves from.
APPLICATION = """
import logging, os, sys
from flask import Flask
from peewee import Model, SqliteDatabase, TextField
from peewee_automigrate.flask import AutoMigrate

process = os.environ.get("WERKZEUG_RUN_MAIN", "the only process")
starts = logging.FileHandler("starts.log", delay=True)
starts.setFormatter(logging.Formatter(f"{process}: %(message)s"))
logging.getLogger("peewee_automigrate").addHandler(starts)
logging.getLogger("peewee_automigrate").setLevel("INFO")

database = SqliteDatabase("pages.db")

class Page(Model):
    title = TextField()

    class Meta:
        database = database

def create_app():
    app = Flask(__name__)
    app.config.from_prefixed_env()
    AutoMigrate(app, database, [Page])

    @app.get("/")
    def index():
        return str(Page.select().count())

    @app.get("/process")
    def process():
        return str(os.getpid())

    return app

if __name__ == "__main__":
    create_app().run(port=0, debug="debug" in sys.argv)
"""
SCRIPT = """
import re
import sys
from pages.application import create_app

app = create_app()
app.run(port=0, debug="debug" in sys.argv)
"""
WAITRESS_LIKE = """
from werkzeug.serving import run_simple
from pages.application import create_app

run_simple("127.0.0.1", 0, create_app(), threaded=True)
"""
FACTORY_TEST = """
from pages.application import Page, create_app

def test_factory():
    create_app()
    assert Page.select().count() == 0
"""

PYTHON = sys.executable
FLASK = [PYTHON, "-m", "flask", "--app", "pages.application"]
GUNICORN = [PYTHON, "-m", "gunicorn", "--no-control-socket", "-b", "127.0.0.1:0"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project: a package with an application, and scripts beside it. All start it."""
    monkeypatch.setenv("FLASK_AUTOMIGRATE_ON_START", "migrate")
    for name in ("WERKZEUG_RUN_MAIN", "FLASK_RUN_FROM_CLI", "FLASK_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "pages").mkdir()
    files = {
        "pages/__init__.py": "",
        "pages/application.py": APPLICATION,
        "pages/__main__.py": SCRIPT,
        "serve.py": SCRIPT,
        "serve_otherwise.py": WAITRESS_LIKE,
        "test_factory.py": FACTORY_TEST,
        "alone.py": APPLICATION,
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def starts(folder: Path) -> list[str]:
    """Return who has migrated, one for each summary line."""
    log = folder / "starts.log"
    lines = log.read_text().splitlines() if log.exists() else []
    return [line.partition(":")[0] for line in lines if ": applied " in line]


AUTOMIGRATE = [PYTHON, "-m", "peewee_automigrate"]
# With the exit codes, so that none of them passes because it has not found the application.
LOOKS = {
    "flask_help": ([*FLASK, "--help"], 0),
    "flask_routes": ([*FLASK, "routes"], 0),
    "flask_shell": ([*FLASK, "shell"], 0),
    "flask_unknown": ([*FLASK, "nothing"], 2),
    "flask_debug_routes": ([*FLASK, "--debug", "routes"], 0),
    "automigrate_help": ([*FLASK, "automigrate", "--help"], 0),
    "automigrate_plan": ([*FLASK, "automigrate", "plan"], 0),
    "automigrate_check": ([*FLASK, "automigrate", "check"], 1),
    "plan": ([*AUTOMIGRATE, "plan", "pages.application:create_app"], 0),
    "check": ([*AUTOMIGRATE, "check", "pages.application:create_app"], 1),
}


@pytest.mark.parametrize("case", LOOKS)
def test_process_that_only_looks_never_starts(folder: Path, case: str) -> None:
    words, expected = LOOKS[case]
    database = SqliteDatabase(str(folder / "pages.db"))
    database.execute_sql("CREATE TABLE other (id INTEGER)")
    code, said = ended(words, folder)
    assert (code, starts(folder), database.get_tables()) == (expected, [], ["other"]), said


SERVERS = {
    "flask_run": [*FLASK, "run", "--port", "0"],
    "flask_run_debug_without_reloader": [*FLASK, "run", "--debug", "--no-reload", "--port", "0"],
    "flask_run_of_a_script": [PYTHON, "-m", "flask", "--app", "alone", "run", "--port", "0"],
    "application_as_a_script": [PYTHON, "alone.py"],
    "script": [PYTHON, "serve.py"],
    "package": [PYTHON, "-m", "pages"],
    "script_without_app_run": [PYTHON, "serve_otherwise.py"],
    "gunicorn": [*GUNICORN, "pages.application:create_app()"],
    "gunicorn_preload": [*GUNICORN, "--preload", "pages.application:create_app()"],
}
RELOADERS = {
    "flask_run_debug": [*FLASK, "run", "--debug", "--port", "0"],
    "flask_debug_run": [*FLASK, "--debug", "run", "--port", "0"],
    "flask_run_reload": [*FLASK, "run", "--reload", "--port", "0"],
    "application_as_a_script": [PYTHON, "alone.py", "debug"],
    "script": [PYTHON, "serve.py", "debug"],
    "package": [PYTHON, "-m", "pages", "debug"],
}


@pytest.mark.parametrize("case", SERVERS)
def test_process_that_serves_starts(folder: Path, case: str) -> None:
    with served(SERVERS[case], folder) as server:
        assert server.get("/").text == "0"
    assert starts(folder) == ["the only process"]


@pytest.mark.parametrize("case", RELOADERS)
def test_reloader_starts_in_the_process_that_serves_only(folder: Path, case: str) -> None:
    with served(RELOADERS[case], folder) as server:
        assert server.get("/").text == "0"
    assert starts(folder) == ["true"]


def test_factory_called_by_a_test_starts(folder: Path) -> None:
    code, said = ended([PYTHON, "-m", "pytest", "-q", "test_factory.py"], folder)
    assert (code, starts(folder)) == (0, ["the only process"]), said


REFUSALS = {name: words for name, words in SERVERS.items() if name != "script_without_app_run"} | {
    "script_that_reloads": RELOADERS["script"],
    "package_that_reloads": RELOADERS["package"],
}


@pytest.mark.parametrize("case", REFUSALS)
def test_check_keeps_a_server_from_starting(
    folder: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.setenv("FLASK_AUTOMIGRATE_ON_START", "check")
    SqliteDatabase(str(folder / "pages.db")).execute_sql("CREATE TABLE other (id INTEGER)")
    code, said = ended(REFUSALS[case], folder)
    expected = "the database lacks what the models have: create table page."
    assert (code != 0, expected in said) == (True, True), said


def test_check_refuses_each_request_of_a_server_that_runs_already(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASK_AUTOMIGRATE_ON_START", "check")
    with served(SERVERS["script_without_app_run"], folder) as server:
        assert [server.get("/").status for _ in range(2)] == [500, 500]


# What a server with many workers says.

WORKERS = [*GUNICORN, "--workers", "4", "pages.application:create_app()"]


def said(words: list[str], folder: Path, expected: int) -> list[str]:
    """Return what a server says of the migration, the times left out, when there are so many
    lines, and all of its processes have answered.
    """
    seen: set[str] = set()

    def look() -> list[str] | None:
        seen.add(server.get("/process").text)
        lines = re.findall(r"WARNING in \w+: (.*)", server.log.read_text())
        are_all = len(seen) == (4 if words is WORKERS else 1)
        return lines if are_all and len(lines) >= expected else None

    with served(words, folder) as server:
        found = until(look, server.log.read_text)
    return [re.sub(r"\d+\.\d\d s", "0.01 s", line) for line in found]


def test_four_workers_say_once_what_was_applied_as_flask_does(folder: Path) -> None:
    applied = said(SERVERS["flask_run"], folder, 1)
    (folder / "pages.db").unlink()
    (folder / "starts.log").unlink()
    assert said(WORKERS, folder, 1) == applied
    assert applied == ["pages.application: applied 1 table in 0.01 s."]
    assert starts(folder) == ["the only process"]


def test_four_workers_each_say_what_is_pending_as_flask_does(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASK_AUTOMIGRATE_ON_START", "warn")
    SqliteDatabase(str(folder / "pages.db")).execute_sql("CREATE TABLE page (id INTEGER)")
    pending = said(SERVERS["flask_run"], folder, 1)
    assert pending == [
        "pages.application: the database lacks what the models have: add column page.title. "
        "Run `flask automigrate migrate`, then start again."
    ]
    assert said(WORKERS, folder, 4) == pending * 4
    assert starts(folder) == []


def test_four_workers_that_refuse_a_configuration_say_why_as_flask_does(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASK_AUTOMIGRATE_ON_START", "true")  # True, as Flask reads it
    for words in (SERVERS["flask_run"], WORKERS):
        code, output = ended(words, folder)
        assert code != 0
        assert 'AUTOMIGRATE_ON_START: True is not understood. Use "migrate", "check"' in output
