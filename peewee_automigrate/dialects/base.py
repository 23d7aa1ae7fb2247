"""The seam: what the rest of the package may ask of a database, with the cautious answer to each.

Enters: values. Leaves: values, locks, transactions. What writes SQL stands in `writing`, what
fills in `filling`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from peewee import SQL, Database, Entity, Model, Node, NodeList, Value, fn

from ..changes import Change, Step
from ..compare.spelling import Names
from ..errors import AutoMigrateError
from ..models.rendering import escaped
from ..schema import Catalog, Column, ForeignKey, Table, TableName, Wanted

SESSION_LOST = (
    "not sent, since the connection that held the migration lock was lost, and something has "
    "connected anew: another migrator may hold the lock"
)
MARK = "peewee_automigrate: unfinished"
Trouble: TypeAlias = Literal["locked", "late", "lost"]
Progress: TypeAlias = Callable[[str, float | None], None]
"""Is told what goes on, and the fraction done (0 to 1, None when unknown)."""


def is_async(database: Database) -> bool:
    """Tell one of Peewee's asyncio databases, `playhouse.pwasyncio`."""
    return any(base.__name__ == "AsyncDatabaseMixin" for base in type(database).__mro__)


class ChangedMeanwhile(AutoMigrateError):
    """Two reads of the schema contradict each other."""


class LockLost(Exception):
    """Another migrator may hold the migration lock by now; what was to be sent was not."""


class Unanswered(Exception):
    """The server can't, or may not, tell how it would keep something; the text says why."""


class RowValue(NamedTuple):
    """What a new column's rows get: one SQL ``expression`` for all (None for NULL), or one value
    each by ``per_row``, or by the expression where ``each`` says so. ``problem`` says why the
    default can't be used.
    """

    expression: str | None = None
    per_row: Callable[[], Any] | None = None
    each: bool = False
    problem: str = ""

    @property
    def is_filled(self) -> bool:
        """True when the rows are filled one by one."""
        return self.each or self.per_row is not None


class Facts(Protocol):
    """What is known while a plan is made; `plan.questions` has the answers, and explains them."""

    catalog: Catalog
    may_build_online: bool
    online_rows: int

    def models(self, table: TableName) -> tuple[type[Model], ...]: ...
    def actual(self, table: TableName) -> Table | None: ...
    def declared(self, table: TableName) -> Table | None: ...
    def grown(self, table: Table) -> Table: ...
    def value(self, table: TableName, column: Column) -> RowValue: ...
    def rows(self, table: Table) -> int: ...
    def has_rows(self, table: TableName, where: str = "") -> bool: ...
    def holds_values(self, table: TableName, column: Column) -> bool: ...
    def parents(self, keys: Sequence[ForeignKey], table: TableName) -> tuple[TableName, ...]: ...


