"""Outlines: a start looks in full at each table of which they can't say that nothing is missing."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from peewee import SQL, CharField, Database, IntegerField, Model, MySQLDatabase, SqliteDatabase

from peewee_automigrate import migrate, plan
from peewee_automigrate.dialects import dialect_for
from peewee_automigrate.dialects.base import MARK
from peewee_automigrate.models.collect import collect
from peewee_automigrate.options import Options
from peewee_automigrate.plan.planner import Planner
from tests.support.fields import model
from tests.support.wire import recorded

EVERY, SQLITE, POSTGRES, MYSQL = "sqlite postgres mysql", "sqlite", "postgres", "mysql"
FORGED = "q\x1finteger\x1f0\x1e9\x1fc"  # of a column c, beside one of another name
# What is done to the table, on which databases, and whether something is missing then.
DIFFERENT: dict[str, tuple[str, list[str], bool]] = {
    "no table": (EVERY, ["DROP TABLE item"], True),
    "a view": (EVERY, ["DROP TABLE item", "CREATE VIEW item AS SELECT 1 AS id, 2 AS a"], True),
    "no column": (EVERY, ["DROP INDEX model_item_a_c", "ALTER TABLE item DROP COLUMN c"], True),
    "a column of another name": (EVERY, ["ALTER TABLE item RENAME COLUMN c TO d"], True),
    "a forged column": (
        f"{SQLITE} {POSTGRES}",
        [f'ALTER TABLE item RENAME COLUMN c TO "{FORGED}"'],
        True,
    ),
    "no index": (EVERY, ["DROP INDEX model_item_a"], True),
    "an index of another column": (
        EVERY,
        ["DROP INDEX model_item_a", "CREATE INDEX item_a_2 ON item (c)"],
        True,
    ),
    "keys in another order": (
        EVERY,
        ["DROP INDEX model_item_a_c", "CREATE INDEX item_a_c_2 ON item (c, a)"],
        True,
    ),
    "more keys": (
        EVERY,
        ["DROP INDEX model_item_a", "CREATE INDEX item_2 ON item (a, c, b)"],
        True,
    ),
    "descending keys": (
        EVERY,
        ["DROP INDEX model_item_a", "CREATE INDEX a2 ON item (a DESC)"],
        True,
    ),
    "a plain index": (
        EVERY,
        ["DROP INDEX model_item_b", "CREATE INDEX item_b_2 ON item (b)"],
        True,
    ),
    "a partial index": (
        f"{SQLITE} {POSTGRES}",
        ["DROP INDEX model_item_a", "CREATE INDEX a2 ON item (a) WHERE c > 0"],
        True,
    ),
    "an expression": (
        f"{SQLITE} {POSTGRES}",
        ["DROP INDEX model_item_a", "CREATE INDEX a2 ON item ((a + 1))"],
        True,
    ),
    "a collation": (
        f"{SQLITE}",
        ["DROP INDEX model_item_b", "CREATE UNIQUE INDEX b2 ON item (b COLLATE NOCASE)"],
        True,
    ),
    'the collation "C"': (
        POSTGRES,
        ["DROP INDEX model_item_b", 'CREATE UNIQUE INDEX b2 ON item (b COLLATE "C")'],
        True,
    ),
    "an operator class": (
        POSTGRES,
        ["DROP INDEX model_item_b", "CREATE UNIQUE INDEX b2 ON item (b text_pattern_ops)"],
        True,
    ),
    "a hash": (
        POSTGRES,
        ["DROP INDEX model_item_a", "CREATE INDEX a2 ON item USING hash (a)"],
        True,
    ),
    "nulls that are equal": (
        POSTGRES,
        ["DROP INDEX model_item_b", "CREATE UNIQUE INDEX b2 ON item (b) NULLS NOT DISTINCT"],
        True,
    ),
    "a late check": (
        POSTGRES,
        ["DROP INDEX model_item_b", "ALTER TABLE item ADD CONSTRAINT b2 UNIQUE (b) DEFERRABLE"],
        False,
    ),
    "a prefix": (MYSQL, ["DROP INDEX model_item_b", "CREATE UNIQUE INDEX b2 ON item (b(5))"], True),
    "an invalid index": (
        POSTGRES,
        ["UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'model_item_a'::regclass"],
        True,
    ),
    "an unfinished column": (POSTGRES, [f"COMMENT ON COLUMN item.c IS '{MARK}'"], True),
    "an unfinished column of MariaDB": (
        MYSQL,
        [f"ALTER TABLE item MODIFY c INTEGER NULL COMMENT '{MARK}'"],
        True,
    ),
    "an unfinished constraint that no model declares": (
        POSTGRES,
        [
            "ALTER TABLE item ADD CONSTRAINT k FOREIGN KEY (c) REFERENCES item NOT VALID",
            f"COMMENT ON CONSTRAINT k ON item IS '{MARK}'",
        ],
        False,
    ),
    "another type": (POSTGRES, ["ALTER TABLE item ALTER a TYPE bigint"], False),
    "another type on MariaDB": (MYSQL, ["ALTER TABLE item MODIFY a BIGINT NOT NULL"], False),
    "null": (POSTGRES, ["ALTER TABLE item ALTER a DROP NOT NULL"], False),
    "an unknown column that needs a value": (
        f"{POSTGRES} {MYSQL}",
        ["ALTER TABLE item ADD z INTEGER NOT NULL"],
        False,
    ),
    "an unknown unique index": (EVERY, ["CREATE UNIQUE INDEX u ON item (c)"], False),
}
ALIKE = {
    "nothing": [],
    "an index of another name": ["DROP INDEX model_item_a", "CREATE INDEX other ON item (a)"],
    "more indexes": ["CREATE INDEX more ON item (c, b)"],
    "an unknown column": ["ALTER TABLE item ADD z INTEGER NULL"],
    "an unknown column with a default": ["ALTER TABLE item ADD z INTEGER DEFAULT 1 NOT NULL"],
}


def kind_of(database: Database) -> str:
    is_mysql = isinstance(database, MySQLDatabase)
    return MYSQL if is_mysql else SQLITE if isinstance(database, SqliteDatabase) else POSTGRES


def run(database: Database, statements: Sequence[str]) -> None:
    on = " ON item" if kind_of(database) == MYSQL else ""
    for statement in statements:
        dropped = statement.startswith("DROP INDEX")
        database.execute_sql(f"{statement}{on}" if dropped else statement)


def item(database: Database, **more: IntegerField) -> list[type[Model]]:
    """Return a model of three columns and three indexes, whose table stands."""
    fields = {
        "a": IntegerField(index=True),
        "b": CharField(20, unique=True),
        "c": IntegerField(null=True),
        **more,
    }
    models = [model(database, "item", fields, indexes=((("a", "c"), False),))]
    migrate(database, models)
    return models


def unsettled(database: Database, models: list[type[Model]]) -> list[type[Model]]:
    return Planner(dialect_for(database), collect(models), Options()).unsettled()


@pytest.mark.parametrize(
    ("kind", "name"), [(k, name) for name, (kinds, *_) in DIFFERENT.items() for k in kinds.split()]
)
def test_outline_that_differs_is_read_in_full(
    kind: str, name: str, request: pytest.FixtureRequest
) -> None:
    database: Database = request.getfixturevalue(f"{kind}_database")
    _, statements, is_missing = DIFFERENT[name]
    models = item(database)
    run(database, statements)
    assert unsettled(database, models) == models
    made = plan(database, models)
    assert bool(made) == is_missing, str(made)


@pytest.mark.parametrize("statements", ALIKE.values(), ids=list(ALIKE))
def test_start_with_nothing_missing_sends_one_statement(
    database: Database, statements: list[str]
) -> None:
    models = item(database)
    run(database, statements)
    with recorded(database) as sent:
        assert not migrate(database, models)
    assert len(sent) == 1, sent


@pytest.mark.parametrize("number", [1, 100])
def test_start_of_many_tables_sends_one_statement(database: Database, number: int) -> None:
    models = [
        model(database, f"t_{n}", {"a": IntegerField(index=True), "b": CharField(unique=True)})
        for n in range(number)
    ]
    migrate(database, models)
    with recorded(database) as sent:
        assert not migrate(database, models)
    assert len(sent) == 1, sent


def test_start_reads_in_full_only_what_differs(postgres_database: Database) -> None:
    models = [model(postgres_database, f"t_{n}", {"a": IntegerField()}) for n in range(3)]
    migrate(postgres_database, models)
    postgres_database.execute_sql("ALTER TABLE t_1 ALTER a DROP NOT NULL")
    with recorded(postgres_database) as sent:
        report = migrate(postgres_database, models)
    assert [finding.code for finding in report.findings] == ["AM202"]
    assert len(sent) == 3
    assert "t_1" in str(sent[1]) and "t_2" not in str(sent[1])


def test_outline_takes_a_default_in_sql_and_no_more(database: Database) -> None:
    def models(name: str, *words: str) -> list[type[Model]]:
        field = IntegerField(constraints=[SQL(word) for word in words])
        made = [model(database, name, {"a": field})]
        migrate(database, made)
        return made

    assert unsettled(database, models("one", "DEFAULT 0")) == []
    for number, words in enumerate((["DEFAULT 0 CHECK (a < 9)"], ["DEFAULT 0", "CHECK (a < 9)"])):
        more = models(f"more_{number}", *words)
        assert unsettled(database, more) == more


def test_models_that_share_a_table_are_read_in_full(sqlite_database: SqliteDatabase) -> None:
    fields = [{"a": IntegerField()}, {"a": IntegerField(), "b": IntegerField(null=True)}]
    models = [model(sqlite_database, "shared", each) for each in fields]
    migrate(sqlite_database, models)
    assert unsettled(sqlite_database, models) == models
