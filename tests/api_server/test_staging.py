"""The way to enforcement: told nobody, warned, denied; and what was stored on the way."""

from __future__ import annotations

import pytest

from tests.api_server.objects import NOT_MESHED, deployment, pod, policy
from tests.api_server.patience import await_that
from tests.api_server.people import Person
from tests.api_server.serving import AUDIT, ENFORCE, SITE, WARN, Serving
from tests.golden import compare

pytestmark = pytest.mark.control_plane

CANARY = (
    SITE
    + """\
action: warn
rules:
  sandboxed-runtime-class:
    overrides:
    - {namespaceSelector: {matchLabels: {stage: canary}}, action: enforce}
"""
)
EARLY_MEND = (
    SITE
    + """\
action: warn
rules:
  sandboxed-runtime-class: {mend: warn}
"""
)
WITHOUT_RATCHET = (
    SITE
    + """\
action: enforce
rules:
  no-plain-http-egress: {ratchet: false}
"""
)


def test_under_audit_nobody_is_told_and_it_is_counted(
    developer: Person, sallyport: Serving
) -> None:
    sallyport.adopt(AUDIT)

    answer = developer.apply(deployment("audited", runtimeClassName="runc"))

    assert (answer.code, answer.out, answer.err) == (0, "deployment.apps/audited created\n", "")
    await_that(lambda: bool(sallyport.decisions(name="audited")), "the decision is in the log")
    (line,) = sallyport.decisions(name="audited")
    assert line["allowed"]
    assert [(said["rule"], said["effect"]) for said in line["findings"]] == [
        ("sandboxed-runtime-class", "audit")
    ]
    counted = sallyport.metrics("sallyport_rule_results_total")
    assert counted["false", "audit", "sandboxed-runtime-class"] > 0


def test_under_audit_nothing_is_filled_in(developer: Person, sallyport: Serving) -> None:
    sallyport.adopt(AUDIT)

    answer = developer.apply(pod("as-written"))

    assert (answer.code, answer.err) == (0, "")
    assert "runtimeClassName" not in developer.get("pod/as-written")["spec"]


def test_under_warn_it_is_stored_and_kubectl_says_what_is_wrong(
    developer: Person, sallyport: Serving
) -> None:
    sallyport.adopt(WARN)

    answer = developer.apply(deployment("warned", NOT_MESHED, runtimeClassName="runc"))

    assert (answer.code, answer.out) == (0, "deployment.apps/warned created\n")
    compare(answer.err, "api_server/deployment-under-warn.txt")


def test_under_warn_what_is_missing_is_a_warning_and_stays_missing(
    developer: Person, sallyport: Serving
) -> None:
    sallyport.adopt(WARN)

    answer = developer.apply(pod("silent"))

    assert answer.out == "pod/silent created\n"
    compare(answer.err, "api_server/pod-under-warn.txt")
    assert "runtimeClassName" not in developer.get("pod/silent")["spec"]


def test_defaults_can_be_rolled_out_before_denials(developer: Person, sallyport: Serving) -> None:
    sallyport.adopt(EARLY_MEND)

    answer = developer.apply(pod("mended-early"))

    assert (answer.code, answer.err) == (0, "")
    assert "runtimeClassName" in developer.get("pod/mended-early")["spec"]


def test_warnings_can_be_errors_for_who_wants_that(developer: Person, sallyport: Serving) -> None:
    sallyport.adopt(WARN)

    answer = developer.apply(policy("strict", 80), flags=("--warnings-as-errors",))

    assert answer.code == 1
    compare(answer.err, "api_server/policy-with-warnings-as-errors.txt")
    assert developer.get("networkpolicy/strict") is not None, (
        "kubectl fails, the API server does not"
    )


def test_one_tenant_can_go_ahead(developer: Person, sallyport: Serving) -> None:
    sallyport.adopt(CANARY)
    wrong = deployment("ahead", runtimeClassName="runc")

    assert developer.apply(wrong, namespace="foo").err.startswith("Warning: [sandboxed-")
    assert developer.apply(wrong, namespace="bar").err.startswith("Error from server (Forbidden)")


