"""Cases that only MySQL and MariaDB have: prefixes, keys of many bytes, storage engines, modes."""

from __future__ import annotations

import itertools
import uuid
from datetime import datetime
from typing import Any

from peewee import (
    SQL,
    BigIntegerField,
    BooleanField,
    CharField,
    Check,
    CompositeKey,
    DateField,
    DateTimeField,
    Field,
    FloatField,
    ForeignKeyField,
    IntegerField,
    ModelIndex,
    SmallIntegerField,
    TextField,
    UUIDField,
)
from playhouse import mysql_ext

from tests.cases_base import MYSQL, ROWS, TABLE, Case, Maker, sql_default
from tests.cases_drift import agrees, differs

LONG_TEXT = "CREATE TABLE t (id {id}, a TEXT NOT NULL, b INTEGER);"
LONG_ROWS = LONG_TEXT + "INSERT INTO t (a, b) VALUES ('x', 1), ('y', 2);"
SIGNS = "it's \"so\" `so` 100% %s \\ back\\'slash; -- no /* comment || #"
NOT_STRICT = "SET SESSION sql_mode = '';"
UNREAD_CHECK = (
    "{}: on MariaDB a column has one CHECK, which has no name and comes last. "
    "Declare it otherwise, or add it by your own script, then run again."
)


class Typed(Field):
    """A field of a type that Peewee does not know."""

    def __init__(self, type_name: str, **options: Any) -> None:
        self.field_type = type_name
        super().__init__(**options)


UNFINISHED = "peewee_automigrate: unfinished"


def circle(M: Maker) -> Any:
    """Make two models of a table that refers to a table which refers to it."""
    first = M("x", called="First", a=IntegerField(null=True))
    p = M("p", x=ForeignKeyField(first))
    return [first, p, M("x", called="Second", p=ForeignKeyField(p, null=True, index=False))]


def case(sentence: str, models: Any, changes: Any = (), **rest: Any) -> Case:
    return Case(sentence, models, changes, on=[MYSQL], **rest)


def long(M: Maker, *indexes: Any, **fields: Any) -> Any:
    """Make the model of `LONG_TEXT`."""
    given = {"a": TextField(), "b": IntegerField(null=True), **fields}
    return M("t", {"indexes": indexes}, **given)


def settled(M: Maker, settings: str, length: int) -> Any:
    """Make a model of a table with settings, and with an index of two texts."""
    meta = {"table_settings": settings, "indexes": [(("b", "c"), False)]}
    return M("n", meta, b=CharField(length), c=CharField(length))


def related(M: Maker, own: str, parents: str) -> Any:
    """Make the models of a table and of what it refers to, each with its settings."""
    p = M("p", {"table_settings": parents}, id=CharField(9, primary_key=True))
    return [M("n", {"table_settings": own}, p=ForeignKeyField(p)), p]


def definition(*columns: str, table: str = "t", column: str = "n") -> str:
    """Return a query of what the catalogue says of a column."""
    return (
        f"SELECT {', '.join(columns)} FROM information_schema.columns"
        f" WHERE table_schema = DATABASE() AND table_name = '{table}' AND column_name = '{column}'"
    )


