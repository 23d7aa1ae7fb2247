"""The command line: parses, calls, prints, exits. `flask` uses the same commands.

Enters: arguments, the environment. Leaves: text on standard output, an exit code. Nothing prompts.
Errors are one line on standard error, with a traceback only under ``--verbose``.
"""

from __future__ import annotations

import json
import logging
import platform
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click
import peewee
from click.core import ParameterSource

from ..apply.protocol import migrate, plan
from ..errors import AutoMigrateError, LockTimeout, MigrationBlocked, MigrationFailed
from ..models.collect import grouped
from ..options import Options
from ..report import Plan, markdown, sql_text
from . import OURS
from .database import open_url
from .terminal import Screen

EPILOG = """\b
Exit codes:
  0  nothing to do, or done
  1  check found pending work
  2  wrong usage: no models, no database, bad URL
  3  blocked: something must not be added blindly
  4  failed while applying, a lock was not free in time, or anything unexpected
  5  check --strict found drift

Each option can be set by the environment variable that stands beside it; what the command line
says wins. Output to a terminal is coloured, unless NO_COLOR is set; FORCE_COLOR=1 colours a pipe.
"""

_LOCK_TIMEOUT = "Seconds that a statement may wait for a table's lock; tried again."
_ONLINE_ROWS = "Build indexes without blocking writes on tables with more rows."
_WAIT = "Seconds to wait for a database that can't be reached yet."
_LOGGER = "peewee_automigrate"
_SILENT = logging.NullHandler()
_VOLUME = "peewee_automigrate.volume"
APPLICATION = "peewee_automigrate.application"  # in `meta` where a group around them has one
_SECONDS = click.FloatRange(min=0)
_EARLY: dict[str, Any] = {"is_flag": True, "is_eager": True, "expose_value": False}

_ENVIRONMENT = {"auto_envvar_prefix": "PEEWEE_AUTOMIGRATE"}  # of each command: one name for all
_DRIVERS = ("psycopg2", "psycopg2-binary", "psycopg", "pymysql", "mysqlclient")  # distributions

_PRINT: dict[str, Callable[[Plan], str]] = {
    "sql": sql_text,
    "json": lambda made: json.dumps(made.to_dict(), indent=2) + "\n",
    "markdown": markdown,
}


def _option(*names: str, **settings: Any) -> Callable[..., Any]:
    """Make an option whose help names its environment variable and its default."""
    shows_default = "default" in settings
    return click.option(*names, **{"show_envvar": True, "show_default": shows_default, **settings})


_samples = _option(
    "--samples/--no-samples",
    default=None,
    show_default=False,
    help="Show values of rows, such as keys that repeat; logged lines show them when asked only.",
)


