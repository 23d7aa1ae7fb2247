"""From what the caller names to the models that want a table, and to their databases.

Enters: model classes, modules, packages, their names, applications, or a mix. Leaves: models, each
once, in order of their table names; models by database. Connects to nothing. Imports no Flask.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NamedTuple, TypeAlias

from peewee import Database, Model, Proxy

from ..errors import AutoMigrateError, ModelsNotFound, pass_on

Named: TypeAlias = type[Model] | ModuleType | str
Models: TypeAlias = Named | Iterable[Named]

_MODULES = 3  # that a plan names


class Collected(NamedTuple):
    """``models`` want a table. ``bases`` were found in a module and look abstract, since other
    found models subclass them: a table only if it exists. ``refusing``: ``automigrate = False``.
    """

    models: tuple[type[Model], ...]
    bases: tuple[type[Model], ...]
    refusing: tuple[type[Model], ...] = ()

    @property
    def temporary(self) -> tuple[type[Model], ...]:
        """Those whose tables would end with the connection."""
        return tuple(filter(_is_temporary, self.refusing))

    def summary(self, absent: Collection[type[Model]], place: str) -> str:
        """Return how many models of which modules are wanted where, and which were left out.

        ``absent`` are the bases that have no table.
        """
        wanted = [model for model in (*self.models, *self.bases) if model not in absent]
        bases = [base for base in self.bases if base in absent]
        refusing = [model for model in self.refusing if model not in self.temporary]
        reasons = {"abstract": bases, "temporary": self.temporary, "automigrate = False": refusing}
        left_out = [
            f"{', '.join(model.__name__ for model in models)} ({reason})"
            for reason, models in reasons.items()
            if models
        ]
        models = f"{len(wanted)} model{'s' if len(wanted) != 1 else ''}"
        line = f"{models} of {_modules(wanted)} on {place}"
        return f"{line}; left out: {', '.join(left_out)}" if left_out else line


def _modules(models: Iterable[type[Model]]) -> str:
    """Name the modules; Peewee's own, in which it makes through models, are not meant."""
    names = sorted({model.__module__ for model in models if not _is_peewees(model)})
    more = len(names) - _MODULES
    return ", ".join(names[:_MODULES]) + (f" and {more} more" if more > 0 else "")


def _is_peewees(model: type[Model]) -> bool:
    return model.__module__.partition(".")[0] in ("peewee", "playhouse")


def collect(items: Models) -> Collected:
    """Return the models that ``items`` stand for; through models come along.

    Imports what is named, and the submodules of a package. Raises `ModelsNotFound` when there is no
    model, an item is none, or a module is missing or fails to import.
    """
    named = [item for item, _ in _named(items, None)]
    modules = [item for item in named if isinstance(item, ModuleType)]
    given = dict.fromkeys(item for item in named if not isinstance(item, ModuleType))
    found = {model: None for module in modules for model in _models_of(module)}
    bases = {base for model in found for base in model.__mro__[1:] if base in found} - set(given)
    others = {*given, *found} - bases
    bases -= {parent for model in others for parent in model._meta.refs.values()}
    refusing = _ordered(model for model in {**given, **found} if not _is_wanted(model))
    chosen = [model for model in {**given, **found} if model not in {*bases, *refusing}]
    chosen += _through_models(chosen)
    if not chosen and not any(map(_is_temporary, refusing)):
        names = ", ".join(item.__name__ for item in named) or "the list of models is empty"
        why = ", ".join(model.__name__ for model in refusing)
        why = f" (automigrate = False: {why})" if why else ""
        raise ModelsNotFound(f"{names}: no Peewee models here that want a table{why}.")
    return Collected(_ordered(chosen), _ordered(filter(_is_wanted, bases)), refusing)


def grouped(
    items: Any, database: Any = None, fallback: Database | None = None
) -> list[tuple[Database, list[Any]]]:
    """Group what is named by its database: ``database``, else its application's, else its own.

    ``fallback``: the database of models that are bound to none. Raises what `collect` raises,
    `ModelsNotFound` for a model that has none, `AutoMigrateError` for one that is not initialised.
    """
    found = list(_named(items, database))
    pairs = [(unwrapped(owner), item) for item, owner in found if owner is not None]
    free = [item for item, owner in found if owner is None]
    pairs += _by_owner(free, fallback) if free or not found else []
    groups: dict[Database, list[Any]] = {}
    for owner, item in pairs:
        groups.setdefault(owner, []).append(item)
    return list(groups.items())


def _by_owner(items: list[Any], fallback: Database | None) -> list[tuple[Database, Any]]:
    """Pair models with the database that they are bound to. Where it is one, they stay as they
    came, so that the plan can tell which of the found models look abstract.
    """
    collected = collect(items)
    pairs = [(_owner(model, fallback), model) for model in collected.models]
    owners = {owner for owner, _ in pairs} | _owners(collected.bases)
    return [(pairs[0][0], item) for item in items] if len(owners) == 1 else pairs


def _owner(model: type[Model], fallback: Database | None) -> Database:
    bound_to = model._meta.database
    owner = _behind(bound_to) or fallback
    if owner is not None:
        return unwrapped(owner)
    why = "bound to no database. Bind it,"
    if bound_to is not None:
        why = (
            "its DatabaseProxy is not initialised. Call its initialize(database) where the models "
            "are imported, or"
        )
    raise ModelsNotFound(
        f"{model.__module__}.{model.__qualname__}: {why} give --database URL, or set DATABASE_URL."
    )