PREFIXES = [
    case(
        "an index of a text without a length is built as a prefix, and then found",
        lambda M: long(M, a=TextField(index=True)),
        "add_index t.t_a",
        before=LONG_ROWS,
    ),
    case(
        "a unique index of a text without a length is built and then found",
        lambda M: long(M, a=TextField(unique=True)),
        "add_index t.t_a",
        effects="rewrites",
        before=LONG_ROWS,
        refuses="INSERT INTO t (a) VALUES ('x')",
    ),
    case(
        "an index of a text without a length and another column is too long",
        lambda M: long(M, (("a", "b"), False)),
        before=LONG_ROWS,
        blocked="AM134 t.t_a_b",
    ),
    case(
        "a table with an index of a text without a length is created",
        lambda M: M("n", b=TextField(index=True), c=TextField(unique=True)),
        "create_table n",
        refuses="INSERT INTO n (b, c) VALUES ('x', 'y'), ('x', 'y')",
    ),
    case(
        "an index of more letters than fit is built as a prefix, and then found",
        lambda M: M.t(n=CharField(1000, null=True, index=True)),
        ("add_column t.n", "add_index t.t_n"),
    ),
    case(
        "an index of two columns of more bytes than fit is blocked, its columns are added",
        lambda M: M.t(
            {"indexes": [(("n", "m"), False)]},
            n=CharField(500, null=True),
            m=CharField(500, null=True),
        ),
        ("add_column t.n", "add_column t.m"),
        blocked="AM134 t.t_n_m",
    ),
    case(
        "an index of two columns of more bytes than fit is blocked, its table is created",
        lambda M: M("n", {"indexes": [(("b", "c"), False)]}, b=CharField(500), c=CharField(500)),
        "create_table n",
        blocked="AM134 n.n_b_c",
    ),
    case(
        "a unique index of two columns of more bytes than fit is built and then found",
        lambda M: M.t(
            {"indexes": [(("n", "m"), True)]},
            n=CharField(500, null=True),
            m=CharField(500, null=True),
        ),
        ("add_column t.n", "add_column t.m", "add_index t.t_n_m"),
        effects=("instant", "instant", "rewrites"),
        refuses="INSERT INTO t (a, n, m) VALUES ('v', 'n', 'm'), ('w', 'n', 'm')",
    ),
    case(
        "the letters of a table of one byte each fit where four would not",
        lambda M: M.t({"indexes": [(("n", "m"), False)]}, n=CharField(500), m=CharField(500)),
        "add_index t.t_n_m",
        before="CREATE TABLE t (id {id}, a {text} NOT NULL, n VARCHAR(500) NOT NULL,"
        " m VARCHAR(500) NOT NULL) CHARACTER SET latin1",
    ),
    case(
        "the letters of a column of four bytes each do not fit where one would",
        lambda M: M.t({"indexes": [(("n", "m"), False)]}, n=CharField(500), m=CharField(500)),
        before="CREATE TABLE t (id {id}, a {text} NOT NULL,"
        " n VARCHAR(500) CHARACTER SET utf8mb4 NOT NULL,"
        " m VARCHAR(500) CHARACTER SET utf8mb4 NOT NULL) CHARACTER SET latin1",
        blocked="AM134 t.t_n_m",
    ),
    case(
        "a prefix of a column does not stand for an index of the column",
        lambda M: M.t(a=M.text(index=True)),
        "add_index t.t_a",
        before=ROWS + "CREATE INDEX other ON t (a(5))",
    ),
    case(
        "a unique prefix of a column does not stand for a unique index of the column",
        lambda M: M.t(a=M.text(unique=True)),
        "add_index t.t_a",
        before=ROWS + "CREATE UNIQUE INDEX other ON t (a(5))",
    ),
    case(
        "a prefix of a text does not stand for as much of it as an index takes",
        lambda M: long(M, a=TextField(index=True)),
        "add_index t.t_a",
        before=LONG_ROWS + "CREATE INDEX other ON t (a(5))",
    ),
    case(
        "a prefix of the model's is built and then found",
        lambda M: M.t({"indexes": [SQL("CREATE INDEX i ON t (a(5))")]}),
        "add_index t.i",
    ),
    case(
        "a prefix and another column of the model's are built and then found",
        lambda M: long(M, SQL("CREATE INDEX i ON t (`a`(191), b DESC)")),
        "add_index t.i",
        before=LONG_ROWS,
    ),
    case(
        "a prefix of the model's is found under another name",
        lambda M: M.t({"indexes": [SQL("CREATE INDEX i ON t (a(5))")]}),
        before=ROWS + "CREATE INDEX other ON t (a(5))",
    ),
    case(
        "a prefix of another length is another index",
        lambda M: M.t({"indexes": [SQL("CREATE INDEX i ON t (a(5))")]}),
        "add_index t.i",
        before=ROWS + "CREATE INDEX other ON t (a(6))",
    ),
    case(
        "an index's name is taken by a prefix",
        lambda M: M.t(a=M.text(index=True)),
        before=ROWS + "CREATE INDEX t_a ON t (a(5))",
        blocked="AM106 t.t_a",
    ),
    case(
        "a full text index does not stand for an index of the column",
        lambda M: M.t(a=M.text(index=True)),
        "add_index t.t_a",
        before=ROWS + "CREATE FULLTEXT INDEX other ON t (a)",
    ),
    case(
        "a full text index of the model's is built and then found",
        lambda M: M.t({"indexes": [SQL("CREATE FULLTEXT INDEX i ON t (a)")]}),
        "add_index t.i",
        effects="rewrites",
        then=("SELECT count(*) FROM t WHERE MATCH (a) AGAINST ('nothing')", [(0,)]),
    ),
    case(
        "an index of the column does not stand for a full text index",
        lambda M: M.t({"indexes": [SQL("CREATE FULLTEXT INDEX i ON t (a)")]}),
        "add_index t.i",
        before=ROWS + "CREATE INDEX other ON t (a)",
    ),
    case(
        "a full text index and what more the model has",
        lambda M: M.t(
            {"indexes": [SQL("CREATE FULLTEXT INDEX i ON t (a)")]}, n=IntegerField(default=7)
        ),
        "add_column t.n",
        before=ROWS + "CREATE FULLTEXT INDEX i ON t (a)",
        values={"n": [7] * 3},
    ),
    case(
        "a hash index is what InnoDB makes of it",
        lambda M: M.t({"indexes": [SQL("CREATE INDEX i USING HASH ON t (a)")]}),
        "add_index t.i",
    ),
]

NAMES = [
    case(
        "a column whose name differs in case is found",
        lambda M: M.t(karma=IntegerField(default=7)),
        before="CREATE TABLE t (ID {id}, A {text} NOT NULL, Karma INTEGER NOT NULL)",
        notes=(),
    ),
    case(
        "a column whose name differs in case of other letters than ASCII's is found",
        lambda M: M.t(n=IntegerField(null=True, column_name="ä")),
        before='CREATE TABLE t (id {id}, a {text} NOT NULL, "Ä" INTEGER)',
        notes=(),
    ),
    case(
        "an index and a foreign key over columns whose names differ in case are found",
        lambda M: [M.t(a=M.text(index=True), p=ForeignKeyField(p := M("p"), column_name="p")), p],
        before="CREATE TABLE p (ID {id});"
        "CREATE TABLE t (ID {id}, A {text} NOT NULL, P INTEGER NOT NULL,"
        " INDEX T_A (A), FOREIGN KEY (P) REFERENCES p (ID))",
        notes=(),
    ),
    case(
        "a table whose name differs in case is another one where files do",
        lambda M: M("T", b=IntegerField()),
        "create_table T",
        before=ROWS,
    ),
    *(
        case(
            f"a name of 65 letters is blocked: {what}",
            models,
            changes,
            blocked=blocked,
        )
        for what, models, changes, blocked in (
            ("a table's", lambda M: M("x" * 65, called="Long"), (), f"AM119 {'x' * 65}"),
            (
                "a column's",
                lambda M: M.t(n=IntegerField(null=True, column_name="x" * 65)),
                (),
                f"AM119 t.{'x' * 65}",
            ),
            (
                "an index's",
                lambda M: named_index(M.t(), "x" * 65),
                (),
                f"AM119 t.{'x' * 65}",
            ),
            (
                "a new table's index's",
                lambda M: named_index(M("n", a=M.text()), "x" * 65),
                (),
                "AM119 n",
            ),
            (
                "a new table's column's",
                lambda M: M("n", b=IntegerField(column_name="x" * 65)),
                (),
                "AM119 n",
            ),
        )
    ),
]


