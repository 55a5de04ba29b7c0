"""An API server that says what a test tells it to, in order, over real HTTP."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from rules.model import JSON
from webhook.access import Access
from webhook.api import Api
from webhook.followed import FOLLOWED
from webhook.kept import Kept
from webhook.reflect import Notices, Reflector

PATIENCE = 20.0
NAMESPACES, CLASSES, INJECTORS, _, PEERS, DESTINATIONS = FOLLOWED[:6]

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


def space(name: str, version: int = 1, /, **labels: JSON) -> JSON:
    """A Namespace as the API server sends it."""
    metadata = {"name": name, "resourceVersion": str(version), "uid": "u", "labels": labels}
    return {"metadata": metadata | {"managedFields": [{"manager": "x"}]}, "spec": {}}


def policy(name: str, version: int = 1, /, *, space: str = "t", mode: str = "STRICT") -> JSON:
    """A PeerAuthentication as the API server sends it."""
    metadata = {"namespace": space, "name": name, "resourceVersion": str(version)}
    return {"metadata": metadata, "spec": {"mtls": {"mode": mode}}}


def page(*objects: JSON, version: int = 10, more: str = "") -> Answer:
    """A page of a list; `more` where it is not the last."""
    metadata = {"resourceVersion": str(version), "continue": more}
    return whole(json.dumps({"kind": "List", "metadata": metadata, "items": objects}).encode())


def whole(body: bytes, status: str = "200 OK") -> Answer:
    """An answer with a length."""

    async def write(writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)

    return write


def refusal(code: int) -> Answer:
    """A refusal with a Status."""
    status = {"kind": "Status", "code": code, "message": "no"}
    return whole(json.dumps(status).encode(), f"{code} No")


def event(kind: str, value: JSON) -> bytes:
    """A line of a watch."""
    return json.dumps({"type": kind, "object": value}).encode() + b"\n"


def bookmark(version: int) -> bytes:
    """A line that only says how far we are."""
    return event("BOOKMARK", {"kind": "x", "metadata": {"resourceVersion": str(version)}})


def watch(*lines: bytes, ends: bool = True) -> Answer:
    """A watch that says these lines and then ends, or stays silent."""

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for line in lines:
            writer.write(b"%x\r\n%b\r\n" % (len(line), line))
            await writer.drain()
        if ends:
            writer.write(b"0\r\n\r\n")
        else:
            await asyncio.sleep(PATIENCE)

    return write


async def cut(writer: asyncio.StreamWriter) -> None:
    """Hang up without a word."""
    writer.transport.abort()


@dataclass
class Told:
    """What came of following a script: what was asked, and what was noticed."""

    asked: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    changes: list[dict[str, Any]] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    served: list[bool] = field(default_factory=list)
    lists: int = 0
    objects: dict[str, Any] = field(default_factory=dict)
    age: float = 0.0
    synced: bool = False

    @property
    def labels(self) -> dict[str, dict[str, str]]:
        """The labels of the namespaces that are known in the end."""
        return {name: found.labels for name, found in self.objects.items()}


class Scripted:
    """Answers each request with the next of its answers; `over` once there is none left."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self._answers = list(answers)
        self.told = Told()
        self.over = asyncio.Event()
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def close(self) -> None:
        """End all connections."""
        for task, writer in self._open.items():
            task.cancel()
            if not writer.is_closing():
                writer.transport.abort()
        await asyncio.gather(*self._open, return_exceptions=True)
        await asyncio.sleep(0)  # a transport closes its socket in the next round

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A connection begins."""
        self._open[asyncio.create_task(self._handle(reader, writer))] = writer

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        head = await reader.readuntil(b"\r\n\r\n")
        url = urlsplit(head.split()[1].decode())
        self.told.paths.append(url.path)
        self.told.asked.append(dict(parse_qsl(url.query)))
        answer = self.next(url.path)
        if answer is None:
            self.over.set()
        else:
            await answer(writer)
        writer.close()

    def next(self, path: str) -> Answer | None:  # noqa: ARG002  # others answer by the path
        """The answer to the next request."""
        return self._answers.pop(0) if self._answers else None


def speak(
    answers: Sequence[Answer],
    test: Callable[[Api, Scripted], Awaitable[None]],
    script: type[Scripted] = Scripted,
) -> Told:
    """Run a test against an API server that gives these answers."""

    async def run() -> Told:
        scripted = script(answers)
        server = await asyncio.start_server(scripted.accept, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        api = Api(Access(f"http://{host}:{port}"))
        try:
            async with asyncio.timeout(PATIENCE):
                await test(api, scripted)
        finally:
            await api.close()
            server.close()
            await scripted.close()
        return scripted.told

    return asyncio.run(run())


def follow(*answers: Answer, kept: Kept = NAMESPACES) -> Told:
    """What a Reflector makes of these answers, once it asks for more."""

    async def test(api: Api, scripted: Scripted) -> None:
        told = scripted.told

        def count() -> None:
            told.lists += 1

        notices = Notices(
            changed=lambda: told.changes.append(dict(reflector.objects)),
            listed=count,
            failed=lambda reason: told.errors.update([reason]),
            served=told.served.append,
        )
        reflector = Reflector(api, kept, notices)
        running = asyncio.create_task(reflector.run())
        over = asyncio.create_task(scripted.over.wait())
        await asyncio.wait([running, over], return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        running.cancel()
        if running.done():
            running.result()
        told.objects = reflector.objects
        told.age = reflector.age()
        told.synced = reflector.synced.is_set()

    return speak(answers, test)
