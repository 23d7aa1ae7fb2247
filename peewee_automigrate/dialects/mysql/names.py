"""MySQL's and MariaDB's types: one spelling for each, their sizes, what refers to what.

Enters and leaves: text. Pure. Sources: https://dev.mysql.com/doc/refman/8.0/en/data-types.html and
https://mariadb.com/kb/en/data-types/.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from functools import cache

_SPELLINGS = {
    "int": "integer, int4",
    "bigint": "int8",
    "smallint": "int2",
    "tinyint": "int1",
    "mediumint": "int3, middleint",
    "tinyint(1)": "bool, boolean",
    "bigint unsigned": "serial",
    "double": "double precision, real, float8",
    "float": "float4",
    "decimal": "numeric, dec, fixed",
    "char": "character, national char, national character, nchar",
    "varchar": "character varying, char varying, national varchar, "
    "national character varying, nvarchar, nchar varchar",
    "mediumtext": "long, long varchar",
    "mediumblob": "long varbinary",
}
_ALIASES = {other: name for name, others in _SPELLINGS.items() for other in others.split(", ")}
_INTEGERS = {"tinyint": 1, "smallint": 2, "mediumint": 3, "int": 4, "bigint": 8}
_SIZES = _INTEGERS | {
    **{"float": 4, "double": 8, "date": 3, "time": 6, "datetime": 8, "timestamp": 7, "year": 1},
    **{"enum": 2, "set": 8, "uuid": 16, "inet6": 16, "inet4": 4, "vector": 16383, "xmltype": 4},
}
_TEXTS = {"tinytext", "text", "mediumtext", "longtext"}
_BLOBS = {"tinyblob", "blob", "mediumblob", "longblob"}
_STRINGS = {"char", "varchar"}
_BINARIES = {"binary", "varbinary"}
_SPATIAL = {
    *("geometry", "point", "linestring", "polygon", "multipoint", "multilinestring"),
    *("multipolygon", "geometrycollection", "geomcollection"),
}
_DEFAULT_MODIFIERS = {"char": "1", "binary": "1", "bit": "1", "decimal": "10,0"}
_STRING = re.compile(r"'(?:[^']|'')*'")
_TYPE = re.compile(r"([a-z0-9_ ]+?)\s*(?:\(([^)]*)\))?\s*((?:\s*\b(?:unsigned|signed|zerofill))*)")
KNOWN = {*_SIZES, *_TEXTS, *_BLOBS, *_STRINGS, *_BINARIES, *_SPATIAL, "json", "bit", "decimal"}


@cache
def canonical_type(text: str) -> str:
    """Return a type as ``COLUMN_TYPE`` tells it, without the display width of integers.

    MySQL 8.0.19 and later leave that width out themselves, but for tinyint(1), which is BOOL.
    """
    text = " ".join(text.split())
    words = re.sub(r"\s*(auto_increment|character set \w+|collate \w+)\b", "", text.lower())
    if words.startswith(("enum", "set")) and "(" in text:
        members = ",".join(_STRING.findall(text))
        return f"{words[: words.index('(')].strip()}({members})"
    match = _TYPE.fullmatch(words)
    if match is None:
        return text
    base, modifiers, sign = match.groups()
    base = _ALIASES.get(base, base)
    if modifiers is None:
        modifiers = _DEFAULT_MODIFIERS.get(base)
    else:
        modifiers = ",".join(part.strip() for part in modifiers.split(","))
    if base in _INTEGERS and (base, modifiers) != ("tinyint", "1"):
        modifiers = None
    if base == "decimal" and modifiers and "," not in modifiers:
        modifiers += ",0"
    if base == "year" or modifiers == "0":
        modifiers = None
    unsigned = " unsigned" if re.search("unsigned|zerofill", sign) else ""
    return base + (f"({modifiers})" if modifiers else "") + unsigned


def base_type(canonical: str) -> str:
    """Return a canonical type without its modifiers."""
    return re.split(r"[( ]", canonical, maxsplit=1)[0]


def holds_number(canonical: str, text: str) -> bool:
    """Tell whether a column of a numeric type holds what a text says, but for its last digits."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        return False
    base, sizes = base_type(canonical), list(map(int, re.findall(r"\d+", canonical)))
    if canonical.endswith("unsigned") and value < 0:
        return False
    if base == "decimal":
        return bool(abs(value) < Decimal(10) ** (sizes[0] - sizes[1]))
    if base in _INTEGERS:
        bits = 8 * _INTEGERS[base]
        limit = 2**bits if canonical.endswith("unsigned") else 2 ** (bits - 1)
        return bool(-limit <= value < limit)
    return True


def holds_text(canonical: str, text: str) -> bool:
    """Tell whether a column of a type for texts of some length, or a list of them, holds a text."""
    base, length = base_type(canonical), re.search(r"\((\d+)\)", canonical)
    if base in _STRINGS:
        return length is None or len(text) <= int(length[1])
    members = {member[1:-1].replace("''", "'").lower() for member in _STRING.findall(canonical)}
    if base == "enum":
        return text.lower() in members
    return base != "set" or set(text.lower().split(",")) <= members | {""}


def is_text(canonical: str) -> bool:
    """Tell whether a type is TEXT, BLOB or JSON of any size, which an index takes a prefix of."""
    return base_type(canonical) in {*_TEXTS, *_BLOBS, "json"}


def is_number(canonical: str) -> bool:
    """Tell whether a type's default is a number, or bits, without quotes."""
    base = base_type(canonical)
    return base in _INTEGERS or base in ("decimal", "float", "double", "bit", "year")


def has_characters(canonical: str) -> bool:
    """Tell whether a type holds characters of a character set."""
    return base_type(canonical) in _STRINGS | _TEXTS


def key_bytes(canonical: str, per_character: int) -> int | None:
    """Return how many bytes an index key of this type takes; None when it has no limit."""
    base, length = base_type(canonical), re.search(r"\((\d+)", canonical)
    if is_text(canonical):
        return None
    if base in _STRINGS | _BINARIES:
        size = int(length[1]) if length else 1
        return size * per_character if base in _STRINGS else size
    return _SIZES.get(base, 8)


def can_refer(child: str, parent: str) -> bool:
    """Tell whether InnoDB takes a foreign key between two canonical types.

    Integers must agree in size and sign; the lengths of strings may differ:
    https://dev.mysql.com/doc/refman/8.0/en/create-table-foreign-keys.html.
    """
    sides = [base_type(child), base_type(parent)]
    for family in (_STRINGS, _BINARIES):
        if set(sides) <= family:
            return True
    if set(sides) <= set(_INTEGERS):
        return sides[0] == sides[1] and ("unsigned" in child) == ("unsigned" in parent)
    return child == parent
