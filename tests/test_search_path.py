"""Nobody else's function, operator or type is called, wherever it stands on the search path."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2.extensions
import pytest
from peewee import (
    SQL,
    CharField,
    CompositeKey,
    Database,
    Field,
    ForeignKeyField,
    IntegerField,
    PostgresqlDatabase,
)
from playhouse.db_url import parse

from peewee_automigrate import LockTimeout, migrate, plan
from tests.cases_base import Maker, Mood

SENT: list[str] = []


class Recorder(psycopg2.extensions.cursor):
    """Keeps what any connection sends."""

    def execute(self, sql: Any, params: Any = None) -> None:
        SENT.append(self.mogrify(sql, params).decode())
        super().execute(sql, params)


BEFORE = """
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE DOMAIN short AS varchar(9);
CREATE TABLE p (id serial PRIMARY KEY); INSERT INTO p DEFAULT VALUES;
CREATE TABLE t (id serial PRIMARY KEY, a varchar(9) NOT NULL);
INSERT INTO t (a) VALUES ('x'), ('x'), ('y');
CREATE TABLE c (a varchar(9), b int, PRIMARY KEY (a, b)); INSERT INTO c VALUES ('x', 1), ('y', 2);
CREATE TABLE part (id int NOT NULL, k int NOT NULL, PRIMARY KEY (id, k)) PARTITION BY RANGE (k);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (9); INSERT INTO part VALUES (1, 1);
CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER noted BEFORE UPDATE ON c FOR EACH ROW EXECUTE FUNCTION noted();
CREATE INDEX left_over ON t (a);
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'left_over'::regclass;
"""


class Short(Field):
    field_type = "short"


def token() -> Any:
    return CharField(99, default=lambda: uuid.uuid4().hex)


def models(M: Maker) -> list[Any]:
    """Give models that make each kind of question and statement."""
    p = M("p")
    t = M(
        *("t", {"indexes": [(("a", "n"), True)]}),
        a=CharField(9),
        n=IntegerField(default=5),
        parent=ForeignKeyField(p, default=1),
        mood=Mood(null=True),
        brief=Short(default="it's"),
        made=CharField(99, constraints=[SQL("DEFAULT gen_random_uuid()")]),
    )
    t.add_index(SQL("CREATE INDEX left_over ON t (a)"))
    c = M("c", {"primary_key": CompositeKey("a", "b")}, a=CharField(9), b=IntegerField(), x=token())
    part = M(
        *("part", {"primary_key": CompositeKey("id", "k")}),
        **{"id": IntegerField(), "k": IntegerField(), "u": IntegerField(unique=True, null=True)},
    )
    loose = M("new", {"indexes": [(("a",), False)]}, a=CharField(9), parent=ForeignKeyField(t))
    return [p, t, c, part, loose]


@pytest.fixture(params=["after", "before"])
def open_database(request: pytest.FixtureRequest, postgres_url: str) -> Iterator[Database]:
    """A database whose ``public`` stands on the path behind ``pg_catalog``, or before it."""
    path = {"after": "public", "before": "public,pg_catalog"}[request.param]
    known = parse(postgres_url, unquote_password=True)
    options = f"-c search_path={path}"
    database = PostgresqlDatabase(known.pop("database"), **known, options=options)
    database.connect_params["cursor_factory"] = Recorder
    with database.connection_context():
        yield database


def run_everything(database: Database) -> list[str]:
    """Write: plan, wait for locks in vain, migrate in several ways; return what was sent."""
    SENT.clear()
    wanted = models(Maker(database))
    assert plan(database, wanted)
    with held(database, "LOCK TABLE t"), pytest.raises(LockTimeout):
        migrate(database, wanted, lock_wait=0.3, lock_timeout=0.1, on_blocked="skip")
    with (
        held(database, "SELECT pg_catalog.pg_advisory_lock(1885693303, 0)"),
        pytest.raises(LockTimeout),
    ):
        migrate(database, wanted, lock_wait=0.3, on_blocked="skip")
    with database.atomic() as inside:
        assert migrate(database, wanted, on_blocked="skip")
        inside.rollback()
    assert migrate(database, wanted, on_blocked="skip", online_rows=0)
    left = plan(database, wanted)
    assert (left.steps, {found.code for found in left.blocked}) == ((), {"AM105", "AM125"})
    return list(SENT)


@contextmanager
def held(database: Database, statement: str) -> Iterator[None]:
    """Hold something over another connection."""
    params = {k: v for k, v in database.connect_params.items() if k != "cursor_factory"}
    other = PostgresqlDatabase(database.database, **params)
    with other.connection_context(), other.atomic():
        other.execute_sql(statement)
        yield


# What stands on the wire

LITERAL = re.compile(r"""E?'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*""")
CALL = re.compile(r"(pg_catalog\.)?\b([a-z_]\w*)\(")
SYMBOL = re.compile(r"(OPERATOR\(pg_catalog\.)?([-+/<>=~!@#%^&|]+)")
TYPE = re.compile(r"::(pg_catalog\.)?(\w+)|CAST\([^()]* AS (pg_catalog\.)?(\w+)")
HIDDEN = re.compile(r"\b(IN \(|USING|NULLIF|BETWEEN|LIKE|DISTINCT FROM|CASE [^W])")
MODELS_OWN = {"gen_random_uuid"}
GRAMMAR = {"integer", "character", "INTEGER", "VARCHAR"}  # read as pg_catalog's, never looked up
MODELS_TYPES = {"short", "mood"}


