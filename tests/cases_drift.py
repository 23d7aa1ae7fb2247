"""Cases of what exists and differs: reported, never touched."""

from __future__ import annotations

from functools import partial
from typing import Any

from peewee import (
    SQL,
    BigIntegerField,
    BlobField,
    BooleanField,
    CharField,
    Check,
    CompositeKey,
    DateTimeField,
    DecimalField,
    DoubleField,
    Field,
    FloatField,
    ForeignKeyField,
    IntegerField,
    TextField,
    UUIDField,
)

from tests.cases_base import (
    ALL,
    MYSQL,
    POSTGRES,
    ROWS,
    SERVERS,
    SQLITE,
    Case,
    kind,
    sql_default,
)


def differs(
    what: str, before: Any, models: Any, drift: Any = "AM201 t.n", on: Any = ALL, **rest: Any
) -> Case:
    """A table that stands and differs; ``before`` is what stands beside `id` and `a`, as SQL."""
    return Case(f"drift: {what}", models, before=table(before), drift=drift, on=on, **rest)


def agrees(what: str, before: Any, field: Any, on: Any = ALL) -> Case:
    """A column that is written in another way and means the same."""
    return Case(f"no drift: {what}", lambda M: M.t(n=field()), before=table(before), on=on)


def table(columns: Any) -> Any:
    if isinstance(columns, dict):
        return {kind: table(sql) for kind, sql in columns.items()}
    return f"CREATE TABLE t (id {{id}}, a {{text}} NOT NULL, {columns});"


def typed(name: str) -> Field:
    """Return a field of a type."""
    made: Field = type("Typed", (Field,), {"field_type": name})()
    return made


TYPES = [
    differs("text for a number", "n TEXT NOT NULL", lambda M: M.t(n=IntegerField())),
    differs("a number for text", "n INTEGER NOT NULL", lambda M: M.t(n=TextField())),
    *(
        case
        for what, sql in (("a shorter text", "VARCHAR(10)"), ("a longer text", "VARCHAR(200)"))
        for case in (
            differs(what, f"n {sql} NOT NULL", lambda M: M.t(n=CharField(20)), on=SERVERS),
            agrees(f"{what} on SQLite", f"n {sql} NOT NULL", lambda: CharField(20), on=[SQLITE]),
        )
    ),
    differs(
        "another precision",
        "n DECIMAL(10, 2) NOT NULL",
        lambda M: M.t(n=DecimalField(12, 4)),
        on=SERVERS,
    ),
    differs("a smaller number", "n SMALLINT NOT NULL", lambda M: M.t(n=IntegerField()), on=SERVERS),
    differs(
        "a larger number", "n INTEGER NOT NULL", lambda M: M.t(n=BigIntegerField()), on=SERVERS
    ),
    differs(
        "a time with a zone",
        "n TIMESTAMPTZ NOT NULL",
        lambda M: M.t(n=DateTimeField()),
        on=[POSTGRES],
    ),
    differs(
        "a float for a decimal",
        "n REAL NOT NULL",
        lambda M: M.t(n=DecimalField(10, 5)),
        on=SERVERS,
    ),
    differs("JSON for text", "n JSONB NOT NULL", lambda M: M.t(n=TextField()), on=[POSTGRES]),
    differs(
        "an array for one", "n INTEGER[] NOT NULL", lambda M: M.t(n=IntegerField()), on=[POSTGRES]
    ),
    agrees("INT for INTEGER", "n INT NOT NULL", lambda: IntegerField()),
    agrees("varchar in small letters", "n varchar ( 20 ) NOT NULL", lambda: CharField(20)),
    agrees("character varying", "n CHARACTER VARYING(20) NOT NULL", lambda: CharField(20)),
    agrees("numeric for decimal", "n NUMERIC(10, 5) NOT NULL", lambda: DecimalField(10, 5)),
    agrees("int8 for bigint", "n INT8 NOT NULL", lambda: BigIntegerField()),
    agrees("float4 for real", "n FLOAT4 NOT NULL", lambda: FloatField(), on=[POSTGRES]),
    agrees(
        "timestamp",
        "n TIMESTAMP WITHOUT TIME ZONE NOT NULL",
        lambda: DateTimeField(),
        on=[POSTGRES],
    ),
    agrees("what SQLite holds alike", "n BIGINT NOT NULL", lambda: IntegerField(), on=[SQLITE]),
    *(
        agrees(f"{own} for {other}", f"n {other} NOT NULL", partial(typed, own), on=[POSTGRES])
        for own, other in (
            ("numeric(10)", "numeric(10,0)"),
            ("float(24)", "real"),
            ("float(53)", "float8"),
            ("bit", "bit(1)"),
            ("dec(5,1)", "numeric(5,1)"),
            ("integer[3]", "integer[]"),
        )
    ),
    differs(
        "a type that is none to the server",
        "n INTEGER NOT NULL",
        lambda M: M.t(n=typed("float4(7)")),
        on=[POSTGRES],
    ),
    agrees("and the reverse", "n INTEGER NOT NULL", lambda: BigIntegerField(), on=[SQLITE]),
    agrees("digits on SQLite", "n DECIMAL(3, 1) NOT NULL", lambda: DecimalField(9, 5), on=[SQLITE]),
    agrees(
        "text without a length on SQLite", "n TEXT NOT NULL", lambda: CharField(20), on=[SQLITE]
    ),
    agrees(
        "a column without a type on SQLite, for a blob",
        "n NOT NULL",
        lambda: BlobField(),
        on=[SQLITE],
    ),
    Case(
        "no drift, only a note: a type that only the server knows",
        lambda M: M.t(n=TextField()),
        before="CREATE TYPE mood AS ENUM ('sad');" + table("n mood NOT NULL"),
        on=[POSTGRES],
        notes=("AM304 t.n",),
    ),
]

