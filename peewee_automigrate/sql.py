"""Reading small pieces of SQL: tokens, a normal form for expressions, CREATE INDEX, CREATE TABLE.

Enters: SQL text. Leaves: normalised text and plain values. Pure; imports nothing of the package.
The normal form drops what a server adds when it prints an expression back (casts, brackets that
change nothing, spelling of operators), so that two texts of one expression become equal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

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
_TEXT_TYPES = {"text", "character", "varchar", "bpchar", "name"}
_OPERATORS = {"!=": "<>", "==": "=", "~~": "like", "~~*": "ilike", "!~~": "not like"}
_OPERATORS |= {"!~~*": "not ilike"}
_PAIRS = {("is", "not"), ("not", "in"), ("not", "like"), ("not", "ilike")}
_COMPARISONS = {"=", "<>", "<", ">", "<=", ">=", "in", "not in", "is", "is not"}
_COMPARISONS |= {"like", "not like", "ilike", "not ilike"}
_KEYWORDS = {"and", "or", "not", "in", "like", "ilike", "is", "between", "check", "any", "where"}
_KEYWORDS |= {"when", "then", "else", "case", "not in", "not like", "not ilike", "is not"}
_WORDS = _KEYWORDS | {"null", "true", "false", "end", "collate"}
_CONSTRAINTS = {"constraint", "check", "unique", "foreign", "primary", "exclude"}
_SIMPLE = re.compile(r"[a-z_][a-z0-9_$]*")


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
    """Return the normal form of an expression: equal forms mean equal expressions.

    The reverse does not hold; the server may know better.
    """
    words = list(map(_word, _without_casts(tokens(sql))))
    return " ".join(_form(_paired(words)))


def _word(token: str) -> str:
    if not is_name(token) or token[:2] in ("E'", "e'", "x'", "X'", "b'", "B'"):
        return _OPERATORS.get(token, token)
    name = unquote(token)
    is_simple = token[0] not in '"`' or _SIMPLE.fullmatch(name)
    return name if is_simple else '"' + name.replace('"', '""') + '"'


def _without_casts(items: Sequence[str]) -> list[str]:
    """Drop the casts that a server adds: to text, and of literals."""
    kept: list[str] = []
    position = 0
    while position < len(items):
        if items[position] == "::" and position + 1 < len(items):
            after = _after_type(items, position + 2)
            is_text = items[position + 1].lower() in _TEXT_TYPES
            if is_text or (kept and (kept[-1][0].isdigit() or kept[-1].endswith("'"))):
                position = after
                continue
        kept.append(items[position])
        position += 1
    return kept


def _after_type(items: Sequence[str], position: int) -> int:
    """Return the position behind a type whose first word stands before ``position``."""
    while position < len(items):
        rest = items[position : position + 2]
        if rest[0].lower() in _CAST_TAILS:
            position += 1
        elif len(rest) == 2 and (rest[0] == "." or list(rest) == ["[", "]"]):
            position += 2
        elif len(rest) == 2 and rest[0] == "(" and rest[1].isdigit():
            closing = _closing(items, position)
            position = closing + 1 if closing > 0 else len(items)
        else:
            break
    return position


def _paired(words: Sequence[str]) -> list[str]:
    """Make one word of operators such as IS NOT."""
    paired: list[str] = []
    for word in words:
        if paired and (paired[-1], word) in _PAIRS:
            paired[-1] += f" {word}"
        else:
            paired.append(word)
    return paired


def _form(words: list[str]) -> list[str]:
    """Put a condition into its normal form: brackets stay only where they can matter."""
    words = _bare(words)
    for joint in ("or", "and") if "between" not in words and "case" not in words else ():
        parts = _split(words, {joint})
        if len(parts) > 1:
            return _joined([_grouped(_form(part), joint) for part in parts], joint)
    sides = _split(words, _COMPARISONS)
    if len(sides) != 2:
        return _operand(words)
    return _comparison(sides[0], words[len(sides[0])], sides[1])


def _joined(forms: Sequence[list[str]], joint: str) -> list[str]:
    return [word for form in forms for word in (joint, *form)][1:]


def _grouped(form: list[str], joint: str) -> list[str]:
    """OR inside of AND needs its brackets."""
    loose = joint == "and" and len(_split(form, {"or"})) > 1
    return ["(", *form, ")"] if loose else form


def _comparison(left: list[str], operator: str, right: list[str]) -> list[str]:
    """PostgreSQL prints IN as = ANY (ARRAY[..]), and NOT IN as <> ALL (ARRAY[..])."""
    lists = {("=", "any"): "in", ("<>", "all"): "not in"}
    listed = lists.get((operator, right[0] if right else ""))
    array = _bare(right[1:]) if listed else []
    if listed and array[:2] == ["array", "["] and array[-1] == "]":
        return [*_operand(left), listed, "(", *array[2:-1], ")"]
    return [*_operand(left), operator, *_operand(right)]


def _operand(words: list[str]) -> list[str]:
    """Put an operand into its normal form; a bracket goes when it holds one thing only."""
    inner = _bare(words)
    if len(inner) == 1 or (inner[1:2] == ["("] and _closing(inner, 1) == len(inner) - 1):
        words = inner
    form: list[str] = []
    position = 0
    while position < len(words):
        closing = _closing(words, position) if words[position] == "(" else -1
        if closing < 0:
            form.append(words[position])
            position += 1
            continue
        called = bool(form) and is_name(form[-1]) and form[-1] not in _KEYWORDS
        group = words[position + 1 : closing]
        content = _joined([_form(part) for part in _split(group, {","})], ",")
        bare = len(content) == 1 and not called and form[-1:] not in (["in"], ["not in"])
        form += content if bare else ["(", *content, ")"]
        position = closing + 1
    return form


def _bare(words: list[str]) -> list[str]:
    """Drop the brackets around a whole."""
    while len(words) > 2 and words[0] == "(" and _closing(words, 0) == len(words) - 1:
        words = words[1:-1]
    return words


def _split(words: Sequence[str], separators: set[str]) -> list[list[str]]:
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


def _closing(words: Sequence[str], opening: int) -> int:
    """Return the position of the bracket that closes the one at ``opening``, or -1."""
    depth = 0
    for position in range(opening, len(words)):
        depth += (words[position] == "(") - (words[position] == ")")
        if depth == 0:
            return position
    return -1


def split_list(items: Sequence[str]) -> list[list[str]]:
    """Return the parts of a token list that commas outside of brackets separate."""
    return [part for part in _split(items, {","}) if part]


@dataclass(frozen=True, slots=True)
class ParsedKey:
    """One key of a CREATE INDEX: a column's name or a normalised expression, and its options.
    ``source`` is the name or expression as it was written.
    """

    text: str
    is_column: bool
    options: str
    source: str = field(default="", compare=False)


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
    is_column = is_name(body[0]) and all(map(is_name, body[1:]))
    end = 1 if is_column else len(body)
    if not is_column and ")" in body:
        last = len(body) - body[::-1].index(")")
        end = last if all(map(is_name, body[last:])) else end
    source = " ".join(body[:end])
    options = [unquote(token) for token in body[end:]]
    options += order_options(order == "desc", nulls == "first" if nulls else order == "desc")
    text = unquote(body[0]) if is_column else normalize(source)
    return ParsedKey(text, is_column, " ".join(options), source)


def order_options(descending: bool, nulls_first: bool) -> list[str]:
    """Return the words of a key's order, none for the usual ones."""
    words = ["desc"] if descending else []
    if nulls_first != descending:
        words.append("nulls first" if nulls_first else "nulls last")
    return words


