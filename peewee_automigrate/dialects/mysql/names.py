"""MySQL's and MariaDB's names, types and settings: one spelling for each, sizes of keys.

Enters and leaves: text and values. Pure; what a server says of itself is handed in. Sources:
https://dev.mysql.com/doc/refman/8.0/en/data-types.html and https://mariadb.com/kb/en/data-types/.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from ...compare.spelling import Names
from ...schema import UNKNOWN, Clause, Column, ForeignKey, Index, Key, Table
from ...sql import tokens, unquote

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
_NO_TYPE = re.compile(
    r"\s*\b(auto_increment|character set \w+|charset \w+|collate \w+|unique( key)?|primary key"
    r"|(?<=[a-z)] )(binary|ascii|unicode))\b"
)
_STRING = re.compile(r"'(?:[^']|'')*'")
_TYPE = re.compile(r"([a-z0-9_ ]+?)\s*(?:\(([^)]*)\))?\s*((?:\s*\b(?:unsigned|signed|zerofill))*)")
_BYTES = {"utf8mb4": 4, "utf16": 4, "utf16le": 4, "utf32": 4, "utf8mb3": 3, "utf8": 3, "ucs2": 2}
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_NOW = re.compile(
    r"(?<!`)\b(current_timestamp|now|localtime|localtimestamp)\b(\s*\(\s*(\d*)\s*\))?", re.I
)
_PREFIX = re.compile(r"(.+) \( (\d+) \)", re.DOTALL)
KNOWN = {*_SIZES, *_TEXTS, *_BLOBS, *_STRINGS, *_BINARIES, *_SPATIAL, "json", "bit", "decimal"}


@cache
def canonical_type(text: str) -> str:
    """Return a type as ``COLUMN_TYPE`` tells it, without the display width of integers.

    MySQL 8.0.19 and later leave that width out themselves, but for tinyint(1), which is BOOL.
    """
    text = " ".join(text.split())
    words = _NO_TYPE.sub("", text.lower())
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


def holds(canonical: str, literal: str) -> bool:
    """Tell whether a column of a type holds what a literal says, but for a number's last digits."""
    if is_number(canonical):
        return _holds_number(canonical, literal.strip("'"))
    text = literal[1:-1].replace("''", "'").replace("\\\\", "\\")
    return literal[:1] != "'" or _holds_text(canonical, text)


def _holds_number(canonical: str, text: str) -> bool:
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


def _holds_text(canonical: str, text: str) -> bool:
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


# What a server says of itself, of tables, of defaults


class Settings(NamedTuple):
    """What a ``server`` says of itself: ``version`` as numbers, ``schema`` the current database,
    ``collation`` that database's, ``folds_tables`` where names of tables ignore case.
    """

    version: tuple[int, ...]
    server: str
    schema: str | None
    folds_tables: bool
    collation: str
    sql_mode: str

    @property
    def is_mariadb(self) -> bool:
        return self.server == "MariaDB"


@cache
def table_options(settings: str) -> tuple[str, ...]:
    """Return engine and row format of a table created with these settings, as the catalogue has
    them, "new", and its character set: "" for the database's own, "?" where only the server knows.
    """
    words = [word for word in tokens(settings.lower()) if word not in ("=", ",", "default")]
    values = {name: value.strip("'\"") for name, value in pairwise(words)}
    charset = values.get("charset") or values.get("set") or values.get("collate", "")
    charset = charset.partition("_")[0].replace("uca1400", UNKNOWN)
    return values.get("engine", "innodb"), values.get("row_format", "dynamic"), "new", charset


def key_limit(options: Sequence[str]) -> int:
    """Return how many bytes a key may have: https://mariadb.com/kb/en/innodb-limitations/."""
    engine, row_format = options[:2]
    older = row_format in ("compact", "redundant")
    return {"innodb": 767 if older else 3072, "aria": 2000}.get(engine, 1000)


def bytes_per_character(charset: str | None) -> int:
    """Return the most bytes that a character of a character set takes."""
    return _BYTES.get(charset or "", 1)


def standard_quotes(literal: str) -> str:
    """Return a literal with \\' written as standard SQL does, which doubles the quote."""
    return _ESCAPED.sub(lambda found: "''" if found[1] == "'" else found[0], literal)


