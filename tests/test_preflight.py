"""What rows can refuse is asked beforehand: the whole error is told, and nothing is changed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from peewee import SQL, CharField, Check, Database, ForeignKeyField, IntegerField, Model

from peewee_automigrate import MigrationBlocked, Plan, migrate, plan
from peewee_automigrate.plan import questions
from tests.cases_base import Maker, Mood
from tests.support.clients import on, session
from tests.support.places import Places, facts
from tests.support.wire import recorded
from tests.support.workers import first, model, words

Models = list[type[Model]]
Case = Callable[[Database], Models]
LISTS = "This query lists them: "


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """An open database of each kind, in which one title stands three times, another twice."""
    with session(url) as made:
        made.execute_sql("UPDATE post SET title = 'same' WHERE id IN (3, 4, 5)")
        made.execute_sql("UPDATE post SET title = 'like' WHERE id IN (6, 7)")
        made.execute_sql("UPDATE post SET length = 7 WHERE id IN (3, 4)")
        if url.startswith("mysql"):  # to which these letters are the same
            made.execute_sql("UPDATE post SET title = 'SAME' WHERE id = 4")
        yield made


def post(database: Database, indexes: Any = (), **fields: Any) -> Models:
    columns = {"title": words(database), "length": IntegerField(), **fields}
    return [model(database, "post", indexes=indexes, **columns)]


def duplicates(database: Database) -> Models:
    return post(database, title=words(database, unique=True))


def duplicates_of_two(database: Database) -> Models:
    return post(database, indexes=((("title", "length"), True),))


def duplicates_in_part(database: Database) -> Models:
    (made,) = post(database)
    where = made.length == 7
    made.add_index(made.index(made.title, unique=True, where=where, name="sevens"))
    return [made]


def duplicates_in_a_prefix(database: Database) -> Models:
    (made,) = post(database)
    made.add_index(SQL("CREATE UNIQUE INDEX post_start ON post (title(6))"))
    return [made]


def duplicates_with_a_new_column(database: Database) -> Models:
    return post(database, note=CharField(default="x"), indexes=((("title", "note"), True),))


def constant_in_a_unique_column(database: Database) -> Models:
    return post(database, note=CharField(default="x", unique=True))


def no_value(database: Database) -> Models:
    return post(database, note=CharField())


def failing_check(database: Database) -> Models:
    return post(database, score=IntegerField(default=5, constraints=[Check("score > length")]))


def dangling_key(database: Database) -> Models:
    author, _ = first(database)
    return [author, *post(database, editor=ForeignKeyField(author, default=999))]


CASES: dict[Case, tuple[str, ...]] = {
    duplicates: (
        "post.post_title: unique index (title) over duplicate rows: 2 keys stand more than once, "
        "for example ('same') 3 times, ('like') 2 times. Remove the duplicates, then run again. "
        f'{LISTS}SELECT "title", count(*) FROM "post" WHERE "title" IS NOT NULL '
        'GROUP BY "title" HAVING count(*) > 1',
    ),
    duplicates_of_two: (
        "post.post_title_length: unique index (title, length) over duplicate rows: 1 key stands "
        "more than once, for example ('same', 7) 2 times. Remove the duplicates, then run again. "
        f'{LISTS}SELECT "title", "length", count(*) FROM "post" WHERE "title" IS '
        'NOT NULL AND "length" IS NOT NULL GROUP BY "title", "length" HAVING count(*) > 1',
    ),
    duplicates_in_part: (
        "post.sevens: unique index (title) where length = 7 over duplicate rows: 1 key stands "
        "more than once, for example ('same') 2 times. Remove the duplicates, then run again. "
        f'{LISTS}SELECT "title", count(*) FROM "post" WHERE "title" IS NOT NULL '
        'AND (("length" = 7)) GROUP BY "title" HAVING count(*) > 1',
    ),
    constant_in_a_unique_column: (
        "post.note: unique, and its constant default would stand in 60 rows. Give it null=True "
        "without a default, or a default that differs for each row.",
        "post.post_note: needs the column note, which is blocked. Resolve that first.",
    ),
    no_value: (
        "post.note: NOT NULL without a default, and the table has rows. Give it a default or "
        "null=True, or add it by your own script, then run again.",
    ),
    failing_check: (
        "post.score: 32 rows would fail CHECK (score > length). Give it a default that passes, "
        f'then run again. {LISTS}SELECT * FROM (SELECT "post".*, {{five}} AS "score" FROM "post" '
        'AS "post") AS "post" WHERE NOT (score > length)',
    ),
    dangling_key: (
        "post.editor_id: {dangling}",
        "post.post_editor_id: needs the column editor_id, which is blocked. Resolve that first.",
    ),
}
MISSING = (
    "the default 999 is not in author (id). Insert that row first, or give it null=True without a "
    "default."
)
UNCHECKED = (
    "SQLite adds no foreign key column with a default to a table with rows, since it would not "
    "check the default. Declare it otherwise, or add it by your own script, then run again."
)
WORDS = {
    "sqlite": {"five": "5", "dangling": UNCHECKED},
    "postgres": {"five": "CAST(5 AS integer)", "dangling": MISSING},
    "mysql": {"five": "5", "dangling": MISSING},
}
ONLY_ON: dict[Case, tuple[str, ...]] = {
    duplicates_in_part: ("sqlite", "postgres"),
    duplicates_in_a_prefix: ("mysql",),
}


def message(kind: str, case: Case) -> str:
    lines = [f"  {line.format(**WORDS[kind])}" for line in CASES[case]]
    text = "\n".join([f"{len(lines)} blocked, nothing was changed:", *lines])
    return text.replace('"', "`") if kind == "mysql" else text


def each(*cases: Case) -> pytest.MarkDecorator:
    """Run a test with each of these cases, on each database that can have it."""
    found = [(kind, case) for case in cases for kind in ONLY_ON.get(case, WORDS)]
    ids = [f"{kind}-{case.__name__}" for kind, case in found]
    return pytest.mark.parametrize(("kind", "case"), found, indirect=["kind"], ids=ids)


EVERYTHING = (*CASES, duplicates_with_a_new_column, duplicates_in_a_prefix)


@each(*CASES)
def test_rows_that_refuse_the_error_says_all(database: Database, kind: str, case: Case) -> None:
    with pytest.raises(MigrationBlocked) as caught:
        migrate(database, case(database))
    # Some releases of Peewee write blanks within the parentheses of a condition.
    text = re.sub(r"\(\( (.*?) \)\)", r"((\1))", str(caught.value))
    assert text == message(kind, case)


@each(*EVERYTHING)
def test_rows_that_refuse_nothing_is_changed(database: Database, url: str, case: Case) -> None:
    check_that_nothing_is_changed(database, url, case)


@each(*EVERYTHING)
def test_rows_that_refuse_skipped_the_rest_is_added(database: Database, case: Case) -> None:
    more = model(database, "bystander", name=CharField())
    report = migrate(database, [*case(database), more], on_blocked="skip")
    assert "create table bystander" in map(str, report.applied)
    assert report.skipped


def check_that_nothing_is_changed(database: Database, url: str, case: Case) -> None:
    everything = "SELECT * FROM post ORDER BY id"
    before = facts(url), list(database.execute_sql(everything).fetchall())
    more = model(database, "bystander", name=CharField())
    with pytest.raises(MigrationBlocked):
        migrate(database, [*case(database), more])
    assert (facts(url), list(database.execute_sql(everything).fetchall())) == before


def test_rows_that_refuse_several_things_all_are_named_at_once(database: Database) -> None:
    fields = {"note": CharField(), "other": CharField()}
    with pytest.raises(MigrationBlocked) as caught:
        migrate(database, post(database, title=words(database, unique=True), **fields))
    codes = [(finding.code, finding.name) for finding in caught.value.blocked]
    assert codes == [("AM101", "note"), ("AM101", "other"), ("AM105", "post_title")]


def listed(database: Database, finding: Any) -> list[Any]:
    """Read: return what the query of a finding lists."""
    assert finding.sql is not None
    return list(database.execute_sql(finding.sql).fetchall())


@each(duplicates, duplicates_of_two, duplicates_in_part, duplicates_with_a_new_column)
def test_query_of_the_duplicates_lists_as_many_as_it_says(database: Database, case: Case) -> None:
    (finding,) = plan(database, case(database)).blocked
    found = int(re.findall(r"([\d,]+) keys? stand", str(finding))[0])
    assert len(listed(database, finding)) == found > 0


def test_query_of_the_duplicates_lists_them(database: Database) -> None:
    (finding,) = plan(database, duplicates(database)).blocked
    found = {(title.lower(), count) for title, count in listed(database, finding)}
    assert found == {("same", 3), ("like", 2)}


@pytest.mark.parametrize(
    ("kind", "title"),
    [("sqlite", "id / 2"), ("postgres", "id / 2"), ("mysql", "id DIV 2")],
    indirect=["kind"],
)
def test_more_than_five_duplicates_five_are_shown(database: Database, title: str) -> None:
    database.execute_sql(f"UPDATE post SET title = {title}")
    (finding,) = plan(database, duplicates(database)).blocked
    assert str(finding).count(" times") == 5


@pytest.mark.parametrize(
    ("values", "expected"), [("NULL", 0), ("'same'", 1)], ids=["nulls", "values"]
)
def test_nulls_are_no_duplicates(database: Database, values: str, expected: int) -> None:
    database.execute_sql("ALTER TABLE post ADD COLUMN note varchar(255)")
    database.execute_sql(f"UPDATE post SET note = {values}")
    models = post(database, note=CharField(null=True, unique=True))
    assert len(plan(database, models).blocked) == expected


@pytest.mark.parametrize("options", [{"default": 50}, {"null": True}], ids=["passes", "unknown"])
def test_check_that_all_rows_pass_is_added(database: Database, options: dict[str, Any]) -> None:
    score = IntegerField(constraints=[Check("score > length")], **options)
    report = migrate(database, post(database, score=score))
    assert [str(step) for step in report.applied] == ["add column post.score"]


@on("postgres", "mysql")
def test_default_that_has_a_parent_is_added(database: Database) -> None:
    author, _ = first(database)
    migrate(database, [author, *post(database, editor=ForeignKeyField(author, default=7))])
    rows = database.execute_sql("SELECT DISTINCT editor_id FROM post").fetchall()
    assert list(rows) == [(7,)]


def test_questions_are_asked_only_where_something_is_missing(database: Database) -> None:
    author, _ = first(database)
    with recorded(database) as sent:
        plan(database, [author, *post(database, note=CharField(null=True))])
    assert [sql for sql in sent if re.search('FROM ["`]post', sql)]
    assert not [sql for sql in sent if re.search('FROM ["`]author', sql)]


# A question that takes too long.


@pytest.fixture
def many(places: Places, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A database with enough rows that grouping them takes a while, and little patience."""
    monkeypatch.setattr(questions, "SECONDS", 0.02)
    with places.grown(200_000) as url, session(url) as made:
        yield made


