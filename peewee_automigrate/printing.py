"""How plans read: text, SQL, Markdown.

Enters: plans. Leaves: text, and cells with roles for who lays it out. A start never loads it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from .changes import Finding, Step, counted, plural, visible

if TYPE_CHECKING:
    from .report import Plan

Cell: TypeAlias = tuple[str, str]
"""A role, such as "add" or "blocked", and a text."""
Line: TypeAlias = list[Cell]

INDENT = " " * 6
GAP = "  "
UNFILLED = (
    "-- Pasted, this leaves NULL in the rows that stand, and a later migrate does not fill them: "
    "fill them by hand, or let migrate add the column."
)
_AS_IT_STANDS = "  which may change what follows: it is planned as the database stands now"
_SIGNS = {"blocked": "!", "drift": "~", "note": "·"}
_MARKS = re.compile(r"[\\`*\[\]<>&|~]|(?<![^\W_])_|_(?![^\W_])")
_QUOTED = re.compile(r"""\b[Ee]'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|"(?:[^"]|"")*\"""", re.DOTALL)
_FOLDED = 6  # lines of a script that a plan shows whole
_LONG = 60  # a longer step moves only its own cost


def parts_of(plan: Plan, *, sql: bool = False, is_wrapped: bool = False) -> list[list[Line]]:
    """Return a plan for logs and `grep`, a line for each step and each finding, without a count, in
    parts: summary, steps, what is blocked, other findings. A part without lines is left out.

    ``sql``: the statements too. ``is_wrapped``: what a person pastes stands on lines of its own.
    """
    head: list[Line] = [[("heading", plan.summary)]] if plan.summary else []
    scripts: list[Line] = [[("add", f"+ script {visible(name)}")] for name in plan.scripts]
    scripts += [[("reason", _AS_IT_STANDS)]] if scripts else []
    parts = [head, scripts, _done(plan.steps, sql)]
    for found in (plan.blocked, told(plan)):
        parts.append([line for each in found for line in _said(each, sql, is_wrapped)])
    return [part for part in parts if part]


def _done(steps: Sequence[Step], sql: bool) -> list[Line]:
    """Return the lines of steps by table, in columns: what it does, its cost, its reason."""
    tables: dict[str, list[Step]] = {}
    for step in steps:
        tables.setdefault(step.table, []).append(step)
    rows = []
    for table, its in tables.items():
        heading = visible(table) if len(its) > 1 or its[0].name else ""
        sign = "  + " if heading else "+ "
        rows += [(heading if step is its[0] else "", step, f"{sign}{step}") for step in its]
    width = min(max((len(words) for *_, words in rows), default=0), _LONG)
    costs = max((len(_cost(step)) for step in steps), default=0)
    lines: list[Line] = []
    for heading, step, words in rows:
        cost = "cost" if step.blocks == "nothing" else "blocks", _cost(step)
        line = [("add", words), ("", " " * (width - len(words)) + GAP), cost]
        if step.reason:
            gap = " " * (costs - len(cost[1])) + GAP
            line += [("", gap), ("reason", visible(step.reason))]
        lines += [[("heading", heading)], line] if heading else [line]
        lines += [_sql(one) for one in closed(step.statements) if sql]
    return lines


def _sql(line: str) -> Line:
    return [("", INDENT), ("sql", visible(line))]


def _said(finding: Finding, is_whole: bool, is_wrapped: bool) -> list[Line]:
    script, remedy = finding.sql or "", finding.remedy
    if is_wrapped:
        remedy = remedy.removesuffix(script).rstrip()
    line = [lead_of(finding), ("", f" {finding.head}"), ("", " "), ("", visible(remedy))]
    is_there = not script or (script in str(finding) and not is_wrapped)
    lines = () if is_there else script_of(finding, is_whole=is_whole)
    return [line if remedy else line[:2], *map(_sql, lines)]


def words_of(line: Sequence[Cell]) -> str:
    """Return the text of a line."""
    return "".join(words for _, words in line)


def told(plan: Plan) -> list[Finding]:
    """Return the findings but for the abstract bases, which the first line names."""
    return [finding for finding in plan.findings if finding.code != "AM307"]


def script_of(finding: Finding, *, is_whole: bool = True) -> list[str]:
    """Return the lines of a finding's SQL; a long script is cut unless it is wanted whole."""
    lines = [visible(line) for line in f"{finding.sql};".split("\n")]
    if is_whole or len(lines) <= _FOLDED:
        return lines
    more = f"-- ... and {len(lines) - 2} more lines, with --verbose, --format markdown or in .sql"
    return [*lines[:2], more]


def lead_of(finding: Finding) -> Cell:
    """Return what a finding's line begins with."""
    return finding.level, f"{_SIGNS[finding.level]} {finding.level} {finding.code}"


def _cost(step: Step) -> str:
    number = f"~{step.rows:,}" if step.rows > 0 else "?"
    rows = f" {number} row{'s' if step.rows != 1 else ''}" if step.rows else ""
    blocks = "" if step.blocks == "nothing" else f", blocks {step.blocks}"
    return f"{step.effect}{rows}{blocks}"


