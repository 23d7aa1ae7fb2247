"""Random models, grown into random larger ones: only additions happen, and they are complete."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from peewee import (
    BigIntegerField,
    BlobField,
    BooleanField,
    CharField,
    CompositeKey,
    Database,
    DateField,
    DecimalField,
    Field,
    ForeignKeyField,
    IntegerField,
    Model,
    MySQLDatabase,
    SqliteDatabase,
    TextField,
    UUIDField,
)
from playhouse.db_url import connect

from peewee_automigrate import Plan, Report, migrate, plan
from peewee_automigrate.dialects import dialect_for
from peewee_automigrate.models.collect import collect
from peewee_automigrate.options import Options
from peewee_automigrate.plan.planner import Planner
from tests.support import catalogue
from tests.support.fields import model
from tests.support.mysql_servers import MysqlServer, empty_mysql, open_mysql
from tests.support.servers import Server

pytestmark = pytest.mark.slow

Rows = dict[str, list[tuple[Any, ...]]]

# The same examples in every run; EXAMPLES=1000 asks for that many new ones.
MORE = os.environ.get("EXAMPLES")
EXAMPLES = {"sqlite": 60, "postgres": 60, "mysql": 20}
COLUMN_NAMES = [
    *("a", "b", "name", "order", "select", "group", "Mixed", "with space", "größe", "it's"),
    *("per%cent", 'quo"te', "dot.ted", "rowid", "x" * 62, "y" * 70, "ключ", "user_id", "1st", "-"),
]
TABLE_NAMES = [
    *("user", "Order", "order_lines", "select", "Größen", "with space", "per%cent", "dot.ted"),
    *('quo"te', "it's", "t" * 63, "u" * 70, "_", "table", "sqlitefile", "pg_things", "x", "1st"),
]
INDEXED = ["", "", "index", "unique"]


@dataclass(frozen=True)
class Type:
    """A field class, its arguments, and values for it: two that repeat, and one for each row."""

    field: type[Field]
    arguments: tuple[Any, ...]
    values: tuple[Any, Any]

    def value(self, number: int, distinct: bool) -> Any:
        if not distinct:
            return self.values[number % 2]
        if self.field in (CharField, TextField):
            return f"row {number}"
        casts: dict[type[Field], Callable[[str], Any]] = {
            BlobField: str.encode,
            BooleanField: lambda text: text != "0",
            DateField: lambda text: (date(2020, 1, 1) + timedelta(int(text))).isoformat(),
            DecimalField: lambda text: f"{text}.25",
            UUIDField: lambda text: str(uuid.UUID(int=int(text))),
        }
        return casts.get(self.field, int)(str(number))


TYPES = [
    Type(IntegerField, (), (0, -7)),
    Type(BigIntegerField, (), (2**40, 1)),
    Type(CharField, (20,), ("", "it's 100%")),
    Type(TextField, (), ("a\nb", '\\ "quoted" --')),
    Type(BooleanField, (), (True, False)),
    Type(DateField, (), ("2020-01-01", "1999-12-31")),
    Type(DecimalField, (9, 3), ("1.500", "-2.000")),
    Type(UUIDField, (), (str(uuid.UUID(int=1)), str(uuid.UUID(int=2)))),
    Type(BlobField, (), (b"\x00\xff", b"'")),
]


@dataclass(frozen=True)
class Column:
    name: str
    kind: Type
    null: bool = False
    default: str = ""  # "constant", "each row its own", or none
    index: str = ""  # "index", "unique", or none
    parent: int | None = None  # the position of the table that it refers to

    def field(self, tables: Sequence[type[Model]]) -> Field:
        options: dict[str, Any] = {
            "column_name": self.name,
            "null": self.null,
            "index": self.index == "index",
            "unique": self.index == "unique",
        }
        if self.parent is not None:
            return ForeignKeyField(tables[self.parent], backref="+", **options)
        if self.default == "constant":
            options["default"] = python(self.kind, self.kind.values[0])
        elif self.default:
            options["default"] = Counter(self.kind)
        return self.kind.field(*self.kind.arguments, **options)


def python(kind: Type, value: Any) -> Any:
    """Return a value as an application would give it."""
    casts: dict[type[Field], Callable[[Any], Any]] = {
        DateField: date.fromisoformat,
        DecimalField: Decimal,
        UUIDField: uuid.UUID,
    }
    return casts.get(kind.field, lambda same: same)(value)


class Counter:
    """A callable default that never gives a value twice."""

    def __init__(self, kind: Type) -> None:
        self.kind, self.number = kind, 100

    def __call__(self) -> Any:
        self.number += 1
        return python(self.kind, self.kind.value(self.number, distinct=True))


@dataclass(frozen=True)
class Table:
    name: str
    key: str  # "auto", "text", "pair" or "none"
    columns: tuple[Column, ...]
    indexes: tuple[tuple[tuple[int, ...], bool], ...] = ()


Tables = tuple[Table, ...]
History = tuple[Tables, list[int], Tables]


def models_of(database: Database, tables: Tables) -> list[type[Model]]:
    made: list[type[Model]] = []
    for table in tables:
        fields = {f"field_{n}": column.field(made) for n, column in enumerate(table.columns)}
        meta: dict[str, Any] = {
            "indexes": tuple(
                (tuple(f"field_{n}" for n in numbers), unique) for numbers, unique in table.indexes
            )
        }
        if table.key == "text":
            fields["key"] = CharField(40, primary_key=True, column_name="The Key")
        elif table.key == "pair":
            fields |= {"one": IntegerField(), "two": IntegerField()}
            meta["primary_key"] = CompositeKey("one", "two")
        elif table.key == "none":
            meta["primary_key"] = False
        made.append(model(database, table.name, fields, **meta))
    return made


# What is drawn.


@st.composite
def columns(draw: st.DrawFn, name: str, parents: list[int]) -> Column:
    column = Column(
        name,
        draw(st.sampled_from(TYPES)),
        null=draw(st.booleans()),
        default=draw(st.sampled_from(["", "", "constant", "each row its own"])),
        index=draw(st.sampled_from(INDEXED)),
    )
    if column.kind.field is BooleanField and column.default:
        column = replace(column, default="constant")  # It has no value for each row.
    if parents and draw(st.integers(0, 3)) == 0:
        column = replace(column, parent=draw(st.sampled_from(parents)), default="")
    return column


def referable(tables: Sequence[Table]) -> list[int]:
    return [n for n, table in enumerate(tables) if table.key in ("auto", "text")]


def unused(draw: st.DrawFn, names: list[str], taken: Sequence[str], at_most: int) -> list[str]:
    """Draw names that differ from those taken, whatever their case is."""
    folded = {name.lower() for name in taken}
    left = [name for name in names if name.lower() not in folded]
    return draw(st.lists(st.sampled_from(left), max_size=at_most, unique_by=str.lower))


@st.composite
def new_tables(draw: st.DrawFn, before: Tables, at_least: int, at_most: int) -> Tables:
    tables = list(before)
    names = unused(draw, TABLE_NAMES, [table.name for table in tables], at_most)
    for name in names or ["first"] * at_least:
        fields = [
            draw(columns(column, referable(tables)))
            for column in unused(draw, COLUMN_NAMES, ["id", "key", "one", "two"], 4)
        ]
        key = draw(st.sampled_from(["auto", "auto", "text", "pair", "none"]))
        if key == "none" and not fields:
            key = "auto"
        table = Table(name, key, tuple(fields))
        tables.append(replace(table, indexes=draw(more_indexes(table))))
    return tuple(tables)


@st.composite
def more_indexes(draw: st.DrawFn, table: Table) -> tuple[tuple[tuple[int, ...], bool], ...]:
    if len(table.columns) < 2:
        return table.indexes
    numbers = st.lists(st.integers(0, len(table.columns) - 1), min_size=2, max_size=3, unique=True)
    added = draw(st.lists(st.tuples(numbers.map(tuple), st.booleans()), max_size=1))
    known = {keys for keys, _ in table.indexes}
    return table.indexes + tuple(index for index in added if index[0] not in known)


@st.composite
def grown(draw: st.DrawFn, before: Tables) -> Tables:
    """Draw tables that have all of those before, and more."""
    tables = list(draw(new_tables(before, 0, 2)))
    for number, table in enumerate(before):
        parents = [n for n in referable(tables) if n < number]
        taken = [column.name for column in table.columns] + ["id", "key", "one", "two"]
        added = [draw(columns(name, parents)) for name in unused(draw, COLUMN_NAMES, taken, 3)]
        kept = [
            replace(
                column, index=column.index or draw(st.sampled_from(["", "", "index", "unique"]))
            )
            for column in table.columns
        ]
        larger = replace(table, columns=(*kept, *added))
        tables[number] = replace(larger, indexes=draw(more_indexes(larger)))
    return tuple(tables)


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Draw tables, the number of rows of each, and the larger tables that follow."""
    before = draw(new_tables((), 1, 3))
    numbers = draw(st.lists(st.integers(0, 3), min_size=len(before), max_size=len(before)))
    return before, numbers, draw(grown(before))


