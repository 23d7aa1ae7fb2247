"""Cases of relations that are no plain tables, and of schemas."""

from __future__ import annotations

import itertools
from typing import Any

from peewee import (
    ForeignKeyField,
    IntegerField,
    Model,
    TextField,
)
from playhouse.sqlite_ext import FTS5Model, RowIDField, SearchField

from tests.cases_base import ALL, MYSQL, POSTGRES, ROWS, SERVERS, SQLITE, Case, Maker

FK_TEXT = (
    "SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE contype = 'f' AND convalidated ORDER BY 1, 2"
)

FK_ROWS = (
    "SELECT replace(table_schema, DATABASE(), ''), table_name, column_name,"
    " referenced_table_schema = 'app', referenced_table_name, referenced_column_name"
    " FROM information_schema.key_column_usage"
    " WHERE table_schema IN (DATABASE(), 'app') AND referenced_table_name IS NOT NULL"
)

PARTS = (
    "CREATE TABLE t (id INTEGER NOT NULL, a TEXT NOT NULL, PRIMARY KEY (id))"
    " PARTITION BY RANGE (id); CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (0) TO (2);"
    "CREATE TABLE t_2 PARTITION OF t DEFAULT;"
    "INSERT INTO t (id, a) VALUES (1, 'x'), (2, 'y'), (3, 'z');"
)


def part(M: Maker, **fields: Any) -> type[Model]:
    return M(
        "t",
        {"indexes": fields.pop("indexes", ())},
        id=IntegerField(primary_key=True),
        **{"a": TextField(), **fields},
    )


VIEW = ROWS + "CREATE VIEW v AS SELECT id, a FROM t;"
MATERIALIZED = ROWS + "CREATE MATERIALIZED VIEW v AS SELECT id, a FROM t;"
FOREIGN = (
    "CREATE FOREIGN DATA WRAPPER away; CREATE SERVER far FOREIGN DATA WRAPPER away;"
    "CREATE FOREIGN TABLE v (id INTEGER NOT NULL, a TEXT NOT NULL) SERVER far;"
)
SEARCH = "CREATE VIRTUAL TABLE v USING fts5 (a, b); INSERT INTO v (a, b) VALUES ('x', 'y');"


def seen(M: Maker, **fields: Any) -> type[Model]:
    return M("v", a=M.text(), **fields)


