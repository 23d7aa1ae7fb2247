"""Rights and names: what can't be done is known before the first statement."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from peewee import ForeignKeyField, IntegerField, Model
from playhouse.db_url import connect

from peewee_automigrate import MigrationFailed, ModelsNotFound, migrate, plan
from tests.cases_base import ALL, MYSQL, PEEWEE, POSTGRES, Maker
from tests.support.standing import ask, run
from tests.test_cases import mysql, postgres, standing_database

__all__ = ["mysql", "postgres", "standing_database"]  # fixtures

OWNS = """
CREATE TABLE mine (id serial PRIMARY KEY); ALTER TABLE mine OWNER TO {role};
CREATE TABLE theirs (id serial PRIMARY KEY); GRANT SELECT ON theirs TO {role};
INSERT INTO mine DEFAULT VALUES; INSERT INTO theirs DEFAULT VALUES;
CREATE SCHEMA closed; GRANT USAGE ON SCHEMA closed TO {role};
GRANT CREATE ON SCHEMA public TO {role};
"""


@pytest.fixture
def role(postgres_database: Any, postgres_url: str) -> Iterator[Any]:
    """The database as a role that owns one of two tables sees it, and as its owner does."""
    name = f"role_{uuid.uuid4().hex[:12]}"
    run(postgres_database, f"CREATE ROLE {name} LOGIN;" + OWNS.format(role=name))
    url = re.sub(r"://[^@/]*@", f"://{name}@", postgres_url)
    with closing(connect(url)) as database:
        yield database
    run(postgres_database, f"DROP OWNED BY {name}; DROP ROLE {name}")


def grown(M: Maker, table: str, **fields: Any) -> type[Model]:
    return M(table, **{"x": IntegerField(null=True), **fields})


LACKS = [
    (lambda M: [grown(M, "mine"), grown(M, "theirs")], 'does not own "theirs"'),
    (
        lambda M: [grown(M, "mine"), M("theirs", x=IntegerField(null=True, index=True))],
        'not own "theirs"',
    ),
    (lambda M: grown(M, "new", t=ForeignKeyField(M("theirs"))), 'no right REFERENCES on "theirs"'),
    (lambda M: [grown(M, "mine"), M("new", {"schema": "closed"})], "no right CREATE on closed"),
]


@pytest.mark.parametrize(("models", "text"), LACKS)
def test_missing_right_is_told_before_anything_ran(
    role: Any, postgres_database: Any, models: Any, text: str
) -> None:
    with pytest.raises(MigrationFailed) as caught:
        migrate(role, models(Maker(role)))
    said = str(caught.value)
    assert text in said
    assert "the role role_" in said and "migrate as postgres" in said
    assert said.endswith("Nothing was changed.")
    columns = "SELECT count(*) FROM information_schema.columns WHERE column_name = 'x'"
    assert ask(postgres_database, columns) == [(0,)]


def test_what_the_role_may_is_done(role: Any) -> None:
    M = Maker(role)
    assert len(migrate(role, [grown(M, "mine"), grown(M, "new")]).applied) == 2


# Names

ODD = [
    ("a\0b", ALL),
    ("\ud800", ALL),
    ("%%", [POSTGRES, MYSQL]),
    ("a%%b", [POSTGRES, MYSQL]),
    ("\U0001f600", [MYSQL]),
]
EACH = [
    pytest.param(kind, place, name, id=f"{kind}-{place}-{ascii(name)}")
    for name, kinds in ODD
    for kind in kinds
    for place in ("table", "column", "schema")
]


@pytest.mark.parametrize(("kind", "place", "name"), EACH)
def test_name_that_can_not_be_sent_is_refused(
    kind: str, place: str, name: str, standing_database: Any
) -> None:
    M = Maker(standing_database)
    model = M(
        name if place == "table" else "t",
        {"schema": name} if place == "schema" else None,
        called="Odd",
        x=IntegerField(null=True, column_name=name if place == "column" else None),
    )
    for function in (plan, migrate):
        with pytest.raises(ModelsNotFound) as caught:
            function(standing_database, model)
        said = str(caught.value)
        assert said.startswith(f"Odd: the name {name!r} has ")
        assert said.isprintable()
        assert said.endswith("does not take as it is. Give it another one.")


@pytest.mark.parametrize("kind", [POSTGRES])
@pytest.mark.parametrize("name", ["s" * 64, "é" * 32])
def test_schema_that_postgresql_would_cut_off_is_refused(
    kind: str, name: str, standing_database: Any
) -> None:
    with pytest.raises(ModelsNotFound, match="is longer than 63 bytes"):
        plan(standing_database, Maker(standing_database)("t", {"schema": name}))


FOUND = ["a%b", "%", "%s", "é" * 20, "Ünï cödé", 'a"b', "a`b", "a'b", "a.b", "\u202eleft", "a\nb"]


def is_taken(kind: str, name: str) -> bool:
    """Peewee before 4.0 quotes no quotes for MySQL, whose names have no letter beyond U+FFFF."""
    return kind != MYSQL or (name <= "\uffff" and (PEEWEE >= (4,) or not set(name) & {'"', "`"}))


TAKEN = [
    pytest.param(kind, name, id=f"{kind}-{ascii(name)}")
    for name in (*FOUND, "\U0001f600")
    for kind in ALL
    if is_taken(kind, name)
]


@pytest.mark.parametrize(("kind", "name"), TAKEN)
def test_odd_name_that_the_database_takes_is_found_again(
    kind: str, name: str, standing_database: Any
) -> None:
    M = Maker(standing_database)
    model = M(name, called="Odd", x=IntegerField(null=True, column_name=name, index=True))
    migrate(standing_database, model)
    assert not plan(standing_database, model)
