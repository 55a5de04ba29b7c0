"""What cannot be read, of every kind: said at its place by `check` and by `reach`, and no crash."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import yaml

from rules.model import JSON, Rule
from tests.examples import RULES, Example, kind_of, read
from tests.netpol.places import places, with_value
from webhook.cli import main
from webhook.reach import Question, reach

RULEBOOKS = {
    "calico": "{engine: calico, enforced: [projectcalico.org/*, crd.projectcalico.org/*]}",
    "enterprise": "{engine: calico, calico: enterprise, enforced: [projectcalico.org/*]}",
    "cilium": "{engine: cilium, version: '1.20', enforced: [policy.networking.k8s.io/*]}",
    "spec": "{engine: spec}",
    "npm": "{engine: npm}",
}
API_VERSIONS = {
    "NetworkPolicy": "networking.k8s.io/v1",
    "CiliumNetworkPolicy": "cilium.io/v2",
    "CiliumClusterwideNetworkPolicy": "cilium.io/v2",
    "CiliumCIDRGroup": "cilium.io/v2alpha1",
    "AdminNetworkPolicy": "policy.networking.k8s.io/v1alpha1",
    "BaselineAdminNetworkPolicy": "policy.networking.k8s.io/v1alpha1",
    "ClusterNetworkPolicy": "policy.networking.k8s.io/v1alpha2",
    **dict.fromkeys(
        ("ServiceEntry", "DestinationRule", "Sidecar", "VirtualService"), "networking.istio.io/v1"
    ),
}
CALICO, STORED = "projectcalico.org/v3", "crd.projectcalico.org/v1"
EGRESS = "types: [Egress], egress: [{action: Allow, %s}]"
NP = "podSelector: {}, policyTypes: [Egress], egress: [{%s}]"
CNP = "endpointSelector: {}, egress: [{%s}]"
ADMIN = "priority: 1, subject: {namespaces: {}}, egress: [{action: %s}]"
NET = "to: [{networks: [10.0.0.0/8]}]"
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "a", "namespace": "t", "labels": {"app": "web"}},
    "status": {"podIPs": [{"ip": "10.9.0.1"}]},
}
READ: list[tuple[str, str, str, str]] = [
    ("spec", "NetworkPolicy", NP % "to: [{ipBlock: {cidr: 10.0.0.0/33}}]", "[0].to[0].ipBlock"),
    ("spec", "NetworkPolicy", NP % "to: [{ipBlock: {cidr: 10.0.0.1}}]", "[0].to[0].ipBlock.cidr"),
    ("spec", "NetworkPolicy", NP % "ports: [{port: 70000}]", "spec.egress[0].ports[0].port"),
    ("spec", "NetworkPolicy", NP % "ports: [{port: [80]}]", "spec.egress[0].ports[0].port"),
    ("spec", "NetworkPolicy", NP % "to: {}", "spec.egress[0].to"),
    ("spec", "NetworkPolicy", NP % "bogus: 1", "spec.egress[0].bogus"),
    ("spec", "NetworkPolicy", "podSelector: {matchLabels: [a]}", "spec.podSelector"),
    ("spec", "NetworkPolicy", "podSelector: {matchExpressions: [{key: a, operator: X}]}",
     "spec.podSelector.matchExpressions[0].operator"),
    ("cilium", "CiliumNetworkPolicy", CNP % "toCIDR: [10.0.0.1]", "spec.egress[0].toCIDR[0]"),
    ("cilium", "CiliumNetworkPolicy", CNP % "toPorts: [{ports: [{port: 80}]}]", "ports[0].port"),
    ("cilium", "CiliumNetworkPolicy", CNP % "toEntities: [mars]", "spec.egress[0].toEntities[0]"),
    ("cilium", "CiliumNetworkPolicy", CNP % "toEndpoints: {}", "spec.egress[0].toEndpoints"),
    ("cilium", "CiliumNetworkPolicy", CNP % "toRequires: [{}]", "spec.egress[0].toRequires"),
    ("cilium", "CiliumNetworkPolicy", CNP % "bogus: 1", "spec.egress[0].bogus"),
    ("cilium", "CiliumClusterwideNetworkPolicy", CNP % "toFQDNs: [{}]", "spec.egress[0].toFQDNs"),
    ("cilium", "CiliumClusterwideNetworkPolicy", CNP % "toCIDRSet: [{cidr: x}]", "[0].cidr"),
    ("cilium", "CiliumCIDRGroup", "externalCIDRs: [10.0.0.0/8, x]", "spec.externalCIDRs[1]"),
    ("cilium", "CiliumCIDRGroup", "externalCIDRs: x", "spec.externalCIDRs"),
    ("cilium", "CiliumCIDRGroup", "externalCIDRs: [], bogus: 1", "spec.bogus"),
    ("spec", "AdminNetworkPolicy", ADMIN % f"Permit, {NET}", "spec.egress[0].action"),
    ("spec", "AdminNetworkPolicy", ADMIN % "Allow, to: [{networks: [x]}]", "networks[0]"),
    ("spec", "AdminNetworkPolicy", ADMIN % f"Allow, {NET}, ports: [{{a: 1}}]", "ports[0]"),
    ("spec", "AdminNetworkPolicy", "priority: first, subject: {namespaces: {}}", "spec.priority"),
    ("spec", "BaselineAdminNetworkPolicy", "subject: {namespaces: {}}, egress: {}", "spec.egress"),
    ("cilium", "ClusterNetworkPolicy", "tier: Admin, " + ADMIN % f"Allow, {NET}", "[0].action"),
    *(
        ("calico", f"{version} {kind}", spec, place)
        for version in (CALICO, STORED)
        for kind in ("NetworkPolicy", "GlobalNetworkPolicy")
        for spec, place in (
            (EGRESS % "destination: {nets: [x]}", "spec.egress[0].destination.nets[0]"),
            (EGRESS % "destination: {selector: a = b}", "spec.egress[0].destination.selector"),
            (EGRESS % "protocol: TCP, destination: {ports: [0]}", "destination.ports[0]"),
            (EGRESS % "destination: {ports: [80]}", "spec.egress[0].destination.ports"),
            (EGRESS % "destination: []", "spec.egress[0].destination"),
            (EGRESS % "bogus: 1", "spec.egress[0].bogus"),
            (EGRESS % "destination: {domains: [a.example]}", "destination.domains"),
            ("types: [Egress], egress: [{action: Permit}]", "spec.egress[0].action"),
            ("selector: '(((a'", "spec.selector"),
            ("order: first", "spec.order"),
        )
    ),
    *(
        ("calico", f"{version} {kind}", "nets: [10.0.0.0/8, x]", "spec.nets[1]")
        for version in (CALICO, STORED)
        for kind in ("NetworkSet", "GlobalNetworkSet")
    ),
    ("calico", f"{CALICO} NetworkSet", "nets: [7]", "spec.nets[0]"),
    ("enterprise", f"{CALICO} NetworkSet", "allowedEgressDomains: ['a*.b']", "Domains[0]"),
    ("calico", f"{CALICO} Tier", "order: first", "spec.order"),
    ("calico", f"{CALICO} Tier", "defaultAction: Allow", "spec.defaultAction"),
    ("calico", f"{STORED} Tier", "bogus: 1", "spec.bogus"),
]  # fmt: skip
DECLARED = [
    ("ServiceEntry", "hosts: a.example", "spec.hosts"),
    ("ServiceEntry", "hosts: [a.example], ports: [{number: x, protocol: HTTP}]", "spec.ports[0]"),
    ("DestinationRule", "host: a.example, trafficPolicy: [7]", "spec.trafficPolicy"),
    ("Sidecar", "egress: {}", "spec.egress"),
    ("VirtualService", "hosts: [a], http: [{route: {}}]", "spec.http[0].route"),
]


def _whole(kind: str, spec: str) -> JSON:
    version, _, plain = kind.rpartition(" ")
    return {
        "apiVersion": version or API_VERSIONS[plain],
        "kind": plain,
        "metadata": {"name": "default", "namespace": "t"},
        "spec": yaml.safe_load(f"{{{spec}}}"),
    }


def _file(folder: Path, *objects: JSON, engine: str = "") -> list[str]:
    """The objects as a file, and the rulebook with that engine, as arguments of a command."""
    manifest, rulebook = folder / "objects.yaml", folder / "rulebook.yaml"
    manifest.write_text(yaml.safe_dump_all(objects), encoding="utf-8")
    rulebook.write_text(f"version: 1\ncluster: {RULEBOOKS[engine or 'cilium']}\n", encoding="utf-8")
    return [str(manifest), "--rulebook", str(rulebook), "-o", "json"]


@pytest.mark.parametrize(("engine", "kind", "spec", "place"), READ)
def test_it_is_said_where(  # noqa: PLR0913  # a row of the table
    engine: str,
    kind: str,
    spec: str,
    place: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = _file(tmp_path, _whole(kind, spec), POD, engine=engine)
    code = main(["check", *files])
    told = json.loads(capsys.readouterr().out)["findings"]
    said = [
        found for found in told if found["rule"] != "egress-isolated" and place in found["path"]
    ]
    assert said, told
    assert not any(found["error"] for found in told)
    assert code == int(any(found["effect"] == "deny" for found in told))
    assert main(["reach", *files]) == 0
    unknown = json.loads(capsys.readouterr().out)["unknown"]
    assert any(place in each["path"] for each in unknown), unknown


@pytest.mark.parametrize(("kind", "spec", "place"), DECLARED)
def test_what_the_mesh_declares_is_said_where(
    kind: str, spec: str, place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = _file(tmp_path, _whole(kind, spec))
    assert main(["check", *files]) == 1
    told = json.loads(capsys.readouterr().out)["findings"]
    assert any(found["path"].startswith(place) for found in told), told
    assert main(["reach", *files]) == 0


@pytest.mark.parametrize("depth", [100, 10_000])
@pytest.mark.parametrize(
    "selector",
    ["{open}app == 'web'{close}", "{nots}has(other)", "{ands}has(app)", "{open}has(app)"],
)
def test_no_selector_is_too_deep(
    selector: str, depth: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = selector.format(
        open="(" * depth, close=")" * depth, nots="!" * (depth + 1), ands="has(app) && " * depth
    )
    spec = {"selector": text, "types": ["Egress"]}
    policy = {**_whole(f"{CALICO} NetworkPolicy", ""), "spec": spec}
    files = _file(tmp_path, policy, POD, engine="calico")
    balanced = text.count("(") == text.count(")")
    main(["check", *files])
    told = json.loads(capsys.readouterr().out)
    assert not any(found["error"] for found in told["findings"])
    assert balanced is not any(found["path"] == "spec.selector" for found in told["findings"])
    assert main(["reach", *files, "--side", "egress"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert balanced is (answer["unknown"] == [])
    assert any(each["from"] == "t/a[Pod]" for each in answer["connections"]) is not balanced


@pytest.mark.parametrize(
    ("engine", "kind", "rule"),
    [
        ("spec", "NetworkPolicy", {"to": [{"ipBlock": {"cidr": "x"}}]}),
        ("cilium", "CiliumNetworkPolicy", {"toCIDR": ["x"]}),
        ("calico", f"{CALICO} NetworkPolicy", {"action": "Allow", "destination": {"nets": ["x"]}}),
        ("spec", "AdminNetworkPolicy", {"action": "Allow", "to": [{"networks": ["x"]}]}),
    ],
)
def test_ten_thousand_rules_are_read_or_said_to_be_too_many(
    engine: str, kind: str, rule: JSON, tmp_path: Path
) -> None:
    whole = _whole(kind, "priority: 1, subject: {namespaces: {}}, podSelector: {}")
    whole["spec"] = {"egress": [rule] * 10_000, **whole["spec"], "endpointSelector": {}}
    rulebook = Path(_file(tmp_path, engine=engine)[2])
    manifest = json.dumps(whole).encode()
    answer = reach(Question(paths=("-",), rulebook=rulebook), lambda: manifest)
    assert answer.uncertain
    assert not answer.mistakes


WRONG: tuple[Any, ...] = (None, "text", 7, [None], {"a": {}})
NETWORK = [rule for rule in RULES if rule.check.__module__.startswith("rules.catalog.network.")]


def _mutilated(rule: Rule) -> Iterator[tuple[Example, JSON]]:
    """Every object of its examples with something else at each place."""
    attributes = ("allow", "deny", "warn", "info")
    texts = (text for each in attributes for text in getattr(rule.examples, each))
    for example in map(read, texts):
        value = example.object or example.old
        whole = {"apiVersion": kind_of(value).api_version, **value}
        for path in places(whole):
            if path and path[0] not in ("apiVersion", "kind"):
                for wrong in WRONG:
                    yield example, with_value(whole, path, wrong)


@pytest.mark.parametrize("rule", NETWORK, ids=lambda rule: rule.name)
def test_reach_bears_whatever_stands_anywhere(rule: Rule, tmp_path: Path) -> None:
    by_engine: dict[str, list[JSON]] = {engine: [] for engine in RULEBOOKS}
    for number, (example, value) in enumerate(_mutilated(rule)):
        if isinstance(value.get("metadata"), dict | None):
            value["metadata"] = {**(value.get("metadata") or {}), "name": f"p{number}"}
        stated = example.network.get("engine", "cilium")
        enterprise = example.network.get("calico") == "enterprise"
        by_engine["enterprise" if enterprise else stated].append(value)
    for engine, values in by_engine.items():
        rulebook = Path(_file(tmp_path, engine=engine)[2])
        whole = iter(values)
        while some := list(islice(whole, 200)):
            items = {"apiVersion": "v1", "kind": "List", "items": [POD, *some]}
            text = json.dumps(items).encode()
            answer = reach(Question(paths=("-",), rulebook=rulebook), partial(bytes, text))
            assert not answer.mistakes
