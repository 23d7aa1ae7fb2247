"""Sets of models, one for each thing that a model can say about its table.

A shape is a function: it makes its models anew for each database, since indexes and constraints
are rendered for the database to which a model is bound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any, TypeAlias

from peewee import (
    SQL,
    AutoField,
    BigIntegerField,
    BooleanField,
    CharField,
    Check,
    CompositeKey,
    Database,
    DateTimeField,
    DecimalField,
    DeferredForeignKey,
    Field,
    ForeignKeyField,
    Index,
    IntegerField,
    ManyToManyField,
    Model,
    ModelIndex,
    MySQLDatabase,
    SqliteDatabase,
    TextField,
    UUIDField,
    fn,
)
from playhouse.postgres_ext import ArrayField, BinaryJSONField, TSVectorField
from playhouse.sqlite_ext import FTS5Model, RowIDField, SearchField

from tests.support.fields import model

Models: TypeAlias = list[type[Model]]
Shape: TypeAlias = Callable[[Database], Models]


def has_literals() -> bool:
    return hasattr(Database, "index_value_literals")


SHAPES: list[tuple[Shape, str]] = []

# Peewee before 4.2 sends values as parameters, which SQLite refuses in an index; create_tables
# fails there, so that there is nothing to compare with.
VALUES_IN_INDEXES = ("sqlite", "postgres") if has_literals() else ("postgres",)


def shape(*kinds: str) -> Callable[[Shape], Shape]:
    """Register a shape for these databases, or for all."""

    def register(function: Shape) -> Shape:
        SHAPES.extend((function, kind) for kind in kinds or ("sqlite", "postgres", "mysql"))
        return function

    return register


def cases() -> Sequence[tuple[Shape, str]]:
    return SHAPES


def case_id(case: object) -> str:
    return getattr(case, "__name__", str(case))


def create(database: Database, models: Models) -> None:
    """Write: do what a user of Peewee does, who must add schemas and deferred keys by hand."""
    if not isinstance(database, SqliteDatabase):
        for schema in {m._meta.schema for m in models} - {None}:
            database.execute_sql(f'CREATE SCHEMA "{schema}"')
    database.create_tables([m for m in models if m not in throughs(models)])
    database.create_tables(throughs(models))
    if not isinstance(database, SqliteDatabase):
        for field in [field for made in models for field in made._meta.sorted_fields]:
            if isinstance(field, ForeignKeyField) and field.deferred:
                field.model._schema.create_foreign_key(field)


def throughs(models: Models) -> Models:
    fields = [field for made in models for field in made._meta.manytomany.values()]
    return list(dict.fromkeys(field.through_model for field in fields))


def user(database: Database, **meta: Any) -> type[Model]:
    return model(database, "user", {"name": CharField(unique=True)}, **meta)


def one(database: Database, fields: dict[str, Field], **meta: Any) -> Models:
    return [model(database, "thing", fields, **meta)]


# Keys.


@shape()
def composite_key(database: Database) -> Models:
    fields = {"a": IntegerField(), "b": CharField(20), "c": TextField(null=True)}
    return one(database, fields, primary_key=CompositeKey("b", "a"))


@shape()
def composite_key_of_foreign_keys(database: Database) -> Models:
    parent = user(database)
    fields = {"user": ForeignKeyField(parent), "friend": ForeignKeyField(parent, backref="+")}
    key = CompositeKey("user", "friend")
    return [parent, model(database, "friendship", fields, primary_key=key)]


@shape()
def no_key(database: Database) -> Models:
    return one(database, {"a": IntegerField(), "b": TextField(index=True)}, primary_key=False)


@shape()
def text_key(database: Database) -> Models:
    return one(database, {"code": CharField(3, primary_key=True), "name": TextField()})


@shape()
def integer_key(database: Database) -> Models:
    return one(database, {"number": IntegerField(primary_key=True), "name": TextField()})


@shape()
def renamed_key(database: Database) -> Models:
    return one(database, {"key": AutoField(column_name="The Key"), "name": TextField()})


@shape()
def foreign_key_as_key(database: Database) -> Models:
    parent = user(database)
    return [parent, model(database, "profile", {"user": ForeignKeyField(parent, primary_key=True)})]


@shape()
def nullable_key(database: Database) -> Models:
    return one(database, {"key": UUIDField(primary_key=True), "other": UUIDField(null=True)})


# Foreign keys.


@shape()
def foreign_keys_with_actions(database: Database) -> Models:
    parent = user(database)
    fields = {
        "first": ForeignKeyField(parent, backref="+", on_delete="CASCADE", on_update="CASCADE"),
        "second": ForeignKeyField(parent, backref="+", null=True, on_delete="SET NULL"),
        "third": ForeignKeyField(parent, backref="+", on_delete="RESTRICT", index=False),
        "fourth": ForeignKeyField(parent, backref="+", on_delete="no action", unique=True),
        "sixth": ForeignKeyField(parent, backref="+", constraint_name="named by hand"),
        "seventh": ForeignKeyField(parent, backref="+", column_name="Seventh"),
    }
    if not isinstance(database, MySQLDatabase):
        fields["fifth"] = ForeignKeyField(parent, backref="+", deferrable="INITIALLY DEFERRED")
    return [parent, model(database, "post", fields)]


@shape()
def foreign_key_to_self(database: Database) -> Models:
    return one(database, {"parent": ForeignKeyField("self", null=True)})


@shape()
def foreign_key_to_another_field(database: Database) -> Models:
    parent = user(database)
    return [parent, model(database, "post", {"author": ForeignKeyField(parent, field="name")})]


@shape()
def foreign_key_to_foreign_key(database: Database) -> Models:
    parent = user(database)
    middle = model(database, "profile", {"user": ForeignKeyField(parent, primary_key=True)})
    return [parent, middle, model(database, "note", {"profile": ForeignKeyField(middle)})]


@shape()
def foreign_keys_of_every_type(database: Database) -> Models:
    keys: dict[str, Field] = {
        "big": BigIntegerField(primary_key=True),
        "number": DecimalField(8, 2, primary_key=True),
        "text": CharField(7, primary_key=True),
        "uuid": UUIDField(primary_key=True),
    }
    parents = [model(database, f"of_{name}", {"key": key}) for name, key in keys.items()]
    fields = {f"field_{n}": ForeignKeyField(parent) for n, parent in enumerate(parents)}
    return [*parents, model(database, "child", fields)]


@shape()
def deferred_foreign_key(database: Database) -> Models:
    post = model(database, "post", {"author": DeferredForeignKey("Model_late_author", null=True)})
    return [post, model(database, "late_author", {"name": TextField()})]


@shape()
def cycle_of_foreign_keys(database: Database) -> Models:
    egg = model(database, "egg", {"hen": DeferredForeignKey("Model_hen", on_delete="CASCADE")})
    return [egg, model(database, "hen", {"egg": ForeignKeyField(egg, null=True)})]


@shape()
def many_to_many(database: Database) -> Models:
    parent = user(database)
    group = model(database, "club", {"members": ManyToManyField(parent, backref="clubs")})
    return [parent, group]


# Indexes.


@shape()
def indexes_as_tuples(database: Database) -> Models:
    fields = {"a": IntegerField(), "b": CharField(), "c": CharField(column_name="Column C")}
    return one(database, fields, indexes=((("a", "b"), True), (("b", "c"), False), (("c",), True)))


@shape()
def indexes_over_foreign_keys(database: Database) -> Models:
    parent = user(database)
    fields = {"user": ForeignKeyField(parent), "number": IntegerField()}
    return [parent, model(database, "post", fields, indexes=((("user", "number"), True),))]


@shape()
def index_objects(database: Database) -> Models:
    [thing] = one(database, {"a": IntegerField(), "b": CharField(), "c": CharField(null=True)})
    thing.add_index(ModelIndex(thing, (thing.a, thing.b), name="by_hand"))
    thing.add_index(ModelIndex(thing, (thing.b,), unique=True))
    thing.add_index(thing.c, thing.a)
    thing.add_index(Index("plain_index", thing._meta.table, (thing.a,)))
    return [thing]


@shape()
def descending_index(database: Database) -> Models:
    [thing] = one(database, {"a": IntegerField(), "b": IntegerField()})
    thing.add_index(thing.a.desc(), thing.b.asc(), name="latest")
    return [thing]


@shape(*VALUES_IN_INDEXES)
def partial_indexes(database: Database) -> Models:
    fields = {"a": IntegerField(), "b": CharField(), "gone": BooleanField(), "at": DateTimeField()}
    [thing] = one(database, fields)
    thing.add_index(thing.index(thing.a, where=thing.a > 5, name="above_five"))
    thing.add_index(thing.index(thing.b, unique=True, where=~thing.gone, name="present"))
    thing.add_index(thing.index(thing.b, where=(thing.b == "it's") | (thing.a < 3), name="either"))
    thing.add_index(thing.index(thing.at, where=thing.b.in_(["x", "y"]), name="listed"))
    thing.add_index(thing.index(thing.b, where=thing.at.is_null(False), name="dated"))
    return [thing]


@shape("sqlite", "postgres")
def partial_index_with_like(database: Database) -> Models:
    [thing] = one(database, {"a": CharField()})
    likes = SQL("a LIKE 'x%'" if isinstance(database, SqliteDatabase) else "a LIKE 'x%%'")
    thing.add_index(thing.index(thing.a, where=likes, name="likes"))
    return [thing]


@shape(*VALUES_IN_INDEXES)
def expression_indexes(database: Database) -> Models:
    [thing] = one(database, {"a": CharField(), "b": IntegerField(), "c": IntegerField()})
    thing.add_index(thing.index(fn.LOWER(thing.a), unique=True, name="lowered"))
    thing.add_index(thing.index(thing.b, fn.COALESCE(thing.c, 0), name="filled_in"))
    thing.add_index(thing.index(fn.ABS(thing.b + thing.c * 2), name="sums"))
    return [thing]


@shape("mysql")
def indexes_of_mysql(database: Database) -> Models:
    fields = {"a": TextField(index=True), "b": CharField(1000, index=True), "c": CharField()}
    [thing] = one(database, fields)
    thing.add_index(SQL("CREATE INDEX raw_plain ON thing (c, id DESC)"))
    thing.add_index(SQL("CREATE UNIQUE INDEX `Raw Unique` ON `thing` (`c`(7)) COMMENT 'short'"))
    thing.add_index(SQL("CREATE FULLTEXT INDEX words ON thing (a)"))
    return [thing]


@shape("sqlite", "postgres")
def raw_indexes(database: Database) -> Models:
    [thing] = one(database, {"a": CharField(), "b": IntegerField()})
    thing.add_index(SQL("CREATE INDEX raw_plain ON thing (a, b DESC)"))
    thing.add_index(SQL('CREATE UNIQUE INDEX "Raw Unique" ON "thing" ("b") WHERE "b" > 0'))
    thing.add_index(SQL("CREATE INDEX raw_lower ON thing (lower(a), b)"))
    return [thing]


@shape()
def indexes_of_quoted_names(database: Database) -> Models:
    fields = {
        "order": IntegerField(index=True),
        "select": CharField(column_name="Group By", unique=True),
        "umlaut": CharField(column_name="größe", index=True),
        "quote": CharField(column_name="it's", index=True),
    }
    return [model(database, "Order Lines", fields)]


@shape()
def indexes_of_long_names(database: Database) -> Models:
    fields = {
        "a_column_with_a_very_long_name_indeed": IntegerField(index=True),
        "another_column_with_a_very_long_name": IntegerField(unique=True),
    }
    name = "a_table_with_a_name_that_is_quite_long_as_well"
    return [model(database, name, fields, indexes=((tuple(fields), False),))]


@shape("sqlite")
def collated_column(database: Database) -> Models:
    return one(database, {"a": CharField(collation="NOCASE", unique=True)})


@shape("postgres")
def collated_columns(database: Database) -> Models:
    return one(database, {"a": CharField(collation='"C"', unique=True), "b": TextField()})


@shape("postgres")
def collated_index(database: Database) -> Models:
    [thing] = one(database, {"a": TextField()})
    thing.add_index(SQL('CREATE INDEX thing_c ON thing (a COLLATE "C" text_pattern_ops)'))
    return [thing]


@shape("postgres")
def index_methods(database: Database) -> Models:
    fields = {
        "tags": ArrayField(TextField),
        "data": BinaryJSONField(),
        "words": TSVectorField(),
        "hashed": CharField(index=True, index_type="HASH"),
        "ranged": IntegerField(index=True, index_type="BRIN"),
        "listed": ArrayField(IntegerField, index_type="GIN", null=True),
    }
    [thing] = one(database, fields)
    thing.add_index(thing.index(thing.data, using="GIN", name="second_gin"))
    thing.add_index(SQL("CREATE INDEX paths ON thing USING gin (data jsonb_path_ops)"))
    return [thing]


@shape("postgres")
def index_that_includes(database: Database) -> Models:
    [thing] = one(database, {"a": IntegerField(), "b": TextField()})
    thing.add_index(SQL("CREATE UNIQUE INDEX covering ON thing (a) INCLUDE (b)"))
    return [thing]


@shape("postgres")
def index_with_settings(database: Database) -> Models:
    [thing] = one(database, {"a": IntegerField()})
    thing.add_index(SQL("CREATE INDEX filled ON thing (a DESC NULLS LAST) WITH (fillfactor = 70)"))
    return [thing]


@shape("postgres")
def index_without_distinct_nulls(database: Database) -> Models:
    [thing] = one(database, {"a": IntegerField(null=True), "b": IntegerField(null=True)})
    if "nulls_distinct" not in signature(Index).parameters:  # in Peewee 3.17
        thing.add_index(SQL("CREATE UNIQUE INDEX nd ON thing (a) NULLS NOT DISTINCT"))
        return [thing]
    thing.add_index(
        ModelIndex(thing, (thing.a,), unique=True, nulls_distinct=False, name="not_distinct")
    )
    thing.add_index(
        ModelIndex(thing, (thing.b,), unique=True, nulls_distinct=True, name="distinct_nulls")
    )
    return [thing]


# Tables.


@shape("postgres")
def other_schema(database: Database) -> Models:
    parent = user(database, schema="side")
    local = model(
        database, "local", {"owner": ForeignKeyField(parent), "a": IntegerField(index=True)}
    )
    child = model(database, "child", {"local": ForeignKeyField(local)}, schema="Other Side")
    return [parent, local, child]


@shape("sqlite")
def main_schema(database: Database) -> Models:
    return one(
        database, {"a": IntegerField(index=True), "b": IntegerField(unique=True)}, schema="main"
    )


@shape()
def named_by_function(database: Database) -> Models:
    def name(made: type[Model]) -> str:
        return "tbl_" + made.__name__.lower()

    options = type("Meta", (), {"database": database, "table_function": name})
    return [type(Model)("Thing", (Model,), {"a": IntegerField(index=True), "Meta": options})]


@shape()
def named_without_legacy(database: Database) -> Models:
    options = type("Meta", (), {"database": database, "legacy_table_names": False})
    fields = {"anInt": IntegerField(index=True), "Meta": options}
    return [type(Model)("ThingOfMine", (Model,), fields)]


@shape("sqlite")
def without_rowid(database: Database) -> Models:
    fields = {"a": CharField(primary_key=True), "b": IntegerField(index=True)}
    return one(database, fields, without_rowid=True)


@shape("sqlite")
def strict_tables(database: Database) -> Models:
    return one(database, {"a": TextField(unique=True), "b": IntegerField()}, strict_tables=True)


@shape("sqlite")
def strict_without_rowid(database: Database) -> Models:
    fields = {"a": IntegerField(), "b": TextField()}
    return one(
        database, fields, strict_tables=True, without_rowid=True, primary_key=CompositeKey("a", "b")
    )


@shape("postgres")
def table_settings(database: Database) -> Models:
    settings = ("WITH (fillfactor = 50, autovacuum_enabled = false)",)
    return one(database, {"a": IntegerField()}, table_settings=settings)


@shape("postgres")
def unlogged_like_partitions(database: Database) -> Models:
    fields = {"a": IntegerField(), "b": IntegerField(index=True)}
    return one(database, fields, primary_key=False, table_settings="PARTITION BY RANGE (a)")


@shape()
def table_constraints(database: Database) -> Models:
    mark = database.quote[0]
    constraints = [
        Check("a > 0"),
        SQL("CONSTRAINT pair UNIQUE (a, b)"),
        SQL(f"CONSTRAINT {mark}Small B{mark} CHECK (b < 10 OR b IN (20, 30))"),
        SQL("UNIQUE (b, c)"),
    ]
    fields = {"a": IntegerField(), "b": IntegerField(), "c": CharField()}
    return one(database, fields, constraints=constraints)


@shape()
def table_constraint_foreign_key(database: Database) -> Models:
    pair = {"a": IntegerField(), "b": IntegerField()}
    parent = model(database, "pair", pair, primary_key=CompositeKey("a", "b"))
    constraints = [SQL("CONSTRAINT to_pair FOREIGN KEY (a, b) REFERENCES pair (a, b)")]
    fields = {"a": IntegerField(), "b": IntegerField()}
    return [
        parent,
        model(database, "zchild", fields, constraints=constraints, depends_on=[parent]),
    ]


@shape()
def column_constraints(database: Database) -> Models:
    short = "CHECK (length(c) < 9)"
    if not isinstance(database, MySQLDatabase):  # MariaDB knows no names there.
        short = f"CONSTRAINT c_short {short}"
    fields = {
        "a": IntegerField(constraints=[Check("a > 0")]),
        "b": IntegerField(constraints=[SQL("DEFAULT 5"), Check("b <> 7")]),
        "c": CharField(constraints=[SQL("DEFAULT 'it''s'"), SQL(short)]),
        "d": DateTimeField(constraints=[SQL("DEFAULT CURRENT_TIMESTAMP")]),
        "e": IntegerField(null=True, constraints=[SQL("UNIQUE")]),
    }
    return one(database, fields)


@shape()
def generated_columns(database: Database) -> Models:
    stored = SQL("GENERATED ALWAYS AS (a * 2) STORED")
    return one(database, {"a": IntegerField(), "b": IntegerField(null=True, constraints=[stored])})


@shape("postgres")
def sequences(database: Database) -> Models:
    fields = {
        "id": IntegerField(primary_key=True, sequence="thing_numbers"),
        "other": IntegerField(sequence="other_numbers"),
    }
    return one(database, fields)


@shape("sqlite")
def full_text_search(database: Database) -> Models:
    options = type(
        "Meta", (), {"database": database, "table_name": "pages", "options": {"tokenize": "porter"}}
    )
    fields = {
        "rowid": RowIDField(),
        "title": SearchField(),
        "body": SearchField(),
        "url": SearchField(unindexed=True),
        "Meta": options,
    }
    return [type(FTS5Model)("Pages", (FTS5Model,), fields)]


@shape()
def inheritance(database: Database) -> Models:
    class Base(Model):
        created = DateTimeField(index=True)

        class Meta:
            indexes = ((("created", "id"), False),)

    Base._meta.set_database(database)

    class Thing(Base):
        name = TextField(unique=True)

        class Meta:
            table_name = "thing"

    class Special(Thing):
        size = IntegerField(default=1)

        class Meta:
            table_name = "special"

    return [Thing, Special]


@shape()
def depends_on(database: Database) -> Models:
    last = model(database, "aaa_last", {"a": IntegerField()})
    first = model(database, "zzz_first", {"a": IntegerField()})
    last._meta.depends_on = [first]
    return [last, first]
