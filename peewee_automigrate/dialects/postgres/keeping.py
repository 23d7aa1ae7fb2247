"""How PostgreSQL would keep what is declared: made in the session's own schema, read, rolled back.

Enters: SQL of models, types of the catalogue. Leaves: what the catalogue says of them. No table of
anybody is locked, no row is read. Source:
https://www.postgresql.org/docs/current/sql-createtable.html.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from peewee import DatabaseError

from ...schema import Index, Table, TableName, Wanted
from ...sql import index_body
from ..base import Dialect, Unanswered
from .pinned import pinned

_LISTENS = pinned("SELECT count(*) FROM pg_catalog.pg_event_trigger WHERE evtenabled <> 'D'")
_OWN_SCHEMA = pinned("SELECT pg_my_temp_schema()::regnamespace::text")


def made(dialect: Dialect, definitions: str, indexes: Sequence[Index] = ()) -> Table:
    """Read: return a temporary table as the catalogue tells it. Its indexes have the numbers of the
    given ones as names; what the server refuses is left out, or raises `Unanswered`.
    """
    if dialect.rows(_LISTENS)[0][0]:
        raise Unanswered("an event trigger would be told of the temporary table that answers it")
    name = f"declared_{uuid4().hex}"
    target = f'pg_temp."{name}"'
    try:
        with dialect.database.atomic() as transaction:
            dialect.run(f"CREATE TEMPORARY TABLE {target} ({definitions})")
            for number, index in enumerate(indexes):
                kind = "UNIQUE INDEX" if index.unique else "INDEX"
                sql = f'CREATE {kind} "{number}" ON {target} {index_body(index.sql)}'
                _tried(dialect, sql)
            place = TableName(dialect.rows(_OWN_SCHEMA)[0][0], name)
            found = dialect.read_catalog(Wanted((place,), ())).tables[place]
            transaction.rollback()
    except DatabaseError as error:
        if dialect.trouble(error):
            raise
        reason = str(error).partition("\n")[0]
        raise Unanswered(f"the server makes no temporary table to answer it: {reason}") from error
    return found


def _tried(dialect: Dialect, sql: str) -> None:
    try:
        with dialect.database.atomic():
            dialect.run(sql)
    except DatabaseError as error:
        if dialect.trouble(error):
            raise


def kept_indexes(dialect: Dialect, table: Table, indexes: Sequence[Index]) -> list[Index | str]:
    """Read: return declared indexes of a table that stands as the server would keep them, or why it
    does not tell.
    """
    columns = []
    for column in table.columns:
        collation = "".join(clause.body for clause in column.declared.of_kind("collate"))
        collated = f" COLLATE {dialect.quote(collation)}" if collation else ""
        columns.append(f"{dialect.quote(column.name)} {column.type}{collated}")
    try:
        found = {index.name: index for index in made(dialect, ", ".join(columns), indexes).indexes}
    except Unanswered as error:
        return [str(error)] * len(indexes)
    return [found.get(str(number), "the server refuses it") for number in range(len(indexes))]
