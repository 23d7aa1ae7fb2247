"""`Plan` and `Report`, and how they read: text, SQL, JSON, Markdown.

Enters: steps and findings. Leaves: text and plain dicts. Runs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from .changes import Finding, Step
from .layout import INDENT, PLAIN, Cell, Style, columns, painted, paragraph

VERSION = 1
UNFILLED = (
    "-- Pasted, this leaves NULL in the rows that stand, and a later migrate does not fill them: "
    "fill them by hand, or let migrate add the column."
)
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
    names = ("kind", "table", "name", "statements", "effect", "rows", "blocks", "reason")
    return {name: getattr(step, name) for name in names} | {"statements": list(step.statements)}


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


def text(plan: Plan, style: Style = PLAIN) -> str:
    """Return a plan for a person: the steps by table, the blocked items, drift, notes, a count.

    Without a width each step and each finding is one line, for logs and `grep`.
    """
    body = [
        _step_lines(plan.steps, style),
        _finding_lines(plan.blocked, style),
        _finding_lines(_told(plan), style),
    ]
    head = painted(("heading", plan.summary), style) if plan.summary else []
    count = painted(("heading", _count_line(plan)), style)
    gap = "\n\n" if style.width and any(body) else "\n"
    return gap.join("\n".join(lines) for lines in (head, *body, count) if lines)


def _told(plan: Plan) -> list[Finding]:
    """Leave out the abstract bases, which the first line names."""
    return [finding for finding in plan.findings if finding.code != "AM307"]


def _step_lines(steps: Sequence[Step], style: Style) -> list[str]:
    tables: dict[str, list[Step]] = {}
    for step in steps:
        tables.setdefault(step.table, []).append(step)
    headed = {table for table, its in tables.items() if len(its) > 1 or its[0].name and table}
    ordered = [step for its in tables.values() for step in its]
    rows = [_cells(step, "  + " if step.table in headed else "+ ") for step in ordered]
    lines = []
    for step, row in zip(ordered, columns(rows, style), strict=True):
        if step is tables[step.table][0] and step.table in headed:
            lines.append(style.paint("heading", step.table))
        lines += row
        if style.sql:
            lines += [INDENT + style.paint("sql", line) for line in _closed(step.statements)]
    return lines


def _cells(step: Step, sign: str) -> tuple[Cell, Cell, Cell]:
    busy = "cost" if step.blocks == "nothing" else "blocks"
    return ("add", f"{sign}{step}"), (busy, _cost(step)), ("reason", step.reason)


def _finding_lines(findings: Sequence[Finding], style: Style) -> list[str]:
    lines = []
    for finding in findings:
        lead = (finding.level, f"{_SIGNS[finding.level]} {finding.level} {finding.code} ")
        sql = finding.sql or ""
        if style.width is None:
            lines += paragraph(str(finding), style, lead)
            sql = "" if sql in str(finding) else sql
        else:
            remedy = finding.remedy.removesuffix(sql).rstrip()
            lines += _remedied(finding.head, remedy, style, lead)
        lines += [INDENT + style.paint("sql", f"{sql};")] if sql else []
    return lines


def _remedied(fact: str, remedy: str, style: Style, lead: Cell) -> list[str]:
    """Return a fact and what to do about it, on one line where there is room."""
    whole = paragraph(f"{fact} {remedy}".rstrip(), style, lead)
    if len(whole) == 1:
        return whole
    return paragraph(fact, style, lead) + painted(("remedy", remedy), style, INDENT)


def _cost(step: Step) -> str:
    cost = step.effect
    if step.rows:
        number = f"~{step.rows:,}" if step.rows > 0 else "?"
        cost += f" {number} row{'s' if step.rows != 1 else ''}"
    return cost if step.blocks == "nothing" else f"{cost}, blocks {step.blocks}"


def _count_line(plan: Plan) -> str:
    parts = [counted(plan.steps)] if plan.steps else []
    parts += [f"{len(plan.blocked)} blocked"] if plan.blocked else []
    todo = ", ".join(parts) if parts else "Nothing to do"
    notes = len(_told(plan)) - len(plan.drift)
    rest = [f"{len(plan.drift)} drift"] if plan.drift else []
    rest += [f"{notes} note{'s' if notes > 1 else ''}"] if notes else []
    lead = f"To add: {todo}" if plan.steps else todo
    return f"{lead}. {', '.join(rest) + '.' if rest else ''}".rstrip()


def sql_text(plan: Plan) -> str:
    """Return the statements as a script, each closed by a semicolon."""
    statements = [statement for step in plan.steps for statement in _pasted(step)]
    return "".join(f"{statement}\n" for statement in _closed(statements))


def _pasted(step: Step) -> tuple[str, ...]:
    """Return the statements of a step for a script. A column that SQL can't fill keeps its mark, so
    that `migrate` completes it; where nothing takes off a mark, there is none.
    """
    if step.fill is None:
        return step.statements
    kept = step.statements[: len(step.locked) + 1]
    return kept if step.after else (*kept, UNFILLED)


def _closed(statements: Sequence[str]) -> list[str]:
    return [sql if sql.startswith("--") else f"{sql};" for sql in statements]


def markdown(plan: Plan) -> str:
    """Return a plan as Markdown, for a pull request's comment."""
    lines = [plan.summary, ""] if plan.summary else []
    if plan.steps:
        lines += ["| step | cost | why |", "|---|---|---|"]
        lines += [
            f"| {_cell(step)} | {_cost(step)} | {_cell(step.reason)} |" for step in plan.steps
        ]
        lines += ["", "```sql", sql_text(plan).rstrip(), "```", ""]
    findings = (*plan.blocked, *_told(plan))
    lines += [f"- **{item.level}** `{item.code}` {_cell(item)}" for item in findings]
    lines += [""] if findings else []
    return "\n".join([*lines, _count_line(plan)]) + "\n"


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
