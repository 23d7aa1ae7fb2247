"""Writes docs/findings.md: every finding's code, level, text and remedy.

Enters: the texts of `peewee_automigrate.texts`. Leaves: a page of Markdown, in which a word in
italics stands for what each finding fills in. Run it as ``python -m docs.findings``.
"""

from __future__ import annotations

import string
from pathlib import Path

from peewee_automigrate.texts import QUESTIONS, TEXTS

PATH = Path(__file__).with_suffix(".md")

INTRODUCTION = """\
# Findings

<!-- Written by `python -m docs.findings` from the package's texts: change those, not this page. -->

A finding is one thing that a plan says of an object of the database. It prints as its level, its
code, the object, a fact and a remedy, and is a `Finding` in `plan.blocked` or `plan.findings`:

```text
! blocked AM108 user: the name is taken by a view. Give the model another table name.
```

A code never changes its meaning, and each reason has a code of its own. A word in *italics* is
filled in. Where there is SQL that a person could run, it stands below the finding.
"""

LEVELS = {
    "blocked": "is missing, and must not be added blindly. `migrate` raises `MigrationBlocked` "
    'with all of them before anything runs; `on_blocked="skip"` leaves them out.',
    "drift": "exists and differs from the models. It is never touched; `check --strict` fails.",
    "note": "only informs.",
}
SERIES = {"1": "blocked", "2": "drift", "3": "note"}

WORDS = {
    "actual": "this",
    "check": "its CHECK",
    "child": "one thing",
    "declared": "that",
    "default": "value",
    "engine": "MyISAM, or another",
    "groups": "so many keys stand",
    "limit": "so many",
    "others": "columns",
    "owner": "another object",
    "role": "",
    "rows": "so many",
    "samples": "up to five of them",
    "seconds": "so many",
    "server": "the server",
    "sql": "statement",
    "triggers": "names",
    "wanted": "the index",
    "what": "something",
}
"""What stands for a placeholder, where its own name does not tell."""

OF_CODE = {
    ("AM102", "what"): "part of the primary key, or a stored generated column",
    ("AM107", "kind"): "view, or another relation that is no table",
    ("AM112", "what"): "the schema is not there, or none of the search path is",
    ("AM115", "parent"): "the parent's column",
    ("AM118", "child"): "of one type",
    ("AM118", "parent"): "of another",
    ("AM120", "why"): "the database adds no column with a UNIQUE constraint",
    ("AM137", "what"): "one of the two tables",
    ("AM138", "what"): "one of the two tables",
    ("AM139", "child"): "of one collation",
    ("AM139", "parent"): "of another",
    ("AM303", "kind"): "view, or another relation that is no table",
}


def level_of(code: str) -> str:
    """Return the level of the findings with a code."""
    return "note" if code in QUESTIONS else SERIES[code[2]]


def readable(code: str, text: str) -> str:
    """Return a text as Markdown, with a word in italics for each thing that is filled in."""
    parts = []
    for literal, name, *_ in string.Formatter().parse(text):
        parts.append(literal.replace("|", "\\|"))
        word = OF_CODE.get((code, name), WORDS.get(name, name)) if name else ""
        parts.append(f"*{word}*" if word else "")
    return "".join(parts)


def page() -> str:
    """Return the whole page."""
    lines = [INTRODUCTION]
    for level, meaning in LEVELS.items():
        lines += [f"## {level.capitalize()}", "", f"What {meaning}", ""]
        lines += ["| code | what it says | what to do |", "|---|---|---|"]
        for code in sorted(TEXTS):
            if level_of(code) == level:
                fact, remedy = (readable(code, text) for text in TEXTS[code])
                lines.append(f"| {code} | {fact} | {remedy} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    PATH.write_text(page(), "utf-8")
