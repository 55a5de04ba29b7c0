"""Policies of administrators: what each clause means, where it stands, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.netpol.dialects.admin import KINDS, translate
from rules.netpol.model import ADMIN, BASELINE, Grant, PeerEntry, Place, Policy, PortEntry
from rules.netpol.peers import Fqdn, Namespaces, Networks, Nodes, Pods
from rules.netpol.sets import Addresses
from rules.selectors import EVERYTHING, Path
from tests.netpol.strategies import admin_policies, junk

SUBJECT = "subject: {namespaces: {}}"
CLUSTER = f"tier: Admin, priority: 7, {SUBJECT}"
RULE: Path = ("spec", "egress", 0)


def read(spec: str, kind: str = "ClusterNetworkPolicy", name: str = "default") -> Policy:
    version = "v1alpha2" if kind == KINDS[2] else "v1alpha1"
    head = {"apiVersion": f"policy.networking.k8s.io/{version}", "kind": kind}
    return translate({**head, "metadata": {"name": name}, "spec": yaml.safe_load(f"{{{spec}}}")})


def rule(text: str) -> Grant:
    translated = read(f"{CLUSTER}, egress: [{{action: Accept, {text}}}]")
    assert translated.unknowns == ()
    (grant,) = translated.grants
    return grant


def peers(text: str) -> list[tuple[Path, Any]]:
    grant = rule(f"to: [{text}]")
    return [(entry.path, entry.peer) for entry in grant.peers if isinstance(entry, PeerEntry)]


def ports(text: str) -> list[str]:
    grant = rule(f"to: [{{namespaces: {{}}}}], protocols: [{text}]")
    return [
        str(entry.ports) if isinstance(entry, PortEntry) else entry.name
        for entry in grant.ports
        if isinstance(entry, PortEntry) or hasattr(entry, "name")
    ]


def refused(spec: str, kind: str = "ClusterNetworkPolicy", name: str = "default") -> list[Path]:
    translated = read(spec, kind, name)
    assert not translated.counts
    return [unknown.path for unknown in translated.unknowns]


def test_a_name_of_ports_beside_networks_is_told_and_counts() -> None:
    # its definition in the experimental channel refuses it, that in the standard channel does not
    rule = "{action: Accept, to: [{networks: ['::/0']}], protocols: [{destinationNamedPort: a}]}"
    translated = read(f"{CLUSTER}, egress: [{rule}]")
    assert translated.counts
    assert [unknown.path for unknown in translated.unknowns] == [
        ("spec", "egress", 0, "protocols", 0)
    ]


def test_each_kind_has_its_tier_and_its_place_in_it() -> None:
    egress = "egress: [{action: Deny, to: [{namespaces: {}}]}, {action: Deny, to: [{pods: {}}]}]"
    places = {}
    for kind, spec in (
        ("AdminNetworkPolicy", f"priority: 5, {SUBJECT}"),
        ("BaselineAdminNetworkPolicy", SUBJECT),
    ):
        grants = read(f"{spec}, {egress}", kind).grants
        places[kind] = [grant.place for grant in grants]
    assert places == {
        "AdminNetworkPolicy": [Place(ADMIN, 5, 0), Place(ADMIN, 5, 1)],
        "BaselineAdminNetworkPolicy": [Place(BASELINE, 0, 0), Place(BASELINE, 0, 1)],
    }
    low = read(
        f"tier: Baseline, priority: 7, {SUBJECT}, {egress}".replace("{pods: {}}", "{nodes: {}}")
    )
    assert [grant.place for grant in low.grants] == [Place(BASELINE, 7, 0), Place(BASELINE, 7, 1)]
    assert low.isolations == ()


def test_peers_stand_where_they_are_named() -> None:
    assert peers("{namespaces: {}}, {pods: {podSelector: {}}}, {nodes: {}}") == [
        ((*RULE, "to", 0), Namespaces(EVERYTHING)),
        ((*RULE, "to", 1), Pods(EVERYTHING, EVERYTHING)),
        ((*RULE, "to", 2), Nodes(EVERYTHING)),
    ]
    assert peers("{networks: [10.0.0.0/8, 'fd00::/8']}") == [
        ((*RULE, "to", 0, "networks", 0), Networks(Addresses.cidr("10.0.0.0/8"))),
        ((*RULE, "to", 0, "networks", 1), Networks(Addresses.cidr("fd00::/8"))),
    ]


def test_an_asterisk_in_a_domain_is_one_label_or_more() -> None:
    names = [peer.pattern for _, peer in peers("{domainNames: [A.example.com., '*.k8s.io']}")]
    assert names == ["a.example.com", "**.k8s.io"]
    assert all(isinstance(peer, Fqdn) for _, peer in peers("{domainNames: [a.b]}"))


def test_protocols_have_ports_ranges_and_names() -> None:
    assert ports("{tcp: {destinationPort: {number: 80}}}") == ["80/TCP"]
    assert ports("{udp: {destinationPort: {range: {start: 5, end: 9}}}}") == ["5-9/UDP"]
    assert ports("{destinationNamedPort: http}") == ["http"]
    assert [
        str(entry.ports)
        for entry in rule("to: [{namespaces: {}}]").ports
        if isinstance(entry, PortEntry)
    ] == ["1-65535/TCP 1-65535/UDP 1-65535/SCTP"]


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        (f"priority: 1, {SUBJECT}", ("spec", "tier")),
        (f"tier: admin, priority: 1, {SUBJECT}", ("spec", "tier")),
        (f"tier: Admin, {SUBJECT}", ("spec", "priority")),
        (f"tier: Admin, priority: true, {SUBJECT}", ("spec", "priority")),
        ("tier: Admin, priority: 1, subject: {}", ("spec", "subject")),
        (
            "tier: Admin, priority: 1, subject: {namespaces: {}, pods: {podSelector: {}}}",
            ("spec", "subject"),
        ),
        (
            "tier: Admin, priority: 1, subject: {pods: {}}",
            ("spec", "subject", "pods", "podSelector"),
        ),
    ],
)
def test_what_the_schema_refuses_of_a_policy(spec: str, path: Path) -> None:
    assert refused(spec) == [path]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("action: Allow, to: [{namespaces: {}}]", ("action",)),
        ("action: Accept", ("to",)),
        ("action: Accept, to: []", ("to",)),
        ("action: Accept, to: [{}]", ("to", 0)),
        ("action: Accept, to: [{unheard: {}}]", ("to", 0)),
        ("action: Accept, to: [{networks: []}]", ("to", 0, "networks")),
        ("action: Accept, to: [{networks: [1.2.3.4]}]", ("to", 0, "networks", 0)),
        ("action: Accept, to: [{domainNames: ['a*.b']}]", ("to", 0, "domainNames", 0)),
        ("action: Accept, to: [{namespaces: {}}], protocols: []", ("protocols",)),
        ("action: Accept, to: [{namespaces: {}}], protocols: [{tcp: {}}]", ("protocols", 0, "tcp")),
        (
            "action: Accept, to: [{namespaces: {}}],"
            " protocols: [{tcp: {destinationPort: {range: {start: 5, end: 5}}}}]",
            ("protocols", 0, "tcp", "destinationPort", "range", "end"),
        ),
    ],
)
def test_what_the_schema_refuses_of_a_rule(text: str, path: Path) -> None:
    assert (*RULE, *path) in refused(f"{CLUSTER}, egress: [{{{text}}}]")


def test_peers_outside_are_no_sources() -> None:
    text = "ingress: [{action: Deny, from: [{networks: [0.0.0.0/0]}]}]"
    assert ("spec", "ingress", 0, "from", 0) in refused(f"{CLUSTER}, {text}")


def test_there_is_one_baseline_and_it_does_not_pass() -> None:
    kind = "BaselineAdminNetworkPolicy"
    assert refused(SUBJECT, kind, "mine") == [("metadata", "name")]
    text = f"{SUBJECT}, egress: [{{action: Pass, to: [{{namespaces: {{}}}}]}}]"
    assert refused(text, kind) == [(*RULE, "action")]


def test_a_selector_that_cannot_be_read_is_stored_and_nobody_knows_whom_it_selects() -> None:
    odd = "{matchExpressions: [{key: a, operator: Equals, values: [b]}]}"
    translated = read(f"{CLUSTER}, egress: [{{action: Deny, to: [{{namespaces: {odd}}}]}}]")
    assert translated.counts
    (unknown,) = translated.unknowns
    assert unknown.consequence == "undecided"
    assert translated.grants[0].peers == (unknown,)


def test_fields_that_the_api_does_not_have_are_cut_off() -> None:
    translated = read(f"{CLUSTER}, egres: [], egress: []")
    assert translated.counts
    assert [unknown.path for unknown in translated.unknowns] == [("spec", "egres")]


@settings(max_examples=300, deadline=None)
@given(admin_policies(), junk, st.data())
def test_whatever_stands_anywhere_nothing_is_raised(
    policy: dict[str, Any], wrong: Any, data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(list(_paths(policy))))
    assert isinstance(translate(_put(policy, path, wrong)), Policy)


def _paths(node: Any) -> Any:
    yield ()
    steps = range(len(node)) if isinstance(node, list) else node if isinstance(node, dict) else ()
    for step, inner in ((step, node[step]) for step in steps):
        yield from ((step, *path) for path in _paths(inner))


def _put(node: Any, path: Path, value: Any) -> Any:
    if not path:
        return value
    copy: Any = node.copy()
    copy[path[0]] = _put(node[path[0]], path[1:], value)
    return copy
