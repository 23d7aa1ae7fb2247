"""SQL of ours, in which nobody else's function, operator or type is ever found.

Enters and leaves: SQL that holds no text of a model. A better match on the search path goes before
what ``pg_catalog`` has, and whoever may create there would run code as the role that plans:
https://www.postgresql.org/docs/current/typeconv-func.html. A setting of the session could not hold
behind a pooler, nor in the caller's transaction; a name does.
"""

from __future__ import annotations

import re
from functools import cache

_FUNCTION = re.compile(r"(?<![\w.])([a-z]\w*)\(")
_OPERATOR = re.compile(r"(?<= )([-+*/<>=&|@]+)(?= )")
_TYPE = re.compile(r"::(?=[a-z])")


@cache
def pinned(sql: str) -> str:
    """Name ``pg_catalog`` before each function, operator and type.

    What it takes for a function is a word in lower case before a bracket, for an operator what
    stands between spaces, for a type what follows ``::``. Keywords are in upper case. IN, USING,
    NULLIF and CASE with a value look for an operator that can't be named, and are left out.
    """
    sql = _FUNCTION.sub(r"pg_catalog.\1(", _TYPE.sub("::pg_catalog.", sql))
    return _OPERATOR.sub(r"OPERATOR(pg_catalog.\1)", sql)
