"""The README's blocks run, and print what it says."""

from __future__ import annotations

import io
import re
import shlex
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from peewee_automigrate.faces.cli import main
from tests.support.project import Project

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_readme_python_blocks_print_what_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "__main__"}
    said, printed = [], []
    for (kind, code), (after, text) in zip(BLOCKS, [*BLOCKS[1:], ("", "")], strict=True):
        if kind == "python":
            output = io.StringIO()
            with redirect_stdout(output):
                exec(compile(code, "README.md", "exec"), namespace)
            printed.append(output.getvalue())
            said.append(text if after == "text" else "")
    assert printed == said
    assert len(printed) >= 2


def test_readme_first_run_is_real(project: Project) -> None:
    """The models as they have grown, on a table with two rows."""
    first, grown = (code for kind, code in BLOCKS if kind == "python")
    namespace: dict[str, Any] = {"__name__": "__main__"}
    with redirect_stdout(io.StringIO()):
        exec(compile(first, "README.md", "exec"), namespace)
    namespace["User"].insert_many([{"name": "ann"}, {"name": "bob"}]).execute()
    release = grown[grown.index("class User") : grown.index("for statement")]
    project.module("app", first[: first.index("class User")] + release)
    command, _, shown = next(text for kind, text in BLOCKS if kind == "console").partition("\n")
    result = project.run(*command.split()[2:])
    assert (result.exit_code, result.output) == (0, shown)


def commands() -> list[list[str]]:
    """Return the words of each command line that the README shows."""
    lines = re.findall(r"peewee-automigrate (?:plan|migrate|check) [^`\n]*", README)
    listed = re.findall(r"\[(peewee-automigrate, .*)\]$", README, re.MULTILINE)
    words = [shlex.split(re.sub(r" (>>|#|&&) .*", "", line)) for line in lines]
    return words + [line.replace('"', "").split(", ") for line in listed]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_readme_command_is_understood(words: list[str]) -> None:
    _, command, *rest = words
    context = main.commands[command].make_context(command, list(rest))
    assert context.params["models"]


def test_readme_is_short_enough_to_read() -> None:
    assert len(README.splitlines()) <= 300
