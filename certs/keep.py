"""Keep certificates where they are needed: in a directory, or in a cluster. Idempotent.

`keep_files` serves machines without a cluster (demo, tests, an own installer). `keep_cluster`
takes the steps that are due (rotate decides) and stops; run it at install and then weekly.
"""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import assert_never

from cryptography import x509

from certs import issue, pem, rotate
from certs.cluster import AUTHORITIES, SERVED, CannotKeep, Configuration, Conflict, Secret, Store
from certs.world import (
    Act,
    Found,
    Hold,
    Mirror,
    Pace,
    Publish,
    Rest,
    Sign,
    World,
    find_issuer,
    read_bundle,
    read_held,
)

_STEPS = 100  # a rotation takes ten; the rest is for conflicts with others

__all__ = ["CannotKeep", "Report", "keep_cluster", "keep_files"]


@dataclass(frozen=True, slots=True)
class Report:
    """What a run has done, a line each, and from when on another run has something to do.

    `absent` names the configurations that are not there yet, so that another run must follow.
    """

    lines: tuple[str, ...]
    due: datetime
    absent: tuple[str, ...] = ()


def keep_files(directory: Path, names: Iterable[str], *, now: datetime) -> Report:
    """Write ca.crt, tls.crt and tls.key, unless a pair for these names has a third of its life.

    The authority's key is thrown away: another authority each time. Raises issue.BadName, and
    CannotKeep for a directory that holds a pair of somebody else or cannot be written.
    """
    wanted = issue.read_names(names)
    paths = [directory / name for name in ("ca.crt", "tls.crt", "tls.key")]
    try:
        kept = _find_kept(paths, wanted, now)
        if kept is not None:
            line = f"{directory}: kept, valid until {pem.stamp(kept.not_valid_after_utc)}"
            return Report((line,), pem.renewal(kept))
        authority = issue.issue_authority(wanted, now=now)
        pair = issue.issue_leaf(authority, wanted, now=now)
        directory.mkdir(parents=True, exist_ok=True)
        for path, text in zip(paths, (authority.certificate, pair.chain, pair.key), strict=True):
            _write_file(path, text, mode=0o600 if path.suffix == ".key" else 0o644)
    except OSError as error:
        raise CannotKeep(f"{error.filename or directory}: {error.strerror}") from error
    leaf = pem.read_certificates(pair.chain)[0]
    lines = (f"{path}: written" for path in paths)
    return Report((*lines, _describe(leaf)), pem.renewal(leaf))


def keep_cluster(
    store: Store, names: Iterable[str], *, clock: Callable[[], datetime], pace: Pace | None = None
) -> Report:
    """Take every step that is due in a cluster, then stop.

    `clock` gives the time (aware) after each look: waits begin when a write has been read back.
    Raises issue.BadName and CannotKeep. Dying anywhere is safe, as is company.
    """
    wanted = issue.read_names(names)
    done: list[str] = []
    trouble = ""
    for _ in range(_STEPS):
        view = _look(store, wanted, clock, pace or Pace())
        step = rotate.decide(view.world)
        if isinstance(step, Rest):
            missing = [found for found in view.configurations if found.version is None]
            done += [f"{found.kind} {found.name}: absent, not written" for found in missing]
            done.append(f"nothing is due before {pem.stamp(step.until)}, {step.why}")
            return Report(tuple(done), step.until, tuple(found.name for found in missing))
        try:
            done.extend(_take(store, view, step))
        except Conflict as error:
            trouble = f": {error}"
    raise CannotKeep(f"no end after {_STEPS} steps; others keep writing{trouble}")


@dataclass(frozen=True, slots=True)
class _View:
    """A world, and the versions that it was read at."""

    world: World
    configurations: tuple[Configuration, ...]
    tls: Secret
    ca: Secret


def _look(store: Store, names: tuple[str, ...], clock: Callable[[], datetime], pace: Pace) -> _View:
    # In this order: see rotate. A decision must be newer than all that it overwrites, and the time
    # newer than all that was seen: a wait must not begin before its reason, and a process may be
    # suspended between any two lines.
    configurations = store.read_configurations()
    tls = store.read_secret(SERVED)
    ca = store.read_secret(AUTHORITIES)
    chain, key = tls.data.get("tls.crt", b""), tls.data.get("tls.key", b"")
    world = World(
        names=names,
        now=clock(),
        held=read_held(ca.data),
        served=issue.Pair(chain, key),
        mirror=tls.data.get("ca.crt", b""),
        bundles=tuple(bundle for found in configurations for _, bundle in found.hooks),
        pace=pace,
    )
    return _View(world, configurations, tls, ca)


def _take(store: Store, view: _View, step: Act) -> Iterable[str]:
    world = view.world
    match step:
        case Found(generation, why):
            made = issue.issue_authority(world.names, now=world.now, generation=generation)
            held = world.held.with_authority(made)
            store.write_secret(Secret(AUTHORITIES, held.data(), view.ca.version))
            return [f"{AUTHORITIES}: authority {generation} made, as {why}"]
        case Hold(held, why):
            store.write_secret(Secret(AUTHORITIES, held.data(), view.ca.version))
            return [f"{AUTHORITIES}: written, as {why}"]
        case Publish(bundle, why):
            return _publish(store, view, bundle, why)
        case Sign(authority, why):
            pair = issue.issue_leaf(authority, world.names, now=world.now)
            data = {"ca.crt": world.held.bundle(), "tls.crt": pair.chain, "tls.key": pair.key}
            store.write_secret(Secret(SERVED, data, view.tls.version))
            leaf = pem.read_certificates(pair.chain)[0]
            return [f"{SERVED}: {_describe(leaf)}, as {why}"]
        case Mirror(bundle, why):
            store.write_secret(Secret(SERVED, {"ca.crt": bundle}, view.tls.version))
            return [f"{SERVED}: ca.crt written, as {why}"]
        case _:
            assert_never(step)


def _publish(store: Store, view: _View, bundle: bytes, why: str) -> Iterator[str]:
    """Write a caBundle where it differs, after a look at it: a bad one would stop every call."""
    count = len(pem.read_certificates(bundle))
    leaf = view.world.leaf
    if view.world.issuer is not None and find_issuer(leaf, bundle) is None:
        raise CannotKeep("the caBundle to be written does not cover the leaf that is served")
    for found in view.configurations:
        if any(other != bundle for _, other in found.hooks):
            store.write_bundle(found, bundle)
            yield f"{found.kind} {found.name}: caBundle written ({count} trusted), as {why}"


def _find_kept(paths: list[Path], names: tuple[str, ...], now: datetime) -> x509.Certificate | None:
    """The leaf of a pair that may stay; raises CannotKeep for one that is not of our making."""
    bundle, chain, key = (path.read_bytes() if path.exists() else b"" for path in paths)
    leaf = next(iter(read_bundle(chain)), None)
    if leaf is not None and issue.COMMON_NAME not in leaf.issuer.rfc4514_string():
        raise CannotKeep(f"{paths[1]} was not issued by Sallyport: choose another directory")
    try:
        leaf = pem.prove(chain, key, now=now)
    except pem.BadPair:
        return None
    fits = pem.names(leaf) == frozenset(names) and now < pem.renewal(leaf)
    return leaf if fits and find_issuer(leaf, bundle) else None


def _write_file(path: Path, text: bytes, *, mode: int) -> None:
    """Put a file in place whole: a reader sees the old text or the new one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _describe(leaf: x509.Certificate) -> str:
    names = ", ".join(sorted(pem.names(leaf)))
    return f"leaf for {names}, valid until {pem.stamp(leaf.not_valid_after_utc)}"
