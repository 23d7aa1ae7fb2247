"""Modules written for one test, imported from a folder of their own and forgotten afterwards."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest


@dataclass(frozen=True)
class Modules:
    """A folder that is on the path; what is imported in it must not exist anywhere else."""

    folder: Path

    def write(self, name: str, text: str) -> None:
        """Make the module ``name``; "shop.models" makes the package too."""
        *packages, module = name.split(".")
        folder = self.folder.joinpath(*packages)
        folder.mkdir(parents=True, exist_ok=True)
        for depth in range(len(packages)):
            (self.folder.joinpath(*packages[: depth + 1]) / "__init__.py").touch()
        (folder / f"{module}.py").write_text(textwrap.dedent(text))

    def load(self, name: str) -> ModuleType:
        return import_module(name)


@contextmanager
def modules_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Modules]:
    """Make ``folder`` the current one and the first on the path, as long as the block runs."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    known = set(sys.modules)
    yield Modules(folder)
    for name in set(sys.modules) - known:
        if str(folder) in str(getattr(sys.modules[name], "__file__", None)):
            del sys.modules[name]
