"""A relay between a client and its server that cuts the line after so many pieces.

Enters: the URL of a server over a Unix socket. Leaves: one that leads through the relay.
"""

from __future__ import annotations

import re
import select
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote

Direction = Literal["to the server", "to the client"]


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
