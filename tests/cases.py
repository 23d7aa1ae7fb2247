"""The table of cases: what stands, the models, what is added, what is blocked, what differs."""

from __future__ import annotations

from tests import (
    cases_clauses,
    cases_columns,
    cases_conflicts,
    cases_defaults,
    cases_drift,
    cases_indexes,
    cases_keys,
    cases_mysql,
    cases_names,
    cases_odd,
    cases_places,
    cases_relations,
    cases_tables,
)
from tests.cases_base import Case

CASES: list[Case] = [
    *cases_columns.CASES,
    *cases_clauses.CASES,
    *cases_defaults.CASES,
    *cases_odd.CASES,
    *cases_keys.CASES,
    *cases_indexes.CASES,
    *cases_conflicts.CASES,
    *cases_tables.CASES,
    *cases_relations.CASES,
    *cases_names.CASES,
    *cases_places.CASES,
    *cases_drift.CASES,
    *cases_mysql.CASES,
]
