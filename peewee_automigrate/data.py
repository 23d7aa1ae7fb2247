"""Questions about rows that decide whether something may be added.

Enters: a dialect and what is about to be added. Leaves: a blocked finding, or None. Reads only,
and only tables in which something is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set

from peewee import DatabaseError

from .dialects import Addition, Dialect
from .expression import named_constraint, parse_index
from .findings import blocked, note
from .schema import AddIndex, Finding, Key, Table, TableName

SAMPLES = 5
SECONDS = 10.0  # for one question


class DataQuestions:
    """Asks the rows of one database."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect

    def ask(self, question: Callable[[], Finding | None], table: str, name: str) -> Finding | None:
        """Return what a question finds; a note when the answer takes longer than `SECONDS`."""
        try:
            with self.dialect.bounded(SECONDS):
                return question()
        except DatabaseError as error:
            if not self.dialect.is_timeout(error):
                raise
            return note("AM309", TableName(None, table), name, seconds=f"{SECONDS:.0f}")

    def column_problem(self, addition: Addition, table: TableName) -> Finding | None:
        """Say which rows would fail a new column's CHECK, or that its default has no parent row."""
        column = addition.column
        value = self.dialect.typed(addition.default, column.type)
        for sql in column.constraints:
            check = named_constraint(sql)[1]
            if not check.startswith("check "):
                continue
            body = sql[sql.lower().index("check") + len("check") :]
            source = self._source(addition.table, {column.name: value})
            query = f"SELECT * FROM {source} WHERE NOT {body}"
            rows = self._count(query)
            if rows:
                name = column.name
                return blocked("AM114", table, name, rows=f"{rows:,}", check=sql, query=query)
        fk = addition.foreign_key
        if fk is None or addition.default is None:
            return None
        parent, key = self.dialect.quote_table(fk.parent), self.dialect.quote(fk.parent_columns[0])
        if self._count(f"SELECT 1 FROM {parent} WHERE {key} = {value}"):
            return None
        where = f"{fk.parent} ({fk.parent_columns[0]})"
        return blocked("AM115", table, column.name, default=addition.default, parent=where)

    def duplicates(
        self,
        change: AddIndex,
        coming: Mapping[str, str | None],
        filled: Set[tuple[TableName, str]],
    ) -> Finding | None:
        """Say which keys would stand more than once in a unique index.

        ``coming`` gives the value of columns that the same run adds; ``filled`` are those that
        get a value of their own in each row, which is taken to differ.
        """
        index, actual = change.index, change.actual
        assert actual is not None
        if any((change.table, column) in filled for column in index.columns):
            return None
        keys = self._key_texts(change)
        query = f"SELECT {', '.join(keys)}, count(*) FROM {self._source(actual, coming)}"
        conditions = [f"{key} IS NOT NULL" for key in keys] if index.nulls_distinct else []
        conditions += [f"({where})"] if (where := self._where(change)) else []
        if conditions:
            query += f" WHERE {' AND '.join(conditions)}"
        query += f" GROUP BY {', '.join(keys)} HAVING count(*) > 1"
        groups = self._count(query)
        if not groups:
            return None
        rows = self.dialect.rows(f"{query} LIMIT {SAMPLES}")
        samples = ", ".join(f"{_tuple(row[:-1])} {row[-1]} times" for row in rows)
        return blocked(
            "AM105",
            change.table,
            index.name,
            wanted=index,
            groups=f"{groups:,}",
            samples=samples,
            query=query,
            sql=query,
        )

    def _source(self, table: Table, coming: Mapping[str, str | None]) -> str:
        """Return the table as it will be, with the columns that the same run adds."""
        source = self.dialect.quote_table(table.name)
        quote = self.dialect.quote
        present = {self.dialect.fold(column.name) for column in table.columns}
        added = [
            f"{value} AS {quote(name)}"
            for name, value in coming.items()
            if self.dialect.fold(name) not in present
        ]
        if not added:
            return source
        name = quote(table.name.name)
        return f"(SELECT {name}.*, {', '.join(added)} FROM {source} AS {name}) AS {name}"

    def _key_texts(self, change: AddIndex) -> list[str]:
        parsed = parse_index(change.index.sql) if change.index.sql else None
        expressions = iter(parsed.expressions if parsed else ())
        return [
            self._collated(self.dialect.quote(key.text), key)
            if key.is_column
            else f"({next(expressions)})"
            for key in change.index.keys
        ]

    def _collated(self, text: str, key: Key) -> str:
        words = key.options.split()
        return (
            f"{text} COLLATE {self.dialect.quote(words[1])}" if words[:1] == ["collate"] else text
        )

    def _where(self, change: AddIndex) -> str:
        parsed = parse_index(change.index.sql) if change.index.where else None
        return parsed.expressions[-1] if parsed else ""

    def _count(self, query: str) -> int:
        sql = f"SELECT count(*) FROM ({query}) AS counted"
        return int(self.dialect.rows(sql)[0][0])


def _tuple(values: tuple[object, ...]) -> str:
    return f"({', '.join(map(repr, values))})"
