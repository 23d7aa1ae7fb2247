"""Peewee models -> the tables that they declare.

Enters: a dialect and bound models. Leaves: `schema.Table` values with texts as the models have
them, and who declares each. Asks the database only for literals that need its quoting.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from peewee import (
    SQL,
    CharField,
    DeferredForeignKey,
    Field,
    ForeignKeyField,
    Model,
    Node,
    PeeweeException,
    TextField,
    ensure_tuple,
)
from peewee import Index as PeeweeIndex

from ..errors import ModelsNotFound
from ..schema import (
    PLAIN,
    UNKNOWN,
    Clause,
    Column,
    Constraint,
    Declaration,
    ForeignKey,
    Index,
    Key,
    Table,
    TableName,
    Wanted,
)
from ..sql import clauses, parse_index, tokens
from .rendering import Wording, index_sql, render

PLAIN_NAMES = re.compile(r"\w{0,63} [\w ]*", re.ASCII)


class Declared(NamedTuple):
    """``tables`` in order of their names. ``models`` tells who declares each, by folded name."""

    tables: tuple[Table, ...]
    models: Mapping[TableName, tuple[type[Model], ...]]

    @property
    def accept(self) -> list[str]:
        """The findings that the models' own ``Meta`` accepts, each as "CODE target"."""
        each = (model for models in self.models.values() for model in models)
        return [line for model in each for line in _accepted(model)]

    def wanted(self, *, all_constraints: bool = False) -> Wanted:
        """Return what to look up in the catalogue, constraints also where none is declared."""
        parents = {fk.parent for table in self.tables for fk in table.foreign_keys}
        tables = dict.fromkeys((*(table.name for table in self.tables), *sorted(parents, key=str)))
        names = list(tables)
        for table in self.tables:
            names += [TableName(table.name.schema, index.name) for index in table.indexes]
            names += table.sequences
        constrained = frozenset(t.name for t in self.tables if t.constraints or all_constraints)
        return Wanted(tuple(tables), tuple(names), constrained)


def declare(dialect: Wording, models: Iterable[type[Model]]) -> Declared:
    """Return what the models declare; models of one table are united, and one with a primary key
    comes before those without.

    Raises `ModelsNotFound` when two models of one table contradict each other, when one can't be
    read, or when a `DeferredForeignKey` waits for a model that was never defined.
    """
    tables: dict[TableName, Table] = {}
    owners: dict[TableName, tuple[type[Model], ...]] = {}
    types = Types(dialect)
    for model in sorted(models, key=lambda model: model._meta.primary_key is False):
        try:
            table = _Reader(dialect, model, types).table()
        except (ModelsNotFound, PeeweeException):
            raise
        except Exception as error:  # whatever a model's own code, or Peewee on its way, raises
            why = " ".join(f"{type(error).__name__}: {error}".split())
            raise ModelsNotFound(f"{model.__name__}: can't be read: {why}.") from error
        key = dialect.names.table_key(table.name)
        if key in tables:
            table = _united(dialect, tables[key], table, (*owners[key], model))
        tables[key] = table
        owners[key] = (*owners.get(key, ()), model)
    return Declared(tuple(tables.values()), owners)


def name_of(meta: Any) -> TableName:
    return TableName(meta.schema, meta.table_name)


def _sequence(field: Field) -> TableName:
    parts = getattr(field, "_sequence_parts", None)
    schema, name = parts() if parts else (None, field.sequence)
    return TableName(schema, name)


class Types:
    """The canonical types of fields, each spelling of Peewee's translated once."""

    def __init__(self, dialect: Wording) -> None:
        self.dialect = dialect
        self.context = dialect.database.get_sql_context()
        self.known: dict[tuple[Any, ...], str] = {}

    def get(self, field: Field) -> str:
        if type(field).ddl_datatype is not Field.ddl_datatype:
            return self._read(field)
        key = (field.field_type, *(field.get_modifiers() or ()))
        if key not in self.known:
            self.known[key] = self._read(field)
        return self.known[key]

    def _read(self, field: Field) -> str:
        node = field.ddl_datatype(self.context)
        if node is None:
            return ""
        text = str(node.sql) if isinstance(node, SQL) else render(self.dialect, node)
        return str(self.dialect.names.type(text))


