"""Reads small pieces of SQL, once, where they enter: names, clauses, CREATE INDEX, CREATE TABLE.

Enters: SQL as somebody wrote it. Leaves: values, and texts as they were written. Imports `schema`
only. Keywords are looked for between tokens, never inside of names, strings or comments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from .schema import Clause, Index, Key

_TOKEN = re.compile(
    r"""\s+ | (?P<comment> --[^\n]* | /\*.*?\*/)          # nothing
      | (?P<token> [xXeEbB]?'(?:[^']|'')*'                # a string
      | "(?:[^"]|"")*" | `(?:[^`]|``)*`                   # a quoted name
      | 0[xX][0-9a-fA-F]+                                 # a number
      | \d+(?:\.\d+)?(?:[eE][+-]?\d+)? | \.\d+
      | [^\W\d][\w$]*                                     # a word
      | :: | [<>=!~|&@\#^?*/%+-]+ | . )""",
    re.VERBOSE | re.DOTALL,
)
KEYWORDS = {"and", "or", "not", "in", "like", "ilike", "is", "between", "check", "any", "where"}
KEYWORDS |= {"when", "then", "else", "case"}
_SYNTAX = {"cast", "coalesce", "nullif", "greatest", "least", "row", "values", "exists", "all"}
_NOT_NAMES = KEYWORDS | {"null", "true", "false", "end", "collate"}
_CONSTRAINTS = {"constraint", "check", "unique", "foreign", "primary", "exclude"}


def tokens(sql: str) -> list[str]:
    """Return the tokens of ``sql``, without white space and comments."""
    return [match["token"] for match in _TOKEN.finditer(sql) if match["token"]]


def unquote(token: str) -> str:
    """Return the name that a token stands for: quoted names as they are, words in lower case."""
    if token[:1] in ('"', "`"):
        return token[1:-1].replace(token[0] * 2, token[0])
    return token.lower()


def is_name(token: str) -> bool:
    """Tell whether a token is a word or a quoted name."""
    return token[:1] in ('"', "`") or token[:1].isalpha() or token[:1] == "_"


def split(words: Sequence[str], separators: set[str]) -> list[list[str]]:
    """Split at separators outside of brackets."""
    parts: list[list[str]] = [[]]
    depth = 0
    for word in words:
        depth += (word in "([") - (word in ")]")
        if depth == 0 and word in separators:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


def split_list(items: Sequence[str]) -> list[list[str]]:
    """Return the parts of a token list that commas outside of brackets separate."""
    return [part for part in split(items, {","}) if part]


def closing(words: Sequence[str], opening: int) -> int:
    """Return the position of the bracket that closes the one at ``opening``, or -1."""
    depth = 0
    for position in range(opening, len(words)):
        depth += (words[position] == "(") - (words[position] == ")")
        if depth == 0:
            return position
    return -1


def bare(words: list[str]) -> list[str]:
    """Drop the brackets around a whole."""
    while len(words) > 2 and words[0] == "(" and closing(words, 0) == len(words) - 1:
        words = words[1:-1]
    return words


# Clauses


class _Text:
    """A text and its tokens, with their places in it."""

    def __init__(self, sql: str) -> None:
        found = list(_TOKEN.finditer(sql))
        self.sql = sql
        self.matches = [match for match in found if match["token"]]
        self.words = [match["token"].lower() for match in self.matches]
        self.comments = [match.start() for match in found if match["comment"]]

    def slice(self, start: int, end: int) -> str:
        """Return the text of some tokens as it was written, but without comments."""
        if start >= end:
            return ""
        first, last = self.matches[start].start(), self.matches[end - 1].end()
        if any(first < place < last for place in self.comments):
            return " ".join(match["token"] for match in self.matches[start:end])
        return self.sql[first:last]

    def group(self, start: int, end: int) -> str:
        """Return the first bracket among some tokens with what it holds, "" where there is none."""
        if "(" not in self.words[start:end]:
            return ""
        opening = self.words.index("(", start)
        return self.slice(opening, closing(self.words, opening) + 1)


_HEADS = {"primary": "primary key", "foreign": "foreign key", "not": "not null", "on": "on update"}
_HEADS |= {word: word for word in ("default", "null", "check", "unique", "references", "collate")}
_HEADS |= {"generated": "generated", "as": "generated", "comment": "comment", "exclude": "exclude"}
_HEADS |= dict.fromkeys(("unsigned", "signed", "zerofill", "character", "charset"), "type")
_HEADS |= {"auto_increment": "other", "invisible": "other"}
# A word begins a clause with this one behind it, not after these, and not in a clause of those.
_BEGINNINGS = {*_HEADS, "constraint"}
_WITH = {"not": "null", "on": "update"}
_NOT_BEHIND: dict[str, tuple[str, ...]] = {"null": ("set", "not"), "default": ("set", "by")}
_NOT_BEHIND |= {word: ("::",) for word, kind in _HEADS.items() if kind == "type"}
_NOT_IN = {"as": ("generated",), "on": ("references", "foreign")}
_NOT_IN |= dict.fromkeys(("references", "check", "unique"), ("foreign",))
_ORDER = ("type", "collate", "generated", "not null", "null", "default")


