"""What a project's own files say of MODELS, the database and the options.

Enters: a folder. Leaves: defaults by the names of the commands' parameters. Imports no models.
"""

from __future__ import annotations

import sys
from configparser import ConfigParser
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from ..options import TEXTUAL

_KNOWN = {"models": "models", "database": "url"} | {name: name for name in TEXTUAL}


def configured(folder: Path) -> dict[str, Any]:
    """Return what pyproject.toml says, else setup.cfg; text and lists as they stand there.

    Raises `click.UsageError` for a name that is no option. Python 3.10 reads setup.cfg only.
    """
    place, found = _found(folder)
    for name in found.keys() - _KNOWN:
        raise click.UsageError(f"{place}: {name!r} is no option. Use {', '.join(_KNOWN)}.")
    settings = {_KNOWN[name]: value for name, value in found.items()}
    if isinstance(settings.get("models"), str):
        settings["models"] = settings["models"].split()
    return settings


def _found(folder: Path) -> tuple[str, dict[str, Any]]:
    with suppress(FileNotFoundError):
        if sys.version_info >= (3, 11):
            import tomllib

            text = (folder / "pyproject.toml").read_text("utf-8")
            tools = tomllib.loads(text).get("tool", {}) if "peewee_automigrate" in text else {}
            if "peewee_automigrate" in tools:
                return "pyproject.toml", tools["peewee_automigrate"]
    parser = ConfigParser(interpolation=None)
    parser.read(folder / "setup.cfg", "utf-8")
    section = "peewee_automigrate"
    return "setup.cfg", dict(parser[section]) if parser.has_section(section) else {}
