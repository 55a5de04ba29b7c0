"""What policies say of a pod and the addresses outside, in a form that copies of them share.

Namespaces are made from templates: thousands of pods stand under policies that differ in nothing
but the namespace. Pods of one form fare alike outside; those of two may, too.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator

from rules.netpol.dialects.cilium import RESERVED, EndpointSelector
from rules.netpol.engine import Engine
from rules.netpol.inventory import Pod
from rules.netpol.model import Direction, Grant, PeerEntry, Policy, Unknown
from rules.netpol.peers import Endpoints, Labelled, Namespaces, Peer, Pods
from rules.netpol.reach import Applying

_POSITIVE = frozenset({"In", "Exists"})


def form_of(engine: Engine, pod: Pod, applying: Applying, direction: Direction) -> Hashable:
    """The form of the policies that are about a pod, as long as somebody keeps these values."""
    former, forms = None, []
    for policy, about in applying:
        # what an object asks in turn is told from what others do
        forms.append((id(about), policy.origin is former, *_said(engine, policy, direction)))
        former = policy.origin
    return pod.ports if direction == "ingress" else (), tuple(forms)


def _said(engine: Engine, policy: Policy, direction: Direction) -> Iterator[Hashable]:
    for each in policy.isolations:
        if each.direction == direction:
            yield each.tier, None if each.subject is policy.subject else id(each)
    for grant in policy.grants:
        if grant.direction == direction and _may_be_outside(engine, grant.peers):
            yield _form(engine, policy, grant)


def _form(engine: Engine, policy: Policy, grant: Grant) -> Hashable:
    # equal parts of policies are kept once, so they are known by their identity
    own = None if grant.subject is policy.subject else id(grant)
    parts = id(grant.peers), id(grant.ports), id(grant.excluded)
    return grant.action, grant.place.tier, engine.rung(grant), own, parts


def _may_be_outside(engine: Engine, peers: Iterable[PeerEntry | Unknown]) -> bool:
    return any(isinstance(each, Unknown) or not _is_pods(engine, each.peer) for each in peers)


def _is_pods(engine: Engine, peer: Peer) -> bool:
    """Whether it surely is no address: these have no labels but reserved ones, or those of sets."""
    if isinstance(peer, Labelled) and engine.addresses_match == "outside":
        asked = peer.labels
        if isinstance(asked, EndpointSelector):
            return any(
                each.operator in _POSITIVE and not each.key.startswith(RESERVED)
                for each in asked.requirements.requirements
            )
    return isinstance(peer, Pods | Namespaces | Endpoints)
