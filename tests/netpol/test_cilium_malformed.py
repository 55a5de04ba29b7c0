"""Cilium's policies, malformed: nothing crashes, and what is wrong is told where it stands."""

from __future__ import annotations

from copy import deepcopy
from datetime import date
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.netpol.dialects.cilium import translate
from rules.netpol.engines import engine_of
from rules.netpol.inventory import Inventory, Namespace, Pod, PodEnd
from rules.netpol.model import Consequence, Unknown
from rules.netpol.peers import Networks
from rules.netpol.reach import Network
from rules.netpol.sets import Addresses
from rules.selectors import Path
from tests.netpol.places import places, with_value
from tests.netpol.strategies import junk

RICH: dict[str, Any] = yaml.safe_load(
    """
    kind: CiliumNetworkPolicy
    metadata: {name: p, namespace: red}
    spec:
      endpointSelector:
        matchLabels: {app: web}
        matchExpressions: [{key: env, operator: NotIn, values: [prod]}]
      enableDefaultDeny: {egress: true}
      ingress:
      - fromEndpoints: [{matchLabels: {"k8s:app": db}}]
        authentication: {mode: required}
        toPorts: [{ports: [{port: http}], serverNames: [a.com]}]
      ingressDeny:
      - fromEntities: [host]
        icmps: [{fields: [{type: 8}]}]
      egress:
      - toCIDR: [10.0.0.0/8]
      - toCIDRSet:
        - {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}
        - {cidrGroupRef: g}
        - {cidrGroupSelector: {matchLabels: {a: b}}}
        toPorts:
        - ports: [{port: "80", endPort: 90, protocol: TCP}]
          terminatingTLS: {secret: {name: s}}
          rules: {http: [{method: GET}]}
      - toFQDNs: [{matchName: a.com}, {matchPattern: "*.a.com"}]
        toPorts: [{ports: [{port: "443"}], listener: {name: l, envoyConfig: {name: e}}}]
      - toServices: [{k8sService: {serviceName: s}}]
      - toEntities: [world]
        toPorts: [{ports: [{port: "53"}], rules: {dns: [{matchPattern: "*"}]}}]
      egressDeny:
      - toEndpoints: [{}]
        toPorts: [{ports: [{port: "0"}]}]
    specs:
    - endpointSelector: {}
      egress: [{}]
    """
)
PLACES = list(places(RICH))
POD = PodEnd(Pod(Namespace("red"), "web", labels={"app": "web"}), Addresses.empty())
ODD: list[Any] = [
    None,
    "",
    "text",
    0,
    -1,
    pytest.param(10**5000, id="huge"),
    float("nan"),
    [],
    [None],
    [[]],
    {},
    {"x": 1},
    {"": None},
    {5: {}, "a": date(2000, 1, 1)},
]
# what nobody reads: names that only people see, and what goes to a proxy as it is
FREE = {"kind", "metadata", "type", "method", "name", "serviceName", "matchLabels", "fields"}


def put(path: Path, value: Any) -> Any:
    """The rich policy with another value at the place."""
    return with_value(RICH, path, value)


def unknowns(node: Any) -> tuple[Unknown, ...]:
    found = translate(node)
    assert len({policy.unknowns for policy in found}) == 1
    return found[0].unknowns


def test_the_rich_policy_is_readable() -> None:
    assert unknowns(RICH) == ()


@pytest.mark.parametrize("wrong", [0.5, date(2000, 1, 1)], ids=["float", "date"])
def test_what_is_right_nowhere_is_told_there_or_nearby(wrong: Any) -> None:
    for path in PLACES:
        if FREE.isdisjoint(map(str, path)):
            told = [each.path for each in unknowns(put(path, wrong))]
            assert any(each == path[: len(each)] or path == each[: len(path)] for each in told), (
                path
            )


@pytest.mark.parametrize("wrong", ODD, ids=repr)
def test_nothing_crashes_and_the_input_is_left_alone(wrong: Any) -> None:
    for path in PLACES:
        node = put(path, wrong)
        before = deepcopy(node)
        for unknown in unknowns(node):
            assert unknown.reason.isprintable()
            assert len(unknown.reason) < 250
        assert [node] == [before]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PLACES), junk)
def test_junk_anywhere_is_read_or_told_and_can_be_asked_about(path: Path, wrong: Any) -> None:
    policies = translate(put(path, wrong))
    for policy in policies:
        inside = [unknown for grant in policy.grants for unknown in grant.unknowns()]
        assert all(unknown in policy.unknowns for unknown in inside)
        assert len(set(policy.unknowns)) == len(policy.unknowns)
    network = Network.of(engine_of("cilium"), Inventory(), policies)
    side = network.side(POD, "egress")
    list(network.matcher.engine.conflicts(list(side.grants())))
    assert list(side.steps(Networks(Addresses.cidr("8.8.8.8/32"))))


EGRESS: Path = ("spec", "egress", 0)
ITEM: Path = ("spec", "egress", 1, "toPorts", 0)


