"""PostgreSQL's catalogue: two statements for any number of tables, and what their rows mean.

Enters: rows. Leaves: `Table` values. Nothing waits for a table's lock: texts that would are left
out for tables that somebody holds in ACCESS EXCLUSIVE mode. Source:
https://www.postgresql.org/docs/current/catalogs.html.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ...compare.spelling import constraint, normalize, spelled_keys
from ...schema import (
    DEFERRABLE,
    PLAIN,
    UNKNOWN,
    Catalog,
    Column,
    ForeignKey,
    Index,
    Key,
    Table,
    TableName,
    Wanted,
    standing,
)
from ...sql import order_options, parse_index
from ..base import MARK, ChangedMeanwhile
from .names import fold
from .pinned import pinned
from .servers import SERVER, refuse

# Tables on which a function that locks what it describes would wait.
_LOCKED = """ARRAY(
    SELECT relation FROM pg_catalog.pg_locks
    WHERE mode = 'AccessExclusiveLock' AND relation IS NOT NULL AND pid <> pg_backend_pid())"""

# One row per column of the wanted relations, one for other relations, one for an empty schema.
_RELATIONS = pinned(f"""
SELECT n.nspname, array_position(current_schemas(false), n.nspname), c.oid, c.relname,
       c.relkind::text, GREATEST(c.reltuples::int8, pg_stat_get_live_tuples(c.oid)),
       (SELECT t.relname FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS t
        ON t.oid = i.indrelid WHERE i.indexrelid = c.oid AND c.relkind = ANY ('{{i,I}}')),
       a.attname, a.attnum, format_type(a.atttypid, a.atttypmod), a.attnotnull,
       CASE WHEN d.oid IS NULL THEN NULL
            WHEN c.oid = ANY ({_LOCKED}) THEN '{UNKNOWN}'
            ELSE pg_get_expr(d.adbin, d.adrelid) END,
       a.attgenerated::text, a.attidentity::text, o.collname, b.description,
       c.relhassubclass, c.relrowsecurity AND row_security_active(c.oid),
       CASE WHEN c.relispartition THEN 'a partition' WHEN c.reloftype <> 0 THEN 'of a type' END
FROM pg_catalog.pg_namespace AS n
LEFT JOIN pg_catalog.pg_class AS c
       ON c.relnamespace = n.oid AND c.relname = ANY (%s::name[])
LEFT JOIN pg_catalog.pg_attribute AS a
       ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      AND c.relkind = ANY ('{{r,p,v,m,f}}')
LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN pg_catalog.pg_collation AS o ON o.oid = a.attcollation AND o.collname <> 'default'
LEFT JOIN pg_catalog.pg_description AS b
       ON b.objoid = c.oid AND b.objsubid = a.attnum
      AND b.classoid = 'pg_catalog.pg_class'::regclass
WHERE n.nspname = ANY (current_schemas(false)) OR n.nspname = ANY (%s::name[])
ORDER BY c.oid, a.attnum
""")

# One row per index and one per constraint of the relations with these oids, and one per type that
# has a wanted name: a table makes a type of its name. One tells of the server.
_DETAILS = pinned(f"""
SELECT i.indrelid, 'index' AS kind, x.relname, i.indkey::text, i.indisvalid,
       CASE WHEN i.indexprs IS NULL AND i.indpred IS NULL THEN NULL
            WHEN i.indrelid = ANY ({_LOCKED}) THEN '{UNKNOWN}'
            ELSE pg_get_indexdef(i.indexrelid) END AS definition,
       i.indisunique, i.indisprimary, m.amname, i.indoption::text, i.indnkeyatts,
       CASE WHEN i.indclass::oid[] <@ ARRAY(
                SELECT oid FROM pg_catalog.pg_opclass WHERE opcdefault) THEN NULL
            ELSE ARRAY(SELECT CASE WHEN p.opcdefault THEN '' ELSE p.opcname::text END
                       FROM unnest(i.indclass::oid[]) WITH ORDINALITY AS u (oid, position)
                       JOIN pg_catalog.pg_opclass AS p ON p.oid = u.oid ORDER BY u.position) END,
       CASE WHEN i.indcollation::oid[] <@ ARRAY[0, 100]::oid[] THEN NULL
            ELSE ARRAY(SELECT COALESCE(p.collname::text, '')
                       FROM unnest(i.indcollation::oid[]) WITH ORDINALITY AS u (oid, position)
                       LEFT JOIN pg_catalog.pg_collation AS p ON p.oid = u.oid
                       ORDER BY u.position) END,
       %s AS nulls_not_distinct,
       NULL::name AS parent_schema, NULL::name AS parent, NULL::text[] AS parent_columns,
       NULL::text AS actions, NULL::text AS description,
       NOT i.indimmediate AS is_late
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
JOIN pg_catalog.pg_am AS m ON m.oid = x.relam
WHERE i.indrelid = ANY (%%s::oid[])
UNION ALL
SELECT k.conrelid, k.contype::text, k.conname, array_to_string(k.conkey, ' '), k.convalidated,
       CASE WHEN k.contype = 'f' THEN NULL
            WHEN k.conrelid = ANY ({_LOCKED}) THEN '{UNKNOWN}'
            ELSE pg_get_constraintdef(k.oid) END,
       NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, n.nspname, p.relname,
       CASE WHEN cardinality(k.confkey) = 1 THEN ARRAY[a.attname::text]
            ELSE ARRAY(SELECT s.attname::text
                       FROM unnest(k.confkey) WITH ORDINALITY AS u (number, position)
                       JOIN pg_catalog.pg_attribute AS s
                         ON s.attrelid = k.confrelid AND s.attnum = u.number
                       ORDER BY u.position) END,
       k.confdeltype::text || k.confupdtype::text
       || CASE WHEN k.condeferred THEN 'd' WHEN k.condeferrable THEN 'i' ELSE '' END,
       b.description, NULL
