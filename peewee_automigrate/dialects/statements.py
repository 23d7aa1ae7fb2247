"""The SQL of one change, by playhouse.migrate and Peewee's SchemaManager.

Enters: a change, the models that declare its table, how a column is to be written. Leaves: SQL
text without parameters. Runs nothing; Peewee's models and fields are cloned, never edited.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Iterator
from typing import Any, NamedTuple

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
from playhouse.migrate import Operation, SchemaMigrator, operation

from ..changes import AddColumn, AddForeignKey, AddIndex, CreateTable
from ..models.defaults import python_default
from ..models.rendering import LiteralContext, escaped, index_sql, render, rendered
from ..schema import Catalog, Column, Table, TableName
from ..sql import parse_index
from .base import Dialect

Models = tuple[type[Model], ...]


class ColumnForm(NamedTuple):
    """How a column is written: with NOT NULL, with a DEFAULT literal, with its foreign key and
    checks in the same statement (``inline``) or as constraints that are validated later; ``mark``
    is a COMMENT that says it is not complete.
    """

    not_null: bool
    default: str | None
    inline: bool = True
    mark: str = ""


def field_of(models: Models, dialect: Dialect, column: str) -> tuple[type[Model], Field]:
    """Return the model and the field that declare a column; of several that with a foreign key."""
    found = [(model, field) for model in models if (field := model._meta.columns.get(column))]
    if len(found) < len(models):
        fold = dialect.names.fold
        found = [
            (model, field)
            for model in models
            for field in model._meta.sorted_fields
            if fold(field.column_name) == fold(column)
        ]
    return next((pair for pair in found if isinstance(pair[1], ForeignKeyField)), found[0])


class Statements(SchemaMigrator):
    """What one change is in SQL. Each database's writer is also Peewee's migrator for it, which
    writes all but what would rebuild or rewrite a table.
    """

    null_word = ""  # says that a column may hold NULL; "" where that goes without saying

    def __init__(self, dialect: Dialect) -> None:
        super().__init__(dialect.database)
        self.dialect = dialect
        self._index_statements: dict[Models, dict[tuple[str, bool], str]] = {}  # by models

    # What Peewee's migrators call

    def make_context(self) -> Context:
        return LiteralContext(self.dialect)

    def _alter_table(self, context: Context, table: str | TableName) -> Context:
        path = table if isinstance(table, TableName) else (getattr(self, "schema", None), table)
        return context.literal("ALTER TABLE ").sql(Entity(*path))

    def add_inline_fk_sql(self, context: Context, field: ForeignKeyField) -> None:
        """Write REFERENCES with all that the field declares, where its key is not ``deferred``;
        Peewee leaves out name and DEFERRABLE. PostgreSQL and SQLite take the same words:
        https://www.sqlite.org/syntax/foreign-key-clause.html.
        """
        if field.deferred:
            return
        if field.constraint_name:
            context.literal(" CONSTRAINT ").sql(Entity(field.constraint_name))
        parent = Entity(self.parent_schema(field), field.rel_model._meta.table_name)
        context.literal(" REFERENCES ").sql(parent).literal(" ")
        context.sql(EnclosedNodeList((Entity(field.rel_field.column_name),)))
        actions = {"ON DELETE": field.on_delete, "ON UPDATE": field.on_update}
        for words, value in (actions | {"DEFERRABLE": field.deferrable}).items():
            if value:
                context.literal(f" {words} {value}")

    @operation  # type: ignore[untyped-decorator]
    def add_column(self, table: str, column_name: str, field: Field, **_: Any) -> list[Operation]:
        """Add a column by one statement that rewrites no row and rebuilds no table: NOT NULL and
        the default, which stays in the database, come with it.

        Raises `ValueError` for a default that differs for each row, and as Peewee does.
        """
        if not field.null and field.default is None:
            raise ValueError(f"{column_name} is not null but has no default")
        operations = [self.alter_add_column(table, column_name, self._with_default(field))]
        if isinstance(field, ForeignKeyField) and self.explicit_create_foreign_key:
            parent = field.rel_model._meta.table_name, field.rel_field.column_name
            key = (*parent, field.on_delete, field.on_update)
            operations.append(self.add_foreign_key_constraint(table, column_name, *key))
        if field.index or field.unique:
            using = getattr(field, "index_type", None)
            operations.append(self.add_index(table, (column_name,), field.unique, using))
        return operations

    def _with_default(self, field: Field) -> Field:
        default = python_default(field)
        if default and (default.per_row or default.is_sql):
            raise ValueError(f"{field!r}: its default may differ for each row; let migrate add it")
        words = [] if field.null else ["NOT NULL"]
        if default:
            declared = render(self.dialect, field.ddl_datatype(self.make_context()))
            type_name = self.dialect.names.type(declared)
            value = self.dialect.literal(field.db_value(default.value), type_name)
            words.append(f"DEFAULT {self.default_clause(value, type_name)}")
        clone = field.clone()
        clone.constraints = [SQL(escaped(self.database, word)) for word in words]
        clone.constraints += field.constraints or []
        clone.null = True
        return clone

    # Tables, columns, indexes, keys

    def create_table(
        self, change: CreateTable, models: Models, catalog: Catalog
    ) -> tuple[str, ...]:
        """Return what `Model.create_table` would send: sequences that are missing, table, indexes.
        Where several models share the table, it has the columns and constraints of all.
        """
        first, table = models[0], change.table
        manager = copy.copy(first._schema)
        inside = self.keys_inside(models, change)
        declared = first._meta.sorted_fields
        shared = len(models) > 1 and table.kind == "table"
        if shared:
            declared = [field_of(models, self.dialect, c.name)[1] for c in table.columns]
        keys = {fk.columns for fk in table.foreign_keys if fk not in change.late}
        fields = [
            self.located(field) if (field.column_name,) in keys else self.keyless(field)
            for field in declared
        ]
        is_text = any(isinstance(node, str) for node in first._meta.constraints or ())
        if shared or inside or is_text or any(map(operator.is_not, fields, declared)):
            constraints = [*self._constraints(models), *inside.values()]
            manager.model = _Shape(first, fields, constraints)
        manager._create_context = lambda: LiteralContext(self.dialect, **manager.context_options)
        known = self.index_statements(models) if table.indexes else {}
        outside = [index for index in table.indexes if index.name not in inside]
        return (
            *self._sequences(table, catalog),
            rendered(manager._create_table(safe=False)),
            *(known[index.name, index.unique] for index in outside),
        )

    def _sequences(self, table: Table, catalog: Catalog) -> list[str]:
        home, owners = catalog.default_schema, catalog.owners
        return [
            f"CREATE SEQUENCE {self.dialect.quote(name.schema, name.name)}"
            for name in table.sequences
            if TableName(name.schema or home, name.name) not in owners
        ]

    def _constraints(self, models: Models) -> list[Any]:
        """Return the constraints of a table's models, each once."""
        given = [node for model in models for node in model._meta.constraints or ()]
        nodes = [SQL(node) if isinstance(node, str) else node for node in given]
        return list({rendered(self.make_context().sql(node)): node for node in nodes}.values())

    def keys_inside(self, models: Models, change: CreateTable) -> dict[str, SQL]:
        """Return the indexes that stand inside of CREATE TABLE, by name."""
        return {}

    def keyless(self, field: Field) -> Field:
        """Return a field without its foreign key, which comes later or never."""
        if not isinstance(field, ForeignKeyField) or field.deferred:
            return field
        clone = field.clone()
        clone.deferred = True
        return clone

    def located(self, field: Field) -> Field:
        """Return a foreign key that names its parent's schema as the database wants it."""
        schema, parent = self.parent_schema(field), field.rel_model._meta
        if schema == parent.schema:
            return field
        clone = field.clone()
        clone.rel_model = Entity(schema, parent.table_name)
        return clone

    def parent_schema(self, field: ForeignKeyField) -> str | None:
        """Return the schema that a foreign key names before its parent, None for no schema."""
        schema: str | None = field.rel_model._meta.schema
        return schema

    def add(self, change: AddColumn, form: ColumnForm, models: Models) -> tuple[str, ...]:
        """Return the statement that adds a column."""
        _, field = field_of(models, self.dialect, change.column.name)
        clone = self.formed(change.column, field, form)
        context = self._alter_table(self.make_context(), change.table).literal(" ADD COLUMN ")
        context.sql(clone.ddl(context))
        if isinstance(clone, ForeignKeyField) and change.foreign_key and form.inline:
            clone.deferred = False
            self.add_inline_fk_sql(context, clone)
        return (rendered(context),)

    def formed(self, column: Column, field: Field, form: ColumnForm) -> Field:
        """Return a field whose DDL is a column in this form."""
        clone = field.clone()
        clone.null, clone.index, clone.unique, clone.sequence = True, False, False, None
        clone.primary_key = False  # it is one already
        clone.collation = None  # among the clauses
        clone.constraints = [SQL(escaped(self.database, sql)) for sql in self.clauses(column, form)]
        return clone

    def clauses(self, column: Column, form: ColumnForm) -> Iterator[str]:
        """Yield what stands behind the type of a column in this form."""
        yield from (clause.sql for clause in column.declared.of_kind("type"))
        null = "NOT NULL" if form.not_null else self.null_word
        if null and not column.generated:
            yield null
        if column.declared.default_is == "sql":
            yield f"DEFAULT {column.default}"
        elif form.default is not None:
            yield f"DEFAULT {self.default_clause(form.default, column.type)}"
        yield from (clause.sql for clause in column.declared.of_kind("generated"))
        left_out = {"type", "generated"} | (set() if form.inline else {"check"})
        if form.mark:
            yield form.mark
            left_out.add("comment")
        yield from (c.sql for c in column.declared.clauses if c.kind not in left_out)

    def default_clause(self, default: str, type_name: str) -> str:
        """Return what stands behind DEFAULT for a literal of a type."""
        return default

    def create_index(self, change: AddIndex, models: Models, *, online: bool) -> tuple[str, ...]:
        """Return the statements that build an index."""
        return (self.index_statements(models)[change.index.name, change.index.unique],)

    def index_statements(self, models: Models) -> dict[tuple[str, bool], str]:
        """Return the CREATE INDEX statements of a table by name and uniqueness; of equal ones the
        first counts.
        """
        if models in self._index_statements:
            return self._index_statements[models]
        statements = self._index_statements[models] = {}
        for model in models:
            for index in model._meta.fields_to_index():
                sql = index_sql(self.dialect, model, index)
                parsed = None if isinstance(index, Index) else parse_index(sql)
                made = (parsed.name, parsed.unique) if parsed else (index._name, index._unique)
                statements.setdefault((made[0], bool(made[1])), sql)
        return statements

    def add_key(self, change: AddForeignKey, models: Models) -> tuple[str, ...]:
        """Return the statement that adds a foreign key to a column that stands by then."""
        _, field = field_of(models, self.dialect, change.foreign_key.columns[0])
        return (self.key_statement(field, self.key_name(field)),)

    def key_statement(self, field: ForeignKeyField, name: str) -> str:
        """Return the statement that adds the foreign key of a field under a name."""
        clone = self.located(field).clone()
        clone.constraint_name = name
        meta = field.model._meta
        context = LiteralContext(self.dialect, **field.model._schema.context_options)
        context = self._alter_table(context, TableName(meta.schema, meta.table_name))
        return rendered(context.literal(" ADD ").sql(clone.foreign_key_constraint()))

    def altered(self, table: TableName, *parts: str) -> str:
        """Return the statement that does these things to a table."""
        return f"ALTER TABLE {self.dialect.names.quote_table(table)} {', '.join(parts)}"

    def key_name(self, field: ForeignKeyField) -> str:
        """Return the name of a foreign key's constraint, as Peewee would choose it."""
        parent = field.rel_model._meta.table_name
        name = f"fk_{field.model._meta.table_name}_{field.column_name}_refs_{parent}"
        return str(field.constraint_name or self.shortened(name))

    def shortened(self, name: str) -> str:
        """Return a long name as Peewee shortens it, so short that the database does not cut off
        the hash at its end, without which two names might become one.
        """
        fold = self.dialect.names.fold
        shorter = (str(_truncate_constraint_name(name, length)) for length in range(64, 0, -1))
        return next(short for short in shorter if len(fold(short)) >= len(short))


class _Shape(Node):
    """A model as its schema manager sees it, with other fields and constraints."""

    def __init__(self, model: type[Model], fields: list[Field], constraints: list[Any]) -> None:
        self._meta = copy.copy(model._meta)
        self._meta.constraints, self._meta.sorted_fields = constraints, fields

    def __sql__(self, context: Context) -> Context:
        return context.sql(self._meta.table)
