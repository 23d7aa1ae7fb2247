"""Names that a database, or its driver, has no way to take as they are.

Enters: models. Leaves: `ModelsNotFound`, before anything is asked. Sources: the pages on
identifiers, https://www.postgresql.org/docs/current/sql-syntax-lexical.html and
https://mariadb.com/kb/en/identifier-names/.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from peewee import MySQLDatabase, PostgresqlDatabase

from ..errors import ModelsNotFound


def refuse_odd(database: Any, model: str, schema: str | None, names: Iterable[str]) -> None:
    """Raise `ModelsNotFound` for a name that would mean another one, or none."""
    is_mysql, is_postgres = (isinstance(database, c) for c in (MySQLDatabase, PostgresqlDatabase))
    for name in filter(None, (schema, *names)):
        odd = {
            "has a NUL or half of a character": re.search("[\0\ud800-\udfff]", name),
            "has two per cent signs, of which the driver makes one": "%%" in name
            and database.param == "%s",
            "has a letter beyond U+FFFF": is_mysql and max(name) > "\uffff",
            "is longer than 63 bytes": is_postgres
            and name is schema
            and len(name.encode(errors="replace")) > 63,
        }
        problem = next((text for text, is_so in odd.items() if is_so), "")
        if problem:
            raise ModelsNotFound(
                f"{model}: the name {name!r} {problem}, which the database does not take as it is. "
                "Give it another one."
            )
