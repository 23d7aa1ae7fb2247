"""Cases of indexes that can't be built: duplicates, names that are taken, strings."""

from __future__ import annotations

from typing import Any

from peewee import (
    SQL,
    CharField,
    IntegerField,
    Model,
    ModelIndex,
    TextField,
    fn,
)

from tests.cases_base import (
    ALL,
    EXPRESSING,
    MYSQL,
    POSTGRES,
    ROWS,
    SQLITE,
    TABLE,
    Case,
    Maker,
)
from tests.cases_indexes import over, where, wide, wide_with

DUPLICATES = ROWS + "INSERT INTO t (a) VALUES ('x'), ('x'), ('y');"


def doubled(
    sentence: str, models: Any, before: Any, name: str, says: Any = (), **rest: Any
) -> Case:
    return Case(sentence, models, before=before, blocked=f"AM105 t.{name}", says=says, **rest)


UNIQUE = [
    doubled(
        "a unique index over duplicates is blocked with the keys",
        lambda M: M.t(a=M.text(unique=True)),
        DUPLICATES,
        "t_a",
        "t.t_a: unique index (a) over duplicate rows: 2 keys stand more than once, for example "
        "('x') 3 times, ('y') 2 times. Remove the duplicates, then run again. This query lists "
        'them: SELECT "a", count(*) FROM "t" WHERE "a" IS NOT NULL GROUP BY "a" '
        "HAVING count(*) > 1",
    ),
    doubled(
        "a composite unique index over duplicates is blocked with the keys",
        lambda M: wide(M, (("a", "b"), True)),
        wide_with("INSERT INTO t (a, b) VALUES ('x', 1), ('y', NULL), ('y', NULL);"),
        "t_a_b",
        "t.t_a_b: unique index (a, b) over duplicate rows: 1 key stands more than once, for "
        "example ('x', 1) 2 times. Remove the duplicates, then run again. This query lists them: "
        'SELECT "a", "b", count(*) FROM "t" WHERE "a" IS NOT NULL AND "b" IS NOT NULL '
        'GROUP BY "a", "b" HAVING count(*) > 1',
    ),
    doubled(
        "no more than five keys are shown",
        lambda M: M.t(a=M.text(unique=True)),
        TABLE + "INSERT INTO t (a) VALUES ('1'),('2'),('3'),('4'),('5'),('6'),"
        "('1'),('2'),('3'),('4'),('5'),('6')",
        "t_a",
    ),
    doubled(
        "a partial unique index over duplicates is blocked",
        lambda M: wide(M, where(lambda t: t.b == 1, unique=True)),
        wide_with("INSERT INTO t (a, b) VALUES ('x', 1), ('y', 3), ('y', 3);"),
        "i",
        on=EXPRESSING,
    ),
    Case(
        "duplicates outside of a partial unique index do not matter",
        lambda M: wide(M, where(lambda t: t.b == 1, unique=True)),
        "add_index t.i",
        before=wide_with("INSERT INTO t (a, b) VALUES ('y', 3), ('y', 3);"),
        on=EXPRESSING,
    ),
    doubled(
        "a unique index on an expression over duplicates is blocked",
        lambda M: wide(M, over(lambda t: fn.LOWER(t.a), unique=True)),
        wide_with("INSERT INTO t (a) VALUES ('X');"),
        "i",
        on=EXPRESSING,
    ),
    doubled(
        "a unique index of a collation over duplicates is blocked",
        lambda M: wide(M, over(lambda t: SQL("a COLLATE NOCASE"), unique=True)),
        wide_with({SQLITE: "INSERT INTO t (a) VALUES ('X');"}),
        "i",
        on=[SQLITE],
    ),
    doubled(
        "a unique index over duplicates in a column of a collation is blocked",
        lambda M: M.t(a=CharField(collation="NOCASE", unique=True)),
        "CREATE TABLE t (id {id}, a VARCHAR(255) NOT NULL COLLATE NOCASE);"
        "INSERT INTO t (a) VALUES ('x'), ('X')",
        "t_a",
        on=[SQLITE],
    ),
    doubled(
        "a unique index with NULLS NOT DISTINCT over two NULLs is blocked",
        lambda M: wide(M, SQL("CREATE UNIQUE INDEX i ON t (b) NULLS NOT DISTINCT")),
        wide_with("INSERT INTO t (a) VALUES ('v'), ('w');"),
        "i",
        "t.i: unique index (b) nulls not distinct over duplicate rows: 1 key stands more than "
        "once, for example (None) 2 times. Remove the duplicates, then run again. This query "
        'lists them: SELECT "b", count(*) FROM "t" GROUP BY "b" HAVING count(*) > 1',
        on=[POSTGRES],
    ),
    Case(
        "NULLs are no duplicates",
        lambda M: wide(M, (("b",), True)),
        "add_index t.t_b",
        before=wide_with("INSERT INTO t (a) VALUES ('v'), ('w');"),
    ),
    doubled(
        "a unique index with a per cent sign in its predicate over duplicates is blocked",
        lambda M: wide(M, where(lambda t: t.a.startswith("x%"), unique=True)),
        wide_with("INSERT INTO t (a) VALUES ('x%1'), ('x%1');"),
        "i",
        on=EXPRESSING,
    ),
    Case(
        "a unique index over a new nullable column and an old one is added",
        lambda M: M.t({"indexes": [(("a", "n"), True)]}, n=IntegerField(null=True)),
        ("add_column t.n", "add_index t.t_a_n"),
        before=DUPLICATES,
    ),
    Case(
        "a partial index on a new column follows it",
        lambda M: index_on_new(M, lambda t: ModelIndex(t, [t.n], where=t.n > 1, name="i")),
        {MYSQL: "add_column t.n", ...: ("add_column t.n", "add_index t.i")},
        blocked={MYSQL: "AM131 t.i"},
    ),
    Case(
        "an index on an expression with a new column follows it",
        lambda M: index_on_new(M, lambda t: ModelIndex(t, [fn.ABS(t.n)], name="i")),
        {MYSQL: "add_column t.n", ...: ("add_column t.n", "add_index t.i")},
        blocked={MYSQL: "AM133 t.i"},
    ),
    Case(
        "an index on an expression with a blocked column is blocked too",
        lambda M: index_on_new(M, lambda t: ModelIndex(t, [fn.ABS(t.n)], name="i"), null=False),
        blocked=("AM111 t.i", "AM101 t.n"),
        says=(
            "t.i: needs the column n, which is blocked. Resolve that first.",
            "t.n: NOT NULL without a default, and the table has rows. Give it a default or "
            "null=True, or add it by your own script, then run again.",
        ),
    ),
]


