"""Servers that answer like PostgreSQL or MySQL: each is what its `version()` says, or refused."""

from __future__ import annotations

from contextlib import closing

import pytest
from peewee import Database, PostgresqlDatabase
from playhouse.db_url import connect

from peewee_automigrate import UnsupportedDatabase, migrate, plan
from peewee_automigrate.dialects.mysql.servers import known, warn
from peewee_automigrate.dialects.postgres.servers import refuse
from tests.support.mysql_servers import MISSING, find_program, run_mariadb
from tests.support.workers import first

# What servers say of themselves.

POSTGRES = [
    "PostgreSQL 12.22 on x86_64-pc-linux-musl, compiled by gcc (Alpine 14.2.0) 14.2.0, 64-bit",
    "PostgreSQL 15.18 (Debian 15.18-0+deb12u1) on x86_64-pc-linux-gnu, compiled by gcc, 64-bit",
    "PostgreSQL 16.1, compiled by Visual C++ build 1937, 64-bit",
    "PostgreSQL 16.3 - Percona Distribution on x86_64-pc-linux-gnu, compiled by gcc, 64-bit",
    "PostgreSQL 17.0 on x86_64-windows, compiled by msvc-19.41.34120, 64-bit",
    "PostgreSQL 18beta1 (Debian 18~beta1-1.pgdg120+1) on x86_64-pc-linux-gnu, 64-bit",
    "PostgreSQL 19devel on aarch64-apple-darwin, compiled by Apple clang, 64-bit",
    # the name of another server somewhere in it
    "PostgreSQL 17.4 (Debian 17.4-1) on x86_64, compiled by a friend of CockroachDB CCL v1, 64-bit",
    "PostgreSQL 15.4 on x86_64-YB-2-linux, compiled by (Greenplum Database 7), 64-bit",
]
NOT_POSTGRES = {
    "CockroachDB CCL v26.2.5 (x86_64-pc-linux-gnu, built 2026/06/01, go1.25.5)": "CockroachDB",
    "CockroachDB OSS v22.1.0 (x86_64-unknown-linux-gnu, built 2022/05/23)": "CockroachDB",
    "PostgreSQL 11.2-YB-2.18.3.0-b0 on x86_64-pc-linux-gnu, compiled by clang": "YugabyteDB",
    "PostgreSQL 15.12-YB-2025.2.3.2-b0 on x86_64-pc-linux-gnu": "YugabyteDB",
    "PostgreSQL 13.14.0-RisingWave-2.0.1 (commit)": "RisingWave",
    "PostgreSQL 12.12 (Greenplum Database 7.0.0-beta.0 build dev) on x86_64": "Greenplum",
    "PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC, Redshift 1.0.12103": "Redshift",
    "PostgreSQL 9.2.4 (openGauss 2.0.0 build 78689da9) compiled at 2021-03-31": "openGauss",
    "(openGauss 5.0.1 build 33b035fd) compiled at 2023-12-15 20:28:19": "openGauss",
    "CrateDB 5.10.2 (built 9f4f1c4/NA, Linux 6.8 amd64, OpenJDK)": "'CrateDB 5.10.2",
    "EnterpriseDB 9.4.4.9": "'EnterpriseDB",
    "": "''",
}

MYSQL = {
    "10.11.19-MariaDB-0+deb12u1": ("MariaDB", (10, 11, 19)),
    "5.5.5-10.6.12-MariaDB-1:10.6.12+maria~ubu2004-log": ("MariaDB", (10, 6, 12)),
    "10.6.14-9-MariaDB-enterprise-log": ("MariaDB", (10, 6, 14)),
    "12.0.2-MariaDB-ubu2404": ("MariaDB", (12, 0, 2)),
    "8.0.36": ("MySQL", (8, 0, 36)),
    "8.0.36-0ubuntu0.22.04.1": ("MySQL", (8, 0, 36)),
    "8.0.35-27.1": ("MySQL", (8, 0, 35)),  # Percona
    "8.0.28-google": ("MySQL", (8, 0, 28)),
    "8.4.3-commercial": ("MySQL", (8, 4, 3)),
    "9.1.0-debug": ("MySQL", (9, 1, 0)),
    "5.7.25-OceanBase-v4.4.2.2": ("OceanBase", (4, 4, 2, 2)),
    "5.7.25-OceanBase_CE-v4.3.5.4": ("OceanBase", (4, 3, 5, 4)),
    "5.7.25-OceanBase seekdb-v1.4.0.0": ("OceanBase", (1, 4, 0, 0)),
    # the name of another server somewhere in it
    "8.0.36-notmariadb": ("MySQL", (8, 0, 36)),
    "8.0.36-0debian1-beside-TiDB-v8": ("MySQL", (8, 0, 36)),
    "10.11.6-MariaDB-of-OceanBase-v1.0": ("MariaDB", (10, 11, 6)),
}
NOT_MYSQL = {
    "5.7.25-TiDB-v3.0.3": "TiDB: not supported. ",
    "8.0.11-TiDB-v8.5.3-serverless": "TiDB: not supported. ",
    "8.0.43-Vitess": "Vitess: not supported. ",
    "8.0.30-MatrixOne-v4.0.0-rc3": "MatrixOne: not supported. ",
    "5.6.29-TDDL-5.4.12-16349923": "PolarDB-X: not supported. ",
    "8.0.36-cluster": "NDB Cluster: not supported. ",
    "5.7.44-ndb-7.6.28": "NDB Cluster: not supported. ",
    "5.7.25-OceanBase 1.0": "OceanBase: not supported. ",
    "5.7.25-OceanBase-v3.2.4.5": "OceanBase 3.2.4.5: too old. ",
    "5.7.25-OceanBase_CE-v4.2.1.8": "OceanBase 4.2.1.8: too old. ",
    "5.7.25-OceanBase seekdb-v1.0.0.0": "OceanBase 1.0.0.0: too old. ",
    "8.0.15": "MySQL 8.0.15: too old. ",
    "5.7.44-log": "MySQL 5.7.44: too old. ",
    "10.5.29-MariaDB": "MariaDB 10.5.29: too old. ",
    "unknown": "'unknown': not supported. ",
}


