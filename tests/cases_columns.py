"""Cases of columns that are missing in tables that stand."""

from __future__ import annotations

import itertools
import uuid
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from peewee import (
    SQL,
    BigBitField,
    BigIntegerField,
    BitField,
    BlobField,
    BooleanField,
    CharField,
    CompositeKey,
    DateField,
    DateTimeField,
    DecimalField,
    DoubleField,
    Field,
    FixedCharField,
    FloatField,
    ForeignKeyField,
    IdentityField,
    IntegerField,
    IPField,
    SmallIntegerField,
    TextField,
    TimeField,
    TimestampField,
    UUIDField,
)
from playhouse import postgres_ext, sqlite_ext

from tests.cases_base import BOTH, POSTGRES, ROWS, SQLITE, TABLE, Case, Maker, sql_default

ONE_ROW = TABLE + "INSERT INTO t (a) VALUES ('x');"
UUID = uuid.UUID("12345678-1234-5678-1234-567812345678")
NASTY = "it's \"quoted\" `so` 100% %s %(n)s ? :n $1 \\ back\\'slash; -- no /* comment\n\ttab"
DISTINCT = "SELECT count(DISTINCT n), count(n) FROM t"
MARKS = "SELECT n, count(*) FROM t GROUP BY n"


def fails() -> Any:
    raise RuntimeError("no default today")


def constant(what: str, field: Any, value: Any, on: Any = BOTH, **rest: Any) -> Case:
    """A NOT NULL column whose default is the same in each row."""
    return Case(
        f"a constant default stays in the database and fills old rows: {what}",
        lambda M: M.t(n=field()),
        "add_column t.n",
        on=on,
        values={"n": [value] * 3},
        effects="instant",
        **rest,
    )


CONSTANTS = [
    constant("an int", lambda: IntegerField(default=7), 7),
    constant("zero", lambda: IntegerField(default=0), 0),
    constant("a negative int", lambda: IntegerField(default=-7), -7),
    constant("a small int", lambda: SmallIntegerField(default=-32768), -32768),
    constant("an int of 64 bits", lambda: BigIntegerField(default=-(2**63)), -(2**63)),
    constant("true", lambda: BooleanField(default=True), True),
    constant("false", lambda: BooleanField(default=False), False),
    constant("text with signs that SQL and drivers know", lambda: TextField(default=NASTY), NASTY),
    constant("text in other scripts", lambda: CharField(default="żółć 🐘 ß"), "żółć 🐘 ß"),
    constant("empty text", lambda: CharField(default=""), ""),
    constant("text that reads as NULL", lambda: CharField(default="NULL"), "NULL"),
    constant("text that reads as a number", lambda: CharField(default="007"), "007"),
    constant("text that fills its length", lambda: CharField(4, default="żółć"), "żółć"),
    constant("text of fixed length", lambda: FixedCharField(3, default="abc"), "abc"),
    constant("a float", lambda: FloatField(default=-1.5), -1.5),
    constant("a float of all digits", lambda: DoubleField(default=0.1 + 0.2), 0.1 + 0.2),
    constant("a tiny float", lambda: DoubleField(default=1e-300), 1e-300),
    constant("a huge float", lambda: DoubleField(default=1e300), 1e300),
    constant("infinity", lambda: DoubleField(default=float("inf")), float("inf")),
    constant("a decimal", lambda: DecimalField(8, 2, default=Decimal("12.30")), Decimal("12.30")),
    constant("a date", lambda: DateField(default=date(2024, 2, 29)), date(2024, 2, 29)),
    constant("a time", lambda: TimeField(default=time(23, 59, 1)), time(23, 59, 1)),
    constant(
        "a time of a day with microseconds",
        lambda: DateTimeField(default=datetime(2024, 2, 29, 1, 2, 3, 456)),
        datetime(2024, 2, 29, 1, 2, 3, 456),
    ),
    constant(
        "a timestamp",
        lambda: TimestampField(default=datetime(2024, 2, 29, 1, 2, 3)),
        datetime(2024, 2, 29, 1, 2, 3),
    ),
    constant("bytes", lambda: BlobField(default=b"\0'\\%\xff"), b"\0'\\%\xff"),
    constant("no bytes", lambda: BlobField(default=b""), b""),
    constant("a uuid", lambda: UUIDField(default=UUID), UUID),
    constant("flags", lambda: BitField(default=5), 5),
    constant("an address", lambda: IPField(default="127.0.0.1"), "127.0.0.1"),
    constant("what a callable gives each time", lambda: IntegerField(default=lambda: 5), 5),
    constant("an array", lambda: postgres_ext.ArrayField(IntegerField, default=[1, 2], index=False),
             [1, 2], on=[POSTGRES]),
    constant("the class list for an array",
             lambda: postgres_ext.ArrayField(CharField, default=list, index=False), [], on=[POSTGRES]),
    constant("an array of text with commas and quotes",
             lambda: postgres_ext.ArrayField(TextField, default=['a,"b"', "c'\\d%"], index=False),
             ['a,"b"', "c'\\d%"], on=[POSTGRES]),
    constant("the class dict for JSONB",
             lambda: postgres_ext.BinaryJSONField(default=dict, index=False), {}, on=[POSTGRES]),
    constant("nested JSONB", lambda: postgres_ext.BinaryJSONField(
        default={"it's": [1, None, True, "100%"]}, index=False),
        {"it's": [1, None, True, "100%"]}, on=[POSTGRES]),
    constant("a list as JSON", lambda: postgres_ext.JSONField(default=lambda: [1]), [1], on=[POSTGRES]),
    constant("an interval", lambda: postgres_ext.IntervalField(default=__import__("datetime").timedelta(hours=1)),
             __import__("datetime").timedelta(hours=1), on=[POSTGRES]),
    constant("the class dict for SQLite's JSON", lambda: sqlite_ext.JSONField(default=dict), {},
             on=[SQLITE]),
    constant("nested JSON in SQLite", lambda: sqlite_ext.JSONField(default={"it's": [1, None, "%"]}),
             {"it's": [1, None, "%"]}, on=[SQLITE]),
    Case(
        "a nullable column's constant default fills old rows too",
        lambda M: M.t(n=IntegerField(null=True, default=7)),
        "add_column t.n",
        values={"n": [7, 7, 7]},
    ),
    Case(
        "choices, help text and a verbose name make no difference",
        lambda M: M.t(n=IntegerField(default=1, choices=[(1, "one")], help_text="h", verbose_name="v")),
        "add_column t.n",
        values={"n": [1, 1, 1]},
    ),
    Case(
        "several columns of one table are added in one run",
        lambda M: M.t(n=IntegerField(default=1), m=TextField(null=True), o=BooleanField(default=True)),
        ("add_column t.n", "add_column t.m", "add_column t.o"),
        values={"n": [1, 1, 1], "m": [None] * 3, "o": [True] * 3},
    ),
]

