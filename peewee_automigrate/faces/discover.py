"""From the words of a command line to models and databases.

Enters: "package.module", "package.module:NAME", a database URL. Leaves: models grouped by the
database that they are to be migrated in. Connects to nothing. Imports no Flask: an application is
known by what it has.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from peewee import Database, ImproperlyConfigured, Model, SqliteDatabase
from playhouse import db_url

from ..errors import AutoMigrateError, ModelsNotFound
from ..models.collect import collect, database_of, one_line, unwrapped

# Where one release of Peewee lacks a scheme that another has, this one reaches the same database.
_ALIASES = {
    "sqliteext": "sqlite",
    "sqliteext+pool": "sqlite+pool",
    "psycopg3": "postgresql",
    "psycopg3+pool": "postgresql+pool",
}


@dataclass(frozen=True)
class Target:
    """``models`` (classes, modules) and the database they belong in; None: each model's own."""

    models: tuple[Any, ...] = ()
    database: Database | None = None


def load(specs: Sequence[str]) -> list[Target]:
    """Import what each ``package.module`` or ``package.module:NAME`` names.

    NAME is a model, a list of models, a Flask application that has the `flask.AutoMigrate`
    extension, or a function that returns one of these. The current folder is searched first.
    Raises `ModelsNotFound` where a module or name is missing or fails.
    """
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return [_target(spec, named(spec)) for spec in specs]


def _target(spec: str, value: Any) -> Target:
    if not _is_application(value):
        return Target(tuple(listed(value)))
    try:
        setup = value.extensions["automigrate"]
    except KeyError:
        raise ModelsNotFound(
            f"{spec}: an application without the AutoMigrate extension. Add "
            "peewee_automigrate.flask.AutoMigrate(app, database, models), or name the models."
        ) from None
    target: Target = setup.target()
    return target


def _is_application(value: Any) -> bool:
    """Tell a Flask application, which has a dict of extensions."""
    return isinstance(getattr(value, "extensions", None), dict)


def listed(value: Any) -> Iterable[Any]:
    """Return what a collection holds; anything else stands alone."""
    return value if isinstance(value, list | tuple | set | frozenset) else [value]


def named(spec: str) -> Any:
    """Import what one ``package.module`` or ``package.module:NAME`` names; a function is called.

    Raises `ModelsNotFound` where the module or name is missing or fails.
    """
    module_name, _, name = spec.partition(":")
    module = _imported(module_name)
    if not name:
        return module
    try:
        value = getattr(module, name)
    except AttributeError:
        raise ModelsNotFound(f"{spec}: the module {module_name} has no {name!r}.") from None
    if callable(value) and not isinstance(value, type) and not _is_application(value):
        try:
            return value()
        except Exception as error:
            raise ModelsNotFound(f"{spec}: fails: {one_line(error)}.") from error
    return value


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name and name.startswith(error.name):
            raise ModelsNotFound(
                f"{name}: there is no module {error.name!r}. Run from its folder, or install it."
            ) from error
        raise ModelsNotFound(f"{name}: fails to import: {one_line(error)}.") from error


def open_url(url: str) -> Database:
    """Return the database of a URL, not connected yet.

    Raises `AutoMigrateError`; no text of it shows the URL, which may hold a password.
    """
    scheme = url.partition("://")[0] if "://" in url else ""
    if scheme in _ALIASES and scheme not in db_url.schemes:
        url = url.replace(scheme, _ALIASES[scheme], 1)
        scheme = _ALIASES[scheme]
    if scheme not in db_url.schemes:
        known = ", ".join(sorted(name for name in db_url.schemes if "+" not in name))
        raise AutoMigrateError(
            f"the database URL has the scheme {scheme[:20]!r}, which is unknown or lacks its "
            f"driver. Use one of: {known}."
        )
    try:
        user = urlsplit(url).username
        login = {"user": unquote(user)} if user else {}  # Peewee 3.17 leaves it quoted
        database = db_url.connect(url, unquote_password=True, **login)
        if database.deferred:
            raise ValueError("no name")
    except ImproperlyConfigured as error:
        raise AutoMigrateError(f"{scheme}: {error}") from None
    except Exception as error:
        kind = type(error).__name__
        raise AutoMigrateError(
            f"the database URL can't be read ({kind}). "
            f"Write {scheme}://user:password@host/name, or sqlite:///file.db."
        ) from None
    return database


def _checked(database: Database) -> None:
    """Refuse an SQLite file that is not there, which connecting would make."""
    name = str(database.database)
    is_file = isinstance(database, SqliteDatabase) and database.database and name != ":memory:"
    if is_file and not name.startswith("file:") and not Path(name).exists():
        raise AutoMigrateError(f"{name}: there is no such file. `migrate` makes it.")


def by_database(
    targets: Sequence[Target],
    database: Database | None,
    *,
    must_exist: bool,
    fallback: Database | None = None,
) -> list[tuple[Any, list[Any]]]:
    """Group models by the database of their target or by their own, or put all in ``database``.

    ``must_exist``: an SQLite file that is not there is an error instead of a new database.
    ``fallback``: the database of those that are bound to none. Raises `ModelsNotFound` for a
    model that has none, and `AutoMigrateError` for a database that is not initialised.
    """
    parts: list[tuple[Any, Sequence[Any]]] = []
    free: list[Any] = []
    for target in targets:
        owner = target.database if database is None else database
        if owner is None:
            free += target.models
        else:
            parts.append((unwrapped(owner), target.models))
    if free or not parts:
        parts += _by_owner(free, fallback)
    groups: dict[int, tuple[Any, list[Any]]] = {}
    for owner, items in parts:
        groups.setdefault(id(owner), (owner, []))[1].extend(items)
    for owner, _ in groups.values() if must_exist else ():
        _checked(owner)
    return list(groups.values())


def _by_owner(items: Sequence[Any], fallback: Database | None) -> list[tuple[Any, Any]]:
    """Pair models with the database that they are bound to."""
    collected = collect(items)
    parts = [(_owner(model, fallback), (model,)) for model in collected.models]
    owners = {id(owner) for owner, _ in parts}
    others = {id(owner) for base in collected.bases if (owner := database_of(base)) is not None}
    if len(owners) == 1 and others <= owners:
        # As they came, so that the plan can tell which of the found models look abstract.
        return [(parts[0][0], items)]
    return parts


def _owner(model: type[Model], fallback: Database | None) -> Database:
    """Return the database that a model is bound to."""
    bound_to = database_of(model)
    owner = fallback if bound_to is None else bound_to
    if owner is not None:
        return unwrapped(owner)
    name = f"{model.__module__}.{model.__qualname__}"
    if model._meta.database is None:
        raise ModelsNotFound(
            f"{name}: bound to no database. Bind it, give --database URL, or set DATABASE_URL."
        )
    raise ModelsNotFound(
        f"{name}: its DatabaseProxy is not initialised. Call its initialize(database) where the "
        "models are imported, or give --database URL, or set DATABASE_URL."
    )