# Rows, written and read without any model.


def quoted(database: Database, name: str) -> str:
    mark: str = database.quote[0]
    text = mark + name.replace(mark, mark * 2) + mark
    return text if isinstance(database, SqliteDatabase) else text.replace("%", "%%")


def fill(database: Database, tables: Tables, numbers: Sequence[int]) -> None:
    """Write rows; a parent has rows when a child that needs one is to have some."""
    for table, number in zip(tables, numbers, strict=True):
        for row in range(number):
            values = values_of(tables, numbers, table, row)
            if values is not None:
                insert(database, table.name, values)


def values_of(
    tables: Tables, numbers: Sequence[int], table: Table, row: int
) -> dict[str, Any] | None:
    """Return a row's values, or None when it would need a parent that has no such row."""
    keys: dict[str, dict[str, Any]] = {
        "auto": {"id": row + 1},
        "text": {"The Key": f"key {row}"},
        "pair": {"one": row, "two": 5},
        "none": {},
    }
    values = keys[table.key]
    unique = {n for keys, is_unique in table.indexes if is_unique for n in keys}
    for number, column in enumerate(table.columns):
        distinct = column.index == "unique" or number in unique
        if column.parent is None:
            values[column.name] = column.kind.value(row, distinct)
        elif has_row(tables, numbers, column.parent, row):
            is_text = tables[column.parent].key == "text"
            values[column.name] = f"key {row}" if is_text else row + 1
        elif column.null:
            values[column.name] = None
        else:
            return None
        if distinct and column.kind.field is BooleanField and row > 1:
            return None
    return values


