"""Cases of indexes that are missing in tables that stand."""

from __future__ import annotations

from typing import Any

from peewee import (
    SQL,
    BooleanField,
    CharField,
    ForeignKeyField,
    IntegerField,
    Model,
    ModelIndex,
    TextField,
    fn,
)
from playhouse import postgres_ext

from tests.cases_base import BOTH, POSTGRES, ROWS, SQLITE, TABLE, Case, Maker

WIDE = "CREATE TABLE t (id {id}, a TEXT NOT NULL, b INTEGER, c BOOLEAN);"
WIDE_ROWS = WIDE + "INSERT INTO t (a, b, c) VALUES ('x', 1, {true}), ('y', 2, {false});"
WIDE_ROWS = {
    SQLITE: WIDE_ROWS.format(id="{id}", true="1", false="0"),
    POSTGRES: WIDE_ROWS.format(id="{id}", true="true", false="false"),
}


def wide(M: Maker, *indexes: Any, **rest: Any) -> type[Model]:
    """Make the model of `WIDE`, with entries of Meta.indexes; functions of the model come last."""
    plain = [index for index in indexes if not callable(index)]
    fields = {"a": TextField(), "b": IntegerField(null=True), "c": BooleanField(null=True), **rest}
    model = M("t", {"indexes": plain}, **fields)
    for index in indexes:
        if callable(index):
            model.add_index(index(model))
    return model


def wide_with(before: Any) -> Any:
    """Return `WIDE_ROWS` and something more, alike or by database."""
    more = before if isinstance(before, dict) else {SQLITE: before, POSTGRES: before}
    return {kind: WIDE_ROWS[kind] + sql for kind, sql in more.items()}


def added(what: str, *indexes: Any, on: Any = BOTH, name: str = "i", **rest: Any) -> Case:
    """An index of one form is built, and the next plan finds it."""
    return Case(
        f"an index is built and then found: {what}",
        lambda M: wide(M, *indexes),
        f"add_index t.{name}",
        before=rest.pop("before", WIDE_ROWS),
        on=on,
        effects="builds",
        **rest,
    )


def where(condition: Any, **options: Any) -> Any:
    """Return a function that makes an index on `a` with a predicate."""
    return lambda t: ModelIndex(t, [t.a], where=condition(t), name="i", safe=False, **options)


def over(*keys: Any, **options: Any) -> Any:
    """Return a function that makes an index on what each key makes of the model."""
    return lambda t: ModelIndex(t, [key(t) for key in keys], name="i", safe=False, **options)


