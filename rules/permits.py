"""What all network policies together let pods reach, by which evidence is weighed.

That something says a pod will call a place outside proves nothing by itself: it denies where the
pod can get there, and is only told of where it cannot.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from functools import reduce
from operator import or_

from rules.egress import Outside
from rules.model import Level
from rules.netpol.destinations import Reach
from rules.netpol.exits import PROVEN, exits
from rules.netpol.index import Index
from rules.netpol.inventory import Pod
from rules.netpol.model import L7
from rules.netpol.sets import LAST_PORT, Ports
from rules.netpol.sides import Side
from rules.proposal import stand
from rules.review import Cluster, Review


def reachable(
    review: Review,
    cluster: Cluster,
    outside: Outside,
    numbers: Iterable[int],
    *,
    proven: Container[L7] = PROVEN,
) -> Mapping[Reach, Ports]:
    """Those of the TCP ports that the pod under review can reach, by class of destination.

    All of them, where nothing isolates the pod; what nobody knows counts as open. Grants that ask
    for something above the port that is `proven` are left out.
    """
    ports = reduce(or_, map(_port, numbers), Ports.empty())
    standing = stand(review, cluster)
    sides = standing.sides["egress"]
    return ways(standing.index, standing.pod, sides, outside, ports, proven=proven)


def ways(  # noqa: PLR0913  # who, where to, and by what
    index: Index,
    pod: Pod,
    sides: tuple[Side, ...],
    outside: Outside,
    ports: Ports,
    *,
    proven: Container[L7] = PROVEN,
) -> Mapping[Reach, Ports]:
    """Those of the ports that a pod can reach, by class of destination; see `reachable`."""
    found: dict[Reach, Ports] = {}
    for way in exits(index, pod, sides, ports, proven=proven):
        for reach in outside.classes(way.end):
            found[reach] = found.get(reach, Ports.empty()) | way.ports
    return found


def weigh(ways_out: Mapping[Reach, Ports], reach: Reach, number: int) -> Level:
    """How bad it is that a pod shall call a TCP port there."""
    return "deny" if ("TCP", number) in ways_out.get(reach, Ports.empty()) else "info"


def _port(number: int) -> Ports:
    """The TCP port; a number that is none is nobody's."""
    return Ports.of("TCP", number) if 0 < number <= LAST_PORT else Ports.empty()
