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
from rules.site import TRUSTED_NAMES, Site
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
    for homes in (None, TRUSTED_NAMES):
        assert list(Sidecar(Pod.of(pod), homes=homes).flaws()) == []
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


@pytest.mark.parametrize(("phases", "told"), [(("final",), False), (("final", "raw"), True)])
def test_how_the_injector_is_configured_is_up_to_the_platform(
    *, phases: tuple[Phase, ...], told: bool
) -> None:
    pod = _pod(native=True)
    pod["spec"]["initContainers"][1]["env"][1]["value"] = "ca.example:443"
    assert bool(_said(pod, "sidecar-genuine", phases=phases)) is told


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
        ((*PROXY_PATH, "env"), [{"name": "LD_PRELOAD", "value": "/a.so"}], "turns the proxy off"),
        ((*PROXY_PATH, "env", 1, "value"), "istiod.shop.svc:15012", "no address of the platform"),
        ((*PROXY_PATH, "env", 1), {"name": "CA_ADDR"}, "its env CA_ADDR is null"),
        ((*PROXY_PATH, "env", 14, "value"), "NONE", 'which must be "REDIRECT"'),
        ((*PROXY_PATH, "env", 8, "value"), "{", "which is no map in JSON"),
        (
            (*PROXY_PATH, "env", 8, "value"),
            '{"discovery_address": "istiod.shop.svc:15012"}',
            "no address of the platform",
        ),
        ((*PROXY_PATH, "env", 8, "value"), '{"interceptionMode": "NONE"}', 'to "NONE"'),
        ((*PROXY_PATH, "env", 8, "value"), '{"customConfigFile": "/a"}', '"customConfigFile"'),
        (
            (*PROXY_PATH, "env", 8, "value"),
            '{"proxyMetadata": {"DISABLE_ENVOY": "true"}}',
            "its env has DISABLE_ENVOY",
        ),
        ((*PROXY_PATH, "envFrom"), [{"configMapRef": {"name": "a"}}], "by envFrom"),
        ((*PROXY_PATH, "lifecycle", "preStop", "exec", "command"), ["sh"], "its preStop runs"),
        ((*PROXY_PATH, "readinessProbe", "exec"), {"command": ["sh"]}, "its readinessProbe runs"),
        (
            (*PROXY_PATH, "volumeMounts", 0, "mountPath"),
            "/usr/local/bin/",
            'at "/usr/local/bin", and Istio does not',
        ),
        ((*PROXY_PATH, "volumeMounts", 0, "name"), "mine", 'it mounts "mine"'),
        ((*INIT_PATH, "volumeMounts"), [{"name": "a", "mountPath": "/usr"}], 'it mounts "a"'),
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
        (("metadata", "annotations", "proxy.istio.io/overrides"), "{}", "with one of its names"),
        (("metadata", "labels", "security.istio.io/tlsMode"), None, "speak clear text"),
    ],
)
def test_what_istio_never_makes_is_told(place: Any, value: JSON, words: str) -> None:
    pod = _pod(native=True)
    lookup(pod, place[:-1])[place[-1]] = value
    told = [flaw.message for flaw in Sidecar(Pod.of(pod), homes=TRUSTED_NAMES).flaws()]
    assert any(words in message for message in told), told


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ((*PROXY_PATH, "lifecycle", "postStart"), {"exec": {"command": ["pilot-agent", "wait"]}}),
        (
            (*PROXY_PATH, "volumeMounts", 0),
            {
                "name": "kube-api-access-x",
                "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
            },
        ),
        (
            (*PROXY_PATH, "env", 8, "value"),
            '{"discoveryAddress":"istiod-asm-1-29.aks-istio-system.svc.cluster.local:15012",'
            '"proxyMetadata":{"ISTIO_META_DNS_CAPTURE":"true"},"concurrency":2}\n',
        ),
    ],
)
def test_what_a_platform_configures_is_no_forgery(place: Any, value: JSON) -> None:
    pod = _pod(native=True)
    lookup(pod, place[:-1])[place[-1]] = value
    assert list(Sidecar(Pod.of(pod), homes=TRUSTED_NAMES).flaws()) == []


def test_a_container_that_only_takes_the_name_is_not_left_out() -> None:
    pod = _pod(native=True)
    pod["spec"]["initContainers"][1]["command"] = ["sh"]
    told = _said(pod, "sidecar-not-bypassed")
    assert told == {("INJ-CAP", (*PROXY_PATH, "securityContext", part)) for part in
                    ("runAsUser", "runAsGroup")}  # fmt: skip
    review = Review("CREATE", "", POD.resource, POD.kind, new=Content.of(pod))
    rule = next(rule for rule in RULES if rule.name == "sidecar-not-bypassed")
    messages = {finding.message.split(";")[0] for finding in rule.check(review, Cluster.of(()))}
    assert messages == {"is 1337, which is for Istio's own istio-proxy alone"}
    assert _said(pod, "image-exact", registries=["docker.io"]) == {
        ("IMAGE", (*PROXY_PATH, "image"))
    }
