"""Cases of names: those that need quotes, long ones, and how each database compares them."""

from __future__ import annotations

import itertools
import re
from typing import Any

from peewee import (
    CharField,
    Check,
    CompositeKey,
    ForeignKeyField,
    IntegerField,
    Model,
    ModelIndex,
    TextField,
    fn,
)

from tests.cases_base import ALL, EXPRESSING, MYSQL, POSTGRES, ROWS, SQLITE, Case, Maker

NASTY = {
    "spaces": "first name",
    "a double quote": 'so "called"',
    "a single quote": "it's",
    "a per cent sign": "100% %s",
    "a keyword": "order",
    "upper case": "OrderLine",
    "other scripts": "zażółć_ß_Ωμέγα",
    "a dot": "a.b",
    "a bracket": "a(b)[c]{d}",
    "a backtick and a backslash": "a`b\\c",
    "a question mark and a colon": "what? :n $1",
    "a number first": "1st",
    "a semicolon and a comment": "a; -- b /* c",
}
LETTERS = {63: "x" * 63, 64: "x" * 63 + "y", 80: "x" * 63 + "y" * 17}
# Peewee before 4.3 writes such names as no MySQL reads them.
MISQUOTED = ("a double quote", "a backtick and a backslash")
MULTIBYTE = "ż" * 40  # 80 bytes; PostgreSQL cuts it after 31 letters


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def cut(name: str) -> str:
    """Return a name as PostgreSQL keeps it."""
    return name.encode()[:63].decode(errors="ignore")


def standing(table: str, column: str = "a") -> str:
    return (
        f"CREATE TABLE {quoted(table)} (id {{id}}, {quoted(column)} {{text}} NOT NULL);"
        f"INSERT INTO {quoted(table)} ({quoted(column)}) VALUES ('x'), ('y');"
    )


def each() -> Any:
    return itertools.count(1).__next__


def everything(name: str) -> Any:
    """Return a function that makes a table, its columns and its indexes all of one name."""

    def models(M: Maker) -> list[type[Model]]:
        model = M(
            name,
            called="Nasty",
            a=M.text(column_name=name),
            n=IntegerField(default=7, column_name=f"{name} n"),
            u=CharField(null=True, unique=True, column_name=f"{name} u"),
            own=ForeignKeyField("self", null=True, column_name=f"{name} own"),
        )
        model.add_index(ModelIndex(model, [model.a, model.n], name=f"{name} i", where=model.n > 0))
        model.add_index(ModelIndex(model, [fn.LOWER(model.a)], name=f"{name} lower"))
        return [model]

    return models


def filled(name: str) -> Any:
    """Return a function that makes a table with a new column in which each row gets its value."""
    return lambda M: M(
        name,
        {"primary_key": CompositeKey("a", "b")},
        called="Nasty",
        a=M.text(column_name=name),
        b=IntegerField(),
        n=IntegerField(default=each(), column_name=f"{name} n"),
    )


PARTS = ("n", "u", "own")


def indexes_of(name: str) -> tuple[str, ...]:
    """Return the names that Peewee makes for the indexes of `everything`."""
    made = [re.sub(r"\W+", "", f"nasty_{name} {part}") for part in ("u", "own")]
    return (*made, *expressed_of(name))


def expressed_of(name: str) -> tuple[str, ...]:
    """Return the names of those with a predicate or an expression."""
    return f"{name} i", f"{name} lower"


def blocked_of(name: str) -> dict[str, Any]:
    codes = zip(("AM131", "AM133"), expressed_of(name), strict=True)
    return {MYSQL: tuple(f"{code} {name}.{index}" for code, index in codes)}


def completed(name: str) -> dict[Any, Any]:
    """Return the changes that complete what `everything` makes."""
    columns = [f"add_column {name}.{name} {part}" for part in PARTS]
    indexes = [f"add_index {name}.{index}" for index in indexes_of(name)]
    key = f"add_foreign_key {name}.{name} own"
    return {MYSQL: (*columns, *indexes[:2], key), ...: (*columns, *indexes)}


