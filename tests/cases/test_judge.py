"""The tables, judged by `sallyport check`, as recorded reviews and as manifests: every word."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

from rules.model import JSON
from rules.review import Requester
from tests.cases.table import TABLES, Case, read_cases
from webhook.check import FINAL, RAW, Question, check
from webhook.report import to_json

ROWS = {
    "section_6": "1 2 3 5 6 7 9 10 11 13 14 15 17 18 19 21 22 23 25 26 27 29 30 31 33 34 35 37 38"
    " 39 41 42 43 45 46 47 49 50 51 53 54 55 57 58 59 61 62 63 65 66 67 69 70 71 73 74 75 77 78 79"
    " 81 82 83 85 86 87",
    "samples": "P1 P2 P3 P4 M1 M2 M3 M4 M5",
    "evidence": "T66 T67 T69 T70 T71 T73 T74 T75 T77 T78",
}
CASES = [case for name in TABLES for case in read_cases(name)]
MANIFESTS = [case for case in CASES if case.operation != "DELETE" and not case.subresource]


@pytest.mark.parametrize("name", TABLES)
def test_every_row_of_the_table_is_there(name: str) -> None:
    rows = [case.row for case in read_cases(name)]
    assert list(dict.fromkeys(rows)) == ROWS[name].split()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.row} {case.about}")
def test_a_row_is_answered_as_the_table_says(case: Case, tmp_path: Path) -> None:
    _hold(case, _ask(case, case.review(), case.world, tmp_path))


@pytest.mark.parametrize("case", MANIFESTS, ids=lambda case: f"{case.row} {case.about}")
def test_its_manifest_is_answered_alike(case: Case, tmp_path: Path) -> None:
    """As a file, beside a cluster in which the object is as it was before, or is not."""
    named = _name(case.subject)
    world = [value for value in case.world if _name(value) != named]
    before = [] if case.old is None else [case.old]
    _hold(case, _ask(case, case.object, [*world, *before], tmp_path))


def _ask(case: Case, document: JSON, world: Iterable[JSON], folder: Path) -> JSON:
    """The report of `sallyport check` on one document."""
    view, rulebook = folder / "view.yaml", folder / "rulebook.yaml"
    view.write_text(yaml.safe_dump_all(world), encoding="utf-8")
    rulebook.write_text(yaml.safe_dump({"version": 1, **(case.rulebook or {})}), encoding="utf-8")
    question = Question(
        paths=("-",),
        cluster=(str(view),),
        rulebook=rulebook,
        phases=RAW if case.phase == "raw" else FINAL,
        requester=Requester(case.asker["username"], frozenset(case.asker["groups"])),
    )
    return to_json(check(question, lambda: json.dumps(document).encode()))


def _hold(case: Case, told: JSON) -> None:
    assert told["errors"] == []
    said = [f"{found['effect']} {found['check']} {found['path']}" for found in told["findings"]]
    assert sorted(said) == sorted(case.says)
    assert told["objects"][0]["patch"] == list(case.patch)


def _name(value: JSON) -> tuple[str, str, str]:
    return value["kind"], value["metadata"].get("namespace", ""), value["metadata"]["name"]