def test_question_that_takes_too_long_is_a_note(many: Database) -> None:
    (note,) = plan(many, duplicates(many)).findings
    assert (note.code, note.level, str(note)) == (
        "AM309",
        "note",
        "post.post_title: can't tell within 0 s whether the rows allow it. "
        "The database decides when it is added.",
    )


def test_question_that_takes_too_long_ends_in_time(many: Database) -> None:
    plan(many, first(many))
    began = time.monotonic()
    plan(many, duplicates(many))
    assert time.monotonic() - began < 1.5


def test_question_that_takes_too_long_the_step_stays(many: Database) -> None:
    expected = ["add unique index post_title on post (title)"]
    assert [str(step) for step in plan(many, duplicates(many)).steps] == expected
    assert [str(step) for step in migrate(many, duplicates(many)).applied] == expected


def test_question_that_takes_too_long_inside_a_transaction_leaves_it_usable(
    many: Database,
) -> None:
    with many.atomic() as transaction:
        many.execute_sql("UPDATE post SET length = 77 WHERE id = 1")
        plan(many, duplicates(many))
        assert many.execute_sql("SELECT count(*) FROM post").fetchone() == (200_000,)
        assert many.execute_sql("SELECT length FROM post WHERE id = 1").fetchone() == (77,)
        transaction.rollback()
    assert many.execute_sql("SELECT length FROM post WHERE id = 1").fetchone() == (1,)


