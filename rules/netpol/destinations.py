"""Where a grant leads: what lies outside the cluster, and how far outside.

Addresses of the cluster itself, and special ones (instance metadata, the node's DNS), are nobody's
outside: other questions are asked of them. Source: specification egress 2, the table of classes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from rules.netpol.peers import Anywhere, Networks, Peer
from rules.netpol.sets import Addresses

Reach = Literal["public", "private"]
"""Outside the cluster: on the Internet, or on the networks around it."""

PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
SPECIAL = ("169.254.169.254/32", "fd00:ec2::254/128", "168.63.129.16/32", "169.254.10.0/24")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What counts as private, and what is inside, as address sets."""

    private: Addresses
    inside: Addresses

    @classmethod
    def of(cls, private: Iterable[str], cluster: Iterable[str]) -> Surroundings:
        """From CIDR texts: the private networks, and those of the cluster's pods and nodes."""
        return _surroundings(tuple(private), tuple(cluster))

    def outside(self, peer: Peer) -> dict[Reach, Addresses]:
        """The addresses outside the cluster that a peer holds."""
        match peer:
            case Anywhere():
                addresses = Addresses.full()
            case Networks(addresses=addresses):
                addresses = addresses.unmapped()
            case _:
                return {}
        left = addresses - self.inside
        found: dict[Reach, Addresses] = {
            "public": left - self.private,
            "private": left & self.private,
        }
        return {reach: held for reach, held in found.items() if held}


@lru_cache(maxsize=16)
def union(cidrs: tuple[str, ...]) -> Addresses:
    """The addresses of some networks. Raises InvalidSet where one cannot be read."""
    return Addresses.union([Addresses.cidr(text).unmapped() for text in cidrs])


@lru_cache(maxsize=16)
def _surroundings(private: tuple[str, ...], cluster: tuple[str, ...]) -> Surroundings:
    return Surroundings(union(private), union(SPECIAL) | union(cluster))
