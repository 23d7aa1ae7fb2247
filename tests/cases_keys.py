"""Cases of columns with constraints: CHECK, unique, keys; and of what a rebuild would harm."""

from __future__ import annotations

from functools import partial
from typing import Any

from peewee import (
    SQL,
    CharField,
    Check,
    CompositeKey,
    Field,
    ForeignKeyField,
    IdentityField,
    IntegerField,
    Model,
    TextField,
    fn,
)

from tests.cases_base import (
    MYSQL,
    POSTGRES,
    ROWS,
    SERVERS,
    SQLITE,
    TABLE,
    Case,
    Maker,
    kind,
)

ONE_ROW = TABLE + "INSERT INTO t (a) VALUES ('x');"
CHECKS = [
    Case(
        "a CHECK that each row passes comes with its column",
        lambda M: M.t(n=IntegerField(default=7, constraints=[SQL("CHECK (n > 0)")])),
        "add_column t.n",
        effects="scans",
        refuses="INSERT INTO t (a, n) VALUES ('w', 0)",
        then={
            ...: ("SELECT count(*) FROM t WHERE n = 7", [(3,)]),
            POSTGRES: (
                "SELECT convalidated FROM pg_constraint WHERE conname = 't_n_check'",
                [(True,)],
            ),
        },
    ),
    Case(
        "a CHECK with a name keeps it",
        lambda M: M.t(
            n=IntegerField(default=7, constraints=[SQL("CONSTRAINT positive CHECK (n > 0)")])
        ),
        "add_column t.n",
        on=[POSTGRES],
        then=(
            "SELECT convalidated, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conname = 'positive'",
            [(True, "CHECK ((n > 0))")],
        ),
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
        "a CHECK over another new column comes after it",
        lambda M: M.t(
            hi=IntegerField(default=1, constraints=[Check("hi > lo")]), lo=IntegerField(default=0)
        ),
        ("add_column t.hi", "add_column t.lo"),
        refuses="INSERT INTO t (a, lo, hi) VALUES ('w', 2, 1)",
    ),
    Case(
        "a CHECK over another new column that the defaults fail is blocked",
        lambda M: M.t(
            hi=IntegerField(default=1, constraints=[Check("hi > lo")]), lo=IntegerField(default=2)
        ),
        "add_column t.lo",
        blocked="AM114 t.hi",
    ),
    Case(
        "a CHECK over a new column that is blocked is blocked as well",
        lambda M: M.t(
            hi=IntegerField(default=1, constraints=[Check("hi > lo")]), lo=IntegerField()
        ),
        blocked=("AM111 t.hi", "AM101 t.lo"),
        says=(
            "t.hi: needs the column lo, which is blocked. Resolve that first.",
            "t.lo: NOT NULL without a default, and the table has rows. Give it a default or "
            "null=True, or add it by your own script, then run again.",
        ),
    ),
    Case(
        "a CHECK does not mind NULL",
        lambda M: M.t(n=IntegerField(null=True, constraints=[SQL("CHECK (n > 0)")])),
        "add_column t.n",
        values={"n": [None] * 3},
    ),
    Case(
        "a CHECK with a per cent sign is added as Peewee's own would be",
        lambda M: M.t(
            n=IntegerField(
                default=4,
                constraints=[
                    SQL("CHECK (n % 2 = 0)" if kind(M) == SQLITE else "CHECK (n %% 2 = 0)")
                ],
            )
        ),
        "add_column t.n",
        refuses="INSERT INTO t (a, n) VALUES ('w', 1)",
    ),
    Case(
        "a UNIQUE in a column's constraints is blocked on SQLite",
        lambda M: M.t(n=IntegerField(null=True, constraints=[SQL("UNIQUE")])),
        blocked="AM120 t.n",
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
        "a unique column may have a keyword for its name",
        lambda M: M.t(end=IntegerField(null=True, unique=True)),
        ("add_column t.end", "add_index t.t_end"),
        values={"end": [None] * 3},
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
        "a composite unique index over new constants only is blocked",
        lambda M: M.t(
            {"indexes": [(("n", "m"), True)]},
            n=IntegerField(default=7),
            m=M.text(default="it's"),
        ),
        ("add_column t.n", "add_column t.m"),
        blocked="AM105 t.t_n_m",
    ),
    Case(
        "a unique index on an expression of a new constant is blocked",
        lambda M: with_index(M, lambda t: t.index(fn.LOWER(t.n), unique=True, name="i")),
        "add_column t.n",
        blocked={MYSQL: "AM133 t.i", ...: "AM105 t.i"},
    ),
    Case(
        "a partial unique index on a new constant is added where one row has it",
        lambda M: with_index(M, lambda t: t.index(t.n, unique=True, where=t.a == "x", name="i")),
        {MYSQL: "add_column t.n", ...: ("add_column t.n", "add_index t.i")},
        blocked={MYSQL: "AM131 t.i"},
    ),
    Case(
        "a composite unique index over a new constant and repeated old values is blocked",
        lambda M: M.t({"indexes": [(("a", "n"), True)]}, n=IntegerField(default=7)),
        "add_column t.n",
        before=ROWS + "INSERT INTO t (a) VALUES ('x'), ('y')",
        blocked="AM105 t.t_a_n",
    ),
]


