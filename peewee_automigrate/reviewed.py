"""Holds a plan to the one that a person has reviewed, as JSON.

Enters: the plan that is made now, the reviewed one. Leaves: the plan with the reviewed constants,
or `PlanChanged`. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import ndiff
from itertools import zip_longest
from typing import Any

from .changes import AddColumn, Step
from .errors import PlanChanged
from .report import Plan

_MOMENT = r"'\d[\d :.T+-]*[:-][\d :.T+-]*'"  # what a callable such as now() gives
_HEAD = "the plan is not the one that was reviewed, nothing was changed. Reviewed (-) and now (+):"


def as_reviewed(made: Plan, document: Mapping[str, Any]) -> Plan:
    """Return a plan with the statements of the reviewed one, which differ at most in the moments
    that callables gave. With nothing left to do it is as reviewed: another process has done it.

    ``document``: what `Plan.to_dict` gave, or several of these as "plans". Raises `PlanChanged`
    for any other difference; rows, times and findings are none.
    """
    if not made.steps:
        return made
    reviewed = _steps(made, document)
    added = [step.change for step in made.steps if isinstance(step.change, AddColumn)]
    varying = [one for one in added if one.column.declared.default_is == "callable"]
    pairs = list(zip_longest(made.steps, reviewed))
    if not all(step and each and _agree(step, each, varying) for step, each in pairs):
        sides = [[line for each in reviewed for line in each["statements"]], made.sql()]
        lines = [line.rstrip() for line in ndiff(sides[0], sides[1]) if line[:1] in ("+", "-")]
        raise PlanChanged("\n  ".join((_HEAD, *(lines or ["(other steps of the same SQL)"]))))
    return replace(made, steps=tuple(_with(step, each["statements"]) for step, each in pairs))


def _steps(made: Plan, document: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the reviewed steps for the plan's database, none where it is not in there."""
    parts = document.get("plans", [document])
    found = (part for part in parts if len(parts) == 1 or part["database"] == made.database)
    steps: Sequence[Mapping[str, Any]] = next(found, {"steps": ()})["steps"]
    return steps


def _agree(step: Step, each: Mapping[str, Any], varying: Sequence[AddColumn]) -> bool:
    def shape(statements: Sequence[str]) -> str:
        text = "\0".join(statements)
        for column in (one.column.name for one in varying if str(one.table) == step.table):
            head = rf"(COLUMN .{re.escape(column)}. [^',]*DEFAULT [^',]*)"
            text = re.sub(head + _MOMENT, r"\1?", text)
        return text

    names = (each["kind"], each["table"], each["name"])
    alike = shape(step.statements) == shape(each["statements"])
    return alike and names == (step.kind, step.table, step.name)


def _with(step: Step, statements: Sequence[str]) -> Step:
    size = len(step.locked)
    after = statements[len(statements) - len(step.after) :]
    return replace(step, locked=tuple(statements[:size]), after=tuple(after))
