"""Reading small pieces of SQL: tokens, a normal form for expressions, CREATE INDEX, CREATE TABLE.

Enters: SQL text. Leaves: normalised text and plain values. Pure; imports nothing of the package.
The normal form drops what a server adds when it prints an expression back (casts, brackets that
change nothing, spelling of operators), so that two texts of one expression become equal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""\s+ | --[^\n]* | /\*.*?\*/                        # nothing
      | (?P<token> [xXeEbB]?'(?:[^']|'')*'                # a string
      | "(?:[^"]|"")*" | `(?:[^`]|``)*`                   # a quoted name
      | \d+(?:\.\d+)?(?:[eE][+-]?\d+)? | \.\d+            # a number
      | [^\W\d][\w$]*                                     # a word
      | :: | [<>=!~|&@\#^?*/%+-]+ | . )""",
    re.VERBOSE | re.DOTALL,
)
_CAST_TAILS = {"varying", "precision", "without", "with", "time", "zone"}
_OPERATORS = {"!=": "<>", "==": "=", "~~": "like", "~~*": "ilike"}
_KEYWORDS = {"and", "or", "not", "in", "like", "ilike", "is", "between", "check", "any", "where"}
_WORDS = _KEYWORDS | {"null", "true", "false", "case", "when", "then", "else", "end", "collate"}
_MIXING = {"or", "+", "-", "*", "/", "%", "||", "between", "not", "case", "collate"}


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


def normalize(sql: str) -> str:
    """Return the normal form of an expression: equal forms mean equal expressions."""
    words = [_word(token) for token in _without_casts(tokens(sql))]
    words = _without_any_array(words)
    if not _MIXING & set(words):
        words = _without_brackets(words)
    else:
        words = _without_single_brackets(words)
    return " ".join(words)


def _word(token: str) -> str:
    if token.startswith(("'", "E'", "e'")) or not is_name(token):
        return _OPERATORS.get(token, token)
    return unquote(token)


def _without_casts(items: Sequence[str]) -> list[str]:
    kept: list[str] = []
    position = 0
    while position < len(items):
        if items[position] != "::":
            kept.append(items[position])
            position += 1
            continue
        position = _after_type(items, position + 2)
    return kept


def _after_type(items: Sequence[str], position: int) -> int:
    """Return the position behind a type whose first word stands before ``position``."""
    while position < len(items):
        rest = items[position : position + 2]
        if rest[0].lower() in _CAST_TAILS:
            position += 1
        elif rest[0] == "." or list(rest) == ["[", "]"]:
            position += 2
        elif rest[0] == "(" and rest[1].isdigit():
            position = _closing(items, position) + 1
        else:
            break
    return position


def _without_any_array(words: list[str]) -> list[str]:
    text = " ".join(words)
    listed = r"[^][]*"
    text = re.sub(rf"= any \( (?:\( )*array \[ ({listed}) \](?: \))*", r"in ( \1 )", text)
    text = re.sub(rf"<> all \( (?:\( )*array \[ ({listed}) \](?: \))*", r"not in ( \1 )", text)
    return text.split(" ") if text else []


def _without_brackets(words: Sequence[str]) -> list[str]:
    """Drop every bracket but those of a function's arguments."""
    kept: list[str] = []
    stack: list[bool] = []
    for word in words:
        if word == "(":
            stack.append(bool(kept) and is_name(kept[-1]) and kept[-1] not in _KEYWORDS)
        if word not in "()" or not stack or stack[-1]:
            kept.append(word)
        if word == ")" and stack:
            stack.pop()
    return kept


def _without_single_brackets(words: list[str]) -> list[str]:
    """Drop brackets around one word, and those around the whole."""
    text = " ".join(words)
    before = None
    while before != text:
        before = text
        text = re.sub(r"(?<![\w\"] )\( (\S+) \)", r"\1", text)
    words = text.split(" ")
    while len(words) > 2 and words[0] == "(" and _closing(words, 0) == len(words) - 1:
        words = words[1:-1]
    return words


def _closing(words: Sequence[str], opening: int) -> int:
    """Return the position of the bracket that closes the one at ``opening``, or -1."""
    depth = 0
    for position in range(opening, len(words)):
        depth += (words[position] == "(") - (words[position] == ")")
        if depth == 0:
            return position
    return -1


def split_list(items: Sequence[str]) -> Iterator[list[str]]:
    """Yield the parts of a token list that commas outside of brackets separate."""
    part: list[str] = []
    depth = 0
    for item in items:
        depth += (item == "(") - (item == ")")
        if item == "," and depth == 0:
            yield part
            part = []
        else:
            part.append(item)
    if part:
        yield part


@dataclass(frozen=True, slots=True)
class ParsedKey:
    """One key of a CREATE INDEX: a column's name or a normalised expression, and its options."""

    text: str
    is_column: bool
    options: str