def has_row(tables: Tables, numbers: Sequence[int], table: int, row: int) -> bool:
    return row < numbers[table] and values_of(tables, numbers, tables[table], row) is not None


def insert(database: Database, table: str, values: dict[str, Any]) -> None:
    names = ", ".join(quoted(database, name) for name in values)
    marks = ", ".join([database.param] * len(values))
    sql = f"INSERT INTO {quoted(database, table)} ({names}) VALUES ({marks})"
    database.execute_sql(sql, tuple(values.values()))


def rows(database: Database, tables: Tables) -> Rows:
    """Read the columns that these tables have; others may have been added."""
    found: Rows = {}
    for table in tables:
        names = [column.name for column in table.columns]
        keys = {"auto": ["id"], "text": ["The Key"], "pair": ["one", "two"], "none": []}
        text = ", ".join(quoted(database, name) for name in keys[table.key] + names)
        read = database.execute_sql(f"SELECT {text} FROM {quoted(database, table.name)}")
        found[table.name] = sorted([plain(row) for row in read.fetchall()], key=repr)
    return found


def plain(row: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)


# The properties.


@pytest.fixture(scope="module")
def property_database(postgres_server: Server) -> Iterator[Database]:
    with postgres_server.database() as url:
        database = connect(url, unquote_password=True)
        database.connect()
        yield database
        database.close()


@pytest.fixture(scope="module")
def property_mysql(mysql_server: MysqlServer) -> Iterator[Database]:
    with mysql_server.database() as url:
        database = open_mysql(url)
        yield database
        database.close()


@pytest.fixture
def kept_database(kind: str, request: pytest.FixtureRequest) -> Database | None:
    """One server's database for all examples; None for SQLite, where a new one costs nothing."""
    names = {"postgres": "property_database", "mysql": "property_mysql"}
    name = names.get(kind)
    found: Database | None = request.getfixturevalue(name) if name else None
    return found


def of_any_history(holds: Callable[[Database, History], None]) -> Callable[..., None]:
    """Turn what holds for any history into a test of each kind of database."""

    @pytest.mark.parametrize("kind", EXAMPLES)
    def test(kind: str, kept_database: Database | None) -> None:
        def example(history: History) -> None:
            with empty(kept_database) as database:
                holds(database, history)

        example.__name__ = holds.__name__
        settings(
            max_examples=int(MORE or EXAMPLES[kind]),
            deadline=None,
            derandomize=not MORE,
            database=None,
            suppress_health_check=[HealthCheck.too_slow],
        )(given(histories())(example))()

    decorated: Callable[..., None] = test
    return decorated


