"""The only place that asks which database this is.

Enters: a Peewee database. Leaves: its dialect, loaded when its database is used.
"""

from __future__ import annotations

from typing import Any

from peewee import Database, MySQLDatabase, PostgresqlDatabase, SqliteDatabase
from playhouse.migrate import SchemaMigrator

from ..errors import UnsupportedDatabase
from ..models.collect import unwrapped
from .base import Dialect


def migrator_for(database: Any) -> SchemaMigrator:
    """Return Peewee's migrator for a database, with operations that rewrite no row and rebuild no
    table: `add_column` adds NOT NULL and the default by one statement, all else is Peewee's.

    ``database`` may be a `DatabaseProxy`; literals are quoted over its connection, which must be
    open. Raises `UnsupportedDatabase` for one without a dialect.
    """
    return dialect_for(unwrapped(database)).writer


def dialect_for(database: Database) -> Dialect:
    """Return the dialect of a database; reads nothing.

    Raises `UnsupportedDatabase` for one that has none, such as CockroachDB, which has neither
    PostgreSQL's advisory locks nor its transactional DDL.
    """
    is_cockroach = any(base.__name__ == "CockroachDatabase" for base in type(database).__mro__)
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
