"""What is known and accepted: findings that a person has seen, each as a line "CODE target".

Enters: plans, and such lines. Leaves: plans in which these findings stand apart. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from .changes import Finding
from .report import Plan
from .schema import Ref, TableName
from .texts import note

HEADER = "# Findings that are known and accepted: a code and its target in each line.\n"


def line_of(finding: Finding) -> str:
    """Return the line that accepts a finding."""
    return " ".join(filter(None, (finding.code, finding.subject)))


def lines_in(text: str) -> list[str]:
    """Return the lines of a file, without comments, which begin a line or follow a space."""
    lines = (f" {line}".partition(" #")[0] for line in text.splitlines())
    return [" ".join(line.split()) for line in lines if line.strip()]


def text_of(plans: Iterable[Plan]) -> str:
    """Return the file that accepts all drift and all notes of these plans."""
    lines = {line_of(found) for made in plans for found in (*made.findings, *made.accepted)}
    return HEADER + "".join(f"{line}\n" for line in sorted(lines))


def with_accepted(plans: Sequence[Plan], lines: Collection[str]) -> list[Plan]:
    """Return the plans with what the lines accept apart, and a note for each line that accepts
    nothing in any of them. What is blocked can't be accepted.
    """
    every = [[(line_of(found), found) for found in made.findings] for made in plans]
    stale = sorted({*lines} - {line for found in every for line, _ in found})
    notes = [
        note("AM313", Ref("table", TableName(None, target)), known=code)
        for code, target in (line.split(" ", 1) for line in stale)
    ]
    made = []
    for number, (one, found) in enumerate(zip(plans, every, strict=True)):
        accepted = tuple(each for line, each in found if line in lines)
        kept = tuple(each for each in one.findings if each not in accepted)
        kept += () if number else tuple(notes)
        made.append(replace(one, findings=kept, accepted=(*one.accepted, *accepted)))
    return made
