"""What exists and differs: reported, never touched.

Enters: one declared table as `spelling` spells it, the actual one, a database's names. Leaves:
findings. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import NamedTuple

from ..changes import Finding
from ..schema import UNKNOWN, Column, ForeignKey, Ref, Table
from ..texts import drift, note
from .spelling import Names, normalize, same_names

_NAME = attrgetter("name")


class Columns(NamedTuple):
    """How a table's columns go with the declared ones: ``pairs`` of a declared and an actual
    column, the declared ones that are ``missing``, and the actual ones that are ``unknown``.
    """

    pairs: Sequence[tuple[Column, Column]]
    missing: Sequence[Column] = ()
    unknown: Sequence[Column] = ()


def matched(table: Table, actual: Table, fold: Callable[[str], str]) -> Columns:
    """Match columns by their folded names; the same names in the same order need no folding."""
    if list(map(_NAME, table.columns)) == list(map(_NAME, actual.columns)):
        return Columns(list(zip(table.columns, actual.columns, strict=True)))
    known = {fold(column.name): column for column in actual.columns}
    wanted = {fold(column.name): column for column in table.columns}
    return Columns(
        [(column, known[name]) for name, column in wanted.items() if name in known],
        [
            column
            for name, column in wanted.items()
            if name not in known and not (column.declared.automatic and name in actual.implicit)
        ],
        [column for name, column in known.items() if name not in wanted],
    )


def differences(
    table: Table, actual: Table, columns: Columns, names: Names, *, certain: bool = False
) -> Iterator[Finding]:
    """Yield a finding for each thing in which a table differs from its declaration. ``certain``:
    it is spelled as the database itself would, so that other words mean something else.
    """
    for column, other in columns.pairs:
        if other != column and not _is_alike(column, other):
            yield from _column(table, column, other, names)
    for column in columns.unknown:
        ref = Ref("column", table.name, column.name)
        yield drift("AM209", ref) if column.needs_value else note("AM301", ref)
    keys = table.primary_key, actual.primary_key
    is_rowid = set(map(names.fold, keys[0])) <= set(actual.implicit)
    if not (is_rowid or same_names(*keys, names.fold)):
        texts = [", ".join(key) or "none" for key in keys]
        yield drift("AM204", Ref("table", table.name), declared=texts[0], actual=texts[1])
    missing = {names.fold(column.name) for column in columns.missing}
    for fk in table.foreign_keys:
        if missing.isdisjoint(map(names.fold, fk.columns)):
            yield from _foreign_key(table, actual, fk, names)
    has_more_keys = len(actual.foreign_keys) > len(table.foreign_keys)
    if table.constraints or actual.constraints or has_more_keys:
        from .constraints import constraints

        yield from constraints(table, actual, missing, names, certain)


def _is_alike(column: Column, actual: Column) -> bool:
    """Tell at once what is so for most columns: all that matters is the same."""
    same = column.type == actual.type and column.null == actual.null
    if not same or column.declared.clauses or column.generated or _made(actual):
        return False
    is_usual = not actual.declared.of_kind("collate", "on update")
    return is_usual and _same_default(column, actual)


def _made(column: Column) -> str:
    """Return how a column is computed from others, "" where it is not."""
    return column.generated if column.generated in ("stored", "virtual") else ""


def _column(table: Table, column: Column, actual: Column, names: Names) -> Iterator[Finding]:
    ref = Ref("column", table.name, actual.name)
    answer = names.same_type(column.type, actual.type) if column.type else True
    if answer is None:
        what = f"the type: the database says {actual.type}, the model {column.type}"
        yield note("AM304", ref, what=what)
    elif not answer:
        yield drift("AM201", ref, declared=column.type, actual=actual.type)
    if _made(column) != _made(actual):
        made = [f"{_made(c) or 'not'} generated" for c in (actual, column)]
        yield drift("AM215", ref, actual=made[0], declared=made[1])
    if column.generated or _made(actual):
        return
    for kind, what in (("collate", "collation"), ("on update", "ON UPDATE")):
        said, stands = said_of(column, kind), said_of(actual, kind)
        if said and not stands:
            stands = said_of(actual, f"usual {kind}")
        if said != stands:
            yield drift("AM217", ref, what=what, actual=stands or "none", declared=said or "none")
    if column.null != actual.null:
        if actual.null and column.declared.default_is == "callable":
            yield note("AM305", ref)
        else:
            words = ("nullable", "NOT NULL") if actual.null else ("NOT NULL", "nullable")
            yield drift("AM202", ref, actual=words[0], declared=words[1])
    if not _same_default(column, actual):
        words = column.default or "none", actual.default or "none"
        yield drift("AM203", ref, declared=words[0], actual=words[1])


def _same_default(column: Column, actual: Column) -> bool:
    """Compare defaults as far as both are known.

    A Python default need not stand in the database. A column that counts up has one of its own.
    """
    source, default = column.declared, actual.default
    if source.default_is == "callable" or source.automatic:
        return True
    if UNKNOWN in (column.default, default) or column.default == default:
        return True
    if default is None and source.default_is != "sql":
        return True
    if default and default.lower().startswith("nextval("):
        return True
    return _default_value(column.default) == _default_value(default)


_LITERAL = re.compile(r"('(?:[^']|'')*'|-?[\d.]+)::[^']+")
_NUMBERS = ("::integer", "::bigint", "::smallint", "::numeric", "::real", "::double precision")


def _default_value(default: str | None) -> tuple[str, object]:
    """Return what a default stands for: nothing, a number, a text or an expression.

    A server prints a negative number as a quoted literal with a cast, and TRUE may be 1.
    """
    literal = _LITERAL.fullmatch(default or "")  # a cast to the column's own type
    text = normalize(literal[1] if literal else default or "NULL")
    if default and default.lower().endswith(_NUMBERS):
        text = text.strip("'")
    if text.lower() == "null":
        return "nothing", ""
    bare = {"true": "1", "false": "0"}.get(text, text.replace(" ", ""))
    try:
        return "number", float(bare)
    except ValueError:
        return ("text" if text.startswith("'") else "expression"), text


def _foreign_key(table: Table, actual: Table, fk: ForeignKey, names: Names) -> Iterator[Finding]:
    ref = fk.ref(table.name)
    found = find_key(actual, fk, names)
    if not found and set(fk.columns) <= set(actual.keys_due):
        return
    if not found:
        if fk.deferred and not names.adds_keys:
            yield note("AM306", ref, parent=fk.parent)
        else:
            yield drift("AM206", ref, parent=fk.parent)
    elif any(UNKNOWN in (o.on_delete, o.on_update) for o in found):
        what = f"what the foreign key to {fk.parent} does, which this role may not read"
        yield note("AM304", ref, what=what)
    elif not any(actions(other) == actions(fk) for other in found):
        yield drift("AM207", ref, declared=actions(fk), actual=actions(found[0]))
    elif not any(other.valid or other.pending for other in found):
        yield drift("AM212", ref, constraint=found[0].name)


def find_key(actual: Table, fk: ForeignKey, names: Names) -> list[ForeignKey]:
    """Return the foreign keys of a table that lead from and to where a declared one does."""
    return [
        other
        for other in actual.foreign_keys
        if same_names(other.columns, fk.columns, names.fold)
        and same_names(other.parent[1:], fk.parent[1:], names.fold_table)
        and (not fk.parent.schema or fk.parent.schema == other.parent.schema)
    ]


def actions(fk: ForeignKey) -> str:
    actions = f"ON DELETE {fk.on_delete or 'NO ACTION'} ON UPDATE {fk.on_update or 'NO ACTION'}"
    return f"{actions} {fk.deferrable}".rstrip()


def said_of(column: Column, kind: str) -> str:
    """Return what the clauses of one kind say, in lower case and without quotes or a schema."""
    words = [clause.body for clause in column.declared.of_kind(kind)]
    text = " ".join(words).lower().removeprefix("on update ")
    name = text.rpartition(".")[2].strip('"`')
    return "" if name in ("binary", "default") else name