COLUMNS = [
    differs(
        "nullable, the model says NOT NULL",
        "n INTEGER",
        lambda M: M.t(n=IntegerField()),
        "AM202 t.n",
    ),
    differs(
        "NOT NULL, the model says nullable",
        "n INTEGER NOT NULL",
        lambda M: M.t(n=IntegerField(null=True)),
        "AM202 t.n",
    ),
    differs(
        "another default",
        "n INTEGER NOT NULL DEFAULT 1",
        lambda M: M.t(n=IntegerField(default=2)),
        "AM203 t.n",
    ),
    differs(
        "another default in SQL",
        "n INTEGER NOT NULL DEFAULT 1",
        lambda M: M.t(n=IntegerField(constraints=sql_default("2"))),
        "AM203 t.n",
    ),
    differs(
        "a default in SQL that is missing",
        "n INTEGER NOT NULL",
        lambda M: M.t(n=IntegerField(constraints=sql_default("2"))),
        "AM203 t.n",
    ),
    differs(
        "a default that the model lacks",
        "n INTEGER NOT NULL DEFAULT 1",
        lambda M: M.t(n=IntegerField()),
        "AM203 t.n",
    ),
    differs(
        "several things at once",
        "n TEXT DEFAULT 'x'",
        lambda M: M.t(n=IntegerField()),
        ("AM201 t.n", "AM202 t.n", "AM203 t.n"),
    ),
    agrees(
        "a Python default need not stand in the database",
        "n INTEGER NOT NULL",
        lambda: IntegerField(default=7),
    ),
    agrees("the same default", "n INTEGER NOT NULL DEFAULT 7", lambda: IntegerField(default=7)),
    agrees(
        "the same default with a sign",
        "n INTEGER NOT NULL DEFAULT -7",
        lambda: IntegerField(default=-7),
    ),
    agrees("the same text", "n TEXT NOT NULL DEFAULT 'it''s'", lambda: TextField(default="it's")),
    agrees(
        "the same text in SQL",
        "n VARCHAR(9) NOT NULL DEFAULT 'x'",
        lambda: CharField(9, constraints=sql_default("'x'")),
    ),
    agrees(
        "the same truth",
        {...: "n BOOLEAN NOT NULL DEFAULT 1", POSTGRES: "n BOOLEAN NOT NULL DEFAULT 't'"},
        lambda: BooleanField(default=True),
    ),
    agrees(
        "the same truth in other words",
        "n BOOLEAN NOT NULL DEFAULT TRUE",
        lambda: BooleanField(default=True),
    ),
    agrees(
        "the same function",
        {
            MYSQL: "n DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP",
            ...: "n TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP",
        },
        lambda: DateTimeField(constraints=sql_default("CURRENT_TIMESTAMP")),
    ),
    agrees(
        "the same function in other words",
        {
            POSTGRES: "n TIMESTAMP NOT NULL DEFAULT now()",
            MYSQL: "n DATETIME NOT NULL DEFAULT current_timestamp()",
        },
        lambda: DateTimeField(constraints=sql_default("NOW()")),
        on=SERVERS,
    ),
    agrees(
        "the same number in other words",
        "n FLOAT8 NOT NULL DEFAULT 1",
        lambda: DoubleField(default=1.0),
        on=[POSTGRES],
    ),
    agrees(
        "the same decimal",
        "n DECIMAL(10, 5) NOT NULL DEFAULT 0",
        lambda: DecimalField(10, 5, default=0),
    ),
    agrees("DEFAULT NULL", "n INTEGER DEFAULT NULL", lambda: IntegerField(null=True)),
    agrees(
        "a callable's default is the model's own affair",
        "n INTEGER NOT NULL DEFAULT 3",
        lambda: IntegerField(default=lambda: 7),
    ),
    differs(
        "text that differs in case only",
        "n TEXT NOT NULL DEFAULT 'X'",
        lambda M: M.t(n=TextField(default="x")),
        "AM203 t.n",
    ),
    differs(
        "text that differs in quotes only",
        "n TEXT NOT NULL DEFAULT '7'",
        lambda M: M.t(n=TextField(default="'7'")),
        "AM203 t.n",
    ),
]