def since(what: str) -> dict[Any, tuple[int, int]]:
    """Return the Peewee that can have a name."""
    return {MYSQL: (4, 3) if what in MISQUOTED else (3, 17), ...: (3, 17)}


QUOTED = [
    Case(
        f"a table, columns and indexes whose names have {what} are completed",
        everything(name),
        completed(name),
        before=standing(name, name),
        blocked=blocked_of(name),
        peewee=since(what),
        then=(f"SELECT {quoted(name + ' n')} FROM {quoted(name)}", [(7,), (7,)]),
    )
    for what, name in NASTY.items()
]
QUOTED += [
    Case(
        f"a table, columns and indexes whose names have {what} are created",
        everything(name),
        f"create_table {name}",
        before="",
        blocked=blocked_of(name),
        peewee=since(what),
    )
    for what, name in NASTY.items()
]
QUOTED += [
    Case(
        f"rows are filled where table, key and column have {what} in their names",
        filled(name),
        f"add_column {name}.{name} n",
        before=f"CREATE TABLE {quoted(name)} ({quoted(name)} {{text}} NOT NULL, b INTEGER NOT NULL,"
        f" PRIMARY KEY ({quoted(name)}, b));"
        f"INSERT INTO {quoted(name)} VALUES ('%s', 1), ('?', 2);",
        effects="fills",
        peewee=since(what),
        then=(f"SELECT count(DISTINCT {quoted(name + ' n')}) FROM {quoted(name)}", [(2,)]),
    )
    for what, name in NASTY.items()
]


def long_names(length: int) -> Any:
    """A table, a column and an index whose names have as many letters as given."""

    def models(M: Maker) -> type[Model]:
        name = LETTERS[length]
        model = M(name, called="Long", a=M.text(), n=IntegerField(null=True, column_name=name))
        model.add_index(ModelIndex(model, [model.n], name=name[: length - 1] + "i"))
        return model

    return models


def long_indexed(name: str) -> Any:
    """Return a function that makes a table and an indexed column of one name."""
    return lambda M: M(
        name,
        called="Long",
        a=TextField(),
        n=IntegerField(index=True, column_name=name),
    )


def counted(declared: str) -> Any:
    """Return a function that makes a table with a unique index over new columns."""
    return lambda M: M(
        declared,
        {"indexes": [(("n", "m"), True)]},
        called="Other",
        a=TextField(),
        n=IntegerField(default=7),
        m=IntegerField(null=True, constraints=[Check("m > n")], default=8),
    )


