"""A backup before anything is applied, restored by the database's own tools; and the ledger."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from peewee import Database, SqliteDatabase

from peewee_automigrate import migrate, plan
from peewee_automigrate.errors import AutoMigrateError
from tests.support.clients import on
from tests.support.crew import Crew
from tests.support.places import Places, ask, old_rows
from tests.support.rounds import order
from tests.support.servers import Server
from tests.support.workers import database_of, second

pytestmark = pytest.mark.usefixtures("postgres_programs")


@pytest.fixture
def grown(url: str) -> Iterator[Database]:
    database = database_of(url)
    with database.connection_context():
        yield database


def restored(places: Places, path: Path) -> Any:
    """Restore a backup by the database's own tools, and give the URL."""
    if places.kind == "sqlite":
        copy = path.with_name("restored.db")
        shutil.copy(path, copy)
        return f"sqlite:///{copy}"
    assert places.server is not None
    url = places.server.create_database()
    if places.kind == "postgres":
        command = ["pg_restore", "--exit-on-error", f"--dbname={url}", str(path)]
        subprocess.run(command, check=True, capture_output=True)
    else:
        database = database_of(url)
        words = ["-u", database.connect_params["user"]]
        socket = database.connect_params.get("unix_socket")
        words += [f"--socket={socket}"] if socket else []
        with path.open("rb") as file:
            subprocess.run(["mariadb", *words, Server.name_of(url)], stdin=file, check=True)
    return url


def test_backup_is_restored_row_by_row(grown: Database, places: Places, tmp_path: Path) -> None:
    before = old_rows(grown)
    report = migrate(grown, second(grown), backup=tmp_path / "made" / "here", release="1.4/2")
    assert report.backup is not None
    path = Path(report.backup)
    assert path.parent == tmp_path / "made" / "here"
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert path.stem.endswith("-1.4_2")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert f"backup in {path}" in str(report)
    url = restored(places, path)
    copy = database_of(url)
    with copy.connection_context():
        assert old_rows(copy) == before
        assert not copy.table_exists("comment")
    rows = list(
        grown.execute_sql(
            "SELECT release, backup, outcome FROM peewee_automigrate_run"
            if places.kind != "mysql"
            else "SELECT `release`, backup, outcome FROM peewee_automigrate_run"
        )
    )
    assert rows == [("1.4/2", str(path), "done")]


def test_nothing_to_do_writes_no_backup(done_url: str, tmp_path: Path) -> None:
    database = database_of(done_url)
    migrate(database, second(database), backup=tmp_path / "none", release="1")
    assert not (tmp_path / "none").exists()
    with database.connection_context():
        assert not database.table_exists("peewee_automigrate_run")


def test_left_over_of_a_killed_backup_is_told(
    sqlite_database: SqliteDatabase, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ".old-1.db.part").write_text("")
    migrate(sqlite_database, second(sqlite_database), backup=tmp_path)
    assert ".old-1.db.part is not whole" in caplog.text
    assert (tmp_path / ".old-1.db.part").exists()


def test_no_backup_no_migration(grown: Database, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AutoMigrateError, match="Nothing was changed"):
        migrate(grown, second(grown), backup=tmp_path / "file" / "below")
    assert not grown.table_exists("comment")


