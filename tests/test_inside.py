"""Many processes that migrate in a transaction of their own: one applies, none waits for long."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from peewee import CharField

from peewee_automigrate import StepEvent, migrate
from tests.support.clients import migration_lock, on, session
from tests.support.places import Places, ask
from tests.support.workers import database_of, model

SCRIPT = """
import sys, time
from peewee import IntegerField, Model, SqliteDatabase, TextField
from peewee_automigrate import LockTimeout, migrate

database = SqliteDatabase(sys.argv[1])

class Item(Model):
    name = TextField(null=True)
    karma = IntegerField(default=0)
    class Meta:
        database = database

print("ready", flush=True)
sys.stdin.readline()
try:
    with database.connection_context(), database.atomic():
        report = migrate(database, [Item], lock_wait=30)
    print(len(report.applied))
except LockTimeout as error:
    print(error)
"""


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_one_applies_and_the_others_end_at_once_with_the_remedy(tmp_path: Path, mode: str) -> None:
    file = tmp_path / "app.db"
    program = [sys.executable, "-c", SCRIPT, str(file)]
    words = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
    words += f"c.execute('PRAGMA journal_mode={mode}');"
    words += "c.execute('CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)')"
    subprocess.run([sys.executable, "-c", words, str(file)], check=True)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    running = [subprocess.Popen(program, **pipes) for _ in range(6)]  # type: ignore[call-overload]
    for process in running:
        assert process.stdout.readline() == "ready\n"
    started = time.monotonic()
    for process in running:
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[0].strip() for process in running]
    assert time.monotonic() - started < 25  # none waits for lock_wait
    assert said.count("1") == 1
    assert all(text in ("0", "1") or 'transaction("IMMEDIATE")' in text for text in said)


@on("postgres")
def test_who_waits_inside_of_a_transaction_holds_no_table_meanwhile(places: Places) -> None:
    held = "SELECT c.relname FROM pg_locks l JOIN pg_class c ON c.oid = l.relation"
    seen: list[object] = []
    with places.empty() as url, session(url, migration_lock(url)) as holder:
        database = database_of(url)
        grown = [model(database, "person", name=CharField(9), nick=CharField(9, default=""))]
        ask(url, "CREATE TABLE person (id serial PRIMARY KEY, name varchar(9) NOT NULL)")

        def end_the_other(event: StepEvent) -> None:
            if event.state == "waiting" and not seen:
                seen.extend(row for row in ask(url, held) if row == ("person",))
                seen.append("asked")
                holder.execute_sql("SELECT pg_advisory_unlock_all()")

        with database.connection_context(), database.atomic():
            report = migrate(database, grown, on_step=end_the_other)
    assert seen == ["asked"]
    assert len(report.applied) == 1
