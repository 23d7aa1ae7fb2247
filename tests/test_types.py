"""What type checkers say of a program that calls us: nothing, but of what is wrong."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from peewee import CharField, DatabaseProxy, Model, SqliteDatabase

from peewee_automigrate import Options, migrate, options, plan
from tests.support.modules import modules_in

ROOT = Path(__file__).parents[1]
SHOP = """
from peewee import CharField, Model


class Author(Model):
    name = CharField()
"""
PROGRAM = '''
"""What is marked is what a checker refuses."""

from peewee import DatabaseProxy, SqliteDatabase

import shop
from peewee_automigrate import Options, Plan, Report, StepEvent, migrate, plan

database = SqliteDatabase(":memory:")
proxy = DatabaseProxy()
proxy.initialize(database)
shared = Options(lock_wait=5, on_blocked="skip")


def tell(event: StepEvent) -> None:
    print(event.number, event.seconds)


def show(made: Plan) -> None:
    print(made.to_dict()["version"])


report: Report = migrate(database, [shop.Author], shared, on_step=tell, on_plan=show)
made: Plan = plan(proxy, shop, wait=1, online_rows=5, atomic=True, samples=False)
kinds: list[str] = [step.kind for step in plan(proxy, "shop", options=shared).steps]
mixed = plan(database, [shop, shop.Author, "shop:Author"], accept=["AM301 author.age"])

migrate(database, shop, on_blocked="ignore")  # wrong
migrate(database, shop, lock_wait="5")  # wrong
migrate(database, shop, online_rows=2.5)  # wrong
migrate(database, shop, atomic="no")  # wrong
migrate(database, shop, lock_wit=5.0)  # wrong
migrate(database, shop, on_step=show)  # wrong
migrate(database, shop, {"atomic": True})  # wrong
migrate(database, 5)  # wrong
Options(wait=None)  # wrong
'''


def checked(words: Sequence[str], folder: Path) -> str:
    env = os.environ | {"MYPYPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, env=env, capture_output=True, text=True
    )
    assert done.returncode == 1, done
    return done.stdout


def mypy(folder: Path) -> list[int]:
    """Return the lines that mypy refuses; some releases of Peewee have no types at all."""
    untyped = ["--disable-error-code", "import-untyped", "--allow-subclassing-any"]
    words = ["mypy", "--strict", "--python-version", "3.10", *untyped, "program.py"]
    return [
        int(line) for line in re.findall(r"(?m)^program.py:(\d+): error", checked(words, folder))
    ]


def pyright(folder: Path) -> list[int]:
    """Return the lines that pyright refuses, in a packaging that downloads nothing when it runs."""
    version = {"typeCheckingMode": "standard", "pythonVersion": "3.10"}
    settings = {**version, "extraPaths": [str(ROOT)]}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    found = json.loads(checked(["basedpyright", "--outputjson", "program.py"], folder))
    errors = (each for each in found["generalDiagnostics"] if each["severity"] == "error")
    return [each["range"]["start"]["line"] + 1 for each in errors]


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_checker_refuses_what_is_wrong_and_nothing_else(
    checker: Callable[[Path], list[int]], tmp_path: Path
) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "program.py").write_text(PROGRAM)
    lines = PROGRAM.splitlines()
    wrong = [number for number, line in enumerate(lines, 1) if line.endswith("# wrong")]
    assert sorted(set(checker(tmp_path))) == wrong


def test_options_by_name_are_those_of_the_value() -> None:
    """The names and their types are written twice, for people and for type checkers."""
    tree = ast.parse(Path(options.__file__).read_text("utf-8"))
    classes = {node.name: node.body for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    given, known = (
        {
            ast.unparse(n.target): ast.unparse(n.annotation)
            for n in body
            if isinstance(n, ast.AnnAssign)
        }
        for body in (classes["Given"], classes["Options"])
    )
    assert given == known != {}


class Author(Model):
    name = CharField()


@pytest.mark.parametrize("work", [plan, migrate])
@pytest.mark.parametrize("given", [{"atomic": True}, "atomic", 5])
def test_options_that_are_none_are_an_error(work: Callable[..., Any], given: Any) -> None:
    with pytest.raises(ValueError, match="use an Options"):
        work(SqliteDatabase(":memory:"), [Author], given)


def test_options_are_passed_and_those_by_name_go_before_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    shared = Options(on_plan=told.append, on_step=told.append)
    proxy = DatabaseProxy()
    proxy.initialize(SqliteDatabase(":memory:"))
    with modules_in(tmp_path, monkeypatch) as modules:
        modules.write("shop", SHOP)
        assert migrate(proxy, "shop", shared, on_step=None)
        assert len(told) == 1
        assert not plan(proxy, modules.load("shop"), options=shared)
