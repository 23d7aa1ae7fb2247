"""Many processes that migrate in a transaction of their own: one applies, none waits for long."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

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
