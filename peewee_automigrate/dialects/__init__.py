"""The only place that asks which database this is.

Enters: a Peewee database. Leaves: its dialect, or `UnsupportedDatabase`.
"""

from __future__ import annotations

from peewee import Database, MySQLDatabase, PostgresqlDatabase, SqliteDatabase

from ..errors import UnsupportedDatabase
from .base import Addition, Dialect, Place, Wanted
from .mysql.dialect import Mysql
from .postgres.dialect import Postgres
from .sqlite.dialect import Sqlite
from .waiting import poll

__all__ = ["Addition", "Dialect", "Place", "Wanted", "dialect_for", "poll"]

_DIALECTS: tuple[tuple[type[Database], type[Dialect]], ...] = (
    (PostgresqlDatabase, Postgres),
    (SqliteDatabase, Sqlite),
    (MySQLDatabase, Mysql),
)


def dialect_for(database: Database) -> Dialect:
    """Return the dialect of a database; reads nothing.

    Raises `UnsupportedDatabase` for one that has none. CockroachDB speaks PostgreSQL's protocol
    but has neither its advisory locks nor its transactional DDL, so it is refused by name.
    """
    is_cockroach = any(base.__name__ == "CockroachDatabase" for base in type(database).__mro__)
    for database_type, dialect in _DIALECTS:
        if isinstance(database, database_type) and not is_cockroach:
            return dialect(database)
    raise UnsupportedDatabase(
        f"{type(database).__name__}: not supported. "
        "Use SQLite, PostgreSQL, MySQL or MariaDB through Peewee."
    )