def named_index(model: Any, name: str) -> Any:
    model.add_index(ModelIndex(model, [model.a], name=name))
    return model


def child(M: Maker, key: Any = None, **options: Any) -> Any:
    """Make a model of `t` that refers to `p` in a new column `n`, and that of `p`."""
    p = M("p", **({"id": key} if key else {}))
    return [M.t(n=ForeignKeyField(p, column_name="n", null=True, **options)), p]


KEYED = ("add_column t.n", "add_index t.t_n", "add_foreign_key t.n")
KEYS = [
    case(
        "the index that a foreign key has made is no unknown one, whatever the model says of it",
        lambda M: [M("c", p=ForeignKeyField(p := M("p"), column_name="p", index=False)), p],
        before="CREATE TABLE p (id {id});"
        "CREATE TABLE c (id {id}, p INTEGER NOT NULL REFERENCES p (id))",
        notes=(),
    ),
    case(
        "the index that a foreign key has made is not unique",
        lambda M: [M("c", p=ForeignKeyField(p := M("p"), column_name="p", unique=True)), p],
        "add_index c.c_p",
        before="CREATE TABLE p (id {id});"
        "CREATE TABLE c (id {id}, p INTEGER NOT NULL, CONSTRAINT own FOREIGN KEY (p)"
        " REFERENCES p (id))",
        moves=("own",),
    ),
    case(
        "an index that begins with a foreign key's column takes the place of the key's own",
        lambda M: [
            M(
                "c",
                {"indexes": [(("p", "b"), False)]},
                p=ForeignKeyField(p := M("p"), column_name="p", index=False),
                b=IntegerField(),
            ),
            p,
        ],
        "add_index c.c_p_b",
        before="CREATE TABLE p (id {id});"
        "CREATE TABLE c (id {id}, p INTEGER NOT NULL, b INTEGER NOT NULL,"
        " CONSTRAINT own FOREIGN KEY (p) REFERENCES p (id))",
        moves=("own",),
        then=(
            "SELECT constraint_name FROM information_schema.referential_constraints"
            " WHERE constraint_schema = DATABASE()",
            [("own",)],
        ),
    ),
    case(
        "a foreign key without an index of its own still has one afterwards, and is found",
        lambda M: child(M, index=False),
        ("add_column t.n", "add_foreign_key t.n"),
        before=ROWS + "CREATE TABLE p (id {id})",
        refuses="INSERT INTO t (a, n) VALUES ('w', 99)",
    ),
    *(
        case(
            f"a foreign key is added to a table with {what}",
            lambda M: [
                long(M, n=ForeignKeyField(p := M("p"), column_name="n", null=True)),
                p,
            ],
            KEYED,
            before=LONG_ROWS + f"CREATE TABLE p (id {{id}}); ALTER TABLE t ADD {more}",
        )
        for what, more in (
            ("a hash, which is a hidden virtual column", "UNIQUE INDEX other (a)"),
            ("a virtual column", "v INTEGER AS (b + 1) VIRTUAL"),
            ("an indexed virtual column", "v INTEGER AS (b + 1) VIRTUAL, ADD INDEX other (v)"),
            ("a stored column", "v INTEGER AS (b + 1) STORED"),
            ("a full text index", "FULLTEXT INDEX other (a)"),
        )
    ),
    case(
        "a foreign key refuses what is not there, though it was added without a check",
        lambda M: child(M, on_delete="CASCADE"),
        KEYED,
        before=ROWS + "CREATE TABLE p (id {id})",
        refuses="INSERT INTO t (a, n) VALUES ('w', 99)",
    ),
    case(
        "a foreign key to a key of more bits is blocked",
        child,
        before=ROWS + "CREATE TABLE p (id BIGINT AUTO_INCREMENT PRIMARY KEY)",
        blocked=("AM118 t.n", "AM111 t.t_n"),
        drift="AM201 p.id",
    ),
    *(
        case(
            f"a column whose type goes on behind it is added: {words}",
            lambda M, words=words, field=field: M.t(
                n=field(null=True, constraints=[SQL(words), SQL("DEFAULT 7")])
            ),
            "add_column t.n",
            then=(
                "SELECT column_type LIKE '%unsigned' OR coalesce(character_set_name, '') = 'ascii'"
                " FROM information_schema.columns WHERE table_schema = DATABASE()"
                " AND table_name = 't' AND column_name = 'n'",
                [(1,)],
            ),
        )
        for words, field in (
            ("UNSIGNED", IntegerField),
            ("CHARACTER SET ascii", lambda **o: CharField(9, **o)),
        )
    ),
    case(
        "no drift: a key whose field says that it is unsigned and counts",
        lambda M: M("n", id=Typed("INT UNSIGNED UNIQUE AUTO_INCREMENT", primary_key=True)),
        "create_table n",
        before="",
    ),
    case(
        "a foreign key to an unsigned key is added where the model says so",
        lambda M: [
            p := M("p", name=CharField(9)),
            M("n", p=ForeignKeyField(p, null=True, constraints=[SQL("UNSIGNED")])),
        ],
        "create_table n",
        before="CREATE TABLE p (id INTEGER UNSIGNED AUTO_INCREMENT PRIMARY KEY,"
        " name VARCHAR(9) NOT NULL)",
        drift="AM201 p.id",
    ),
    case(
        "a unique index without the column of the partitions is blocked",
        lambda M: M(
            "t",
            {"primary_key": CompositeKey("id", "d")},
            id=IntegerField(),
            d=IntegerField(),
            a=CharField(9, unique=True),
        ),
        before="CREATE TABLE t (id int NOT NULL, d int NOT NULL, a varchar(9) NOT NULL,"
        " PRIMARY KEY (id, d)) PARTITION BY HASH (d)",
        blocked="AM125 t.t_a",
    ),
    case(
        "the index after the last that a table can have is blocked",
        lambda M: M.t(**{f"c{n}": IntegerField(null=True, index=True) for n in range(63)}),
        [f"add_index t.t_c{n}" for n in range(62)],
        before="CREATE TABLE t (id {id}, a {text} NOT NULL, "
        + ", ".join(f"c{n} int" for n in range(63))
        + ")",
        blocked="AM147 t.t_c62",
    ),
    case(
        "a long text in memory is blocked",
        lambda M: M.t(n=TextField(null=True)),
        before="CREATE TABLE t (id {id}, a {text} NOT NULL) ENGINE = MEMORY",
        blocked="AM148 t.n",
    ),
    case(
        "an unknown column that counts up is a note",
        lambda M: M("t", {"primary_key": False}, a=M.text()),
        notes=("AM301 t.id",),
    ),
    case(
        "a foreign key to an unsigned key is blocked",
        child,
        before=ROWS + "CREATE TABLE p (id INTEGER UNSIGNED AUTO_INCREMENT PRIMARY KEY)",
        blocked=("AM118 t.n", "AM111 t.t_n"),
        drift="AM201 p.id",
    ),
    case(
        "a foreign key to a text of other letters is blocked",
        lambda M: child(M, M.text(primary_key=True)),
        before=ROWS + "CREATE TABLE p (id VARCHAR(99) CHARACTER SET latin1 PRIMARY KEY)",
        blocked=("AM139 t.n", "AM111 t.t_n"),
    ),
    case(
        "a foreign key to a text of another collation is blocked",
        lambda M: child(M, M.text(primary_key=True)),
        before=ROWS + "CREATE TABLE p (id VARCHAR(99) COLLATE utf8mb4_bin PRIMARY KEY)",
        blocked=("AM139 t.n", "AM111 t.t_n"),
    ),
    case(
        "a foreign key to a text of another length is added",
        lambda M: child(M, CharField(20, primary_key=True)),
        KEYED,
        before=ROWS + "CREATE TABLE p (id VARCHAR(99) PRIMARY KEY)",
        drift="AM201 p.id",
    ),
    case(
        "a new table whose foreign key is of another type than its parent is blocked",
        lambda M: [M("c", p=ForeignKeyField(p := M("p"))), p],
        before="CREATE TABLE p (id BIGINT AUTO_INCREMENT PRIMARY KEY)",
        blocked="AM118 c.p_id",
        drift="AM201 p.id",
    ),
    case(
        "an unsigned key and what refers to it, as the model says",
        lambda M: child(M, Typed("INTEGER UNSIGNED", primary_key=True)),
        KEYED,
        before=ROWS + "CREATE TABLE p (id INTEGER UNSIGNED NOT NULL PRIMARY KEY)",
    ),
    case(
        "an unsigned key that counts is another type than the model's",
        lambda M: M.t(),
        before="CREATE TABLE t (id INTEGER UNSIGNED AUTO_INCREMENT PRIMARY KEY, a {text} NOT NULL)",
        drift="AM201 t.id",
    ),
    case(
        "a foreign key to a table that has no foreign keys is blocked",
        child,
        before=ROWS + "CREATE TABLE p (id {id}) ENGINE=MyISAM",
        blocked=("AM137 t.n", "AM111 t.t_n"),
    ),
    case(
        "a foreign key of a table that has no foreign keys is blocked",
        child,
        before=TABLE.replace(";", " ENGINE=MyISAM;") + "CREATE TABLE p (id {id});"
        "INSERT INTO t (a) VALUES ('x')",
        blocked=("AM137 t.n", "AM111 t.t_n"),
    ),
]

