"""The database that a command line names by a URL.

Enters: a URL. Leaves: a database, not connected. Reads no models.
"""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from peewee import Database, ImproperlyConfigured
from playhouse import db_url

from ..errors import AutoMigrateError

# Where one release of Peewee lacks a scheme that another has, this one reaches the same database.
_ALIASES = {"sqliteext": "sqlite", "psycopg3": "postgresql"}


def open_url(url: str) -> Database:
    """Return the database of a URL, not connected yet.

    Raises `AutoMigrateError`; no text of it shows the URL, which may hold a password.
    """
    scheme = url.partition("://")[0] if "://" in url else ""
    kind = scheme.partition("+")[0]
    if scheme not in db_url.schemes and kind in _ALIASES:
        url, scheme = (text.replace(kind, _ALIASES[kind], 1) for text in (url, scheme))
    if scheme not in db_url.schemes:
        known = ", ".join(sorted(name for name in db_url.schemes if "+" not in name))
        raise AutoMigrateError(
            f"the database URL has the scheme {scheme[:20]!r}, which is unknown or lacks its "
            f"driver. Use one of: {known}."
        )
    try:
        user = urlsplit(url).username
        login = {"user": unquote(user)} if user else {}  # Peewee 3.17 leaves it quoted
        database = db_url.connect(url, unquote_password=True, **login)
        if database.deferred:
            raise ValueError("no name")
    except ImproperlyConfigured as error:
        raise AutoMigrateError(f"{scheme}: {error}") from None
    except Exception as error:
        raise AutoMigrateError(
            f"the database URL can't be read ({type(error).__name__}). "
            f"Write {scheme}://user:password@host/name, or sqlite:///file.db."
        ) from None
    return database
