"""Files and calls as MODELS. Enters: a word. Leaves: a module's name, or module:NAME."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from ..errors import ModelsNotFound
from ..models.collect import imported


def understood(word: str) -> str:
    """Return "shop.models:NAME" for "shop/models.py:NAME" or "shop.models:NAME()".

    Imports a file, its package's folder first on the path. Raises `ModelsNotFound`.
    """
    place, _, name = word.rpartition(":") if re.search(r":[^/\\]*$", word) else (word, "", "")
    called = name.removesuffix("()")
    if "(" in called:
        raise ModelsNotFound(f"{word}: a function gets no arguments. Write one that needs none.")
    if "/" in place or os.sep in place or (place.endswith(".py") and Path(place).is_file()):
        place = _module_of(place)
    return f"{place}:{called}" if called else place


def _module_of(place: str) -> str:
    path = Path(os.path.abspath(place))
    path = path.parent if path.name == "__init__.py" else path
    file = path / "__init__.py" if path.is_dir() else path
    if not file.is_file() or file.suffix != ".py":
        raise ModelsNotFound(f"{place}: no module's file, and no package. Write shop/models.py.")
    name, folder = path.stem, path.parent
    while (folder / "__init__.py").is_file():
        name, folder = f"{folder.name}.{name}", folder.parent
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    other = imported(name).__file__ or ""
    if Path(other).resolve() != file.resolve():
        raise ModelsNotFound(f"{place}: {name} is {other} already. Rename one of the two files.")
    return name
