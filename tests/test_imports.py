"""What each module may import and name: the layers of the package, read from its source."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

NAME = "peewee_automigrate"
ROOT = Path(__file__).parents[1] / NAME

# A folder or file imports from those before it in this list, and from its own folder.
HOUSE = (
    *("schema", "sql", "errors", "texts", "report", "options"),
    *("models", "compare", "dialects", "plan", "apply", "__init__", "faces", "flask", "__main__"),
)

DRIVERS = {"psycopg2", "psycopg", "pymysql", "MySQLdb", "mysql", "apsw"}
WITHOUT_PEEWEE = {"compare", "schema", "texts", "sql"}
CATALOGUE_WORDS = ("pg_catalog", "pragma_", "sqlite_master", "information_schema")
MAY_READ_PRIVATE_NAMES = {"models.declared", "plan.ddl"}
MAY_READ_META = {"models.collect", "plan.planner", "apply.run", "apply.protocol"}
# Underscored, yet part of the public interface of every named tuple.
NAMED_TUPLE = {"_asdict", "_fields", "_make", "_replace"}


def module_of(path: Path) -> str:
    """Return "schema" or "dialects.base"; "__init__" and "dialects" for the packages themselves."""
    *folders, name = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(folders if folders and name == "__init__" else [*folders, name])


PATHS = {module_of(path): path for path in sorted(ROOT.rglob("*.py"))}
TREES = {
    module: list(ast.walk(ast.parse(path.read_text("utf-8")))) for module, path in PATHS.items()
}
each_module = pytest.mark.parametrize("module", TREES)


def imports(module: str) -> set[str]:
    """Return the full names that a module imports, wherever the statement stands."""
    found = set()
    for node in TREES[module]:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            source = absolute(module, node)
            found |= {f"{source}.{alias.name}" for alias in node.names}
    return found


def absolute(module: str, node: ast.ImportFrom) -> str:
    """Return the full name of what stands between `from` and `import`."""
    package = [NAME, *PATHS[module].relative_to(ROOT).parent.parts]
    start = package[: len(package) + 1 - node.level] if node.level else []
    return ".".join([*start, *([node.module] if node.module else [])])


def imported_packages(module: str) -> set[str]:
    return {name.split(".")[0] for name in imports(module)}


def own_imports(module: str) -> set[str]:
    """Return the modules of this package that a module imports, named as in PATHS."""
    found = set()
    for name in imports(module):
        top, *rest = name.split(".")
        while rest and ".".join(rest) not in PATHS:
            rest.pop()
        if top == NAME:
            found.add(".".join(rest) or "__init__")
    return found


def room(module: str) -> str:
    return module.split(".")[0]


def may_import(module: str, other: str) -> bool:
    if room(module) == room(other):
        return True
    return HOUSE.index(room(other)) < HOUSE.index(room(module))


def strings(module: str) -> list[str]:
    """Return a module's strings, but for docstrings."""
    prose = {id(node.value) for node in TREES[module] if isinstance(node, ast.Expr)}
    constants = [n for n in TREES[module] if isinstance(n, ast.Constant) and id(n) not in prose]
    return [node.value for node in constants if isinstance(node.value, str)]


def private_names(module: str) -> set[str]:
    """Return the underscored names that a module reads from others, not through `self` or `cls`."""
    attributes = [node for node in TREES[module] if isinstance(node, ast.Attribute)]
    read = {
        node.attr for node in attributes if getattr(node.value, "id", None) not in {"self", "cls"}
    }
    read |= {name.split(".")[-1] for name in imports(module)}
    return {name for name in read if name.startswith("_") and not name.endswith("__")} - NAMED_TUPLE


@each_module
def test_module_has_a_room(module: str) -> None:
    assert room(module) in HOUSE, f"{module}: give it a place in HOUSE"


@each_module
def test_module_imports_from_rooms_below_only(module: str) -> None:
    assert {other for other in own_imports(module) if not may_import(module, other)} == set()


@each_module
def test_module_imports_no_driver(module: str) -> None:
    assert imported_packages(module) & DRIVERS == set()


@pytest.mark.parametrize("module", [m for m in TREES if room(m) in WITHOUT_PEEWEE])
def test_pure_module_imports_no_peewee(module: str) -> None:
    assert imported_packages(module) & {"peewee", "playhouse"} == set()


@pytest.mark.parametrize("module", [name for name in TREES if not name.startswith("dialects")])
def test_catalogue_is_named_in_dialects_only(module: str) -> None:
    assert [
        text for text in strings(module) if any(word in text.lower() for word in CATALOGUE_WORDS)
    ] == []


@pytest.mark.parametrize("module", sorted(TREES.keys() - MAY_READ_PRIVATE_NAMES))
def test_private_names_of_peewee_are_read_in_two_modules_only(module: str) -> None:
    assert private_names(module) - ({"_meta"} if module in MAY_READ_META else set()) == set()


def test_package_import_leaves_optional_packages_out() -> None:
    code = f"import sys, {NAME}; print({{'click', 'flask'}} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT.parent) == b"set()\n"
