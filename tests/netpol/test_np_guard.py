"""Real policies with the answers of another engine: np-guard/netpol-analyzer.

Its answers count what lies outside by IPv4 ranges, and every pair of workloads; where it says
nothing of a pair, nothing passes.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections import Counter
from functools import cache
from itertools import permutations
from typing import Any

import pytest

from rules.netpol.connections import Question, Workload
from rules.netpol.peers import Networks
from rules.netpol.sets import V4, Addresses, Ports
from rules.netpol.survey import Survey
from tests.corpora import corpus
from tests.netpol.clusters import files, objects, survey

NAME = "np-guard-netpol-analyzer"
PORTS = re.compile(r"(TCP|UDP|SCTP) ([0-9, -]*[0-9])")
# how many answers there are: were one of them lost, green would mean nothing
NOWHERE = (Addresses.empty(), Ports.empty())
CLUSTERS, OUTSIDE, PAIRS, UNISOLATED = 44, 23_884, 4_216, 7


@cache
def expected() -> dict[str, Any]:
    answers: dict[str, Any] = json.loads((corpus(NAME) / "expected.json").read_text())
    return answers


def connections(text: str) -> Ports:
    """`TCP 80,443,UDP 53`, or everything."""
    if text == "All Connections":
        return Ports.full()
    read = Ports.empty()
    for protocol, numbers in PORTS.findall(text):
        read |= Ports.parse(f"{numbers.replace(' ', '')}/{protocol}")
    assert read, text
    return read


def surveyed(name: str) -> Survey:
    return survey(objects(files(corpus(NAME) / "tests" / name)), Question(families=(V4,)))


def outside(found: Survey) -> dict[str, list[tuple[Addresses, Ports]]]:
    """By workload the ranges that it reaches, in their order, with the ports."""
    runs: dict[str, list[tuple[Addresses, Ports]]] = {str(each): [] for each in found.workloads}
    for each in found.connections():
        if isinstance(each.target, Networks):
            runs[str(each.source)].append((each.target.addresses, each.verdict.allowed))
    return runs


def check_outside(name: str, found: Survey) -> int:
    checked, runs = 0, outside(found)
    for workload, rows in expected()["connectivity"][name]["external"].items():
        starts = [addresses.v4[0] for addresses, _ in runs[workload]]
        for first, last, text in rows:
            block = Addresses.between(first, last)
            at = bisect_right(starts, block.v4[0]) - 1
            run, ports = runs[workload][at] if at >= 0 else NOWHERE
            if block <= run:
                assert ports == connections(text), (name, workload, first, last)
            else:
                next_start = starts[at + 1] if at + 1 < len(starts) else block.v4[1]
                assert not connections(text), (name, workload, first, last)
                assert not run & block, (name, workload, first, last)
                assert next_start >= block.v4[1], (name, workload, first, last)
            checked += 1
    return checked


def check_pairs(name: str, found: Survey) -> int:
    told = {(a, b): connections(text) for a, b, text in expected()["connectivity"][name]["pods"]}
    names = [str(each) for each in found.workloads]
    assert {name for pair in told for name in pair} <= set(names)
    answered = {
        (str(each.source), str(each.target)): each.verdict
        for each in found.connections()
        if isinstance(each.source, Workload) and isinstance(each.target, Workload)
    }
    for pair in permutations(names, 2):
        verdict = answered.get(pair)
        allowed = verdict.allowed if verdict else Ports.empty()
        assert allowed == told.get(pair, Ports.empty()), (name, pair)
    return len(names) * (len(names) - 1)


def test_every_answer_is_ours() -> None:
    counts: Counter[str] = Counter()
    for name in expected()["connectivity"]:
        found = surveyed(name)
        counts["clusters"] += 1
        counts["outside"] += check_outside(name, found)
        counts["pairs"] += check_pairs(name, found)
    assert counts == {"clusters": CLUSTERS, "outside": OUTSIDE, "pairs": PAIRS}


def test_who_is_not_isolated_on_egress() -> None:
    told = expected()["not_isolated_on_egress"]
    for name, workloads in told.items():
        found = surveyed(name)
        free = {str(each) for each in found.workloads if not found.isolated(each, "egress")}
        assert free == set(workloads), name
    assert sum(map(len, told.values())) == UNISOLATED


@pytest.mark.parametrize("text", ["TCP 80", "TCP 1-79,81-65535,UDP 53", "SCTP 9003,TCP 1,2"])
def test_the_words_of_the_answers_are_read(text: str) -> None:
    ports = connections(text)
    assert str(ports).count("/") == len(PORTS.findall(text))
