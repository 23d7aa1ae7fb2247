"""The shape of the package, read from its source: rooms, the direction of imports, budgets."""

from __future__ import annotations

import ast
import inspect
import statistics
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from peewee_automigrate.compare.spelling import Names
from peewee_automigrate.dialects.base import Dialect

NAME = "peewee_automigrate"
ROOT = Path(__file__).parents[1] / NAME

# A folder or file imports from those before it in this list, and from its own folder.
HOUSE = (
    *(
        "schema",
        "changes",
        "sql",
        "errors",
        "texts",
        "printing",
        "report",
        "accepted",
        "reviewed",
        "options",
    ),
    *(
        "models",
        "compare",
        "dialects",
        "plan",
        "beside",
        "apply",
        "__init__",
        "testing",
        "faces",
        "flask",
        "__main__",
    ),
)
DATABASES = {"sqlite", "postgres", "mysql"}
DRIVERS = {"psycopg2", "psycopg", "pymysql", "MySQLdb", "mysql", "apsw"}
WITHOUT_PEEWEE = {"compare", "schema", "changes", "texts", "sql"}
CATALOGUE_WORDS = ("pg_catalog", "pragma_", "sqlite_master", "information_schema")
MAY_READ_PRIVATE_NAMES = {
    "models.collect",
    "models.declared",
    "models.outline",
    "models.rendering",
    "dialects.statements",
}
MAY_READ_META = {
    "beside.rehearsal",
    "plan.planner",
    "models.collect",
    "dialects.postgres.writing",
    "dialects.mysql.writing",
}
# Underscored, yet part of the public interface of every named tuple.
NAMED_TUPLE = {"_asdict", "_fields", "_make", "_replace"}

# Lines that a person has to read before trusting, so that growth is seen: in all, without MySQL,
# for a start on SQLite. The goals of version 0.1 are not met: 7,700, 6,300 and 3,500. Each
# capability since has lines of its own.
VERSION_0_1 = (9_940, 8_525, 4_190)
CAPABILITIES = {
    "hostile neighbours and broken lines": (450, 371, 134),  # the goal was 250
    "no wrong value": (200, 170, 80),
    "the server's own words": (360, 290, 60),  # the goal was 150
    "what a person meets": (704, 704, 120),
    "beside it: scripts, backup, rehearsal, ledger": (1_670, 1_670, 80),  # the goal was 700
    # The goal was 200, which others had taken: outlines are 440, with a query of each database.
    "a cheap start": (695, 425, 120),
    "Galera and other servers": (350, 60, 20),
}
IN_ALL, WITHOUT_MYSQL, SQLITE_START = (
    sum(sizes) for sizes in zip(VERSION_0_1, *CAPABILITIES.values(), strict=True)
)
FILE, FUNCTION, PARAMETERS, NESTING = 350, 40, 5, 3
SEAM = 30
CHAIN, ROOMS = 15, 10


def module_of(path: Path) -> str:
    """Return "schema" or "dialects.base"; "__init__" and "dialects" for the packages themselves."""
    *folders, name = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(folders if folders and name == "__init__" else [*folders, name])


PATHS = {module_of(path): path for path in sorted(ROOT.rglob("*.py"))}
SOURCES = {module: path.read_text("utf-8") for module, path in PATHS.items()}
TREES = {module: ast.parse(source) for module, source in SOURCES.items()}
NODES = {module: list(ast.walk(tree)) for module, tree in TREES.items()}
each_module = pytest.mark.parametrize("module", TREES)


