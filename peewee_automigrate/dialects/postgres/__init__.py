"""PostgreSQL."""

from .dialect import Postgres

__all__ = ["Postgres"]
