"""What is published: the source package and its metadata, workflows, the action, the hook."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from email import message_from_string
from pathlib import Path

import click
import pytest

from peewee_automigrate.faces.cli import main

ROOT = Path(__file__).parents[1]
# Of a run, and of the file system; these are not for others.
pytestmark = pytest.mark.slow
MADE = {"build", "dist", "__pycache__", "kagent.db"}


def said(words: Sequence[str], folder: Path = ROOT) -> str:
    """Run a module, which must succeed; return what it says."""
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source package, unpacked; built from what people have written and nothing else, since
    a list that an earlier build has left would be used again.
    """
    folder, copy = (tmp_path_factory.mktemp(name) for name in ("source", "copy"))
    for name in files(ROOT):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    said(["build", "--sdist", "--no-isolation", "--outdir", str(folder), str(copy)])
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder)  # our own
    (unpacked,) = (path for path in folder.iterdir() if path.is_dir())
    return unpacked


def files(root: Path) -> set[str]:
    """Return the files that people have written."""
    parts = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    written = (p for p in parts if not MADE & {*p.parts} and p.suffix not in (".pyc", ".orig"))
    hidden = re.compile(r"\.(?!ci/|github/|pre-commit-hooks)|.*\.egg-info/|.*/\.")
    return {str(path) for path in written if not hidden.match(str(path))}


def test_source_package_is_complete(source: Path) -> None:
    assert files(ROOT) - files(source) == set()
    assert os.access(source / ".ci/run", os.X_OK)


def test_tests_run_from_the_source_package(source: Path) -> None:
    """All are collected, and a few of those that read files run."""
    where = "import peewee_automigrate as a; print(a.__file__)"
    found = subprocess.check_output([sys.executable, "-c", where], cwd=source, text=True)
    assert found.strip() == str(source / "peewee_automigrate/__init__.py")
    said(["pytest", "-q", "--collect-only", "-p", "no:cacheprovider"], source)
    said(["pytest", "-q", "tests/test_testing.py", "tests/test_findings.py"], source)


def test_metadata_is_that_of_a_package_to_publish(source: Path) -> None:
    found = message_from_string((source / "PKG-INFO").read_text("utf-8"))
    assert found["License-Expression"] == "MIT"
    assert found.get_all("Project-URL")
    assert "Framework :: Flask" in found.get_all("Classifier", [])
    needs = [each for each in found.get_all("Requires-Dist", []) if "extra ==" not in each]
    assert sorted(re.split(r"[<>]", need)[0] for need in needs) == ["click", "peewee"]


SCHEMAS = {
    "vendor.github-workflows": sorted(map(str, ROOT.glob(".github/workflows/*.yml"))),
    "vendor.github-actions": [str(ROOT / "action.yml")],
}


@pytest.mark.parametrize("schema", SCHEMAS)
def test_workflows_and_action_are_valid(schema: str) -> None:
    said(["check_jsonschema", "--builtin-schema", schema, *SCHEMAS[schema]])


def test_workflows_and_action_are_safe() -> None:
    program = Path(sys.executable).parent / "zizmor"
    words = [str(program), "--offline", "--no-progress", ".github", "action.yml"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, "No findings" in done.stderr + done.stdout) == (0, True), done.stdout


def test_commands_of_hook_and_action_are_understood() -> None:
    texts = [(ROOT / name).read_text("utf-8") for name in (".pre-commit-hooks.yaml", "action.yml")]
    lines = re.findall(r"peewee-automigrate ([^>\n]*)", "\n".join(texts))
    assert [line.split()[0] for line in lines] == ["check", "plan"]
    for line in lines:
        command, *words = line.replace("$MODELS", "").split()
        context = main.commands[command].make_context(command, ["shop.models", *words])
        assert isinstance(context, click.Context)
