"""A crew of worker processes that start an order at the same moment, and can be killed.

Enters: orders, see `tests.support.workers`. Leaves: their answers, None from one that was killed.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

Order = dict[str, Any]
Answer = dict[str, Any]
ROOT = Path(__file__).parents[2]
SECONDS = 90.0  # after which a worker hangs


class Hangs(AssertionError):
    """A worker did not answer in time."""


class Worker:
    """One process, which does one order after the other."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.workers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self.pid = self.process.pid
        self.dead = False
        self.busy = False
        self._read = b""

    def send(self, order: Order) -> None:
        """Give an order; the worker makes ready for it meanwhile."""
        self.busy = True
        self._say(json.dumps(order))

    def ready(self) -> None:
        """Wait until the worker is ready for the signal."""
        assert self._line(SECONDS) == "ready"

    def go(self) -> None:
        """Give the signal, which also ends a job that goes on until then."""
        self._say("go")

    def answer(self, seconds: float = SECONDS) -> Answer | None:
        """Return the answer, or None when the worker was killed; then it is dead."""
        line = self._line(seconds)
        self.busy = False
        if line:
            return dict(json.loads(line))
        self.close()
        return None

    def do(self, order: Order, seconds: float = SECONDS) -> Answer:
        """Give an order and the signal, and return the answer."""
        self.begin(order)
        answer = self.answer(seconds)
        assert answer is not None, "the worker was killed"
        return answer

    def begin(self, order: Order) -> None:
        """Give an order and the signal."""
        self.send(order)
        self.ready()
        self.go()

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def resume(self) -> None:
        """Let a paused process go on."""
        os.kill(self.pid, signal.SIGCONT)

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.kill(self.pid, signal.SIGINT)

    def terminate(self) -> None:
        """Ask the process to end, as a supervisor does."""
        os.kill(self.pid, signal.SIGTERM)

    def close(self) -> None:
        """End the process, whatever it does."""
        self.dead = True
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(BrokenPipeError):
                pipe.close()  # type: ignore[union-attr]

    def _say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def _line(self, seconds: float) -> str:
        """Return the next line, "" at the end; nothing is read ahead but what is kept here."""
        assert self.process.stdout is not None
        while b"\n" not in self._read:
            if not select.select([self.process.stdout], [], [], seconds)[0]:
                self.close()
                raise Hangs(f"no answer within {seconds:.0f} s")
            part = os.read(self.process.stdout.fileno(), 1 << 16)
            if not part:
                return ""
            self._read += part
        line, _, self._read = self._read.partition(b"\n")
        return line.decode()


Migrate: TypeAlias = Callable[..., Worker]
"""Lets a worker begin to migrate a URL to a release."""


class Crew:
    """Workers that are started once, and replaced when they die."""

    def __init__(self) -> None:
        self._workers: list[Worker] = []

    def take(self, count: int) -> list[Worker]:
        """Return this many workers, the same ones each time."""
        for worker in self._workers:
            if worker.process.poll() is not None and not worker.dead:
                worker.close()
        self._workers = [worker for worker in self._workers if not worker.dead]
        while len(self._workers) < count:
            self._workers.append(Worker())
        return self._workers[:count]

    def do(self, order: Order, seconds: float = SECONDS) -> Answer:
        """Let one worker do an order."""
        return self.take(1)[0].do(order, seconds)

    def together(self, orders: Sequence[Order]) -> list[Answer]:
        """Let as many workers start at the same moment, and return their answers in order."""
        workers = self.take(len(orders))
        for worker, order in zip(workers, orders, strict=True):
            worker.send(order)
        for worker in workers:
            worker.ready()
        for worker in workers:
            worker.go()
        answers = [worker.answer() for worker in workers]
        return [answer for answer in answers if answer is not None]

    def close(self) -> None:
        for worker in self._workers:
            worker.close()
        self._workers = []


@contextmanager
def crew() -> Iterator[Crew]:
    """Give a crew that ends with the block."""
    made = Crew()
    try:
        yield made
    finally:
        made.close()
