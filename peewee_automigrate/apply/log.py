"""The package's logger: one INFO line a statement, one summary line a run."""

from __future__ import annotations

import logging

log = logging.getLogger("peewee_automigrate")
log.addHandler(logging.NullHandler())
