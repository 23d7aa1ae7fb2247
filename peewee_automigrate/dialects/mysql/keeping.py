"""How MariaDB would keep what is declared: made as a temporary table, read, dropped.

Enters: SQL of models, types of the catalogue. Leaves: what the server says of them. A temporary
table ends no transaction, as long as its indexes are made with it. Source:
https://mariadb.com/kb/en/create-table/.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import uuid4

from peewee import DatabaseError

from ...compare.spelling import constraint
from ...schema import Index, Table, TableName
from ...sql import index_body, parts_of
from ..base import Unanswered
from .catalogue import kept_column, kept_index

if TYPE_CHECKING:
    from .session import Mysql


def made(dialect: Mysql, definitions: str, standing: Table | None = None) -> Table:
    """Read: return a temporary table of these definitions; its indexes are read as those of a
    table that stands. Raises `Unanswered`.
    """
    target = dialect.quote(f"declared_{uuid4().hex}")
    try:
        dialect.run(f"CREATE TEMPORARY TABLE {target} ({definitions})")
        try:
            parts, _ = parts_of(dialect.rows(f"SHOW CREATE TABLE {target}")[0][1])
            keys = dialect.rows(f"SHOW INDEX FROM {target}") if standing else []
        finally:
            dialect.run(f"DROP TEMPORARY TABLE {target}")
    except DatabaseError as error:
        if dialect.trouble(error):
            raise
        raise Unanswered(f"the server makes no temporary table to answer it: {error}") from error
    columns = [kept_column(part, dialect.settings) for part in parts if part[0] == "`"]
    checks = [constraint(part) for part in parts if part.startswith("CONSTRAINT")]
    groups: dict[str, list[Sequence[object]]] = {}
    for row in keys:
        groups.setdefault(row[2], []).append(row)
    indexes = [kept_index(rows, standing) for rows in groups.values() if standing]
    return Table(TableName(None, target), tuple(columns), (), tuple(indexes), (), tuple(checks))


def kept_indexes(dialect: Mysql, table: Table, indexes: Sequence[Index]) -> list[Index | str]:
    """Read: return declared indexes of a table that stands as the server would keep them, or why it
    does not tell.
    """
    parts, is_spatial = [], "spatial" in [index.method for index in indexes]
    null = "NOT NULL" if is_spatial else "NULL"  # for which not every type has a default
    for column in table.columns:
        collated = "".join(f" COLLATE {c.body}" for c in column.declared.of_kind("usual collate"))
        parts.append(f"{dialect.quote(column.name)} {column.type}{collated} {null}")
    for number, index in enumerate(indexes):
        method = index.method.upper() if index.method in ("fulltext", "spatial") else ""
        kind = "UNIQUE" if index.unique else method
        parts.append(f"{kind} INDEX `{number}` {index_body(index.sql)}")
    try:
        found = {index.name: index for index in made(dialect, ", ".join(parts), table).indexes}
    except Unanswered as error:
        return [str(error)] * len(indexes)
    return [found.get(str(number), "the server refuses it") for number in range(len(indexes))]
