"""A folder with modules of models in it, from which the command line is run."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from click.testing import CliRunner, Result
from peewee import Database, SqliteDatabase
from playhouse.db_url import connect

from peewee_automigrate.faces.cli import main
from tests.support.terminal import on_terminal

ROOT = Path(__file__).parents[2]
Program: TypeAlias = Callable[..., "subprocess.CompletedProcess[str]"]
Terminal: TypeAlias = Callable[..., "tuple[int | None, str]"]

MODELS = """
    from peewee import *

    class Author(Model):
        name = CharField(unique=True)

    class Post(Model):
        author = ForeignKeyField(Author)
        title = CharField(99)

        class Meta:
            indexes = ((("author", "title"), False),)

    def chosen():
        return [Author]

    some = [Author, Post]
    number = 5

    def failing():
        raise RuntimeError("no models today")
"""
FIRST = """
    from peewee import *

    class Author(Model):
        pass
"""
MORE = """
    from peewee import *

    class Author(Model):
        pass

    class Post(Model):
        author = ForeignKeyField(Author)
"""
BLOCKED = """
    from peewee import *

    class Author(Model):
        name = CharField()
        motto = TextField(null=True)
"""
DRIFT = """
    from peewee import *

    class Author(Model):
        name = IntegerField(unique=True)

    class Post(Model):
        author = ForeignKeyField(Author)
        title = CharField(99)

        class Meta:
            indexes = ((("author", "title"), False),)
"""
MODULES = {
    "app": MODELS,
    "app_first": FIRST,
    "app_more": MORE,
    "app_blocked": BLOCKED,
    "app_drift": DRIFT,
}


class Project:
    """A folder with modules in it, from which the command line is run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "app.db"
        self.url = f"sqlite:///{self.file}"

    def module(self, name: str, text: str) -> None:
        path = self.folder / f"{name}.py"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(textwrap.dedent(text))

    def run(self, *words: str, **options: Any) -> Result:
        return CliRunner().invoke(main, words, **options)

    def on(self, url: str, *words: str, **options: Any) -> Result:
        return self.run(*words, "--database", url, **options)

    def run_program(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run Python as a process of its own."""
        return subprocess.run(
            [sys.executable, *words],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    def run_on_terminal(self, width: int, *words: str, **env: str) -> tuple[int | None, str]:
        """Run the command line in a terminal; return its exit code, and all that it wrote."""
        command = [sys.executable, "-m", "peewee_automigrate", *words]
        return on_terminal(command, self.folder, width, PYTHONPATH=str(ROOT), **env)

    def database(self) -> SqliteDatabase:
        return SqliteDatabase(str(self.file))


@contextmanager
def project_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """Work in a folder with these modules, and forget what was imported from it."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    known = set(sys.modules)
    project = Project(folder)
    for name, text in MODULES.items():
        project.module(name, text)
    yield project
    for name in set(sys.modules) - known:
        if name.startswith("app"):
            del sys.modules[name]


def opened(url: str) -> Database:
    database = connect(url, unquote_password=True)
    database.connect()
    return database


def with_a_row(url: str) -> None:
    """Write: make the first release's table, and a row in it."""
    database = opened(url)
    database.execute_sql("CREATE TABLE author (id integer PRIMARY KEY)")
    database.execute_sql("INSERT INTO author (id) VALUES (1)")
    database.close()