@contextmanager
def empty(kept: Database | None) -> Iterator[Database]:
    if isinstance(kept, MySQLDatabase):
        empty_mysql(kept)
        yield kept
        return
    if kept is not None:
        kept.execute_sql("DROP SCHEMA public CASCADE")
        kept.execute_sql("CREATE SCHEMA public")
        yield kept
        return
    database = SqliteDatabase(":memory:", pragmas={"foreign_keys": 1})
    database.connect()
    yield database
    database.close()


def built(database: Database, history: History) -> tuple[Tables, list[type[Model]]]:
    """Write: make the tables before and their rows; return them, and models of the larger ones."""
    before, numbers, after = history
    if isinstance(database, MySQLDatabase):
        before, after = shortened(before), shortened(after)
    migrate(database, models_of(database, before), on_blocked="skip")
    fill(database, before, numbers)
    return before, models_of(database, after)


def shortened(tables: Tables) -> Tables:
    """Return tables whose names MySQL takes; PostgreSQL cuts the longer ones by itself."""
    return tuple(
        replace(
            table,
            name=table.name[:56],  # InnoDB adds to it for the names of foreign keys.
            columns=tuple(replace(column, name=column.name[:64]) for column in table.columns),
        )
        for table in tables
    )


def standing(database: Database) -> catalogue.Facts:
    """Read what may not change. Of what a foreign key on MySQL has made for itself, the index
    makes room for another one that does the same.
    """
    found = catalogue.facts(database)
    if not isinstance(database, MySQLDatabase):
        return found
    keys = {(f[1], name) for f in found if f[0] == "foreign key" for name in (f[2], f[4])}
    return {fact for fact in found if fact[0] != "index key" or fact[1:3] not in keys}


def missing(made: Plan | Report) -> set[tuple[str, str | None]]:
    found = made.blocked if isinstance(made, Plan) else made.skipped
    return {(finding.table, finding.name) for finding in found}


@of_any_history
def test_migrate_of_larger_models_keeps_all_that_stood(
    database: Database, history: History
) -> None:
    before, models = built(database, history)
    found = standing(database), rows(database, before)
    report = migrate(database, models, on_blocked="skip")
    event(f"blocked: {bool(report.skipped)}")
    assert found[0] - standing(database) == set()
    assert rows(database, before) == found[1]


@of_any_history
def test_migrate_of_larger_models_leaves_only_what_is_blocked(
    database: Database, history: History
) -> None:
    before, models = built(database, history)
    report = migrate(database, models, on_blocked="skip")
    left = plan(database, models)
    assert (list(map(str, left.steps)), missing(left)) == ([], missing(report))


@of_any_history
def test_migrate_of_larger_models_leaves_no_drift(database: Database, history: History) -> None:
    before, models = built(database, history)
    migrate(database, models, on_blocked="skip")
    assert list(map(str, plan(database, models).drift)) == []


@of_any_history
def test_plan_of_larger_models_changes_nothing(database: Database, history: History) -> None:
    before, models = built(database, history)
    found = standing(database), rows(database, before)
    plan(database, models)
    assert (standing(database), rows(database, before)) == found


@of_any_history
def test_migrate_of_blocked_models_changes_nothing(database: Database, history: History) -> None:
    before, models = built(database, history)
    found = standing(database), rows(database, before)
    if missing(plan(database, models)):
        with pytest.raises(Exception, match="blocked, nothing was changed"):
            migrate(database, models)
        assert (standing(database), rows(database, before)) == found


@of_any_history
def test_outlines_settle_no_table_that_lacks_anything(database: Database, history: History) -> None:
    """Whenever a start takes nothing to be missing, the full plan has no step."""
    before, models = built(database, history)
    for _ in ("the tables before", "the larger ones"):
        planner = Planner(dialect_for(database), collect(models), Options())
        rest = planner.unsettled()
        settled = {m._meta.table_name for m in planner.models if m not in rest}
        event(f"settled: {len(settled)} of {len(models)}")
        made = plan(database, models)
        lacking = {step.table for step in made.steps}
        lacking |= {finding.table for finding in (*made.blocked, *made.drift)}
        assert settled & lacking == set()
        migrate(database, models, on_blocked="skip")
