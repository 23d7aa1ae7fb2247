"""Own scripts as they lie in a folder, and what each says of itself.

Enters: a folder. Leaves: scripts in numeric order, and the statements of an .sql file with their
lines. Runs nothing.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from sqlite3 import complete_statement
from typing import Any, NamedTuple

from ..changes import visible
from ..errors import AutoMigrateError
from ..report import Plan
from ..texts import QUESTIONS

_NAME = re.compile(r"(\d+)\w*.*\.(sql|py)")
_SAYS = {"after": "after", "no transaction": "is_alone", "also new": "also_new"}
_ENDS = re.compile(
    r"(begin(?!\s+not)|commit|rollback(?!(\s+(work|transaction))?\s+to\b)|end|abort"
    r"|(start|prepare)\s+transaction)\b",
    re.IGNORECASE,
)

# What is one word for a database's own client; a semicolon, or another delimiter, stands outside.
_COMMON = r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\""
_TOKENS = {
    "postgresql": re.compile(
        r"\bE'(?:\\.|[^'\\]|'')*'|(\$(?:[^\W\d]\w*)?\$).*?\1|\w[\w$]*|[()]|" + _COMMON,
        re.DOTALL | re.IGNORECASE,
    ),
    "mysql": re.compile(
        r"'(?:\\.|[^'\\]|'')*'|\"(?:\\.|[^\"\\]|\"\")*\"|`(?:[^`]|``)*`|--(?=\s)[^\n]*|#[^\n]*"
        r"|/\*.*?\*/|\w+",
        re.DOTALL,
    ),
}
_ESCAPES = re.compile(r"\\\\\.\|\[\^(\\?.)\\\\\]")
_TOKENS["mysql plain"] = re.compile(_ESCAPES.sub(r"[^\1]", _TOKENS["mysql"].pattern), re.DOTALL)
_NESTED = re.compile(r"/\*|\*/")
_DELIMITER = re.compile(r"[ \t]*delimiter[ \t]+(\S+)[^\n]*(?:\n|\Z)", re.IGNORECASE)
_COMMENTS = re.compile(r"(?:\s+|--[^\n]*|#[^\n]*|/\*(?!!|M!).*?\*/)*", re.DOTALL)
_PLAIN = re.compile(r"(?:\s+|--[^\n]*)*")


class Script(NamedTuple):
    """One file. ``is_alone``: without a transaction around it; ``also_new``: also where the
    database was made by the same run.
    """

    path: Path
    number: int
    text: str
    after: bool = False
    is_alone: bool = False
    also_new: bool = False

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    @property
    def is_python(self) -> bool:
        """Tell a file of Peewee's own kind, with ``up(migrator, db)``."""
        return self.path.suffix == ".py"

    @property
    def sha256(self) -> str:
        """The digest of its text; how its lines end is no part of it."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def read_folder(folder: Path) -> list[Script]:
    """Return the scripts of a folder by number, then name.

    Raises `AutoMigrateError` for a folder or a file that can't be read.
    """
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise AutoMigrateError(
            f"scripts: {folder}: {error.strerror}. Name a folder that is there, or make it."
        ) from error
    found = [(match, path) for path in paths if (match := _NAME.fullmatch(path.name))]
    made = [_script(path, int(match[1])) for match, path in found if path.is_file()]
    return sorted(made, key=lambda script: (script.number, script.name))


def new_script(folder: Path, title: str, made: Plan) -> Path:
    """Write the next script of a folder: the SQL by which what is blocked, or may have been
    renamed, could be resolved, below what the plan says of it. Returns its path.
    """
    folder.mkdir(parents=True, exist_ok=True)
    number = max((script.number for script in read_folder(folder)), default=0) + 1
    slug = re.sub(r"\W+", "_", title.strip().lower()).strip("_")
    questions = [found for found in made.findings if found.code in QUESTIONS]
    parts = [f"-- {visible(title)}\n"]
    parts += [f"-- {f.code} {f.head}\n{f.sql};\n" for f in (*made.blocked, *questions) if f.sql]
    path = folder / f"{number:04}_{slug or 'script'}.sql"
    with path.open("x", encoding="utf-8") as file:
        file.write("\n".join(parts))
    return path


def _script(path: Path, number: int) -> Script:
    try:
        text = path.read_text("utf-8-sig")
        if "\0" in text:
            raise ValueError("it holds a NUL")
        says = _python_says(text) if path.suffix == ".py" else _sql_says(text)
    except SyntaxError as error:
        raise AutoMigrateError(f"{path}:{error.lineno}: {error.msg}. Mend it first.") from error
    except (OSError, ValueError) as error:
        raise AutoMigrateError(f"{path}: can't be read as UTF-8 text: {error}.") from error
    return Script(path, number, text, **says)


def _sql_says(text: str) -> dict[str, bool]:
    """Return what the comments above the first statement say."""
    head = text[: _beginning(text)]
    lines = (line.strip().removeprefix("--").strip().lower() for line in head.split("\n"))
    return {_SAYS[line]: True for line in lines if line in _SAYS}


def _python_says(text: str) -> dict[str, bool]:
    """Return what a file says by constants; it is not run to be asked."""
    values: dict[str, Any] = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            values |= {t.id: node.value.value for t in node.targets if isinstance(t, ast.Name)}
    return {
        "after": values.get("when") == "after",
        "is_alone": values.get("atomic") is False,
        "also_new": values.get("also_new") is True,
    }


def statements(script: Script, database: str) -> list[tuple[int, str]]:
    """Return the statements of an .sql file with the line of each, as the database's own client
    would part them; ``database`` is "sqlite", "postgresql", "mysql", or "mysql plain" where
    a backslash in a string is only that.

    Raises `AutoMigrateError` for one that would end the transaction of its script.
    """
    part = {"sqlite": _sqlite, "postgresql": _postgresql}.get(database)
    found = []
    for place, statement in part(script.text) if part else _mysql(script.text, _TOKENS[database]):
        start = _beginning(statement, nests=database == "postgresql")
        if not statement[start:].strip():
            continue
        line = script.text.count("\n", 0, place + start) + 1
        if not script.is_alone and _ENDS.match(statement, start):
            raise AutoMigrateError(
                f"{script.path}:{line}: {statement[start:].strip()} would begin or end a "
                'transaction, and the script is one. Take it out, or say "-- no transaction" in '
                "the first line."
            )
        found.append((line, statement[start:].strip()))
    return found


def _sqlite(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for match in re.finditer(";", text):
        if complete_statement(text[start : match.end()]):
            yield start, text[start : match.start()]
            start = match.end()
    yield start, text[start:]


def _postgresql(text: str) -> Iterator[tuple[int, str]]:
    """Semicolons in brackets, and in BEGIN ATOMIC .. END, part nothing."""
    start = place = depth = atomic = 0
    before = ""
    while place < len(text):
        if text[place] == ";" and depth <= 0 and not atomic:
            yield start, text[start:place]
            start = place = place + 1
            before = ""
            continue
        end = _end_of_comment(text, place) or _end_of(_TOKENS["postgresql"], text, place)
        word = text[place:end].lower()
        depth += (word == "(") - (word == ")")
        if word == "atomic" and before == "begin":
            atomic = 1
        elif atomic:
            atomic += (word == "case") - (word == "end")
        if word.strip() and not word.startswith(("--", "/*")):
            before = word
        place = end
    yield start, text[start:]


def _beginning(text: str, *, nests: bool = False) -> int:
    """Return where the comments above a statement end."""
    end: int = 0
    while True:
        match = (_PLAIN if nests else _COMMENTS).match(text, end)
        place = match.end() if match else end
        end = _end_of_comment(text, place) if nests else 0
        if not end:
            return place


def _end_of(token: re.Pattern[str], text: str, place: int) -> int:
    match = token.match(text, place)
    return match.end() if match and match.end() > place else place + 1


def _end_of_comment(text: str, place: int) -> int:
    """Return where a comment ends, which may hold others; 0 where none begins."""
    if not text.startswith("/*", place):
        return 0
    depth, end = 0, len(text)
    for match in _NESTED.finditer(text, place):
        depth += 1 if match[0] == "/*" else -1
        if not depth:
            end = match.end()
            break
    return end


def _mysql(text: str, token: re.Pattern[str]) -> Iterator[tuple[int, str]]:
    """DELIMITER at the beginning of a line names what parts the next statements."""
    start = place = 0
    delimiter = ";"
    while place < len(text):
        is_line = place == 0 or text[place - 1] == "\n"
        command = _DELIMITER.match(text, place) if is_line else None
        if command:
            yield start, text[start:place]
            delimiter = command[1].strip("'\"`") or ";"
            start = place = command.end()
        elif text.startswith(delimiter, place):
            yield start, text[start:place]
            start = place = place + len(delimiter)
        else:
            place = _end_of(token, text, place)
    yield start, text[start:]