FORMS = [
    added("of one column", (("b",), False), name="t_b"),
    added("of several columns", (("b", "a"), False), name="t_b_a"),
    added("unique", (("a", "b"), True), name="t_a_b", refuses="INSERT INTO t (a, b) VALUES ('x', 1)"),
    added("partial, =", where(lambda t: t.b == 1)),
    added("partial, <>", where(lambda t: t.b != 1)),
    added("partial, =, with text", where(lambda t: t.a == "it's 100%")),
    added("partial, >", where(lambda t: t.b > 1)),
    added("partial, negative number", where(lambda t: t.b > -1)),
    added("partial, IN numbers", where(lambda t: t.b.in_([1, 2, 3]))),
    added("partial, IN texts", where(lambda t: t.a.in_(["x", "it's", "%"]))),
    added("partial, IN one", where(lambda t: t.b.in_([1]))),
    added("partial, NOT IN", where(lambda t: t.b.not_in([1, 2]))),
    added("partial, AND", where(lambda t: (t.b > 1) & (t.a == "x"))),
    added("partial, OR", where(lambda t: (t.b > 1) | (t.a == "x"))),
    added("partial, AND in OR", where(lambda t: (t.b > 1) | ((t.a == "x") & (t.b < 9)))),
    added("partial, OR in AND", where(lambda t: (t.b > 1) & ((t.a == "x") | (t.b < 9)))),
    added("partial, three ANDs", where(lambda t: (t.b > 1) & (t.a == "x") & (t.b < 9))),
    added("partial, NOT", where(lambda t: ~(t.b == 1))),
    added("partial, BETWEEN", where(lambda t: t.b.between(1, 5))),
    added("partial, LIKE with per cent", where(lambda t: t.a ** "x%")),
    added("partial, LIKE of case", where(lambda t: t.a % "x%"), on=[POSTGRES]),
    added("partial, startswith", where(lambda t: t.a.startswith("x"))),
    added("partial, contains an underscore", where(lambda t: t.a.contains("_x"))),
    added("partial, IS NULL", where(lambda t: t.b.is_null())),
    added("partial, IS NOT NULL", where(lambda t: t.b.is_null(False))),
    added("partial, boolean", where(lambda t: t.c)),
    added("partial, boolean = true", where(lambda t: t.c == True)),  # noqa: E712
    added("partial, boolean = false", where(lambda t: t.c == False)),  # noqa: E712
    added("partial, NOT boolean", where(lambda t: ~t.c), on=[POSTGRES]),
    added("partial, function", where(lambda t: fn.LENGTH(t.a) > 3)),
    added("partial, COALESCE", where(lambda t: fn.COALESCE(t.b, 0) > 0)),
    added("partial, arithmetic", where(lambda t: (t.b * 2 + 1) > 3)),
    added("partial, SQL", where(lambda t: SQL("b > 1 AND a <> ''"))),
    added("partial and unique", where(lambda t: t.b.is_null(), unique=True),
          refuses="INSERT INTO t (a) VALUES ('w'), ('w')"),
    added("LOWER", over(lambda t: fn.LOWER(t.a))),
    added("COALESCE of a number", over(lambda t: fn.COALESCE(t.b, 0))),
    added("COALESCE of text", over(lambda t: fn.COALESCE(t.a, "it's"))),
    added("arithmetic in brackets", over(lambda t: SQL("(b + 1)"))),
    added("concatenation", over(lambda t: SQL("(a || '%%')"))),
    added("a column and an expression", over(lambda t: t.b, lambda t: fn.LOWER(t.a))),
    added("nested functions", over(lambda t: fn.LOWER(fn.TRIM(t.a)))),
    added("an expression, partial", lambda t: ModelIndex(
        t, [fn.LOWER(t.a)], where=t.b > 0, name="i", safe=False)),
    added("an expression, unique", over(lambda t: fn.LOWER(t.a), unique=True),
          refuses="INSERT INTO t (a) VALUES ('X')"),
    added("CASE", over(lambda t: SQL("(CASE WHEN b > 0 THEN a ELSE '' END)"))),
    added("CAST", over(lambda t: SQL("(CAST(b AS TEXT))")), on=[SQLITE]),
    added("a cast of PostgreSQL", over(lambda t: SQL("(b::bigint)")), on=[POSTGRES]),
    added("descending", over(lambda t: t.b.desc())),
    added("descending after ascending", over(lambda t: t.a.asc(), lambda t: t.b.desc())),
    added("descending, as SQL", over(lambda t: t.a, lambda t: SQL("b DESC"))),
    added("NULLS LAST", over(lambda t: SQL("b DESC NULLS LAST")), on=[POSTGRES]),
    added("NULLS FIRST", over(lambda t: SQL("b NULLS FIRST")), on=[POSTGRES]),
    added("the usual NULLS", over(lambda t: SQL("b ASC NULLS LAST"), lambda t: SQL("a DESC NULLS FIRST")),
          on=[POSTGRES]),
    added("an operator class", over(lambda t: SQL("a text_pattern_ops")), on=[POSTGRES]),
    added("the usual operator class", over(lambda t: SQL("a text_ops")), on=[POSTGRES]),
    added("a collation of PostgreSQL", over(lambda t: SQL('a COLLATE "C"')), on=[POSTGRES]),
    added("a collation and an operator class", over(lambda t: SQL('a COLLATE "C" text_pattern_ops DESC')),
          on=[POSTGRES]),
    added("a collation of SQLite", over(lambda t: SQL("a COLLATE NOCASE")), on=[SQLITE]),
    added("a collation of an expression", over(lambda t: SQL("lower(a) COLLATE NOCASE DESC")), on=[SQLITE]),
    added("hash", over(lambda t: t.a, using="hash"), on=[POSTGRES]),
    added("brin", over(lambda t: t.b, using="brin"), on=[POSTGRES]),
    added("gin on an expression", over(lambda t: fn.TO_TSVECTOR(SQL("'simple'"), t.a), using="gin"),
          on=[POSTGRES]),
    added("raw SQL", SQL("CREATE INDEX i ON t (a, b)")),
    added("raw SQL in odd spelling", SQL('create  index\n"i" on "t"(A ASC,"b")')),
    added("raw SQL, IF NOT EXISTS", SQL("CREATE INDEX IF NOT EXISTS i ON t (a, b)")),
    added("raw SQL, partial", SQL("CREATE INDEX i ON t (a) WHERE b = 1 OR b IS NULL")),
    added("raw SQL with INCLUDE", SQL("CREATE INDEX i ON t (a) INCLUDE (b)"), on=[POSTGRES]),
    added("raw SQL, unique with INCLUDE", SQL("CREATE UNIQUE INDEX i ON t (a) INCLUDE (b)"), on=[POSTGRES]),
    added("raw SQL with a fill factor", SQL("CREATE INDEX i ON t (a) WITH (fillfactor = 70)"), on=[POSTGRES]),
    added("raw SQL, concurrently", SQL("CREATE INDEX CONCURRENTLY i ON t (a)"), on=[POSTGRES],
          options={"online_rows": 0}),
    added("raw SQL with a comment", SQL("CREATE INDEX i /* of t (so) */ ON t (a) -- the end")),
    added("raw SQL with schema", SQL("CREATE INDEX i ON public.t (a)"), on=[POSTGRES]),
    added("raw SQL with schema on SQLite", SQL("CREATE INDEX main.i ON t (a)"), on=[SQLITE]),
    added("NULLS NOT DISTINCT", SQL("CREATE UNIQUE INDEX i ON t (b) NULLS NOT DISTINCT"), on=[POSTGRES],
          refuses="INSERT INTO t (a) VALUES ('v'), ('w')"),
    added("the online way", (("b",), False), name="t_b", on=[POSTGRES], options={"online_rows": 0},
          before=wide_with("ANALYZE t;")),
    Case(
        "an index on an array is a GIN index",
        lambda M: M.t(n=postgres_ext.ArrayField(IntegerField, null=True)),
        "add_index t.t_n",
        before="CREATE TABLE t (id {id}, a TEXT NOT NULL, n INTEGER[]);",
        on=[POSTGRES],
    ),
    Case(
        "a btree index on an array is not the GIN index that the model wants (D13)",
        lambda M: M.t(n=postgres_ext.ArrayField(IntegerField, null=True)),
        before="CREATE TABLE t (id {id}, a TEXT NOT NULL, n INTEGER[]); CREATE INDEX t_n ON t (n)",
        on=[POSTGRES],
        blocked="AM106 t.t_n",
        says="t.t_n: the name is taken by an index of t, and index using gin (n) is missing. "
        "Give the index another name, or rename the other one.",
    ),
    Case(
        "nulls_distinct=False is built and then found",
        lambda M: wide(M, over(lambda t: t.b, unique=True, nulls_distinct=False)),
        "add_index t.i",
        before=WIDE_ROWS,
        on=[POSTGRES],
        refuses="INSERT INTO t (a) VALUES ('v'), ('w')",
        peewee=(4, 3),
    ),
    Case(
        "a unique index with distinct nulls does not satisfy nulls_distinct=False",
        lambda M: wide(M, over(lambda t: t.b, unique=True, nulls_distinct=False)),
        "add_index t.i",
        before=wide_with("CREATE UNIQUE INDEX j ON t (b)"),
        on=[POSTGRES],
        peewee=(4, 3),
    ),
]


