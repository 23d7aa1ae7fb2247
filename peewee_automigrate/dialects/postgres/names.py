"""PostgreSQL's names and types: one spelling for each.

Enters and leaves: text. Pure. Source: https://www.postgresql.org/docs/current/datatype.html.
"""

from __future__ import annotations

import re
from functools import cache

from ...compare.spelling import Names

_SPELLINGS = {
    "integer": "int, int4, serial, serial4",
    "bigint": "int8, bigserial, serial8",
    "smallint": "int2, smallserial",
    "character varying": "varchar",
    "character": "char",
    "numeric": "decimal, dec",
    "boolean": "bool",
    "real": "float4",
    "double precision": "float8, float",
    "bit varying": "varbit",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
    "time without time zone": "time",
    "time with time zone": "timetz",
}
_ALIASES = {other: name for name, others in _SPELLINGS.items() for other in others.split(", ")}
KNOWN = {
    *_SPELLINGS,
    *("text", "uuid", "bytea", "json", "jsonb", "date", "interval", "name", "money", "xml", "bit"),
    *('"char"', "bpchar"),
    *("inet", "cidr", "macaddr", "tsvector", "tsquery", "oid", "point", "line", "circle", "box"),
    *("path", "polygon"),
}
_PLAIN = re.compile(
    r'"(?!char")([a-z_][a-z0-9_]*)"'
)  # a name that the catalogue shows without quotes
_ARRAY = re.compile(r" array$|( array)?( ?\[\d*\])+$")  # whose number of dimensions says nothing
_TYPE = re.compile(
    r"([^()\[\]]+?)\s*(?:\(([^)]*)\))?\s*((?:with|without) time zone)?\s*((?:\[\])*)"
)


@cache
def canonical_type(text: str) -> str:
    """Return the spelling of ``format_type`` for a type as Peewee or a person writes it."""
    text = re.sub(r" collate .*", "", text, flags=re.IGNORECASE)  # it is no part of the type
    if '"' in text:
        return _PLAIN.sub(r"\1", text.strip())
    words = re.sub(r" generated .*", "", " ".join(text.lower().split()))
    match = _TYPE.fullmatch(_ARRAY.sub("[]", words))
    if match is None:
        return text
    base, modifiers, zone, array = match.groups()
    name = _ALIASES.get(f"{base}tz" if zone == "with time zone" else base, base)
    if name in ("character", "bit") and modifiers is None:
        modifiers = "1"
    if base == "float" and modifiers:
        name, modifiers = ("real" if int(modifiers) < 25 else "double precision"), None
    if name == "numeric" and modifiers and "," not in modifiers:
        modifiers += ",0"
    if modifiers is not None:
        head, _, tail = name.partition(" with")
        inner = ",".join(part.strip() for part in modifiers.split(","))
        name = f"{head}({inner})" + (f" with{tail}" if tail else "")
    return name + (array or "")


def base_type(canonical: str) -> str:
    """Return a canonical type without its modifiers."""
    return re.sub(r"\([^)]*\)|(\[\])+$", "", canonical).strip()


@cache
def fold(name: str) -> str:
    """Names are cut at 63 bytes; their case matters, since Peewee quotes them."""
    raw = name.encode()
    return name if len(raw) < 64 else raw[:63].decode(errors="ignore")


class PostgresNames(Names):
    """PostgreSQL's names and types."""

    creates_schemas = True
    fold = staticmethod(fold)
    type = staticmethod(canonical_type)

    def same_type(self, declared: str, actual: str) -> bool | None:
        if declared == actual:
            return True
        known = {base_type(declared), base_type(actual)} <= KNOWN
        return False if known else None
