"""What Istio makes of sets of PeerAuthentications, against Istio's own answers."""

from __future__ import annotations

import json

from rules.model import JSON
from rules.mtls import effective
from rules.review import Cluster
from tests.corpora import corpus

ROOT = "istio-system"


def _stored(row: JSON) -> list[JSON]:
    refused = row.get("refused", ())
    return [value for index, value in enumerate(row["objects"]) if index not in refused]


def test_the_effective_mode_is_what_istio_computes() -> None:
    text = (corpus("istio-authn") / "truth.jsonl").read_text(encoding="utf-8")
    checked = 0
    for row in map(json.loads, text.splitlines()):
        policies = Cluster.of(_stored(row)).peer_authentications
        for workload, (mode, ports) in zip(row["workloads"], row["answer"], strict=True):
            found = effective(policies, workload["namespace"], workload["labels"], root=ROOT)
            assert found.mode == mode, (row["id"], workload)
            assert {port: found.at(port) for port in ports} == ports, (row["id"], workload)
            checked += 1
    assert checked > 1500
