"""Rows about the wire: TLS, HTTP, sizes. The server is the real one, so is the connection."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults.serving import (
    HOST,
    JSON_MEDIA,
    Serving,
    chunked,
    in_chunks,
    read_answer,
    request,
    send_all,
    trusting,
    wait_for,
)
from tests.reviews import ask, ask_stored, pod, written, wrong_pod

GOOD = written(ask_stored(pod()))
MOST = 7 * 1024 * 1024
TOO_MUCH = b" " * (MOST + 1)
UNENDING = request(b"", "Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")


def statuses(server: Serving, *parts: bytes) -> list[int]:
    return [answer.status for answer in server.talk(*parts)]


def resident(server: Serving) -> int:
    """The memory of the server, in bytes."""
    pages = Path(f"/proc/{server.process.pid}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def test_row_03_a_body_of_7_mib_is_read_and_one_byte_more_is_refused(server: Serving) -> None:
    padded = GOOD + b" " * (MOST - len(GOOD))
    assert server.send(padded).response["allowed"]
    assert statuses(server, request(TOO_MUCH)) == [413]


def test_row_03_a_body_that_is_announced_too_large_is_refused_before_it_comes(
    server: Serving,
) -> None:
    assert statuses(server, request(b"", length=MOST + 1)) == [413]


@pytest.mark.parametrize("lines", [(), ("Expect: 100-continue",)], ids=["plain", "expect"])
def test_row_03_chunks_without_end_are_refused_while_they_come(
    server: Serving, lines: tuple[str, ...]
) -> None:
    head = UNENDING.replace(b"\r\n\r\n", "\r\n".join(["", *lines, "", ""]).encode())
    before = resident(server)
    megabyte = in_chunks(b" " * 1024 * 1024, 1024 * 1024)
    with server.connect() as connection:
        send_all(connection, head, *[megabyte] * 40)
        with connection.makefile("rb") as stream:
            answer = read_answer(stream)
            if answer is not None and answer.status == 100:
                answer = read_answer(stream)
    assert answer is not None
    assert (answer.status, answer.headers["connection"]) == (413, "close")
    assert resident(server) - before < 4 * MOST, "memory is flat"


@pytest.mark.parametrize("length", ["-1", "1e3", "99999999999999999999999999", "0x10", "7 7"])
def test_row_03_a_length_that_is_none_is_refused(server: Serving, length: str) -> None:
    lie = request(b"").replace(b"Content-Length: 0", f"Content-Length: {length}".encode())
    assert statuses(server, lie) == [400]


def test_row_03_a_length_that_lies_short_spoils_only_its_own_connection(server: Serving) -> None:
    assert statuses(server, request(GOOD, length=10)) == [400, 400]
    assert server.send(GOOD).response["allowed"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/jsonp"},
        {"Content-Type": "application/json-patch+json"},
        {"Content-Type": ""},
        JSON_MEDIA | {"Content-Encoding": "gzip"},
        JSON_MEDIA | {"Content-Encoding": "identity, gzip"},
    ],
)
def test_row_04_another_media_type_or_compression_is_refused(
    server: Serving, headers: dict[str, str]
) -> None:
    before = server.metric("bad_requests_total", reason="415")
    answer = server.send(GOOD, headers=headers)
    assert (answer.status, answer.headers["connection"]) == (415, "close")
    assert server.metric("bad_requests_total", reason="415") == before + 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json; charset=utf-8"},
        {"Content-Type": "Application/JSON"},
        JSON_MEDIA | {"Content-Encoding": "identity"},
    ],
)
def test_row_04_json_may_be_called_json_in_every_way(
    server: Serving, headers: dict[str, str]
) -> None:
    assert server.send(GOOD, headers=headers).response["allowed"]


def test_row_49_plain_http_on_the_tls_port_is_closed(server: Serving) -> None:
    with server.connect_plain() as connection:
        connection.sendall(request(GOOD))
        assert connection.recv(100) == b""


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_row_49_an_old_tls_is_refused(server: Serving, keys: Path, version: ssl.TLSVersion) -> None:
    context = trusting(keys / "ca.crt")
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with pytest.raises((ssl.SSLError, ConnectionError)):
        server.connect(context=context)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("name", [None, "localhost", "somebody.else"])
def test_row_49_any_sni_and_none_is_served_with_the_one_certificate(
    server: Serving, keys: Path, version: ssl.TLSVersion, name: str | None
) -> None:
    context = trusting(keys / "ca.crt")
    context.minimum_version = context.maximum_version = version
    context.check_hostname = False
    with server.connect(context=context, server_hostname=name) as connection:
        connection.sendall(request(GOOD, "Connection: close"))
        assert connection.selected_alpn_protocol() == "http/1.1"
        certificate: Any = connection.getpeercert()
        assert ("IP Address", HOST) in certificate["subjectAltName"]
        with connection.makefile("rb") as stream:
            answer = read_answer(stream)
    assert answer is not None
    assert answer.response["allowed"]


def test_row_49_a_flood_of_broken_handshakes_is_counted_and_floods_no_log(
    server: Serving,
) -> None:
    before = server.metric("connections_total", stage="accepted")
    said = len(server.errors)
    for number in range(60):
        with server.connect_plain() as connection:
            if number % 3 == 1:
                connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00junk")
            elif number % 3 == 2:
                connection.sendall(os.urandom(64))
    wait_for(
        lambda: server.metric("connections_total", stage="accepted") >= before + 60, "all counted"
    )
    assert server.send(GOOD).response["allowed"]
    assert server.errors[said:] == ""


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/validate", "/mutate"])
def test_row_50_another_method_is_refused(server: Serving, method: str, path: str) -> None:
    answer = server.send(b"", path, method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "path",
    [
        *("/", "//", "/validate/", "//validate", "/validate//", "/Validate", "/validate;x"),
        *("/validate/../mutate", "/x/../validate", "/..%2fvalidate", "/%76alidate", "/validate%00"),
        *("/docs", "/redoc", "/openapi.json", "/metrics", "/livez", "/readyz"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_row_50_an_unknown_path_is_not_found_and_redirects_nowhere(
    server: Serving, path: str, method: str
) -> None:
    answer = server.send(GOOD if method == "POST" else b"", path, method=method)
    assert answer.status == 404
    assert "location" not in answer.headers
    assert "server" not in answer.headers


@pytest.mark.parametrize("path", ["/" + "a" * 65536, "/validate?" + "a" * 65536])
def test_row_50_a_url_of_64_kib_is_too_long(server: Serving, path: str) -> None:
    assert statuses(server, request(GOOD, path=path)) == [414]


def test_row_51_a_header_of_5_mb_is_refused(server: Serving) -> None:
    assert statuses(server, request(GOOD, "X: " + "a" * 5_000_000)) == [431]


@pytest.mark.parametrize("count", [101, 10_000])
def test_row_51_too_many_headers_are_refused(server: Serving, count: int) -> None:
    assert statuses(server, request(GOOD, *["a: b"] * count)) == [431]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda good: good.replace(b"Transfer", b"Content-Length: 5\r\nTransfer"),
        lambda good: good.replace(b"chunked", b"chunked, identity"),
        lambda good: good.replace(b"chunked\r\n", b"chunked\r\nTransfer-Encoding: identity\r\n"),
        lambda good: good.replace(b"Transfer-Encoding:", b"Transfer-Encoding :"),
        lambda good: good.replace(b"Host: sallyport", b"Host: sallyport\r\n folded"),
        lambda good: good.replace(b"\r\n", b"\n"),
        lambda _: request(GOOD, "Content-Length: 3"),
        lambda _: UNENDING + b"zz\r\n",
        lambda _: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        lambda _: b"\x00\x01\x02" * 100,
        lambda _: "POST /validaté HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
        lambda _: b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_row_51_what_could_be_read_in_two_ways_is_refused_and_the_connection_closed(
    server: Serving, spoil: Callable[[bytes], bytes]
) -> None:
    before = server.metric("bad_requests_total", reason="400")
    hidden = request(written(ask(wrong_pod())))
    assert statuses(server, spoil(chunked(GOOD)) + hidden) == [400]
    assert server.metric("bad_requests_total", reason="400") == before + 1


def test_row_52_a_forged_review_is_answered_and_changes_nothing(server: Serving) -> None:
    forged = ask(
        wrong_pod(),
        namespace="kube-system",
        userInfo={"username": "system:admin", "groups": ["system:masters"]},
    )
    assert server.ask(forged)["allowed"]
    assert not server.ask(ask(wrong_pod()))["allowed"], "the next review is judged by itself"


def test_a_connection_is_used_again_and_again(server: Serving) -> None:
    client = server.client()
    sockets = set()
    for _ in range(5):
        client.request("POST", "/validate?timeout=4s", GOOD, JSON_MEDIA)
        with client.getresponse() as response:
            assert (response.status, response.getheader("connection")) == (200, None)
            response.read()
        sockets.add(id(client.sock))
    client.close()
    assert len(sockets) == 1


def test_pipelined_requests_are_answered_in_order(server: Serving) -> None:
    bad = written(ask_stored(wrong_pod()))
    answers = server.talk(
        request(GOOD)
        + request(bad)
        + request(b"", path="/nowhere")  # goes another way inside
        + chunked(GOOD)
        + request(GOOD, "Expect: 100-continue")
        + request(bad, "Connection: close")
    )
    decided = [answer for answer in answers if answer.status != 100]
    assert [answer.status for answer in decided] == [200, 200, 404, 200, 200, 200]
    allowed = [answer.response["allowed"] for answer in decided if answer.status == 200]
    assert allowed == [True, False, True, True, False]


def test_a_chunked_body_is_read_however_it_is_cut(server: Serving) -> None:
    for size in (1, 7, 4096):
        with server.connect() as connection:
            connection.sendall(chunked(GOOD, size))
            with connection.makefile("rb") as stream:
                answer = read_answer(stream)
        assert answer is not None
        assert answer.response["allowed"]


def test_a_request_may_arrive_byte_by_byte(server: Serving) -> None:
    whole = request(GOOD, "Connection: close")
    with server.connect() as connection:
        for number in range(len(whole)):
            connection.sendall(whole[number : number + 1])
        with connection.makefile("rb") as stream:
            answer = read_answer(stream)
    assert answer is not None
    assert answer.response["allowed"]


def test_who_expects_100_continue_is_told_to(server: Serving) -> None:
    head = request(b"", "Expect: 100-continue", length=len(GOOD))
    with server.connect() as connection, connection.makefile("rb") as stream:
        connection.sendall(head)
        first = read_answer(stream)
        connection.sendall(GOOD)
        second = read_answer(stream)
    assert first is not None
    assert second is not None
    assert (first.status, second.response["allowed"]) == (100, True)


def test_who_expects_100_continue_for_what_is_refused_is_told_that(server: Serving) -> None:
    assert statuses(server, request(b"", "Expect: 100-continue", length=MOST + 1)) == [413]


@pytest.mark.parametrize("lines", [(), ("Connection: keep-alive",)])
def test_http_1_0_is_answered_once(server: Serving, lines: tuple[str, ...]) -> None:
    (answer,) = server.talk(request(GOOD, *lines, version="1.0") * 2)
    assert answer.response["allowed"]
    assert answer.headers["connection"] == "close"


def test_who_asks_to_close_is_closed(server: Serving) -> None:
    (answer,) = server.talk(request(GOOD, "Connection: close"))
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize(
    "query",
    [
        *("", "?timeout=", "?timeout=banana", "?timeout=0s", "?timeout=-5s", "?timeout=%00"),
        *("?timeout=" + "9" * 4000, "?timeout=" + "9" * 4000 + "h", "?timeout=1h1m1.5s"),
        *("?x=%ff&timeout=4s", "?timeout=4s&timeout=1ns", "?" + "timeout=4s&" * 500),
    ],
)
def test_any_timeout_is_taken_for_something(server: Serving, query: str) -> None:
    assert server.send(GOOD, f"/validate{query}").response["allowed"]


def test_row_45_what_cannot_be_decided_in_time_is_asked_again(server: Serving) -> None:
    before = server.metric("shed_total", reason="not decided in time")
    answer = server.send(GOOD, "/validate?timeout=1ns")
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert server.metric("shed_total", reason="not decided in time") == before + 1