@cache
def canonical_default(text: str) -> str:
    """Return a default in the spelling in which all servers' texts of it agree."""
    text = standard_quotes(text)
    if re.fullmatch("[xX]'[0-9a-fA-F]*'", text):
        return text.upper()
    if re.fullmatch("[bB]'[01]+'", text):
        return str(int(text[2:-1], 2))
    if "'" in text or '"' in text:
        return text
    return _NOW.sub(lambda now: f"current_timestamp{f'({now[3]})' if now[3] else ''}", text)


def canonical_action(action: str) -> str:
    """Return a foreign key's action; to InnoDB, RESTRICT and NO ACTION are one."""
    return "" if action in ("NO ACTION", "RESTRICT") else action


class MysqlNames(Names):
    """MySQL's and MariaDB's names and types; ``settings`` reads those of the server, once."""

    def __init__(self, quote: Callable[..., str], settings: Callable[[], Settings]) -> None:
        super().__init__(quote)
        self.settings = settings

    @staticmethod
    def fold(name: str) -> str:
        """Names of columns, indexes and constraints ignore case."""
        return name.lower()

    def fold_table(self, name: str) -> str:
        """``lower_case_table_names`` says whether names of tables do."""
        return name.lower() if self.settings().folds_tables else name

    type = staticmethod(canonical_type)

    def same_type(self, declared: str, actual: str) -> bool | None:
        """JSON is another word for LONGTEXT on MariaDB."""
        if declared == actual:
            return True
        if {declared, actual} == {"json", "longtext"} and self.settings().is_mariadb:
            return True
        return False if {base_type(declared), base_type(actual)} <= KNOWN else None

    def spell(self, table: Table) -> Table:
        """A table's settings become the options that the catalogue would tell."""
        spelled = super().spell(table)
        return spelled._replace(
            columns=tuple([_spelled_column(column) for column in spelled.columns]),
            indexes=tuple([self._index(i) if i.sql else i for i in spelled.indexes]),
            foreign_keys=tuple(map(_spelled_key, spelled.foreign_keys)),
            options=table_options("".join(table.options)),
        )

    def _index(self, index: Index) -> Index:
        """A key such as ``a (10)`` is a prefix here. InnoDB makes every other method a B-tree.
        MariaDB has descending keys since 10.8.
        """
        keys = [_prefix(key) for key in index.keys]
        if any("desc" in key.options for key in keys):
            server = self.settings()
            if server.is_mariadb and server.version < (10, 8):
                keys = [k._replace(options=k.options.removesuffix("desc").rstrip()) for k in keys]
        method = index.method if index.method in ("fulltext", "spatial") else "btree"
        return index._replace(keys=tuple(keys), method=method)

    def index_space(self, schema: str | None, table: str) -> str | None:
        return f"{schema}.{self.fold_table(table)}"


def _spelled_column(column: Column) -> Column:
    words = [clause.sql for clause in column.declared.of_kind("type")]
    if words:
        column = column._replace(type=canonical_type(" ".join([column.type, *words])))
    renewed = [_renewed(c) if c.kind == "on update" else c for c in column.declared.clauses]
    column = column._replace(declared=column.declared._replace(clauses=tuple(renewed)))
    if column.default is None or column.default == UNKNOWN:
        return column
    default = canonical_default(column.default)
    if base_type(column.type) in _STRINGS and _NUMBER.fullmatch(default):
        default = f"'{default}'"  # which it becomes
    return column._replace(default=default)


def _renewed(clause: Clause) -> Clause:
    return clause._replace(body=canonical_default(clause.body.lower().removeprefix("on update ")))


def _spelled_key(fk: ForeignKey) -> ForeignKey:
    actions = canonical_action(fk.on_delete), canonical_action(fk.on_update)
    return fk._replace(on_delete=actions[0], on_update=actions[1], deferrable="")


def _prefix(key: Key) -> Key:
    found = None if key.is_column else _PREFIX.fullmatch(key.text)
    return Key(unquote(found[1]), True, f"({found[2]}) {key.options}".rstrip()) if found else key