def bare(statement: str) -> str:
    """Return a statement of ours without literals, names in quotes, and SET's equal sign."""
    text = LITERAL.sub("L", statement).replace("::", " ::")
    text = re.sub(r"(SET L) = ", r"\1 ", text)
    return text if statement.lstrip().startswith(("SELECT", "UPDATE")) else ""


def named(sent: list[str], pattern: re.Pattern[str]) -> dict[str, bool]:
    """Return what a pattern finds in statements, and whether each is named by its schema."""
    found: dict[str, bool] = {}
    for statement in map(bare, sent):
        text = statement if pattern is TYPE else statement.replace("::", " ")
        for match in pattern.finditer(text):
            words = [word for word in match.groups() if word and "pg_catalog." not in word]
            is_named = any("pg_catalog." in (word or "") for word in match.groups())
            found[words[0]] = found.get(words[0], True) and is_named
    return found


def not_named(found: dict[str, bool]) -> list[str]:
    return sorted(word for word, is_named in found.items() if not is_named)


# What others have planted

SHADOWS = """
CREATE SEQUENCE shadow_calls;
CREATE FUNCTION shadow_called() RETURNS void LANGUAGE plpgsql AS $f$ BEGIN
  PERFORM pg_catalog.nextval('public.shadow_calls'::pg_catalog.regclass);
  RAISE EXCEPTION 'a shadow was called'; END $f$;
CREATE FUNCTION plant(functions text[], operators text[], types text[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public AS $p$
DECLARE
  known text[] := '{name,text,varchar,oid,int2,int4,int8,bool,regclass,timestamptz,
    interval,numeric,float8,name[],text[],oid[],int2[],int4[],int2vector,oidvector,tid,anyelement}';
  body text := 'LANGUAGE plpgsql AS ''BEGIN PERFORM public.shadow_called(); RETURN NULL; END''';
  one text; first text; second text; made text;
BEGIN
  FOREACH one IN ARRAY functions LOOP
    FOR made IN SELECT oidvectortypes(proargtypes) FROM pg_proc
                WHERE proname = one AND pronamespace = 'pg_catalog'::regnamespace
    UNION SELECT unnest(known)
    UNION SELECT f || ',' || s FROM unnest(known) f, unnest(known) s LOOP
      BEGIN
        EXECUTE format('CREATE FUNCTION public.%I(%s) RETURNS bool %s', one, made, body);
      EXCEPTION WHEN OTHERS THEN NULL; END;
    END LOOP;
  END LOOP;
  FOREACH first IN ARRAY known LOOP FOREACH second IN ARRAY known LOOP
    CONTINUE WHEN first = 'anyelement' OR second = 'anyelement';
    EXECUTE format('CREATE FUNCTION public.shadow_op(%s, %s) RETURNS bool %s',
                   first, second, body);
    FOREACH one IN ARRAY operators LOOP
      EXECUTE format('CREATE OPERATOR public.%s (leftarg = %s, rightarg = %s,'
                     ' function = public.shadow_op)', one, first, second);
    END LOOP;
  END LOOP; END LOOP;
  EXECUTE 'CREATE FUNCTION public.shadow_add(int8) RETURNS int8 LANGUAGE plpgsql AS '
          '''BEGIN PERFORM public.shadow_called(); RETURN 0; END''';
  EXECUTE 'CREATE AGGREGATE public.count(*) (sfunc = public.shadow_add, stype = int8)';
  FOREACH one IN ARRAY types LOOP
    EXECUTE format('CREATE DOMAIN public.%I AS pg_catalog.int4 CHECK'
                   ' (public.shadow_called() IS NULL)', one);
  END LOOP;
END $p$;
"""
ALIVE = (
    "SELECT array_position(ARRAY['x'::pg_catalog.name], 'x'::pg_catalog.name)",
    "SELECT 1 WHERE ARRAY[1::pg_catalog.oid] <@ ARRAY[1::pg_catalog.oid]",
)
ALIVE_BEFORE = (
    "SELECT count(*) FROM pg_catalog.pg_class",
    "SELECT pg_backend_pid()",
    "SELECT 1::oid",
    "SELECT 1 WHERE 'x'::pg_catalog.name = 'x'::pg_catalog.name",
)


