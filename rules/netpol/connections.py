"""What is asked of a cluster, and what is answered: parties, and what passes between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from rules.netpol.inventory import Pod
from rules.netpol.model import Direction
from rules.netpol.peers import ENTITIES, Entity, Fqdn, Networks
from rules.netpol.sets import FAMILIES, Addresses, Family, InvalidSet, Ports
from rules.netpol.sides import Step, Verdict

EVERY_PORT = Ports.full()
_FORMS = "ns/name[Kind], addresses as first-last, fqdn:PATTERN or entity:NAME"


@dataclass(frozen=True, slots=True)
class Workload:
    """Pods of one owner, by its name: `namespace/name[Kind]`."""

    name: str
    pods: tuple[Pod, ...]

    def __str__(self) -> str:
        return self.name


Party: TypeAlias = Workload | Networks | Fqdn | Entity


@dataclass(frozen=True, slots=True)
class Connection:
    """What passes from one party to another."""

    source: Party
    target: Party
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Reason:
    """One step to a verdict, taken by the policies of one pod."""

    pod: Pod
    direction: Direction
    step: Step


@dataclass(frozen=True, slots=True)
class Selection:
    """Some parties: those of these names, and these addresses outside. None: all there are."""

    names: frozenset[str] | None = None
    addresses: Addresses | None = None

    @classmethod
    def of(cls, end: str) -> Selection:
        """The party of that name, or the addresses `first-last`. Raises InvalidSet."""
        entity = end.removeprefix("entity:")
        if entity != end and entity not in ENTITIES:
            raise InvalidSet(f'"{entity}"', f"one of {', '.join(ENTITIES)}")
        if "[" in end or end.startswith(("fqdn:", "entity:")):
            return cls(frozenset((end,)), Addresses.empty())
        first, _, last = end.partition("-")
        try:
            return cls(frozenset(), Addresses.between(first, last or first))
        except InvalidSet as error:
            raise InvalidSet(f'"{end}"', _FORMS) from error

    def has(self, party: Party) -> bool:
        """Whether a party that is no address is among them."""
        return self.names is None or name_of(party) in self.names

    def clip(self, block: Networks) -> Networks:
        """The part of the block that is among them."""
        return block if self.addresses is None else Networks(block.addresses & self.addresses)


EVERYONE = Selection()
WhoseSide = Literal["egress", "ingress", "both"]
"""Whose policies count: those of the source, those of the target, or both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked: whose policies count, which families and ports, from whom, and to whom."""

    side: WhoseSide = "both"
    families: tuple[Family, ...] = FAMILIES
    ports: Ports = EVERY_PORT
    sources: Selection = EVERYONE
    targets: Selection = EVERYONE


def name_of(party: Party) -> str:
    """The party as answers name it; addresses by their first and last."""
    match party:
        case Networks(addresses):
            return str(addresses)
        case Fqdn(pattern):
            return f"fqdn:{pattern}"
        case Entity(name):
            return f"entity:{name}"
        case Workload(name):
            return name
