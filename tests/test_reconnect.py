"""A connection that is lost, and made anew by itself, does not go on without the migration lock."""

from __future__ import annotations

import itertools
import uuid
from typing import Any

import pytest
from peewee import (
    CharField,
    Database,
    InterfaceError,
    MySQLDatabase,
    OperationalError,
    PostgresqlDatabase,
    UUIDField,
)
from playhouse.shortcuts import ReconnectMixin

from peewee_automigrate import MigrationFailed, StepEvent, migrate, plan
from tests.support.fields import model

OWN = {"postgres": "SELECT pg_backend_pid()", "mysql": "SELECT CONNECTION_ID()"}
KILL = {"postgres": "SELECT pg_terminate_backend({})", "mysql": "KILL {}"}


class Reconnecting(ReconnectMixin):
    reconnect_errors = (
        *ReconnectMixin.reconnect_errors,
        (OperationalError, "terminat"),
        (OperationalError, "closed the connection"),
        (InterfaceError, "already closed"),
    )


class ReconnectingPostgres(Reconnecting, PostgresqlDatabase):
    """Connects anew by itself."""


class ReconnectingMysql(Reconnecting, MySQLDatabase):
    """Connects anew by itself."""


def grown(database: Database, **fields: Any) -> type[Any]:
    return model(database, "item", {"name": CharField(20), **fields})


@pytest.mark.parametrize("at", range(5))
@pytest.mark.parametrize("kind", ["postgres", "mysql"])
def test_run_whose_session_is_replaced_ends_and_the_next_one_completes(
    kind: str, at: int, request: pytest.FixtureRequest
) -> None:
    other: Database = request.getfixturevalue(f"{kind}_database")
    old = grown(other)
    migrate(other, [old])
    old.insert_many([(f"n{n}",) for n in range(2500)], [old.name]).execute()
    classes = {"postgres": ReconnectingPostgres, "mysql": ReconnectingMysql}
    database = classes[kind](other.database, **other.connect_params)
    numbers = itertools.count()

    def step(event: StepEvent) -> None:
        if next(numbers) == at:
            (number,) = database.execute_sql(OWN[kind]).fetchone()
            other.execute_sql(KILL[kind].format(number))

    wanted = {"size": CharField(5, default="m"), "token": UUIDField(default=uuid.uuid4, index=True)}
    with pytest.raises(MigrationFailed) as caught:
        migrate(database, [grown(database, **wanted)], on_step=step)
    assert next(numbers) > at
    applied = {(step.table, step.name) for step in caught.value.applied}
    database.close()
    wanted = {name: field.clone() for name, field in wanted.items()}
    left = {(step.table, step.name) for step in plan(other, [grown(other, **wanted)]).steps}
    assert not applied & left
    new = grown(other, **wanted)
    migrate(other, [new])
    assert not plan(other, [new])
    rows = list(new.select(new.token).tuples())
    assert len(set(rows)) == len(rows) == 2500
