"""The prediction of sidecar injection against what the real injector did."""

from __future__ import annotations

import csv
from itertools import product
from typing import Any

import pytest

from rules.facts import Namespace
from rules.injection import INJECT, INJECTION, REVISION, Injection
from tests.corpora import corpus

KNOWN = {
    "asm": frozenset({"asm-1-28"}),
    "asm+default": frozenset({"asm-1-28", "default"}),
    "asm+tag": frozenset({"asm-1-28", "prod-stable"}),
}


def _injection(row: dict[str, Any], known: frozenset[str]) -> Injection:
    def present(**columns: str) -> dict[str, str]:
        return {key: row[column] for key, column in columns.items() if row[column] != "-"}

    labels = present(**{INJECTION: "ns_istio_injection", REVISION: "ns_istio_rev"})
    where, _, name = row["case"].partition(":")
    return Injection(
        Namespace(name if where == "ns-name" else "anything", labels),
        present(**{INJECT: "pod_inject_label", REVISION: "pod_rev_label"}),
        present(**{INJECT: "pod_inject_anno"}),
        row["host_network"] == "true",
        known,
    )


def test_the_prediction_is_what_the_real_injector_did() -> None:
    text = (corpus("istio-injection") / "truth.tsv").read_text(encoding="utf-8")
    checked = 0
    for row in csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE):
        if row["part"] not in KNOWN:
            continue
        predicted = not _injection(row, KNOWN[row["part"]]).obstacles()
        assert predicted == (row["injected"] == "true"), row
        checked += 1
    assert checked > 1500


def _reference(injection: Injection) -> bool:
    """The decision as its specification words it, independently of the code."""
    pod, space, known = injection.labels, injection.namespace.labels, injection.known
    stated = pod.get(INJECT)
    if injection.host_network or injection.namespace.name in {"kube-system", "local-path-storage"}:
        return False
    if stated == "false" or (stated is None and injection.annotations.get(INJECT) == "false"):
        return False
    if INJECTION in space:
        return "default" in known and space[INJECTION] == "enabled"
    for labels in (space, pod):
        if REVISION in labels:
            return labels[REVISION] in known
    return "default" in known and stated == "true"


def _maps(key: str, *values: str) -> list[dict[str, str]]:
    return [{}, *({key: value} for value in values)]


@pytest.mark.parametrize("known", KNOWN.values(), ids=KNOWN)
def test_the_prediction_is_what_its_specification_says(known: frozenset[str]) -> None:
    revisions = ("asm-1-28", "default", "unknown")
    checked = 0
    for switch, revision, stated, own, annotation, host, name in product(
        _maps(INJECTION, "enabled", "disabled"),
        _maps(REVISION, *revisions),
        _maps(INJECT, "true", "false", "False"),
        _maps(REVISION, *revisions),
        _maps(INJECT, "true", "false"),
        (False, True),
        ("blue", "kube-system", "local-path-storage"),
    ):
        injection = Injection(
            Namespace(name, switch | revision), stated | own, annotation, host, known
        )
        assert (not injection.obstacles()) == _reference(injection), injection
        checked += 1
    assert checked == 3 * 4 * 4 * 4 * 3 * 2 * 3
