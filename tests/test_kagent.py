"""The example and the proof: a real platform's tables, as GORM left them, taken on by the models.

Where GORM and Peewee make a table differently is told by `tests.support.kagent.expected`.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from peewee import Database, Model, MySQLDatabase

from examples.kagent import v1, v2, v3
from peewee_automigrate import Finding, MigrationBlocked, Report, migrate, plan
from tests.support import kagent

V1, V2, V3 = (kagent.release(name) for name in ("v1", "v2", "v3"))
OLDEST, OLDER = kagent.release("pre-v0.4.2"), kagent.release("pre-v0.5.0")
NEW_IN_V2 = kagent.table_names(V2) - kagent.table_names(V1)
NEW_IN_V3 = kagent.table_names(V3) - kagent.table_names(V1)

Objects = set[tuple[str, str | None]]


@pytest.fixture
def gorm(database: Database) -> Database:
    """A database at v1 as GORM left it, with rows."""
    kagent.build(database, V1)
    kagent.fill(database, V1)
    return database


def named(findings: tuple[Finding, ...], level: str) -> Objects:
    return {(found.table, found.name) for found in findings if found.level == level}


def added(report: Report) -> set[tuple[str, str, str | None]]:
    return {(step.kind, step.table, step.name) for step in report.applied}


# The upgrade.


def test_v1_on_a_gorm_database_adds_nothing(gorm: Database) -> None:
    assert not plan(gorm, v1)


def test_v2_on_a_gorm_database_equals_the_release(gorm: Database) -> None:
    migrate(gorm, v2)
    assert kagent.read(gorm) == kagent.expected(V2, gorm, ours=NEW_IN_V2)


def test_v3_on_a_gorm_database_equals_the_release_but_for_the_key_of_feedback(
    gorm: Database,
) -> None:
    migrate(gorm, v2)
    migrate(gorm, v3)
    schema = kagent.expected(V3, gorm, ours=NEW_IN_V3)
    if not kagent.is_sqlite(gorm):  # There GORM had dropped user_id from the key in v1 already.
        schema["feedback"] = with_key(schema["feedback"], "id", "user_id")
    assert kagent.read(gorm) == schema


def test_v3_on_a_gorm_database_without_v2_equals_v3_by_way_of_v2(gorm: Database) -> None:
    migrate(gorm, v3)
    straight = kagent.read(gorm)
    kagent.clear(gorm)
    kagent.build(gorm, V1)
    migrate(gorm, v2)
    migrate(gorm, v3)
    assert kagent.read(gorm) == straight


def test_upgrade_leaves_rows_as_they_were(gorm: Database) -> None:
    before = kagent.rows(gorm, V1)
    migrate(gorm, v2)
    migrate(gorm, v3)
    assert kagent.rows(gorm, V1) == before


def test_upgrade_to_v3_adds_a_column_two_indexes_and_a_table(gorm: Database) -> None:
    migrate(gorm, v2)
    assert added(migrate(gorm, v3)) == {
        ("create_table", "memory", None),
        ("add_column", "session", "source"),
        ("add_index", "session", "idx_session_source"),
        ("add_index", "feedback", "idx_feedback_user_id"),
    }


@pytest.mark.parametrize("models", [v1, v2, v3])
def test_second_run_sends_no_statement_that_writes(gorm: Database, models: ModuleType) -> None:
    migrate(gorm, models)
    before = kagent.dump(gorm)
    with kagent.read_only(gorm):
        assert not migrate(gorm, models)
    assert kagent.dump(gorm) == before


# SQLite takes NULL in a text primary key. GORM lets it, Peewee does not.
GORM_DRIFT: Objects = {("agent", "id"), ("session", "user_id")}


@pytest.mark.parametrize("models", [v1, v2, v3])
def test_upgrade_on_sqlite_reports_what_gorm_made_differently(
    sqlite_database: Database, models: ModuleType
) -> None:
    kagent.build(sqlite_database, V1)
    key: Objects = set() if models is v3 else {("feedback", None)}
    assert named(migrate(sqlite_database, models).findings, "drift") == GORM_DRIFT | key


@pytest.mark.parametrize("models", [v1, v2, v3])
def test_upgrade_on_postgres_reports_only_the_key_of_feedback(
    postgres_database: Database, models: ModuleType
) -> None:
    kagent.build(postgres_database, V1)
    key: Objects = {("feedback", None)} if models is v3 else set()
    assert named(migrate(postgres_database, models).findings, "drift") == key


@pytest.mark.parametrize("models", [v1, v2, v3])
def test_upgrade_on_mysql_reports_the_types_that_gorm_made_differently(
    mysql_database: Database, models: ModuleType
) -> None:
    kagent.build(mysql_database, V1)
    made, wanted = (
        kagent.expected(V1, mysql_database, ours) for ours in ((), kagent.table_names(V1))
    )
    differing = {
        (table, column)
        for table, schema in made.items()
        for column, found in schema.columns.items()
        if found != wanted[table].columns[column]
    }
    key: Objects = {("feedback", None)} if models is v3 else set()
    assert named(migrate(mysql_database, models).findings, "drift") == differing | key


# From empty.


@pytest.mark.parametrize(("models", "release"), [(v1, V1), (v2, V2), (v3, V3)])
def test_from_empty_equals_the_release(
    database: Database, models: ModuleType, release: kagent.Release
) -> None:
    migrate(database, models)
    assert kagent.read(database) == kagent.expected(
        release, database, ours=kagent.table_names(release)
    )


def test_from_empty_leaves_no_drift(database: Database) -> None:
    migrate(database, v3)
    assert named(plan(database, v3).findings, "drift") == set()


def test_from_empty_equals_upgraded_but_for_the_key_of_feedback(database: Database) -> None:
    for models in (v1, v2, v3):
        migrate(database, models)
    upgraded = kagent.read(database)
    kagent.clear(database)
    migrate(database, v3)
    fresh = kagent.read(database)
    fresh["feedback"] = with_key(fresh["feedback"], "id", "user_id")
    assert fresh == upgraded


def with_key(table: kagent.Table, *key: str) -> kagent.Table:
    return kagent.Table(table.columns, key, table.indexes)


# The hostile way: tables with rows, whose next releases ask for what cannot be added.

DESCRIPTION = {("tool", "description")}  # TEXT, on MariaDB beside a LONGTEXT of the old release
HOSTILE = [
    pytest.param(
        OLDEST,
        kagent.models(OLDER),
        {("agent", "config"), ("tool", "description"), ("toolserver", "config")},  # or renamed
        {("create_table", "event", None), ("add_column", "toolserver", "description")},
        id="pre-v0.4.2 to pre-v0.5.0",
    ),
    pytest.param(
        OLDER,
        v1,
        {("agent", "type"), ("tool", "group_kind"), ("toolserver", "group_kind")},
        set(),
        id="pre-v0.5.0 to v1",
    ),
    pytest.param(
        OLDEST,
        v1,
        {
            ("agent", "config"),  # or renamed
            ("agent", "type"),
            ("tool", "group_kind"),
            ("toolserver", "group_kind"),
        },
        {
            ("create_table", "event", None),
            ("add_column", "tool", "description"),
            ("add_column", "toolserver", "description"),
        },
        id="pre-v0.4.2 to v1",
    ),
]


def renamed(database: Database, blocked: Objects, applied: Any) -> tuple[Objects, Any]:
    """Return what is expected on a database: the types tell what may be renamed."""
    if isinstance(database, MySQLDatabase) and blocked >= DESCRIPTION:
        return blocked - DESCRIPTION, applied | {("add_column", "tool", "description")}
    return blocked, applied


hostile = pytest.mark.parametrize(("release", "models", "blocked", "applied"), HOSTILE)


@hostile
def test_hostile_upgrade_names_all_that_is_blocked_and_changes_nothing(
    database: Database, release: kagent.Release, models: Any, blocked: Objects, applied: Any
) -> None:
    blocked, applied = renamed(database, blocked, applied)
    kagent.build(database, release)
    kagent.fill(database, release)
    before = kagent.dump(database)
    with pytest.raises(MigrationBlocked) as caught:
        migrate(database, models)
    assert named(caught.value.blocked, "blocked") == blocked
    assert kagent.dump(database) == before


@hostile
def test_hostile_upgrade_with_skip_applies_the_rest(
    database: Database, release: kagent.Release, models: Any, blocked: Objects, applied: Any
) -> None:
    blocked, applied = renamed(database, blocked, applied)
    kagent.build(database, release)
    kagent.fill(database, release)
    before = kagent.rows(database, release)
    report = migrate(database, models, on_blocked="skip")
    assert added(report) == applied
    assert named(report.skipped, "blocked") == blocked
    assert kagent.rows(database, release) == before


@hostile
def test_hostile_upgrade_with_skip_converges(
    database: Database, release: kagent.Release, models: Any, blocked: Objects, applied: Any
) -> None:
    blocked, applied = renamed(database, blocked, applied)
    kagent.build(database, release)
    kagent.fill(database, release)
    migrate(database, models, on_blocked="skip")
    with kagent.read_only(database):
        report = migrate(database, models, on_blocked="skip")
    assert not report
    assert named(report.skipped, "blocked") == blocked


def test_hostile_upgrade_through_all_releases_skips_only_what_the_last_one_lacks(
    database: Database,
) -> None:
    kagent.build(database, OLDEST)
    kagent.fill(database, OLDEST)
    before = kagent.rows(database, OLDEST)
    migrate(database, kagent.models(OLDER), on_blocked="skip")
    report = migrate(database, v1, on_blocked="skip")
    on_mysql = isinstance(database, MySQLDatabase)
    assert added(report) == (set() if on_mysql else {("add_column", "tool", "description")})
    assert named(report.skipped, "blocked") == {
        ("agent", "config"),
        ("agent", "type"),
        ("tool", "group_kind"),
        ("toolserver", "group_kind"),
    }
    assert kagent.rows(database, OLDEST) == before


def test_hostile_upgrade_of_empty_tables_blocks_only_columns_of_the_key(database: Database) -> None:
    kagent.build(database, OLDER)
    report = migrate(database, v1, on_blocked="skip")
    assert added(report) == {("add_column", "agent", "type")}
    assert named(report.skipped, "blocked") == {
        ("tool", "group_kind"),
        ("toolserver", "group_kind"),
    }


def test_hostile_upgrade_reports_each_difference_that_stays(postgres_database: Database) -> None:
    kagent.build(postgres_database, OLDEST)
    older: list[type[Model]] = kagent.models(OLDER)
    found = plan(postgres_database, older).findings
    assert named(found, "drift") == {
        # NOT NULL without a default, and not in the models.
        ("agent", "component"),
        ("agent", "name"),
        ("task", "user_id"),
        ("tool", "component"),
        ("tool", "name"),
        ("toolserver", "component"),
        # Another type, or NULL refused.
        ("agent", "id"),
        ("push_notification", "id"),
        ("session", "agent_id"),
        ("session", "name"),
        ("tool", "id"),
        # Another primary key.
        ("task", None),
        ("tool", None),
        ("toolserver", None),
    }
