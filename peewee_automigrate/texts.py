"""The texts of all findings, by code. A code never changes its meaning.

Enters: the object and the words that a text needs. Leaves: a `Finding`.
AM1xx is blocked, AM2xx drift, AM3xx a note, and so are QUESTIONS.
"""

from __future__ import annotations

import re
from functools import partial

from .changes import Finding
from .schema import Ref

QUESTIONS = ("AM210", "AM214")
"""The notes to answer before a run, which a log has as warnings."""

_OTHERWISE = "Declare it otherwise, or add it by your own script, then run again."
_TABLE = """
AM101 NOT NULL without a default, and the table has rows
   -> Give it a default or null=True, or add it by your own script, then run again.
AM102 {what}, which can't be added to a table that stands
   -> Add it by your own script, then run again.
AM103 the default {default} is not a constant, and SQLite adds no such column to a table with rows
AM104 unique, and its constant default would stand in {rows} rows
   -> Give it null=True without a default, or a default that differs for each row.
AM105 {wanted} over duplicate rows: {groups} more than once{samples}
   -> Remove the duplicates, then run again. This query lists them: {query}
AM106 the name is taken by {owner}, and {wanted} is missing
   -> Give the index another name, or rename the other one.
AM107 the relation is a {kind}, and these columns are missing: {columns}
   -> Add them to the {kind} by your own script.
AM108 the name is taken by {owner}
   -> Give the model another table name.
AM109 refers to the table {parent}, which is neither in the database nor among the models
   -> Name its model too, then run again.
AM110 the default can't be used: {reason}
   -> Give it a default that fits the column, then run again.
AM111 needs {what}, which is blocked
   -> Resolve that first.
AM112 {what}
   -> Attach or create it, or set the connection's search path, then run again.
AM113 the index {index} was made before this column and reads its name as a string; adding the
      column would corrupt the index
   -> Drop the index by hand, then run again: {sql}
AM114 {rows} rows would fail {check}
   -> Give it a default that passes, then run again. This query lists them: {query}
AM115 the default {default} is not in {parent}
   -> Insert that row first, or give it null=True without a default.
AM116 the type {type} is unknown to the database
   -> Create the type or its extension first, then run again.
AM117 refers to {parent} ({columns}), which is neither its primary key nor unique
   -> Declare that field unique=True, then run again.
AM118 it is {child}, and the column that it refers to is {parent}
   -> Declare both sides alike, then run again.
AM119 {what} is longer than {limit} characters, which the database refuses
   -> Give it a shorter name.
AM120 {why}; declare unique=True instead
AM121 SQLite adds no foreign key column with a default to a table with rows, since it would not
      check the default
AM122 a STRICT table takes no column of type {type}
AM123 a STRICT table takes no default of type {kind} for {type}
AM124 PostgreSQL adds no virtual column to a partitioned table
AM125 a unique index here must have {columns} as well
AM126 the table is system-versioned, and its history would change
AM127 its default has letters that the table's character set {charset} lacks
AM128 on MariaDB a column has one CHECK, which has no name and comes last
AM129 the primary key is a FLOAT, whose values no query can name
AM130 the table has no primary key, so that its rows can't be told apart to fill it
AM131 {server} has no partial indexes
AM132 {server} has no NULLS NOT DISTINCT
AM133 {server} has no indexes on expressions
AM134 {role}its key can be longer than the {limit} bytes that the table takes; index a prefix by
      SQL, such as ({column}(191))
AM135 {server} has no deferrable foreign keys
   -> Declare both sides alike, then run again.
AM136 {server} has no foreign keys to another schema
   -> Declare both sides alike, then run again.
AM137 {what} is of the engine {engine}, and only InnoDB has foreign keys
   -> Declare both sides alike, then run again.
AM138 {what} is partitioned, and has no foreign keys
   -> Declare both sides alike, then run again.
AM139 it is {child}, and the column that it refers to is {parent}
   -> Declare both sides alike, then run again.
AM140 needs {what}, which needs it in turn
   -> Leave one of the two out, run, and declare it afterwards.
AM144 row-level security hides rows of the table from this role, so that not all of them are known
   -> Migrate as a role with BYPASSRLS, or as the owner while the table does not FORCE it.
AM145 {constraint} names the column {column}, which the table does not have
   -> Take it out of the constraint, or declare the column.
AM146 the server refuses what would be asked of the rows: {reason}
AM147 the table has {limit} indexes by then, which is all that the server allows
AM148 a table of the engine {engine} has no column of type {type}
AM149 the table is {what}, and gets its columns from there
   -> Add it there by your own script, then run again.
AM150 refers to {parent} ({columns}), whose unique constraint is DEFERRABLE
   -> Give the columns a unique constraint, or index, that is checked at once.
AM151 an index of {method} has no operator class for the type {type}
AM152 this server has stored generated columns only
AM153 a temporary table of this session hides {table}
   -> Drop it, or migrate over another connection.
AM154 missing, beside {other} of the same type, NOT NULL without a default, which no model knows:
      renamed? Inserts without it would fail
   -> If so, rename by hand, then run again: {sql}. If not, let {other} be NULL, and say
      automigrate_not_renamed = ("{name}",) in class Meta.
AM155 OceanBase has no default of the type {type}
AM156 OceanBase would give all rows that stand one value of {default}
   -> Give the column null=True and a Python default, or add it by your own script.
AM157 begun at {started}, and not finished
   -> Look at the database, then say `script done {name}` or `script retry {name}`.
AM201 the type is {actual}, the model says {declared}
   -> Nothing is changed.
AM202 {actual} in the database, {declared} in the model
   -> Nothing is changed.
AM203 the default is {actual}, the model says {declared}
   -> Nothing is changed.
AM204 the primary key is ({actual}), the model says ({declared})
   -> Nothing is changed; a key is changed by your own script.
AM206 the foreign key to {parent} is missing
   -> Nothing is added to a column that stands.
AM207 the foreign key is {actual}, the model says {declared}
   -> Nothing is changed.
AM208 the constraint is missing: {constraint}
   -> Nothing is added to a table that stands.
AM209 not in the model, NOT NULL and without a default: inserts of this model will fail
   -> Give it a default, or let it be NULL.
AM211 the {index} is INVALID and unknown to the models
   -> Drop or rebuild it by hand.
AM212 the foreign key {constraint} is not validated
   -> Validate it by hand.
AM213 the type is {actual}, the model says {declared}, and an interrupted run has marked the
      column as not complete
   -> Bring the two together, then run again.
AM215 {actual} in the database, {declared} in the model
   -> Nothing is changed; such a column is dropped and added again by your own script.
AM218 the constraint {constraint} is not validated, and the mark of an interrupted run is on one
      that the model does not declare in these words
   -> It is not validated; read it, then validate or drop it by hand.
AM216 the constraint {constraint} is {actual}, the model says {declared}
   -> Nothing is changed; drop it and add the other one by your own script.
AM217 the {what} is {actual}, the model says {declared}
   -> Nothing is changed; it is a part of the column's type, changed by your own script.
AM210 missing, beside {other} of the same type, which no model knows: renamed?
   -> If so, rename by hand before you run; otherwise the new column is added.
AM214 missing, beside {other} with the same columns, which no model knows: renamed?
   -> If so, rename by hand before you run; otherwise the new table is created.
AM301 not in the model
   -> It stays.
AM302 the {index} is in no model, and can refuse rows that the model allows
   -> It stays.
AM303 the relation is a {kind} with all columns of the model
   -> It is never altered.
AM304 can't tell whether the model and the database agree on {what}
   -> Compare by hand.
AM305 nullable in the database, filled by the model's callable default
   -> It can be tightened by hand when every row is filled.
AM306 this database can't add the foreign key to {parent} afterwards
   -> The column works without it.
AM307 an abstract base, left out
   -> Name the model itself if it wants a table.
AM310 to fill it, each row is updated, which fires the trigger {triggers}
   -> If it must not, declare null=True without a default, and fill by your own script.
AM311 temporary, and left out
   -> Create it over the connection with which it ends.
AM312 refers to {parent} ({columns}), which is not unique, and the connection checks no foreign
      keys
   -> With PRAGMA foreign_keys on each write would fail; declare that field unique=True.
AM313 accepted as {known}, which is no finding here
   -> Take the line out.
AM314 the {constraint} is in no model, and can refuse rows that the model allows
   -> It stays.
AM315 its comment is the mark of an interrupted run, which would have left another column
   -> It is not filled; take the comment off by hand.
AM316 the file has changed since it ran
   -> It does not run again; write another script.
AM317 it has run, and its file is gone
   -> Put it back, or leave it so.
AM318 {others} has the same number, {number}
   -> They run by number, then by name.
AM309 can't tell within {seconds} s whether the rows allow it
   -> The database decides when it is added.
AM308 an INVALID leftover of the same definition
   -> It is dropped and built again.
"""
"""Of each code the fact, and behind "->" the remedy, which is `_OTHERWISE` where none stands."""


def _entry(text: str) -> tuple[str, tuple[str, str]]:
    """Return the code of one entry, its fact and its remedy."""
    code, _, rest = " ".join(text.split()).partition(" ")
    fact, _, remedy = rest.partition(" -> ")
    return code, (fact, remedy or _OTHERWISE)


TEXTS: dict[str, tuple[str, str]] = dict(map(_entry, re.split(r"\n(?=AM)", _TABLE)[1:]))


def _finding(level: str, code: str, ref: Ref, sql: str | None = None, **words: object) -> Finding:
    fact, remedy = (text.format(sql=sql, **words) for text in TEXTS[code])
    return Finding(code, level, ref, fact, remedy, sql, str(words.get("samples", "")))


blocked = partial(_finding, "blocked")
"""Makes a finding about something that is missing and must not be added blindly."""

drift = partial(_finding, "drift")
"""Makes a finding about something that exists and differs."""

note = partial(_finding, "note")
"""Makes a finding that only informs."""