class Dialect:
    """One database. Its members are facts, questions (which read) or verbs (which write)."""

    name = ""
    spelling: type[Names] = Names
    transactions: Literal["one", "some", "none"] = "some"
    # "one": a whole run is one, "none": each statement of DDL commits by itself

    def __init__(self, database: Database) -> None:
        self.database = database
        self.names = self.spelling(self.quote)

    @property
    def existence(self) -> Literal["kept", "missing", "temporary"]:
        """Tell whether to connect makes the database, or whether it ends with its connection."""
        return "kept"

    def place(self) -> str:
        """Return the database's kind, name and host for a person. A name that is a URL or a list
        of settings might hold a password, and is left out.
        """
        name = str(self.database.database)
        host = self.database.connect_params.get("host")
        shown = "" if "://" in name or "=" in name else f" {name}"
        return f"{self.name}{shown}" + (f" at {host}" if host else "")

    def quote(self, *path: str | None) -> str:
        """Quote an identifier, qualified by what stands before it, the way Peewee does."""
        context = self.database.get_sql_context()
        return str(context.sql(Entity(*path)).query()[0])

    def typed(self, expression: str | None, type_name: str) -> str:
        """Return an expression as a column of this type would hold it; None is NULL."""
        return expression or "NULL"

    def own(self, sql: str) -> str:
        """Return SQL of ours, without any text of a model, so that it means nobody else's."""
        return sql

    # Questions

    def read_catalog(self, wanted: Wanted) -> Catalog:
        """Read all that stands under the wanted names, in at most three statements. Raises
        `ChangedMeanwhile` when what it has read can't be.
        """
        raise NotImplementedError

    def hidden(self, tables: Sequence[TableName]) -> set[TableName]:
        """Read: return those of the tables whose name means a temporary table in this session."""
        return set()

    def all_columns(self, schema: str | None) -> list[tuple[str, str]]:
        """Read: return the tables of a schema with their columns; None is where new ones come."""
        return []

    def unknown_types(self, types: Sequence[str]) -> list[str]:
        """Read: return those of the types that the server does not know."""
        return []

    def literal(self, value: Any, type_name: str) -> str:
        """Read: let the database quote a value of this type (or a Peewee node) as a literal.
        Raises `ValueError` when it is no value of the type.
        """
        raise NotImplementedError

    def rows(self, sql: str, params: Sequence[object] | None = None) -> list[tuple[Any, ...]]:
        """Read: return all rows of a query; without ``params`` a per cent sign is only that."""
        sql = self.sent(sql) if params is None else sql
        return list(self.database.execute_sql(sql, params).fetchall())

    def is_volatile(self, expression: str) -> bool:
        """Read: tell whether an expression may give each row another value."""
        return True

    def estimated_rows(self, table: Table) -> int:
        """Read: return about how many rows a large table has."""
        return table.rows

    @contextmanager
    def limited(
        self, locks: float | None = None, statements: float | None = None
    ) -> Iterator[None]:
        """Read: inside, what waits longer for a table's lock, or takes longer, fails; seconds."""
        yield

    def trouble(self, error: BaseException) -> Trouble | None:
        """Tell what an error means: a lock ("locked") or a statement ("late") was not done in
        time, or the connection is gone, and the server may complete the statement ("lost").
        """
        return None

    def blockers(self, table: TableName) -> str | None:
        """Read: describe who holds a lock on a table, None where the database can't tell."""
        return None

    # Verbs

    def run(self, statement: str) -> str:
        """Write: send one statement as it is. Returns what was sent."""
        self.database.execute_sql(self.sent(statement))
        return statement

    def sent(self, sql: str) -> str:
        """Return SQL without parameters as Peewee is given it."""
        return escaped(self.database, sql)

    def prepare(self, steps: Sequence[Step], *, atomic: bool) -> None:
        """Read: raise `AutoMigrateError` where steps can't be run over this connection."""

    def migration_lock(
        self, lock_wait: float, lock_timeout: float, waiting: Callable[[float, str], None]
    ) -> AbstractContextManager[float]:
        """Write: hold the lock between migrators; gives the seconds that were waited.

        Raises `LockTimeout` after ``lock_wait`` seconds; ``waiting`` is told the seconds so far and
        for whom. ``lock_timeout``: seconds for what the lock itself waits for.
        """
        raise NotImplementedError

    @contextmanager
    def transaction(
        self, seconds: float, altered: TableName | None, parents: Sequence[TableName], tries: int
    ) -> Iterator[None]:
        """Write: a transaction, where there are any, in which a statement that waits longer for a
        table's lock fails. Where it takes locks on several tables that stand, it waits for one of
        them only, at each of the ``tries`` for another one.
        """
        with self.database.atomic():
            yield

    def run_online(self, statement: str, progress: Progress) -> None:
        """Write: run a statement that must stand outside of any transaction."""
        raise NotImplementedError

    def is_built(self, table: TableName, index: str) -> bool | None:
        """Read: tell whether an index stands and is valid; None while somebody builds it."""
        return False

    def left_behind(self, change: Change) -> str | None:
        """Read: return a query for rows that an unchecked change should have refused, or None."""
        return None

    # What the dialects share

    def first_value(self, node: Any) -> Any:
        """Read: return the value of ``SELECT node``."""
        return self.database.execute(NodeList((SQL("SELECT"), node))).fetchone()[0]

    def quoted_value(self, value: Any, function: str) -> str:
        """Read: let a function of the database quote a value, which may be a Peewee node."""
        node = value if isinstance(value, Node) else Value(value, converter=False, unpack=False)
        text = self.first_value(getattr(fn, function)(node))
        if text is None:
            raise ValueError("the connection's character set has no place for it")
        return str(text)