def _named(items: Any, database: Any, word: str = "") -> Iterator[tuple[Any, Any]]:
    """Yield each model and module with ``database``, else its application's, else None."""
    if isinstance(items, str):
        yield from _named(_value(items), database, items)
    elif isinstance(items, ModuleType) or _is_model(items):
        yield items, database
    elif _is_application(items):
        if "automigrate" not in items.extensions:
            raise ModelsNotFound(
                f"{word or items}: an application without the AutoMigrate extension. Add "
                "peewee_automigrate.flask.AutoMigrate(app, database, models), or name the models."
            )
        setup = items.extensions["automigrate"]
        yield from _named(setup.models, setup.owner() if database is None else database)
    elif isinstance(items, Iterable) and items is not Model:
        for item in items:
            yield from _named(item, database)
    else:
        raise ModelsNotFound(
            f"{items!r}: neither a Peewee model nor a module. Give models, modules or their names."
        )


def _value(word: str) -> Any:
    """Import what "package.module" or "package.module:NAME" names; a function is called."""
    module_name, _, name = word.partition(":")
    module = imported(module_name)
    if not name:
        return module
    if not hasattr(module, name):
        raise ModelsNotFound(f"{word}: the module {module_name} has no {name!r}.")
    value = getattr(module, name)
    if callable(value) and not isinstance(value, type) and not _is_application(value):
        try:
            return value()
        except (Exception, SystemExit) as error:
            pass_on(error)
            raise ModelsNotFound(f"{word}: fails: {_one_line(error)}.") from error
    return value


def imported(name: str) -> ModuleType:
    """Import a module; raises `ModelsNotFound` when it is missing or fails."""
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        pass_on(error)
        why = f"fails to import: {_one_line(error)}."
        if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
            why = f"there is no module {error.name!r}. Run from its folder, or install it."
        raise ModelsNotFound(f"{name}: {why}") from error


def _one_line(error: BaseException) -> str:
    from .failing import failure

    return failure(error)


def _is_application(value: Any) -> bool:
    """Tell a Flask application, which has a dict of extensions."""
    return isinstance(getattr(value, "extensions", None), dict)


def _is_model(item: object) -> bool:
    return isinstance(item, type) and issubclass(item, Model) and item is not Model


def _is_wanted(model: type[Model]) -> bool:
    return getattr(model._meta, "automigrate", True) is not False and not _is_temporary(model)


def _is_temporary(model: type[Model]) -> bool:
    """Tell whether a model's table ends with its connection."""
    return bool(model._meta.temporary)


def _models_of(module: ModuleType) -> list[type[Model]]:
    import pkgutil

    below = pkgutil.walk_packages(vars(module).get("__path__", ()), f"{module.__name__}.")
    names = (found.name for found in below)  # lazily: a package is imported before it is walked
    parts = (module, *(imported(name) for name in names if not name.endswith(".__main__")))
    items = (item for part in parts for item in vars(part).values())
    return [item for item in items if _is_model(item) and not _is_peewees(item)]


def _through_models(models: Iterable[type[Model]]) -> list[type[Model]]:
    declared = (field for model in models for field in model._meta.manytomany.values())
    fields = (field for field in declared if not field._is_backref)
    through = (field.through_model for field in fields)
    return [model for model in through if _is_model(model) and _is_wanted(model)]


def _ordered(models: Iterable[type[Model]]) -> tuple[type[Model], ...]:
    def key(model: type[Model]) -> tuple[str, ...]:
        schema, name = model._meta.schema or "", model._meta.table_name
        return (schema, name, model.__module__, model.__qualname__)

    return tuple(sorted(dict.fromkeys(models), key=key))


def unwrapped(database: Any) -> Database:
    """Return the database behind a `DatabaseProxy`.

    Raises `AutoMigrateError` when there is none yet, or when it was not initialised.
    """
    found = _behind(database)
    if found is None and database is not None:
        why = "DatabaseProxy: not initialised. Call its initialize(database) first."
    elif not isinstance(found, Database):
        why = f"{without_password(repr(found))}: not a Peewee database."
    elif found.deferred:
        why = f"{type(found).__name__}: has no name yet. Call its init(name) first."
    else:
        return found
    raise AutoMigrateError(why)


def _behind(database: Any) -> Any:
    """Return the database behind proxies, None when there is none yet."""
    while isinstance(database, Proxy):
        database = database.obj
    return database


def _owners(models: Iterable[type[Model]]) -> set[Database]:
    return {_behind(model._meta.database) for model in models} - {None}


_PASSWORD = re.compile(r"(://[^:/@\s]*:|\bpassword\s*=\s*)[^@\s]+", re.IGNORECASE)


def without_password(text: str) -> str:
    """Return a text in which the password of a URL, or of a list of settings, is not shown."""
    return _PASSWORD.sub(r"\1***", text)


@contextmanager
def bound(database: Database, collected: Collected) -> Iterator[None]:
    """Bind those models that are not bound to ``database``, and bind them back afterwards.

    Raises `ModelsNotFound` when the models belong to several databases.
    """
    models = (*collected.models, *collected.bases)
    owners = _owners(models)
    if len(owners) > 1:
        names = sorted({without_password(str(owner.database)) for owner in owners})
        raise ModelsNotFound(
            f"the models belong to {len(owners)} databases ({', '.join(names)}). "
            "Migrate the models of each by a call of their own."
        )
    others = [model for model in models if _behind(model._meta.database) is not database]
    with database.bind_ctx(others, bind_refs=False, bind_backrefs=False):
        yield