class _Reader:
    """Reads one model."""

    def __init__(self, dialect: Wording, model: type[Model], types: Types) -> None:
        self.dialect = dialect
        self.model = model
        self.meta = model._meta
        self.types = types
        self.is_virtual = hasattr(self.meta, "extension_module")
        self.new = tuple(ensure_tuple(_own(model, "automigrate_not_renamed")) or ())

    def table(self) -> Table:
        meta = self.meta
        names = [meta.table_name, *[field.column_name for field in meta.sorted_fields]]
        names += [name for one in meta.indexes if (name := getattr(one, "_name", ""))]
        if not PLAIN_NAMES.fullmatch(" ".join([meta.schema or "", *names])):
            from .naming import refuse_odd

            refuse_odd(self.dialect.database, self.model.__name__, meta.schema, names)
        fields = self._fields()
        constraints = [render(self.dialect, node) for node in meta.constraints or ()]
        primary = () if self.is_virtual else meta.get_primary_keys()
        # Where a field that is no key is named id, Peewee keeps a key that is no field.
        keys = [f for f in primary if not f._hidden and meta.fields.get(f.name) is f]
        settings = " ".join(ensure_tuple(meta.table_settings) or ())
        has_sequences = self.dialect.database.sequences
        return Table(
            name=name_of(meta),
            columns=tuple(map(self._column, fields)),
            primary_key=tuple(field.column_name for field in keys),
            indexes=tuple(map(self._index, self._indexes())),
            foreign_keys=tuple(_foreign_key(f) for f in fields if isinstance(f, ForeignKeyField)),
            constraints=tuple(Constraint(UNKNOWN, "", sql, sql=sql) for sql in constraints),
            kind="virtual" if self.is_virtual else "table",
            depends_on=tuple(name_of(other._meta) for other in meta.depends_on or ()),
            sequences=tuple(_sequence(f) for f in fields if has_sequences and f.sequence),
            options=(settings,) if settings else (),
        )

    def _fields(self) -> list[Field]:
        """Return the fields that have a column."""
        fields = self.meta.sorted_fields
        for field in fields:
            if isinstance(field, DeferredForeignKey):
                raise ModelsNotFound(
                    f"{self.model.__name__}.{field.name}: waits for a model named "
                    f"{field.rel_model_name!r}. Import that model first."
                )
        self._refuse_shared_columns(fields)
        return [f for f in fields if not (f._hidden or (self.is_virtual and f.auto_increment))]

    def _refuse_shared_columns(self, fields: list[Field]) -> None:
        owners: dict[str, str] = {}
        names = set(map(self.dialect.names.fold, [field.column_name for field in fields]))
        for field in fields if len(names) < len(fields) else ():
            other = owners.setdefault(self.dialect.names.fold(field.column_name), field.name)
            if other != field.name:
                raise ModelsNotFound(
                    f"{self.model.__name__}: the fields {other} and {field.name} share the column "
                    f"{field.column_name}. Give one of them another column_name."
                )

    def _column(self, field: Field) -> Column:
        default, source = field.default, ""
        if default is not None:
            is_computed = callable(default) or isinstance(default, Node)
            source = "callable" if is_computed else ""
            default = UNKNOWN if source else self._known_default(field)
        automatic = bool(field.auto_increment or field.sequence)
        is_new = field.column_name in self.new
        is_plain = not (source or automatic or is_new)
        declared = PLAIN if is_plain else Declaration(source, automatic, is_new=is_new)
        type_name = self.types.get(field)
        column = Column(field.column_name, type_name, bool(field.null), default, "", declared)
        if field.constraints or field.collation:
            return _constrained(column, self._clauses(field))
        return column

    def _known_default(self, field: Field) -> str:
        """Return the literal of a plain default, for comparison only."""
        try:
            value = field.db_value(field.default)
        except Exception:  # whatever a field class raises, the column is asked again when missing
            return UNKNOWN
        if isinstance(value, bool):
            return self.dialect.literal(value, "")
        if type(value) is int:
            return str(value)
        is_text = isinstance(value, str) and isinstance(field, CharField | TextField)
        if not is_text or "\\" in value:
            return UNKNOWN
        return f"""'{value.replace("'", "''")}'"""

    def _clauses(self, field: Field) -> Iterable[Clause]:
        """Yield the clauses of the SQL behind a field's type."""
        if field.collation:
            yield Clause("collate", field.collation, "", f"COLLATE {field.collation}")
        for node in field.constraints or ():
            yield from clauses(render(self.dialect, node))

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
        return parsed