def test_of_what_was_stored_before_the_event_says_what_is_wrong(
    developer: Person, sallyport: Serving
) -> None:
    sallyport.adopt(AUDIT)
    old = deployment("old", runtimeClassName="runc")
    old["spec"]["replicas"] = 0
    assert developer.apply(old).code == 0
    stored = ("get", "replicasets", "--selector=app=old", "-o", "name")
    await_that(lambda: bool(developer.kubectl(*stored).out), "its ReplicaSet is stored too")
    sallyport.adopt(ENFORCE)

    assert developer.kubectl("scale", "deployment/old", "--replicas=1").code == 0

    events = ("get", "events", "--field-selector=reason=FailedCreate")
    await_that(lambda: bool(developer.kubectl(*events).out), "an event tells of the refused pod")
    message = developer.kubectl(*events, "-o", "jsonpath={.items[0].message}").out
    compare(message, "api_server/event-of-a-refused-pod.txt")
    first_line = message.splitlines()[0]
    assert "[sandboxed-runtime-class]" in first_line
    assert first_line in developer.kubectl(*events).out, "the table shows it whole"


def test_what_was_stored_before_can_be_changed_and_not_made_worse(
    developer: Person, sallyport: Serving
) -> None:
    sallyport.adopt(AUDIT)
    developer.apply(policy("old", 80))
    sallyport.adopt(ENFORCE)

    label = developer.kubectl("label", "networkpolicy/old", "team=a")
    assert (label.code, label.out) == (0, "networkpolicy.networking.k8s.io/old labeled\n")
    compare(label.err, "api_server/policy-stored-before-and-labelled.txt")

    worse = developer.apply(policy("old", 80, "http", cidr="0.0.0.0/1"))
    assert worse.code == 1
    compare(worse.err, "api_server/policy-stored-before-and-made-worse.txt")

    better = developer.apply(policy("old", 443))
    assert (better.code, better.err) == (0, "")


def test_a_template_stored_before_can_be_changed_and_not_made_worse(
    developer: Person, sallyport: Serving
) -> None:
    sallyport.adopt(AUDIT)
    developer.apply(deployment("legacy", runtimeClassName="runc"))
    sallyport.adopt(ENFORCE)

    image = developer.kubectl("set", "image", "deployment/legacy", "main=registry.example/app:2")
    assert (image.code, image.out) == (0, "deployment.apps/legacy image updated\n")
    compare(image.err, "api_server/deployment-stored-before-and-changed.txt")

    worse = developer.apply(deployment("legacy", NOT_MESHED, runtimeClassName="runc"))
    assert worse.code == 1
    compare(worse.err, "api_server/deployment-stored-before-and-made-worse.txt")


def test_a_pod_stored_before_can_be_changed_and_go(developer: Person, sallyport: Serving) -> None:
    sallyport.adopt(AUDIT)
    old = pod("old", runtimeClassName="runc")
    old["metadata"]["finalizers"] = ["tests.sallyport.dev/stay"]
    developer.apply(old)
    sallyport.adopt(ENFORCE)

    label = developer.kubectl("label", "pod/old", "team=a")
    assert (label.code, label.out) == (0, "pod/old labeled\n")
    compare(label.err, "api_server/pod-stored-before-and-labelled.txt")

    developer.kubectl("delete", "pod/old", "--wait=false")
    letting_go = '{"metadata": {"finalizers": null}}'
    assert developer.kubectl("patch", "pod/old", "--patch", letting_go).code == 0
    assert developer.get("pod/old") is None


def test_without_the_ratchet_what_was_stored_before_must_be_mended(
    developer: Person, sallyport: Serving
) -> None:
    sallyport.adopt(AUDIT)
    developer.apply(policy("unexcused", 80))
    sallyport.adopt(WITHOUT_RATCHET)

    label = developer.kubectl("label", "networkpolicy/unexcused", "team=a")

    assert label.code == 1
    assert "[no-plain-http-egress] spec.egress[0].ports[0].port is 80" in label.err


def test_a_bad_rulebook_leaves_the_last_good_one_in_force(
    developer: Person, sallyport: Serving
) -> None:
    sallyport.adopt(ENFORCE)

    sallyport.offer("version: 1\naction: forbid\n")

    assert developer.apply(pod("wrong", runtimeClassName="runc")).code == 1
