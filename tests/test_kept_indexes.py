"""Indexes on PostgreSQL: one in other words is found again, and another one is told apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peewee import SQL, Database, Model, PostgresqlDatabase

from peewee_automigrate import migrate, plan
from tests.cases_base import Maker
from tests.support.standing import ask, clear, run
from tests.test_cases import postgres

__all__ = ["postgres"]  # a fixture

TABLE = """
CREATE TABLE t (id serial PRIMARY KEY, a varchar(20), b text, n int, m bigint, x numeric(9, 2),
    d date, ts timestamp, j jsonb, f boolean, g double precision, c char(3), arr int[], u uuid);
"""
INDEXES = [
    *(
        "(a)",
        "(a, b)",
        "(a DESC)",
        "(a ASC)",
        "(a NULLS FIRST)",
        "(a DESC NULLS LAST)",
        "(n, a DESC)",
    ),
    *("(lower(a))", "(LOWER(a))", "(lower(b))", "(lower((a)))", "(upper(a), n)", "(trim(a))"),
    *("(lower(a) DESC)", "(lower(a) NULLS FIRST)", '(lower(a) COLLATE "C")', '(b COLLATE "C")'),
    *(
        "(b text_pattern_ops)",
        "(a varchar_pattern_ops)",
        "(lower(b) text_pattern_ops)",
        "(b text_ops)",
    ),
    *(
        "((a || b))",
        "((a || '-' || b))",
        "((n + 1))",
        "((n * 2 - m))",
        "(coalesce(n, -1))",
        "(abs(n))",
    ),
    *("((n::text))", "(CAST(n AS text))", "((x::int))", "((n::bigint))", "((d - 1))", "((-n))"),
    *("(date_trunc('day', ts))", "((ts::date))", "(extract(year from d))", "((d + 7))", "(md5(b))"),
    *(
        "((j -> 'tags'))",
        "((j ->> 'k'))",
        "(((j ->> 'k')::int))",
        "((j #>> '{a,b}'))",
        "((j @> '{}'))",
    ),
    *(
        "(substring(b from 1 for 3))",
        "(left(b, 2))",
        "(position('x' in b))",
        "(replace(b, 'x', ''))",
    ),
    *(
        "((CASE WHEN n > 0 THEN 1 ELSE 0 END))",
        "((n IS NULL))",
        "((a = 'x'))",
        "((NOT f))",
        "((f AND n > 1))",
    ),
    *(
        "(greatest(n, 1))",
        "(nullif(a, ''))",
        "(length(b), length(a))",
        "((b || n::text))",
        "(round(x, 1))",
    ),
    *(
        "(a) WHERE n > 0",
        "(a) WHERE n > -1",
        "(a) WHERE (n > 0)",
        "(a) WHERE n>0 AND m<5",
        "(a) WHERE f",
    ),
    *("(a) WHERE NOT f", "(a) WHERE f = true", "(a) WHERE f IS TRUE", "(a) WHERE b IS NOT NULL"),
    *(
        "(a) WHERE b IS NULL",
        "(a) WHERE n BETWEEN 1 AND 10",
        "(a) WHERE x > 0",
        "(a) WHERE x > 1.5",
    ),
    *(
        "(a) WHERE a IN ('x')",
        "(a) WHERE a IN ('x', 'y')",
        "(a) WHERE a NOT IN ('x', 'y')",
        "(a) WHERE a = 'x'",
    ),
    *(
        "(a) WHERE n IN (1, 2)",
        "(a) WHERE n = ANY (ARRAY[1, 2])",
        "(a) WHERE a LIKE 'x%%'",
        "(a) WHERE a ~ '^x'",
    ),
    *(
        "(a) WHERE ts > '2020-01-01'",
        "(a) WHERE d >= date '2020-01-01'",
        "(a) WHERE d > '2020-1-1'",
    ),
    *(
        "(a) WHERE j->>'k' = 'v'",
        "(a) WHERE j ? 'k'",
        "(a) WHERE (j->>'n')::int > 3",
        "(a) WHERE lower(b) = 'x'",
    ),
    *(
        "(a) WHERE n > 0 OR (m < 5 AND f)",
        "(a) WHERE (n > 0 OR m < 5) AND f",
        "(a) WHERE NOT (n > 0 AND f)",
    ),
    *(
        "(a) WHERE coalesce(n, 0) > 0",
        "(a) WHERE c = 'abc'",
        "(a) WHERE g > 0.5",
        "(a) WHERE a <> ''",
    ),
    *(
        "(a) WHERE a != 'x'",
        "(a) WHERE n % 2 = 0".replace("%", "%%"),
        "(a) WHERE u IS NOT NULL",
        "(u) WHERE n = 1",
    ),
    *(
        "(a) INCLUDE (n)",
        "(a) INCLUDE (n, m)",
        "(lower(a)) INCLUDE (n)",
        "(a, n) WHERE m > 0",
        "(c)",
    ),
    *(
        "USING hash (a)",
        "USING hash (lower(a))",
        "USING gin (j)",
        "USING gin (j jsonb_ops)",
        "USING brin (n)",
    ),
    *(
        "USING gin (j jsonb_path_ops)",
        "USING gin ((j -> 'tags'))",
        "USING gin (arr)",
        "USING brin (ts)",
    ),
    *(
        "USING gin ((j -> 'tags') jsonb_path_ops)",
        "USING gist (tsrange(ts, ts))",
        "USING spgist (b)",
    ),
    *("USING gin (to_tsvector('english', b))", "USING gin (to_tsvector('simple'::regconfig, b))"),
    *(
        "USING btree (a)",
        "USING btree (lower(a))",
        '(b COLLATE pg_catalog."C")',
        "(b pg_catalog.text_pattern_ops)",
    ),
    *(
        "(a) WITH (fillfactor = 70)",
        "(n int4_ops)",
        "(g, x)",
        "((arr[1]))",
        "(cardinality(arr))",
        "(ts, d)",
    ),
]
OTHERS = [
    *(("(lower(a))", o) for o in ("(lower(b))", "(upper(a))", "(lower(a) DESC)", "(lower(a), n)")),
    *(
        ("(lower(a))", o)
        for o in ("(lower(a::varchar(3)))", "(lower(a::char(3)))", "(lower(trim(a)))")
    ),
    *(("(lower(a))", o) for o in ('(lower(a) COLLATE "C")', "(lower(a) text_pattern_ops)")),
    *(
        ("(lower(a))", o)
        for o in ("(lower(a) NULLS FIRST)", "USING hash (lower(a))", "((a))", "(lower(c))")
    ),
    ("((j -> 'tags'))", "(((j -> 'tags')::text))"),
    ("((j -> 'tags'))", "((j ->> 'tags'))"),
    ("((j ->> 'k'))", "(((j ->> 'k')::int))"),
    ("((n::text))", "((n))"),
    ("((n::bigint))", "((n::numeric))"),
    ("((n + 1))", "((n + 2))"),
    ("((n + 1))", "((n + 1.0))"),
    ("((n - m))", "((m - n))"),
    ("((n - (m - 1)))", "((n - m - 1))"),
    ("((n + m) * 2)".join("()"), "((n + m * 2))"),
    ("((a || b))", "((b || a))"),
    ("(coalesce(n, 0))", "(coalesce(n, 1))"),
    ("(coalesce(n, 0))", "(coalesce(m, 0))"),
    ("(substring(b from 1 for 3))", "(substring(b from 1 for 4))"),
    ("(date_trunc('day', ts))", "(date_trunc('hour', ts))"),
    ("((CASE WHEN n > 0 THEN 1 ELSE 0 END))", "((CASE WHEN n > 0 THEN 0 ELSE 1 END))"),
    ("(nullif(a, ''))", "(nullif(a, ' '))"),
    ("((a = 'x'))", "((a = 'X'))"),
    ("((a = 'it''s'))", "((a = 'its'))"),
    *(
        ("(a) WHERE n > 0", f"(a) WHERE {o}")
        for o in ("n >= 0", "n > 1", "n > -0.5", "m > 0", "n < 0")
    ),
    *(
        ("(a) WHERE n > 0", o)
        for o in ("(b) WHERE n > 0", "(a, b) WHERE n > 0", "(a DESC) WHERE n > 0")
    ),
    *(
        ("(a) WHERE n > 0", f"(a) WHERE {o}")
        for o in ("n > 0 AND f", "n > 0 OR f", "NOT (n > 0)", "n <> 0")
    ),
    ("(a) WHERE n > 0 OR (m < 5 AND f)", "(a) WHERE (n > 0 OR m < 5) AND f"),
    ("(a) WHERE NOT (n > 0 AND f)", "(a) WHERE NOT (n > 0) AND f"),
    ("(a) WHERE b = '1'::char(1)", "(a) WHERE b = '1'::char(3)"),
    ("(a) WHERE c = 'a'", "(a) WHERE c::text = 'a'"),
    ("(a) WHERE a IN ('x', 'y')", "(a) WHERE a IN ('x')"),
    ("(a) WHERE a IN ('x', 'y')", "(a) WHERE a IN ('y', 'x', 'z')"),
    ("(a) WHERE a IN ('x', 'y')", "(a) WHERE a NOT IN ('x', 'y')"),
    ("(a) WHERE n BETWEEN 1 AND 10", "(a) WHERE n BETWEEN 1 AND 11"),
    ("(a) WHERE f", "(a) WHERE NOT f"),
    ("(a) WHERE f", "(a) WHERE f IS TRUE"),
    ("(a) WHERE f IS NULL", "(a) WHERE f IS NOT NULL"),
    ("(a) WHERE ts > '2020-01-01'", "(a) WHERE ts > '2020-01-02'"),
    ("(a) WHERE ts::date > '2020-01-01'", "(a) WHERE ts > '2020-01-01'"),
    ("(a) WHERE a LIKE 'x%%'", "(a) WHERE a ILIKE 'x%%'"),
    ("(a) WHERE a LIKE 'x%%'", "(a) WHERE a NOT LIKE 'x%%'"),
    ("(a) WHERE j->>'k' = 'v'", "(a) WHERE j->>'k' = 'w'"),
    ("(a) WHERE n IN (1, 2)", "(a) WHERE n IN (2, 3)"),
    ("(a) WHERE b IS NULL", "(a) WHERE a IS NULL"),
    ("USING gin (j)", "USING gin (j jsonb_path_ops)"),
    ("USING gin ((j -> 'tags'))", "USING gin ((j -> 'tags') jsonb_path_ops)"),
    ("USING gin (to_tsvector('english', b))", "USING gin (to_tsvector('simple', b))"),
    ("USING brin (n)", "USING brin (m)"),
    ("(b text_pattern_ops)", "(b)"),
    ('(b COLLATE "C")', "(b)"),
    ("(a DESC)", "(a)"),
    ("(a NULLS FIRST)", "(a)"),
    ("(a DESC NULLS LAST)", "(a DESC)"),
    ("(a, b)", "(b, a)"),
    ("(lower(a), n)", "(n, lower(a))"),
]


@pytest.fixture
def database(postgres: PostgresqlDatabase) -> Iterator[Any]:
    clear(postgres)
    run(postgres, TABLE)
    yield postgres


def wanted(
    database: Database, *bodies: str, name: str = "wanted", unique: bool = False
) -> type[Model]:
    kind = "UNIQUE INDEX" if unique else "INDEX"
    indexes = [SQL(f"CREATE {kind} {name}{n} ON t {body}") for n, body in enumerate(bodies)]
    return Maker(database)("t", {"indexes": indexes}, **known())


def known() -> dict[str, Any]:
    """The columns, of which only the names matter here."""
    from tests.test_kept import typed

    types = "a VARCHAR(20)|b TEXT|n INT|m BIGINT|x NUMERIC(9, 2)|d DATE|ts TIMESTAMP|j JSONB|f BOOL"
    types += "|g DOUBLE PRECISION|c CHAR(3)|arr INT[]|u UUID"
    return {pair.split(" ", 1)[0]: typed(pair.split(" ", 1)[1]) for pair in types.split("|")}


def test_index_that_migrate_has_built_is_found_again(database: Database) -> None:
    model = wanted(database, *INDEXES)
    built = migrate(database, model)
    again = plan(database, model)
    assert len(built.applied) > 100
    assert (again.steps, again.blocked, again.findings) == ((), (), ())


def test_index_of_another_name_is_found_again(database: Database) -> None:
    migrate(database, wanted(database, *INDEXES, name="by_hand"))
    again = plan(database, wanted(database, *INDEXES))
    assert (again.steps, again.blocked) == ((), ())


def test_new_table_has_its_indexes(database: Database) -> None:
    run(database, "DROP TABLE t")
    model = wanted(database, *INDEXES)
    migrate(database, model)
    assert not plan(database, model)


@pytest.mark.parametrize("turned", [False, True])
def test_other_index_is_told_apart(database: Database, turned: bool) -> None:
    """By its own name it is missing; under the name of the one that stands it is blocked."""
    for number, pair in enumerate(OTHERS):
        stands, said = reversed(pair) if turned else pair
        run(database, f"CREATE INDEX wanted0 ON t {stands.replace('%%', '%')}")
        named = plan(database, wanted(database, said))
        other = plan(database, wanted(database, said, name="other"))
        assert ([f.code for f in named.blocked], len(other.steps)) == (["AM106"], 1), (number, pair)
        run(database, "DROP INDEX wanted0")


def test_unique_index_is_no_plain_one(database: Database) -> None:
    run(database, "CREATE INDEX by_hand ON t (lower(a)) WHERE n > -1")
    model = wanted(database, "(lower(a)) WHERE n > -1", unique=True)
    assert [step.kind for step in plan(database, model).steps] == ["add_index"]


# What can't be told


def doubtful(database: Database) -> type[Model]:
    run(database, "CREATE INDEX wanted0 ON t (a) WHERE n > -1")
    return wanted(database, "(a) WHERE n > -1")


def test_event_trigger_leaves_the_doubt_with_its_reason(database: Database) -> None:
    model = doubtful(database)
    run(
        database,
        "CREATE FUNCTION tell() RETURNS event_trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'told'; END $$;"
        " CREATE EVENT TRIGGER tell ON ddl_command_start EXECUTE FUNCTION tell()",
    )
    try:
        found = plan(database, model)
    finally:
        run(database, "DROP EVENT TRIGGER tell; DROP FUNCTION tell")
    assert [one.code for one in found.findings] == ["AM304"]
    assert "since an event trigger would be told" in found.findings[0].fact


def test_read_only_session_leaves_the_doubt_with_its_reason(database: Database) -> None:
    model = doubtful(database)
    run(database, "SET default_transaction_read_only = on")
    try:
        found = migrate(database, model)
    finally:
        run(database, "RESET default_transaction_read_only")
    assert [one.code for one in found.findings] == ["AM304"]
    assert "read-only transaction" in found.findings[0].fact


def test_question_waits_for_no_lock_and_leaves_nothing(database: Any) -> None:
    model = doubtful(database)
    count = (
        "SELECT (SELECT count(*) FROM pg_class), (SELECT count(*) FROM pg_locks WHERE relation > 0)"
    )
    before = ask(database, count)
    with database.atomic():
        assert not plan(database, model)
        assert ask(database, "SELECT count(*) FROM pg_class") == [(before[0][0],)]
        assert database.in_transaction()
    assert ask(database, count) == before


# Expressions as they come

NUMBERS = st.sampled_from(["n", "m", "x", "1", "2", "-1", "0"])
TEXTS = st.sampled_from(["a", "b", "'x'", "'Y'", "''", "lower(a)", "b || 'z'", "n::text"])


def numeric(inner: Any) -> Any:
    pairs = st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner)
    return pairs.map("({0[0]} {0[1]} {0[2]})".format) | inner.map("abs({})".format)


NUMBER = st.recursive(NUMBERS, numeric, max_leaves=4)
TEST = st.tuples(NUMBER, st.sampled_from(["=", "<>", "<", ">="]), NUMBER).map(" ".join)
TEST |= st.tuples(TEXTS, st.sampled_from(["=", "<>", "LIKE"]), TEXTS).map(" ".join)
TEST |= st.sampled_from(["f", "NOT f", "a IS NULL", "n IN (1, 2)", "a IN ('x', 'y')"])
PREDICATE = st.recursive(
    TEST,
    lambda inner: (
        st.tuples(inner, st.sampled_from(["AND", "OR"]), inner).map(" ".join)
        | inner.map("NOT ({})".format)
        | inner.map("({})".format)
    ),
    max_leaves=4,
)
BODY = PREDICATE.map("(a) WHERE {}".format) | NUMBER.map("(({}))".format)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(BODY, BODY)
def test_answer_is_the_servers_own(database: Any, one: str, other: str) -> None:
    with database.atomic() as transaction:
        for name, body in (("one0", one), ("two0", other)):
            run(database, f"CREATE INDEX {name} ON t {body}")
        texts = [
            row[0].partition(" USING ")[2]
            for row in ask(
                database,
                "SELECT pg_get_indexdef(i::regclass) FROM unnest(ARRAY['one0', 'two0']) AS i",
            )
        ]
        run(database, "DROP INDEX two0")
        made = plan(database, wanted(database, other, name="new"))
        transaction.rollback()
    assert bool(made.steps) == (texts[0] != texts[1])
