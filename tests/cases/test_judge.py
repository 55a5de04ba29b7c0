"""The tables, judged as `sallyport check` judges a recorded review: all rules, every word."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.cases.table import TABLES, Case, read_cases
from webhook.check import FINAL, RAW, Question, check
from webhook.report import to_json

ROWS = {
    "section_6": "1 2 3 5 6 7 9 10 11 13 14 15 17 18 19 21 22 23 25 26 27 29 30 31 33 34 35 37 38"
    " 39 41 42 43 45 46 47 49 50 51 53 54 55 57 58 59 61 62 63 65 66 67 69 70 71 73 74 75 77 78 79"
    " 81 82 83 85 86 87",
    "samples": "P1 P2 P3 P4 M1 M2 M3 M4 M5",
}
CASES = [case for name in TABLES for case in read_cases(name)]


@pytest.mark.parametrize("name", TABLES)
def test_every_row_of_the_table_is_there(name: str) -> None:
    rows = [case.row for case in read_cases(name)]
    assert list(dict.fromkeys(rows)) == ROWS[name].split()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.row} {case.about}")
def test_a_row_is_answered_as_the_table_says(case: Case, tmp_path: Path) -> None:
    view, rulebook = tmp_path / "view.yaml", tmp_path / "rulebook.yaml"
    view.write_text(yaml.safe_dump_all(case.world), encoding="utf-8")
    rulebook.write_text(yaml.safe_dump({"version": 1, **(case.rulebook or {})}), encoding="utf-8")
    question = Question(
        paths=("-",),
        cluster=(str(view),),
        rulebook=rulebook,
        phases=RAW if case.phase == "raw" else FINAL,
    )

    told = to_json(check(question, lambda: json.dumps(case.review()).encode()))

    assert told["errors"] == []
    said = [f"{f['effect']} {f['check']} {f['path']}" for f in told["findings"]]
    assert sorted(said) == sorted(case.says)
    assert told["objects"][0]["patch"] == list(case.patch)
