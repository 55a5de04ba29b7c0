"""NetworkPolicy by hand: what each clause grants, and where in the object it says so.

The T numbers are those of the table of test cases in the specification of egress.
"""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from rules.netpol.dialects.kubernetes import translate
from rules.netpol.model import Grant, NamedPort, Origin, PeerEntry, Policy, PortEntry
from rules.netpol.peers import Anywhere, Networks, Pods
from rules.netpol.sets import PROTOCOLS, V4, V6, Addresses, Ports
from rules.selectors import EVERYTHING, LabelSelector, Path

ORIGIN = Origin("networking.k8s.io", "NetworkPolicy", "red", "p")
WORLD = Addresses.cidr("0.0.0.0/0")


def policy(spec: str) -> Policy:
    """The policy `p` in namespace `red` with this spec, which must be readable."""
    metadata = {"name": "p", "namespace": "red"}
    translated = translate({"metadata": metadata, "spec": yaml.safe_load(spec)})
    assert translated.unknowns == ()
    return translated


def egress(rule: str) -> Grant:
    """The one grant of a policy with this egress rule."""
    (grant,) = policy(f"{{policyTypes: [Egress], egress: [{rule}]}}").grants
    assert grant.direction == "egress"
    assert grant.action == "allow"
    return grant


def peers(grant: Grant) -> list[tuple[Path, Any]]:
    return [(entry.path, entry.peer) for entry in grant.peers if isinstance(entry, PeerEntry)]


def ports(grant: Grant) -> list[tuple[Path, str]]:
    return [(entry.path, str(entry.ports)) for entry in grant.ports if isinstance(entry, PortEntry)]


def directions(policy: Policy) -> list[str]:
    return [isolation.direction for isolation in policy.isolations]


def selector(**labels: str) -> LabelSelector:
    return LabelSelector.parse({"matchLabels": labels})


RULE: Path = ("spec", "egress", 0)
TO, PORTS = (*RULE, "to"), (*RULE, "ports")
ALL = "1-65535/TCP 1-65535/UDP 1-65535/SCTP"


# The four misreadings that a corpus of whole clusters did not notice.


def test_a_pod_selector_alone_stays_in_its_own_namespace() -> None:
    ((_, peer),) = peers(egress("{to: [{podSelector: {matchLabels: {app: db}}}]}"))
    assert peer == Pods("red", selector(app="db"))
    assert peer.covers("red", {})
    assert not peer.covers("blue", {"team": "a"})


def test_exceptions_count() -> None:
    ((_, peer),) = peers(egress("{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}]}"))
    assert peer == Networks(WORLD - Addresses.cidr("10.0.0.0/8"))
    assert "10.1.2.3" not in peer.addresses


def test_not_in_selects_pods_without_the_label() -> None:
    expression = "{matchExpressions: [{key: env, operator: NotIn, values: [prod]}]}"
    subject = policy(f"podSelector: {expression}").subject
    assert isinstance(subject, Pods)
    assert subject.pods.matches({})
    assert subject.pods.matches({"env": "dev"})
    assert not subject.pods.matches({"env": "prod"})


def test_an_entry_without_port_is_every_port_of_its_protocol() -> None:
    grant = egress("{ports: [{protocol: TCP}, {protocol: UDP, port: null}, {}]}")
    assert ports(grant) == [
        ((*PORTS, 0), "1-65535/TCP"),
        ((*PORTS, 1), "1-65535/UDP"),
        ((*PORTS, 2), "1-65535/TCP"),
    ]


# The table of the specification.


def test_t01_isolates_and_grants_nothing() -> None:
    translated = policy("{podSelector: {}, policyTypes: [Egress], egress: []}")
    assert directions(translated) == ["egress"]
    assert translated.isolations[0].path == ("spec", "policyTypes", 0)
    assert translated.subject == Pods("red", EVERYTHING)
    assert translated.grants == translated.void == ()


@pytest.mark.parametrize("rule", ["{}", "null", "{to: [], ports: []}", "{to: null, ports: null}"])
def test_t02_an_empty_rule_grants_everything(rule: str) -> None:
    grant = egress(rule)
    assert grant.path == RULE
    assert peers(grant) == [(TO, Anywhere())]
    assert ports(grant) == [(PORTS, ALL)]


def test_t03_no_to_is_any_destination() -> None:
    grant = egress("{ports: [{port: 443, protocol: TCP}]}")
    assert peers(grant) == [(TO, Anywhere())]
    assert ports(grant) == [((*PORTS, 0), "443/TCP")]


def test_t05_no_ports_are_all_ports() -> None:
    grant = egress("{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}")
    assert peers(grant) == [((*TO, 0), Networks(Addresses.cidr("10.0.0.0/8")))]
    assert ports(grant) == [(PORTS, ALL)]


def test_t06_pods_of_the_own_namespace() -> None:
    grant = egress("{to: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: 80}]}")
    assert peers(grant) == [((*TO, 0), Pods("red", selector(app="db")))]
    assert ports(grant) == [((*PORTS, 0), "80/TCP")]


def test_t07_two_items_are_either_and_one_item_is_both() -> None:
    either = egress("{to: [{podSelector: {}}, {namespaceSelector: {}}]}")
    assert peers(either) == [
        ((*TO, 0), Pods("red", EVERYTHING)),
        ((*TO, 1), Pods(EVERYTHING, EVERYTHING)),
    ]
    both = egress(
        "{to: [{podSelector: {matchLabels: {app: db}}, namespaceSelector: {matchLabels: {t: a}}}]}"
    )
    assert peers(both) == [((*TO, 0), Pods(selector(t="a"), selector(app="db")))]


