"""HTTP/1.1 for a hostile port: uvicorn's protocol on httptools, with limits it does not have.

Any pod of the cluster can reach the port. Too long URLs and headers are refused, requests that do
not arrive in time and connections beyond a number are closed.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Iterable
from typing import Any

from httptools import HttpParserCallbackError, HttpParserError
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from rules.review import Unknown
from webhook.front import MOST_BYTES, ROUTES, TOO_LARGE, Front, Reply, Route

log = logging.getLogger("sallyport")

LONGEST_URL = 8 * 1024
LONGEST_HEAD = 64 * 1024
MOST_HEADERS = 100
MOST_CONNECTIONS = 512
REQUEST_SECONDS = 5.0
FIRST_BYTE_SECONDS = 10.0
KEEP_ALIVE_SECONDS = 120.0  # longer than the 90 s after which the API server closes idle ones


class GuardedProtocol(HttpToolsProtocol):
    """One connection.

    A request to one of the doors is answered as soon as it is whole, before any task or ASGI scope
    exists; that halves its cost. All else goes uvicorn's way: other paths, `Expect: 100-continue`,
    doors at which OPA is asked, a namespace that must be asked for, and what is pipelined behind
    such a request. `since` is the loop time since which the peer has kept us waiting, `patience`
    how long it may.
    """

    app: Front
    cycle: RequestResponseCycle | None  # type: ignore[assignment]  # None before the first
    since = 0.0
    patience = FIRST_BYTE_SECONDS
    _head_bytes = 0
    _in_head = True
    _route: Route | None = None
    _parts: list[bytes]
    _size = 0

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.app.metrics.accepted.inc()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept, unless there are too many already."""
        super().connection_made(transport)
        self.app.metrics.secured.inc()
        self.since = self.loop.time()
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and watch the size of the head: httptools has no limit of its own."""
        if self.patience == KEEP_ALIVE_SECONDS:
            self.since, self.patience = self.loop.time(), REQUEST_SECONDS
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > LONGEST_HEAD:
            self.refuse(431, "the request head is too long")

    def on_message_begin(self) -> None:
        """A new request on this connection. Its scope is only made where somebody needs one."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._in_head = True

    def on_url(self, url: bytes) -> None:
        """Collect the URL as far as anybody may write."""
        self.url += url
        if len(self.url) > LONGEST_URL:
            self.refuse(414, "the URL is too long")

    def on_headers_complete(self) -> None:
        """Begin with the request, unless its head was too large."""
        self._in_head = False
        self._head_bytes = 0
        if self.transport.is_closing():
            return
        if len(self.headers) > MOST_HEADERS:
            self.refuse(431, "too many header fields")
        elif (route := ROUTES.get(self.url.partition(b"?")[0])) and self._is_simple(route):
            self._open(route)
        else:
            self._begin_cycle()

    def on_body(self, body: bytes) -> None:
        """Collect the body of a request to a route."""
        if self._route is not None:
            self._size += len(body)
            if self._size > MOST_BYTES:
                self._route = None
                self.app.count("413")
                self._write(TOO_LARGE)
            else:
                self._parts.append(body)
        elif self.cycle is not None and not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole: answer it. The peer may rest until the next."""
        self.since, self.patience = self.loop.time(), KEEP_ALIVE_SECONDS
        route, self._route = self._route, None
        if route is not None:
            parts, self._parts = self._parts, []
            body = parts[0] if len(parts) == 1 else b"".join(parts)
            try:
                reply = self.app.answer(route, body, self.url.partition(b"?")[2])
            except Unknown:  # somebody must be asked first
                self._begin_cycle()
                super().on_body(body)
                super().on_message_complete()
            else:
                self._write(reply)
        elif self.cycle is not None and not self.transport.is_closing():
            super().on_message_complete()

    def shutdown(self) -> None:
        """The server ends: close, but let a request arrive that has begun to."""
        if self._route is None:
            super().shutdown()

    def send_400_response(self, msg: str) -> None:
        """What arrived is no HTTP; or answering it failed, which is our fault and not theirs."""
        error = sys.exc_info()[1]
        cause = error.__context__ if isinstance(error, HttpParserCallbackError) else None
        if cause is None or isinstance(cause, HttpParserError | UnicodeDecodeError):
            self.refuse(400, msg)
        else:
            log.error("a request could not be answered", exc_info=cause)
            self.refuse(500, "internal error")

    def refuse(self, status: int, reason: str) -> None:
        """Answer without asking anybody, and close."""
        self.app.count(str(status))
        self._write(Reply(status, reason.encode(), close=True))

    def is_overdue(self, now: float) -> bool:
        """Whether the peer has kept us waiting too long, for a request or for the rest of one."""
        busy = self.cycle is not None and not self.cycle.response_complete
        return now - self.since > self.patience and not (
            busy and self.patience == KEEP_ALIVE_SECONDS
        )

    def _is_simple(self, route: Route) -> bool:
        """Whether nothing, on this connection or elsewhere, has to be waited for first."""
        return (
            not self.expect_100_continue
            and not self.app.waits(route)
            and (self.cycle is None or self.cycle.response_complete)
            and not self.flow.write_paused
        )

    def _begin_cycle(self) -> None:
        """Go uvicorn's way, with a scope and a task."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.headers, self.expect_100_continue = url, headers, expects
        self.scope["headers"] = headers
        super().on_headers_complete()

    def _open(self, route: Route) -> None:
        refusal = self.app.check(self.parser.get_method(), self.headers)
        if refusal is None:
            self._route, self._parts, self._size = route, [], 0
        else:
            self._write(refusal)

    def _write(self, reply: Reply) -> None:
        if self.transport.is_closing():
            return
        leaving = (
            reply.close
            or self.app.draining
            or not self.parser.should_keep_alive()
            or self.parser.get_http_version() == "1.0"
        )
        head = STATUS_LINE[reply.status] + b"content-type: %b\r\ncontent-length: %d\r\n" % (
            reply.media,
            len(reply.body),
        )
        for name, value in reply.headers:
            head += b"%b: %b\r\n" % (name, value)
        self.transport.write(
            head + (b"connection: close\r\n\r\n" if leaving else b"\r\n") + reply.body
        )
        if leaving:
            self.transport.close()


def close_overdue(connections: Iterable[Any], now: float) -> int:
    """Close what keeps us waiting; how many that were."""
    overdue = [
        connection
        for connection in list(connections)
        if isinstance(connection, GuardedProtocol) and connection.is_overdue(now)
    ]
    for connection in overdue:
        connection.transport.abort()
    return len(overdue)
