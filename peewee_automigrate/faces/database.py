"""The database that a command line names by a URL.

Enters: a URL. Leaves: a database, not connected. Reads no models.
"""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from peewee import Database, ImproperlyConfigured, SqliteDatabase
from playhouse import db_url

from ..errors import AutoMigrateError

# Where one release of Peewee lacks a scheme that another has, this one reaches the same database.
_ALIASES = dict.fromkeys(("sqliteext", "sqlite3"), "sqlite")
_ALIASES |= {"psycopg3": "postgresql", "mariadb": "mysql"}
# What SQLAlchemy and others write; the installed driver reaches the same database.
_DRIVER = re.compile(
    r"\A(\w+)\+(?:psycopg\w*|asyncpg|pg8000|\w*mysql\w*|mariadb\w*|asyncmy|(?:py|aio)sqlite3?)://"
)
_FILE = re.compile(r"[^:@=?*]+\.(?:db3?|sqlite3?)", re.IGNORECASE)


def open_url(url: str) -> Database:
    """Return the database of a URL, not connected yet.

    Raises `AutoMigrateError`; no text of it shows the URL, which may hold a password.
    """
    if _FILE.fullmatch(url):
        return SqliteDatabase(url)
    url = _DRIVER.sub(r"\1://", url)
    scheme = url.partition("://")[0] if "://" in url else ""
    kind = scheme.partition("+")[0]
    if scheme not in db_url.schemes and kind in _ALIASES:
        url, scheme = (text.replace(kind, _ALIASES[kind], 1) for text in (url, scheme))
    if scheme not in db_url.schemes:
        known = ", ".join(sorted(name for name in db_url.schemes if "+" not in name))
        raise AutoMigrateError(
            f"the database URL has the scheme {scheme[:20]!r}, which is unknown or lacks its "
            f"driver. Use one of: {known}; such as sqlite:///shop.db."
        )
    try:
        parts = urlsplit(url)
        if "sqlite" in scheme and parts.netloc:
            raise ValueError("a host")
        user = parts.username
        login = {"user": unquote(user)} if user else {}  # Peewee 3.17 leaves it quoted
        database = db_url.connect(url, unquote_password=True, **login)
        if database.deferred:
            raise ValueError("no name")
    except ImproperlyConfigured as error:
        raise AutoMigrateError(f"{scheme}: {error}") from None
    except Exception as error:
        form = "sqlite:///file.db" if "sqlite" in scheme else f"{scheme}://user:password@host/name"
        raise AutoMigrateError(
            f"the database URL can't be read ({type(error).__name__}). Write {form}."
        ) from None
    return database
