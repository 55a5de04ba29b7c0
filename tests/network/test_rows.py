"""Pods among policies, row by row of specification egress 6."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from rules.model import JSON, PODS
from rules.review import Cluster
from rules.site import Network, Site
from tests.examples import RULES, rulebook
from tests.reviews import ask, written
from webhook.codec import decode
from webhook.judge import judge

TABLE: JSON = yaml.safe_load((Path(__file__).parent / "pods.yaml").read_text(encoding="utf-8"))
NETWORK_RULES = [
    rule
    for rule in RULES
    if rule.check.__module__.startswith("rules.catalog.network.") and PODS[0] in rule.kinds
]
API_VERSIONS = {
    "NetworkPolicy": "networking.k8s.io/v1",
    "CiliumNetworkPolicy": "cilium.io/v2",
    "AdminNetworkPolicy": "policy.networking.k8s.io/v1alpha1",
    "BaselineAdminNetworkPolicy": "policy.networking.k8s.io/v1alpha1",
    "crd.NetworkPolicy": "crd.projectcalico.org/v1",
    "GlobalNetworkPolicy": "crd.projectcalico.org/v1",
    "StagedGlobalNetworkPolicy": "crd.projectcalico.org/v1",
    "Tier": "crd.projectcalico.org/v1",
}
EVERY_CALICO = ("crd.projectcalico.org/*",)


def _whole(short: JSON, number: int) -> JSON:
    """The policy with what every manifest says filled in."""
    kind = short["kind"]
    metadata = {"name": f"p{number}", "namespace": "t", **short.get("metadata", {})}
    return {
        "apiVersion": API_VERSIONS[kind],
        "kind": kind.removeprefix("crd."),
        "metadata": metadata,
        "spec": short["spec"],
    }


@pytest.mark.parametrize(
    "row", TABLE["rows"], ids=lambda row: f"{row['row']} {row.get('about', '')}".strip()
)
def test_a_pod_is_judged_by_all_policies(row: dict[str, Any]) -> None:
    policies = [_whole(short, number) for number, short in enumerate(row["policies"])]
    network = Network(engine=row.get("engine", "cilium"), enforced=EVERY_CALICO)
    cluster = Cluster.of(policies, Site(network=network))
    review = decode(written(ask(TABLE["pod"], namespace="t")), phases=("final",))
    found = judge(review, rulebook(*NETWORK_RULES), cluster).findings
    assert not [finding for finding in found if finding.error]
    said = sorted(f"{finding.level} {finding.check}" for finding in found)
    assert said == sorted(row.get("says", []))
