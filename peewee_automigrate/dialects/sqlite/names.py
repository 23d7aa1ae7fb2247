"""SQLite's names and types.

Enters and leaves: text. Pure. Sources: https://www.sqlite.org/datatype3.html and
https://www.sqlite.org/lang_altertable.html.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable, Sequence
from functools import cache

from ...compare.spelling import Names
from ...schema import Column, Index, Key, Table
from ...sql import parse_index

ROWIDS = ("rowid", "_rowid_", "oid")
_BRACKETED = re.compile(
    r"""( '(?:[^']|'')*' | "(?:[^"]|"")*" | `(?:[^`]|``)*` | --[^\n]* | /\*.*?\*/ )
      | \[ ([^\]]*) \]  # a name""",
    re.VERBOSE | re.DOTALL,
)
_AFFINITIES = {
    **{"INT": "NUMERIC", "CHAR": "TEXT", "CLOB": "TEXT", "TEXT": "TEXT", "BLOB": "BLOB"},
    **dict.fromkeys(("REAL", "FLOA", "DOUB"), "REAL"),
}
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


@cache
def fold(name: str) -> str:
    """Names ignore the case of ASCII letters, and only of these."""
    return name.lower() if name.isascii() else name.translate(_LOWER)


@cache
def canonical_type(text: str) -> str:
    """Return a type in upper case, with single spaces."""
    return " ".join(text.upper().split())


class SqliteNames(Names):
    """Its tables are never altered but by new columns, so that it offers no SQL to change one."""

    adds_keys = False
    fold = staticmethod(fold)
    type = staticmethod(canonical_type)

    def __init__(self, quote: Callable[..., str], checks_keys: Callable[[], bool]) -> None:
        super().__init__(quote)
        self._checks_keys = checks_keys

    def spell(self, table: Table) -> Table:
        """The catalogue tells neither which keys are deferrable nor BINARY, the usual collation."""
        keys = tuple([fk._replace(deferrable="") for fk in table.foreign_keys])
        indexes = tuple([_told(index) if index.sql else index for index in table.indexes])
        return super().spell(table._replace(foreign_keys=keys, indexes=indexes))

    def checks_keys(self) -> bool:
        """A key to what is not unique is made, and fails at each write while they are checked:
        https://www.sqlite.org/foreignkeys.html.
        """
        return self._checks_keys()

    def same_type(self, declared: str, actual: str) -> bool | None:
        """Compare by affinity. A column's type is a hint only, its length is ignored, and a column
        of INTEGER affinity behaves like one of NUMERIC affinity.
        """
        return declared == actual or _affinity(declared) == _affinity(actual)


def _told(index: Index) -> Index:
    read = parse_index(unbracketed(index.sql)) or index
    keys = [k._replace(options=k.options.replace("collate binary", "").strip()) for k in read.keys]
    return read._replace(keys=tuple(_named(key) if key.text[:1] == "'" else key for key in keys))


def _named(key: Key) -> Key:
    """A string alone is the name of a column: https://www.sqlite.org/quirks.html."""
    return Key(key.text[1:-1].replace("''", "'"), True, key.options)


def rowids(options: Sequence[str], columns: Iterable[Column]) -> tuple[str, ...]:
    """Return the names by which a table's rowid is known: those that no column hides."""
    hidden = {fold(column.name) for column in columns}
    return tuple(n for n in ROWIDS if n not in hidden and "without rowid" not in options)


def unbracketed(sql: str) -> str:
    """Return SQL with names in backticks in place of brackets, which stand for arrays elsewhere:
    https://www.sqlite.org/lang_keywords.html.
    """
    if "[" not in sql:
        return sql
    return _BRACKETED.sub(lambda m: m[1] or "`" + m[2].replace("`", "``") + "`", sql)


def _affinity(type_name: str) -> str:
    """Section 3.1 of the page on data types, in its order."""
    found = (affinity for word, affinity in _AFFINITIES.items() if word in type_name)
    return next(found, "NUMERIC" if type_name else "BLOB")
