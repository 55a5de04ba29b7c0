"""Every row of egress 6 and the samples about policies: what is said of the object, and no more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from rules.model import Level
from tests.examples import RULES, read, rulebook
from webhook.judge import judge

ROWS: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "rows.yaml").read_text("utf-8"))
SPECIFIED = (
    *("T01", "T02", "T03", "T05", "T06", "T07", "T09", "T10", "T11", "T13", "T14", "T15", "T17"),
    *("T18", "T19", "T21", "T22", "T23", "T25", "T26", "T27", "T29", "T30", "T31", "T33", "T34"),
    *("T35", "T37", "T38", "T39", "T41", "T42", "T43", "T45", "T46", "T47", "T49", "T50", "T51"),
    *("T53", "T54", "T55", "T57", "T58", "T59", "T61", "T62", "T63", "T65", "T66", "T67", "T69"),
    *("T70", "T71", "T73", "T74", "T75", "T77", "T78", "T79"),
    *("D1", "D2", "D3", "C1", "C2", "C3", "C4", "C5"),
)
ELSEWHERE = {
    "T14": "about a pod that no policy selects",
    "T15": "about a pod that only a policy for ingress selects",
    "T54": "about a pod whose last tier passes everything on",
    "T62": "about three tiers together",
    "T63": "about two tiers together",
    **dict.fromkeys(("T66", "T67", "T69", "T70", "T71"), "about declarations of Istio"),
    **dict.fromkeys(("T73", "T74", "T75", "T77", "T78"), "about evidence in pods"),
    "T79": "about the deletion of the last policy that isolates",
}
"""Rows that are not about one object of a policy, and what they are about."""
ORDER: list[Level] = ["deny", "warn", "info"]


def test_every_row_of_the_specification_is_here_or_elsewhere() -> None:
    here = {row.partition(" ")[0] for row in ROWS}
    assert here | set(ELSEWHERE) >= set(SPECIFIED)
    assert not here & set(ELSEWHERE)


@pytest.mark.parametrize("row", ROWS)
def test_the_object_of_a_row_is_told_what_the_row_says(row: str) -> None:
    stated = {key: value for key, value in ROWS[row].items() if key != "says"}
    example = replace(read(yaml.safe_dump(stated)), phase="final")
    book = rulebook(*RULES)
    found: dict[str, Level] = {}
    for finding in judge(example.review(book.shaped), book, example.view()).findings:
        level: Level = "info" if finding.exempted_by else finding.level
        found[finding.check] = min(found.get(finding.check, level), level, key=ORDER.index)
    assert found == ROWS[row]["says"]