def count_line(plan: Plan) -> str:
    """Return how much there is to add, and how many findings there are."""
    todo = [counted(plan.steps)] if plan.steps else []
    todo += [f"{len(plan.blocked)} blocked"] if plan.blocked else []
    notes = len(told(plan)) - len(plan.drift)
    rest = [f"{len(plan.drift)} drift"] if plan.drift else []
    rest += [plural(notes, "note")] if notes else []
    rest += [f"{len(plan.accepted)} accepted"] if plan.accepted else []
    lead = f"To run: {plural(len(plan.scripts), 'script')}. " if plan.scripts else ""
    lead += "To add: " if plan.steps else ""
    if plan.scripts and not todo:
        return f"{lead}{', '.join(rest)}{'.' if rest else ''}".rstrip()
    found = f" {', '.join(rest)}." if rest else ""
    return f"{lead}{', '.join(todo) or 'Nothing to do'}.{found}"


def sql_text(plan: Plan) -> str:
    """Return a script: what is blocked, then the statements, which wait as in `migrate`."""
    blocked = [visible(f"-- script {name} runs first") for name in plan.scripts]
    blocked += [f"-- {lead_of(finding)[1][2:]} {finding}" for finding in plan.blocked]
    waits = f"SET lock_timeout = {max(int(plan.lock_timeout * 1000), 1)}"
    statements = [waits] if plan.steps and plan.database.startswith("postgresql ") else []
    for step in plan.steps:
        its = _pasted(step)
        statements += ["SET lock_timeout = 0", *its, waits] if step.online else its
    exact = [_exact(sql, plan.database) for sql in statements]
    return "".join(f"{line}\n" for line in (*blocked, *closed(exact)))


def _exact(sql: str, database: str) -> str:
    """Return a statement with the escapes of PostgreSQL in place of control characters; where SQL
    has none, a comment: raw, a terminal would obey them, and a pipe may lose them.
    """
    if database.startswith("postgresql "):
        sql = _QUOTED.sub(_escaped, sql)
    is_plain = all(visible(line) == line for line in sql.split("\n"))
    return sql if is_plain else f"-- Left to migrate, for its control characters: {visible(sql)}"


def _escaped(found: re.Match[str]) -> str:
    text = found[0]
    if visible(text) == text:
        return text
    sign, form = ("U&", "\\{:04x}") if text[0] == '"' else ("E", "\\u{:04x}")
    text = text if text[0] in "Ee" else sign + text.replace("\\", "\\\\")
    return "".join(c if visible(c) == c else form.format(ord(c)) for c in text)


def brief(plan: Plan) -> list[Cell]:
    """Return what is pending, blocked and drifting, one line each."""
    found = [(f.level, f"{lead_of(f)[1]} {f}") for f in (*plan.blocked, *plan.drift)]
    done = [*(f"script {name}" for name in plan.scripts), *plan.steps]
    return [*(("step", visible(f"+ {each}")) for each in done), *found]


def _pasted(step: Step) -> tuple[str, ...]:
    """Return the statements of a step for a script. A column that SQL can't fill keeps its mark, so
    that `migrate` completes it; where nothing takes off a mark, there is none.
    """
    if step.fill is None:
        return step.statements
    kept = step.statements[: len(step.locked) + 1]
    return kept if step.after else (*kept, UNFILLED)


def closed(statements: Sequence[str]) -> list[str]:
    """Return statements each with its semicolon; a comment has none."""
    return [sql if sql.startswith("--") else f"{sql};" for sql in statements]


def markdown(plan: Plan) -> str:
    """Return a plan as Markdown, for a pull request's comment."""
    lines = [_cell(plan.summary), ""] if plan.summary else []
    lines += [f"- script {_cell(name)}" for name in plan.scripts]
    lines += [""] if plan.scripts else []
    if plan.steps:
        lines += ["| step | cost | why |", "|---|---|---|"]
        lines += [f"| {_cell(s)} | {_cost(s)} | {_cell(s.reason)} |" for s in plan.steps]
        lines += ["", *_fenced(sql_text(plan).rstrip().split("\n")), ""]
    findings = (*plan.blocked, *told(plan))
    for item in findings:
        lines.append(f"- **{item.level}** `{item.code}` {_cell(item)}")
        if item.sql:
            sql = _fenced(script_of(item))
            folded = ["", "<details><summary>SQL</summary>", "", *sql, "", "</details>", ""]
            lines += [f"  {line}".rstrip() for line in folded]
    lines += [""] if findings else []
    return "\n".join([*lines, count_line(plan)]) + "\n"


def _cell(value: object) -> str:
    """Return a text in which Markdown, and HTML, find nothing of theirs."""
    return _MARKS.sub(r"\\\g<0>", visible(str(value)))


def _fenced(lines: Sequence[str]) -> list[str]:
    """Return lines of SQL between fences, which are longer than what looks like one."""
    runs = map(len, re.findall("`+", "\n".join(lines)))
    fence = "`" * max(3, 1 + max(runs, default=0))
    return [f"{fence}sql", *map(visible, lines), fence]
