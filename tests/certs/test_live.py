"""Real handshakes, over asyncio and uvloop, while the certificate changes under them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import uvloop
from cryptography import x509

from certs import issue, pem
from certs.issue import Authority, Pair
from certs.reload import BadPair, ServedPair
from tests.certs.moments import LOCAL, NAME
from tests.certs.volume import Volume

LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [
    asyncio.new_event_loop,
    uvloop.new_event_loop,
]
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@dataclass(frozen=True, slots=True)
class Site:
    """A served pair on a volume, and all that is needed to change it."""

    authority: Authority
    volume: Volume
    served: ServedPair
    now: datetime

    def rotate(self) -> int:
        """A new leaf, served from now on; its serial."""
        pair = issue.issue_leaf(self.authority, LOCAL, now=self.now)
        self.volume.swap(pair)
        assert self.served.refresh(self.now)
        return self.served.serial

    def trust(self) -> ssl.SSLContext:
        """What a client of this site trusts: its authority alone."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self.authority.certificate.decode())
        return context


@pytest.fixture
def site(tmp_path: Path) -> Site:
    now = datetime.now(UTC)  # OpenSSL looks at the real clock
    authority = issue.issue_authority(LOCAL, now=now)
    volume = Volume(tmp_path / "volume", issue.issue_leaf(authority, LOCAL, now=now))
    served = ServedPair(volume.certificate, volume.key, now=now)
    return Site(authority, volume, served, now)


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, None]], None]:
    """Run a coroutine to its end in a loop of one kind."""

    def run_there(work: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(work)

    return run_there


Run = Callable[[Coroutine[Any, Any, None]], None]


@asynccontextmanager
async def _serve(context: ssl.SSLContext) -> AsyncIterator[int]:
    """An echo server; its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


class Caller:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.tls: ssl.SSLObject = writer.get_extra_info("ssl_object")

    async def ask(self) -> int:
        """One question and its answer; the serial of the certificate shown."""
        self._writer.write(b"hello\n")
        assert await self._reader.readline() == b"hello\n"
        der = self.tls.getpeercert(binary_form=True)
        assert der is not None
        return x509.load_der_x509_certificate(der).serial_number

    async def close(self) -> None:
        """Say goodbye and wait until it is heard."""
        self._writer.close()
        await self._writer.wait_closed()


@asynccontextmanager
async def _call(port: int, trust: ssl.SSLContext, name: str = NAME) -> AsyncIterator[Caller]:
    """A client of its own; an empty name sends no SNI, and then none is checked."""
    trust.check_hostname = bool(name)
    stream = await asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname=name)
    caller = Caller(*stream)
    try:
        yield caller
    finally:
        await caller.close()


def test_no_handshake_fails_while_pairs_change(site: Site, run: Run) -> None:
    async def work() -> None:
        async with _serve(site.served.context) as port:
            served = {site.served.serial}

            async def call_often() -> None:
                for _ in range(20):
                    async with _call(port, site.trust()) as caller:
                        assert await caller.ask() in served

            async with asyncio.TaskGroup() as callers:
                tasks = [callers.create_task(call_often()) for _ in range(16)]
                while not all(task.done() for task in tasks):
                    served.add(site.rotate())
                    for _ in range(5):
                        await asyncio.sleep(0)
            assert len(served) > 10

    run(work())


def test_an_open_connection_outlives_the_change(site: Site, run: Run) -> None:
    async def work() -> None:
        async with _serve(site.served.context) as port, _call(port, site.trust()) as old:
            first = await old.ask()
            second = site.rotate()
            async with _call(port, site.trust()) as fresh:
                assert await fresh.ask() == second
            assert await old.ask() == first

    run(work())


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
@pytest.mark.parametrize("name", [NAME, "localhost", "127.0.0.1", "other.example", ""])
def test_whatever_name_a_client_sends(
    name: str, version: ssl.TLSVersion, site: Site, run: Run
) -> None:
    """127.0.0.1 is no name for SNI, so that is a client without SNI that does check."""

    async def work() -> None:
        async with _serve(site.served.context) as port:
            for _ in range(2):
                serial = site.rotate()
                trust = site.trust()
                trust.minimum_version = trust.maximum_version = version
                if name == "other.example":
                    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
                        async with _call(port, trust, name):
                            pass
                    continue
                async with _call(port, trust, name) as caller:
                    assert await caller.ask() == serial
                    assert caller.tls.version() == version.name.replace("_", ".")

    run(work())


def test_a_wrong_name_is_served_all_the_same(site: Site, run: Run) -> None:
    async def work() -> None:
        reader = asyncio.StreamReader()
        async with _serve(site.served.context) as port:
            trust = site.trust()
            trust.check_hostname = False
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=trust, server_hostname="other.example"
            )
            caller = Caller(reader, writer)
            assert await caller.ask() == site.served.serial
            await caller.close()

    run(work())


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_protocols_are_refused_by_the_server(version: ssl.TLSVersion, site: Site) -> None:
    trust = site.trust()
    trust.set_ciphers("ALL:@SECLEVEL=0")  # else the client itself would refuse
    trust.minimum_version = trust.maximum_version = version
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trust.wrap_bio(back, there, server_hostname=NAME)
    server = site.served.context.wrap_bio(there, back, server_side=True)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    with pytest.raises(ssl.SSLError, match="UNSUPPORTED_PROTOCOL"):
        server.do_handshake()


@pytest.mark.parametrize("wanted", ["AES128-GCM-SHA256", "AES256-GCM-SHA384"])
def test_the_caller_says_which_cipher_is_best(wanted: str, site: Site, run: Run) -> None:
    async def work() -> None:
        async with _serve(site.served.context) as port:
            trust = site.trust()
            trust.maximum_version = ssl.TLSVersion.TLSv1_2  # of newer ones Python sets no order
            trust.set_ciphers(f"ECDHE-ECDSA-{wanted}:ECDHE+AESGCM")
            async with _call(port, trust) as caller:
                name, *_ = caller.tls.cipher() or ("none",)
                assert name == f"ECDHE-ECDSA-{wanted}"

    run(work())


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_no_tickets(version: ssl.TLSVersion, site: Site, run: Run) -> None:
    async def work() -> None:
        async with _serve(site.served.context) as port:
            trust = site.trust()
            trust.minimum_version = trust.maximum_version = version
            async with _call(port, trust) as caller:
                await caller.ask()  # a ticket would come before the answer
                assert caller.tls.session is not None
                assert not caller.tls.session.has_ticket

    run(work())


def test_http_1_1_is_what_is_spoken(site: Site, run: Run) -> None:
    async def work() -> None:
        async with _serve(site.served.context) as port:
            trust = site.trust()
            trust.set_alpn_protocols(["h2", "http/1.1"])
            async with _call(port, trust) as caller:
                assert caller.tls.selected_alpn_protocol() == "http/1.1"

    run(work())


def test_a_bad_pair_on_disk_harms_nobody(site: Site, run: Run) -> None:
    async def work() -> None:
        async with _serve(site.served.context) as port:
            before = site.served.serial
            other = issue.issue_leaf(site.authority, LOCAL, now=site.now)
            good = issue.issue_leaf(site.authority, LOCAL, now=site.now)
            site.volume.swap(Pair(other.chain, good.key))
            with pytest.raises(BadPair):
                site.served.refresh(site.now)
            async with _call(port, site.trust()) as caller:
                assert await caller.ask() == before
            assert site.rotate() != before

    run(work())


def test_a_refresh_in_a_thread_disturbs_no_handshake(site: Site, run: Run) -> None:
    async def work() -> None:
        async with _serve(site.served.context) as port:

            async def call_often() -> None:
                for _ in range(20):
                    async with _call(port, site.trust()) as caller:
                        await caller.ask()

            async with asyncio.TaskGroup() as callers:
                tasks = [callers.create_task(call_often()) for _ in range(8)]
                while not all(task.done() for task in tasks):
                    await asyncio.to_thread(site.rotate)

    run(work())


def test_uvicorn_takes_the_context(site: Site) -> None:
    async def app(scope: object, receive: object, send: object) -> None:
        """Is never called."""

    config = uvicorn.Config(app, ssl_context_factory=lambda *_: site.served.context, ws="none")
    config.load()
    assert config.ssl is site.served.context


def test_the_front_holds_no_certificate(site: Site) -> None:
    """So a handshake that the callback missed would fail, and not show a certificate of old."""
    leaf = pem.read_certificates(site.volume.certificate.read_bytes())[0]
    assert site.served.serial == leaf.serial_number
    assert site.served.context is not site.served._serving.context
    assert site.served.context.cert_store_stats()["x509"] == 0
