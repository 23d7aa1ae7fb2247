"""(declared, actual) -> what is missing, and what is worth saying.

Enters: declared tables as `spelling` spells them, the catalogue, a database's names. Leaves:
changes, parents before children, and findings. Pure: no connection, no peewee, no dialect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..changes import (
    AddColumn,
    AddForeignKey,
    AddIndex,
    Change,
    CreateSchema,
    CreateTable,
    Difference,
    Finding,
)
from ..schema import DEFERRABLE, UNKNOWN, Catalog, Column, ForeignKey, Index, Ref, Table, TableName
from ..texts import blocked, drift, note
from .drift import differences, matched
from .graph import has_unique, in_order, mentioned
from .spelling import Names, does_constraint, same_names


def diff(declared: Sequence[Table], catalog: Catalog, names: Names) -> Difference:
    """Subtract the catalogue from the declared tables."""
    comparison = _Comparison(declared, catalog, names)
    said = list(comparison.run())
    found = [item for item in said if isinstance(item, Finding)]
    found.sort(key=lambda finding: finding.code != "AM209")
    changes = tuple(item for item in said if not isinstance(item, Finding))
    return Difference(changes, tuple(found), frozenset(comparison.stopped))


def satisfies(actual: Index, declared: Index, names: Names) -> bool | None:
    """Tell whether an actual index does what a declared one is for; None when it can't tell."""
    if not actual.valid or (declared.unique and not actual.unique):
        return False
    return same_definition(actual, declared, names)


def same_definition(actual: Index, declared: Index, names: Names) -> bool | None:
    """Compare method, keys in order, and predicate; None when a text could not be read."""
    if actual.method != declared.method:
        return False
    if declared.unique and actual.nulls_distinct != declared.nulls_distinct:
        return False
    if actual.where == UNKNOWN:
        return None
    if actual.where != declared.where or actual.keys == declared.keys:
        return actual.where == declared.where
    one, other = (
        [key._replace(text=names.fold(key.text)) if key.is_column else key for key in index.keys]
        for index in (actual, declared)
    )
    return one == other


