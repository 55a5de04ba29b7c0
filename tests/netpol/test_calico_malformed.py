"""Calico's policies, malformed: nothing crashes, and nothing is wrong unsaid."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.netpol import census
from rules.netpol.dialects.calico import translate
from rules.netpol.dialects.calico.reader import Door
from rules.netpol.dialects.calico.rules import DIRECTIONS
from rules.netpol.engines import engine_of
from rules.netpol.inventory import Inventory, Namespace, Pod, PodEnd
from rules.netpol.model import Policy
from rules.netpol.reach import Network
from rules.netpol.sets import Addresses
from rules.selectors import Path
from tests.netpol.strategies import junk

MOST_WORDS = 250
DOORS: tuple[Door, ...] = ("api", "native", "crd")
RICH: dict[str, Any] = yaml.safe_load(
    """
    apiVersion: projectcalico.org/v3
    kind: GlobalNetworkPolicy
    metadata: {name: p}
    spec:
      tier: default
      order: 10.5
      selector: app == 'web' && has(tier)
      namespaceSelector: tenant == 'a'
      serviceAccountSelector: role != 'x'
      types: [Ingress, Egress]
      applyOnForward: true
      ingress:
      - action: Allow
        protocol: TCP
        source: {services: {name: s, namespace: red}}
        destination: {ports: [80, '443:444', http]}
        http: {methods: [GET]}
      egress:
      - action: Deny
        ipVersion: 4
        protocol: 17
        notProtocol: SCTP
        source: {nets: [10.0.0.0/8]}
        destination:
          nets: [10.0.0.0/8]
          notNets: [10.1.0.0/16]
          selector: app == 'db'
          notSelector: old == 'x'
          namespaceSelector: global()
          notPorts: [53, dns]
          serviceAccounts: {names: [default], selector: role == 'db'}
      - {action: Allow, protocol: ICMP, icmp: {type: 8, code: 0}, notICMP: {type: 3}}
      - {action: Log, metadata: {annotations: {a: b}}}
    """
)
# what only names, and what nobody looks into
SILENT = {("apiVersion",), ("kind",), ("metadata", "name"), ("metadata",)}
UNREAD = ("metadata", "annotations", "methods", "type", "code")


def places(node: Any, path: Path = ()) -> Iterator[Path]:
    yield path
    items = node.items() if isinstance(node, dict) else ()
    for key, value in enumerate(node) if isinstance(node, list) else items:
        yield from places(value, (*path, key))


PLACES = [path for path in places(RICH) if not any(step in UNREAD for step in path)]


def put(path: Path, value: Any) -> Any:
    """The rich policy with another value at the place."""
    if not path:
        return value
    changed = deepcopy(RICH)
    node = changed
    for step in path[:-1]:
        node = node[step]  # type: ignore[index]
    node[path[-1]] = value  # type: ignore[index]
    return changed


@pytest.mark.parametrize("door", DOORS)
def test_the_rich_policy_is_readable(door: Door) -> None:
    assert translate(RICH, door=door).unknowns == ()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("path", PLACES, ids=str)
def test_a_wrong_value_is_told_at_its_place(path: Path, door: Door) -> None:
    if path in SILENT:
        return
    translated = translate(put(path, _Nonsense), door=door)
    at = [unknown.path for unknown in translated.unknowns]
    assert any(each[: len(path)] == path for each in at), at


class _Nonsense:
    """What no decoder makes."""


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PLACES), junk, st.sampled_from(DOORS))
def test_nothing_crashes(path: Path, value: Any, door: Door) -> None:
    translated = translate(put(path, value), door=door)
    assert isinstance(translated, Policy)
    pod = PodEnd(Pod(Namespace("red"), "p"), Addresses.between("10.0.0.1", "10.0.0.1"))
    network = Network.of(engine_of("calico"), Inventory(), [translated])
    for direction in DIRECTIONS:
        network.side(pod, direction).verdict(pod)
    for unknown in translated.unknowns:
        assert unknown.reason.isprintable()
        assert len(unknown.reason) < MOST_WORDS


@settings(max_examples=200, deadline=None)
@given(junk, st.sampled_from(["Tier", "NetworkSet", "GlobalNetworkSet"]))
def test_what_surrounds_them_may_be_nonsense_too(value: Any, kind: str) -> None:
    for version in ("projectcalico.org/v3", "crd.projectcalico.org/v1"):
        for spec in (value, {"nets": value, "order": value, "defaultAction": value}):
            head = {"apiVersion": version, "kind": kind, "metadata": {"name": "n"}}
            census.take([{**head, "spec": spec}, {**head, "metadata": value}])


@pytest.mark.parametrize("number", [10_000])
def test_ten_thousand_rules_are_read(number: int) -> None:
    rule = {"action": "Allow", "protocol": "TCP", "destination": {"ports": [443], "nets": ["x"]}}
    spec = {"egress": [rule] * number, "selector": "(" * 500 + "all()" + ")" * 500}
    translated = translate({"kind": "NetworkPolicy", "metadata": {"name": "p"}, "spec": spec})
    assert len(translated.grants) == number
    assert len(translated.unknowns) == number
    assert translated.unknowns[-1].path == (
        *("spec", "egress", number - 1, "destination", "nets", 0),
    )
