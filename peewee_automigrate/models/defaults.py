"""A field's Python default: one value for all rows, or one for each.

Enters: fields. Leaves: values. Asks no database.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from peewee import DateField, DateTimeField, Field, TimeField, TimestampField

_DATES = (DateTimeField, DateField, TimeField, TimestampField)


@dataclass(frozen=True, slots=True)
class Default:
    """One ``value`` for all rows, or a sample of them where ``per_row`` gives each its own."""

    value: Any
    per_row: Callable[[], Any] | None = None


def python_default(field: Field) -> Default | None:
    """Evaluate a field's default. A callable that gives an equal value twice counts as constant,
    and so does any date or time.
    """
    if field.default is None:
        return None
    if not callable(field.default):
        return Default(field.default)
    value = field.default()
    is_date = isinstance(field, _DATES) or isinstance(value, date | datetime | time)
    constant = is_date or field.default() == value
    return Default(value, None if constant else field.default)
