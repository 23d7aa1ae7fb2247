"""The declared side spelled as the catalogue of one database would spell it.

Enters: declared tables, texts of expressions. Leaves: the same in the catalogue's own words, so
that what is equal is equal as text. Pure: no peewee, no dialect; a dialect hands its `Names` in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

from ..schema import UNKNOWN, Column, Constraint, ForeignKey, Index, Key, Ref, Table, TableName
from ..sql import KEYWORDS, bare, clauses, closing, is_name, listed_columns, split, tokens, unquote

_OPERATORS = {"!=": "<>", "==": "=", "~~": "like", "~~*": "ilike", "!~~": "not like"}
_OPERATORS |= {"!~~*": "not ilike"}
_PAIRS = {("is", "not"), ("not", "in"), ("not", "like"), ("not", "ilike")}
_COMPARISONS = {"=", "<>", "<", ">", "<=", ">=", "in", "not in", "is", "is not"}
_COMPARISONS |= {"like", "not like", "ilike", "not ilike"}
_NOT_CALLED = KEYWORDS | {"not in", "not like", "not ilike", "is not"}
_SIMPLE = re.compile(r"[a-z_][a-z0-9_$]*")


class Names:
    """How one database spells names and types, each with the cautious answer."""

    creates_schemas = False  # a schema that is missing can be created
    adds_keys = True  # a foreign key can be added to a column that stands

    def __init__(self, quote: Callable[..., str]) -> None:
        self.quote = quote  # a path of names, of which None is left out

    @staticmethod
    def fold(name: str) -> str:
        """Return the form of a name in which the database compares it."""
        return name

    def fold_table(self, name: str) -> str:
        """Return the form of a table's name in which the database compares it."""
        return self.fold(name)

    @staticmethod
    def type(text: str) -> str:
        """Return the catalogue's spelling of a type as Peewee writes it."""
        return text

    def same_type(self, declared: str, actual: str) -> bool | None:
        """Compare two types in the catalogue's spelling; None when it can't tell."""
        return True if declared == actual else None

    def spell(self, table: Table) -> Table:
        """Return a declared table in the catalogue's own words."""
        indexes = tuple(
            i._replace(keys=spelled_keys(i), where=normalize(i.where)) if i.sql else i
            for i in table.indexes
        )
        keys = tuple([_without_no_action(fk) for fk in table.foreign_keys])
        constraints = tuple([constraint(c.sql) for c in table.constraints])
        constraints += tuple(
            replace(constraint(clause.sql), columns=(column.name,))
            for column in table.columns
            for clause in column.declared.of_kind("check")
        )
        return table._replace(
            indexes=indexes, foreign_keys=keys, constraints=constraints, options=()
        )

    def index_space(self, schema: str | None, table: str) -> str | None:
        """Return within what the names of a table's indexes are unique: its schema."""
        return schema

    def checks_keys(self) -> bool:
        """Tell whether the database refuses a foreign key to what is not unique."""
        return True

    # From these

    def table_key(self, name: TableName) -> TableName:
        """Return the key under which a table stands in a catalogue."""
        return TableName(name.schema, self.fold_table(name.name))

    def ref(self, ref: Ref) -> Ref:
        """Return a reference with its names folded, as it is matched."""
        return Ref(ref.kind, self.table_key(ref.table), self.fold(ref.name))

    def quote_table(self, table: TableName) -> str:
        """Quote a table's name."""
        return self.quote(table.schema, table.name)


def constraint(
    sql: str, name: str = "", pending: bool = False, texts: Collection[str] = ()
) -> Constraint:
    """Return a table constraint in its normal form; ``name`` where the text has none, ``texts`` as
    `normalize` takes them.
    """
    found = clauses(sql)
    if not found or sql == UNKNOWN:
        return Constraint(UNKNOWN, name, UNKNOWN, pending=pending, sql=sql)
    first, items = found[0], tokens(sql)
    text = " ".join(items[2:]) if items[0].lower() == "constraint" else sql
    columns = listed_columns(first) if first.kind not in ("check", "exclude", "other") else ()
    return Constraint(
        first.kind, first.name or name, normalize(text, texts), columns, pending=pending, sql=sql
    )


def same_names(one: Sequence[str], other: Sequence[str], fold: Callable[[str], str]) -> bool:
    """Tell whether two lists hold the same names, as the database compares them."""
    return one == other or list(map(fold, one)) == list(map(fold, other))


def column_of(table: Table | None, name: str, fold: Callable[[str], str]) -> Column | None:
    """Return the column of a table that has a name, as the database compares it."""
    columns = table.columns if table else ()
    return next((column for column in columns if fold(column.name) == fold(name)), None)


