"""From words to models and databases: packages, bases, applications, URLs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import peewee
import pytest
from click.testing import CliRunner, Result
from peewee import Database, MySQLDatabase, PostgresqlDatabase, SqliteDatabase

from peewee_automigrate import ModelsNotFound, migrate, plan
from peewee_automigrate.dialects import dialect_for
from peewee_automigrate.faces.cli import main
from peewee_automigrate.faces.database import open_url
from tests.support.modules import Modules, modules_in

# The base classes that real applications have: bare, with columns, mixed in, in several layers.
BASES = """
    from datetime import datetime
    from peewee import *

    db = SqliteDatabase("shop.db")

    class BaseModel(Model):
        class Meta:
            database = db

    class Timestamped(BaseModel):
        created_at = DateTimeField(default=datetime.now)

    class Named(Model):
        name = CharField(index=True)

    class Audited(Timestamped):
        changed_by = CharField(null=True)

    class LegacyModel(BaseModel):
        class Meta:
            automigrate = False
"""
PEOPLE = """
    from shop.base import *

    class Customer(Timestamped, Named):
        pass
"""
ORDERS = """
    from shop.base import *
    from shop.people import Customer

    class Tag(BaseModel):
        word = CharField()

    class Order(Audited):
        customer = ForeignKeyField(Customer)
        tags = ManyToManyField(Tag)
"""
TABLES = ["customer", "order", "order_tag_through", "tag"]


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Modules]:
    with modules_in(tmp_path, monkeypatch) as found:
        yield found


@pytest.fixture
def shop(modules: Modules) -> Modules:
    """A package of models, which are imported in its __init__ and in each other's module too."""
    modules.write("shop.base", BASES)
    modules.write("shop.people", PEOPLE)
    modules.write("shop.deep.down.orders", ORDERS)
    modules.write("shop.__init__", "from .people import *\n")
    return modules


def run(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def tables(file: str) -> list[str]:
    return list(SqliteDatabase(file).get_tables())


# Packages, bases.


def test_bases_of_a_package_never_become_tables(shop: Modules) -> None:
    package = shop.load("shop")
    migrate(package.base.db, package)
    assert tables("shop.db") == TABLES


def test_bases_never_become_tables_by_the_command_line(shop: Modules) -> None:
    assert run("migrate", "shop").exit_code == 0
    assert tables("shop.db") == TABLES


def test_models_exported_again_count_once(shop: Modules) -> None:
    package = shop.load("shop")
    orders = shop.load("shop.deep.down.orders")
    once = plan(package.base.db, package)
    again = plan(package.base.db, [package, orders, package.people, package.people.Customer])
    assert (again.steps, len(again.steps)) == (once.steps, len(TABLES))


def test_bases_that_are_left_out_are_named_by_the_command_line(shop: Modules) -> None:
    Path("shop.db").touch()
    printed = run("plan", "shop").output
    words = set(re.findall(r"\w+", printed.lower()))
    assert {"audited", "basemodel", "named", "timestamped"} <= words, printed


def test_base_that_has_a_table_gets_its_columns_by_the_command_line(shop: Modules) -> None:
    SqliteDatabase("shop.db").execute_sql("CREATE TABLE timestamped (id INTEGER PRIMARY KEY)")
    printed = run("plan", "shop").output
    assert re.search(r"add column timestamped\.created_at", printed), printed


def test_submodule_that_fails_is_named(shop: Modules) -> None:
    shop.write("shop.deep.broken", "import json\njson.loads('{')\n")
    result = run("plan", "shop")
    expected = "Error: shop.deep.broken: fails to import: JSONDecodeError: "
    assert (result.exit_code, result.stderr[: len(expected)]) == (2, expected)


def test_submodule_that_fails_is_named_by_the_function(shop: Modules) -> None:
    shop.write("shop.deep.broken", "raise SystemExit('not today')")
    package = shop.load("shop")
    with pytest.raises(ModelsNotFound) as caught:
        migrate(package.base.db, package)
    assert (
        str(caught.value)
        == "shop.deep.broken: fails to import: SystemExit: not today (shop/deep/broken.py, line 1)."
    )


def test_package_without_models_is_an_error(modules: Modules) -> None:
    modules.write("empty.part", "")
    expected = "Error: empty: no Peewee models here that want a table.\n"
    assert run("plan", "empty").stderr == expected


def test_empty_list_is_an_error(modules: Modules) -> None:
    modules.write("empty", "models = []")
    expected = "Error: the list of models is empty: no Peewee models here that want a table.\n"
    assert run("plan", "empty:models").stderr == expected


# Words, from Python.


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        ("shop", TABLES),
        ("shop.deep.down.orders", TABLES),
        ("shop.people:Customer", ["customer"]),
        (["shop.people:Customer", "shop.base:Audited"], ["audited", "customer"]),
    ],
)
def test_models_can_be_named_by_words_from_python(
    shop: Modules, models: Any, expected: list[str]
) -> None:
    database = SqliteDatabase("words.db")
    assert {step.table for step in plan(database, models).steps} == set(expected)
    migrate(database, models)
    assert database.get_tables() == expected


