"""Equal values kept once: in a large cluster most parts of policies are met again and again."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from functools import lru_cache
from sys import intern
from types import NoneType
from typing import Any, TypeVar, cast

from rules.netpol.model import Grant, Isolation, Origin, Place, Policy, Subject

MOST = 1 << 14
"""So many values are known; then all are forgotten, and those that come anew are kept again."""

_WHOLE = (str, int, float, Place, NoneType)
"""What is not looked into: numbers may be equal and not the same, as 1 and 1.0."""
_Value = TypeVar("_Value")
_known: dict[Any, Any] = {}


def shared(value: _Value) -> _Value:
    """An equal value, made of shared parts: the same one whenever it is asked for."""
    if type(value) is str:
        return cast("_Value", intern(str(value)))  # lives as long as somebody keeps it
    if isinstance(value, _WHOLE):
        return value
    known: _Value | None = _known.get(value)
    if known is None:
        if len(_known) >= MOST:
            _known.clear()
        known = _of_shared_parts(value)
        _known[known] = known
    return known


def thrifty(policy: Policy) -> Policy:
    """The policy, made of parts that it shares with others."""
    own = _Own(policy, _origin(policy.origin), shared(policy.subject))
    return Policy(  # `replace` takes several times as long, and there are very many
        own.origin,
        own.subject,
        tuple(map(own.isolation, policy.isolations)),
        tuple(map(own.grant, policy.grants)),
        tuple(map(own.grant, policy.void)),
        shared(policy.unknowns),
        policy.staged,
    )


@dataclass(frozen=True, slots=True)
class _Own:
    """What the parts of a policy have in common; they name it, so they are no other policy's."""

    policy: Policy
    origin: Origin
    subject: Subject

    def isolation(self, former: Isolation) -> Isolation:
        """An isolation of the policy."""
        return Isolation(
            self._from(former.origin),
            shared(former.path),
            former.direction,
            self._about(former.subject),
            former.tier,
        )

    def grant(self, former: Grant) -> Grant:
        """A rule of the policy."""
        return Grant(
            self._from(former.origin),
            shared(former.path),
            former.direction,
            former.action,
            self._about(former.subject),
            shared(former.peers),
            shared(former.ports),
            former.l7,
            former.place,
            shared(former.inspection),
            shared(former.excluded),
        )

    def _from(self, origin: Origin) -> Origin:
        return self.origin if origin == self.policy.origin else _origin(origin)

    def _about(self, subject: Subject) -> Subject:
        return self.subject if subject == self.policy.subject else shared(subject)


def _origin(origin: Origin) -> Origin:
    return Origin(*map(shared, (origin.group, origin.kind, origin.namespace, origin.name)))


def _of_shared_parts(value: Any) -> Any:
    if isinstance(value, tuple):
        parts = map(shared, value)
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, frozenset):
        return frozenset(map(shared, value))
    if is_dataclass(value):
        kind: Any = type(value)
        return kind(*(shared(getattr(value, name)) for name in _names(kind)))
    return value


@lru_cache(maxsize=64)
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(each.name for each in fields(kind))
