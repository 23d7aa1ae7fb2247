"""A relay between a client and its server that cuts the line after so many pieces.

Enters: the URL of a server over a Unix socket. Leaves: one that leads through the relay, and what
was wrong after a run over it.
"""

from __future__ import annotations

import re
import select
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote

from peewee_automigrate import AutoMigrateError, migrate
from tests.support import kills
from tests.support.catalogue import Facts
from tests.support.places import Places, advisory_locks
from tests.support.workers import database_of, second

Direction = Literal["to the server", "to the client"]
LOST = re.compile("closed|lost|terminated|gone away|reading|Broken|packet|abort", re.IGNORECASE)


@dataclass
class Cut:
    """Where the line is cut: before the n-th piece of a direction is passed on; 0 is never."""

    direction: Direction
    number: int = 0
    passed: dict[str, int] = field(default_factory=dict)

    def comes(self, direction: str) -> bool:
        """Count a piece, and tell whether it is the one."""
        self.passed[direction] = self.passed.get(direction, 0) + 1
        return direction == self.direction and self.passed[direction] == self.number


@contextmanager
def relayed(url: str, cut: Cut) -> Iterator[str]:
    """Give the URL of the same database over a line that is cut once."""
    option = "unix_socket" if url.startswith("mysql") else "host"
    found = re.search(rf"[?&]{option}=([^&]*)", url)
    assert found, url
    target = unquote(found[1]) + ("" if option == "unix_socket" else "/.s.PGSQL.5432")
    with tempfile.TemporaryDirectory(prefix="cut-") as folder, socket.socket(socket.AF_UNIX) as own:
        own.bind(f"{folder}/.s.PGSQL.5432")
        own.listen()
        threading.Thread(target=_accept, args=(own, target, cut), daemon=True).start()
        name = folder if option == "host" else f"{folder}/.s.PGSQL.5432"
        yield url.replace(found[1], name)
        with suppress(OSError):
            own.shutdown(socket.SHUT_RDWR)


def _accept(own: socket.socket, target: str, cut: Cut) -> None:
    with suppress(OSError):
        while True:
            client = own.accept()[0]
            server = socket.socket(socket.AF_UNIX)
            server.connect(target)
            threading.Thread(target=_pass_on, args=(client, server, cut), daemon=True).start()


def _pass_on(client: socket.socket, server: socket.socket, cut: Cut) -> None:
    """Pass pieces on until one end is closed, or the line is cut."""
    others = {client: (server, "to the server"), server: (client, "to the client")}
    with client, server, suppress(OSError):
        while True:
            for source in select.select(list(others), [], [])[0]:
                target, direction = others[source]
                piece = source.recv(1 << 16)
                if not piece or cut.comes(direction):
                    return
                target.sendall(piece)


def run(url: str) -> Exception | None:
    """Write: migrate, and return the error."""
    database = database_of(url)
    try:
        migrate(database, second(database), online_rows=0, lock_wait=5)
    except Exception as error:
        return error
    return None


def messages(places: Places, direction: Direction, *, grown: bool) -> int:
    """Count the pieces of an undisturbed run in one direction."""
    whole = Cut(direction)
    with places.given(grown) as url, relayed(url, whole) as cut_url:
        error = run(cut_url)
    assert error is None, error
    return whole.passed[direction]


def cut_at(places: Places, cut: Cut, wanted: Facts, *, grown: bool) -> list[str]:
    """Cut a run's line once, and run again; say what was wrong."""
    with places.given(grown) as url:
        with relayed(url, cut) as cut_url:
            error = run(cut_url)
        is_told = isinstance(error, AutoMigrateError | None) or LOST.search(str(error))
        found = [] if is_told else [repr(error)]
        if is_claim_false(url, error):
            found.append(f"it stands, though: {error}")
        deadline = time.monotonic() + 10
        while advisory_locks(url) and time.monotonic() < deadline:  # until the server has noticed
            time.sleep(0.02)
        found += kills.after(url, wanted)
    return [f"cut {cut.direction} at {cut.number}: {line}" for line in found]


def is_claim_false(url: str, error: Exception | None) -> bool:
    """Tell whether an error says that nothing was changed, and a new column or table stands."""
    if "Nothing was changed." not in str(error):
        return False
    database = database_of(url)
    with database.connection_context():
        if database.table_exists("author"):
            return bool({c.name for c in database.get_columns("author")} - {"id", "name"})
        return False
