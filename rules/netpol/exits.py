"""Where a pod may send what nobody proves to be encrypted: the outside, by address and by name.

for way in exits(index, pod, index.sides(pod, "egress"), Ports.of("TCP", 80)):
    way.end, way.ports, way.cause
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, replace

from rules.netpol.connections import EVERY_PORT
from rules.netpol.index import Index
from rules.netpol.inventory import Pod
from rules.netpol.model import L7, Grant, NamedPort, PortEntry, Unknown
from rules.netpol.outside import Run, Shortlist, runs
from rules.netpol.peers import Endpoints, Fqdn, Namespaces, Networks, Pods, leaves
from rules.netpol.sets import FAMILIES, Ports
from rules.netpol.sides import Side, Verdict

PROVEN = frozenset({L7.TLS_SNI, L7.TLS_BRIDGED, L7.DNS})
"""What proves that it is not clear HTTP that passes."""


@dataclass(frozen=True, slots=True)
class Exit:
    """An end outside, and the ports on which traffic may pass, by what the side says."""

    end: Networks | Fqdn
    ports: Ports
    side: Shortlist

    @property
    def cause(self) -> Grant | None:
        """A rule that lets it pass; None: nothing stops it."""
        for step in self.side.near(self.end).steps(self.end):
            if step.action == "allow" and step.ports & self.ports and isinstance(step.cause, Grant):
                return step.cause
        return None


def exits(
    index: Index,
    pod: Pod,
    sides: tuple[Side, ...],
    ports: Ports,
    *,
    proven: Container[L7] = PROVEN,
) -> Iterator[Exit]:
    """The ways out on some of the ports; what nobody knows counts as open.

    Grants are left out that ask for something `proven` above the port.
    """
    for side in sides:
        if not _may_leave(side, ports):
            continue
        plain = _without(side, lambda grant: grant.action == "allow" and grant.l7 in proven)
        shortlist = Shortlist(plain)
        for end in index.network(pod.namespace.name).ends("egress"):
            if isinstance(end, Fqdn):
                yield from _exit(end, shortlist.near(end).verdict(end), ports, shortlist)
        for run in (run for family in FAMILIES for run in runs(plain, family)):
            yield from _exit(Networks(run.addresses), run.verdict, ports, shortlist)


def _exit(end: Networks | Fqdn, verdict: Verdict, ports: Ports, side: Shortlist) -> Iterator[Exit]:
    if opened := (verdict.allowed | verdict.unknown) & ports:
        yield Exit(end, opened, side)


def is_closed(side: Side) -> bool:
    """Whether nothing comes from or goes outside but what some rule allows."""
    if side.isolated:
        return True
    if not any(grant.action == "deny" for grant in side.grants()):
        return False
    bare = _without(side, lambda grant: grant.action == "allow")
    return not any(_opens(run, EVERY_PORT) for family in FAMILIES for run in runs(bare, family))


def _opens(run: Run, ports: Ports) -> bool:
    return bool((run.verdict.allowed | run.verdict.unknown) & ports)


def _may_leave(side: Side, ports: Ports) -> bool:
    """The quick question: whether any rule could let the ports out."""
    if not side.isolated:
        return True
    return any(
        grant.action == "pass" or (grant.action == "allow" and _leads_out(grant, ports))
        for grant in side.grants()
    )


def _leads_out(grant: Grant, ports: Ports) -> bool:
    return any(_is_among(entry, ports) for entry in grant.ports) and any(
        isinstance(entry, Unknown)
        or not all(isinstance(leaf, Pods | Namespaces | Endpoints) for leaf in leaves(entry.peer))
        for entry in grant.peers
    )


def _is_among(entry: PortEntry | NamedPort | Unknown, ports: Ports) -> bool:
    if not isinstance(entry, PortEntry):
        return True
    return any(ports.meets(protocol, entry.first, entry.last) for protocol in entry.protocols)


def _without(side: Side, out: Callable[[Grant], bool]) -> Side:
    """The side without some of its rules."""
    stages = (
        replace(
            stage,
            rungs=tuple(tuple(e for e in rung if not out(e.cause)) for rung in stage.rungs),
        )
        for stage in side.stages
    )
    return replace(side, stages=tuple(stages))
