"""What the doors and the probes share of ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from functools import cache
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]
TEXT = b"text/plain; charset=utf-8"


class Later:
    """An application that is built while others are served already, or when it is first called."""

    def __init__(self, build: Callable[[], Application]) -> None:
        self.ready = cache(build)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        application = await asyncio.to_thread(self.ready)
        await application(scope, receive, send)


async def respond(
    send: Send, status: int, body: bytes, *more: tuple[bytes, bytes], media: bytes = TEXT
) -> None:
    """Answer with a body of this media type; `more` are further headers."""
    headers = [(b"content-type", media), (b"content-length", b"%d" % len(body)), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
