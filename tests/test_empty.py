"""From empty, the result reads the same as Peewee's `create_tables`, and needs nothing more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from peewee import Database, Field, IntegerField, Model, MySQLDatabase
from playhouse.db_url import connect
from playhouse.postgres_ext import HStoreField

from peewee_automigrate import Plan, migrate, plan
from peewee_automigrate.printing import sql_text
from tests.support import catalogue, fields, shapes, shell
from tests.support.mysql_servers import MysqlServer, empty_mysql, open_mysql
from tests.support.servers import Server
from tests.support.sqlite import PRAGMAS

FIELDS = list(fields.cases(keys=False))
KEYS = list(fields.cases(keys=True))
NEED_EXTENSIONS = [HStoreField]
DEFAULTS = [(item, kind) for item, kind in FIELDS if fields.takes_default(item, kind)]
each_field = pytest.mark.parametrize(("item", "kind"), FIELDS, ids=fields.case_id)
each_default = pytest.mark.parametrize(("item", "kind"), DEFAULTS, ids=fields.case_id)
each_shape = pytest.mark.parametrize(("shape", "kind"), shapes.cases(), ids=shapes.case_id)
each_key = pytest.mark.parametrize(("item", "kind"), KEYS, ids=fields.case_id)


USED_SCHEMAS = f"""
    SELECT n.nspname FROM pg_namespace AS n WHERE {catalogue.OURS} AND (
        n.nspname <> 'public' OR EXISTS (SELECT FROM pg_class WHERE relnamespace = n.oid))"""

Twins = tuple[Database, Database]


@pytest.fixture(scope="module")
def postgres_twins(postgres_server: Server) -> Iterator[Twins]:
    with postgres_server.database() as first, postgres_server.database() as second:
        yield from opened(first, second)


@pytest.fixture(scope="module")
def system_postgres_twins(system_postgres_server: Server) -> Iterator[Twins]:
    with system_postgres_server.database() as first, system_postgres_server.database() as second:
        for url in (first, second):
            with connect(url, unquote_password=True) as database:
                database.execute_sql("CREATE EXTENSION hstore SCHEMA pg_catalog")
        urls = [re.sub("^postgres(ql)?:", "postgresext:", url) for url in (first, second)]
        yield from opened(*urls, register_hstore=True)


def opened(*urls: str, **options: Any) -> Iterator[Twins]:
    first, second = (connect(url, unquote_password=True, **options) for url in urls)
    first.connect()
    second.connect()
    yield first, second
    first.close()
    second.close()


@pytest.fixture(scope="module")
def mysql_twins(mysql_server: MysqlServer) -> Iterator[Twins]:
    with mysql_server.database() as first, mysql_server.database() as second:
        yield open_mysql(first), open_mysql(second)


@pytest.fixture
def sqlite_twins(tmp_path: Path) -> Iterator[Twins]:
    urls = [f"sqlite:///{tmp_path}/{name}.db" for name in ("first", "second")]
    yield from opened(*urls, pragmas=PRAGMAS)


@pytest.fixture
def twins(request: pytest.FixtureRequest, kind: str) -> Twins:
    """Two open and empty databases of the kind that the case names."""
    name = kind
    if request.node.callspec.params.get("item") in NEED_EXTENSIONS:
        name = "system_postgres"  # The server that a package carries has no extensions.
    pair: Twins = request.getfixturevalue(f"{name}_twins")
    for database in pair:
        if kind != "sqlite":
            emptied(database)
    return pair


def emptied(database: Database) -> None:
    """Write: drop all that a test before has left in a database."""
    if isinstance(database, MySQLDatabase):
        empty_mysql(database)
        return
    schemas = database.execute_sql(USED_SCHEMAS).fetchall()
    for [schema] in schemas:
        database.execute_sql(f'DROP SCHEMA "{schema}" CASCADE')
    if ("public",) in schemas:
        database.execute_sql("CREATE SCHEMA public")


def thing(database: Database, item: type[Field]) -> type[Model]:
    return fields.model(database, "thing", fields.variants(item, database))


def keyed(database: Database, item: type[Field]) -> type[Model]:
    key = {getattr(item, "required_name", "id"): fields.made(item)}
    return fields.model(database, "thing", {**key, "value": IntegerField(null=True)})


def said(made: Plan) -> list[str]:
    """Return all that a plan says, but for what SQLite can't do about a deferred foreign key."""
    findings = [str(finding) for finding in made.findings if finding.code != "AM306"]
    return [*map(str, made.steps), *map(str, made.blocked), *findings]


