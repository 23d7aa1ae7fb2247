"""Behind a real PgBouncer, which hands statements to different server processes."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playhouse.db_url import parse

from peewee_automigrate import AutoMigrateError, migrate, plan
from tests.support import kills
from tests.support.crew import Crew
from tests.support.places import Places, advisory_locks, ask, facts
from tests.support.rounds import order, undisturbed, wrong
from tests.support.servers import Server
from tests.support.workers import column, database_of, index, second

pytestmark = pytest.mark.slow

PORT = 6432


@contextmanager
def run_pgbouncer(server: Server, mode: str) -> Iterator[str]:
    """Run a PgBouncer in front of a server; gives the folder of its socket."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        pytest.skip("no pgbouncer is installed on this system")
    known = parse(server.url, unquote_password=True)
    words = {"host": known["host"], "port": known.get("port"), "password": known.get("password")}
    target = " ".join(f"{name}={value}" for name, value in words.items() if value)
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as folder:
        Path(folder, "users").write_text(f'"{known["user"]}" ""\n')
        Path(folder, "settings").write_text(
            f"[databases]\n* = {target}\n[pgbouncer]\nlisten_addr =\nlisten_port = {PORT}\n"
            f"unix_socket_dir = {folder}\nauth_type = trust\nauth_file = {folder}/users\n"
            f"pool_mode = {mode}\ndefault_pool_size = 12\nmax_client_conn = 100\n"
        )
        command = [program, "-q", f"{folder}/settings"]
        if os.getuid() == 0:  # as which it refuses to run
            socket_of_server = Path(known["host"])
            user = socket_of_server.owner() if socket_of_server.is_dir() else "nobody"
            shutil.chown(folder, user)
            command = ["setpriv", "--reuid", user, "--clear-groups", *command]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for_socket(f"{folder}/.s.PGSQL.{PORT}")
            yield folder
        finally:
            process.kill()
            process.wait()


def wait_for_socket(path: str) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(path)
            return
        except OSError:
            assert time.monotonic() < deadline, "PgBouncer does not answer"
            time.sleep(0.05)


@pytest.fixture(scope="module")
def transaction_pooler(postgres_server: Server) -> Iterator[str]:
    with run_pgbouncer(postgres_server, "transaction") as folder:
        yield folder


@pytest.fixture(scope="module")
def session_pooler(postgres_server: Server) -> Iterator[str]:
    with run_pgbouncer(postgres_server, "session") as folder:
        yield folder


def through(folder: str, url: str) -> str:
    """Return the URL of the same database behind the pooler."""
    known = parse(url)
    return f"postgresql://{known['user']}@/{known['database']}?host={quote(folder)}&port={PORT}"


# Without application_name, which a pooler may refuse to pass on.


def run(url: str, models: Any, **options: Any) -> Any:
    database = database_of(url)
    return migrate(database, models(database), **options)


def test_transaction_pooler_from_empty_everything_is_added(
    crew: Crew, postgres_places: Places, transaction_pooler: str
) -> None:
    wanted = undisturbed(crew, postgres_places, False)
    with postgres_places.empty() as url:
        assert run(through(transaction_pooler, url), second)
        assert facts(url) == wanted


def test_transaction_pooler_upgrade_everything_is_added(
    crew: Crew, postgres_places: Places, transaction_pooler: str
) -> None:
    wanted = undisturbed(crew, postgres_places, True)
    with postgres_places.grown() as url:
        assert run(through(transaction_pooler, url), second)
        assert facts(url) == wanted


def test_transaction_pooler_everything_is_one_transaction(
    grown_postgres_url: str, transaction_pooler: str
) -> None:
    run(through(transaction_pooler, grown_postgres_url), second)
    sql = """SELECT count(DISTINCT a.xmin::text) FROM pg_attribute AS a
             WHERE a.attrelid IN ('author'::regclass, 'post'::regclass, 'comment'::regclass)
               AND attname IN ('share', 'writer_id', 'by_id')"""
    assert ask(grown_postgres_url, sql) == [(1,)]


def test_transaction_pooler_nothing_to_do_is_an_empty_report(
    grown_postgres_url: str, transaction_pooler: str
) -> None:
    run(grown_postgres_url, second)
    assert not run(through(transaction_pooler, grown_postgres_url), second)


def test_transaction_pooler_leaves_no_lock(
    grown_postgres_url: str, transaction_pooler: str
) -> None:
    run(through(transaction_pooler, grown_postgres_url), second)
    assert advisory_locks(grown_postgres_url) == 0


