"""Peewee models -> their outlines, made straight from fields without a value for each.

Enters: a bound model, the types of fields. Leaves: an `Outline`, or None where only `declared` can
tell: constraints, collations, sequences, indexes that are not of columns alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from peewee import DeferredForeignKey, Field, Metadata, Model

from ..schema import NEEDED, NULLABLE, Outline
from ..sql import clauses
from .declared import Types
from .rendering import Wording, render


def outline(model: type[Model], types: Types) -> Outline | None:
    """Return a model's outline; None when it has none, or can't be read."""
    meta = model._meta
    special = ("extension_module", "automigrate_accept", "constraints")
    is_usual = type(meta).fields_to_index is Metadata.fields_to_index
    if not is_usual or any(getattr(meta, name, None) for name in special):
        return None
    columns: dict[str, tuple[str, str]] = {}
    try:
        for field in meta.sorted_fields:
            is_special = _is_special(field) or _says_more(field, types.dialect)
            type_name = "" if is_special else types.get(field)
            if not type_name:
                return None
            columns[field.column_name] = (type_name, NULLABLE if field.null else NEEDED)
        indexes = set(_indexes(meta))
    except Exception:  # whatever a field class raises, `declared` raises it too, with its reason
        return None
    is_whole = len(columns) == len(meta.sorted_fields) and ("",) not in indexes
    return Outline(columns, indexes) if is_whole else None


def _is_special(field: Field) -> Any:
    return (
        field.collation
        or field.sequence
        or field.index_type
        or field._hidden
        or isinstance(field, DeferredForeignKey)
    )


def _says_more(field: Field, dialect: Wording) -> bool:
    """Tell whether a column's own SQL says more than a default, which only a plan compares."""
    texts = [render(dialect, node) for node in field.constraints or ()]
    kinds = [clause.kind for text in texts for clause in clauses(text)]
    return kinds != ["default"] * len(texts)


def _indexes(meta: Any) -> Iterator[tuple[str, ...]]:
    """Yield what `Metadata.fields_to_index` would make, ("",) for what has no outline."""
    if meta.primary_key is not False:
        yield "primary", *[field.column_name for field in meta.get_primary_keys()]
    for field in meta.sorted_fields:
        if (field.index or field.unique) and not field.primary_key:
            yield "unique" if field.unique else "index", field.column_name
    for index in meta.indexes:
        parts, unique = index if isinstance(index, list | tuple) else ((None,), False)
        if all(isinstance(part, str) for part in parts):
            kind = "unique" if unique else "index"
            yield kind, *[meta.combined[part].column_name for part in parts]
        else:
            yield ("",)