def calls(database: Database) -> int:
    sql = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM public.shadow_calls"
    return int(database.execute_sql(sql).fetchone()[0])


def test_shadow_of_all_that_is_sent_is_never_called(open_database: Database) -> None:
    database = open_database
    database.execute_sql(BEFORE)
    with database.atomic() as inside:
        sent = run_whole(database, run_in_savepoint)
        inside.rollback()
    functions, operators, types = (named(sent, pattern) for pattern in (CALL, SYMBOL, TYPE))
    database.execute_sql(SHADOWS.replace("%", "%%"))
    lists = [
        sorted({*functions} - MODELS_OWN - {"count"}),
        sorted(operators),
        sorted({*types} - GRAMMAR),
    ]
    lists[2] = [name for name in lists[2] if name not in MODELS_TYPES]
    database.execute_sql("SELECT plant(%s::text[], %s::text[], %s::text[])", lists)
    is_first = "pg_catalog" in database.connect_params["options"]
    for number, control in enumerate((*ALIVE, *(ALIVE_BEFORE if is_first else ())), 1):
        with pytest.raises(Exception, match=r"a shadow was called|is not unique|does not exist"):
            database.execute_sql(control)
        assert calls(database) == number, control
    planted = calls(database)
    run_everything(database)
    assert calls(database) == planted


def run_whole(database: Database, run: Callable[[Database], list[str]]) -> list[str]:
    return run(database)


def run_in_savepoint(database: Database) -> list[str]:
    SENT.clear()
    migrate(database, models(Maker(database)), on_blocked="skip")
    return list(SENT)


def test_each_function_operator_and_type_is_named_by_its_schema(postgres_url: str) -> None:
    known = parse(postgres_url, unquote_password=True)
    database = PostgresqlDatabase(known.pop("database"), **known)
    database.connect_params["cursor_factory"] = Recorder
    with database.connection_context():
        database.execute_sql(BEFORE)
        sent = run_everything(database)
    functions, operators, types = (named(sent, pattern) for pattern in (CALL, SYMBOL, TYPE))
    assert {"array_position", "to_regclass", "pg_advisory_unlock", "quote_literal"} <= {*functions}
    assert {"count", "pg_try_advisory_xact_lock", "to_regtype", "current_setting"} <= {*functions}
    assert {"=", "<>", ">", "<@", "||", "&", "-"} <= {*operators}
    assert set(not_named(functions)) <= MODELS_OWN | {"varying"}
    assert not_named(operators) == []
    assert set(not_named(types)) - GRAMMAR - MODELS_TYPES == set()
    assert [text for text in map(bare, sent) if HIDDEN.search(text)] == []
