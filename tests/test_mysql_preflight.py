"""MySQL and MariaDB: what rows can refuse is asked beforehand, and as the server compares it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from peewee import SQL, CharField, Check, Database, ForeignKeyField, IntegerField, Model

from peewee_automigrate import MigrationBlocked, migrate, plan
from peewee_automigrate.plan import questions
from tests.support.mysql_holders import session
from tests.support.places import Places, facts, old_rows
from tests.support.workers import first, model, unique

Models = list[type[Model]]
MODES = ["", "STRICT_ALL_TABLES"]


@pytest.fixture
def url(grown_mysql_url: str) -> str:
    return grown_mysql_url


@pytest.fixture
def database(url: str) -> Iterator[Any]:
    """An open database in which one title stands twice, in upper and lower case."""
    with session(url, "UPDATE post SET title = CASE id WHEN 3 THEN 'a' ELSE 'A' END") as made:
        made.execute_sql("UPDATE post SET title = concat('post ', id) WHERE id NOT IN (3, 4)")
        yield made


def post(database: Database, indexes: Any = (), **fields: Any) -> Models:
    columns = {"title": CharField(), "length": IntegerField(), **fields}
    return [model(database, "post", indexes=indexes, **columns)]


def prefix(database: Database) -> Models:
    (made,) = post(database)
    made.add_index(SQL("CREATE UNIQUE INDEX post_start ON post (title(6))"))
    return [made]


def no_value(database: Database) -> Models:
    return post(database, note=CharField())


def constant_in_a_unique_column(database: Database) -> Models:
    return post(database, note=CharField(default="x", unique=True))


def failing_check(database: Database) -> Models:
    return post(database, score=IntegerField(default=5, constraints=[Check("score > length")]))


def dangling_key(database: Database) -> Models:
    author, _ = first(database)
    return [author, *post(database, editor=ForeignKeyField(author, default=999))]


def duplicates_with_a_new_column(database: Database) -> Models:
    return post(database, note=CharField(default="x"), indexes=((("title", "note"), True),))


def message(*lines: str) -> str:
    return "\n".join([f"{len(lines)} blocked, nothing was changed:", *(f"  {x}" for x in lines)])


CASES: dict[Callable[[Database], Models], tuple[str, ...]] = {
    unique: (
        "post.post_title: unique index (title) over duplicate rows: 1 keys stand more than once, "
        "for example ('a') 2 times. Remove the duplicates, then run again. This query lists them: "
        "SELECT `title`, count(*) FROM `post` WHERE `title` IS NOT NULL GROUP BY `title` "
        "HAVING count(*) > 1",
    ),
    no_value: (
        "post.note: NOT NULL without a default, and the table has rows. Give it a default or "
        "null=True, or add it by your own script, then run again.",
    ),
    constant_in_a_unique_column: (
        "post.note: unique, and its constant default would stand in 60 rows. Give it null=True "
        "without a default, or a default that differs for each row.",
        "post.post_note: needs the column note, which is blocked. Resolve that first.",
    ),
    failing_check: (
        "post.score: 30 rows would fail CHECK (score > length). Give it a default that passes, "
        "then run again. This query lists them: SELECT * FROM (SELECT `post`.*, 5 AS `score` FROM "
        "`post` AS `post`) AS `post` WHERE NOT (score > length)",
    ),
    dangling_key: (
        "post.editor_id: the default 999 is not in author (id). Insert that row first, or give it "
        "null=True without a default.",
        "post.post_editor_id: needs the column editor_id, which is blocked. Resolve that first.",
    ),
}


@pytest.mark.parametrize("case", list(CASES), ids=lambda case: case.__name__)
def test_rows_of_mysql_that_refuse_the_error_says_all(database: Database, case: Any) -> None:
    with pytest.raises(MigrationBlocked) as caught:
        migrate(database, case(database))
    assert str(caught.value) == message(*CASES[case])


EVERYTHING = [*CASES, duplicates_with_a_new_column, prefix]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", EVERYTHING, ids=lambda case: case.__name__)
def test_rows_of_mysql_that_refuse_nothing_is_changed(
    database: Any, url: str, case: Any, mode: str
) -> None:
    database.execute_sql(f"SET SESSION sql_mode = '{mode}'")
    before = facts(url), old_rows(database)
    more = model(database, "bystander", name=CharField())
    with pytest.raises(MigrationBlocked):
        migrate(database, [*case(database), more])
    assert (facts(url), old_rows(database)) == before


@pytest.mark.parametrize("case", EVERYTHING, ids=lambda case: case.__name__)
def test_rows_of_mysql_that_refuse_skipped_the_rest_is_added(database: Database, case: Any) -> None:
    more = model(database, "bystander", name=CharField())
    report = migrate(database, [*case(database), more], on_blocked="skip")
    assert "create table bystander" in map(str, report.applied)
    assert report.skipped


def test_query_of_the_duplicates_of_mysql_lists_them(database: Any) -> None:
    (finding,) = plan(database, unique(database)).blocked
    ((title, count),) = database.execute_sql(finding.sql).fetchall()
    assert (title.lower(), count) == ("a", 2)


def test_duplicates_in_a_prefix_are_found(database: Database) -> None:
    (finding,) = plan(database, prefix(database)).blocked
    assert finding.code == "AM105"
    assert "('post 1') 11 times" in str(finding)


@pytest.mark.parametrize(("collation", "expected"), [("utf8mb4_general_ci", 1), ("utf8mb4_bin", 0)])
def test_case_of_letters_is_compared_as_the_column_does(
    database: Any, collation: str, expected: int
) -> None:
    database.execute_sql(f"ALTER TABLE post MODIFY title varchar(255) COLLATE {collation} NOT NULL")
    assert len(plan(database, unique(database)).blocked) == expected


@pytest.mark.parametrize(("collation", "expected"), [("utf8mb4_bin", 1), ("utf8mb4_nopad_bin", 0)])
def test_spaces_at_the_end_are_compared_as_the_column_does(
    database: Any, collation: str, expected: int
) -> None:
    database.execute_sql("UPDATE post SET title = 'A ' WHERE id = 3")
    database.execute_sql(f"ALTER TABLE post MODIFY title varchar(255) COLLATE {collation} NOT NULL")
    assert len(plan(database, unique(database)).blocked) == expected


@pytest.mark.parametrize(("value", "expected"), [("NULL", 0), ("'same'", 1)])
def test_nulls_of_mysql_are_no_duplicates(database: Any, value: str, expected: int) -> None:
    database.execute_sql("ALTER TABLE post ADD COLUMN note varchar(255)")
    database.execute_sql(f"UPDATE post SET note = {value}")
    models = post(database, note=CharField(null=True, unique=True))
    assert len(plan(database, models).blocked) == expected


def test_check_that_all_rows_of_mysql_pass_is_added(database: Database) -> None:
    models = post(database, score=IntegerField(default=50, constraints=[Check("score > length")]))
    assert [str(step) for step in migrate(database, models).applied] == ["add column post.score"]


def test_check_that_is_unknown_for_null_is_added(database: Database) -> None:
    score = IntegerField(null=True, constraints=[Check("score > length")])
    report = migrate(database, post(database, score=score))
    assert [str(step) for step in report.applied] == ["add column post.score"]


def test_default_that_has_a_parent_is_added(database: Any) -> None:
    author, _ = first(database)
    migrate(database, [author, *post(database, editor=ForeignKeyField(author, default=7))])
    assert database.execute_sql("SELECT DISTINCT editor_id FROM post").fetchall() == ((7,),)


# A question that takes too long.


@pytest.fixture(scope="module")
def many_url(mysql_places: Places) -> Iterator[str]:
    """A database with enough rows that grouping them takes a while."""
    with mysql_places.grown(200_000) as url:
        yield url


@pytest.fixture
def many(many_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A connection to it, and little patience."""
    monkeypatch.setattr(questions, "SECONDS", 0.02)
    with session(many_url, "SET SESSION max_statement_time = 77") as database:
        yield database


def test_question_to_mysql_that_takes_too_long_is_a_note(many: Database) -> None:
    (note,) = plan(many, unique(many)).findings
    assert (note.code, note.level, str(note)) == (
        "AM309",
        "note",
        "post.post_title: can't tell within 0 s whether the rows allow it. "
        "The database decides when it is added.",
    )


def test_question_to_mysql_that_takes_too_long_the_session_is_as_before(many: Any) -> None:
    plan(many, unique(many))
    assert many.execute_sql("SELECT @@SESSION.max_statement_time").fetchone() == (77,)


def test_question_to_mysql_that_takes_too_long_inside_a_transaction_leaves_it_usable(
    many: Any,
) -> None:
    with many.atomic() as transaction:
        many.execute_sql("UPDATE post SET length = 77 WHERE id = 1")
        plan(many, unique(many))
        assert many.execute_sql("SELECT length FROM post WHERE id = 1").fetchone() == (77,)
        transaction.rollback()
    assert many.execute_sql("SELECT length FROM post WHERE id = 1").fetchone() == (1,)


def test_question_to_mysql_that_takes_too_long_the_step_stays(many: Database) -> None:
    (step,) = plan(many, unique(many)).steps
    assert str(step) == "add unique index post_title on post (title)"
