"""Cases of tables that are missing, and of relations that are no plain tables."""

from __future__ import annotations

from functools import partial
from typing import Any

from peewee import (
    SQL,
    BigAutoField,
    BooleanField,
    CharField,
    Check,
    CompositeKey,
    DeferredForeignKey,
    ForeignKeyField,
    IdentityField,
    IntegerField,
    ManyToManyField,
    Model,
    TextField,
    fn,
)
from playhouse.sqlite_ext import AutoIncrementField, FTS5Model, SearchField

from tests.cases_base import ALL, MYSQL, POSTGRES, SERVERS, SQLITE, Case, Maker, sql_default

FK_TEXT = (
    "SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE contype = 'f' AND convalidated ORDER BY 1, 2"
)

FK_ROWS = (
    "SELECT table_name, column_name, referenced_table_name, referenced_column_name"
    " FROM information_schema.key_column_usage"
    " WHERE table_schema = DATABASE() AND referenced_table_name IS NOT NULL ORDER BY 1, 2"
)


def doubly_indexed(own: dict[str, Any], meta: Any, M: Maker) -> Any:
    return M("n", {"indexes": meta}, b=IntegerField(**own), c=IntegerField())


def made(
    what: str, models: Any, changes: Any = "create_table n", on: Any = ALL, **rest: Any
) -> Case:
    """A table that is missing is created."""
    return Case(f"a table is created: {what}", models, changes, on=on, **rest)


def family(M: Maker) -> list[type[Model]]:
    parent = M("parent")
    return [M("child", parent=ForeignKeyField(parent)), parent]


def pair(M: Maker, called: str = "") -> list[type[Model]]:
    """Two models that refer to each other, as `DeferredForeignKey` lets them."""
    first = M(
        "first", called=f"First{called}", second=DeferredForeignKey(f"Second{called}", null=True)
    )
    return [first, M("second", called=f"Second{called}", first=ForeignKeyField(first, null=True))]


def added_pair(M: Maker) -> list[type[Model]]:
    """Two models that refer to each other, the second key added to the finished model."""
    first = M("first")
    second = M("second", first=ForeignKeyField(first))
    first._meta.add_field("second", ForeignKeyField(second, null=True, backref="+"))
    return [first, second]


def ring(M: Maker) -> list[type[Model]]:
    """Three models in a ring."""
    a = M("ring_a")
    b = M("ring_b", a=ForeignKeyField(a, null=True))
    c = M("ring_c", b=ForeignKeyField(b, null=True))
    a._meta.add_field("c", ForeignKeyField(c, null=True))
    return [a, b, c]


def sharing(M: Maker) -> list[type[Model]]:
    """Two models of a table, one of which has no primary key; they have a constraint in common."""
    both = Check("b < 9")
    return [
        M("n", {"constraints": [both, Check("b > 0")]}, called="First", b=IntegerField()),
        M(
            "n",
            {"constraints": [Check("c > 0"), both], "primary_key": False},
            called="Second",
            b=IntegerField(),
            c=IntegerField(index=True),
        ),
    ]


def many(M: Maker) -> list[type[Model]]:
    student = M("student")
    return [student, M("course", students=ManyToManyField(student))]


def inherited(M: Maker) -> list[type[Model]]:
    base = M("base", created=IntegerField(index=True))
    return [M("heir", base=base, more=TextField())]


def two_on_one(M: Maker) -> list[type[Model]]:
    first = M("n", called="First", a=TextField(), b=IntegerField(index=True))
    return [first, M("n", called="Second", a=TextField(), c=IntegerField(null=True, unique=True))]


def unique_by(constraints: list[SQL], meta: dict[str, Any]) -> Any:
    """Return a function that makes a table which refers to a column that these make unique."""
    return lambda M: [
        p := M("p", meta, code=IntegerField(constraints=constraints)),
        M("n", p=ForeignKeyField(p, field="code")),
    ]


