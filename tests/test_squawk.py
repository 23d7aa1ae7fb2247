"""The SQL of a plan on PostgreSQL, as a linter of migrations reads it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from peewee import (
    CharField,
    ForeignKeyField,
    IntegerField,
    Model,
    PostgresqlDatabase,
    TextField,
    UUIDField,
)

from peewee_automigrate import Plan, migrate, plan
from peewee_automigrate.printing import sql_text

# Rules that do not apply, each with its reason.
EXCLUDED = {
    "prefer-robust-stmts": "the next plan knows what is there, IF NOT EXISTS hides what differs",
    "prefer-bigint-over-int": "the model says the type",
    "prefer-identity": "Peewee's AutoField is SERIAL",
    "prefer-text-field": "the model says the type",
    "require-concurrent-index-creation": "the table is new, or has at most online_rows rows",
    "adding-foreign-key-constraint": "a new column without a default has nothing to validate",
    "require-statement-timeout": "a build or a fill takes as long as it takes, and blocks nobody",
}


class Author(Model):
    name = CharField()


def grown(database: PostgresqlDatabase) -> Plan:
    """A table with rows gets columns, a foreign key, an index; a table is new."""
    migrate(database, [Author])
    database.execute_sql("INSERT INTO author (name) SELECT 'n' || i FROM generate_series(1, 50) i")

    class Shelf(Model):
        label = CharField(unique=True)

    class Grown(Model):
        name = CharField(unique=True)
        motto = TextField(null=True)
        karma = IntegerField(default=0)
        token = UUIDField(null=True, index=True)
        shelf = ForeignKeyField(Shelf, null=True)

        class Meta:
            table_name = "author"

    return plan(database, [Shelf, Grown], online_rows=10, lock_timeout=1.5)


def rules(sql: str, folder: Path) -> set[str]:
    """Return the names of the rules that the script breaks."""
    (folder / "plan.sql").write_text(sql)
    words = [str(Path(sys.executable).parent / "squawk"), "--reporter", "json"]
    excluded = ["--exclude", ",".join(EXCLUDED)]
    done = subprocess.run([*words, *excluded, folder / "plan.sql"], capture_output=True, text=True)
    return {each["rule_name"] for each in json.loads(done.stdout)}


def test_linter_finds_nothing(postgres_database: PostgresqlDatabase, tmp_path: Path) -> None:
    sql = sql_text(grown(postgres_database))
    assert rules(sql, tmp_path) == set()


def test_linter_finds_what_waits_for_ever(
    postgres_database: PostgresqlDatabase, tmp_path: Path
) -> None:
    sql = sql_text(grown(postgres_database)).replace("SET lock_timeout = 1500;\n", "")
    assert "require-lock-timeout" in rules(sql, tmp_path)


def test_script_waits_as_migrate_does(postgres_database: PostgresqlDatabase) -> None:
    lines = sql_text(grown(postgres_database)).splitlines()
    online = [number for number, line in enumerate(lines) if "CONCURRENTLY" in line]
    assert lines[0] == "SET lock_timeout = 1500;"
    assert online
    for number in online:
        around = lines[number - 1], lines[number + 1]
        assert around == ("SET lock_timeout = 0;", "SET lock_timeout = 1500;")
