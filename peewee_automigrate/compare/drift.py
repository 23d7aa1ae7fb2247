"""What exists and differs: reported, never touched.

Enters: one declared table, the actual one, and the dialect's rules. Leaves: findings. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Protocol

from ..schema import UNKNOWN, Column, Constraint, Finding, ForeignKey, Index, Table, TableName
from ..sql import normalize, unquote
from ..texts import drift, note

_NAME = attrgetter("name")


class Rules(Protocol):
    """What the comparison must know of a database; `dialects.Dialect` has it all, and explains."""

    shares_index_names: bool
    creates_schemas: bool
    adds_constraints: bool
    parents_first: bool
    keys_follow: bool

    def fold(self, name: str) -> str: ...
    def fold_table(self, name: str) -> str: ...
    def table_key(self, name: TableName) -> TableName: ...
    def canonical_default(self, text: str) -> str: ...
    def same_type(self, declared: str, actual: str) -> bool | None: ...
    def alter_sql(self, table: TableName, column: Column, what: str) -> str | None: ...
    def quote(self, *path: str | None) -> str: ...
    def quote_table(self, table: TableName) -> str: ...


@dataclass(frozen=True, slots=True)
class Columns:
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
        [column for name, column in wanted.items() if name not in known],
        [column for name, column in known.items() if name not in wanted],
    )


def differences(table: Table, actual: Table, columns: Columns, rules: Rules) -> Iterator[Finding]:
    """Yield a finding for each thing in which a table differs from its declaration."""
    for column, other in columns.pairs:
        if other != column and not _is_alike(column, other, rules):
            yield from _column(table, column, other, rules)
    for column in columns.unknown:
        yield _unknown_column(table, column, rules)
    for column in columns.missing:
        yield from _renamed(table, column, columns.unknown, rules)
    keys = table.primary_key, actual.primary_key
    if keys[0] and keys[0] != keys[1] and not _same_names(*keys, rules.fold):
        texts = [", ".join(key) or "none" for key in keys]
        yield drift("AM204", table.name, None, declared=texts[0], actual=texts[1])
    missing = {rules.fold(column.name) for column in columns.missing}
    for fk in table.foreign_keys:
        if missing.isdisjoint(map(rules.fold, fk.columns)):
            yield from _foreign_key(table, actual, fk, rules)
    for constraint in table.constraints:
        yield from _constraint(table, actual, constraint, rules)


def _is_alike(column: Column, actual: Column, rules: Rules) -> bool:
    """Tell at once what is so for most columns: all that matters is the same."""
    same = column.type == actual.type and column.null == actual.null
    return same and _same_default(column, actual, rules)


def _column(table: Table, column: Column, actual: Column, rules: Rules) -> Iterator[Finding]:
    name = actual.name
    answer = rules.same_type(column.type, actual.type) if column.type else True
    if answer is None:
        what = f"the type: the database says {actual.type}, the model {column.type}"
        yield note("AM304", table.name, name, what=what)
    elif not answer:
        sql = rules.alter_sql(table.name, column, "type")
        yield drift("AM201", table.name, name, sql, declared=column.type, actual=actual.type)
    if column.generated:
        return
    if column.null != actual.null:
        sql = rules.alter_sql(table.name, column, "null")
        if actual.null and column.making.computed:
            yield note("AM305", table.name, name, sql)
        else:
            words = ("nullable", "NOT NULL") if actual.null else ("NOT NULL", "nullable")
            yield drift("AM202", table.name, name, sql, actual=words[0], declared=words[1])
    if not _same_default(column, actual, rules):
        known = column if column.default != UNKNOWN else column._replace(default=None)
        yield drift(
            "AM203",
            table.name,
            name,
            rules.alter_sql(table.name, known, "default"),
            declared=column.default or "none",
            actual=actual.default or "none",
        )


def _same_default(column: Column, actual: Column, rules: Rules) -> bool:
    """Compare defaults as far as both are known.

    A Python default need not stand in the database. A column that counts up has one of its own.
    """
    making = column.making
    if making.computed or making.automatic or UNKNOWN in (column.default, actual.default):
        return True
    if column.default == actual.default or (actual.default is None and not making.in_database):
        return True
    if actual.default and actual.default.lower().startswith("nextval("):
        return True
    sides = (rules.canonical_default(side.default or "NULL") for side in (column, actual))
    one, other = map(_default_value, sides)
    return one == other


_NUMBERS = ("::integer", "::bigint", "::smallint", "::numeric", "::real", "::double precision")


def _default_value(default: str | None) -> tuple[str, object]:
    """Return what a default stands for: nothing, a number, a text or an expression.

    A server prints a negative number as a quoted literal with a cast, and TRUE may be 1.
    """
    text = normalize(default or "NULL")
    if default and default.lower().endswith(_NUMBERS):
        text = text.strip("'")
    if text.lower() == "null":
        return "nothing", ""
    bare = {"true": "1", "false": "0"}.get(text, text.replace(" ", ""))
    try:
        return "number", float(bare)
    except ValueError:
        return ("text" if text.startswith("'") else "expression"), text


def _unknown_column(table: Table, column: Column, rules: Rules) -> Finding:
    fills_itself = column.default is not None or column.generated
    if column.null or fills_itself:
        return note("AM301", table.name, column.name)
    sql = rules.alter_sql(table.name, column._replace(null=True), "null")
    return drift("AM209", table.name, column.name, sql)


def _renamed(
    table: Table, column: Column, unknown: Sequence[Column], rules: Rules
) -> Iterator[Finding]:
    alike = [other.name for other in unknown if rules.same_type(column.type, other.type)]
    if alike:
        quote = rules.quote
        target = rules.quote_table(table.name)
        sql = f"ALTER TABLE {target} RENAME COLUMN {quote(alike[0])} TO {quote(column.name)}"
        yield note("AM210", table.name, column.name, sql, others=", ".join(alike))


def _foreign_key(table: Table, actual: Table, fk: ForeignKey, rules: Rules) -> Iterator[Finding]:
    name = ", ".join(fk.columns)
    found = find_key(actual, fk, rules)
    if not found and rules.keys_follow and set(fk.columns) <= {*actual.filling, *actual.keys_due}:
        return
    if not found and fk.deferred and not rules.adds_constraints:
        yield note("AM306", table.name, name, parent=fk.parent)
    elif not found:
        sql = _add_foreign_key(table.name, fk, rules) if rules.adds_constraints else None
        yield drift("AM206", table.name, name, sql, parent=fk.parent)
    elif any(UNKNOWN in (o.on_delete, o.on_update) for o in found):
        what = f"what the foreign key to {fk.parent} does, which this role may not read"
        yield note("AM304", table.name, name, what=what)
    elif not any(o.on_delete == fk.on_delete and o.on_update == fk.on_update for o in found):
        yield drift("AM207", table.name, name, declared=_actions(fk), actual=_actions(found[0]))
    elif not any(other.valid or other.pending for other in found):
        constraint = rules.quote(found[0].name)
        sql = f"ALTER TABLE {rules.quote_table(table.name)} VALIDATE CONSTRAINT {constraint}"
        yield drift("AM212", table.name, name, sql, constraint=found[0].name)


def find_key(actual: Table, fk: ForeignKey, rules: Rules) -> list[ForeignKey]:
    """Return the foreign keys of a table that lead from and to where a declared one does."""
    fold = rules.fold
    return [
        other
        for other in actual.foreign_keys
        if _same_names(other.columns, fk.columns, fold)
        and _same_names(other.parent[1:], fk.parent[1:], rules.fold_table)
        and (not fk.parent.schema or fk.parent.schema == other.parent.schema)
    ]


def _same_names(one: Sequence[str], other: Sequence[str], fold: Callable[[str], str]) -> bool:
    return one == other or list(map(fold, one)) == list(map(fold, other))


def _actions(fk: ForeignKey) -> str:
    return f"ON DELETE {fk.on_delete or 'NO ACTION'} ON UPDATE {fk.on_update or 'NO ACTION'}"


def _add_foreign_key(table: TableName, fk: ForeignKey, rules: Rules) -> str:
    columns = ", ".join(map(rules.quote, fk.columns))
    parents = ", ".join(map(rules.quote, fk.parent_columns))
    target, parent = rules.quote_table(table), rules.quote_table(fk.parent)
    actions = f" ON DELETE {fk.on_delete}" if fk.on_delete else ""
    actions += f" ON UPDATE {fk.on_update}" if fk.on_update else ""
    return (
        f"ALTER TABLE {target} ADD FOREIGN KEY ({columns}) REFERENCES {parent} ({parents}){actions}"
    )


def _constraint(
    table: Table, actual: Table, constraint: Constraint, rules: Rules
) -> Iterator[Finding]:
    """A name tells at once; without one, another text may still mean the same."""
    fold = rules.fold
    for other in actual.constraints:
        if other.text == constraint.text:
            return
        if constraint.name and fold(other.name) == fold(constraint.name):
            return
    if any(does_constraint(index, constraint, fold) for index in actual.indexes):
        return
    columns = _listed_columns(constraint, "foreign key")
    if any(_same_names(fk.columns, columns, fold) for fk in actual.foreign_keys):
        return
    name = constraint.name or None
    kind = constraint.text.split(" ", 1)[0]
    alike = [other for other in actual.constraints if other.text.startswith((kind, UNKNOWN))]
    if alike and not constraint.name:
        yield note("AM304", table.name, name, what=f"the constraint {constraint.text}")
        return
    target = rules.quote_table(table.name)
    sql = f"ALTER TABLE {target} ADD {constraint.sql}" if rules.adds_constraints else None
    yield drift("AM208", table.name, name, sql, constraint=constraint.text)


def does_constraint(index: Index, constraint: Constraint, fold: Callable[[str], str]) -> bool:
    """Tell whether a unique index does what a UNIQUE constraint or a key is for."""
    if not (index.unique and index.valid and index.is_plain):
        return False
    return _same_names(unique_columns(constraint), index.columns, fold)


def unique_columns(constraint: Constraint) -> list[str]:
    """Return the columns that a UNIQUE constraint or a key lists, in order; none for another."""
    return _listed_columns(constraint, "unique") or _listed_columns(constraint, "primary key")


def _listed_columns(constraint: Constraint, kind: str) -> list[str]:
    """Return the columns of a constraint of a kind, in order; none for one of another kind."""
    head, _, rest = constraint.text.partition(" ( ")
    return list(map(unquote, rest.partition(" )")[0].split(" , "))) if head == kind else []
