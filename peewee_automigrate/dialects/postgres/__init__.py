"""PostgreSQL."""

from .session import Postgres

__all__ = ["Postgres"]
