"""For an application's tests. Enters: a database and models. Leaves: nothing, or a failed test."""

from __future__ import annotations

from peewee import Database, Proxy

from .apply.protocol import plan
from .models.collect import Models


def assert_migrated(database: Database | Proxy, models: Models) -> None:
    """Raise `AssertionError` with the plan if the database lacks anything. Reads the database."""
    if todo := plan(database, models):
        raise AssertionError(str(todo))