CHILD = "CREATE TABLE p (id {id});CREATE TABLE t (id {id}, p INTEGER NOT NULL REFERENCES p"
CHILD_OF_TWO = (
    "CREATE TABLE p (a {text} NOT NULL, b INTEGER NOT NULL, PRIMARY KEY (a, b));"
    "CREATE TABLE t (a {text} NOT NULL, b INTEGER NOT NULL, FOREIGN KEY (a, b) REFERENCES p"
)
KEYS = [
    Case(
        "drift: another primary key",
        lambda M: M("t", id=IntegerField(), a=TextField(primary_key=True)),
        before="CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, a TEXT NOT NULL)",
        drift="AM204 t",
    ),
    Case(
        "drift: a composite key in another order",
        lambda M: M("t", {"primary_key": CompositeKey("a", "b")}, a=M.text(), b=IntegerField()),
        before="CREATE TABLE t (a {text} NOT NULL, b INTEGER NOT NULL, PRIMARY KEY (b, a))",
        drift="AM204 t",
    ),
    Case(
        "drift: a key of fewer columns",
        lambda M: M("t", {"primary_key": CompositeKey("a", "b")}, a=M.text(), b=IntegerField()),
        before="CREATE TABLE t (a {text} NOT NULL PRIMARY KEY, b INTEGER NOT NULL)",
        drift="AM204 t",
    ),
    Case(
        "a key that the model does not declare is no drift",
        lambda M: M("t", {"primary_key": False}, a=M.text()),
        before="CREATE TABLE t (a {text} NOT NULL PRIMARY KEY)",
    ),
    Case(
        "drift: a missing foreign key",
        lambda M: [M("t", p=ForeignKeyField(p := M("p"), column_name="p", index=False)), p],
        before="CREATE TABLE p (id {id}); CREATE TABLE t (id {id}, p INTEGER NOT NULL)",
        drift="AM206 t.p",
    ),
    Case(
        "drift: a foreign key to another table",
        lambda M: [M("t", p=ForeignKeyField(p := M("p"), column_name="p", index=False)), p],
        before="CREATE TABLE p (id {id}); CREATE TABLE o (id {id});"
        "CREATE TABLE t (id {id}, p INTEGER NOT NULL REFERENCES o (id))",
        drift="AM206 t.p",
    ),
    Case(
        "drift: another action of a foreign key",
        lambda M: [
            M(
                "t",
                p=ForeignKeyField(p := M("p"), column_name="p", index=False, on_delete="CASCADE"),
            ),
            p,
        ],
        before={
            MYSQL: CHILD + " (id) ON DELETE RESTRICT)",
            ...: CHILD + " (id) ON DELETE SET NULL)",
        },
        drift="AM207 t.p",
    ),
    Case(
        "no drift: NO ACTION is what no action means",
        lambda M: [
            M(
                "t",
                p=ForeignKeyField(p := M("p"), column_name="p", index=False, on_delete="NO ACTION"),
            ),
            p,
        ],
        before={MYSQL: CHILD + " (id))", ...: CHILD + ")"},
    ),
    Case(
        "drift: a foreign key that was never validated",
        lambda M: [M("t", p=ForeignKeyField(p := M("p"), column_name="p", index=False)), p],
        before="CREATE TABLE p (id {id}); CREATE TABLE t (id {id}, p INTEGER NOT NULL);"
        "ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (p) REFERENCES p (id) NOT VALID",
        drift="AM212 t.p",
        on=[POSTGRES],
    ),
    Case(
        "no drift: a foreign key that a part of a composite one is not",
        lambda M: M("t", {"primary_key": False}, a=M.text(), b=IntegerField()),
        before={MYSQL: CHILD_OF_TWO + " (a, b))", ...: CHILD_OF_TWO + ")"},
    ),
]

