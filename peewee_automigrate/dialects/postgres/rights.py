"""Which rights the role lacks for the steps of a plan, known before the first statement.

Enters: steps. Leaves: a text. Sources: the pages of CREATE TABLE, ALTER TABLE and CREATE INDEX of
https://www.postgresql.org/docs/current/sql-commands.html.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...changes import AddIndex, CreateSchema, CreateTable, Step, keys_of
from ..base import Dialect
from .pinned import pinned

_LACKING = pinned("""
SELECT t.name, 'owns', pg_get_userbyid(c.relowner), current_user::text
FROM unnest(%s::text[]) AS t (name)
JOIN pg_catalog.pg_class AS c ON c.oid = to_regclass(t.name)
WHERE NOT pg_has_role(c.relowner, 'USAGE')
UNION ALL
SELECT t.name, 'REFERENCES', pg_get_userbyid(c.relowner), current_user::text
FROM unnest(%s::text[]) AS t (name)
JOIN pg_catalog.pg_class AS c ON c.oid = to_regclass(t.name)
WHERE NOT has_table_privilege(c.oid, 'REFERENCES')
UNION ALL
SELECT n.nspname, 'CREATE', pg_get_userbyid(n.nspowner), current_user::text
FROM unnest(%s::text[]) AS s (name)
JOIN pg_catalog.pg_namespace AS n ON n.nspname = COALESCE(s.name, current_schema()::text)
WHERE NOT has_schema_privilege(n.oid, 'CREATE')
""")


_READ_ONLY = pinned("SELECT pg_is_in_recovery(), current_setting('transaction_read_only')")


def lacking(dialect: Dialect, steps: Sequence[Step]) -> str:
    """Read: return what the role may not do of these steps, and who may; "" where it may all."""
    is_standby, read_only = dialect.rows(_READ_ONLY)[0]
    if is_standby:
        return "the server is a hot standby, which only reads; migrate over a URL of its primary"
    if read_only == "on":
        return "transactions of this role only read; set default_transaction_read_only off for it"
    quote, changes = dialect.names.quote_table, [step.change for step in steps]
    made = [c for c in changes if isinstance(c, CreateTable)]
    new = {change.table.name for change in made}
    altered = {c.ref.table for c in changes if not isinstance(c, CreateTable | CreateSchema)} - new
    parents = {fk.parent for change in changes for fk in keys_of(change)} - new
    schemas = {change.table.name.schema for change in made}
    schemas |= {change.table.schema for change in changes if isinstance(change, AddIndex)}
    asked = [list(map(quote, altered)), list(map(quote, parents)), list(schemas)]
    texts = []
    for name, right, owner, role in dialect.rows(_LACKING, asked) if any(asked) else ():
        what = f"does not own {name}" if right == "owns" else f"has no right {right} on {name}"
        texts.append(f"the role {role} {what}; migrate as {owner}, or have it granted")
    return "; ".join(sorted(texts))
