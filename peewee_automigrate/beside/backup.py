"""A backup, before the first statement: written under another name, checked, synced, renamed.

Enters: a dialect, a folder. Leaves: a file that the database's own tools restore. Sources:
https://www.sqlite.org/backup.html, https://www.postgresql.org/docs/current/app-pgdump.html and
https://mariadb.com/kb/en/mariadb-dump/.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any

from ..dialects.base import Dialect
from ..errors import AutoMigrateError
from ..options import Options
from .history import Waiting

_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n", "\t": r"\t"})  # of an option file
log = logging.getLogger("peewee_automigrate")
_SETTINGS = ("sslmode", "sslcert", "sslkey", "sslrootcert", "options", "connect_timeout")


def target(dialect: Dialect, options: Options) -> Path:
    """Return the path of a new backup: the database, the time in UTC, the release."""
    name = Path(str(dialect.database.database).removeprefix("file:").partition("?")[0]).name
    moment = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    parts = [re.sub(r"[^\w.+]+", "_", part) for part in (name, moment, options.release) if part]
    end = {"sqlite": "db", "postgresql": "dump"}.get(dialect.name, "sql")
    stem = Path(str(options.backup), "-".join(parts))
    paths = (Path(f"{stem}{more}.{end}") for more in ("", *(f"-{n}" for n in range(2, 1000))))
    return next(path for path in paths if not path.exists())


def backup(dialect: Dialect, path: Path, options: Options, waiting: Waiting) -> None:
    """Write a backup of the whole database. Raises `AutoMigrateError` where it can't be had, and
    leaves no file then.
    """
    part = path.with_name(f".{path.name}.part")
    for left in path.parent.glob(".*.part"):
        log.warning("backup: %s is not whole: a run writes it, or was killed then", left)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
        if dialect.name == "sqlite":
            copy_sqlite(dialect, part)
        elif dialect.name == "postgresql":
            milliseconds = max(int(options.lock_wait * 1000), 1)
            _pg_dump(dialect, part, waiting, f"--lock-wait-timeout={milliseconds}")
        else:
            _mysql_dump(dialect, part, waiting, "--routines", "--events", "--triggers")
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
        _sync_folder(path.parent)
    except AutoMigrateError as error:
        raise AutoMigrateError(f"backup: {error} Nothing was changed.") from error.__cause__
    except (OSError, sqlite3.Error) as error:
        raise AutoMigrateError(f"backup: {path}: {error}. Nothing was changed.") from error
    finally:
        with suppress(OSError):
            part.unlink()


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def copy_sqlite(dialect: Dialect, path: Path) -> None:
    """Copy an SQLite database by a second connection, all pages at once: from the connection that
    has begun to write it would wait for itself, and page by page it begins anew with each write.
    """
    database = dialect.database
    names = {base.__name__ for base in type(database).__mro__}
    if any("Cipher" in name for name in names):
        raise AutoMigrateError(
            "the database is encrypted, and its copy would need the key. Copy the file by your own "
            "means, and leave backup out."
        )
    if dialect.existence == "temporary":
        raise AutoMigrateError("the database is in memory, and ends with its connection.")
    name = str(database.database)
    with (
        closing(sqlite3.connect(name, uri=name.startswith("file:"))) as source,
        closing(sqlite3.connect(path)) as copy,
    ):
        source.backup(copy)
        found = _checked(copy)
    if found != ["ok"]:
        raise AutoMigrateError(f"the copy is damaged: {found[0]}.")


def _checked(copy: sqlite3.Connection) -> list[str]:
    """Return what is wrong with a copy, ["ok"] for nothing. What the application has defined, the
    functions of CHECKs and collations, is not known here; no order of an index is checked.
    """
    copy.execute("PRAGMA ignore_check_constraints = 1")
    while True:
        try:
            return [row[0] for row in copy.execute("PRAGMA quick_check(1)")]
        except sqlite3.OperationalError as error:
            name = str(error).partition("no such collation sequence: ")[2]
            if not name:
                raise
            copy.create_collation(name, lambda one, other: (one > other) - (one < other))


def _pg_dump(dialect: Dialect, path: Path, waiting: Waiting, *more: str) -> None:
    command = [pg_program(dialect, "pg_dump"), "-Fc", "-w", f"--file={path}", *more]
    run(command, pg_environment(dialect), path, waiting)


def pg_environment(dialect: Dialect) -> dict[str, str]:
    """Return what names the server that a connection has reached, its password among it, for
    libpq's programs: https://www.postgresql.org/docs/current/libpq-envars.html.
    """
    info: Any = dialect.database.connection().info
    asked = info.get_parameters() if hasattr(info, "get_parameters") else info.dsn_parameters
    found = {"PGHOST": info.host, "PGPORT": info.port, "PGUSER": info.user}
    found |= {"PGPASSWORD": info.password, "PGDATABASE": info.dbname}
    found |= {f"PG{name.upper()}": asked.get(name) for name in _SETTINGS}
    return {name: str(value) for name, value in found.items() if value}


def pg_program(dialect: Dialect, name: str) -> str:
    """Return the oldest of PostgreSQL's programs here that is not older than the server."""
    server = int(dialect.rows("SHOW server_version_num")[0][0]) // 10_000
    places = [shutil.which(name), *map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))]
    found = {place: _major([place, "--version"]) for place in filter(None, places)}
    usable = sorted((major, place) for place, major in found.items() if major >= server)
    if not usable:
        has = ", ".join(f"version {major}" for major in sorted(set(found.values()))) or "none"
        raise AutoMigrateError(f"it takes {name} of version {server} or later, and here is {has}.")
    return usable[0][1]


