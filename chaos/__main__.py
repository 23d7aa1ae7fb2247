"""The long run: many processes, kills everywhere, broken lines, busy tables, a release under load.

    python -m chaos [--rounds 100] [--processes 32] [--kills 200] [--rows 1000000] [--only PART ...]

Prints what it measured, and what was wrong; the exit code is 1 when anything was.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import signal
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import peewee

from peewee_automigrate.dialects.mysql import lease
from tests.support import blockers, galera, kills, rolling, rounds
from tests.support.crew import Crew, crew
from tests.support.cutting import Cut, Direction, cut_at, messages
from tests.support.galera import Cluster
from tests.support.mysql_servers import main_mysql
from tests.support.places import Places, ask
from tests.support.servers import main_postgres

MISSING = "left out: MySQL and MariaDB, since no server is there (apt-get install mariadb-server)"
MOST = {"mysql": 16}  # processes of a round
PARTS = ("rounds", "kills", "cuts", "blockers", "release", "galera")
HOLD = 2.0  # seconds for which somebody is busy with a table
LOCK_TIMEOUT = 0.5
GENEROUS = 1.0


class Chaos:
    """Runs the parts and keeps what was wrong."""

    def __init__(self, crew: Crew, places: dict[str, Places], options: argparse.Namespace) -> None:
        self.crew = crew
        self.places = places
        self.options = options
        self.wrong: list[str] = []

    def note(self, what: str, found: list[str]) -> None:
        for line in found:
            self.wrong.append(f"{what}: {line}")
            print(f"  WRONG {what}: {line}"[:2000], flush=True)

    def rounds(self) -> None:
        """Processes that start at the same moment."""
        count = self.options.rounds
        print(f"\n{count} rounds of many processes each: exactly one applies, all end well")
        for kind, places in self.places.items():
            processes = min(self.options.processes, MOST.get(kind, self.options.processes))
            for grown in (False, True):
                taken, slowest = [], 0.0
                for number in range(count):
                    started = time.monotonic()
                    answers, found = rounds.one_round(
                        self.crew, places, processes=processes, grown=grown
                    )
                    taken.append(time.monotonic() - started)
                    slowest = max([slowest, *(answer["duration"] for answer in answers)])
                    self.note(f"{kind} round {number}", found)
                print(
                    f"  {kind:9} {'an upgrade' if grown else 'from empty'}: a round of {processes} "
                    f"processes took {statistics.median(taken):.2f} s (median), the slowest one "
                    f"{slowest:.2f} s",
                    flush=True,
                )

    def kills(self) -> None:
        """SIGKILL before each statement, after the last, at random moments, during builds."""
        done = 0
        for kind, places in self.places.items():
            here = 0
            for grown in (True, False):
                for number, when in self._boundaries(places, grown):
                    found = kills.kill_at(
                        self.crew, places, number, when, grown=grown, writes=False
                    )
                    self.note(f"{kind} kill", found)
                    here += 1
            print(f"\n{here} kills of {kind}, before each statement and after the last", flush=True)
            done += here
        builds = self.options.kills // 10
        for _ in range(builds):
            seconds = random.uniform(0.05, 1.0)
            self.note(
                "kill", kills.kill_while_building(self.crew, self.places["postgres"], seconds)
            )
        left = max(self.options.kills - done - builds, self.options.kills // 4)
        kinds = list(self.places)
        for number in range(left):
            kind = kinds[number % len(kinds)]
            found = kills.kill_randomly(
                self.crew, self.places[kind], 0.4 if kind == "sqlite" else 1.0, grown=number % 4 < 3
            )
            self.note(f"{kind} random kill", found)
        print(f"{builds} kills during an online build, {left} at random moments")
        print(f"{done + builds + left} kills; after each the next run completed", flush=True)

    def _boundaries(self, places: Places, grown: bool) -> Iterator[tuple[int, str]]:
        count = kills.statements(self.crew, places, grown=grown, writes=False)
        numbers = range(1, count + 1, self.options.stride)
        yield from ((number, "before") for number in numbers)
        yield count, "after"

    def cuts(self) -> None:
        """The line to a server breaks before each message, in each direction."""
        directions: tuple[Direction, ...] = ("to the server", "to the client")
        print()
        for kind, places in self.places.items():
            if kind == "sqlite":
                continue
            done, started = 0, time.monotonic()
            for direction in directions:
                for grown in (True, False):
                    wanted = rounds.undisturbed(self.crew, places, grown)
                    count = messages(places, direction, grown=grown)
                    for number in range(1, count + 1, self.options.stride):
                        cut = Cut(direction, number)
                        self.note(f"{kind} cut", cut_at(places, cut, wanted, grown=grown))
                        done += 1
            print(f"{done} cuts of {kind}'s line, {time.monotonic() - started:.0f} s", flush=True)

    def blockers(self) -> None:
        """Somebody is busy with the table that a migration changes."""
        print(
            f"\nThe longest wait of other clients, in ms, while somebody is busy with the table "
            f"for {HOLD:.0f} s\n(lock_timeout {LOCK_TIMEOUT} s; read / write, then the migration "
            "in s)"
        )
        print(f"  {'':34}" + "".join(f"{change[:26]:>28}" for change in blockers.CHANGES))
        for blocker in blockers.BLOCKERS:
            line = f"  {blocker:34}"
            for change in blockers.CHANGES:
                waits = blockers.cell(
                    self.crew, self.places["postgres"], blocker, change, HOLD, LOCK_TIMEOUT
                )
                found = list(waits.problems)
                if waits.longest > LOCK_TIMEOUT + GENEROUS:
                    found.append(f"others waited {waits.longest:.2f} s")
                self.note(f"{blocker}, {change}", found)
                milliseconds = f"{waits.reader * 1000:.0f} / {waits.writer * 1000:.0f}"
                line += f"{f'{milliseconds}, {waits.migration:.1f}':>28}"
            print(line, flush=True)

    def release(self) -> None:
        """Two columns, a unique index and a foreign key for a table of many rows, in use."""
        rolled = rolling.roll(self.crew, self.places["postgres"], self.options.rows, pause=1.0)
        found = list(rolled.problems)
        if max(rolled.reader, rolled.writer) > 3.0 + GENEROUS:
            found.append(f"somebody waited {max(rolled.reader, rolled.writer):.2f} s")
        self.note("release", found)
        print(
            f"\nA table of {rolled.rows:,} rows gets two columns, a unique index and a foreign key"
            f"\n  in {rolled.migration:.1f} s. The previous release meanwhile: errors "
            f"{len(rolled.problems)};\n  {rolled.reads:,} reads, the longest "
            f"{rolled.reader * 1000:.0f} ms; {rolled.writes:,} writes, "
            f"the longest {rolled.writer * 1000:.0f} ms.",
            flush=True,
        )

    def galera(self) -> None:
        """Three nodes: many at once, kills of processes and of nodes, nodes that are cut off."""
        with ExitStack() as stack:
            cluster = stack.enter_context(galera.run_cluster())
            if cluster is None:
                print(galera.MISSING)
                return
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
            places = Places("mysql", cluster.server, folder)
            stack.callback(places.close)
            lease.SECONDS = galera.LEASE
            self._galera_rounds(cluster, places)
            self._galera_kills(cluster, places)

    def _galera_rounds(self, cluster: Cluster, places: Places) -> None:
        count = max(self.options.rounds // 5, 1)
        for grown in (False, True):
            for number in range(count):
                found = galera.one_round(self.crew, cluster, places, processes=24, grown=grown)
                self.note(f"galera round {number}", found)
        print(f"\n{2 * count} rounds of 24 processes on three nodes", flush=True)
        entries, deaths, found = galera.holding_rounds(
            self.crew, cluster, places, processes=24, rounds=10, die=0.04
        )
        self.note("galera lease", found)
        print(f"{entries} holders of the lease by turns, of which {deaths} died", flush=True)

    def _galera_kills(self, cluster: Cluster, places: Places) -> None:
        done = 0
        for grown in (True, False):
            for number, when in self._boundaries(places, grown):
                found = kills.kill_at(
                    *(self.crew, places, number, when),
                    grown=grown,
                    writes=False,
                    elsewhere=lambda url: cluster.over(1, url),
                )
                self.note("galera kill", found)
                done += 1
        print(f"{done} kills, before each statement and after the last", flush=True)
        count = kills.statements(self.crew, places, grown=True, writes=True)
        for number in range(1, count + 1, 4):
            for how in ("killed", "cut off"):
                self.note("galera node", galera.node_lost(self.crew, cluster, places, number, how))
        print(
            f"{2 * len(range(1, count + 1, 4))} nodes killed or cut off in the middle", flush=True
        )


def print_machine(places: dict[str, Places]) -> None:
    with places["postgres"].empty() as url:
        ((server,),) = ask(url, "SHOW server_version")
    others = ""
    if "mysql" in places:
        with places["mysql"].empty() as url:
            ((others,),) = ask(url, "SELECT concat(', MySQL or MariaDB ', version())")
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    print(
        f"{os.cpu_count()} cores of {names[0] if names else platform.machine()}, "
        f"Python {platform.python_version()}, Peewee {peewee.__version__}, "
        f"SQLite {sqlite3.sqlite_version}, PostgreSQL {server}{others}"
    )
    if "mysql" not in places:
        print(MISSING)


@contextmanager
def opened(options: argparse.Namespace) -> Iterator[Chaos]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        server = stack.enter_context(main_postgres())
        places = {
            "sqlite": Places("sqlite", None, folder),
            "postgres": Places("postgres", server, folder),
        }
        mysql = stack.enter_context(main_mysql())
        if mysql:
            places["mysql"] = Places("mysql", mysql, folder)
        print_machine(places)
        yield Chaos(stack.enter_context(crew()), places, options)
        for one in places.values():
            one.close()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--processes", type=int, default=32)
    parser.add_argument("--kills", type=int, default=200, help="at least so many")
    parser.add_argument("--stride", type=int, default=1, help="kill at every n-th statement only")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server ends too
    started = time.monotonic()
    with opened(options) as chaos:
        for part in options.only:
            getattr(chaos, part)()
    print(f"\n{len(chaos.wrong)} wrong, {time.monotonic() - started:.0f} s")
    return 1 if chaos.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
