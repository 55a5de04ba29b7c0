"""What Cilium's own engine says: who reaches whom, on which port, through which proxy.

The corpus knows what no file of a cluster says: which names stand for an address, and where the API
server is. Both are told to the engine here, so that every cell is asked. It skips what an API
server checks of Kubernetes' own kinds; so do these tests.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from rules.netpol.dialects.cilium import GROUP
from rules.netpol.engine import Engine, Resolved, View
from rules.netpol.engines import engine_of
from rules.netpol.engines.cilium.ends import selectors
from rules.netpol.inventory import (
    NOWHERE,
    End,
    Inventory,
    Namespace,
    Pod,
    PodEnd,
    PortName,
    ServiceAccount,
)
from rules.netpol.languages import translate
from rules.netpol.match import Match
from rules.netpol.model import Direction, Grant, Policy, Unknown
from rules.netpol.names import covers
from rules.netpol.peers import Entity, Fqdn, Networks
from rules.netpol.reach import Network
from rules.netpol.sets import Addresses, Ports
from rules.netpol.sides import Side, Step
from tests.corpora import corpus

NAME = "cilium-engine"
DIRECTIONS: tuple[Direction, ...] = ("egress", "ingress")
LETTERS = {"http": "h", "listener": "c", "tls": "t", "dns": "d", "": "A"}
"""How the corpus calls what reads allowed traffic, the strongest first."""
DUAL_STACK = Addresses.cidr("10.244.0.0/16") | Addresses.cidr("fd00:10::/48")
CELLS = 543_960
COUNTS = {"cases": 1_516, "objects": 2_594, "sides": 3_022, "cells": CELLS, "conflicts": 5}


@dataclass(frozen=True)
class World:
    """The cluster of the corpus: who is asked about, and every peer by its key."""

    inventory: Inventory
    subjects: dict[str, PodEnd]
    peers: dict[str, End]
    names: dict[Addresses | str | None, str]
    servers: dict[Addresses | str | None, tuple[str, ...]]
    ports: tuple[Ports, ...]

    def engine(self) -> Engine:
        """Cilium, told what the corpus knows."""
        cilium = engine_of("cilium")

        def views(end: End, inventory: Inventory) -> Iterable[View]:
            known = self.servers.get(_place(end), ())
            extra = {f"reserved:{name}": "" for name in known}
            return [
                replace(view, labels={**view.labels, **extra})
                for view in cilium.views(end, inventory)
            ]

        def resolve(peer: Resolved, end: End, inventory: Inventory) -> Match:
            if isinstance(peer, Fqdn):
                name = self.names.get(_place(end))
                return Match.of(holds=name is not None and covers(peer.pattern, name))
            if isinstance(peer, Entity):
                found = (
                    each.matches(view.labels)
                    for view in views(end, inventory)
                    for each in selectors(peer.name)
                )
                return Match.of(holds=any(found))
            return cilium.resolve(peer, end, inventory)

        return replace(cilium, views=views, resolve=resolve)


def _place(end: End) -> Addresses | str | None:
    if isinstance(end, Networks):
        return end.addresses
    return end.name if isinstance(end, Entity) else None


@cache
def world() -> World:
    read = json.loads((corpus(NAME) / "world.json").read_text())
    namespaces = {
        each["name"]: Namespace(each["name"], each["labels"]) for each in read["namespaces"]
    }

    def pod(node: Any, name: str) -> PodEnd:
        names = (
            PortName(port["name"], port["protocol"], port["port"]) for port in node["namedPorts"]
        )
        place = node["namespace"]
        account = ServiceAccount(place, node["serviceAccount"])
        known = Pod(
            namespaces[place],
            name,
            labels=node["labels"],
            service_account=account,
            ports=tuple(names),
        )
        return PodEnd(known, NOWHERE)

    def end(node: Any) -> End:
        if node["kind"] == "pod":
            return pod(node, node["key"])
        return Networks(_address(node)) if "ip" in node else Entity(node["name"])

    servers: dict[Addresses | str | None, tuple[str, ...]] = {"kube-apiserver": ("remote-node",)}
    for node in read["peers"]:
        if node["kind"] == "entity" and "ip" in node:
            servers[_address(node)] = (node["name"],)
    return World(
        Inventory(namespaces=namespaces, pod_networks=DUAL_STACK),
        {name: pod(node, name) for name, node in read["subjects"].items()},
        {node["key"]: end(node) for node in read["peers"]},
        {_address(node): node["name"] for node in read["peers"] if node["kind"] == "fqdn"},
        servers,
        tuple(Ports.of(port["protocol"], port["port"]) for port in read["ports"]),
    )


def _address(node: Any) -> Addresses:
    return Addresses.between(node["ip"], node["ip"])


def cases() -> Iterator[Any]:
    with (corpus(NAME) / "truth.jsonl").open() as lines:
        yield from map(json.loads, lines)


def accepted(policy: Policy) -> Policy:
    """A policy of Kubernetes' own kinds as it reads where no API server refuses any of it."""
    if policy.origin.group == GROUP:
        return policy
    # a peer of which nothing is known stands for nobody, or for everybody, in that kind alone
    nobody = policy.origin.kind == "ClusterNetworkPolicy"

    def read(grant: Grant) -> Grant:
        peers = tuple(each for each in grant.peers if nobody or not isinstance(each, Unknown))
        ports = tuple(each for each in grant.ports if not isinstance(each, Unknown))
        return replace(grant, peers=peers, ports=ports)

    grants, void = tuple(map(read, policy.grants)), tuple(map(read, policy.void))
    return replace(policy, grants=grants, void=void, unknowns=())


