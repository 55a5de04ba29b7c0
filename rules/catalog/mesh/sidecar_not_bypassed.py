"""A container must not be able to send past the Istio sidecar of its pod.

Why: what runs as uid or gid 1337 counts as the sidecar itself and is not captured; what may change
the network, or become root, can open its own way out.
Source: sandbox-and-mesh 4.3 (INJ-CAP); istio/istio tools/istio-iptables; Istio, application
requirements; Pod Security Standards, restricted profile.

What the pod states is the default of its containers. The sidecar itself is left out where it is
genuine. An image may name user 1337, too: so what is not set is told. Nothing is filled in, since
that can break an image. The namespace label `sallyport.dev/mesh: off` lifts the rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from rules.injection import INJECTED
from rules.mesh import requires_mesh
from rules.model import JSON, NAMESPACE, POD, PODS, Finding, Fix, Level, Path, rule
from rules.patch import lookup, set_field
from rules.pods import Container, added, mapping
from rules.review import Cluster, Review
from rules.sidecar import IMAGE, PROXY_ID, Sidecar
from rules.words import quote

OF_POD: Path = ("spec", "securityContext")
HARMLESS = "NET_BIND_SERVICE"
AN_ID = 1000
IDS = ("runAsUser", "runAsGroup")
OWN_IDS = (*IDS, "fsGroup")
"""Of a container, and of the pod."""
NAMES = tuple(INJECTED)

_POD = (
    "{kind: Pod, spec: {%ssecurityContext: {%s}, containers: [{name: a, securityContext: {%s}}]}}"
)
_IDS = "runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000"
_SHUT = "allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}"
_BARE = "{kind: Pod, spec: {containers: [{name: a}]}}"
_BUSY = "{kind: Pod, spec: {containers: [{name: a}], ephemeralContainers: [%s]}}"
_ADDED = "{object: %s, old: %s, operation: UPDATE, subresource: ephemeralcontainers}"
_DEBUG = "{name: old, securityContext: {runAsUser: 1337}}"
_PROXY = (
    "{name: istio-proxy, restartPolicy: Always, args: [proxy, sidecar],"
    " image: 'mcr.microsoft.com/oss/istio/proxyv2:1.28', securityContext: {runAsUser: 1337}}"
)
_OFF = (
    "{object: %s, cluster: [{kind: Namespace,"
    " metadata: {name: default, labels: {sallyport.dev/mesh: 'off'}}}]}"
)
ALLOW = [
    _POD % ("", _IDS, _SHUT),
    _POD % ("", "", f"{_IDS}, {_SHUT}"),
    _POD % ("", "runAsUser: 0", f"{_IDS}, {_SHUT}"),
    _POD % ("", _IDS, "allowPrivilegeEscalation: false, capabilities: {drop: [NET_RAW]}"),
    _POD % ("", _IDS, f"{_SHUT[:-1]}, add: [NET_BIND_SERVICE]}}"),
    _ADDED % (_BUSY % _DEBUG, _BUSY % _DEBUG),
    _OFF % _BARE,
]
DENY = [
    _POD % ("", _IDS, "runAsUser: 1337"),
    _POD % ("", _IDS, "runAsGroup: 1337"),
    _POD % ("", "runAsUser: 1337", "runAsUser: 0"),
    _POD % ("", f"fsGroup: 1337, {_IDS}", ""),
    _POD % ("", "supplementalGroups: [2000, 1337]", ""),
    _POD % ("", _IDS, "capabilities: {add: [NET_RAW]}"),
    f"{{object: {_BARE}, parameters: {{strict: true}}}}",
    _ADDED
    % (_BUSY % f"{_DEBUG}, {{name: new, securityContext: {{runAsUser: 1337}}}}", _BUSY % _DEBUG),
    _ADDED % (_BUSY % "{name: new, securityContext: {capabilities: {add: [NET_ADMIN]}}}", _BARE),
    _ADDED % (_BUSY % "{name: a, securityContext: {runAsGroup: 1337}}", _BARE),
    f"{{kind: Pod, spec: {{initContainers: [{_PROXY}], containers: [{{name: a}}]}}}}",
]
WARN = [
    _BARE,
    _POD % ("", _IDS, "allowPrivilegeEscalation: true"),
    _POD % ("", "runAsUser: 0, runAsNonRoot: false", ""),
    _ADDED % (_BUSY % f"{_DEBUG}, {{name: new}}", _BUSY % _DEBUG),
]


@rule(
    kinds=PODS,
    also=((POD, "ephemeralcontainers"),),
    operations=("CREATE",),  # of a stored pod nothing that is read here can change
    reads=(NAMESPACE,),
    shaped=True,
    severity="high",
)
def check(
    review: Review, cluster: Cluster, *, strict: bool = False, sidecar_image: str = IMAGE
) -> Iterator[Finding]:
    """`strict`: what warns by default, and what is not set, denies.

    `sidecar_image`: a regular expression that the images of Istio's containers begin with.
    """
    if not requires_mesh(cluster.namespace(review.namespace)):
        return
    genuine = Sidecar.of(review, cluster, sidecar_image).genuine if review.is_final else ()
    pod = review.object
    default = mapping(review.pod.spec, "securityContext")
    looked_at: Iterable[Container] = review.pod.containers
    if review.subresource:  # what a container is called proves nothing: two may have one name
        looked_at = added(pod, review.old, "ephemeralContainers")
    else:
        yield from _ids(pod, OF_POD, default)
    for path, container in looked_at:
        if path in genuine:
            continue
        place, stated = (*path, "securityContext"), mapping(container, "securityContext")
        name = container.get("name")
        ids = _ids(pod, place, stated) if PROXY_ID in stated.values() else ()
        for finding in (*ids, *_capabilities(pod, place, stated)):
            yield _pretended(finding, name) if name in NAMES else finding
        wanted = _wanted(stated, default)
        if wanted:
            yield _open(pod, place, wanted, "deny" if strict else "warn")


def _ids(pod: JSON, path: Path, context: Mapping[str, JSON]) -> Iterator[Finding]:
    """Where the pod or a container takes the id of the sidecar."""
    for field in OWN_IDS if path == OF_POD else IDS:
        if context.get(field) == PROXY_ID:
            yield _taken((*path, field), Fix(set_field(pod, (*path, field), AN_ID), safe=False))
    groups = context.get("supplementalGroups") if path == OF_POD else ()
    if isinstance(groups, list) and PROXY_ID in groups:
        others = [group for group in groups if group != PROXY_ID]
        fix = Fix(set_field(pod, (*path, "supplementalGroups"), others), safe=False)
        for index, group in enumerate(groups):
            if group == PROXY_ID:
                yield _taken((*path, "supplementalGroups", index), fix)


def _pretended(finding: Finding, name: str) -> Finding:
    """What a container takes under one of Istio's names, which another id would not mend."""
    message = (
        f"is {quote(finding.found)}, which is for Istio's own {name} alone; this container is not "
        "as Istio makes it"
    )
    return replace(finding, message=message, fix=None)


