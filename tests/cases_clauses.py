"""Cases of constraints in SQL: several clauses in one, comments, and words within texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from peewee import SQL, Check, IntegerField

from tests.cases_base import ALL, POSTGRES, SQLITE, Case, sql_default

ZERO = "INSERT INTO t (a, n) VALUES ('w', 0)"
NULL = "INSERT INTO t (a, n) VALUES ('w', NULL)"


def clauses(
    text: str, refuses: str = ZERO, default: int | None = None, on: Sequence[str] = ALL
) -> Case:
    """Return the case of a column with one SQL of several clauses, in a table with rows."""
    return Case(
        f"each clause of one SQL has its meaning: {text}",
        lambda M: M.t(n=IntegerField(default=default, constraints=[SQL(text)])),
        "add_column t.n",
        on=on,
        refuses=refuses,
        values={"n": [1] * 3},
    )


def created(text: str, refuses: str = ZERO, on: Sequence[str] = ALL) -> Case:
    """Return the case of a new table that has such a column."""
    return Case(
        f"each clause of one SQL has its meaning in a new table: {text}",
        lambda M: M("t", a=M.text(null=True), n=IntegerField(constraints=[SQL(text)])),
        "create_table t",
        before="",
        on=on,
        refuses=refuses,
    )


NAMED = (SQLITE, POSTGRES)  # On MariaDB a CHECK of a column has no name, and comes last.
SEVERAL: dict[str, Any] = {
    "DEFAULT 1 CHECK (n > 0)": {},
    "DEFAULT (1) CHECK (n > 0)": {},
    "default 1 check (n > 0)": {},
    "CHECK (n > 0) DEFAULT 1": {"on": NAMED},
    "DEFAULT 1 CONSTRAINT positive CHECK (n > 0)": {"on": NAMED},
    "DEFAULT 1 CONSTRAINT t_n_check CHECK (n > 0)": {"on": NAMED},
    "NOT NULL DEFAULT 1": {"refuses": NULL},
    "DEFAULT 1 NOT NULL": {"refuses": NULL},
    "DEFAULT 1 NOT NULL CHECK (n > 0)": {},
}
COMMENTED: dict[str, Any] = {
    "CHECK (n > 0) -- positive": {"default": 1},
    "CHECK (n > 0) /* positive */": {"default": 1},
    "/* positive */ CHECK (n > 0)": {"default": 1},
    "DEFAULT 1 /* one */": {"refuses": NULL},
    "DEFAULT 1 -- one": {"refuses": NULL},
    "DEFAULT 1 /* one */ CHECK (n > 0) -- positive": {},
}
CLAUSES = [clauses(text, **options) for text, options in {**SEVERAL, **COMMENTED}.items()]
CLAUSES += [created(text, **options) for text, options in SEVERAL.items()]
CLAUSES += [
    Case(
        "a generated column's CHECK behind it in one SQL",
        lambda M: M.t(
            n=IntegerField(
                null=True,
                constraints=[SQL("GENERATED ALWAYS AS (length(a)) VIRTUAL CHECK (n > 0)")],
            )
        ),
        "add_column t.n",
        on=[SQLITE],
        refuses="INSERT INTO t (a) VALUES ('')",
        values={"n": [1] * 3},
    )
]
WORDS = "default 1 check (n) unique not null references p constraint c comment -- where"
TEXTS = [
    Case(
        "a default whose text has the words of clauses",
        lambda M: M.t(n=M.text(constraints=sql_default(f"'{WORDS}'"))),
        "add_column t.n",
        values={"n": [WORDS] * 3},
    ),
    Case(
        "a CHECK whose text has the words of clauses",
        lambda M: M.t(n=M.text(default="v", constraints=[Check(f"n <> '{WORDS}'")])),
        "add_column t.n",
        refuses=f"INSERT INTO t (a, n) VALUES ('w', '{WORDS}')",
    ),
    Case(
        "a default and a CHECK in one SQL whose texts have the words of clauses",
        lambda M: M.t(n=M.text(constraints=[SQL(f"DEFAULT 'check' CHECK (n <> '{WORDS}')")])),
        "add_column t.n",
        refuses=f"INSERT INTO t (a, n) VALUES ('w', '{WORDS}')",
        values={"n": ["check"] * 3},
    ),
]

CASES = [*CLAUSES, *TEXTS]
