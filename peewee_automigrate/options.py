"""The options of `plan` and `migrate`, in one value, and all that is to be known of each.

Leaves: `Options`, and for those who take them as text their help and `read`.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypedDict

from .changes import Step

if TYPE_CHECKING:
    from .report import Plan


class StepEvent(NamedTuple):
    """What ``on_step`` is told: ``state`` "start", "progress" or "done" of step ``number`` of
    ``total``; ``seconds`` that its statements have taken so far. While a step goes on,
    ``fraction`` is what is done of it (0 to 1, None when unknown), and ``phase`` what it does
    ("filling", or the server's word).

    "waiting" comes only while the run waits for others: ``seconds`` so far, and for whom as
    ``phase``, in the words of the log. ``step`` is None then, and ``number`` 0.
    """

    step: Step | None
    state: Literal["waiting", "start", "progress", "done"]
    number: int
    total: int
    seconds: float = 0.0
    fraction: float | None = None
    phase: str = ""


class Kind(NamedTuple):
    """What an option may be: ``allowed`` says it to a person, ``form`` in a usage line; ``parse``
    reads a text, ``fits`` checks a value.
    """

    allowed: str
    form: str
    parse: Callable[[str], Any]
    fits: Callable[[Any], bool]


_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def _is_number(value: Any, *kinds: type) -> bool:
    return type(value) in kinds and 0 <= value < threading.TIMEOUT_MAX


def _is_lines(value: Any) -> bool:
    return isinstance(value, list | tuple | set | frozenset) and all(
        isinstance(line, str) and re.fullmatch(r"AM[23]\d\d \S.*", line) for line in value
    )


def _is_document(value: Any) -> bool:
    """Tell whether a value is a plan, or several, with the steps that they need."""
    if not isinstance(value, Mapping) or value.get("version") != 1:
        return False
    try:
        return all(
            {"kind", "table", "name", "statements"} <= step.keys()
            for part in value.get("plans", [value])
            for step in part["steps"]
        )
    except (AttributeError, KeyError, TypeError):
        return False


_SECONDS = Kind(
    "a number of seconds, 0 or more", "SECONDS", float, lambda value: _is_number(value, int, float)
)
_COUNT = Kind("a whole number, 0 or more", "NUMBER", int, lambda value: _is_number(value, int))
FLAG = Kind(
    "True or False", "", lambda text: _FLAGS[text.lower()], lambda value: isinstance(value, bool)
)
_WORD = Kind('"raise" or "skip"', "raise|skip", str, ("raise", "skip").__contains__)
_LINES = Kind('lines such as "AM201 table.column"', "", str, _is_lines)
_DOCUMENT = Kind("a plan as JSON, of this version", "", str, _is_document)
_CALLED = Kind("a function", "", str, callable)
_FOLDER = Kind(
    "a folder's path",
    "DIR",
    str,
    lambda value: isinstance(value, str | os.PathLike) and bool(value),
)
_NAME = Kind(
    "a text of at most 100 letters",
    "NAME",
    str,
    lambda value: isinstance(value, str) and value.isprintable() and 0 < len(value) <= 100,
)


def _option(default: Any, kind: Kind, words: str = "") -> Any:
    """Make a field; without ``words`` it is for Python only."""
    return field(default=default, metadata={"kind": kind, "help": words})


@dataclass(frozen=True, slots=True)
class Options:
    """How to migrate.

    ``on_blocked``: "raise" before anything runs, or "skip" the blocked items and do the rest.
    ``lock_wait``, ``wait``: seconds to wait for other migrators, for the database to come up.
    ``lock_timeout``: seconds to wait for a table's lock, tried again within ``lock_wait``.
    ``online_rows``: an index on a larger table is built without blocking writes, where that can be.
    ``atomic``: one transaction, no online builds. ``on_step``: called with a `StepEvent`.
    ``on_plan``: called with the `Plan` before the lock is taken, and once more under the lock if
    others have changed the database: the last is what runs. ``samples``: False leaves values of
    rows out of all texts, True shows them in logged lines too. ``accept``: known findings, such as
    "AM201 user.age", told apart. ``reviewed``: what `Plan.to_dict` gave; nothing else runs.
    ``scripts``: a folder of own scripts, each of which runs once. ``backup``: a folder for a backup
    of the database, written before anything is applied. ``release``: a name for the ledger's row.
    """

    on_blocked: Literal["raise", "skip"] = _option(
        "raise", _WORD, "Stop before anything runs, or skip what is blocked and do the rest."
    )
    lock_wait: float = _option(60.0, _SECONDS, "Seconds to wait for other migrators.")
    lock_timeout: float = _option(
        3.0, _SECONDS, "Seconds that a statement may wait for a table's lock; tried again."
    )
    online_rows: int = _option(
        10_000, _COUNT, "Build indexes without blocking writes on tables with more rows."
    )
    atomic: bool = _option(False, FLAG, "One transaction, no online builds.")
    on_step: Callable[[StepEvent], None] | None = _option(None, _CALLED)
    on_plan: Callable[[Plan], None] | None = _option(None, _CALLED)
    wait: float = _option(
        0.0, _SECONDS, "Seconds to wait for a database that can't be reached yet."
    )
    samples: bool | None = _option(
        None,
        FLAG,
        "Show values of rows, such as keys that repeat; logged lines show them when asked only.",
    )
    accept: Collection[str] = _option((), _LINES)
    reviewed: Mapping[str, Any] | None = _option(None, _DOCUMENT)
    scripts: str | os.PathLike[str] | None = _option(
        None, _FOLDER, "Run the own scripts of this folder too, each once."
    )
    backup: str | os.PathLike[str] | None = _option(
        None, _FOLDER, "Write a backup to this folder before anything is applied."
    )
    release: str | None = _option(None, _NAME, "Note the run in a table, under this name.")

    def __post_init__(self) -> None:
        """Raise `ValueError` for a value of another type, or one that means nothing."""
        for known in fields(self):
            _checked(known.name, getattr(self, known.name))


class Given(TypedDict, total=False):  # for type checkers
    on_blocked: Literal["raise", "skip"]
    lock_wait: float
    lock_timeout: float
    online_rows: int
    atomic: bool
    on_step: Callable[[StepEvent], None] | None
    on_plan: Callable[[Plan], None] | None
    wait: float
    samples: bool | None
    accept: Collection[str]
    reviewed: Mapping[str, Any] | None
    scripts: str | os.PathLike[str] | None
    backup: str | os.PathLike[str] | None
    release: str | None


TEXTUAL = {known.name: known for known in fields(Options) if known.metadata["help"]}
"""The options that can be given as text, by name: each field, whose metadata has the rest."""


def _checked(name: str, value: Any) -> Any:
    known = Options.__dataclass_fields__[name]
    kind = known.metadata["kind"]
    if not (value is None is known.default or kind.fits(value)):
        raise ValueError(f"{name} is {value!r}; use {kind.allowed}.")
    return value


def combined(options: Options | None, others: Given) -> Options:
    """Return options of which some have other values. Raises `ValueError` as `Options` does."""
    if not isinstance(options, Options | None):
        raise ValueError(f"options is {options!r}; use an Options.")
    return replace(options or Options(), **others)


def read(name: str, text: object) -> Any:
    """Return the value of an option that environments and files hold as text.

    Raises `ValueError` for one that means nothing.
    """
    kind = TEXTUAL[name].metadata["kind"]
    try:
        return _checked(name, kind.parse(str(text)))
    except (ValueError, KeyError):
        raise ValueError(f"{name} is {text!r}; use {kind.allowed}.") from None