NULLABLE = [
    Case(
        "a nullable column without a default is added, old rows hold NULL",
        lambda M: M.t(n=IntegerField(null=True)),
        "add_column t.n",
        values={"n": [None] * 3},
        effects="instant",
    ),
    Case(
        "NOT NULL without a default is added to an empty table",
        lambda M: M.t(n=IntegerField()),
        "add_column t.n",
        before=TABLE,
        refuses="INSERT INTO t (a) VALUES ('old release')",
    ),
    Case(
        "NOT NULL without a default is blocked on a table with rows",
        lambda M: M.t(n=IntegerField()),
        blocked="AM101 t.n",
        says="t.n: NOT NULL without a default, and the table has rows. Give it a default or "
        "null=True, or add it by your own script, then run again.",
    ),
    Case(
        "everything that is blocked comes in one error, and skipping adds the rest",
        lambda M: [
            M.t(n=IntegerField(), m=IntegerField(null=True), u=IntegerField(unique=True, default=1)),
            M("other", b=IntegerField()),
        ],
        ("add_column t.m", "create_table other"),
        blocked=("AM101 t.n", "AM111 t.t_u", "AM104 t.u"),
        says=(
            "t.n: NOT NULL without a default, and the table has rows. Give it a default or "
            "null=True, or add it by your own script, then run again.",
            "t.t_u: needs the column u, which is blocked. Resolve that first.",
            "t.u: unique, and its constant default would stand in 3 rows. Give it null=True "
            "without a default, or a default that differs for each row.",
        ),
    ),
    Case(
        "a nullable array gets its GIN index",
        lambda M: M.t(n=postgres_ext.ArrayField(IntegerField, null=True)),
        ("add_column t.n", "add_index t.t_n"),
        on=[POSTGRES],
        then=("SELECT amname FROM pg_class c JOIN pg_am a ON a.oid = relam WHERE relname = 't_n'",
              [("gin",)]),
    ),
    Case(
        "JSONB with a default gets its GIN index",
        lambda M: M.t(n=postgres_ext.BinaryJSONField(default=dict)),
        ("add_column t.n", "add_index t.t_n"),
        on=[POSTGRES],
        values={"n": [{}] * 3},
    ),
    Case(
        "a text search column gets its GIN index",
        lambda M: M.t(n=postgres_ext.TSVectorField(null=True)),
        ("add_column t.n", "add_index t.t_n"),
        on=[POSTGRES],
    ),
    Case(
        "a column of a type that the database lacks is blocked",
        lambda M: M.t(n=postgres_ext.HStoreField(null=True, index=False)),
        blocked="AM116 t.n",
        on=[POSTGRES],
        says="t.n: the type hstore is unknown to the database. Create the type or its extension "
        "first, then run again.",
    ),
    Case(
        "a column of a type made by hand is added",
        lambda M: M.t(n=Mood(default="it's")),
        "add_column t.n",
        before=ROWS + "CREATE TYPE mood AS ENUM ('sad', 'it''s');",
        on=[POSTGRES],
        values={"n": ["it's"] * 3},
    ),
    Case(
        "a domain without a constraint is added",
        lambda M: M.t(n=Mood(null=True)),
        "add_column t.n",
        before=ROWS + "CREATE DOMAIN mood AS text;",
        on=[POSTGRES],
    ),
    Case(
        "a domain with a constraint rewrites the table, and the plan says so",
        lambda M: M.t(n=Mood(default="ok")),
        "add_column t.n",
        before=ROWS + "CREATE DOMAIN mood AS text CHECK (value <> '');",
        on=[POSTGRES],
        effects="rewrites",
    ),
    Case(
        "a collation is added with its column",
        lambda M: M.t(n=CharField(null=True, collation={"sqlite": "NOCASE", "postgres": '"C"'}[kind(M)])),
        "add_column t.n",
        then={
            SQLITE: ("SELECT sql LIKE '% COLLATE NOCASE%' FROM sqlite_master WHERE name = 't'",
                     [(1,)]),
            POSTGRES: ("SELECT collation_name FROM information_schema.columns WHERE table_name = 't'"
                       " AND column_name = 'n'", [("C",)]),
        },
    ),
]