class _Comparison:
    """Walks the declared tables, parents first, and yields changes and findings."""

    def __init__(self, declared: Sequence[Table], catalog: Catalog, names: Names) -> None:
        self.catalog = catalog
        self.names = names
        self._key = names.table_key
        self.declared = {self._key(table.name): table for table in declared}
        self.standing = dict(catalog.tables)  # with those that this run creates
        self.taken: dict[TableName, str] = dict(catalog.owners)  # with what this run takes
        self.stopped: set[Ref] = set()

    def run(self) -> Iterator[Change | Finding]:
        wanted = {table.name.schema for table in self.declared.values() if table.name.schema}
        if self.names.creates_schemas:
            yield from map(CreateSchema, sorted(wanted - self.catalog.schemas))
        for key in in_order(self._parents())[0]:
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

    def _stop(self, ref: Ref) -> None:
        self.stopped.add(self.names.ref(ref))

    # A table that is missing

    def _new_table(self, key: TableName, table: Table) -> Iterator[Change | Finding]:
        schema = table.name.schema or self.catalog.default_schema
        problems = list(self._obstacles(key, table, schema))
        yield from problems
        if any(problem.level == "blocked" for problem in problems):
            self._stop(Ref("table", table.name))
            return
        late = tuple(fk for fk in table.foreign_keys if self._is_late(table, fk))
        indexes: list[Index] = []
        for index in self._once(table):
            if taken := self._taken(schema, table.name, index):
                yield taken
            else:
                indexes.append(index)
        kept = table._replace(indexes=tuple(indexes), schema=schema)
        self.standing[key] = kept
        self.taken[TableName(schema, key.name)] = "a table"
        yield CreateTable(kept, late)
        yield from (AddForeignKey(table.name, fk, new_table=True) for fk in late)

    def _once(self, table: Table) -> list[Index]:
        """Return the indexes of a table, of those of one name and one purpose only one."""
        by_name: dict[str, Index] = {}
        others = []
        for index in table.indexes:
            named = by_name.setdefault(self.names.fold(index.name), index)
            if satisfies(index, named, self.names):
                by_name[self.names.fold(index.name)] = index  # a unique one goes before a plain one
            elif not satisfies(named, index, self.names):
                others.append(index)
        return [*by_name.values(), *others]

    def _obstacles(self, key: TableName, table: Table, schema: str | None) -> Iterator[Finding]:
        """Say why a table can't be created."""
        ref = Ref("table", table.name)
        owner = self.taken.get(TableName(schema, key.name))
        if schema is None:
            yield blocked("AM112", ref, what="no schema of the search path is there")
        elif schema not in self.catalog.schemas and not self.names.creates_schemas:
            yield blocked("AM112", ref, what=f"the schema {schema} is not there")
        elif owner:
            yield blocked("AM108", ref, owner=owner)
        else:
            yield from self._lost_columns(table)
            for fk in table.foreign_keys:
                if problem := self._no_parent(fk.ref(table.name), fk):
                    yield problem

    def _lost_columns(self, table: Table) -> Iterator[Finding]:
        """Say which columns constraints list that the table does not have."""
        known = {self.names.fold(column.name) for column in table.columns}
        for one in table.constraints:
            lost = [name for name in one.columns if self.names.fold(name) not in known]
            if lost:
                ref = Ref("constraint", table.name, one.name)
                yield blocked("AM145", ref, constraint=one.text, column=lost[0])

    def _no_parent(self, ref: Ref, fk: ForeignKey) -> Finding | None:
        key = self._key(fk.parent)
        if key not in self.declared and key not in self.catalog.tables:
            return blocked("AM109", ref, parent=fk.parent)
        actual = self.catalog.tables.get(key)
        late = (i.columns for i in (actual.indexes if actual else ()) if i.origin == DEFERRABLE)
        is_late = any(same_names(names, fk.parent_columns, self.names.fold) for names in late)
        if has_unique(actual, fk, self.names.fold) or (not is_late and self._gets_unique(key, fk)):
            return None
        columns = ", ".join(fk.parent_columns)
        code = "AM150" if is_late else "AM117" if self.names.checks_keys() else "AM312"
        return (note if code == "AM312" else blocked)(code, ref, parent=fk.parent, columns=columns)

    def _is_late(self, table: Table, fk: ForeignKey) -> bool:
        """Tell whether the parent of a new table's foreign key, or the key that it refers to, does
        not stand when the table is created.
        """
        if fk.deferred:
            return True
        if self._key(fk.parent) == self._key(table.name):
            return not has_unique(table._replace(indexes=()), fk, self.names.fold)
        return self._key(fk.parent) not in self.standing

    def _gets_unique(self, key: TableName, fk: ForeignKey) -> bool:
        """Tell whether this run makes the key that a foreign key refers to: to a table that stands
        it adds only columns and indexes.
        """
        table, actual = self.declared.get(key), self.catalog.tables.get(key)
        if table and actual:
            missing = tuple(matched(table, actual, self.names.fold).missing)
            table = Table(table.name, missing, indexes=table.indexes)
        return has_unique(table, fk, self.names.fold)

    def _taken(self, schema: str | None, table: TableName, index: Index) -> Finding | None:
        """Say who holds an index's name, or take it for this run."""
        ref = Ref("index", table, index.name)
        space = self.names.index_space(schema, table.name)
        name = TableName(space, self.names.fold(index.name))
        if owner := self.taken.get(name):
            self._stop(ref)
            return blocked("AM106", ref, owner=owner, wanted=index)
        self.taken[name] = f"an index of {table}"
        return None

    # A relation that stands

    def _other_relation(self, table: Table, actual: Table) -> Iterator[Finding]:
        ref = Ref("table", table.name)
        missing = matched(table, actual, self.names.fold).missing
        if missing:
            columns = ", ".join(column.name for column in missing)
            self._stop(ref)
            yield blocked("AM107", ref, kind=actual.described, columns=columns)
        elif actual.kind != table.kind:
            yield note("AM303", ref, kind=actual.described)

    def _existing_table(self, table: Table, actual: Table) -> Iterator[Change | Finding]:
        fold = self.names.fold
        columns = matched(table, actual, fold)
        missing = {fold(column.name): column for column in columns.missing}
        asked: Mapping[str, Finding] = {}
        if columns.missing and columns.unknown:
            from .renames import renamed_columns

            asked = renamed_columns(table.name, columns.missing, columns.unknown, self.names)
        needs = {name: map(fold, mentioned(column)) for name, column in missing.items()}
        for column in map(missing.__getitem__, in_order(needs)[0]):
            fk = table.key_of(column.name)
            problem = self._unaddable(table, actual, column, fk)
            said = list(filter(None, (asked.get(column.name), problem)))
            yield from said
            if "blocked" in [finding.level for finding in said]:
                self._stop(Ref("column", table.name, column.name))
            else:
                yield AddColumn(table.name, column, fk, actual)
        if actual.filling or actual.keys_due:
            from .unfinished import unfinished

            for pair in columns.pairs:
                yield from unfinished(table, actual, pair, self.names)
        yield from self._indexes(table, actual)
        pending = [c.name for c in actual.constraints if c.pending]
        if pending := pending + [fk.name for fk in actual.foreign_keys if fk.pending]:
            from .unfinished import validations

            yield from validations(table, actual, pending, self.names)
        yield from differences(table, actual, columns, self.names)

    def _unaddable(
        self, table: Table, actual: Table, column: Column, fk: ForeignKey | None
    ) -> Finding | None:
        """Say why a column can't be added whatever the rows are, or None."""
        fold, ref = self.names.fold, Ref("column", table.name, column.name)
        if column.declared.automatic or fold(column.name) in map(fold, table.primary_key):
            return blocked("AM102", ref, what="part of the primary key")
        if column.generated == "stored":
            return blocked("AM102", ref, what="a stored generated column")
        for index in actual.indexes:
            if fold(column.name) in map(fold, index.misread):
                drop = f"DROP INDEX {self.names.quote(table.name.schema, index.name)}"
                return blocked("AM113", ref, sql=drop, index=index.name)
        return self._no_parent(ref, fk) if fk else None

    def _indexes(self, table: Table, actual: Table) -> Iterator[Change | Finding]:
        names = self.names
        standing = {names.fold(index.name): index for index in actual.indexes}
        space = names.index_space(actual.schema, table.name.name)
        for name in standing:
            self.taken.setdefault(TableName(space, name), f"an index of {table.name}")
        used: set[str] = set()
        alike: dict[tuple[str, ...], list[Index]] = {}  # by keys, with those that come

        def same_keys(index: Index) -> list[Index]:
            return alike.setdefault(tuple(names.fold(key.text) for key in index.keys), [])

        for other in actual.indexes:
            same_keys(other).append(other)
        for index in table.indexes:
            named = standing.get(names.fold(index.name))
            answer = satisfies(named, index, names) if named else False
            if named and answer is not False:
                used |= {named.name} if index.unique or not named.unique else set()
                if answer is None:
                    what = f"the index, since {named.doubt or 'its text can not be read'}"
                    yield note("AM304", Ref("index", table.name, index.name), what=what)
            elif not any(satisfies(o, index, names) for o in same_keys(index)):
                item = self._missing_index(table, actual, named, index)
                if named and not (isinstance(item, Finding) and item.level == "blocked"):
                    used.add(named.name)
                if isinstance(item, AddIndex) and not item.leftover:
                    same_keys(index).append(index)
                yield item
        for other in actual.indexes:
            ref = Ref("index", table.name, other.name)
            if other.name not in used and not other.valid:
                yield drift("AM211", ref, index=other)
            elif other.name not in used and self._may_refuse(table, other):
                yield note("AM302", ref, index=other)

    def _missing_index(
        self, table: Table, actual: Table, named: Index | None, index: Index
    ) -> AddIndex | Finding:
        """Return what is to be done or said of a missing index; ``named`` stands under its name."""
        if named and not named.valid and named.unique == index.unique:
            same = same_definition(named, index, self.names)
            if same:
                return AddIndex(table.name, index, actual, leftover=True)
            if same is None:
                what = f"the INVALID index, since {named.doubt or 'its text can not be read'}"
                return note("AM304", Ref("index", table.name, index.name), what=what)
        taken = self._taken(actual.schema, table.name, index)
        return taken or AddIndex(table.name, index, actual)

    def _may_refuse(self, table: Table, index: Index) -> bool:
        """Tell whether an index is unique, and stands for no index or constraint of the model."""
        if not index.unique or index.origin == "pk":
            return False
        fold = self.names.fold
        own = [(column.name,) for column in table.columns if column.is_unique]
        key = set(map(fold, table.primary_key))
        return not (
            (key and key <= set(map(fold, index.columns)))
            or any(i.unique and satisfies(index, i, self.names) for i in table.indexes)
            or any(same_names(index.columns, columns, fold) for columns in own)
            or any(does_constraint(index, c, self.names) for c in table.constraints)
        )