@pytest.mark.parametrize(
    ("kind", "setting", "query", "expected"),
    [
        ("postgres", "statement_timeout = '77s'", "SHOW statement_timeout", "77s"),
        ("mysql", "SESSION max_statement_time = 77", "SELECT @@SESSION.max_statement_time", 77),
    ],
    indirect=["kind"],
)
def test_question_that_takes_too_long_the_session_is_as_before(
    many: Database, setting: str, query: str, expected: Any
) -> None:
    many.execute_sql(f"SET {setting}")
    plan(many, duplicates(many))
    assert many.execute_sql(query).fetchone() == (expected,)


# PostgreSQL alone has types that somebody can drop.


def test_type_dropped_after_the_plan_is_blocked_under_the_lock(
    postgres_database: Database,
) -> None:
    postgres_database.execute_sql("CREATE TYPE mood AS ENUM ('sad')")

    def drop(_: Plan) -> None:
        postgres_database.execute_sql("DROP TYPE IF EXISTS mood")

    with pytest.raises(MigrationBlocked) as caught:
        migrate(postgres_database, [Maker(postgres_database)("t", n=Mood())], on_plan=drop)
    assert [finding.code for finding in caught.value.blocked] == ["AM116"]


# MySQL alone has modes, indexes of the first letters, and letters that are the same.


