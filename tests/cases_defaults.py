"""Cases of columns whose default differs from row to row, or is SQL."""

from __future__ import annotations

import functools
import itertools
import uuid
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from peewee import (
    SQL,
    BareField,
    BigBitField,
    BlobField,
    BooleanField,
    CharField,
    CompositeKey,
    DateField,
    DateTimeField,
    DoubleField,
    Field,
    IntegerField,
    TextField,
    TimestampField,
    UUIDField,
    fn,
)
from playhouse.sqlite_ext import RowIDField

from tests.cases_base import (
    ALL,
    MYSQL,
    POSTGRES,
    ROWS,
    SQLITE,
    TABLE,
    TRANSACTIONAL,
    Case,
    Maker,
    Mood,
    kind,
    sql_default,
)

RANDOM = {
    SQLITE: fn.HEX(fn.RANDOMBLOB(16)),
    POSTGRES: fn.gen_random_uuid(),
    MYSQL: fn.UUID(),
}
UUIDS = {POSTGRES: "gen_random_uuid()", MYSQL: "(uuid())"}
CALLS = itertools.count()


def keyed(M: Maker) -> dict[str, Any]:
    return {
        "k": CharField(9),
        "b": IntegerField(),
        "n": UUIDField(default=uuid.uuid4),
    }


def with_field(field: Callable[[], Field], M: Maker) -> Any:
    return M.t(n=field())


def with_unique(made: Callable[[Maker], Any], M: Maker) -> Any:
    return M.t(n=CharField(default=made(M), unique=True))


def seldom_another() -> int:
    """Give another value once in a hundred calls."""
    return int(next(CALLS) % 100 == 99)


DISTINCT = "SELECT count(DISTINCT n), count(n) FROM t"
COMPOSITE = "CREATE TABLE t (a {text} NOT NULL, b INTEGER NOT NULL, PRIMARY KEY (a, b))"
PAIRS = "; INSERT INTO t (a, b) VALUES ('x', 1), ('x', 2), ('y', 1)"


def varying(
    what: str, before: Any, on: Any = ALL, meta: Any = None, drift: Any = (), **fields: Any
) -> Case:
    """A column in which each row gets a value of its own; ``fields`` take the `Maker`."""
    return Case(
        f"a varying default gives each row its own value: {what}",
        lambda M: M(
            "t",
            meta,
            n=UUIDField(default=uuid.uuid4),
            **{name: field(M) for name, field in fields.items()},
        ),
        "add_column t.n",
        before=before,
        on=on,
        drift=drift,
        notes=("AM305 t.n",),
        effects="fills",
        then=(DISTINCT, [(3, 3)]),
    )