def found(what: str, models: Any, before: Any, **rest: Any) -> Case:
    """Nothing is missing: what stands does what the model wants."""
    return Case(f"an index is found: {what}", models, before=wide_with(before), **rest)


FOUND = [
    found("under any name", lambda M: wide(M, (("a", "b"), False)), "CREATE INDEX other ON t (a, b)"),
    found("a unique constraint for unique=True (D4, D9)", lambda M: wide(M, a=TextField(unique=True)),
          {SQLITE: "DROP TABLE t; CREATE TABLE t (id {id}, a TEXT NOT NULL UNIQUE, b INTEGER, c BOOLEAN)",
           POSTGRES: "ALTER TABLE t ADD CONSTRAINT uq_a UNIQUE (a)"}, notes=()),
    found("a composite unique constraint", lambda M: wide(M, (("a", "b"), True)),
          {SQLITE: "DROP TABLE t; CREATE TABLE t (id {id}, a TEXT NOT NULL, b INTEGER, c BOOLEAN,"
           " CONSTRAINT uq_ab UNIQUE (a, b))",
           POSTGRES: "ALTER TABLE t ADD CONSTRAINT uq_ab UNIQUE (a, b)"}, notes=()),
    found("a unique one where a plain one is wanted", lambda M: wide(M, (("a",), False)),
          "CREATE UNIQUE INDEX other ON t (a)"),
    found("a deferrable unique constraint", lambda M: wide(M, (("a",), True)),
          {POSTGRES: "ALTER TABLE t ADD UNIQUE (a) DEFERRABLE"}, on=[POSTGRES]),
    found("one with INCLUDE columns", lambda M: wide(M, (("a",), True)),
          {POSTGRES: "CREATE UNIQUE INDEX other ON t (a) INCLUDE (b)"}, on=[POSTGRES]),
    found("the primary key for an index of the same columns",
          lambda M: wide(M, (("id",), True)), ""),
    found("columns in another case", lambda M: wide(M, (("a", "b"), False)),
          {SQLITE: 'CREATE INDEX OTHER ON T ("A", B)'}, on=[SQLITE]),
    found("an expression in another spelling", lambda M: wide(M, over(lambda t: fn.LOWER(t.a))),
          "CREATE INDEX other ON t (  lower ( a ) )"),
    found("an index declared twice", lambda M: wide(M, (("a",), False), a=TextField(index=True)),
          "CREATE INDEX other ON t (a)"),
    found("an index named like a primary key (D4)", lambda M: wide(M, SQL("CREATE INDEX my_pkey ON t (a)")),
          "CREATE INDEX my_pkey ON t (a)"),
    found("whatever its name when only legacy names differ (D14)",
          lambda M: wide(M, b=IntegerField(null=True, index=True)), "CREATE INDEX useraccount_b ON t (b)"),
]

