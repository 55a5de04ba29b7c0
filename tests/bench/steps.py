"""How long following an API server keeps the event loop from its reviews, at a time.

Counted in CPU time of the loop's own thread, so others on the machine change nothing.
"""

from __future__ import annotations

import asyncio
import gc
import time
from dataclasses import dataclass

import uvloop

from webhook.access import find_access
from webhook.api import Api
from webhook.metrics import Metrics
from webhook.mirror import Mirror

SHORT = 0.0001
PAUSE = 0.1


@dataclass(frozen=True, slots=True)
class Steps:
    """Of each new list: the longest step, and all that were worth counting; in milliseconds."""

    longest: list[float]
    total: list[float]


def measure(kubeconfig: str, resource: str, times: int) -> Steps:
    """List the objects of a resource again and again."""
    found: Steps = uvloop.run(_measure(kubeconfig, resource, times))
    return found


async def _measure(kubeconfig: str, resource: str, times: int) -> Steps:
    found = Steps([], [])
    api = Api(find_access(kubeconfig, ""))
    mirror = Mirror(api, Metrics([]))
    running = asyncio.create_task(mirror.run(lambda _: None))
    await mirror.wait()
    gc.collect()
    gc.freeze()  # as the server does once it is ready
    ticker = _Ticker()
    for _ in range(times):
        ticker.steps.clear()
        await _list_again(api, mirror, resource)
        found.longest.append(1000 * max(ticker.steps, default=0.0))
        found.total.append(1000 * sum(ticker.steps))
    ticker.stop()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await mirror.close()
    return found


async def _list_again(api: Api, mirror: Mirror, resource: str) -> None:
    """Let the stand-in forget what it said, and wait until all is known again."""
    (follows,) = (each for each in mirror.reflectors if each.kept.kind.resource == resource)
    before = follows.objects
    while follows.objects is before:  # a list that changes nothing tells nobody
        await api.get(f"/expire/{resource}", {}, seconds=10, most=100)  # lost while none watches
        await asyncio.sleep(PAUSE)


class _Ticker:
    """Comes round in the event loop as often as it can, and notes what took its time."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self._loop = asyncio.get_running_loop()
        self._last = time.thread_time()
        self._handle = self._loop.call_soon(self._tick)

    def stop(self) -> None:
        """No more."""
        self._handle.cancel()

    def _tick(self) -> None:
        now = time.thread_time()
        if now - self._last > SHORT:
            self.steps.append(now - self._last)
        self._last = now
        self._handle = self._loop.call_soon(self._tick)
