"""Why something passes or not, in words: a sentence for each step to a verdict.

A sentence goes on from the object that takes the step; where none does, it stands alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from rules.netpol.connections import Connection, Reason, name_of
from rules.netpol.model import Direction, Grant, Isolation, Origin, Unknown
from rules.netpol.peers import Networks
from rules.netpol.sets import Ports
from rules.selectors import Path

Deed = Literal["allow", "deny", "pass", "default"]
_EVERYTHING = Ports.full()
_TOWARDS = {"egress": "to", "ingress": "from"}


@dataclass(frozen=True, slots=True)
class Told:
    """A step in words. `origin` None: no policy took it, it is what happens without one."""

    origin: Origin | None
    path: Path
    direction: Direction
    action: Deed
    text: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """What keeps a verdict from being known: the object, the place in it, and why."""

    origin: Origin
    path: Path
    reason: str


def tell(reason: Reason, connection: Connection) -> Told:
    """The words for one step to the verdict on a connection."""
    step, direction = reason.step, reason.direction
    other = connection.target if direction == "egress" else connection.source
    # of a run of addresses a rule may be about a part; where nobody knows, that is said as a doubt
    part = "some of " if isinstance(other, Networks) and step.sure != step.ports else ""
    ports, whither = words(step.ports), f"{_TOWARDS[direction]} {part}{name_of(other)}"
    match step.cause:
        case Grant(origin=origin, path=path):
            said = {"allow": "allows", "deny": "denies", "pass": "leaves to later tiers"}
            text = f"{said[step.action]} {ports} {whither}"
            return Told(origin, path, direction, step.action, text)
        case Isolation(origin=origin, path=path):
            text = f"isolates {reason.pod} on {direction}: what no rule allows is dropped"
            return Told(origin, path, direction, "default", text)
        case None:
            text = f"nothing isolates {reason.pod} on {direction}: {ports} left over may pass"
            return Told(None, (), direction, "default", text)


def doubts(reason: Reason, connection: Connection) -> tuple[Doubt, ...]:
    """What is not known of the policy that takes a doubtful step."""
    step, cause = reason.step, reason.step.cause
    if cause is None:
        return ()
    unread = [cause.subject] if isinstance(cause.subject, Unknown) else []
    if isinstance(cause, Grant):
        unread += cause.unknowns()
    found = [Doubt(cause.origin, each.path, each.reason) for each in unread]
    other = connection.target if reason.direction == "egress" else connection.source
    open_ = f"may or may not be about {words(step.ports)} {_TOWARDS[reason.direction]} "
    where = f"{open_}{name_of(other)}: not all that it asks is known"
    return tuple(found) or (Doubt(cause.origin, cause.path, where),)


@lru_cache(maxsize=256)
def words(ports: Ports) -> str:
    """Ports for people."""
    return "every port" if ports == _EVERYTHING else str(ports)