@pytest.mark.parametrize(
    ("path", "value", "at", "consequence", "words"),
    [
        (("spec", "egress"), None, (), "refused", "null"),
        (("spec", "endpointSelector"), None, (), "refused", "null"),
        ((*EGRESS, "toCIDR", 0), "8.8.8.8", (), "refused", "CIDR notation"),
        ((*EGRESS, "toCIDR", 0), "010.0.0.0/8", (), "void", "leading zeros"),
        ((*EGRESS, "toEntities"), ["world"], (), "void", "only one of them"),
        ((*EGRESS, "toEntities"), ["world-ipv4"], (0,), "refused", "one of all"),
        ((*EGRESS, "toNodes"), [{}], (), "void", "only one of them"),
        ((*EGRESS, "icmps"), [{}], (), None, ""),
        (("spec", "egress", 1, "toCIDRSet", 0, "except", 0), "::/0", (), "void", "inside cidr"),
        (("spec", "egress", 1, "toCIDRSet", 0, "cidrGroupRef"), "g", None, "refused", "exactly"),
        (("spec", "egress", 2, "toFQDNs", 0, "matchPattern"), "a", None, "refused", "exactly"),
        ((*ITEM, "ports", 0, "port"), 80, (), "refused", "in quotes"),
        ((*ITEM, "ports", 0, "port"), "+80", (), "refused", "in quotes"),
        ((*ITEM, "ports", 0, "port"), "080", (), "void", "in quotes"),
        ((*ITEM, "ports", 0, "port"), "65536", (), "void", "in quotes"),
        ((*ITEM, "ports", 0, "port"), "0", (), "void", "one port"),
        ((*ITEM, "ports", 0, "protocol"), "tcp", (), "refused", "ANY"),
        ((*ITEM, "ports", 0, "protocol"), "UDP", (), "void", "TCP"),
        ((*ITEM, "ports"), [{"port": "1", "protocol": "TCP"}] * 41, (), "refused", "at most 40"),
        ((*ITEM, "serverNames"), [], (), "refused", "at least one"),
        ((*ITEM, "serverNames"), [""], (0,), "refused", "a name"),
        ((*ITEM, "rules"), {}, (), "refused", "exactly one"),
        ((*ITEM, "rules", "kafka"), [], (), "as-read", "unknown field"),
        ((*ITEM, "rules", "dns"), [], None, "refused", "exactly one"),
        (("spec", "ingress", 0, "toPorts", 0, "listener"), {}, (), "refused", "envoyConfig"),
        (("spec", "egressDeny", 0, "toFQDNs"), [{}], (), "as-read", "unknown field"),
        (("spec", "nodeSelector"), {}, None, "refused", "exactly one"),
        (("metadata", "name"), "", (), "void", "a name"),
        (("specs", 0, "egress"), [], None, "void", "at least one rule"),
        (("specs", 0), {"endpointSelector": {}}, (), "refused", "one of ingress"),
        (("specs", 0), {"nodeSelector": {}, "egress": [{}]}, ("nodeSelector",), "void", "nodes"),
    ],
)
def test_how_it_is_invalid_and_why(
    path: Path, value: Any, at: Path | None, consequence: Consequence | None, words: str
) -> None:
    """`at` goes on from the path; None: it is told of the map that holds it."""
    place = path[:-1] if at is None else (*path, *at)
    told = [each for each in unknowns(put(path, value)) if each.path == place]
    if consequence is None:
        assert told == []
    else:
        assert any(each.consequence == consequence and words in each.reason for each in told)


def test_of_an_invalid_object_nothing_counts() -> None:
    for path, wrong in ((EGRESS, 5), (("specs", 0, "egress"), [])):
        assert not any(policy.counts for policy in translate(put(path, wrong)))


def test_a_cut_field_leaves_a_rule_that_denies_nothing() -> None:
    names = put(("spec", "egressDeny"), [{"toFQDNs": [{"matchName": "a.com"}]}])
    (found, _) = translate(names)
    assert found.counts
    denied = [grant for grant in found.grants if grant.action == "deny"]
    assert [grant.peers for grant in denied if grant.direction == "egress"] == [()]


def test_ten_thousand_rules_are_read() -> None:
    rules = RICH["spec"]["egress"] * 2_500
    found = translate(put(("spec", "egress"), rules))[0]
    assert len([grant for grant in found.grants if grant.direction == "egress"]) == 12_501
    assert found.unknowns == ()


def test_a_requirement_is_refused_since_1_19_and_until_then_may_narrow_a_denial() -> None:
    rules = [{"toEndpoints": [{}], "toRequires": [{"matchLabels": {"a": "b"}}]}]
    spec = {"endpointSelector": {}, "egress": rules, "egressDeny": rules}
    node = {"kind": "CiliumNetworkPolicy", "metadata": {"name": "a"}, "spec": spec}
    (policy,) = translate(node)
    for version, consequence in (("1.18", "undecided"), ("1.19", "refused")):
        told = engine_of("cilium", version).reads(policy).unknowns
        assert [each.consequence for each in told] == [consequence] * 2
    allowed, denied = policy.grants
    assert [isinstance(each, Unknown) for each in (*allowed.peers, *denied.peers)] == [False, True]