class Mood(Field):
    """A field of a type that somebody made by hand."""

    field_type = "mood"


def kind(M: Maker) -> str:
    return SQLITE if "Sqlite" in type(M.database).__name__ else POSTGRES


BAD_DEFAULTS = [
    Case(
        "a default longer than max_length is blocked",
        lambda M: M.t(n=CharField(max_length=3, default="long")),
        blocked="AM110 t.n",
        says="t.n: the default can't be used: ValueError: 'long' is longer than 3 characters. "
        "Give it a default that fits the column, then run again.",
    ),
    Case(
        "a default that raises is blocked",
        lambda M: M.t(n=IntegerField(default=fails)),
        blocked="AM110 t.n",
        says="t.n: the default can't be used: RuntimeError: no default today. "
        "Give it a default that fits the column, then run again.",
    ),
    Case(
        "a default that its column refuses is blocked",
        lambda M: M.t(n=IntegerField(default="seven")),
        blocked="AM110 t.n",
        on=[POSTGRES],
    ),
    Case(
        "a default that its field refuses is blocked",
        lambda M: M.t(n=IPField(default="no address")),
        blocked="AM110 t.n",
    ),
    Case(
        "a default that raises does not matter while its column stands",
        lambda M: M.t(n=IntegerField(default=fails)),
        before="CREATE TABLE t (id {id}, a TEXT NOT NULL, n INTEGER NOT NULL)",
    ),
    Case(
        "an int that is too large for its column is blocked",
        lambda M: M.t(n=SmallIntegerField(default=40_000)),
        blocked="AM110 t.n",
        on=[POSTGRES],
    ),
    Case(
        "a decimal that is too large for its column is blocked",
        lambda M: M.t(n=DecimalField(3, 1, default=Decimal("1234.5"))),
        blocked="AM110 t.n",
        on=[POSTGRES],
    ),
    Case(
        "a default with a NUL character, which no literal can hold, is blocked",
        lambda M: M.t(n=TextField(default="a\0b")),
        blocked="AM110 t.n",
    ),
    Case(
        "a type that a STRICT table refuses is blocked",
        lambda M: M.t(n=CharField(null=True)),
        before="CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, a TEXT NOT NULL) STRICT;"
        "INSERT INTO t (a) VALUES ('x');",
        blocked="AM116 t.n",
        on=[SQLITE],
    ),
    Case(
        "a default that a STRICT table refuses is blocked",
        lambda M: M.t(n=IntegerField(constraints=sql_default("'text'"))),
        before="CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, a TEXT NOT NULL) STRICT;"
        "INSERT INTO t (a) VALUES ('x');",
        blocked="AM110 t.n",
        on=[SQLITE],
    ),
]

COMPOSITE = "CREATE TABLE t (a TEXT NOT NULL, b INTEGER NOT NULL, PRIMARY KEY (a, b))"
PAIRS = "; INSERT INTO t (a, b) VALUES ('x', 1), ('x', 2), ('y', 1)"


def varying(what: str, before: Any, on: Any = BOTH, meta: Any = None, drift: Any = (),
            **fields: Any) -> Case:
    """A column in which each row gets a value of its own."""
    return Case(
        f"a varying default gives each row its own value: {what}",
        lambda M: M("t", meta, n=UUIDField(default=uuid.uuid4),
                    **{name: field() for name, field in fields.items()}),
        "add_column t.n",
        before=before,
        on=on,
        drift=drift,
        notes=("AM305 t.n",),
        effects="fills",
        then=(DISTINCT, [(3, 3)]),
    )