@cache
def imports(module: str) -> frozenset[str]:
    """Return the full names that a module imports, wherever the statement stands; what is
    imported for a type checker only is never loaded.
    """
    typing_only = {
        id(inner)
        for node in NODES[module]
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found: set[str] = set()
    for node in NODES[module]:
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            source = absolute(module, node)
            found |= {f"{source}.{alias.name}" for alias in node.names}
    return frozenset(found)


def absolute(module: str, node: ast.ImportFrom) -> str:
    """Return the full name of what stands between `from` and `import`."""
    package = [NAME, *PATHS[module].relative_to(ROOT).parent.parts]
    start = package[: len(package) + 1 - node.level] if node.level else []
    return ".".join([*start, *([node.module] if node.module else [])])


def imported_packages(module: str) -> set[str]:
    return {name.split(".")[0] for name in imports(module)}


@cache
def own_imports(module: str) -> frozenset[str]:
    """Return the modules of this package that a module imports, named as in PATHS."""
    found = set()
    for name in imports(module):
        top, *rest = name.split(".")
        while rest and ".".join(rest) not in PATHS:
            rest.pop()
        if top == NAME:
            found.add(".".join(rest) or "__init__")
    return frozenset(found - {module})


def room(module: str) -> str:
    return module.split(".")[0]


def strings(module: str) -> list[str]:
    """Return a module's strings, but for docstrings."""
    prose = {id(node.value) for node in NODES[module] if isinstance(node, ast.Expr)}
    constants = [n for n in NODES[module] if isinstance(n, ast.Constant) and id(n) not in prose]
    return [node.value for node in constants if isinstance(node.value, str)]


def private_names(module: str) -> set[str]:
    """Return the underscored names that a module reads from others, not through `self` or `cls`."""
    attributes = [node for node in NODES[module] if isinstance(node, ast.Attribute)]
    read = {
        node.attr for node in attributes if getattr(node.value, "id", None) not in {"self", "cls"}
    }
    read |= {name.split(".")[-1] for name in imports(module)}
    return {name for name in read if name.startswith("_") and not name.endswith("__")} - NAMED_TUPLE


def functions(module: str) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [n for n in NODES[module] if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def nesting(node: ast.AST) -> int:
    """Return how deep blocks stand within each other; `elif` and `case` go no deeper."""
    blocks = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.Match)
    deepest = 0
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        is_elif = isinstance(node, ast.If) and child in node.orelse and isinstance(child, ast.If)
        deepest = max(deepest, nesting(child) + (isinstance(child, blocks) and not is_elif))
    return deepest


def lines(*modules: str) -> int:
    return sum(SOURCES[module].count("\n") for module in modules)


# Rooms


@each_module
def test_module_has_a_room(module: str) -> None:
    assert room(module) in HOUSE, f"{module}: give it a place in HOUSE"


@each_module
def test_module_imports_from_rooms_before_it_only(module: str) -> None:
    place = HOUSE.index(room(module))
    later = {o for o in own_imports(module) if HOUSE.index(room(o)) > place}
    assert later == set()


@pytest.mark.parametrize("module", [m for m in TREES if m.startswith("dialects.")])
def test_database_is_imported_by_its_own_folder_only(module: str) -> None:
    own = module.split(".")[1]
    others = {o for o in own_imports(module) if {*o.split(".")[1:2]} & (DATABASES - {own})}
    assert others == set()


def longest(edges: dict[str, set[str]]) -> int:
    """Return how many stand in the longest chain."""

    @cache
    def height(name: str) -> int:
        return 1 + max(map(height, edges[name]), default=0)

    return max(map(height, edges))


def test_longest_chain_of_imports_is_short() -> None:
    assert longest({module: set(own_imports(module)) for module in TREES}) <= CHAIN


def test_longest_chain_of_rooms_is_short() -> None:
    edges: dict[str, set[str]] = {room(module): set() for module in TREES}
    for module in TREES:
        edges[room(module)] |= {room(o) for o in own_imports(module)} - {room(module)}
    assert longest(edges) <= ROOMS


# What is loaded

START = """
import sys, peewee
drivers = [m for m in ("psycopg2", "psycopg", "pymysql", "MySQLdb") if m not in sys.modules]
import peewee_automigrate as a
db = peewee.SqliteDatabase(sys.argv[1])
class User(peewee.Model):
    name = peewee.CharField(unique=True)
    class Meta:
        database = db
db.create_tables([User])
print(a.migrate(db, [User]), file=sys.stderr)
print(*[m for m in sys.modules if m.startswith("peewee_automigrate")])
print(*[m for m in ("click", "flask", *drivers) if m in sys.modules])
"""


@pytest.fixture(scope="module")
def start_on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], list[str]]:
    """Our modules, and the optional packages, that a start with nothing to do loads."""
    file = tmp_path_factory.mktemp("start") / "app.db"
    command = [sys.executable, "-c", START, str(file)]
    done = subprocess.run(command, cwd=ROOT.parent, capture_output=True, text=True, check=True)
    assert "nothing to do" in done.stderr
    ours, optional = (line.split() for line in done.stdout.split("\n")[:2])
    return [name.removeprefix(NAME).lstrip(".") or "__init__" for name in ours], optional