RELATIONS = [
    Case(
        "a column is added to a partitioned table and its partitions",
        lambda M: part(M, n=IntegerField(default=7)),
        "add_column t.n",
        before=PARTS,
        on=[POSTGRES],
        values={"n": [7, 7, 7]},
    ),
    Case(
        "an index is added to a partitioned table and its partitions, never online (D8)",
        lambda M: part(M, a=TextField(index=True)),
        "add_index t.t_a",
        before=PARTS + "ANALYZE t;",
        on=[POSTGRES],
        options={"online_rows": 0},
        then=(
            "SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = indrelid"
            " WHERE indisvalid AND relname LIKE 't%' AND NOT indisprimary"
            " AND pg_get_indexdef(indexrelid) LIKE '%(a)'",
            [(3,)],
        ),
    ),
    Case(
        "a partition's index that its parent lacks is built on the parent",
        lambda M: part(M, a=TextField(index=True)),
        "add_index t.t_a",
        before=PARTS + "CREATE INDEX only_here ON t_1 (a);",
        on=[POSTGRES],
    ),
    Case(
        "an INVALID index of a partitioned table alone is no index yet",
        lambda M: part(M, a=TextField(index=True)),
        "add_index t.t_a",
        before=PARTS + "CREATE INDEX t_a ON ONLY t (a);",
        on=[POSTGRES],
        bystanders=False,
        then=(
            "SELECT bool_and(indisvalid) FROM pg_index WHERE indexrelid = 't_a'::regclass",
            [(True,)],
        ),
    ),
    Case(
        "a table that others inherit from takes a column with them",
        lambda M: M.t(n=IntegerField(default=7)),
        "add_column t.n",
        before=ROWS + "CREATE TABLE heir () INHERITS (t); INSERT INTO heir (a) VALUES ('h');",
        on=[POSTGRES],
        bystanders=False,
        then=("SELECT n FROM heir", [(7,)]),
    ),
    Case(
        "an unlogged table takes a column",
        lambda M: M.t(n=IntegerField(default=7)),
        "add_column t.n",
        before="CREATE UNLOGGED TABLE t (id {id}, a TEXT NOT NULL); INSERT INTO t (a) VALUES ('x')",
        on=[POSTGRES],
    ),
]
for relation, before, places in (
    ("view", VIEW, ALL),
    ("materialized view", MATERIALIZED, [POSTGRES]),
    ("foreign table", FOREIGN, [POSTGRES]),
    ("virtual table", SEARCH, [SQLITE]),
):
    RELATIONS += [
        Case(
            f"a {relation} with all columns of the model is left alone (D6)",
            lambda M: seen(M),
            before=before,
            on=places,
            notes=("AM303 v",),
        )
        if relation != "virtual table"
        else Case(
            "a virtual table with all columns of its model is found",
            lambda M: M("v", base=FTS5Model, a=SearchField(), b=SearchField()),
            before=before,
            on=places,
            notes=(),
        ),
        Case(
            f"a {relation} that lacks a column is blocked, never altered",
            (lambda M: seen(M, n=IntegerField(null=True), m=IntegerField(null=True)))
            if relation != "virtual table"
            else lambda M: M(
                "v", base=FTS5Model, a=SearchField(), n=SearchField(), m=SearchField()
            ),
            before=before,
            on=places,
            blocked="AM107 v",
            says=f"v: the relation is a {relation}, and these columns are missing: n, m. "
            f"Add them to the {relation} by your own script.",
        ),
    ]
RELATIONS += [
    Case(
        "a model with an index over a view asks for no index (D6)",
        lambda M: M("v", a=M.text(unique=True)),
        before=VIEW,
    ),
    Case(
        "a virtual table's own tables and rows survive a new table beside it",
        lambda M: [
            M("v", base=FTS5Model, rowid=RowIDField(), a=SearchField(), b=SearchField()),
            M("n"),
        ],
        "create_table n",
        before=SEARCH,
        on=[SQLITE],
    ),
    Case(
        "a plain model over a virtual table is left alone",
        lambda M: M("v", {"primary_key": False}, a=TextField(), b=TextField()),
        before=SEARCH,
        on=[SQLITE],
    ),
    Case(
        "a table's name is taken by an index",
        lambda M: M("i", n=IntegerField()),
        before=ROWS + "CREATE INDEX i ON t (a)",
        on=[SQLITE, POSTGRES],
        blocked="AM108 i",
        says="i: the name is taken by an index of t. Give the model another table name.",
    ),
    Case(
        "a table's name is taken by a sequence",
        lambda M: M("s", n=IntegerField()),
        before=ROWS + "CREATE SEQUENCE s",
        on=[POSTGRES],
        blocked="AM108 s",
        says="s: the name is taken by a sequence. Give the model another table name.",
    ),
    Case(
        "a table's name is taken by a composite type",
        lambda M: M("s", n=IntegerField()),
        before=ROWS + "CREATE TYPE s AS (x int)",
        on=[POSTGRES],
        blocked="AM108 s",
    ),
    Case(
        "a table's name is taken by an enum or a domain",
        lambda M: M("s", n=IntegerField()),
        before=ROWS + "CREATE TYPE s AS ENUM ('x')",
        on=[POSTGRES],
        blocked="AM108 s",
    ),
]


def in_schema(M: Maker, schema: str, table: str = "t", **fields: Any) -> type[Model]:
    return M(table, {"schema": schema}, **{"a": M.text(), **fields})


def across(M: Maker) -> list[type[Model]]:
    parent = M("p")
    return [in_schema(M, "app", n=ForeignKeyField(parent, null=True, column_name="n")), parent]


