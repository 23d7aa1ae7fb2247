"""MySQL and MariaDB."""

from .dialect import Mysql

__all__ = ["Mysql"]
