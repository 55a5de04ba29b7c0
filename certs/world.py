"""The nouns of rotation: what is held, what the world looks like, and the steps there are."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property

from cryptography import x509

from certs import pem
from certs.issue import Authority, Pair


@dataclass(frozen=True, slots=True)
class Pace:
    """The two waits. After a stolen key: 60 s each, and remove `ca.key` from the Secret."""

    publish: timedelta = timedelta(minutes=10)  # until each API server has read the bundle
    retire: timedelta = timedelta(hours=24)  # until each replica has read the serving Secret


@dataclass(frozen=True, slots=True)
class Held:
    """The authorities: one signs, the next is being published, the old ones are only trusted."""

    current: Authority | None = None
    next: Authority | None = None
    old: tuple[bytes, ...] = ()  # certificates, PEM; their keys are gone
    published: datetime | None = None  # since when `next` stands in every configuration
    unused: datetime | None = None  # since when nothing served is signed by an old one

    def bundle(self) -> bytes:
        """All that must be trusted, as PEM, in one order for one content."""
        slots = (self.current, self.next)
        found = [slot.certificate for slot in slots if slot is not None]
        return b"".join(dict.fromkeys((*found, *self.old)))

    def with_authority(self, made: Authority) -> "Held":
        """A new authority takes the first empty slot; it is published nowhere yet."""
        if self.current is None:
            return replace(self, current=made)
        return replace(self, next=made, published=None)

    def data(self) -> dict[str, bytes]:
        """As values of a Secret; `read_held` is the way back."""
        empty = Authority(b"", b"")
        current, following = self.current or empty, self.next or empty
        state = {"published": self.published, "unused": self.unused}
        texts = {key: moment.isoformat() for key, moment in state.items() if moment is not None}
        return {
            "ca.crt": current.certificate,
            "ca.key": current.key,
            "next.crt": following.certificate,
            "next.key": following.key,
            "old.crt": b"".join(self.old),
            "state": json.dumps(texts).encode(),
        }


def read_held(data: Mapping[str, bytes]) -> Held:
    """What a Secret holds. What cannot be read counts as absent: the waits begin anew."""
    moments = _read_state(data.get("state", b""))
    return Held(
        current=_read_authority(data, "ca"),
        next=_read_authority(data, "next"),
        old=tuple(pem.write(ca) for ca in read_bundle(data.get("old.crt", b""))),
        published=moments.get("published"),
        unused=moments.get("unused"),
    )


def _read_authority(data: Mapping[str, bytes], slot: str) -> Authority | None:
    found = read_bundle(data.get(f"{slot}.crt", b""))
    return Authority(pem.write(found[0]), data.get(f"{slot}.key", b"")) if found else None


def _read_state(text: bytes) -> dict[str, datetime]:
    try:
        found = {key: datetime.fromisoformat(moment) for key, moment in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError):
        return {}
    return {key: moment for key, moment in found.items() if moment.tzinfo is not None}


@dataclass(frozen=True)  # without slots: cached_property keeps its answers in __dict__
class World:
    """What is stored, what is wanted, and when it was looked at."""

    names: tuple[str, ...]  # canonical, as issue.read_names gives them
    now: datetime
    held: Held
    served: Pair | None = None  # the serving Secret
    mirror: bytes = b""  # its ca.crt: the bundle when it was last written
    bundles: tuple[bytes, ...] = ()  # caBundle of each webhook of each configuration
    pace: Pace = field(default_factory=Pace)

    @cached_property
    def leaf(self) -> x509.Certificate | None:
        """The leaf that is served, if a client can accept it at all."""
        if self.served is None:
            return None
        try:
            return pem.prove(self.served.chain, self.served.key, now=self.now)
        except pem.BadPair:
            return None

    @cached_property
    def ca(self) -> x509.Certificate | None:
        """The current authority's certificate."""
        if self.held.current is None:
            return None
        return next(iter(read_bundle(self.held.current.certificate)), None)

    @cached_property
    def issuer(self) -> bytes | None:
        """The certificate, among those held, that signed the leaf."""
        return find_issuer(self.leaf, self.held.bundle())


@dataclass(frozen=True, slots=True)
class Found:
    """Make a new authority and store it as `next`, or as `current` where there is none."""

    generation: int
    why: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Store this in the Secret of the authorities."""

    held: Held
    why: str


@dataclass(frozen=True, slots=True)
class Publish:
    """Write this caBundle into every configuration that has another."""

    bundle: bytes
    why: str


@dataclass(frozen=True, slots=True)
class Sign:
    """Issue a leaf with this authority; store it, and the bundle, in the serving Secret."""

    authority: Authority
    why: str


@dataclass(frozen=True, slots=True)
class Mirror:
    """Write this bundle as ca.crt into the serving Secret, the leaf left as it is."""

    bundle: bytes
    why: str


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing is due before this moment."""

    until: datetime
    why: str


Act = Found | Hold | Publish | Sign | Mirror
Step = Act | Rest


def find_issuer(leaf: x509.Certificate | None, bundle: bytes) -> bytes | None:
    """The certificate of a bundle that signed `leaf`, as PEM; None too for a broken bundle."""
    if leaf is None:
        return None
    return next((pem.write(ca) for ca in read_bundle(bundle) if pem.is_signed_by(leaf, ca)), None)


def read_bundle(bundle: bytes) -> tuple[x509.Certificate, ...]:
    """What the API server trusts for a caBundle: nothing at all if one block is bad."""
    try:
        return pem.read_certificates(bundle)
    except pem.BadPair:
        return ()