def _own(model: type[Model], name: str) -> Any:
    """Return what ``Meta`` of a model, and of no base of it, says under a name, if anything."""
    said = getattr(model._meta, name, None)
    bases = [base._meta for base in model.__mro__[1:] if hasattr(base, "_meta")]
    return None if any(getattr(base, name, None) is said for base in bases) else said


def _accepted(model: type[Model]) -> Iterator[str]:
    """Yield a line for each finding that a model accepts: {"AM201": ["price"], "AM214": ""}."""
    for code, names in (_own(model, "automigrate_accept") or {}).items():
        for name in ensure_tuple(names):
            field = model._meta.fields.get(name)
            target = (str(name_of(model._meta)), field.column_name if field else name)
            yield f"{code} {'.'.join(filter(None, target))}"


def _constrained(column: Column, found: Iterable[Clause]) -> Column:
    """Return a column with the clauses of its own SQL, each by its meaning."""
    declared, kept = column.declared, []
    for clause in found:
        if clause.kind == "default":
            declared = declared._replace(default_is="sql")
            column = column._replace(default=clause.body)
        elif clause.kind in ("null", "not null"):
            column = column._replace(null=clause.kind == "null")
        else:
            kept.append(clause)
        if clause.kind == "generated":
            column = column._replace(generated=_generated(clause.sql))
    return column._replace(declared=declared._replace(clauses=tuple(kept)))


def _generated(sql: str) -> str:
    words = set(map(str.lower, tokens(sql)))
    if words & {"stored", "persistent"}:
        return "stored"
    return "identity" if "identity" in words else "virtual"


def _foreign_key(field: ForeignKeyField) -> ForeignKey:
    return ForeignKey(
        columns=(field.column_name,),
        parent=name_of(field.rel_model._meta),
        parent_columns=(field.rel_field.column_name,),
        on_delete=(field.on_delete or "").upper().strip(),
        on_update=(field.on_update or "").upper().strip(),
        name=field.constraint_name or "",
        deferred=bool(field.deferred),
        deferrable=_deferrable(field.deferrable or ""),
    )


def _deferrable(words: str) -> str:
    """Return the words of the standard for a key that is checked late; IMMEDIATE is usual."""
    text = " ".join(words.upper().split())
    if "NOT DEFERRABLE" in text or not text:
        return ""
    return "DEFERRABLE INITIALLY DEFERRED" if "DEFERRED" in text else "DEFERRABLE"


def _united(
    dialect: Wording, first: Table, second: Table, models: tuple[type[Model], ...]
) -> Table:
    """Unite two declarations of one table, or say where they contradict each other."""
    fold = dialect.names.fold
    known = {fold(column.name): column for column in first.columns}
    clashes = [
        column.name
        for column in second.columns
        if (other := known.get(fold(column.name)))
        and (column.type, column.null) != (other.type, other.null)
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
        columns=(*first.columns, *(c for c in second.columns if fold(c.name) not in known)),
        indexes=tuple({i._replace(sql=""): i for i in first.indexes + second.indexes}.values()),
        foreign_keys=tuple(dict.fromkeys(first.foreign_keys + second.foreign_keys)),
        constraints=tuple(dict.fromkeys(first.constraints + second.constraints)),
        depends_on=first.depends_on + second.depends_on,
        sequences=tuple(dict.fromkeys(first.sequences + second.sequences)),
    )