@on("mysql")
@pytest.mark.parametrize("mode", ["", "STRICT_ALL_TABLES"])
@pytest.mark.parametrize("case", [case for case in EVERYTHING if case is not duplicates_in_part])
def test_rows_that_refuse_in_any_mode_nothing_is_changed(
    database: Database, url: str, case: Case, mode: str
) -> None:
    database.execute_sql(f"SET SESSION sql_mode = '{mode}'")
    check_that_nothing_is_changed(database, url, case)


@on("mysql")
def test_duplicates_in_a_prefix_are_found(database: Database) -> None:
    (finding,) = plan(database, duplicates_in_a_prefix(database)).blocked
    assert finding.code == "AM105"
    assert "('post 1') 11 times" in str(finding)


@on("mysql")
@pytest.mark.parametrize(
    ("other", "collation", "expected"),
    [
        ("A", "utf8mb4_general_ci", 1),
        ("A", "utf8mb4_bin", 0),
        ("a ", "utf8mb4_bin", 1),
        ("a ", "utf8mb4_nopad_bin", 0),
    ],
)
def test_case_and_spaces_are_compared_as_the_column_does(
    url: str, other: str, collation: str, expected: int
) -> None:
    with session(url) as database:
        database.execute_sql("UPDATE post SET title = 'a' WHERE id = 3")
        database.execute_sql(f"UPDATE post SET title = '{other}' WHERE id = 4")
        column = f"title varchar(255) COLLATE {collation} NOT NULL"
        database.execute_sql(f"ALTER TABLE post MODIFY {column}")
        assert len(plan(database, duplicates(database)).blocked) == expected