def does_constraint(index: Index, constraint: Constraint, names: Names) -> bool:
    """Tell whether a unique index does what a UNIQUE constraint or a key is for."""
    if not (index.unique and index.valid and index.is_plain and constraint.is_key):
        return False
    return same_names(constraint.columns, index.columns, names.fold)


def spelled_keys(index: Index, texts: Collection[str] = ()) -> tuple[Key, ...]:
    """Return the keys of an index in their normal form; ``texts`` as `normalize` takes them."""
    return tuple(
        k if k.is_column else k._replace(text=normalize(k.text, texts)) for k in index.keys
    )


def _without_no_action(fk: ForeignKey) -> ForeignKey:
    """NO ACTION is what a foreign key does anyway."""
    if "NO ACTION" not in (fk.on_delete, fk.on_update):
        return fk
    on_delete, on_update = (a.replace("NO ACTION", "") for a in (fk.on_delete, fk.on_update))
    return fk._replace(on_delete=on_delete, on_update=on_update)


def normalize(sql: str, texts: Collection[str] = ()) -> str:
    """Return the normal form of an expression: equal forms mean equal expressions, but not the
    reverse. It drops what says nothing: layout, brackets around a whole, another spelling of
    operators, and the casts to text that PostgreSQL adds to strings, and to the columns ``texts``.
    """
    return " ".join(_form(_paired(map(_word, _without_casts(tokens(sql), texts)))))


def _word(token: str) -> str:
    if not is_name(token) or token[:2] in ("E'", "e'", "x'", "X'", "b'", "B'"):
        return _OPERATORS.get(token, token)
    name = unquote(token)
    is_simple = token[0] not in '"`' or _SIMPLE.fullmatch(name)
    return name if is_simple else '"' + name.replace('"', '""') + '"'


def _without_casts(items: Sequence[str], texts: Collection[str]) -> list[str]:
    """Drop the casts to text of no length that stand behind a string or one of some columns."""
    kept: list[str] = []
    position = 0
    while position < len(items):
        size = _text_cast(items[position : position + 4])
        if size and _is_text(kept, texts):
            position += size
        else:
            kept.append(items[position])
            position += 1
    return kept


def _text_cast(items: Sequence[str]) -> int:
    """Return how many tokens such a cast takes at the start of others, 0 where there is none."""
    words = [item.lower() for item in items]
    size = 3 if words[1:3] == ["character", "varying"] else 2
    is_text = words[:1] == ["::"] and (size == 3 or words[1:2] in (["text"], ["varchar"]))
    return size if is_text and words[size : size + 1] not in (["("], ["["]) else 0


def _is_text(before: Sequence[str], texts: Collection[str]) -> bool:
    """Tell whether a string ends here, or such a column, perhaps in brackets of its own."""
    if before[-1:] == [")"] and before[-3:-2] == ["("]:
        called = len(before) > 3 and is_name(before[-4]) and before[-4].lower() not in KEYWORDS
        return unquote(before[-2]) in texts and not called
    return bool(before) and (before[-1].endswith("'") or unquote(before[-1]) in texts)


def _paired(words: Iterable[str]) -> list[str]:
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
    words = bare(words)
    for joint in ("or", "and") if {"between", "case"}.isdisjoint(words) else ():
        parts = split(words, {joint})
        if len(parts) > 1:
            return _joined([_grouped(_form(part), joint) for part in parts], joint)
    sides = split(words, _COMPARISONS)
    if len(sides) != 2:
        return _operand(words)
    return [*_operand(sides[0]), words[len(sides[0])], *_operand(sides[1])]


def _joined(forms: Sequence[list[str]], joint: str) -> list[str]:
    return [word for form in forms for word in (joint, *form)][1:]


def _grouped(form: list[str], joint: str) -> list[str]:
    """OR inside of AND needs its brackets."""
    loose = joint == "and" and len(split(form, {"or"})) > 1
    return ["(", *form, ")"] if loose else form


def _operand(words: list[str]) -> list[str]:
    """Put an operand into its normal form; a bracket goes when it holds one thing only."""
    inner = bare(words)
    if len(inner) == 1 or (inner[1:2] == ["("] and closing(inner, 1) == len(inner) - 1):
        words = inner
    form: list[str] = []
    position = 0
    while position < len(words):
        end = closing(words, position) if words[position] == "(" else -1
        if end < 0:
            form.append(words[position])
            position += 1
            continue
        called = bool(form) and is_name(form[-1]) and form[-1] not in _NOT_CALLED
        group = words[position + 1 : end]
        content = _joined([_form(part) for part in split(group, {","})], ",")
        is_bare = len(content) == 1 and not called and form[-1:] not in (["in"], ["not in"])
        form += content if is_bare else ["(", *content, ")"]
        position = end + 1
    return form
