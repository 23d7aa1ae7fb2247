"""What MySQL and MariaDB can add, and what that costs; each statement commits by itself, so that a
mark in a column's comment says what is not complete. Foreign keys come last, by themselves.

Enters: changes, facts. Leaves: steps, findings. Sources:
https://dev.mysql.com/doc/refman/8.0/en/innodb-online-ddl-operations.html and
https://mariadb.com/kb/en/innodb-online-ddl-operations-with-the-instant-alter-algorithm/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from peewee import SQL, Context, Field, ForeignKeyField
from playhouse.migrate import MySQLMigrator

from ...changes import AddColumn, AddForeignKey, AddIndex, Change, CreateTable, Finding, Step
from ...compare.spelling import column_of
from ...models.rendering import escaped, render, rendered
from ...schema import Clause, Column, ForeignKey, Ref, Table, TableName
from ...sql import clauses, is_constant
from ...texts import blocked
from ..base import MARK, Facts, RowValue
from ..statements import ColumnForm, Models, field_of
from ..writing import step_of
from .catalogue import KEY_MARK
from .cluster import told
from .limits import Limits
from .names import is_text

_LONGEST = 64  # characters of a name
_FILL = f"COMMENT '{MARK}'"
_KEY = f"COMMENT '{KEY_MARK}'"
_PLAIN_INDEX = re.compile("CREATE (UNIQUE |FULLTEXT |SPATIAL )?INDEX [^ ]+( USING [a-zA-Z]+)?$")
_UPDATE_TRIGGERS = """
SELECT TRIGGER_NAME FROM information_schema.TRIGGERS
WHERE EVENT_OBJECT_SCHEMA = %s AND EVENT_OBJECT_TABLE = %s AND EVENT_MANIPULATION = 'UPDATE'
ORDER BY 1"""


class MysqlWriter(Limits, MySQLMigrator):
    """Peewee's migrator for MySQL, which updates every row for a NOT NULL column and then copies
    the table; this adds it with its default, which touches no row.
    """

    null_word = "NULL"  # without it some servers give a TIMESTAMP a default of their own

    # Changes and steps

    def parts(self, change: Change) -> Iterator[Change | Finding]:
        """A column's foreign key follows by itself; one of a table to itself stands inside."""
        match change:
            case CreateTable(table, late) if late:
                yield CreateTable(table, tuple(self._outside(table.name, late)))
            case AddForeignKey(table, fk, new_table=True) if not [*self._outside(table, [fk])]:
                return
            case AddColumn(table, column, fk, actual) if fk:
                yield AddColumn(table, column, fk, actual, key_follows=True)
                yield AddForeignKey(table, fk, column=column)
            case _:
                yield change

    def _outside(self, table: TableName, keys: Sequence[ForeignKey]) -> Iterator[ForeignKey]:
        key_of = self.dialect.names.table_key
        yield from (fk for fk in keys if fk.deferred or key_of(fk.parent) != key_of(table))

    def joined(self, steps: Sequence[Step]) -> tuple[Step, ...]:
        """A single statement is atomic: it adds all columns of a table, on OceanBase only one."""
        groups: dict[tuple[TableName, int], list[Step]] = {}
        for n, step in enumerate(steps, 1):
            if isinstance(step.change, AddColumn) and not step.change.fill_only:
                key = (step.change.table, n * (self.settings.server == "OceanBase"))
                groups.setdefault(key, []).append(step)
        made = {
            id(step): new
            for (table, _), group in groups.items()
            for step, new in zip(group, self._united(table, group), strict=True)
        }
        return told(self.dialect, [made.get(id(step), step) for step in steps])

    def _united(self, table: TableName, group: Sequence[Step]) -> Iterator[Step]:
        """Yield steps with the statement of all in the first one; each has brought a clause."""
        first, *others = group
        statement = self.altered(table, *(clause for step in group for clause in step.locked))
        reason = first.reason
        if all(step.effect != "rewrites" for step in group):
            statement += ", ALGORITHM=INSTANT"
            reason += "; as the server can, where it refuses INSTANT" if first.rows else ""
        yield replace(first, locked=(statement,), reason=reason)
        for s in others:
            yield replace(s, locked=(), reason=f"{s.reason}, by the statement of {first.name}")

    # Columns

    def add(self, change: AddColumn, form: ColumnForm, models: Models) -> tuple[str, ...]:
        """Return only the clause, of which `joined` makes a statement."""
        return (f"ADD COLUMN {self._ddl(change.column, form, models)}",)

    def _ddl(self, column: Column, form: ColumnForm, models: Models) -> str:
        _, field = field_of(models, self.dialect, column.name)
        context = self.make_context()
        return rendered(context.sql(self.formed(column, field, form).ddl(context)))

    def formed(self, column: Column, field: Field, form: ColumnForm) -> Field:
        """The model's own DEFAULT stands here, not the catalogue's spelling of it."""
        own = [clause.body for clause in self._clauses(field) if clause.kind == "default"]
        return super().formed(column._replace(default=own[-1]) if own else column, field, form)

    def _clauses(self, field: Field) -> Iterator[Clause]:
        for node in field.constraints or ():
            yield from clauses(render(self.dialect, node))

    def default_clause(self, default: str, type_name: str) -> str:
        """MySQL takes a default of a text as an expression only, in brackets."""
        return f"({default})" if is_text(type_name) and not self.settings.is_mariadb else default

    def form(self, change: AddColumn, default: str | None) -> ColumnForm:
        form = super().form(change, default)
        return form._replace(mark=_KEY) if change.key_follows else form

    def column_effect(self, change: AddColumn, default: str | None) -> str:
        """INSTANT changes the dictionary only. MySQL tries a CHECK on a copy of the table."""
        checks = change.column.declared.of_kind("check")
        copies = checks and not self.settings.is_mariadb
        if copies or not self.is_instant(change.actual, change.column, default):
            return "rewrites"
        return "scans" if checks else "instant"

    def fills(self, value: RowValue) -> bool:
        return value.is_filled

    def unfilled(self, change: AddColumn, facts: Facts) -> tuple[str, ...]:
        form = ColumnForm(not_null=False, default=None, mark=_FILL)
        return self.add(change, form, facts.models(change.table))

    def unmarked(self, change: AddColumn, facts: Facts) -> tuple[str, ...]:
        mark = _KEY if change.key_follows else ""
        return (self._modified(change.table, change.column, mark, facts),)

    # Columns that are marked: by this run, or by one that was interrupted

    def _modified(self, table: TableName, column: Column, mark: str, facts: Facts) -> str:
        """Return the statement that gives a column of ours another mark, or none. To MariaDB its
        CHECK is a part of it, to MySQL one of the table.
        """
        form = self._standing_form(table, column, facts)
        form = form._replace(mark=mark, inline=self.settings.is_mariadb)
        return self.altered(table, f"MODIFY COLUMN {self._ddl(column, form, facts.models(table))}")

    def _standing_form(self, table: TableName, column: Column, facts: Facts) -> ColumnForm:
        """Return how an interrupted run has added a column, or how this one adds it. Of what the
        catalogue tells, only a constant is ever written again.
        """
        actual = facts.actual(table)
        if actual is None:
            return ColumnForm(not column.null, None)
        standing = column_of(actual, column.name, self.fold)
        if standing and (standing.default is None or is_constant(standing.default)):
            return ColumnForm(not standing.null, standing.default)
        value = facts.value(table, column)
        given = None if column.declared.default_is == "sql" else value.expression
        if standing:
            return ColumnForm(not standing.null, given)
        return ColumnForm(not column.null and not value.is_filled, given)

    # Foreign keys

    def add_inline_fk_sql(self, context: Context, field: ForeignKeyField) -> None:
        """MySQL reads over what stands inside of a column, so that nothing does."""

    def key(self, change: AddForeignKey, facts: Facts) -> Iterator[Step | Finding]:
        """Yield the step of a key that takes off its column's mark."""
        table, fk = change.table, change.foreign_key
        column = change.column or column_of(facts.declared(table), fk.columns[0], self.fold)
        assert column is not None
        actual, effect = facts.actual(table), "instant"
        rows = facts.rows(actual) if actual else 0
        statements = () if change.stands else self.add_key(change, facts.models(table))
        if actual and rows and statements:
            is_empty = not facts.holds_values(table, column)
            effect = self._key_effect(facts.grown(actual), column) if is_empty else "rewrites"
            statements = self._unchecked(*statements) if is_empty else statements
        yield step_of(
            change._replace(column=column),
            "add_foreign_key",
            (*statements, self._modified(table, column, "", facts)),
            effect=effect,
            rows=rows,
            blocks="writes" if effect == "rewrites" else "nothing",
            reason=f"refers to {fk.parent}",
            parents=facts.parents([fk], table),
        )

    def _key_effect(self, table: Table, column: Column) -> str:
        """Return the effect of a key of a column that holds NULL only. A hash is a hidden virtual
        column, beside which nothing is done in place; a key needs an index of its column.
        """
        if "hash" in table.options:
            return "rewrites"
        firsts = {self.fold(index.columns[0]) for index in table.indexes if index.columns}
        return "instant" if self.fold(column.name) in firsts else "builds"

    def _unchecked(self, statement: str) -> tuple[str, ...]:
        """With checks the table is copied; without, InnoDB only builds what index is missing."""
        how = "NOCOPY" if self.settings.is_mariadb else "INPLACE"
        checks = "SET SESSION foreign_key_checks = "
        return f"{checks}0", f"{statement}, ALGORITHM={how}", f"{checks}1"

    def located(self, field: Field) -> Field:
        """A key inside of CREATE TABLE has a name where the server's own would be too long."""
        found = super().located(field)
        if len(field.model._meta.table_name) + len("_ibfk_999") <= _LONGEST:
            return found
        clone = found.clone()
        clone.constraint_name = self.key_name(field)
        return clone

    def parent_schema(self, field: ForeignKeyField) -> str | None:
        """A parent without a schema would be looked for in the child's, and with
        foreign_key_checks off accepted where it is not.
        """
        home = self.settings.schema if field.model._meta.schema else None
        return super().parent_schema(field) or home

    # Tables and indexes

    def keyless(self, field: Field) -> Field:
        """A key that follows leaves a mark, before a CHECK, in place of the model's comment."""
        if not isinstance(field, ForeignKeyField):
            return field
        clone = field.clone()
        clone.deferred = True
        kept = [clause.sql for clause in self._clauses(field) if clause.kind != "comment"]
        clone.constraints = [SQL(escaped(self.database, sql)) for sql in (_KEY, *kept)]
        return clone

    def keys_inside(self, models: Models, change: CreateTable) -> dict[str, SQL]:
        """What is made together with its table is made faster."""
        known = self.index_statements(models) if change.table.indexes else {}
        target = f" ON {self.dialect.names.quote_table(change.table.name)} ("
        inside = {}
        for index in change.table.indexes:
            head, found, keys = known[index.name, index.unique].partition(target)
            if found and _PLAIN_INDEX.match(head):
                clause = f"{head.removeprefix('CREATE ')} ({keys}"
                inside[index.name] = SQL(escaped(self.database, clause))
        return inside

    def how_built(self, change: AddIndex, *, online: bool) -> str:
        return "built in place"

    def index_effect(self, table: Table, change: AddIndex) -> tuple[str, str]:
        """A full-text index adds a hidden column, and a hash is made of a copy of the table."""
        method = change.index.method
        if method != "btree":
            has_one = any(other.method == method for other in change.actual.indexes)
            return ("builds" if has_one else "rewrites"), "writes"
        is_hash = self.is_hash(table, change.index)
        return ("rewrites", "writes") if is_hash else ("builds", "nothing")

    def update_triggers(self, table: Table) -> list[str]:
        rows = self.dialect.rows(_UPDATE_TRIGGERS, (table.schema, table.name.name))
        return [row[0] for row in rows]

    # What is refused

    def refuses(self, change: Change, facts: Facts) -> Iterator[Finding]:
        long = next((what for what, name in _names(change) if len(name) > _LONGEST), None)
        if long:
            yield blocked("AM119", change.ref, what=long, limit=_LONGEST)
            return
        if isinstance(change, CreateTable):
            table = change.table
            refs = [(Ref("column", table.name, column.name), column) for column in table.columns]
            found = [self.refuses_check(*pair) for pair in refs]
            yield from filter(None, (*found, self.refuses_primary_key(table)))
        yield from super().refuses(change, facts)

    def refuses_column(self, change: AddColumn, value: RowValue, facts: Facts) -> Finding | None:
        if "system versioned" in change.actual.options:
            return blocked("AM126", change.ref)
        if change.column.declared.of_kind("unique"):
            why = "a UNIQUE constraint can't be checked beforehand"
            return blocked("AM120", change.ref, why=why)
        default = None if value.is_filled else value.expression
        refusal = self.refuses_type(change) or self.refuses_check(change.ref, change.column)
        return refusal or self.refuses_default(change, default)


def _names(change: Change) -> Iterator[tuple[str, str]]:
    """Yield the names that a change takes, each after what it is called."""
    match change:
        case CreateTable(table):
            yield "the table's name", table.name.name
            yield from ((f"the name of the column {c.name}", c.name) for c in table.columns)
            yield from ((f"the name of the index {i.name}", i.name) for i in table.indexes)
        case AddColumn(_, column):
            yield "the column's name", column.name
        case AddIndex(_, index):
            yield "the index's name", index.name