# Every field class, in a table of its own.


@each_field
def test_field_from_empty_equals_create_tables(twins: Twins, item: type[Field], kind: str) -> None:
    first, second = twins
    first.create_tables([thing(first, item)])
    migrate(second, [thing(second, item)])
    assert catalogue.text(second) == catalogue.text(first)


@each_field
def test_field_made_by_create_tables_needs_nothing(
    twins: Twins, item: type[Field], kind: str
) -> None:
    made = thing(twins[0], item)
    twins[0].create_tables([made])
    assert said(plan(twins[0], [made])) == []


@each_key
def test_key_from_empty_equals_create_tables(twins: Twins, item: type[Field], kind: str) -> None:
    first, second = twins
    first.create_tables([keyed(first, item)])
    migrate(second, [keyed(second, item)])
    assert catalogue.text(second) == catalogue.text(first)


@each_key
def test_key_made_by_create_tables_needs_nothing(
    twins: Twins, item: type[Field], kind: str
) -> None:
    made = keyed(twins[0], item)
    twins[0].create_tables([made])
    assert said(plan(twins[0], [made])) == []


# Every field class, as a new column of a table with rows.


def grown(database: Database, item: type[Field], **options: Any) -> type[Model]:
    return fields.model(database, "thing", {"added": fields.made(item, **options)})


def with_rows(database: Database) -> None:
    """Write: make the table without the column, and two rows in it."""
    before = fields.model(database, "thing", {})
    database.create_tables([before])
    for _ in range(2):
        before.create()


def stored(database: Database) -> list[tuple[Any, ...]]:
    rows = database.execute_sql("SELECT id, added FROM thing ORDER BY id").fetchall()
    return [tuple(bytes(v) if isinstance(v, memoryview) else v for v in row) for row in rows]


@each_field
def test_field_added_as_nullable_reads_as_in_a_new_table(
    twins: Twins, item: type[Field], kind: str
) -> None:
    first, second = twins
    first.create_tables([grown(first, item, null=True)])
    with_rows(second)
    migrate(second, [grown(second, item, null=True)])
    without = catalogue.without_defaults
    assert without(catalogue.facts(second)) == without(catalogue.facts(first))


@each_default
def test_field_added_with_a_default_reads_as_in_a_new_table(
    twins: Twins, item: type[Field], kind: str
) -> None:
    first, second = twins
    first.create_tables([grown(first, item, default=fields.value_of(item))])
    with_rows(second)
    migrate(second, [grown(second, item, default=fields.value_of(item))])
    without = catalogue.without_defaults
    assert without(catalogue.facts(second)) == without(catalogue.facts(first))


@each_default
def test_field_added_with_a_default_gives_rows_what_peewee_would_store(
    twins: Twins, item: type[Field], kind: str
) -> None:
    first, second = twins
    new = grown(first, item, default=fields.value_of(item))
    first.create_tables([new])
    for _ in range(2):
        new.create()
    with_rows(second)
    migrate(second, [grown(second, item, default=fields.value_of(item))])
    assert stored(second) == stored(first)


@each_default
def test_field_added_with_a_default_needs_nothing_more(
    twins: Twins, item: type[Field], kind: str
) -> None:
    database = twins[0]
    with_rows(database)
    made = grown(database, item, default=fields.value_of(item))
    migrate(database, [made])
    assert said(plan(database, [made])) == []


# Tables, keys, indexes and constraints of every shape.


@each_shape
def test_shape_from_empty_equals_create_tables(
    twins: Twins, shape: shapes.Shape, kind: str
) -> None:
    first, second = twins
    shapes.create(first, shape(first))
    migrate(second, shape(second))
    assert catalogue.text(second) == catalogue.text(first)


@each_shape
def test_shape_made_by_create_tables_needs_nothing(
    twins: Twins, shape: shapes.Shape, kind: str
) -> None:
    models = shape(twins[0])
    shapes.create(twins[0], models)
    assert said(plan(twins[0], models)) == []


@each_shape
def test_shape_from_empty_needs_nothing_more(twins: Twins, shape: shapes.Shape, kind: str) -> None:
    models = shape(twins[0])
    migrate(twins[0], models)
    assert said(plan(twins[0], models)) == []


@each_shape
def test_shape_pasted_as_a_script_equals_create_tables(
    twins: Twins, shape: shapes.Shape, kind: str
) -> None:
    first, second = twins
    shapes.create(first, shape(first))
    shell.paste(second, sql_text(plan(second, shape(second))))
    assert catalogue.text(second) == catalogue.text(first)