_HEAD = re.compile(r"create (unique |fulltext |spatial )?index (concurrently )?(if not exists )?$")


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
    kind = (head[1] or "").strip()
    method = kind if kind in ("fulltext", "spatial") else "btree"
    if "using" in [*lower[:on], *before]:
        method = lower[lower.index("using") + 1]
    tail = lower[closing + 1 :]
    where = items[closing + 1 + tail.index("where") + 1 :] if "where" in tail else []
    keys = tuple(map(parse_key, split_list(items[opening + 1 : closing])))
    raw = [key.source for key in keys if not key.is_column]
    raw += [" ".join(where)] if where else []
    return ParsedIndex(
        name=unquote(items[named - 1]),
        unique=kind == "unique",
        method=method,
        keys=keys,
        where=normalize(" ".join(where)),
        nulls_distinct="nulls not distinct" not in " ".join(tail),
        expressions=tuple(raw),
    )


def table_constraints(sql: str) -> list[tuple[str, str]]:
    """Return (name, normal form) of each CHECK and table constraint of a CREATE TABLE."""
    items = tokens(sql)
    if "(" not in items:
        return []
    opening = items.index("(")
    found = []
    for part in split_list(items[opening + 1 : _closing(items, opening)]):
        if part[0].lower() in _CONSTRAINTS:
            found.append(named_constraint(" ".join(part)))
        else:
            found += map(named_constraint, _column_checks(part))
    return found


def _column_checks(part: Sequence[str]) -> Iterator[str]:
    lower = [item.lower() for item in part]
    for at, word in enumerate(lower):
        if word == "check" and lower[at + 1 : at + 2] == ["("]:
            named = at >= 2 and lower[at - 2] == "constraint"
            yield " ".join(part[at - 2 if named else at : _closing(part, at + 1) + 1])


def named_constraint(sql: str) -> tuple[str, str]:
    """Split a constraint into its name ("" for none) and the normal form of the rest."""
    items = tokens(sql)
    if len(items) > 1 and items[0].lower() == "constraint":
        return unquote(items[1]), normalize(" ".join(items[2:]))
    return "", normalize(sql)


def table_options(sql: str) -> tuple[str, ...]:
    """Return what stands behind the columns of a CREATE TABLE, in lower case, split at commas."""
    if sql.endswith(")") and "--" not in sql and "/*" not in sql:
        return ()
    items = tokens(sql)
    closing = _closing(items, items.index("(")) if "(" in items else len(items)
    return tuple(" ".join(part).lower() for part in split_list(items[closing + 1 :]))


def upper_words(texts: Iterable[str]) -> set[str]:
    """Return the tokens of several texts, in upper case."""
    return {token.upper() for text in texts for token in tokens(text)}


def is_constant(default: str) -> bool:
    """Tell whether a DEFAULT is one literal, with a sign at most."""
    items = _bare(tokens(default))
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
    names = (item for item, then in pairs if is_name(item) and then != "(")
    return tuple(unquote(name) for name in names if name.lower() not in _WORDS)


def called_functions(sql: str) -> tuple[str, ...]:
    """Return the lower-case names of the functions that an expression calls."""
    items = tokens(sql)
    pairs = zip(items, [*items, ""][1:], strict=True)
    return tuple(unquote(name) for name, then in pairs if then == "(" and is_name(name))
