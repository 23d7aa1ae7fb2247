"""A release goes out while the previous one reads and writes a table of many rows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from tests.support.crew import Crew
from tests.support.places import Places, ask


@dataclass(frozen=True)
class Rolled:
    """What a reader and a writer of the previous release saw, in seconds."""

    rows: int
    migration: float
    reads: int
    reader: float
    writes: int
    writer: float
    problems: tuple[str, ...]
    log: tuple[str, ...]


def roll(
    crew: Crew,
    places: Places,
    rows: int,
    release: str = "big",
    pause: float = 0.2,
    **options: Any,
) -> Rolled:
    """Migrate a table with so many rows while two clients use it; ``options`` are migrate's."""
    with places.grown(rows) as url:
        if url.startswith("postgres"):
            ask(url, "ANALYZE")
        migrator, reader, writer = crew.take(3)
        migrator.send({"do": "migrate", "url": url, "release": release, "options": options})
        reader.send({"do": "read", "url": url})
        writer.send({"do": "write", "url": url, "row": rows})
        for worker in (reader, writer, migrator):
            worker.ready()
        reader.go()
        writer.go()
        time.sleep(pause)
        started = time.monotonic()
        migrator.go()
        done = migrator.answer(600.0)
        took = time.monotonic() - started
        time.sleep(pause)
        reader.go()
        writer.go()
        read, written = reader.answer(), writer.answer()
    assert done and read and written, "a worker died"
    problems = [f"migrate: {done['error']}: {done['text']}"] if done["error"] else []
    problems += [f"read: {error}" for error in read["errors"]]
    problems += [f"write: {error}" for error in written["errors"]]
    return Rolled(
        rows,
        took,
        read["count"],
        read["longest"],
        written["count"],
        written["longest"],
        tuple(problems),
        tuple(done["log"]),
    )
