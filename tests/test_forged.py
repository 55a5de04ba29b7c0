"""Forged and misleading input: what the laws and examples of its rules cannot say."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rules.catalog.mesh import mesh_annotations_allowed
from rules.model import JSON
from rules.proxy_config import LONGEST, Unclear, read
from rules.review import Cluster, Review
from rules.site import Site
from rules.words import place
from tests.examples import RULES, rulebook
from tests.reviews import ask, ask_deployment, pod, written
from webhook.codec import decode
from webhook.judge import judge

FORGED = {
    "mesh-annotations-allowed",
    "mesh-containers-not-forged",
    "mesh-labels-allowed",
    "mesh-volumes-not-taken",
    "proxy-resources-complete",
}
BOOK = rulebook(*(rule for rule in RULES if rule.name in FORGED))


def _creation(value: JSON) -> Review:
    """As /mutate sees it, and `check`: the author's text."""
    return decode(written(ask(value)), phases=("raw", "final"))


def _creation_after_istio(value: JSON) -> Review:
    """As /validate sees it where no mutating configuration is installed."""
    return decode(written(ask(value)), phases=("final", "raw"))


def _said(review: Review) -> set[tuple[str, str]]:
    """The check and place of what these rules say."""
    findings = judge(review, BOOK, Cluster.of([], Site())).findings
    return {(finding.check, place(finding.path)) for finding in findings}


KEYS = st.sampled_from([*mesh_annotations_allowed.PROXY_SETTINGS, "interceptionMode", "on", "a"])
VALUES = st.sampled_from(
    ["true", "5s", '"5s"', "2", "0", "NONE", "&a 2", "*a", "null", "0x10", "1_0", "'a'", "", "[]"]
)
PIECES = st.one_of(
    st.tuples(KEYS, st.sampled_from([": ", ":", ":  ", " : ", ":\t"]), VALUES).map("".join),
    st.tuples(KEYS, VALUES).map(lambda entry: f'"{entry[0]}":{entry[1]}'),
    st.sampled_from(["", " ", "\n", "{", "}", ",", "---", "...", "# a", "<<: {}", "? a", "- a"]),
    st.text(max_size=3),
)


def _texts(glue: str, around: str = "%s") -> st.SearchStrategy[str]:
    return st.lists(PIECES, max_size=4).map(lambda parts: around % glue.join(parts))


@given(st.one_of(_texts("\n"), _texts(", ", "{%s}"), _texts(",\n", "{\n%s }\n"), _texts("")))
def test_a_proxy_config_that_is_allowed_reads_alike_in_yaml(text: str) -> None:
    review = _creation(pod(annotations={"proxy.istio.io/config": text}))
    if _said(review):
        return
    ours = {key: _typed(value) for key, value in read(text).items()}
    assert yaml.safe_load(text) == ours


def _typed(value: str) -> JSON:
    """A scalar that the rule allows, as YAML means it."""
    if value in {"true", "false"}:
        return value == "true"
    return int(value) if value.isdigit() else value.strip('"')


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("concurrency: 2", {"concurrency": "2"}),
        ("concurrency: 2\n\ndrainDuration: 5s\n", {"concurrency": "2", "drainDuration": "5s"}),
        ('{"concurrency":2,"drainDuration":"5s"}', {"concurrency": "2", "drainDuration": '"5s"'}),
        ("{\n  concurrency: 2,\n  drainDuration: 5s\n}\n",
         {"concurrency": "2", "drainDuration": "5s"}),
        ("{}", {}),
    ],
)  # fmt: skip
def test_a_flat_proxy_config_is_read(text: str, settings: Mapping[str, str]) -> None:
    assert read(text) == settings


@pytest.mark.parametrize(
    "text",
    [
        "",
        "concurrency",
        "- concurrency: 2",
        "concurrency: &a 2",
        "concurrency: *a",
        "concurrency: 2\nconcurrency: 3",
        '{concurrency: 2, "concurrency": 3}',
        "{concurrency:2}",
        "{concurrency: 2}\n---\n{}",
        "concurrency: 2 # a",
        " concurrency: 2",
        "concurrency:\n  2",
        "concurrency: '2'",
        "concurrency: 2\r\n",
        "drain-duration: 5s",
        "concurrency: 2\n" + " " * LONGEST,
    ],
)
def test_every_other_proxy_config_is_refused(text: str) -> None:
    with pytest.raises(Unclear):
        read(text)


