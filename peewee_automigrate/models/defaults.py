"""A field's Python default: one value for all rows, or one for each.

Enters: fields. Leaves: values. Asks no database.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date, datetime
from datetime import time as time_of_day
from decimal import Decimal
from typing import Any, NamedTuple

from peewee import DateField, DateTimeField, Field, Node, TimeField, TimestampField

_DATES = (DateTimeField, DateField, TimeField, TimestampField)
_EQUAL = {dict, list, set, frozenset, tuple, str, bytes, bytearray, int, float, bool, Decimal}
_CALLS, _SECONDS = 1000, 0.02  # by which a callable of few values has given two of them


class Default(NamedTuple):
    """One ``value`` for all rows, or a sample of them where ``per_row`` gives each its own. A
    ``value`` that is a node is SQL.
    """

    value: Any
    per_row: Callable[[], Any] | None = None

    @property
    def is_sql(self) -> bool:
        """True when the server is to evaluate it."""
        return isinstance(self.value, Node)


def python_default(field: Field) -> Default | None:
    """Evaluate a field's default. Any date or time counts as constant, and a callable that gives
    equal values by what it is, or whenever it is asked.
    """
    default = field.default
    if default is None:
        return None
    if isinstance(default, Node) or not callable(default):
        return Default(default)
    value = default()
    is_date = isinstance(field, _DATES) or isinstance(value, date | datetime | time_of_day)
    if isinstance(value, Node) or is_date or _gives_equal(default, value):
        return Default(value)
    return Default(value, default)


def _gives_equal(default: Callable[[], Any], value: Any) -> bool:
    """Tell whether a callable gives equal values: a type such as dict or a function of nothing but
    constants does; others are asked often enough to see it.
    """
    code = getattr(default, "__code__", None)
    reads_nothing = code is not None and not (code.co_names or code.co_freevars)
    if default in _EQUAL or reads_nothing:
        return bool(default() == value)
    deadline = time.monotonic() + _SECONDS
    for calls in range(_CALLS):
        if default() != value:
            return False
        if calls > 20 and time.monotonic() > deadline:
            break
    return True
