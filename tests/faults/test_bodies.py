"""Rows about the body: what is no review is refused, what is one is answered."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from rules.model import CRON_JOB, DEPLOYMENT, NETWORK_POLICY, Kind
from tests.faults.serving import JSON_MEDIA, Serving
from tests.reviews import (
    UID,
    ask,
    ask_deployment,
    ask_policy,
    ask_stored,
    ask_update,
    bare_pod,
    causes,
    deployment,
    pod,
    policy,
    reasons,
    written,
    wrong_pod,
)

CONFIG_MAP = Kind("", "ConfigMap", "configmaps")
WIDGET = Kind("example.com", "Widget", "widgets")
GOOD = written(ask_stored(pod()))
BAD = written(ask_stored(wrong_pod()))
IMAGE = b'"image": "web:1"'
WRONG_CLASS = ("sandboxed-runtime-class", "spec.runtimeClassName")


def put(body: bytes, old: bytes, new: bytes) -> bytes:
    """The body with a change that no JSON library would write."""
    assert body.count(old) == 1
    return body.replace(old, new)


def refuses(server: Serving, body: bytes, reason: str) -> bool:
    """Whether a body is answered 400 and counted, at both doors."""
    before = server.metric("bad_requests_total", reason=reason)
    found = [server.send(body, path).status for path in ("/validate", "/mutate")]
    return found == [400, 400] and (
        server.metric("bad_requests_total", reason=reason) == before + 2
    )


@pytest.mark.parametrize("body", [b"{}", b"[]", b"null", b'"x"', b"7", b"true", b"[{}]"])
def test_row_01_what_is_no_review_is_refused(server: Serving, body: bytes) -> None:
    assert refuses(server, body, "review")


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b" ", b"{", GOOD[:-1], GOOD + b"x", GOOD + GOOD, b"\xef\xbb\xbf" + GOOD, b"\x00"),
        *(put(GOOD, b"developer", b"dev\xff"), put(GOOD, b"web:1", b"\xc3\x28"), b"nul", b"'x'"),
        GOOD.decode().encode("utf-16"),
        GOOD.replace(b'"', b"'"),
        put(GOOD, IMAGE, IMAGE + b","),
    ],
)
def test_row_02_what_is_no_json_is_refused(server: Serving, body: bytes) -> None:
    assert refuses(server, body, "json")


@pytest.mark.parametrize("depth", [1100, 100_000])
@pytest.mark.parametrize("deep", [b"[]", (b'{"a":', b"}")], ids=["lists", "maps"])
def test_row_05_an_object_nested_too_deeply_is_denied_as_limit(
    server: Serving, depth: int, deep: Any
) -> None:
    opened, closed = (b"[", b"]") if deep == b"[]" else deep
    nested = b'"image": ' + opened * depth + b"1" + closed * depth
    answer = server.send(put(GOOD, IMAGE, nested)).response
    assert (answer["uid"], answer["allowed"]) == (UID, False)
    assert causes(answer) == [("well-formed", "")]
    assert answer["status"]["message"].startswith("[well-formed] the object is nested deeper")
    assert "[LIMIT]" in answer["status"]["message"]


def test_row_05_nesting_without_a_uid_near_the_start_is_refused(server: Serving) -> None:
    nested = b'{"a": ' + b"[" * 100_000 + b"]" * 100_000
    assert server.send(nested + b"}").status == 400
    late = put(
        GOOD,
        b'"apiVersion": "admission',
        b'"x": ' + b'"%b", ' % (b"y" * 600) + b'"apiVersion": "admission',
    )
    assert server.send(put(late, IMAGE, b'"image": ' + b"[" * 9999 + b"]" * 9999)).status == 400
    assert server.send(GOOD).response["allowed"], "the worker survives"


@pytest.mark.parametrize(
    "number", [b"1" * 5000, b"-" + b"1" * 5000, b"NaN", b"Infinity", b"-Infinity", b"1e999", b"01"]
)
def test_row_06_a_number_that_is_none_is_refused(server: Serving, number: bytes) -> None:
    assert refuses(server, put(GOOD, IMAGE, b'"image": ' + number), "json")


@pytest.mark.parametrize("number", [2**64, 2**63, -(2**64), 10**300, 1.7976931348623157e308])
def test_row_07_a_number_that_is_too_large_breaks_nothing(server: Serving, number: float) -> None:
    assert server.ask(ask_stored(pod({"priority": number})))["allowed"]
    assert causes(server.ask(ask_policy(number))) == [
        ("well-formed", "spec.egress[0].ports[0].port")
    ]


@pytest.mark.parametrize("surrogate", [rb"\ud800", rb"\uDFFF", rb"\udc00\ud800", rb"\ud800\u0041"])
def test_row_08_a_lone_surrogate_changes_no_decision(server: Serving, surrogate: bytes) -> None:
    assert server.send(put(GOOD, b'"name": "app"', b'"name": "%b"' % surrogate)).response["allowed"]
    answer = server.send(put(BAD, b"runc", surrogate)).response
    assert causes(answer) == [WRONG_CLASS]
    assert answer["status"]["message"].isascii()


def test_row_08_a_lone_surrogate_in_a_name_reaches_the_log_as_a_mark(server: Serving) -> None:
    uid = "row-08"
    body = put(written(ask_stored(pod(), uid=uid)), b"developer", rb"dev\ud800eloper")
    assert server.send(body).response["allowed"]
    assert server.line(uid)["user"] == "dev�eloper"


def test_row_08_what_only_looks_like_a_surrogate_stays(server: Serving) -> None:
    body = written(ask_stored(pod(), uid="row-08b", name=r"a\ud800b", namespace="shop😀"))
    assert server.send(body).response["allowed"]
    line = server.line("row-08b")
    assert (line["name"], line["namespace"]) == (r"a\ud800b", "shop😀")


def test_row_09_of_duplicate_keys_the_last_counts(server: Serving) -> None:
    good, bad = b'"runtimeClassName": "kata-mshv-vm-isolation"', b'"runtimeClassName": "runc"'
    assert causes(server.send(put(GOOD, good, good + b", " + bad)).response) == [WRONG_CLASS]
    assert server.send(put(GOOD, good, bad + b", " + good)).response["allowed"]
    spec = json.dumps(wrong_pod()["spec"]).encode()
    twice = put(GOOD, b'"spec": {', b'"spec": ' + spec + b', "spec": {')
    assert server.send(twice).response["allowed"]
    whole = put(
        GOOD, b'"object": {', b'"object": ' + json.dumps(wrong_pod()).encode() + b', "object": {'
    )
    assert server.send(whole).response["allowed"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("apiVersion", "admission.k8s.io/v1beta1"),
        ("apiVersion", "admission.k8s.io/v2"),
        ("apiVersion", ""),
        ("kind", "AdmissionReviewList"),
        ("kind", "admissionreview"),
    ],
)
def test_row_10_another_kind_or_version_is_refused(server: Serving, field: str, value: str) -> None:
    assert refuses(server, written(ask(pod()) | {field: value}), "kind")


@pytest.mark.parametrize("uid", [None, "", 7, ["a"], {"a": "b"}, "a" * 1024 * 1024, True])
def test_row_11_a_uid_that_is_none_is_refused(server: Serving, uid: Any) -> None:
    assert refuses(server, written(ask(pod(), uid=uid)), "review")


@pytest.mark.parametrize("request_", [None, [], "x", {}, {"uid": "a"}])
def test_row_11_a_request_that_is_none_is_refused(server: Serving, request_: Any) -> None:
    review = ask(pod()) | {"request": request_}
    assert refuses(server, written(review), "review")
    del review["request"]
    assert refuses(server, written(review), "review")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("operation", "PATCH"),
        ("operation", None),
        ("requestKind", "Pod"),
        ("resource", "pods"),
        ("namespace", 7),
        ("userInfo", []),
        ("userInfo", {"username": 7}),
        ("dryRun", "true"),
    ],
)
def test_row_11_a_request_of_the_wrong_shape_is_refused(
    server: Serving, field: str, value: Any
) -> None:
    assert refuses(server, written(ask(pod(), **{field: value})), "review")


@pytest.mark.parametrize("value", [None, "text", [], ["a"], 7, True])
@pytest.mark.parametrize("kind", [None, DEPLOYMENT, CRON_JOB, NETWORK_POLICY])
def test_row_12_an_object_that_is_no_map_is_denied_as_malformed(
    server: Serving, kind: Kind | None, value: Any
) -> None:
    review = ask(value) if kind is None else ask(value, kind)
    answer = server.ask(review)
    assert not answer["allowed"]
    assert ("well-formed", "") in causes(answer)
    assert "[MALFORMED]" in answer["status"]["message"]
    assert "patch" not in server.ask(review, "/mutate")


def test_row_16_the_message_shows_what_the_name_is_made_of(server: Serving) -> None:
    review = ask(wrong_pod(name=None, generateName="web-"), uid="row-16", name="")
    assert "  in    Pod shop/web-*\n" in server.ask(review)["status"]["message"]
    assert server.line("row-16")["name"] == "web-*"


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {"labels": None, "annotations": None},
        {"labels": {}, "annotations": {}},
        {"labels": {"a": None}},
    ],
)
def test_row_17_null_is_empty(server: Serving, metadata: Any) -> None:
    review = ask(pod() | {"metadata": metadata})
    assert causes(server.ask(review)) == [("sidecar-injected", "metadata.labels[istio.io/rev]")]


@pytest.mark.parametrize(
    ("metadata", "path"),
    [
        ("text", "metadata"),
        (["a"], "metadata"),
        ({"labels": ["a"]}, "metadata.labels"),
        ({"labels": "a"}, "metadata.labels"),
        ({"labels": {"istio.io/rev": 1}}, "metadata.labels[istio.io/rev]"),
        ({"annotations": 7}, "metadata.annotations"),
        ({"annotations": {"a": ["b"]}}, "metadata.annotations[a]"),
    ],
)
def test_row_17_a_wrong_type_is_denied(server: Serving, metadata: Any, path: str) -> None:
    answer = server.ask(ask(pod() | {"metadata": metadata}))
    assert ("well-formed", path) in causes(answer)
    template = deployment(pod())
    template["spec"]["template"]["metadata"] = metadata
    assert ("well-formed", f"spec.template.{path}") in causes(server.ask(ask(template, DEPLOYMENT)))


@pytest.mark.parametrize(
    "user",
    [
        None,
        {},
        {"username": None, "groups": None},
        {"username": "", "groups": []},
        {"username": "x", "groups": ["g"] * 1000, "extra": {"a": ["b" * 1024] * 1000}},
    ],
)
def test_row_26_nobody_known_is_exempt_from_nothing(server: Serving, user: Any) -> None:
    assert causes(server.ask(ask_stored(wrong_pod(), userInfo=user))) == [WRONG_CLASS]
    assert server.ask(ask_stored(pod(), userInfo=user))["allowed"]


def test_row_26_a_review_without_user_is_one_of_nobody(server: Serving) -> None:
    review = ask_stored(wrong_pod(), uid="row-26")
    del review["request"]["userInfo"]
    assert causes(server.ask(review)) == [WRONG_CLASS]
    assert server.line("row-26")["user"] == ""


@pytest.mark.parametrize("path", ["/validate", "/mutate"])
@pytest.mark.parametrize("make", [pod, bare_pod, wrong_pod])
def test_row_31_a_dry_run_is_decided_alike(server: Serving, path: str, make: Any) -> None:
    labels = {"endpoint": path[1:], "dry_run": "true"}
    before = server.metric("admission_requests_total", **labels)
    earnest = server.ask(ask(make(), dryRun=False), path)
    assert server.ask(ask(make(), dryRun=True), path) == earnest
    assert server.ask(ask(make(), dryRun=None), path) == earnest
    uid = f"row-31-{path[1:]}-{make.__name__}"
    server.ask(ask(make(), dryRun=True, uid=uid), path)
    assert server.line(uid)["dry_run"] is True
    server.counts(before + 2, "admission_requests_total", **labels)


LONG = "a" * 100_000


@pytest.mark.parametrize(
    "review",
    [
        ask(wrong_pod(name=LONG)),
        ask(pod({"runtimeClassName": LONG})),
        ask(wrong_pod(labels={LONG: LONG, "istio.io/rev": LONG})),
        ask(pod({"hostNetwork": LONG})),
        ask_policy(LONG),
        ask(
            policy(443) | {"spec": {"egress": [{"to": [{"ipBlock": {"cidr": LONG}}]}]}},
            NETWORK_POLICY,
        ),
        ask(
            policy(443)
            | {"spec": {"egress": [{"to": [{"podSelector": {"matchLabels": {LONG: LONG}}}]}]}},
            NETWORK_POLICY,
        ),
        ask(wrong_pod(), userInfo={"username": LONG, "groups": [LONG]}),
    ],
)
def test_row_42_a_field_of_100_kb_is_read_in_linear_time_and_not_repeated(
    server: Serving, review: Any
) -> None:
    answer = server.send(written(review), "/validate?timeout=4s").response
    assert len(json.dumps(answer)) < 8_000


def _many_containers() -> Any:
    return pod({"containers": [{"name": f"c{n}", "image": "i"} for n in range(1000)]})


def _many_variables() -> Any:
    env = [{"name": f"V{n}", "value": "x"} for n in range(10_000)]
    return pod({"containers": [{"name": "app", "image": "i", "env": env}]})


def test_row_43_a_config_map_of_3_mb_passes_unread(server: Serving) -> None:
    data = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "x" * 3 * 1024 * 1024}}
    assert server.send(written(ask(data, CONFIG_MAP)), "/validate?timeout=1s").response["allowed"]


@pytest.mark.parametrize("make", [_many_containers, _many_variables])
def test_row_43_a_huge_pod_is_decided_in_time(server: Serving, make: Any) -> None:
    assert server.send(written(ask_stored(make())), "/validate?timeout=4s").response["allowed"]
    answer = server.send(written(ask_deployment(make())), "/validate?timeout=4s").response
    assert answer["allowed"]


def test_row_43_thousands_of_violations_are_decided_in_time(server: Serving) -> None:
    containers = [{"name": n, "image": "i"} for n in range(3000)]
    answer = server.send(
        written(ask_stored(pod({"containers": containers}))), "/validate?timeout=4s"
    )
    assert reasons(answer.response) == {"well-formed"}
    many = written(ask_policy(*[80] * 3000))
    answer = server.send(many, "/validate?timeout=4s")
    assert reasons(answer.response) == {"no-plain-http-egress"}
    assert len(answer.response["status"]["message"]) <= 2000
    assert server.probe("/livez") == (200, "ok\n")


def test_row_24_an_unknown_kind_is_allowed_and_counted(server: Serving) -> None:
    before = server.metric("unregistered_total")
    other = server.metric("admission_requests_total", kind="other", decision="allow")
    for path in ("/validate", "/mutate"):
        assert server.ask(ask({"kind": "Widget", "spec": 7}, WIDGET), path) == {
            "uid": UID,
            "allowed": True,
            "auditAnnotations": {"decision-id": UID},
        }
    server.counts(other + 2, "admission_requests_total", kind="other", decision="allow")
    assert server.metric("unregistered_total") == before + 2


def test_row_25_a_converted_object_is_judged_and_what_was_asked_for_is_logged(
    server: Serving,
) -> None:
    version = {"group": "extensions", "version": "v1beta1"}
    review = ask_deployment(wrong_pod())
    review["request"] |= {
        "uid": "row-25",
        "requestKind": version | {"kind": "Deployment"},
        "requestResource": version | {"resource": "deployments"},
    }
    assert causes(server.ask(review)) == [
        ("sandboxed-runtime-class", "spec.template.spec.runtimeClassName")
    ]
    line = server.line("row-25")
    assert (line["group"], line["kind"]) == ("apps", "Deployment")
    assert line["request_kind"] == "extensions/v1beta1/Deployment"


@pytest.mark.parametrize(
    "forged", ["\n", '"}\n{"allowed": true, "ts": "', "\x1b[2J", "\x9b2J", " ", "\u202e"]
)
def test_row_53_nobody_forges_a_line_of_the_log(server: Serving, forged: str) -> None:
    uid = f"row-53-{forged.encode().hex()}"
    review = ask(
        wrong_pod(generateName=forged, labels={forged: "x", "istio.io/rev": forged}),
        uid=uid,
        name=f"a{forged}b",
        namespace=f"shop{forged}",
        subResource="",
        userInfo={"username": f"dev{forged}", "groups": [forged]},
    )
    message = server.ask(review)["status"]["message"]
    assert all(line.isprintable() and line.isascii() for line in message.split("\n"))
    line = server.line(uid)
    assert (line["name"], line["user"]) == (f"a{forged}b", f"dev{forged}")
    assert (line["namespace"], line["allowed"]) == (f"shop{forged}", False)


def test_row_53_a_forged_uid_stays_in_its_place(server: Serving) -> None:
    uid = "\n\x1b[31mERROR"
    response = server.send(written(ask(wrong_pod(), uid=uid))).response
    assert response["uid"] == uid
    assert response["status"]["message"].endswith("\n  ref   ??[31mER")
    assert server.line(uid)["decision_id"] == uid
    assert "[31m" not in server.errors


def test_what_the_log_says_of_a_decision(server: Serving) -> None:
    server.ask(ask_stored(wrong_pod(), uid="log"))
    line = server.line("log")
    assert datetime.fromisoformat(line["ts"]).tzinfo == UTC
    expected = {
        "endpoint": "validate",
        "operation": "CREATE",
        "group": "",
        "kind": "Pod",
        "subresource": "",
        "namespace": "shop",
        "name": "web",
        "user": "developer",
        "dry_run": False,
        "allowed": False,
        "patch_operations": 0,
        "more_findings": 0,
        "findings": [
            {
                "rule": "sandboxed-runtime-class",
                "check": "RUNTIME-CLASS",
                "effect": "deny",
                "path": "spec.runtimeClassName",
            }
        ],
    }
    assert line | expected == line
    assert set(line) - set(expected) == {"ts", "decision_id", "rulebook", "groups_hash", "ms"}


def test_the_ready_line_comes_first_and_holds_the_ports(server: Serving) -> None:
    assert server.ready == {"ready": True, "port": server.port, "probe_port": server.probe_port}


def test_two_questions_on_one_connection_are_two_lines(server: Serving) -> None:
    client = server.client()
    for uid in ("first", "second"):
        client.request("POST", "/validate", written(ask(pod(), uid=uid)), JSON_MEDIA)
        client.getresponse().read()
    client.close()
    assert [server.line(uid)["decision_id"] for uid in ("first", "second")] == ["first", "second"]


@pytest.mark.parametrize("depth", [400, 500, 700, 980, 985, 990, 1000, 1023, 1024, 1025])
def test_row_05_no_depth_in_between_is_undecided(server: Serving, depth: int) -> None:
    value = policy(80)
    value["spec"]["egress"][0]["deep"] = "DEEP"
    more = policy(80, 8000)
    more["spec"]["egress"][0]["deep"] = "DEEP"
    for review in (ask(value, NETWORK_POLICY), ask_update(more, value, NETWORK_POLICY)):
        body = written(review).replace(b'"DEEP"', b"[" * depth + b"]" * depth)
        assert server.send(body).response["allowed"] is False
        assert "patch" not in server.send(body, "/mutate").response