def test_words_and_models_can_be_mixed(shop: Modules) -> None:
    base = shop.load("shop.base")
    migrate(SqliteDatabase("words.db"), [base.Audited, "shop.people:Customer"])
    assert tables("words.db") == ["audited", "customer"]


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        ("nowhere", "nowhere: there is no module 'nowhere'. Run from its folder, or install it."),
        ("shop.people:Nobody", "shop.people:Nobody: the module shop.people has no 'Nobody'."),
        (5, "5: neither a Peewee model nor a module. Give models, modules or their names."),
    ],
)
def test_what_names_no_model_is_an_error_from_python(
    shop: Modules, models: Any, expected: str
) -> None:
    with pytest.raises(ModelsNotFound) as caught:
        migrate(SqliteDatabase("words.db"), models)
    assert (str(caught.value), Path("words.db").exists()) == (expected, False)


def test_module_that_needs_another_whose_name_its_own_begins_with_fails_to_import(
    modules: Modules,
) -> None:
    modules.write("shops", "import sho")
    result = run("plan", "shops")
    assert result.stderr == (
        "Error: shops: fails to import: ModuleNotFoundError: No module named 'sho' "
        "(shops.py, line 1).\n"
    )


def test_module_with_a_dict_of_extensions_is_no_application(modules: Modules) -> None:
    modules.write("thing", "from peewee import *\nextensions = {}\nclass Thing(Model): 'x'")
    assert run("migrate", "thing", "--database", "sqlite:///thing.db").exit_code == 0
    assert tables("thing.db") == ["thing"]


# Databases.

TWO = """
    from peewee import *

    one, two = SqliteDatabase("one.db"), SqliteDatabase("two.db")

    class First(one.Model):
        pass

    class Second(two.Model):
        pass
"""


def test_models_of_two_databases_are_refused_by_the_function(modules: Modules) -> None:
    modules.write("pair", TWO)
    pair = modules.load("pair")
    with pytest.raises(ModelsNotFound) as caught:
        migrate(pair.one, pair)
    assert str(caught.value) == (
        "the models belong to 2 databases (one.db, two.db). "
        "Migrate the models of each by a call of their own."
    )


def test_models_of_two_databases_are_migrated_in_turn_by_the_command_line(
    modules: Modules,
) -> None:
    modules.write("pair", TWO)
    assert run("migrate", "pair").exit_code == 0
    assert (tables("one.db"), tables("two.db")) == (["first"], ["second"])


def test_proxy_that_is_not_initialised_is_an_error_that_says_how(modules: Modules) -> None:
    modules.write(
        "waiting",
        """
        from peewee import *

        class Thing(Model):
            class Meta:
                database = DatabaseProxy()
        """,
    )
    assert run("plan", "waiting").stderr == (
        "Error: waiting.Thing: its DatabaseProxy is not initialised. Call its "
        "initialize(database) where the models are imported, or give --database URL, "
        "or set DATABASE_URL.\n"
    )


def test_database_without_a_name_is_an_error_that_says_how(modules: Modules) -> None:
    modules.write("waiting", 'from peewee import *\nclass Thing(SqliteDatabase(None).Model): "x"')
    expected = "Error: SqliteDatabase: has no name yet. Call its init(name) first.\n"
    assert run("plan", "waiting").stderr == expected


