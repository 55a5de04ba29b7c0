"""Equal values kept once: in a large cluster most parts of policies are met again and again."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from functools import lru_cache
from sys import intern
from types import NoneType
from typing import Any, TypeVar

from rules.netpol.model import Grant, Isolation, Origin, Place, Policy

MOST = 1 << 14
"""So many values are known; then all are forgotten, and those that come anew are kept again."""

_WHOLE = (str, int, float, Place, NoneType)
"""What is not looked into: numbers may be equal and not the same, as 1 and 1.0."""
_Value = TypeVar("_Value")
_Cause = TypeVar("_Cause", Grant, Isolation)
_known: dict[Any, Any] = {}


def shared(value: _Value) -> _Value:
    """An equal value, made of shared parts: the same one whenever it is asked for."""
    if type(value) is str:
        return intern(value)  # lives as long as somebody keeps it
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
    origin = policy.origin
    origin = Origin(*map(shared, (origin.group, origin.kind, origin.namespace, origin.name)))
    subject = shared(policy.subject)
    whole = replace(policy, origin=origin, subject=subject)

    def part(cause: _Cause) -> _Cause:
        return _part(cause, whole, policy)

    return replace(
        whole,
        isolations=tuple(map(part, policy.isolations)),
        grants=tuple(map(part, policy.grants)),
        void=tuple(map(part, policy.void)),
        unknowns=shared(policy.unknowns),
    )


def _part(cause: _Cause, whole: Policy, former: Policy) -> _Cause:
    """A part of the policy: it is nobody else's, for it names where it is from."""
    own = {
        "origin": whole.origin if cause.origin == former.origin else cause.origin,
        "subject": whole.subject if cause.subject == former.subject else shared(cause.subject),
    }
    named = _names(type(cause))
    rest = {name: shared(getattr(cause, name)) for name in named if name not in own}
    return replace(cause, **own, **rest)


def _of_shared_parts(value: Any) -> Any:
    if isinstance(value, tuple):
        parts = map(shared, value)
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, frozenset):
        return frozenset(map(shared, value))
    if is_dataclass(value):
        return type(value)(*(shared(getattr(value, name)) for name in _names(type(value))))
    return value


@lru_cache(maxsize=64)
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(each.name for each in fields(kind))
