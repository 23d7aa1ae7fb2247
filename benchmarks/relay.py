"""A relay that delays what it passes on, in each direction: a network between two programs.

It listens on a Unix socket, so nothing leaves the machine, and runs in a process of its own, so
that it takes no time from the one that is measured. Delays overlap: they slow down the first byte
of an answer, not its bandwidth.
"""

from __future__ import annotations

import multiprocessing
import queue
import re
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from psycopg2.extensions import parse_dsn

DELAY = 0.0005
_OVERSLEEP = 0.00006  # Linux wakes a sleeper up to 50 µs late


@contextmanager
def delayed(url: str, seconds: float = DELAY) -> Iterator[str]:
    """Give a URL that leads to the same PostgreSQL database with a delay each way."""
    target = parse_dsn(url)
    host, port = target.get("host", "localhost"), target.get("port", "5432")
    with tempfile.TemporaryDirectory(prefix="relay-") as folder:
        path = f"{folder}/.s.PGSQL.5432"
        process = multiprocessing.get_context("spawn").Process(
            target=_serve, args=(path, host, int(port), seconds), daemon=True
        )
        process.start()
        try:
            while not Path(path).exists():
                time.sleep(0.01)
            user = quote(target.get("user", ""), safe="")
            password = quote(target.get("password", ""), safe="")
            name = re.sub(r"[?#].*", "", target["dbname"])
            yield f"postgresql://{user}:{password}@/{name}?host={folder}"
        finally:
            process.terminate()
            process.join()


def _serve(path: str, host: str, port: int, seconds: float) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    while True:
        client, _ = listener.accept()
        server = _connect(host, port)
        _pass_on(client, server, seconds)
        _pass_on(server, client, seconds)


def _connect(host: str, port: int) -> socket.socket:
    if not host.startswith("/"):
        return socket.create_connection((host, port))
    server = socket.socket(socket.AF_UNIX)
    server.connect(f"{host}/.s.PGSQL.{port}")
    return server


def _pass_on(source: socket.socket, target: socket.socket, seconds: float) -> None:
    """Start two threads: one notes when each piece came, the other sends it when it is due."""
    pieces: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()

    def receive() -> None:
        piece = b"."
        while piece:
            try:
                piece = source.recv(1 << 16)
            except OSError:
                piece = b""
            pieces.put((time.monotonic() + seconds - _OVERSLEEP, piece))

    def send() -> None:
        try:
            while True:
                due, piece = pieces.get()
                time.sleep(max(0.0, due - time.monotonic()))
                if not piece:
                    target.shutdown(socket.SHUT_WR)
                    return
                target.sendall(piece)
        except OSError:
            source.close()

    threading.Thread(target=receive, daemon=True).start()
    threading.Thread(target=send, daemon=True).start()
