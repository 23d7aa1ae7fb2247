"""A real Galera cluster for tests: three nodes of MariaDB on the loopback interface.

The nodes have data folders of their own, and join the first one by a state transfer (rsync). They
run as the user mysql where the tests run as root, since rsync fails as root.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import peewee
from playhouse.db_url import connect

from tests.support import kills
from tests.support.crew import Answer, Crew
from tests.support.mysql_servers import SETTINGS, START_SECONDS, MysqlServer, find_program
from tests.support.places import Places, ask, facts
from tests.support.rounds import order, undisturbed, wrong

PROVIDER = Path("/usr/lib/galera/libgalera_smm.so")
MISSING = (
    "left out: all tests on Galera, since its programs are not there. To run them: "
    "apt-get install mariadb-server galera-4 rsync"
)
NODES = 3
LEFT_OUT = ("--skip-networking", "--skip-log-bin")


class Cluster:
    """Nodes by number, each of which can be stopped, killed and started again."""

    def __init__(self, program: str, folder: Path) -> None:
        self.program, self.folder = program, folder
        ports = free_ports(4 * NODES)
        self.ports = ports[:NODES]
        self._groups, self._transfers, self._states = (
            ports[NODES * part : NODES * part + NODES] for part in (1, 2, 3)
        )
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def url(self, number: int, name: str = "mysql") -> str:
        return f"mysql://root@127.0.0.1:{self.ports[number]}/{name}?charset=utf8mb4"

    @property
    def server(self) -> MysqlServer:
        """The cluster as its first node shows it."""
        return MysqlServer("galera", self.url(0))

    def over(self, number: int, url: str) -> str:
        """Return the URL of a database over another node, by its number, which may be any."""
        port = self.ports[number % NODES]
        return re.sub(r"(127\.0\.0\.1):\d+", rf"\1:{port}", url, count=1)

    def cut_off(self, number: int, *, back: bool = False) -> None:
        """Close a node's ports for the other nodes, or open them again; don't wait."""
        ask(
            self.url(number),
            f"SET GLOBAL wsrep_provider_options = 'gmcast.isolate={int(not back)}'",
        )

    def start(self, number: int, *, first: bool = False) -> None:
        """Start a node, and wait until it is one of the cluster's."""
        folder = self.folder / f"node{number}"
        if not folder.exists():
            self._make(folder, install=first)
        members = [] if first else [f"127.0.0.1:{port}" for port in self._groups]
        options = (
            f"gmcast.listen_addr=tcp://127.0.0.1:{self._groups[number]};gcache.size=8M;"
            f"ist.recv_addr=127.0.0.1:{self._states[number]};evs.suspect_timeout=PT2S;evs.keepalive_period=PT0.3S;"
            "evs.inactive_timeout=PT4S"
        )
        words = [
            *_settings(folder),
            *("--bind-address=127.0.0.1", f"--port={self.ports[number]}", "--wsrep-on=ON"),
            *(f"--wsrep-provider={PROVIDER}", f"--wsrep-provider-options={options}"),
            f"--wsrep-cluster-address=gcomm://{','.join(members)}",
            *("--wsrep-node-address=127.0.0.1", "--wsrep-sst-method=rsync"),
            f"--wsrep-sst-receive-address=127.0.0.1:{self._transfers[number]}",
            *("--binlog-format=ROW", "--innodb-autoinc-lock-mode=2"),
            "--wsrep-auto-increment-control=OFF",  # Rows have the same numbers as elsewhere.
            *(f"--socket={folder / 's'}", f"--pid-file={folder / 'pid'}"),
        ]
        with (folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [self.program, *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes[number] = process
        self.wait(number)

    def wait(self, number: int, state: str = "Synced", seconds: float = START_SECONDS) -> None:
        """Wait until a node says that it is in a state."""
        deadline = time.monotonic() + seconds
        while self.state(number) != state:
            if self._processes[number].poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.folder / f"node{number}" / "log").read_text()[-4000:])
            time.sleep(0.1)

    def state(self, number: int) -> str:
        """Return what a node says of itself, "" when it does not answer."""
        with suppress(peewee.PeeweeException), closing(connect(self.url(number))) as database:
            rows = database.execute_sql("SHOW STATUS LIKE 'wsrep_local_state_comment'").fetchall()
            return str(rows[0][1]) if rows else ""
        return ""

    def kill(self, number: int) -> None:
        """Kill a node by SIGKILL, with all that it has started."""
        self._signal(number, signal.SIGKILL)
        self._processes.pop(number).wait()

    def close(self) -> None:
        """Kill all nodes; nothing of them stays."""
        for number in list(self._processes):
            self.kill(number)

    def _signal(self, number: int, name: signal.Signals) -> None:
        with suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(self._processes[number].pid, name)

    def _make(self, folder: Path, *, install: bool) -> None:
        for name in ("", "data", "tmp"):
            (folder / name).mkdir()
        if os.geteuid() == 0:
            for name in ("", "data", "tmp"):
                shutil.chown(folder / name, "mysql", "mysql")
        if install:
            command = ["mariadb-install-db", *_settings(folder), "--skip-test-db"]
            with (folder / "log").open("ab") as log:
                subprocess.run(
                    [*command, "--auth-root-authentication-method=normal"],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    check=True,
                )


