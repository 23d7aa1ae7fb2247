"""Peewee models -> the tables that they declare.

Enters: a dialect and bound models. Leaves: `schema.Table` values, and for each the models that
declare it. Asks the database for nothing but the
literal of a value that needs its quoting. Peewee's underscore names stand only here and in `ddl`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from typing import Any

from peewee import (
    SQL,
    CharField,
    Context,
    DateField,
    DateTimeField,
    DeferredForeignKey,
    Field,
    ForeignKeyField,
    Model,
    Node,
    TextField,
    TimeField,
    TimestampField,
    _query_val_transform,
    ensure_tuple,
)
from peewee import Index as PeeweeIndex

from ..compare.drift import matched
from ..dialects import Dialect, Wanted
from ..errors import ModelsNotFound
from ..schema import (
    PLAIN,
    UNKNOWN,
    Column,
    Constraint,
    ForeignKey,
    Index,
    Key,
    Making,
    Table,
    TableName,
)
from ..sql import named_constraint, parse_index, tokens

_DATES = (DateTimeField, DateField, TimeField, TimestampField)
_MAKINGS = {
    (computed, automatic): Making(computed, automatic)
    for computed in (False, True)
    for automatic in (False, True)
}


@dataclass(frozen=True, slots=True)
class Declared:
    """``tables`` in order of their names. ``models`` tells who declares each, by folded name."""

    tables: tuple[Table, ...]
    models: Mapping[TableName, tuple[type[Model], ...]]

    def wanted(self) -> Wanted:
        """Return what to look up in the catalogue."""
        parents = {fk.parent for table in self.tables for fk in table.foreign_keys}
        tables = dict.fromkeys((*(table.name for table in self.tables), *sorted(parents, key=str)))
        names = [
            TableName(table.name.schema, index.name)
            for table in self.tables
            for index in table.indexes
        ]
        names += [sequence for table in self.tables for sequence in table.sequences]
        constrained = frozenset(table.name for table in self.tables if table.constraints)
        return Wanted(tuple(tables), (*tables, *names), constrained)


def declare(dialect: Dialect, models: Iterable[type[Model]]) -> Declared:
    """Return what the models declare; models of one table are united, and one with a primary key
    comes before those without.

    Raises `ModelsNotFound` when two models of one table contradict each other, or when a
    `DeferredForeignKey` waits for a model that was never defined.
    """
    tables: dict[TableName, Table] = {}
    owners: dict[TableName, tuple[type[Model], ...]] = {}
    types = _Types(dialect)
    for model in sorted(models, key=lambda model: model._meta.primary_key is False):
        table = _Reader(dialect, model, types).table()
        key = dialect.table_key(table.name)
        if key in tables:
            table = _united(dialect, tables[key], table, (*owners[key], model))
        tables[key] = table
        owners[key] = (*owners.get(key, ()), model)
    return Declared(tuple(tables.values()), owners)


class LiteralContext(Context):
    """A context that writes values into the SQL, since DDL takes no parameters.

    It has the database's settings, and ``options`` over them. A per cent sign is doubled where the
    driver would read it as a parameter's start; `rendered` takes that back, together with those
    that the models' own SQL has doubled for the driver.
    """

    def __init__(self, dialect: Dialect, **options: Any) -> None:
        super().__init__(**{**dialect.database.get_context_options(), **options})
        self.dialect = dialect

    def value(self, value: Any, converter: Any = None, add_param: bool = True) -> Context:
        if converter:
            value = converter(value)
        elif converter is None and self.state.converter:
            value = self.state.converter(value)
        if isinstance(value, Node):
            with self(converter=None):
                return self.sql(value)
        if isinstance(value, bool):
            text = self.dialect.truths[value]
        elif value is None or isinstance(value, int) or _is_plain(value):
            text = _query_val_transform(value)
        else:
            text = self.dialect.literal(value, "text")
        return self.literal(self.dialect.escaped(text))


def _is_plain(value: object) -> bool:
    """Tell whether a value is text in which nothing needs quoting.

    Peewee before 4.0 does not double the quotes in a literal; the database does.
    """
    return isinstance(value, str) and value.isprintable() and not set(value) & {"'", "\\"}


def rendered(context: Context) -> str:
    """Return the statement that the driver would send for a context without parameters."""
    sql = str(context.query()[0])
    return sql.replace("%%", "%") if context.state.param == "%s" else sql


def index_sql(dialect: Dialect, model: type[Model], index: Node) -> str:
    """Return the CREATE INDEX statement of one of a model's indexes."""
    if isinstance(index, PeeweeIndex):
        index = index.safe(False)
    context = LiteralContext(dialect, **model._schema.context_options)
    return rendered(context.sql(index))