def of_type(name: str, M: Maker, **options: Any) -> Any:
    """Make the model of a table with a column of a type."""
    return M.t(n=type("Typed", (Field,), {"field_type": name})(**options))


def with_index(M: Maker, index: Any) -> Any:
    """Make the model of `t` with a new constant column and an index."""
    model = M.t(n=M.text(default="N"))
    model.add_index(index(model))
    return model


def generated(length: int) -> Any:
    """Return a function that makes a unique column generated from a new one."""
    return lambda M: M.t(
        g=IntegerField(null=True, unique=True, constraints=[SQL("AS (h * 2) VIRTUAL")]),
        h=IntegerField(null=True, constraints=[SQL(f"AS (nullif(length(a), {length})) VIRTUAL")]),
    )


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
        lambda M: M(
            "t", {"primary_key": CompositeKey("a", "b")}, a=M.text(), b=IntegerField(default=1)
        ),
        before="CREATE TABLE t (a {text} NOT NULL PRIMARY KEY)",
        blocked="AM102 t.b",
        drift="AM204 t",
    ),
    Case(
        "a stored generated column is not added",
        lambda M: M.t(
            n=IntegerField(null=True, constraints=[SQL("GENERATED ALWAYS AS (length(a)) STORED")])
        ),
        blocked="AM102 t.n",
        says="t.n: a stored generated column, which can't be added to a table that stands. "
        "Add it by your own script, then run again.",
    ),
    Case(
        "a virtual generated column is added",
        lambda M: M.t(
            n=IntegerField(null=True, constraints=[SQL("GENERATED ALWAYS AS (length(a)) VIRTUAL")])
        ),
        "add_column t.n",
        on=[SQLITE, MYSQL],
        values={"n": [1, 1, 1]},
    ),
    *(
        Case(
            f"a unique generated column over a new one is {what}",
            generated(length),
            ("add_column t.g", "add_column t.h", *changes),
            blocked=blocked,
            on=[SQLITE, MYSQL],
        )
        for what, length, changes, blocked in (
            ("built", 1, ("add_index t.t_g",), ()),
            ("blocked where its keys stand twice", 2, (), "AM105 t.t_g"),
        )
    ),
    Case(
        "drift: generated columns stand where plain ones are declared",
        lambda M: M.t(n=IntegerField(null=True), m=IntegerField(null=True)),
        before={
            ...: "CREATE TABLE t (id {id}, a {text} NOT NULL, n INTEGER AS (length(a)) VIRTUAL,"
            " m INTEGER AS (length(a)) STORED); INSERT INTO t (a) VALUES ('x')",
            POSTGRES: "CREATE TABLE t (id {id}, a {text} NOT NULL,"
            " n INTEGER GENERATED ALWAYS AS (length(a)) STORED,"
            " m INTEGER GENERATED ALWAYS AS (length(a)) STORED); INSERT INTO t (a) VALUES ('x')",
        },
        drift=("AM215 t.n", "AM215 t.m"),
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

PARENT = "CREATE TABLE p (id {id}, code INTEGER NOT NULL UNIQUE);INSERT INTO p (code) VALUES (100);"


# InnoDB adds a column without its key at once, and then a key without copying the table.
FOLLOWED = {
    MYSQL: ("add_column t.n", "add_index t.t_n", "add_foreign_key t.n"),
    ...: ("add_column t.n", "add_index t.t_n"),
}


def key(
    sentence: str, changes: Any, before: Any = ROWS + PARENT, to: Any = None, **rest: Any
) -> Case:
    """A column `n` of `t` that refers to `p`; ``to`` are the field's options."""

    def models(M: Maker) -> Any:
        p = M("p", code=IntegerField(unique=True))
        options = {
            name: getattr(p, value) if name == "field" else value
            for name, value in (to or {}).items()
        }
        return [M.t(n=ForeignKeyField(p, column_name="n", **options)), p]

    return Case(sentence, models, changes, before=before, **rest)


FK_TEXT = (
    "SELECT convalidated, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE contype = 'f' AND conrelid = 't'::regclass"
)
FK_ROWS = (
    "SELECT k.referenced_table_name, k.column_name, k.referenced_column_name,"
    " replace(r.update_rule, 'RESTRICT', 'NO ACTION'),"
    " replace(r.delete_rule, 'RESTRICT', 'NO ACTION')"
    " FROM information_schema.key_column_usage k"
    " JOIN information_schema.referential_constraints r USING (constraint_schema, constraint_name)"
    " WHERE k.table_schema = DATABASE() AND k.table_name = 't'"
)
FK_LIST = 'SELECT "table", "from", "to", on_update, on_delete FROM pragma_foreign_key_list(\'t\')'
WAITING = (
    *("create_table a", "create_table aa", "add_column p.code", "add_column t.n", "add_column b.n"),
    *("add_index p.p_code", "add_index t.t_n"),
)


def waiting_keys(M: Maker) -> list[type[Model]]:
    """Two new tables and two columns that refer, also by way of another, to what gets unique."""
    p = M("p", code=IntegerField(null=True, unique=True))
    t = M.t(n=ForeignKeyField(p, field="code", null=True, column_name="n", unique=True))
    b = M("b", n=ForeignKeyField(t, field="n", null=True, column_name="n", index=False))
    a = M("a", p=ForeignKeyField(p, field="code", index=False))
    return [M("aa", a=ForeignKeyField(a, index=False)), a, b, t, p]


FOREIGN_KEYS = [
    key(
        "a nullable foreign key column comes with its constraint and index",
        FOLLOWED,
        to={"null": True},
        then={
            SQLITE: (FK_LIST, [("p", "n", "id", "NO ACTION", "NO ACTION")]),
            MYSQL: (FK_ROWS, [("p", "n", "id", "NO ACTION", "NO ACTION")]),
            POSTGRES: (FK_TEXT, [(True, "FOREIGN KEY (n) REFERENCES p(id)")]),
        },
    ),
    key(
        "a foreign key keeps its actions, and that it is deferrable",
        FOLLOWED,
        to={
            "null": True,
            "on_delete": "CASCADE",
            "on_update": "SET NULL",
            "deferrable": "INITIALLY DEFERRED",
        },
        on=[SQLITE, POSTGRES],
        then={
            SQLITE: (FK_LIST, [("p", "n", "id", "SET NULL", "CASCADE")]),
            POSTGRES: (
                FK_TEXT,
                [
                    (
                        True,
                        "FOREIGN KEY (n) REFERENCES p(id) ON UPDATE SET NULL"
                        " ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED",
                    )
                ],
            ),
        },
    ),
    key(
        "a foreign key keeps its actions on MySQL",
        FOLLOWED,
        to={"null": True, "on_delete": "CASCADE", "on_update": "SET NULL"},
        on=[MYSQL],
        then=(FK_ROWS, [("p", "n", "id", "SET NULL", "CASCADE")]),
    ),
    key(
        "a foreign key keeps its name",
        {MYSQL: ("add_column t.n", "add_foreign_key t.n"), ...: "add_column t.n"},
        to={"null": True, "index": False, "constraint_name": 'to "p" 100%'},
        peewee={MYSQL: (4, 3), ...: (3, 17)},
        then={
            SQLITE: (
                "SELECT count(*) FROM sqlite_master WHERE name = 't'"
                ' AND sql LIKE \'%CONSTRAINT "to ""p"" 100%%" REFERENCES%\'',
                [(1,)],
            ),
            POSTGRES: ("SELECT conname FROM pg_constraint WHERE contype = 'f'", [('to "p" 100%',)]),
            MYSQL: (
                "SELECT constraint_name FROM information_schema.referential_constraints"
                " WHERE constraint_schema = DATABASE()",
                [('to "p" 100%',)],
            ),
        },
    ),
    key(
        "a foreign key to a unique column that is no primary key is added",
        FOLLOWED,
        to={"null": True, "field": "code"},
        then={
            SQLITE: (FK_LIST, [("p", "n", "code", "NO ACTION", "NO ACTION")]),
            MYSQL: (FK_ROWS, [("p", "n", "code", "NO ACTION", "NO ACTION")]),
            POSTGRES: (FK_TEXT, [(True, "FOREIGN KEY (n) REFERENCES p(code)")]),
        },
    ),
    key(
        "a foreign key to a new table is added",
        {
            MYSQL: ("create_table p", "add_column t.n", "add_index t.t_n", "add_foreign_key t.n"),
            ...: ("create_table p", "add_column t.n", "add_index t.t_n"),
        },
        before=ROWS,
        to={"null": True},
    ),
    key(
        "a foreign key to a unique column that is new too follows its index",
        {
            MYSQL: (
                "add_column p.code",
                "add_index p.p_code",
                "add_column t.n",
                "add_index t.t_n",
                "add_foreign_key t.n",
            ),
            ...: ("add_column p.code", "add_index p.p_code", "add_column t.n", "add_index t.t_n"),
        },
        before=ROWS + "CREATE TABLE p (id {id})",
        to={"null": True, "field": "code"},
        then={
            POSTGRES: (FK_TEXT, [(True, "FOREIGN KEY (n) REFERENCES p(code)")]),
            MYSQL: (FK_ROWS, [("p", "n", "code", "NO ACTION", "NO ACTION")]),
        },
    ),
    key(
        "a foreign key NOT NULL without a default is blocked on a table with rows",
        (),
        blocked=("AM101 t.n", "AM111 t.t_n"),
    ),
    key(
        "a foreign key with a default whose row is there is added, but not on SQLite",
        {SQLITE: (), **FOLLOWED},
        to={"default": 1},
        blocked={SQLITE: ("AM121 t.n", "AM111 t.t_n")},
        effects={POSTGRES: ("scans", "builds"), MYSQL: ("instant", "builds", "rewrites")},
        says=(
            "t.n: SQLite adds no foreign key column with a default to a table with rows, since it "
            "would not check the default. Declare it otherwise, or add it by your own "
            "script, then run again.",
            "t.t_n: needs the column n, which is blocked. Resolve that first.",
        ),
        then={
            POSTGRES: (FK_TEXT, [(True, "FOREIGN KEY (n) REFERENCES p(id)")]),
            MYSQL: (FK_ROWS, [("p", "n", "id", "NO ACTION", "NO ACTION")]),
        },
    ),
    key(
        "a foreign key with a default whose row is not there is blocked",
        (),
        to={"default": 2},
        blocked={SQLITE: ("AM121 t.n", "AM111 t.t_n"), ...: ("AM115 t.n", "AM111 t.t_n")},
        says={
            SQLITE: (),
            ...: (
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
        blocked={SQLITE: ("AM121 t.n", "AM111 t.t_n"), ...: ("AM115 t.n", "AM111 t.t_n")},
    ),
    key(
        "a foreign key with a default is added to an empty table",
        FOLLOWED,
        before=TABLE + PARENT,
        to={"default": 1},
    ),
    key(
        "a foreign key is added where SQLite checks them",
        FOLLOWED,
        before=ROWS + PARENT + "PRAGMA foreign_keys = ON",
        on=[SQLITE],
        to={"null": True, "on_delete": "CASCADE"},
        refuses="INSERT INTO t (a, n) VALUES ('w', 99)",
    ),
    key(
        "a unique foreign key is added, then its unique index",
        FOLLOWED,
        to={"null": True, "unique": True},
        then=("SELECT count(*) FROM t WHERE n IS NULL", [(3,)]),
    ),
    Case(
        "a foreign key to a text key is added",
        lambda M: [
            M.t(n=ForeignKeyField(p := M("p", k=M.text(primary_key=True)), null=True)),
            p,
        ],
        {
            MYSQL: ("add_column t.n_id", "add_index t.t_n_id", "add_foreign_key t.n_id"),
            ...: ("add_column t.n_id", "add_index t.t_n_id"),
        },
        before=ROWS + "CREATE TABLE p (k {text} NOT NULL PRIMARY KEY)",
    ),
    Case(
        "a foreign key to a view is blocked",
        lambda M: M.t(n=ForeignKeyField(M("v"), null=True, column_name="n", index=False)),
        before=ROWS + "CREATE VIEW v AS SELECT 1 AS id",
        blocked="AM117 t.n",
        on=SERVERS,
    ),
    Case(
        "a foreign key with a default is added to a partitioned table",
        lambda M: M(
            "t",
            {"primary_key": False},
            id=IntegerField(),
            n=ForeignKeyField(M("p"), default=1, column_name="n", index=False),
        ),
        "add_column t.n",
        before=PARENT + "CREATE TABLE t (id INTEGER NOT NULL) PARTITION BY RANGE (id);"
        "CREATE TABLE t_1 PARTITION OF t DEFAULT; INSERT INTO t VALUES (1), (2)",
        on=[POSTGRES],
        then=("SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND convalidated", [(2,)]),
    ),
    Case(
        "a foreign key to its own table is added",
        lambda M: M.t(n=ForeignKeyField("self", null=True, column_name="n")),
        FOLLOWED,
        then={
            SQLITE: (FK_LIST, [("t", "n", "id", "NO ACTION", "NO ACTION")]),
            MYSQL: (FK_ROWS, [("t", "n", "id", "NO ACTION", "NO ACTION")]),
            POSTGRES: (FK_TEXT, [(True, "FOREIGN KEY (n) REFERENCES t(id)")]),
        },
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
        "a foreign key to a table that is blocked is blocked, and the other columns are added",
        lambda M: [
            p := M("p", g=ForeignKeyField(M("g"))),
            M.t(n=ForeignKeyField(p, null=True, column_name="n"), m=M.text(default="y")),
        ],
        "add_column t.m",
        blocked=("AM109 p.g_id", "AM111 t.n", "AM111 t.t_n"),
        says=(
            "p.g_id: refers to the table g, which is neither in the database nor among the models. "
            "Name its model too, then run again.",
            "t.n: needs the table p, which is blocked. Resolve that first.",
            "t.t_n: needs the column n, which is blocked. Resolve that first.",
        ),
    ),
    Case(
        "foreign keys wait for the unique indexes that they refer to, one after another",
        waiting_keys,
        {
            MYSQL: (*WAITING, *(f"add_foreign_key {key}" for key in ("b.n", "t.n"))),
            ...: WAITING,
        },
        before=ROWS + "CREATE TABLE p (id {id}); CREATE TABLE b (id {id});",
        then={
            POSTGRES: ("SELECT count(*) FROM pg_constraint WHERE contype = 'f'", [(4,)]),
            SQLITE: (FK_LIST, [("p", "n", "code", "NO ACTION", "NO ACTION")]),
        },
    ),
    Case(
        "a foreign key to a new unique column of its own table is added",
        lambda M: M.t(
            code=IntegerField(null=True, unique=True),
            n=ForeignKeyField("self", field="code", null=True, column_name="n", index=False),
        ),
        {
            MYSQL: ("add_column t.code", "add_column t.n", "add_index t.t_code")
            + ("add_foreign_key t.n",),
            ...: ("add_column t.code", "add_column t.n", "add_index t.t_code"),
        },
        then={POSTGRES: (FK_TEXT, [(True, "FOREIGN KEY (n) REFERENCES t(code)")])},
    ),
    Case(
        "a new table refers to a unique column of its own",
        lambda M: M(
            "t",
            code=IntegerField(unique=True),
            n=ForeignKeyField("self", field="code", null=True, column_name="n", index=False),
        ),
        {POSTGRES: ("create_table t", "add_foreign_key t.n"), ...: "create_table t"},
        before="",
        then={POSTGRES: (FK_TEXT, [(True, "FOREIGN KEY (n) REFERENCES t(code)")])},
    ),
    key(
        "a foreign key whose default stands nowhere in a column that is new too is blocked",
        ("add_column p.code", "add_index p.p_code"),
        before=ROWS + "CREATE TABLE p (id {id})",
        blocked=("AM115 t.n", "AM111 t.t_n"),
        on=SERVERS,
        to={"default": 1, "field": "code"},
    ),
    key(
        "a foreign key to a unique column whose index is blocked is blocked",
        (),
        before=ROWS + "CREATE TABLE p (id {id}, code INTEGER NOT NULL);"
        "INSERT INTO p (code) VALUES (1), (1)",
        blocked=("AM105 p.p_code", "AM111 t.n", "AM111 t.t_n"),
        to={"null": True, "field": "code"},
    ),
    Case(
        "a foreign key to a blocked column whose name has upper case is blocked",
        lambda M: [
            p := M("p", code=IntegerField(column_name="Code", unique=True)),
            M.t(n=ForeignKeyField(p, field="code", null=True, column_name="n", index=False)),
        ],
        before=ROWS + PARENT.replace("code", "number"),
        blocked=("AM154 p.Code", "AM111 p.p_Code", "AM111 t.n"),
        drift="AM209 p.number",
    ),
    Case(
        "a foreign key to a blocked column of its own table is blocked",
        lambda M: M.t(
            code=IntegerField(unique=True),
            n=ForeignKeyField("self", field="code", null=True, column_name="n", index=False),
        ),
        blocked=("AM101 t.code", "AM111 t.n", "AM111 t.t_code"),
    ),
    Case(
        "a new table that refers to a unique column whose index is blocked is blocked",
        lambda M: [
            p := M.t(a=M.text(unique=True)),
            M("child", n=ForeignKeyField(p, field="a")),
        ],
        before=ROWS + "INSERT INTO t (a) VALUES ('x')",
        blocked=("AM111 child", "AM105 t.t_a"),
    ),
    Case(
        "a foreign key to a table that is there but not declared is added",
        lambda M: M.t(n=ForeignKeyField(M("p"), null=True, column_name="n")),
        FOLLOWED,
        before=ROWS + PARENT,
    ),
    Case(
        "a foreign key to a column that is neither key nor unique is blocked",
        lambda M: M.t(
            n=ForeignKeyField(
                M("p", code=IntegerField()), field="code", null=True, column_name="n", index=False
            )
        ),
        before=ROWS + "CREATE TABLE p (id {id}, code INTEGER NOT NULL)",
        blocked="AM117 t.n",
        on=SERVERS,
        says="t.n: refers to p (code), which is neither its primary key nor unique. "
        "Declare that field unique=True, then run again.",
    ),
    Case(
        "a foreign key to a constraint that is DEFERRABLE is blocked",
        lambda M: M.t(
            n=ForeignKeyField(
                M("p", code=IntegerField(unique=True)),
                field="code",
                null=True,
                column_name="n",
                index=False,
            )
        ),
        before=ROWS + "CREATE TABLE p (id {id}, code INTEGER NOT NULL UNIQUE DEFERRABLE)",
        on=[POSTGRES],
        blocked="AM150 t.n",
    ),
    Case(
        "a foreign key of a type that its parent's can't be compared with is blocked",
        lambda M: M.t(n=ForeignKeyField(M("p"), null=True, column_name="n", index=False)),
        before=ROWS + "CREATE TABLE p (id UUID PRIMARY KEY)",
        on=[POSTGRES],
        blocked="AM118 t.n",
    ),
    Case(
        "a column of a partition is blocked",
        lambda M: M("t_1", id=IntegerField(primary_key=True), n=IntegerField(null=True)),
        before="CREATE TABLE t (id INTEGER PRIMARY KEY) PARTITION BY RANGE (id);"
        "CREATE TABLE t_1 PARTITION OF t DEFAULT",
        on=[POSTGRES],
        bystanders=False,
        blocked="AM149 t_1.n",
    ),
    *(
        Case(
            f"an index of a type that has no order is blocked: {name}",
            partial(of_type, name, index=True),
            before=f"CREATE TABLE t (id {{id}}, a {{text}} NOT NULL, n {name} NOT NULL)",
            on=[POSTGRES],
            blocked="AM151 t.t_n",
        )
        for name in ("json", "point", "xml")
    ),
    *(
        Case(
            f"a type that is no type name is blocked: {name}",
            partial(of_type, name, null=True),
            on=[POSTGRES],
            blocked="AM116 t.n",
        )
        for name in ("INT UNSIGNED", "ENUM('a','b')", "ANY", "VARCHAR(20) CHARACTER SET ascii")
    ),
    Case(
        "a foreign key to a column that is not unique is added where none is checked",
        lambda M: M.t(
            n=ForeignKeyField(
                M("p", code=IntegerField()), field="code", null=True, column_name="n", index=False
            )
        ),
        "add_column t.n",
        before=ROWS + "CREATE TABLE p (id {id}, code INTEGER NOT NULL)",
        on=[SQLITE],
        notes=("AM312 t.n",),
    ),
    Case(
        "a foreign key to a column that is not unique is blocked where keys are checked",
        lambda M: M.t(
            n=ForeignKeyField(
                M("p", code=IntegerField()), field="code", null=True, column_name="n", index=False
            )
        ),
        before=ROWS + "CREATE TABLE p (id {id}, code INTEGER NOT NULL); PRAGMA foreign_keys = 1",
        on=[SQLITE],
        blocked="AM117 t.n",
    ),
]


def trap(number: str, what: str, before: str, **rest: Any) -> Case:
    """A table that a rebuild would harm; see S1 to S11 in the tracker's facts."""
    fields = rest.pop("fields", {"a": TextField})
    return Case(
        f"{what} survives a NOT NULL column with a default ({number})",
        lambda M: M(
            "t",
            rest.get("meta"),
            n=IntegerField(default=7),
            **{name: field() for name, field in fields.items()},
        ),
        "add_column t.n",
        before=before,
        on=[SQLITE],
        effects="instant",
        **{name: value for name, value in rest.items() if name != "meta"},
    )


REBUILDS = [
    trap("S1", "a view", ROWS + "CREATE VIEW v AS SELECT a FROM t"),
    trap(
        "S2",
        "a child row that would be deleted by cascade",
        ROWS + "PRAGMA foreign_keys = ON;"
        "CREATE TABLE c (id INTEGER PRIMARY KEY, t REFERENCES t (id) ON DELETE CASCADE);"
        "INSERT INTO c (t) VALUES (1), (2)",
    ),
    trap("S3", "a trigger", ROWS + "CREATE TRIGGER w AFTER DELETE ON t BEGIN SELECT 1; END"),
    trap(
        "S4",
        "an AUTOINCREMENT counter",
        "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, a TEXT NOT NULL);"
        "INSERT INTO t (a) VALUES (1), (2), (3), (4), (5); DELETE FROM t WHERE id > 2",
    ),
    trap(
        "S5",
        "STRICT and WITHOUT ROWID",
        "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, a TEXT NOT NULL) STRICT, WITHOUT ROWID;"
        "INSERT INTO t VALUES (1, 'x'), (2, 'y')",
    ),
    trap(
        "S6",
        "a generated column",
        "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, a TEXT NOT NULL, g AS (a || '!'));"
        "INSERT INTO t (a) VALUES ('x'), ('y')",
    ),
    trap(
        "S7",
        "a comment in CREATE TABLE",
        "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, -- the key, so (to) say\n"
        " a TEXT NOT NULL /* text */); INSERT INTO t (a) VALUES ('x')",
    ),
    trap(
        "S8",
        "a column whose name has a space",
        'CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, "first name" TEXT NOT NULL);'
        "INSERT INTO t VALUES (1, 'x')",
        fields={"a": lambda: TextField(column_name="first name")},
    ),
    trap(
        "S9",
        "a default with spaces in it",
        "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, a TEXT NOT NULL DEFAULT 'x   y');"
        "INSERT INTO t (id) VALUES (1), (2)",
        drift="AM203 t.a",
    ),
    trap(
        "S10",
        "the rowids of a table without an integer key",
        "CREATE TABLE t (a TEXT NOT NULL); INSERT INTO t VALUES ('x'), ('y'), ('z');"
        "DELETE FROM t WHERE a = 'y'",
        meta={"primary_key": False},
    ),
    Case(
        "a view and a trigger that are broken already do not matter",
        lambda M: M.t(n=IntegerField(default=7)),
        "add_column t.n",
        before=ROWS + "CREATE VIEW v AS SELECT b FROM gone;"
        "CREATE TRIGGER w AFTER DELETE ON t BEGIN DELETE FROM gone; END",
        on=[SQLITE],
        values={"n": [7] * 3},
    ),
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


CASES = [*CHECKS, *UNIQUE, *KEYS, *FOREIGN_KEYS, *REBUILDS]
