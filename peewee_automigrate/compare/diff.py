"""(declared, actual) -> what is missing, and what is worth saying.

Enters: declared tables, the catalogue, and the dialect's rules. Leaves: changes in the order in
which they can run, and findings. Pure: no connection, no peewee, no dialect.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..schema import (
    UNKNOWN,
    AddColumn,
    AddForeignKey,
    AddIndex,
    Catalog,
    Change,
    Column,
    CreateSchema,
    CreateTable,
    Difference,
    Finding,
    ForeignKey,
    Index,
    Key,
    Ref,
    Table,
    TableName,
    ValidateConstraint,
)
from ..texts import blocked, drift, note
from .drift import Rules, differences, does_constraint, find_key, matched
from .graph import Graph, has_unique, in_order, is_unique, mentioned


def diff(declared: Sequence[Table], catalog: Catalog, rules: Rules) -> Difference:
    """Subtract the catalogue from the declared tables."""
    comparison = _Comparison(declared, catalog, rules)
    said = list(comparison.run())
    changes = [item for item in said if not isinstance(item, Finding)]
    found = [item for item in said if isinstance(item, Finding)]
    levels = ("blocked", "drift", "note")
    found.sort(key=lambda finding: (levels.index(finding.level), finding.code != "AM209"))
    graph = comparison.graph
    return Difference(graph.ordered(changes), tuple(found), graph, frozenset(comparison.stopped))


def satisfies(actual: Index, declared: Index, rules: Rules) -> bool | None:
    """Tell whether an actual index does what a declared one is for; None when it can't tell."""
    if not actual.valid or (declared.unique and not actual.unique):
        return False
    return same_definition(actual, declared, rules)


def same_definition(actual: Index, declared: Index, rules: Rules) -> bool | None:
    """Compare method, keys in order, and predicate; None when a text could not be read."""
    if actual.method != declared.method:
        return False
    if declared.unique and actual.nulls_distinct != declared.nulls_distinct:
        return False
    if actual.where == UNKNOWN:
        return None
    if actual.where != declared.where or len(actual.keys) != len(declared.keys):
        return False
    if actual.keys == declared.keys:
        return True
    pairs = zip(actual.keys, declared.keys, strict=True)
    return all(one == other or _same_key(one, other, rules) for one, other in pairs)


def _same_key(one: Key, other: Key, rules: Rules) -> bool:
    """Compare two keys whose texts differ as they are written."""
    folded = rules.fold(one.text) == rules.fold(other.text)
    return one.is_column and other.is_column and folded and one.options == other.options


