"""Two releases of one application, bound to a database: in the later one, all kinds are new."""

from __future__ import annotations

import uuid

from peewee import (
    CharField,
    Database,
    DateTimeField,
    ForeignKeyField,
    IntegerField,
    Model,
    MySQLDatabase,
    TextField,
    UUIDField,
)

from tests.support.fields import model

Models = list[type[Model]]


def before(database: Database) -> Models:
    """Return the models of an earlier release."""
    author = model(database, "author", {"name": CharField()})
    return [author, model(database, "post", {"title": TextField(), "length": IntegerField()})]


def after(database: Database) -> Models:
    """Return the models of a later release: something of every kind is new."""
    fields = {
        "name": CharField(index=True),
        "motto": CharField(null=True),
        "share": CharField(default='it\'s 100% "so"; -- said\nhe'),
        "token": UUIDField(default=uuid.uuid4, unique=True),
    }
    author = model(database, "author", fields, indexes=((("name", "motto"), False),))
    fields = {
        "title": TextField(),
        "length": IntegerField(),
        "author": ForeignKeyField(author, null=True, on_delete="CASCADE"),
        "created": DateTimeField(null=True),
    }
    post = model(database, "post", fields)
    where = None if isinstance(database, MySQLDatabase) else post.length > 5
    post.add_index(post.index(post.title, where=where, name="long_posts"))
    comment = model(database, "comment", {"post": ForeignKeyField(post), "text": TextField()})
    return [author, post, comment]


def with_rows(database: Database) -> None:
    """Write: make the earlier release's tables, and rows in them."""
    models = before(database)
    database.create_tables(models)
    models[0].insert_many([{"name": name} for name in ("ann", "bob", "cid")]).execute()
    models[1].insert_many([{"title": t, "length": 7} for t in ("one", "two")]).execute()


def grown(database: Database) -> Models:
    """Write: give a database of the earlier release, and return the models of the later one."""
    with_rows(database)
    return after(database)
