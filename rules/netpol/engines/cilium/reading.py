"""What Cilium makes of a policy where that is not what the policy's own language says.

Source: cilium/cilium pkg/k8s (network_policy.go, cluster_network_policy.go), specification egress
1.1, 1.2.1 and 1.4.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from operator import is_

from rules.netpol.dialects.cilium import (
    CLUSTER,
    LOCAL_CLUSTER,
    NAMESPACE_LABELS,
    EndpointSelector,
)
from rules.netpol.engine import Api, Version
from rules.netpol.model import (
    L7,
    Grant,
    Inspection,
    Isolation,
    NamedPort,
    PeerEntry,
    Policy,
    PortEntry,
    Unknown,
)
from rules.netpol.peers import AnyOf, Anywhere, Fqdn, Labelled, Namespaces, Nodes, Peer
from rules.netpol.sets import FIRST_PORT, LAST_PORT, PROTOCOLS
from rules.selectors import LabelSelector, Requirement

NETWORK_POLICY = Api("networking.k8s.io", "NetworkPolicy")
CLUSTER_NETWORK_POLICY = Api("policy.networking.k8s.io", "ClusterNetworkPolicy")
_RANGES_SINCE = (1, 17)
_REQUIRES_NOTHING_SINCE = (1, 19)
_DNS = LabelSelector((Requirement("k8s-app", "In", frozenset({"kube-dns"})),))
_PODS = Labelled(LabelSelector((Requirement(CLUSTER, "In", frozenset({LOCAL_CLUSTER})),)))


def reads(policy: Policy, version: Version) -> Policy:
    """The policy as this version of Cilium reads it."""
    api = Api(policy.origin.group, policy.origin.kind)
    if api == NETWORK_POLICY:
        return _network_policy(policy, version)
    if api == CLUSTER_NETWORK_POLICY:
        policy = _cluster_network_policy(policy)
    if version >= _REQUIRES_NOTHING_SINCE and any(map(_requires, policy.unknowns)):
        policy = replace(policy, unknowns=tuple(map(_refused, policy.unknowns)))
    grants = tuple(map(_widened, policy.grants))
    return policy if all(map(is_, grants, policy.grants)) else replace(policy, grants=grants)


def _requires(unknown: Unknown) -> bool:
    return unknown.path[-1:] in (("toRequires",), ("fromRequires",))


def _refused(unknown: Unknown) -> Unknown:
    """What the schema refuses of this version, and that of others does not."""
    return replace(unknown, consequence="refused") if _requires(unknown) else unknown


def _network_policy(policy: Policy, version: Version) -> Policy:
    """Rules of a direction that policyTypes leaves out count, and they isolate, too."""
    if not policy.void and not (version and version < _RANGES_SINCE):
        return policy
    revived = (
        Isolation(each.origin, each.path, each.direction, each.subject) for each in policy.void
    )
    grants = (*policy.grants, *policy.void)
    if version and version < _RANGES_SINCE:
        grants = tuple(replace(each, ports=tuple(map(_first, each.ports))) for each in grants)
    isolations = (*policy.isolations, *revived)
    return replace(policy, grants=grants, isolations=isolations, void=())


def _first(entry: PortEntry | NamedPort | Unknown) -> PortEntry | NamedPort | Unknown:
    """The first port of a range alone; what is every port stays so."""
    if isinstance(entry, PortEntry) and (entry.first, entry.last) != (FIRST_PORT, LAST_PORT):
        return replace(entry, last=entry.first)
    return entry


def _cluster_network_policy(policy: Policy) -> Policy:
    """Void with nodes, or names outside of allow; its namespaces hold more than pods."""
    unsupported = [
        Unknown(entry.path, *_unsupported(entry.peer), consequence="void")
        for grant in policy.grants
        for entry in grant.peers
        if isinstance(entry, PeerEntry) and _is_unsupported(entry.peer, grant)
    ]
    if unsupported:
        return Policy(policy.origin, policy.subject, unknowns=(*policy.unknowns, *unsupported))
    grants = (each for grant in policy.grants for each in _tiered(grant))
    return replace(policy, grants=tuple(grants))


def _is_unsupported(peer: Peer, grant: Grant) -> bool:
    return isinstance(peer, Nodes) or (isinstance(peer, Fqdn) and grant.action != "allow")


def _unsupported(peer: Peer) -> tuple[str, str]:
    if isinstance(peer, Nodes):
        return "nodes", "another peer: agents know nodes by label only if they are told to"
    return "a name of a domain", "in a rule that accepts: names cannot be denied"


def _tiered(grant: Grant) -> Iterator[Grant]:
    peers: list[PeerEntry | Unknown] = []
    for entry in grant.peers:
        if isinstance(entry, Unknown) and _is_peer(entry):
            if grant.action != "allow":
                everyone = (PeerEntry(entry.path, Anywhere()),)
                yield replace(grant, action="deny", peers=everyone)
        elif isinstance(entry, PeerEntry) and isinstance(entry.peer, Namespaces):
            peers.append(PeerEntry(entry.path, _unlimited(entry.peer)))
        else:
            peers.append(entry)
    yield replace(grant, peers=tuple(peers))
    if any(isinstance(entry, PeerEntry) and isinstance(entry.peer, Fqdn) for entry in peers):
        yield _asking_names(grant)


def _is_peer(entry: Unknown) -> bool:
    """Whether a whole item of `to` or `from` is what nobody can read."""
    return entry.path[-2:-1] in (("to",), ("from",))


def _unlimited(peer: Namespaces) -> Peer:
    """No limit to pods is added: lacking labels holds of all that is no pod, too."""
    asked = peer.labels.requirements if isinstance(peer.labels, LabelSelector) else ()
    requirements = (
        Requirement(f"{NAMESPACE_LABELS}{each.key}", each.operator, each.values) for each in asked
    )
    return Labelled(EndpointSelector(LabelSelector(tuple(requirements)))) if asked else peer


def _asking_names(grant: Grant) -> Grant:
    """Names are learnt from DNS, which is opened with them."""
    ports = (NamedPort(grant.path, PROTOCOLS, name) for name in ("dns", "dns-tcp"))
    return replace(
        grant,
        peers=(PeerEntry(grant.path, Labelled(EndpointSelector(_DNS))),),
        ports=tuple(ports),
        l7=L7.DNS,
        inspection=Inspection(parser="dns"),
    )


def _widened(grant: Grant) -> Grant:
    """Where a selector asks for nothing but the lack of labels, an allow opens every pod as well.

    Cilium 1.20.2 counts an identity among its ends that stands for all pods.
    """
    found = (each.peer for each in grant.peers if isinstance(each, PeerEntry))
    if grant.action != "allow" or not any(map(_is_negative, found)):
        return grant
    peers = (
        PeerEntry(entry.path, AnyOf((entry.peer, _PODS)))
        if isinstance(entry, PeerEntry) and _is_negative(entry.peer)
        else entry
        for entry in grant.peers
    )
    return replace(grant, peers=tuple(peers))


def _is_negative(peer: Peer) -> bool:
    labels = peer.labels if isinstance(peer, Labelled) else None
    return isinstance(labels, EndpointSelector) and labels.negative