def clauses(sql: str) -> list[Clause]:
    """Return the clauses of the SQL behind a column's type, or of a table's constraint, in order.

    What begins with no word of the standard's is of the kind "other".
    """
    text = _Text(sql)
    starts = list(_starts(text.words))
    places = zip(starts, [*starts, len(text.words)][1:], strict=True)
    return [_clause(text, start, end) for start, end in places]


def _starts(words: Sequence[str]) -> Iterator[int]:
    """Yield the positions at which a clause begins."""
    depth, head, free = 0, "", 0  # where the next clause may begin
    for at, word in enumerate(words):
        if depth == 0 and (at == 0 or at >= free) and (at == 0 or _begins(words, at, head)):
            yield at
            named = word == "constraint"
            kind_at = at + 2 if named else at
            head = words[kind_at] if kind_at < len(words) else ""
            free = kind_at + (2 if head == "default" else 1)
        depth += (word == "(") - (word == ")")


def _begins(words: Sequence[str], at: int, head: str) -> bool:
    """Tell whether a word begins a clause behind one that begins with ``head``."""
    word, before, after = words[at], words[at - 1], "".join(words[at + 1 : at + 2])
    return (
        word in _BEGINNINGS
        and before not in _NOT_BEHIND.get(word, ())
        and head not in _NOT_IN.get(word, ())
        and after == _WITH.get(word, after)
    )


def _clause(text: _Text, start: int, end: int) -> Clause:
    named = text.words[start] == "constraint" and end - start > 2
    head = start + 2 * named
    kind = _HEADS.get(text.words[head], "other")
    name = unquote(text.matches[start + 1]["token"]) if named else ""
    if kind in ("check", "generated"):
        body = text.group(head, end)
    else:
        without_head = kind in ("default", "collate", "comment", "references")
        body = text.slice(head + without_head, end)
    return Clause(kind, body, name, text.slice(start, end))


def parts_of(sql: str) -> tuple[list[str], str]:
    """Return what stands between the commas of a CREATE TABLE's brackets, and what stands behind
    them, as it was written.
    """
    text = _Text(sql)
    cuts, depth = [text.words.index("(")] if "(" in text.words else [], 0
    end = closing(text.words, cuts[0]) if cuts else -1
    if end < 0:
        return [], ""
    for at in range(cuts[0] + 1, end):
        depth += (text.words[at] == "(") - (text.words[at] == ")")
        if depth == 0 and text.words[at] == ",":
            cuts.append(at)
    parts = [text.slice(start + 1, stop) for start, stop in pairwise([*cuts, end])]
    return parts, text.slice(end + 1, len(text.words))


def defined(column: str) -> tuple[str, str, list[Clause]]:
    """Return a column's name as it is written, its type, and the clauses of its definition."""
    text = _Text(column)
    named = end = text.words.index("]") + 1 if text.words[0] == "[" else 1
    while end < len(text.words) and text.words[end] not in _BEGINNINGS:
        end = closing(text.words, end) + 1 if text.words[end] == "(" else end + 1
    rest = clauses(text.slice(end, len(text.words)))
    return text.slice(0, named), text.slice(named, end), rest


def redefined(column: str, type_name: str | None, without: set[str], *added: str) -> str:
    """Return a column's definition with another type (None for its own), without the clauses of
    some kinds, and with those that are added.
    """
    name, own_type, found = defined(column)
    rest = [c for c in found if c.kind not in without]
    rest += [clause for sql in added for clause in clauses(sql)]
    rest.sort(key=lambda c: _ORDER.index(c.kind) if c.kind in _ORDER else len(_ORDER))
    words = [name, type_name if type_name is not None else own_type]
    return " ".join(filter(None, [*words, *(clause.sql for clause in rest)]))


def listed_columns(constraint: Clause) -> tuple[str, ...]:
    """Return the columns that a key's or a foreign key's clause lists, in order."""
    parts = map(tokens, parts_of(constraint.body)[0])
    return tuple(unquote(part[0]) for part in parts if part)


def table_constraints(sql: str) -> list[str]:
    """Return each CHECK and table constraint of a CREATE TABLE statement."""
    found: list[str] = []
    for part in parts_of(sql)[0]:
        head = tokens(part)[:1]
        if head and head[0].lower() in _CONSTRAINTS:
            found.append(part)
        elif head and "check" in part.lower():
            found += [clause.sql for clause in defined(part)[2] if clause.kind == "check"]
    return found


