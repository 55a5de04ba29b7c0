"""`sallyport serve` as a process of its own, and a client that speaks as the API server does."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Self, TypeVar

from prometheus_client.parser import text_string_to_metric_families

from certs.keep import keep_files

HOST = "127.0.0.1"
PROGRAM = [sys.executable, "-m", "webhook"]
ROOT = Path(__file__).parents[2]
PATIENCE = 20.0
"""Seconds that we wait for what must happen; it takes milliseconds."""
JSON_MEDIA = {"Content-Type": "application/json"}

_Found = TypeVar("_Found")


class Silent(AssertionError):
    """What was waited for did not happen."""


def wait_for(look: Callable[[], _Found], what: str, *, seconds: float = PATIENCE) -> _Found:
    """Look until there is something true to see."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise Silent(f"{what}: not within {seconds:g} s")
        time.sleep(0.01)


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def read(cls, response: http.client.HTTPResponse) -> Answer:
        """The answer, with header names in lower case."""
        with response:
            headers = {name.lower(): value for name, value in response.getheaders()}
            return cls(response.status, headers, response.read())

    @property
    def response(self) -> Any:
        """The response of the AdmissionReview in it."""
        assert self.status == 200, (self.status, self.body)
        review = json.loads(self.body)
        assert (review["apiVersion"], review["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
        return review["response"]


class Serving:
    """A running server. `log` has the lines of its decision log so far."""

    def __init__(
        self, keys: Path, *flags: str | Path, environment: Mapping[str, str] | None = None
    ) -> None:
        """Start it with the certificate in the folder `keys`; returns once it is ready."""
        self.context = trusting(keys / "ca.crt")
        self.log: list[Any] = []
        self._errors: list[bytes] = []
        self.process = start(*command(keys, *flags), environment=environment)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._readers = [
            threading.Thread(target=self._errors.extend, args=(self.process.stderr,), daemon=True),
            threading.Thread(target=self._keep_log, daemon=True),
        ]
        self._readers[0].start()
        first = self.process.stdout.readline()
        if not first:
            raise Silent(f"it ended with {self.process.wait(PATIENCE)} and said: {self.errors}")
        self.ready: Any = json.loads(first)
        self.port: int = self.ready["port"]
        self.probe_port: int = self.ready["probe_port"]
        self._readers[1].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.end()

    def end(self) -> int:
        """Wait until the process has ended; its exit code."""
        code = self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        return code

    @property
    def errors(self) -> str:
        """What it wrote to stderr so far."""
        return b"".join(self._errors).decode()

    def connect(self, **options: Any) -> ssl.SSLSocket:
        """A TLS connection. `options`: of SSLContext.wrap_socket, and `context`."""
        context = options.pop("context", self.context)
        plain = self.connect_plain()
        try:
            wrapped: ssl.SSLSocket = context.wrap_socket(
                plain, **{"server_hostname": HOST, **options}
            )
        except BaseException:
            plain.close()
            raise
        return wrapped

    def connect_plain(self) -> socket.socket:
        """A TCP connection to the TLS port."""
        plain = socket.create_connection((HOST, self.port), timeout=PATIENCE)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return plain

    def talk(self, *parts: bytes) -> list[Answer]:
        """The answers to what is sent on one connection, until the server closes it."""
        with self.connect() as connection:
            send_all(connection, *parts)
            return list(read_answers(connection))

    def client(self) -> http.client.HTTPSConnection:
        """An HTTP client that keeps its connection."""
        return http.client.HTTPSConnection(HOST, self.port, timeout=PATIENCE, context=self.context)

    def send(
        self,
        body: bytes,
        path: str = "/validate",
        *,
        method: str = "POST",
        headers: Mapping[str, str] = JSON_MEDIA,
    ) -> Answer:
        """One request on a connection of its own."""
        client = self.client()
        try:
            client.request(method, path, body, dict(headers))
            return Answer.read(client.getresponse())
        finally:
            client.close()

    def ask(self, review: Any, path: str = "/validate") -> Any:
        """The response to an AdmissionReview, which is always HTTP 200 and has its uid."""
        response = self.send(json.dumps(review).encode(), path).response
        assert response["uid"] == review["request"]["uid"]
        return response

    def probe(self, path: str) -> tuple[int, str]:
        """Status and text of a path on the probe port."""
        client = http.client.HTTPConnection(HOST, self.probe_port, timeout=PATIENCE)
        try:
            client.request("GET", path)
            answer = Answer.read(client.getresponse())
        finally:
            client.close()
        return answer.status, answer.body.decode()

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of this name that have these labels."""
        return sum(
            sample.value
            for family in text_string_to_metric_families(self.probe("/metrics")[1])
            for sample in family.samples
            if sample.name == f"sallyport_{name}" and labels.items() <= sample.labels.items()
        )

    def counts(self, expected: float, name: str, **labels: str) -> None:
        """Wait until a metric says this: answers are counted a moment later."""
        wait_for(lambda: self.metric(name, **labels) == expected, f"{name} {labels} is {expected}")

    def line(self, uid: str) -> Any:
        """The line of the decision log about a review, once it is written."""
        return wait_for(
            lambda: next((line for line in self.log if line["decision_id"] == uid), None),
            f"the decision log has a line for {uid}",
        )

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def _keep_log(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.log.append(json.loads(line))


def request(
    body: bytes,
    *lines: str,
    path: str = "/validate",
    version: str = "1.1",
    length: int | None = None,
) -> bytes:
    """A request as bytes; `lines` are further lines of its head, `length` a lie about the body."""
    head = [
        f"POST {path} HTTP/{version}",
        "Host: sallyport",
        "Content-Type: application/json",
        f"Content-Length: {len(body) if length is None else length}",
        *lines,
    ]
    return "\r\n".join([*head, "\r\n"]).encode() + body


def chunked(body: bytes, size: int = 100) -> bytes:
    """A request in chunks of this size."""
    head = request(b"", "Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")
    return head + in_chunks(body, size) + b"0\r\n\r\n"


def in_chunks(body: bytes, size: int) -> bytes:
    """The chunks of a body, without the last."""
    cut = (body[start : start + size] for start in range(0, len(body), size))
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in cut)


def send_all(connection: ssl.SSLSocket, *parts: bytes) -> None:
    """Send, as far as the peer takes it: it may refuse and close before it has heard all."""
    with suppress(OSError):
        for part in parts:
            connection.sendall(part)


def read_answers(connection: ssl.SSLSocket) -> Iterator[Answer]:
    """Every answer until the server closes."""
    with connection.makefile("rb") as stream, suppress(ConnectionError):
        while (answer := read_answer(stream)) is not None:
            yield answer


def read_answer(stream: BinaryIO) -> Answer | None:
    """The next answer; None where the server closed instead."""
    status = stream.readline().split()
    if not status:
        return None
    headers = http.client.parse_headers(stream)
    length = int(headers.get("content-length", "0"))
    named = {name.lower(): value for name, value in headers.items()}
    return Answer(int(status[1]), named, stream.read(length))


def command(keys: Path, *flags: str | Path) -> list[str]:
    """The command line of a server on free ports."""
    return [
        *(*PROGRAM, "serve", "--host", HOST, "--port", "0"),
        *("--probe-port", "0", "--tls-cert", str(keys / "tls.crt")),
        *("--tls-key", str(keys / "tls.key"), *map(str, flags)),
    ]


def start(*words: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """A process with pipes for what it says, free of our own environment's settings."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("SALLYPORT_")}
    return subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=own | dict(environment or {}),
    )


def issue(folder: Path) -> Path:
    """A folder with ca.crt, tls.crt and tls.key for our address."""
    keep_files(folder, [HOST, "localhost"], now=datetime.now(UTC))
    return folder


def trusting(authority: Path) -> ssl.SSLContext:
    """A client's context as Go's: TLS 1.2 at least, HTTP/1.1 only, one authority."""
    context = ssl.create_default_context(cafile=str(authority))
    context.set_alpn_protocols(["http/1.1"])
    return context
