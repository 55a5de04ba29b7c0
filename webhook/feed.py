"""The index of all that network policies say, brought up to date as objects come and go.

What came together is taken in in steps, so that no review waits behind thousands of pods, and the
index is swapped when all of it is in. Until every kind was listed there is none: what is not known
is not taken for absent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rules.enforcement import empty_index
from rules.facts import Namespace
from rules.model import NAMESPACE, Kind
from rules.netpol import inventory
from rules.netpol.engine import Api
from rules.netpol.entries import Entry
from rules.netpol.index import Index
from rules.netpol.keys import EVERYWHERE, Key
from rules.review import Undeclared
from rules.site import Network
from webhook.kept import OVER
from webhook.reflect import Steps

Known = Callable[[], Iterable[tuple[Kind, Mapping[str, Any]]]]


class Feed:
    """Keeps `index`, for the engine that was asked for last; `known` gives all objects again."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._network = Network()
        self._wanted = self._network
        self.index: Index = empty_index(self._network)
        self._waiting: dict[tuple[Kind, str], Any] = {}
        self._news = asyncio.Event()
        self.idle = asyncio.Event()
        self.idle.set()

    def put(self, kind: Kind, changed: Iterable[str], objects: Mapping[str, Any]) -> None:
        """Take in what became of objects of a kind, by their keys.

        Nothing is news, too: it may be the last kind that was to be listed.
        """
        self._waiting.update(((kind, key), objects.get(key)) for key in changed)
        self._wake()

    def aim(self, network: Network) -> None:
        """Read all for this engine from now on."""
        if network != self._wanted:
            self._wanted = network
            self._wake()

    def networks(self) -> Callable[[Network], Index]:
        """What there is now, for the engine that it was read for. Raises Undeclared for others."""
        index, known = self.index, self._network

        def give(network: Network) -> Index:
            if network == known:
                return index
            self.aim(network)
            raise Undeclared("network policies are being read for another engine")

        return give

    async def run(self, published: Callable[[], None]) -> None:
        """Take in what comes, for ever; `published` is called after each swap."""
        while True:
            await self._news.wait()
            self._news.clear()
            index = self.index
            if self._wanted != self._network:
                self._network = self._wanted
                index = empty_index(self._network)
                for kind, objects in self._known():
                    self._waiting |= {(kind, key): value for key, value in objects.items()}
            waiting, self._waiting = self._waiting, {}
            steps = Steps()
            for (kind, key), value in waiting.items():
                index = index.hold(_entry(kind, key, value))
                await steps.rest()
            self.index = index
            if not self._news.is_set():
                self.idle.set()
            published()

    def _wake(self) -> None:
        self.idle.clear()
        self._news.set()


def _entry(kind: Kind, name: str, value: Any) -> Entry:
    namespace, _, own = name.rpartition("/")
    key = Key(Api(kind.group, kind.kind), namespace if kind.namespaced else EVERYWHERE, own)
    if kind is NAMESPACE and isinstance(value, Namespace):
        labels = {**value.labels, inventory.NAME_LABEL: value.name}
        return Entry(key, inventory.Namespace(value.name, labels))
    return Entry(key, None if value is OVER else value)
