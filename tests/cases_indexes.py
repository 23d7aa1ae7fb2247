"""Cases of indexes that are missing in tables that stand."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from enum import Enum
from typing import Any

from peewee import (
    SQL,
    BooleanField,
    CharField,
    DecimalField,
    ForeignKeyField,
    IntegerField,
    Model,
    ModelIndex,
    fn,
)
from playhouse import postgres_ext

from tests.cases_base import ALL, EXPRESSING, MYSQL, POSTGRES, SQLITE, Case, Maker

WIDE = "CREATE TABLE t (id {id}, a {text} NOT NULL, b INTEGER, c BOOLEAN);"
_ROWS = WIDE + "INSERT INTO t (a, b, c) VALUES ('x', 1, {true}), ('y', 2, {false});"
WIDE_ROWS = {
    kind: _ROWS.replace("{true}", true).replace("{false}", false)
    for kind, true, false in (
        (SQLITE, "1", "0"),
        (POSTGRES, "true", "false"),
        (MYSQL, "true", "false"),
    )
}


def wide(M: Maker, *indexes: Any, **rest: Any) -> type[Model]:
    """Make the model of `WIDE`, with entries of Meta.indexes; functions of the model come last."""
    plain = [index for index in indexes if not callable(index)]
    fields = {"a": M.text(), "b": IntegerField(null=True), "c": BooleanField(null=True), **rest}
    model = M("t", {"indexes": plain}, **fields)
    for index in indexes:
        if callable(index):
            model.add_index(index(model))
    return model


def wide_with(before: Any) -> Any:
    """Return `WIDE_ROWS` and something more, alike or by database."""
    more: dict[Any, str] = before if isinstance(before, dict) else {...: before}
    return {kind: sql + more.get(kind, more.get(..., "")) for kind, sql in WIDE_ROWS.items()}


def added(what: str, *indexes: Any, on: Any = ALL, name: str = "i", **rest: Any) -> Case:
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


def expressed(what: str, *indexes: Any, on: Any = ALL, **rest: Any) -> Case:
    """An index with a predicate or an expression is built, and blocked where there is no such."""
    case = added(what, *indexes, on=on, **rest)
    return replace(
        case,
        changes={MYSQL: (), ...: case.changes},
        effects={MYSQL: (), ...: case.effects},
        blocked={MYSQL: "AM131 t.i" if "partial" in what else "AM133 t.i"},
        refuses={MYSQL: "", ...: case.refuses},
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
    added(
        "unique", (("a", "b"), True), name="t_a_b", refuses="INSERT INTO t (a, b) VALUES ('x', 1)"
    ),
    expressed("partial, =", where(lambda t: t.b == 1)),
    expressed("partial, <>", where(lambda t: t.b != 1)),
    expressed("partial, =, with text", where(lambda t: t.a == "it's 100%")),
    expressed("partial, >", where(lambda t: t.b > 1)),
    expressed("partial, negative number", where(lambda t: t.b > -1)),
    expressed("partial, IN numbers", where(lambda t: t.b.in_([1, 2, 3]))),
    expressed("partial, IN texts", where(lambda t: t.a.in_(["x", "it's", "%"]))),
    expressed("partial, IN one", where(lambda t: t.b.in_([1]))),
    expressed("partial, NOT IN", where(lambda t: t.b.not_in([1, 2]))),
    expressed("partial, AND", where(lambda t: (t.b > 1) & (t.a == "x"))),
    expressed("partial, OR", where(lambda t: (t.b > 1) | (t.a == "x"))),
    expressed("partial, AND in OR", where(lambda t: (t.b > 1) | ((t.a == "x") & (t.b < 9)))),
    expressed("partial, OR in AND", where(lambda t: (t.b > 1) & ((t.a == "x") | (t.b < 9)))),
    expressed("partial, three ANDs", where(lambda t: (t.b > 1) & (t.a == "x") & (t.b < 9))),
    expressed("partial, NOT", where(lambda t: ~(t.b == 1))),
    expressed("partial, BETWEEN", where(lambda t: t.b.between(1, 5))),
    expressed("partial, LIKE with per cent", where(lambda t: t.a ** "x%")),
    added("partial, LIKE of case", where(lambda t: t.a % "x%"), on=[POSTGRES]),
    expressed("partial, startswith", where(lambda t: t.a.startswith("x"))),
    expressed("partial, contains an underscore", where(lambda t: t.a.contains("_x"))),
    expressed("partial, IS NULL", where(lambda t: t.b.is_null())),
    expressed("partial, IS NOT NULL", where(lambda t: t.b.is_null(False))),
    expressed("partial, boolean", where(lambda t: t.c)),
    expressed("partial, boolean = true", where(lambda t: t.c == True)),  # noqa: E712
    expressed("partial, boolean = false", where(lambda t: t.c == False)),  # noqa: E712
    added("partial, NOT boolean", where(lambda t: ~t.c), on=[POSTGRES]),
    expressed("partial, function", where(lambda t: fn.LENGTH(t.a) > 3)),
    expressed("partial, COALESCE", where(lambda t: fn.COALESCE(t.b, 0) > 0)),
    expressed("partial, arithmetic", where(lambda t: (t.b * 2 + 1) > 3)),
    expressed("partial, SQL", where(lambda t: SQL("b > 1 AND a <> ''"))),
    expressed(
        "partial and unique",
        where(lambda t: t.b.is_null(), unique=True),
        refuses="INSERT INTO t (a) VALUES ('w'), ('w')",
    ),
    expressed("LOWER", over(lambda t: fn.LOWER(t.a))),
    expressed("COALESCE of a number", over(lambda t: fn.COALESCE(t.b, 0))),
    expressed("COALESCE of text", over(lambda t: fn.COALESCE(t.a, "it's"))),
    expressed("arithmetic in brackets", over(lambda t: SQL("(b + 1)"))),
    expressed("concatenation", over(lambda t: SQL("(a || '%%')"))),
    expressed("a column and an expression", over(lambda t: t.b, lambda t: fn.LOWER(t.a))),
    expressed("nested functions", over(lambda t: fn.LOWER(fn.TRIM(t.a)))),
    expressed(
        "an expression, partial",
        lambda t: ModelIndex(t, [fn.LOWER(t.a)], where=t.b > 0, name="i", safe=False),
    ),
    expressed(
        "an expression, unique",
        over(lambda t: fn.LOWER(t.a), unique=True),
        refuses="INSERT INTO t (a) VALUES ('X')",
    ),
    expressed("CASE", over(lambda t: SQL("(CASE WHEN b > 0 THEN a ELSE '' END)"))),
    added("CAST", over(lambda t: SQL("(CAST(b AS TEXT))")), on=[SQLITE]),
    added("a cast of PostgreSQL", over(lambda t: SQL("(b::bigint)")), on=[POSTGRES]),
    added("descending", over(lambda t: t.b.desc())),
    added("descending after ascending", over(lambda t: t.a.asc(), lambda t: t.b.desc())),
    added("descending, as SQL", over(lambda t: t.a, lambda t: SQL("b DESC"))),
    added("NULLS LAST", over(lambda t: SQL("b DESC NULLS LAST")), on=[POSTGRES]),
    added("NULLS FIRST", over(lambda t: SQL("b NULLS FIRST")), on=[POSTGRES]),
    added(
        "the usual NULLS",
        over(lambda t: SQL("b ASC NULLS LAST"), lambda t: SQL("a DESC NULLS FIRST")),
        on=[POSTGRES],
    ),
    added("an operator class", over(lambda t: SQL("a text_pattern_ops")), on=[POSTGRES]),
    added("the usual operator class", over(lambda t: SQL("a text_ops")), on=[POSTGRES]),
    added("a collation of PostgreSQL", over(lambda t: SQL('a COLLATE "C"')), on=[POSTGRES]),
    added(
        "a collation and an operator class",
        over(lambda t: SQL('a COLLATE "C" text_pattern_ops DESC')),
        on=[POSTGRES],
    ),
    added("a collation of SQLite", over(lambda t: SQL("a COLLATE NOCASE")), on=[SQLITE]),
    added(
        "a collation of an expression",
        over(lambda t: SQL("lower(a) COLLATE NOCASE DESC")),
        on=[SQLITE],
    ),
    added("hash", over(lambda t: t.a, using="hash"), on=[POSTGRES]),
    added("brin", over(lambda t: t.b, using="brin"), on=[POSTGRES]),
    added(
        "gin on an expression",
        over(lambda t: fn.TO_TSVECTOR(SQL("'simple'"), t.a), using="gin"),
        on=[POSTGRES],
    ),
    added("raw SQL", SQL("CREATE INDEX i ON t (a, b)")),
    added(
        "raw SQL in odd spelling",
        SQL('create  index\n"i" on "t"(A ASC,"b")'),
        on=[SQLITE, POSTGRES],
    ),
    added(
        "raw SQL in odd spelling on MySQL",
        SQL("create  index\n`i` using  BTREE on `t`(A ASC,`b`)"),
        on=[MYSQL],
    ),
    added("raw SQL, IF NOT EXISTS", SQL("CREATE INDEX IF NOT EXISTS i ON t (a, b)")),
    expressed("raw SQL, partial", SQL("CREATE INDEX i ON t (a) WHERE b = 1 OR b IS NULL")),
    added("raw SQL with INCLUDE", SQL("CREATE INDEX i ON t (a) INCLUDE (b)"), on=[POSTGRES]),
    added(
        "raw SQL, unique with INCLUDE",
        SQL("CREATE UNIQUE INDEX i ON t (a) INCLUDE (b)"),
        on=[POSTGRES],
    ),
    added(
        "raw SQL with a fill factor",
        SQL("CREATE INDEX i ON t (a) WITH (fillfactor = 70)"),
        on=[POSTGRES],
    ),
    added(
        "raw SQL, concurrently",
        SQL("CREATE INDEX CONCURRENTLY i ON t (a)"),
        on=[POSTGRES],
        options={"online_rows": 0},
    ),
    added("raw SQL with a comment", SQL("CREATE INDEX i /* of t (so) */ ON t (a) -- the end")),
    added("raw SQL with schema", SQL("CREATE INDEX i ON public.t (a)"), on=[POSTGRES]),
    added("raw SQL with schema on SQLite", SQL("CREATE INDEX main.i ON t (a)"), on=[SQLITE]),
    added(
        "NULLS NOT DISTINCT",
        SQL("CREATE UNIQUE INDEX i ON t (b) NULLS NOT DISTINCT"),
        on=[POSTGRES],
        refuses="INSERT INTO t (a) VALUES ('v'), ('w')",
    ),
    added(
        "the online way",
        (("b",), False),
        name="t_b",
        on=[POSTGRES],
        options={"online_rows": 0},
        before=wide_with("ANALYZE t;"),
    ),
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
    found(
        "under any name", lambda M: wide(M, (("a", "b"), False)), "CREATE INDEX other ON t (a, b)"
    ),
    found(
        "a unique constraint for unique=True (D4, D9)",
        lambda M: wide(M, a=M.text(unique=True)),
        {
            SQLITE: "DROP TABLE t;"
            "CREATE TABLE t (id {id}, a TEXT NOT NULL UNIQUE, b INTEGER, c BOOLEAN)",
            ...: "ALTER TABLE t ADD CONSTRAINT uq_a UNIQUE (a)",
        },
        notes=(),
    ),
    found(
        "a composite unique constraint",
        lambda M: wide(M, (("a", "b"), True)),
        {
            SQLITE: "DROP TABLE t; CREATE TABLE t (id {id}, a TEXT NOT NULL, b INTEGER, c BOOLEAN,"
            " CONSTRAINT uq_ab UNIQUE (a, b))",
            ...: "ALTER TABLE t ADD CONSTRAINT uq_ab UNIQUE (a, b)",
        },
        notes=(),
    ),
    found(
        "a unique one where a plain one is wanted",
        lambda M: wide(M, (("a",), False)),
        "CREATE UNIQUE INDEX other ON t (a)",
    ),
    found(
        "a deferrable unique constraint",
        lambda M: wide(M, (("a",), True)),
        {POSTGRES: "ALTER TABLE t ADD UNIQUE (a) DEFERRABLE"},
        on=[POSTGRES],
    ),
    found(
        "one with INCLUDE columns",
        lambda M: wide(M, (("a",), True)),
        {POSTGRES: "CREATE UNIQUE INDEX other ON t (a) INCLUDE (b)"},
        on=[POSTGRES],
    ),
    found(
        "the primary key for an index of the same columns", lambda M: wide(M, (("id",), True)), ""
    ),
    found(
        "columns in another case",
        lambda M: wide(M, (("a", "b"), False)),
        {SQLITE: 'CREATE INDEX OTHER ON T ("A", B)', MYSQL: 'CREATE INDEX OTHER ON t ("A", B)'},
        on=[SQLITE, MYSQL],
    ),
    found(
        "an expression in another spelling",
        lambda M: wide(M, over(lambda t: fn.LOWER(t.a))),
        "CREATE INDEX other ON t (  lower ( a ) )",
        on=EXPRESSING,
    ),
    found(
        "an expression whose names are in brackets",
        lambda M: wide(M, over(lambda t: fn.LOWER(t.a), lambda t: t.b)),
        {SQLITE: "CREATE INDEX [the other] ON [t] (lower([a]), [b] ASC)"},
        on=[SQLITE],
    ),
    found(
        "an index declared twice",
        lambda M: wide(M, (("a",), False), a=M.text(index=True)),
        "CREATE INDEX other ON t (a)",
    ),
    found(
        "an index named like a primary key (D4)",
        lambda M: wide(M, SQL("CREATE INDEX my_pkey ON t (a)")),
        "CREATE INDEX my_pkey ON t (a)",
    ),
    found(
        "whatever its name when only legacy names differ (D14)",
        lambda M: wide(M, b=IntegerField(null=True, index=True)),
        "CREATE INDEX useraccount_b ON t (b)",
    ),
]

MISSING = [
    Case(
        "an index declared twice is built once",
        lambda M: wide(M, (("a",), False), a=M.text(index=True)),
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
        before=wide_with(
            {
                SQLITE: "CREATE UNIQUE INDEX other ON t (a COLLATE NOCASE)",
                POSTGRES: 'CREATE INDEX other ON t (a COLLATE "POSIX")',
            }
        ),
        on=[SQLITE, POSTGRES],
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
        on=EXPRESSING,
    ),
    Case(
        "a unique index of an expression too does not satisfy one without, also in brackets",
        lambda M: wide(M, (("a",), True)),
        "add_index t.t_a",
        before=wide_with("CREATE UNIQUE INDEX [other] ON [t] ([a], lower([a]))"),
        on=[SQLITE],
    ),
    Case(
        "a unique index that can't be read does not satisfy one without expressions",
        lambda M: wide(M, (("a",), True)),
        "add_index t.t_a",
        before=wide_with("CREATE UNIQUE INDEX other🙂 ON t (a, lower(a))"),
        on=[SQLITE],
        notes=("AM302 t.other🙂",),
    ),
    Case(
        "an INVALID index under another name does not satisfy, and is reported",
        lambda M: wide(M, (("a",), False)),
        "add_index t.t_a",
        before=wide_with(
            "CREATE INDEX other ON t (a); UPDATE pg_index SET indisvalid = false"
            " WHERE indexrelid = 'other'::regclass"
        ),
        on=[POSTGRES],
        drift="AM211 t.other",
    ),
    Case(
        "an INVALID leftover of the same definition is built again (D3)",
        lambda M: wide(M, (("a",), True)),
        "add_index t.t_a",
        before=wide_with(
            "CREATE UNIQUE INDEX t_a ON t (a); UPDATE pg_index SET indisvalid = false"
            " WHERE indexrelid = 't_a'::regclass"
        ),
        on=[POSTGRES],
        notes=("AM308 t.t_a",),
        then=("SELECT indisvalid FROM pg_index WHERE indexrelid = 't_a'::regclass", [(True,)]),
        refuses="INSERT INTO t (a) VALUES ('x')",
    ),
    Case(
        "an INVALID leftover is built again online where the table is large",
        lambda M: wide(M, (("a",), True)),
        "add_index t.t_a",
        before=wide_with(
            "CREATE UNIQUE INDEX t_a ON t (a); UPDATE pg_index SET indisvalid = false"
            " WHERE indexrelid = 't_a'::regclass; ANALYZE t"
        ),
        on=[POSTGRES],
        options={"online_rows": 0},
        then=("SELECT indisvalid FROM pg_index WHERE indexrelid = 't_a'::regclass", [(True,)]),
    ),
    Case(
        "an INVALID leftover of an expression is built again",
        lambda M: wide(M, over(lambda t: fn.LOWER(t.a), unique=True)),
        "add_index t.i",
        before=wide_with(
            "CREATE UNIQUE INDEX i ON t (lower(a)); UPDATE pg_index SET indisvalid = false"
            " WHERE indexrelid = 'i'::regclass"
        ),
        on=[POSTGRES],
        refuses="INSERT INTO t (a) VALUES ('X')",
    ),
    Case(
        "an INVALID index of the name and another definition is not dropped",
        lambda M: wide(M, (("a",), True)),
        before=wide_with(
            "CREATE INDEX t_a ON t (b); UPDATE pg_index SET indisvalid = false"
            " WHERE indexrelid = 't_a'::regclass"
        ),
        on=[POSTGRES],
        blocked="AM106 t.t_a",
        drift="AM211 t.t_a",
        then=("SELECT count(*) FROM pg_index WHERE indexrelid = 't_a'::regclass", [(1,)]),
    ),
    Case(
        "a foreign key's index is added beside an existing constraint, where that made none",
        lambda M: [M("c", p=ForeignKeyField(M("p"), column_name="p", null=True)), M("p")],
        {MYSQL: (), ...: "add_index c.c_p"},
        before="CREATE TABLE p (id {id}); CREATE TABLE c (id {id}, p INTEGER REFERENCES p (id))",
    ),
]


class State(str, Enum):
    ACTIVE = "active"


def with_state(M: Maker) -> type[Model]:
    model = M.t(n=CharField(default=State.ACTIVE))
    model.add_index(model.index(model.a, unique=True, where=model.n == State.ACTIVE, name="one"))
    return model


def with_amount(M: Maker) -> type[Model]:
    model = M.t(n=DecimalField(default=0))
    model.add_index(model.index(model.a, where=model.n > Decimal("1.50"), name="big"))
    return model


VALUES = [
    Case(
        "a predicate has the value of an enumeration that a driver would be given",
        with_state,
        ("add_column t.n", "add_index t.one"),
        before="CREATE TABLE t (id {id}, a {text} NOT NULL); INSERT INTO t (a) VALUES ('x')",
        on=[SQLITE, POSTGRES],
        refuses="INSERT INTO t (a, n) VALUES ('x', 'active')",
    ),
    Case(
        "a predicate has a number of a Decimal",
        with_amount,
        ("add_column t.n", "add_index t.big"),
        on=[SQLITE, POSTGRES],
    ),
]

CASES = [*FORMS, *FOUND, *MISSING, *VALUES]
