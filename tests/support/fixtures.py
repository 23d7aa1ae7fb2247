"""Fixtures of the tests that run many processes, for `tests/conftest.py`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.crew import Crew, Migrate, Order, Worker
from tests.support.crew import crew as new_crew
from tests.support.mysql_servers import MysqlServer
from tests.support.places import Places
from tests.support.rounds import order
from tests.support.servers import Server


@pytest.fixture(scope="session")
def crew() -> Iterator[Crew]:
    """Worker processes, started once for all tests."""
    with new_crew() as made:
        yield made


@pytest.fixture(scope="session")
def sqlite_places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    places = Places("sqlite", None, tmp_path_factory.mktemp("places"))
    yield places
    places.close()


@pytest.fixture(scope="session")
def postgres_places(
    postgres_server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Places]:
    places = Places("postgres", postgres_server, tmp_path_factory.mktemp("places"))
    yield places
    places.close()


@pytest.fixture(scope="session")
def mysql_places(
    mysql_server: MysqlServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Places]:
    places = Places("mysql", mysql_server, tmp_path_factory.mktemp("places"))
    yield places
    places.close()


@pytest.fixture(params=["sqlite", "postgres"])
def places(request: pytest.FixtureRequest) -> Places:
    """Fresh databases of each kind in turn."""
    found: Places = request.getfixturevalue(f"{request.param}_places")
    return found


@pytest.fixture
def grown_url(places: Places) -> Iterator[str]:
    """The URL of a database of each kind, with the first release's tables and rows."""
    with places.grown() as url:
        yield url


@pytest.fixture
def sqlite_url(sqlite_places: Places) -> Iterator[str]:
    with sqlite_places.grown() as url:
        yield url


@pytest.fixture
def grown_postgres_url(postgres_places: Places) -> Iterator[str]:
    with postgres_places.grown() as url:
        yield url


@pytest.fixture
def grown_mysql_url(mysql_places: Places) -> Iterator[str]:
    with mysql_places.grown() as url:
        yield url


@pytest.fixture
def start(crew: Crew) -> Iterator[Migrate]:
    """A function that lets a worker of its own begin to migrate; call ``answer()`` of it."""
    begun: list[Worker] = []

    def begin(
        url: str, release: str = "column", options: Order | None = None, **more: object
    ) -> Worker:
        worker = crew.take(len(begun) + 1)[-1]
        begun.append(worker)
        worker.begin(order(url, release, **{**more, "options": options or {}}))
        return worker

    yield begin
    for worker in begun:
        if worker.busy:
            worker.close()
