"""In which namespaces a peer may have pods: by name, by label, and of those still to come."""

from __future__ import annotations

from typing import Any

import pytest

from rules.netpol.engines import engine_of
from rules.netpol.homes import Home, confinement, named_homes
from rules.netpol.inventory import NAME_LABEL
from rules.netpol.languages import translate
from rules.netpol.model import PeerEntry
from rules.netpol.peers import Peer

OTHER = Home("other", {NAME_LABEL: "other", "team": "b"})
STRANGER = Home("", {NAME_LABEL: ""})
FREE = Home("", {NAME_LABEL: ""}, free=True)


def peer_of(member: str, node: Any, *, kind: str = "CiliumNetworkPolicy") -> Peer:
    """The one peer of a policy of Cilium in namespace `own`."""
    spec = {"endpointSelector": {}, "egress": [{member: [node]}]}
    named = {"name": "a", "namespace": "own"}
    (policy,) = translate(
        {"apiVersion": "cilium.io/v2", "kind": kind, "metadata": named, "spec": spec}
    )
    (entry,) = policy.grants[0].peers
    assert isinstance(entry, PeerEntry)
    return entry.peer


def calico_peer(end: Any, *, kind: str = "NetworkPolicy") -> Peer:
    """The one peer of a policy of Calico in namespace `own`."""
    rule = {"action": "Allow", "destination": end}
    (policy,) = translate(
        {
            "apiVersion": "projectcalico.org/v3",
            "kind": kind,
            "metadata": {"name": "a", "namespace": "own"},
            "spec": {"egress": [rule], "types": ["Egress"]},
        }
    )
    (entry,) = policy.grants[0].peers
    assert isinstance(entry, PeerEntry)
    return entry.peer


def kubernetes_peer(node: Any, engine: str) -> Peer:
    """The one peer of a NetworkPolicy in namespace `own`, as an engine reads it."""
    (policy,) = translate(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "a", "namespace": "own"},
            "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": [node]}]},
        }
    )
    (entry,) = engine_of(engine).reads(policy).grants[0].peers
    assert isinstance(entry, PeerEntry)
    return entry.peer


NAMED = {"matchLabels": {"k8s:io.kubernetes.pod.namespace": "other"}}
TEAM = {"matchLabels": {"k8s:io.cilium.k8s.namespace.labels.team": "b"}}


@pytest.mark.parametrize(
    ("peer", "other", "stranger", "free"),
    [
        (peer_of("toEndpoints", {}), False, False, False),
        (peer_of("toEndpoints", NAMED), True, False, False),
        (peer_of("toEndpoints", TEAM), True, False, None),
        (peer_of("toEntities", "cluster"), True, True, True),
        (peer_of("toEntities", "world"), False, False, False),
        (peer_of("toEndpoints", {}, kind="CiliumClusterwideNetworkPolicy"), True, True, True),
        (calico_peer({"selector": "app == 'db'"}), False, False, False),
        (calico_peer({"namespaceSelector": "all()"}), True, True, True),
        (calico_peer({"namespaceSelector": "team == 'b'"}), True, False, None),
        (calico_peer({"selector": "app == 'db'"}, kind="GlobalNetworkPolicy"), None, None, None),
        (calico_peer({"notSelector": "app == 'db'"}, kind="GlobalNetworkPolicy"), None, None, None),
        *(
            row
            for engine in ("spec", "calico", "cilium")
            for row in (
                (kubernetes_peer({"podSelector": {}}, engine), False, False, False),
                (kubernetes_peer({"namespaceSelector": {}}, engine), True, True, True),
            )
        ),
    ],
)
def test_homes(
    peer: Peer,
    other: bool | None,  # noqa: FBT001  # a column of the table
    stranger: bool | None,  # noqa: FBT001  # a column of the table
    free: bool | None,  # noqa: FBT001  # a column of the table
) -> None:
    assert [home.may_have(peer) for home in (OTHER, STRANGER, FREE)] == [other, stranger, free]


def test_namespaces_that_a_peer_names_are_found_whether_they_are_there_or_not() -> None:
    assert named_homes(peer_of("toEndpoints", NAMED)) == {"other"}
    service = {"k8sService": {"serviceName": "a", "namespace": "other"}}
    assert named_homes(peer_of("toServices", service)) == {"other"}
    selector = {"namespaceSelector": "projectcalico.org/name == 'other'"}
    assert named_homes(calico_peer(selector)) == {"other"}


@pytest.mark.parametrize("engine", ["spec", "calico", "cilium"])
def test_what_keeps_to_namespaces_is_asked_of_no_others(engine: str) -> None:
    by_name = {"namespaceSelector": {"matchLabels": {NAME_LABEL: "other"}}}
    assert confinement(kubernetes_peer(by_name, engine)) == frozenset({"other"})
    assert confinement(kubernetes_peer({"podSelector": {}}, engine)) == frozenset({"own"})
    assert confinement(kubernetes_peer({"namespaceSelector": {}}, engine)) is None


def test_only_what_must_hold_confines() -> None:
    assert confinement(peer_of("toEndpoints", TEAM)) is None
    assert confinement(peer_of("toEndpoints", {})) == frozenset({"own"})
    either = "projectcalico.org/name == 'a' || projectcalico.org/name == 'b'"
    assert confinement(calico_peer({"namespaceSelector": either})) == frozenset({"a", "b"})
    loose = "projectcalico.org/name == 'a' || team == 'b'"
    assert confinement(calico_peer({"namespaceSelector": loose})) is None