@pytest.mark.parametrize(
    ("scheme", "kind", "name"),
    [
        ("sqlite", SqliteDatabase, "sqlite"),
        ("sqlite+pool", SqliteDatabase, "sqlite"),
        ("sqliteext", SqliteDatabase, "sqlite"),
        ("sqliteext+pool", SqliteDatabase, "sqlite"),
        ("postgres", PostgresqlDatabase, "postgresql"),
        ("postgres+pool", PostgresqlDatabase, "postgresql"),
        ("postgresql", PostgresqlDatabase, "postgresql"),
        ("postgresql+pool", PostgresqlDatabase, "postgresql"),
        ("postgresext", PostgresqlDatabase, "postgresql"),
        ("postgresext+pool", PostgresqlDatabase, "postgresql"),
        ("psycopg3", PostgresqlDatabase, "postgresql"),
        ("psycopg3+pool", PostgresqlDatabase, "postgresql"),
        ("mysql", MySQLDatabase, None),
        ("mysql+pool", MySQLDatabase, None),
    ],
)
def test_url_of_each_scheme_gives_its_database(
    scheme: str, kind: type[Database], name: str | None
) -> None:
    place = "" if kind is SqliteDatabase else "me@localhost"
    database = open_url(f"{scheme}://{place}/shop")
    assert (isinstance(database, kind), database.database) == (True, "shop")
    assert name is None or dialect_for(database).name == name


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+pool", "postgresext", "psycopg3"])
def test_url_of_each_scheme_reaches_its_server(
    modules: Modules, postgres_url: str, scheme: str
) -> None:
    modules.write("thing", "from peewee import *\nclass Thing(Model): 'x'")
    url = postgres_url.replace("postgresql", scheme, 1)
    assert run("migrate", "thing", "--database", url).exit_code == 0
    assert run("check", "thing", "--database", postgres_url).exit_code == 0


# Applications.

APPLICATION = """
    from flask import Flask
    from peewee import *
    from peewee_automigrate.flask import AutoMigrate

    database = SqliteDatabase("web.db")

    class Page(Model):
        title = TextField()

    def create_app():
        made = Flask(__name__)
        made.config["AUTOMIGRATE_ON_START"] = "migrate"
        AutoMigrate(made, database, [Page])
        return made

    def create_bare():
        return Flask(__name__)

    bare = create_bare()
"""


@pytest.mark.parametrize("name", ["create_app", "made"])
def test_application_or_its_factory_names_models_and_database(modules: Modules, name: str) -> None:
    modules.write("web", APPLICATION + "    made = create_app()\n")
    result = run("migrate", f"web:{name}")
    assert (result.exit_code, tables("web.db")) == (0, ["page"]), result.output


@pytest.mark.parametrize("name", ["create_app", "made"])
def test_application_loaded_by_the_command_line_does_not_start(modules: Modules, name: str) -> None:
    modules.write("web", APPLICATION + "    made = create_app()\n")
    result = run("plan", f"web:{name}")
    assert result.output.endswith("To add: 1 table.\n")
    assert not Path("web.db").exists()


def test_application_is_migrated_where_the_option_says(modules: Modules) -> None:
    modules.write("web", APPLICATION)
    assert run("migrate", "web:create_app", "--database", "sqlite:///other.db").exit_code == 0
    assert (tables("other.db"), Path("web.db").exists()) == (["page"], False)


@pytest.mark.parametrize("name", ["create_bare", "bare"])
def test_application_without_the_extension_is_an_error(modules: Modules, name: str) -> None:
    modules.write("web", APPLICATION)
    result = run("plan", f"web:{name}")
    assert (result.exit_code, result.stderr) == (
        2,
        f"Error: web:{name}: an application without the AutoMigrate extension. Add "
        "peewee_automigrate.flask.AutoMigrate(app, database, models), or name the models.\n",
    )


def test_application_beside_models_of_their_own_database(modules: Modules) -> None:
    modules.write("web", APPLICATION)
    modules.write("pair", TWO)
    assert run("migrate", "web:create_app", "pair").exit_code == 0
    found: list[Any] = [tables(f"{name}.db") for name in ("web", "one", "two")]
    assert found == [["page"], ["first"], ["second"]]


def test_two_fields_of_one_column_are_refused_by_both_names() -> None:
    class Twice(peewee.Model):
        number = peewee.IntegerField(column_name="user_id")
        user = peewee.IntegerField(column_name="user_id")

    text = "Twice: the fields number and user share the column user_id"
    with pytest.raises(ModelsNotFound, match=text):
        plan(peewee.SqliteDatabase(":memory:"), Twice)
