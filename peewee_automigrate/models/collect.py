"""From what the caller names to the models that want a table.

Enters: model classes, modules, packages, or a mix. Leaves: models, each once, in order of their
table names. Reads no database. Imports errors only.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeAlias

from peewee import Database, Model, Proxy

from ..errors import AutoMigrateError, ModelsNotFound

Models: TypeAlias = type[Model] | ModuleType | Iterable[type[Model] | ModuleType]

_MODULES = 3  # that a plan names


@dataclass(frozen=True, slots=True)
class Collected:
    """``models`` want a table. ``bases`` were found in a module and look abstract: other found
    models subclass them, so each is left out unless its table exists. ``refusing`` say
    ``automigrate = False``.
    """

    models: tuple[type[Model], ...]
    bases: tuple[type[Model], ...]
    refusing: tuple[type[Model], ...] = ()

    def summary(self, absent: Collection[type[Model]], place: str) -> str:
        """Return how many models of which modules are wanted where, and which were left out.

        ``absent`` are the bases that have no table.
        """
        wanted = [model for model in (*self.models, *self.bases) if model not in absent]
        reasons = (
            ("abstract", [base for base in self.bases if base in absent]),
            ("automigrate = False", self.refusing),
        )
        left_out = ", ".join(
            f"{', '.join(model.__name__ for model in models)} ({reason})"
            for reason, models in reasons
            if models
        )
        count = f"{len(wanted)} model{'s' if len(wanted) != 1 else ''}"
        line = f"{count} of {_modules(wanted)} on {place}"
        return f"{line}; left out: {left_out}" if left_out else line


def _modules(models: Iterable[type[Model]]) -> str:
    """Name the modules; Peewee's own, in which it makes through models, are not meant."""
    names = sorted({model.__module__ for model in models if not _is_peewees(model)})
    more = len(names) - _MODULES
    return ", ".join(names[:_MODULES]) + (f" and {more} more" if more > 0 else "")


def _is_peewees(model: type[Model]) -> bool:
    return model.__module__.partition(".")[0] in ("peewee", "playhouse")


def collect(items: Models) -> Collected:
    """Return the models that ``items`` stand for; through models come along.

    Imports the submodules of a package. Raises `ModelsNotFound` when there is no model, an item
    is none, or a submodule fails to import.
    """
    given: dict[type[Model], None] = {}
    found: dict[type[Model], None] = {}
    for item in _listed(items):
        if isinstance(item, ModuleType):
            found.update(dict.fromkeys(_models_of(item)))
        elif _is_model(item):
            given[item] = None
        else:
            raise ModelsNotFound(f"{item!r}: neither a Peewee model nor a module.")
    bases = {base for model in found for base in model.__mro__[1:] if base in found} - set(given)
    if bases:
        bases -= {parent for model in {*given, *found} - bases for parent in _parents(model)}
    chosen = [model for model in {**given, **found} if model not in bases and _is_wanted(model)]
    chosen += _through_models(chosen)
    refusing = [model for model in {**given, **found} if not _is_wanted(model)]
    if not chosen:
        why = ", ".join(model.__name__ for model in _ordered(refusing))
        raise ModelsNotFound(
            f"{_names(items)}: no Peewee models here that want a table"
            f"{f' (automigrate = False: {why})' if why else ''}."
        )
    return Collected(_ordered(chosen), _ordered(filter(_is_wanted, bases)), _ordered(refusing))


def _listed(items: Any) -> list[Any]:
    if isinstance(items, ModuleType) or _is_model(items):
        return [items]
    if isinstance(items, str) or not isinstance(items, Iterable):
        raise ModelsNotFound(f"{items!r}: give model classes, or a module or package of models.")
    return list(items)


def _names(items: Any) -> str:
    names = [item.__name__ for item in _listed(items)]
    return ", ".join(names) or "the list of models is empty"


def _is_model(item: object) -> bool:
    return isinstance(item, type) and issubclass(item, Model)


def _is_wanted(model: type[Model]) -> bool:
    return getattr(model._meta, "automigrate", True) is not False


def _models_of(module: ModuleType) -> Iterator[type[Model]]:
    for part in (module, *_submodules(module)):
        for item in vars(part).values():
            if _is_model(item) and not _is_peewees(item):
                yield item


def _submodules(module: ModuleType) -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(getattr(module, "__path__", ()), f"{module.__name__}."):
        if found.name.rpartition(".")[2] == "__main__":
            continue
        try:
            yield importlib.import_module(found.name)
        except (Exception, SystemExit) as error:
            raise ModelsNotFound(f"{found.name}: fails to import: {one_line(error)}.") from error


def one_line(error: BaseException) -> str:
    """Return an error's kind and text."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def _parents(model: type[Model]) -> set[type[Model]]:
    return set(model._meta.refs.values()) - {model}


def _through_models(models: Iterable[type[Model]]) -> list[type[Model]]:
    fields = [field for model in models for field in model._meta.manytomany.values()]
    through = [field.through_model for field in fields]
    return [model for model in through if _is_model(model) and _is_wanted(model)]


def _ordered(models: Iterable[type[Model]]) -> tuple[type[Model], ...]:
    def key(model: type[Model]) -> tuple[str, ...]:
        meta = model._meta
        return (meta.schema or "", meta.table_name, model.__module__, model.__qualname__)

    return tuple(sorted(dict.fromkeys(models), key=key))


def unwrapped(database: Any) -> Database:
    """Return the database behind a `DatabaseProxy`.

    Raises `AutoMigrateError` when there is none yet, or when it was not initialised.
    """
    if isinstance(database, Proxy):
        if database.obj is None:
            raise AutoMigrateError(
                "DatabaseProxy: not initialised. Call its initialize(database) first."
            )
        return unwrapped(database.obj)
    if not isinstance(database, Database):
        raise AutoMigrateError(f"{database!r}: not a Peewee database.")
    if database.deferred:
        raise AutoMigrateError(
            f"{type(database).__name__}: has no name yet. Call its init(name) first."
        )
    return database


def database_of(model: type[Model]) -> Database | None:
    """Return the database that a model is bound to, None when it is bound to none yet."""
    database = model._meta.database
    while isinstance(database, Proxy):
        database = database.obj
    return database


@contextmanager
def bound(database: Database, collected: Collected) -> Iterator[None]:
    """Bind those models that are not bound to ``database``, and bind them back afterwards.

    Raises `ModelsNotFound` when the models belong to several databases.
    """
    models = (*collected.models, *collected.bases)
    owners = {id(owner): owner for model in models if (owner := database_of(model)) is not None}
    if len(owners) > 1:
        names = sorted({f"{owner.database}" for owner in owners.values()})
        raise ModelsNotFound(
            f"the models belong to {len(owners)} databases ({', '.join(names)}). "
            "Migrate the models of each by a call of their own."
        )
    others = [model for model in models if database_of(model) is not database]
    if not others:
        yield
        return
    with database.bind_ctx(others, bind_refs=False, bind_backrefs=False):
        yield
