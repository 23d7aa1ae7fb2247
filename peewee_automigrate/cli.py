"""The command line: parses, calls, prints, exits. `flask` uses the same commands.

Enters: arguments and the environment. Leaves: text on standard output, an exit code. Nothing ever
prompts. Errors are one line on standard error, with a traceback only under ``--verbose``.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import click
from click.core import ParameterSource
from peewee import PeeweeException

from . import __version__, migrate, plan
from .discover import Target, by_database, load, open_url
from .errors import AutoMigrateError, LockTimeout, MigrationBlocked, MigrationFailed
from .options import StepEvent
from .report import Plan, markdown, sql_text

EXIT_CODES = """\b
Exit codes:
  0  nothing to do, or done
  1  check found pending work
  2  wrong usage: no models, no database, bad URL
  3  blocked: something must not be added blindly
  4  failed while applying, or a lock was not free in time
  5  check --strict found drift
"""

LOCK_WAIT = "Seconds to wait for other migrators."
LOCK_TIMEOUT = "Seconds that a statement may wait for a table's lock; tried again."
ONLINE_ROWS = "Build indexes without blocking writes on tables with more rows."
WAIT = "Seconds to wait for a database that can't be reached yet."
# Where a group around the commands leaves a function that returns its own `Target`, in `meta`.
TARGET = "peewee_automigrate.target"
_BAR = 30  # characters of a progress bar
_SECONDS = click.FloatRange(min=0)
_ROWS = click.IntRange(min=0)

_PRINT: dict[str, Callable[[Plan], str]] = {
    "text": lambda made: f"{made}\n",
    "sql": sql_text,
    "json": lambda made: json.dumps(made.to_dict(), indent=2) + "\n",
    "markdown": markdown,
}


def _common(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what all commands share."""
    for decorate in (
        click.option(
            "-v",
            "--verbose",
            is_flag=True,
            callback=_remember,
            is_eager=True,
            help="Show SQL, and tracebacks of errors.",
        ),
        click.option(
            "--database",
            "url",
            envvar="DATABASE_URL",
            metavar="URL",
            help="Where to migrate; DATABASE_URL says the same. Default: the models' own.",
        ),
        click.argument("models", nargs=-1, metavar="MODELS...", callback=_given),
    ):
        command = decorate(command)
    return command


def _given(
    context: click.Context, argument: click.Parameter, models: Sequence[str]
) -> Sequence[str]:
    """Require models where no group around the command has its own."""
    if not models and TARGET not in context.meta:
        raise click.MissingParameter(ctx=context, param=argument)
    return models


def _remember(context: click.Context, _: click.Parameter, verbose: bool) -> bool:
    """Keep what the group has to know when a command fails."""
    context.meta["peewee_automigrate.verbose"] = verbose
    return verbose


class _Commands(click.Group):
    """A group whose errors become one line and an exit code."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except KeyboardInterrupt:
            click.echo("Error: interrupted; the next run completes what was begun.", err=True)
            context.exit(4)
        except (AutoMigrateError, PeeweeException) as error:
            if context.meta.get("peewee_automigrate.verbose"):
                traceback.print_exc()
            is_ours = isinstance(error, AutoMigrateError)
            text = str(error) if is_ours else " ".join(f"the database says: {error}".split())
            click.echo(f"Error: {text}", err=True)
            context.exit(_exit_code(error))


def _exit_code(error: Exception) -> int:
    if isinstance(error, MigrationBlocked):
        return 3
    return 4 if isinstance(error, MigrationFailed | LockTimeout) else 2


@click.group(
    cls=_Commands,
    epilog=EXIT_CODES,
    context_settings={
        "auto_envvar_prefix": "PEEWEE_AUTOMIGRATE",
        "help_option_names": ["-h", "--help"],
    },
)
@click.version_option(__version__, prog_name="peewee-automigrate")
def main() -> None:
    """Add what Peewee models have and the database lacks, and nothing else.

    MODELS is package.module, or package.module:NAME for one model or a list.
    """


def _databases(models: Sequence[str], url: str | None, *, must_exist: bool) -> list[Any]:
    """Return what to migrate where. Within an application its own database goes before that of
    the environment, which may be another's.
    """
    context = click.get_current_context()
    own: Target = context.meta.get(TARGET, Target)()
    is_typed = context.get_parameter_source("url") == ParameterSource.COMMANDLINE
    if TARGET in context.meta and not is_typed:
        url = None
    return by_database(
        load(models) if models else [own],
        open_url(url) if url else None,
        must_exist=must_exist,
        fallback=own.database,
    )


@main.command("plan")
@_common
@click.option(
    "--format",
    "form",
    type=click.Choice(list(_PRINT)),
    default="text",
    show_default=True,
    help="How to print the plan.",
)
def plan_command(models: Sequence[str], url: str | None, verbose: bool, form: str) -> None:
    """Show what would be added, and what would not. Writes nothing."""
    made = [plan(*group) for group in _databases(models, url, must_exist=True)]
    for one in made:
        click.echo(_PRINT[form](one), nl=False)
        if form == "text" and verbose:
            click.echo(sql_text(one), nl=False)
    if any(one.blocked for one in made):
        sys.exit(3)


@main.command("migrate")
@_common
@click.option(
    "--on-blocked",
    type=click.Choice(["raise", "skip"]),
    default="raise",
    show_default=True,
    help="Stop before anything runs, or skip what is blocked and do the rest.",
)
@click.option("--lock-wait", type=_SECONDS, default=60.0, show_default=True, help=LOCK_WAIT)
@click.option("--lock-timeout", type=_SECONDS, default=3.0, show_default=True, help=LOCK_TIMEOUT)
@click.option("--online-rows", type=_ROWS, default=10_000, show_default=True, help=ONLINE_ROWS)
@click.option("--wait", type=_SECONDS, default=0.0, show_default=True, help=WAIT)
@click.option("--atomic", is_flag=True, help="One transaction, no online builds.")
def migrate_command(models: Sequence[str], url: str | None, verbose: bool, **options: Any) -> None:
    """Add what is missing, and say what was done."""
    if verbose:
        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for database, items in _databases(models, url, must_exist=False):
        click.echo(plan(database, items, wait=options["wait"]))
        report = migrate(database, items, on_step=_show, **options)
        click.echo(report)


def _show(event: StepEvent) -> None:
    """Print a line for each step that is done, and on a terminal a bar for a long one."""
    is_terminal = sys.stderr.isatty()
    if event.state == "progress" and is_terminal and event.seconds > 1:
        done = round((event.fraction or 0) * _BAR)
        bar = "#" * done + "-" * (_BAR - done)
        click.echo(f"\r{bar} {event.fraction or 0:4.0%} {event.phase}"[:79], nl=False, err=True)
    if event.state == "done":
        if is_terminal and event.seconds > 1:
            click.echo("\r" + " " * 79 + "\r", nl=False, err=True)
        click.echo(f"done {event.number}/{event.total} {event.step} ({event.seconds:.2f} s)")


@main.command("check")
@_common
@click.option("--strict", is_flag=True, help="Fail on drift too.")
def check_command(models: Sequence[str], url: str | None, verbose: bool, strict: bool) -> None:
    """Tell by the exit code whether anything is missing. Writes nothing."""
    made = [plan(*group) for group in _databases(models, url, must_exist=True)]
    for one in made:
        click.echo(str(one) if verbose else str(one).rpartition("\n")[2])
    if any(made):
        sys.exit(1)
    if strict and any(one.drift for one in made):
        sys.exit(5)
