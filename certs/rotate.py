"""Decide the next step of keeping certificates, from what is stored and the time. Pure.

Invariant I1: the caBundle of every webhook configuration holds the issuer of every leaf that any
replica may serve. A renewed authority therefore goes through an overlap of two: publish {A, B},
wait until every API server has seen it, sign with B, wait until no replica can hold a leaf of A,
publish {B}. In any doubt both stay published, which is safe for ever.

Nothing is remembered between steps but what is stored, so a run may die anywhere, and any number
of runs may work at once, under two duties of the caller: it reads the configurations first, then
the serving Secret, then the authorities; and each write fails when its object has changed since
it was read. A decision is then never older than what it overwrites. Source: operations.md 3.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from certs import pem
from certs.issue import COMMON_NAME, Authority
from certs.world import (
    Found,
    Held,
    Hold,
    Mirror,
    Publish,
    Rest,
    Sign,
    Step,
    World,
    find_issuer,
    read_bundle,
)  # fmt: skip


def decide(world: World) -> Step:
    """The next step. The order matters: trust is spread before anything is signed."""
    for look in _LOOKS:
        if (step := look(world)) is not None:
            return step
    return _rest(world)


def _adopt(world: World) -> Step | None:
    """A leaf that is served by an authority not held any more: trust it again, do not sign."""
    if world.leaf is None or world.issuer is not None:
        return None
    issuers = (find_issuer(world.leaf, text) for text in (world.mirror, *world.bundles))
    known = next((issuer for issuer in issuers if issuer is not None), None)
    if known is None:
        return None
    held = world.held
    if held.current is not None and held.next is not None:
        held = replace(held, old=(*held.old, held.current.certificate), unused=None)
    adopted = replace(held, current=Authority(known, b""), next=held.next or held.current)
    return Hold(adopted, "the served leaf is of an authority whose key is lost: still trusted")


def _begin(world: World) -> Step | None:
    if world.held.current is None:
        return Found(_generation(world), "there is no authority")
    return None


def _discard(world: World) -> Step | None:
    """A next authority that cannot sign, and has not: set aside, trusted for a while."""
    held = world.held
    if held.next is None or _can_sign(held.next, world):
        return None
    if world.issuer == held.next.certificate:
        return None
    old = (*held.old, held.next.certificate)
    kept = replace(held, next=None, old=old, published=None, unused=None)
    return Hold(kept, "the next authority cannot sign for these names")


def _spread(world: World) -> Step | None:
    """Every configuration trusts all that is held, before anything else happens."""
    held = world.held
    if all(_holds(bundle, held.bundle()) for bundle in world.bundles):
        return None
    if held.published is not None:
        # Somebody has put an older bundle back: API servers may have read that.
        return Hold(replace(held, published=None), "the next authority must be published again")
    return Publish(held.bundle(), "a caBundle lacks an authority")


def _promote(world: World) -> Step | None:
    held = world.held
    if held.next is None or held.current is None or world.issuer != held.next.certificate:
        return None
    promoted = Held(current=held.next, old=(*held.old, held.current.certificate))
    return Hold(promoted, "the next authority has signed the served leaf: it is the current one")


def _rescue(world: World) -> Step | None:
    """No client accepts what is served: waiting would only make the outage longer."""
    if world.issuer is not None:
        return None
    for authority in (world.held.current, world.held.next):
        if authority is not None and _can_sign(authority, world):
            return Sign(authority, "no valid leaf is served")
    return None


def _succeed(world: World) -> Step | None:
    held = world.held
    if held.current is None or world.ca is None or held.next is not None:
        return None
    if not _can_sign(held.current, world):
        return Found(_generation(world), "the authority cannot sign for these names")
    if world.now >= pem.renewal(world.ca):
        return Found(_generation(world), "the authority has a third of its life left or less")
    return None


def _switch(world: World) -> Step | None:
    held = world.held
    if held.next is None:
        return None
    if _is_unknown(held.published, world):
        kept = replace(held, published=world.now)
        return Hold(kept, "the next authority is in every caBundle")
    if _is_over(held.published, world.pace.publish, world):
        return Sign(held.next, "the next authority has been published long enough")
    return None


def _renew(world: World) -> Step | None:
    held, leaf, ca = world.held, world.leaf, world.ca
    if held.current is None or leaf is None or ca is None or not _can_sign(held.current, world):
        return None
    if world.issuer != held.current.certificate:
        if held.unused is not None:
            kept = replace(held, unused=None)
            return Hold(kept, "a leaf of an old authority is served")
        return Sign(held.current, "a leaf of an old authority is served")
    if pem.names(leaf) != frozenset(world.names):
        return Sign(held.current, "the leaf is for other names")
    # Near the end of the authority a new leaf would end with the old one: no gain, no end.
    gain = ca.not_valid_after_utc > leaf.not_valid_after_utc
    if gain and world.now >= pem.renewal(leaf):
        return Sign(held.current, "the leaf has a third of its life left or less")
    return None


def _fence(world: World) -> Step | None:
    # Also makes the leaf of any run fail that read the authorities before they last changed.
    bundle = world.held.bundle()
    if world.mirror != bundle:
        return Mirror(bundle, "ca.crt beside the leaf is not the bundle")
    return None


def _retire(world: World) -> Step | None:
    held = world.held
    if not held.old:
        return None
    if _is_unknown(held.unused, world):
        return Hold(replace(held, unused=world.now), "no leaf of an old authority is stored")
    if _is_over(held.unused, world.pace.retire, world):
        return Hold(replace(held, old=(), unused=None), "nobody serves a leaf of an old authority")
    return None


def _trim(world: World) -> Step | None:
    bundle = world.held.bundle()
    if any(other != bundle for other in world.bundles):
        return Publish(bundle, "a caBundle holds more than is needed")
    return None


_LOOKS: tuple[Callable[[World], Step | None], ...] = (
    _adopt, _begin, _discard, _spread, _promote, _rescue, _succeed,
    _switch, _renew, _fence, _retire, _trim,
)  # fmt: skip


def _rest(world: World) -> Rest:
    held = world.held
    if held.next is not None and held.published is not None:
        until = held.published + world.pace.publish
        return Rest(until, "then the next authority may sign")
    if held.unused is not None:
        return Rest(held.unused + world.pace.retire, "then the old authority may be forgotten")
    ends = [pem.renewal(certificate) for certificate in (world.leaf, world.ca) if certificate]
    return Rest(min(ends, default=world.now), "then the certificates are renewed")


def _can_sign(authority: Authority, world: World) -> bool:
    try:
        ca = pem.prove(authority.certificate, authority.key, now=world.now)
    except pem.BadPair:
        return False
    return pem.permitted(ca) >= frozenset(world.names)


def _is_unknown(moment: datetime | None, world: World) -> bool:
    # A moment to come was written by a clock that has been set back: no evidence of anything.
    return moment is None or moment > world.now


def _is_over(start: datetime | None, wait: timedelta, world: World) -> bool:
    return start is not None and world.now >= start + wait


def _holds(bundle: bytes, wanted: bytes) -> bool:
    return frozenset(read_bundle(bundle)) >= frozenset(read_bundle(wanted))


def _generation(world: World) -> int:
    """One more than the highest that is known."""
    texts = (world.held.bundle(), world.mirror, *world.bundles)
    subjects = (ca.subject.rfc4514_string() for text in texts for ca in read_bundle(text))
    numbers = (subject.rpartition(COMMON_NAME)[2] for subject in subjects)
    return 1 + max((int(number) for number in numbers if number.isdecimal()), default=0)
