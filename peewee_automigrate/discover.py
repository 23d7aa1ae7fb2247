"""From the words of a command line to models and databases.

Enters: "package.module", "package.module:NAME", a database URL. Leaves: models grouped by the
database that they are to be migrated in. Connects to nothing.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from peewee import Database, ImproperlyConfigured, Model, SqliteDatabase
from playhouse import db_url

from .errors import AutoMigrateError, ModelsNotFound
from .models import collect, database_of


def load(specs: Sequence[str]) -> list[Any]:
    """Import what each ``package.module`` or ``package.module:NAME`` names.

    NAME is a model, a list of models, or a function that returns one of these. The current
    folder is searched first. Raises `ModelsNotFound` where a module or name is missing or fails.
    """
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    items: list[Any] = []
    for spec in specs:
        found = _named(spec)
        items += found if isinstance(found, list | tuple | set | frozenset) else [found]
    return items


def _named(spec: str) -> Any:
    module_name, _, name = spec.partition(":")
    module = _imported(module_name)
    if not name:
        return module
    try:
        value = getattr(module, name)
    except AttributeError:
        raise ModelsNotFound(f"{spec}: the module {module_name} has no {name!r}.") from None
    if callable(value) and not isinstance(value, type):
        try:
            return value()
        except Exception as error:
            raise ModelsNotFound(f"{spec}: fails: {_one_line(error)}.") from error
    return value


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name and name.startswith(error.name):
            raise ModelsNotFound(
                f"{name}: there is no module {error.name!r}. Run from its folder, or install it."
            ) from error
        raise ModelsNotFound(f"{name}: fails to import: {_one_line(error)}.") from error


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def open_url(url: str) -> Database:
    """Return the database of a URL, not connected yet.

    Raises `AutoMigrateError`; no text of it shows the URL, which may hold a password.
    """
    scheme = url.partition("://")[0] if "://" in url else ""
    if scheme not in db_url.schemes:
        known = ", ".join(sorted(name for name in db_url.schemes if "+" not in name))
        raise AutoMigrateError(
            f"the database URL has the scheme {scheme[:20]!r}, which is unknown or lacks its "
            f"driver. Use one of: {known}."
        )
    try:
        user = urlsplit(url).username
        named = {"user": unquote(user)} if user else {}  # Peewee 3.17 leaves it quoted
        database = db_url.connect(url, unquote_password=True, **named)
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


def _checked(database: Database) -> Database:
    """Refuse an SQLite file that is not there, which connecting would make."""
    name = str(database.database)
    is_file = isinstance(database, SqliteDatabase) and database.database and name != ":memory:"
    if is_file and not name.startswith("file:") and not Path(name).exists():
        raise AutoMigrateError(f"{name}: there is no such file. `migrate` makes it.")
    return database


def by_database(
    items: Sequence[Any], database: Database | None, *, must_exist: bool
) -> list[tuple[Any, list[Any]]]:
    """Group models by their own database, or put all under ``database``.

    ``must_exist``: an SQLite file that is not there is an error instead of a new database.
    Raises `ModelsNotFound` for a model that is bound to none, when none is given.
    """
    if database is not None:
        return [(_checked(database) if must_exist else database, list(items))]
    collected = collect(items)
    groups: dict[int, tuple[Any, list[type[Model]]]] = {}
    for model in collected.models:
        owner = database_of(model)
        if owner is None:
            raise ModelsNotFound(
                f"{model.__module__}.{model.__qualname__}: bound to no database. "
                "Give --database URL, or set DATABASE_URL."
            )
        groups.setdefault(id(owner), (owner, []))[1].append(model)
    found = list(groups.values())
    for owner, _ in found if must_exist else ():
        _checked(owner)
    others = {id(owner) for base in collected.bases if (owner := database_of(base)) is not None}
    if len(found) == 1 and others <= set(groups):
        # As they came, so that the plan can tell which of the found models look abstract.
        return [(found[0][0], list(items))]
    return found
