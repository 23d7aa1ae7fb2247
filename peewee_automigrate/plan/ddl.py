"""One change -> its statements, written by playhouse.migrate and Peewee's SchemaManager.

Enters: a dialect, the models that declare a table, a change, and what the planner decided.
Leaves: SQL text without parameters. Runs nothing; Peewee's models and fields are cloned, never
edited. Peewee's underscore names stand only here and in `declared`.
"""

from __future__ import annotations

import copy
import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from peewee import (
    SQL,
    Context,
    EnclosedNodeList,
    Entity,
    Field,
    ForeignKeyField,
    Index,
    Model,
    Node,
    _truncate_constraint_name,
)
from playhouse.migrate import SchemaMigrator

from ..dialects import Dialect
from ..models.declared import LiteralContext, index_sql, rendered
from ..schema import AddColumn, AddForeignKey, AddIndex, Column, CreateTable, TableName
from ..sql import named_constraint, parse_index, tokens

_PLAIN_INDEX = re.compile("CREATE (UNIQUE |FULLTEXT |SPATIAL )?INDEX [^ ]+( USING [a-zA-Z]+)?$")

Models = Sequence[type[Model]]


@dataclass(frozen=True, slots=True)
class ColumnForm:
    """How a column is to be added: with NOT NULL, with a DEFAULT literal, with its foreign key
    and checks in the same statement (``inline``) or as constraints that are validated later;
    ``mark`` says in the catalogue that it is not complete.
    """

    not_null: bool
    default: str | None
    inline: bool = True
    mark: str = ""


def field_of(models: Models, dialect: Dialect, column: str) -> tuple[type[Model], Field]:
    """Return the model and the field that declare a column."""
    for model in models:
        for field in model._meta.sorted_fields:
            if dialect.fold(field.column_name) == dialect.fold(column):
                return model, field
    raise LookupError(column)


def create_schema(dialect: Dialect, schema: str) -> tuple[str, ...]:
    """Return the statement that creates a schema."""
    return (f"CREATE SCHEMA {dialect.quote(schema)}",)


def create_table(
    dialect: Dialect, models: Models, change: CreateTable, standing: frozenset[TableName]
) -> tuple[str, ...]:
    """Return what `Model.create_table` would send: sequences, table, indexes.

    Sequences that are ``standing`` are left alone. Where several models share the table, it has
    the columns and constraints of all. Foreign keys that come late are left out.
    """
    first, table = models[0], change.table
    statements = [
        f"CREATE SEQUENCE {dialect.quote(name.schema, name.name)}"
        for name in table.sequences
        if name not in standing
    ]
    manager = copy.copy(first._schema)
    late = {fk.columns for fk in change.late}
    inside = _keys_inside(dialect, models, change)
    shared = len(models) > 1 and table.kind == "table"
    declared = first._meta.sorted_fields
    if shared:
        declared = [field_of(models, dialect, column.name)[1] for column in table.columns]
    fields = [
        _deferred(dialect, field) if (field.column_name,) in late else _located(dialect, field)
        for field in declared
    ]
    if shared or inside or any(map(operator.is_not, fields, declared)):
        constraints = (*_constraints(dialect, models), *inside.values())
        manager.model = _Shape(first, fields, constraints)
    manager._create_context = lambda: LiteralContext(dialect, **manager.context_options)
    statements.append(rendered(manager._create_table(safe=False)))
    known = _index_statements(dialect, models) if table.indexes else {}
    names = [index.name for index in table.indexes if index.name not in inside]
    return (*statements, *(known[name] for name in names))


def _constraints(dialect: Dialect, models: Models) -> list[Any]:
    """Return the constraints of a table's models, each once."""
    nodes = [node for model in models for node in model._meta.constraints or ()]
    return list({rendered(LiteralContext(dialect).sql(node)): node for node in nodes}.values())


def _keys_inside(dialect: Dialect, models: Models, change: CreateTable) -> dict[str, SQL]:
    """Return the indexes that can stand inside of CREATE TABLE, by name."""
    if not dialect.keys_inside or not change.table.indexes:
        return {}
    known = _index_statements(dialect, models)
    target = f" ON {dialect.quote_table(change.table.name)} ("
    clauses = {}
    for index in change.table.indexes:
        head, found, keys = known[index.name].partition(target)
        if found and _PLAIN_INDEX.match(head):
            clause = f"{head.removeprefix('CREATE ')} ({keys}"
            clauses[index.name] = SQL(dialect.escaped(clause))
    return clauses


class _Shape(Node):
    """A model as its schema manager sees it, with other fields and constraints."""

    def __init__(
        self, model: type[Model], fields: Sequence[Field], constraints: Sequence[Any]
    ) -> None:
        self._meta = copy.copy(model._meta)
        self._meta.constraints = list(constraints)
        self._meta.sorted_fields = list(fields)

    def __sql__(self, context: Context) -> Context:
        return context.sql(self._meta.table)