def stage(policies: Iterable[Policy]) -> str | None:
    """Where an object fails, if it does, in the corpus's words."""
    found = {each.consequence for policy in policies for each in policy.unknowns}
    return "schema" if "refused" in found else "agent" if "void" in found else None


def letter(steps: Iterable[Step], port: Ports) -> str:
    """What becomes of one port, as the corpus writes it."""
    ends = [step for step in steps if port <= step.ports and step.action != "pass"]
    assert all(port <= step.sure for step in ends)
    actions = {step.action for step in ends}
    if actions != {"allow"}:
        return "D" if actions == {"deny"} else "?"
    parsers = {step.cause.inspection.parser for step in ends if isinstance(step.cause, Grant)}
    return next((LETTERS[each] for each in LETTERS if each in parsers), "A")


def row(side: Side, end: End) -> str:
    steps = list(side.steps(end))
    return "".join(letter(steps, port) for port in world().ports)


def judged(case: Any, counts: Counter[str]) -> Network:
    """The policies of a case; each of them fails where the corpus says, if it does."""
    failing = {each["policy"]: each["stage"] for each in case["answer"].get("errors", ())}
    policies: list[Policy] = []
    for number, node in enumerate(case["policies"]):
        read = [accepted(policy) for policy in translate(node)]
        assert stage(read) == failing.get(number), (case["id"], number)
        counts["objects"] += 1
        policies += read
    return Network.of(world().engine(), world().inventory, policies)


def test_every_cell_is_ours() -> None:
    counts: Counter[str] = Counter()
    for case in cases():
        network, answer = judged(case, counts), case["answer"]
        subject = world().subjects[case["subject"]]
        sides = {direction: network.side(subject, direction) for direction in DIRECTIONS}
        grants = [grant for side in sides.values() for grant in side.grants()]
        conflicts = list(network.matcher.engine.conflicts(grants))
        assert bool(conflicts) == ("compute_error" in answer), case["id"]
        counts["cases"] += 1
        if conflicts:
            counts["conflicts"] += 1
        for direction, side in sides.items():
            told = answer[direction]
            if not conflicts:
                assert side.isolated == told["default_deny"], (case["id"], direction)
                counts["sides"] += 1
            assert conflicts or set(told["table"]) == set(world().peers)
            for key, expected in () if conflicts else told["table"].items():
                assert row(side, world().peers[key]) == expected, (case["id"], direction, key)
                counts["cells"] += len(expected)
    assert counts == COUNTS