def _common(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what all commands share."""
    volume = {**_EARLY, "callback": _remember}
    for decorate in (
        _option("-v", "--verbose", **volume, help="Show SQL and times, and tracebacks of errors."),
        _option("-q", "--quiet", **volume, help="Print errors only; the exit code tells."),
        _option(
            "--database",
            "url",
            envvar=["PEEWEE_AUTOMIGRATE_DATABASE", "DATABASE_URL"],
            allow_from_autoenv=False,
            metavar="URL",
            help="Where to migrate. Default: the models' own.",
        ),
        click.argument("models", nargs=-1, metavar="MODELS...", callback=_given),
    ):
        command = decorate(command)
    return command


def _given(
    context: click.Context, argument: click.Parameter, models: Sequence[str]
) -> Sequence[str]:
    """Require models where no group around the command has its own."""
    if not models and APPLICATION not in context.meta:
        raise click.MissingParameter(ctx=context, param=argument)
    return models


def _remember(context: click.Context, parameter: click.Parameter, is_given: bool) -> None:
    """Keep the volume where the group finds it when a command fails."""
    if is_given:
        name = str(parameter.name)
        if context.meta.setdefault(_VOLUME, name) != name:
            raise click.UsageError("--verbose and --quiet exclude each other.")


def _screen() -> Screen:
    return Screen(click.get_current_context().meta.get(_VOLUME, "normal"))


class _Commands(click.Group):
    """A group whose errors become one line and an exit code."""

    def invoke(self, context: click.Context) -> Any:
        context.meta[OURS] = True
        logger = logging.getLogger(_LOGGER)
        logger.addHandler(_SILENT)  # the screen says it
        context.call_on_close(lambda: logger.removeHandler(_SILENT))
        try:
            return super().invoke(context)
        except KeyboardInterrupt:
            click.echo("Error: interrupted; the next run completes what was begun.", err=True)
            context.exit(4)
        except (AutoMigrateError, peewee.PeeweeException) as error:
            if context.meta.get(_VOLUME) == "verbose":
                traceback.print_exc()
            click.echo(f"Error: {_said(error, context)}", err=True)
            code = 3 if isinstance(error, MigrationBlocked) else 2
            context.exit(4 if isinstance(error, MigrationFailed | LockTimeout) else code)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:  # of a model's own code, or a bug of ours
            if context.meta.get(_VOLUME) == "verbose":
                traceback.print_exc()
            words = " ".join(f"{type(error).__name__}: {error}".split())
            click.echo(f"Error: unexpected: {words} (see it whole with --verbose)", err=True)
            context.exit(4)


def _said(error: Exception, context: click.Context) -> str:
    """Return an error's text; what is blocked is not named twice on one screen."""
    is_shown = sys.stdout.isatty() and sys.stderr.isatty() and context.meta.get(_VOLUME) != "quiet"
    if isinstance(error, MigrationBlocked) and is_shown:
        return f"{len(error.blocked)} blocked, nothing was changed. The reasons stand above."
    if isinstance(error, AutoMigrateError):
        return str(error)
    return " ".join(f"the database says: {error}".split())


@click.group(cls=_Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    **_EARLY,
    callback=lambda context, _, is_given: _show_versions(context) if is_given else None,
    help="Show the versions of this program, Peewee, Python and the drivers, and exit.",
)
def main() -> None:
    """Add what Peewee models have and the database lacks, and nothing else.

    MODELS is package.module, or package.module:NAME for one model or a list.
    """


def _show_versions(context: click.Context) -> None:
    sqlite = getattr(peewee.sqlite3, "sqlite_version", "is missing")
    known = {"peewee": peewee.__version__, "python": platform.python_version(), "sqlite": sqlite}
    for name in ("peewee-automigrate", *known, *_DRIVERS):
        with suppress(PackageNotFoundError):
            click.echo(f"{name} {known.get(name) or version(name)}")
    context.exit()


def _databases(models: Sequence[str], url: str | None) -> list[Any]:
    """Return what to migrate where; the current folder's modules go first. Within an application
    its own database goes before that of the environment, which may be another's.
    """
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    context = click.get_current_context()
    app = context.meta.get(APPLICATION)
    is_typed = context.get_parameter_source("url") == ParameterSource.COMMANDLINE
    database = open_url(url) if url and (is_typed or not app) else None
    fallback = app.extensions["automigrate"].owner() if app else None
    return grouped(models or app, database, fallback)


def _planned(
    models: Sequence[str], url: str | None, samples: bool | None
) -> list[tuple[Plan, float]]:
    """Return the plan of each database, and the seconds that it took."""
    made = []
    for group in _databases(models, url):
        started = time.monotonic()
        made.append((plan(*group, samples=samples), time.monotonic() - started))
    return made


@main.command("plan", context_settings=_ENVIRONMENT, epilog=EPILOG)
@_common
@_option(
    "--format",
    "form",
    envvar="PEEWEE_AUTOMIGRATE_FORMAT",
    type=click.Choice(["text", *_PRINT]),
    default="text",
    help="How to print the plan.",
)
@_samples
def plan_command(models: Sequence[str], url: str | None, form: str, samples: bool | None) -> None:
    """Show what would be added, and what would not. Writes nothing."""
    screen = _screen()
    made = _planned(models, url, samples)
    for one, seconds in made:
        if form == "text":
            screen.plan(one, seconds)
        else:
            screen.write(_PRINT[form](one))
    if any(one.blocked for one, _ in made):
        sys.exit(3)


@main.command("migrate", context_settings=_ENVIRONMENT, epilog=EPILOG)
@_common
@_option(
    "--on-blocked",
    type=click.Choice(["raise", "skip"]),
    default="raise",
    help="Stop before anything runs, or skip what is blocked and do the rest.",
)
@_option("--lock-wait", type=_SECONDS, default=60.0, help="Seconds to wait for other migrators.")
@_option("--lock-timeout", type=_SECONDS, default=3.0, help=_LOCK_TIMEOUT)
@_option("--online-rows", type=click.IntRange(min=0), default=10_000, help=_ONLINE_ROWS)
@_option("--wait", type=_SECONDS, default=0.0, help=_WAIT)
@_option("--atomic", is_flag=True, help="One transaction, no online builds.")
@_samples
def migrate_command(models: Sequence[str], url: str | None, **options: Any) -> None:
    """Add what is missing, and say what was done."""
    screen = _screen()
    try:
        Options(**options)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    for database, items in _databases(models, url):
        with screen.running(logging.getLogger(_LOGGER)):
            screen.report(
                migrate(database, items, on_plan=screen.before, on_step=screen.step, **options)
            )


@main.command("check", context_settings=_ENVIRONMENT, epilog=EPILOG)
@_common
@_option("--strict", is_flag=True, help="Fail on drift too.")
@_samples
def check_command(
    models: Sequence[str], url: str | None, strict: bool, samples: bool | None
) -> None:
    """Tell by the exit code whether anything is missing. Writes nothing."""
    screen = _screen()
    made = _planned(models, url, samples)
    for one, seconds in made:
        screen.check(one, seconds, is_only=len(made) == 1)
    if any(one for one, _ in made):
        sys.exit(1)
    if strict and any(one.drift for one, _ in made):
        sys.exit(5)
