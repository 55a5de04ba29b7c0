"""Rows about too much at once, too slowly, and the end: nobody who behaves is lost."""

from __future__ import annotations

import asyncio
import http.client
import io
import signal
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from itertools import chain
from pathlib import Path

import pytest

from tests.faults.serving import (
    HOST,
    JSON_MEDIA,
    PATIENCE,
    Answer,
    Serving,
    read_answer,
    read_answers,
    request,
    wait_for,
)
from tests.reviews import ask_stored, pod, written
from webhook.protocol import MOST_CONNECTIONS

GOOD = written(ask_stored(pod()))
ALIVE = (200, "ok\n")


@pytest.fixture(scope="module")
def crowded(keys: Path, view: Path) -> Iterator[Serving]:
    """A server for those who would disturb others."""
    with Serving(keys, "--cluster", view) as serving:
        yield serving
        assert "Traceback" not in serving.errors


def closed(connection: ssl.SSLSocket) -> bool:
    """Whether the server has closed, with a farewell or without."""
    connection.settimeout(0.01)
    try:
        return connection.recv(4096) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_row_48_who_does_not_finish_a_request_is_closed(crowded: Serving) -> None:
    whole = request(GOOD)
    slow = whole[: len(whole) - 20]
    beginnings = [whole[:30], slow, b"P", request(b"", "Transfer-Encoding: chunked")[:-4]]
    before = crowded.metric("bad_requests_total", reason="slow")
    with ExitStack() as stack:
        connections = [stack.enter_context(crowded.connect()) for _ in beginnings]
        dribbling = stack.enter_context(crowded.connect())
        resting = stack.enter_context(crowded.connect())
        for connection in (*connections, dribbling, resting):
            connection.sendall(whole)
            with connection.makefile("rb") as stream:
                assert read_answer(stream) is not None
        for connection, beginning in zip(connections, beginnings, strict=True):
            connection.sendall(beginning)
        dribble = iter(whole[:-1])

        def all_closed() -> bool:
            with suppress(OSError):
                dribbling.sendall(bytes([next(dribble)]))
            return all(closed(each) for each in (*connections, dribbling))

        wait_for(all_closed, "the slow are closed")
        assert not closed(resting), "who rests between two requests may"
    assert crowded.metric("bad_requests_total", reason="slow") == before + len(beginnings) + 1
    assert crowded.ask(ask_stored(pod()))["allowed"]


def test_row_48_a_thousand_silent_connections_disturb_nobody(crowded: Serving) -> None:
    with ExitStack() as stack:
        for _ in range(1000):
            stack.enter_context(crowded.connect_plain())
        assert crowded.ask(ask_stored(pod()))["allowed"]
        assert (crowded.probe("/livez"), crowded.probe("/readyz")) == (ALIVE, ALIVE)


def test_row_48_there_is_a_last_connection(crowded: Serving) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(crowded.connect())
        for _ in range(MOST_CONNECTIONS - 1):
            stack.enter_context(crowded.connect())
        wait_for(lambda: _is_refused(crowded), "one too many is refused")
        assert crowded.probe("/livez") == ALIVE
        first.sendall(request(GOOD, "Connection: close"))
        (answer,) = read_answers(first)
        assert answer.response["allowed"], "and who came before is served"
    wait_for(lambda: not _is_refused(crowded), "there is room again")


def _is_refused(server: Serving) -> bool:
    try:
        return not server.send(GOOD).response["allowed"]
    except (OSError, http.client.HTTPException):
        return True