VALUES = [
    case(
        "NOT NULL without a default is blocked, though the server would invent a value",
        lambda M: M.t(n=IntegerField(), m=TextField(), o=DateTimeField(), p=BooleanField()),
        before=ROWS + NOT_STRICT,
        blocked=("AM101 t.m", "AM101 t.n", "AM101 t.o", "AM101 t.p"),
    ),
    *(
        case(
            f"a default that a server which is not strict would change is blocked: {what}",
            lambda M, field=field: M.t(n=field()),
            before=ROWS + NOT_STRICT,
            blocked="AM110 t.n",
        )
        for what, field in (
            ("a number that is too large", lambda: SmallIntegerField(default=40_000)),
            ("text for a number", lambda: IntegerField(default="seven")),
            ("a day that is none", lambda: DateField(default="2023-02-30")),
            ("no day", lambda: DateField(default="")),
            ("text that is too long", lambda: Typed("VARCHAR(3)", default="long")),
            ("a word that an enum lacks", lambda: Typed("ENUM('a', 'b')", default="c")),
        )
    ),
    case(
        "no value is invented where rows are filled",
        lambda M: M.t(n=CharField(9, default=itertools.cycle(["a", None, "c"]).__next__)),
        "add_column t.n",
        before=ROWS + NOT_STRICT,
        then=("SELECT count(*) FROM t WHERE n IS NULL OR n = ''", [(1,)]),
    ),
    case(
        "a column that the server dates by itself keeps its value when another one is filled",
        lambda M: M.t(
            n=UUIDField(default=uuid.uuid4), u=Typed("TIMESTAMP"), v=Typed("DATETIME", null=True)
        ),
        "add_column t.n",
        before="CREATE TABLE t (id {id}, a {text} NOT NULL, u TIMESTAMP NOT NULL"
        " DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,"
        " v DATETIME NULL ON UPDATE CURRENT_TIMESTAMP);"
        "INSERT INTO t (a, u, v) VALUES ('x', '2001-02-03 04:05:06', '2001-02-03 04:05:06'),"
        " ('y', '2001-02-03 04:05:06', NULL)",
        drift=("AM217 t.u", "AM203 t.u", "AM217 t.v"),
        then=("SELECT count(DISTINCT n), min(u) = max(u), count(v) FROM t", [(2, 1, 1)]),
    ),
    case(
        "a column that the server shall date by itself is added",
        lambda M: M.t(
            n=DateTimeField(null=True, constraints=[SQL("ON UPDATE CURRENT_TIMESTAMP")]),
        ),
        "add_column t.n",
        then=(definition("extra LIKE 'on update current_timestamp%'"), [(1,)]),
        values={"n": [None] * 3},
    ),
    case(
        "a comment comes with its column (D15)",
        lambda M: M.t(
            n=CharField(9, default="x", constraints=[SQL("DEFAULT 'x'"), SQL("COMMENT 'it''s'")])
        ),
        "add_column t.n",
        then=(definition("column_comment", "is_nullable"), [("it's", "NO")]),
        values={"n": ["x"] * 3},
    ),
    case(
        "a comment of a column that is filled is kept",
        lambda M: M.t(
            n=CharField(
                40,
                default=lambda: str(uuid.uuid4()),
                collation="utf8mb4_bin",
                constraints=[SQL("COMMENT 'it''s'")],
            )
        ),
        "add_column t.n",
        effects="fills",
        then=(
            definition("column_comment", "collation_name", "column_type"),
            [("it's", "utf8mb4_bin", "varchar(40)")],
        ),
    ),
    case(
        "a column that is filled has no comment of ours",
        lambda M: M.t(n=UUIDField(default=uuid.uuid4)),
        "add_column t.n",
        then=(definition("column_comment"), [("",)]),
    ),
    case(
        "a CHECK of a column that is filled is kept",
        lambda M: M.t(
            n=CharField(40, default=lambda: str(uuid.uuid4()), constraints=[SQL("CHECK (n <> '')")])
        ),
        "add_column t.n",
        effects="fills",
        refuses="INSERT INTO t (a, n) VALUES ('w', '')",
    ),
    case(
        "an expression as default gives each row its own value, and the plan says what it costs",
        lambda M: M.t(n=CharField(40, constraints=sql_default("(uuid())"))),
        "add_column t.n",
        effects="rewrites",
        then=("SELECT count(DISTINCT n) FROM t", [(3,)]),
    ),
    case(
        "a UNIQUE in a column's constraints is blocked on MySQL",
        lambda M: M.t(n=IntegerField(null=True, constraints=[SQL("UNIQUE")])),
        blocked="AM120 t.n",
    ),
    *(
        case(
            f"a column's CHECK that MariaDB does not read is blocked: {what}",
            lambda M, constraints=constraints: [
                M.t(n=IntegerField(null=True, constraints=constraints)),
                M("u", n=IntegerField(default=5, constraints=constraints)),
            ],
            blocked=("AM128 t.n", "AM128 u.n"),
            says=(UNREAD_CHECK.format("t.n"), UNREAD_CHECK.format("u.n")),
        )
        for what, constraints in (
            ("with a name", [Check("n > 0", name="c")]),
            ("with a name in SQL", [SQL("CONSTRAINT `c` CHECK (n > 0)")]),
            ("before another one", [Check("n > 0"), Check("n < 9")]),
            ("before a comment", [Check("n > 0"), SQL("COMMENT 'x'")]),
        )
    ),
    case(
        "a column's CHECK comes after its comment",
        lambda M: M.t(n=IntegerField(null=True, constraints=[SQL("COMMENT 'x'"), Check("n > 0")])),
        "add_column t.n",
        refuses="INSERT INTO t (a, n) VALUES ('w', 0)",
    ),
    case(
        "an unbound model is bound for the run",
        lambda M: M.t({"database": None}, n=mysql_ext.JSONField(default=dict)),
        "add_column t.n",
        then=("SELECT n FROM t", [("{}",)] * 3),
    ),
]


