"""What the rules cover, proved by their examples, and the gaps in it.

A rule covers a kind, subresource and operation where it is asked there and an example of it that
is carried there makes it speak. It covers a place of containers where whatever it says of a field
of a container it says of the same container in that place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import get_args

from rules.model import (
    ADDRESS_SETS,
    NETWORK_POLICIES,
    NETWORK_POLICY,
    POD,
    TIERS,
    Finding,
    Kind,
    OperationName,
    Path,
    Rule,
)
from rules.pods import CONTAINER_LISTS
from rules.rulebook import operations_of, resources_of
from tests.examples import RULES, Example, read, rulebook
from tests.moves import DEBUGGING, SEATS, Seat, carried, is_refused, seat_of, seated
from webhook.judge import judge

Field = tuple[str, str]
"""A check, and the field of a container that it speaks of."""
Place = tuple[Kind, str, OperationName]
"""A kind, its subresource and an operation."""

_IN_THE_INDEX = (*NETWORK_POLICIES, *ADDRESS_SETS, *TIERS)
"""Judged by what they change in one index, of whatever language: tests/network has them all."""

BELOW = len(("spec", "containers", 0))
"""The length of the path of a container."""
NEVER_CREATED = frozenset({"status", "finalize"})
"""Subresources of which the API server knows no creation, though it lets us ask for it."""
OPERATIONS: tuple[OperationName, ...] = get_args(OperationName)
_LATER = "it comes when the author's text was judged long ago, and {} judges it"
EXCUSED: Mapping[tuple[str, str], tuple[tuple[Seat, ...], str]] = {
    ("memory-limited", "resources.limits"): (
        ("initContainers",),
        "one that ends leaves its memory to those that run",
    ),
    ("mesh-containers-not-forged", "name"): (
        ("ephemeralContainers",),
        _LATER.format("mesh-identity-unchanged"),
    ),
    ("mesh-identity-unchanged", "image"): (
        ("ephemeralContainers",),
        "no request changes one that is there",
    ),
    ("mesh-identity-unchanged", "name"): (
        ("initContainers", "sidecars", "containers"),
        "no request adds one, or gives one another name",
    ),
    ("mesh-volumes-not-taken", "volumeMounts.name"): (
        ("ephemeralContainers",),
        _LATER.format("sidecar-volumes-kept-from-debuggers"),
    ),
    ("sidecar-genuine", "name"): (
        ("ephemeralContainers",),
        _LATER.format("mesh-identity-unchanged"),
    ),
}
"""The fields of containers of which a rule is rightly silent in some places, and why."""


@dataclass(frozen=True, slots=True)
class Cover:
    """What a rule is asked, which of that its examples prove, and where it overlooks a container.

    `checks` are the paragraphs that its examples show, `fields` those of containers of which it
    speaks, `seen` where: for each place the fields that it does not overlook there.
    """

    rule: Rule
    checks: tuple[str, ...]
    asked: tuple[Place, ...]
    proved: frozenset[Place]
    fields: frozenset[Field]
    seen: Mapping[Seat, frozenset[Field]]

    def looks_at(self, seat: Seat) -> bool:
        """Whether the rule is asked about containers there, and of what it speaks at all."""
        later = all(part == DEBUGGING for _, part, _ in self.asked)
        return bool(self.fields) and (seat == "ephemeralContainers" or not later)

    def blind(self, seat: Seat) -> list[str]:
        """The fields that the rule overlooks in a container there, though they can be set."""
        if not self.looks_at(seat):
            return []
        overlooked = self.fields - self.seen[seat]
        return sorted({field for _, field in overlooked if not is_refused(_path(field), seat)})

    def is_spared(self, seat: Seat) -> bool:
        """Whether the API server refuses there all of which the rule speaks."""
        return all(is_refused(_path(field), seat) for _, field in self.fields)

    def is_excused(self, field: str, seat: Seat) -> bool:
        """Whether the rule may overlook this."""
        seats, _ = EXCUSED.get((self.rule.name, field), ((), ""))
        return seat in seats

    @property
    def gaps(self) -> list[str]:
        """What it claims to cover and no example proves, in words."""
        unproved = [
            place
            for place in self.asked
            if place not in self.proved
            and not (place[0] in _IN_THE_INDEX and NETWORK_POLICY in self.rule.reads)
        ]
        found = [f"{operation} of {resource(kind, part)}" for kind, part, operation in unproved]
        for seat in SEATS:
            blind = (field for field in self.blind(seat) if not self.is_excused(field, seat))
            found += [f"{field} of {seat}" for field in blind]
        return found


@cache
def covers() -> tuple[Cover, ...]:
    """What each rule of the catalogue covers."""
    return tuple(map(_cover, RULES))


def _cover(rule: Rule) -> Cover:
    texts = (*rule.examples.deny, *rule.examples.warn, *rule.examples.info)
    examples = [read(text) for text in texts]
    said = [(example, _said(rule, example)) for example in examples]
    asked = tuple(_asked(rule))
    fields, seen = _look(rule, said)
    return Cover(
        rule,
        tuple(dict.fromkeys(finding.check for _, found in said for finding in found)),
        asked,
        frozenset(place for place in asked if _proves(rule, examples, place)),
        fields,
        seen,
    )


def _said(rule: Rule, example: Example) -> list[Finding]:
    book = rulebook(rule, parameters=example.parameters)
    return [*judge(example.review(), book, example.view()).findings]


def _asked(rule: Rule) -> Iterator[Place]:
    for kind, part in resources_of(rule):
        wanted = operations_of(kind, rule.operations, part)
        yield from (
            (kind, part, operation)
            for operation in OPERATIONS
            if operation in wanted and not (operation == "CREATE" and part in NEVER_CREATED)
        )


def _proves(rule: Rule, examples: Iterable[Example], place: Place) -> bool:
    return any(
        _said(rule, there) for example in examples for there in carried(rule, example, *place)
    )


def _look(
    rule: Rule, said: Iterable[tuple[Example, list[Finding]]]
) -> tuple[frozenset[Field], dict[Seat, frozenset[Field]]]:
    """The fields of containers of which the rule speaks, and those that it sees by place."""
    fields: set[Field] = set()
    seen: dict[Seat, set[Field]] = {seat: set() for seat in SEATS}
    for example, found in said:
        for finding in found:
            if len(finding.path) > BELOW and finding.path[1] in CONTAINER_LISTS:
                fields.add(_field(finding))
                for seat in _seats(rule, example, finding):
                    seen[seat].add(_field(finding))
    return frozenset(fields), {seat: frozenset(found) for seat, found in seen.items()}


def _seats(rule: Rule, example: Example, finding: Finding) -> Iterator[Seat]:
    """Where the rule says this of the container: where it is, and where it can be moved."""
    own = seat_of(example.object, finding.path)
    debugs = example.subresource == DEBUGGING
    if own != "ephemeralContainers" or debugs:  # of a new pod the API server refuses them
        yield own
    if debugs or (example.object or {}).get("kind") != POD.kind:
        return
    for seat in SEATS:
        later = seat == "ephemeralContainers"
        if (example.operation == "CREATE" or not later) and _sees(rule, example, finding, seat):
            yield seat


def _sees(rule: Rule, example: Example, finding: Finding, seat: Seat) -> bool:
    there, place = seated(example, finding.path[:BELOW], seat)
    wanted = place, finding.level, _field(finding)
    found = _said(rule, there)
    return any((other.path[:BELOW], other.level, _field(other)) == wanted for other in found)


def _field(finding: Finding) -> Field:
    """The check and the field; SBX-17 is what SBX-4 and SBX-11 are of a debugging container."""
    check = "SBX-4" if finding.check in {"SBX-11", "SBX-17"} else finding.check
    steps = [step for step in finding.path[BELOW:] if isinstance(step, str)]
    return check, ".".join(steps[:2])


def _path(field: str) -> Path:
    return tuple(field.split("."))


def resource(kind: Kind, part: str) -> str:
    """`pods/status`, `deployments.apps`: as RBAC and the API server name it."""
    name = f"{kind.resource}.{kind.group}" if kind.group else kind.resource
    return f"{name}/{part}" if part else name
