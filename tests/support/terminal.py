"""A terminal of a known width, in which a program runs to its end."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Sequence
from pathlib import Path

SECONDS = 60.0  # after which a program is taken for stuck
ERASE = "\r\x1b[K"


def on_terminal(
    words: Sequence[str], folder: Path, columns: int, **env: str
) -> tuple[int | None, str]:
    """Run a program, and return its exit code and all that it wrote to the terminal."""
    ours, theirs = os.openpty()
    try:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        process = subprocess.Popen(
            words,
            cwd=folder,
            env={**without_sizes(), "TERM": "xterm", **env},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
    finally:
        os.close(theirs)
    try:
        output = read_to_end(ours, time.monotonic() + SECONDS)
        return process.wait(timeout=SECONDS), output.replace("\r\n", "\n")
    finally:
        os.close(ours)
        process.kill()
        process.wait()


def without_sizes() -> dict[str, str]:
    """Return the environment without what says how wide a terminal is."""
    return {name: text for name, text in os.environ.items() if name not in ("COLUMNS", "LINES")}


def read_to_end(file: int, deadline: float) -> str:
    """Read until nobody has the terminal open any more, which Linux tells by an error."""
    parts: list[bytes] = []
    while select.select([file], [], [], max(deadline - time.monotonic(), 0))[0]:
        try:
            part = os.read(file, 65536)
        except OSError:
            part = b""
        if not part:
            return b"".join(parts).decode()
        parts.append(part)
    raise TimeoutError(f"no end within {SECONDS} s: {b''.join(parts).decode()[-500:]}")


def plain(output: str) -> str:
    """Return what a person reads: without colours, and without lines that were erased."""
    last = "\n".join(line.rpartition(ERASE)[2] for line in output.split("\n"))
    return re.sub(r"\x1b\[[0-9;]*m", "", last)


def erased(output: str) -> list[str]:
    """Return the lines that were shown for a while only."""
    return [part for line in output.split("\n") for part in line.split(ERASE)[:-1] if part]
