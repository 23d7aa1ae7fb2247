"""`Plan` and `Report`, and their JSON; how else a plan reads is loaded when it is read.

Enters: steps and findings. Leaves: text and plain dicts. Runs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .changes import Finding, Step, counted, plural

VERSION = 1
_STEP = ("kind", "table", "name", "statements", "effect", "rows", "blocks", "reason")
_FINDING = ("code", "level", "table", "name", "fact", "remedy", "sql")


@dataclass(frozen=True)
class Plan:
    """What `migrate` would do, and what it would not. True when there is anything to add.

    ``steps`` are in the order in which they would run; ``blocked`` is missing and must not be
    added blindly; ``findings`` are all others, drift before notes, but for those ``accepted``;
    ``scripts`` are the names of own scripts that are pending: steps were planned without them.
    """

    steps: tuple[Step, ...]
    blocked: tuple[Finding, ...] = ()
    findings: tuple[Finding, ...] = ()
    summary: str = field(default="", compare=False)
    accepted: tuple[Finding, ...] = ()
    database: str = field(default="", compare=False)
    lock_timeout: float = field(default=3.0, compare=False)
    scripts: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.steps or self.blocked or self.scripts)

    def __str__(self) -> str:
        from .printing import count_line, parts_of, words_of

        lines = [line for part in parts_of(self) for line in part]
        return "\n".join(map(words_of, [*lines, [("heading", count_line(self))]]))

    @property
    def drift(self) -> tuple[Finding, ...]:
        """The findings about what exists and differs."""
        return tuple(finding for finding in self.findings if finding.level == "drift")

    def sql(self) -> list[str]:
        """Return the statements that `migrate` would send, in order, without transactions."""
        return [statement for step in self.steps for statement in step.statements]

    def _repr_markdown_(self) -> str:
        from .printing import markdown  # for a notebook

        return markdown(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON-ready dicts, under a ``version`` that rises when keys change."""
        return {
            "version": VERSION,
            "database": self.database,
            "steps": [{**_dict(one, _STEP), "statements": [*one.statements]} for one in self.steps],
            "blocked": [_dict(finding, _FINDING) for finding in self.blocked],
            "findings": [_dict(finding, _FINDING) for finding in self.findings],
            "accepted": [_dict(finding, _FINDING) for finding in self.accepted],
            "scripts": [*self.scripts],
        }


@dataclass(frozen=True)
class Report:
    """What `migrate` did. True when something was applied; prints as one summary line.

    ``applied`` are the steps that ran, in order; ``skipped`` the blocked findings that
    ``on_blocked="skip"`` left out; ``waited`` and ``duration`` are seconds; ``scripts`` are the
    own scripts that ran, ``backup`` is the path of the backup.
    """

    applied: tuple[Step, ...]
    findings: tuple[Finding, ...] = ()
    skipped: tuple[Finding, ...] = ()
    waited: float = 0.0
    duration: float = 0.0
    scripts: tuple[str, ...] = ()
    backup: str | None = None

    def __bool__(self) -> bool:
        return bool(self.applied or self.scripts)

    def __str__(self) -> str:
        done = [f"ran {plural(len(self.scripts), 'script')}"] if self.scripts else []
        done += [f"applied {counted(self.applied)}"] if self.applied else []
        parts = [f"{', '.join(done) or 'nothing to do'} in {self.duration:.2f} s"]
        parts += [f"backup in {self.backup}"] if self.backup else []
        if self.skipped:
            parts.append(f"{len(self.skipped)} blocked and skipped")
        if self.waited >= 0.1:
            parts.append(f"waited {self.waited:.1f} s for the lock")
        return ", ".join(parts) + "."


def joined(plans: Sequence[Plan]) -> dict[str, Any]:
    """Return one document for the plans of several databases; that of one is its own."""
    parts = [made.to_dict() for made in plans]
    return parts[0] if len(parts) == 1 else {"version": VERSION, "plans": parts}


def _dict(item: object, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(item, name) for name in names}


def __getattr__(name: str) -> Any:
    """Return what `printing` has under a name: how a plan reads is loaded where somebody asks."""
    if name.startswith("__"):  # `import` asks each module for its ``__path__``
        raise AttributeError(name)
    from . import printing

    return getattr(printing, name)