def _injected_pod(**annotations: str) -> JSON:
    """A pod as the injector makes it, without what no rule reads."""
    genuine = {
        "istio.io/rev": "asm-1-28",
        "sidecar.istio.io/status": '{"initContainers": ["istio-init"]}',
        "prometheus.io/port": "15020",
        "kubectl.kubernetes.io/default-container": "app",
    }
    proxy = {"name": "istio-proxy", "volumeMounts": [{"name": "istio-token"}]}
    return pod(
        {
            "initContainers": [{"name": "istio-init"}],
            "containers": [{"name": "app", "volumeMounts": []}, proxy],
            "volumes": [{"name": "istio-token"}, {"name": "istio-envoy"}],
        },
        labels={"security.istio.io/tlsMode": "istio", "service.istio.io/canonical-name": "web"},
        annotations=genuine | annotations,
    )


def test_where_istio_was_first_its_own_work_is_no_forgery() -> None:
    value = _injected_pod()
    assert {check for check, _ in _said(_creation(value))} == {"INJ-RAW", "MESH-VOLUMES"}
    assert not _said(_creation_after_istio(value))


@pytest.mark.parametrize(
    "annotation",
    [
        {"traffic.sidecar.istio.io/excludeInboundPorts": "8080"},
        {"traffic.sidecar.istio.io/excludeInboundPorts": "15020,8080"},
        {"traffic.sidecar.istio.io/excludeInboundPorts": "1502015021"},
        {"traffic.sidecar.istio.io/includeInboundPorts": ""},
        {"sidecar.istio.io/interceptionMode": "NONE"},
        {"sidecar.istio.io/proxyImage": "evil/x"},
        {"inject.istio.io/templates": "gateway"},
    ],
)
def test_where_istio_was_first_other_annotations_are_still_refused(
    annotation: Mapping[str, str],
) -> None:
    review = _creation_after_istio(_injected_pod(**annotation))
    assert _said(review) == {("INJ-RAW", f"metadata.annotations[{key}]") for key in annotation}


def test_where_istio_was_first_its_network_plugin_may_say_the_defaults() -> None:
    review = _creation_after_istio(
        _injected_pod(
            **{
                "sidecar.istio.io/interceptionMode": "REDIRECT",
                "traffic.sidecar.istio.io/includeOutboundIPRanges": "*",
                "traffic.sidecar.istio.io/includeInboundPorts": "*",
                "traffic.sidecar.istio.io/excludeInboundPorts": "15020,15021,15090",
            }
        )
    )
    assert not _said(review)


def test_where_istio_was_first_the_volumes_of_the_sidecar_are_still_its_own() -> None:
    value = _injected_pod()
    value["spec"]["containers"][0]["volumeMounts"] = [{"name": "istio-token"}]
    review = _creation_after_istio(value)
    assert _said(review) == {("MESH-VOLUMES", "spec.containers[0].volumeMounts[0].name")}


def test_a_template_is_its_authors_text_even_where_istio_comes_first() -> None:
    body = written(ask_deployment(_injected_pod()))
    ours, theirs = (decode(body, phases=each) for each in (("raw", "final"), ("final", "raw")))
    assert _said(theirs) == _said(ours) != set()


def test_missing_resources_of_the_proxy_are_never_below_what_was_asked() -> None:
    asked = {"sidecar.istio.io/proxyCPU": "3", "sidecar.istio.io/proxyMemoryLimit": "64Mi"}
    review = _creation(pod(annotations=asked))
    (finding,) = judge(review, BOOK, Cluster.of([], Site())).findings
    assert finding.fix is not None
    assert {operation.path[-1]: operation.value for operation in finding.fix.patch} == {
        "sidecar.istio.io/proxyMemory": "64Mi",
        "sidecar.istio.io/proxyCPULimit": "3",
    }
