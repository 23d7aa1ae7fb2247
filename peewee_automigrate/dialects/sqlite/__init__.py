"""SQLite."""

from .session import Sqlite

__all__ = ["Sqlite"]
