"""Lays out a plan for a terminal: columns, hanging indents, colours.

Enters: plans, texts with their roles, and a `Style`. Leaves: lines. Prints nothing.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..changes import Finding, Step
from ..report import (
    GAP,
    INDENT,
    Cell,
    Cells,
    Plan,
    closed,
    count_line,
    lead_of,
    lines_of,
    padded,
    rows_of,
    script_of,
    told,
)

_NAME = 40  # what the first column needs; a longer cell stands on a line of its own
_LAST = 30  # what the last column needs to be read with ease
_NONE = ("", "")


def plain(role: str, text: str) -> str:
    """Return a text without any colour."""
    return text


@dataclass(frozen=True, slots=True)
class Style:
    """``width`` in characters, None for lines as long as they come; ``paint`` colours a text by
    its role; ``sql``: show the statements too.
    """

    width: int | None = None
    paint: Callable[[str, str], str] = plain
    sql: bool = False

    def line(self, cells: Sequence[Cell]) -> str:
        """Return cells as one line."""
        return "".join(self.paint(*cell) for cell in cells)


def text(plan: Plan, style: Style) -> str:
    """Return a plan for a person: the steps by table, the blocked items, drift, notes, a count."""
    return "\n".join([*body(plan, style), *painted(("heading", count_line(plan)), style)])


def body(plan: Plan, style: Style) -> list[str]:
    """Return the lines of a plan without its count; a width has empty ones between the parts."""
    if style.width is None:
        return [style.line(cells) for cells in lines_of(plan, sql=style.sql)]
    findings = [_findings(found, style) for found in (plan.blocked, told(plan))]
    parts = filter(None, [_steps(plan.steps, style), *findings])
    lines = [line for part in parts for line in (*part, "")]
    head = painted(("heading", plan.summary), style) if plan.summary else []
    return [*head, "", *lines] if head and lines else head + lines


def _steps(steps: Sequence[Step], style: Style) -> list[str]:
    lines = []
    rows = rows_of(steps)
    columns = _columns([cells for _, _, cells in rows], style)
    for (heading, step, _), row in zip(rows, columns, strict=True):
        lines += [style.paint("heading", heading), *row] if heading else row
        lines += [
            INDENT + style.paint("sql", line) for line in closed(step.statements) if style.sql
        ]
    return lines


def _columns(rows: Sequence[Cells], style: Style) -> list[list[str]]:
    """Return the lines of each row, aligned with those of the other rows; where the width does not
    suffice, the last cells stand below the first one.
    """
    name, cost = (max((len(row[n][1]) for row in rows), default=0) for n in (0, 1))
    room = (style.width or 0) - cost - len(GAP)
    left = room - _LAST - len(GAP)
    if left >= min(name, _NAME):
        return [_row(row, (min(name, left), cost), style) for row in rows]
    if room >= min(name, _NAME):
        widths = min(name, room), cost
        return [_row((*row[:2], _NONE), widths, style) + _below(row[2:], style) for row in rows]
    return [painted(row[0], style) + _below(row[1:], style) for row in rows]


def _row(cells: Cells, widths: tuple[int, int], style: Style) -> list[str]:
    """Return the lines of a row; its last cell is wrapped in what the others leave."""
    name, cost, (role, reason) = cells
    margin = sum(widths) + 2 * len(GAP)
    first, *others = _wrapped(reason, max((style.width or 0) - margin, 1), "")
    above = painted(name, style) if len(name[1]) > widths[0] else []
    start = padded((_NONE if above else name, cost, (role, first)), widths)
    below = [" " * margin + style.paint(role, line) for line in others]
    return [*above, style.line(start), *below]


def _below(cells: Sequence[Cell], style: Style) -> list[str]:
    return [line for cell in cells if cell[1] for line in painted(cell, style, INDENT)]


def _findings(findings: Sequence[Finding], style: Style) -> list[str]:
    lines = []
    for finding in findings:
        sql, lead = finding.sql or "", lead_of(finding)
        remedy = finding.remedy.removesuffix(sql).rstrip()
        whole = paragraph(f"{finding.head} {remedy}".rstrip(), style, lead)
        if len(whole) > 1:
            remedied = painted(("remedy", remedy), style, INDENT)
            whole = paragraph(finding.head, style, lead) + remedied
        scripts = script_of(finding, is_whole=style.sql) if sql else ()
        lines += [*whole, *(INDENT + style.paint("sql", line) for line in scripts)]
    return lines


def paragraph(text: str, style: Style, lead: Cell) -> list[str]:
    """Return the lines of a text that begins with ``lead``, the others indented."""
    role, start = lead
    lines = _wrapped(f"{start} {text}", style.width, INDENT)
    shown = min(len(start), len(lines[0]))
    return [style.paint(role, lines[0][:shown]) + lines[0][shown:], *lines[1:]]


def painted(cell: Cell, style: Style, indent: str = "") -> list[str]:
    """Return the lines of a text, all of one colour; ``indent`` is that of the first."""
    role, text = cell
    lines = _wrapped(indent + text, style.width, INDENT)
    words = [line.lstrip() for line in lines]
    return [
        line.removesuffix(word) + style.paint(role, word)
        for line, word in zip(lines, words, strict=True)
    ]


def _wrapped(text: str, width: int | None, indent: str) -> list[str]:
    """Names are never cut: one that is longer than the line stands on a line of its own."""
    if width is None:
        return [text]
    return textwrap.wrap(
        text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    ) or [""]