VARYING = [
    varying("with a usual key", ROWS, a=TextField),
    varying("without a primary key", "CREATE TABLE t (a TEXT NOT NULL);"
            "INSERT INTO t (a) VALUES ('x'), ('x'), ('x')", meta={"primary_key": False}, a=TextField),
    varying("with a composite key", COMPOSITE + PAIRS, a=TextField, b=IntegerField,
            meta={"primary_key": CompositeKey("a", "b")}),
    varying("without rowid", COMPOSITE + "WITHOUT ROWID" + PAIRS, on=[SQLITE], a=TextField,
            b=IntegerField, meta={"primary_key": CompositeKey("a", "b"), "without_rowid": True}),
    varying("with a comment behind WITHOUT ROWID", COMPOSITE + "WITHOUT ROWID -- (so small)\n" + PAIRS,
            on=[SQLITE], a=TextField, b=IntegerField,
            meta={"primary_key": CompositeKey("a", "b"), "without_rowid": True}),
    varying("with a text key that is NULL", "CREATE TABLE t (a TEXT PRIMARY KEY);"
            "INSERT INTO t (a) VALUES (NULL), (NULL), ('x')", on=[SQLITE], drift="AM202 t.a",
            a=lambda: TextField(primary_key=True)),
    varying("with a key in upper case and a per cent sign",
            'CREATE TABLE t ("A%" TEXT PRIMARY KEY NOT NULL);'
            "INSERT INTO t VALUES ('%s'), ('%%'), ('''')",
            a=lambda: TextField(primary_key=True, column_name="A%")),
    varying("with a column named rowid", "CREATE TABLE t (rowid TEXT NOT NULL, id {id});"
            "INSERT INTO t (rowid) VALUES ('same'), ('same'), ('same')", rowid=TextField),
    varying("with columns of all names that a rowid has",
            "CREATE TABLE t (rowid TEXT, _rowid_ TEXT, oid TEXT, id {id});"
            "INSERT INTO t (rowid) VALUES ('same'), ('same'), ('same')", on=[SQLITE],
            rowid=lambda: TextField(null=True), oid=lambda: TextField(null=True),
            _rowid_=lambda: TextField(null=True)),
    varying("in a partitioned table", "CREATE TABLE t (id INTEGER NOT NULL) PARTITION BY RANGE (id);"
            "CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (0) TO (2);"
            "CREATE TABLE t_2 PARTITION OF t DEFAULT;"
            "INSERT INTO t VALUES (1), (2), (3)", on=[POSTGRES], id=IntegerField,
            meta={"primary_key": False}),
    Case(
        "2,500 rows get 2,500 values",
        lambda M: M.t(n=IntegerField(default=itertools.count(1).__next__)),
        "add_column t.n",
        before=TABLE + "INSERT INTO t (a) WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL "
        "SELECT i + 1 FROM s WHERE i < 2500) SELECT 'row' FROM s",
        effects="fills",
        then=(DISTINCT, [(2500, 2500)]),
    ),
    Case(
        "a varying default of a nullable column fills old rows as well, without a note",
        lambda M: M.t(n=IntegerField(null=True, default=itertools.count(1).__next__)),
        "add_column t.n",
        notes=(),
        then=(DISTINCT, [(3, 3)]),
    ),
    Case(
        "a unique column with a varying default is filled, then indexed",
        lambda M: M.t(n=UUIDField(default=uuid.uuid4, unique=True)),
        ("add_column t.n", "add_index t.t_n"),
        effects=("fills", "builds"),
        then=(DISTINCT, [(3, 3)]),
    ),
    Case(
        "a varying default on an empty table fills nothing",
        lambda M: M.t(n=UUIDField(default=uuid.uuid4)),
        "add_column t.n",
        before=TABLE,
        then=(DISTINCT, [(0, 0)]),
    ),
    Case(
        "a date from a callable is taken once for all rows",
        lambda M: M.t(n=DateTimeField(default=datetime.now)),
        "add_column t.n",
        effects="instant",
        then=(DISTINCT, [(1, 3)]),
    ),
    Case(
        "a date field's callable is taken once for all rows",
        lambda M: M.t(n=DateField(default=date.today)),
        "add_column t.n",
        effects="instant",
        then=(DISTINCT, [(1, 3)]),
    ),
    Case(
        "a timestamp field's own default is taken once for all rows",
        lambda M: M.t(n=TimestampField()),
        "add_column t.n",
        effects="instant",
        then=(DISTINCT, [(1, 3)]),
    ),
    Case(
        "a time in a text field from a callable is taken once for all rows",
        lambda M: M.t(n=DateTimeField(default=lambda: datetime.now().isoformat())),
        "add_column t.n",
        effects="instant",
        then=(DISTINCT, [(1, 3)]),
    ),
    Case(
        "a field of flags in bytes is filled",
        lambda M: M.t(n=BigBitField()),
        "add_column t.n",
        then=("SELECT count(*) FROM t WHERE length(n) = 0", [(3,)]),
    ),
]