@pytest.mark.parametrize("version", POSTGRES)
def test_postgres_is_known_by_its_version(version: str) -> None:
    refuse(version, False)


@pytest.mark.parametrize(("version", "name"), NOT_POSTGRES.items())
def test_what_only_speaks_like_postgres_is_refused(version: str, name: str) -> None:
    assert refusal(version).startswith(name)


def test_old_postgres_is_refused() -> None:
    text = "PostgreSQL 11: too old. Use PostgreSQL 12, or a later one."
    assert refusal("PostgreSQL 11.22 on x86_64-pc-linux-gnu, 64-bit") == text


def test_refusal_says_why_and_what_to_use() -> None:
    assert refusal(POSTGRES[1], has_citus=True) == (
        "Citus: not supported. It speaks PostgreSQL's protocol, but its locks and its DDL are "
        "others. Use PostgreSQL 12, or a later one."
    )


def refusal(version: str, has_citus: bool = False) -> str:
    with pytest.raises(UnsupportedDatabase) as caught:
        refuse(version, has_citus)
    return str(caught.value)


@pytest.mark.parametrize(("version", "expected"), MYSQL.items())
def test_mysql_and_its_relatives_are_known_by_their_version(
    version: str, expected: tuple[str, tuple[int, ...]]
) -> None:
    assert known(version) == expected


@pytest.mark.parametrize(("version", "text"), NOT_MYSQL.items())
def test_what_only_speaks_like_mysql_or_is_old_is_refused(version: str, text: str) -> None:
    with pytest.raises(UnsupportedDatabase) as caught:
        known(version)
    assert str(caught.value).startswith(text)
    assert "Use MariaDB 10.6, MySQL 8.0.16, OceanBase 4.3.5, or a later one." in str(caught.value)


# On a server whose own words were replaced, in one database of the tests.

COCKROACH = """
    UPDATE pg_proc SET prosrc = 'SELECT ''CockroachDB CCL v26.2.5 (x86_64)''::text',
    prolang = (SELECT oid FROM pg_language WHERE lanname = 'sql') WHERE proname = 'version'"""
CITUS = "UPDATE pg_extension SET extname = 'citus' WHERE extname = 'plpgsql'"
LACKS = "ALTER FUNCTION pg_catalog.pg_stat_get_live_tuples(oid) RENAME TO hidden_for_the_test"


@pytest.mark.parametrize(
    ("name", "statements"),
    [("CockroachDB", [COCKROACH]), ("CockroachDB", [COCKROACH, LACKS]), ("Citus", [CITUS])],
)
def test_other_server_is_refused_by_plan_and_migrate(
    postgres_database: PostgresqlDatabase, name: str, statements: list[str]
) -> None:
    for statement in statements:
        postgres_database.execute_sql(statement)
    for call in (plan, migrate):
        assert_refused(postgres_database, call, name)
    assert postgres_database.get_tables() == []


def assert_refused(database: Database, call: object, name: str) -> None:
    assert callable(call)
    with pytest.raises(UnsupportedDatabase) as caught:
        call(database, first(database))
    assert str(caught.value).startswith(f"{name}: not supported. ")


@pytest.mark.mysql
def test_other_server_of_mysql_is_refused_by_plan_and_migrate() -> None:
    """MariaDB says of itself what it is told to say."""
    program = find_program("mariadbd")
    if program is None:
        pytest.skip(MISSING)
    with (
        run_mariadb(program, "--version=8.0.11-TiDB-v8.5.1") as server,
        server.database() as url,
        closing(connect(url)) as database,
    ):
        for call in (plan, migrate):
            assert_refused(database, call, "TiDB")
        assert database.get_tables() == []


@pytest.mark.parametrize(
    ("server", "text"),
    [
        ("MySQL", "MySQL: nothing of this was run on MySQL, only its manual was read: ALGORITHM="),
        ("OceanBase", "OceanBase: this was run on its embedded server only, not on a distributed"),
        ("MariaDB", ""),
    ],
)
def test_what_was_not_run_is_warned_of_once(
    server: str, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    warn.cache_clear()
    for _ in range(2):
        warn(server)
    found = [(record.levelname, record.getMessage()[: len(text)]) for record in caplog.records]
    assert found == ([("WARNING", text)] if text else [])
