"""Peewee's asyncio databases, each through its driver's own pool; newer releases of Peewee have
them.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine
from importlib.util import find_spec
from typing import Any

import pytest
from peewee import CharField, Database, IntegerField, UUIDField

from peewee_automigrate import AutoMigrateError, MigrationBlocked, migrate, plan
from tests.cases_base import Maker

HAS_ASYNCIO = bool(find_spec("playhouse.pwasyncio"))  # since Peewee 4.0
ROWS = 2_500  # three batches of a fill
NAMES = {"sqlite": "Sqlite", "postgres": "Postgresql", "mysql": "MySQL"}
Work = Callable[[Any], Coroutine[Any, Any, Any]]


def asynchronous(database: Database, kind: str) -> Any:
    """Return the asyncio database of the place where another one is."""
    from playhouse import pwasyncio

    made = getattr(pwasyncio, f"Async{NAMES[kind]}Database")
    options = {} if kind == "sqlite" else dict(database.connect_params)
    if "passwd" in options:  # as Peewee's URLs name it for PyMySQL
        options["password"] = options.pop("passwd")
    return made(database.database, **options)


def first(database: Any) -> Any:
    return Maker(database)("t", a=CharField())


def grown(database: Any) -> Any:
    fields = {
        "part": CharField(default="50% of 'it'"),
        "token": UUIDField(default=uuid.uuid4),
        "email": CharField(null=True, unique=True),
    }
    return Maker(database)("t", a=CharField(), **fields)


@pytest.fixture
def used(database: Database, request: pytest.FixtureRequest) -> Callable[[Work], Any]:
    """Run a coroutine with the asyncio database of a table with rows."""
    kind = request.node.callspec.params["database"]
    model = first(database)
    database.create_tables([model])
    with database.atomic():
        model.insert_many([{"a": str(number)} for number in range(ROWS)]).execute()

    def use(work: Work) -> Any:
        async def run() -> Any:
            opened = asynchronous(database, kind)
            try:
                return await work(opened)
            finally:
                await opened.close_pool()

        return asyncio.run(run())

    return use


if HAS_ASYNCIO:

    def test_migrate_through_run_adds_and_fills(
        used: Callable[[Work], Any], database: Database
    ) -> None:
        async def work(opened: Any) -> Any:
            report = await opened.run(migrate, opened, [grown(opened)])
            return report, await opened.run(plan, opened, [grown(opened)])

        report, again = used(work)
        assert [str(step) for step in report.applied] == [
            *(f"add column t.{name}" for name in ("part", "token", "email")),
            "add unique index t_email on t (email)",
        ]
        assert not again
        model = grown(database)
        rows = list(model.select(model.part, model.token).tuples())
        tokens = {token for _, token in rows}
        assert {part for part, _ in rows} == {"50% of 'it'"}
        assert len(tokens) == ROWS and None not in tokens

    def test_tasks_that_migrate_at_once_one_applies(used: Callable[[Work], Any]) -> None:
        async def work(opened: Any) -> Any:
            calls = (opened.run(migrate, opened, [grown(opened)]) for _ in range(4))
            return await asyncio.gather(*calls)

        assert sorted(bool(report.applied) for report in used(work)) == [False] * 3 + [True]

    def test_blocked_through_run_is_raised(used: Callable[[Work], Any]) -> None:
        async def work(opened: Any) -> None:
            model = Maker(opened)("t", a=CharField(), n=IntegerField())
            with pytest.raises(MigrationBlocked) as caught:
                await opened.run(migrate, opened, [model])
            assert [finding.code for finding in caught.value.blocked] == ["AM101"]

        used(work)

    def test_plain_call_says_how_to_call(used: Callable[[Work], Any]) -> None:
        async def work(opened: Any) -> None:
            for call in (plan, migrate):
                with pytest.raises(AutoMigrateError) as caught:
                    call(opened, [grown(opened)])
                assert str(caught.value) == (
                    f"{type(opened).__name__}: called outside of its event loop. Call it by the "
                    "database: await database.run(migrate, database, models)."
                )

        used(work)