REFUSED = (
    "post.post_length: to be built online, but the connection goes through a pooler that hands "
    "statements to different server processes, where no lock outlasts a transaction. "
    "Migrate over a direct URL of the server, or with atomic=True."
)


def test_transaction_pooler_online_build_is_refused(
    grown_postgres_url: str, transaction_pooler: str
) -> None:
    with pytest.raises(AutoMigrateError) as caught:
        run(through(transaction_pooler, grown_postgres_url), index, online_rows=0)
    assert str(caught.value) == REFUSED


def test_transaction_pooler_online_build_refused_nothing_is_changed(
    grown_postgres_url: str, transaction_pooler: str
) -> None:
    before = facts(grown_postgres_url)
    with pytest.raises(AutoMigrateError):
        run(through(transaction_pooler, grown_postgres_url), second, online_rows=0)
    assert (facts(grown_postgres_url), advisory_locks(grown_postgres_url)) == (before, 0)


def test_transaction_pooler_atomic_builds_the_index_in_a_transaction(
    grown_postgres_url: str, transaction_pooler: str
) -> None:
    url = through(transaction_pooler, grown_postgres_url)
    report = run(url, index, online_rows=0, atomic=True)
    assert [step.online for step in report.applied] == [False]


def test_transaction_pooler_plan_shows_the_steps(
    grown_postgres_url: str, transaction_pooler: str
) -> None:
    database = database_of(through(transaction_pooler, grown_postgres_url))
    assert [str(step) for step in plan(database, column(database)).steps] == [
        "add column post.views"
    ]


@pytest.mark.parametrize("driver", ["psycopg2", "psycopg3"])
def test_transaction_pooler_processes_at_once_exactly_one_applies(
    crew: Crew, postgres_places: Places, transaction_pooler: str, driver: str
) -> None:
    wanted = undisturbed(crew, postgres_places, True)
    with postgres_places.grown() as url:
        # What psycopg's manual wants behind a pooler: it prepares statements of a session.
        settings = {"prepare_threshold": None} if driver == "psycopg3" else {}
        one = order(through(transaction_pooler, url), driver=driver, options={}, connect=settings)
        assert wrong(crew.together([one] * 8), url, wanted, 8) == []


def test_transaction_pooler_and_direct_at_once_exactly_one_applies(
    crew: Crew, postgres_places: Places, transaction_pooler: str
) -> None:
    wanted = undisturbed(crew, postgres_places, True)
    with postgres_places.grown() as url:
        orders = [order(u, options={}) for u in (url, through(transaction_pooler, url))] * 4
        assert wrong(crew.together(orders), url, wanted, 8) == []


def test_transaction_pooler_kill_next_run_completes(
    crew: Crew, postgres_places: Places, transaction_pooler: str
) -> None:
    wanted = undisturbed(crew, postgres_places, True)
    with postgres_places.grown() as url:
        worker = crew.take(1)[0]
        kill = {"statement": 12, "when": "after"}
        worker.begin(order(through(transaction_pooler, url), kill=kill, options={}))
        assert worker.answer() is None
        assert kills.after(url, wanted) == []


def test_transaction_pooler_table_in_use_is_tried_again(
    crew: Crew, grown_postgres_url: str, transaction_pooler: str
) -> None:
    with kills.snapshot(grown_postgres_url) as holder:
        holder.cursor().execute("SELECT count(*) FROM post")
        worker = crew.take(1)[0]
        url = through(transaction_pooler, grown_postgres_url)
        worker.begin(order(url, "column", options={"lock_timeout": 0.2}))
        time.sleep(0.8)
        holder.rollback()
        answer = worker.answer(30.0)
    assert answer is not None
    assert (answer["error"], answer.get("applied")) == (None, ["add column post.views"])


def test_session_pooler_upgrade_builds_online(
    crew: Crew, postgres_places: Places, session_pooler: str
) -> None:
    wanted = undisturbed(crew, postgres_places, True)
    with postgres_places.grown() as url:
        report = run(through(session_pooler, url), second, online_rows=0)
        assert any(step.online for step in report.applied)
        assert facts(url) == wanted


def test_session_pooler_processes_at_once_exactly_one_applies(
    crew: Crew, postgres_places: Places, session_pooler: str
) -> None:
    wanted = undisturbed(crew, postgres_places, True)
    with postgres_places.grown() as url:
        one = order(through(session_pooler, url))
        assert wrong(crew.together([one] * 5), url, wanted, 5) == []
