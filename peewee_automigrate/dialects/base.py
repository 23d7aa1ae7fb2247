"""What the rest of the package may ask of a database, with the cautious answer to each question.

Enters: values and SQL that `ddl` wrote. Leaves: values, locks, transactions.
A dialect's members are facts, questions (which read) or verbs (which write). It imports peewee,
but neither models nor the modules above.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeAlias

from peewee import SQL, Database, Entity, Node, NodeList, Value, fn

from ..options import Options
from ..schema import Catalog, Column, ForeignKey, Index, Key, Table, TableName

FILL_ROWS = 1000
MARK = "peewee_automigrate: unfinished"
Trouble: TypeAlias = Literal["locked", "late", "lost"]
Marked: TypeAlias = Literal["column", "constraint"]
Progress: TypeAlias = Callable[[str, float | None], None]
"""Is told what goes on, and the fraction done (0 to 1, None when unknown)."""
Keys: TypeAlias = Sequence[tuple[str, str]]
"""Quoted name and type of the columns by which rows are told apart."""
Rows: TypeAlias = Sequence[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look up: declared tables, and the other names that they will need; ``constrained``
    are those whose constraints are to be compared.
    """

    tables: tuple[TableName, ...]
    names: tuple[TableName, ...]
    constrained: frozenset[TableName] = frozenset()


@dataclass(frozen=True, slots=True)
class Addition:
    """A column about to be added to ``table``, which stands.

    ``default`` is the literal or SQL expression that each row gets, None for NULL.
    """

    table: Table
    column: Column
    default: str | None
    foreign_key: ForeignKey | None
    has_rows: bool


@dataclass(frozen=True, slots=True)
class Place:
    """A column, and its table as it stands, or as declared where the run creates it."""

    table: Table
    column: Column
    is_new: bool


