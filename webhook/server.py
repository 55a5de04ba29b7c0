"""`sallyport serve`: the HTTPS server, its probes, and an end that loses no request."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType

import uvicorn

from certs.reload import BadPair
from webhook.access import NoWay, find_access
from webhook.api import Api
from webhook.asgi import Application, Later
from webhook.cluster import BadView
from webhook.front import Front
from webhook.live import Live, now
from webhook.metrics import Metrics
from webhook.mirror import Mirror
from webhook.observe import DecisionLog, Recorder
from webhook.opa_options import BadOpa
from webhook.probes import Health, Probes, listen
from webhook.protocol import KEEP_ALIVE_SECONDS, GuardedProtocol, close_overdue
from webhook.rulebook import BadRulebook, catalogue
from webhook.settings import Settings

log = logging.getLogger("sallyport")

GRACE_SECONDS = 5
BEAT_SECONDS = 0.05
SWEEP_SECONDS = 0.5
REFRESH_SECONDS = 2.0
ANY_HOST = {"0.0.0.0", "::", ""}  # noqa: S104  # compared with, not bound to


def serve(settings: Settings) -> int:
    """Serve until told to end; the exit code. 2 where there is nothing good to serve with."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    metrics = Metrics(kind.kind for rule in catalogue() for kind in rule.kinds)
    decisions = DecisionLog(metrics.lost_lines)
    recorder = Recorder(metrics, decisions)
    try:
        live = Live(settings, metrics, _find_mirror(settings, metrics))
        server = Server(live, recorder, settings)
    except NoWay as lost:
        text = "without --cluster PATH the cluster is read from its API server, which is not found"
        print(f"sallyport: {text}: {lost}", file=sys.stderr)
        return 2
    except (BadRulebook, BadView, BadPair, BadOpa, OSError) as error:
        print(f"sallyport: {error}", file=sys.stderr)  # the command's own words
        return 2
    server.run([server.socket])
    decisions.close()
    return 0 if server.started else 1


class Server(uvicorn.Server):
    """uvicorn, with our limits, our end and our ready line.

    Raises OSError where a port cannot be had.
    """

    def __init__(self, live: Live, recorder: Recorder, settings: Settings) -> None:
        self._later = Later(_no_pages), Later(partial(_pages, recorder.metrics))
        self._front = Front(live, recorder, self._later[0])
        super().__init__(_configure(self._front, live.pair.context))
        self._live = live
        self._recorder = recorder
        self._metrics = recorder.metrics
        self._settings = settings
        self._chores: list[asyncio.Task[None]] = []
        self.socket = listen(settings.host, settings.port)
        self.port: int = self.socket.getsockname()[1]
        host = "127.0.0.1" if settings.host in ANY_HOST else settings.host
        health = Health(live, (host, self.port), self._later[1])
        self._probes = Probes(health, listen(settings.host, settings.probe_port))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, say so on stdout, and begin with the chores."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._on_loop_error)
        await super().startup(sockets)
        gc.freeze()  # while anybody waits, no collection looks at what was made for the start
        gc.enable()
        self._probes.start()
        self._live.beat(now())
        following = loop.create_task(self._live.follow())
        following.add_done_callback(_tell_end)
        self._chores = [
            following,
            loop.create_task(_repeat(BEAT_SECONDS, self._on_beat)),
            loop.create_task(_repeat(SWEEP_SECONDS, self._sweep)),
            loop.create_task(self._refresh_for_ever()),
        ]
        if self._live.opa is not None:
            self._chores.append(loop.create_task(self._live.opa.watch()))
        loop.add_signal_handler(signal.SIGHUP, self._on_hangup)
        if self._live.seeing:
            self._announce()
        else:
            self._chores.append(loop.create_task(self._announce_when_seeing()))

    async def _announce_when_seeing(self) -> None:
        await self._live.wait()
        self._announce()

    def _announce(self) -> None:
        ready = {"ready": True, "port": self.port, "probe_port": self._probes.port}
        print(json.dumps(ready), flush=True)  # whoever started us waits for it
        self._recorder.log.start()
        threading.Thread(target=self._settle, name="settle", daemon=True).start()

    def _settle(self) -> None:
        """Load what nobody had to wait for."""
        gc.unfreeze()
        gc.collect()  # what it took to start makes room for what comes
        for application in self._later:
            application.ready()
        gc.collect()
        gc.freeze()  # what stands now stays: no collection need look at it again

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, finish what is in flight, end."""
        for chore in self._chores:
            chore.cancel()
        await asyncio.gather(*self._chores, return_exceptions=True)
        await super().shutdown(sockets)
        await self._live.close()
        if self._live.opa is not None:
            await self._live.opa.close()
        await asyncio.to_thread(self._probes.stop)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """SIGTERM drains: go on serving with `Connection: close` until the callers have left.

        The API server goes on using open connections to a pod that ends, and never sends a POST
        again. A second signal, or Ctrl-C, ends at once.
        """
        again = self._live.draining
        self._live.draining = True
        if sig == signal.SIGTERM and not again and self._settings.drain_seconds > 0:
            loop = asyncio.get_event_loop()
            end: Callable[[], None] = lambda: setattr(self, "should_exit", True)  # noqa: E731
            loop.call_soon_threadsafe(loop.call_later, self._settings.drain_seconds, end)
        else:
            self.should_exit = True

    def _on_beat(self) -> None:
        self._live.beat(now())
        self._front.breathe()

    def _sweep(self) -> None:
        closed = close_overdue(self.server_state.connections, now())
        if closed:
            self._metrics.bad.labels("slow").inc(closed)

    async def _refresh_for_ever(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            await asyncio.to_thread(self._live.refresh)

    def _on_hangup(self) -> None:
        task = asyncio.get_running_loop().run_in_executor(None, self._refresh_at_once)
        task.add_done_callback(lambda done: done.exception())

    def _refresh_at_once(self) -> None:
        self._live.refresh(force=True)

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """A flood of broken connections is counted (`Metrics.accepted`), not logged."""
        error = context.get("exception")
        if not isinstance(error, ssl.SSLError | ConnectionError | TimeoutError):
            loop.default_exception_handler(context)


def _find_mirror(settings: Settings, metrics: Metrics) -> Mirror | None:
    if settings.cluster:
        return None
    return Mirror(Api(find_access(settings.kubeconfig, settings.service)), metrics)


def _no_pages() -> Application:
    from webhook.pages import bare  # nobody waits for FastAPI

    return bare()


def _pages(metrics: Metrics) -> Application:
    from webhook.pages import scraped

    return scraped(metrics)


def _configure(front: Front, context: ssl.SSLContext) -> uvicorn.Config:
    return uvicorn.Config(
        front,
        http=GuardedProtocol,
        ws="none",
        loop="uvloop",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        backlog=2048,
        timeout_keep_alive=int(KEEP_ALIVE_SECONDS),
        timeout_graceful_shutdown=GRACE_SECONDS,
        ssl_context_factory=lambda _config, _default: context,
    )


def _tell_end(following: asyncio.Task[None]) -> None:
    """What is known stays known, and its age is seen to grow; but this should not happen."""
    if not following.cancelled() and following.exception() is not None:
        log.critical("the cluster is no longer followed", exc_info=following.exception())


async def _repeat(seconds: float, chore: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(seconds)
        chore()