def _taken(path: Path, fix: Fix) -> Finding:
    return Finding(
        check="INJ-CAP",
        path=path,
        message=f"is {PROXY_ID}, the id of the Istio sidecar, whose traffic is not captured; "
        "choose another",
        found=PROXY_ID,
        fix=fix,
    )


def _capabilities(pod: JSON, path: Path, context: Mapping[str, JSON]) -> Iterator[Finding]:
    """What is added that can change the network, or what captures it."""
    added = mapping(context, "capabilities").get("add")
    if not isinstance(added, list):
        return
    field = (*path, "capabilities", "add")
    fix = Fix(set_field(pod, field, [name for name in added if name == HARMLESS]), safe=False)
    for index, name in enumerate(added):
        if name != HARMLESS:
            yield Finding(
                check="INJ-CAP",
                path=(*field, index),
                message=f"is {quote(name)}; remove it, only {HARMLESS} may be added",
                found=name,
                fix=fix,
            )


def _wanted(stated: Mapping[str, JSON], default: Mapping[str, JSON]) -> dict[str, JSON]:
    """What of the restricted profile a container, with the pod's defaults, does not have."""
    wanted: dict[str, JSON] = {}
    if stated.get("allowPrivilegeEscalation") is not False:
        wanted["allowPrivilegeEscalation"] = False
    if _effective("runAsNonRoot", stated, default) is not True:
        wanted["runAsNonRoot"] = True
    for field in IDS:
        if _effective(field, stated, default) in (None, 0):
            wanted[field] = AN_ID
    dropped = mapping(stated, "capabilities").get("drop")
    if not isinstance(dropped, list) or not ("ALL" in dropped or "NET_RAW" in dropped):
        wanted["drop"] = ["ALL"]
    return wanted


def _open(pod: JSON, path: Path, wanted: Mapping[str, JSON], level: Level) -> Finding:
    stated = mapping(lookup(pod, path))
    return Finding(
        check="INJ-CAP",
        path=path,
        message=f"is open; set {', '.join(map(_words, wanted.items()))}",
        found=sorted(wanted),
        level=level,
        fix=Fix(set_field(pod, path, _restricted(stated, wanted)), safe=False),
    )


def _effective(field: str, stated: Mapping[str, JSON], default: Mapping[str, JSON]) -> JSON:
    own = stated.get(field)
    return default.get(field) if own is None else own


def _restricted(stated: Mapping[str, JSON], wanted: Mapping[str, JSON]) -> JSON:
    """The security context with all that this rule asks for, in one piece."""
    ids = {key: AN_ID if value == PROXY_ID else value for key, value in stated.items()}
    capabilities = dict(mapping(stated, "capabilities"))
    if isinstance(capabilities.get("add"), list):
        capabilities["add"] = [name for name in capabilities["add"] if name == HARMLESS]
    if "drop" in wanted:
        capabilities["drop"] = wanted["drop"]
    fields = {key: value for key, value in wanted.items() if key != "drop"}
    return ids | fields | {"capabilities": capabilities}


def _words(field: tuple[str, JSON]) -> str:
    name, value = field
    return "capabilities.drop [ALL]" if name == "drop" else f"{name} {quote(value)}"