def _deferred(dialect: Dialect, field: Field) -> Field:
    """Return a field without its foreign key, with a mark where the catalogue would not tell."""
    mark = dialect.key_mark
    if field.deferred and not mark:
        return field
    clone = field.clone()
    clone.deferred = True
    if mark:
        kept = [one for one in field.constraints or () if not _is_comment(one)]
        clone.constraints = [SQL(mark), *kept]
    return clone


def _located(dialect: Dialect, field: Field) -> Field:
    """Return a foreign key that names its parent's schema as the database wants it, and itself,
    where the database's own name for it would be too long.
    """
    if not isinstance(field, ForeignKeyField) or field.deferred:
        return field
    parent, schema = field.rel_model._meta, _parent_schema(dialect, field)
    is_long = len(field.model._meta.table_name) + len("_ibfk_999") > dialect.longest_name
    if schema == parent.schema and not is_long:
        return field
    clone = field.clone()
    if schema != parent.schema:
        clone.rel_model = Entity(schema, parent.table_name)
    if is_long:
        clone.constraint_name = _key_name(dialect, field)
    return clone


def _parent_schema(dialect: Dialect, field: ForeignKeyField) -> str | None:
    """Return the schema that a foreign key names before its parent, None for no schema."""
    if not dialect.keys_cross_schemas:
        return None
    schema = field.rel_model._meta.schema
    return schema or (dialect.home() if field.model._meta.schema else None)


def add_column(
    dialect: Dialect, models: Models, change: AddColumn, form: ColumnForm
) -> tuple[str, ...]:
    """Return the statements that add a column, and the constraints that wait for validation."""
    model, field = field_of(models, dialect, change.column.name)
    clone = field.clone()
    clone.null, clone.index, clone.unique, clone.sequence = True, False, False, None
    clone.constraints = list(map(SQL, _column_constraints(change.column, form, dialect)))
    clone.collation = None  # among the constraints
    nodes: list[Any] = []
    migrator = SchemaMigrator.from_database(dialect.database)
    migrator.make_context = lambda: LiteralContext(dialect)
    migrator._alter_table = lambda context, _: context.literal("ALTER TABLE ").sql(_entity(model))
    inline = form.inline and change.foreign_key is not None and not change.key_follows
    migrator.add_inline_fk_sql = lambda context, fk: (
        _references(dialect, context, fk) if inline else None
    )
    operation = migrator.alter_add_column(model._meta.table_name, field.column_name, clone)
    operation.execute = nodes.append
    operation.run()
    statements = [rendered(node) for node in nodes]
    if not form.inline:
        statements += [sql for _, sql in later_constraints(dialect, models, change)]
    return tuple(statements)


def _entity(model: type[Model]) -> Entity:
    return Entity(model._meta.schema, model._meta.table_name)


def _column_constraints(column: Column, form: ColumnForm, dialect: Dialect) -> list[str]:
    """Return a column's constraints as SQL; a per cent sign is doubled as in a model's own SQL."""
    null = "NOT NULL" if form.not_null else dialect.null_word
    constraints = [null] if null and not column.generated else []
    if column.making.in_database:
        constraints.append(f"DEFAULT {column.default}")
    elif form.default is not None:
        constraints.append(f"DEFAULT {dialect.default_clause(form.default, column.type)}")
    if column.making.generated_as:
        constraints.append(column.making.generated_as)
    kept = [form.mark] if form.mark else []  # MariaDB wants it before a CHECK
    kept += [
        sql
        for sql in column.making.constraints
        if (form.inline or not is_check(sql)) and not (form.mark and _is_comment(sql))
    ]
    return list(map(dialect.escaped, constraints + kept))


def altered(dialect: Dialect, table: TableName, clauses: Sequence[str]) -> str:
    """Return one ALTER TABLE of several clauses."""
    return f"ALTER TABLE {dialect.quote_table(table)} {', '.join(clauses)}"


def clause_of(dialect: Dialect, table: TableName, statement: str) -> str:
    """Return the clause of an ALTER TABLE that has one."""
    return statement.removeprefix(altered(dialect, table, [""]))


def unmarked_column(
    dialect: Dialect, models: Models, table: TableName, column: Column, form: ColumnForm
) -> str:
    """Return the statement that takes the mark off a column which this package has added."""
    form = replace(form, inline=dialect.columns_have_checks)
    (statement,) = add_column(dialect, models, AddColumn(table, column), form)
    clause = clause_of(dialect, table, statement).removeprefix("ADD ")
    return altered(dialect, table, [f"MODIFY {clause}"])


def _is_comment(constraint: Any) -> bool:
    """Tell whether a column's constraint, as text or as a node, is a COMMENT."""
    return tokens(str(getattr(constraint, "sql", constraint)).lower())[:1] == ["comment"]


def is_check(constraint: str) -> bool:
    """Tell whether a column's constraint is a CHECK."""
    return named_constraint(constraint)[1].startswith("check ")


