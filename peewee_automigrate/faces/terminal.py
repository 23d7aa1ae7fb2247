"""What the command line shows: colours and widths of a terminal, and a line that is rewritten.

Enters: plans, events, reports. Leaves: text on standard output, logged lines on standard error. In
a pipe there are neither colours nor rewritten lines, and no line is wrapped.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal

import click

from ..options import StepEvent
from ..report import Plan, Report, brief, count_line
from .layout import Style, body, fitted, plain, text

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


def paint(role: str, words: str) -> str:
    """Colour a text by its role."""
    return click.style(words, **COLOURS[role]) if words and role in COLOURS else words


def wants_colour() -> bool:
    """Tell whether standard output gets colours: https://no-color.org, then FORCE_COLOR."""
    is_forced = os.environ.get("FORCE_COLOR", "0") not in ("", "0")
    return not os.environ.get("NO_COLOR") and (is_forced or _is_terminal())


def _is_terminal() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


class Screen:
    """Standard output during one command."""

    def __init__(self, volume: Volume = "normal") -> None:
        self.volume = volume
        self.colour = wants_colour()
        self.is_live = _is_terminal() and volume != "quiet"
        self.is_drawn = False
        self.parts = 0  # databases shown
        self.is_planned = False  # this database's plan is shown

    @property
    def style(self) -> Style:
        """How to lay out text now; a terminal's width may change at any time."""
        width = max(shutil.get_terminal_size().columns, _NARROWEST) if sys.stdout.isatty() else None
        return Style(width, paint if self.colour else plain, self.volume == "verbose")

    def say(self, *lines: str) -> None:
        """Print lines, unless it is to be quiet."""
        self._clear()
        if self.volume != "quiet":
            click.echo("\n".join(lines), color=self.colour)

    def write(self, words: str) -> None:
        """Print a text for a program, unless it is to be quiet."""
        if self.volume != "quiet":
            click.echo(words, nl=False)

    def plan(self, made: Plan, seconds: float) -> None:
        """Print a plan; an empty line parts it from that of another database."""
        self._part()
        self.say(text(made, self.style))
        if self.volume == "verbose":
            self.say(f"planned in {seconds:.2f} s.")

    def check(self, made: Plan, seconds: float, *, is_only: bool) -> None:
        """Print a line for each thing that is pending, blocked or drifting, and one that counts;
        all of the plan when verbose.
        """
        if self.volume == "verbose":
            return self.plan(made, seconds)
        words = count_line(made) if is_only else f"{made.summary}: {count_line(made)}"
        role = "blocked" if made.blocked else "heading"
        cells = [*brief(made), (role, words)]
        self.say(*(line for cell in cells for line in fitted([cell], self.style)))

    def before(self, made: Plan) -> None:
        """Print what is about to run; once more when it has changed."""
        if self.is_planned:
            self.say("Others have changed the database meanwhile. Now it is:")
        else:
            self._part()
        self.is_planned = True
        style = replace(self.style, sql=False)
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
            self._draw(f"{_label(event)} ...")
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
        level, handler = logger.level, _Lines(self._log)
        if self.volume == "verbose":
            logger.addHandler(handler)
            logger.setLevel(min(logger.getEffectiveLevel(), logging.INFO))
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
            self._clear()

    def _log(self, words: str, seconds: float) -> None:
        self._clear()
        click.echo(f"{seconds:8.2f} s  {words}", err=True)

    def _room(self) -> int:
        return (self.style.width or _NARROWEST) - 1

    def _draw(self, words: str) -> None:
        """Rewrite the last line; it never reaches the edge, where a terminal would wrap it."""
        if self.is_live:
            self._clear()
            click.echo(" ".join(words.split())[: self._room()], nl=False)
            self.is_drawn = True

    def _clear(self) -> None:
        if self.is_drawn:
            click.echo("\r\x1b[K", nl=False, color=True)
            self.is_drawn = False


class _Lines(logging.Handler):
    """Shows each record with the seconds since its own beginning. The summary is printed anyway."""

    def __init__(self, show: Callable[[str, float], None]) -> None:
        super().__init__()
        self.show, self.started = show, time.monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        if not any(isinstance(value, Report) for value in record.args or ()):
            self.show(record.getMessage(), time.monotonic() - self.started)


def _label(event: StepEvent) -> str:
    return f"{event.number}/{event.total} {event.step}"


def bar(event: StepEvent, room: int) -> str:
    """Return the progress of a step in ``room`` characters; the step's name is cut first."""
    drawn, tail = "", f" {event.seconds:.0f} s {event.phase}"
    if event.fraction is not None:
        tail = f" {event.fraction:4.0%}{tail}"
        size = max(min(_BAR, (room - len(tail)) // 3), 5)
        drawn = f" [{('#' * round(event.fraction * size)).ljust(size, '-')}]"
    return f"{_label(event)[: max(room - len(drawn + tail), 0)]}{drawn}{tail}"[:room]
