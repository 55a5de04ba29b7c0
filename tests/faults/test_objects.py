"""Rows about objects. What no shipped rule reads yet is put to rules of this file.

Such a rule is handed to the doors of `tests.made_up`: from bytes to bytes, in this process.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from rules.model import (
    CRON_JOB,
    DEPLOYMENT,
    JOB,
    NETWORK_POLICY,
    POD,
    WORKLOADS,
    Finding,
    Fix,
    Kind,
    Operation,
)
from rules.patch import lookup, set_field
from rules.pods import TEMPLATES, mapping
from rules.quantity import InvalidQuantity
from rules.quantity import parse as parse_quantity
from rules.review import Cluster, Review
from tests.faults.serving import Serving
from tests.made_up import Doors, activate, made_up, say
from tests.reviews import (
    CLASS,
    REVISION,
    UID,
    ask,
    ask_deployment,
    ask_stored,
    ask_update,
    bare_pod,
    causes,
    deployment,
    pod,
    policy,
    reasons,
    wrong_pod,
)

PRIVILEGED = {"securityContext": {"privileged": True}}
HARMLESS = {"name": "a", "image": "i"}


def _unprivileged(review: Review, _: Cluster) -> Iterator[Finding]:
    for path, container in review.pod.containers:
        if mapping(container, "securityContext").get("privileged") is True:
            place = (*path, "securityContext", "privileged")
            yield say(place, "is true; set it to false", found=True)


NOT_PRIVILEGED = made_up(
    _unprivileged,
    name="not-privileged",
    kinds=(POD, *WORKLOADS),
    subresources=("", "ephemeralcontainers", "resize"),
)


def lifted(value: Any, kind: Kind) -> Any:
    """The workload that makes such pods."""
    inner: Any = {"metadata": value["metadata"], "spec": value["spec"]}
    for step in reversed(TEMPLATES[kind.group, kind.kind]):
        inner = {step: inner}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": "web"}} | inner


def patch_of(response: Any) -> Any:
    """The JSON patch in a response, None where there is none."""
    if "patch" not in response:
        assert "patchType" not in response
        return None
    assert response["patchType"] == "JSONPatch"
    return json.loads(base64.b64decode(response["patch"], validate=True))


def test_row_13_what_is_deleted_is_judged_as_it_was() -> None:
    deletion = made_up(_unprivileged, operations=frozenset({"DELETE"}))
    doors = Doors(deletion)
    goes = pod({"containers": [HARMLESS | PRIVILEGED]}, name="kept", generateName="ke")
    review = ask(None, operation="DELETE", old=goes, name="")  # as deletecollection sends it
    response = doors.ask(review)
    assert causes(response) == [("made-up", "spec.containers[0].securityContext.privileged")]
    assert "  in    Pod shop/kept\n" in response["status"]["message"]
    assert doors.lines()[0]["name"] == "kept"
    assert doors.ask(ask(None, operation="DELETE", old=pod(), name=""))["allowed"]


def test_row_13_a_deletion_that_no_rule_asks_for_passes(server: Serving) -> None:
    review = ask(None, operation="DELETE", old=wrong_pod(), name="", uid="row-13")
    assert server.ask(review)["allowed"]
    assert server.line("row-13")["operation"] == "DELETE"


@pytest.mark.parametrize(
    "user",
    [
        "system:serviceaccount:kube-system:namespace-controller",
        "system:serviceaccount:kube-system:generic-garbage-collector",
    ],
)
def test_row_13_who_clears_away_passes_every_rule(user: str) -> None:
    doors = Doors(made_up(_unprivileged, operations=frozenset({"DELETE", "CREATE"})))
    bad = pod({"containers": [HARMLESS | PRIVILEGED]})
    known = {"username": user, "groups": []}
    assert doors.ask(ask(None, operation="DELETE", old=bad, userInfo=known))["allowed"]
    assert not doors.ask(ask(bad, userInfo=known))["allowed"], "which holds for deletions only"
    other = {"username": f"{user}2", "groups": ["system:serviceaccounts:kube-system"]}
    assert not doors.ask(ask(None, operation="DELETE", old=bad, userInfo=other))["allowed"]


def test_row_14_a_deletion_that_does_not_say_of_what_is_allowed_and_logged() -> None:
    doors = Doors(made_up(lambda *_: iter([say()]), operations=frozenset({"DELETE"})))
    assert doors.ask(ask(None, operation="DELETE", old=None))["allowed"]
    line = doors.lines()[0]
    assert (line["operation"], line["allowed"], line["name"]) == ("DELETE", True, "web")


@pytest.mark.parametrize("path", ["/validate", "/mutate"])
def test_row_15_an_exec_has_no_metadata_and_breaks_nothing(server: Serving, path: str) -> None:
    options = {"kind": "PodExecOptions", "apiVersion": "v1", "stdin": True, "command": ["sh"]}
    review = ask(options, operation="CONNECT", subResource="exec", uid=f"row-15{path}")
    review["request"]["kind"] = {"group": "", "version": "v1", "kind": "PodExecOptions"}
    response = server.ask(review, path)
    assert response["allowed"]
    assert "patch" not in response
    assert server.line(f"row-15{path}")["name"] == "web"


def test_row_15_a_rule_may_ask_about_an_exec() -> None:
    def no_shell(review: Review, _: Cluster) -> Iterator[Finding]:
        if "sh" in review.object.get("command", ()):
            yield say(("command",), "is a shell; use none", found=review.object["command"])

    connect = frozenset({"CONNECT"})
    doors = Doors(made_up(no_shell, operations=connect, subresources=("exec",)))
    review = ask({"command": ["sh"]}, operation="CONNECT", subResource="exec")
    for path in (b"/validate", b"/mutate"):
        assert patch_of(doors.ask(review, path)) is None
    assert causes(doors.ask(review)) == [("made-up", "command")]
    assert doors.lines()[0]["name"] == "web"


NOTHING_TO_READ: list[Any] = [None, {}, {"containers": None}, {"containers": []}]
OF_WRONG_TYPE: list[tuple[Any, str]] = [
    ("text", "spec"),
    (["a"], "spec"),
    ({"containers": {}}, "spec.containers"),
    ({"containers": "a"}, "spec.containers"),
    ({"containers": [None]}, "spec.containers[0]"),
    ({"containers": ["a"]}, "spec.containers[0]"),
    ({"containers": [HARMLESS, 7]}, "spec.containers[1]"),
    ({"initContainers": [None]}, "spec.initContainers[0]"),
    ({"ephemeralContainers": {"a": 1}}, "spec.ephemeralContainers"),
]


@pytest.mark.parametrize("spec", NOTHING_TO_READ)
def test_row_18_an_empty_spec_says_nothing_and_breaks_nothing(server: Serving, spec: Any) -> None:
    value = pod() | {"spec": spec}
    assert reasons(server.ask(ask(value))) == {"sandboxed-runtime-class", "sidecar-genuine"}
    assert patch_of(server.ask(ask(value), "/mutate")) == [
        {"op": "add", "path": "/spec", "value": {"runtimeClassName": CLASS}}
        if spec is None
        else {"op": "add", "path": "/spec/runtimeClassName", "value": CLASS}
    ]
    assert Doors(NOT_PRIVILEGED).ask(ask(value))["allowed"]


@pytest.mark.parametrize(("spec", "path"), OF_WRONG_TYPE)
def test_row_18_a_spec_of_the_wrong_type_is_denied_where_a_rule_reads_it(
    server: Serving, spec: Any, path: str
) -> None:
    value = pod() | {"spec": spec}
    assert ("well-formed", path) in causes(server.ask(ask(value)))
    doors = Doors(NOT_PRIVILEGED)
    assert doors.ask(ask(value))["allowed"], "that is not its business"
    assert doors.count("rule_results_total", {"effect": "error"}) == 0


@pytest.mark.parametrize("name", [None, "", "same"])
def test_row_19_containers_are_told_apart_by_their_place(name: str | None) -> None:
    bad = {"image": "i", **PRIVILEGED} | ({} if name is None else {"name": name})
    value = pod({"containers": [bad, HARMLESS, bad]})
    doors = Doors(NOT_PRIVILEGED)
    assert causes(doors.ask(ask(value))) == [
        ("not-privileged", "spec.containers[0].securityContext.privileged"),
        ("not-privileged", "spec.containers[2].securityContext.privileged"),
    ]


def test_row_19_a_container_that_comes_to_another_of_its_name_is_not_excused() -> None:
    bad = HARMLESS | PRIVILEGED
    old, new = pod({"containers": [HARMLESS]}), pod({"containers": [HARMLESS, bad]})
    assert not Doors(NOT_PRIVILEGED).ask(ask_update(new, old))["allowed"]


@pytest.mark.parametrize("field", ["initContainers", "containers", "ephemeralContainers"])
@pytest.mark.parametrize("extra", [{}, {"restartPolicy": "Always"}], ids=["plain", "sidecar"])
def test_row_20_a_bad_container_is_found_wherever_it_hides(
    field: str, extra: dict[str, str]
) -> None:
    value = pod({"containers": [HARMLESS]} | {field: [HARMLESS | PRIVILEGED | extra]})
    place = f"spec.{field}[0].securityContext.privileged"
    doors = Doors(NOT_PRIVILEGED)
    assert causes(doors.ask(ask(value))) == [("not-privileged", place)]
    for kind in WORKLOADS:
        root = ".".join(str(step) for step in TEMPLATES[kind.group, kind.kind])
        found = causes(doors.ask(ask(lifted(value, kind), kind)))
        assert found == [("not-privileged", f"{root}.{place}")], kind.kind


@pytest.mark.parametrize("subresource", ["ephemeralcontainers", "resize"])
def test_row_21_a_changed_subresource_is_judged_as_the_whole_new_pod(subresource: str) -> None:
    doors = Doors(NOT_PRIVILEGED)
    old = pod()
    new = pod({"ephemeralContainers": [{"name": "debug", "image": "i", **PRIVILEGED}]})
    review = ask_update(new, old, subResource=subresource)
    assert reasons(doors.ask(review)) == {"not-privileged"}
    stored = doors.ask(ask_update(new, new, subResource=subresource))
    assert stored["allowed"], "and excused as any update is"
    assert "stored before" in stored["warnings"][0]
    assert patch_of(doors.ask(review, b"/mutate")) is None


@pytest.mark.parametrize("kind", [DEPLOYMENT, JOB])
def test_row_22_a_scale_is_no_workload(server: Serving, kind: Kind) -> None:
    scale = {"kind": "Scale", "apiVersion": "autoscaling/v1", "spec": {"replicas": 3}}
    review = ask_update(scale, scale, kind, subResource="scale")
    review["request"]["kind"] = {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    for path in ("/validate", "/mutate"):
        assert server.ask(review, path)["allowed"]


def test_row_22_a_rule_of_replicas_reads_a_scale() -> None:
    def few(review: Review, _: Cluster) -> Iterator[Finding]:
        count = mapping(review.object, "spec").get("replicas")
        if isinstance(count, int) and count > 10:
            yield say(("spec", "replicas"), f"is {count}; set it to 10", found=count)

    doors = Doors(
        made_up(few, kinds=(DEPLOYMENT,), subresources=("scale",)),
        made_up(_unprivileged, kinds=(DEPLOYMENT,), name="other"),
    )
    scale = {"kind": "Scale", "apiVersion": "autoscaling/v1", "spec": {"replicas": 30}}
    review = ask_update(scale, scale | {"spec": {}}, DEPLOYMENT, subResource="scale")
    assert causes(doors.ask(review)) == [("made-up", "spec.replicas")]
    assert doors.count("rule_results_total", {"effect": "error"}) == 0


@pytest.mark.parametrize(
    ("kind", "subresource"),
    [
        (POD, "exec"),
        (POD, "eviction"),
        (POD, "portforward"),
        (DEPLOYMENT, "status"),
        (Kind("", "Node", "nodes", namespaced=False), ""),
        (Kind("", "Event", "events"), ""),
        (Kind("coordination.k8s.io", "Lease", "leases"), ""),
    ],
)
def test_row_23_what_nobody_registered_passes_unread_and_is_counted(
    server: Serving, kind: Kind, subresource: str
) -> None:
    before = server.metric("unregistered_total")
    uid = f"row-23-{kind.kind}-{subresource}"
    review = ask_update([1, 2], 7, kind, subResource=subresource, uid=uid)
    assert server.ask(review) == {
        "uid": uid,
        "allowed": True,
        "auditAnnotations": {"decision-id": uid},
    }
    assert server.line(uid)["allowed"]
    assert server.metric("unregistered_total") == before + 1


def test_row_23_a_namespace_of_the_platform_is_no_reason_for_an_alarm(server: Serving) -> None:
    before = server.metric("unregistered_total")
    assert server.ask(ask(wrong_pod(), namespace="kube-system"))["allowed"]
    assert server.metric("unregistered_total") == before


def _nodes_may(review: Review, _: Cluster) -> Iterator[Finding]:
    asks = review.requester
    if asks is None or "system:nodes" not in asks.groups:
        yield say(message="is not set by a node; do not set it")


@pytest.mark.parametrize(
    ("user", "allowed"),
    [
        ({"username": "system:node:x", "groups": ["system:authenticated"]}, False),
        ({"username": "system:node:x", "groups": None}, False),
        ({"username": "system:node:x", "groups": ["system:nodes2", "xsystem:nodes"]}, False),
        ({"username": "system:node:x", "groups": ["system:nodes"]}, True),
    ],
)
def test_row_27_the_name_of_a_node_without_its_group_is_nobody_special(
    server: Serving, user: Any, *, allowed: bool
) -> None:
    assert Doors(made_up(_nodes_may)).ask(ask(pod(), userInfo=user))["allowed"] is allowed
    assert reasons(server.ask(ask_stored(wrong_pod(), userInfo=user))) == {
        "sandboxed-runtime-class"
    }


def test_row_27_a_tenant_forges_no_exemption(server: Serving) -> None:
    forged = {
        "annotations": {
            "kubernetes.io/config.mirror": "0123",
            "kubernetes.io/config.source": "file",
            "sallyport.dev/trust": "trusted",
        },
        "labels": {"istio.io/rev": REVISION, "sallyport.dev/trust": "trusted"},
        "ownerReferences": [{"kind": "Node", "name": "x", "apiVersion": "v1"}],
    }
    assert reasons(server.ask(ask_stored(wrong_pod(**forged)))) == {
        "mirror-pods-from-their-node",
        "sandboxed-runtime-class",
    }


LEAVING = {"deletionTimestamp": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize("metadata", [{}, LEAVING, {"finalizers": []}, {"labels": {"a": "b"}}])
def test_row_29_and_30_what_was_wrong_before_is_excused_and_told(
    server: Serving, metadata: Any
) -> None:
    old = policy(80, **{"finalizers": ["example.com/kept"], **metadata})
    for new in (old, policy(80, **metadata)):
        response = server.ask(ask_update(new, old, NETWORK_POLICY))
        assert response["allowed"]
        (warning,) = response["warnings"]
        assert warning.startswith("[no-plain-http-egress] spec.egress[0].ports[0].port is 80 ")
        assert warning.endswith(" (stored before; mend it when you can)")


@pytest.mark.parametrize("metadata", [{}, LEAVING, LEAVING | {"finalizers": []}])
def test_row_29_and_30_what_becomes_wrong_is_denied(server: Serving, metadata: Any) -> None:
    old = policy(443, **{"finalizers": ["example.com/kept"], **metadata})
    response = server.ask(ask_update(policy(80, **metadata), old, NETWORK_POLICY))
    assert causes(response) == [("no-plain-http-egress", "spec.egress[0].ports[0].port")]


def test_row_30_an_item_that_only_moved_is_excused_and_one_that_grew_is_not(
    server: Serving,
) -> None:
    old, new = policy(80), policy(80, 8000)
    new["spec"]["egress"] += old["spec"]["egress"]
    response = server.ask(ask_update(new, old, NETWORK_POLICY))
    assert causes(response) == [("no-plain-http-egress", "spec.egress[0].ports[0].port")]
    assert [line.split()[1] for line in response["warnings"]] == [
        "spec.egress[0].ports[1].port",
        "spec.egress[1].ports[0].port",
    ]


def test_row_30_a_template_is_excused_as_it_is_stored(server: Serving) -> None:
    bad = deployment(wrong_pod())
    response = server.ask(
        ask_update(bad | {"spec": bad["spec"] | {"replicas": 5}}, bad, DEPLOYMENT)
    )
    assert response["allowed"]
    assert len(response["warnings"]) == 1
    changed = server.ask(ask_update(bad, deployment(pod()), DEPLOYMENT))
    assert reasons(changed) == {"sandboxed-runtime-class"}
    other = deployment(pod({"runtimeClassName": "gvisor"}))
    assert reasons(server.ask(ask_update(other, bad, DEPLOYMENT))) == {"sandboxed-runtime-class"}


def _annotated(review: Review, _: Cluster) -> Iterator[Finding]:
    path = ("metadata", "annotations", "a/b~c")
    if lookup(review.object, path) is None:
        fix = Fix(set_field(review.object, path, "yes"), safe=True)
        yield say(path, 'is not set; set it to "yes"', fix=fix)


ANNOTATED = made_up(_annotated, name="annotated", mend="enforce", kinds=(POD, *WORKLOADS))


@pytest.mark.parametrize("annotations", ["absent", None, {}, {"other": "x"}])
def test_row_32_a_patch_adds_the_parent_and_escapes_its_keys(annotations: Any) -> None:
    value = pod() if annotations == "absent" else pod(annotations=annotations)
    whole = {"op": "add", "path": "/metadata/annotations", "value": {"a/b~c": "yes"}}
    part = {"op": "add", "path": "/metadata/annotations/a~1b~0c", "value": "yes"}
    expected = part if isinstance(annotations, dict) else whole
    assert patch_of(Doors(ANNOTATED).ask(ask(value), b"/mutate")) == [expected]


def test_row_32_the_shipped_rules_add_parents_too(server: Serving) -> None:
    bare = bare_pod()
    del bare["metadata"]["labels"]
    assert patch_of(server.ask(ask(bare), "/mutate")) == [
        {"op": "add", "path": "/spec/runtimeClassName", "value": CLASS},
        {"op": "add", "path": "/metadata/labels", "value": {"istio.io/rev": REVISION}},
    ]


def test_row_33_a_second_mutation_is_none(server: Serving) -> None:
    first = server.ask(ask(bare_pod()), "/mutate")
    assert [operation["op"] for operation in patch_of(first)] == ["add", "add"]
    second = server.ask(ask(pod()), "/mutate")
    assert (second["allowed"], patch_of(second)) == (True, None)


def test_row_33_after_istio_nothing_is_patched(server: Serving) -> None:
    injected = pod()
    injected["spec"]["initContainers"] = [{"name": "istio-init", "image": "proxyv2"}]
    injected["spec"]["containers"].append({"name": "istio-proxy", "image": "proxyv2"})
    again = server.ask(ask(injected), "/mutate")
    assert patch_of(again) is None
    assert reasons(again) == {"mesh-containers-not-forged"}, "hence reinvocationPolicy: Never"


@pytest.mark.parametrize(
    "patch",
    [
        (Operation("add", ("spec", "no", "such", "parent"), 1),),
        (Operation("add", ("spec", "containers", 7), {}),),
        (Operation("add", ("spec", "containers", 0, "name", "x"), 1),),
    ],
)
def test_row_34_a_patch_that_does_not_apply_is_not_sent(
    patch: tuple[Operation, ...], caplog: pytest.LogCaptureFixture
) -> None:
    faulty = made_up(lambda *_: iter([say(fix=Fix(patch, safe=True))]), mend="enforce")
    doors = Doors(faulty, ANNOTATED)
    response = doors.ask(ask(pod()), b"/mutate")
    assert response["allowed"]
    assert [operation["path"] for operation in patch_of(response)] == ["/metadata/annotations"]
    assert "not mended by made-up" in caplog.text
    assert reasons(doors.ask(ask(pod(annotations={"a/b~c": "yes"})))) == {"made-up"}


def test_row_34_a_patch_that_does_not_help_is_not_sent(caplog: pytest.LogCaptureFixture) -> None:
    fix = Fix((Operation("add", ("spec", "x"), 1),), safe=True)
    doors = Doors(made_up(lambda *_: iter([say(("spec", "x"), fix=fix)]), mend="enforce"))
    assert patch_of(doors.ask(ask(pod()), b"/mutate")) is None
    assert "not mended by made-up" in caplog.text


@pytest.mark.parametrize(
    ("operation", "subresource"),
    [("UPDATE", ""), ("DELETE", ""), ("CONNECT", "exec"), ("CREATE", "binding")],
)
def test_row_35_only_a_creation_is_mended(
    server: Serving, operation: str, subresource: str
) -> None:
    every = frozenset({"CREATE", "UPDATE", "DELETE", "CONNECT"})
    eager = made_up(_annotated, mend="enforce", operations=every, subresources=("", subresource))
    review = ask(bare_pod(), operation=operation, old=bare_pod(), subResource=subresource)
    assert patch_of(Doors(eager).ask(review, b"/mutate")) is None
    assert patch_of(server.ask(review, "/mutate")) is None


def test_row_35_a_template_is_not_mended(server: Serving) -> None:
    assert patch_of(server.ask(ask_deployment(bare_pod()), "/mutate")) is None
    assert server.ask(ask_deployment(bare_pod()))["allowed"], "its pods will be"
    assert patch_of(Doors(ANNOTATED).ask(ask_deployment(pod()), b"/mutate")) is None


@pytest.mark.parametrize("make", [pod, bare_pod, wrong_pod])
def test_row_36_validation_never_patches(server: Serving, make: Any) -> None:
    assert patch_of(server.ask(ask(make()))) is None
    assert patch_of(Doors(ANNOTATED).ask(ask(make()))) is None


SECRET = "hunter2-correct-horse"  # noqa: S105  # the secret whose ways we follow


def _no_literals(review: Review, _: Cluster) -> Iterator[Finding]:
    for path, container in review.pod.containers:
        for index, entry in enumerate(container.get("env") or ()):
            if "value" in entry:
                place = (*path, "env", index, "value")
                fix = Fix((Operation("replace", place, ""),), safe=False)
                yield say(place, "is stated; take it from a Secret", found=SECRET, fix=fix)
                beside = (*path, "image")
                fix = Fix((Operation("replace", beside, "other"),), safe=False)
                yield say(beside, "is beside it; change it", found=SECRET, fix=fix)
                raise ValueError(f"cannot go on with {entry['value']}")


@pytest.mark.parametrize("name", [{}, {"name": "app"}], ids=["nameless", "named"])
@pytest.mark.parametrize("fails", [False, True])
def test_row_39_a_secret_of_the_object_is_told_nobody(
    caplog: pytest.LogCaptureFixture, name: dict[str, str], *, fails: bool
) -> None:
    def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
        said = _no_literals(review, cluster)
        if fails:
            yield from said
        yield from (next(said), next(said))

    value = pod({"containers": [{"image": "i", "env": [{"name": "T", "value": SECRET}]} | name]})
    doors = Doors(made_up(check))
    review = ask(value)
    reply = doors.send(json.dumps(review).encode())
    assert reasons(json.loads(reply.body)["response"]) == {"made-up"}
    told = reply.body.decode() + caplog.text + json.dumps(doors.lines())
    assert SECRET not in told
    assert SECRET not in doors.metrics.render().decode()


def _few_cpus(review: Review, _: Cluster) -> Iterator[Finding]:
    for path, container in review.pod.containers:
        stated = mapping(container, "resources", "limits").get("cpu")
        if stated is None:
            continue
        place = (*path, "resources", "limits", "cpu")
        try:
            amount = parse_quantity(stated)
        except InvalidQuantity as error:
            yield say(place, str(error), found=stated)
            continue
        if amount > 4:
            yield say(place, "is more than 4; ask for less", found=stated)


@pytest.mark.parametrize(
    ("stated", "allowed"),
    [
        ("4", True),
        (4, True),
        ("4000m", True),
        ("0.0000001", True),
        ("1e0", True),
        ("4.1", False),
        (5, False),
        ("1k", False),
        ("1Ki", False),
        ("1" + "0" * 30, False),
        ("1e3Mi", False),
        ("1 Gi", False),
        ("", False),
        (True, False),
        ([], False),
        ("\u0661", False),
        ("4\n", False),
        ("NaN", False),
        ("1" + "0" * 100_000, False),
    ],
)
def test_row_41_quantities_are_read_as_kubernetes_reads_them(stated: Any, *, allowed: bool) -> None:
    value = pod({"containers": [HARMLESS | {"resources": {"limits": {"cpu": stated}}}]})
    doors = Doors(made_up(_few_cpus))
    assert doors.ask(ask(value))["allowed"] is allowed
    assert doors.count("rule_results_total", {"effect": "error"}) == 0


def test_row_12_an_object_of_no_map_reaches_no_rule_as_a_crash() -> None:
    doors = Doors(NOT_PRIVILEGED, ANNOTATED)
    for kind in (POD, DEPLOYMENT, CRON_JOB):
        for value in (None, "text", 7, [], [None]):
            doors.ask(ask(value, kind))
            doors.ask(ask(value, kind), b"/mutate")
            doors.ask(ask_update(value, None, kind))
    assert doors.count("rule_results_total", {"effect": "error"}) == 0


def test_the_whole_answer_to_a_denial_has_the_promised_shape(server: Serving) -> None:
    response = server.ask(ask_stored(wrong_pod()))
    assert set(response) == {"uid", "allowed", "status", "auditAnnotations"}
    assert set(response["status"]) == {"code", "reason", "message", "details"}
    assert (response["status"]["code"], response["status"]["reason"]) == (403, "Forbidden")
    assert set(response["status"]["details"]) == {"causes"}
    assert response["auditAnnotations"] == {
        "decision-id": UID,
        "denied-by": "sandboxed-runtime-class",
    }
    assert response["status"]["message"].endswith(f"\n  ref   {UID[:8]}")


def test_rules_of_different_strength_stand_side_by_side() -> None:
    def tells(message: str) -> Any:
        return lambda *_: iter([say(message=message)])

    doors = Doors(
        activate(made_up(tells("is a; want b"), name="enforced")),
        activate(made_up(tells("is c; want d"), name="warned"), "warn"),
        activate(made_up(tells("is e; want f"), name="audited"), "audit"),
        activate(made_up(tells("is g; want h"), name="switched-off"), "off"),
    )
    response = doors.ask(ask(pod()))
    assert reasons(response) == {"enforced"}
    assert response["warnings"] == ["[warned] spec is c; want d"]
    assert response["auditAnnotations"]["audited"] == "audited"
    assert "switched-off" not in json.dumps(response)
    effects = {f["rule"]: f["effect"] for f in doors.lines()[0]["findings"]}
    assert effects == {"enforced": "deny", "warned": "warn", "audited": "audit"}


@pytest.mark.parametrize(
    "image",
    ["Web:1", "web:1 ", "web:1:2", "w\u0435b:1", "https://repo.io/web:1", "web@sha256:0", "web:"],
)
def test_row_40_what_is_no_image_reference_is_refused(server: Serving, image: str) -> None:
    response = server.ask(ask_stored(pod({"initContainers": [{"name": "a", "image": image}]})))
    assert causes(response) == [("image-exact", "spec.initContainers[2].image")]  # after Istio's
    assert response["status"]["message"].isascii()


def test_row_40_port_tag_and_digest_are_read(server: Serving) -> None:
    for image in ("repo.io:5000/web:1", f"repo.io:5000/web:1@sha256:{'0' * 64}", "web:1"):
        response = server.ask(ask_stored(pod({"initContainers": [{"name": "a", "image": image}]})))
        assert response["allowed"]
        assert "image-exact" not in str(response["warnings"])


def test_row_21_a_debugging_container_cannot_pass_the_sidecar(server: Serving) -> None:
    debugging = {"name": "d", "image": "web:1", "securityContext": {"runAsUser": 1337}}
    review = ask_update(
        pod({"ephemeralContainers": [debugging]}), pod(), subResource="ephemeralcontainers"
    )
    place = "spec.ephemeralContainers[0].securityContext.runAsUser"
    assert causes(server.ask(review)) == [("sidecar-not-bypassed", place)]


def test_row_39_a_client_secret_is_told_nobody(server: Serving) -> None:
    secret = {"name": "AZURE_CLIENT_SECRET", "value": SECRET}
    value = pod({"initContainers": [{"name": "a", "image": "web:1", "env": [secret]}]})
    response = server.ask(ask(value, uid="row-39-client"))
    assert "no-client-secret-in-env" in str(response["warnings"])
    assert SECRET not in json.dumps([response, server.line("row-39-client")])
