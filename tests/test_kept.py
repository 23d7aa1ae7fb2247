"""What is declared in other words than the server's own is no drift, and what differs is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from peewee import SQL, Check, Database, Field, IntegerField

from peewee_automigrate import migrate, plan
from tests.cases_base import ALL, MYSQL, POSTGRES, SQLITE, Maker
from tests.support.standing import ask
from tests.test_cases import mysql, postgres, standing_database

__all__ = ["mysql", "postgres", "standing_database"]  # fixtures

NUMBERS = ["0", "'0'", "1", "'1'", "-1", "'-1'", "(1)", "(1 + 1)", "+5"]
TEXTS = ["''", "'a'", "'it''s'", "'1'", "'a b'", "'NULL'", "'é'"]
DAYS = ["'2020-01-01'", "'2020-1-1'", "'20200101'"]
TIMES = ["'2020-01-01'", "'2020-01-01 10:00'", "CURRENT_TIMESTAMP", "'2020-01-01 00:00:00'"]
DEFAULTS: dict[str, dict[str, list[str]]] = {
    POSTGRES: {
        "INTEGER": [*NUMBERS, "(2 * 3)", "1::bigint", "CAST('5' AS integer)", "abs(-1)", "2 % 7"],
        "BIGINT": [*NUMBERS, "1e3", "EXTRACT(EPOCH FROM now())::bigint", "9999999999"],
        "SMALLINT": ["'3'", "3::int2"],
        "NUMERIC(10, 2)": ["0", "'0.00'", "1.5", "'1.5'", "-1.5", "1e2"],
        "REAL": ["0", "'1.5'", "1.5", "-0.5", "pi()"],
        "DOUBLE PRECISION": ["0", "random()", "floor(random() * 100)", "'NaN'", "1e-3"],
        "BOOLEAN": [
            "true",
            "TRUE",
            "'t'",
            "'yes'",
            "'1'",
            "false",
            "'off'",
            "(NOT true)",
            "(1 = 1)",
        ],
        "VARCHAR(20)": [
            *TEXTS,
            "E'a\\nb'",
            "'x' || 'y'",
            "upper('a')",
            "CURRENT_USER",
            "lower('A')",
        ],
        "TEXT": [*TEXTS, "$$a$$", "'a'::text", "'a'::varchar", "('x' || now()::text)", "md5('a')"],
        "CHAR(3)": ["'a'", "'abc'"],
        "DATE": [*DAYS, "CURRENT_DATE", "now()::date", "'today'::text::date", "date '2020-01-01'"],
        "TIME": ["'12:00'", "'12:00:00'", "LOCALTIME", "now()::time"],
        "TIMESTAMP": [*TIMES, "now()", "now() + interval '1 day'", "timezone('utc', now())"],
        "TIMESTAMPTZ": [*TIMES, "now()", "'2020-01-01 00:00:00+00'", "statement_timestamp()"],
        "INTERVAL": ["interval '1 hour'", "'1 hour'", "'01:00:00'"],
        "UUID": ["gen_random_uuid()", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'"],
        "BYTEA": ["''", "'\\x'", "'\\x00ff'", "'abc'"],
        "JSONB": ["'{}'", "'{\"a\":1}'", "'[]'::jsonb", "jsonb_build_object('a', 1)"],
        "JSON": ["'{}'", "'{\"a\":1}'"],
        "INTEGER[]": ["'{}'", "ARRAY[]::int[]", "ARRAY[1, 2]", "'{1,2}'"],
        "TEXT[]": ["'{}'", "ARRAY['a', 'b']", "'{a,b}'::text[]"],
        "INET": ["'127.0.0.1'", "'::1'"],
        "BIT(3)": ["B'101'", "'101'"],
    },
    MYSQL: {
        "INT": [*NUMBERS, "(1 + 1 * 2)", "(abs(-1))", "(2 % 7)", "0x10", "true", "FALSE"],
        "BIGINT": [*NUMBERS, "9999999999", "(unix_timestamp())"],
        "TINYINT(1)": ["true", "false", "'1'", "0"],
        "DECIMAL(10, 2)": ["0", "'0.00'", "1.5", "'1.5'", "-1.5", "1e2", "(1 / 3)"],
        "DOUBLE": ["0", "'1.5'", "1.5", "-0.5", "(pi())", "(rand())", "1e-3"],
        "VARCHAR(20)": [*TEXTS, '"dq"', "12", "(upper('a'))", "(lower('X'))", "(concat('a', 'b'))"],
        "CHAR(3)": ["'a'", "'abc'", "(left('abcd', 3))"],
        "TEXT": ["'a'", "('x')", "(md5('a'))", "''"],
        "DATE": [*DAYS, "CURRENT_DATE", "(curdate())", "(now())", "'2020-01-01 00:00:00'"],
        "TIME": ["'12:00'", "'12:00:00'", "120000", "(curtime())"],
        "DATETIME": [
            *TIMES,
            "now()",
            "current_timestamp()",
            "20200101",
            "(now() + interval 1 day)",
        ],
        "TIMESTAMP": [*TIMES[:3], "NOW()", "LOCALTIME"],
        "DATETIME(6)": ["CURRENT_TIMESTAMP(6)", "now(6)", "'2020-01-01'"],
        "YEAR": ["2020", "'2020'"],
        "BINARY(2)": ["'ab'", "X'6162'"],
        "VARBINARY(9)": ["'a'", "X'61'", "''"],
        "JSON": ["'{}'", "(json_object())", "(json_array(1, 2))"],
        "BIT(3)": ["b'101'", "5"],
        "ENUM('a', 'b')": ["'a'", "'b'"],
        "SET('a', 'b')": ["'a'", "'a,b'", "''"],
        "VARCHAR(36)": ["(uuid())", "(date_format(now(), '%Y'))", "(if(1 > 0, 'y', 'n'))"],
        "FLOAT": ["1.5", "'0'", "0"],
        "SMALLINT": ["'3'", "3"],
        "MEDIUMINT": ["'3'", "3"],
    },
    SQLITE: {
        "INTEGER": [*NUMBERS, "(2 * 3)", "(abs(-1))", "0xff", "1.", "TRUE", "false"],
        "TEXT": [*TEXTS, "('x' || 'y')", "(lower('A'))", '"dq"', "word", "[br]", "`bt`"],
        "NUMERIC": ["0", "1.5", "'1.5'", "-1.5", "1e2", ".5", "+.5"],
        "DATE": [*DAYS, "CURRENT_DATE", "(date('now'))"],
        "DATETIME": [*TIMES, "current_timestamp", "(datetime('now', '+1 day'))"],
        "BLOB": ["X'61'", "x'61'", "''", "(randomblob(4))"],
        "BOOLEAN": ["1", "0", "'t'"],
    },
}
# What has no other word is not asked about; the server's own word for it is the test.
TYPES = {
    POSTGRES: """
        INT | int4 | INTEGER | int8 | BIGINT | int2 | SMALLINT | float | FLOAT(24) | FLOAT(53)
        float4 | float8 | REAL | DOUBLE PRECISION | dec | DECIMAL | DECIMAL(5) | NUMERIC
        NUMERIC(10)
        NUMERIC(10, 2) | numeric( 10 ,2 ) | VARCHAR | VARCHAR(9) | character varying(9) | CHAR
        CHAR(9) | character | BPCHAR | TEXT | text | BOOL | BOOLEAN | BIT | BIT(3) | VARBIT
        BIT VARYING(5) | VARBIT(5) | DATE | TIME | TIME(3) | TIMETZ | TIME WITH TIME ZONE
        TIME(3) WITH TIME ZONE | TIMESTAMP | TIMESTAMP(3) | TIMESTAMPTZ | TIMESTAMPTZ(3)
        TIMESTAMP WITHOUT TIME ZONE | TIMESTAMP WITH TIME ZONE | TIMESTAMP(0) WITHOUT TIME ZONE
        INTERVAL | INTERVAL(3) | INTERVAL YEAR TO MONTH | INTERVAL DAY | UUID | BYTEA | JSON | JSONB
        XML | INET | CIDR | MACADDR | MACADDR8 | MONEY | POINT | LSEG | BOX | PATH | CIRCLE
        POLYGON | TSVECTOR | TSQUERY | INT[] | INTEGER[][] | int4[3] | INTEGER ARRAY
        INTEGER ARRAY[4]
        TEXT[] | VARCHAR(9)[] | NUMERIC(5)[] | timestamptz[] | OID | NAME | INT4RANGE | INT8RANGE
        NUMRANGE | TSRANGE | TSTZRANGE | DATERANGE | REGCLASS | "char" | "text" | "int4"
        pg_catalog.int4 | pg_catalog.text | "pg_catalog"."uuid" | PG_LSN | NATIONAL CHARACTER(3)
        NCHAR(3) | CHARACTER VARYING | national character varying(4)""",
    MYSQL: """
        INT | INTEGER | INT(5) | INT UNSIGNED | INT(5) UNSIGNED | INT UNSIGNED ZEROFILL | int signed
        BIGINT | BIGINT UNSIGNED | SMALLINT | MEDIUMINT | TINYINT | TINYINT(1) | BOOL | BOOLEAN
        INT1 | INT2 | INT3 | INT4 | INT8 | MIDDLEINT | DEC | DECIMAL | DECIMAL(5) | DECIMAL(10, 2)
        decimal( 10 ,2 ) | NUMERIC | NUMERIC(5) | FIXED | FLOAT | FLOAT(24) | FLOAT(30)
        FLOAT(7, 3) | FLOAT4 | FLOAT8 | DOUBLE | DOUBLE PRECISION | REAL | DOUBLE(7, 3)
        DOUBLE UNSIGNED | BIT
        BIT(3) | CHAR | CHAR(9) | CHARACTER(9) | VARCHAR(9) | CHARACTER VARYING(9) | CHAR VARYING(9)
        NATIONAL CHAR(3) | NCHAR(3) | NATIONAL VARCHAR(4) | NVARCHAR(4) | CHAR(3) BINARY
        VARCHAR(9) CHARACTER SET ascii | VARCHAR(9) CHARSET latin1 | TEXT | TEXT(100) | TINYTEXT
        MEDIUMTEXT | LONGTEXT | LONG | LONG VARCHAR | BLOB | BLOB(100) | TINYBLOB | MEDIUMBLOB
        LONGBLOB | LONG VARBINARY | BINARY | BINARY(3) | VARBINARY(9) | DATE | TIME | TIME(3)
        DATETIME | DATETIME(6) | TIMESTAMP | TIMESTAMP(6) | YEAR | YEAR(4) | JSON | UUID | INET6
        ENUM('a', 'b') | enum('a','b') | ENUM('it''s', 'B') | SET('a', 'b') | CHAR BYTE
        TEXT CHARACTER SET utf8mb4 | POINT | GEOMETRY | POLYGON | VARCHAR(100) ASCII""",
}
CHECKS: dict[str, list[str]] = {
    POSTGRES: [
        *("n > 0", "(n > 0)", "n>0", "n != 1", "n BETWEEN 1 AND 9", "n IN (1, 2)", "NOT n = 1"),
        *("n NOT IN (1, 2)", "t IN ('a', 'b')", "t IN ('a')", "t LIKE 'a%%'", "t ILIKE 'a%%'"),
        *("t <> ''", "length(t) > 1", "char_length(t) > 1", "lower(t) = t", "t IS NOT NULL"),
        *("n > 0 AND t <> ''", "n > 0 OR (t = 'a' AND n < 9)", "n > -1", "n + 1 > 0", "n %% 2 = 0"),
        *("coalesce(n, 0) >= 0", "CASE WHEN n > 0 THEN true ELSE t = '' END", "n::text <> t"),
        *("CAST(n AS text) <> t", "t ~ '^a'", "t SIMILAR TO 'a%%'", "n IS DISTINCT FROM 3"),
        *("position('a' in t) = 0", "substring(t from 1 for 2) <> 'xx'", "trim(t) = t"),
        *("d > '2020-01-01'", "d > date '2020-01-01'", "extract(year from d) > 2000"),
        *("n = ANY (ARRAY[1, 2])", "(n, t) <> (1, 'a')", "n > 1.5", "n > 1e3", "NOT (n < 0)"),
    ],
    MYSQL: [
        *("n > 0", "(n > 0)", "n>0", "n != 1", "n BETWEEN 1 AND 9", "n IN (1, 2)", "NOT n = 1"),
        *("n NOT IN (1, 2)", "t IN ('a', 'b')", "t LIKE 'a%%'", "t <> ''", 't <> "x"'),
        *("length(t) > 1", "char_length(t) > 1", "lower(t) = t", "t IS NOT NULL", "n && 1"),
        *(
            "n > 0 AND t <> ''",
            "n > 0 OR (t = 'a' AND n < 9)",
            "n > -1",
            "n + 1 > 0",
            "n MOD 2 = 0",
        ),
        *("coalesce(n, 0) >= 0", "CASE WHEN n > 0 THEN 1 ELSE t = '' END", "d > '2020-01-01'"),
        *("CAST(n AS char) <> t", "t REGEXP '^a'", "n > 1.5", "NOT (n < 0)", "n MOD 2 = 0"),
        *("substr(t, 1, 2) <> 'xx'", "trim(t) = t", "year(d) > 2000", "n <=> 3", "! (n = 1)"),
    ],
    SQLITE: [
        *("n > 0", "(n > 0)", "n>0", "n != 1", "n <> 1", "n BETWEEN 1 AND 9", "n IN (1, 2)"),
        *("NOT n = 1", "n NOT IN (1, 2)", "t IN ('a', 'b')", "t LIKE 'a%'", "t GLOB 'a*'"),
        *("t <> ''", "length(t) > 1", "lower(t) = t", "t IS NOT NULL", "t NOTNULL", "n == 1"),
        *("n > 0 AND t <> ''", "n > 0 OR (t = 'a' AND n < 9)", "n > -1", "n + 1 > 0", "n % 2 = 0"),
        *("coalesce(n, 0) >= 0", "CASE WHEN n > 0 THEN 1 ELSE t = '' END", "CAST(n AS text) <> t"),
    ],
}
SERVERS = [POSTGRES, MYSQL]
kinds = pytest.mark.parametrize("kind", ALL)
servers = pytest.mark.parametrize("kind", SERVERS)


def typed(name: str, **options: Any) -> Field:
    made: Field = type("Typed", (Field,), {"field_type": name})(null=True, **options)
    return made


def with_defaults(kind: str) -> dict[str, Field]:
    pairs = [(name, text) for name, texts in DEFAULTS[kind].items() for text in texts]
    sqls = [SQL("DEFAULT " + text.replace("%", "%%")) for _, text in pairs]
    return {
        f"c{n}": typed(name, constraints=[sql])
        for n, ((name, _), sql) in enumerate(zip(pairs, sqls, strict=True))
    }


def with_types(kind: str) -> dict[str, Field]:
    names = [name.strip() for line in TYPES[kind].splitlines() for name in line.split("|")]
    return {f"c{n}": typed(name) for n, name in enumerate(filter(None, names))}


def checked(M: Maker, kind: str, table: str = "t") -> Any:
    constraints = [Check(text, f"c{n}") for n, text in enumerate(CHECKS[kind])]
    types = {"n": typed("INTEGER"), "t": typed("VARCHAR(20)"), "d": typed("DATE")}
    return M(table, {"constraints": constraints}, **types)


def found(database: Database, models: Any) -> list[str]:
    return [f"{one.code} {one.ref.name}: {one.fact}" for one in plan(database, models).findings]


@pytest.fixture
def database(standing_database: Any) -> Iterator[Database]:
    yield standing_database


@pytest.fixture
def M(database: Database) -> Maker:
    return Maker(database)


@kinds
@pytest.mark.parametrize("how", ["created", "by peewee", "added"])
def test_default_in_other_words_is_no_drift(
    kind: str, how: str, database: Database, M: Maker
) -> None:
    model = M("t", **with_defaults(kind))
    if how == "by peewee":
        database.create_tables([model])
    elif how == "created":
        migrate(database, model)
    else:
        grown = [name for name, field in with_defaults(kind).items() if can_be_added(kind, field)]
        database.create_tables([M("t", a=IntegerField(null=True))])
        model = M("t", a=IntegerField(null=True), **{n: with_defaults(kind)[n] for n in grown})
        migrate(database, model)
    assert plan(database, model).steps == ()
    assert found(database, model) == []


def can_be_added(kind: str, field: Field) -> bool:
    """SQLite adds no column whose default is no constant to a table with rows."""
    return kind != SQLITE or "(" not in field.constraints[0].sql


@servers
@pytest.mark.parametrize("how", ["created", "by peewee", "added"])
def test_type_in_other_words_is_no_drift(kind: str, how: str, database: Database, M: Maker) -> None:
    model = M("t", **with_types(kind))
    if how == "by peewee":
        database.create_tables([model])
    elif how == "created":
        migrate(database, model)
    else:
        database.create_tables([M("t", a=IntegerField(null=True))])
        model = M("t", a=IntegerField(null=True), **with_types(kind))
        migrate(database, model)
    assert plan(database, model).steps == ()
    assert found(database, model) == []


@kinds
@pytest.mark.parametrize("how", ["created", "by peewee"])
def test_check_in_other_words_is_no_drift(
    kind: str, how: str, database: Database, M: Maker
) -> None:
    model = checked(M, kind)
    if how == "by peewee":
        database.create_tables([model])
    else:
        migrate(database, model)
    assert found(database, model) == []


# What differs


OTHERS = [
    ("INTEGER", "1", "2"),
    ("INTEGER", "-1", "1"),
    ("INTEGER", "(1 + 1)", "(1 + 2)"),
    ("VARCHAR(20)", "'a'", "'A'"),
    ("VARCHAR(20)", "'a'", "'a '"),
    ("VARCHAR(20)", "(lower('a'))", "(upper('a'))"),
    ("VARCHAR(20)", "'now()'", "'now( )'"),
    ("DATE", "'2020-01-01'", "'2020-01-02'"),
    ("TIMESTAMP", "'2020-01-01'", "'2020-01-01 00:00:01'"),
    ("TIMESTAMP", "CURRENT_TIMESTAMP", "'2020-01-01'"),
    ("TIME", "'12:00'", "'12:00:01'"),
    ("NUMERIC(10, 2)", "1.5", "1.51"),
]


@kinds
@pytest.mark.parametrize(("type_name", "stands", "said"), OTHERS)
def test_other_default_is_drift(
    kind: str, type_name: str, stands: str, said: str, database: Database, M: Maker
) -> None:
    database.create_tables([M("t", c=typed(type_name, constraints=[SQL(f"DEFAULT {stands}")]))])
    model = M("t", c=typed(type_name, constraints=[SQL(f"DEFAULT {said}")]))
    assert [one.code for one in plan(database, model).findings] == ["AM203"]


OTHER_TYPES = [("INTEGER", "BIGINT"), ("VARCHAR(9)", "VARCHAR(8)"), ("CHAR(9)", "VARCHAR(9)")]
OTHER_TYPES += [("NUMERIC(5)", "NUMERIC(5, 1)"), ("DATE", "TIMESTAMP"), ("REAL", "NUMERIC(9)")]


@servers
@pytest.mark.parametrize(("stands", "said"), OTHER_TYPES)
def test_other_type_is_drift(
    kind: str, stands: str, said: str, database: Database, M: Maker
) -> None:
    database.create_tables([M("t", c=typed(stands))])
    assert [one.code for one in plan(database, M("t", c=typed(said))).findings] == ["AM201"]


# Indexes; those of PostgreSQL have a file of their own


INDEXES = {
    MYSQL: [
        *("(a)", "(a, n)", "(a DESC)", "(a(3))", "(a(20))", "(b(3))", "(b(768))", "(n, b(5))"),
        *("(b(10), a(2) DESC)", "(d)", "(e, n)", "(v(4))"),
    ],
    SQLITE: [
        *("(a)", "(a, n)", "(a DESC)", "(a COLLATE NOCASE)", "(a COLLATE BINARY)", "([a], n)"),
        *('("a" DESC, b)', "(`b`)", "(lower(a))", "(LOWER(b))", "((n + 1))", "(NOT n)", "('s')"),
        *(
            "(a) WHERE n > 0",
            "(a) WHERE (n>0)",
            "(a) WHERE n IS NOT NULL",
            "(a) WHERE NOT n",
            "([s])",
        ),
        *("(a) WHERE a IN ('x', 'y')", "(a) WHERE n > 0 AND b <> ''", "(n + 0)", "(a || '-' || b)"),
        *("(coalesce(n, -1))", "(CASE WHEN n > 0 THEN 1 ELSE 0 END)", "(substr(a, 1, 3))", "((b))"),
    ],
}
OTHER_INDEXES = {
    MYSQL: [
        ("(a)", "(a(3))"),
        ("(a(3))", "(a(4))"),
        ("(a)", "(a DESC)"),
        ("(a, n)", "(n, a)"),
        ("(a)", "(n)"),
        ("(b(5))", "(b(6))"),
    ],
    SQLITE: [
        ("(a)", "(a COLLATE NOCASE)"),
        ("(a)", "(a DESC)"),
        ("(a, n)", "(n, a)"),
        ("(lower(a))", "(upper(a))"),
        ("((n + 1))", "((n + 2))"),
        ("(a) WHERE n > 0", "(a) WHERE n > 1"),
        ("(a) WHERE n > 0", "(a)"),
        ("(a) WHERE n > 0 OR (n < 9 AND b = '')", "(a) WHERE (n > 0 OR n < 9) AND b = ''"),
        ("(NOT n)", "(n)"),
    ],
}
own = pytest.mark.parametrize("kind", [MYSQL, SQLITE])


def indexed(M: Maker, *bodies: str, name: str = "wanted") -> Any:
    indexes = [SQL(f"CREATE INDEX {name}{n} ON t {body}") for n, body in enumerate(bodies)]
    types = {"a": "VARCHAR(20)", "b": "TEXT", "n": "INTEGER", "d": "DATE", "e": "DATETIME"}
    types |= {"v": "VARBINARY(9)", "s": "VARCHAR(3)"}
    return M("t", {"indexes": indexes}, **{column: typed(name) for column, name in types.items()})


@own
@pytest.mark.parametrize("stands", [False, True])
def test_index_is_found_again(kind: str, stands: bool, database: Database, M: Maker) -> None:
    if stands:
        database.create_tables([indexed(M)])
    migrate(database, indexed(M, *INDEXES[kind]))
    assert not plan(database, indexed(M, *INDEXES[kind])).steps
    by_hand = plan(database, indexed(M, *INDEXES[kind], name="other"))
    assert (by_hand.steps, by_hand.blocked) == ((), ())


@own
def test_other_index_is_told_apart(kind: str, database: Database, M: Maker) -> None:
    database.create_tables([indexed(M)])
    for pair in (pair for one in OTHER_INDEXES[kind] for pair in (one, one[::-1])):
        database.execute_sql(f"CREATE INDEX wanted0 ON t {pair[0]}")
        named = plan(database, indexed(M, pair[1]))
        other = plan(database, indexed(M, pair[1], name="other"))
        assert ([f.code for f in named.blocked], len(other.steps)) == (["AM106"], 1), pair
        database.execute_sql("DROP INDEX wanted0" + (" ON t" if kind == MYSQL else ""))


@pytest.mark.parametrize("kind", [MYSQL])
def test_index_beside_times_without_a_default_is_found_again(
    kind: str, database: Database, M: Maker
) -> None:
    database.execute_sql(
        "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(20),"
        " one TIMESTAMP NULL, two TIMESTAMP NULL, INDEX wanted (a))"
    )
    strict = "STRICT_ALL_TABLES,NO_ZERO_DATE"
    database.execute_sql(
        f"SET SESSION explicit_defaults_for_timestamp = OFF, sql_mode = '{strict}'"
    )
    times = {"one": typed("TIMESTAMP"), "two": typed("TIMESTAMP")}
    indexes = [SQL("CREATE INDEX wanted ON t (a(20))")]
    model = M("t", {"indexes": indexes}, a=typed("VARCHAR(20)"), **times)
    try:
        found = plan(database, model)
    finally:
        database.execute_sql("SET SESSION explicit_defaults_for_timestamp = ON, sql_mode = DEFAULT")
    assert (found.steps, found.findings) == ((), ())


# It leaves nothing, and harms nobody


STANDING = {
    POSTGRES: "SELECT (SELECT count(*) FROM pg_class), (SELECT count(*) FROM pg_type), "
    "(SELECT count(*) FROM pg_locks WHERE relation IS NOT NULL AND pid <> pg_backend_pid()), "
    "(SELECT count(*) FROM pg_attrdef)",
    MYSQL: "SELECT count(*) FROM information_schema.TABLES",
}


@servers
def test_question_leaves_nothing_behind(kind: str, database: Database, M: Maker) -> None:
    model = M("t", **with_defaults(kind))
    migrate(database, model)
    with database.atomic():
        ask(database, "SELECT count(*) FROM t")
        before = ask(database, STANDING[kind])
        assert found(database, model) == []
        assert ask(database, STANDING[kind]) == before
        assert database.in_transaction()


def test_event_trigger_is_not_told_and_the_doubt_is_reported(
    postgres: Any, M: Maker, database: Database
) -> None:
    model = M("t", n=typed("INTEGER", constraints=[SQL("DEFAULT '1'")]))
    migrate(database, model)
    database.execute_sql(
        "CREATE TABLE told (n int); CREATE FUNCTION tell() RETURNS event_trigger LANGUAGE plpgsql"
        " AS $$ BEGIN RAISE EXCEPTION 'told'; END $$;"
        " CREATE EVENT TRIGGER tell ON ddl_command_start EXECUTE FUNCTION tell()"
    )
    try:
        assert [one.code for one in plan(database, model).findings] == ["AM203"]
    finally:
        database.execute_sql("DROP EVENT TRIGGER tell; DROP FUNCTION tell")


test_event_trigger_is_not_told_and_the_doubt_is_reported = pytest.mark.parametrize(
    "kind", [POSTGRES]
)(test_event_trigger_is_not_told_and_the_doubt_is_reported)
