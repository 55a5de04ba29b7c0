"""A network policy must not let everything through.

Why: a rule that allows every port of everybody undoes whatever isolates the pods, by one line.
Source: specification egress 4 (ALLOW-ALL-EGRESS, ALLOW-ALL-INGRESS).

Several rules may add up to it. From outside, every address on every port is everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rules.frames import admin, calico, cilium, cluster, kubernetes
from rules.model import ADMIN_POLICIES, NETWORK, NETWORK_POLICIES, Finding, rule
from rules.netpol.homes import Home
from rules.netpol.model import BASELINE, DEFAULT, L7, Direction, Grant
from rules.netpol.questions import entries, opens_all
from rules.netpol.sets import V4, V6, Addresses
from rules.policies import STRANGER, Asked, subject_of
from rules.review import Cluster, Review

_ALL = "[{networks: [0.0.0.0/0]}]"
ALLOW = [
    kubernetes("[]"),
    kubernetes("[{ports: [{port: 443}]}]"),
    kubernetes("[{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}]"),
    kubernetes("[{ports: [{port: 8080}]}]", "ingress"),
    cilium("[{}]"),
    cilium("[{toEntities: [world]}]"),
    calico("{action: Deny}"),
    admin(f"{{action: Deny, to: {_ALL}}}"),
]
DENY = [
    kubernetes("[{}]"),
    kubernetes("[{}]", "ingress"),
    cilium("[{toEntities: [all]}]"),
    cilium("[{toEntities: [world, cluster]}]"),
    cilium("[{fromEntities: [world]}]", "ingress"),
    calico("{action: Allow}"),
    calico("{action: Pass}"),
    admin(f"{{action: Allow, to: {_ALL}}}"),
    cluster(f"{{action: Accept, to: {_ALL}}}"),
]
LAST = (DEFAULT, BASELINE)
"""Tiers of Calico after which what was passed on is allowed, unless somebody adds policies."""


@rule(kinds=NETWORK_POLICIES, reads=NETWORK, severity="high")
def check(
    review: Review, cluster: Cluster, *, ingress_namespaces: Sequence[str] = ()
) -> Iterator[Finding]:
    """`ingress_namespaces`: those of ingress controllers, into which everything may come."""
    asked = Asked(review, cluster)
    directions: tuple[Direction, ...] = ("egress", "ingress")
    for direction in directions:
        if direction == "ingress" and review.namespace in ingress_namespaces:
            continue
        wide = [grant for grant in _grants(asked, direction) if _is_unlimited(grant)]
        if wide and _is_everything(asked, wide, direction):
            peers = "destination" if direction == "egress" else "source"
            yield Finding(
                check=f"ALLOW-ALL-{direction.upper()}",
                path=wide[0].path,
                message=f"lets all {direction} of {subject_of(review)} pass, every port of every "
                f"{peers}; name the {peers}s and ports that are needed",
                found=direction,
            )


def _grants(asked: Asked, direction: Direction) -> Iterator[Grant]:
    yield from asked.grants(direction)
    if asked.engine.name == "calico":
        passed = asked.grants(direction, "pass")
        yield from (grant for grant in passed if grant.place.tier in LAST)


def _is_unlimited(grant: Grant) -> bool:
    return grant.l7 == L7.NONE and opens_all(grant)


def _is_everything(asked: Asked, wide: list[Grant], direction: Direction) -> bool:
    """Whether the grants hold all addresses of a family, and the pods of anybody."""
    peers = [entry for grant in wide for entry in entries(grant)]
    outside = Addresses.union(asked.outside(entry).addresses for entry in peers)
    if not any(Addresses.every(family) <= outside for family in (V4, V6)):
        return False
    by_address = asked.engine.addresses_match == "pods" or _is_admin(asked)
    anybody = any(Home(STRANGER).may_have(entry.peer) for entry in peers)
    return direction == "ingress" or by_address or anybody


def _is_admin(asked: Asked) -> bool:
    """Whether the kind is one whose networks are those of pods, too, by the text of its API."""
    return any(kind.kind == asked.review.kind for kind in ADMIN_POLICIES)