def set_mode(mode: str) -> str:
    return f"SET SESSION sql_mode = CONCAT(@@sql_mode, ',{mode}');"


VALUES += [
    case(
        f"text that a session reads in another way is kept: {mode}",
        lambda M: M.t(
            n=CharField(99, default=SIGNS),
            m=CharField(99, default=itertools.cycle([SIGNS]).__next__),
        ),
        ("add_column t.n", "add_column t.m"),
        before=ROWS + set_mode(mode),
        bystanders=False,
        values={"n": [SIGNS] * 3, "m": [SIGNS] * 3},
    )
    for mode in ("ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "PIPES_AS_CONCAT", "ANSI", "TRADITIONAL")
]
VALUES += [
    case(
        "a default of letters that the table's own do not have is blocked",
        lambda M: M.t(n=CharField(99, default="żółć 🐘")),
        before=TABLE.replace(";", " CHARACTER SET latin1;") + "INSERT INTO t (a) VALUES ('x')",
        blocked="AM127 t.n",
    ),
    case(
        "a default of letters that the column's own have is added",
        lambda M: M.t(n=CharField(99, default="żółć 🐘", collation="utf8mb4_bin")),
        "add_column t.n",
        before=TABLE.replace(";", " CHARACTER SET latin1;") + "INSERT INTO t (a) VALUES ('x')",
        values={"n": ["żółć 🐘"]},
    ),
    case(
        "no value is invented for a time where the session would",
        lambda M: M.t(n=Typed("TIMESTAMP", null=True)),
        "add_column t.n",
        before=ROWS + "SET SESSION explicit_defaults_for_timestamp = OFF;",
        then=("SELECT count(n) FROM t", [(0,)]),
    ),
    case(
        "a default at the edge of what a number holds",
        lambda M: M.t(
            n=Typed("BIGINT UNSIGNED", default=2**64), m=BigIntegerField(default=2**63 - 1)
        ),
        "add_column t.m",
        before=ROWS + NOT_STRICT,
        blocked="AM110 t.n",
        then=("SELECT DISTINCT m FROM t", [(2**63 - 1,)]),
    ),
]

TYPES = [
    case(
        "a time of a day with microseconds keeps them where the type does",
        lambda M: M.t(n=Typed("DATETIME(6)", default=datetime(2024, 2, 29, 1, 2, 3, 456))),
        "add_column t.n",
        effects="instant",
        values={"n": [datetime(2024, 2, 29, 1, 2, 3, 456)] * 3},
    ),
    case(
        "a callable's time of a day with microseconds",
        lambda M: M.t(n=Typed("DATETIME(6)", default=datetime.now)),
        "add_column t.n",
        effects="instant",
        then=("SELECT count(DISTINCT n), count(n) FROM t", [(1, 3)]),
    ),
    case(
        "DEFAULT CURRENT_TIMESTAMP(6)",
        lambda M: M.t(n=Typed("DATETIME(6)", constraints=sql_default("CURRENT_TIMESTAMP(6)"))),
        "add_column t.n",
        effects="instant",
        then=("SELECT count(DISTINCT n), count(n) FROM t", [(1, 3)]),
    ),
    *(
        case(
            f"a column of a type that only this database has is added once: {sql}",
            lambda M, sql=sql, value=value: M.t(
                n=Typed(sql, default=value), m=Typed(sql, null=True)
            ),
            ("add_column t.n", "add_column t.m"),
            effects=("instant", "instant"),
            then=("SELECT count(*) FROM t WHERE n IS NOT NULL AND m IS NULL", [(3,)]),
        )
        for sql, value in (
            ("ENUM('a', 'it''s', 'B')", "it's"),
            ("SET('a', 'b')", "a,b"),
            ("TINYINT", 7),
            ("TINYINT(1)", 1),
            ("MEDIUMINT UNSIGNED", 7),
            ("BIGINT UNSIGNED", 2**64 - 1),
            ("INTEGER(5) ZEROFILL", 7),
            ("DECIMAL(5, 2) UNSIGNED", "1.50"),
            ("YEAR", 2024),
            ("TIME(3)", "01:02:03.456"),
            ("TIMESTAMP(6)", "2024-02-29 01:02:03.000456"),
            ("BIT(4)", 5),
            ("CHAR(3) CHARACTER SET ascii", "abc"),
            ("VARCHAR(9) CHARACTER SET latin1 COLLATE latin1_bin", "ä"),
            ("NATIONAL VARCHAR(9)", "ż"),
            ("TINYTEXT", "it's"),
            ("MEDIUMTEXT", "it's"),
            ("LONGTEXT", "it's"),
            ("BINARY(3)", b"\x00\xff'"),
            ("VARBINARY(9)", b"\x00\xff'"),
            ("MEDIUMBLOB", b"\x00\xff'"),
            ("JSON", "{}"),
            ("DOUBLE", 1.5),
            ("DEC", 2),
            ("INT1", 1),
        )
    ),
    *(
        case(
            f"a column of a type that only this database has is added once, without a value: {sql}",
            lambda M, sql=sql: M.t(n=Typed(sql, null=True)),
            "add_column t.n",
            then=("SELECT count(n) FROM t", [(0,)]),
        )
        for sql in ("POINT", "GEOMETRY", "INET6", "UUID", "LONG VARCHAR", "REAL", "FIXED(5, 2)")
    ),
    case(
        "JSON with a default is added once",
        lambda M: M.t(n=mysql_ext.JSONField(default={"it's": [1, None, "100%"]})),
        "add_column t.n",
        effects="instant",
        values={"n": [{"it's": [1, None, "100%"]}] * 3},
    ),
    case(
        "JSON without a default is added once",
        lambda M: M.t(n=mysql_ext.JSONField(null=True)),
        "add_column t.n",
        values={"n": [None] * 3},
    ),
    agrees("JSON", "n JSON NOT NULL", lambda: mysql_ext.JSONField(), on=[MYSQL]),
    agrees("LONGTEXT for JSON", "n LONGTEXT NOT NULL", lambda: mysql_ext.JSONField(), on=[MYSQL]),
    agrees("BOOL", "n BOOL NOT NULL", lambda: BooleanField(), on=[MYSQL]),
    agrees("a number that holds a boolean", "n TINYINT(1) NOT NULL", BooleanField, on=[MYSQL]),
    agrees("the width of a number", "n INT(5) NOT NULL", lambda: IntegerField(), on=[MYSQL]),
    agrees(
        "b'1' for TRUE",
        "n BOOL NOT NULL DEFAULT '1'",
        lambda: BooleanField(default=True),
        on=[MYSQL],
    ),
    agrees(
        "a date of a default",
        "n DATETIME NOT NULL DEFAULT '2024-02-29'",
        lambda: DateTimeField(default=datetime(2024, 2, 29)),
        on=[MYSQL],
    ),
    agrees(
        "a default in other words of the same function",
        "n DATETIME NOT NULL DEFAULT NOW()",
        lambda: DateTimeField(constraints=sql_default("CURRENT_TIMESTAMP")),
        on=[MYSQL],
    ),
    differs(
        "a time that has a zone",
        "n TIMESTAMP NOT NULL DEFAULT '2001-01-01'",
        lambda M: M.t(n=DateTimeField(default=datetime(2001, 1, 1))),
        on=[MYSQL],
    ),
    differs(
        "a longer kind of text", "n LONGTEXT NOT NULL", lambda M: M.t(n=TextField()), on=[MYSQL]
    ),
    differs(
        "a fixed text for a uuid", "n CHAR(36) NOT NULL", lambda M: M.t(n=UUIDField()), on=[MYSQL]
    ),
    differs(
        "an unsigned number", "n INT UNSIGNED NOT NULL", lambda M: M.t(n=IntegerField()), on=[MYSQL]
    ),
    differs("an enum", "n ENUM('a') NOT NULL", lambda M: M.t(n=CharField(9)), on=[MYSQL]),
    differs(
        "another enum",
        "n ENUM('a') NOT NULL",
        lambda M: M.t(n=Typed("ENUM('a', 'b')")),
        on=[MYSQL],
    ),
    differs(
        "a part of a second", "n DATETIME(6) NOT NULL", lambda M: M.t(n=DateTimeField()), on=[MYSQL]
    ),
]

TABLES = [
    case(
        "a table of 60 letters with a foreign key, whose name InnoDB would make too long",
        lambda M: [M("t" * 60, called="Long", p=ForeignKeyField(p := M("p"))), p],
        f"create_table {'t' * 60}",
        before="CREATE TABLE p (id {id})",
    ),
    case(
        "a table of which an index is blocked still has children",
        lambda M: [
            p := M("p", {"indexes": [(("b", "c"), False)]}, b=CharField(500), c=CharField(500)),
            M("n", p=ForeignKeyField(p)),
        ],
        ("create_table n", "create_table p"),
        blocked="AM134 p.p_b_c",
    ),
    case(
        "a column is added to a table of another engine, which copies it",
        lambda M: M.t(n=IntegerField(default=7)),
        "add_column t.n",
        before=TABLE.replace(";", " ENGINE=MyISAM;") + "INSERT INTO t (a) VALUES ('x'), ('y')",
        effects="rewrites",
        values={"n": [7, 7]},
    ),
    case(
        "a column and an index are added to a partitioned table",
        lambda M: M.t(n=IntegerField(default=7, index=True)),
        ("add_column t.n", "add_index t.t_n"),
        before=TABLE.replace(";", " PARTITION BY HASH (id) PARTITIONS 3;")
        + "INSERT INTO t (a) VALUES ('x'), ('y')",
        values={"n": [7, 7]},
    ),
    case(
        "a foreign key of a partitioned table is blocked",
        child,
        before=TABLE.replace(";", " PARTITION BY HASH (id) PARTITIONS 3;")
        + "CREATE TABLE p (id {id})",
        blocked=("AM138 t.n", "AM111 t.t_n"),
    ),
    case(
        "a compressed table takes a column",
        lambda M: M.t(n=IntegerField(default=7)),
        "add_column t.n",
        before=TABLE.replace(";", " ROW_FORMAT=COMPRESSED;") + "INSERT INTO t (a) VALUES ('x')",
        effects="rewrites",
        values={"n": [7]},
    ),
    case(
        "an index of more bytes than short rows allow is blocked",
        lambda M: M.t({"indexes": [(("n",), True)]}, n=CharField(250)),
        before="CREATE TABLE t (id {id}, a {text} NOT NULL, n VARCHAR(250) NOT NULL)"
        " ROW_FORMAT=COMPACT",
        blocked="AM134 t.t_n",
    ),
    case(
        "an index of columns of which each fits into short rows is built",
        lambda M: M.t({"indexes": [(("n", "m"), True)]}, n=CharField(150), m=CharField(150)),
        "add_index t.t_n_m",
        before="CREATE TABLE t (id {id}, a {text} NOT NULL, n VARCHAR(150) NOT NULL,"
        " m VARCHAR(150) NOT NULL) ROW_FORMAT=COMPACT",
    ),
    case(
        "a table with a history has its columns",
        lambda M: M.t(),
        before=TABLE.replace(";", " WITH SYSTEM VERSIONING;") + "INSERT INTO t (a) VALUES ('x')",
        bystanders=False,
    ),
    case(
        "a table with a history lacks a column, which the server adds to no such table",
        lambda M: M.t(n=IntegerField(default=7)),
        before=TABLE.replace(";", " WITH SYSTEM VERSIONING;") + "INSERT INTO t (a) VALUES ('x')",
        bystanders=False,
        blocked="AM126 t.n",
    ),
    case(
        "a table's name is taken by a sequence of MariaDB",
        lambda M: M("s", n=IntegerField()),
        before=ROWS + "CREATE SEQUENCE s",
        blocked="AM108 s",
    ),
    case(
        "a column that does not show is found",
        lambda M: M.t(n=IntegerField(default=7)),
        before="CREATE TABLE t (id {id}, a {text} NOT NULL,"
        " n INTEGER NOT NULL DEFAULT 7 INVISIBLE)",
        notes=(),
    ),
    case(
        "a table is created with an engine and letters of its own",
        lambda M: M("n", {"table_settings": ["ENGINE=InnoDB", "CHARACTER SET=latin1"]}, b=M.text()),
        "create_table n",
        then=(
            "SELECT table_collation LIKE 'latin1%' FROM information_schema.tables"
            " WHERE table_schema = DATABASE() AND table_name = 'n'",
            [(1,)],
        ),
    ),
    case(
        "an index fits into the letters of a new table's settings, not into the database's",
        lambda M: settled(M, "DEFAULT CHARSET = 'latin1'", 500),
        "create_table n",
    ),
    *(
        case(
            f"an index that does not fit into a new table's settings is blocked: {settings}",
            lambda M, settings=settings, length=length: settled(M, settings, length),
            "create_table n",
            blocked="AM134 n.n_b_c",
        )
        for settings, length in (
            ("COLLATE utf8mb4_bin", 500),
            ("ENGINE=MyISAM", 200),
            ("ROW_FORMAT=COMPACT", 200),
        )
    ),
    *(
        case(
            f"a foreign key between tables of unlike settings is blocked: {own}, {parents}",
            lambda M, own=own, parents=parents: related(M, own, parents),
            "create_table p",
            before="",
            blocked=f"{code} n.p_id",
        )
        for code, own, parents in (
            ("AM139", "CHARACTER SET latin1", ""),
            ("AM139", "", "COLLATE=latin1_bin"),
            ("AM137", "ENGINE=MyISAM", ""),
            ("AM137", "", "engine = 'Aria'"),
        )
    ),
    *(
        case(
            f"a foreign key between tables of like settings is created: {own}, {parents}",
            lambda M, own=own, parents=parents: related(M, own, parents),
            ("create_table n", "create_table p"),
            before="",
            refuses="INSERT INTO n (p_id) VALUES ('x')",
        )
        for own, parents in (
            ("CHARSET utf8", "COLLATE utf8mb3_general_ci"),
            ("COMMENT='set latin1' DEFAULT CHARSET=utf8mb4", ""),
            ("COLLATE=uca1400_ai_ci", "CHARACTER SET utf8mb4 COLLATE uca1400_ai_ci"),
        )
    ),
    case(
        "a table is created with a key that counts and is no more than its model says",
        lambda M: M("n", id=Typed("BIGINT UNSIGNED AUTO_INCREMENT", primary_key=True), b=M.text()),
        "create_table n",
        then=("SELECT count(*) FROM n", [(0,)]),
    ),
    case(
        "a text without a length as a primary key is blocked",
        lambda M: M("n", k=TextField(primary_key=True)),
        blocked="AM134 n",
    ),
    case(
        "a big key and a foreign key to it are created",
        lambda M: [M("n", p=ForeignKeyField(p := M("p", id=BigIntegerField(primary_key=True)))), p],
        ("create_table n", "create_table p"),
        refuses="INSERT INTO n (p_id) VALUES (99)",
    ),
]

REST = [
    # What an interrupted run has left.
    case(
        "a marked column of another type is left as it is",
        lambda M: M.t(n=CharField(8, default=itertools.count().__next__)),
        before=ROWS + f"ALTER TABLE t ADD n VARCHAR(40) COMMENT '{UNFINISHED}'",
        drift=["AM213 t.n", "AM201 t.n"],
        then=("SELECT count(*) FROM t WHERE n IS NULL", [(3,)]),
    ),
    case(
        "a comment of the model's own stands in the end",
        lambda M: M.t(n=UUIDField(default=uuid.uuid4, constraints=[SQL("COMMENT 'token'")])),
        "add_column t.n",
        then=(definition("column_comment"), [("token",)]),
    ),
    case(
        "a table with a key of binary fractions is not filled",
        lambda M: M("t", k=FloatField(primary_key=True), n=UUIDField(default=uuid.uuid4)),
        before="CREATE TABLE t (k FLOAT PRIMARY KEY); INSERT INTO t VALUES (0.1), (0.25)",
        blocked="AM129 t.n",
        bystanders=False,
    ),
    case(
        "a column of a table with a key of binary fractions that waits to be filled is not filled",
        lambda M: M("t", k=FloatField(primary_key=True), n=UUIDField(default=uuid.uuid4)),
        before="CREATE TABLE t (k FLOAT PRIMARY KEY); INSERT INTO t VALUES (0.1), (0.25);"
        f"ALTER TABLE t ADD n VARCHAR(40) COMMENT '{UNFINISHED}'",
        blocked="AM129 t.n",
        bystanders=False,
    ),
    # What a model writes in SQL.
    case(
        "a word inside of a default's text stays as it is",
        lambda M: M.t(n=CharField(constraints=sql_default("(concat('due ','now'))"))),
        "add_column t.n",
        values={"n": ["due now"] * 3},
    ),
    case(
        "a time that the server keeps up to date agrees with its model",
        lambda M: M.t(
            n=DateTimeField(
                constraints=sql_default("CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP")
            )
        ),
        "add_column t.n",
    ),
    case(
        "an index in lower case is made after its table",
        lambda M: M("n", {"indexes": [SQL("create index `n_a` on `n` (`a`)")]}, a=IntegerField()),
        "create_table n",
        before="",
        then=("SHOW INDEX FROM n WHERE Key_name = 'n_a' AND Column_name = 'b'", []),
    ),
    case(
        "a unique index on a column that is computed over duplicates is blocked",
        lambda M: M.t(
            n=IntegerField(
                null=True, unique=True, constraints=[SQL("GENERATED ALWAYS AS (length(a)) VIRTUAL")]
            )
        ),
        "add_column t.n",
        blocked="AM105 t.t_n",
    ),
    case(
        "two models of one table, one of which closes a circle",
        lambda M: circle(M),
        ("add_foreign_key p.x_id", "create_table p", "create_table x"),
        before="",
    ),
]

CASES = [*PREFIXES, *NAMES, *KEYS, *VALUES, *TYPES, *TABLES, *REST]