SQL_DEFAULTS = [
    Case(
        f"a constant default in SQL is added: {text}",
        lambda M, text=text, field=field: M.t(n=field(constraints=sql_default(text))),
        "add_column t.n",
        effects="instant",
        values={"n": [value] * 3},
    )
    for text, field, value in (
        ("7", IntegerField, 7),
        ("-1", IntegerField, -1),
        ("(1)", IntegerField, 1),
        ("TRUE", BooleanField, True),
        ("'it''s'", TextField, "it's"),
        ("1.5e0", DoubleField, 1.5),
    )
]
SQL_DEFAULTS += [
    Case(
        "a default in SQL wins over the model's own",
        lambda M: M.t(n=IntegerField(default=1, constraints=sql_default("2"))),
        "add_column t.n",
        values={"n": [2, 2, 2]},
    ),
    Case(
        "DEFAULT NULL in SQL is no default for a NOT NULL column",
        lambda M: M.t(n=IntegerField(constraints=sql_default("NULL"))),
        blocked="AM101 t.n",
    ),
    Case(
        "DEFAULT NULL in SQL is fine for a nullable column",
        lambda M: M.t(n=IntegerField(null=True, constraints=sql_default("NULL"))),
        "add_column t.n",
        values={"n": [None] * 3},
    ),
    Case(
        "DEFAULT CURRENT_TIMESTAMP is added on PostgreSQL, and blocked on SQLite with rows",
        lambda M: M.t(n=DateTimeField(constraints=sql_default("CURRENT_TIMESTAMP"))),
        {POSTGRES: "add_column t.n"},
        effects={POSTGRES: "instant"},
        blocked={SQLITE: "AM103 t.n"},
        says="t.n: the default CURRENT_TIMESTAMP is not a constant, and SQLite adds no such column "
        "to a table with rows. Declare it null=True without that, or add it by your own script, "
        "then run again.",
    ),
    Case(
        "DEFAULT CURRENT_TIMESTAMP beside a Python default is no other case",
        lambda M: M.t(n=DateTimeField(default=datetime.now,
                                      constraints=sql_default("CURRENT_TIMESTAMP"))),
        {POSTGRES: "add_column t.n"},
        blocked={SQLITE: "AM103 t.n"},
    ),
    Case(
        "DEFAULT CURRENT_TIMESTAMP is added to an empty table",
        lambda M: M.t(n=DateTimeField(constraints=sql_default("CURRENT_TIMESTAMP"))),
        "add_column t.n",
        before=TABLE,
    ),
    Case(
        "an expression as default is blocked on SQLite with rows",
        lambda M: M.t(n=IntegerField(constraints=sql_default("(1+1)"))),
        {POSTGRES: "add_column t.n"},
        effects={POSTGRES: "instant"},
        blocked={SQLITE: "AM103 t.n"},
    ),
    Case(
        "an expression as default is added to an empty table",
        lambda M: M.t(n=IntegerField(constraints=sql_default("(1+1)"))),
        "add_column t.n",
        before=TABLE,
    ),
    Case(
        "a blob as default in SQL is a constant",
        lambda M: M.t(n=BlobField(constraints=sql_default("x'00ff'"))),
        "add_column t.n",
        on=[SQLITE],
        values={"n": [b"\x00\xff"] * 3},
    ),
    Case(
        "a volatile default rewrites the table, and the plan says so",
        lambda M: M.t(n=UUIDField(constraints=sql_default("gen_random_uuid()"))),
        "add_column t.n",
        on=[POSTGRES],
        effects="rewrites",
        then=(DISTINCT, [(3, 3)]),
    ),
    Case(
        "a default from a sequence rewrites the table, and the plan says so",
        lambda M: M.t(n=IntegerField(constraints=sql_default("nextval('s')"))),
        "add_column t.n",
        before=ROWS + "CREATE SEQUENCE other; CREATE SEQUENCE s START 5;",
        on=[POSTGRES],
        effects="rewrites",
        moves=("s",),
        then=("SELECT min(n), max(n) FROM t", [(5, 7)]),
    ),
    Case(
        "now() is taken once and rewrites nothing",
        lambda M: M.t(n=DateTimeField(constraints=sql_default("now()"))),
        "add_column t.n",
        on=[POSTGRES],
        effects="instant",
        then=(DISTINCT, [(1, 3)]),
    ),
]

CHECKS = [
    Case(
        "a CHECK that each row passes comes with its column",
        lambda M: M.t(n=IntegerField(default=7, constraints=[SQL("CHECK (n > 0)")])),
        "add_column t.n",
        effects="scans",
        refuses="INSERT INTO t (a, n) VALUES ('w', 0)",
        then={
            SQLITE: ("SELECT count(*) FROM t WHERE n = 7", [(3,)]),
            POSTGRES: ("SELECT convalidated FROM pg_constraint WHERE conname = 't_n_check'",
                       [(True,)]),
        },
    ),
    Case(
        "a CHECK with a name keeps it",
        lambda M: M.t(n=IntegerField(default=7, constraints=[SQL("CONSTRAINT positive CHECK (n > 0)")])),
        "add_column t.n",
        on=[POSTGRES],
        then=("SELECT convalidated, pg_get_constraintdef(oid) FROM pg_constraint"
              " WHERE conname = 'positive'", [(True, "CHECK ((n > 0))")]),
    ),
    Case(
        "a CHECK that the default fails is blocked",
        lambda M: M.t(n=IntegerField(default=0, constraints=[SQL("CHECK (n > 0)")])),
        blocked="AM114 t.n",
        says={
            SQLITE: "t.n: 3 rows would fail CHECK (n > 0). Give it a default that passes, then run "
            'again. This query lists them: SELECT * FROM (SELECT "t".*, 0 AS "n" FROM "t" AS "t") '
            'AS "t" WHERE NOT (n > 0)',
            POSTGRES: "t.n: 3 rows would fail CHECK (n > 0). Give it a default that passes, then "
            'run again. This query lists them: SELECT * FROM (SELECT "t".*, CAST(0 AS integer) AS '
            '"n" FROM "t" AS "t") AS "t" WHERE NOT (n > 0)',
        },
    ),
    Case(
        "a CHECK against an old column that only some rows fail is blocked",
        lambda M: M.t(n=TextField(default="x", constraints=[SQL("CHECK (n <> a)")])),
        blocked="AM114 t.n",
    ),
    Case(
        "a CHECK does not mind NULL",
        lambda M: M.t(n=IntegerField(null=True, constraints=[SQL("CHECK (n > 0)")])),
        "add_column t.n",
        values={"n": [None] * 3},
    ),
    Case(
        "a CHECK with a per cent sign is added as Peewee's own would be",
        lambda M: M.t(n=IntegerField(default=4, constraints=[
            SQL("CHECK (n % 2 = 0)" if kind(M) == SQLITE else "CHECK (n %% 2 = 0)")])),
        "add_column t.n",
        refuses={SQLITE: "INSERT INTO t (a, n) VALUES ('w', 1)",
                 POSTGRES: "INSERT INTO t (a, n) VALUES ('w', 1)"},
    ),
    Case(
        "a UNIQUE in a column's constraints is blocked on SQLite",
        lambda M: M.t(n=IntegerField(null=True, constraints=[SQL("UNIQUE")])),
        blocked="AM103 t.n",
        on=[SQLITE],
    ),
]