def table_options(sql: str) -> tuple[str, ...]:
    """Return what stands behind the columns of a CREATE TABLE, in lower case, split at commas."""
    if sql.endswith(")") and "--" not in sql and "/*" not in sql:
        return ()
    items = tokens(sql)
    end = closing(items, items.index("(")) if "(" in items else len(items)
    return tuple(" ".join(part).lower() for part in split_list(items[end + 1 :]))


# Indexes


def _key(items: Sequence[str]) -> Key:
    """Read one key of an index from its tokens; an expression stays as it was written."""
    body, nulls = list(items), ""
    if len(body) > 2 and body[-2].lower() == "nulls":
        *body, _, nulls = body
    ordered = len(body) > 1 and body[-1].lower() in ("asc", "desc")
    descending = ordered and body.pop().lower() == "desc"
    body = bare(body) if len(body) == 3 else body  # a name in brackets
    words = is_name(body[0]) and all(map(is_name, body[1:]))
    is_column = words and body[0].lower() not in _NOT_NAMES
    end = 1 if is_column else len(body)
    if not is_column and ")" in body:
        last = len(body) - body[::-1].index(")")
        end = last if all(map(is_name, body[last:])) else end
    options = [unquote(token) for token in body[end:]]
    options += order_options(descending, nulls.lower() == "first" if nulls else descending)
    text = unquote(body[0]) if is_column else " ".join(body[:end])
    return Key(text, is_column, " ".join(options))


def order_options(descending: bool, nulls_first: bool) -> list[str]:
    """Return the words of a key's order, none for the usual ones."""
    words = ["desc"] if descending else []
    if nulls_first != descending:
        words.append("nulls first" if nulls_first else "nulls last")
    return words


_HEAD = re.compile(r"create (unique |fulltext |spatial )?index (concurrently )?(if not exists )?$")


def parse_index(sql: str) -> Index | None:
    """Read a CREATE INDEX statement, with expressions and predicate as they were written; None when
    it is something else.
    """
    items = tokens(sql)
    lower = [item.lower() for item in items]
    try:
        on = lower.index("on")
        opening = lower.index("(", on)
    except ValueError:
        return None
    named = on if "using" not in lower[:on] else lower.index("using")
    name_at = named - 3 if named > 3 and items[named - 2] == "." else named - 1
    head = _HEAD.match(" ".join([*lower[:name_at], ""]))
    end = closing(items, opening)
    if head is None or end < 0:
        return None
    before = lower[on:opening]
    kind = (head[1] or "").strip()
    method = kind if kind in ("fulltext", "spatial") else "btree"
    if "using" in [*lower[:on], *before]:
        method = lower[lower.index("using") + 1]
    tail = lower[end + 1 :]
    where = items[end + 1 + tail.index("where") + 1 :] if "where" in tail else []
    return Index(
        name=unquote(items[named - 1]),
        unique=kind == "unique",
        method=method,
        keys=tuple(map(_key, split_list(items[opening + 1 : end]))),
        where=" ".join(where),
        nulls_distinct="nulls not distinct" not in " ".join(tail),
        sql=sql,
    )


def index_body(sql: str) -> str:
    """Return what a CREATE INDEX statement says of an index behind the table's name."""
    text = _Text(sql)
    after = range(text.words.index("on"), len(text.words))
    return text.slice(next(n for n in after if text.words[n] in ("using", "(")), len(text.words))


# Expressions


def is_constant(default: str) -> bool:
    """Tell whether a DEFAULT is one literal, with a sign at most."""
    items = bare(tokens(default))
    items = items[1:] if items[:1] in (["+"], ["-"]) else items
    item = items[0].lower() if len(items) == 1 else ""
    is_number = item[:1].isdigit() or item[:1] == "."
    is_text = item[:1] == "'" or item[:2] in ("x'", "e'", "b'")
    return is_number or is_text or item in ("null", "true", "false")


def _names(sql: str, *, called: bool) -> list[str]:
    """Return the names in an expression that a bracket follows, or all others."""
    items = tokens(sql)
    pairs = zip(items, [*items, ""][1:], strict=True)
    return [item for item, then in pairs if is_name(item) and (then == "(") == called]


def column_names(sql: str) -> tuple[str, ...]:
    """Return the names in an expression that may be columns: no functions, no keywords."""
    names = _names(sql, called=False)
    return tuple(unquote(name) for name in names if name.lower() not in _NOT_NAMES)


def called_functions(sql: str) -> tuple[str, ...]:
    """Return the lower-case names of the functions that an expression calls, but for syntax."""
    names = map(unquote, _names(sql, called=True))
    return tuple(name for name in names if name not in _SYNTAX)
