"""The live view: what a Cluster holds, followed as the API server tells of it."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from rules.facts import Namespace, Term
from rules.model import (
    MUTATING_WEBHOOKS,
    NAMESPACE,
    NETWORK,
    NETWORK_POLICY,
    VALIDATING_WEBHOOKS,
    Kind,
)
from rules.netpol.dialects import calico
from rules.review import Cluster
from rules.site import Site
from webhook.api import Api, ApiError, NotFound
from webhook.doors import MUTATE, VALIDATE
from webhook.feed import Feed
from webhook.followed import FOLLOWED, NAMESPACES
from webhook.metrics import Metrics
from webhook.reflect import Notices, Reflector

log = logging.getLogger("sallyport")

LOOK_SECONDS = 1.0
MOST_LOOKS = 4  # at a time
REST_SECONDS = 0.25
MOST_BYTES = 4 * 1024 * 1024  # of one object
_INDEXED = frozenset(NETWORK)
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class Mirror:
    """The API server's objects as a Cluster. What it knew it knows while the server is away."""

    def __init__(self, api: Api, metrics: Metrics) -> None:
        self._api = api
        self._metrics = metrics
        self._looks = asyncio.Semaphore(MOST_LOOKS)
        self._indexed = False
        self._steady: Cluster | None = None
        self._facts: dict[Kind, dict[str, Any]] = {}
        self._feed = Feed(self._known)
        self._follow: Callable[[Kind], None] = lambda _: None
        self.reflectors = tuple(
            Reflector(api, kept, self._notices(kept.kind), partial(self._serves, kept.shows))
            for kept in FOLLOWED
        )
        for reflector in self.reflectors:
            age = metrics.view_age.labels(_label(reflector.kept.kind))
            age.set_function(reflector.age)

    @property
    def missing(self) -> tuple[str, ...]:
        """The resources of which nothing is known yet, and what is still made of them."""
        unlisted = tuple(
            reflector.kept.kind.resource
            for reflector in self.reflectors
            if not reflector.synced.is_set()
        )
        behind = not self._indexed and not self._feed.idle.is_set()
        return unlisted or (("the index of network policies",) if behind else ())

    async def run(self, follow: Callable[[Kind], None]) -> None:
        """Follow the API server; `follow` is told of each kind that changed, in the event loop."""
        self._follow = follow
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._feed.run(self._on_index))
            for reflector in self.reflectors:
                tasks.create_task(reflector.run())

    async def close(self) -> None:
        """Let go of all connections."""
        await self._api.close()

    async def wait(self) -> None:
        """Wait until every kind was listed once."""
        for reflector in self.reflectors:
            await reflector.synced.wait()
        await self._feed.idle.wait()

    def cluster(self, site: Site) -> Cluster:
        """What is known now. Never changes: a later call gives another Cluster."""
        self._feed.aim(site.network)
        self._indexed |= not self.missing
        networks = self._feed.networks() if self._indexed else None
        if self._steady is None or self._steady.site is not site:
            self._steady = Cluster.holding(self._facts, site, live=True)
        return self._steady.with_networks(networks)

    def registered(self) -> dict[str, tuple[Term, ...]]:
        """The selectors of our own webhook configurations, as far as these are there."""
        doors = ((MUTATING_WEBHOOKS, MUTATE), (VALIDATING_WEBHOOKS, VALIDATE))
        found = {
            door.configuration: self._facts.get(kind, {}).get(door.configuration)
            for kind, door in doors
        }
        return {name: webhooks.terms for name, webhooks in found.items() if webhooks is not None}

    async def find(self, name: str) -> Namespace | None:
        """Ask for one namespace; None where it is not there, or nobody can tell in time.

        The name comes from whoever reaches our port, so few questions are asked at a time, and one
        asked in vain keeps its place for a while: nobody can make us a nuisance to the API server.
        """
        if not _NAME.fullmatch(name):
            return None
        result = "late"
        try:
            async with asyncio.timeout(LOOK_SECONDS), self._looks:
                result, found = await self._look(name)
                if found is None:
                    await asyncio.sleep(REST_SECONDS)
        except TimeoutError:
            found = None
        self._metrics.view_misses.labels(result).inc()
        return found

    async def _look(self, name: str) -> tuple[str, Namespace | None]:
        path = f"{NAMESPACES.path}/{name}"
        try:
            text = await self._api.get(path, {}, seconds=LOOK_SECONDS, most=MOST_BYTES)
            item = NAMESPACES.read(text)
        except NotFound:
            return "absent", None
        except ApiError as error:
            log.warning("namespace not found out: %s", error)
            return "failed", None
        return ("found", item.value) if item.key == name and item.value else ("failed", None)

    def _notices(self, kind: Kind) -> Notices:
        name, metrics = _label(kind), self._metrics
        return Notices(
            changed=partial(self._on_change, kind),
            listed=metrics.view_lists.labels(name).inc,
            failed=lambda reason: metrics.view_errors.labels(name, reason).inc(),
            served=metrics.view_served.labels(name).set,
        )

    def _serves(self, kind: Kind | None) -> bool:
        return any(one.kept.kind is kind and one.served for one in self.reflectors)

    def _on_change(self, kind: Kind, changed: frozenset[str]) -> None:
        reflector = next(one for one in self.reflectors if one.kept.kind is kind)
        if kind in _INDEXED:
            self._feed.put(kind, changed, reflector.objects)
        if kind is NAMESPACE or kind not in _INDEXED:
            self._facts[kind] = dict(reflector.objects)
            self._steady = None
            self._follow(kind)

    def _on_index(self) -> None:
        self._follow(NETWORK_POLICY)

    def _known(self) -> Iterator[tuple[Kind, dict[str, Any]]]:
        for reflector in self.reflectors:
            if reflector.kept.kind in _INDEXED:
                yield reflector.kept.kind, reflector.objects


def _label(kind: Kind) -> str:
    """The kind in metrics; Calico has a NetworkPolicy too, in two groups."""
    return f"{kind.kind}.{kind.group}" if kind.group in calico.GROUPS else kind.kind