@dataclass(frozen=True, slots=True)
class Default:
    """A field's Python default: one ``value`` for all rows, or only a sample of them where
    ``per_row`` gives each row its own.
    """

    value: Any
    per_row: Callable[[], Any] | None = None


def python_default(field: Field) -> Default | None:
    """Evaluate a field's default. A callable that gives an equal value twice counts as constant,
    and so does any date or time.
    """
    if field.default is None:
        return None
    if not callable(field.default):
        return Default(field.default)
    value = field.default()
    if isinstance(field, _DATES) or isinstance(value, date | datetime | time):
        return Default(value)
    return Default(value) if field.default() == value else Default(value, field.default)


def _sequence(field: Field) -> TableName:
    """Return the sequence that a field names."""
    parts = getattr(field, "_sequence_parts", None)
    schema, name = parts() if parts else (None, field.sequence)
    return TableName(schema, name)


class _Types:
    """The canonical types of fields, each spelling of Peewee's translated once."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.context = dialect.database.get_sql_context()
        self.known: dict[Any, str] = {}
        self.usual: dict[type[Field], bool] = {}  # does not write its type in a way of its own

    def get(self, field: Field) -> str:
        kind = type(field)
        usual = self.usual.get(kind)
        if usual is None:
            usual = self.usual[kind] = kind.ddl_datatype is Field.ddl_datatype
        if not usual:
            return self._read(field)
        modifiers = field.get_modifiers()
        key = (field.field_type, *modifiers) if modifiers else field.field_type
        known = self.known.get(key)
        if known is None:
            known = self.known[key] = self._read(field)
        return known

    def _read(self, field: Field) -> str:
        node = field.ddl_datatype(self.context)
        if node is None:
            return ""
        if not isinstance(node, SQL):
            return self.dialect.canonical_type(rendered(LiteralContext(self.dialect).sql(node)))
        return self.dialect.canonical_type(str(node.sql))


class _Reader:
    """Reads one model."""

    def __init__(self, dialect: Dialect, model: type[Model], types: _Types) -> None:
        self.dialect = dialect
        self.model = model
        self.meta = model._meta
        self.types = types
        self.is_virtual = hasattr(self.meta, "extension_module")

    def table(self) -> Table:
        meta = self.meta
        fields = self._fields()
        has_sequences = self.dialect.database.sequences
        keys = () if self.is_virtual else meta.get_primary_keys()
        return Table(
            name=TableName(meta.schema, meta.table_name),
            columns=tuple(map(self._column, fields)),
            primary_key=tuple([field.column_name for field in keys]),
            indexes=tuple(map(self._index, self._indexes())),
            foreign_keys=tuple(
                [
                    _foreign_key(self.dialect, field)
                    for field in fields
                    if isinstance(field, ForeignKeyField)
                ]
            ),
            constraints=tuple(
                Constraint(*named_constraint(sql), sql=sql)
                for sql in map(self._render, meta.constraints or ())
            ),
            kind="virtual" if self.is_virtual else "table",
            depends_on=tuple(
                TableName(other._meta.schema, other._meta.table_name)
                for other in meta.depends_on or ()
            ),
            sequences=tuple(_sequence(f) for f in fields if has_sequences and f.sequence),
            options=self._options(),
        )

    def _options(self) -> tuple[str, ...]:
        settings = ensure_tuple(self.meta.table_settings) or ()
        return self.dialect.table_options(" ".join(map(str, settings)))

    def _fields(self) -> list[Field]:
        """Return the fields that have a column."""
        fields = self.meta.sorted_fields
        for field in fields:
            if isinstance(field, DeferredForeignKey):
                raise ModelsNotFound(
                    f"{self.model.__name__}.{field.name}: waits for a model named "
                    f"{field.rel_model_name!r}. Import that model first."
                )
        if self.is_virtual:
            return [field for field in fields if not (field.auto_increment or field._hidden)]
        return list(fields)

    def _render(self, node: Any) -> str:
        context = LiteralContext(self.dialect)
        return rendered(context.sql(SQL(node) if isinstance(node, str) else node))

    def _column(self, field: Field) -> Column:
        default, computed, automatic = field.default, False, field.auto_increment or field.sequence
        if default is not None:
            computed = callable(default)
            default = UNKNOWN if computed else self._known_default(field)
        making = _MAKINGS[computed, bool(automatic)] if computed or automatic else PLAIN
        type_name = self.types.get(field)
        column = Column(field.column_name, type_name, bool(field.null), default, "", making)
        return self._constrained(column, field) if field.constraints or field.collation else column

    def _known_default(self, field: Field) -> str:
        """Return the literal of a plain default, for comparison only."""
        try:
            value = field.db_value(field.default)
        except Exception:  # whatever a field class raises, the column is asked again when missing
            return UNKNOWN
        if isinstance(value, bool):
            return self.dialect.truths[value]
        if type(value) is int:
            return str(value)
        is_text = isinstance(value, str) and isinstance(field, CharField | TextField)
        if not is_text or "\\" in value:
            return UNKNOWN
        quoted = value.replace("'", "''")
        return f"'{quoted}'"

    def _constrained(self, column: Column, field: Field) -> Column:
        making, kept = column.making, [f"COLLATE {field.collation}"] if field.collation else []
        for text in map(self._render, field.constraints or ()):
            words = [token.lower() for token in tokens(text)]
            if words[:1] == ["default"]:
                making = replace(making, in_database=True)
                default = text.strip()[len("default") :].strip()
                column = column._replace(default=default)
            elif words[:1] in (["generated"], ["as"]):
                is_stored = "stored" in words or "persistent" in words
                kind = "identity" if "identity" in words else "virtual"
                making = replace(making, generated_as=text)
                column = column._replace(generated="stored" if is_stored else kind)
            elif words == ["null"] or words == ["not", "null"]:
                column = column._replace(null=words == ["null"])
            else:
                kept.append(text)
        return column._replace(making=replace(making, constraints=tuple(kept)))

    def _indexes(self) -> list[Any]:
        if self.is_virtual:
            return []
        try:
            return list(self.meta.fields_to_index())
        except (KeyError, ValueError, AttributeError) as error:
            raise ModelsNotFound(
                f"{self.model.__name__}: Meta.indexes can't be read: {error}. "
                "Name fields or columns of the model."
            ) from error

    def _index(self, index: Any) -> Index:
        is_plain = isinstance(index, PeeweeIndex) and index._where is None and not index._using
        if is_plain and all(isinstance(item, Field) for item in index._expressions):
            keys = tuple([Key(field.column_name) for field in index._expressions])
            distinct = getattr(index, "_nulls_distinct", None) is not False
            return Index(index._name, keys, bool(index._unique), nulls_distinct=distinct)
        sql = index_sql(self.dialect, self.model, index)
        parsed = parse_index(sql)
        if parsed is None:
            raise ModelsNotFound(
                f"{self.model.__name__}: {sql!r} in Meta.indexes is no CREATE INDEX statement. "
                "Run it by your own script, and take it out of Meta.indexes."
            )
        keys = tuple(Key(key.text, key.is_column, key.options) for key in parsed.keys)
        made = Index(
            parsed.name,
            keys,
            parsed.unique,
            parsed.method,
            parsed.where,
            parsed.nulls_distinct,
            sql=sql,
        )
        return self.dialect.canonical_index(made)


def _foreign_key(dialect: Dialect, field: ForeignKeyField) -> ForeignKey:
    parent = field.rel_model._meta
    return ForeignKey(
        columns=(field.column_name,),
        parent=TableName(parent.schema, parent.table_name),
        parent_columns=(field.rel_field.column_name,),
        on_delete=_action(dialect, field.on_delete),
        on_update=_action(dialect, field.on_update),
        name=field.constraint_name or "",
        deferred=bool(field.deferred),
    )


def _action(dialect: Dialect, action: str | None) -> str:
    return dialect.canonical_action((action or "").upper().strip())


def _united(
    dialect: Dialect, first: Table, second: Table, models: tuple[type[Model], ...]
) -> Table:
    """Unite two declarations of one table, or say where they contradict each other."""
    columns = matched(second, first, dialect.fold)
    clashes = [
        column.name
        for column, other in columns.pairs
        if (column.type, column.null) != (other.type, other.null)
    ]
    keys = first.primary_key and second.primary_key and first.primary_key != second.primary_key
    if clashes or keys:
        names = " and ".join(f"{model.__module__}.{model.__qualname__}" for model in models)
        what = f"column {', '.join(clashes)}" if clashes else "the primary key"
        raise ModelsNotFound(
            f"{first.name}: {names} declare {what} differently. "
            "Give one of them another table name."
        )
    return first._replace(
        columns=(*first.columns, *columns.missing),
        indexes=tuple({i._replace(sql=""): i for i in first.indexes + second.indexes}.values()),
        foreign_keys=tuple(dict.fromkeys(first.foreign_keys + second.foreign_keys)),
        constraints=tuple(dict.fromkeys(first.constraints + second.constraints)),
        depends_on=first.depends_on + second.depends_on,
        sequences=tuple(dict.fromkeys(first.sequences + second.sequences)),
    )
