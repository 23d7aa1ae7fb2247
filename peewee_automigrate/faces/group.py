"""What stands around the commands: their group, and how errors become a line and a code.

Errors are one line on standard error, with a traceback only under ``--verbose``.
"""

from __future__ import annotations

import logging
import platform
import re
import sys
import traceback
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click
import peewee

from ..changes import visible
from ..errors import AutoMigrateError, LockTimeout, MigrationBlocked, MigrationFailed, PlanChanged
from . import OURS
from .configured import configured
from .terminal import open_all, show

EPILOG = """\b
Exit codes:
  0  nothing to do, or done
  1  check found pending work
  2  wrong usage: no models, no database, bad URL
  3  blocked: something must not be added blindly, or was not reviewed
  4  failed while applying, a lock was not free in time, or anything unexpected
  5  check --strict found drift

Each option can be set by the environment variable that stands beside it; what the command line
says wins. Output to a terminal is coloured, unless NO_COLOR is set; FORCE_COLOR=1 colours a pipe.
"""

LOGGER = "peewee_automigrate"
_SILENT = logging.NullHandler()
VOLUME = "peewee_automigrate.volume"
EARLY: dict[str, Any] = {"is_flag": True, "is_eager": True, "expose_value": False}
_DRIVERS = ("psycopg2", "psycopg2-binary", "psycopg", "pymysql", "mysqlclient")  # distributions


class _Commands(click.Group):
    """A group whose errors become one line and an exit code."""

    def invoke(self, context: click.Context) -> Any:
        context.meta[OURS] = True
        open_all()
        logger = logging.getLogger(LOGGER)
        logger.addHandler(_SILENT)  # the screen says it
        context.call_on_close(lambda: logger.removeHandler(_SILENT))
        try:
            return super().invoke(context)
        except KeyboardInterrupt:
            show("Error: interrupted; the next run completes what was begun.", err=True)
            context.exit(4)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if context.meta.get(VOLUME) == "verbose":
                show(traceback.format_exc(), err=True, nl=False)
            code, words = _failure(error, context)
            show("Error: " + "\n".join(map(visible, words.split("\n"))), err=True)
            context.exit(code)


def _failure(error: Exception, context: click.Context) -> tuple[int, str]:
    """Return the exit code and the text; what is blocked is not named twice on one screen."""
    is_shown = sys.stdout.isatty() and sys.stderr.isatty() and context.meta.get(VOLUME) != "quiet"
    if isinstance(error, MigrationBlocked) and is_shown:
        return 3, f"{len(error.blocked)} blocked, nothing was changed. The reasons stand above."
    if isinstance(error, AutoMigrateError):
        code = 3 if isinstance(error, MigrationBlocked | PlanChanged) else 2
        code = 4 if isinstance(error, MigrationFailed | LockTimeout) else code
        return code, f"{error}{_driver(error.__cause__)}"
    if isinstance(error, peewee.PeeweeException):
        return 2, " ".join(f"the database says: {error}".split())
    words = " ".join(f"{type(error).__name__}: {error}".split())
    return 4, f"unexpected: {words} (see it whole with --verbose)"  # a model's own code, or a bug


def _driver(cause: BaseException | None) -> str:
    """Return how to install the driver whose lack is the cause, if it is."""
    found = re.match(r"(psycopg2?|postgres|mysql)\b.*driver not", str(cause).lower())
    if not isinstance(cause, peewee.ImproperlyConfigured) or not found:
        return ""
    extra = {"psycopg": "psycopg", "mysql": "mysql"}.get(found[1], "postgres")
    return f" Install it: pip install 'peewee-automigrate[{extra}]'"


@click.group(cls=_Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    **EARLY,
    callback=lambda context, _, is_given: _show_versions(context) if is_given else None,
    help="Show the versions of this program, Peewee, Python and the drivers, and exit.",
)
def main() -> None:
    """Add what Peewee models have and the database lacks, and nothing else.

    MODELS is package.module, or package.module:NAME for one model or a list. MODELS and options can
    stand in pyproject.toml under [tool.peewee_automigrate], or in setup.cfg.
    """
    click.get_current_context().default_map = dict.fromkeys(main.commands, configured(Path.cwd()))


def _show_versions(context: click.Context) -> None:
    sqlite = getattr(peewee.sqlite3, "sqlite_version", "is missing")
    known = {"peewee": peewee.__version__, "python": platform.python_version(), "sqlite": sqlite}
    for name in ("peewee-automigrate", *known, *_DRIVERS):
        with suppress(PackageNotFoundError):
            click.echo(f"{name} {known.get(name) or version(name)}")
    context.exit()
