"""The second port: /livez, /readyz and /metrics, plain HTTP, on a thread of its own.

A busy event loop must not look like a dead one, so nothing here runs on it.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from functools import cache

import uvicorn
from fastapi import FastAPI, Response

from webhook.live import Live, now
from webhook.metrics import Metrics

DEAD_SECONDS = 30.0
SELF_PROBE_SECONDS = 2.0
BACKLOG = 2048


def bare_application() -> FastAPI:
    """A FastAPI application that serves nothing by itself: no docs, no telemetry, no redirects."""
    return FastAPI(
        telemetry={"auto_configure": False, "logs": False},
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )


def build(live: Live, metrics: Metrics, address: tuple[str, int]) -> FastAPI:
    """The probes of a server that answers reviews at `address`."""
    application = bare_application()

    @application.get("/livez")
    async def livez() -> Response:
        return _answer("the event loop stands still" if live.lag(now()) > DEAD_SECONDS else "")

    @application.get("/readyz")
    async def readyz() -> Response:
        return _answer(live.trouble or await asyncio.to_thread(_probe, address))

    @application.get("/metrics")
    async def scrape() -> Response:
        return Response(metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return application


class Probes:
    """A server of the probes on a socket that listens."""

    def __init__(self, application: FastAPI, listening: socket.socket) -> None:
        self._socket = listening
        self.port: int = listening.getsockname()[1]
        self._server = uvicorn.Server(
            uvicorn.Config(
                application,
                log_config=None,
                access_log=False,
                lifespan="off",
                loop="asyncio",
                server_header=False,
                timeout_graceful_shutdown=1,
            )
        )
        self._thread = threading.Thread(target=self._run, name="probes", daemon=True)

    def start(self) -> None:
        """Serve, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """End, with the process behind us."""
        self._server.should_exit = True
        self._thread.join(timeout=5)

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one. Raises OSError, which says where."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def _answer(trouble: str) -> Response:
    if trouble:
        return Response(trouble + "\n", status_code=503, media_type="text/plain")
    return Response("ok\n", media_type="text/plain")


def _probe(address: tuple[str, int]) -> str:
    """What keeps our own port from shaking hands, or nothing."""
    try:
        with (
            socket.create_connection(address, timeout=SELF_PROBE_SECONDS) as plain,
            _trusting().wrap_socket(plain),
        ):
            return ""
    except OSError as error:
        return f"our own port does not answer: {error}"


@cache
def _trusting() -> ssl.SSLContext:
    """It is ourselves whom we call: the question is whether TLS is spoken."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
