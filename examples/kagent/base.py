"""What the tables of the platform share: four types and three columns."""

import json
from datetime import datetime

from peewee import SQL, BigIntegerField, DateTimeField, Model, TextField


class TimestampField(DateTimeField):
    """A moment: TIMESTAMPTZ where Peewee would write TIMESTAMP (PostgreSQL), else DATETIME."""

    def ddl_datatype(self, ctx):
        datatype = super().ddl_datatype(ctx)
        return SQL("TIMESTAMPTZ") if datatype.sql == "TIMESTAMP" else datatype


class WordField(TextField):
    """A text that is a key or has an index: VARCHAR on MySQL, which indexes no TEXT as a whole."""

    def ddl_datatype(self, ctx):
        is_mysql = ctx.state.quote == "``"
        return SQL("VARCHAR(191)") if is_mysql else super().ddl_datatype(ctx)


class JSONField(TextField):
    """A JSON document, in a column of type JSON on every database."""

    def ddl_datatype(self, ctx):
        return SQL("JSON")

    def db_value(self, value):
        return None if value is None else json.dumps(value)

    def python_value(self, value):
        return json.loads(value) if isinstance(value, str) else value


class BigSerialField(BigIntegerField):
    """A number that PostgreSQL counts up. Unlike BigAutoField it may be part of a composite key."""

    field_type = "BIGAUTO"


class BaseModel(Model):
    """The moments that every table keeps. A row is deleted by setting `deleted_at`."""

    created_at = TimestampField(null=True, default=datetime.now)
    updated_at = TimestampField(null=True, default=datetime.now)
    deleted_at = TimestampField(null=True)

    class Meta:
        primary_key = False  # Each table names its own.