CREATED = [
    made("beside those that stand", lambda M: M("n", b=CharField(unique=True))),
    made(
        "under the name that a function gives",
        lambda M: M(
            None,
            {"table_function": lambda model: model.__name__.lower()},
            called="N",
            b=TextField(),
        ),
    ),
    made("in an empty database", lambda M: M("n", b=CharField(unique=True)), before=""),
    made(
        "parents first",
        family,
        ("create_table child", "create_table parent"),
        before="",
        then={
            POSTGRES: (FK_TEXT, [("child", "FOREIGN KEY (parent_id) REFERENCES parent(id)")]),
            MYSQL: (FK_ROWS, [("child", "parent_id", "parent", "id")]),
        },
    ),
    made(
        "with a parent that stands and is not declared",
        lambda M: family(M)[0],
        "create_table child",
        before="CREATE TABLE parent (id {id})",
    ),
    made(
        "with a parent that stands",
        family,
        "create_table child",
        before="CREATE TABLE parent (id {id})",
    ),
    made("without a primary key", lambda M: M("n", {"primary_key": False}, b=TextField())),
    made(
        "with a composite primary key",
        lambda M: M("n", {"primary_key": CompositeKey("b", "c")}, b=M.text(), c=IntegerField()),
    ),
    made("with a text key", lambda M: M("n", b=M.text(primary_key=True))),
    made(
        "with a foreign key as its primary key",
        lambda M: [M("n", p=ForeignKeyField(p := M("p"), primary_key=True)), p],
        ("create_table n", "create_table p"),
    ),
    made("with a key of 64 bits", lambda M: M("n", id=BigAutoField())),
    made(
        "with a key that never comes again",
        lambda M: M("n", id=AutoIncrementField()),
        on=[SQLITE],
        then=("SELECT sql LIKE '% AUTOINCREMENT%' FROM sqlite_master WHERE name = 'n'", [(1,)]),
    ),
    made("with an identity", lambda M: M("n", id=IdentityField()), on=[POSTGRES]),
    made(
        "with an identity that is always made",
        lambda M: M("n", id=IdentityField(True)),
        on=[POSTGRES],
    ),
    made("with a reference to itself", lambda M: M("n", n=ForeignKeyField("self", null=True))),
    made(
        "with a reference to a unique column",
        lambda M: [
            M("n", p=ForeignKeyField(p := M("p", code=IntegerField(unique=True)), field="code")),
            p,
        ],
        ("create_table n", "create_table p"),
        then={
            POSTGRES: (FK_TEXT, [("n", "FOREIGN KEY (p_id) REFERENCES p(code)")]),
            MYSQL: (FK_ROWS, [("n", "p_id", "p", "code")]),
        },
    ),
    made(
        "with its foreign key's actions and name",
        lambda M: [
            M(
                "n",
                p=ForeignKeyField(
                    p := M("p"),
                    on_delete="CASCADE",
                    on_update="SET NULL",
                    deferrable="INITIALLY DEFERRED",
                    constraint_name="to_p",
                ),
            ),
            p,
        ],
        ("create_table n", "create_table p"),
        on=[SQLITE, POSTGRES],
        then={
            POSTGRES: (
                FK_TEXT,
                [
                    (
                        "n",
                        "FOREIGN KEY (p_id) REFERENCES p(id) ON UPDATE SET NULL"
                        " ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED",
                    )
                ],
            )
        },
    ),
    made(
        "with CHECKs and table constraints",
        lambda M: M(
            "n",
            {"constraints": [Check("b > 0"), SQL("CONSTRAINT u UNIQUE (b, c)")]},
            b=IntegerField(constraints=[Check("b < 100")]),
            c=IntegerField(),
        ),
        refuses="INSERT INTO n (b, c) VALUES (0, 1)",
    ),
    made("with a default in SQL", lambda M: M("n", b=IntegerField(constraints=sql_default("7")))),
    made(
        "with a partial and an expression index",
        lambda M: indexed(M),
        blocked={MYSQL: ("AM133 n.n_lower", "AM131 n.n_raw", "AM131 n.n_some")},
    ),
    made(
        "WITHOUT ROWID and STRICT",
        lambda M: M(
            "n",
            {"without_rowid": True, "strict_tables": True},
            id=IntegerField(primary_key=True),
            b=TextField(),
        ),
        on=[SQLITE],
        then=("SELECT wr, strict FROM pragma_table_list('n')", [(1, 1)]),
    ),
    made(
        "with table settings",
        lambda M: M("n", {"table_settings": ["WITH (fillfactor = 70)"]}),
        on=[POSTGRES],
        then=("SELECT reloptions FROM pg_class WHERE relname = 'n'", [(["fillfactor=70"],)]),
    ),
    made(
        "with a sequence of its own",
        lambda M: M("n", id=numbered(), b=TextField()),
        on=[POSTGRES],
        then=("SELECT nextval('n_numbers')", [(1,)]),
    ),
    made(
        "with a sequence that stands",
        lambda M: M("n", id=numbered(), b=TextField()),
        before="CREATE SEQUENCE n_numbers START 5",
        on=[POSTGRES],
    ),
    made(
        "with a per cent sign in a default and a CHECK",
        lambda M: M(
            "n",
            b=M.text(
                constraints=[SQL(percent(M, "DEFAULT '100%'")), Check(percent(M, "b <> '%'"))]
            ),
        ),
        refuses={
            SQLITE: "INSERT INTO n (b) VALUES ('%')",
            ...: "INSERT INTO n (b) VALUES ('%%')",
        },
    ),
    made(
        "a through model with its two ends",
        many,
        ("create_table course", "create_table course_student_through", "create_table student"),
    ),
    made("inherited fields and indexes", inherited, "create_table heir"),
    made("two models united", two_on_one, before="", values={}),
    *(
        made(
            f"two models united, each with its constraints, {what}",
            lambda M, order=order: sharing(M)[::order],
            refuses=refused,
        )
        for what, order, refused in (
            ("the primary key in the first", 1, "INSERT INTO n (b, c) VALUES (1, 0)"),
            ("the primary key in the second", -1, "INSERT INTO n (b, c) VALUES (0, 1)"),
        )
    ),
    made(
        "in dependency order though its name is first",
        lambda M: [M("a", {"depends_on": [b := M("b")]}, c=IntegerField()), b],
        ("create_table a", "create_table b"),
    ),
    made(
        "full text search",
        lambda M: M("n", base=FTS5Model, title=SearchField(), body=SearchField()),
        on=[SQLITE],
        then=("SELECT count(*) FROM n WHERE n MATCH 'x'", [(0,)]),
    ),
    made(
        "full text search with options",
        lambda M: M(
            "n",
            {"options": {"tokenize": "porter", "prefix": [2, 3]}},
            base=FTS5Model,
            title=SearchField(),
            other=SearchField(unindexed=True),
        ),
        on=[SQLITE],
    ),
    Case(
        "a model that asks to be left out is left out",
        lambda M: [M.t(), M("n", {"automigrate": False})],
    ),
    Case(
        "a subclass may ask to be taken again",
        lambda M: [M("heir", {"automigrate": True}, base=M("base", {"automigrate": False}))],
        "create_table heir",
    ),
    Case(
        "a table refers to one that is neither declared nor there",
        lambda M: family(M)[0],
        blocked="AM109 child.parent_id",
        says="child.parent_id: refers to the table parent, which is neither in the database nor "
        "among the models. Name its model too, then run again.",
    ),
    Case(
        "a table refers to one that refers to one that is not there",
        lambda M: [family(M)[0], M("grandchild", child=ForeignKeyField(family(M)[0]))],
        blocked=("AM109 child.parent_id", "AM111 grandchild"),
    ),
    Case(
        "a table refers to a column that is neither key nor unique",
        lambda M: [M("n", p=ForeignKeyField(p := M("p", code=IntegerField()), field="code")), p],
        {SQLITE: ("create_table n", "create_table p"), ...: "create_table p"},
        blocked={SQLITE: (), ...: "AM117 n.p_id"},
        notes={SQLITE: ("AM312 n.p_id",), ...: ()},
    ),
    *(
        Case(
            f"a table refers to a new one's column that is unique by {what}",
            unique_by(given, meta),
            ("create_table n", "create_table p"),
        )
        for what, given, meta in (
            ("its own constraints", [SQL("UNIQUE")], {}),
            ("a constraint of the table", [], {"constraints": [SQL("CONSTRAINT u UNIQUE (code)")]}),
            (
                "the key of the table",
                [],
                {"constraints": [SQL("PRIMARY KEY (code)")], "primary_key": False},
            ),
        )
    ),
    Case(
        "a table refers to one that stands without the constraint that would make it unique",
        lambda M: [
            p := M("p", {"constraints": [SQL("UNIQUE (code)")]}, code=IntegerField()),
            M("n", p=ForeignKeyField(p, field="code")),
        ],
        before="CREATE TABLE p (id {id}, code INTEGER NOT NULL)",
        blocked="AM117 n.p_id",
        on=SERVERS,
        drift="AM208 p",
    ),
    Case(
        "a table refers to one that stands and gets its unique index",
        lambda M: [
            M("n", p=ForeignKeyField(p := M("p", code=IntegerField(unique=True)), field="code")),
            p,
        ],
        ("add_index p.p_code", "create_table n"),
        before="CREATE TABLE p (id {id}, code INTEGER NOT NULL)",
    ),
    Case(
        "of two models on one table the second has the foreign key",
        lambda M: [
            M("n", p_id=IntegerField()),
            M("n", {"primary_key": False}, p=ForeignKeyField(p := M("p"), column_name="p_id")),
            p,
        ],
        ("create_table n", "create_table p"),
        then={SQLITE: ("SELECT \"table\" FROM pragma_foreign_key_list('n')", [("p",)])},
    ),
    Case(
        "a field named id that is no key makes no key",
        lambda M: M("n", id=IntegerField(), b=IntegerField()),
        "create_table n",
    ),
    Case(
        "a field named id that is no key is a column like others",
        lambda M: M("t", a=M.text(), id=IntegerField(null=True)),
        "add_column t.id",
        before="CREATE TABLE t (a {text} NOT NULL); INSERT INTO t (a) VALUES ('x')",
    ),
    Case(
        "a constraint in Meta as text is one",
        lambda M: M("n", {"constraints": ["CHECK (b > 0)"]}, b=IntegerField()),
        "create_table n",
        refuses="INSERT INTO n (b) VALUES (0)",
    ),
    Case(
        "a constraint over a column that is not there is blocked",
        lambda M: [
            M("n", {"constraints": [SQL("UNIQUE (b, host)")]}, b=IntegerField()),
            M("o", b=IntegerField()),
        ],
        "create_table o",
        blocked="AM145 n",
    ),
    *(
        Case(
            f"two indexes of one name and one purpose are one: {what}",
            partial(doubly_indexed, own, meta),
            "create_table n",
            refuses=refuses,
        )
        for what, own, meta, refuses in (
            ("listed twice", {}, ((("b", "c"), False), (("b", "c"), False)), ""),
            ("of a field and in Meta", {"index": True}, ((("b",), False),), ""),
            (
                "plain, and unique",
                {"index": True},
                ((("b",), True),),
                "INSERT INTO n (b, c) VALUES (1, 1), (1, 2)",
            ),
            (
                "unique, and plain",
                {"unique": True},
                ((("b",), False),),
                "INSERT INTO n (b, c) VALUES (1, 1), (1, 2)",
            ),
        )
    ),
    Case(
        "a table refers to a model's key that the table does not have",
        lambda M: [M("n", p=ForeignKeyField(p := M("p", code=IntegerField()))), p],
        before="CREATE TABLE p (id INTEGER NOT NULL, code INTEGER NOT NULL)",
        blocked="AM117 n.p_id",
        on=SERVERS,
        drift="AM204 p",
    ),
    Case(
        "a table of an unknown type is blocked, and what refers to it too",
        lambda M: [unknown_type(M), M("child", n=ForeignKeyField(unknown_type(M)))],
        blocked=("AM111 child", "AM116 n.h"),
        on=[POSTGRES],
    ),
]


