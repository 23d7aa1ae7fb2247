"""docs/findings.md says what the package says."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from docs.findings import LEVELS, PATH, marked, page
from peewee_automigrate.faces.explain import level_of
from peewee_automigrate.texts import TEXTS

SOURCES = sorted((Path(__file__).parents[1] / "peewee_automigrate").rglob("*.py"))


def made_in_source() -> set[tuple[str, str]]:
    """Return the level and the code of each finding that the package makes."""
    calls = [
        node
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args
    ]
    return {
        (node.func.id, str(node.args[0].value))
        for node in calls
        if isinstance(node.func, ast.Name)
        and node.func.id in LEVELS
        and isinstance(node.args[0], ast.Constant)
    }


def test_page_is_up_to_date() -> None:
    assert PATH.read_text("utf-8") == page(), "run: python -m docs.findings"


def test_levels_are_those_of_the_source() -> None:
    made = made_in_source()
    assert len(made) > 30
    assert {(level, code) for level, code in made if level_of(code) != level} == set()


@pytest.mark.parametrize("code", TEXTS)
def test_text_is_readable(code: str) -> None:
    assert not any("{" in marked(code, text) or "}" in marked(code, text) for text in TEXTS[code])
