"""The README's blocks run, and print what it says."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_readme_python_blocks_print_what_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "readme"}
    said, printed = [], []
    for (kind, code), (after, text) in zip(BLOCKS, [*BLOCKS[1:], ("", "")], strict=True):
        if kind == "python":
            output = io.StringIO()
            with redirect_stdout(output):
                exec(compile(code, "README.md", "exec"), namespace)
            printed.append(output.getvalue())
            said.append(text if after == "text" else "")
    assert printed == said
    assert len(printed) >= 2


def test_readme_is_short_enough_to_read() -> None:
    assert len(README.splitlines()) <= 300
