"""Cases of Python defaults that give what nobody expects: objects, queries, errors, exits."""

from __future__ import annotations

import enum
import sys
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from peewee import BlobField, CharField, DecimalField, Field, IntegerField, Model, TextField, fn

from tests.cases_base import ALL, MYSQL, POSTGRES, ROWS, SQLITE, Case, Maker

PARENT = ROWS + "CREATE TABLE p (id {id}, b {text}); INSERT INTO p (b) VALUES ('only');"


class Word(str, enum.Enum):
    """A word that is text as well."""

    NEW = "new"


class Level(enum.IntEnum):
    """A number by name."""

    HIGH = 3


class Thing:
    """An object whose text tells only where it is."""


def fails() -> Any:
    raise RuntimeError("no value today")


def given(what: str, make: Callable[[], Field], values: list[Any], **rest: Any) -> Case:
    """Return a case of a default that is written as it is."""
    sentence = f"a default that is {what} is written as a value"
    return Case(sentence, lambda M: M.t(n=make()), "add_column t.n", values={"n": values}, **rest)


def refused(what: str, make: Callable[[], Field], on: Any = ALL, **rest: Any) -> Case:
    """Return a case of a default that no row can have."""
    sentence = f"a default that {what} is blocked beforehand"
    return Case(sentence, lambda M: M.t(n=make()), blocked="AM110 t.n", on=on, **rest)


def queried(M: Maker) -> list[type[Model]]:
    parent = M("p", b=M.text(null=True))

    def count() -> Any:
        return parent.select(fn.COUNT(parent.id))

    return [M.t(n=IntegerField(default=count)), parent]


def instance(M: Maker) -> list[type[Model]]:
    parent: Any = M("p", b=M.text(null=True))
    return [M.t(n=IntegerField(default=lambda: parent.get())), parent]


def asking_itself(M: Maker) -> Any:
    def ask() -> Any:
        return made[0].select(made[0].n).scalar()

    made: list[Any] = []
    made.append(M.t(n=IntegerField(default=ask)))
    return made[0]


CASES = [
    given("text and an enum", lambda: CharField(default=lambda: Word.NEW), ["new"] * 3),
    given("a number and an enum", lambda: IntegerField(default=Level.HIGH), [3] * 3),
    given("bytes", lambda: BlobField(default=lambda: b"\xff\x00"), [b"\xff\x00"] * 3),
    given("NULL by a callable", lambda: TextField(null=True, default=lambda: None), [None] * 3),
    Case(
        "a default that is a query is what it gives",
        queried,
        "add_column t.n",
        before=PARENT,
        values={"n": [1] * 3},
        old_insert="",
    ),
    Case(
        "a default that is a row of another model is its key",
        instance,
        "add_column t.n",
        before=PARENT,
        values={"n": [1] * 3},
        old_insert="",
    ),
    Case(
        "a default that asks for the missing column is blocked beforehand",
        asking_itself,
        blocked="AM110 t.n",
    ),
    refused("fails", lambda: TextField(default=fails)),
    refused("ends the process", lambda: TextField(default=sys.exit)),
    refused("is an object", lambda: TextField(default=Thing)),
    refused("is a list of objects", lambda: TextField(default=lambda: [Thing()])),
    refused("is a function", lambda: CharField(default=lambda: fails)),
    refused("is no text", lambda: TextField(default=lambda: b"\xff\x00")),
    refused("is a list, and the column a number", lambda: IntegerField(default=lambda: [1, 2])),
    refused("is a uuid, and the column a number", lambda: IntegerField(default=uuid.uuid4)),
    refused("is longer than 64 bits", lambda: IntegerField(default=2**70)),
    refused("is no number", lambda: DecimalField(default=lambda: Decimal("NaN")), on=[MYSQL]),
    Case(
        "a default that is NULL is none, and NOT NULL is blocked",
        lambda M: M.t(n=TextField(default=lambda: None)),
        blocked="AM101 t.n",
        on=[SQLITE, POSTGRES, MYSQL],
    ),
]