def test_row_48_a_burst_is_answered_or_told_to_come_again(crowded: Serving) -> None:
    async def burst() -> list[Answer]:  # no threads: none may send while another receives
        reader, writer = await asyncio.open_connection(HOST, crowded.port, ssl=crowded.context)
        writer.write(request(GOOD) * 249 + request(GOOD, "Connection: close"))
        received = io.BytesIO(await reader.read())
        writer.close()
        return list(iter(lambda: read_answer(received), None))

    async def bursts() -> list[list[Answer]]:
        return await asyncio.gather(*(burst() for _ in range(8)))

    answers = list(chain.from_iterable(asyncio.run(bursts())))
    assert len(answers) == 2000
    for answer in answers:
        if answer.status == 503:
            assert answer.headers["retry-after"] == "1"
        else:
            assert answer.response["allowed"]
    assert crowded.probe("/livez") == ALIVE
    crowded.counts(
        sum(answer.status == 503 for answer in answers), "shed_total", reason="overloaded"
    )


class Load:
    """Callers that ask without pause, as the API server: one connection each, used again."""

    def __init__(self, server: Serving, callers: int) -> None:
        self.answered = 0
        self.told_to_leave = 0
        self.failures: list[str] = []
        self._server = server
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(callers)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask no more."""
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _call(self) -> None:
        client = self._server.client()
        while not self._over.is_set():
            try:
                client.request("POST", "/validate?timeout=4s", GOOD, JSON_MEDIA)
                answer = Answer.read(client.getresponse())
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
            else:
                self.answered += answer.status == 200
                self.told_to_leave += answer.headers.get("connection") == "close"
        client.close()


def test_row_58_the_end_under_load_loses_no_request(keys: Path, view: Path) -> None:
    environment = {"SALLYPORT_DRAIN_SECONDS": "2"}
    with Serving(keys, "--cluster", view, environment=environment) as server:
        load = Load(server, 4)
        wait_for(lambda: load.answered > 100, "the load runs")
        server.signal(signal.SIGTERM)
        wait_for(lambda: load.told_to_leave > 20, "the callers are told to leave")
        assert server.probe("/readyz") == (503, "draining\n")
        assert server.probe("/livez") == ALIVE
        load.stop()
        assert load.failures == []
        assert server.end() == 0
        assert len(server.log) == load.answered, "each has its line in the log"


def test_row_58_a_request_that_arrives_while_it_ends_is_answered(keys: Path, view: Path) -> None:
    whole = request(GOOD)
    environment = {"SALLYPORT_DRAIN_SECONDS": "0"}
    with Serving(keys, "--cluster", view, environment=environment) as server:
        with server.connect() as idle, server.connect() as busy, busy.makefile("rb") as stream:
            busy.sendall(whole[:-10])
            assert server.ask(ask_stored(pod()))["allowed"], "what was sent before has arrived"
            server.signal(signal.SIGTERM)
            wait_for(lambda: closed(idle), "it ends")
            busy.sendall(whole[-10:])
            answer = read_answer(stream)
        assert answer is not None
        assert answer.response["allowed"]
        assert answer.headers["connection"] == "close"
        assert server.end() == 0


def test_row_58_nobody_holds_up_the_end(keys: Path, view: Path) -> None:
    environment = {"SALLYPORT_DRAIN_SECONDS": "60"}
    with Serving(keys, "--cluster", view, environment=environment) as server, server.connect():
        server.signal(signal.SIGTERM)
        wait_for(lambda: server.probe("/readyz")[0] == 503, "it drains")
        assert server.ask(ask_stored(pod()))["allowed"], "which may last"
        server.signal(signal.SIGTERM)
        assert server.end() == 0, "but not when it is told again"


def test_row_58_a_process_that_is_killed_leaves_its_port(keys: Path, view: Path) -> None:
    with Serving(keys, "--cluster", view) as server:
        server.process.kill()
        assert server.end() == -signal.SIGKILL
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", server.port), timeout=1)


def test_a_connection_is_used_again_after_a_rest(crowded: Serving) -> None:
    client = crowded.client()
    for pause in (0.0, 1.0, 0.0):  # sweeps pass over it meanwhile
        time.sleep(pause)
        client.request("POST", "/validate", GOOD, JSON_MEDIA)
        assert Answer.read(client.getresponse()).response["allowed"]
    client.close()
