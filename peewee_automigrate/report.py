"""`Plan` and `Report`, and how they read: text, SQL, JSON, Markdown.

Enters: steps and findings. Leaves: text and plain dicts. Runs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from .changes import Finding, Step, visible

Cell: TypeAlias = tuple[str, str]
"""A role, such as "add" or "blocked", and a text."""
Line: TypeAlias = list[Cell]
Cells: TypeAlias = tuple[Cell, Cell, Cell]
"""Of a step: what it does, its cost, its reason."""

VERSION = 1
INDENT = " " * 6
GAP = "  "
UNFILLED = (
    "-- Pasted, this leaves NULL in the rows that stand, and a later migrate does not fill them: "
    "fill them by hand, or let migrate add the column."
)
_SIGNS = {"blocked": "!", "drift": "~", "note": "·"}
_MARKS = re.compile(r"[\\`*\[\]<>&|~]|(?<![^\W_])_|_(?![^\W_])")
_FOLDED = 6  # lines of a script that a plan shows whole
_LONG = 60  # a longer step moves only its own cost


@dataclass(frozen=True)
class Plan:
    """What `migrate` would do, and what it would not. True when there is anything to add.

    ``steps`` are in the order in which they would run; ``blocked`` is missing and must not be
    added blindly; ``findings`` are all others, drift before notes, but for those ``accepted``.
    """

    steps: tuple[Step, ...]
    blocked: tuple[Finding, ...] = ()
    findings: tuple[Finding, ...] = ()
    summary: str = field(default="", compare=False)
    accepted: tuple[Finding, ...] = ()
    database: str = field(default="", compare=False)

    def __bool__(self) -> bool:
        return bool(self.steps or self.blocked)

    def __str__(self) -> str:
        lines = [line for part in parts_of(self) for line in part]
        return "\n".join(map(words_of, [*lines, [("heading", count_line(self))]]))

    @property
    def drift(self) -> tuple[Finding, ...]:
        """The findings about what exists and differs."""
        return tuple(finding for finding in self.findings if finding.level == "drift")

    def sql(self) -> list[str]:
        """Return the statements that `migrate` would send, in order, without transactions."""
        return [statement for step in self.steps for statement in step.statements]

    def _repr_markdown_(self) -> str:
        """Return it for a notebook."""
        return markdown(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON-ready dicts, under a ``version`` that rises when keys change."""
        return {
            "version": VERSION,
            "database": self.database,
            "steps": [_step_dict(step) for step in self.steps],
            "blocked": [_finding_dict(finding) for finding in self.blocked],
            "findings": [_finding_dict(finding) for finding in self.findings],
            "accepted": [_finding_dict(finding) for finding in self.accepted],
        }


@dataclass(frozen=True)
class Report:
    """What `migrate` did. True when something was applied; prints as one summary line.

    ``applied`` are the steps that ran, in order; ``skipped`` the blocked findings that
    ``on_blocked="skip"`` left out; ``waited`` and ``duration`` are seconds.
    """

    applied: tuple[Step, ...]
    findings: tuple[Finding, ...] = ()
    skipped: tuple[Finding, ...] = ()
    waited: float = 0.0
    duration: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.applied)

    def __str__(self) -> str:
        done = f"applied {counted(self.applied)}" if self.applied else "nothing to do"
        parts = [f"{done} in {self.duration:.2f} s"]
        if self.skipped:
            parts.append(f"{len(self.skipped)} blocked and skipped")
        if self.waited >= 0.1:
            parts.append(f"waited {self.waited:.1f} s for the lock")
        return ", ".join(parts) + "."


def _finding_dict(finding: Finding) -> dict[str, Any]:
    names = ("code", "level", "table", "name", "fact", "remedy", "sql")
    return {name: getattr(finding, name) for name in names}


def joined(plans: Sequence[Plan]) -> dict[str, Any]:
    """Return one document for the plans of several databases; that of one is its own."""
    parts = [made.to_dict() for made in plans]
    return parts[0] if len(parts) == 1 else {"version": VERSION, "plans": parts}


