"""The table of cases: what stands, the models, what is added, what is blocked, what differs."""

from __future__ import annotations

from tests import cases_columns, cases_indexes, cases_tables
from tests.cases_base import Case

CASES: list[Case] = [*cases_columns.CASES, *cases_indexes.CASES, *cases_tables.CASES]
