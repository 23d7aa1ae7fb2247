"""SQLite."""

from .dialect import Sqlite

__all__ = ["Sqlite"]
