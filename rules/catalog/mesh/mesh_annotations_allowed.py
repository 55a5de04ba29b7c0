"""A pod may carry only such annotations of Istio as cannot take its traffic out of the mesh.

Why: Istio pastes annotations into the sidecar that it injects: one can switch redirection off,
bring another image or make the proxy privileged, with no container to be seen in the manifest.
Source: sandbox-and-mesh 4.3 INJ-RAW b, c, d and 4.4; istio/istio injection-template.yaml.

Allowed are `sidecar.istio.io/inject: "true"`, the proxy's resources, its log level, the rewriting
and timing of probes, the merging of metrics, and of `proxy.istio.io/config` the settings
`holdApplicationUntilProxyStarts`, `drainDuration`, `terminationDrainDuration` and `concurrency`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from rules.injection import INJECT
from rules.mesh import TELEMETRY_ANNOTATIONS, steers_as_annotation
from rules.model import PODS, Finding, Fix, Operation, Path, rule
from rules.proxy_config import Unclear, read
from rules.quantity import InvalidQuantity, parse
from rules.review import Cluster, Review
from rules.words import enumerate_words, quote

ANNOTATIONS: Path = ("metadata", "annotations")
CONFIG = "proxy.istio.io/config"
WRITTEN_BY_ISTIO = frozenset({"sidecar.istio.io/status", "proxy.istio.io/overrides"})


class Form(NamedTuple):
    """What the value of an annotation must look like, and that in words."""

    pattern: str
    wanted: str


_BOOLEAN = Form("true|false", '"true" or "false"')
_NAME = Form("[A-Za-z0-9._-]{1,63}", "at most 63 of A-Z a-z 0-9 . _ -")
_DURATION = Form(r'"?[0-9]{1,6}(?:\.[0-9]{1,9})?s"?', "seconds, such as 5s")
_LEVEL = Form("trace|debug|info|warning|error|critical|off", "a level such as info")
FORMS: Mapping[str, Form] = {
    INJECT: Form("true", '"true"'),
    "sidecar.istio.io/rewriteAppHTTPProbers": _BOOLEAN,
    "sidecar.istio.io/logLevel": _LEVEL,
    "prometheus.istio.io/merge-metrics": _BOOLEAN,
    **dict.fromkeys(TELEMETRY_ANNOTATIONS, _NAME),
}
PROXY_SETTINGS: Mapping[str, Form] = {
    "holdApplicationUntilProxyStarts": Form("true|false", "true or false"),
    "drainDuration": _DURATION,
    "terminationDrainDuration": _DURATION,
    "concurrency": Form("[1-9][0-9]{0,3}", "a whole number from 1"),
}
"""Keys of the proxy's configuration that are allowed."""
PROBES = "readiness.status.sidecar.istio.io/"
_NUMBER = Form("[0-9]{1,9}", "a whole number")
RESOURCES: Mapping[str, str] = {
    "sidecar.istio.io/proxyCPU": "cpu",
    "sidecar.istio.io/proxyCPULimit": "cpu",
    "sidecar.istio.io/proxyMemory": "memory",
    "sidecar.istio.io/proxyMemoryLimit": "memory",
}
GENUINE: Mapping[str, str] = {
    "istio.io/rev": ".*",
    "sidecar.istio.io/interceptionMode": "REDIRECT",
    "traffic.sidecar.istio.io/includeOutboundIPRanges": r"\*",
    "traffic.sidecar.istio.io/includeInboundPorts": r"\*",
    "traffic.sidecar.istio.io/excludeInboundPorts": "(?:150(?:90|21|20)(?:,(?!$)|$))+",
    **dict.fromkeys(WRITTEN_BY_ISTIO, "(?s:.*)"),  # another rule looks at what was injected
}
"""What Istio itself writes: allowed where a pod is first seen after its injection."""
REASONS: Mapping[str, str] = {
    "status.sidecar.istio.io/port": "Istio leaves that port out of what the sidecar receives",
    "traffic.sidecar.istio.io/": "traffic that the sidecar does not see is clear text, and no "
    "authorization policy holds for it",
    "inject.istio.io/": "another template may bring a proxy to which no traffic is redirected",
    "proxy.istio.io/overrides": "Istio would take image and command of its sidecar from it",
    CONFIG: f"other settings than {enumerate_words(list(PROXY_SETTINGS), 'and')} can switch "
    "redirection off or make the proxy privileged",
}
"""Why, by how a key begins, where more can be said than that it is not allowed."""


def _annotated(*entries: str) -> str:
    return f"{{kind: Pod, metadata: {{annotations: {{{', '.join(entries)}}}}}}}"


