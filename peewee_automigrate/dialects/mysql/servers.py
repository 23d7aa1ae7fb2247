"""Which server answers to MySQL's protocol, by what it says in `version()`.

Enters: that text. Leaves: its name and version, or `UnsupportedDatabase`. What only speaks the
protocol, or locks in each of several servers for itself, is refused whole. Pure.
"""

from __future__ import annotations

import logging
import re
from functools import cache

from ...errors import UnsupportedDatabase

# The oldest version; () for what is refused. The first pattern that matches the beginning counts.
_SERVERS: tuple[tuple[str, tuple[int, ...], str], ...] = (
    ("MariaDB", (10, 6), r"(?:5\.5\.5-)?([\d.]+)(?:-\d+)?-MariaDB\b"),
    ("OceanBase", (4, 3, 5), r"[\d.]+-OceanBase(?:_CE)?-v([\d.]+)"),
    ("OceanBase", (1, 4), r"[\d.]+-OceanBase seekdb-v([\d.]+)"),
    ("OceanBase", (), r"[\d.]+-OceanBase"),
    ("TiDB", (), r"[\d.]+-TiDB-"),
    ("Vitess", (), r"[\d.]+-(?i:Vitess)(-|$)"),
    ("MatrixOne", (), r"[\d.]+-MatrixOne-v"),
    ("PolarDB-X", (), r"[\d.]+-TDDL-\d"),
    ("NDB Cluster", (), r"[\d.]+-(ndb|cluster)(-|$)"),
    ("MySQL", (8, 0, 16), r"(\d+\.\d+\.\d+)"),
    ("", (), ""),
)
_NOT_RUN = {
    "MySQL": "nothing of this was run on MySQL, only its manual was read: ALGORITHM=INSTANT, "
    "GET_LOCK, CHECKs, indexes on expressions",
    "OceanBase": "this was run on its embedded server only, not on a distributed one",
}
_USE = "Use MariaDB 10.6, MySQL 8.0.16, OceanBase 4.3.5, or a later one."


def known(text: str) -> tuple[str, tuple[int, ...]]:
    """Return a server's name and version, or raise `UnsupportedDatabase`."""
    matches = ((name, oldest, re.match(pattern, text)) for name, oldest, pattern in _SERVERS)
    name, oldest, found = next(match for match in matches if match[2])
    if not oldest or not found:
        raise UnsupportedDatabase(
            f"{name or repr(text[:60])}: not supported. It speaks MySQL's protocol, but its locks "
            f"and its DDL are others. {_USE}"
        )
    version = tuple(map(int, found[1].split(".")))
    if version < oldest:
        raise UnsupportedDatabase(f"{name} {found[1]}: too old. {_USE}")
    return name, version


@cache
def warn(server: str) -> None:
    """Log, once in a process, what was not run on a server."""
    if text := _NOT_RUN.get(server):
        logging.getLogger("peewee_automigrate").warning("%s: %s. Try a copy first.", server, text)
