"""Cases of columns that are missing in tables that stand: constants, types."""

from __future__ import annotations

import uuid
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from peewee import (
    BigIntegerField,
    BitField,
    BlobField,
    BooleanField,
    CharField,
    DateField,
    DateTimeField,
    DecimalField,
    DoubleField,
    Field,
    FixedCharField,
    FloatField,
    IntegerField,
    IPField,
    SmallIntegerField,
    TextField,
    TimeField,
    TimestampField,
    UUIDField,
)
from playhouse import postgres_ext, sqlite_ext

from tests.cases_base import (
    ALL,
    MYSQL,
    POSTGRES,
    ROWS,
    SERVERS,
    SQLITE,
    TABLE,
    TRANSACTIONAL,
    Case,
    Mood,
    kind,
    sql_default,
)

UUID = uuid.UUID("12345678-1234-5678-1234-567812345678")
NASTY = "it's \"quoted\" `so` 100% %s %(n)s ? :n $1 \\ back\\'slash; -- no /* comment\n\ttab"


class Listed(TextField):
    """A field that keeps a list as text."""

    def db_value(self, value: Any) -> Any:
        return ",".join(value)

    def python_value(self, value: Any) -> Any:
        return value.split(",")


def fails() -> Any:
    raise RuntimeError("no default today")


