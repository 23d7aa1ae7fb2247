"""What rows can refuse is asked beforehand: the whole error is told, and nothing is changed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from peewee import (
    CharField,
    Check,
    Database,
    ForeignKeyField,
    IntegerField,
    Model,
    SqliteDatabase,
    TextField,
)

from peewee_automigrate import MigrationBlocked, Plan, migrate, plan
from peewee_automigrate.plan import questions
from tests.cases_base import Maker, Mood
from tests.support.places import Places, facts
from tests.support.wire import recorded
from tests.support.workers import database_of, first, model

Models = list[type[Model]]
TAIL = "Give it a default that passes, then run again. This query lists them: "
SQLITE_KEY = (
    "SQLite adds no foreign key column with a default to a table with rows, since it would not "
    "check the default. Declare it otherwise, or add it by your own script, then run "
    "again."
)


POSTGRES_KEY = (
    "the default 999 is not in author (id). Insert that row first, or give it null=True without a "
    "default."
)


@pytest.fixture
def database(grown_url: str) -> Iterator[Database]:
    """An open database of each kind, in which one title stands three times, another twice."""
    made = database_of(grown_url)
    made.connect()
    made.execute_sql("UPDATE post SET title = 'same' WHERE id IN (3, 4, 5)")
    made.execute_sql("UPDATE post SET title = 'like' WHERE id IN (6, 7)")
    made.execute_sql("UPDATE post SET length = 7 WHERE id IN (3, 4)")
    yield made
    made.close()


def post(database: Database, indexes: Any = (), **fields: Any) -> Models:
    columns = {"title": TextField(), "length": IntegerField(), **fields}
    return [model(database, "post", indexes=indexes, **columns)]


def duplicates(database: Database) -> Models:
    return post(database, title=TextField(unique=True))


def duplicates_of_two(database: Database) -> Models:
    return post(database, indexes=((("title", "length"), True),))


def duplicates_in_part(database: Database) -> Models:
    (made,) = post(database)
    where = made.length == 7
    made.add_index(made.index(made.title, unique=True, where=where, name="sevens"))
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


CASES: dict[Callable[[Database], Models], str] = {
    duplicates: (
        "post.post_title: unique index (title) over duplicate rows: 2 keys stand more than once, "
        "for example ('same') 3 times, ('like') 2 times. Remove the duplicates, then run again. "
        'This query lists them: SELECT "title", count(*) FROM "post" WHERE "title" IS NOT NULL '
        'GROUP BY "title" HAVING count(*) > 1'
    ),
    duplicates_of_two: (
        "post.post_title_length: unique index (title, length) over duplicate rows: 1 keys stand "
        "more than once, for example ('same', 7) 2 times. Remove the duplicates, then run again. "
        'This query lists them: SELECT "title", "length", count(*) FROM "post" WHERE "title" IS '
        'NOT NULL AND "length" IS NOT NULL GROUP BY "title", "length" HAVING count(*) > 1'
    ),
    duplicates_in_part: (
        "post.sevens: unique index (title) where length = 7 over duplicate rows: 1 keys stand "
        "more than once, for example ('same') 2 times. Remove the duplicates, then run again. "
        'This query lists them: SELECT "title", count(*) FROM "post" WHERE "title" IS NOT NULL '
        'AND (("length" = 7)) GROUP BY "title" HAVING count(*) > 1'
    ),
    constant_in_a_unique_column: (
        "post.note: unique, and its constant default would stand in 60 rows. Give it null=True "
        "without a default, or a default that differs for each row.\n"
        "  post.post_note: needs the column note, which is blocked. Resolve that first."
    ),
    no_value: (
        "post.note: NOT NULL without a default, and the table has rows. Give it a default or "
        "null=True, or add it by your own script, then run again."
    ),
}


def message(*lines: str) -> str:
    return "\n".join([f"{len(lines)} blocked, nothing was changed:", *(f"  {x}" for x in lines)])


@pytest.mark.parametrize("case", list(CASES), ids=lambda case: case.__name__)
def test_rows_that_refuse_the_error_says_all(database: Database, case: Any) -> None:
    with pytest.raises(MigrationBlocked) as caught:
        migrate(database, case(database))
    expected = message(*CASES[case].split("\n  "))
    assert str(caught.value).replace("( ", "(").replace(" )", ")") == expected


def test_failing_check_the_error_says_all(database: Database) -> None:
    with pytest.raises(MigrationBlocked) as caught:
        migrate(database, failing_check(database))
    is_sqlite = isinstance(database, SqliteDatabase)
    value = "5" if is_sqlite else "CAST(5 AS integer)"
    source = f'(SELECT "post".*, {value} AS "score" FROM "post") AS "post"'
    text = str(caught.value).replace('"post" AS "post")', '"post")')
    rows = database.execute_sql("SELECT count(*) FROM post WHERE length >= 5").fetchone()[0]
    assert text == message(
        f"post.score: {rows} rows would fail CHECK (score > length). {TAIL}"
        f"SELECT * FROM {source} WHERE NOT (score > length)"
    )


def test_dangling_key_the_error_says_all(database: Database) -> None:
    with pytest.raises(MigrationBlocked) as caught:
        migrate(database, dangling_key(database))
    reason = SQLITE_KEY if isinstance(database, SqliteDatabase) else POSTGRES_KEY
    needs = "post.post_editor_id: needs the column editor_id, which is blocked. Resolve that first."
    assert str(caught.value) == message(f"post.editor_id: {reason}", needs)


EVERYTHING = [*CASES, failing_check, dangling_key, duplicates_with_a_new_column]


@pytest.mark.parametrize("case", EVERYTHING, ids=lambda case: case.__name__)
def test_rows_that_refuse_nothing_is_changed(database: Database, grown_url: str, case: Any) -> None:
    rows = list(database.execute_sql("SELECT * FROM post ORDER BY id").fetchall())
    before = facts(grown_url)
    more = model(database, "bystander", name=CharField())
    with pytest.raises(MigrationBlocked):
        migrate(database, [*case(database), more])
    assert facts(grown_url) == before
    assert list(database.execute_sql("SELECT * FROM post ORDER BY id").fetchall()) == rows


@pytest.mark.parametrize("case", EVERYTHING, ids=lambda case: case.__name__)
def test_rows_that_refuse_skipped_the_rest_is_added(database: Database, case: Any) -> None:
    more = model(database, "bystander", name=CharField())
    report = migrate(database, [*case(database), more], on_blocked="skip")
    assert "create table bystander" in map(str, report.applied)
    assert report.skipped


def test_rows_that_refuse_several_things_all_are_named_at_once(database: Database) -> None:
    models = post(database, title=TextField(unique=True), note=CharField(), other=CharField())
    with pytest.raises(MigrationBlocked) as caught:
        migrate(database, models)
    codes = [(finding.code, finding.name) for finding in caught.value.blocked]
    assert codes == [("AM101", "note"), ("AM101", "other"), ("AM105", "post_title")]


@pytest.mark.parametrize(
    "case",
    [duplicates, duplicates_of_two, duplicates_in_part, duplicates_with_a_new_column],
    ids=lambda case: case.__name__,
)
def test_query_of_the_duplicates_lists_them(database: Database, case: Any) -> None:
    (finding,) = plan(database, case(database)).blocked
    found = int(re.findall(r"([\d,]+) keys stand", str(finding))[0])
    assert finding.sql is not None
    assert len(database.execute_sql(finding.sql).fetchall()) == found > 0


def test_more_than_five_duplicates_five_are_shown(database: Database) -> None:
    database.execute_sql("UPDATE post SET title = 'post ' || (id / 2)")
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


def test_check_that_all_rows_pass_is_added(database: Database) -> None:
    models = post(database, score=IntegerField(default=50, constraints=[Check("score > length")]))
    assert [str(step) for step in migrate(database, models).applied] == ["add column post.score"]


def test_questions_are_asked_only_where_something_is_missing(database: Database) -> None:
    author, _ = first(database)
    with recorded(database) as sent:
        plan(database, [author, *post(database, note=CharField(null=True))])
    assert [sql for sql in sent if 'FROM "post"' in sql]
    assert not [sql for sql in sent if 'FROM "author"' in sql]


def test_type_dropped_after_the_plan_is_blocked_under_the_lock(
    postgres_database: Database,
) -> None:
    postgres_database.execute_sql("CREATE TYPE mood AS ENUM ('sad')")

    def drop(_: Plan) -> None:
        postgres_database.execute_sql("DROP TYPE IF EXISTS mood")

    with pytest.raises(MigrationBlocked) as caught:
        migrate(postgres_database, [Maker(postgres_database)("t", n=Mood())], on_plan=drop)
    assert [finding.code for finding in caught.value.blocked] == ["AM116"]


# A question that takes too long.


@pytest.fixture
def many(places: Places) -> Iterator[Database]:
    """A database of each kind with enough rows that grouping them takes a while."""
    with places.grown(200_000) as url:
        made = database_of(url)
        made.connect()
        yield made
        made.close()


def test_question_that_takes_too_long_is_a_note(
    many: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "SECONDS", 0.02)
    (note,) = plan(many, duplicates(many)).findings
    assert (note.code, note.level, str(note)) == (
        "AM309",
        "note",
        "post.post_title: can't tell within 0 s whether the rows allow it. "
        "The database decides when it is added.",
    )


def test_question_that_takes_too_long_ends_in_time(
    many: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "SECONDS", 0.02)
    plan(many, first(many))
    began = time.monotonic()
    plan(many, duplicates(many))
    assert time.monotonic() - began < 1.5


def test_question_that_takes_too_long_the_step_stays(
    many: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "SECONDS", 0.02)
    report = migrate(many, duplicates(many))
    expected = "add unique index post_title on post (title)"
    assert [str(step) for step in report.applied] == [expected]


def test_question_that_takes_too_long_inside_a_transaction_leaves_it_usable(
    many: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "SECONDS", 0.02)
    with many.atomic():
        plan(many, duplicates(many))
        assert many.execute_sql("SELECT count(*) FROM post").fetchone() == (200_000,)
