"""Which line of the caller's code fails. Enters: an error of theirs. Leaves: one line."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path

_OURS = Path(__file__).parents[1]
_OTHERS = [Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")]


def failure(error: BaseException) -> str:
    """Return the error's type and text, with the innermost file and line that is neither
    Python's, nor ours, nor of an installed package, if there is one.
    """
    frames = traceback.extract_tb(error.__traceback__)
    text, places = str(error), [(Path(frame.filename), frame.lineno) for frame in frames]
    if isinstance(error, SyntaxError) and error.filename:
        text, places = error.msg, [*places, (Path(error.filename), error.lineno)]
    line = " ".join(f"{type(error).__name__}: {text}".split())
    for path, number in reversed(places):
        if path.is_file() and not any(map(path.is_relative_to, (_OURS, *_OTHERS))):
            shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
            return f"{line} ({shown}, line {number})"
    return line