CONSTRAINTS = [
    Case(
        "drift: a CHECK in Meta.constraints is missing",
        lambda M: M.t({"constraints": [Check("a <> ''")]}),
        drift="AM208 t",
        bystanders=False,
    ),
    Case(
        "drift: a named constraint is missing, whatever else there is",
        lambda M: M.t({"constraints": [SQL("CONSTRAINT filled CHECK (a <> '')")]}),
        drift="AM208 t.filled",
    ),
    Case(
        "drift: a unique constraint in Meta.constraints is missing",
        lambda M: M.t({"constraints": [SQL("UNIQUE (a)")]}),
        drift="AM208 t",
    ),
    Case(
        "no drift: a unique index does what a unique constraint of the model is for",
        lambda M: M.t({"constraints": [SQL("UNIQUE (a)")]}),
        before=ROWS + "CREATE UNIQUE INDEX other ON t (a)",
        notes=(),
    ),
    Case(
        "no drift: a unique constraint without a name stands",
        lambda M: M.t({"constraints": [SQL("UNIQUE (a)")]}),
        before="CREATE TABLE t (id {id}, a {text} NOT NULL, UNIQUE (a))",
        notes=(),
    ),
    Case(
        "no drift: the CHECK stands",
        lambda M: M.t({"constraints": [Check("a <> ''")]}),
        before="CREATE TABLE t (id {id}, a {text} NOT NULL, CHECK (a <> ''))",
    ),
    Case(
        "drift: another CHECK of the constraint's name stands",
        lambda M: M.t({"constraints": [SQL("CONSTRAINT filled CHECK (a <> '')")]}),
        before="CREATE TABLE t (id {id}, a {text} NOT NULL,"
        " CONSTRAINT filled CHECK (length(a) > 0))",
        drift="AM216 t.filled",
    ),
    Case(
        "no drift: a CHECK in a longer spelling",
        lambda M: M.t({"constraints": [Check("a IN ('x', 'y') AND length(a) BETWEEN 1 AND 5")]}),
        before="CREATE TABLE t (id {id}, a {text} NOT NULL,"
        " CHECK (a IN ('x', 'y') AND length(a) BETWEEN 1 AND 5))",
    ),
]

SILENT = [
    differs(
        "a field's own CHECK is missing",
        "n INTEGER NOT NULL",
        lambda M: M.t(n=IntegerField(constraints=[Check("n > 0")])),
        "AM208 t",
    ),
    differs(
        "a field's own CHECK says something else",
        "n INTEGER NOT NULL CHECK (n > 5)",
        lambda M: M.t(n=IntegerField(constraints=[Check("n > 0")])),
        "AM208 t",
        notes={POSTGRES: ("AM314 t.t_n_check",), MYSQL: ("AM314 t.n",), SQLITE: ("AM314 t",)},
    ),
    differs(
        "a CHECK that no model knows is a note",
        "n INTEGER NOT NULL CHECK (n > 5)",
        lambda M: M.t(n=IntegerField()),
        (),
        notes={POSTGRES: ("AM314 t.t_n_check",), MYSQL: ("AM314 t.n",), SQLITE: ("AM314 t",)},
    ),
    Case(
        "a foreign key that no model knows is a note",
        lambda M: [M("p"), M.t(n=IntegerField(null=True))],
        before="CREATE TABLE p (id {id}); CREATE TABLE t (id {id}, a {text} NOT NULL,"
        " n INTEGER NULL, FOREIGN KEY (n) REFERENCES p (id))",
        notes=("AM314 t.n",),
    ),
    differs(
        "a unique index stands for a plain one is a note",
        "n INTEGER NOT NULL); CREATE UNIQUE INDEX t_n ON t (n",
        lambda M: M.t(n=IntegerField(index=True)),
        (),
        notes=("AM302 t.t_n",),
    ),
    differs(
        "another collation",
        {SQLITE: "n TEXT COLLATE NOCASE", POSTGRES: 'n TEXT COLLATE "C"'},
        lambda M: M.t(n=TextField(null=True)),
        "AM217 t.n",
        on=[SQLITE, POSTGRES],
    ),
    differs(
        "no collation where the model has one",
        {SQLITE: "n TEXT", POSTGRES: "n TEXT", MYSQL: "n TEXT COLLATE utf8mb4_general_ci"},
        lambda M: M.t(
            n=TextField(
                null=True,
                collation={SQLITE: "NOCASE", POSTGRES: '"C"', MYSQL: "utf8mb4_bin"}[kind(M)],
            )
        ),
        "AM217 t.n",
    ),
    differs(
        "a key that is checked at once where the model has a late one",
        "n_id INTEGER NULL REFERENCES t (id)",
        lambda M: M.t(
            n=ForeignKeyField("self", null=True, index=False, deferrable="INITIALLY DEFERRED")
        ),
        "AM207 t.n_id",
        on=[POSTGRES],
    ),
]

