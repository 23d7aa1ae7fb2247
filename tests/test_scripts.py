"""Own scripts: each once, in order, before or after what is added, whoever else migrates."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from peewee import CharField, Database, ForeignKeyField, Model, SqliteDatabase

from peewee_automigrate import LockTimeout, MigrationBlocked, MigrationFailed, migrate, plan
from peewee_automigrate.beside import files
from peewee_automigrate.errors import AutoMigrateError
from tests.support.clients import holding, on
from tests.support.crew import Crew
from tests.support.places import Places, ask
from tests.support.project import Project
from tests.support.rounds import order
from tests.support.workers import database_of, model, second

try:
    from playhouse import migrations
except ImportError:  # Peewee before 4.4
    migrations = None
CASE = "SELECT CASE WHEN 1=1 THEN 1 END"
RENAME = "ALTER TABLE person RENAME COLUMN fullname TO name"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "migrations"
    made.mkdir()
    return made


@pytest.fixture
def url_of_opened(places: Places) -> Iterator[str]:
    with places.empty() as url:
        yield url


@pytest.fixture
def opened(url_of_opened: str) -> Iterator[Database]:
    """A database with a table and a row of an earlier release."""
    database = database_of(url_of_opened)
    with database.connection_context():
        migrate(database, old(database))
        database.execute_sql("INSERT INTO person (fullname) VALUES ('Ann')")
        yield database


def old(database: Database) -> list[type[Model]]:
    return [model(database, "person", fullname=CharField(80))]


def new(database: Database) -> list[type[Model]]:
    return [model(database, "person", name=CharField(80), nick=CharField(20, default="-"))]


def script(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, "utf-8")


def rows(database: Database, sql: str = "SELECT name, nick FROM person") -> list[Any]:
    return list(database.execute_sql(sql).fetchall())


def history(database: Database) -> dict[str, str]:
    sql = "SELECT name, outcome FROM peewee_automigrate_script ORDER BY name"
    return dict(rows(database, sql))


# What runs when


def test_rename_runs_before_what_is_added(opened: Database, folder: Path) -> None:
    script(folder, "0001_rename.sql", f"{RENAME};\n")
    made = plan(opened, new(opened), scripts=folder)
    assert made.scripts == ("0001_rename.sql",)
    assert made.blocked
    assert "planned as the database stands now" in str(made)
    report = migrate(opened, new(opened), scripts=folder)
    assert report.scripts == ("0001_rename.sql",)
    assert [str(step) for step in report.applied] == ["add column person.nick"]
    assert rows(opened) == [("Ann", "-")]
    assert history(opened) == {"0001_rename.sql": "done"}
    assert not plan(opened, new(opened), scripts=folder)
    assert not migrate(opened, new(opened), scripts=folder)


def test_script_that_says_after_sees_what_was_added(opened: Database, folder: Path) -> None:
    script(folder, "1_rename.sql", RENAME)
    script(folder, "2_fill.sql", "-- after\nUPDATE person SET nick = '100%' || '' WHERE 1 = 1;")
    if opened.param == "%s" and "MySQL" in type(opened).__name__:
        script(folder, "2_fill.sql", "-- after\nUPDATE person SET nick = '100%';")
    assert migrate(opened, new(opened), scripts=folder).scripts == ("1_rename.sql", "2_fill.sql")
    assert rows(opened) == [("Ann", "100%")]


def test_scripts_of_peewees_own_kind_share_its_history(opened: Database, folder: Path) -> None:
    script(
        folder,
        "0001_rename.py",
        "def up(migrator, db):\n"
        "    migrator.migrate(migrator.rename_column('person', 'fullname', 'name'))\n",
    )
    migrate(opened, new(opened), scripts=folder)
    assert rows(opened) == [("Ann", "-")]
    assert rows(opened, "SELECT name FROM schema_migration") == [("0001_rename",)]
    opened.execute_sql("DELETE FROM schema_migration")  # as `pwmigrate down` does
    assert plan(opened, new(opened), scripts=folder).scripts == ("0001_rename.py",)
    opened.execute_sql(
        "INSERT INTO schema_migration (name, applied) VALUES ('0001_rename', CURRENT_TIMESTAMP)"
    )  # as `pwmigrate fake` does
    assert not plan(opened, new(opened), scripts=folder)
    if migrations is not None:
        runner = migrations.Runner(opened, str(folder))
        assert [bool(each.applied) for each in runner.status()] == [True]


def test_migrator_of_a_script_rebuilds_nothing(opened: Database, folder: Path) -> None:
    script(
        folder,
        "0001_add.py",
        "from peewee import CharField\nwhen = 'after'\n\ndef up(migrator, db):\n"
        "    field = CharField(9, default='x')\n"
        "    migrator.migrate(migrator.add_column('person', 'extra', field))\n",
    )
    migrate(opened, old(opened), scripts=folder)
    opened.execute_sql("INSERT INTO person (fullname) VALUES ('Bob')")  # the default stays
    assert rows(opened, "SELECT extra FROM person") == [("x",), ("x",)]


def test_new_database_needs_no_old_scripts(places: Places, folder: Path) -> None:
    script(folder, "0001_rename.sql", RENAME)
    script(folder, "0002_old.py", "def up(migrator, db):\n    raise RuntimeError\n")
    seed = "INSERT INTO person (name, nick) VALUES ('A', '-');"
    script(folder, "0003_seed.sql", f"-- also new\n-- after\n{seed}")
    with places.empty() as url:
        database = database_of(url)
        made = plan(database, new(database), scripts=folder)
        assert made.scripts == ("0003_seed.sql",)
        report = migrate(database, new(database), scripts=folder)
        assert report.scripts == ("0003_seed.sql",)
        assert rows(database) == [("A", "-")]
        assert history(database) == {
            "0001_rename.sql": "not needed",
            "0002_old.py": "not needed",
            "0003_seed.sql": "done",
        }
        assert rows(database, "SELECT name FROM schema_migration") == [("0002_old",)]
        database.close()


@pytest.mark.parametrize("kind", ["postgres"], indirect=True)
def test_database_is_not_new_where_the_models_schema_has_tables(
    places: Places, folder: Path
) -> None:
    script(folder, "0001_rename.sql", "ALTER TABLE shop.person RENAME COLUMN fullname TO name")
    with places.empty() as url:
        database = database_of(url)
        database.execute_sql("CREATE SCHEMA shop")
        for models in (old(database), new(database)):
            models[0]._meta.schema = "shop"
            migrate(
                database, models, scripts=folder if models[0]._meta.fields.get("name") else None
            )
        assert history(database) == {"0001_rename.sql": "done"}
        assert {c.name for c in database.get_columns("person", "shop")} == {"id", "name", "nick"}
        database.close()


def test_foreign_keys_are_not_followed_while_a_table_is_rebuilt(
    sqlite_database: SqliteDatabase, folder: Path
) -> None:
    database = sqlite_database
    database.execute_sql("PRAGMA foreign_keys = 1")
    parent = model(database, "person", name=CharField())
    child = model(database, "note", by=ForeignKeyField(parent, on_delete="CASCADE"))
    migrate(database, [parent, child])
    database.execute_sql("INSERT INTO person (name) VALUES ('Ann')")
    database.execute_sql("INSERT INTO note (by_id) VALUES (1)")
    rebuild = (
        "CREATE TABLE other (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(255) NOT NULL);\n"
        "INSERT INTO other SELECT * FROM person;\nDROP TABLE person;\n"
        "ALTER TABLE other RENAME TO person;\n"
    )
    script(folder, "1_rebuild.sql", rebuild)
    migrate(database, [parent, child], scripts=folder)
    assert rows(database, "SELECT by_id FROM note") == [(1,)]
    assert database.pragma("foreign_keys") == 1
    script(folder, "2_break.sql", "DELETE FROM person;")
    with pytest.raises(MigrationFailed, match="foreign keys are broken"):
        migrate(database, [parent, child], scripts=folder)
    assert rows(database, "SELECT name FROM person") == [("Ann",)]


# What goes wrong


def test_failing_script_says_file_line_and_statement(opened: Database, folder: Path) -> None:
    script(folder, "1_ok.sql", "CREATE TABLE extra (a INTEGER);")
    script(folder, "2_bad.sql", f"-- what for\n\n{RENAME};\nDELETE FROM nowhere;\n")
    with pytest.raises(MigrationFailed) as raised:
        migrate(opened, old(opened), scripts=folder)
    text = str(raised.value)
    assert "2_bad.sql:4: " in text
    assert "DELETE FROM nowhere" in text
    assert "1_ok.sql" in text
    assert raised.value.statement == "DELETE FROM nowhere"
    if "MySQL" in type(opened).__name__:
        assert "script done 2_bad.sql" in text
        with pytest.raises(MigrationBlocked, match=r"2_bad\.sql.*not finished"):
            migrate(opened, old(opened), scripts=folder, on_blocked="skip")
    else:
        assert "Nothing of it stays" in text
        assert rows(opened, "SELECT fullname FROM person") == [("Ann",)]
        assert history(opened) == {"1_ok.sql": "done"}


def test_script_whose_first_statement_fails_leaves_nothing(opened: Database, folder: Path) -> None:
    script(folder, "1_bad.sql", "DELETE FROM nowhere;")
    for _ in range(2):
        with pytest.raises(MigrationFailed, match="Nothing of it stays"):
            migrate(opened, old(opened), scripts=folder)
    script(folder, "1_bad.sql", RENAME)
    assert migrate(opened, new(opened), scripts=folder).scripts == ("1_bad.sql",)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("1.py", "def up(migrator, db):\n    raise KeyError('x')\n", r"1\.py:2: 'x'"),
        ("1.py", "def down(migrator, db):\n    pass\n", r"no function up"),
        ("1.py", "def up(:\n", r"1\.py:1: "),
        ("1.py", "def up(migrator, db):\n    db.close()\n", r"1\.py:2: .*transaction"),
        ("1.py", "import sys\n\ndef up(*_):\n    sys.exit(0)\n", r"1\.py:4: .*exit\(0\)"),
        ("1.sql", "SELECT 1;\0", "a NUL"),
        ("1.sql", "COMMIT;", r"1\.sql:1: COMMIT would"),
        ("1.sql", "SELECT 1;\n\nbegin;", r"1\.sql:3: begin would"),
    ],
)
@on("sqlite", "postgres")
def test_bad_scripts_change_nothing(
    opened: Database, folder: Path, name: str, text: str, said: str
) -> None:
    script(folder, name, text)
    with pytest.raises(AutoMigrateError, match=said):
        migrate(opened, new(opened), scripts=folder, on_blocked="skip")
    assert rows(opened, "SELECT fullname FROM person") == [("Ann",)]


def test_script_that_migrates_is_refused(opened: Database, folder: Path) -> None:
    text = (
        "from peewee import Model\nfrom peewee_automigrate import migrate\n\n\n"
        "class Person(Model):\n    pass\n\n\ndef up(migrator, db):\n"
        f"    migrate(db, [Person], scripts={str(folder)!r})\n"
    )
    script(folder, "1_nested.py", text)
    with pytest.raises(MigrationFailed, match="by one of its own scripts"):
        migrate(opened, old(opened), scripts=folder)


@on("sqlite", "postgres")
def test_script_that_commits_itself_is_not_said_to_leave_nothing(
    opened: Database, folder: Path
) -> None:
    text = "def up(migrator, db):\n    db.execute_sql('DELETE FROM person')\n    db.commit()\n"
    script(folder, "1.py", f"{text}    raise KeyError('x')\n")
    with pytest.raises(MigrationFailed, match=r"1\.py.*\n.*may be half done"):
        migrate(opened, old(opened), scripts=folder)
    assert rows(opened, "SELECT fullname FROM person") == []


def test_names_that_differ_in_case_are_two_scripts(opened: Database, folder: Path) -> None:
    names = ("1_A.sql", "1_a.sql", "1_\u00e9 %s'.sql")
    for name in names:
        script(folder, name, "INSERT INTO person (fullname) VALUES ('%s %%');")
    assert migrate(opened, old(opened), scripts=folder).scripts == names
    assert not migrate(opened, old(opened), scripts=folder)
    assert len(rows(opened, "SELECT id FROM person")) == 4


@on("mysql")
def test_backslash_that_escapes_nothing(opened: Database, folder: Path) -> None:
    opened.execute_sql("SET SESSION sql_mode = CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES')")
    sql = "INSERT INTO person (fullname) VALUES"
    script(folder, "1.sql", f"# a;\n{sql} ('C:\\');\n{sql} ('x;y');\n# the end\n")
    migrate(opened, old(opened), scripts=folder)
    assert rows(opened, "SELECT fullname FROM person") == [("Ann",), ("C:\\",), ("x;y",)]


def test_folder_that_is_not_there(opened: Database, tmp_path: Path) -> None:
    with pytest.raises(AutoMigrateError, match=r"nowhere: No such file or directory"):
        migrate(opened, old(opened), scripts=tmp_path / "nowhere")


def test_script_without_transaction_inside_of_one(opened: Database, folder: Path) -> None:
    script(folder, "1.sql", "-- no transaction\nSELECT 1;")
    with opened.atomic(), pytest.raises(AutoMigrateError, match="inside"):
        migrate(opened, old(opened), scripts=folder)


def test_changed_gone_and_equal_numbers_are_notes(opened: Database, folder: Path) -> None:
    script(folder, "0001_a.sql", RENAME)
    script(folder, "0002_b.sql", "SELECT 1;")
    script(folder, "0002_a.sql", "SELECT 1;")
    migrate(opened, new(opened), scripts=folder)
    script(folder, "0001_a.sql", f"{RENAME}; -- changed")
    (folder / "0002_b.sql").unlink()
    script(folder, "2_c.sql", "\ufeff\r\n")
    made = plan(opened, new(opened), scripts=folder)
    found = {(each.code, each.table) for each in made.findings if each.code >= "AM316"}
    assert found == {
        ("AM316", "0001_a.sql"),
        ("AM317", "0002_b.sql"),
        ("AM318", "0002_a.sql"),
    }
    assert made.scripts == ("2_c.sql",)
    assert migrate(opened, new(opened), scripts=folder).scripts == ("2_c.sql",)


def test_digest_does_not_depend_on_line_ends(opened: Database, folder: Path) -> None:
    script(folder, "1.sql", f"{RENAME};\n\n")
    migrate(opened, new(opened), scripts=folder)
    (folder / "1.sql").write_bytes(b"\xef\xbb\xbf" + f"{RENAME};\r\n\r\n".encode())
    assert not plan(opened, new(opened), scripts=folder).findings


def test_script_whose_commit_waits_for_a_reader_is_told_rightly(
    sqlite_database: SqliteDatabase, folder: Path
) -> None:
    database = sqlite_database
    database.pragma("journal_mode", "delete")
    migrate(database, old(database))
    script(folder, "1.sql", "CREATE TABLE mark (n INTEGER);")
    with (
        holding(f"sqlite:///{database.database}", "SELECT count(*) FROM person"),
        pytest.raises(LockTimeout) as raised,
    ):
        migrate(database, old(database), scripts=folder, lock_wait=1.0, lock_timeout=0.2)
    assert "and stay" not in str(raised.value)
    assert not database.table_exists("mark")
    assert migrate(database, old(database), scripts=folder).scripts == ("1.sql",)


READS = """
import sqlite3, sys

