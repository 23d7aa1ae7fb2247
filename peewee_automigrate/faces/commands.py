"""The commands, which Flask has too. COMMANDS lists all of them.

Enters: arguments, the environment. Leaves: text on standard output, an exit code. Nothing prompts.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from ..accepted import lines_in, text_of, with_accepted
from ..apply.protocol import migrate, plan
from ..changes import visible
from ..dialects import dialect_for
from ..models.collect import grouped
from ..options import FLAG, TEXTUAL, Kind, Options, read
from ..printing import lead_of, markdown, sql_text
from ..report import Plan, joined
from .database import open_url
from .explain import explain_command
from .group import EARLY, EPILOG, LOGGER, VOLUME
from .group import main as main
from .named import understood
from .terminal import Screen, show

APPLICATION = "peewee_automigrate.application"  # in `meta` where a group around them has one

_FILE = click.Path(dir_okay=False, path_type=Path)
_READING = tuple(name for name in TEXTUAL if name not in ("on_blocked", "backup", "release"))
_ENVIRONMENT = {"auto_envvar_prefix": "PEEWEE_AUTOMIGRATE"}  # of each command: one name for all

_PRINT: dict[str, Callable[[Sequence[Plan]], str]] = {
    "json": lambda plans: json.dumps(joined(plans), indent=2) + "\n",
    "sql": lambda plans: "".join(map(sql_text, plans)),
    "markdown": lambda plans: "".join(map(markdown, plans)),
}


def _option(*names: str, **settings: Any) -> Callable[..., Any]:
    """Make an option whose help names its environment variable and its default."""
    shows_default = "default" in settings
    return click.option(*names, **{"show_envvar": True, "show_default": shows_default, **settings})


def _format(words: str, *others: str) -> Callable[..., Any]:
    """Make the option that says how to print; without it as text."""
    return _option(
        "--format",
        "form",
        envvar="PEEWEE_AUTOMIGRATE_FORMAT",
        type=click.Choice(["text", *others]),
        default="text",
        help=words,
    )


class _Typed(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """Text is read, and values of files are checked, as the option of that name says."""

    def __init__(self, kind: Kind) -> None:
        self.name = kind.form

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return read(str(param and param.name), value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _options(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add these options of `Options` to a command."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for known in (TEXTUAL[name] for name in reversed(names)):
            kind, word = known.metadata["kind"], "--" + known.name.replace("_", "-")
            settings: dict[str, Any] = {"type": _Typed(kind), "metavar": kind.form}
            if kind is FLAG:
                settings = {"is_flag": True}
                word += "" if known.default is False else f"/--no-{known.name}"
            shown = known.default not in (False, None)
            settings |= {"default": known.default, "show_default": shown}
            command = _option(word, help=known.metadata["help"], **settings)(command)
        return command

    return decorate


def _common(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what all commands share."""
    volume = {**EARLY, "callback": _remember}
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
    """Require models where neither files nor a group around the command have them."""
    models = models or context.lookup_default("models") or ()
    if not models and APPLICATION not in context.meta:
        raise click.MissingParameter(ctx=context, param=argument)
    return models


def _remember(context: click.Context, parameter: click.Parameter, is_given: bool) -> None:
    """Keep the volume where the group finds it when a command fails."""
    if is_given:
        name = str(parameter.name)
        if context.meta.setdefault(VOLUME, name) != name:
            raise click.UsageError("--verbose and --quiet exclude each other.")


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
    groups = grouped([understood(word) for word in models] or app, database, fallback)
    if context.params.get("scripts") and len(groups) > 1:
        raise click.UsageError("scripts are those of one database: name the models of one.")
    return groups


@click.command("plan", context_settings=_ENVIRONMENT, epilog=EPILOG)
@_common
@_format("How to print the plan.", *_PRINT)
@_options(*_READING)
def plan_command(models: Sequence[str], url: str | None, form: str, **options: Any) -> None:
    """Show what would be added, and what would not. Writes nothing."""
    volume = click.get_current_context().meta.get(VOLUME, "normal")
    screen = Screen(volume, is_whole=True)
    made = [plan(*group, **options) for group in _databases(models, url)]
    for one in made if form == "text" else ():
        screen.plan(one)
    if form != "text" and screen.volume != "quiet":
        show(_PRINT[form](made), nl=False, is_whole=True)
    if any(one.blocked for one in made):
        sys.exit(3)


@click.command("migrate", context_settings=_ENVIRONMENT, epilog=EPILOG)
@_common
@_option(
    "--plan",
    "file",
    type=_FILE,
    envvar="PEEWEE_AUTOMIGRATE_PLAN",
    allow_from_autoenv=False,
    help="Run what `plan --format json` wrote, and nothing else.",
)
@_options(*TEXTUAL)
def migrate_command(
    models: Sequence[str], url: str | None, file: Path | None, **options: Any
) -> None:
    """Add what is missing, and say what was done."""
    options["reviewed"] = _taken(file, "reviewed", json.loads) if file else None
    screen = Screen(click.get_current_context().meta.get(VOLUME, "normal"))
    for database, items in _databases(models, url):
        with screen.running(logging.getLogger(LOGGER)):
            told: dict[str, Any] = {"on_plan": screen.before, "on_step": screen.step}
            screen.report(migrate(database, items, **told, **options))


