"""Lays out lines for a person: columns, hanging indents, colours.

Enters: texts with their roles, and a `Style`. Leaves: lines. Prints nothing, and knows nothing
of plans.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Cell: TypeAlias = tuple[str, str]
"""A role, such as "add" or "blocked", and a text."""

INDENT = " " * 6
_GAP = "  "
_LONG = 60  # of lines without a width: a longer first cell moves only its own row's others
_NAME = 40  # what the first column needs; a longer cell stands on a line of its own
_LAST = 30  # what the last column needs to be read with ease


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


PLAIN = Style()


def paragraph(text: str, style: Style, lead: Cell = ("", ""), indent: str = INDENT) -> list[str]:
    """Return the lines of a text that begins with ``lead``, the others indented."""
    role, start = lead
    lines = _wrapped(start + text, style.width, indent)
    shown = min(len(start.rstrip()), len(lines[0]))
    return [style.paint(role, lines[0][:shown]) + lines[0][shown:], *lines[1:]]


def painted(cell: Cell, style: Style, indent: str = "", rest: str = INDENT) -> list[str]:
    """Return the lines of a text, all of one colour, each but the first indented by ``rest``."""
    role, text = cell
    lines = _wrapped(indent + text, style.width, rest)
    margins = [len(line) - len(line.lstrip()) for line in lines]
    return [
        line[:margin] + style.paint(role, line[margin:])
        for line, margin in zip(lines, margins, strict=True)
    ]


def _wrapped(text: str, width: int | None, indent: str) -> list[str]:
    """Names are never cut: one that is longer than the line stands on a line of its own."""
    if width is None:
        return [text]
    return textwrap.wrap(
        text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    ) or [""]


def columns(rows: Sequence[Sequence[Cell]], style: Style) -> list[list[str]]:
    """Return the lines of each row of three cells, aligned with those of the other rows.

    Where the width does not suffice, the last cells stand below the first one.
    """
    name, cost, _ = (max((len(row[n][1]) for row in rows), default=0) for n in range(3))
    if style.width is None:
        return [[_line(row, (min(name, _LONG), cost), style)] for row in rows]
    room = style.width - cost - len(_GAP)
    left = room - _LAST - len(_GAP)
    if left >= min(name, _NAME):
        return [_row(row, (min(name, left), cost), style) for row in rows]
    widths = (min(name, room), cost) if room >= min(name, _NAME) else ()
    return [_row(row[:2], widths, style) + _below(row[2:], style) for row in rows]


def _row(cells: Sequence[Cell], widths: tuple[int, ...], style: Style) -> list[str]:
    """Return the lines of a row; its last cell is wrapped in what the others leave."""
    if not widths:
        return painted(cells[0], style) + _below(cells[1:], style)
    lines: list[str] = []
    (role, name), cost, *last = cells
    if len(name) > widths[0]:
        lines, name = painted((role, name), style), ""
    start = _line(((role, name), cost), widths, style)
    if not last or not last[0][1]:
        return [*lines, start]
    margin = sum(widths) + 2 * len(_GAP)
    assert style.width is not None
    wide = Style(style.width - margin, style.paint)
    first, *others = painted(last[0], wide, rest="")
    gap = " " * (margin - sum(widths[:1]) - len(_GAP) - len(cost[1]))
    return [*lines, start + gap + first, *(" " * margin + line for line in others)]


def _below(cells: Sequence[Cell], style: Style) -> list[str]:
    return [line for cell in cells if cell[1] for line in painted(cell, style, INDENT)]


def _line(cells: Sequence[Cell], widths: tuple[int, ...], style: Style) -> str:
    padded = [
        style.paint(role, text) + " " * (width - len(text))
        for (role, text), width in zip(cells, (*widths, 0), strict=False)
    ]
    return _GAP.join(padded).rstrip()
