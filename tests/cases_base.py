"""What a case is made of: a sentence, what stands before, models, and what is expected."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import peewee
from peewee import (
    SQL,
    CharField,
    Database,
    Field,
    Model,
    MySQLDatabase,
    SqliteDatabase,
    TextField,
)

SQLITE, POSTGRES, MYSQL = "sqlite", "postgres", "mysql"
ALL = (SQLITE, POSTGRES, MYSQL)
EXPRESSING = (SQLITE, POSTGRES)  # have indexes that are partial or on expressions
TRANSACTIONAL = (SQLITE, POSTGRES)  # can take DDL back
SERVERS = (POSTGRES, MYSQL)
PEEWEE = tuple(int(part) for part in peewee.__version__.split(".")[:2])

TABLE = "CREATE TABLE t (id {id}, a {text} NOT NULL);"
ROWS = TABLE + "INSERT INTO t (a) VALUES ('x'), ('y'), ('z');"
TYPES = {
    SQLITE: {"{id}": "INTEGER NOT NULL PRIMARY KEY", "{text}": "TEXT"},
    POSTGRES: {"{id}": "SERIAL NOT NULL PRIMARY KEY", "{text}": "TEXT"},
    MYSQL: {"{id}": "INTEGER NOT NULL AUTO_INCREMENT PRIMARY KEY", "{text}": "VARCHAR(99)"},
}

Either: TypeAlias = Any  # a value for every database, or a dict by database, `...` for the others


class Maker:
    """Makes models that are bound to a database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def __call__(
        self,
        table: str | None,
        meta: Mapping[str, Any] | None = None,
        base: type[Model] = Model,
        called: str | None = None,
        **fields: Any,
    ) -> type[Model]:
        """Make the model of a table; ``called`` is the class's name, else the table's."""
        options = {"database": self.database, "table_name": table, **(meta or {})}
        body = {"Meta": type("Meta", (), options), **fields}
        metaclass: Any = type(base)
        made: type[Model] = metaclass(called or table, (base,), body)
        return made

    def t(self, meta: Mapping[str, Any] | None = None, **fields: Any) -> type[Model]:
        """Make the model of the table that stands in most cases, with more fields."""
        return self("t", meta, **{"a": self.text(), **fields})

    def text(self, **options: Any) -> Field:
        """Make the field of a ``{text}``, which any database can index."""
        return CharField(99, **options) if kind(self) == MYSQL else TextField(**options)


@dataclass(frozen=True)
class Case:
    """One sentence about what is added to what stands.

    ``before`` is SQL, with the words of `TYPES` and names in double quotes. Expected are
    ``changes`` ("add_column t.n"), ``blocked`` and ``drift`` in the plan's order ("AM101 t.n"),
    ``notes`` where they are given, and ``effects``, one for each step. ``says`` are the whole texts
    of what is blocked.
    Afterwards ``values`` of the first model's fields in each old row, ``then`` the rows of a
    query, and ``refuses`` a statement that violates what was added. ``moves`` are the counters that
    what was added advances. ``slow`` is one of many alike, which a quick run leaves out.
    """

    sentence: str
    models: Callable[[Maker], Any]
    changes: Either = ()
    before: Either = ROWS
    on: Sequence[str] = ALL
    blocked: Either = ()
    says: Either = ()
    drift: Either = ()
    notes: Either = None
    effects: Either = None
    values: Mapping[str, Any] = field(default_factory=dict)
    then: Either = ()
    refuses: Either = ""
    moves: Sequence[str] = ()
    bystanders: bool = True
    old_insert: Either = "INSERT INTO t (a) VALUES ('old release')"
    options: Mapping[str, Any] = field(default_factory=dict)
    peewee: Either = (3, 17)
    slow: bool = False

    def expects(self, name: str, kind: str) -> Any:
        """Return what is given for a kind of database."""
        value = getattr(self, name)
        return value.get(kind, value.get(..., ())) if isinstance(value, dict) else value

    def texts(self, name: str, kind: str) -> list[str]:
        """Return texts given as one or as several."""
        value = self.expects(name, kind)
        found = [value] if isinstance(value, str) else list(value)
        return [spoken(text, kind) for text in found] if name == "says" else found

    def script(self, kind: str) -> str:
        """Return the SQL that makes what stands before."""
        sql = self.expects("before", kind) or ""
        for word, text in TYPES[kind].items():
            sql = sql.replace(word, text)
        return spoken(sql, kind)


def spoken(sql: str, kind: str) -> str:
    """Return SQL with the quotes that a database has for names."""
    return NAME.sub(in_backticks, sql) if kind == MYSQL else sql


NAME = re.compile(r"""'(?:[^'\\]|\\.)*'|"((?:[^"]|"")*)\"""")


def in_backticks(found: re.Match[str]) -> str:
    name = found.group(1)
    if name is None:
        return found.group()
    return "`" + name.replace('""', '"').replace("`", "``") + "`"


class Mood(Field):
    """A field of a type that somebody made by hand."""

    field_type = "mood"


def kind(M: Maker) -> str:
    if isinstance(M.database, SqliteDatabase):
        return SQLITE
    return MYSQL if isinstance(M.database, MySQLDatabase) else POSTGRES


def sql_default(text: str) -> list[SQL]:
    """Return a field's constraints with a default in SQL."""
    return [SQL(f"DEFAULT {text}")]