def index_on_new(M: Maker, index: Any, null: bool = True) -> type[Model]:
    model = M.t(n=IntegerField(null=null))
    model.add_index(index(model))
    return model


def taken(what: str, before: Any, owner: str, on: Any = ALL, **rest: Any) -> Case:
    """The name that the model's index wants is taken."""
    return Case(
        f"an index's name is taken by {what}",
        rest.pop("models", lambda M: wide(M, (("a",), False))),
        before=wide_with(before),
        on=on,
        blocked="AM106 t.t_a",
        says=f"t.t_a: the name is taken by {owner}, and index (a) is missing. "
        "Give the index another name, or rename the other one.",
        **rest,
    )


NAMES = [
    taken("an index on other columns (C6)", "CREATE INDEX t_a ON t (b)", "an index of t"),
    taken("an index in another order", "CREATE INDEX t_a ON t (a DESC)", "an index of t"),
    taken(
        "a partial index (D2)",
        "CREATE INDEX t_a ON t (a) WHERE b > 1",
        "an index of t",
        on=EXPRESSING,
    ),
    taken(
        "another table's index",
        "CREATE TABLE o (a TEXT); CREATE INDEX t_a ON o (a)",
        "an index of o",
        on=[SQLITE, POSTGRES],
    ),
    taken("a table", "CREATE TABLE t_a (a TEXT)", "a table", on=[SQLITE, POSTGRES]),
    taken("a view", "CREATE VIEW t_a AS SELECT 1 AS a", "a view", on=[SQLITE, POSTGRES]),
    Case(
        "an index's name on MySQL is its table's own affair",
        lambda M: wide(M, (("a",), False)),
        "add_index t.t_a",
        before=wide_with(
            "CREATE TABLE o (a VARCHAR(9)); CREATE INDEX t_a ON o (a);"
            "CREATE TABLE t_a (a TEXT); CREATE VIEW i AS SELECT 1 AS a"
        ),
        on=[MYSQL],
    ),
    taken("a sequence", "CREATE SEQUENCE t_a", "a sequence", on=[POSTGRES]),
    taken(
        "a materialized view",
        "CREATE MATERIALIZED VIEW t_a AS SELECT 1 AS a",
        "a materialized view",
        on=[POSTGRES],
    ),
    taken(
        "an index in another case",
        "CREATE INDEX T_A ON t (b)",
        "an index of t",
        on=[SQLITE, MYSQL],
    ),
    Case(
        "an index's name in another case is another name on PostgreSQL",
        lambda M: wide(M, (("a",), False)),
        "add_index t.t_a",
        before=wide_with('CREATE INDEX "T_A" ON t (b)'),
        on=[POSTGRES],
    ),
    Case(
        "a unique index's name is taken by a plain one",
        lambda M: wide(M, (("a",), True)),
        before=wide_with("CREATE INDEX t_a ON t (a)"),
        blocked="AM106 t.t_a",
        says="t.t_a: the name is taken by an index of t, and unique index (a) is missing. "
        "Give the index another name, or rename the other one.",
    ),
    Case(
        "a partial index's name is taken by one with another predicate",
        lambda M: wide(M, where(lambda t: t.b == 1)),
        before=wide_with("CREATE INDEX i ON t (a) WHERE b = 2"),
        blocked="AM106 t.i",
        on=EXPRESSING,
        says={
            SQLITE: "t.i: the name is taken by an index of t, and index (a) where b = 1 is "
            "missing. Give the index another name, or rename the other one.",
            POSTGRES: "t.i: the name is taken by an index of t, and index (a) where b = 1 is "
            "missing. Give the index another name, or rename the other one.",
        },
    ),
    Case(
        "a partial index's name is taken by a whole one",
        lambda M: wide(M, where(lambda t: t.b == 1)),
        before=wide_with("CREATE INDEX i ON t (a)"),
        blocked="AM106 t.i",
        on=EXPRESSING,
    ),
    Case(
        "an expression's index name is taken by one of another expression",
        lambda M: wide(M, over(lambda t: fn.LOWER(t.a))),
        before=wide_with("CREATE INDEX i ON t (upper(a))"),
        blocked="AM106 t.i",
        on=EXPRESSING,
    ),
    Case(
        "two models whose index names collide: the second is blocked, not skipped silently (C4)",
        lambda M: [
            M("shop_item", called="Item", sku=M.text(unique=True)),
            M("stock_item", called="Item", sku=M.text(unique=True)),
        ],
        ("create_table shop_item", "create_table stock_item"),
        before="",
        blocked={MYSQL: (), ...: "AM106 stock_item.item_sku"},
        says="stock_item.item_sku: the name is taken by an index of shop_item, and unique index "
        "(sku) is missing. Give the index another name, or rename the other one.",
    ),
    Case(
        "a trigger takes no name from tables and indexes",
        lambda M: [M.t(a=M.text(index=True)), M("o")],
        ("add_index t.t_a", "create_table o"),
        before=ROWS
        + "".join(
            f"CREATE TRIGGER {name} AFTER UPDATE ON t BEGIN SELECT 1; END;" for name in ("t_a", "o")
        ),
        on=[SQLITE],
    ),
    Case(
        "a new table's index name is taken by another table's index",
        lambda M: M("o", {"indexes": [SQL("CREATE INDEX i ON o (x)")]}, x=M.text()),
        "create_table o",
        before=wide_with("CREATE INDEX i ON t (a)"),
        blocked={MYSQL: (), ...: "AM106 o.i"},
    ),
    Case(
        "the same index name in two schemas is no collision",
        lambda M: [
            M.t(),
            M(
                "o",
                {"schema": "app", "indexes": [SQL("CREATE INDEX i ON app.o (x)")]},
                x=TextField(),
            ),
        ],
        ("create_schema app", "create_table app.o"),
        before=ROWS + "CREATE INDEX i ON t (a)",
        on=[POSTGRES],
    ),
]