@click.command("check", context_settings=_ENVIRONMENT, epilog=EPILOG)
@_common
@_option("--strict", is_flag=True, help="Fail on drift too.")
@_option("--accept", type=_FILE, help="Findings that are known: a code and a target in a line.")
@_option("--write-accept", type=_FILE, help="Write such a file, with all that is found now.")
@_options(*_READING)
def check_command(
    models: Sequence[str],
    url: str | None,
    strict: bool,
    accept: Path | None,
    write_accept: Path | None,
    **options: Any,
) -> None:
    """Tell by the exit code whether anything is missing. Writes nothing."""
    volume = click.get_current_context().meta.get(VOLUME, "normal")
    screen = Screen(volume, is_whole=True)
    made = [plan(*group, **options) for group in _databases(models, url)]
    if write_accept:
        write_accept.write_text(text_of(made), "utf-8")
    files = filter(None, (accept, write_accept))
    lines = [line for file in files for line in _taken(file, "accept", lines_in)]
    made = with_accepted(made, lines)
    for stale in (each for each in made[0].findings if each.code == "AM313"):
        screen.say(f"{lead_of(stale)[1]} {stale}")
    for one in made:
        screen.check(one, is_only=len(made) == 1)
    if any(made):
        sys.exit(1)
    if strict and any(one.drift for one in made):
        sys.exit(5)


def _taken(file: Path, name: str, parse: Callable[[str], Any]) -> Any:
    """Return what a file has for an option that is no text."""
    try:
        return getattr(Options(**{name: parse(file.read_text("utf-8"))}), name)
    except (OSError, ValueError) as error:
        reason = str(error).rpartition("; ")[2]
        raise click.UsageError(f"{file}: {reason}") from error


@click.command("history", context_settings=_ENVIRONMENT)
@_common
@_format("How to print it.", "json")
def history_command(models: Sequence[str], url: str | None, form: str) -> None:
    """Show the runs that were given a release or scripts, the newest first."""
    from ..beside.ledger import history_of

    rows = []
    for database, _ in _databases(models, url):
        with database.connection_context():
            rows += history_of(dialect_for(database))
    if form == "json":
        show(json.dumps(rows, indent=2, default=str))
    for row in rows if form == "text" else ():
        words = [str(row["started"]), row["release"] or "-", row["outcome"].partition("\n")[0]]
        words += [f"{row['by']}@{row['host']}", row["backup"] or ""]
        show(visible("  ".join(words).rstrip()))


@click.command("script", context_settings=_ENVIRONMENT)
@click.argument("action", type=click.Choice(["new", "done", "retry"]))
@click.argument("name")
@_common
@_options("scripts")
def script_command(
    action: str, name: str, models: Sequence[str], url: str | None, scripts: str | None
) -> None:
    """Write the next script from what the plan asks (new), or say of one that was begun and has
    not finished that it is done, or is to run again (retry).
    """
    from ..beside.files import new_script
    from ..beside.history import History

    folder = Path(scripts or "migrations")
    for database, items in _databases(models, url):
        if action == "new":
            show(str(new_script(folder, name, plan(database, items))))
            continue
        with database.connection_context():
            history = History(dialect_for(database), folder)
            history.resolve(name, is_done=action == "done")


@click.command("rehearse", context_settings=_ENVIRONMENT, epilog=EPILOG)
@_common
@_option("--on", metavar="URL", help="A copy that stands already; it is migrated, and stays.")
@_option("--scratch", is_flag=True, help="Make a copy on the same server, and drop it.")
@_option("--schema-only", is_flag=True, help="Make that copy without rows.")
@_format("How to print what was seen.", "json", "markdown")
@_options(*_READING)
def rehearse_command(
    models: Sequence[str], url: str | None, on: str | None, form: str, **options: Any
) -> None:
    """Migrate a copy, and show what it takes; the database itself is only read. SQLite's copy is
    made in a temporary folder.
    """
    from ..beside.rehearsal import Work, copied, copyable, rehearse

    scratch, schema_only = options.pop("scratch"), options.pop("schema_only")
    made = []
    for database, items in _databases(models, url):
        if not on:
            copyable(database, may_create=scratch)
        copy = nullcontext(open_url(on)) if on else copied(database, with_rows=not schema_only)
        made.append(rehearse(Work(plan, migrate), copy, items, Options(**options)))
    if form == "json":
        show(json.dumps([one.to_dict() for one in made], indent=2, default=str))
    for one in made if form != "json" else ():
        text = one.markdown() if form == "markdown" else "\n".join(one.lines())
        show("\n".join(map(visible, text.split("\n"))))
    if not all(made):
        sys.exit(4)


COMMANDS = (
    *(plan_command, migrate_command, check_command),
    *(explain_command, history_command, script_command, rehearse_command),
)
"""All of them, in the order of their help."""

for each in COMMANDS:
    main.add_command(each)