UNIQUE = [
    Case(
        "a nullable unique column is added, then its index",
        lambda M: M.t(n=IntegerField(null=True, unique=True)),
        ("add_column t.n", "add_index t.t_n"),
        values={"n": [None] * 3},
    ),
    Case(
        "a unique constant default fits into an empty table",
        lambda M: M.t(n=IntegerField(default=7, unique=True)),
        ("add_column t.n", "add_index t.t_n"),
        before=TABLE,
    ),
    Case(
        "a unique constant default fits into one row",
        lambda M: M.t(n=IntegerField(default=7, unique=True)),
        ("add_column t.n", "add_index t.t_n"),
        before=ONE_ROW,
        refuses="INSERT INTO t (a) VALUES ('old release')",
    ),
    Case(
        "a unique constant default in more than one row is blocked",
        lambda M: M.t(n=CharField(default="", unique=True)),
        blocked=("AM104 t.n", "AM111 t.t_n"),
        says=(
            "t.n: unique, and its constant default would stand in 3 rows. Give it null=True "
            "without a default, or a default that differs for each row.",
            "t.t_n: needs the column n, which is blocked. Resolve that first.",
        ),
    ),
    Case(
        "an indexed column is added, then its index",
        lambda M: M.t(n=IntegerField(default=7, index=True)),
        ("add_column t.n", "add_index t.t_n"),
        effects=("instant", "builds"),
    ),
    Case(
        "a composite unique index over a new constant and an old distinct column is added",
        lambda M: M.t({"indexes": [(("a", "n"), True)]}, n=IntegerField(default=7)),
        ("add_column t.n", "add_index t.t_a_n"),
        refuses="INSERT INTO t (a, n) VALUES ('x', 7)",
    ),
    Case(
        "a composite unique index over a new constant and repeated old values is blocked",
        lambda M: M.t({"indexes": [(("a", "n"), True)]}, n=IntegerField(default=7)),
        "add_column t.n",
        before=ROWS + "INSERT INTO t (a) VALUES ('x'), ('y')",
        blocked="AM105 t.t_a_n",
    ),
]

KEYS = [
    Case(
        "an automatic primary key is not added to a table that stands",
        lambda M: M("t", a=TextField()),
        before="CREATE TABLE t (a TEXT NOT NULL)",
        blocked="AM102 t.id",
        drift="AM204 t",
        says="t.id: part of the primary key, which can't be added to a table that stands. "
        "Add it by your own script, then run again.",
    ),
    Case(
        "an identity column is not added to a table that stands",
        lambda M: M("t", id=IdentityField(), a=TextField()),
        before="CREATE TABLE t (a TEXT NOT NULL)",
        blocked="AM102 t.id",
        drift="AM204 t",
        on=[POSTGRES],
    ),
    Case(
        "a part of a composite primary key is not added",
        lambda M: M("t", {"primary_key": CompositeKey("a", "b")}, a=TextField(), b=IntegerField(default=1)),
        before="CREATE TABLE t (a TEXT NOT NULL PRIMARY KEY)",
        blocked="AM102 t.b",
        drift="AM204 t",
    ),
    Case(
        "a stored generated column is not added",
        lambda M: M.t(n=IntegerField(null=True, constraints=[
            SQL("GENERATED ALWAYS AS (length(a)) STORED")])),
        blocked="AM102 t.n",
        says="t.n: a stored generated column, which can't be added to a table that stands. "
        "Add it by your own script, then run again.",
    ),
    Case(
        "a virtual generated column is added",
        lambda M: M.t(n=IntegerField(null=True, constraints=[
            SQL("GENERATED ALWAYS AS (length(a)) VIRTUAL")])),
        "add_column t.n",
        on=[SQLITE],
        values={"n": [1, 1, 1]},
    ),
    Case(
        "generated columns that stand are seen",
        lambda M: M.t(n=IntegerField(null=True), m=IntegerField(null=True)),
        before={
            SQLITE: "CREATE TABLE t (id {id}, a TEXT NOT NULL, n INTEGER AS (length(a)) VIRTUAL,"
            " m INTEGER AS (length(a)) STORED); INSERT INTO t (a) VALUES ('x')",
            POSTGRES: "CREATE TABLE t (id {id}, a TEXT NOT NULL,"
            " n INTEGER GENERATED ALWAYS AS (length(a)) STORED,"
            " m INTEGER GENERATED ALWAYS AS (length(a)) STORED); INSERT INTO t (a) VALUES ('x')",
        },
    ),
    Case(
        "an identity column that stands is as good as a serial one",
        lambda M: M.t(),
        before="CREATE TABLE t (id INTEGER GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,"
        " a TEXT NOT NULL); INSERT INTO t (a) VALUES ('x')",
        on=[POSTGRES],
    ),
    Case(
        "a serial column that stands is as good as an identity field",
        lambda M: M.t(id=IdentityField()),
        on=[POSTGRES],
    ),
]

PARENT = "CREATE TABLE p (id {id}, code INTEGER NOT NULL UNIQUE);" \
    "INSERT INTO p (code) VALUES (100);"


def key(sentence: str, changes: Any, before: Any = ROWS + PARENT, to: Any = None, **rest: Any) -> Case:
    """A column `n` of `t` that refers to `p`; ``to`` are the field's options."""

    def models(M: Maker) -> Any:
        p = M("p", code=IntegerField(unique=True))
        options = {name: getattr(p, value) if name == "field" else value
                   for name, value in (to or {}).items()}
        return [M.t(n=ForeignKeyField(p, column_name="n", **options)), p]

    return Case(sentence, models, changes, before=before, **rest)


