"""MySQL and MariaDB."""

from .session import Mysql

__all__ = ["Mysql"]
