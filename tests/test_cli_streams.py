"""Standard output that is closed, full or not there: what is printed is lost, the run is not."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest

from tests.support.project import ROOT, Project
from tests.support.terminal import without_sizes

PROGRAM = f"{shlex.quote(sys.executable)} -m peewee_automigrate"


def shell(project: Project, line: str) -> tuple[str, str, str]:
    """Run a line of bash; return the exit code of its first program, and what came out."""
    line = line.replace("URL", project.url).replace("PROGRAM", PROGRAM)
    done = subprocess.run(
        ["bash", "-c", f'{line}\necho "codes ${{PIPESTATUS[0]}}" >&2'],
        cwd=project.folder,
        env={**without_sizes(), "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    said, _, code = done.stderr.rpartition("codes ")
    return code.strip(), done.stdout, said


LOST = {
    "first_line_only": ("migrate app --database URL | head -n 1", ""),
    "nobody_reads": ("migrate app --database URL | true", ""),
    "nobody_reads_errors": ("migrate -v app --database URL 2>&1 | true", ""),
    "full": (
        "migrate app --database URL >/dev/full",
        "standard output: No space left on device. The run goes on; what it prints is lost.\n",
    ),
    "all_full": ("migrate -v app --database URL >/dev/full 2>/dev/full", ""),
    "not_there": ("migrate app --database URL >&-", ""),
    "nothing_there": ("migrate -v app --database URL >&- 2>&-", ""),
}


@pytest.mark.parametrize("case", LOST)
def test_migrate_goes_on_when_its_output_is_lost(project: Project, case: str) -> None:
    words, expected = LOST[case]
    code, _, said = shell(project, f"PROGRAM {words}")
    assert (code, said) == ("0", expected)
    assert project.database().get_tables() == ["author", "post"]


def test_first_line_is_printed_before_a_pipe_closes(project: Project) -> None:
    _, output, _ = shell(project, "PROGRAM migrate app --database URL | head -n 1")
    assert output.startswith("2 models of app on sqlite ")
    assert output.count("\n") == 1


@pytest.mark.parametrize("form", ["text", "sql"])
def test_plan_that_nobody_reads_to_its_end_is_no_error(project: Project, form: str) -> None:
    words = f"PROGRAM plan app --format {form} --database URL | true"
    assert shell(project, words)[::2] == ("0", "")


@pytest.mark.parametrize("command", ["plan app --format sql", "plan app", "check app"])
def test_answer_that_does_not_fit_is_an_error(project: Project, command: str) -> None:
    code, _, said = shell(project, f"PROGRAM {command} --database URL >/dev/full")
    assert (code, "No space left on device" in said) == ("4", True)


def test_error_that_nobody_reads_keeps_its_exit_code(project: Project) -> None:
    assert shell(project, "PROGRAM plan nothing --database URL 2>/dev/full")[0] == "2"