@dataclass(frozen=True, slots=True)
class ParsedIndex:
    """What a CREATE INDEX statement says; ``expressions`` are its key expressions and its
    predicate as they were written, the predicate last.
    """

    name: str
    unique: bool
    method: str
    keys: tuple[ParsedKey, ...]
    where: str
    nulls_distinct: bool
    expressions: tuple[str, ...]


def parse_key(items: Sequence[str]) -> ParsedKey:
    """Read one key of an index from its tokens."""
    body = list(items)
    nulls = ""
    if len(body) > 2 and body[-2].lower() == "nulls":
        nulls = body[-1].lower()
        body = body[:-2]
    order = body.pop().lower() if len(body) > 1 and body[-1].lower() in ("asc", "desc") else "asc"
    options = []
    is_column = is_name(body[0]) and all(map(is_name, body[1:]))
    if is_column:
        options += [unquote(token) for token in body[1:]]
        text = unquote(body[0])
    else:
        text = normalize(" ".join(body))
    options += order_options(order == "desc", nulls == "first" if nulls else order == "desc")
    return ParsedKey(text, is_column, " ".join(options))


def order_options(descending: bool, nulls_first: bool) -> list[str]:
    """Return the words of a key's order, none for the usual ones."""
    words = ["desc"] if descending else []
    if nulls_first != descending:
        words.append("nulls first" if nulls_first else "nulls last")
    return words


_HEAD = re.compile(r"create (unique )?index (concurrently )?(if not exists )?$")


def parse_index(sql: str) -> ParsedIndex | None:
    """Read a CREATE INDEX statement; None when it is something else."""
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
    closing = _closing(items, opening)
    if head is None or closing < 0:
        return None
    before = lower[on:opening]
    method = lower[lower.index("using") + 1] if "using" in [*lower[:on], *before] else "btree"
    tail = lower[closing + 1 :]
    where = items[closing + 1 + tail.index("where") + 1 :] if "where" in tail else []
    parts = list(split_list(items[opening + 1 : closing]))
    keys = tuple(map(parse_key, parts))
    raw = [part for part, key in zip(parts, keys, strict=True) if not key.is_column]
    raw += [where] if where else []
    return ParsedIndex(
        name=unquote(items[named - 1]),
        unique=bool(head[1]),
        method=method,
        keys=keys,
        where=normalize(" ".join(where)),
        nulls_distinct="nulls not distinct" not in " ".join(tail),
        expressions=tuple(map(" ".join, raw)),
    )


def table_constraints(sql: str) -> list[tuple[str, str]]:
    """Return (name, normal form) of each CHECK and table constraint of a CREATE TABLE."""
    items = tokens(sql)
    if "(" not in items:
        return []
    opening = items.index("(")
    found = []
    for part in split_list(items[opening + 1 : _closing(items, opening)]):
        lower = [item.lower() for item in part]
        if lower[0] in ("constraint", "check", "unique", "foreign", "primary", "exclude"):
            found.append(named_constraint(" ".join(part)))
        elif "check" in lower:
            at = lower.index("check")
            named = at >= 2 and lower[at - 2] == "constraint"
            body = part[at - 2 if named else at : _closing(part, lower.index("(", at)) + 1]
            found.append(named_constraint(" ".join(body)))
    return found


def named_constraint(sql: str) -> tuple[str, str]:
    """Split a constraint into its name ("" for none) and the normal form of the rest."""
    items = tokens(sql)
    if items[:1] and items[0].lower() == "constraint":
        return unquote(items[1]), normalize(" ".join(items[2:]))
    return "", normalize(sql)


def table_options(sql: str) -> tuple[str, ...]:
    """Return what stands behind the columns of a CREATE TABLE, in lower case, split at commas."""
    if sql.rstrip().endswith(")"):
        return ()
    items = tokens(sql)
    closing = _closing(items, items.index("(")) if "(" in items else len(items)
    return tuple(" ".join(part).lower() for part in split_list(items[closing + 1 :]))


def is_constant(default: str) -> bool:
    """Tell whether a DEFAULT is one literal, with a sign at most."""
    items = tokens(default)
    while len(items) > 2 and items[0] == "(" and _closing(items, 0) == len(items) - 1:
        items = items[1:-1]
    if items and items[0] in "+-":
        items = items[1:]
    if len(items) != 1:
        return False
    item = items[0].lower()
    literal = item[0].isdigit() or item[0] in "'." or item[:2] in ("x'", "e'", "b'")
    return literal or item in ("null", "true", "false")


def column_names(sql: str) -> tuple[str, ...]:
    """Return the names in an expression that may be columns: no functions, no keywords."""
    items = tokens(sql)
    pairs = zip(items, [*items, ""][1:], strict=True)
    words = (unquote(item) for item, then in pairs if is_name(item) and then != "(")
    return tuple(word for word in words if word not in _WORDS)


def called_functions(sql: str) -> tuple[str, ...]:
    """Return the lower-case names of the functions that an expression calls."""
    items = tokens(sql)
    pairs = zip(items, [*items, ""][1:], strict=True)
    return tuple(unquote(name) for name, then in pairs if then == "(" and is_name(name))
