"""The example application over HTTP, on databases that an earlier release has left with rows."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from peewee import Database

from examples.kagent import v3
from peewee_automigrate import plan
from tests.support import kagent
from tests.support.serving import PATIENCE, Served, served

pytestmark = pytest.mark.slow

V1 = kagent.release("v1")
FLASK = [sys.executable, "-m", "flask", "--app", "examples.kagent.app", "run", "--port", "0"]
WORKERS = 8
# Each worker takes one request at a time, and keeps it until all of them have one.
TOGETHER = f"""
import os, pathlib, time
from examples.kagent.app import create_app

app = create_app()

@app.get("/together")
def together():
    here = pathlib.Path("workers")
    (here / str(os.getpid())).touch()
    deadline = time.monotonic() + {PATIENCE}
    while len(os.listdir(here)) < {WORKERS} and time.monotonic() < deadline:
        time.sleep(0.01)
    return str(os.getpid())
"""


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database at v1 with rows, of each kind in turn."""
    database: Database = request.getfixturevalue(f"{request.param}_database")
    kagent.build(database, V1)
    kagent.fill(database, V1)
    for table in ("agent", "session", "task"):
        database.execute_sql(f"UPDATE {table} SET deleted_at = NULL")
    if request.param == "sqlite":
        return f"sqlite:///{database.database}"
    found: str = request.getfixturevalue("postgres_url")
    return found


@pytest.fixture
def database(request: pytest.FixtureRequest, url: str) -> Database:
    """The same database, open."""
    kind = "sqlite" if url.startswith("sqlite") else "postgres"
    found: Database = request.getfixturevalue(f"{kind}_database")
    return found


@pytest.fixture
def server(url: str, tmp_path: Path) -> Iterator[Served]:
    with served(FLASK, tmp_path, DATABASE_URL=url) as found:
        yield found


def applied(server: Served) -> list[str]:
    return re.findall(r"^applied .*", server.log.read_text(), re.MULTILINE)


def texts(*names: str, number: int) -> dict[str, str]:
    """Return what the old release has written into these columns of a row."""
    return {name: str(kagent.value({"name": name, "type": "text"}, number, None)) for name in names}


# The start.


def test_start_brings_the_database_up_to_the_models(server: Served, database: Database) -> None:
    assert len(applied(server)) == 1
    assert not plan(database, v3)


def test_start_keeps_the_rows_as_they_were(url: str, tmp_path: Path, database: Database) -> None:
    before = kagent.rows(database, V1)
    with served(FLASK, tmp_path, DATABASE_URL=url):
        assert kagent.rows(database, V1) == before


def test_second_start_applies_nothing(url: str, tmp_path: Path) -> None:
    for expected in (1, 0):
        with served(FLASK, tmp_path, DATABASE_URL=url) as server:
            assert len(applied(server)) == expected


def test_start_makes_a_database_where_there_is_none(tmp_path: Path) -> None:
    with served(FLASK, tmp_path) as server:
        assert server.get("/api/agents").json == []
    assert (tmp_path / "kagent.db").exists()


# What it serves.


def test_rows_of_the_old_release_are_listed(server: Served) -> None:
    found = {row["id"]: row for row in server.get("/api/agents").json}
    expected = texts("id", "type", number=1)
    row = found[expected["id"]]
    assert (row["type"], row["config"]) == (expected["type"], {"a": "é", "b": [1, 2.5]})


def test_rows_of_the_old_release_have_nothing_in_a_new_column(server: Served) -> None:
    assert [row["source"] for row in server.get("/api/sessions").json] == [None] * kagent.ROWS


NEW = {
    "agents": {"id": "a1", "type": "declarative", "config": {"model": "small"}},
    "sessions": {"id": "s1", "user_id": "ann", "agent_id": "a1", "source": "slack"},
    "tasks": {"id": "t1", "data": "do <it>", "session_id": "s1"},
}


@pytest.mark.parametrize("kind", NEW)
def test_row_that_is_added_is_listed(server: Served, kind: str) -> None:
    reply = server.post(f"/api/{kind}", NEW[kind])
    listed = server.get(f"/api/{kind}").json[0]
    assert (reply.status, reply.json | NEW[kind]) == (201, reply.json)
    assert (listed | NEW[kind], len(listed)) == (listed, len(reply.json))


def test_page_shows_old_and_new_rows(server: Served) -> None:
    body = b"id=t1&data=do+%3Cit%3E&session_id="
    reply = server.post("/tasks", body, "application/x-www-form-urlencoded")
    assert reply.status == 200
    for shown in ("do &lt;it&gt;", "data 1: naïve", "type 1: naïve"):
        assert shown in reply.text


REFUSED: dict[str, tuple[str, Any, int]] = {
    "unknown_kind": ("/api/people", {"id": "p1"}, 404),
    "unknown_name": ("/api/tasks", {"id": "t1", "data": "", "color": "red"}, 400),
    "deleted_at": ("/api/tasks", {"id": "t1", "data": "", "deleted_at": "2025-01-01"}, 400),
    "nothing_required": ("/api/tasks", {"id": "t1"}, 409),
    "no_object": ("/api/tasks", [1], 400),
    "no_json": ("/api/tasks", b"{", 400),
}


@pytest.mark.parametrize("case", REFUSED)
def test_row_that_is_wrong_is_refused(server: Served, case: str) -> None:
    path, body, status = REFUSED[case]
    before = server.get("/api/tasks").json
    assert server.post(path, body).status == status
    assert server.get("/api/tasks").json == before


def test_row_that_is_there_is_refused(server: Served) -> None:
    replies = [server.post("/api/tasks", NEW["tasks"]) for _ in range(2)]
    assert [reply.status for reply in replies] == [201, 409]


# Many workers.


def test_of_many_workers_one_migrates_and_all_serve(
    url: str, tmp_path: Path, database: Database
) -> None:
    (tmp_path / "together.py").write_text(TOGETHER)
    (tmp_path / "workers").mkdir()
    gunicorn = [sys.executable, "-m", "gunicorn", "--no-control-socket", "-b", "127.0.0.1:0"]
    words = [*gunicorn, "-w", str(WORKERS), "together:app"]
    with served(words, tmp_path, DATABASE_URL=url) as server:
        with ThreadPoolExecutor(WORKERS) as pool:
            replies = list(pool.map(server.get, ["/together"] * WORKERS))
        said = server.log.read_text()
    assert len({reply.text for reply in replies if reply.status == 200}) == WORKERS, said
    assert len(applied(server)) == 1, said
    assert "Traceback" not in said
    assert not plan(database, v3)
