"""The genuine sidecar, as Istio's template writes it, and what else bears its name."""

from __future__ import annotations

from typing import Any

import pytest

from rules.content import Content
from rules.model import JSON, POD, Phase
from rules.patch import lookup
from rules.pods import Pod
from rules.review import Cluster, Review
from rules.sidecar import Sidecar
from rules.site import Site
from tests.examples import RULES, rulebook
from tests.reviews import RESTRICTED
from webhook.injector import inject
from webhook.judge import judge

IMAGE = "mcr.microsoft.com/oss/v2/istio/proxyv2:1.28.1"
APP: JSON = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web"},
    "spec": {"containers": [{"name": "app", "image": "web:1", "securityContext": RESTRICTED}]},
}


def _pod(*, native: bool) -> JSON:
    return inject(APP, "asm-1-28", native=native)


def _said(pod: JSON, *names: str, phases: tuple[Phase, ...] = ("final",), **parameters: Any) -> Any:
    """(check, place) of all that the rules of these names say of the creation of the pod."""
    review = Review(
        "CREATE", "", POD.resource, POD.kind, namespace="shop", phases=phases, new=Content.of(pod)
    )
    rules = [rule for rule in RULES if rule.name in names]
    findings = judge(
        review, rulebook(*rules, parameters=parameters), Cluster.of((), Site())
    ).findings
    return {(f.check, f.path) for f in findings}


@pytest.mark.parametrize("native", [True, False])
def test_a_genuine_sidecar_is_taken_for_one(native: bool) -> None:  # noqa: FBT001
    pod = _pod(native=native)
    assert list(Sidecar(Pod.of(pod)).flaws()) == []
    assert _said(pod, "sidecar-genuine", "sidecar-not-bypassed") == set()
    assert _said(pod, "image-exact", registries=["docker.io"]) == set()


def test_in_the_text_of_an_author_no_sidecar_is_genuine() -> None:
    pod = _pod(native=True)
    said = _said(pod, "sidecar-not-bypassed", phases=("raw", "final"))
    user = ("spec", "initContainers", 1, "securityContext", "runAsUser")
    assert ("INJ-CAP", user) in said
    assert _said(pod, "sidecar-genuine", phases=("raw", "final")) == set()


def test_where_nothing_is_mutated_the_stored_pod_is_judged_all_the_same() -> None:
    pod = _pod(native=True)
    del pod["metadata"]["annotations"]
    assert _said(pod, "sidecar-genuine", phases=("final", "raw"))


INIT_PATH = ("spec", "initContainers", 0)
PROXY_PATH = ("spec", "initContainers", 1)


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ((*PROXY_PATH, "restartPolicy"), None, "restartPolicy is not Always"),
        ((*PROXY_PATH, "command"), ["sh"], 'its command is ["sh"]'),
        ((*PROXY_PATH, "image"), "evil.example/x:1", "which is not Istio's"),
        ((*PROXY_PATH, "image"), f"evil.example/{IMAGE}", "which is not Istio's"),
        ((*PROXY_PATH, "args"), ["proxy", "router"], "must be proxy, sidecar"),
        ((*PROXY_PATH, "env"), [{"name": "ISTIO_BOOTSTRAP_OVERRIDE"}], "turns the proxy off"),
        ((*PROXY_PATH, "securityContext", "privileged"), True, "it is privileged"),
        ((*PROXY_PATH, "securityContext", "runAsUser"), 0, "its runAsUser is 0"),
        (
            (*PROXY_PATH, "securityContext", "capabilities", "add"),
            ["NET_BIND_SERVICE"],
            'adds the capability "NET_BIND_SERVICE"',
        ),
        ((*INIT_PATH, "command"), ["true"], 'its command is ["true"]'),
        ((*INIT_PATH, "image"), "evil.example/x:1", "which is not Istio's"),
        ((*INIT_PATH, "args", 10), "", 'its flag -i is ""'),
        ((*INIT_PATH, "args", 16), "15090,15021,15020,8080", "its flag -d is"),
        ((*INIT_PATH, "args", 17), "-o", 'its args have "-o"'),
        ((*INIT_PATH, "args"), ["istio-iptables"], "its args lack"),
        ((*INIT_PATH, "securityContext", "capabilities", "add"), ["SYS_ADMIN"], "SYS_ADMIN"),
        ((*INIT_PATH, "name"), "mine", "no init container istio-init stands beside it"),
        ((*PROXY_PATH, "name"), "mine", "no container is named istio-proxy"),
        (("spec", "containers", 0, "name"), "istio-proxy", "another container has the name"),
        (("spec", "containers", 0, "name"), "istio-validation", "has no such container"),
        (("spec", "containers", 0, "name"), "enable-core-dump", "has no such container"),
        (("metadata", "annotations", "sidecar.istio.io/status"), None, "status is not set"),
        (("metadata", "annotations", "proxy.istio.io/overrides"), "{}", "behind its back"),
        (("metadata", "labels", "security.istio.io/tlsMode"), None, "speak clear text"),
    ],
)
def test_what_istio_never_makes_is_told(place: Any, value: JSON, words: str) -> None:
    pod = _pod(native=True)
    lookup(pod, place[:-1])[place[-1]] = value
    told = [flaw.message for flaw in Sidecar(Pod.of(pod)).flaws()]
    assert any(words in message for message in told), told


def test_a_container_that_only_takes_the_name_is_not_left_out() -> None:
    pod = _pod(native=True)
    pod["spec"]["initContainers"][1]["command"] = ["sh"]
    told = _said(pod, "sidecar-not-bypassed")
    assert told == {("INJ-CAP", (*PROXY_PATH, "securityContext", part)) for part in
                    ("runAsUser", "runAsGroup")}  # fmt: skip
    assert _said(pod, "image-exact", registries=["docker.io"]) == {
        ("IMAGE", (*PROXY_PATH, "image"))
    }
