"""Every field class of Peewee and playhouse, found by looking, so that none is forgotten.

A class that needs arguments has them in `ARGUMENTS`, and one whose base says too little about its
values has one in `VALUES`: a new release's class that needs either makes a test fail.
"""

from __future__ import annotations

import enum
import inspect
import sqlite3
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from importlib import import_module
from typing import Any
from uuid import UUID

import peewee
from peewee import AutoField, Database, Field, Model, SqliteDatabase

MODULES = (
    *("peewee", "playhouse.fields"),
    *("playhouse.postgres_ext", "playhouse.sqlite_ext", "playhouse.mysql_ext"),
)
DATABASES = {
    "playhouse.postgres_ext": ("postgres",),
    "playhouse.sqlite_ext": ("sqlite",),
    "playhouse.mysql_ext": ("mysql",),
}
ONLY_ON = {"AnyField": "sqlite", "BareField": "sqlite", "IdentityField": "postgres"}
WITHOUT_A_COLUMN = ("MetaField", "DeferredForeignKey", "FieldAlias")
VIRTUAL_TABLES_ONLY = ("SearchField",)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Size(enum.Enum):
    SMALL = 1
    LARGE = 2


ARGUMENTS: dict[str, tuple[Any, ...]] = {"EnumField": (Colour,), "IntEnumField": (Size,)}
VALUES: dict[str, Any] = {
    "AnyField": 1,
    "ArrayField": [1, 2],
    "BareField": 1,
    "BigBitField": b"\x05",
    "BinaryUUIDField": UUID(int=5),
    "BitField": 5,
    "BlobField": b"\x00'%s\xff",
    "BooleanField": True,
    "CompressedField": b"it's 100%",
    "DateField": date(2020, 1, 2),
    "DateTimeField": datetime(2020, 1, 2, 3, 4, 5),
    "DateTimeTZField": datetime(2020, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
    "DecimalField": Decimal("1.50000"),
    "EnumField": Colour.BLUE,
    "FloatField": 1.5,
    "HStoreField": {"key": "it's 100%"},
    "IPField": "127.0.0.1",
    "IntEnumField": Size.LARGE,
    "IntegerField": 7,
    "IntervalField": timedelta(hours=1),
    "JSONField": {"key": ["it's 100%", 1, None]},
    "PickleField": {"key": ["it's 100%", 1, None]},
    "TSVectorField": "'fat' 'rat'",
    "TimeField": time(3, 4, 5),
    "TimestampField": datetime(2020, 1, 2, 3, 4, 5),
    "UUIDField": UUID(int=5),
    "_StringField": 'it\'s 100% \\ "so"',
}


def field_classes() -> list[type[Field]]:
    """Return every field class that makes a column, sorted by its full name."""
    found: dict[str, type[Field]] = {}
    for module in map(import_module, MODULES):
        for item in vars(module).values():
            if inspect.isclass(item) and issubclass(item, Field) and _makes_a_column(item):
                found[f"{item.__module__}.{item.__name__}"] = item
    return [found[name] for name in sorted(found)]


def _makes_a_column(item: type[Field]) -> bool:
    names = {base.__name__ for base in item.__mro__}
    return (
        item.__module__ in MODULES
        and item is not Field
        and not item.__name__.startswith("_")
        and not issubclass(item, peewee.ForeignKeyField)
        and not names.intersection(WITHOUT_A_COLUMN)
    )


def cases(*, keys: bool) -> Iterator[tuple[type[Field], str]]:
    """Yield (class, kind of database) of all primary key fields, or of all others."""
    for item in field_classes():
        if issubclass(item, AutoField) == keys and item.__name__ not in VIRTUAL_TABLES_ONLY:
            only = ONLY_ON.get(item.__name__)
            kinds = ("sqlite", "postgres", "mysql")
            for database in (only,) if only else DATABASES.get(item.__module__, kinds):
                yield item, database


def case_id(case: object) -> str:
    """Return the name of a case for pytest."""
    if isinstance(case, type):
        return f"{case.__module__.rpartition('.')[2]}.{case.__name__}"
    return str(case)


def made(item: type[Field], **options: Any) -> Field:
    """Make a field of a class."""
    return item(*ARGUMENTS.get(item.__name__, ()), **options)


def value_of(item: type[Field]) -> Any:
    """Return a value for a field of this class."""
    return next(VALUES[base.__name__] for base in item.__mro__ if base.__name__ in VALUES)


def variants(item: type[Field], database: Database) -> dict[str, Field]:
    """Make a field of a class in each of its forms, as far as the database can have them."""
    fields = {
        "plain": made(item),
        "empty": made(item, null=True),
        "given": made(item, default=value_of(item)),
        "renamed": made(item, column_name="Other Name", null=True, index=False),
    }
    if has_order(item, database):
        fields["sorted"] = made(item, index=True)
        fields["single"] = made(item, unique=True)
    elif item.default_index_type:
        fields["sorted"] = made(item, index=True, null=True)
    return fields


def takes_default(item: type[Field], kind: str) -> bool:
    """Tell whether the database can store a Python value of this class."""
    has_jsonb = sqlite3.sqlite_version_info >= (3, 45)
    return kind != "sqlite" or item.__name__ != "JSONBField" or has_jsonb


def has_order(item: type[Field], database: Database) -> bool:
    """Tell whether values of this class can stand in a unique index of the database."""
    unsorted = item.__module__ == "playhouse.postgres_ext" and item.__name__ == "JSONField"
    return isinstance(database, SqliteDatabase) or not (item.default_index_type or unsorted)


def model(database: Database, table: str, fields: dict[str, Field], **meta: Any) -> type[Model]:
    """Make a model that is bound to the database."""
    options = type("Meta", (), {"database": database, "table_name": table, **meta})
    made: type[Model] = type(Model)("Model_" + table, (Model,), {**fields, "Meta": options})
    return made
