"""`migrate()` with nothing to do, against one hand-written query for the same catalogue.

    python -m benchmarks.start [--tables 10 100 1000] [--rounds 15] [--only SQLite]

The query is what a person would write who knows which tables there are. Both are called in turn on
one connection; the ratio is of their medians. "user" is the time that this process itself ran.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import peewee

from benchmarks.measuring import (
    bind,
    in_fresh_process,
    make_models,
    new_sqlite,
    open_database,
    print_machine,
)
from benchmarks.noop import recorded
from benchmarks.relay import delayed
from peewee_automigrate import migrate, plan
from tests.support.mysql_servers import main_mysql
from tests.support.servers import main_postgres

POSTGRESQL = r"""
SELECT c.relname, c.relkind,
  (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(E'\x1f', a.attnum, a.attname,
             pg_catalog.format_type(a.atttypid, a.atttypmod),
             a.attnotnull::int, a.atthasdef::int, a.attidentity, a.attgenerated), E'\x1e')
     FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
  (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(E'\x1f', ic.relname, i.indkey, i.indnkeyatts,
             i.indisunique::int, i.indisprimary::int, i.indisvalid::int,
             (i.indpred IS NOT NULL)::int, (i.indexprs IS NOT NULL)::int), E'\x1e')
     FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
    WHERE i.indrelid = c.oid),
  (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(E'\x1f', k.conname, k.conkey,
             k.confrelid::regclass, k.confkey, k.convalidated::int), E'\x1e')
     FROM pg_catalog.pg_constraint k
    WHERE k.conrelid = c.oid AND k.contype = 'f')
FROM pg_catalog.pg_class c
WHERE c.relnamespace = pg_catalog.current_schema()::regnamespace AND c.relkind IN ('r', 'p')
"""
SQLITE = """
SELECT 'c', m.name, x.name, x.type, x."notnull", x.dflt_value, x.pk, x.hidden
  FROM sqlite_master m JOIN pragma_table_xinfo(m.name) x WHERE m.type = 'table'
UNION ALL
SELECT 'i', m.name, il.name, il.origin, il."unique", ix.name, ix.seqno, il.partial
  FROM sqlite_master m JOIN pragma_index_list(m.name) il
  JOIN pragma_index_xinfo(il.name) ix ON ix.key = 1
 WHERE m.type = 'table'
UNION ALL
SELECT 'f', m.name, fk."from", fk."table", fk.id, fk."to", fk.seq, NULL
  FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) fk WHERE m.type = 'table'
"""
MARIADB = """
SELECT 'c', table_name, column_name, column_type, is_nullable, column_default, extra
  FROM information_schema.columns WHERE table_schema = DATABASE()
UNION ALL
SELECT 'i', table_name, index_name, non_unique, seq_in_index, column_name, sub_part
  FROM information_schema.statistics WHERE table_schema = DATABASE()
UNION ALL
SELECT 'f', table_name, constraint_name, column_name, NULL, referenced_table_name,
       referenced_column_name
  FROM information_schema.key_column_usage
 WHERE table_schema = DATABASE() AND referenced_table_name IS NOT NULL
"""
QUERIES = {"SQLite": SQLITE, "PostgreSQL": POSTGRESQL, "MariaDB": MARIADB}
HAND, MIGRATE, PLAN = "the query by hand", "migrate()", "plan()"
FULL = "migrate(), all tables read in full"
Times = dict[str, list[tuple[float, float]]]


def prepare(url: str, tables: int) -> None:
    """Create the tables."""
    database, models = open_database(url), make_models(tables)
    bind(database, models)
    migrate(database, models)
    if isinstance(database, peewee.PostgresqlDatabase):
        database.execute_sql("VACUUM ANALYZE")  # as autovacuum would have done
    database.close()


def measure(url: str, name: str, tables: int, rounds: int) -> tuple[Times, dict[str, int]]:
    """Return wall and user seconds of each contestant, and how many statements it sends."""
    database, models = open_database(url), make_models(tables)
    bind(database, models)
    contestants: dict[str, Callable[[], object]] = {
        HAND: lambda: database.execute_sql(QUERIES[name]).fetchall(),
        MIGRATE: lambda: migrate(database, models),
        # What is accepted must be compared, so that no outline is asked.
        FULL: lambda: migrate(database, models, accept=["AM201 nothing"]),
        PLAN: lambda: plan(database, models),
    }
    times: Times = {what: [] for what in contestants}
    sent: dict[str, int] = {}
    for what, work in contestants.items():
        with recorded(database) as statements:
            work()
        sent[what] = len(statements)
    for _ in range(rounds):
        for what, work in contestants.items():
            gc.collect()
            began, user = time.perf_counter(), os.times().user
            work()
            times[what].append((time.perf_counter() - began, os.times().user - user))
    return times, sent


def rows(
    url: str, name: str, tables: int, rounds: int, place: str = ""
) -> Iterator[tuple[str, ...]]:
    """Yield the lines of one database at one size."""
    times, sent = in_fresh_process(measure, url, name, tables, rounds)
    base = statistics.median(wall for wall, _ in times[HAND])
    for what, found in times.items():
        wall = statistics.median(wall for wall, _ in found)
        user = statistics.fmean(user for _, user in found)
        yield (
            *(f"{name}{place}", f"{tables:,}", what, str(sent[what])),
            *(f"{wall * 1000:.1f}", f"{user * 1000:.1f}", f"{wall / base:.2f}"),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", choices=QUERIES, nargs="+", default=list(QUERIES))
    parser.add_argument("--far", type=float, nargs="*", default=[], help="ms of a round trip")
    options = parser.parse_args()
    head = ("database", "tables", "what", "statements", "median ms", "user ms", "ratio")
    print(*head, sep=" | ")
    with ExitStack() as stack:
        servers = {
            "PostgreSQL": main_postgres if "PostgreSQL" in options.only else None,
            "MariaDB": main_mysql if "MariaDB" in options.only else None,
        }
        opened = {
            name: server
            for name, start in servers.items()
            if start and (server := stack.enter_context(start()))
        }
        for tables in options.tables:
            for name in options.only:
                place = opened[name].database() if name in opened else new_sqlite()
                with place as url:
                    prepare(url, tables)
                    for line in rows(url, name, tables, options.rounds):
                        print(*line, sep=" | ", flush=True)
                    for far in options.far if name == "PostgreSQL" else ():
                        with delayed(url, far / 1000) as distant:
                            for line in rows(distant, name, tables, options.rounds, f", {far} ms"):
                                print(*line, sep=" | ", flush=True)
        print_machine(*(open_database(server.url) for server in opened.values()))


if __name__ == "__main__":
    main()
