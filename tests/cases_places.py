"""Cases of names of each kind in each place: words that a migrator looks for, signs, length."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from peewee import SQL, Check, IntegerField, Model, ModelIndex

from tests.cases_base import (
    ALL,
    EXPRESSING,
    MYSQL,
    POSTGRES,
    ROWS,
    SQLITE,
    TABLE,
    Case,
    Either,
    Maker,
    kind,
)
from tests.cases_names import MISQUOTED, quoted, standing

KEYWORDS = (
    *("check", "comment", "constraint", "default", "generated", "index", "primary", "references"),
    *("unique", "where"),
)
NAMES = {
    **{f"the word {word}": word for word in KEYWORDS},
    "a word that ends in check": "t_n_check",
    "a word that begins with check": "check_n",
    "a word that begins with default": "default_value",
    "a clause": "n int default 1 check (n) references t",
    "a dot": "x.y",
    "a double quote": 'so "called"',
    "a per cent sign": "100% %s",
    "a square bracket": "a[0]",
    "upper case": "OrderLine",
    "63 bytes": "x" * 63,
    "63 bytes in 32 letters": "ż" * 31 + "x",
}
QUICK = {"check", "default", "t_n_check", "x.y", 'so "called"', "x" * 63}
POSITIVE = "INSERT INTO t (a, n) VALUES ('w', 0)"
UNREAD = (
    "{}: on MariaDB a column has one CHECK, which has no name and comes last. Declare it "
    "otherwise, or add it by your own script, then run again."
)


def since(what: str) -> dict[Any, tuple[int, int]]:
    """Return the Peewee that writes such a name as MySQL reads it."""
    return {MYSQL: (4, 3) if what in MISQUOTED else (3, 17), ...: (3, 17)}


def named(name: str, *places: str) -> Callable[[Maker], list[type[Model]]]:
    """Return a function that gives a name to the table, schema, column, index or CHECK."""

    def models(M: Maker) -> list[type[Model]]:
        check = Check("length(a) > 0", name) if "check" in places and kind(M) != MYSQL else None
        model = M(
            name if "table" in places else "t",
            {"schema": name if "schema" in places else None},
            called="Named",
            a=M.text(),
            n=IntegerField(
                default=7,
                column_name=name if "column" in places else "n",
                constraints=[check] if check else None,
            ),
        )
        index = name if "index" in places else "by_n"
        model.add_index(ModelIndex(model, [model.n], name=index))
        return [model]

    return models


def grown(table: str, column: str = "n", index: str = "by_n") -> tuple[str, str]:
    """Return the changes that complete what `named` makes."""
    return f"add_column {table}.{column}", f"add_index {table}.{index}"


def sevens(table: str, column: str = "n") -> tuple[str, list[tuple[int]]]:
    """Return a query that finds what every row has got, and its rows."""
    return f"SELECT DISTINCT {column} FROM {table}", [(7,)]


def attached(name: str) -> dict[Any, str]:
    """Return SQL that makes a schema of this name, with a table and rows."""
    table = f"{quoted(name)}.t"
    rows = (
        f"CREATE TABLE {table} (id {{id}}, a {{text}} NOT NULL);"
        f"INSERT INTO {table} (a) VALUES ('x'), ('y');"
    )
    return {
        SQLITE: f"ATTACH DATABASE '{{folder}}/other.db' AS {quoted(name)};" + rows,
        POSTGRES: f"CREATE SCHEMA {quoted(name)};" + rows,
    }


def kept(name: str) -> dict[Any, Any]:
    """Return a query that finds the CHECK of this name, and its rows."""
    written = f"instr(sql, 'CONSTRAINT {quoted(name)} CHECK') > 0"
    return {
        SQLITE: (f"SELECT count(*) FROM sqlite_master WHERE name = 't' AND {written}", [(1,)]),
        POSTGRES: (f"SELECT count(*) FROM pg_constraint WHERE conname = '{name}'", [(1,)]),
    }


TABLES = [
    Case(
        f"a table whose name is {what} gets a column and an index",
        named(name, "table"),
        grown(name),
        before=standing(name),
        peewee=since(what),
        slow=name not in QUICK,
        then=sevens(quoted(name)),
    )
    for what, name in NAMES.items()
]
SCHEMAS = [
    Case(
        f"a table of a schema whose name is {what} gets a column and an index",
        named(name, "schema"),
        grown(f"{name}.t"),
        before=attached(name),
        on=[SQLITE, POSTGRES],
        then=sevens(f"{quoted(name)}.t"),
        slow=name not in QUICK,
    )
    for what, name in NAMES.items()
]
SCHEMAS += [
    Case(
        f"a schema whose name is {what} is created with its table",
        named(name, "schema"),
        (f"create_schema {name}", f"create_table {name}.t"),
        on=[POSTGRES],
        slow=name not in QUICK,
    )
    for what, name in NAMES.items()
]
COLUMNS = [
    Case(
        f"a column whose name is {what} is added with its index",
        named(name, "column"),
        grown("t", column=name),
        peewee=since(what),
        slow=name not in QUICK,
        then=sevens("t", quoted(name)),
    )
    for what, name in NAMES.items()
]
INDEXES = [
    Case(
        f"an index whose name is {what} is built on a new column",
        named(name, "index"),
        grown("t", index=name),
        # MySQL keeps that name for the primary key.
        on=EXPRESSING if name == "primary" else ALL,
        peewee=since(what),
        slow=name not in QUICK,
    )
    for what, name in NAMES.items()
]


def checked(what: str, constraint: Any, name: str, before: Either = ROWS) -> Case:
    """Return the case of a column whose CHECK has a name."""
    return Case(
        f"a column is added whose CHECK has a name, which is {what}",
        lambda M: M.t(n=IntegerField(default=7, constraints=[constraint])),
        {MYSQL: (), ...: "add_column t.n"},
        before=before,
        blocked={MYSQL: "AM128 t.n"},
        says={MYSQL: UNREAD.format("t.n")},
        refuses={MYSQL: "", ...: POSITIVE},
        then=kept(name),
        peewee=since(what),
        slow=name not in QUICK,
    )


def in_sql(name: str) -> SQL:
    return SQL(f"CONSTRAINT {quoted(name)} CHECK (n > 0)")


CHECKS = [
    *(checked(what, Check("n > 0", name), name) for what, name in NAMES.items()),
    *(
        checked(f"{what}, in SQL", in_sql(name), name)
        for what, name in NAMES.items()
        if "%" not in name  # which would be a pattern to a server's driver
    ),
    *(
        checked(f"{what}, in a table without rows", Check("n > 0", name), name, TABLE)
        for what, name in NAMES.items()
        if "check" in name
    ),
]
CREATED = [
    Case(
        f"a table is created whose name is {what}, as are those of its column and CHECK",
        named(name, "table", "column", "check"),
        f"create_table {name}",
        before="",
        peewee=since(what),
        slow=name not in QUICK,
    )
    for what, name in NAMES.items()
]


def doubled(statement: str) -> Callable[[Maker], type[Model]]:
    """Return a function that makes a unique index by SQL, and a new column with an index."""

    def models(M: Maker) -> type[Model]:
        indexes = [SQL(statement), SQL("CREATE INDEX by_code ON t (code)")]
        return M.t({"indexes": indexes}, code=IntegerField(null=True))

    return models


def items(taken: bool) -> Callable[[Maker], type[Model]]:
    """Return a function that makes an index whose name, by Peewee's own rule, is a column's."""

    def models(M: Maker) -> type[Model]:
        return M(
            "item",
            code=M.text(index=taken, unique=not taken),
            item_code=M.text(null=True, index=not taken),
        )

    return models


def dotted(M: Maker, **first: Any) -> list[type[Model]]:
    """Make the models of a table "app.y", and of table y in the schema app."""
    second = {"n": IntegerField()} if not first else {"n": IntegerField(null=True)}
    one = M("app.y", called="One", a=M.text(), **(first or {"n": IntegerField(null=True)}))
    two = M("y", {"schema": "app"}, called="Two", a=M.text(), **second)
    for model in (one, two):
        if model._meta.fields["n"].null:
            model.add_index(ModelIndex(model, [model.n, model.a], name="by_n"))
    return [one, two]


ITEM = "CREATE TABLE item (id {id}, code {text} NOT NULL);"
DOTTED = (
    standing("app.y")
    + "CREATE TABLE app.y (id {id}, a {text} NOT NULL); INSERT INTO app.y (a) VALUES ('x');"
)
BOTH = {
    SQLITE: "ATTACH DATABASE '{folder}/other.db' AS app;" + DOTTED,
    ...: "CREATE SCHEMA app;" + DOTTED,
}
ALIKE = [
    Case(
        "a blocked index that is called as a new column does not stop that column's own index",
        doubled("CREATE UNIQUE INDEX code ON t (a)"),
        ("add_column t.code", "add_index t.by_code"),
        before=TABLE + "INSERT INTO t (a) VALUES ('x'), ('x')",
        blocked="AM105 t.code",
    ),
    Case(
        "a blocked index that is called otherwise does not stop another one",
        doubled("CREATE UNIQUE INDEX uq ON t (a)"),
        ("add_column t.code", "add_index t.by_code"),
        before=TABLE + "INSERT INTO t (a) VALUES ('x'), ('x')",
        blocked="AM105 t.uq",
    ),
    Case(
        "an index whose name is taken, and a new column of that name: the column is added",
        items(taken=True),
        "add_column item.item_code",
        before=ITEM + "CREATE INDEX item_code ON item (id); INSERT INTO item (code) VALUES ('x')",
        blocked="AM106 item.item_code",
    ),
    Case(
        "an index over duplicates, and a new column of its name: the column gets its own index",
        items(taken=False),
        ("add_column item.item_code", "add_index item.item_item_code"),
        before=ITEM + "INSERT INTO item (code) VALUES ('x'), ('x')",
        blocked="AM105 item.item_code",
    ),
    Case(
        "a table whose name has a dot is blocked, and the table of that schema gets its column",
        lambda M: dotted(M, n=IntegerField()),
        ("add_column app.y.n", "add_index app.y.by_n"),
        before=BOTH,
        blocked="AM101 app.y.n",
        then=("SELECT n FROM app.y", [(None,)]),
    ),
    Case(
        "a table of a schema is blocked, and the one whose name has a dot gets its column",
        dotted,
        ("add_column app.y.n", "add_index app.y.by_n"),
        before=BOTH,
        blocked="AM101 app.y.n",
        then=('SELECT n FROM "app.y"', [(None,), (None,)]),
    ),
]

CASES = [*TABLES, *SCHEMAS, *COLUMNS, *INDEXES, *CHECKS, *CREATED, *ALIKE]
