"""Calico's own answers: every cell of every case, and what became of every object."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from rules.netpol.model import Unknown
from tests.netpol.calico_cases import Case, cases

# were one of them lost, green would mean nothing
SETS = {"api": 911, "v3crd": 68, "crd": 53}
CELLS = {"api": 200_420, "v3crd": 14_960, "crd": 11_660}
OBJECTS = {"counts": 1_619, "refused": 117, "void": 14}

DISAGREEMENTS = {
    "h-knp-ipblock-host-bits": "without StrictIPCIDRValidation an API server takes host bits",
    "h-name-upper": "names are the API server's to judge: none that it refuses is ever asked about",
}
OTHERWISE_COUNTED = {
    "h-knp-ipblock-host-bits": "as above",
    "h-cnp-label-value-quote": "void only to Calico, which reads it: it grants nothing",
    "h-name-upper": "as above",
    "h-np-no-namespace": "what states no namespace lies in the default one",
    "h-cnp-pass-unknown-peer": "nodes are read, though the standard channel cuts them off",
    "h-dst-notSelector-blank-other-pod-np-felix-lives": "nobody's pod: felix has yet to die of it",
}
_FATES = {
    "decode": "refused",
    "schema": "refused",
    "validate": "refused",
    "convert": "void",
    "felix": "void",
}


def test_every_cell_is_as_calico_says() -> None:
    sets: Counter[str] = Counter()
    cells: Counter[str] = Counter()
    wrong = {}
    for case in cases():
        rows = list(case.rows(case.network()))
        sets[case.told["route"]] += 1
        cells[case.told["route"]] += sum(len(told) for _, _, told in rows)
        if differing := [row for row in rows if row[1] != row[2]]:
            wrong[case.told["id"]] = differing
    assert wrong.keys() == DISAGREEMENTS.keys(), wrong
    assert sets == SETS
    assert cells == CELLS


def test_every_object_fares_as_calico_says() -> None:
    fates: Counter[str] = Counter()
    wrong = {}
    for case in cases():
        for index, ours, told in _fates(case):
            fates[told] += 1
            if ours != told:
                wrong[case.told["id"]] = index, ours, told
    assert wrong.keys() == OTHERWISE_COUNTED.keys(), wrong
    assert fates == OBJECTS


def _fates(case: Case) -> Iterator[tuple[int, str, str]]:
    matcher = case.network().matcher
    for index, policy in case.policies():
        if policy is not None:
            refused = matcher.engine.refuses(policy, matcher.inventory)
            told = _FATES.get(case.lost.get(index, ""), "counts")
            read = matcher.engine.reads(policy).unknowns
            yield index, _fate((*read, *refused)), told


def _fate(unknowns: Iterable[Unknown]) -> str:
    consequences = {unknown.consequence for unknown in unknowns}
    return next((fate for fate in ("refused", "void") if fate in consequences), "counts")