MISSING = [
    Case(
        "an index declared twice is built once",
        lambda M: wide(M, (("a",), False), a=TextField(index=True)),
        "add_index t.t_a",
        before=WIDE_ROWS,
    ),
    Case(
        "the columns in another order are another index",
        lambda M: wide(M, (("a", "b"), False)),
        "add_index t.t_a_b",
        before=wide_with("CREATE INDEX other ON t (b, a)"),
    ),
    Case(
        "a longer index does not stand for a shorter one",
        lambda M: wide(M, (("a",), False)),
        "add_index t.t_a",
        before=wide_with("CREATE INDEX other ON t (a, b)"),
    ),
    Case(
        "INCLUDE columns are no keys",
        lambda M: wide(M, (("a", "b"), False)),
        "add_index t.t_a_b",
        before=wide_with("CREATE INDEX other ON t (a) INCLUDE (b)"),
        on=[POSTGRES],
    ),
    Case(
        "a descending index does not stand for an ascending one",
        lambda M: wide(M, (("a",), False)),
        "add_index t.t_a",
        before=wide_with("CREATE INDEX other ON t (a DESC)"),
    ),
    Case(
        "an index of another collation does not stand for a plain one",
        lambda M: wide(M, (("a",), True)),
        "add_index t.t_a",
        before=wide_with({SQLITE: "CREATE UNIQUE INDEX other ON t (a COLLATE NOCASE)",
                          POSTGRES: 'CREATE INDEX other ON t (a COLLATE "POSIX")'}),
    ),
    Case(
        "an index of another operator class does not stand for a plain one",
        lambda M: wide(M, (("a",), False)),
        "add_index t.t_a",
        before=wide_with("CREATE INDEX other ON t (a text_pattern_ops)"),
        on=[POSTGRES],
    ),
    Case(
        "a plain index does not satisfy a unique one",
        lambda M: wide(M, (("a",), True)),
        "add_index t.t_a",
        before=wide_with("CREATE INDEX other ON t (a)"),
        refuses="INSERT INTO t (a) VALUES ('x')",
    ),
    Case(
        "a partial unique index does not satisfy a whole one",
        lambda M: wide(M, (("a",), True)),
        "add_index t.t_a",
        before=wide_with("CREATE UNIQUE INDEX other ON t (a) WHERE b > 1"),
    ),
    Case(
        "an INVALID index under another name does not satisfy, and is reported",
        lambda M: wide(M, (("a",), False)),
        "add_index t.t_a",
        before=wide_with("CREATE INDEX other ON t (a); UPDATE pg_index SET indisvalid = false"
                         " WHERE indexrelid = 'other'::regclass"),
        on=[POSTGRES],
        drift="AM211 t.other",
    ),
    Case(
        "an INVALID leftover of the same definition is built again (D3)",
        lambda M: wide(M, (("a",), True)),
        "add_index t.t_a",
        before=wide_with("CREATE UNIQUE INDEX t_a ON t (a); UPDATE pg_index SET indisvalid = false"
                         " WHERE indexrelid = 't_a'::regclass"),
        on=[POSTGRES],
        notes=("AM308 t.t_a",),
        then=("SELECT indisvalid FROM pg_index WHERE indexrelid = 't_a'::regclass", [(True,)]),
        refuses="INSERT INTO t (a) VALUES ('x')",
    ),
    Case(
        "an INVALID leftover is built again online where the table is large",
        lambda M: wide(M, (("a",), True)),
        "add_index t.t_a",
        before=wide_with("CREATE UNIQUE INDEX t_a ON t (a); UPDATE pg_index SET indisvalid = false"
                         " WHERE indexrelid = 't_a'::regclass; ANALYZE t"),
        on=[POSTGRES],
        options={"online_rows": 0},
        then=("SELECT indisvalid FROM pg_index WHERE indexrelid = 't_a'::regclass", [(True,)]),
    ),
    Case(
        "an INVALID leftover of an expression is built again",
        lambda M: wide(M, over(lambda t: fn.LOWER(t.a), unique=True)),
        "add_index t.i",
        before=wide_with("CREATE UNIQUE INDEX i ON t (lower(a)); UPDATE pg_index SET indisvalid = false"
                         " WHERE indexrelid = 'i'::regclass"),
        on=[POSTGRES],
        refuses="INSERT INTO t (a) VALUES ('X')",
    ),
    Case(
        "an INVALID index of the name and another definition is not dropped",
        lambda M: wide(M, (("a",), True)),
        before=wide_with("CREATE INDEX t_a ON t (b); UPDATE pg_index SET indisvalid = false"
                         " WHERE indexrelid = 't_a'::regclass"),
        on=[POSTGRES],
        blocked="AM106 t.t_a",
        drift="AM211 t.t_a",
        then=("SELECT count(*) FROM pg_index WHERE indexrelid = 't_a'::regclass", [(1,)]),
    ),
    Case(
        "a foreign key's index is added beside an existing constraint",
        lambda M: [M("c", p=ForeignKeyField(M("p"), column_name="p", null=True)), M("p")],
        "add_index c.c_p",
        before="CREATE TABLE p (id {id}); CREATE TABLE c (id {id}, p INTEGER REFERENCES p (id))",
    ),
]