FROM pg_catalog.pg_constraint AS k
LEFT JOIN pg_catalog.pg_class AS p ON p.oid = k.confrelid
LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = p.relnamespace
LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.confrelid AND a.attnum = k.confkey[1]
LEFT JOIN pg_catalog.pg_description AS b
       ON b.objoid = k.oid AND b.classoid = 'pg_catalog.pg_constraint'::regclass
WHERE k.conrelid = ANY (%%s::oid[]) AND k.contype = ANY ('{{f,c,u,x}}')
UNION ALL
SELECT NULL, 'type', t.typname, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       n.nspname, NULL, NULL, NULL, NULL, NULL
FROM pg_catalog.pg_type AS t JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
WHERE t.typrelid = 0 AND t.typelem = 0 AND t.typname = ANY (%%s::name[])
UNION ALL
SELECT NULL, 'server', NULL, NULL, citus, version, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       NULL, NULL, NULL, NULL, NULL, NULL
FROM ({SERVER}) AS s
""")

_KINDS = {
    "r": "table",
    "p": "partitioned",
    "v": "view",
    "m": "materialized view",
    "f": "foreign",
    "S": "sequence",
    "c": "composite type",
}
BOUND = {"a partition", "of a type"}
INHERITED, GUARDED = "inherited", "row security"
_DEFERRABLE = {"": "", "i": "DEFERRABLE", "d": "DEFERRABLE INITIALLY DEFERRED"}
_ACTIONS = {"a": "", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}


def read(ask: Callable[..., list[Any]], version: int, wanted: Wanted) -> Catalog:
    """Read the wanted tables in two statements; ``ask`` sends a query. A table without a schema is
    looked up along the search path, as the server itself does.
    """
    names = sorted({n.name for n in (*wanted.tables, *wanted.names)})
    schemas = sorted({n.schema for n in (*wanted.tables, *wanted.names) if n.schema})
    reader = _Reader()
    reader.add_relations(ask(_RELATIONS, (names, schemas)))
    flag = "i.indnullsnotdistinct" if version >= 150000 else "false"
    oids = list(reader.oids)
    reader.add_details(ask(_DETAILS % flag, (oids, oids, names)))
    path = [name for _, name in sorted(reader.path)]
    tables = {}
    for want in wanted.tables:
        places = [TableName(s, fold(want.name)) for s in ([want.schema] if want.schema else path)]
        found = next((table for place in places if (table := reader.table(want, place))), None)
        if found:
            tables[TableName(want.schema, fold(want.name))] = found
    return Catalog(tables, reader.owners, frozenset(reader.schemas), path[0] if path else None)


class _Reader:
    """Collects the rows of the two catalogue queries and makes tables of them."""

    def __init__(self) -> None:
        self.schemas: set[str] = set()
        self.path: set[tuple[int, str]] = set()
        self.owners: dict[TableName, str] = {}
        self.oids: dict[int, tuple[str, int, tuple[str, ...]]] = {}
        self._relations: dict[TableName, int] = {}
        self._columns: dict[int, list[tuple[int, Column, str | None, bool]]] = defaultdict(list)
        self._details: dict[int, list[Sequence[Any]]] = defaultdict(list)

    def add_relations(self, rows: Sequence[Sequence[Any]]) -> None:
        for row in rows:
            schema, place, oid, name, kind, estimate, owner = row[:7]
            column, (inherited, guarded, bound) = row[7:-3], row[-3:]
            self.schemas.add(schema)
            if place is not None:
                self.path.add((place, schema))
            if oid is None:
                continue
            relation = TableName(schema, name)
            self.owners[relation] = f"an index of {owner}" if owner else f"a {_KINDS[kind]}"
            if kind in "rpvmf":
                self._relations[relation] = oid
                options = [INHERITED] if inherited and kind == "r" else []
                options += [GUARDED] if guarded else []
                options += [bound] if bound else []
                self.oids[oid] = (_KINDS[kind], estimate, tuple(options))
            if column[0] is not None:
                self._columns[oid].append(_column(column))

    def add_details(self, rows: Sequence[Sequence[Any]]) -> None:
        for row in rows:
            if row[1] == "type":
                self.owners.setdefault(TableName(row[14], row[2]), "a type")
            elif row[1] == "server":
                refuse(row[5], row[4])
            else:
                self._details[row[0]].append(row[1:])

    def table(self, wanted: TableName, found: TableName) -> Table | None:
        oid = self._relations.get(found)
        if oid is None:
            return None
        columns, details = self._columns[oid], self._details[oid]
        names = _ColumnNames((number, column.name) for number, column, _, _ in columns)
        collations = {column.name: collation for _, column, collation, _ in columns}
        texts = {c.name for _, c, _, _ in columns if c.type.startswith("character varying")}
        indexes = [_index(row, names, collations, texts) for row in details if row[0] == "index"]
        others = [row for row in details if row[0] in "cux"]
        kind, estimate, options = self.oids[oid]
        return Table(
            name=TableName(wanted.schema, found.name),
            columns=tuple(column for _, column, _, _ in columns),
            primary_key=next((i.columns for i in indexes if i.origin == "pk"), ()),
            indexes=tuple(indexes),
            foreign_keys=tuple(_foreign_key(row, names) for row in details if row[0] == "f"),
            constraints=tuple(constraint(row[4], row[1], row[17] == MARK, texts) for row in others),
            kind=kind,
            rows=estimate,
            schema=found.schema,
            options=options,
            filling=tuple(column.name for _, column, _, filling in columns if filling),
        )


class _ColumnNames(dict[int, str]):
    """Names of columns by number."""

    def __missing__(self, number: int) -> str:
        raise ChangedMeanwhile(f"an index or key of column {number}, which was not there before")


def _column(row: Sequence[Any]) -> tuple[int, Column, str | None, bool]:
    name, number, type_name, not_null, default, generated, identity, collation, description = row
    kinds = {"s": "stored", "v": "virtual", "": "identity" if identity else ""}
    made = kinds.get(generated, "")
    told = standing(collate=collation) if type_name != "name" else PLAIN  # it has one of its own
    column = Column(name, type_name, not not_null, None if made else default, made, told)
    return number, column, collation, description == MARK


def _index(
    row: Sequence[Any], names: dict[int, str], collations: dict[str, str | None], texts: set[str]
) -> Index:
    _, name, _, valid, definition, unique, primary, method, _, _, _, _, equal_nulls, *_ = row
    parsed = parse_index(definition) if definition else None
    if parsed:
        keys = spelled_keys(parsed, texts)
    else:
        unread = (Key(UNKNOWN, False),)
        keys = unread if definition else tuple(_keys(row, names, collations))
    return Index(
        name,
        keys,
        unique,
        method,
        where=normalize(parsed.where, texts) if parsed else definition or "",
        nulls_distinct=not equal_nulls,
        valid=valid,
        origin="pk" if primary else DEFERRABLE if row[-1] else "index",
        sql=definition or "",
        doubt="somebody locks the table" if definition and not parsed else "",
    )


def _keys(
    row: Sequence[Any], names: dict[int, str], collations: dict[str, str | None]
) -> Iterator[Key]:
    """Yield the key columns of an index; columns behind the keys are INCLUDE columns."""
    numbers, flags = (list(map(int, row[place].split())) for place in (2, 8))
    count, classes, collated = row[9], row[10], row[11]
    for position, number in enumerate(numbers[:count]):
        column, flag = names[number], flags[position]
        words = []
        if collated and collated[position] not in ("", collations[column] or "default"):
            words += ["collate", collated[position]]
        if classes and classes[position]:
            words.append(classes[position])
        words += order_options(bool(flag & 1), bool(flag & 2))
        yield Key(column, True, " ".join(words))


def _foreign_key(row: Sequence[Any], names: dict[int, str]) -> ForeignKey:
    on_delete, on_update = map(_ACTIONS.__getitem__, row[16][:2])
    return ForeignKey(
        columns=tuple(names[int(number)] for number in row[2].split()),
        parent=TableName(row[13], row[14]),
        parent_columns=tuple(row[15]),
        on_delete=on_delete,
        on_update=on_update,
        name=row[1],
        valid=row[3],
        pending=row[17] == MARK,
        deferrable=_DEFERRABLE[row[16][2:]],
    )