VARYING = [
    varying("with a usual key", ROWS, a=Maker.text),
    varying(
        "without a primary key",
        "CREATE TABLE t (a {text} NOT NULL);INSERT INTO t (a) VALUES ('x'), ('x'), ('x')",
        meta={"primary_key": False},
        on=[SQLITE, POSTGRES],
        a=Maker.text,
    ),
    varying(
        "with a composite key",
        COMPOSITE + PAIRS,
        a=Maker.text,
        b=lambda M: IntegerField(),
        meta={"primary_key": CompositeKey("a", "b")},
    ),
    varying(
        "without rowid",
        COMPOSITE + "WITHOUT ROWID" + PAIRS,
        on=[SQLITE],
        a=Maker.text,
        b=lambda M: IntegerField(),
        meta={"primary_key": CompositeKey("a", "b"), "without_rowid": True},
    ),
    varying(
        "with a comment behind WITHOUT ROWID",
        COMPOSITE + "WITHOUT ROWID -- (so small)\n" + PAIRS,
        on=[SQLITE],
        a=Maker.text,
        b=lambda M: IntegerField(),
        meta={"primary_key": CompositeKey("a", "b"), "without_rowid": True},
    ),
    varying(
        "with a text key that is NULL",
        "CREATE TABLE t (a TEXT PRIMARY KEY);INSERT INTO t (a) VALUES (NULL), (NULL), ('x')",
        on=[SQLITE],
        drift="AM202 t.a",
        a=lambda M: TextField(primary_key=True),
    ),
    varying(
        "with a key in upper case and a per cent sign",
        'CREATE TABLE t ("A%" {text} PRIMARY KEY NOT NULL);'
        "INSERT INTO t VALUES ('%s'), ('%%'), ('''')",
        a=lambda M: M.text(primary_key=True, column_name="A%"),
    ),
    varying(
        "with a column named rowid",
        "CREATE TABLE t (rowid TEXT NOT NULL, id {id});"
        "INSERT INTO t (rowid) VALUES ('same'), ('same'), ('same')",
        rowid=lambda M: TextField(),
    ),
    varying(
        "with columns of all names that a rowid has",
        "CREATE TABLE t (rowid TEXT, _rowid_ TEXT, oid TEXT, id {id});"
        "INSERT INTO t (rowid) VALUES ('same'), ('same'), ('same')",
        on=[SQLITE],
        rowid=lambda M: TextField(null=True),
        oid=lambda M: TextField(null=True),
        _rowid_=lambda M: TextField(null=True),
    ),
    varying(
        "with a key of uuids",
        "CREATE TABLE t (u UUID PRIMARY KEY);"
        "INSERT INTO t SELECT gen_random_uuid() FROM generate_series(1, 3)",
        on=[POSTGRES],
        u=lambda M: UUIDField(primary_key=True),
    ),
    varying(
        "with a key of bytes",
        {
            SQLITE: "CREATE TABLE t (b BLOB NOT NULL PRIMARY KEY);"
            "INSERT INTO t VALUES (x'00'), (x'ff25'), (x'')",
            POSTGRES: "CREATE TABLE t (b BYTEA NOT NULL PRIMARY KEY);"
            r"INSERT INTO t VALUES ('\x00'), ('\xff25'), ('')",
            MYSQL: "CREATE TABLE t (b VARBINARY(9) NOT NULL PRIMARY KEY);"
            "INSERT INTO t VALUES (x'00'), (x'ff25'), ('')",
        },
        drift={MYSQL: "AM201 t.b"},
        b=lambda M: BlobField(primary_key=True),
    ),
    varying(
        "with a key of times and an enum",
        "CREATE TYPE mood AS ENUM ('b', 'a');"
        "CREATE TABLE t (m mood, w TIMESTAMP, PRIMARY KEY (m, w));"
        "INSERT INTO t VALUES ('a', now()), ('b', now()), ('b', 'infinity')",
        on=[POSTGRES],
        m=lambda M: Mood(),
        w=lambda M: DateTimeField(),
        meta={"primary_key": CompositeKey("m", "w")},
    ),
    varying(
        "in a partitioned table",
        "CREATE TABLE t (id INTEGER NOT NULL) PARTITION BY RANGE (id);"
        "CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (0) TO (2);"
        "CREATE TABLE t_2 PARTITION OF t DEFAULT;"
        "INSERT INTO t VALUES (1), (2), (3)",
        on=[POSTGRES],
        id=lambda M: IntegerField(),
        meta={"primary_key": False},
    ),
    Case(
        "2,500 rows get 2,500 values",
        lambda M: M.t(n=IntegerField(default=itertools.count(1).__next__)),
        "add_column t.n",
        before=TABLE + "INSERT INTO t (a) VALUES ('row')" + ", ('row')" * 2499,
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
        "a varying default may give NULL now and then",
        lambda M: M.t(n=IntegerField(null=True, default=itertools.cycle([None, 1]).__next__)),
        "add_column t.n",
        then=("SELECT count(*) FROM t WHERE n IS NULL OR n = 1", [(3,)]),
    ),
    Case(
        "a varying default may give NULL now and then where no key tells the rows apart",
        lambda M: M(
            "t",
            {"primary_key": False},
            a=M.text(),
            n=IntegerField(null=True, default=itertools.cycle([None, 1]).__next__),
        ),
        "add_column t.n",
        on=[SQLITE, POSTGRES],
        before="CREATE TABLE t (a {text} NOT NULL); INSERT INTO t (a) VALUES ('x'), ('x'), ('x')",
        then=("SELECT count(*) FROM t WHERE n IS NULL OR n = 1", [(3,)]),
    ),
    Case(
        "a varying default is blocked on MySQL where no key tells the rows apart",
        lambda M: M("t", {"primary_key": False}, a=M.text(), n=UUIDField(default=uuid.uuid4)),
        before="CREATE TABLE t (a {text} NOT NULL); INSERT INTO t (a) VALUES ('x'), ('x')",
        on=[MYSQL],
        blocked="AM130 t.n",
    ),
    Case(
        "a varying default need not be a plain function",
        lambda M: M.t(
            n=IntegerField(null=True, default=functools.partial(next, itertools.count()))
        ),
        "add_column t.n",
        effects="fills",
        then=(DISTINCT, [(3, 3)]),
    ),
    Case(
        "a varying default is filled in one transaction with the rest",
        lambda M: M.t(n=UUIDField(default=uuid.uuid4, unique=True), a=TextField(index=True)),
        ("add_column t.n", "add_index t.t_n", "add_index t.t_a"),
        on=TRANSACTIONAL,
        options={"atomic": True, "online_rows": 0},
        then=(DISTINCT, [(3, 3)]),
    ),
    Case(
        "a function of the database as default is taken once for all rows",
        lambda M: M.t(n=DateTimeField(default=fn.NOW)),
        "add_column t.n",
        on=[POSTGRES],
        effects="instant",
        then=(DISTINCT, [(1, 3)]),
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


def defaulting(field: type[Field], text: str) -> Any:
    """Return a function that makes a column with a default in SQL."""
    return lambda M: M.t(n=field(constraints=sql_default(text)))


SQL_DEFAULTS = [
    Case(
        f"a constant default in SQL is added: {text}",
        defaulting(field, text),
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
        "DEFAULT CURRENT_TIMESTAMP is added, but on SQLite blocked with rows",
        lambda M: M.t(n=DateTimeField(constraints=sql_default("CURRENT_TIMESTAMP"))),
        {SQLITE: (), ...: "add_column t.n"},
        effects={SQLITE: (), ...: "instant"},
        blocked={SQLITE: "AM103 t.n"},
        says="t.n: the default CURRENT_TIMESTAMP is not a constant, and SQLite adds no such column "
        "to a table with rows. Declare it otherwise, or add it by your own script, "
        "then run again.",
    ),
    Case(
        "DEFAULT CURRENT_TIMESTAMP beside a Python default is no other case",
        lambda M: M.t(
            n=DateTimeField(default=datetime.now, constraints=sql_default("CURRENT_TIMESTAMP"))
        ),
        {SQLITE: (), ...: "add_column t.n"},
        blocked={SQLITE: "AM103 t.n"},
    ),
    Case(
        "DEFAULT CURRENT_TIMESTAMP is added to an empty table",
        lambda M: M.t(n=DateTimeField(constraints=sql_default("CURRENT_TIMESTAMP"))),
        "add_column t.n",
        before=TABLE,
    ),
    *(
        Case(
            f"a node as Python default is what the server makes of it: {what}",
            functools.partial(with_field, field),
            "add_column t.n",
            effects="instant",
            values={"n": [value] * 3},
        )
        for what, field, value in (
            ("a function", lambda: CharField(default=fn.LOWER("ABC")), "abc"),
            ("a text in SQL", lambda: TextField(null=True, default=SQL("'it''s'")), "it's"),
            ("a number in SQL", lambda: IntegerField(default=SQL("40 + 2")), 42),
            ("false in SQL", lambda: BooleanField(default=SQL("false")), False),
            ("a callable that gives one", lambda: TextField(default=lambda: fn.UPPER("x")), "X"),
        )
    ),
    *(
        Case(
            f"a node as Python default that differs for each row fills it: {what}",
            functools.partial(with_unique, made),
            ("add_column t.n", "add_index t.t_n"),
            effects=("fills", "builds"),
            then=(DISTINCT, [(3, 3)]),
            notes="AM305 t.n",
        )
        for what, made in (
            ("a function", lambda M: RANDOM[kind(M)]),
            ("a callable that gives one", lambda M: lambda: RANDOM[kind(M)]),
        )
    ),
    Case(
        "a unique column whose DEFAULT in SQL differs for each row is added",
        lambda M: M.t(n=CharField(99, unique=True, constraints=sql_default(UUIDS[kind(M)]))),
        ("add_column t.n", "add_index t.t_n"),
        effects=("rewrites", "builds"),
        then=(DISTINCT, [(3, 3)]),
        on=[POSTGRES, MYSQL],
    ),
    *(
        Case(
            f"each row is filled once, whatever its key is: {what}",
            lambda M: M("t", {"primary_key": CompositeKey("k", "b")}, **keyed(M)),
            "add_column t.n",
            before=f"CREATE TABLE t (k {key} NOT NULL, b INTEGER NOT NULL, PRIMARY KEY (k, b))"
            f"; INSERT INTO t (k, b) VALUES {values}",
            on=on,
            drift=drift,
            then=(DISTINCT, [(3, 3)]),
            old_insert="",
        )
        for what, key, values, on, drift in (
            (
                "letters that the connection sends otherwise",
                "VARCHAR(9) CHARACTER SET latin1",
                "('a', 1), ('\u00e9', 1), ('z', 1)",
                [MYSQL],
                (),
            ),
            (
                "a list that is sorted by number",
                "ENUM('z', 'm', 'a')",
                "('a', 1), ('m', 1), ('z', 1)",
                [MYSQL],
                "AM201 t.k",
            ),
            ("bits", "BIT(9)", "(b'1', 1), (b'10', 1), (b'111111111', 1)", [MYSQL], "AM201 t.k"),
        )
    ),
    Case(
        "each row is filled once in a table and in those that inherit from it",
        lambda M: M("t", a=M.text(), n=UUIDField(default=uuid.uuid4)),
        "add_column t.n",
        before="CREATE TABLE t (id serial PRIMARY KEY, a text NOT NULL)"
        "; CREATE TABLE u () INHERITS (t); INSERT INTO t VALUES (1, 'x'), (2, 'y')"
        "; INSERT INTO u VALUES (1, 'z')",
        on=[POSTGRES],
        then=(DISTINCT, [(3, 3)]),
        old_insert="",
        bystanders=False,
    ),
    Case(
        "a column that hides the rowid comes beside one that is filled",
        lambda M: M.t(rowid=IntegerField(default=5), n=UUIDField(default=uuid.uuid4)),
        ("add_column t.rowid", "add_column t.n"),
        on=[SQLITE],
        then=(DISTINCT, [(3, 3)]),
        moves=("t",),  # the name by which its rows are read before and after
    ),
    Case(
        "a column is not filled where all names of the rowid are hidden and there is no key",
        lambda M: M(
            "t",
            {"primary_key": False},
            a=M.text(),
            **{name: IntegerField(null=True) for name in ("rowid", "oid", "_rowid_")},
            n=UUIDField(default=uuid.uuid4),
        ),
        ("add_column t.rowid", "add_column t.oid", "add_column t._rowid_"),
        before="CREATE TABLE t (a TEXT NOT NULL); INSERT INTO t (a) VALUES ('x'), ('y'), ('z')",
        on=[SQLITE],
        blocked="AM130 t.n",
        moves=("t",),
    ),
    Case(
        "the rowid stands, though it is no column",
        lambda M: M("t", a=M.text(), rowid=RowIDField(), n=IntegerField(null=True)),
        "add_column t.n",
        before="CREATE TABLE t (a TEXT NOT NULL); INSERT INTO t (a) VALUES ('x'), ('y'), ('z')",
        on=[SQLITE],
    ),
    Case(
        "a callable of few values is no constant",
        lambda M: M.t(n=IntegerField(null=True, default=seldom_another)),
        "add_column t.n",
        effects="fills",
    ),
    Case(
        "an expression as default is blocked on SQLite with rows",
        lambda M: M.t(n=IntegerField(constraints=sql_default("(1+1)"))),
        {SQLITE: (), ...: "add_column t.n"},
        effects={SQLITE: (), POSTGRES: "instant", MYSQL: "rewrites"},
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
        on=[SQLITE, MYSQL],
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


def with_default(field: type[Field], text: str, M: Maker) -> Any:
    return M.t(n=field(constraints=sql_default(text)))


WORDS = [
    Case(
        f"DEFAULT {text} is taken as SQLite's parser takes it",
        functools.partial(with_default, BareField, text),
        "add_column t.n",
        on=[SQLITE],
        values={"n": [value] * 3},
    )
    for text, value in [
        *(('"False"', "False"), ("False", 0), ("word", "word"), ("`a b`", "a b")),
        *(
            ("`ticks`", "ticks"),
            ("0xff", 255),
            ("1.", 1.0),
            (".5", 0.5),
            ("- 1", -1),
            ("x'61'", b"a"),
        ),
    ]
]
NOTHING = [
    Case(
        f"DEFAULT {text} for NOT NULL is blocked, since it is NULL",
        functools.partial(with_default, TextField, text),
        blocked="AM110 t.n",
        on=on,
        says="t.n: the default can't be used: it is NULL, and the column is NOT NULL. "
        "Give it a default that fits the column, then run again.",
    )
    for text, on in (("NULL::text", [POSTGRES]), ("(NULLIF('a', 'a'))", [POSTGRES, MYSQL]))
]

CASES = [*VARYING, *SQL_DEFAULTS, *WORDS, *NOTHING]