def _settings(folder: Path) -> Sequence[str]:
    words = [word for word in SETTINGS if word not in LEFT_OUT]
    words += [f"--datadir={folder / 'data'}", f"--tmpdir={folder / 'tmp'}"]
    return [*words, *(["--user=mysql"] if os.geteuid() == 0 else [])]


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on just now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


@contextmanager
def run_cluster() -> Iterator[Cluster | None]:
    """Run a cluster; None where its programs are not there."""
    program = find_program("mariadbd")
    if not program or not PROVIDER.exists() or not shutil.which("rsync"):
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="galera-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        cluster = Cluster(program, folder)
        try:
            for number in range(NODES):
                cluster.start(number, first=number == 0)
            yield cluster
        finally:
            cluster.close()


# What is done to it, in the tests and in the long run.

LEASE = 0.6  # seconds, where somebody is killed


def one_round(
    crew: Crew, cluster: Cluster, places: Places, *, processes: int, grown: bool
) -> list[str]:
    """Let processes on all nodes migrate a fresh database; say what was wrong."""
    wanted = undisturbed(crew, places, grown)
    with places.given(grown) as url:
        urls = [cluster.over(number, url) for number in range(processes)]
        return wrong(crew.together([order(one) for one in urls]), url, wanted, processes)


def holding_rounds(
    crew: Crew, cluster: Cluster, places: Places, *, processes: int, rounds: int, die: float
) -> tuple[int, int, list[str]]:
    """Let processes on all nodes take the lock by turns, and some die inside; return how many
    entries and deaths there were, and what was wrong.
    """
    with places.empty() as url:
        ask(url, "CREATE TABLE inside (who VARCHAR(20) NOT NULL, entries INT NOT NULL)")
        ask(url, "INSERT INTO inside VALUES ('', 0)")
        more = {"do": "hold", "rounds": rounds, "die": die, "lease": LEASE}
        urls = [cluster.over(number, url) for number in range(processes)]
        answers: list[Answer] = crew.together([{"url": one, **more} for one in urls])
        ((entries,),) = ask(url, "SELECT entries FROM inside")
        return entries, processes - len(answers), [line for a in answers for line in a["found"]]


def node_lost(crew: Crew, cluster: Cluster, places: Places, statement: int, how: str) -> list[str]:
    """Kill the node that a migration talks to, or cut it off, before the n-th statement; say what
    is wrong after the next run on another node. The node is there again then.
    """
    wanted = undisturbed(crew, places, True)
    with places.grown() as url:
        worker = crew.take(1)[0]
        pause = {"statement": statement, "when": "before", "by": signal.SIGSTOP}
        worker.begin(order(cluster.over(2, url), kill=pause, lease=LEASE))
        kills.wait_stopped(worker)
        cluster.kill(2) if how == "killed" else cluster.cut_off(2)
        worker.resume()
        answer = worker.answer()
        found = [] if answer and answer["error"] else [f"it ended as if nothing was: {answer}"]
        found += kills.after(cluster.over(1, url), wanted)
        if how == "killed":
            cluster.start(2)
        else:
            cluster.cut_off(2, back=True)
            cluster.wait(2)
        found += [] if facts(cluster.over(2, url)) == wanted else ["the node differs"]
        return [f"{how} before statement {statement}: {line}" for line in found]
