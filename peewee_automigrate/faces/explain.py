"""The page of each finding: its code, level, what it says and what to do. `docs/findings.md` too.

Enters: codes. Leaves: lines. Reads no database, no models.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence

import click

from ..errors import AutoMigrateError
from ..texts import QUESTIONS, TEXTS
from .terminal import show

_SERIES = {"1": "blocked", "2": "drift", "3": "note"}

# What stands for a placeholder where its own name does not tell, in one text or in all.
_WORDS = """
actual: this; check: its CHECK; child: one thing; declared: that; default: value;
engine: MyISAM, or another; groups: so many keys stand; limit: so many; others: columns;
owner: another object; role: ; rows: so many; samples: up to five of them; seconds: so many;
server: the server; sql: statement; triggers: names; wanted: the index; what: something;
AM102 what: part of the primary key, or a stored generated column;
AM107 kind: view, or another relation that is no table;
AM112 what: the schema is not there, or none of the search path is;
AM115 parent: the parent's column; AM118 child: of one type; AM118 parent: of another;
AM120 why: the database adds no column with a UNIQUE constraint;
AM137 what: one of the two tables; AM138 what: one of the two tables;
AM139 child: of one collation; AM139 parent: of another;
AM157 started: a moment; AM157 name: NAME; AM318 others: another file; number: in numbers;
AM303 kind: view, or another relation that is no table
"""
_PARTS = (part.partition(":") for part in _WORDS.split(";"))
_OF = {name.strip(): " ".join(word.split()) for name, _, word in _PARTS}


def level_of(code: str) -> str:
    """Return the level of the findings with a code."""
    return "note" if code in QUESTIONS else _SERIES[code[2]]


def readable(code: str, text: str, mark: Callable[[str], str]) -> str:
    """Return a text with a marked word for each thing that is filled in."""
    parts = []
    for literal, name, *_ in string.Formatter().parse(text):
        word = _OF.get(f"{code} {name}", _OF.get(name, name)) if name else ""
        parts += [literal, mark(word) if word else ""]
    return "".join(parts)


@click.command("explain")
@click.argument("codes", nargs=-1, metavar="[CODE]...")
def explain_command(codes: Sequence[str]) -> None:
    """Tell what a finding's code means, such as AM105, and what to do; without one list all."""
    for code in codes and map(_known, codes):
        fact, remedy = (readable(code, text, "<{}>".format) for text in TEXTS[code])
        show(f"{code} {level_of(code)}: {fact}\n  What to do: {remedy}")
    for code in () if codes else sorted(TEXTS):
        show(f"{code} {level_of(code):7} {readable(code, TEXTS[code][0], '<{}>'.format)}")


def _known(word: str) -> str:
    code = word.upper()
    code = f"AM{code}" if code.isdecimal() else code
    if code in TEXTS:
        return code
    near = ""
    if code[2:].isdecimal():
        close = sorted(TEXTS, key=lambda known: (abs(int(known[2:]) - int(code[2:])), known))
        near = f" The nearest are {', '.join(close[:3])}."
    path = click.get_current_context().command_path
    raise AutoMigrateError(f'{word}: no such code.{near} "{path}" lists all.')