LONG = [
    Case(
        f"names of {length} letters converge: completed",
        long_names(length),
        (f"add_column {name}.{name}", f"add_index {name}.{name[: length - 1]}i"),
        before=standing(name),
        on={63: ALL, 64: [SQLITE, MYSQL], 80: [SQLITE]}[length],
    )
    for length, name in LETTERS.items()
]
LONG += [
    Case(
        f"names of {length} letters converge: created",
        long_indexed(name),
        f"create_table {name}",
        before="",
        on=ALL if length < 65 else [SQLITE, POSTGRES],
    )
    for length, name in LETTERS.items()
]
LONG += [
    Case(
        "a table and a column that PostgreSQL has cut are found",
        lambda M: M(
            LETTERS[64],
            called="Long",
            a=TextField(),
            n=IntegerField(null=True, column_name=LETTERS[64]),
        ),
        before=f"CREATE TABLE {LETTERS[63]} (id {{id}}, a TEXT NOT NULL, {LETTERS[63]} INTEGER)",
        on=[POSTGRES],
    ),
    *(
        Case(
            f"new columns are counted in a table that is declared under another name: {declared}",
            counted(declared),
            (f"add_column {declared}.m", f"add_column {declared}.n"),
            before=standing(name),
            on=[kind],
            blocked=f"AM105 {declared}.other_n_m",
        )
        for kind, name, declared in (
            (POSTGRES, LETTERS[63], LETTERS[64]),
            (SQLITE, "standing", "STANDING"),
        )
    ),
    Case(
        "a unique column of a table that PostgreSQL has cut is added",
        lambda M: M(
            LETTERS[64],
            called="Long",
            a=TextField(),
            n=IntegerField(null=True, unique=True),
        ),
        (f"add_column {LETTERS[64]}.n", f"add_index {LETTERS[64]}.long_n"),
        before=(
            f"CREATE TABLE {LETTERS[63]} (id {{id}}, a TEXT NOT NULL);"
            f" INSERT INTO {LETTERS[63]} (a) VALUES ('a'), ('b')"
        ),
        on=[POSTGRES],
    ),
    Case(
        "a column that PostgreSQL will cut is added once",
        lambda M: M.t(n=IntegerField(default=7, column_name=LETTERS[64])),
        f"add_column t.{LETTERS[64]}",
        on=[POSTGRES],
        values={"n": [7, 7, 7]},
    ),
    Case(
        "a table of many bytes converges",
        lambda M: M(MULTIBYTE, called="Long", n=IntegerField(column_name=MULTIBYTE)),
        f"create_table {MULTIBYTE}",
        before="",
    ),
    Case(
        "a column of many bytes is added once, and rows are filled",
        lambda M: M.t(n=IntegerField(default=each(), column_name=MULTIBYTE)),
        f"add_column t.{MULTIBYTE}",
        effects="fills",
    ),
    Case(
        "an index of many bytes is built once",
        lambda M: index_called(M, MULTIBYTE),
        f"add_index t.{MULTIBYTE}",
    ),
    Case(
        "an index of 64 letters, as Peewee cuts it, is built once (D7)",
        lambda M: index_called(M, LETTERS[64]),
        f"add_index t.{LETTERS[64]}",
    ),
    Case(
        "an expression index of 64 letters is built once (D7)",
        lambda M: index_called(M, LETTERS[64], fn.LOWER),
        f"add_index t.{LETTERS[64]}",
        on=EXPRESSING,
    ),
    Case(
        "a partial index of 64 letters that stands is found (D7)",
        lambda M: index_called(M, LETTERS[64], where=True),
        before=ROWS + f"CREATE INDEX {LETTERS[64]} ON t (a) WHERE a > 'b'",
        on=EXPRESSING,
    ),
    Case(
        "a generated index name that is too long is shortened by Peewee and found again",
        lambda M: M.t(n=IntegerField(null=True, column_name="n" * 63, unique=True)),
        (f"add_column t.{'n' * 63}", f"add_index t.t_{'n' * 54}_5826dbb"),
    ),
    Case(
        "long names leave each CHECK a name of its own",
        lambda M: M(
            LETTERS[63],
            a=M.text(),
            n=IntegerField(default=7, constraints=[Check("n > 0"), Check("n < 9")]),
            m=IntegerField(default=7, constraints=[Check("m > 0"), Check("m < 9")]),
        ),
        (f"add_column {LETTERS[63]}.n", f"add_column {LETTERS[63]}.m"),
        before=standing(LETTERS[63]),
        on=[POSTGRES],
        then=(
            "SELECT count(*) FROM pg_constraint WHERE contype = 'c' AND conname LIKE 'xxx%%'",
            [(5,)],
        ),
    ),
    Case(
        "names of many bytes leave each foreign key a name of its own",
        lambda M: M(
            cut(MULTIBYTE),
            a=M.text(),
            n=ForeignKeyField(p := M("p"), default=1, index=False),
            m=ForeignKeyField(p, default=1, index=False),
        ),
        (f"add_column {cut(MULTIBYTE)}.n_id", f"add_column {cut(MULTIBYTE)}.m_id"),
        before=standing(cut(MULTIBYTE)) + "CREATE TABLE p (id {id}); INSERT INTO p VALUES (1)",
        on=[POSTGRES],
        then=("SELECT count(*) FROM pg_constraint WHERE conname LIKE 'fk_żż%%'", [(2,)]),
    ),
    Case(
        "two index names that are one when PostgreSQL has cut them: the second is blocked",
        lambda M: [index_called(M, LETTERS[64], table="o"), index_called(M, LETTERS[80])],
        f"add_index o.{LETTERS[64]}",
        before=ROWS + "CREATE TABLE o (id {id}, a TEXT NOT NULL);",
        on=[POSTGRES],
        blocked=f"AM106 t.{LETTERS[80]}",
    ),
]