FK_TEXT = "SELECT convalidated, pg_get_constraintdef(oid) FROM pg_constraint" \
    " WHERE contype = 'f' AND conrelid = 't'::regclass"
FK_LIST = "SELECT \"table\", \"from\", \"to\", on_update, on_delete" \
    " FROM pragma_foreign_key_list('t')"
FOREIGN_KEYS = [
    key(
        "a nullable foreign key column comes with its constraint and index",
        ("add_column t.n", "add_index t.t_n"),
        to={"null": True},
        then={
            SQLITE: (FK_LIST, [("p", "n", "id", "NO ACTION", "NO ACTION")]),
            POSTGRES: (FK_TEXT, [(True, "FOREIGN KEY (n) REFERENCES p(id)")]),
        },
        values={"n_id": [None] * 3} and {},
    ),
    key(
        "a foreign key keeps its actions, and that it is deferrable",
        ("add_column t.n", "add_index t.t_n"),
        to={"null": True, "on_delete": "CASCADE", "on_update": "SET NULL",
            "deferrable": "INITIALLY DEFERRED"},
        then={
            SQLITE: (FK_LIST, [("p", "n", "id", "SET NULL", "CASCADE")]),
            POSTGRES: (FK_TEXT, [(True, "FOREIGN KEY (n) REFERENCES p(id) ON UPDATE SET NULL"
                                  " ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED")]),
        },
    ),
    key(
        "a foreign key keeps its name",
        "add_column t.n",
        to={"null": True, "index": False, "constraint_name": 'to "p" 100%'},
        then={
            SQLITE: ("SELECT count(*) FROM sqlite_master WHERE name = 't'"
                     " AND sql LIKE '%CONSTRAINT \"to \"\"p\"\" 100%%\" REFERENCES%'", [(1,)]),
            POSTGRES: ("SELECT conname FROM pg_constraint WHERE contype = 'f'", [('to "p" 100%',)]),
        },
    ),
    key(
        "a foreign key to a unique column that is no primary key is added",
        ("add_column t.n", "add_index t.t_n"),
        to={"null": True, "field": "code"},
        then={
            SQLITE: (FK_LIST, [("p", "n", "code", "NO ACTION", "NO ACTION")]),
            POSTGRES: (FK_TEXT, [(True, "FOREIGN KEY (n) REFERENCES p(code)")]),
        },
    ),
    key(
        "a foreign key to a new table is added",
        ("create_table p", "add_column t.n", "add_index t.t_n"),
        before=ROWS,
        to={"null": True},
    ),
    key(
        "a foreign key to a unique column that is new too is added",
        ("add_column p.code", "add_index p.p_code", "add_column t.n", "add_index t.t_n"),
        before={
            SQLITE: ROWS + "CREATE TABLE p (id {id})",
        },
        on=[SQLITE],
        to={"null": True, "field": "code"},
    ),
    key(
        "a foreign key to a unique column that is new too follows its index on PostgreSQL",
        ("add_column p.code", "add_index p.p_code", "add_column t.n", "add_index t.t_n",
         "add_foreign_key t.n"),
        before=ROWS + "CREATE TABLE p (id {id})",
        on=[POSTGRES],
        to={"null": True, "field": "code"},
        then=(FK_TEXT, [(True, "FOREIGN KEY (n) REFERENCES p(code)")]),
    ),
    key(
        "a foreign key NOT NULL without a default is blocked on a table with rows",
        (),
        blocked=("AM101 t.n", "AM111 t.t_n"),
    ),
    key(
        "a foreign key with a default whose row is there is added on PostgreSQL only",
        {POSTGRES: ("add_column t.n", "add_index t.t_n")},
        to={"default": 1},
        blocked={SQLITE: ("AM103 t.n", "AM111 t.t_n")},
        effects={POSTGRES: ("scans", "builds")},
        says=(
            "t.n: SQLite adds no foreign key column with a default to a table with rows, since it "
            "would not check the default. Declare it null=True without that, or add it by your own "
            "script, then run again.",
            "t.t_n: needs the column n, which is blocked. Resolve that first.",
        ),
        then={SQLITE: ("SELECT 1", [(1,)]),
              POSTGRES: (FK_TEXT, [(True, "FOREIGN KEY (n) REFERENCES p(id)")])},
    ),
    key(
        "a foreign key with a default whose row is not there is blocked",
        (),
        to={"default": 2},
        blocked={POSTGRES: ("AM115 t.n", "AM111 t.t_n"), SQLITE: ("AM103 t.n", "AM111 t.t_n")},
        says={
            SQLITE: (),
            POSTGRES: (
                "t.n: the default 2 is not in p (id). Insert that row first, or give it null=True "
                "without a default.",
                "t.t_n: needs the column n, which is blocked. Resolve that first.",
            ),
        },
    ),
    key(
        "a foreign key with a default to a table that is new is blocked",
        "create_table p",
        before=ROWS,
        to={"default": 1},
        blocked={POSTGRES: ("AM115 t.n", "AM111 t.t_n"), SQLITE: ("AM103 t.n", "AM111 t.t_n")},
    ),
    key(
        "a foreign key with a default is added to an empty table",
        ("add_column t.n", "add_index t.t_n"),
        before=TABLE + PARENT,
        to={"default": 1},
    ),
    Case(
        "a foreign key to its own table is added",
        lambda M: M.t(n=ForeignKeyField("self", null=True, column_name="n")),
        ("add_column t.n", "add_index t.t_n"),
        then={SQLITE: (FK_LIST, [("t", "n", "id", "NO ACTION", "NO ACTION")]),
              POSTGRES: (FK_TEXT, [(True, "FOREIGN KEY (n) REFERENCES t(id)")])},
    ),
    Case(
        "a foreign key to a table that is neither declared nor there is blocked",
        lambda M: M.t(n=ForeignKeyField(M("p"), null=True, column_name="n")),
        blocked=("AM109 t.n", "AM111 t.t_n"),
        says=(
            "t.n: refers to the table p, which is neither in the database nor among the models. "
            "Name its model too, then run again.",
            "t.t_n: needs the column n, which is blocked. Resolve that first.",
        ),
    ),
    Case(
        "a foreign key to a table that is there but not declared is added",
        lambda M: M.t(n=ForeignKeyField(M("p"), null=True, column_name="n")),
        ("add_column t.n", "add_index t.t_n"),
        before=ROWS + PARENT,
    ),
    Case(
        "a foreign key to a column that is neither key nor unique is blocked on PostgreSQL",
        lambda M: M.t(n=ForeignKeyField(M("p", code=IntegerField()), field="code", null=True,
                                        column_name="n", index=False)),
        {SQLITE: "add_column t.n"},
        before=ROWS + "CREATE TABLE p (id {id}, code INTEGER NOT NULL)",
        blocked={POSTGRES: "AM117 t.n"},
        on=[POSTGRES],
        says="t.n: refers to p (code), which is neither its primary key nor unique. "
        "Declare that field unique=True, then run again.",
    ),
]


