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


class Later:
    """An application that is built while others are served already, or when it is first called."""

    def __init__(self, build: Callable[[], Application]) -> None:
        self.ready = cache(build)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        application = await asyncio.to_thread(self.ready)
        await application(scope, receive, send)


async def respond(send: Send, status: int, text: str) -> None:
    """Answer with a plain text."""
    body = text.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