def index_called(
    M: Maker, name: str, function: Any = None, where: bool = False, table: str = "t"
) -> type[Model]:
    model = M(table, a=M.text())
    key = function(model.a) if function else model.a
    model.add_index(ModelIndex(model, [key], name=name, where=(model.a > "b") if where else None))
    return model


COMPARED = [
    Case(
        "SQLite compares names without case: table and column (D1)",
        lambda M: M("user", name=TextField(index=True)),
        before='CREATE TABLE "User" ("ID" INTEGER NOT NULL PRIMARY KEY, "Name" TEXT NOT NULL);'
        'CREATE INDEX "USER_NAME" ON "USER" ("NAME"); INSERT INTO "User" ("Name") VALUES (\'x\')',
        on=[SQLITE],
    ),
    Case(
        "SQLite compares names without case: a column, an index and rows are added",
        lambda M: M(
            "user",
            name=TextField(index=True),
            n=IntegerField(default=each()),
            m=IntegerField(default=7),
        ),
        ("add_column user.n", "add_column user.m", "add_index user.user_name"),
        before='CREATE TABLE "User" ("ID" INTEGER NOT NULL PRIMARY KEY, "Name" TEXT NOT NULL);'
        'INSERT INTO "User" ("Name") VALUES (\'x\')',
        on=[SQLITE],
        values={"m": [7]},
    ),
    Case(
        "SQLite compares names without case: a foreign key's parent",
        lambda M: [
            M("child", p=ForeignKeyField(p := M("parent"), column_name="p", index=False)),
            p,
        ],
        before='CREATE TABLE "Parent" (id {id}); CREATE TABLE "Child" (id {id},'
        ' "P" INTEGER NOT NULL REFERENCES "PARENT" ("ID"))',
        on=[SQLITE],
    ),
    Case(
        "SQLite compares letters other than ASCII with their case",
        lambda M: M("straße", n=IntegerField(null=True, column_name="ä")),
        "add_column straße.ä",
        before='CREATE TABLE "straße" (id {id}, "Ä" INTEGER)',
        on=[SQLITE],
    ),
    Case(
        "SQLite takes a table whose name differs in the case of another letter for another one",
        lambda M: M("éclair", n=IntegerField(null=True)),
        "create_table éclair",
        before='CREATE TABLE "Éclair" (id {id}, n INTEGER)',
        on=[SQLITE],
    ),
    Case(
        "PostgreSQL compares names with their case: another table",
        lambda M: M("user", name=TextField()),
        "create_table user",
        before='CREATE TABLE "User" (id {id}, name TEXT NOT NULL)',
        on=[POSTGRES],
    ),
    Case(
        "PostgreSQL compares names with their case: another column",
        lambda M: M.t(n=IntegerField(default=7, column_name="A")),
        "add_column t.A",
        on=[POSTGRES],
        values={"n": [7, 7, 7]},
    ),
    Case(
        "a column named like its table, and like a system's word",
        lambda M: M.t(
            t=IntegerField(default=1),
            value=TextField(default="v"),
            key=TextField(null=True),
            count=IntegerField(default=0),
            user=TextField(default="u"),
        ),
        tuple(f"add_column t.{name}" for name in ("t", "value", "key", "count", "user")),
        values={"t": [1] * 3, "user": ["u"] * 3},
    ),
    Case(
        "a field of another name than its column",
        lambda M: M.t(karma=IntegerField(default=7, column_name="user_karma", index=True)),
        ("add_column t.user_karma", "add_index t.t_user_karma"),
        values={"karma": [7, 7, 7]},
    ),
]

CASES = [*QUOTED, *LONG, *COMPARED]
