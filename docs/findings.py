"""Writes docs/findings.md: every finding's code, level, text and remedy.

Enters: the texts of `peewee_automigrate.texts`. Leaves: a page of Markdown, in which a word in
italics stands for what each finding fills in. Run it as ``python -m docs.findings``.
"""

from __future__ import annotations

from pathlib import Path

from peewee_automigrate.faces.explain import level_of, readable
from peewee_automigrate.texts import TEXTS

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


def marked(code: str, text: str) -> str:
    """Return a text as Markdown, with a word in italics for each thing that is filled in."""
    return readable(code, text.replace("|", "\\|"), "*{}*".format)


def page() -> str:
    """Return the whole page."""
    lines = [INTRODUCTION]
    for level, meaning in LEVELS.items():
        lines += [f"## {level.capitalize()}", "", f"What {meaning}", ""]
        lines += ["| code | what it says | what to do |", "|---|---|---|"]
        for code in sorted(TEXTS):
            if level_of(code) == level:
                fact, remedy = (marked(code, text) for text in TEXTS[code])
                lines.append(f"| {code} | {fact} | {remedy} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    PATH.write_text(page(), "utf-8")
