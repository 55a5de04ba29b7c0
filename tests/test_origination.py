"""What leaves a sidecar in clear text: which DestinationRule counts, and for which ports."""

from __future__ import annotations

from typing import Any

import pytest

from rules.facts import MeshPolicies, MeshPolicy, by_namespace
from rules.model import DESTINATION_RULE, SERVICE_ENTRY
from rules.origination import begins_tls, hosts_of, ports_of, sends
from rules.review import Cluster
from tests.examples import RULES, Example

SIMPLE: Any = {"tls": {"mode": "SIMPLE"}}
ROOT = "aks-istio-system"


def rules(*specs: Any) -> MeshPolicies:
    """DestinationRules, the oldest first; `in` says where one is (t)."""
    return by_namespace(
        MeshPolicy(spec.get("in", "t"), f"r{age}", f"2026-01-0{age + 1}", managed=False, spec=spec)
        for age, spec in enumerate(specs)
    )


def rule(policy: Any, host: str = "a.com", **more: Any) -> Any:
    return {"host": host, "trafficPolicy": policy, **more}


def sent(*specs: Any, port: int = 80, subset: str = "") -> str:
    return sends(rules(*specs), "a.com", port, namespaces=("t", ROOT), subset=subset)


LEFT = {"port": {"number": 80}}
BEGUN = {"port": {"number": 80}, **SIMPLE}


@pytest.mark.parametrize(
    ("specs", "wanted"),
    [
        ([], "clear"),
        ([rule(SIMPLE)], "tls"),
        ([rule(SIMPLE, "A.com.")], "tls"),
        ([rule({"tls": {"mode": "MUTUAL"}})], "tls"),
        ([rule({"tls": {"mode": "DISABLE"}})], "clear"),
        ([rule({"tls": {"sni": "a.com"}})], "clear"),
        ([rule({"tls": {"mode": "ISTIO_MUTUAL"}})], "clear"),
        ([rule({"tls": {"mode": "SIMPLE", "credentialName": "c"}})], "clear"),
        ([rule({"portLevelSettings": [BEGUN]})], "tls"),
        ([rule({**SIMPLE, "portLevelSettings": [LEFT]})], "clear"),
        ([rule(SIMPLE, "*.com"), rule({})], "clear"),
        ([rule({}, "*.com"), rule(SIMPLE)], "tls"),
        ([rule({}, "*"), rule(SIMPLE, "*.com")], "tls"),
        ([rule({}), rule(SIMPLE)], "clear"),
        ([rule(SIMPLE, **{"in": ROOT})], "tls"),
        ([rule(SIMPLE, **{"in": ROOT}), rule({}, "*")], "clear"),
        ([rule(SIMPLE, **{"in": ROOT}, exportTo=["."])], "clear"),
        ([rule(SIMPLE, exportTo=["."])], "tls"),
        ([rule(SIMPLE, exportTo=["other"])], "clear"),
        ([rule(SIMPLE, **{"in": "other"})], "clear"),
        ([rule(SIMPLE, workloadSelector={})], "some"),
        ([rule({"tls": {"mode": "SIMPLE", "credentialName": "c"}}, workloadSelector={})], "some"),
    ],
)
def test_the_nearest_and_most_precise_rule_counts_whole(specs: list[Any], wanted: str) -> None:
    assert sent(*specs) == wanted


@pytest.mark.parametrize(
    ("policy", "of_subset", "wanted"),
    [
        ({}, SIMPLE, "tls"),
        (SIMPLE, {}, "tls"),
        ({"portLevelSettings": [LEFT]}, SIMPLE, "tls"),
        (SIMPLE, {"portLevelSettings": [LEFT]}, "clear"),
        ({}, {"tls": {"mode": "DISABLE"}, "portLevelSettings": [BEGUN]}, "tls"),
    ],
)
def test_a_subset_stands_on_top_of_its_rule(policy: Any, of_subset: Any, wanted: str) -> None:
    stated = rule(policy, subsets=[{"name": "v1", "trafficPolicy": of_subset}])
    assert sent(stated, subset="v1") == wanted


def test_hosts_outside_are_those_that_no_service_has() -> None:
    hosts = ["a.com", "web", "web.t.svc.cluster.local", "*.local"]
    assert hosts_of({"hosts": hosts}) == ["a.com", "web"]
    assert hosts_of({"hosts": hosts, "location": "MESH_INTERNAL"}) == []


def test_the_port_on_the_wire_is_the_endpoints_own_then_the_target_then_the_number() -> None:
    port: Any = {"number": 8080, "name": "p", "protocol": "tcp", "targetPort": 80}
    entry: Any = {"ports": [port], "endpoints": [{"ports": {"p": 8081}}, {"address": "b"}]}
    assert [one.wire for one in ports_of(entry)] == [{8081, 80}]
    assert [one.wire for one in ports_of({"ports": [port]})] == [{80}]
    assert [one.wire for one in ports_of({"ports": [port | {"targetPort": None}]})] == [{8080}]


def test_only_what_is_declared_begins_in_tls() -> None:
    spec = {"hosts": ["a.com"], "ports": [{"number": 80, "protocol": "HTTP"}]}
    entries = by_namespace([MeshPolicy("t", "e", "", managed=False, spec=spec)])
    known = rules(rule(SIMPLE))

    def begins(host: str, port: int) -> bool:
        return begins_tls(entries, known, host, port, namespaces=("t", ROOT))

    assert [begins("a.com", 80), begins("a.com", 8080), begins("b.com", 80)] == [True, False, False]


def test_istios_own_certificates_are_no_use_outside_of_the_mesh() -> None:
    """No example of its rule: what makes the host one of the mesh silences it, and rightly."""
    tls_outside_verified = next(one for one in RULES if one.name == "tls-outside-verified")
    value = {"kind": "DestinationRule", "spec": rule({"tls": {"mode": "ISTIO_MUTUAL"}})}
    found = tls_outside_verified.check(Example(object=value).review(), Cluster.of([]))
    assert [(one.level, one.path[-1]) for one in found] == [("warn", "mode")]


def test_an_entry_for_a_port_that_leaves_out_tls_ends_it() -> None:
    """No example of its rule: an entry for another port silences it, and rightly."""
    kept = next(one for one in RULES if one.name == "tls-origination-kept")
    entry = {
        "apiVersion": SERVICE_ENTRY.api_version,
        "kind": "ServiceEntry",
        "metadata": {"name": "e", "namespace": "default"},
        "spec": {"hosts": ["a.com"], "ports": [{"number": 80, "protocol": "HTTP"}]},
    }
    old = {
        "apiVersion": DESTINATION_RULE.api_version,
        "kind": "DestinationRule",
        "metadata": {"name": "d", "namespace": "default"},
        "spec": rule(SIMPLE),
    }
    new = old | {"spec": rule({**SIMPLE, "portLevelSettings": [LEFT]})}
    asked = Example(object=new, old=old, operation="UPDATE").review()
    found = kept.check(asked, Cluster.of([entry, old]))
    assert [(one.level, one.path) for one in found] == [("deny", ("spec", "trafficPolicy"))]
