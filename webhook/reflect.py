"""One kind of object, listed in pages and then watched: what we keep of it, and how fresh it is.

What the client's Watch and informer lack (libraries 4): pages, bookmarks, a new list where a
version has expired, pauses with jitter, an age. What is known stays known while the API server is
away. Decoding goes in steps, so that no review waits behind a list of thousands.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import msgspec

from webhook.api import GONE, Api, ApiError, Gone, NotFound, TooLarge
from webhook.kept import (
    EVENT,
    IDENTIFIED,
    PAGE,
    STATUS,
    Garbage,
    Item,
    Kept,
    identity,
    parse,
)

log = logging.getLogger("sallyport")

STEP_SECONDS = 0.001
PAGE_OBJECTS = 100  # to begin with
MOST_OBJECTS = 500
PAGE_BYTES = 256 * 1024  # aimed at: decoding it takes half a millisecond
MOST_PAGE_BYTES = 8 * 1024 * 1024
LIST_SECONDS = 30.0
WATCH_SECONDS = (240, 300)  # apart, so that replicas do not come all at once
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 10.0


@dataclass(frozen=True, slots=True)
class Notices:
    """Who is told: of objects that changed, of a list taken anew, of an error by its reason.

    Changed objects are told by their keys, the first list even if it is empty. `served` is told
    whether the API server has the kind at all, where that is not sure.
    """

    changed: Callable[[frozenset[str]], None]
    listed: Callable[[], None]
    failed: Callable[[str], None]
    served: Callable[[bool], None]


class Reflector:
    """Keeps `objects` by their key, and goes on for as long as `run` is not cancelled.

    `stored` says whether we follow what the objects are stored as, and so can do without them.
    """

    def __init__(
        self, api: Api, kept: Kept, notices: Notices, stored: Callable[[], bool] = lambda: False
    ) -> None:
        self.kept = kept
        self.objects: dict[str, Any] = {}
        self._prints: dict[str, int] = {}
        self.synced = asyncio.Event()
        self._api = api
        self._notices = notices
        self._stored = stored
        self._version = ""
        self._heard: float | None = None
        self._lively = False
        self.served: bool | None = None

    def age(self) -> float:
        """The seconds since the API server last said a word of this kind; infinite before."""
        return time.monotonic() - self._heard if self._heard is not None else float("inf")

    async def run(self) -> None:
        """List and watch for ever."""
        pause = FIRST_PAUSE
        while True:
            self._lively = False
            try:
                if not self._version:
                    await self._list()
                await self._watch()
            except ApiError as error:
                self._fail(error)
            pause = FIRST_PAUSE if self._lively else min(2 * pause, LONGEST_PAUSE)
            if self.served is False:  # nothing is wrong: somebody may install it one day
                pause = LONGEST_PAUSE
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  # only spreads load

    def _fail(self, error: ApiError) -> None:
        if isinstance(error, NotFound) and self.kept.installed:
            self._miss()
            return
        if isinstance(error, Gone | Garbage | TooLarge):
            self._version = ""  # what we missed we do not know: list again
        self._notices.failed(error.reason)
        log.warning("%s.%s not followed: %s", *self._shown, error)
        if self._stored():
            self._do_without()

    def _miss(self) -> None:
        """There is no such kind: no object of it, unless we know of some.

        A server that starts says 503 until it knows all kinds, and a definition that goes takes its
        objects with it, each with an event: what is known stays until then.
        """
        self._version = ""
        self._heard = time.monotonic()
        self._tell_served(served=False)
        self._do_without()

    def _do_without(self) -> None:
        if not self.synced.is_set():
            self.synced.set()
            self._notices.changed(frozenset())

    def _tell_served(self, *, served: bool) -> None:
        if self.kept.installed and self.served is not served:
            log.info("%s.%s %s", *self._shown, "found" if served else "not served")
            self._notices.served(served)
            self.served = served

    @property
    def _shown(self) -> tuple[str, str]:
        return self.kept.kind.resource, self.kept.kind.group or "core"

    async def _list(self) -> None:
        """Take all objects anew; until they are complete, those before are what there is."""
        listed, steps = _Listed(), Steps()
        more, limit = "", PAGE_OBJECTS
        while True:
            text, limit = await self._get_page(more, limit)
            page = parse(PAGE, text)
            limit = min(MOST_OBJECTS, max(1, limit * PAGE_BYTES // len(text)))
            for raw in page.items or []:
                await self._take(raw, listed, steps)
                await steps.rest()
            more = page.metadata.more
            if not more:
                break
        for key in self.objects:
            if key not in listed.objects:
                listed.changed.add(key)
            await steps.rest()
        former = self.objects, self._prints
        self.objects, self._prints = listed.objects, listed.prints
        self._version = page.metadata.resource_version
        self._tell_listed(listed.changed)
        for known in former:
            await _let_go(known, steps)

    async def _take(self, raw: msgspec.Raw, listed: _Listed, steps: Steps) -> None:
        """Take in one object of a list, unless it is not of its kind's shape."""
        found = hash(bytes(raw))
        for key, _, value in self._recall(raw, found):
            listed.prints[key] = found
            await steps.rest()  # a large dictionary takes milliseconds to grow
            before = self.objects.get(key)
            same = before == value
            if not same:
                listed.changed.add(key)
            listed.objects[key] = before if same else value  # two of each would be much memory

    def _tell_listed(self, changed: set[str]) -> None:
        self._heard = time.monotonic()
        self._notices.listed()
        self._tell_served(served=True)
        if changed or not self.synced.is_set():
            self.synced.set()
            self._notices.changed(frozenset(changed))

    async def _get_page(self, more: str, limit: int) -> tuple[bytes, int]:
        """A page, of fewer objects where so many are too much; and how many it may have."""
        while True:
            query = {"limit": limit} | ({"continue": more} if more else {})
            try:
                text = await self._api.get(
                    self.kept.path, query, seconds=LIST_SECONDS, most=MOST_PAGE_BYTES
                )
            except TooLarge:
                if limit == 1:
                    raise
                limit = max(1, limit // 8)
            else:
                return text, limit

    async def _watch(self) -> None:
        query = {"resourceVersion": self._version, "allowWatchBookmarks": "true"}
        seconds = random.randint(*WATCH_SECONDS)  # noqa: S311  # only spreads load
        async with aclosing(self._api.watch(self.kept.path, query, seconds=seconds)) as batches:
            async for lines in batches:
                self._heard = time.monotonic()
                await self._take_in(lines)

    async def _take_in(self, lines: list[bytes]) -> None:
        """Take in events that came together, and tell of them once."""
        steps = Steps()
        changed: set[str] = set()
        try:
            for line in filter(None, lines):
                changed.update(self._apply(line))
                self._lively = True
                await steps.rest()
        finally:
            if changed:
                self._notices.changed(frozenset(changed))

    def _apply(self, line: bytes) -> tuple[str, ...]:
        """Take in one event; the key of the object if it changed anything that we keep."""
        event = parse(EVENT, line)
        if event.type == "ERROR":
            status = parse(STATUS, event.object)
            raise (Gone if status.code == GONE else ApiError)(f"{status.code} {status.message}")
        if event.type == "BOOKMARK":
            self._version = parse(IDENTIFIED, event.object).metadata.resource_version
            return ()
        if event.type not in {"ADDED", "MODIFIED", "DELETED"}:
            raise Garbage(f"an event of type {event.type[:20]!r}")
        key, version, value = self.kept.read(event.object)
        before = self.objects.get(key)
        self._prints.pop(key, None)
        if value is None or event.type == "DELETED":
            self.objects.pop(key, None)
        else:
            self.objects[key] = value
        self._version = version
        if value is None:
            self._notices.failed(Garbage.reason)
        return (key,) if before != self.objects.get(key) else ()

    def _recall(self, raw: msgspec.Raw, found: int) -> Iterator[Item]:
        """The object; what was listed to the letter before is not read again.

        Of a text no more is kept than its hash, which is another in each process.
        """
        about = identity(raw)
        same = about.key and self._prints.get(about.key) == found
        known = [about._replace(value=self.objects[about.key])] if same else self._read(raw)
        yield from known

    def _read(self, raw: msgspec.Raw) -> Iterator[Item]:
        """The object, unless it is not of its kind's shape: then it is unknown, and counted."""
        try:
            item = self.kept.read(raw)
        except Garbage:
            item = Item("", "", None)
        if item.value is None:
            self._notices.failed(Garbage.reason)
        else:
            yield item


@dataclass(frozen=True, slots=True)
class _Listed:
    """A list as far as it has come: the objects, their texts' hashes, and whose keys changed."""

    objects: dict[str, Any] = field(default_factory=dict)
    prints: dict[str, int] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)


async def _let_go(known: dict[str, Any], steps: Steps) -> None:
    """Empty it bit by bit: to free all at once takes long."""
    while known:
        known.popitem()
        await steps.rest()


class Steps:
    """Lets the event loop come round after each millisecond of work."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    async def rest(self) -> None:
        """Rest, if it is time to."""
        if time.monotonic() - self._since >= STEP_SECONDS:
            await asyncio.sleep(0)
            self._since = time.monotonic()