def constant(what: str, field: Any, value: Any, on: Any = ALL, **rest: Any) -> Case:
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
    constant(
        "text with a NUL character, which MySQL's literals hold",
        lambda: TextField(default="a\0b"),
        "a\0b",
        on=[MYSQL],
    ),
    constant(
        "infinity", lambda: DoubleField(default=float("inf")), float("inf"), on=[SQLITE, POSTGRES]
    ),
    constant("a decimal", lambda: DecimalField(8, 2, default=Decimal("12.30")), Decimal("12.30")),
    constant("a date", lambda: DateField(default=date(2024, 2, 29)), date(2024, 2, 29)),
    constant("a time", lambda: TimeField(default=time(23, 59, 1)), time(23, 59, 1)),
    constant(
        "a time of a day with microseconds",
        lambda: DateTimeField(default=datetime(2024, 2, 29, 1, 2, 3, 456)),
        datetime(2024, 2, 29, 1, 2, 3, 456),
        on=[SQLITE, POSTGRES],
    ),
    constant(
        "a time of a day with microseconds, which MySQL's DATETIME does not keep",
        lambda: DateTimeField(default=datetime(2024, 2, 29, 1, 2, 3, 456)),
        datetime(2024, 2, 29, 1, 2, 3),
        on=[MYSQL],
    ),
    constant(
        "a timestamp",
        lambda: TimestampField(default=datetime(2024, 2, 29, 1, 2, 3)),
        datetime(2024, 2, 29, 1, 2, 3),
    ),
    constant("bytes", lambda: BlobField(default=b"\0'\\%\xff"), b"\0'\\%\xff"),
    constant("no bytes", lambda: BlobField(default=b""), b""),
    constant("a uuid", lambda: UUIDField(default=UUID), UUID),
    constant("a float as an int", lambda: FloatField(default=1), 1.0),
    constant("a decimal as an int", lambda: DecimalField(default=0), Decimal(0)),
    constant("a boolean as an int", lambda: BooleanField(default=1), True),
    constant("an int as a boolean", lambda: IntegerField(default=True), 1),
    constant("an int as text", lambda: IntegerField(default="7"), 7),
    constant("text as an int", lambda: TextField(default=7), "7"),
    constant("a date as text", lambda: DateField(default="2024-02-29"), date(2024, 2, 29)),
    constant("a uuid as text", lambda: UUIDField(default=str(UUID)), UUID),
    constant("what a field makes of it", lambda: Listed(default=["x", "it's"]), ["x", "it's"]),
    constant("flags", lambda: BitField(default=5), 5),
    constant("an address", lambda: IPField(default="127.0.0.1"), "127.0.0.1"),
    constant("what a callable gives each time", lambda: IntegerField(default=lambda: 5), 5),
    constant(
        "an array",
        lambda: postgres_ext.ArrayField(IntegerField, default=[1, 2], index=False),
        [1, 2],
        on=[POSTGRES],
    ),
    constant(
        "the class list for an array",
        lambda: postgres_ext.ArrayField(CharField, default=list, index=False),
        [],
        on=[POSTGRES],
    ),
    constant(
        "an array of text with commas and quotes",
        lambda: postgres_ext.ArrayField(TextField, default=['a,"b"', "c'\\d%"], index=False),
        ['a,"b"', "c'\\d%"],
        on=[POSTGRES],
    ),
    constant(
        "the class dict for JSONB",
        lambda: postgres_ext.BinaryJSONField(default=dict, index=False),
        {},
        on=[POSTGRES],
    ),
    constant(
        "nested JSONB",
        lambda: postgres_ext.BinaryJSONField(
            default={"it's": [1, None, True, "100%"]}, index=False
        ),
        {"it's": [1, None, True, "100%"]},
        on=[POSTGRES],
    ),
    constant(
        "a list as JSON", lambda: postgres_ext.JSONField(default=lambda: [1]), [1], on=[POSTGRES]
    ),
    constant(
        "an interval",
        lambda: postgres_ext.IntervalField(default=timedelta(hours=1)),
        timedelta(hours=1),
        on=[POSTGRES],
    ),
    constant(
        "the class dict for SQLite's JSON",
        lambda: sqlite_ext.JSONField(default=dict),
        {},
        on=[SQLITE],
    ),
    constant(
        "nested JSON in SQLite",
        lambda: sqlite_ext.JSONField(default={"it's": [1, None, "%"]}),
        {"it's": [1, None, "%"]},
        on=[SQLITE],
    ),
    Case(
        "a nullable column's constant default fills old rows too",
        lambda M: M.t(n=IntegerField(null=True, default=7)),
        "add_column t.n",
        values={"n": [7, 7, 7]},
    ),
    Case(
        "choices, help text and a verbose name make no difference",
        lambda M: M.t(
            n=IntegerField(default=1, choices=[(1, "one")], help_text="h", verbose_name="v")
        ),
        "add_column t.n",
        values={"n": [1, 1, 1]},
    ),
    Case(
        "several columns of one table are added in one run",
        lambda M: M.t(
            n=IntegerField(default=1), m=TextField(null=True), o=BooleanField(default=True)
        ),
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
            M.t(
                n=IntegerField(), m=IntegerField(null=True), u=IntegerField(unique=True, default=1)
            ),
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
        "a model that is bound to no database is bound for the run (D19)",
        lambda M: M.t(
            {"database": None}, n=postgres_ext.BinaryJSONField(default=dict, index=False)
        ),
        "add_column t.n",
        on=[POSTGRES],
        then=("SELECT n::text FROM t", [("{}",)] * 3),
    ),
    Case(
        "all in one transaction, when the caller wants it",
        lambda M: [M.t(n=IntegerField(default=7, index=True)), M("o", b=TextField(unique=True))],
        ("add_column t.n", "add_index t.t_n", "create_table o"),
        on=TRANSACTIONAL,
        options={"atomic": True, "online_rows": 0},
        values={"n": [7] * 3},
    ),
    Case(
        "a nullable array gets its GIN index",
        lambda M: M.t(n=postgres_ext.ArrayField(IntegerField, null=True)),
        ("add_column t.n", "add_index t.t_n"),
        on=[POSTGRES],
        then=(
            "SELECT amname FROM pg_class c JOIN pg_am a ON a.oid = relam WHERE relname = 't_n'",
            [("gin",)],
        ),
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
        "a column of an unknown type does not hinder a question about others",
        lambda M: M.t(a=M.text(unique=True), n=Mood(null=True)),
        "add_index t.t_a",
        blocked="AM116 t.n",
        on=[POSTGRES],
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
        "a column of a type whose name needs quotes is added, and found again",
        lambda M: M.t(b=QuotedMood(null=True), n=QuotedMood(default="sad")),
        "add_column t.n",
        before="CREATE TYPE \"Mood\" AS ENUM ('sad', 'glad'); "
        + ROWS
        + 'ALTER TABLE t ADD COLUMN b "Mood"',
        on=[POSTGRES],
        values={"n": ["sad"] * 3},
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
        lambda M: M.t(
            n=CharField(
                null=True,
                collation={SQLITE: "NOCASE", POSTGRES: '"C"', MYSQL: "utf8mb4_bin"}[kind(M)],
            )
        ),
        "add_column t.n",
        then={
            SQLITE: (
                "SELECT sql LIKE '% COLLATE NOCASE%' FROM sqlite_master WHERE name = 't'",
                [(1,)],
            ),
            POSTGRES: (
                "SELECT collation_name FROM information_schema.columns WHERE table_name = 't'"
                " AND column_name = 'n'",
                [("C",)],
            ),
            MYSQL: (
                "SELECT collation_name FROM information_schema.columns"
                " WHERE table_schema = DATABASE() AND table_name = 't' AND column_name = 'n'",
                [("utf8mb4_bin",)],
            ),
        },
    ),
]


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
        on=SERVERS,
    ),
    Case(
        "a default that its field refuses is blocked",
        lambda M: M.t(n=IPField(default="no address")),
        blocked="AM110 t.n",
    ),
    Case(
        "a default that raises does not matter while its column stands",
        lambda M: M.t(n=IntegerField(default=fails)),
        before="CREATE TABLE t (id {id}, a {text} NOT NULL, n INTEGER NOT NULL)",
    ),
    Case(
        "an int that is too large for its column is blocked",
        lambda M: M.t(n=SmallIntegerField(default=40_000)),
        blocked="AM110 t.n",
        on=SERVERS,
    ),
    Case(
        "a decimal that is too large for its column is blocked",
        lambda M: M.t(n=DecimalField(3, 1, default=Decimal("1234.5"))),
        blocked="AM110 t.n",
        on=SERVERS,
    ),
    Case(
        "a default with a NUL character, which no literal can hold, is blocked",
        lambda M: M.t(n=TextField(default="a\0b")),
        blocked="AM110 t.n",
        on=[SQLITE, POSTGRES],
    ),
    Case(
        "infinity, which MySQL does not know, is blocked",
        lambda M: M.t(n=DoubleField(default=float("inf"))),
        blocked="AM110 t.n",
        on=[MYSQL],
    ),
    Case(
        "a type that a STRICT table refuses is blocked",
        lambda M: M.t(n=CharField(null=True)),
        before="CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, a TEXT NOT NULL) STRICT;"
        "INSERT INTO t (a) VALUES ('x');",
        blocked="AM122 t.n",
        on=[SQLITE],
    ),
    Case(
        "a default that a STRICT table refuses is blocked",
        lambda M: M.t(n=IntegerField(constraints=sql_default("'text'"))),
        before="CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, a TEXT NOT NULL) STRICT;"
        "INSERT INTO t (a) VALUES ('x');",
        blocked="AM123 t.n",
        on=[SQLITE],
    ),
    Case(
        "a varying default that is longer than max_length is blocked before anything runs",
        lambda M: M.t(n=CharField(max_length=10, default=lambda: str(uuid.uuid4()))),
        blocked="AM110 t.n",
    ),
    Case(
        "a callable that gives no value is no default",
        lambda M: M.t(n=IntegerField(default=lambda: None)),
        blocked="AM101 t.n",
    ),
]


class QuotedMood(Field):
    """A field of a type whose name has an upper case letter."""

    field_type = '"Mood"'


CASES = [*CONSTANTS, *NULLABLE, *BAD_DEFAULTS]
