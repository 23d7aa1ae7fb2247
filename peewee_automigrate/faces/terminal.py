"""What the command line shows: plans laid out in colours and columns, a line that is rewritten.

Enters: plans, events, reports. Leaves: text on standard output, logged lines on standard error. In
a pipe there are neither colours nor rewritten lines, and no line is wrapped.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import click

from ..options import StepEvent
from ..printing import INDENT, Cell, brief, count_line, parts_of, words_of
from ..report import Plan, Report

COLOURS: dict[str, dict[str, Any]] = {
    "add": {"fg": "green"},
    "blocked": {"fg": "red", "bold": True},
    "drift": {"fg": "yellow"},
    "note": {"fg": "cyan"},
    "heading": {"bold": True},
    "blocks": {"fg": "yellow"},
    "reason": {"dim": True},
    "sql": {"fg": "blue"},
}
_NARROWEST = 40
_BAR = 30  # characters of a progress bar, where there is room
_PATIENCE = 1.0  # seconds of a step before there is a bar

Volume = Literal["quiet", "normal", "verbose"]


def wants_colour() -> bool:
    """Tell whether standard output gets colours: https://no-color.org, then FORCE_COLOR."""
    is_forced = os.environ.get("FORCE_COLOR", "0") not in ("", "0")
    return not os.environ.get("NO_COLOR") and (is_forced or _is_terminal())


def _is_terminal() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


class Style(NamedTuple):
    """``width`` in characters, None for lines as long as they come; ``sql``: statements too."""

    width: int | None = None
    colour: bool = False
    sql: bool = False

    def paint(self, role: str, words: str) -> str:
        """Colour a text by its role."""
        is_coloured = self.colour and words and role in COLOURS
        return click.style(words, **COLOURS[role]) if is_coloured else words


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


def show(words: str, *, err: bool = False, is_whole: bool = False, **settings: Any) -> None:
    """Print a line. Where nobody reads any more, or nothing fits, output is lost and the run goes
    on; what has to be ``is_whole`` raises `OSError` when there is no room for it.
    """
    try:
        click.echo(words, err=err, **settings)
    except OSError as error:
        _lose("stderr" if err else "stdout")
        if isinstance(error, BrokenPipeError) or err:
            return
        if is_whole:
            raise
        words = f"standard output: {error.strerror}. The run goes on; what it prints is lost."
        show(words, err=True)


def _lose(stream: str) -> None:
    """Let a stream of this process lead nowhere, or Python would fail at its end."""
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), getattr(sys, stream).fileno())


def open_all() -> None:
    """Give a process that was started without standard output, or error, one that leads nowhere."""
    sys.stdout = sys.stdout or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    sys.stderr = sys.stderr or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


class Screen:
    """Standard output during one command."""

    def __init__(self, volume: Volume = "normal", *, is_whole: bool = False) -> None:
        self.volume, self.is_whole = volume, is_whole
        self.colour = wants_colour()
        self.is_live = _is_terminal() and volume != "quiet"
        self.is_drawn = False
        self.started = time.monotonic()
        self.parts = 0  # databases shown
        self.is_planned = False  # this database's plan is shown

    @property
    def style(self) -> Style:
        """How to lay out text now; a terminal's width may change at any time."""
        width = max(shutil.get_terminal_size().columns, _NARROWEST) if sys.stdout.isatty() else None
        return Style(width, self.colour, self.volume == "verbose")

    def say(self, *lines: str) -> None:
        """Print lines, unless it is to be quiet."""
        self._clear()
        if self.volume != "quiet":
            show("\n".join(lines), color=self.colour, is_whole=self.is_whole)

    def plan(self, made: Plan) -> None:
        """Print a plan; an empty line parts it from that of another database."""
        self._part()
        self.say(text(made, self.style))
        if self.volume == "verbose":
            self.say(f"planned in {time.monotonic() - self.started:.2f} s.")

    def check(self, made: Plan, *, is_only: bool) -> None:
        """Print a line for each thing that is pending, blocked or drifting, and one that counts;
        all of the plan when verbose.
        """
        if self.volume == "verbose":
            return self.plan(made)
        words = count_line(made) if is_only else f"{made.summary}: {count_line(made)}"
        role = "blocked" if made.blocked else "heading"
        cells = [*brief(made), (role, words)]
        self.say(*(line for cell in cells for line in fitted([cell], self.style)))

    def before(self, made: Plan) -> None:
        """Print what is about to run; once more when it has changed."""
        if self.is_planned:
            self.say("The database has changed meanwhile. Now it is:")
        else:
            self._part()
        self.is_planned = True
        style = self.style._replace(sql=False)
        self.say(text(made, style) if made else "\n".join(body(made, style)))

    def _part(self) -> None:
        if self.parts:
            self.say("")
        self.parts += 1

    def step(self, event: StepEvent) -> None:
        """Print a step that is done; on a terminal draw how far a long one is, or a wait."""
        if event.state == "done":
            number = f"{event.number:>{len(str(event.total))}}/{event.total}"
            words = f"{number} {event.step} ({event.seconds:.2f}\xa0s)"  # a space that never wraps
            lines = fitted([("add", "done"), ("", f" {words}")], self.style)
            self.say(*(line.replace("\xa0", " ") for line in lines))
        elif event.state == "start":
            self._draw(f"{event.number}/{event.total} {event.step} ...")
        elif event.state == "waiting":
            self._draw(event.phase if self.volume != "verbose" else "")
        elif event.seconds > _PATIENCE:
            self._draw(bar(event, self._room()))

    def report(self, report: Report) -> None:
        """Print the summary of a run."""
        self.say(*fitted([("heading", str(report))], self.style))

    @contextmanager
    def running(self, logger: logging.Logger) -> Iterator[None]:
        """Show one run; when verbose, all that is logged meanwhile."""
        self.is_planned = False
        level, handler = logger.level, _Lines(self._clear)
        if self.volume == "verbose":
            logger.addHandler(handler)
            logger.setLevel(min(logger.getEffectiveLevel(), logging.INFO))
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
            self._clear()

    def _room(self) -> int:
        return (self.style.width or _NARROWEST) - 1

    def _draw(self, words: str) -> None:
        """Rewrite the last line; it never reaches the edge, where a terminal would wrap it."""
        if self.is_live:
            self._clear()
            show(" ".join(words.split())[: self._room()], nl=False)
            self.is_drawn = True

    def _clear(self) -> None:
        if self.is_drawn:
            show("\r\x1b[K", nl=False, color=True)
            self.is_drawn = False


class _Lines(logging.Handler):
    """Shows each record with the seconds since its own beginning. The summary is printed anyway."""

    def __init__(self, clear: Callable[[], None]) -> None:
        super().__init__()
        self.clear, self.started = clear, time.monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        if not any(isinstance(value, Report) for value in record.args or ()):
            self.clear()
            show(f"{time.monotonic() - self.started:8.2f} s  {record.getMessage()}", err=True)


def bar(event: StepEvent, room: int) -> str:
    """Return the progress of a step in ``room`` characters; the step's name is cut first."""
    drawn, tail = "", f" {event.seconds:.0f} s {event.phase}"
    if event.fraction is not None:
        tail = f" {event.fraction:4.0%}{tail}"
        size = max(min(_BAR, (room - len(tail)) // 3), 5)
        drawn = f" [{('#' * round(event.fraction * size)).ljust(size, '-')}]"
    label = f"{event.number}/{event.total} {event.step}"
    return f"{label[: max(room - len(drawn + tail), 0)]}{drawn}{tail}"[:room]