UNKNOWN = [
    Case(
        "an unknown column is a note",
        lambda M: M.t(),
        before=table("old INTEGER"),
        notes=("AM301 t.old",),
    ),
    Case(
        "an unknown column that is NOT NULL with a default is a note",
        lambda M: M.t(),
        before=table("old INTEGER NOT NULL DEFAULT 1"),
        notes=("AM301 t.old",),
    ),
    Case(
        "drift, first in the list: an unknown column that is NOT NULL without a default",
        lambda M: M.t(b=IntegerField(), c=IntegerField()),
        before=table("b TEXT NOT NULL, c INTEGER, old INTEGER NOT NULL"),
        drift=("AM209 t.old", "AM201 t.b", "AM202 t.c"),
    ),
    Case(
        "drift, first in the list, though another table comes before",
        lambda M: [M("o", b=IntegerField()), M.t()],
        before=table("old INTEGER NOT NULL") + "CREATE TABLE o (id {id}, b TEXT NOT NULL)",
        drift=("AM209 t.old", "AM201 o.b"),
    ),
    Case(
        "an unknown generated or identity column fills itself",
        lambda M: M.t(),
        before={
            SQLITE: table("g INTEGER NOT NULL AS (length(a))"),
            MYSQL: table("g INTEGER AS (length(a)) STORED"),
            POSTGRES: table(
                "g INTEGER NOT NULL GENERATED ALWAYS AS (length(a)) STORED,"
                " i INTEGER GENERATED ALWAYS AS IDENTITY"
            ),
        },
    ),
    Case(
        "a missing column beside an unknown one of the same type may be renamed; it is added",
        lambda M: M.t(karma=IntegerField(default=7)),
        "add_column t.karma",
        before=table("points INTEGER"),
        notes=("AM210 t.karma", "AM301 t.points"),
        bystanders=False,
    ),
    Case(
        "of two missing columns beside one unknown column the one of the more alike name is asked",
        lambda M: M.t(score=IntegerField(default=1), karma_points=IntegerField(default=7)),
        ("add_column t.score", "add_column t.karma_points"),
        before=table("points INTEGER DEFAULT 3"),
        notes=("AM210 t.karma_points", "AM301 t.points"),
        bystanders=False,
    ),
    Case(
        "a missing column beside one of its type that every insert must name is blocked",
        lambda M: M.t(
            {"indexes": ((("karma",), True), (("a", "karma"), False))},
            karma=IntegerField(default=7),
        ),
        before=table("points INTEGER NOT NULL"),
        blocked=("AM154 t.karma", "AM111 t.t_a_karma", "AM111 t.t_karma"),
        drift="AM209 t.points",
        bystanders=False,
    ),
    Case(
        "a missing column that the model says to be new is added without a question",
        lambda M: M.t({"automigrate_not_renamed": ("karma",)}, karma=IntegerField(default=7)),
        "add_column t.karma",
        before=table("points INTEGER NOT NULL"),
        drift="AM209 t.points",
        bystanders=False,
    ),
    Case(
        "a missing UUID beside an unknown VARCHAR is new",
        lambda M: M.t(token=UUIDField(null=True)),
        "add_column t.token",
        before=table("name VARCHAR(255)"),
        notes="AM301 t.name",
        bystanders=False,
    ),
    Case(
        "a missing table beside an unknown one of the same columns may be renamed; it is created",
        lambda M: M("client", name=CharField(), city=CharField()),
        "create_table client",
        before="CREATE TABLE customer (id {id}, city VARCHAR(255), name VARCHAR(255));"
        "CREATE TABLE other (id {id}, name VARCHAR(255))",
        notes="AM214 client",
        bystanders=False,
    ),
    Case(
        "a missing table beside one of the same columns that a model knows is new",
        lambda M: [M("client", name=CharField()), M("customer", name=CharField())],
        "create_table client",
        before="CREATE TABLE customer (id {id}, name VARCHAR(255) NOT NULL)",
        bystanders=False,
    ),
    Case(
        "a missing column beside an unknown one that is generated is new",
        lambda M: M.t(karma=IntegerField(default=7)),
        "add_column t.karma",
        before=table("points INTEGER GENERATED ALWAYS AS (length(a)) STORED"),
        notes=("AM301 t.points",),
        bystanders=False,
    ),
    Case(
        "a missing column beside an unknown one of another type is new",
        lambda M: M.t(karma=IntegerField(default=7)),
        "add_column t.karma",
        before=table("points TEXT"),
        notes=("AM301 t.points",),
        bystanders=False,
    ),
    Case(
        "a blocked column beside an unknown one of the same type may be renamed",
        lambda M: M.t(karma=IntegerField()),
        before=table("points INTEGER") + "INSERT INTO t (a) VALUES ('x')",
        blocked="AM101 t.karma",
        notes=("AM210 t.karma", "AM301 t.points"),
        bystanders=False,
    ),
    Case(
        "an exclusion constraint that no model knows is a note",
        lambda M: M.t(),
        before=table("r int4range, EXCLUDE USING gist (r WITH &&)"),
        on=[POSTGRES],
        notes=("AM301 t.r", "AM314 t.t_r_excl"),
    ),
    Case(
        "a column of which there was one before is added anew",
        lambda M: M.t(n=IntegerField(default=7)),
        "add_column t.n",
        before=table("n TEXT") + "INSERT INTO t (a) VALUES ('x'); ALTER TABLE t DROP COLUMN n;",
        values={"n": [7]},
    ),
    Case(
        "an unknown index is of no account",
        lambda M: M.t(),
        before=ROWS + "CREATE INDEX other ON t (a)",
        notes=(),
    ),
    Case(
        "an unknown unique index is a note",
        lambda M: M.t(),
        before=ROWS + "CREATE UNIQUE INDEX other ON t (a)",
        notes=("AM302 t.other",),
    ),
    Case(
        "an unknown unique constraint is a note",
        lambda M: M.t(),
        before="CREATE TABLE t (id {id}, a {text} NOT NULL, CONSTRAINT other UNIQUE (a))",
        notes={SQLITE: ("AM302 t.sqlite_autoindex_t_1",), ...: ("AM302 t.other",)},
    ),
    Case(
        "no note: a unique index of the key itself",
        lambda M: M.t(),
        before="CREATE TABLE t (id INTEGER NOT NULL, a {text} NOT NULL, PRIMARY KEY (id));"
        "CREATE UNIQUE INDEX other ON t (id, a)",
        notes=(),
    ),
    Case(
        "an unknown table is of no account",
        lambda M: M.t(),
        before=ROWS + "CREATE TABLE other (id {id}, b INTEGER NOT NULL)",
        notes=(),
    ),
    Case(
        "two models on one table: their columns and indexes are united",
        lambda M: [
            M("t", called="T1", a=M.text(), n=IntegerField(default=7, index=True)),
            M("t", called="T2", a=M.text(), m=IntegerField(null=True, unique=True)),
        ],
        ("add_column t.n", "add_column t.m", "add_index t.t1_n", "add_index t.t2_m"),
        notes=(),
        values={"n": [7, 7, 7]},
    ),
    Case(
        "two models on one table with an index each of the same columns get one",
        lambda M: [
            M("t", called="T1", a=M.text(index=True)),
            M("t", called="T2", a=M.text(index=True)),
        ],
        "add_index t.t1_a",
    ),
]

CASES = [*TYPES, *COLUMNS, *KEYS, *CONSTRAINTS, *SILENT, *UNKNOWN]