ALLOW = [
    _annotated(
        "app.kubernetes.io/istio: 'a'", "prometheus.io/port: '80'", "example.istio.iox/a: b"
    ),
    _annotated(f"{INJECT}: 'true'", "sidecar.istio.io/logLevel: debug"),
    _annotated("sidecar.istio.io/proxyCPU: 100m", "sidecar.istio.io/proxyMemoryLimit: 1Gi"),
    _annotated("sidecar.istio.io/rewriteAppHTTPProbers: 'true'"),
    _annotated("readiness.status.sidecar.istio.io/periodSeconds: '5'"),
    _annotated("resource.opentelemetry.io/service.version: 1.2-rc_3"),
    _annotated(f"{CONFIG}: 'holdApplicationUntilProxyStarts: true'"),  # case 62
    _annotated(f'{CONFIG}: \'{{"concurrency": 2, "drainDuration": "5s"}}\''),
]
DENY = [
    "{kind: Pod, metadata: {labels: {sidecar.istio.io/inject: 'true'},"  # case 49
    " annotations: {sidecar.istio.io/inject: 'false'}}}",
    _annotated("traffic.sidecar.istio.io/excludeOutboundIPRanges: 0.0.0.0/0"),  # case 54
    _annotated("traffic.sidecar.istio.io/excludeInboundPorts: '8080'"),
    _annotated("traffic.sidecar.istio.io/includeInboundPorts: ''"),
    _annotated("traffic.sidecar.istio.io/excludeInterfaces: eth0"),  # case 55
    _annotated("status.sidecar.istio.io/port: '8080'"),
    _annotated("inject.istio.io/templates: grpc-simple"),
    _annotated('proxy.istio.io/overrides: \'{"containers": [{"image": "evil/x"}]}\''),  # case 58
    _annotated("sidecar.istio.io/status: '{}'"),  # case 59
    _annotated(f"{CONFIG}: 'interceptionMode: NONE'"),  # case 61
    _annotated(f"{CONFIG}: 'interception_mode: NONE'"),
    _annotated(f'{CONFIG}: "proxyMetadata:\\n  IPTABLES_TRACE_LOGGING: \\"true\\""'),
    _annotated(f"{CONFIG}: 'concurrency: 0'"),
    _annotated('sidecar.istio.io/userVolume: \'{"a": {"hostPath": {"path": "/"}}}\''),  # case 63
    _annotated("sidecar.istio.io/proxyImage: evil/x"),  # case 65
    _annotated("sidecar.istio.io/bootstrapOverride: cm", "sidecar.istio.io/nativeSidecar: 'false'"),
    _annotated("sidecar.istio.io/proxyCPU: '64'"),
    _annotated("sidecar.istio.io/proxyMemory: much"),
    _annotated('sidecar.istio.io/logLevel: "info\\n  command: [sh]"'),
    _annotated("resource.opentelemetry.io/service.namespace: 'a: b'"),
    _annotated("istio.io/rev: asm-1-28"),
]


@rule(kinds=PODS, shaped=True, phase="raw", severity="critical")
def check(
    review: Review,
    _cluster: Cluster,
    *,
    cpu: str = "4",
    memory: str = "4Gi",
    concurrency: int = 16,
) -> Iterator[Finding]:
    """`cpu`, `memory`, `concurrency`: the most that an annotation may ask for the proxy."""
    most = {"cpu": cpu, "memory": memory}
    for key, value in review.pod.annotations.items():
        if not steers_as_annotation(key) or (review.is_final and _is_genuine(key, value)):
            continue
        if key in RESOURCES:
            fault = _fault_of_quantity(value, most[RESOURCES[key]])
        elif key == CONFIG:
            fault = _fault_of_config(value, concurrency)
        else:
            fault = _fault(key, value)
        if fault:
            path = (*ANNOTATIONS, key)
            yield Finding(
                check="INJ-RAW",
                path=path,
                message=fault,
                found=value,
                fix=Fix((Operation("remove", path),), safe=False),
                why=next((why for start, why in REASONS.items() if key.startswith(start)), ""),
            )


def _is_genuine(key: str, value: str) -> bool:
    return re.fullmatch(GENUINE.get(key, "(?!)"), value) is not None


def _fault(key: str, value: str) -> str:
    if key in WRITTEN_BY_ISTIO:
        return "is set, and only Istio itself writes it; remove it"
    form = _NUMBER if key.startswith(PROBES) else FORMS.get(key)
    if form is None:
        return f"is {quote(value)}; remove it"
    if re.fullmatch(form.pattern, value, re.ASCII):
        return ""
    return f"is {quote(value)}; it must be {form.wanted}, or remove it"


def _fault_of_quantity(value: str, most: str) -> str:
    try:
        size = parse(value)
    except InvalidQuantity:
        return f"is {quote(value)}; it must be a quantity such as 100m or 128Mi, or remove it"
    if 0 < size <= parse(most):
        return ""
    return f"is {quote(value)}; it must be more than 0 and at most {most}, or remove it"


def _fault_of_config(text: str, concurrency: int) -> str:
    try:
        settings = read(text)
    except Unclear as unclear:
        return str(unclear)
    for key, value in settings.items():
        if key not in PROXY_SETTINGS:
            return f"sets {quote(key)}, which pods may not; remove that setting"
        if not re.fullmatch(PROXY_SETTINGS[key].pattern, value):
            return f"sets {key} to {quote(value)}; it must be {PROXY_SETTINGS[key].wanted}"
    if int(settings.get("concurrency", "1")) > concurrency:
        return f"sets concurrency to {settings['concurrency']}; it must be at most {concurrency}"
    return ""