def _step_dict(step: Step) -> dict[str, Any]:
    names = ("kind", "table", "name", "statements", "effect", "rows", "blocks", "reason")
    return {name: getattr(step, name) for name in names} | {"statements": list(step.statements)}


def counted(steps: Sequence[Step]) -> str:
    """Return "2 tables, 1 column, 3 indexes" for steps."""
    kinds = ["create_schema", "create_table", "add_column", "add_index", "add_foreign_key"]
    numbers = {kind: sum(step.kind == kind for step in steps) for kind in kinds}
    words = {kind: kind.partition("_")[2].replace("_", " ") for kind in kinds}
    return ", ".join(_number(number, words[kind]) for kind, number in numbers.items() if number)


def _number(number: int, word: str) -> str:
    ending = "es" if word == "index" else "s"
    return f"{number} {word}{'' if number == 1 else ending}"


def parts_of(plan: Plan, *, sql: bool = False, is_wrapped: bool = False) -> list[list[Line]]:
    """Return a plan for logs and `grep`, a line for each step and each finding, without a count, in
    parts: summary, steps, what is blocked, other findings. A part without lines is left out.

    ``sql``: the statements too. ``is_wrapped``: what a person pastes stands on lines of its own.
    """
    steps: list[Line] = []
    rows = rows_of(plan.steps)
    name, cost = (max((len(row[2][n][1]) for row in rows), default=0) for n in (0, 1))
    for heading, step, cells in rows:
        steps += [[("heading", heading)]] if heading else []
        steps.append(padded(cells, (min(name, _LONG), cost)))
        steps += [[("", INDENT), ("sql", visible(one))] for one in closed(step.statements) if sql]
    head: list[Line] = [[("heading", plan.summary)]] if plan.summary else []
    blocked, others = (
        [line for each in found for line in _said(each, sql, is_wrapped)]
        for found in (plan.blocked, told(plan))
    )
    return [part for part in (head, steps, blocked, others) if part]


def _said(finding: Finding, is_whole: bool, is_wrapped: bool) -> list[Line]:
    script, remedy = finding.sql or "", finding.remedy
    if is_wrapped:
        remedy = remedy.removesuffix(script).rstrip()
    line = [lead_of(finding), ("", f" {finding.head}"), ("", " "), ("", visible(remedy))]
    is_shown = script and (is_wrapped or script not in str(finding))
    lines = script_of(finding, is_whole=is_whole) if is_shown else ()
    return [line if remedy else line[:2], *([("", INDENT), ("sql", one)] for one in lines)]


def words_of(line: Sequence[Cell]) -> str:
    """Return the text of a line."""
    return "".join(words for _, words in line)


def padded(cells: Cells, widths: tuple[int, int]) -> list[Cell]:
    """Return cells as a line in which the first two have these widths; it ends in no spaces."""
    line = [cells[0]]
    for (_, before), cell, width in zip(cells, cells[1:], widths, strict=False):
        line += [("", " " * (width - len(before)) + GAP), cell]
    while line and not line[-1][1].strip():
        line.pop()
    return line


def rows_of(steps: Sequence[Step]) -> list[tuple[str, Step, Cells]]:
    """Return the steps by table, each with the heading before it, "" for none."""
    tables: dict[str, list[Step]] = {}
    for step in steps:
        tables.setdefault(step.table, []).append(step)
    rows = []
    for table, its in tables.items():
        heading = visible(table) if len(its) > 1 or its[0].name else ""
        sign = "  + " if heading else "+ "
        for step in its:
            busy = "cost" if step.blocks == "nothing" else "blocks"
            cells = ("add", f"{sign}{step}"), (busy, _cost(step)), ("reason", visible(step.reason))
            rows.append((heading if step is its[0] else "", step, cells))
    return rows


def told(plan: Plan) -> list[Finding]:
    """Return the findings but for the abstract bases, which the first line names."""
    return [finding for finding in plan.findings if finding.code != "AM307"]


def script_of(finding: Finding, *, is_whole: bool = True) -> list[str]:
    """Return the lines of a finding's SQL; a long script is cut unless it is wanted whole."""
    lines = [visible(line) for line in f"{finding.sql};".split("\n")]
    if is_whole or len(lines) <= _FOLDED:
        return lines
    more = f"-- ... and {len(lines) - 2} more lines, with --verbose, --format markdown or in .sql"
    return [*lines[:2], more]


