"""What is denied of a grant to all whom it is about, before the grant is asked.

hidden = mask(network, grant, lambda subject: ...)
hidden and hidden.hider([Networks(world)], Ports.of("TCP", 80))    # the object that denies it

Denials by rules count, and what another tier drops at its end, where the engine has such tiers: of
what is left over there nothing comes to the grant. What is dropped because nothing at all allows it
does not count: any rule that is added undoes that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_

from rules.netpol.dialects.cilium import EndpointSelector
from rules.netpol.expressions import Condition, Expression, Join
from rules.netpol.inventory import NOWHERE, Namespace, Pod, PodEnd
from rules.netpol.model import Grant, Isolation, Origin, Policy, PortEntry, Subject
from rules.netpol.outside import runs
from rules.netpol.peers import (
    AllOf,
    Anywhere,
    Endpoints,
    Fqdn,
    LabelExpression,
    Labelled,
    Networks,
    Pods,
)
from rules.netpol.reach import Network
from rules.netpol.roster import Roster
from rules.netpol.sets import FAMILIES, Ports
from rules.netpol.sides import Side
from rules.selectors import LabelSelector

_EVERYBODY = Anywhere()


@dataclass(frozen=True, slots=True)
class Mask:
    """A grant among all denials that hold for everybody whom it is about."""

    side: Side
    ports: Ports

    def hider(self, ends: Iterable[Networks | Fqdn], ports: Ports) -> Origin | None:
        """An object that denies the ports, where none of them passes to any of the ends."""
        asked, found = ports & self.ports, None
        for part in (part for end in ends for part in self._parts(end)):
            if self._passes(part, asked):
                return None
            denials = (each for each in self.side.steps(part) if each.action == "deny")
            causes = (each.cause for each in denials if each.ports & asked)
            found = found or next((cause.origin for cause in causes if cause), None)
        return found

    def _passes(self, end: Networks | Fqdn, ports: Ports) -> bool:
        verdict = self.side.verdict(end)
        return bool((verdict.allowed | verdict.unknown) & ports)

    def _parts(self, end: Networks | Fqdn) -> Iterator[Networks | Fqdn]:
        """The end, cut where the verdict may change."""
        if isinstance(end, Fqdn):
            yield end
            return
        for family in FAMILIES:
            for run in runs(self.side, family):
                if held := run.addresses & end.addresses:
                    yield Networks(held)


def mask(network: Network, grant: Grant, covers: Callable[[Subject], bool]) -> Mask | None:
    """What is denied of the grant; `covers` says of a subject that all of the grant's are in it.

    None where nothing is. Rules that pass on to a later tier count, whomever they are about: they
    may lead past a denial.
    """
    if not all(isinstance(entry, PortEntry) for entry in (*grant.ports, *grant.excluded)):
        return None  # of a name nobody knows the numbers
    others = list(_before(network, grant))
    denials = [each for each in others if each.action == "deny" and covers(each.subject)]
    closing = tuple(_closing(network, grant, covers))
    if not denials and not closing:
        return None
    passing = (each for each in others if each.action == "pass")
    meant = sorted((*passing, *denials, grant), key=lambda each: each.place.index)
    rules = tuple(replace(each, subject=_EVERYBODY) for each in meant)
    alone = Roster.of([Policy(grant.origin, _EVERYBODY, closing, rules)])
    pod = PodEnd(Pod(Namespace(grant.origin.namespace), ""), NOWHERE)
    return Mask(Network(network.matcher, (alone,)).side(pod, grant.direction), _opened(grant))


def _before(network: Network, grant: Grant) -> Iterator[Grant]:
    """The other rules of the direction, of policies that count."""
    matcher = network.matcher
    for policy in network.policies:
        if not any(matcher.engine.refuses(policy, matcher.inventory)):
            yield from (each for each in policy.grants if each.direction == grant.direction)


def _closing(
    network: Network, grant: Grant, covers: Callable[[Subject], bool]
) -> Iterator[Isolation]:
    """What drops at the end of another tier all that is left over there, as the engine has it."""
    matcher = network.matcher
    if matcher.engine.drops != "tier":
        return
    for policy in network.policies:
        if not any(matcher.engine.refuses(policy, matcher.inventory)):
            for each in policy.isolations:
                here = each.direction == grant.direction and each.tier != grant.place.tier
                if here and covers(each.subject):
                    yield replace(each, subject=_EVERYBODY)


def _opened(grant: Grant) -> Ports:
    stated, excluded = (
        reduce(or_, (each.ports for each in entries if isinstance(each, PortEntry)), Ports.empty())
        for entries in (grant.ports, grant.excluded)
    )
    return stated - excluded


def pins(subject: Subject) -> Mapping[str, str]:
    """Labels that all pods of a subject have, as far as it says so plainly."""
    match subject:
        case Pods(pods=labels) | Labelled(labels) | Endpoints(labels):
            return dict(_pinned(labels))
        case AllOf(peers):
            return {key: value for peer in peers for key, value in pins(peer).items()}
    return {}


def _pinned(labels: LabelExpression) -> Iterator[tuple[str, str]]:
    if isinstance(labels, EndpointSelector):
        labels = labels.requirements
    if isinstance(labels, LabelSelector):
        for asked in labels.requirements:
            if asked.operator == "In" and len(asked.values) == 1:
                yield asked.key, next(iter(asked.values))
    elif isinstance(labels, Expression) and not any(map(_is_choice, labels.steps)):
        for step in labels.steps:
            if isinstance(step, Condition) and step.operator == "in" and len(step.values) == 1:
                yield step.key, step.values[0]


def _is_choice(step: object) -> bool:
    return isinstance(step, Join) and step.operator != "and"