APP = (
    "CREATE SCHEMA app; CREATE TABLE app.t (id {id}, a {text} NOT NULL);"
    "INSERT INTO app.t (a) VALUES ('x');"
)
ATTACHED = (
    "ATTACH DATABASE '{folder}/other.db' AS app;"
    "CREATE TABLE app.t (id {id}, a TEXT NOT NULL); INSERT INTO app.t (a) VALUES ('x');"
)
THERE = {SQLITE: ATTACHED, POSTGRES: APP, MYSQL: APP}
SCHEMAS = [
    Case(
        "a schema that is missing is created with its table and indexes",
        lambda M: in_schema(M, "app", n=IntegerField(unique=True)),
        ("create_schema app", "create_table app.t"),
        on=[POSTGRES],
    ),
    Case(
        "a schema whose name needs quotes is created",
        lambda M: in_schema(M, 'My "app" 100%', n=IntegerField(unique=True)),
        ('create_schema My "app" 100%', 'create_table My "app" 100%.t'),
        on=[POSTGRES],
    ),
    Case(
        "a schema that is not attached is blocked",
        lambda M: in_schema(M, "app"),
        on=[SQLITE, MYSQL],
        blocked="AM112 app.t",
        says="app.t: the schema app is not there. Attach or create it, or set the connection's "
        "search path, then run again.",
    ),
    Case(
        "a column and an index are added in another schema (D21)",
        lambda M: in_schema(M, "app", n=IntegerField(default=7, index=True)),
        ("add_column app.t.n", "add_index app.t.t_n"),
        before=THERE,
        values={"n": [7]},
    ),
    Case(
        "the schema that is the connection's own may be named",
        lambda M: in_schema(
            M,
            "main" if M.database.param == "?" else "public",
            n=IntegerField(default=7, index=True),
        ),
        {
            SQLITE: ("add_column main.t.n", "add_index main.t.t_n"),
            POSTGRES: ("add_column public.t.n", "add_index public.t.t_n"),
        },
        on=[SQLITE, POSTGRES],
        before=ROWS,
        values={"n": [7] * 3},
    ),
    Case(
        "a table is created in another schema",
        lambda M: in_schema(M, "app", "n", b=IntegerField(index=True)),
        "create_table app.n",
        before=THERE,
    ),
    Case(
        "a column in which each row gets its own value is filled in another schema",
        lambda M: in_schema(M, "app", n=IntegerField(default=counter_from(1))),
        "add_column app.t.n",
        before=THERE,
        then=("SELECT count(*) FROM app.t WHERE n < 100", [(1,)]),
    ),
    Case(
        "one table name in two schemas is two tables",
        lambda M: [in_schema(M, "app", n=IntegerField(default=7)), M.t(m=IntegerField(default=8))],
        ("add_column app.t.n", "add_column t.m"),
        before={kind: ROWS + sql for kind, sql in THERE.items()},
        values={"n": [7]},
    ),
    Case(
        "one table name in two schemas, each with a varying default",
        lambda M: [
            in_schema(M, "app", n=IntegerField(default=counter_from(1))),
            M.t(n=IntegerField(default=counter_from(100))),
        ],
        ("add_column app.t.n", "add_column t.n"),
        before={kind: ROWS + sql for kind, sql in THERE.items()},
        then=(
            "SELECT (SELECT count(*) FROM app.t WHERE n < 100), count(DISTINCT n), count(n)"
            " FROM t WHERE n >= 100",
            [(1, 3, 3)],
        ),
    ),
    Case(
        "a table that stands in one schema does not stand for one in another",
        lambda M: in_schema(M, "app", "o"),
        "create_table app.o",
        before={
            kind: sql + "CREATE TABLE o (id {id}, a {text} NOT NULL);"
            for kind, sql in THERE.items()
        },
    ),
    Case(
        "a foreign key leads to another schema (D11)",
        across,
        {
            MYSQL: ("add_column app.t.n", "add_index app.t.t_n", "add_foreign_key app.t.n"),
            ...: ("add_column app.t.n", "add_index app.t.t_n"),
        },
        before=APP + "CREATE TABLE p (id {id});",
        on=SERVERS,
        then={
            POSTGRES: (FK_TEXT, [("app.t", "FOREIGN KEY (n) REFERENCES p(id)")]),
            MYSQL: (FK_ROWS, [("app", "t", "n", 0, "p", "id")]),
        },
    ),
    Case(
        "a new table refers to another schema",
        lambda M: [M("n", p=ForeignKeyField(p := in_schema(M, "app"))), p],
        "create_table n",
        before=APP,
        on=SERVERS,
        then={
            POSTGRES: (FK_TEXT, [("n", "FOREIGN KEY (p_id) REFERENCES app.t(id)")]),
            MYSQL: (FK_ROWS, [("", "n", "p_id", 1, "t", "id")]),
        },
    ),
    Case(
        "a foreign key to another schema is blocked on SQLite",
        lambda M: [*across(M), M("n", p=ForeignKeyField(in_schema(M, "app")))],
        before=ATTACHED + "CREATE TABLE p (id {id});",
        on=[SQLITE],
        blocked=("AM136 app.t.n", "AM111 app.t.t_n", "AM136 n.p_id"),
        says=(
            "app.t.n: sqlite has no foreign keys to another schema. Declare both sides alike, then "
            "run again.",
            "app.t.t_n: needs the column n, which is blocked. Resolve that first.",
            "n.p_id: sqlite has no foreign keys to another schema. Declare both sides alike, then "
            "run again.",
        ),
    ),
    Case(
        "foreign keys within another schema do not name it on SQLite",
        lambda M: [
            p := in_schema(M, "app", own=ForeignKeyField("self", null=True)),
            in_schema(M, "app", "n", p=ForeignKeyField(p)),
            M("o", p=ForeignKeyField(in_schema(M, "main"))),
            in_schema(M, "main", p=ForeignKeyField(M("o"), null=True)),
        ],
        (
            "add_column app.t.own_id",
            "add_index app.t.t_own_id",
            "create_table app.n",
            "add_column main.t.p_id",
            "add_index main.t.t_p_id",
            "create_table o",
        ),
        before=ATTACHED + "CREATE TABLE t (id {id}, a {text} NOT NULL);",
        on=[SQLITE],
        then=(
            "SELECT count(*), group_concat(DISTINCT \"table\") FROM pragma_foreign_key_list('n', "
            "'app')",
            [(1, "t")],
        ),
    ),
    Case(
        "a table in a later schema of the search path is found (D12)",
        lambda M: M.t(n=IntegerField(default=7, index=True)),
        ("add_column t.n", "add_index t.t_n"),
        before=APP + "SET search_path = public, app",
        on=[POSTGRES],
        values={"n": [7]},
    ),
    Case(
        "an index in the schema of its table, not of the search path, owns its name",
        lambda M: M.t(a=TextField(index=True)),
        "add_index t.t_a",
        before=APP
        + "CREATE TABLE o (a text); CREATE INDEX t_a ON o (a); SET search_path = public, app",
        on=[POSTGRES],
    ),
    Case(
        "the first schema of the search path gets the new table",
        lambda M: M("n"),
        "create_table n",
        before=APP + "SET search_path = app, public",
        on=[POSTGRES],
        bystanders=False,
        then=("SELECT to_regclass('app.n') IS NOT NULL", [(True,)]),
    ),
    Case(
        "without any schema on the search path nothing can be created",
        lambda M: M("n"),
        before=ROWS + "SET search_path = ''",
        on=[POSTGRES],
        bystanders=False,
        blocked="AM112 n",
    ),
    Case(
        "a temporary table of the name hides no table",
        lambda M: M.t(n=IntegerField(default=7)),
        "add_column t.n",
        before=ROWS + "CREATE TEMPORARY TABLE other (id INTEGER)",
        bystanders=False,
    ),
]


def counter_from(start: int) -> Any:
    return itertools.count(start).__next__


CASES = [*RELATIONS, *SCHEMAS]
