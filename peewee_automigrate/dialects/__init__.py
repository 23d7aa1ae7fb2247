"""The only place that asks which database this is.

Enters: a Peewee database. Leaves: its dialect, loaded when its database is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import TYPE_CHECKING, Any

from peewee import Database, MySQLDatabase, PostgresqlDatabase, SqliteDatabase

from ..errors import AutoMigrateError, UnsupportedDatabase
from ..models.collect import unwrapped
from ..schema import Outline, TableName
from .base import Dialect, is_async

if TYPE_CHECKING:
    from playhouse.migrate import SchemaMigrator

    from .filling import Filler
    from .remedies import Remedies
    from .writing import Writer


def migrator_for(database: Any) -> SchemaMigrator:
    """Return Peewee's migrator for a database, with operations that rewrite no row and rebuild no
    table: `add_column` adds NOT NULL and the default by one statement, all else is Peewee's.

    ``database`` may be a `DatabaseProxy`; literals are quoted over its connection, which must be
    open. Raises `UnsupportedDatabase` for one without a dialect.
    """
    return writer_of(dialect_for(unwrapped(database)))


def writer_of(dialect: Dialect) -> Writer:
    """Return what writes a database's changes as steps, loaded when there is something to add."""
    made: Writer = _part(dialect, "writing", "Writer")
    return made


def filler_of(dialect: Dialect) -> Filler:
    """Return what gives each row of a new column a value of its own."""
    made: Filler = _part(dialect, "rows", "Filler")
    return made


def remedies_of(dialect: Dialect) -> Remedies:
    """Return what writes the SQL by which a person could resolve findings."""
    made: Remedies = _part(dialect, "remedies", "Remedies")
    return made


def watched(dialect: Dialect) -> AbstractContextManager[dict[str, tuple[str, float]]]:
    """Return what tells the strongest lock on each table that the session is seen to hold inside,
    and its seconds; nothing where the server does not tell.
    """
    if dialect.name != "postgresql":
        return nullcontext({})
    folder = type(dialect).__module__.rpartition(".")[0]
    made: AbstractContextManager[dict[str, tuple[str, float]]]
    made = import_module(f"{folder}.watching").watched(dialect)
    return made


def outlines_of(dialect: Dialect, tables: Sequence[TableName]) -> Mapping[TableName, Outline]:
    """Read, by one statement, what decides whether anything is missing from these tables."""
    folder = type(dialect).__module__.rpartition(".")[0]
    found: Mapping[TableName, Outline] = import_module(f"{folder}.outline").read(dialect, tables)
    return found


def _part(dialect: Dialect, module: str, kind: str) -> Any:
    folder = type(dialect).__module__.rpartition(".")[0]
    return getattr(import_module(f"{folder}.{module}"), type(dialect).__name__ + kind)(dialect)


def dialect_for(database: Database) -> Dialect:
    """Return the dialect of a database; reads nothing.

    Raises `UnsupportedDatabase` for one that has none, such as CockroachDB, which has neither
    PostgreSQL's advisory locks nor its transactional DDL, or Peewee's queue for SQLite.
    """
    names = {base.__name__ for base in type(database).__mro__}
    if "SqliteQueueDatabase" in names:
        raise UnsupportedDatabase(
            f"{type(database).__name__}: a thread of its own writes, outside of any transaction. "
            "Migrate over a SqliteDatabase of the same file before it starts."
        )
    if is_async(database) and import_module("greenlet").getcurrent().parent is None:
        raise AutoMigrateError(
            f"{type(database).__name__}: called outside of its event loop. "
            "Call it by the database: await database.run(migrate, database, models)."
        )
    is_cockroach = "CockroachDatabase" in names
    if isinstance(database, SqliteDatabase):
        from .sqlite import Sqlite

        return Sqlite(database)
    if isinstance(database, PostgresqlDatabase) and not is_cockroach:
        from .postgres import Postgres

        return Postgres(database)
    if isinstance(database, MySQLDatabase):
        from .mysql import Mysql

        return Mysql(database)
    raise UnsupportedDatabase(
        f"{type(database).__name__}: not supported. "
        "Use SQLite, PostgreSQL, MySQL or MariaDB through Peewee."
    )