def up(migrator, db):
    db.execute_sql("CREATE TABLE mark (n INTEGER)")
    reader = sqlite3.connect(db.database, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM person").fetchall()
    sys.readers_of_a_test.append(reader)
"""


def test_script_that_its_own_commit_has_taken_back_is_not_said_to_stay(
    sqlite_database: SqliteDatabase, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers: list[Any] = []
    monkeypatch.setattr(sys, "readers_of_a_test", readers, raising=False)
    database = sqlite_database
    database.pragma("journal_mode", "delete")
    migrate(database, old(database))
    script(folder, "1.py", READS)
    with pytest.raises(LockTimeout) as raised:
        migrate(database, old(database), scripts=folder, lock_wait=1.0, lock_timeout=0.2)
    for reader in readers:
        reader.close()
    assert "and stay" not in str(raised.value)
    assert not database.table_exists("mark")
    script(folder, "1.py", READS.partition("    reader")[0])
    assert migrate(database, old(database), scripts=folder).scripts == ("1.py",)
    assert database.table_exists("mark")


# How files are parted


@pytest.mark.parametrize(
    ("database", "text", "wanted"),
    [
        ("sqlite", "SELECT ';'; -- a;b\nSELECT 2", [(1, "SELECT ';'"), (2, "SELECT 2")]),
        (
            "sqlite",
            "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; SELECT 2; END;\nSELECT 3;",
            [
                (1, "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; SELECT 2; END"),
                (2, "SELECT 3"),
            ],
        ),
        ("sqlite", "", []),
        ("sqlite", "-- only\n/* this; */\n", []),
        (
            "postgresql",
            "SELECT $x$;$x$;SELECT E'\\';'",
            [(1, "SELECT $x$;$x$"), (1, "SELECT E'\\';'")],
        ),
        ("postgresql", "/* a /* b; */ ; */ SELECT 1;", [(1, "SELECT 1")]),
        ("postgresql", "SELECT 1 $1;", [(1, "SELECT 1 $1")]),
        (
            "postgresql",
            "CREATE RULE r AS ON INSERT TO a DO ALSO (SELECT 1; SELECT 2);SELECT 3",
            [
                (1, "CREATE RULE r AS ON INSERT TO a DO ALSO (SELECT 1; SELECT 2)"),
                (1, "SELECT 3"),
            ],
        ),
        (
            "postgresql",
            f"CREATE FUNCTION f() RETURNS int BEGIN ATOMIC {CASE}; END;\nSELECT 2;",
            [
                (1, f"CREATE FUNCTION f() RETURNS int BEGIN ATOMIC {CASE}; END"),
                (2, "SELECT 2"),
            ],
        ),
        (
            "mysql",
            "DELIMITER //\nCREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN SET @a = ';'; END"
            "//\n"
            "delimiter ;\nSELECT '//', `;`, 'a\\';' # ;\n; SELECT 2",
            [
                (2, "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN SET @a = ';'; END"),
                (4, "SELECT '//', `;`, 'a\\';' # ;"),
                (5, "SELECT 2"),
            ],
        ),
        ("postgresql", "SELECT 1 a$b$;SELECT 2 c$b$", [(1, "SELECT 1 a$b$"), (1, "SELECT 2 c$b$")]),
        ("postgresql", "ROLLBACK TO SAVEPOINT a;", [(1, "ROLLBACK TO SAVEPOINT a")]),
        ("postgresql", "/**/" * 2000 + "SELECT 1;", [(1, "SELECT 1")]),
        (
            "postgresql",
            "CREATE FUNCTION f() RETURNS int BEGIN /**/ ATOMIC SELECT 1; END",
            [(1, "CREATE FUNCTION f() RETURNS int BEGIN /**/ ATOMIC SELECT 1; END")],
        ),
        ("mysql", "# only;\n", []),
        ("mysql", "DELIMITER '//'\nSELECT 1//", [(2, "SELECT 1")]),
        ("mysql", "/*!40101 SET NAMES utf8 */;", [(1, "/*!40101 SET NAMES utf8 */")]),
    ],
)
def test_statements_are_parted_as_the_client_does(
    tmp_path: Path, database: str, text: str, wanted: list[tuple[int, str]]
) -> None:
    made = files.Script(tmp_path / "1.sql", 1, text)
    assert files.statements(made, database) == wanted


def test_trigger_and_per_cent_signs_run(opened: Database, folder: Path) -> None:
    trigger = {
        "%s": "CREATE FUNCTION mark() RETURNS trigger LANGUAGE plpgsql AS $$\n"
        "BEGIN NEW.fullname := NEW.fullname || '%s;'; RETURN NEW; END $$;\n"
        "CREATE TRIGGER t BEFORE INSERT ON person FOR EACH ROW EXECUTE FUNCTION mark();\n",
        "?": "CREATE TRIGGER t AFTER INSERT ON person BEGIN\n"
        "UPDATE person SET fullname = fullname || '%s;' WHERE id = NEW.id; SELECT 1; END;\n",
    }[opened.param]
    if "MySQL" in type(opened).__name__:
        trigger = (
            "DELIMITER $$\nCREATE TRIGGER t BEFORE INSERT ON person FOR EACH ROW\nBEGIN\n"
            "SET NEW.fullname = concat(NEW.fullname, '%s;');\nEND$$\n"
        )
    script(folder, "1_trigger.sql", trigger)
    migrate(opened, old(opened), scripts=folder)
    opened.execute_sql("INSERT INTO person (fullname) VALUES ('Bob')")
    assert rows(opened, "SELECT fullname FROM person WHERE id = 2") == [("Bob%s;",)]


# Many at once, and killed ones


def test_eight_processes_run_each_script_once(crew: Crew, places: Places, folder: Path) -> None:
    script(folder, "1_one.sql", "CREATE TABLE mark (n INTEGER);\nINSERT INTO mark VALUES (1);")
    script(folder, "2_two.sql", "-- no transaction\nINSERT INTO mark VALUES (2);")
    script(folder, "3_three.sql", "-- after\nINSERT INTO mark VALUES (3);")
    with places.grown() as url:
        wish = order(url, options={"scripts": str(folder), "release": "1.0"})
        answers = crew.together([wish] * 8)
        assert [a["error"] for a in answers if a["error"]] == [], [a["text"] for a in answers]
        assert sorted(ask(url, "SELECT n FROM mark")) == [(1,), (2,), (3,)]
        database = database_of(url)
        assert not plan(database, second(database), scripts=folder)
        runs = ask(url, "SELECT outcome FROM peewee_automigrate_run")
        assert set(runs) == {("done",)}


@pytest.mark.parametrize("moment", range(1, 40, 3))
def test_killed_script_is_whole_or_told(
    crew: Crew, places: Places, folder: Path, moment: int
) -> None:
    script(folder, "1_one.sql", "CREATE TABLE mark (n INTEGER);\nINSERT INTO mark VALUES (1);")
    with places.grown() as url:
        worker = crew.take(1)[0]
        kill = {"statement": moment, "when": "after", "writes": False}
        worker.begin(order(url, kill=kill, options={"scripts": str(folder)}))
        worker.answer()
        database = database_of(url)
        try:
            migrate(database, second(database), scripts=folder)
        except MigrationBlocked as error:
            assert places.kind == "mysql"
            assert [each.code for each in error.blocked] == ["AM157"]
            return
        assert ask(url, "SELECT n FROM mark") == [(1,)]
        assert not plan(database, second(database), scripts=folder)


# The command line


RENAMED = """
    from peewee import *

    class Author(Model):
        name = CharField(80)
"""


@pytest.fixture
def renamed(project: Project) -> Project:
    """A project whose model calls a column of a table with rows by a new name."""
    project.module("app_renamed", RENAMED)
    database = project.database()
    database.execute_sql(
        "CREATE TABLE author (id INTEGER NOT NULL PRIMARY KEY, fullname VARCHAR(80) NOT NULL)"
    )
    database.execute_sql("INSERT INTO author (fullname) VALUES ('Ann')")
    database.close()
    return project


def test_script_new_writes_what_the_plan_asks(renamed: Project) -> None:
    done = renamed.on(renamed.url, "script", "new", "Rename: fullname!", "app_renamed")
    assert done.output == "migrations/0001_rename_fullname.sql\n"
    text = Path("migrations/0001_rename_fullname.sql").read_text("utf-8")
    assert "-- AM154 author.name: " in text
    assert '\nALTER TABLE "author" RENAME COLUMN "fullname" TO "name";\n' in text
    words = ("migrate", "app_renamed", "--scripts", "migrations", "--release", "2")
    done = renamed.on(renamed.url, *words)
    assert done.exit_code == 0, done.output
    assert "+ script 0001_rename_fullname.sql" in done.output
    assert rows(renamed.database(), "SELECT name FROM author") == [("Ann",)]
    done = renamed.on(renamed.url, "history", "app_renamed")
    assert re.fullmatch(r"[\d: -]{19}  2  done  \S+@\S+\n", done.output)
    done = renamed.on(renamed.url, "history", "app_renamed", "--format", "json")
    assert '"release": "2"' in done.output


def test_pending_script_is_pending_work(project: Project, folder: Path) -> None:
    assert project.on(project.url, "migrate", "app").exit_code == 0
    script(folder, "1.sql", "SELECT 1;")
    done = project.on(project.url, "check", "app", "--scripts", str(folder))
    assert done.exit_code == 1
    assert "+ script 1.sql" in done.output
    assert "To run: 1 script." in done.output
    for form in ("sql", "markdown", "json"):
        words = ("plan", "app", "--scripts", str(folder), "--format", form)
        assert "1.sql" in project.on(project.url, *words).output


@on("mysql")
def test_begun_script_is_done_or_runs_again(
    opened: Database, folder: Path, project: Project, url_of_opened: str
) -> None:
    project.module("app_person", RENAMED.replace("Author", "Person").replace("name", "fullname"))
    script(folder, "1.sql", "INSERT INTO person (fullname) VALUES ('Bob');\nDELETE FROM nowhere;")
    words = ("app_person", "--scripts", str(folder))
    assert project.on(url_of_opened, "migrate", *words).exit_code == 4
    assert project.on(url_of_opened, "migrate", *words).exit_code == 3
    assert project.on(url_of_opened, "script", "done", "2.sql", *words).exit_code == 2
    script(folder, "1.sql", "INSERT INTO person (fullname) VALUES ('Cid');")
    assert project.on(url_of_opened, "script", "retry", "1.sql", *words).exit_code == 0
    assert project.on(url_of_opened, "migrate", *words).exit_code == 0
    assert history(opened) == {"1.sql": "done"}
    script(folder, "2.sql", "SELECT 1;\nDELETE FROM nowhere;")
    assert project.on(url_of_opened, "migrate", *words).exit_code == 4
    assert project.on(url_of_opened, "script", "done", "2.sql", *words).exit_code == 0
    assert project.on(url_of_opened, "check", *words).exit_code == 0
    assert history(opened) == {"1.sql": "done", "2.sql": "by hand"}


def test_table_of_ours_that_is_another_is_told(opened: Database, folder: Path) -> None:
    migrate(opened, old(opened), scripts=folder)
    opened.execute_sql("CREATE TABLE peewee_automigrate_run (other INTEGER)")
    script(folder, "1.sql", "SELECT 1;")
    with pytest.raises(AutoMigrateError, match=r"the tables beside the models.* can't be"):
        migrate(opened, old(opened), scripts=folder)
    assert plan(opened, old(opened), scripts=folder).scripts == ("1.sql",)
