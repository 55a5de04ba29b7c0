"""Every way in which OPA may fail to answer: a Finding that denies, counted, and never an allow."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rules.outside import UNAVAILABLE
from tests.faults.serving import Serving, wait_for
from tests.opa.server import OpaServer
from tests.opa.test_second_voice import SITE
from tests.opa.wire import WireServer, hang_up, says
from tests.reviews import (
    ask,
    ask_stored,
    causes,
    pod,
    written,
)
from webhook.breaker import MOST_FAILURES

pytestmark = pytest.mark.control_plane

NOTHING = b'{"result": []}'
SHORT = "/validate?timeout=400ms"
Serve = Callable[..., Serving]


@pytest.fixture(scope="module")
def opa(opa_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpaServer]:
    with OpaServer(opa_program, tmp_path_factory.mktemp("opa"), SITE) as running:
        yield running


@pytest.fixture(scope="module")
def serve(keys: Path, view: Path) -> Iterator[Serve]:
    """Servers that ask an OPA server, and last as long as the module."""
    started: list[Serving] = []

    def begin(url: str, *flags: str | Path) -> Serving:
        started.append(Serving(keys, "--cluster", view, "--opa", url, *flags))
        return started[-1]

    yield begin
    for serving in started:
        with serving:
            assert serving.process.poll() is None
            assert "Traceback" not in serving.errors


@pytest.fixture(scope="module")
def server(opa: OpaServer, serve: Serve) -> Serving:
    """Asks for what stands in site.rego."""
    return serve(opa.url)


@pytest.fixture(scope="module")
def elsewhere(opa: OpaServer, serve: Serve) -> Serving:
    """Asks for the package `site`, which a test may adopt."""
    return serve(opa.url, "--opa-package", "site")


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    with WireServer(says(NOTHING)) as running:
        yield running


@pytest.fixture(scope="module")
def wired(wire: WireServer, serve: Serve) -> Serving:
    """Asks somebody in the place of OPA."""
    return serve(wire.url)


def about(name: str, **metadata: Any) -> Any:
    return ask_stored(pod(**metadata), name=name)


def refuses(server: Serving, review: Any, said: str, result: str, path: str = "/validate") -> None:
    """That OPA could not decide denies, says why, and is counted by its kind."""
    before = server.metric("opa_questions_total", result=result)
    response = server.ask(review, path)
    assert causes(response)[0] == (UNAVAILABLE, ""), response
    assert said in response["status"]["message"]
    assert server.metric("opa_questions_total", result=result) == before + 1
    assert server.metric("rule_results_total", rule=UNAVAILABLE, effect="error") >= 1


def test_a_rule_that_is_undefined_and_then_is_not(opa: OpaServer, elsewhere: Serving) -> None:
    said = "data.site.findings is undefined there"
    refuses(elsewhere, about("web"), said, "undefined")
    wait_for(lambda: said in elsewhere.errors, "the log says so")
    opa.adopt("package site\nfindings := set()")
    assert elsewhere.ask(about("web"))["allowed"]
    wait_for(lambda: "OPA answers again" in elsewhere.errors, "the log says so")
    opa.adopt("")
    refuses(elsewhere, about("web"), said, "undefined")


def test_a_built_in_function_that_fails(server: Serving) -> None:
    good = about("built-in", annotations={"until": "2200-01-01T00:00:00Z"})
    bad = about("built-in", annotations={"until": "s3cret"})
    assert server.ask(good)["allowed"]
    for _ in range(2 * MOST_FAILURES):
        refuses(server, bad, "it answered with status 500", "refused")
    assert server.ask(good)["allowed"], "the object of one tenant closes no door for others"
    wait_for(lambda: "(eval_builtin_error at " in server.errors, "the log says which and where")
    assert "site.rego:" in server.errors
    assert "s3cret" not in server.errors


def test_a_conflict(opa: OpaServer, elsewhere: Serving) -> None:
    opa.adopt("package site\nfindings := {1} if input.request\nfindings := {2} if input.request")
    refuses(elsewhere, about("web"), "it answered with status 500", "refused")


@pytest.mark.parametrize(
    "rule",
    [
        "findings := {}",
        "findings := null",
        "findings := true",
        'findings := "all is well"',
        'findings["a"] := 1',
        "findings contains {}",
        'findings contains {"message": "m", "level": "allow"}',
    ],
)
def test_answers_of_another_shape(rule: str, opa: OpaServer, elsewhere: Serving) -> None:
    opa.adopt(f"package site\n{rule}")
    refuses(elsewhere, about("web"), "OPA could not decide", "shape")


def test_what_is_right_in_an_answer_is_heard_beside_what_is_wrong(
    opa: OpaServer, server: Serving
) -> None:
    response = server.ask(about("both"))
    assert causes(response) == [("opa/sound", ""), (UNAVAILABLE, "")]


def test_a_server_that_is_dead_and_lives_again(opa: OpaServer, server: Serving) -> None:
    assert server.ask(about("web"))["allowed"]
    opa.stop()
    for _ in range(MOST_FAILURES):
        refuses(server, about("web"), "it cannot be reached", "unreachable")
    refuses(server, about("web"), "it has not answered lately", "open")
    assert server.metric("opa_breaker_open") == 1
    assert str(opa.port) not in server.ask(about("web"))["status"]["message"]
    opa.start()
    wait_for(lambda: server.ask(about("web"))["allowed"], "OPA decides again")
    assert server.metric("opa_breaker_open") == 0


def test_a_server_that_stands_still(opa: OpaServer, server: Serving) -> None:
    """Frozen, as a node that swaps: connections are accepted, and nobody answers."""
    assert server.ask(about("web"))["allowed"]
    opa.freeze()
    try:
        for _ in range(MOST_FAILURES):
            refuses(server, about("web"), "it did not answer in time", "timeout", SHORT)
        refuses(server, about("web"), "it has not answered lately", "open")
    finally:
        opa.thaw()
    wait_for(lambda: server.ask(about("web"))["allowed"], "OPA decides again")


def test_who_waits_for_opa_keeps_nobody_else_waiting(opa: OpaServer, server: Serving) -> None:
    opa.freeze()
    waiting = threading.Thread(target=server.ask, args=(about("web"), "/validate?timeout=8s"))
    try:
        waiting.start()
        assert server.ask(ask(pod()), "/mutate")["allowed"]
        assert server.probe("/livez")[0] == 200
    finally:
        opa.thaw()
        waiting.join()


@pytest.mark.parametrize(
    ("answer", "said", "result"),
    [
        (says(b"", 503), "it answered with status 503", "refused"),
        (says(b"{}", 404), "it answered with status 404", "refused"),
        (says(b"", 502), "it answered with status 502", "refused"),
        (says(b'{"code": "unauthorized"}', 401), "it answered with status 401", "refused"),
        (says(b"[1]", 400), "it answered with status 400", "refused"),
        (says(b"", 302, Location="http://127.0.0.1:1/"), "status 302", "refused"),
        (says(b"", 204), "it answered with status 204", "refused"),
        (says(b""), "undefined", "undefined"),
        (says(b"<html>"), "its answer is not JSON", "shape"),
        (says(NOTHING[:-1]), "its answer is not JSON", "shape"),
        (says(NOTHING, media="text/html"), "its answer is not JSON", "shape"),
        (says(b"[" * 100_000), "its answer is not JSON", "shape"),
        (says(b'"\xff"'), "its answer is not JSON", "shape"),
        (says(b"[]"), "undefined", "undefined"),
        (says(b'{"results": []}'), "undefined", "undefined"),
        (says(b'{"result": null}'), "its findings are null; they must be a set", "shape"),
        (hang_up, "it cannot be reached", "unreachable"),
    ],
)
def test_what_only_others_answer(
    answer: Any, said: str, result: str, wire: WireServer, wired: Serving
) -> None:
    wire.answer = answer
    refuses(wired, about("web"), said, result)
    wire.answer = says(NOTHING)
    assert wired.ask(about("web"))["allowed"]


def test_a_connection_that_broke_is_tried_once_more(wire: WireServer, wired: Serving) -> None:
    def first_hang_up(handler: Any) -> None:
        wire.answer = says(NOTHING)
        hang_up(handler)

    wire.answer, wire.asked = first_hang_up, 0
    assert wired.ask(about("web"))["allowed"]
    assert wire.asked == 2


def test_an_error_is_not_tried_again(wire: WireServer, wired: Serving) -> None:
    wire.answer, wire.asked = says(b"", 500), 0
    refuses(wired, about("web"), "status 500", "refused")
    assert wire.asked == 1


def test_what_cannot_be_asked_is_not_allowed(server: Serving) -> None:
    """An object that is nested too deeply: our own rule says so, and OPA was not heard."""
    deep = b'{"spec":' * 2000 + b"{}" + b"}" * 2000
    response = server.send(written(ask("DEEP")).replace(b'"DEEP"', deep)).response
    assert causes(response) == [(UNAVAILABLE, ""), ("well-formed", "")]


def test_what_is_no_review_is_refused_as_ever(server: Serving) -> None:
    assert server.send(b"{}").status == 400


def test_readiness_knows_whether_opa_is_required(
    opa: OpaServer, server: Serving, serve: Serve
) -> None:
    required = serve(opa.url, "--opa-required")
    wait_for(lambda: required.probe("/readyz")[0] == 200, "ready")
    opa.stop()
    wait_for(lambda: required.probe("/readyz")[0] == 503, "not ready")
    assert required.probe("/readyz")[1] == "OPA is required, and is not healthy\n"
    assert server.probe("/readyz")[0] == 200
    assert required.probe("/livez")[0] == 200
    opa.start()
    wait_for(lambda: required.probe("/readyz")[0] == 200, "ready again")