def _references(dialect: Dialect, context: Context, field: ForeignKeyField) -> Context:
    """Write REFERENCES with all that the field declares; playhouse leaves out name and DEFERRABLE.

    https://www.postgresql.org/docs/current/sql-createtable.html and
    https://www.sqlite.org/syntax/foreign-key-clause.html take the same words.
    """
    if field.constraint_name:
        context.literal(" CONSTRAINT ").sql(Entity(field.constraint_name))
    parent = Entity(_parent_schema(dialect, field), field.rel_model._meta.table_name)
    context.literal(" REFERENCES ").sql(parent).literal(" ")
    context.sql(EnclosedNodeList((Entity(field.rel_field.column_name),)))
    for words, value in (
        (" ON DELETE ", field.on_delete),
        (" ON UPDATE ", field.on_update),
        (" DEFERRABLE ", field.deferrable),
    ):
        if value:
            context.literal(words + value)
    return context


def later_constraints(dialect: Dialect, models: Models, change: AddColumn) -> list[tuple[str, str]]:
    """Return (name, statement) of each constraint of a new column that is to be validated later."""
    model, field = field_of(models, dialect, change.column.name)
    table = dialect.quote_table(change.table)
    found = []
    if change.foreign_key:
        name = _key_name(dialect, field)
        found.append((name, _add_key(dialect, field, name) + " NOT VALID"))
    taken = {c.name for c in change.actual.constraints} if change.actual else set()
    for sql in filter(is_check, change.column.making.constraints):
        name, _ = named_constraint(sql)
        body = sql[sql.lower().index("check") :]
        number = 0
        while not name or name in taken:
            own = f"{model._meta.table_name}_{field.column_name}_check{number or ''}"
            name = _shortened(dialect, own)
            number += 1
        taken.add(name)
        statement = f"ALTER TABLE {table} ADD CONSTRAINT {dialect.quote(name)} {body} NOT VALID"
        found.append((name, statement))
    return found


def add_index(
    dialect: Dialect, models: Models, change: AddIndex, *, online: bool
) -> tuple[str, ...]:
    """Return the statements that build an index, after dropping an INVALID leftover of it."""
    words = "INDEX CONCURRENTLY " if online else "INDEX "
    statement = _index_statements(dialect, models)[change.index.name]
    if online and "CONCURRENTLY" not in tokens(statement.upper())[:4]:
        statement = re.sub(r"\bINDEX\s+", words, statement, count=1, flags=re.IGNORECASE)
    drop = f"DROP {words}{dialect.quote(change.table.schema, change.index.name)}"
    return (drop, statement) if change.leftover else (statement,)


def _index_statements(dialect: Dialect, models: Models) -> dict[str, str]:
    """Return the CREATE INDEX statements of a table by name; the first of a name counts."""
    statements: dict[str, str] = {}
    for model in models:
        for index in model._meta.fields_to_index():
            sql = index_sql(dialect, model, index)
            parsed = None if isinstance(index, Index) else parse_index(sql)
            statements.setdefault(parsed.name if parsed else index._name, sql)
    return statements


def add_foreign_key(dialect: Dialect, models: Models, change: AddForeignKey) -> tuple[str, ...]:
    """Return the statement that adds a foreign key to a column that stands by then."""
    _, field = field_of(models, dialect, change.foreign_key.columns[0])
    return (_add_key(dialect, field, _key_name(dialect, field)),)


def _add_key(dialect: Dialect, field: ForeignKeyField, name: str) -> str:
    clone = _located(dialect, field).clone()
    clone.constraint_name = name
    options = field.model._schema.context_options
    context = LiteralContext(dialect, **options).literal("ALTER TABLE ")
    context = context.sql(_entity(field.model)).literal(" ADD ")
    return rendered(context.sql(clone.foreign_key_constraint()))


def _key_name(dialect: Dialect, field: ForeignKeyField) -> str:
    """Return the name of a foreign key's constraint, as Peewee would choose it."""
    parent = field.rel_model._meta.table_name
    name = f"fk_{field.model._meta.table_name}_{field.column_name}_refs_{parent}"
    return str(field.constraint_name or _shortened(dialect, name))


def _shortened(dialect: Dialect, name: str) -> str:
    """Return a long name as Peewee shortens it, so short that the database does not cut off the
    hash at its end, without which two names might become one.
    """
    length = 64
    short = str(_truncate_constraint_name(name, length))
    while len(dialect.fold(short)) < len(short):
        length -= 1
        short = str(_truncate_constraint_name(name, length))
    return short


def validations(dialect: Dialect, table: TableName, constraints: Sequence[str]) -> tuple[str, ...]:
    """Return statements that validate constraints under a light lock, and take off their marks."""
    target = dialect.quote_table(table)
    return tuple(
        statement
        for name in constraints
        for statement in (
            f"ALTER TABLE {target} VALIDATE CONSTRAINT {dialect.quote(name)}",
            *dialect.unmark("constraint", table, name),
        )
    )


def plain_value(dialect: Dialect, field: Field, value: Any) -> Any:
    """Return a Python value as the driver takes it; reads where a field makes SQL of it."""
    stored = field.db_value(value)
    return dialect.first_value(stored) if isinstance(stored, Node) else stored
