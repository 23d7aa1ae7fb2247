"""Add what your Peewee models have and the database lacks, and nothing else."""

from .apply.protocol import migrate, plan
from .changes import Finding, Step
from .dialects import migrator_for
from .errors import (
    AutoMigrateError,
    LockTimeout,
    MigrationBlocked,
    MigrationFailed,
    ModelsNotFound,
    PlanChanged,
    UnsupportedDatabase,
)
from .options import Options, StepEvent
from .report import Plan, Report

__version__ = "0.1.0"

__all__ = [
    "AutoMigrateError",
    "Finding",
    "LockTimeout",
    "MigrationBlocked",
    "MigrationFailed",
    "ModelsNotFound",
    "Options",
    "Plan",
    "PlanChanged",
    "Report",
    "Step",
    "StepEvent",
    "UnsupportedDatabase",
    "migrate",
    "migrator_for",
    "plan",
]
