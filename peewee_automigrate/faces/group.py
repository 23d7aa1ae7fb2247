"""What stands around the commands: their group, and how errors become a line and a code.

Errors are one line on standard error, with a traceback only under ``--verbose``.
"""

from __future__ import annotations

import logging
import os
import platform
import re
import sys
import traceback
from contextlib import suppress
from difflib import get_close_matches
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

# What other programs call what is done here.
_MEANT = dict.fromkeys(("up", "upgrade", "sync", "apply", "push"), "migrate")
_MEANT |= {"diff": "plan", "show": "plan", "status": "check", "--dry-run": "plan"}
_MEANT |= {f"--{form}": f"plan --format {form}" for form in ("sql", "json", "markdown")}


class _Commands(click.Group):
    """A group whose errors become one line and an exit code."""

    def parse_args(self, context: click.Context, words: list[str]) -> list[str]:
        try:
            return super().parse_args(context, words)
        except click.NoSuchOption as error:
            raise _meant(context, error.option_name) or error from None

    def resolve_command(self, context: click.Context, words: list[str]) -> Any:
        if context.resilient_parsing:  # a shell completes
            return super().resolve_command(context, words)
        if words[0] == "help":
            words = [*words[1:2], "--help"]
        if words[0] == "--help":
            show(context.get_help())
            context.exit()
        if not self.get_command(context, words[0]):
            known = f"{words[0]}: no such command; use one of {', '.join(self.commands)}"
            raise _meant(context, words[0]) or click.UsageError(known)
        return super().resolve_command(context, words)

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
        except click.NoSuchOption as error:
            raise _meant(context, error.option_name) or error from None
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if context.meta.get(VOLUME) == "verbose":
                show(traceback.format_exc(), err=True, nl=False)
            code, words = _failure(error, context)
            show("Error: " + "\n".join(map(visible, words.split("\n"))), err=True)
            context.exit(code)


def _meant(context: click.Context, word: str) -> click.UsageError | None:
    """Return one line that names the command that is meant, if it is known."""
    kind, known = ("option", []) if word[0] == "-" else ("command", list(main.commands))
    found = _MEANT.get(word) or "".join(get_close_matches(word, known, 1))
    if not found:
        return None
    models = "" if context.parent or found == "explain" else " MODELS"  # applications have theirs
    return click.UsageError(f'{word}: no such {kind}; use "{context.command_path} {found}{models}"')


def _load_environment() -> None:
    """Read .env and .flaskenv as Flask does, which looks in the folders above too."""
    if os.environ.get("FLASK_SKIP_DOTENV", "").lower() in ("", "0", "false", "no"):
        with suppress(ImportError):
            from dotenv import find_dotenv, load_dotenv

            for path in filter(None, (find_dotenv(n, usecwd=True) for n in (".env", ".flaskenv"))):
                load_dotenv(path)


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
    text = str(cause).lower()
    found = re.match(r"(psycopg[23]?|postgres|mysql)( postgres)?( driver)?( is)? not", text)
    if not isinstance(cause, peewee.ImproperlyConfigured) or not found:
        return ""
    extras = {"psycopg": "psycopg", "psycopg3": "psycopg", "mysql": "mysql"}
    extra = extras.get(found[1], "postgres")
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

    MODELS is package.module or its file, or package.module:NAME for one model, a list, a function
    or an application. MODELS and options can stand in pyproject.toml under
    [tool.peewee_automigrate], or in setup.cfg.
    """
    _load_environment()
    click.get_current_context().default_map = dict.fromkeys(main.commands, configured(Path.cwd()))


def _show_versions(context: click.Context) -> None:
    sqlite = getattr(peewee.sqlite3, "sqlite_version", "is missing")
    known = {"peewee": peewee.__version__, "python": platform.python_version(), "sqlite": sqlite}
    for name in ("peewee-automigrate", *known, *_DRIVERS):
        with suppress(PackageNotFoundError):
            click.echo(f"{name} {known.get(name) or version(name)}")
    context.exit()