@on("postgres", "mysql")
def test_program_that_is_not_there_is_named(
    grown: Database, places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    name = "mariadb-dump" if places.kind == "mysql" else "pg_dump of version"
    with pytest.raises(AutoMigrateError, match=f"backup: it takes {name}"):
        migrate(grown, second(grown), backup=tmp_path / "b")
    assert not grown.table_exists("comment")


@on("postgres", "mysql")
def test_failing_program_is_believed(
    grown: Database, places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("pg_dump", "mariadb-dump"):
        text = '#!/bin/sh\n[ "$1" = --version ] && echo 99 && exit\necho disk full >&2; exit 3\n'
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    path = str(folder) if places.kind == "mysql" else f"{folder}"
    monkeypatch.setenv("PATH", f"{path}{os.pathsep}/bin{os.pathsep}/usr/bin")
    monkeypatch.setattr("peewee_automigrate.beside.backup.Path.glob", lambda *_: iter(()))
    with pytest.raises(AutoMigrateError, match="failed: disk full"):
        migrate(grown, second(grown), backup=tmp_path / "b")
    assert not grown.table_exists("comment")
    assert list((tmp_path / "b").iterdir()) == []


@on("sqlite", "postgres")
def test_inside_of_a_transaction_it_is_refused(grown: Database, tmp_path: Path) -> None:
    with grown.atomic(), pytest.raises(AutoMigrateError, match="inside of a transaction"):
        migrate(grown, second(grown), backup=tmp_path)
    assert list(tmp_path.glob("*.dump")) == []


def test_database_in_memory_has_no_backup(tmp_path: Path) -> None:
    database = SqliteDatabase(":memory:")
    with pytest.raises(AutoMigrateError, match="in memory"):
        migrate(database, second(database), backup=tmp_path / "b")


def test_wal_is_kept(sqlite_database: SqliteDatabase, tmp_path: Path) -> None:
    sqlite_database.pragma("journal_mode", "wal")
    report = migrate(sqlite_database, second(sqlite_database), backup=tmp_path / "b")
    with closing(SqliteDatabase(report.backup)) as copy:
        assert copy.pragma("journal_mode") == "wal"


# The ledger


def test_failed_run_says_so(grown: Database, places: Places, tmp_path: Path) -> None:
    (tmp_path / "1.sql").write_text("DELETE FROM nowhere")
    with pytest.raises(AutoMigrateError):
        migrate(grown, second(grown), scripts=tmp_path)
    (row,) = grown.execute_sql("SELECT outcome, finished FROM peewee_automigrate_run").fetchall()
    assert row[0] == "failed: MigrationFailed"
    assert row[1] is not None


def test_older_release_is_noticed(
    grown: Database, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level("INFO", "peewee_automigrate")
    models = second(grown)
    migrate(grown, models[:1], release="1")
    migrate(grown, models, release="2")
    assert "stands before" not in caplog.text
    migrate(grown, models, release="1")
    assert "release 1 stands before 2 in the ledger" in caplog.text


def test_ledger_is_nobodys_unknown_table(grown: Database) -> None:
    migrate(grown, second(grown), release="1")
    made = plan(grown, second(grown))
    assert not made
    assert "peewee_automigrate" not in str(made)


def test_killed_run_shows_as_unfinished(crew: Crew, places: Places) -> None:
    with places.grown() as url:
        worker = crew.take(1)[0]
        kill = {"statement": 4, "when": "after"}
        worker.begin(order(url, kill=kill, options={"release": "1"}))
        assert worker.answer() is None
        assert ask(url, "SELECT finished FROM peewee_automigrate_run") == [(None,)]
        database = database_of(url)
        migrate(database, second(database), release="1")
        found = ask(url, "SELECT outcome FROM peewee_automigrate_run ORDER BY id")
        assert found == [("begun",), ("done",)]


def test_backup_is_older_than_what_was_added(
    grown: Database, places: Places, tmp_path: Path
) -> None:
    (tmp_path / "1.sql").write_text("-- after\nUPDATE author SET motto = 'x' WHERE id = 1;")
    options: dict[str, Any] = {"scripts": tmp_path, "backup": tmp_path / "b"}
    report = migrate(grown, second(grown), **options)
    assert report.scripts == ("1.sql",)
    assert report.backup is not None
    copy = database_of(restored(places, Path(report.backup)))
    with copy.connection_context():
        assert not copy.table_exists("comment")
    (tmp_path / "2.sql").write_text("-- after\nUPDATE author SET motto = 'y' WHERE id = 1;")
    later = migrate(grown, second(grown), **options)
    assert later.backup not in (None, report.backup)


def test_functions_and_collations_of_the_application(
    sqlite_database: SqliteDatabase, tmp_path: Path
) -> None:
    database = sqlite_database
    database.register_function(lambda value: value % 2 == 0, "even", 1)
    database.register_collation(lambda a, b: (a < b) - (a > b), "backwards")
    database.close()
    database.connect()
    database.execute_sql("CREATE TABLE author (id INTEGER PRIMARY KEY, n CHECK (even(n)), name)")
    database.execute_sql("CREATE INDEX other ON author (name COLLATE backwards)")
    database.execute_sql("INSERT INTO author (n, name) VALUES (2, 'a'), (4, 'b')")
    report = migrate(database, second(database)[:1], backup=tmp_path / "b", on_blocked="skip")
    assert report.backup