STRINGS = [
    Case(
        "an index on a string that was meant as the column would be corrupted by adding it (C1)",
        lambda M: M.t(n=IntegerField(default=0, index=True)),
        before=ROWS + 'CREATE INDEX t_n ON t ("n")',
        on=[SQLITE],
        blocked=("AM113 t.n", "AM106 t.t_n"),
        says=(
            "t.n: the index t_n was made before this column and reads its name as a string; adding "
            "the column would corrupt the index. Drop the index by hand, then run again: "
            'DROP INDEX "t_n"',
            "t.t_n: the name is taken by an index of t, and index (n) is missing. Give the index "
            "another name, or rename the other one.",
        ),
    ),
    Case(
        "a string in an index's predicate that was meant as the column is seen as well",
        lambda M: M.t(n=IntegerField(null=True)),
        before=ROWS + 'CREATE INDEX i ON t (a) WHERE "n" > 1',
        on=[SQLITE],
        blocked="AM113 t.n",
    ),
    Case(
        "a string in an index whose names are in brackets is seen as well",
        lambda M: M.t(n=IntegerField(null=True)),
        before=ROWS + 'CREATE INDEX [the "n`s] ON [t] ("n", [a]) -- ["]',
        on=[SQLITE],
        blocked="AM113 t.n",
    ),
    Case(
        "a string in an index that shares its name with a trigger is seen as well",
        lambda M: M.t(n=IntegerField(null=True, index=True)),
        before=ROWS + "CREATE TRIGGER t_n AFTER UPDATE ON t BEGIN SELECT 1; END;"
        'CREATE INDEX t_n ON t ("n", a)',
        on=[SQLITE],
        blocked=("AM113 t.n", "AM106 t.t_n"),
    ),
    Case(
        "a true string of the column's name in an index is no reason to refuse it",
        lambda M: M.t(n=IntegerField(null=True)),
        "add_column t.n",
        before=ROWS + "CREATE INDEX i ON t ((a || 'n')) WHERE a <> 'n'",
        on=EXPRESSING,
    ),
    Case(
        "a function of the column's name in an index is no reason to refuse it",
        lambda M: M.t(lower=TextField(null=True)),
        "add_column t.lower",
        before=ROWS + "CREATE INDEX i ON t (lower(a))",
        on=EXPRESSING,
    ),
    Case(
        "a word of the language in an index is no reason to refuse a column of its name",
        lambda M: M.t(null=IntegerField(null=True)),
        "add_column t.null",
        before=ROWS + "CREATE INDEX i ON t (a) WHERE a IS NOT NULL",
        on=EXPRESSING,
    ),
    Case(
        "an index on a string that no model has is left alone",
        lambda M: M.t(),
        before=ROWS + 'CREATE INDEX i ON t ("nothing")',
        on=[SQLITE],
    ),
]

CASES = [*UNIQUE, *NAMES, *STRINGS]
