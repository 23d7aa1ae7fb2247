"""Lays out a plan for a terminal: columns, hanging indents, colours.

Enters: plans, lines of texts with their roles, and a `Style`. Leaves: lines. Prints nothing.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..report import INDENT, Cell, Plan, count_line, parts_of, words_of


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


def text(plan: Plan, style: Style) -> str:
    """Return a plan for a person: the steps by table, the blocked items, drift, notes, a count."""
    return "\n".join([*body(plan, style), *fitted([("heading", count_line(plan))], style)])


def body(plan: Plan, style: Style) -> list[str]:
    """Return the lines of a plan without its count; a width has empty ones between the parts."""
    parts = parts_of(plan, sql=style.sql, is_wrapped=style.width is not None)
    is_apart = style.width is not None and len(parts) > bool(plan.summary)
    lines = []
    for part in parts:
        lines += [line for cells in part for line in fitted(cells, style)]
        lines += [""] if is_apart else []
    return lines


def fitted(cells: Sequence[Cell], style: Style) -> list[str]:
    """Return one line if it fits. Else what does not fit stands below, broken where a cell is
    blank, then between words; SQL and names are never broken.
    """
    if _fits(cells, style) or cells[-1][0] == "sql":
        return ["".join(style.paint(*cell) for cell in cells)]
    gaps = [number for number, (_, words) in enumerate(cells) if words.isspace()]
    if not gaps:
        return _wrapped(cells, style)
    place = max((gap for gap in gaps if _fits(cells[:gap], style)), default=gaps[0])
    (role, words), *others = cells[place + 1 :]
    return fitted(cells[:place], style) + fitted([(role, INDENT + words), *others], style)


def _fits(cells: Sequence[Cell], style: Style) -> bool:
    return style.width is None or len(words_of(cells)) <= style.width


def _wrapped(cells: Sequence[Cell], style: Style) -> list[str]:
    """Return lines of which the first cell's role colours that cell, or all where it is alone."""
    (role, lead), *others = cells
    first, *below = textwrap.wrap(
        words_of(cells),
        style.width or 0,
        subsequent_indent=INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )
    if not others:
        return [style.paint(role, line) for line in (first, *below)]
    return [style.paint(role, lead) + first.removeprefix(lead), *below]