def trap(number: str, what: str, before: str, **rest: Any) -> Case:
    """A table that a rebuild would harm; see S1 to S11 in the tracker's facts."""
    fields = rest.pop("fields", {"a": TextField})
    return Case(
        f"{what} survives a NOT NULL column with a default ({number})",
        lambda M: M("t", rest.get("meta"), n=IntegerField(default=7),
                    **{name: field() for name, field in fields.items()}),
        "add_column t.n",
        before=before,
        on=[SQLITE],
        effects="instant",
        **{name: value for name, value in rest.items() if name != "meta"},
    )


REBUILDS = [
    trap("S1", "a view", ROWS + "CREATE VIEW v AS SELECT a FROM t"),
    trap("S2", "a child row that would be deleted by cascade",
         ROWS + "PRAGMA foreign_keys = ON;"
         "CREATE TABLE c (id INTEGER PRIMARY KEY, t REFERENCES t (id) ON DELETE CASCADE);"
         "INSERT INTO c (t) VALUES (1), (2)"),
    trap("S3", "a trigger", ROWS + "CREATE TRIGGER w AFTER DELETE ON t BEGIN SELECT 1; END"),
    trap("S4", "an AUTOINCREMENT counter",
         "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, a TEXT NOT NULL);"
         "INSERT INTO t (a) VALUES (1), (2), (3), (4), (5); DELETE FROM t WHERE id > 2"),
    trap("S5", "STRICT and WITHOUT ROWID",
         "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, a TEXT NOT NULL) STRICT, WITHOUT ROWID;"
         "INSERT INTO t VALUES (1, 'x'), (2, 'y')"),
    trap("S6", "a generated column",
         "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, a TEXT NOT NULL, g AS (a || '!'));"
         "INSERT INTO t (a) VALUES ('x'), ('y')"),
    trap("S7", "a comment in CREATE TABLE",
         "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, -- the key, so (to) say\n"
         " a TEXT NOT NULL /* text */); INSERT INTO t (a) VALUES ('x')"),
    trap("S8", "a column whose name has a space",
         'CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, "first name" TEXT NOT NULL);'
         "INSERT INTO t VALUES (1, 'x')",
         fields={"a": lambda: TextField(column_name="first name")}),
    trap("S9", "a default with spaces in it",
         "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, a TEXT NOT NULL DEFAULT 'x   y');"
         "INSERT INTO t (id) VALUES (1), (2)", drift="AM203 t.a"),
    trap("S10", "the rowids of a table without an integer key",
         "CREATE TABLE t (a TEXT NOT NULL); INSERT INTO t VALUES ('x'), ('y'), ('z');"
         "DELETE FROM t WHERE a = 'y'", meta={"primary_key": False}),
    Case(
        "a unique constant default is refused before the column is added (S11)",
        lambda M: M.t(n=CharField(default="", unique=True)),
        before=TABLE + "INSERT INTO t (a) VALUES ('x'), ('y')",
        blocked=("AM104 t.n", "AM111 t.t_n"),
    ),
    Case(
        "a STRICT table takes a column of a type that it knows",
        lambda M: M.t(n=TextField(default="it's")),
        "add_column t.n",
        before="CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, a TEXT NOT NULL) STRICT;"
        "INSERT INTO t (a) VALUES ('x')",
        on=[SQLITE],
        values={"n": ["it's"]},
    ),
]

CASES = [
    *CONSTANTS, *NULLABLE, *BAD_DEFAULTS, *VARYING, *SQL_DEFAULTS, *CHECKS, *UNIQUE, *KEYS,
    *FOREIGN_KEYS, *REBUILDS,
]