def unknown_type(M: Maker) -> type[Model]:
    from playhouse.postgres_ext import HStoreField

    return M("n", h=HStoreField(index=False))


def numbered() -> IntegerField:
    return IntegerField(primary_key=True, sequence="n_numbers")


def percent(M: Maker, sql: str) -> str:
    """Double per cent signs where the driver wants it, as in any SQL of a model."""
    return sql.replace("%", "%%") if M.database.param == "%s" else sql


def indexed(M: Maker) -> type[Model]:
    model = M("n", b=TextField(), c=IntegerField(null=True), d=BooleanField(default=True))
    model.add_index(model.index(model.b, where=model.c > 1, name="n_some"))
    model.add_index(model.index(fn.LOWER(model.b), name="n_lower", unique=True))
    model.add_index(SQL("CREATE INDEX n_raw ON n (b) WHERE c IS NULL"))
    return model


FIRST = "CREATE TABLE first (id {id}); CREATE TABLE second (id {id});"
CYCLES = [
    Case(
        "two new tables refer to each other through a deferred key (C7)",
        lambda M: pair(M, "A"),
        {
            SQLITE: ("create_table first", "create_table second"),
            ...: (
                "create_table first",
                "create_table second",
                "add_foreign_key first.second_id",
            ),
        },
        before="",
        then={
            POSTGRES: (
                FK_TEXT,
                [
                    ("first", "FOREIGN KEY (second_id) REFERENCES second(id)"),
                    ("second", "FOREIGN KEY (first_id) REFERENCES first(id)"),
                ],
            ),
            MYSQL: (
                FK_ROWS,
                [("first", "second_id", "second", "id"), ("second", "first_id", "first", "id")],
            ),
        },
    ),
    Case(
        "two tables that stand get deferred keys to each other",
        lambda M: pair(M, "B"),
        {
            ...: (
                "add_column first.second_id",
                "add_column second.first_id",
                "add_index first.firstb_second_id",
                "add_index second.secondb_first_id",
            ),
            MYSQL: (
                "add_column first.second_id",
                "add_column second.first_id",
                "add_index first.firstb_second_id",
                "add_index second.secondb_first_id",
                "add_foreign_key first.second_id",
                "add_foreign_key second.first_id",
            ),
        },
        before=FIRST + "INSERT INTO first (id) VALUES (1); INSERT INTO second (id) VALUES (1);",
        then={
            POSTGRES: (
                FK_TEXT,
                [
                    ("first", "FOREIGN KEY (second_id) REFERENCES second(id)"),
                    ("second", "FOREIGN KEY (first_id) REFERENCES first(id)"),
                ],
            ),
            MYSQL: (
                FK_ROWS,
                [("first", "second_id", "second", "id"), ("second", "first_id", "first", "id")],
            ),
        },
    ),
    Case(
        "a new table and one that stands refer to each other",
        lambda M: pair(M, "C"),
        {
            ...: (
                "create_table second",
                "add_column first.second_id",
                "add_index first.firstc_second_id",
            ),
            MYSQL: (
                "create_table second",
                "add_column first.second_id",
                "add_index first.firstc_second_id",
                "add_foreign_key first.second_id",
            ),
        },
        before="CREATE TABLE first (id {id}); INSERT INTO first (id) VALUES (1);",
        then={
            POSTGRES: (
                FK_TEXT,
                [
                    ("first", "FOREIGN KEY (second_id) REFERENCES second(id)"),
                    ("second", "FOREIGN KEY (first_id) REFERENCES first(id)"),
                ],
            ),
            MYSQL: (
                FK_ROWS,
                [("first", "second_id", "second", "id"), ("second", "first_id", "first", "id")],
            ),
        },
    ),
    Case(
        "two new tables refer to each other through a key added afterwards",
        added_pair,
        {
            SQLITE: ("create_table first", "create_table second"),
            ...: (
                "create_table first",
                "create_table second",
                "add_foreign_key first.second_id",
            ),
        },
        before="",
        then={
            SQLITE: (
                "SELECT 'first', \"table\" FROM pragma_foreign_key_list('first')",
                [("first", "second")],
            ),
            POSTGRES: (
                FK_TEXT,
                [
                    ("first", "FOREIGN KEY (second_id) REFERENCES second(id)"),
                    ("second", "FOREIGN KEY (first_id) REFERENCES first(id)"),
                ],
            ),
            MYSQL: (
                FK_ROWS,
                [("first", "second_id", "second", "id"), ("second", "first_id", "first", "id")],
            ),
        },
    ),
    Case(
        "three new tables refer to each other in a ring",
        ring,
        {
            SQLITE: ("create_table ring_a", "create_table ring_b", "create_table ring_c"),
            ...: (
                "create_table ring_a",
                "create_table ring_b",
                "create_table ring_c",
                "add_foreign_key ring_a.c_id",
            ),
        },
        before="",
        then={
            POSTGRES: ("SELECT count(*) FROM pg_constraint WHERE contype = 'f'", [(3,)]),
            MYSQL: (
                FK_ROWS,
                [
                    ("ring_a", "c_id", "ring_c", "id"),
                    ("ring_b", "a_id", "ring_a", "id"),
                    ("ring_c", "b_id", "ring_b", "id"),
                ],
            ),
        },
    ),
    Case(
        "two tables that stand get keys to each other, one added afterwards",
        added_pair,
        {
            MYSQL: (
                "add_column first.second_id",
                "add_column second.first_id",
                "add_index first.first_second_id",
                "add_index second.second_first_id",
                "add_foreign_key first.second_id",
                "add_foreign_key second.first_id",
            ),
            ...: (
                "add_column first.second_id",
                "add_column second.first_id",
                "add_index first.first_second_id",
                "add_index second.second_first_id",
            ),
        },
        before=FIRST,
        then={
            POSTGRES: ("SELECT count(*) FROM pg_constraint WHERE contype = 'f'", [(2,)]),
            MYSQL: (
                FK_ROWS,
                [("first", "second_id", "second", "id"), ("second", "first_id", "first", "id")],
            ),
        },
    ),
    Case(
        "a deferred key to a blocked table blocks its table, where there would be a key",
        lambda M: [
            M("first", called="FirstF", second=DeferredForeignKey("SecondF", null=True)),
            M("second", called="SecondF", p=ForeignKeyField(M("p"))),
        ],
        {SQLITE: "create_table first"},
        before="",
        blocked={SQLITE: "AM109 second.p_id", ...: ("AM111 first", "AM109 second.p_id")},
    ),
    Case(
        "a deferred key keeps its actions and its name",
        lambda M: [
            M(
                "first",
                called="FirstE",
                second=DeferredForeignKey(
                    "SecondE",
                    null=True,
                    on_delete="CASCADE",
                    deferrable="INITIALLY DEFERRED",
                    constraint_name="to_second",
                ),
            ),
            M("second", called="SecondE"),
        ],
        ("create_table first", "create_table second", "add_foreign_key first.second_id"),
        on=[POSTGRES],
        then=(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f'",
            [
                (
                    "to_second",
                    "FOREIGN KEY (second_id) REFERENCES second(id) ON DELETE CASCADE"
                    " DEFERRABLE INITIALLY DEFERRED",
                )
            ],
        ),
    ),
]

CASES = [*CREATED, *CYCLES]
