"""Reading small pieces of SQL, without a database."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peewee_automigrate.compare.spelling import constraint, normalize, spelled_keys
from peewee_automigrate.schema import Key
from peewee_automigrate.sql import (
    called_functions,
    clauses,
    is_constant,
    is_name,
    parse_index,
    split_list,
    table_constraints,
    tokens,
    unquote,
)

WORDS = [
    *("a", "b", "price", "lower", "and", "or", "not", "in", "like", "is", "null", "case", "when"),
    *("then", "end", "between", "any", "array", "check", "constraint", "unique", "index", "on"),
    *("create", "where", "using", "desc", "asc", "nulls", "first", "collate", "foreign", "key"),
    *('"A b"', '"it""s"', "`x`", "'text'", "'it''s'", "''", "x'00'", "E'a'", "1", "2.5", "1e9"),
    *("(", ")", "[", "]", ",", ".", ";", "::", "+", "-", "*", "/", "%", "||", "=", "<>", "<="),
    *("text", "varchar", "character", "varying", "--note\n", "/* note */", "'", '"', "é", "\x00"),
]
sql = st.lists(st.sampled_from(WORDS), max_size=20).map(" ".join) | st.text(max_size=40)
examples = settings(max_examples=300, deadline=None, derandomize=True, database=None)

names = st.sampled_from(["a", "b", '"Big C"', "price"])
numbers = st.integers(0, 99).map(str)
literals = st.sampled_from(["'x'", "'it''s'", "NULL", "TRUE"])


def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(["+", "-", "*", "=", "<>", "<", ">=", "and", "or", "||", "LIKE"])
    return st.one_of(
        st.tuples(inner, operators, inner).map(" ".join),
        inner.map("({})".format),
        inner.map("lower({})".format),
        inner.map("NOT {}".format),
        st.tuples(inner, inner).map("coalesce({0[0]}, {0[1]})".format),
        inner.map("{} IS NULL".format),
    )


expressions = st.recursive(names | numbers | literals, larger, max_leaves=8)


# Tokens.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\t", []),
        ("a+b", ["a", "+", "b"]),
        ("a >= 1.5e-3", ["a", ">=", "1.5e-3"]),
        ("'it''s' || x", ["'it''s'", "||", "x"]),
        ('"a ""b"" c"."d"', ['"a ""b"" c"', ".", '"d"']),
        ("`a b`", ["`a b`"]),
        ("a -- to the end\n+ b", ["a", "+", "b"]),
        ("a /* not\nthis */ + b", ["a", "+", "b"]),
        ("'-- no comment'", ["'-- no comment'"]),
        ("x'00ff'", ["x'00ff'"]),
        ("a::text", ["a", "::", "text"]),
        ("größe", ["größe"]),
        ("f(a, b)", ["f", "(", "a", ",", "b", ")"]),
    ],
)
def test_tokens_of_text_are_its_parts(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


@examples
@given(sql)
def test_tokens_of_any_text_do_not_fail(text: str) -> None:
    assert all(tokens(text)) or not tokens(text)


@examples
@given(sql)
def test_tokens_joined_are_the_same_tokens(text: str) -> None:
    found = tokens(text)
    assert tokens(" ".join(found)) == found


@pytest.mark.parametrize(
    ("token", "expected"),
    [("Name", "name"), ('"Name"', "Name"), ('"a""b"', 'a"b'), ("`a``b`", "a`b"), ("", "")],
)
def test_unquote_of_a_token_is_the_name(token: str, expected: str) -> None:
    assert unquote(token) == expected


@pytest.mark.parametrize("token", ["a", "_a", '"1 a"', "`x`", "é", "lower"])
def test_is_name_of_a_word_is_true(token: str) -> None:
    assert is_name(token)


@pytest.mark.parametrize("token", ["1", "'a'", "(", "+", "", "::"])
def test_is_name_of_anything_else_is_false(token: str) -> None:
    assert not is_name(token)


# The normal form.


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a > 5", "(a > 5)"),
        ("a > 5", '("a" > 5)'),
        ("A > 5", '"a" > 5'),
        ("a != 5", "a <> 5"),
        ("lower(a)", "lower((a)::text)"),
        ("a = 'x'", "((a)::text = 'x'::text)"),
        ("a LIKE 'x%'", "((a)::text ~~ 'x%'::text)"),
        ("a IS NOT NULL", "(a IS NOT NULL)"),
        ("a > 5 AND b < 3", "((a > 5) AND (b < 3))"),
        ("coalesce(a, 0)", "COALESCE(a, 0)"),
        ("a  >\n5 -- why", "a > 5"),
    ],
)
def test_normalize_of_one_expression_in_two_spellings_is_equal(one: str, other: str) -> None:
    """As PostgreSQL prints it of a column of VARCHAR."""
    assert normalize(one) == normalize(other, {"a"})


@pytest.mark.parametrize("other", ["lower((a)::text)", "lower(a::varchar)", "(a)::text"])
def test_normalize_keeps_the_cast_of_any_other_column(other: str) -> None:
    assert "::" in normalize(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a > 5", "a > 6"),
        ("a > 5", "b > 5"),
        ("a > 5", "a >= 5"),
        ("a = 'x'", "a = 'X'"),
        ("a = 'x'", "a = ' x'"),
        ("a = 'x  y'", "a = 'x y'"),
        ("a = '1'", "a = 1"),
        ('"A" > 5', "a > 5"),
        ("a - (b - c)", "a - b - c"),
        ("a * (b + c)", "a * b + c"),
        ("a AND (b OR c)", "(a AND b) OR c"),
        ("a AND (b OR c)", "a AND b OR c"),
        ("NOT (a AND b)", "NOT a AND b"),
        ("NOT (a = b)", "(NOT a) = b"),
        ("(a < b) = c", "a < (b = c)"),
        ("(a = b) = c", "a = (b = c)"),
        ("(a IS NULL) = b", "a IS (NULL = b)"),
        ("lower(a) > 5", "lower(a > 5)"),
        ("(a || b) LIKE c", "a || (b LIKE c)"),
        ("a -> ('b' -> c)", "a -> 'b' -> c"),
        ("2 ^ (3 ^ a)", "2 ^ 3 ^ a"),
        ("(a = 1) IS NULL", "a = (1 IS NULL)"),
        ("(a).b", "a.b + 0"),
        ("a::integer > 5", "a > 5"),
        ("(a)::integer", "(a)::bigint"),
        ("f(a)", "f a"),
        ("a IN (1, 2)", "a IN (12)"),
        ("a IN ('x, y')", "a IN ('x', 'y')"),
        ("a = '( x )'", "a = 'x'"),
        ("a = 'b' || '( c )' || d", "a = 'b' || 'c' || d"),
        ("a = '= any ( array [ b ] )'", "a = 'in ( b )'"),
    ],
)
def test_normalize_of_two_expressions_differs(one: str, other: str) -> None:
    assert normalize(one) != normalize(other)


@examples
@given(sql)
def test_normalize_of_any_text_does_not_fail(text: str) -> None:
    assert isinstance(normalize(text), str)


@examples
@given(expressions)
def test_normalize_of_a_normal_form_changes_nothing(text: str) -> None:
    once = normalize(text)
    assert normalize(once) == once


@examples
@given(expressions)
def test_normalize_of_an_expression_in_brackets_is_the_same(text: str) -> None:
    assert normalize(f"({text})") == normalize(text)


@examples
@given(expressions)
def test_normalize_does_not_see_white_space(text: str) -> None:
    assert normalize("\n  ".join(tokens(text))) == normalize(text)


# CREATE INDEX.


def index(
    name: str = "i",
    keys: tuple[Key, ...] = (Key("a"),),
    unique: bool = False,
    method: str = "btree",
    where: str = "",
    nulls_distinct: bool = True,
    expressions: tuple[str, ...] = (),
) -> tuple[object, ...]:
    return name, unique, method, keys, where, nulls_distinct, expressions


def read(statement: str) -> tuple[object, ...]:
    """Return what a statement says, its keys and predicate in the normal form."""
    parsed = parse_index(statement)
    assert parsed is not None
    return index(
        parsed.name,
        spelled_keys(parsed),
        parsed.unique,
        parsed.method,
        normalize(parsed.where),
        parsed.nulls_distinct,
        parsed.expressions,
    )


A, B = Key("a", True, ""), Key("b", True, "")
INDEXES = {
    "CREATE INDEX i ON t (a)": index(),
    "create index i on t(a)": index(),
    'CREATE INDEX "I x" ON "t y" ("a")': index("I x"),
    "CREATE UNIQUE INDEX i ON t (a, b)": index(keys=(A, B), unique=True),
    "CREATE INDEX IF NOT EXISTS i ON t (a)": index(),
    "CREATE INDEX CONCURRENTLY i ON t (a)": index(),
    "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a)": index(unique=True),
    'CREATE INDEX "s"."i" ON "t" ("a")': index(),
    "CREATE INDEX i ON s.t (a)": index(),
    "CREATE INDEX i ON ONLY s.t USING btree (a)": index(),
    "CREATE INDEX i ON t USING gin (a)": index(method="gin"),
    "CREATE INDEX i ON t USING GIN (a jsonb_path_ops)": index(
        method="gin", keys=(Key("a", True, "jsonb_path_ops"),)
    ),
    "CREATE INDEX i ON t (a DESC)": index(keys=(Key("a", True, "desc"),)),
    "CREATE INDEX i ON t (a ASC)": index(),
    "CREATE INDEX i ON t (a ASC NULLS LAST)": index(),
    "CREATE INDEX i ON t (a DESC NULLS FIRST)": index(keys=(Key("a", True, "desc"),)),
    "CREATE INDEX i ON t (a DESC NULLS LAST)": index(keys=(Key("a", True, "desc nulls last"),)),
    'CREATE INDEX i ON t (a COLLATE "C" DESC)': index(keys=(Key("a", True, "collate C desc"),)),
    "CREATE INDEX i ON t (lower(a))": index(
        keys=(Key("lower ( a )", False, ""),), expressions=("lower ( a )",)
    ),
    "CREATE INDEX i ON t ((a + b) DESC, b)": index(
        keys=(Key("a + b", False, "desc"), B), expressions=("( a + b )",)
    ),
    "CREATE INDEX i ON t (a) WHERE a > 5": index(where="a > 5", expressions=("a > 5",)),
    "CREATE UNIQUE INDEX i ON t (a) INCLUDE (b)": index(unique=True),
    "CREATE UNIQUE INDEX i ON t (a) INCLUDE (b) WHERE (b > 0)": index(
        unique=True, where="b > 0", expressions=("( b > 0 )",)
    ),
    "CREATE UNIQUE INDEX i ON t (a) NULLS NOT DISTINCT": index(unique=True, nulls_distinct=False),
    "CREATE UNIQUE INDEX i ON t (a) NULLS DISTINCT": index(unique=True),
    "CREATE INDEX i ON t (a) WITH (fillfactor='70')": index(),
    "CREATE INDEX i ON t (coalesce(a, ','), b)": index(
        keys=(Key("coalesce ( a , ',' )", False, ""), B),
        expressions=("coalesce ( a , ',' )",),
    ),
    'CREATE INDEX "on" ON t (a)': index("on"),
    'CREATE INDEX "using" ON t (a)': index("using"),
    'CREATE INDEX i ON "using" (a)': index(),
    'CREATE INDEX i ON t ("where", a)': index(keys=(Key("where", True, ""), A)),
    "CREATE INDEX i ON t (a) TABLESPACE fast": index(),
    "CREATE INDEX i ON t (a);": index(),
}


@pytest.mark.parametrize("statement", INDEXES)
def test_parse_index_of_a_statement_is_what_it_says(statement: str) -> None:
    assert read(statement) == INDEXES[statement]


@pytest.mark.parametrize(
    "statement",
    [
        "",
        "CREATE TABLE t (a integer)",
        "DROP INDEX i",
        "CREATE INDEX",
        "CREATE INDEX i ON t",
        "CREATE INDEX i ON t (a",
        "ALTER TABLE t ADD CONSTRAINT c UNIQUE (a) -- on (a)",
        "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT lower(a); END",
    ],
)
def test_parse_index_of_anything_else_is_none(statement: str) -> None:
    assert parse_index(statement) is None


@examples
@given(sql)
def test_parse_index_of_any_text_does_not_fail(text: str) -> None:
    parse_index(text)


@examples
@given(sql)
def test_parse_index_of_any_keys_does_not_fail(text: str) -> None:
    parse_index(f"CREATE INDEX i ON t ({text})")


@examples
@given(expressions, expressions)
def test_parse_index_finds_key_and_predicate(key: str, where: str) -> None:
    parsed = parse_index(f"CREATE INDEX i ON t (({key}), b) WHERE {where}")
    assert parsed is not None
    texts = [key.text for key in spelled_keys(parsed)]
    is_column = is_name(key) and len(tokens(key)) == 1
    column = unquote(key) if is_column else normalize(key)
    assert (texts, normalize(parsed.where)) == ([column, "b"], normalize(where))


# Constraints.


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("", []),
        ("CREATE TABLE t (a integer)", []),
        ("CREATE TABLE t (a integer CHECK (a > 0))", [("", "check ( a > 0 )")]),
        (
            "CREATE TABLE t (a integer CONSTRAINT positive CHECK (a > 0) NOT NULL)",
            [("positive", "check ( a > 0 )")],
        ),
        ("CREATE TABLE t (a, b, CHECK (a > b))", [("", "check ( a > b )")]),
        (
            'CREATE TABLE t (a, b, CONSTRAINT "Pair Of" UNIQUE (a, b))',
            [("Pair Of", "unique ( a , b )")],
        ),
        ("CREATE TABLE t (a text DEFAULT 'check (x)')", []),
        ('CREATE TABLE t ("check" integer)', []),
        (
            "CREATE TABLE t (a integer CHECK (a > 0) CHECK (a < 9))",
            [("", "check ( a > 0 )"), ("", "check ( a < 9 )")],
        ),
        (
            "CREATE TABLE t (a, FOREIGN KEY (a) REFERENCES p (id))",
            [("", "foreign key ( a ) references p ( id )")],
        ),
        ("CREATE TABLE t (a) STRICT", []),
        ('CREATE TABLE "t (x" (a, CHECK (a > 0))', [("", "check ( a > 0 )")]),
    ],
)
def test_table_constraints_of_a_statement_are_all_of_them(
    statement: str, expected: list[tuple[str, str]]
) -> None:
    found = [(one.name, one.text) for one in map(constraint, table_constraints(statement))]
    assert found == [(name, normalize(text)) for name, text in expected]


@examples
@given(sql)
def test_table_constraints_of_any_text_do_not_fail(text: str) -> None:
    table_constraints(text)


@examples
@given(sql)
def test_table_constraints_of_any_columns_do_not_fail(text: str) -> None:
    table_constraints(f"CREATE TABLE t ({text})")


@examples
@given(sql)
def test_constraint_of_any_text_does_not_fail(text: str) -> None:
    constraint(f"CONSTRAINT {text}")
    clauses(text)


CLAUSES = {
    "DEFAULT 0 CHECK (x > 0)": [("default", "0", ""), ("check", "(x > 0)", "")],
    "CONSTRAINT t_n_check CHECK (n > 0)": [("check", "(n > 0)", "t_n_check")],
    'CONSTRAINT "check" CHECK ("check" > 0)': [("check", '("check" > 0)', "check")],
    "NOT NULL DEFAULT 5": [("not null", "NOT NULL", ""), ("default", "5", "")],
    "DEFAULT NULL": [("default", "NULL", "")],
    "DEFAULT 'a CHECK (b)' UNIQUE": [("default", "'a CHECK (b)'", ""), ("unique", "UNIQUE", "")],
    "DEFAULT now() ON UPDATE now()": [
        ("default", "now()", ""),
        ("on update", "ON UPDATE now()", ""),
    ],
    "REFERENCES p (id) ON DELETE SET NULL ON UPDATE SET DEFAULT CHECK (a > 0)": [
        ("references", "p (id) ON DELETE SET NULL ON UPDATE SET DEFAULT", ""),
        ("check", "(a > 0)", ""),
    ],
    "GENERATED ALWAYS AS (a + 1) STORED CHECK (a > 0)": [
        ("generated", "(a + 1)", ""),
        ("check", "(a > 0)", ""),
    ],
    "GENERATED BY DEFAULT AS IDENTITY UNIQUE": [("generated", "", ""), ("unique", "UNIQUE", "")],
    "AS (a || 'check') VIRTUAL": [("generated", "(a || 'check')", "")],
    "CHECK (n > 0) -- positive": [("check", "(n > 0)", "")],
    "CHECK (n /* or more */ > 0)": [("check", "( n > 0 )", "")],
    "UNSIGNED NULL": [("type", "UNSIGNED", ""), ("null", "NULL", "")],
    "CHARACTER SET latin1 COLLATE latin1_bin": [
        ("type", "CHARACTER SET latin1", ""),
        ("collate", "latin1_bin", ""),
    ],
    "COMMENT 'DEFAULT 1'": [("comment", "'DEFAULT 1'", "")],
    "": [],
}


@pytest.mark.parametrize("text", CLAUSES)
def test_clauses_of_a_column_are_told_apart(text: str) -> None:
    assert [(c.kind, c.body, c.name) for c in clauses(text)] == CLAUSES[text]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CHECK (a > 0)", ("", normalize("CHECK (a > 0)"))),
        ("CONSTRAINT c CHECK (a > 0)", ("c", normalize("CHECK (a > 0)"))),
        ('constraint "C d" UNIQUE (a)', ("C d", normalize("UNIQUE (a)"))),
    ],
)
def test_constraint_is_name_and_rest(text: str, expected: tuple[str, str]) -> None:
    found = constraint(text)
    assert (found.name, found.text) == expected


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([], []),
        (["a"], [["a"]]),
        (["a", ",", "b"], [["a"], ["b"]]),
        (["f", "(", "a", ",", "b", ")", ",", "c"], [["f", "(", "a", ",", "b", ")"], ["c"]]),
    ],
)
def test_split_list_splits_at_outer_commas(items: list[str], expected: list[list[str]]) -> None:
    assert list(split_list(items)) == expected


# Defaults and functions.


@pytest.mark.parametrize(
    "default",
    [
        *(
            "0x1F",
            "1",
            "-1",
            "+1",
            "1.5",
            ".5",
            "1e9",
            "'x'",
            "'it''s'",
            "''",
            "x'00'",
            "X'00'",
            "NULL",
        ),
        *("null", "TRUE", "false", "(1)", "((-1))", "E'a\\n'", "0x1F"),
    ],
)
def test_is_constant_of_a_literal_is_true(default: str) -> None:
    assert is_constant(default)


@pytest.mark.parametrize(
    "default",
    [
        *("", "CURRENT_TIMESTAMP", "now()", "1 + 1", "(1+1)", "a", "'x' || 'y'", "random()"),
        *("nextval('s')", "- a", "(", "--", '"x"', "CAST(1 AS text)"),
    ],
)
def test_is_constant_of_anything_else_is_false(default: str) -> None:
    assert not is_constant(default)


@examples
@given(sql)
def test_is_constant_of_any_text_does_not_fail(text: str) -> None:
    assert is_constant(text) in (True, False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now()", ("now",)),
        ("Lower(a) || coalesce(b, cast('f(x)' as text))", ("lower",)),
        ("pg_catalog.random()", ("random",)),
        ("CURRENT_TIMESTAMP", ()),
        ("(1 + 1)", ()),
    ],
)
def test_called_functions_are_named_in_order(text: str, expected: tuple[str, ...]) -> None:
    assert called_functions(text) == expected


@examples
@given(sql)
def test_called_functions_of_any_text_do_not_fail(text: str) -> None:
    called_functions(text)
