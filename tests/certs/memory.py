"""A small API server in memory, with optimistic locking, and writers that it stops where it likes.

The real one is tested too (test_cluster). This one can do what that cannot: set the clock, stop a
writer between any two calls for a month, let it die there, and know at each moment what any
replica may still serve and what any API server may still trust.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache

from certs import pem
from certs.cluster import AUTHORITIES, SERVED, Configuration, Conflict, Secret
from certs.world import find_issuer, read_bundle

Gate = Callable[[], None]


def _open() -> None:
    """A gate that stops nobody."""


@dataclass(slots=True)
class ApiServer:
    """The stored objects, and what they were."""

    now: datetime
    secrets: dict[str, Secret] = field(default_factory=dict)
    hooks: dict[str, Configuration] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)
    leaves: list[tuple[datetime, bytes]] = field(default_factory=list)  # and their successors
    bundles: list[tuple[datetime, str, bytes]] = field(default_factory=list)
    version: int = 0

    def configure(self, name: str, *bundles: bytes) -> None:
        """Somebody applies a configuration."""
        entries = tuple((f"entry-{number}", bundle) for number, bundle in enumerate(bundles))
        self._keep(Configuration("ValidatingWebhookConfiguration", name, entries))

    def put(self, name: str, **data: bytes) -> None:
        """Somebody replaces a Secret whole."""
        self.version += 1
        texts = {key.replace("_", "."): value for key, value in data.items()}
        self.secrets[name] = Secret(name, texts, str(self.version))

    def write(self, secret: Secret) -> None:
        """Set the keys of a Secret; raises Conflict for one that has changed."""
        old = self.secrets.get(secret.name, Secret(secret.name))
        if old.version != secret.version:
            raise Conflict(secret.name)
        self.version += 1
        data = {**old.data, **secret.data}
        self.secrets[secret.name] = Secret(secret.name, data, str(self.version))
        self.writes.append(secret.name)
        if secret.name == SERVED:
            self.leaves.append((self.now, data["tls.crt"]))

    def publish(self, configuration: Configuration, bundle: bytes) -> None:
        """Set the caBundle of every entry; raises Conflict for one that has changed."""
        if self.hooks[configuration.name].version != configuration.version:
            raise Conflict(configuration.name)
        hooks = tuple((name, bundle) for name, _ in configuration.hooks)
        self._keep(replace(configuration, hooks=hooks))
        self.writes.append(configuration.name)

    def _keep(self, configuration: Configuration) -> None:
        self.version += 1
        self.hooks[configuration.name] = replace(configuration, version=str(self.version))
        self.bundles += [(self.now, configuration.name, text) for _, text in configuration.hooks]

    def forget(self) -> None:
        """Let history begin now: all API servers have read what is stored."""
        found = self.hooks.values()
        self.bundles = [(self.now, one.name, text) for one in found for _, text in one.hooks]

    def trusted(self) -> set[bytes]:
        """The caBundles that are stored now."""
        return {bundle for found in self.hooks.values() for _, bundle in found.hooks}

    def served(self) -> bytes:
        """The leaf that is stored now."""
        return self.secrets[SERVED].data["tls.crt"]

    def broken(self, replicas: timedelta, servers: timedelta) -> list[str]:
        """Where I1 does not hold.

        `replicas`, `servers`: how old the Secret that a replica serves, and the configuration
        that an API server knows, may be.
        """
        leaves = _recent(self.leaves, self.now - replicas)
        bundles: set[bytes] = set()
        for name in self.hooks:
            mine = [(moment, text) for moment, other, text in self.bundles if other == name]
            bundles |= _recent(mine, self.now - servers)
        return [
            f"at {self.now}: a leaf may be served that a caBundle of {len(read_bundle(bundle))}"
            for leaf in leaves
            for bundle in bundles
            if self.now < _end(leaf) and not _covers(bundle, leaf)
        ]


def _recent(history: list[tuple[datetime, bytes]], start: datetime) -> set[bytes]:
    """What stood at `start`, and all that came after."""
    later = {text for moment, text in history if moment > start}
    before = [text for moment, text in history if moment <= start]
    return later | set(before[-1:])


@cache
def _covers(bundle: bytes, chain: bytes) -> bool:
    return find_issuer(pem.read_certificates(chain)[0], bundle) is not None


@cache
def _end(chain: bytes) -> datetime:
    return pem.read_certificates(chain)[0].not_valid_after_utc


@dataclass(frozen=True, slots=True)
class Client:
    """A Store: one writer's way to the API server, through a gate before each call.

    To die after a call is to die at the next gate: nothing but calls has any effect.
    """

    server: ApiServer
    gate: Gate = _open
    absent: tuple[str, ...] = ()

    def read_configurations(self) -> tuple[Configuration, ...]:
        """See Store."""
        found: list[Configuration] = []
        for name in sorted(self.server.hooks):
            self.gate()
            found.append(self.server.hooks[name])
        kind = "MutatingWebhookConfiguration"
        return (*found, *(Configuration(kind, name) for name in self.absent))

    def read_secret(self, name: str) -> Secret:
        """See Store."""
        self.gate()
        return self.server.secrets.get(name, Secret(name))

    def write_secret(self, secret: Secret) -> None:
        """See Store."""
        self.gate()
        self.server.write(secret)

    def write_bundle(self, configuration: Configuration, bundle: bytes) -> None:
        """See Store."""
        self.gate()
        self.server.publish(configuration, bundle)


class Death(BaseException):
    """A writer is killed."""


@dataclass(slots=True)
class Writer:
    """A thread that runs only when it is told to, from one gate to the next."""

    work: Callable[[Gate], None]
    doomed: bool = False
    over: bool = False
    fault: BaseException | None = None
    _go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _done: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _thread: threading.Thread | None = None

    def advance(self) -> None:
        """Let it run to its next gate, or to its end."""
        if self.over:
            return
        if self._thread is None:
            # A daemon: a test that fails may leave one standing at its gate.
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        self._go.release()
        self._done.acquire()
        if self.fault is not None:
            raise self.fault

    def kill(self) -> None:
        """Let it die at the gate where it stands."""
        self.doomed = True
        if self._thread is None:
            self.over = True
        while not self.over:
            self.advance()
        if self._thread is not None:
            self._thread.join()

    def run(self, calls: int) -> None:
        """Let it make this many calls, or fewer to its end."""
        for _ in range(calls):
            self.advance()

    def _gate(self) -> None:
        self._done.release()
        self._go.acquire()
        if self.doomed:
            raise Death

    def _run(self) -> None:
        self._go.acquire()
        try:
            self.work(self._gate)
        except Death:
            pass
        except BaseException as error:  # noqa: BLE001 - it is raised in the test's own thread
            self.fault = error
        self.over = True
        self._done.release()


__all__ = ["AUTHORITIES", "SERVED", "ApiServer", "Client", "Gate", "Writer"]
