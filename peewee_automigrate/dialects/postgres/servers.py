"""Which server answers to PostgreSQL's protocol, by what it says in `version()`.

Enters: that text, and whether Citus is there. Leaves: `UnsupportedDatabase`, or nothing. What only
speaks the protocol has locks and DDL of its own, and is refused whole. Pure.
"""

from __future__ import annotations

import re

from ...errors import UnsupportedDatabase

SERVER = """SELECT version() AS version, EXISTS (
    SELECT FROM pg_catalog.pg_extension WHERE extname = 'citus') AS citus"""
_USE = "Use PostgreSQL 12, or a later one."
_POSTGRES = r"PostgreSQL (\d+)(\.\d+)*(devel|(alpha|beta|rc)\d+)?([ ,]|$)"
_OTHERS = {
    "CockroachDB": r"CockroachDB [A-Z]+ v\d",
    "YugabyteDB": r"PostgreSQL [\d.]+-YB-\d",
    "RisingWave": r"PostgreSQL [\d.]+-RisingWave-\d",
    "Greenplum": r"PostgreSQL [\d.]+ \(Greenplum Database \d",
    "Redshift": r"PostgreSQL [\d.]+ on .*, Redshift \d[\d.]*$",
    "openGauss": r"(PostgreSQL [\d.]+ )?\(openGauss \d",
}


def refuse(version: str, has_citus: bool) -> None:
    """Raise `UnsupportedDatabase` for all but PostgreSQL as it is meant."""
    known = re.match(_POSTGRES, version)
    others = [name for name, pattern in _OTHERS.items() if re.match(pattern, version)]
    if others or has_citus or not known:
        name = [*others, *["Citus"] * has_citus, repr(version[:60])][0]
        raise UnsupportedDatabase(
            f"{name}: not supported. It speaks PostgreSQL's protocol, but its locks and its DDL "
            f"are others. {_USE}"
        )
    if int(known[1]) < 12:
        raise UnsupportedDatabase(f"PostgreSQL {known[1]}: too old. {_USE}")