def test_start_on_sqlite_loads_no_other_database(
    start_on_sqlite: tuple[list[str], list[str]],
) -> None:
    found = {name.split(".")[1] for name in start_on_sqlite[0] if name.startswith("dialects.")}
    assert found & DATABASES == {"sqlite"}


def test_start_loads_no_optional_package(start_on_sqlite: tuple[list[str], list[str]]) -> None:
    assert start_on_sqlite[1] == []
    assert not [name for name in start_on_sqlite[0] if name.startswith("faces")]


def test_start_with_nothing_to_do_loads_nothing_that_compares_or_writes(
    start_on_sqlite: tuple[list[str], list[str]],
) -> None:
    idle = {"compare.diff", "compare.drift", "compare.graph", "dialects.writing", "apply.run"}
    assert idle.isdisjoint(start_on_sqlite[0])
    assert not [name for name in start_on_sqlite[0] if name.startswith("beside")]


def test_import_loads_no_dialect_and_nothing_of_playhouse() -> None:
    script = f"import sys, {NAME}; print(*sys.modules)"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT.parent, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not {name for name in loaded if name.startswith("playhouse")}
    assert not {name for name in loaded if name.startswith(f"{NAME}.dialects.")} - {
        f"{NAME}.dialects.base",
        f"{NAME}.dialects.waiting",
    }
    assert len({name for name in loaded if name.startswith(NAME)}) <= 24


@each_module
def test_module_imports_no_driver(module: str) -> None:
    assert imported_packages(module) & DRIVERS == set()


@pytest.mark.parametrize("module", [m for m in TREES if room(m) in WITHOUT_PEEWEE])
def test_pure_module_imports_no_peewee(module: str) -> None:
    assert imported_packages(module) & {"peewee", "playhouse"} == set()


@pytest.mark.parametrize("module", [name for name in TREES if not name.startswith("dialects.")])
def test_catalogue_is_named_in_dialects_only(module: str) -> None:
    found = [t for t in strings(module) if any(word in t.lower() for word in CATALOGUE_WORDS)]
    assert found == []


@pytest.mark.parametrize("module", sorted(TREES.keys() - MAY_READ_PRIVATE_NAMES))
def test_private_names_of_peewee_are_read_in_few_modules_only(module: str) -> None:
    assert private_names(module) - ({"_meta"} if module in MAY_READ_META else set()) == set()


# Budgets


def test_package_is_small() -> None:
    assert lines(*TREES) <= IN_ALL
    assert lines(*(m for m in TREES if not m.startswith("dialects.mysql"))) <= WITHOUT_MYSQL


def test_start_on_sqlite_runs_through_few_lines(
    start_on_sqlite: tuple[list[str], list[str]],
) -> None:
    assert lines(*start_on_sqlite[0]) <= SQLITE_START


def test_graph_is_small() -> None:
    assert lines("compare.graph") <= 180


@each_module
def test_file_is_short(module: str) -> None:
    assert lines(module) <= FILE


@each_module
def test_functions_are_short_and_flat(module: str) -> None:
    found = functions(module)
    assert [f.name for f in found if length(f) > FUNCTION] == []
    assert [f.name for f in found if nesting(f) > NESTING] == []


def test_functions_are_short_mostly() -> None:
    assert statistics.median(length(f) for m in TREES for f in functions(m)) < 10


def test_seam_is_small() -> None:
    """A dialect's members, and the rules by which its names are compared."""
    members = [name for name in vars(Dialect) if not name.startswith("_")]
    overridden = [name for name in vars(Names) if not name.startswith("_")]
    assert len(members) <= SEAM, sorted(members)
    assert len(overridden) <= 12, sorted(overridden)
    assert all(inspect.getdoc(getattr(Dialect, name)) for name in members if name not in FACTS)


FACTS = {"name", "makes_file", "transactions"}
