"""The Flask extension: migrate at start, and ``flask automigrate plan | migrate | check``.

Enters: an application, its database and models, its ``AUTOMIGRATE_`` configuration. Leaves: a
`Setup` in ``app.extensions``, those of `commands` under ``app.cli``. Keeps no global state.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import click
from flask import Flask
from peewee import Database, PeeweeException, Proxy
from playhouse.pool import PooledDatabase

from ..apply.protocol import migrate, plan
from ..errors import AutoMigrateError, ModelsNotFound
from ..models.collect import Models, grouped, unwrapped
from ..options import TEXTUAL, Given, Options, read
from ..report import Plan, Report
from .commands import APPLICATION, main
from .starting import arrange

if TYPE_CHECKING:
    from typing_extensions import Unpack

OnStart: TypeAlias = Literal["migrate", "check", "warn"]

_SHOWN = 10  # changes that a message names
_OFF = (None, False, "", "off")
_ON_START: tuple[OnStart, ...] = ("migrate", "check", "warn")
_HELP = "Without MODELS those of the application, in its database (DATABASE_URL is not read here)."


class AutoMigrate:
    """The extension. Serves any number of applications, each with a `Setup` of its own.

    ``database``: a Peewee database, a `DatabaseProxy`, or an object that holds one as
    ``.database`` (playhouse's `FlaskDB`, flask-peewee's `Database`); None: the models' own.
    ``models``: a module or package, "package.module" or "package.module:NAME", a model, or a list
    of these. ``options`` as in `Options`; the application's configuration goes before them.
    """

    def __init__(
        self,
        app: Flask | None = None,
        database: Any = None,
        models: Any = None,
        **options: Unpack[Given],
    ) -> None:
        self.database, self.models, self.options = database, models, options
        if app is not None:
            self.init_app(app)

    def init_app(
        self, app: Flask, database: Any = None, models: Any = None, **options: Unpack[Given]
    ) -> None:
        """Add the commands to ``app``, and do what ``AUTOMIGRATE_ON_START`` says.

        What is not given here is taken from the constructor. "migrate" writes, "check" and "warn"
        read the database. Raises `ModelsNotFound` when no models are given, `AutoMigrateError` for
        a wrong configuration and for work that "check" finds, and what `migrate` raises.
        """
        if "automigrate" in app.extensions:
            raise AutoMigrateError(
                f"{app.name}: has AutoMigrate already. Give it all models in one init_app."
            )
        setup = Setup(
            app,
            self.database if database is None else database,
            self.models if models is None else models,
            Options(**{**self.options, **options, **_configured(app.config)}),
            _on_start(app.config),
        )
        if setup.models is None:
            raise ModelsNotFound(f"{app.name}: AutoMigrate(app, database, models) has no models.")
        app.extensions["automigrate"] = setup
        app.cli.add_command(_commands(setup), "automigrate")
        try:
            if setup.on_start:
                arrange(app, setup.start)
        except ModelsNotFound as error:
            raise ModelsNotFound(
                f"{error} If it is still being imported, call init_app after its models."
            ) from error


@dataclass(frozen=True)
class Setup:
    """What one application has given to the extension."""

    app: Flask
    database: Any
    models: Models
    options: Options
    on_start: OnStart | None

    def owner(self) -> Database | None:
        """Return the database that was given, None for the models' own.

        Raises `AutoMigrateError` for one that is not initialised.
        """
        holder = self.database
        if holder is None:
            return None
        if isinstance(holder, Database | Proxy):
            return unwrapped(holder)
        kind = type(holder).__name__
        if not hasattr(holder, "database"):
            raise AutoMigrateError(f"{kind}: neither a Peewee database nor does it hold one.")
        if holder.database is None:
            raise AutoMigrateError(
                f"{kind}: has no database yet. Call its init_app(app) before that of AutoMigrate."
            )
        return unwrapped(holder.database)

    def start(self) -> None:
        """Do what ``on_start`` says; "warn" never raises for the database or the models."""
        try:
            self._started()
        except (AutoMigrateError, PeeweeException) as error:
            if self.on_start != "warn":
                raise
            self.app.logger.warning("%s", error)

    def _started(self) -> None:
        is_migrating = self.on_start == "migrate"
        groups = grouped(self.app)
        work = migrate if is_migrating else plan
        try:
            made = [work(database, models, self.options) for database, models in groups]
        finally:
            for database, _ in groups:
                if isinstance(database, PooledDatabase):
                    database.close_idle()  # or workers that are forked later would share it
        for one in made:
            if isinstance(one, Report) and one:
                self.app.logger.warning("%s: %s", self.app.name, one)
        pending = [one for one in made if isinstance(one, Plan) and one]
        if pending:
            raise AutoMigrateError(_pending(self.app.name, pending))


def _pending(name: str, made: Sequence[Plan]) -> str:
    what = [f"script {name}" for one in made for name in one.scripts]
    what += [str(step) for one in made for step in one.steps]
    what += [f"{finding.subject} (blocked)" for one in made for finding in one.blocked]
    more = f" and {len(what) - _SHOWN} more" if len(what) > _SHOWN else ""
    return (
        f"{name}: the database lacks what the models have: {', '.join(what[:_SHOWN])}{more}. "
        "Run `flask automigrate migrate`, then start again."
    )


# The configuration.


def _on_start(config: Mapping[str, Any]) -> OnStart | None:
    value = config.get("AUTOMIGRATE_ON_START")
    if value in _OFF:
        return None
    if found := [known for known in _ON_START if value == known]:
        return found[0]
    raise _wrong("AUTOMIGRATE_ON_START", value, '"migrate", "check", "warn" or "off"')


def _configured(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that the configuration sets; text, as environments hold it, is read."""
    options = {}
    for name, known in TEXTUAL.items():
        key = f"AUTOMIGRATE_{name.upper()}"
        value = config.get(key)
        if value is None:
            continue
        try:
            options[name] = read(name, value)
        except ValueError:
            raise _wrong(key, value, known.metadata["kind"].allowed) from None
    return options


def _wrong(key: str, value: object, allowed: str) -> AutoMigrateError:
    return AutoMigrateError(f"{key}: {value!r} is not understood. Use {allowed}.")


# The commands.


def _commands(setup: Setup) -> click.Group:
    """Return the command line's own group, with models and options of the application."""

    def enter() -> None:
        context = click.get_current_context()
        context.meta[APPLICATION] = setup.app
        options = {name: getattr(setup.options, name) for name in TEXTUAL}
        context.default_map = dict.fromkeys(main.commands, options)

    group = copy.copy(main)
    group.name, group.callback = "automigrate", enter
    group.help = f"{inspect.cleandoc(main.help or '')}\n\n{_HELP}"
    return group