class _Comparison:
    """Walks the declared tables, parents first, and yields changes and findings."""

    def __init__(self, declared: Sequence[Table], catalog: Catalog, rules: Rules) -> None:
        self.catalog = catalog
        self.rules = rules
        self._key = rules.table_key
        self.declared = {self._key(table.name): table for table in declared}
        self.standing = dict(catalog.tables)  # with those that this run creates
        self.names: dict[TableName, str] = dict(catalog.owners)  # with those that it takes
        self.graph = Graph(declared, catalog, rules)
        self.stopped: set[Ref] = set()

    def run(self) -> Iterator[Change | Finding]:
        yield from self._schemas()
        for key in in_order(self._parents()):
            table = self.declared[key]
            actual = self.catalog.tables.get(key)
            if actual is None:
                yield from self._new_table(key, table)
            elif actual.kind in ("table", "partitioned") and table.kind == "table":
                yield from self._existing_table(table, actual)
            else:
                yield from self._other_relation(table, actual)

    def _parents(self) -> dict[TableName, list[TableName]]:
        """Return what each table refers to or depends on, the tables by name."""
        return {
            key: [self._key(fk.parent) for fk in table.foreign_keys if not fk.deferred]
            + list(map(self._key, table.depends_on))
            for key, table in sorted(self.declared.items(), key=lambda item: str(item[0]))
        }

    def _stop(self, kind: str, table: TableName, name: str = "") -> None:
        self.stopped.add(self.graph.ref(kind, table, name))

    def _schemas(self) -> Iterator[Change | Finding]:
        names = {table.name.schema for table in self.declared.values() if table.name.schema}
        for schema in sorted(name for name in names if name not in self.catalog.schemas):
            if self.rules.creates_schemas:
                yield CreateSchema(schema)

    # A table that is missing

    def _new_table(self, key: TableName, table: Table) -> Iterator[Change | Finding]:
        schema = table.name.schema or self.catalog.default_schema
        problems = list(self._obstacles(key, table, schema))
        if problems:
            self._stop("table", table.name)
            yield from problems
            return
        late = tuple(fk for fk in table.foreign_keys if self._is_late(table, fk))
        indexes = []
        for index in table.indexes:
            taken = self._taken(schema, table.name, index)
            if taken:
                yield taken
            else:
                indexes.append(index)
        kept = table._replace(indexes=tuple(indexes), schema=schema)
        self.standing[key] = kept
        self.names[TableName(schema, key.name)] = "a table"
        yield CreateTable(kept, late)
        yield from self._late_keys(table, late)

    def _obstacles(self, key: TableName, table: Table, schema: str | None) -> Iterator[Finding]:
        """Say why a table can't be created."""
        owner = self.names.get(TableName(schema, key.name))
        if schema is None:
            yield blocked("AM112", table.name, None, what="no schema of the search path is there")
        elif schema not in self.catalog.schemas and not self.rules.creates_schemas:
            yield blocked("AM112", table.name, None, what=f"the schema {schema} is not there")
        elif owner:
            yield blocked("AM108", table.name, None, owner=owner)
        else:
            for fk in table.foreign_keys:
                problem = self._no_parent(table, fk)
                if problem:
                    yield problem

    def _late_keys(self, table: Table, late: Iterable[ForeignKey]) -> Iterator[Change | Finding]:
        for fk in late:
            if self.rules.adds_constraints:
                parent = self.catalog.tables.get(self._key(fk.parent))
                ready = not self.rules.keys_follow or not parent or self._has_unique(parent, fk)
                yield AddForeignKey(table.name, fk, ready, self._marked_column(table, fk))
            elif fk.deferred:
                yield note("AM306", table.name, ", ".join(fk.columns), parent=fk.parent)

    def _marked_column(self, table: Table, fk: ForeignKey) -> Column | None:
        """Return the column that is marked until its foreign key follows, where that is done."""
        marked = (c for c in table.columns if self.rules.keys_follow and c.name in fk.columns)
        return next(marked, None)

    def _no_parent(self, table: Table, fk: ForeignKey) -> Finding | None:
        key = self._key(fk.parent)
        name = ", ".join(fk.columns)
        if key not in self.declared and key not in self.catalog.tables:
            return blocked("AM109", table.name, name, parent=fk.parent)
        if self._has_unique(self.catalog.tables.get(key), fk) or self._gets_unique(key, fk):
            return None
        columns = ", ".join(fk.parent_columns)
        return blocked("AM117", table.name, name, parent=fk.parent, columns=columns)

    def _is_late(self, table: Table, fk: ForeignKey) -> bool:
        """Tell whether a new table is created without a foreign key, which follows."""
        if fk.deferred:
            return True
        if not self.rules.parents_first:
            return False
        if self._key(fk.parent) == self._key(table.name):
            return not (self.rules.keys_follow or self._has_unique(table._replace(indexes=()), fk))
        parent = self.standing.get(self._key(fk.parent))
        return parent is None or (self.rules.keys_follow and not self._has_unique(parent, fk))

    def _has_unique(self, table: Table | None, fk: ForeignKey) -> bool:
        return table is not None and has_unique(table, fk, self.rules.fold)

    def _gets_unique(self, key: TableName, fk: ForeignKey) -> bool:
        """Tell whether this run makes the key that a foreign key refers to: to a table that stands
        it adds only columns and indexes.
        """
        table, actual = self.declared.get(key), self.catalog.tables.get(key)
        if table and actual:
            missing = tuple(matched(table, actual, self.rules.fold).missing)
            table = Table(table.name, missing, indexes=table.indexes)
        return self._has_unique(table, fk)

    def _taken(self, schema: str | None, table: TableName, index: Index) -> Finding | None:
        """Say who holds an index's name in its schema or table, or take it for this run."""
        shared = self.rules.shares_index_names
        place = schema if shared else f"{schema}.{self.rules.fold_table(table.name)}"
        name = TableName(place, self.rules.fold(index.name))
        owner = self.names.get(name)
        if owner:
            self._stop("index", table, index.name)
            return blocked("AM106", table, index.name, owner=owner, wanted=index)
        self.names[name] = f"an index of {table}"
        return None

    # A relation that stands

    def _other_relation(self, table: Table, actual: Table) -> Iterator[Finding]:
        missing = matched(table, actual, self.rules.fold).missing
        if missing:
            columns = ", ".join(column.name for column in missing)
            self._stop("table", table.name)
            yield blocked("AM107", table.name, None, kind=_kind(actual), columns=columns)
        elif actual.kind != table.kind:
            yield note("AM303", table.name, None, kind=_kind(actual))

    def _existing_table(self, table: Table, actual: Table) -> Iterator[Change | Finding]:
        fold = self.rules.fold
        columns = matched(table, actual, fold)
        missing = {fold(column.name): column for column in columns.missing}
        for name in in_order({name: map(fold, mentioned(c)) for name, c in missing.items()}):
            column = missing[name]
            fk = table.key_of(column.name)
            problem = self._unaddable(table, actual, column, fk)
            if problem:
                self._stop("column", table.name, column.name)
                yield problem
            elif fk and self.rules.keys_follow:
                yield AddColumn(table.name, column, fk, actual, key_follows=True)
                yield AddForeignKey(table.name, fk, column=column)
            elif fk and fk.deferred and not self.rules.adds_constraints:
                yield AddColumn(table.name, column, None, actual)
                yield from self._late_keys(table, [fk])
            else:
                yield AddColumn(table.name, column, fk, actual)
        unfinished = {*map(fold, actual.filling), *map(fold, actual.keys_due)}
        for column, _ in columns.pairs if unfinished else ():
            if fold(column.name) in unfinished:
                yield from self._unfinished(table, actual, column)
        yield from self._indexes(table, actual)
        pending = [c.name for c in actual.constraints if c.pending]
        pending += [fk.name for fk in actual.foreign_keys if fk.pending]
        for name in pending:
            yield ValidateConstraint(table.name, name, actual)
        yield from differences(table, actual, columns, self.rules)

    def _unfinished(self, table: Table, actual: Table, column: Column) -> Iterator[Change]:
        """Yield what an interrupted run has left to do for a column."""
        fk = table.key_of(column.name) if self.rules.keys_follow else None
        stands = fk is not None and bool(find_key(actual, fk, self.rules))
        is_filling = self.rules.fold(column.name) in map(self.rules.fold, actual.filling)
        if is_filling:
            follows = fk is not None and not stands
            yield AddColumn(table.name, column, None, actual, fill_only=True, key_follows=follows)
        if fk and not (is_filling and stands):
            yield AddForeignKey(table.name, fk, column=column, stands=stands)

    def _unaddable(
        self, table: Table, actual: Table, column: Column, fk: ForeignKey | None
    ) -> Finding | None:
        """Say why a column can't be added whatever the rows are, or None."""
        fold = self.rules.fold
        if column.making.automatic or fold(column.name) in map(fold, table.primary_key):
            return blocked("AM102", table.name, column.name, what="part of the primary key")
        if column.generated == "stored":
            return blocked("AM102", table.name, column.name, what="a stored generated column")
        for index in actual.indexes:
            if fold(column.name) in map(fold, index.misread):
                drop = f"DROP INDEX {self.rules.quote(table.name.schema, index.name)}"
                return blocked("AM113", table.name, column.name, sql=drop, index=index.name)
        return self._no_parent(table, fk) if fk else None

    def _indexes(self, table: Table, actual: Table) -> Iterator[Change | Finding]:
        fold = self.rules.fold
        standing = {fold(index.name): index for index in actual.indexes}
        if not self.rules.shares_index_names:
            place = f"{actual.schema}.{self.rules.fold_table(table.name.name)}"
            owner = f"an index of {table.name}"
            self.names.update({TableName(place, name): owner for name in standing})
        used: set[str] = set()
        coming: list[Index] = []
        for index in table.indexes:
            named = standing.get(fold(index.name))
            answer = satisfies(named, index, self.rules) if named else False
            if named and answer is not False:
                used.add(named.name)
                if answer is None:
                    what = "the index, since somebody locks the table"
                    yield note("AM304", table.name, index.name, what=what)
                continue
            if any(satisfies(other, index, self.rules) for other in (*actual.indexes, *coming)):
                continue
            leftover = self._is_leftover(named, index) if named else False
            if named and leftover is not False:
                used.add(named.name)
                if leftover:
                    yield AddIndex(table.name, index, actual, leftover=True)
                else:
                    what = "the INVALID index, since somebody locks the table"
                    yield note("AM304", table.name, index.name, what=what)
                continue
            taken = self._taken(actual.schema, table.name, index)
            if taken:
                yield taken
                continue
            coming.append(index)
            yield AddIndex(table.name, index, actual)
        for other in actual.indexes:
            if other.name not in used:
                yield from self._unused(table, other)

    def _unused(self, table: Table, other: Index) -> Iterator[Finding]:
        """Say that an index is in no model, when it can refuse rows or is broken."""
        if not other.valid:
            yield drift("AM211", table.name, other.name, index=other)
            return
        if not other.unique or other.origin == "pk":
            return
        wanted = any(satisfies(other, index, self.rules) for index in table.indexes)
        if not wanted and not self._is_known(table, other):
            yield note("AM302", table.name, other.name, index=other)

    def _is_known(self, table: Table, index: Index) -> bool:
        """Tell whether a unique index stands for a constraint of the model."""
        fold = self.rules.fold
        own = [fold(column.name) for column in table.columns if is_unique(column)]
        is_own = len(index.columns) == 1 and fold(index.columns[0]) in own
        return is_own or any(does_constraint(index, c, fold) for c in table.constraints)

    def _is_leftover(self, actual: Index, declared: Index) -> bool | None:
        """Tell whether an index is what a failed build has left; None when it can't tell."""
        if actual.valid or actual.unique != declared.unique:
            return False
        return same_definition(actual, declared, self.rules)


def _kind(table: Table) -> str:
    return table.kind if table.kind.endswith(("view", "table")) else f"{table.kind} table"
