"""Many processes migrate one database at the same moment: one applies, all others go on."""

from __future__ import annotations

from typing import Any

from tests.support.crew import Answer, Crew
from tests.support.places import Places, advisory_locks, facts

ONLINE: dict[str, Any] = {"online_rows": 0}  # every index on a table with rows is built online


def undisturbed(crew: Crew, places: Places, grown: bool) -> Any:
    """Return what stands when one process migrates alone."""
    return places.expected(grown, lambda url: crew.do(order(url)))


def order(url: str, release: str = "second", **more: object) -> dict[str, Any]:
    """Return the order to migrate a database to a release."""
    return {"do": "migrate", "url": url, "release": release, "options": dict(ONLINE), **more}


def one_round(
    crew: Crew, places: Places, *, processes: int, grown: bool, **more: Any
) -> tuple[list[Answer], list[str]]:
    """Let processes migrate a fresh database; return their answers, and what was wrong."""
    wanted = undisturbed(crew, places, grown)
    with places.given(grown) as url:
        answers = crew.together([order(url, **more)] * processes)
        return answers, wrong(answers, url, wanted, processes)


def wrong(answers: list[Answer], url: str, wanted: Any, processes: int) -> list[str]:
    """Say what is not as it should be after a round."""
    found = [f"{answer['error']}: {answer['text']}" for answer in answers if answer["error"]]
    applied = sum(bool(answer.get("applied")) for answer in answers)
    if len(answers) != processes:
        found.append(f"{processes - len(answers)} processes died")
    if applied != 1:
        found.append(f"{applied} processes applied something")
    if (stands := facts(url)) != wanted:
        found.append(f"the catalogue differs: {sorted(map(str, stands ^ wanted))}")
    if locks := advisory_locks(url):
        found.append(f"{locks} advisory locks are left")
    return found
