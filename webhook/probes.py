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

from webhook.asgi import Application, Message, Receive, Send, respond
from webhook.live import Live, now

DEAD_SECONDS = 30.0
SELF_PROBE_SECONDS = 2.0
BACKLOG = 2048


class Health:
    """Answers the probes of a server that answers reviews at `address`; all else does `rest`."""

    def __init__(self, live: Live, address: tuple[str, int], rest: Application) -> None:
        self._live = live
        self._address = address
        self._rest = rest

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        asked = (scope["method"], scope["path"]) if scope["type"] == "http" else None
        if asked == ("GET", "/livez"):
            dead = self._live.lag(now()) > DEAD_SECONDS
            await _answer(send, "the event loop stands still" if dead else "")
        elif asked == ("GET", "/readyz"):
            trouble = self._live.trouble or await asyncio.to_thread(_probe, self._address)
            await _answer(send, trouble)
        else:
            await self._rest(scope, receive, send)


class Probes:
    """A server of the probes on a socket that listens."""

    def __init__(self, application: Application, listening: socket.socket) -> None:
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


async def _answer(send: Send, trouble: str) -> None:
    await respond(send, 503 if trouble else 200, f"{trouble or 'ok'}\n".encode())


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