class Dialect:
    """One database. Facts first: each is False or empty unless a dialect knows better."""

    name = ""
    shares_index_names = True  # an index name is taken for the whole schema, not for its table
    creates_schemas = False
    adds_constraints = False  # ALTER TABLE .. ADD CONSTRAINT exists
    validates_later = False  # a constraint may be added NOT VALID and validated afterwards
    parents_first = True  # a foreign key's parent must stand when the table is created
    one_transaction = False  # a whole run is one transaction
    builds_online = False  # an index can be built without blocking writes, by another statement
    makes_file = False  # to connect makes a database where there is none
    transactional_ddl = True  # a transaction that rolls back takes DDL back
    keys_inside = False  # indexes are made inside of CREATE TABLE, which is faster
    alters_at_once = False  # all columns of a table are added by one ALTER TABLE
    keys_follow = False  # a foreign key is added by a statement of its own, after the indexes
    defers_keys = True  # a foreign key can be DEFERRABLE
    keys_cross_schemas = True  # a foreign key can lead to another schema, which it names
    longest_name: float = math.inf  # in characters, where a longer one is an error
    truths = ("FALSE", "TRUE")  # the literals of False and True
    casts_values = True  # a value is of a column's type only after a CAST
    null_word = ""  # says that a column may hold NULL; "" where that goes without saying
    fill_mark = ""  # the constraint that marks a new column as not filled; "" where `mark` does
    key_mark = ""  # the one that marks a new column as still without its foreign key

    def __init__(self, database: Database) -> None:
        self.database = database

    # Text

    def place(self) -> str:
        """Return the database's kind, name and host for a person.

        A name that is a URL or a list of settings might hold a password, and is left out.
        """
        name = str(self.database.database)
        host = self.database.connect_params.get("host")
        shown = "" if "://" in name or "=" in name else f" {name}"
        return f"{self.name}{shown}" + (f" at {host}" if host else "")

    def quote(self, *path: str | None) -> str:
        """Quote an identifier, qualified by what stands before it, the way Peewee does."""
        context = self.database.get_sql_context()
        return str(context.sql(Entity(*path)).query()[0])

    def quote_table(self, table: TableName) -> str:
        """Quote a table's name."""
        return self.quote(table.schema, table.name)

    @staticmethod
    def fold(name: str) -> str:
        """Return the form of a name in which the database compares it."""
        return name

    def fold_table(self, name: str) -> str:
        """Return the form of a table's name in which the database compares it."""
        return self.fold(name)

    def table_key(self, name: TableName) -> TableName:
        """Return the key under which a table stands in a catalogue."""
        return TableName(name.schema, self.fold_table(name.name))

    @staticmethod
    def canonical_type(text: str) -> str:
        """Return the catalogue's spelling of a type as Peewee writes it."""
        return text

    @staticmethod
    def canonical_default(text: str) -> str:
        """Return the catalogue's spelling of a DEFAULT in SQL."""
        return text

    @staticmethod
    def canonical_action(action: str) -> str:
        """Return the catalogue's word for what a foreign key does, "" for NO ACTION."""
        return "" if action == "NO ACTION" else action

    @staticmethod
    def table_options(settings: str) -> tuple[str, ...]:
        """Return what the catalogue would tell of a table that is created with these settings."""
        return ()

    def canonical_index(self, index: Index) -> Index:
        """Return a declared index as the catalogue tells of it."""
        return index

    def same_type(self, declared: str, actual: str) -> bool | None:
        """Compare two canonical types; None when it can't tell."""
        return True if declared == actual else None

    # Questions: these read the database.

    def read_catalog(self, wanted: Wanted) -> Catalog:
        """Read all that stands under the wanted names, in at most two statements."""
        raise NotImplementedError

    def literal(self, value: Any, type_name: str) -> str:
        """Read: let the database quote a value of this type (or a Peewee node) as a literal."""
        raise NotImplementedError

    def default_clause(self, default: str, type_name: str) -> str:
        """Return what stands behind DEFAULT for a literal of a type."""
        return default

    def refuses_value(self, literal: str, type_name: str) -> str | None:
        """Read: return why a literal is no value of a type, or None."""
        return None

    def typed(self, expression: str | None, type_name: str) -> str:
        """Return an expression as a column of this type would hold it; None is NULL."""
        text = expression or "NULL"
        return f"CAST({text} AS {type_name})" if self.casts_values else text

    def rows(self, sql: str, params: Sequence[object] | None = None) -> list[tuple[Any, ...]]:
        """Read: return all rows of a query; without ``params`` a per cent sign is only that."""
        sql = self.escaped(sql) if params is None else sql
        return list(self.database.execute_sql(sql, params).fetchall())

    def escaped(self, sql: str) -> str:
        """Return SQL as Peewee sends it, always with parameters: drivers whose parameter is ``%s``
        read a per cent sign as the start of one, so that each is doubled.
        """
        doubled = self.database.param == "%s"
        return sql.replace("%", "%%") if doubled else sql

    def first_value(self, node: Any) -> Any:
        """Read: return the value of ``SELECT node``."""
        return self.database.execute(NodeList((SQL("SELECT"), node))).fetchone()[0]

    def estimated_rows(self, table: Table) -> int:
        """Read: return about how many rows a large table has."""
        return table.rows

    def same_expressions(self, table: Table, declared: Index, actual: Index) -> bool | None:
        """Read: ask the server whether two indexes have the same expressions, None when it
        can't tell.
        """
        return False

    def unknown_types(self, types: Sequence[str]) -> list[str]:
        """Read: return those of the types that the server does not know."""
        return []

    def refuses(self, addition: Addition) -> str | None:
        """Return why the database can't add this column, or None."""
        return None

    def refuses_column(self, column: Column) -> str | None:
        """Return why no new table can have this column, or None."""
        return None

    def update_triggers(self, table: Table) -> list[str]:
        """Read: return names of the triggers that an UPDATE of a new column would fire."""
        return []

    def is_built(self, table: TableName, index: str) -> bool | None:
        """Read: tell whether an index stands and is valid; None while somebody builds it."""
        return False

    def home(self) -> str | None:
        """Read: return the schema to name where a table of another one refers to a parent without,
        None where the database looks for it in its default schema.
        """
        return None

    @contextmanager
    def short_reads(self, seconds: float) -> Iterator[None]:
        """Read: inside, a query that waits longer for a table's lock fails."""
        yield

    def key_value(self, key: Key) -> str:
        """Return what an index compares of a column."""
        text, words = self.quote(key.text), key.options.split()
        return f"{text} COLLATE {self.quote(words[1])}" if words[:1] == ["collate"] else text

    def refuses_fill(self, table: Table) -> str | None:
        """Return why the rows of a table can't get a value each, or None."""
        return None

    def refuses_key(self, child: Place, parent: Place) -> str | None:
        """Read: return why a foreign key can't lead from one column to another, or None."""
        return None

    def refuses_index(self, table: Table, index: Index) -> str | None:
        """Read: return why a table can't have this index, or None. The table has all columns
        that the index needs.
        """
        return None

    def index_effect(self, table: Table, index: Index) -> tuple[str, str]:
        """Return the effect of building an index on rows, other than online, and what waits."""
        return "builds", "writes"

    def column_effect(self, table: Table, column: Column, default: str | None) -> str:
        """Read: the effect of adding a column that has this DEFAULT to a table with rows."""
        return "rewrites"

    def alter_sql(self, table: TableName, column: Column, what: str) -> str | None:
        """Return the SQL by which a person could change a column's ``what``: "type", "null" or
        "default"; None where the database has none.
        """
        return None

    # Verbs: these write, or prepare to.

    def run(self, statement: str) -> str:
        """Write: send one statement as it is. Returns what was sent."""
        self.database.execute_sql(self.escaped(statement))
        return statement

    def prepare_to_write(self) -> None:
        """Read: find out what the connection can hold, before a lock is taken on it."""

    def migration_lock(
        self, options: Options, waiting: Callable[[str], None]
    ) -> AbstractContextManager[float]:
        """Write: hold the lock between migrators; gives the seconds that were waited.

        Raises `LockTimeout` after ``lock_wait``; ``waiting`` is called with a line now and then.
        """
        raise NotImplementedError

    @contextmanager
    def short_locks(self, seconds: float) -> Iterator[None]:
        """Write: inside, a statement that waits longer for a table's lock fails."""
        yield

    def lock_statements(self, altered: TableName | None, parents: Sequence[TableName]) -> list[str]:
        """Return statements that take the locks which a change needs on tables that stand."""
        return []

    def trouble(self, error: BaseException) -> Trouble | None:
        """Tell what an error means: a lock was not free in time ("locked"), a statement was not
        done within its time ("late"), or the connection is gone, and the server may complete the
        statement ("lost"); None for any other.
        """
        return None

    def dangling(self, table: TableName, fk: ForeignKey) -> str | None:
        """Read: return a query for rows that a foreign key added without a check should refuse,
        None when there is none.
        """
        return None

    def in_transaction(self) -> bool:
        """Read: tell whether a transaction is under way, whoever has begun it."""
        return bool(self.database.in_transaction())

    def blockers(self, table: TableName) -> str | None:
        """Read: describe who holds a lock on a table, None where the database can't tell."""
        return None

    @contextmanager
    def bounded(self, seconds: float) -> Iterator[None]:
        """Read: inside, a statement that takes longer fails; see `trouble`."""
        yield

    def run_online(self, statement: str, progress: Progress) -> None:
        """Write: run a statement that must stand outside of any transaction."""
        raise NotImplementedError

    def instant(self, statement: str) -> str:
        """Return an ALTER TABLE that is to change no row, as the database is told so."""
        return statement

    def key_effect(self, table: Table) -> str:
        """Return the effect of a foreign key of a column that holds only NULL, and has an index."""
        return "instant"

    def unchecked(self, statement: str) -> tuple[str, ...]:
        """Return the statements that add a foreign key to a column which holds only NULL."""
        return (statement,)

    @property
    def columns_have_checks(self) -> bool:
        """Tell whether a column that is defined anew loses its CHECK, unless that is repeated."""
        return True

    def mark(self, kind: Marked, table: TableName, name: str) -> tuple[str, ...]:
        """Return statements that mark a column as not filled, a constraint as not validated yet."""
        return ()

    def unmark(self, kind: Marked, table: TableName, name: str) -> tuple[str, ...]:
        """Return statements that take the mark away again."""
        return ()

    def fill(
        self,
        table: Table,
        column: Column,
        value: Callable[[], Any],
        batch: Callable[[Callable[[], None]], None],
        done: Callable[[int], None],
    ) -> None:
        """Write: give each row whose new column is NULL a value of its own, in batches.

        ``batch`` is given each batch to run, and may run it again; ``done`` is called with the
        number of rows filled so far. Rows are walked in the order of their key, so that each is
        seen once, also when a value is NULL again.
        """
        keys = [(self.escaped(name), type_name) for name, type_name in self.row_key(table)]
        own = [f"t.{name}" for name, _ in keys]
        names = ", ".join(own)
        values = ", ".join(map(self._key_value, own))
        marks = ", ".join(self._mark(type_name) for _, type_name in keys)
        source = self.escaped(self.quote_table(table.name))
        target = self.escaped(self.quote(column.name))
        after, last, filled = "", (), 0
        while True:
            query = f"SELECT {values} FROM {source} AS t WHERE t.{target} IS NULL {after}"
            rows = self.rows(f"{query} ORDER BY {names} LIMIT {FILL_ROWS}", last)
            if not rows:
                return
            items = [(value(), *row) for row in rows]
            batch(partial(self._fill_rows, source, target, column, keys, items))
            after, last, filled = f"AND ({names}) > ({marks})", rows[-1], filled + len(rows)
            done(filled)

    def row_key(self, table: Table) -> Keys:
        """Return the columns by which rows are told apart: the primary key."""
        types = {column.name: column.type for column in table.columns}
        return [(self.quote(name), types.get(name, "")) for name in table.primary_key]

    def _key_value(self, name: str) -> str:
        """Return what to select of a key's column, so that it can be sent back."""
        return name

    def _mark(self, type_name: str) -> str:
        """Return the placeholder of a value of a type."""
        return str(self.database.param)

    def _fill_rows(self, source: str, target: str, column: Column, keys: Keys, rows: Rows) -> None:
        """Write: set the column of some rows; each of ``rows`` is the value, then the key."""
        raise NotImplementedError

    def quoted_value(self, value: Any, function: str) -> str:
        """Read: let a function of the database quote a value, which may be a Peewee node."""
        node = value if isinstance(value, Node) else Value(value, converter=False, unpack=False)
        text = self.first_value(getattr(fn, function)(node))
        if text is None:
            raise ValueError("the connection's character set has no place for it")
        return str(text)