def lead_of(finding: Finding) -> Cell:
    """Return what a finding's line begins with."""
    return finding.level, f"{_SIGNS[finding.level]} {finding.level} {finding.code}"


def _cost(step: Step) -> str:
    number = f"~{step.rows:,}" if step.rows > 0 else "?"
    rows = f" {number} row{'s' if step.rows != 1 else ''}" if step.rows else ""
    blocks = "" if step.blocks == "nothing" else f", blocks {step.blocks}"
    return f"{step.effect}{rows}{blocks}"


def count_line(plan: Plan) -> str:
    """Return how much there is to add, and how many findings there are."""
    todo = [counted(plan.steps)] if plan.steps else []
    todo += [f"{len(plan.blocked)} blocked"] if plan.blocked else []
    notes = len(told(plan)) - len(plan.drift)
    rest = [f"{len(plan.drift)} drift"] if plan.drift else []
    rest += [_number(notes, "note")] if notes else []
    rest += [f"{len(plan.accepted)} accepted"] if plan.accepted else []
    lead = "To add: " if plan.steps else ""
    found = f" {', '.join(rest)}." if rest else ""
    return f"{lead}{', '.join(todo) or 'Nothing to do'}.{found}"


def sql_text(plan: Plan) -> str:
    """Return the statements as a script, each closed by a semicolon, behind what is blocked."""
    blocked = [f"-- {lead_of(finding)[1][2:]} {finding}" for finding in plan.blocked]
    statements = [statement for step in plan.steps for statement in _pasted(step)]
    return "".join(f"{line}\n" for line in (*blocked, *closed(statements)))


def brief(plan: Plan) -> list[Cell]:
    """Return what is pending, blocked and drifting, one line each."""
    steps = [("step", f"+ {step}") for step in plan.steps]
    found = [(f.level, f"{lead_of(f)[1]} {f}") for f in (*plan.blocked, *plan.drift)]
    return [*steps, *found]


def _pasted(step: Step) -> tuple[str, ...]:
    """Return the statements of a step for a script. A column that SQL can't fill keeps its mark, so
    that `migrate` completes it; where nothing takes off a mark, there is none.
    """
    if step.fill is None:
        return step.statements
    kept = step.statements[: len(step.locked) + 1]
    return kept if step.after else (*kept, UNFILLED)


def closed(statements: Sequence[str]) -> list[str]:
    """Return statements each with its semicolon; a comment has none."""
    return [sql if sql.startswith("--") else f"{sql};" for sql in statements]


def markdown(plan: Plan) -> str:
    """Return a plan as Markdown, for a pull request's comment."""
    lines = [_cell(plan.summary), ""] if plan.summary else []
    if plan.steps:
        lines += ["| step | cost | why |", "|---|---|---|"]
        lines += [f"| {_cell(s)} | {_cost(s)} | {_cell(s.reason)} |" for s in plan.steps]
        lines += ["", *_fenced(sql_text(plan).rstrip().split("\n")), ""]
    findings = (*plan.blocked, *told(plan))
    for item in findings:
        lines.append(f"- **{item.level}** `{item.code}` {_cell(item)}")
        if item.sql:
            sql = _fenced(script_of(item))
            folded = ["", "<details><summary>SQL</summary>", "", *sql, "", "</details>", ""]
            lines += [f"  {line}".rstrip() for line in folded]
    lines += [""] if findings else []
    return "\n".join([*lines, count_line(plan)]) + "\n"


def _cell(value: object) -> str:
    """Return a text in which Markdown, and HTML, find nothing of theirs."""
    return _MARKS.sub(r"\\\g<0>", visible(str(value)))


def _fenced(lines: Sequence[str]) -> list[str]:
    """Return lines of SQL between fences, which are longer than what looks like one."""
    runs = map(len, re.findall("`+", "\n".join(lines)))
    fence = "`" * max(3, 1 + max(runs, default=0))
    return [f"{fence}sql", *lines, fence]
