"""Names of domains, which Calico Enterprise opens and open-source Calico does not know."""

from __future__ import annotations

import pytest

from rules.netpol import census
from rules.netpol.connections import Question
from rules.netpol.destinations import Compass, Outside
from rules.netpol.dialects.calico import domain
from rules.netpol.engines import engine_of
from rules.netpol.languages import translate
from rules.netpol.model import PeerEntry, Unknown
from rules.netpol.names import covers
from rules.netpol.sets import V4
from rules.words import place
from tests.netpol.clusters import objects, survey, table

ENTERPRISE, OPEN_SOURCE = engine_of("calico", enterprise=True), engine_of("calico")
POD = """
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: red, labels: {app: web}}
status: {podIPs: [{ip: 10.0.0.1}]}
"""
SET = """
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkSet
metadata: {name: s, labels: {color: red}}
spec: {nets: [198.51.100.0/24], allowedEgressDomains: [db.example, '*.cdn.example']}
"""
WORLD = "0.0.0.0-255.255.255.255"
A = "red/a[Pod]"


def policy(rules: str, more: str = "") -> str:
    return (
        "---\napiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: p}\n"
        f"spec: {{types: [Egress], egress: [{rules}]{more}}}\n"
    )


def reach(text: str, *, enterprise: bool = True) -> dict[str, str]:
    """Whom the pod reaches, and on which ports."""
    engine = ENTERPRISE if enterprise else OPEN_SOURCE
    found = survey(objects([POD, text]), Question(families=(V4,)), engine=engine)
    told = table(found.connections())
    return {target: ports for (source, target), ports in told.items() if source == A}


TO_NAMES = "{action: Allow, protocol: TCP, destination: {domains: [a.example], ports: [443]}}"


def test_enterprise_opens_the_name_and_open_source_everything() -> None:
    assert reach(policy(TO_NAMES)) == {"fqdn:a.example": "443/TCP"}
    assert reach(policy(TO_NAMES), enterprise=False) == {WORLD: "443/TCP"}


def test_a_family_does_not_narrow_names() -> None:
    assert reach(policy(TO_NAMES.replace("{action", "{ipVersion: 4, action", 1))) == {
        "fqdn:a.example": "443/TCP"
    }


@pytest.mark.parametrize("action", ["Deny", "Pass"])
def test_no_name_is_denied_or_passed_on(action: str) -> None:
    before = f"{{action: {action}, destination: {{selector: color == 'red'}}}}"
    found = reach(SET + policy(f"{before}, {TO_NAMES.replace('a.example', 'db.example')}"))
    assert found["fqdn:db.example"] == "443/TCP"


def test_a_set_opens_its_names_to_the_rule_that_selects_it() -> None:
    rule = "{action: Allow, protocol: TCP, destination: {selector: color == 'red', ports: [443]}}"
    assert reach(SET + policy(rule)) == {
        "198.51.100.0-198.51.100.255": "443/TCP",
        "fqdn:db.example": "443/TCP",
        "fqdn:**.cdn.example": "443/TCP",
    }
    assert reach(SET + policy(rule), enterprise=False) == {"198.51.100.0-198.51.100.255": "443/TCP"}
    assert reach(SET + policy(rule.replace("red", "blue"))) == {}


def test_the_names_of_a_set_lie_outside() -> None:
    inventory = census.take(objects([SET]))
    text = policy("{action: Allow, destination: {selector: color == 'red'}}")
    assert "db.example" in _outside(text, Compass(ENTERPRISE, inventory)).names
    assert not _outside(text, Compass(OPEN_SOURCE, inventory)).names


def _outside(text: str, compass: Compass) -> Outside:
    (node,) = objects([text])
    (meant,) = map(compass.engine.reads, translate(node))
    (entry,) = meant.grants[0].peers
    return compass.outside(entry)


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ("{action: Deny, destination: {domains: [a.example]}}", "domains"),
        ("{action: Allow, source: {domains: [a.example]}}", "domains"),
        ("{action: Allow, destination: {domains: [a.example], nets: [10.0.0.0/8]}}", "domains"),
        ("{action: Allow, destination: {domains: a.example}}", "domains"),
        ("{action: Allow, destination: {domains: [a.example, 'www.g*.com']}}", "domains[1]"),
        ("{action: Allow, destination: {domains: ['*.*.example']}}", "domains[0]"),
        ("{action: Allow, destination: {domains: [7]}}", "domains[0]"),
    ],
)
def test_what_enterprise_finds_fault_with_is_told_of_enterprise_alone(rule: str, path: str) -> None:
    (node,) = objects([policy(rule)])
    told = [each for meant in translate(node) for each in ENTERPRISE.reads(meant).unknowns]
    assert [place(each.path).endswith(path) for each in told] == [True]
    pruned = [each for meant in translate(node) for each in OPEN_SOURCE.reads(meant).unknowns]
    assert [each.consequence for each in pruned] == ["as-read"]


def test_each_name_is_a_peer_at_its_own_place() -> None:
    (node,) = objects([policy("{action: Allow, destination: {domains: [a.example, b.example]}}")])
    (meant,) = map(ENTERPRISE.reads, translate(node))
    places = [place(each.path) for each in meant.grants[0].peers]
    assert places == [f"spec.egress[0].destination.domains[{at}]" for at in (0, 1)]
    assert not any(isinstance(each, Unknown) for each in meant.grants[0].peers)
    assert all(isinstance(each, PeerEntry) for each in meant.grants[0].peers)


@pytest.mark.parametrize(
    ("stated", "names", "others"),
    [
        ("*.google.com", ["www.google.com", "www.ipv6.google.com"], ["google.com"]),
        ("www.*.com", ["www.sun.com", "www.a.b.com"], ["www.com"]),
        ("www.google.*", ["www.google.net", "www.google.co.uk"], ["www.google"]),
        ("update.*.a.com", ["update.tools.a.com", "update.b.c.a.com"], ["update.a.com"]),
        ("A.Example.", ["a.example"], ["b.example"]),
        ("*", ["a", "a.b.c"], []),
        ("www.g*.com", ["www.google.com"], ["a.org"]),
        ("*.*.a.com", ["x.y.a.com", "x.a.com"], ["a.com"]),
        (7, ["anything.example"], []),
    ],
)
def test_what_a_name_matches(stated: object, names: list[str], others: list[str]) -> None:
    """Tigera's own examples; what it does not support is read wide."""
    pattern = domain(stated).pattern
    assert all(covers(pattern, name) for name in names)
    assert not any(covers(pattern, name) for name in others)