def _major(command: Sequence[str]) -> int:
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    found = re.search(r"\d+", said)
    return int(found[0]) if found else 0


def _mysql_dump(dialect: Dialect, path: Path, waiting: Waiting, *more: str) -> None:
    with mysql_options(dialect) as file:
        command = [mysql_program("dump"), f"--defaults-extra-file={file}", "--single-transaction"]
        command += [f"--result-file={path}", *more, "--"]
        command += [str(dialect.rows("SELECT DATABASE()")[0][0])]
        run(command, {}, path, waiting)
    with path.open("rb") as dump:
        dump.seek(max(path.stat().st_size - 200, 0))
        if b"-- Dump completed" not in dump.read():
            raise AutoMigrateError("the dump has no end.")


def mysql_program(kind: str) -> str:
    """Return the path of a client's program: "dump", or "" for the client itself."""
    names = [f"mariadb{kind and '-'}{kind}", f"mysql{kind}"]
    found = next(filter(None, map(shutil.which, names)), None)
    if not found:
        raise AutoMigrateError(f"it takes {' or '.join(names)}, and none is on the path.")
    return found


@contextmanager
def mysql_options(dialect: Dialect) -> Iterator[Path]:
    """Give a file, for this user's eyes only, that tells the client's programs how to connect."""
    params: Mapping[str, Any] = dialect.database.connect_params
    known = {name: params.get(name) for name in ("host", "port", "user")}
    secret, socket = params.get("password", params.get("passwd")), params.get("unix_socket")
    known |= {"password": secret, "socket": socket}
    lines = [f'{name}="{str(v).translate(_ESCAPED)}"' for name, v in known.items() if v]
    with tempfile.NamedTemporaryFile("w", suffix=".cnf") as file:  # its mode is 600
        file.write("\n".join(("[client]", *lines, "")))
        file.flush()
        yield Path(file.name)


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    path: Path,
    waiting: Waiting,
    source: IO[bytes] | None = None,
) -> None:
    """Run a program to its end, and tell meanwhile how far it is. Raises `AutoMigrateError` with
    its words where it fails.
    """
    with tempfile.TemporaryFile() as words:
        process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdin=source or subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=words,
        )
        try:
            _await(process, Path(command[0]).name, path, waiting)
        except BaseException:
            process.kill()
            process.wait()
            raise
        words.seek(0)
        said = " ".join(words.read().decode(errors="replace").split())
    if process.returncode:
        raise AutoMigrateError(f"{Path(command[0]).name} failed: {said[-500:]}")


def _await(process: subprocess.Popen[bytes], name: str, path: Path, waiting: Waiting) -> None:
    """Wait for a program, and tell how far it is: seldom, since each is a line of the log."""
    begun, told = time.monotonic(), 0.5
    while process.poll() is None:
        time.sleep(0.05)
        seconds = time.monotonic() - begun
        if seconds > told:
            told = min(2 * seconds, seconds + 30.0)
            size = path.stat().st_size / 1e6 if path.exists() else 0.0
            waiting(seconds, f"{name}: {size:,.0f} MB are written")


# For a copy beside the database


def is_superuser(dialect: Dialect) -> bool:
    """Read: tell whether the role may do everything, or run code as the server."""
    if dialect.name == "postgresql":
        return bool(dialect.rows("SHOW is_superuser")[0][0] == "on")
    grants = [str(row[0]) for row in dialect.rows("SHOW GRANTS")] if dialect.name == "mysql" else []
    return any(
        " ON *.* " in grant and re.search(r"\b(ALL PRIVILEGES|SUPER|SET USER|FILE)\b", grant)
        for grant in grants
    )


def restore_into(dialect: Dialect, name: str, path: Path, *, with_rows: bool) -> None:
    """Write: dump a database, and restore it into another one that is empty. Raises
    `AutoMigrateError` with the words of the program that fails.
    """
    if dialect.name == "postgresql":
        _pg_dump(dialect, path, _unheard, "-O", "-x", *([] if with_rows else ["--schema-only"]))
        restore = [pg_program(dialect, "pg_restore"), "-w", "-O", "-x", "--exit-on-error"]
        restore += [f"--dbname={name}", str(path)]
        run(restore, pg_environment(dialect), path, _unheard)
        return
    _mysql_dump(dialect, path, _unheard, *([] if with_rows else ["--no-data"]))
    with mysql_options(dialect) as file, path.open("rb") as source:
        client = [mysql_program(""), f"--defaults-extra-file={file}", "--", name]
        run(client, {}, path, _unheard, source)


def _unheard(seconds: float, line: str) -> None:
    """Tell nobody."""
