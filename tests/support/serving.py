"""Real servers as child programs, spoken to over HTTP; each is gone when its block ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0  # seconds for a server that starts beside many others
# What werkzeug, then gunicorn, say when they listen.
LISTENS = re.compile(r"(?:Running on|Listening at:) (http://127\.0\.0\.1:\d+)")

Found = TypeVar("Found")


@dataclass(frozen=True)
class Reply:
    status: int
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True)
class Served:
    """A server at ``url``, which writes all that it says to ``log``."""

    url: str
    log: Path

    def get(self, path: str) -> Reply:
        return self._send(urllib.request.Request(self.url + path))

    def post(self, path: str, body: Any, kind: str = "application/json") -> Reply:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": kind}
        return self._send(urllib.request.Request(self.url + path, data, headers))

    def _send(self, request: urllib.request.Request) -> Reply:
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
                return Reply(reply.status, reply.read().decode())
        except urllib.error.HTTPError as error:
            return Reply(error.code, error.read().decode())


def until(look: Callable[[], Found | None], what: Callable[[], str]) -> Found:
    """Look again and again until something is found; fail with ``what`` after a minute."""
    deadline = time.monotonic() + PATIENCE
    while (found := look()) is None:
        assert time.monotonic() < deadline, what()
        time.sleep(0.02)
    return found


@contextmanager
def served(words: Sequence[str], folder: Path, **env: str) -> Iterator[Served]:
    """Run a server in ``folder``, and wait until it answers on the port that it has chosen.

    It and all its children end with the block.
    """
    log = folder / "server.log"
    with _running(words, folder, log, env) as process:
        server = Served(until(lambda: _address(process, log), log.read_text), log)
        until(lambda: _answers(server), log.read_text)
        yield server


def ended(words: Sequence[str], folder: Path, **env: str) -> tuple[int, str]:
    """Run a program in ``folder`` to its end; return its exit code, and all that it said.

    None of its children outlives it.
    """
    log = folder / "program.log"
    with _running(words, folder, log, env) as process:
        return process.wait(PATIENCE), log.read_text()


@contextmanager
def _running(
    words: Sequence[str], folder: Path, log: Path, env: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("w") as out:
        process = subprocess.Popen(
            words,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **env},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _end(process)


def _address(process: subprocess.Popen[bytes], log: Path) -> str | None:
    text = log.read_text()
    assert process.poll() is None, text
    found = LISTENS.search(text)
    return found[1] if found else None


def _answers(server: Served) -> Reply | None:
    try:
        return server.get("/")
    except OSError:
        return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the whole group: a reloader leaves its child behind, a killed gunicorn its workers."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(PATIENCE)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