def test_t09_a_range_of_ports_holds_its_ends() -> None:
    ((_, text),) = ports(egress("{ports: [{port: 1024, endPort: 65535}]}"))
    assert text == "1024-65535/TCP"
    granted = Ports.parse(text)
    assert ("TCP", 8080) in granted
    assert ("TCP", 80) not in granted


def test_t10_t11_an_entry_is_of_one_protocol() -> None:
    assert ports(egress("{ports: [{protocol: TCP}]}")) == [((*PORTS, 0), "1-65535/TCP")]
    assert ports(egress("{ports: [{protocol: UDP}]}")) == [((*PORTS, 0), "1-65535/UDP")]


def test_t13_rules_of_a_direction_that_is_not_a_type_are_void_and_kept() -> None:
    translated = policy("{policyTypes: [Ingress], egress: [{ports: [{port: 443}]}]}")
    assert directions(translated) == ["ingress"]
    assert translated.grants == ()
    (void,) = translated.void
    assert void.path == RULE
    assert ports(void) == [((*PORTS, 0), "443/TCP")]


def test_t17_grants_of_two_policies_add_up() -> None:
    deny = policy("{policyTypes: [Egress], egress: []}")
    allow = policy(
        """
        policyTypes: [Egress]
        egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: 80}]}]
        """
    )
    (grant,) = (*deny.grants, *allow.grants)
    assert peers(grant) == [((*TO, 0), Networks(Addresses.every(V4)))]
    assert ports(grant) == [((*PORTS, 0), "80/TCP")]


def test_t18_the_end_of_a_range_and_its_base_stand_in_the_entry() -> None:
    (entry,) = egress("{ports: [{port: 80, endPort: 90}]}").ports
    # an engine that ignores endPort can be told from the entry
    assert entry == PortEntry((*PORTS, 0), ("TCP",), first=80, last=90)


def test_t19_the_families_are_apart() -> None:
    rule = "{to: [{ipBlock: {cidr: '::/0'}}, {ipBlock: {cidr: 0.0.0.0/0, except: [0.0.0.0/1]}}]}"
    first, second = (peer.addresses for _, peer in peers(egress(rule)))
    assert first == Addresses.every(V6)
    assert not first & second
    assert Addresses.cidr("0.0.0.0/1") & (first | second) == Addresses.empty()


# Types.


@pytest.mark.parametrize(
    ("spec", "isolated"),
    [
        ("{}", ["ingress"]),
        ("{ingress: [{}]}", ["ingress"]),
        ("{egress: []}", ["ingress"]),
        ("{egress: [{}]}", ["ingress", "egress"]),
        ("{policyTypes: [], egress: [{}]}", ["ingress", "egress"]),
        ("{policyTypes: null, egress: [null]}", ["ingress", "egress"]),
        ("{policyTypes: [Egress]}", ["egress"]),
        ("{policyTypes: [Egress, Ingress]}", ["egress", "ingress"]),
        ("{policyTypes: [Egress, Egress]}", ["egress"]),
    ],
)
def test_types(spec: str, isolated: list[str]) -> None:
    assert directions(policy(spec)) == isolated


def test_ingress_rules_beside_types_without_ingress_are_void() -> None:
    translated = policy("{policyTypes: [Egress], ingress: [{}], egress: [{}]}")
    assert [grant.path for grant in translated.grants] == [("spec", "egress", 0)]
    assert [grant.path for grant in translated.void] == [("spec", "ingress", 0)]


def test_the_default_types_point_at_the_field_that_is_missing() -> None:
    paths = {isolation.path for isolation in policy("{egress: [{}]}").isolations}
    assert paths == {("spec", "policyTypes")}


# Names, places, subject.


def test_named_ports_are_kept_as_names() -> None:
    (entry,) = egress("{ports: [{port: http, protocol: UDP}]}").ports
    assert entry == NamedPort((*PORTS, 0), ("UDP",), "http")


def test_every_statement_knows_its_place() -> None:
    translated = policy(
        """
        podSelector: {matchLabels: {app: web}}
        policyTypes: [Ingress, Egress]
        ingress:
        - from: [{namespaceSelector: {}}]
        egress:
        - ports: [{port: 443}]
        - to: [{podSelector: {}}, {ipBlock: {cidr: 0.0.0.0/0}}]
          ports: [{port: 53, protocol: UDP}, {port: 80}]
        """
    )
    assert {grant.origin for grant in translated.grants} == {translated.origin} == {ORIGIN}
    assert {grant.subject for grant in translated.grants} == {Pods("red", selector(app="web"))}
    inbound, _, outbound = translated.grants
    assert peers(inbound)[0][0] == ("spec", "ingress", 0, "from", 0)
    # which entry grants port 80, and to whom in the world
    http = Ports.of("TCP", 80)
    places = [
        (entry.path, peer.path)
        for grant in translated.grants
        if grant.direction == "egress"
        for entry in grant.ports
        if isinstance(entry, PortEntry) and entry.ports & http
        for peer in grant.peers
        if isinstance(peer, PeerEntry) and isinstance(peer.peer, Networks)
    ]
    assert places == [(("spec", "egress", 1, "ports", 1), ("spec", "egress", 1, "to", 1))]
    assert outbound.path == ("spec", "egress", 1)


def test_the_namespace_is_the_objects_or_what_the_caller_says() -> None:
    assert translate({"metadata": {"namespace": "a"}}, namespace="b").origin.namespace == "a"
    assert translate({"metadata": {"namespace": ""}}, namespace="b").origin.namespace == "b"
    assert translate({}).subject == Pods("default", EVERYTHING)


def test_all_protocols_are_all_there_are() -> None:
    (entry,) = egress("{}").ports
    assert isinstance(entry, PortEntry)
    assert entry.protocols == PROTOCOLS
    assert entry.ports == Ports.full()
