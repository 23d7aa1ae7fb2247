"""The documents: their blocks run and print what they say, their links lead somewhere."""

from __future__ import annotations

import io
import logging
import os
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from peewee import SqliteDatabase

from peewee_automigrate.faces.cli import main
from tests.support.modules import Modules, modules_in
from tests.support.serving import served
from tests.support.terminal import on_terminal, plain

ROOT = Path(__file__).parents[1]
README, RECIPES = "README.md", "docs/recipes.md"
PAGES = sorted(
    str(path.relative_to(ROOT)) for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))
)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
NAMED = re.compile(r"# ([\w/]+\.py)\n")
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")
COLUMNS = 100  # of the terminal on which the documents' commands run
BUDGETS = {"README.md": 160, "docs/design.md": 200}  # lines

Blocks = Sequence[tuple[str, str]]


def text_of(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def sections(page: str) -> dict[str, Blocks]:
    """Return the blocks of each section by its heading, "" for what stands before the first."""
    heading, *parts = re.split(r"^## ", text_of(page), flags=re.MULTILINE)
    found = {"": BLOCK.findall(heading)}
    return found | {part.partition("\n")[0]: BLOCK.findall(part) for part in parts}


SECTIONS = [
    (page, heading)
    for page in (README, RECIPES)
    for heading, blocks in sections(page).items()
    if heading and blocks
]


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Modules]:
    """A folder for the modules of a page; what a page says about logging is forgotten."""
    log = logging.getLogger("peewee_automigrate")
    with modules_in(tmp_path, monkeypatch) as made:
        yield made
    log.handlers.clear()
    log.setLevel(logging.NOTSET)


class Reader:
    """Does what a page says in its blocks, one after the other, in a folder of its own."""

    def __init__(self, modules: Modules) -> None:
        self.folder = modules.folder
        self.modules = modules
        self.namespace: dict[str, Any] = {"__name__": "__main__"}

    def read(self, blocks: Blocks) -> None:
        for (kind, text), (after, output) in pairwise([*blocks, ("", "")]):
            if kind == "console":
                for command, said in COMMAND.findall(text):
                    assert timeless(self.command(command)) == timeless(said), command
            elif kind == "python":
                said = output if after == "text" else ""
                assert timeless(self.python(text)) == timeless(said), text

    def python(self, code: str) -> str:
        """Run a block, or write it to the file that its first line names; return its output."""
        file = NAMED.match(code)
        if file:
            self.modules.write(file[1].removesuffix(".py").replace("/", "."), code)
            return ""
        output = io.StringIO()
        with redirect_stdout(output):
            exec(compile(code, "page", "exec"), self.namespace)
        return output.getvalue()

    def command(self, line: str) -> str:
        """Run a line of a shell as at a terminal; return what a person reads."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        env = {"PATH": path, "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        _, output = on_terminal(["bash", "-c", line], self.folder, COLUMNS, **env)
        return plain(output)


def timeless(output: str) -> str:
    """Return an output without what differs each time."""
    return re.sub(r"\d+\.\d\d?( ?s)\b", r"0.01\1", output)


@pytest.mark.parametrize(("page", "heading"), SECTIONS, ids=[f"{p}: {h}" for p, h in SECTIONS])
def test_section_runs_and_prints_what_it_says(page: str, heading: str, modules: Modules) -> None:
    """What stands before the first heading of the recipes is common to all of them."""
    found = sections(page)
    reader = Reader(modules)
    reader.read(found[""] if page == RECIPES else ())
    reader.read(found[heading])


def test_readme_first_run_is_real(modules: Modules) -> None:
    """The model of the quick start, on a table of the release before, with two rows."""
    found = sections(README)
    grown = next(text for kind, text in found["Quick start"] if kind == "python")
    grown = grown[: grown.index("report = ")]
    modules.write("first", re.sub(r"    (karma|token) = .*\n", "", grown))
    first = modules.load("first")
    from peewee_automigrate import migrate

    migrate(first.database, first)
    first.User.insert_many([{"name": "ann"}, {"name": "bob"}]).execute()
    first.database.close()
    modules.write("app", grown)
    Reader(modules).read(found[""])


def test_readme_application_is_served(modules: Modules) -> None:
    code = next(text for _, text in sections(README)["Quick start"] if text.startswith("# shop.py"))
    modules.write("shop", code)
    words = [sys.executable, "-m", "flask", "--app", "shop", "run", "--port", "0"]
    with served(words, modules.folder) as server:
        assert server.get("/").json == []
        added = server.post("/", {"name": "cup"}).json
    assert added == [{"id": 1, "name": "cup", "stock": 0}]
    assert SqliteDatabase(str(modules.folder / "shop.db")).get_tables() == ["product"]


def test_readme_shows_a_real_run_early() -> None:
    lines = text_of(README).splitlines()[:30]
    assert lines.count("```console") == 1
    assert "```" in lines


def commands() -> list[list[str]]:
    """Return the words of each command line that the documents show."""
    text = "\n".join(map(text_of, PAGES))
    lines = re.findall(r"peewee-automigrate (?:plan|migrate|check) [^`\n]*", text)
    listed = re.findall(r"\[(peewee-automigrate, .*)\]$", text, re.MULTILINE)
    words = [shlex.split(re.sub(r" ?(>|#|&&|\|\||;|\|).*", "", line)) for line in lines]
    found = words + [line.replace('"', "").split(", ") for line in listed]
    return [list(one) for one in dict.fromkeys(map(tuple, found))]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_command_is_understood(words: list[str]) -> None:
    _, command, *rest = words
    context = main.commands[command].make_context(command, list(rest))
    assert context.params["models"]


@pytest.mark.parametrize("page", PAGES)
def test_links_of_page_lead_somewhere(page: str) -> None:
    targets = [target for target, _ in LINK.findall(text_of(page)) if target]
    missing = [name for name in targets if not (ROOT / page).parent.joinpath(name).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES)
def test_files_that_page_names_are_there(page: str) -> None:
    names = re.findall(
        r"`((?:tests|peewee_automigrate|docs|chaos|benchmarks)/[\w/]+(?:\.py|/))`", text_of(page)
    )
    assert [n for n in names if "NAME" not in n and not (ROOT / n).exists()] == []


@pytest.mark.parametrize(("page", "lines"), BUDGETS.items())
def test_page_is_short_enough_to_read(page: str, lines: int) -> None:
    assert len(text_of(page).splitlines()) <= lines


def test_readme_fits_a_screen() -> None:
    assert [line for line in text_of(README).splitlines() if len(line) > 120] == []