DUPLICATES = ROWS + "INSERT INTO t (a) VALUES ('x'), ('x'), ('y');"


def doubled(sentence: str, models: Any, before: Any, name: str, says: Any = (), **rest: Any) -> Case:
    return Case(sentence, models, before=before, blocked=f"AM105 t.{name}", says=says, **rest)


UNIQUE = [
    doubled(
        "a unique index over duplicates is blocked with the keys",
        lambda M: M.t(a=TextField(unique=True)),
        DUPLICATES,
        "t_a",
        "t.t_a: unique index (a) over duplicate rows: 2 keys stand more than once, for example "
        "('x') 3 times, ('y') 2 times. Remove the duplicates, then run again. This query lists "
        'them: SELECT "a", count(*) FROM "t" WHERE "a" IS NOT NULL GROUP BY "a" HAVING count(*) > 1',
    ),
    doubled(
        "a composite unique index over duplicates is blocked with the keys",
        lambda M: wide(M, (("a", "b"), True)),
        wide_with("INSERT INTO t (a, b) VALUES ('x', 1), ('y', NULL), ('y', NULL);"),
        "t_a_b",
        "t.t_a_b: unique index (a, b) over duplicate rows: 1 keys stand more than once, for example "
        "('x', 1) 2 times. Remove the duplicates, then run again. This query lists them: "
        'SELECT "a", "b", count(*) FROM "t" WHERE "a" IS NOT NULL AND "b" IS NOT NULL '
        'GROUP BY "a", "b" HAVING count(*) > 1',
    ),
    doubled(
        "no more than five keys are shown",
        lambda M: M.t(a=TextField(unique=True)),
        TABLE + "INSERT INTO t (a) VALUES ('1'),('2'),('3'),('4'),('5'),('6'),"
        "('1'),('2'),('3'),('4'),('5'),('6')",
        "t_a",
    ),
    doubled(
        "a partial unique index over duplicates is blocked",
        lambda M: wide(M, where(lambda t: t.b == 1, unique=True)),
        wide_with("INSERT INTO t (a, b) VALUES ('x', 1), ('y', 3), ('y', 3);"),
        "i",
    ),
    Case(
        "duplicates outside of a partial unique index do not matter",
        lambda M: wide(M, where(lambda t: t.b == 1, unique=True)),
        "add_index t.i",
        before=wide_with("INSERT INTO t (a, b) VALUES ('y', 3), ('y', 3);"),
    ),
    doubled(
        "a unique index on an expression over duplicates is blocked",
        lambda M: wide(M, over(lambda t: fn.LOWER(t.a), unique=True)),
        wide_with("INSERT INTO t (a) VALUES ('X');"),
        "i",
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
        "t.i: unique index (b) nulls not distinct over duplicate rows: 1 keys stand more than "
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
        ("add_column t.n", "add_index t.i"),
    ),
    Case(
        "an index on an expression with a new column follows it",
        lambda M: index_on_new(M, lambda t: ModelIndex(t, [fn.ABS(t.n)], name="i")),
        ("add_column t.n", "add_index t.i"),
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


def taken(what: str, before: Any, owner: str, on: Any = BOTH, **rest: Any) -> Case:
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
    taken("a partial index (D2)", "CREATE INDEX t_a ON t (a) WHERE b > 1", "an index of t"),
    taken("another table's index", "CREATE TABLE o (a TEXT); CREATE INDEX t_a ON o (a)", "an index of o"),
    taken("a table", "CREATE TABLE t_a (a TEXT)", "a table"),
    taken("a view", "CREATE VIEW t_a AS SELECT 1 AS a", "a view"),
    taken("a sequence", "CREATE SEQUENCE t_a", "a sequence", on=[POSTGRES]),
    taken("a materialized view", "CREATE MATERIALIZED VIEW t_a AS SELECT 1 AS a", "a materialized view",
          on=[POSTGRES]),
    taken("an index in another case", "CREATE INDEX T_A ON t (b)", "an index of t", on=[SQLITE]),
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
        says={SQLITE: "t.i: the name is taken by an index of t, and index (a) where b = 1 is "
              "missing. Give the index another name, or rename the other one.",
              POSTGRES: "t.i: the name is taken by an index of t, and index (a) where b = 1 is "
              "missing. Give the index another name, or rename the other one."},
    ),
    Case(
        "a partial index's name is taken by a whole one",
        lambda M: wide(M, where(lambda t: t.b == 1)),
        before=wide_with("CREATE INDEX i ON t (a)"),
        blocked="AM106 t.i",
    ),
    Case(
        "an expression's index name is taken by one of another expression",
        lambda M: wide(M, over(lambda t: fn.LOWER(t.a))),
        before=wide_with("CREATE INDEX i ON t (upper(a))"),
        blocked="AM106 t.i",
    ),
    Case(
        "two models whose index names collide: the second is blocked, not skipped silently (C4)",
        lambda M: [
            M("shop_item", called="Item", sku=TextField(unique=True)),
            M("stock_item", called="Item", sku=TextField(unique=True)),
        ],
        ("create_table shop_item", "create_table stock_item"),
        before="",
        blocked="AM106 stock_item.item_sku",
        says="stock_item.item_sku: the name is taken by an index of shop_item, and unique index "
        "(sku) is missing. Give the index another name, or rename the other one.",
    ),
    Case(
        "a new table's index name is taken by another table's index",
        lambda M: M("o", {"indexes": [SQL("CREATE INDEX i ON o (x)")]}, x=TextField()),
        "create_table o",
        before=wide_with("CREATE INDEX i ON t (a)"),
        blocked="AM106 o.i",
    ),
    Case(
        "the same index name in two schemas is no collision",
        lambda M: [M.t(), M("o", {"schema": "app", "indexes": [SQL("CREATE INDEX i ON app.o (x)")]},
                            x=TextField())],
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
            "the column would corrupt the index. Drop the index by hand, then run again: DROP INDEX "
            '"t_n"',
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
        "a true string of the column's name in an index is no reason to refuse it",
        lambda M: M.t(n=IntegerField(null=True)),
        "add_column t.n",
        before=ROWS + "CREATE INDEX i ON t ((a || 'n')) WHERE a <> 'n'",
    ),
    Case(
        "a function of the column's name in an index is no reason to refuse it",
        lambda M: M.t(lower=TextField(null=True)),
        "add_column t.lower",
        before=ROWS + "CREATE INDEX i ON t (lower(a))",
    ),
    Case(
        "a word of the language in an index is no reason to refuse a column of its name",
        lambda M: M.t(null=IntegerField(null=True)),
        "add_column t.null",
        before=ROWS + "CREATE INDEX i ON t (a) WHERE a IS NOT NULL",
    ),
    Case(
        "an index on a string that no model has is left alone",
        lambda M: M.t(),
        before=ROWS + 'CREATE INDEX i ON t ("nothing")',
        on=[SQLITE],
    ),
]

CASES = [*FORMS, *FOUND, *MISSING, *UNIQUE, *NAMES, *STRINGS]
