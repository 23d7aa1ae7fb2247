"""Peewee's nodes -> SQL text without parameters, since DDL takes none.

Enters: nodes, and a dialect that quotes values. Leaves: text.
"""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import Any, Protocol

from peewee import SQL, Context, Model, Node, _query_val_transform
from peewee import Index as PeeweeIndex


class Wording(Protocol):
    """What reading models takes of a dialect."""

    database: Any
    names: Any

    def literal(self, value: Any, type_name: str) -> str:
        """Read: let the database quote a value."""
        ...


class LiteralContext(Context):
    """A context that writes values into the SQL, with the database's settings and ``options``.

    A per cent sign is doubled where the driver would read it as a parameter's start; `rendered`
    takes that back, together with those that the models' own SQL has doubled for the driver.
    """

    def __init__(self, dialect: Wording, **options: Any) -> None:
        super().__init__(**{**dialect.database.get_context_options(), **options})
        self.dialect = dialect

    def value(self, value: Any, converter: Any = None, add_param: bool = True) -> Context:
        if converter:
            value = converter(value)
        elif converter is None and self.state.converter:
            value = self.state.converter(value)
        if isinstance(value, Node):
            with self(converter=None):
                return self.sql(value)
        value = value.value if isinstance(value, Enum) else value  # which a driver would be given
        if isinstance(value, Decimal | float) and Decimal(value).is_finite():
            return self.literal(str(value))
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if value is None or is_number or _is_plain(value):
            text = _query_val_transform(value)
        else:
            text = self.dialect.literal(value, "text")
        return self.literal(escaped(self.dialect.database, text))


def _is_plain(value: object) -> bool:
    """Tell text that needs no quoting: Peewee before 4.0 does not double quotes in a literal."""
    return isinstance(value, str) and value.isprintable() and not set(value) & {"'", "\\"}


def escaped(database: Any, sql: str) -> str:
    """Return SQL as Peewee sends it, always with parameters: drivers whose parameter is ``%s``
    read a per cent sign as the start of one, so that each is doubled.
    """
    return sql.replace("%", "%%") if database.param == "%s" else sql


def rendered(context: Context) -> str:
    """Return the statement that the driver would send for a context without parameters."""
    sql = str(context.query()[0])
    return sql.replace("%%", "%") if context.state.param == "%s" else sql


def render(dialect: Wording, node: Any) -> str:
    """Return a node, or SQL in a string, as text."""
    node = SQL(node) if isinstance(node, str) else node
    return rendered(LiteralContext(dialect).sql(node))


def index_sql(dialect: Wording, model: type[Model], index: Node) -> str:
    """Return the CREATE INDEX statement of one of a model's indexes."""
    if isinstance(index, PeeweeIndex):
        index = index.safe(False)
    context = LiteralContext(dialect, **model._schema.context_options)
    return rendered(context.sql(index))
