"""A real OceanBase for tests: seekdb, its embedded server, from the package index.

The server is a process of its own, which ends with the instance; it listens on a socket in a folder
that is gone when the block ends. There is no package of it for Python 3.10.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.mysql_servers import MysqlServer


@contextmanager
def run_seekdb() -> Iterator[MysqlServer]:
    """Run a seekdb of its own."""
    import pylibseekdb

    with tempfile.TemporaryDirectory(prefix="seekdb-") as folder:
        instance = pylibseekdb.open(db_dir=folder)
        try:
            socket = instance.connection_options()["unix_socket"]
            yield MysqlServer(
                "seekdb", f"mysql://root@localhost/test?unix_socket={socket}&charset=utf8mb4"
            )
        finally:
            instance.close()
