"""A temporary table of the session hides a model's: what was read is not what would be written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from peewee import CharField, Database, ForeignKeyField, IntegerField, Model

from peewee_automigrate import MigrationBlocked, migrate, plan
from tests.cases_base import Maker


def release(database: Database, name: str) -> Sequence[type[Model]]:
    """Return models that lack something because of one kind of change."""
    M = Maker(database)
    parent: Any = M("p", b=CharField(null=True))
    made = {
        "column": [M.t(n=IntegerField(null=True))],
        "index": [M("t", a=CharField(index=True))],
        "table": [M("t", a=CharField(index=True))],
        "parent": [M("t", a=CharField()), M("c", p=ForeignKeyField(parent)), parent],
        "nothing": [M("t", a=CharField())],
    }
    return made[name]


@pytest.fixture
def hidden(database: Database) -> Database:
    """A table with a row, and temporary ones of its name and of its parent's."""
    M = Maker(database)
    model = M("t", a=CharField())
    database.create_tables([model, M("p", b=CharField(null=True))])
    model.create(a="kept")
    database.execute_sql("CREATE TEMPORARY TABLE p (z INTEGER)")
    database.execute_sql("CREATE TEMPORARY TABLE t (z INTEGER)")
    return database


@pytest.mark.parametrize(
    ("name", "ref", "table"),
    [("column", "t.n", "t"), ("index", "t.t_a", "t"), ("parent", "c", "p")],
)
def test_change_of_a_hidden_table_is_blocked(
    hidden: Database, name: str, ref: str, table: str
) -> None:
    with pytest.raises(MigrationBlocked) as caught:
        migrate(hidden, release(hidden, name))
    first = caught.value.blocked[0]
    assert str(first) == (
        f"{ref}: a temporary table of this session hides {table}. Drop it, or migrate over "
        "another connection."
    )
    assert list(hidden.execute_sql("SELECT * FROM t").fetchall()) == []


def test_new_table_below_a_temporary_one_is_blocked(database: Database) -> None:
    database.execute_sql("CREATE TEMPORARY TABLE t (z INTEGER)")
    made = plan(database, release(database, "table"))
    assert [finding.code for finding in made.blocked] == ["AM153"]


def test_hidden_table_that_lacks_nothing_is_no_matter(hidden: Database) -> None:
    assert not plan(hidden, release(hidden, "nothing"))
