"""The floor: uvicorn with uvloop and httptools, a bare ASGI application, one answer for all.

No Python server with this stack can do less and still read the body, so our cost is told in
multiples of it. TLS and HTTP are set as ours are. With `--echo` the answer has the uid of the
review, which the API server insists on; without it the answer is a constant.
"""

from __future__ import annotations

import argparse
import base64
import json
import ssl
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

HEAD = b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"'
UID = b"00000000-0000-4000-8000-000000000000"
TAIL = b'","allowed":true%b}}'
MARK = b'"uid":"'

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Floor:
    """The application. `patch`, a JSON patch, is what /mutate answers."""

    def __init__(self, patch: str, *, echo: bool) -> None:
        coded = base64.b64encode(patch.encode())
        mended = b',"patch":"%b","patchType":"JSONPatch"' % coded if patch else b""
        self._echo = echo
        self._tails = {"/validate": TAIL % b"", "/mutate": TAIL % mended}

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Read the body, and answer."""
        body = b""
        more = True
        while more:
            message = await receive()
            body += message["body"]
            more = message["more_body"]
        uid = UID
        if self._echo:
            begin = body.index(MARK) + len(MARK)
            uid = body[begin : begin + len(UID)]
        answer = HEAD + uid + self._tails[scope["path"]]
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(answer)),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


class Server(uvicorn.Server):
    """uvicorn, which says its port as ours does."""

    async def startup(self, sockets: Any = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        port = self.servers[0].sockets[0].getsockname()[1]
        sys.stdout.write(json.dumps({"ready": True, "port": port}) + "\n")
        sys.stdout.flush()


def tls(certificate: str, key: str) -> ssl.SSLContext:
    """As ours: TLS 1.2 and newer, HTTP/1.1, the caller's order of ciphers, no tickets."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    context.load_cert_chain(certificate, key)
    return context


def main() -> None:
    """Serve until told to end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tls-cert", required=True)
    parser.add_argument("--tls-key", required=True)
    parser.add_argument("--patch", default="")
    parser.add_argument("--echo", action="store_true")
    asked = parser.parse_args()
    context = tls(asked.tls_cert, asked.tls_key)
    config = uvicorn.Config(
        Floor(asked.patch, echo=asked.echo),
        host="127.0.0.1",
        port=0,
        http="httptools",
        ws="none",
        loop="uvloop",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        backlog=2048,
        timeout_keep_alive=120,
        ssl_context_factory=lambda _config, _default: context,
    )
    Server(config).run()


if __name__ == "__main__":
    main()
