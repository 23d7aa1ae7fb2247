"""`Plan` and `Report`, and how they read: text, SQL, JSON, Markdown.

Enters: steps and findings. Leaves: text and plain dicts. Runs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from .schema import Finding, Step

VERSION = 1
_SIGNS = {"blocked": "!", "drift": "~", "note": "·"}


@dataclass(frozen=True)
class Plan:
    """What `migrate` would do, and what it would not. True when there is anything to add.

    ``steps`` are in the order in which they would run; ``blocked`` is missing and must not be
    added blindly; ``findings`` are all others, drift before notes.
    """

    steps: tuple[Step, ...]
    blocked: tuple[Finding, ...] = ()
    findings: tuple[Finding, ...] = ()
    summary: str = field(default="", compare=False)

    def __bool__(self) -> bool:
        return bool(self.steps or self.blocked)

    def __str__(self) -> str:
        return text(self)

    @property
    def drift(self) -> tuple[Finding, ...]:
        """The findings about what exists and differs."""
        return tuple(finding for finding in self.findings if finding.level == "drift")

    def sql(self) -> list[str]:
        """Return the statements that `migrate` would send, in order, without transactions."""
        return [statement for step in self.steps for statement in step.statements]

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON-ready dicts, under a ``version`` that rises when keys change."""
        return {
            "version": VERSION,
            "steps": [_step_dict(step) for step in self.steps],
            "blocked": [asdict(finding) for finding in self.blocked],
            "findings": [asdict(finding) for finding in self.findings],
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


def _step_dict(step: Step) -> dict[str, Any]:
    return {
        "kind": step.kind,
        "table": step.table,
        "name": step.name,
        "statements": list(step.statements),
        "effect": step.effect,
        "rows": step.rows,
        "blocks": step.blocks,
        "reason": step.reason,
    }


def counted(steps: Sequence[Step]) -> str:
    """Return "2 tables, 1 column, 3 indexes" for steps."""
    names = {
        "create_schema": ("schema", "schemas"),
        "create_table": ("table", "tables"),
        "add_column": ("column", "columns"),
        "add_index": ("index", "indexes"),
        "add_foreign_key": ("foreign key", "foreign keys"),
    }
    numbers = {kind: sum(step.kind == kind for step in steps) for kind in names}
    return ", ".join(
        f"{number} {names[kind][number != 1]}" for kind, number in numbers.items() if number
    )


def text(plan: Plan) -> str:
    """Return a plan for a person: a line a step, the blocked items, drift, notes, a count."""
    lines = [plan.summary] if plan.summary else []
    lines += _step_lines(plan.steps)
    for finding in (*plan.blocked, *plan.findings):
        lines.append(f"{_SIGNS[finding.level]} {finding.level} {finding.code} {finding}")
        if finding.sql and finding.sql not in str(finding):
            lines.append(f"    {finding.sql};")
    return "\n".join([*lines, _count_line(plan)])


def _step_lines(steps: Sequence[Step]) -> list[str]:
    rows = [(f"+ {step}", _cost(step), step.reason) for step in steps]
    widths = [max((len(row[n]) for row in rows), default=0) for n in range(2)]
    return [
        f"{what:<{min(widths[0], 60)}}  {cost:<{widths[1]}}  {reason}".rstrip()
        for what, cost, reason in rows
    ]


def _cost(step: Step) -> str:
    cost = step.effect
    if step.rows:
        cost += f" ~{step.rows:,} rows" if step.rows > 0 else " ? rows"
    return cost if step.blocks == "nothing" else f"{cost}, blocks {step.blocks}"


def _count_line(plan: Plan) -> str:
    parts = [counted(plan.steps)] if plan.steps else []
    parts += [f"{len(plan.blocked)} blocked"] if plan.blocked else []
    todo = ", ".join(parts) if parts else "Nothing to do"
    notes = len(plan.findings) - len(plan.drift)
    rest = [f"{len(plan.drift)} drift"] if plan.drift else []
    rest += [f"{notes} note{'s' if notes > 1 else ''}"] if notes else []
    lead = f"To add: {todo}" if plan.steps else todo
    return f"{lead}. {', '.join(rest) + '.' if rest else ''}".rstrip()


def sql_text(plan: Plan) -> str:
    """Return the statements as a script, each closed by a semicolon."""
    return "".join(
        f"{statement}\n" if statement.startswith("--") else f"{statement};\n"
        for statement in plan.sql()
    )


def markdown(plan: Plan) -> str:
    """Return a plan as Markdown, for a pull request's comment."""
    lines = []
    if plan.steps:
        lines += ["| step | cost | why |", "|---|---|---|"]
        lines += [
            f"| {_cell(step)} | {_cost(step)} | {_cell(step.reason)} |" for step in plan.steps
        ]
        lines += ["", "```sql", sql_text(plan).rstrip(), "```", ""]
    findings = (*plan.blocked, *plan.findings)
    lines += [f"- **{item.level}** `{item.code}` {_cell(item)}" for item in findings]
    lines += [""] if findings else []
    return "\n".join([*lines, _count_line(plan)]) + "\n"


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
