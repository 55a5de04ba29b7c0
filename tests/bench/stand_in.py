"""An API server that holds many objects and does nothing else: what it sends is as real ones do.

A real one would take the core that the load needs, and cannot be told to forget a version. Each
`GET /expire/namespaces` ends the watches of namespaces with 410, so that all must be listed again,
and `GET /expire/pods` those of pods.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import overload
from urllib.parse import parse_qsl, urlsplit

import orjson

from rules.model import JSON
from tests.bench import samples
from webhook.followed import FOLLOWED

HEAD = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\n"
VERSION = "100000"
GROUPS = 6
"""Of so many workloads the pods of a namespace are."""
GONE = {"kind": "Status", "code": 410, "message": "too old resource version"}


def stored(number: int) -> JSON:
    """A namespace as the API server stores it: about 1.2 KB, half of it bookkeeping."""
    name = name_of(number)
    value = samples.namespace(name, **(samples.UNMESHED if name == samples.ALONE else {}))
    value["metadata"]["labels"] |= {"team": f"team-{number % 300}", "cost-centre": f"{number:06d}"}
    labels: JSON = {f"f:{key}": {} for key in value["metadata"]["labels"]}
    fields = {"f:metadata": {"f:labels": {".": {}, **labels}}}
    value["metadata"] |= {
        "uid": samples.UID,
        "resourceVersion": str(number + 1),
        "creationTimestamp": samples.TIME,
        "annotations": {"example.com/owner": f"team-{number % 300}@example.com"},
        "managedFields": [
            {
                "manager": manager,
                "operation": "Update",
                "apiVersion": "v1",
                "time": samples.TIME,
                "fieldsType": "FieldsV1",
                "fieldsV1": fields,
            }
            for manager in ("kubectl-create", "platform")
        ],
    }
    return value | {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}


def name_of(number: int) -> str:
    """The namespaces by number; the first are those of the samples."""
    own = (samples.NAMESPACE, samples.ALONE)
    return own[number] if number < len(own) else f"tenant-{number:05d}"


class Pods(Sequence[bytes]):
    """So many pods as the API server stores them, in so many namespaces: about 5 KB each.

    They are written when they are asked for: all of them together would be half a gigabyte.
    """

    def __init__(self, count: int, namespaces: int) -> None:
        self._count, self._namespaces = count, namespaces
        value = samples.running_pod("@name@", "@namespace@", "@app@", "@address@")
        self._text = orjson.dumps(value)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, at: int) -> bytes: ...
    @overload
    def __getitem__(self, at: slice) -> list[bytes]: ...
    def __getitem__(self, at: int | slice) -> bytes | list[bytes]:
        if isinstance(at, slice):
            return [self[number] for number in range(*at.indices(self._count))]
        number, place = divmod(at, self._namespaces)
        said = {
            b"@name@": b"checkout-74dcf8cdc-%05d" % number,
            b"@namespace@": name_of(place).encode(),
            b"@app@": b"app-%d" % (number % GROUPS),
            b"@address@": b"10.%d.%d.%d" % (at >> 16 & 255, at >> 8 & 255, at & 255),
        }
        text = self._text
        for word, value in said.items():
            text = text.replace(word, value)
        return text


class StandIn:
    """Lists by pages, and watches in which nothing happens."""

    def __init__(self, objects: Iterable[JSON], pods: Pods) -> None:
        resources = {kept.kind.kind: kept.kind.resource for kept in FOLLOWED}
        self._texts: dict[str, list[bytes]] = {name: [] for name in resources.values()}
        for value in objects:
            self._texts[resources[value["kind"]]].append(orjson.dumps(value))
        self._pods = pods
        self._expired: dict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, with one request after the other."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                url = urlsplit(head.split()[1].decode())
                above, resource = url.path.rsplit("/", 2)[1:]
                query = dict(parse_qsl(url.query))
                if above == "expire":
                    self._expired.pop(resource, asyncio.Event()).set()
                    self._answer(writer, b"{}")
                elif "watch" in query:
                    await self._watch(writer, resource)
                else:
                    self._answer(writer, self._page(resource, query))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _answer(self, writer: asyncio.StreamWriter, body: bytes) -> None:
        writer.write(HEAD % b"200 OK" + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    def _page(self, resource: str, query: dict[str, str]) -> bytes:
        found = self._pods if resource == "pods" else self._texts[resource]
        first, limit = int(query.get("continue", 0)), int(query.get("limit", len(found)))
        last = first + limit
        metadata = {"resourceVersion": VERSION}
        if last < len(found):
            metadata["continue"] = str(last)
        items = b",".join(found[first:last])
        return b'{"metadata":%b,"items":[%b]}' % (json.dumps(metadata).encode(), items)

    async def _watch(self, writer: asyncio.StreamWriter, resource: str) -> None:
        writer.write(HEAD % b"200 OK" + b"Transfer-Encoding: chunked\r\n\r\n")
        await writer.drain()
        await self._expired[resource].wait()
        line = json.dumps({"type": "ERROR", "object": GONE}).encode() + b"\n"
        writer.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(line), line))


async def main() -> None:
    """Serve for ever, and say where."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--namespaces", type=int, required=True)
    parser.add_argument("--pods", type=int, required=True)
    parser.add_argument("--tls-cert", required=True)
    parser.add_argument("--tls-key", required=True)
    asked = parser.parse_args()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(asked.tls_cert, asked.tls_key)
    objects = [*samples.CLUSTER, *map(stored, range(asked.namespaces))]
    standing = StandIn(objects, Pods(asked.pods, asked.namespaces))
    server = await asyncio.start_server(standing.handle, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    print(json.dumps({"ready": True, "port": port}), flush=True)  # noqa: T201  # for servers.Server
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
