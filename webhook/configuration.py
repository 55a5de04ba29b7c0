"""Rulebook -> what is installed: the two webhook configurations, and the manifests around them.

What the API server sends follows from what the rules declare; see `rules.rulebook`. Requests that
no rule reads are never sent: a wildcard would slow every write and keep a cluster from starting.
Sources: contracts 7; sandbox-and-mesh 1; Kubernetes API, admissionregistration.k8s.io/v1.
"""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Literal, get_args

import yaml

from rules.model import (
    ADDRESS_SETS,
    CALICO_STAGED,
    ISTIO,
    JSON,
    NETWORK_POLICIES,
    TIERS,
    WORKLOADS,
    Kind,
    OperationName,
)
from rules.rulebook import Configured, Rulebook, operations_of, resources_of
from webhook.backstop import policies
from webhook.doors import MUTATE, VALIDATE, Door

FailurePolicy = Literal["Fail", "Ignore"]
Resource = tuple[Kind, str]
"""A kind and its subresource, `""` for the object itself."""

SERVICE = {"namespace": "sallyport-system", "name": "sallyport", "port": 443}
ENFORCER = {"admissions.enforcer/disabled": "true"}
"""Keeps the AKS admissions enforcer from adding terms to our selectors that tenants can meet."""

_OPERATIONS: tuple[OperationName, ...] = get_args(OperationName)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a configuration: its name, and which requests it leaves out.

    `tenants`: requests in trusted namespaces are not sent; `root`: only those in the root namespace
    of the mesh are. `conditions`: name -> CEL, all must hold for a request to be sent.
    """

    name: str
    tenants: bool = False
    root: bool = False
    conditions: Mapping[str, str] = field(default_factory=dict)


_CHANGED = " || ".join(
    f"(has(object.metadata.{field}) ? object.metadata.{field} : {{}})"
    f" != (has(oldObject.metadata.{field}) ? oldObject.metadata.{field} : {{}})"
    for field in ("labels", "annotations")
)
_NAMESPACES = Entry(
    "namespaces",  # the namespace controller writes their status and finalizers all the time
    conditions={"labels-or-annotations-changed": f"request.operation != 'UPDATE' || {_CHANGED}"},
)
_PODS = Entry("pods", tenants=True)
_POD_STATUS = Entry(
    "pod-status",  # the kubelets report without end, and metadata is all that rules read there
    tenants=True,
    conditions={"metadata-changed": _CHANGED},
)
_BINDINGS = Entry(
    "bindings",  # the scheduler binds each pod of the cluster, and may
    tenants=True,
    conditions={"not-the-scheduler": "request.userInfo.username != 'system:kube-scheduler'"},
)
_TEMPLATES = Entry("templates", tenants=True)
_NETWORK_POLICIES = Entry("network-policies", tenants=True)
_CLUSTER_POLICIES = Entry(
    "cluster-network-policies"
)  # they lie in no namespace, and reach into all
_ISTIO = Entry("istio")  # in trusted namespaces too: the root namespace of the mesh is one
_SHARED_CONFIG = (  # a deletion of many has no request.name
    "(request.operation == 'DELETE' ? oldObject : object).metadata.name"
    ".startsWith('istio-shared-configmap-')"
)

ENTRIES: Mapping[str, Entry] = {
    "pods": _PODS,
    "pods/status": _POD_STATUS,
    "pods/binding": _BINDINGS,
    "bindings": _BINDINGS,
    **{f"{kind.resource}.{kind.group}": _TEMPLATES for kind in WORKLOADS},
    "namespaces": _NAMESPACES,
    "services": Entry("services", tenants=True),
    "secretproviderclasses.secrets-store.csi.x-k8s.io": Entry(
        "secret-provider-classes", tenants=True
    ),
    **{
        f"{kind.resource}.{kind.group}": _NETWORK_POLICIES if kind.namespaced else _CLUSTER_POLICIES
        for kind in (*NETWORK_POLICIES, *CALICO_STAGED, *ADDRESS_SETS, *TIERS)
    },
    **{f"{kind.resource}.{kind.group}": _ISTIO for kind in ISTIO},
    "configmaps": Entry("mesh-config", root=True, conditions={"shared-config": _SHARED_CONFIG}),
}
"""Entries by `resource[/subresource][.group]`; a subresource without a row is in its resource's.

A resource without a row has an entry of its own name that leaves nothing out: whom a namespace
selector excludes must be decided here, with the reason that its requests cannot matter.
"""


def webhooks(
    rulebook: Rulebook,
    *,
    url: str | None = None,
    ca_bundle: bytes | None = None,
    failure_policy: FailurePolicy = "Fail",
    mutate: bool = True,
) -> list[JSON]:
    """The webhook configurations for the rules that stand in this rulebook.

    `url`: where the server is, in place of the Service; `/mutate` and `/validate` are appended.
    `ca_bundle`: PEM; without it `sallyport certs issue` puts it there. Raises certs.pem.BadPair
    for a bundle with a bad block, since the API server would drop all of it without a word.
    """
    bundle = {} if ca_bundle is None else {"caBundle": _encode(ca_bundle)}
    return [
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": door.kind,
            "metadata": {
                "name": door.configuration,
                "labels": dict(ENFORCER),
                "annotations": dict(ENFORCER),
            },
            "webhooks": [
                _render(entry, door, rules, rulebook)
                | {"failurePolicy": failure_policy, "clientConfig": _reach(door, url) | bundle}
                for entry, rules in _entries(rulebook, door)
            ],
        }
        for door in (MUTATE, VALIDATE)
        if mutate or door is VALIDATE
    ]


def everything(rulebook: Rulebook, *, text: str | None = None, mutate: bool = True) -> list[JSON]:
    """All objects of manifests/base in the order of installation, for this rulebook.

    `text` is the rulebook as the server shall read it; None leaves the base's own.
    """
    base = resources.files("manifests") / "base"
    plan = yaml.safe_load((base / "kustomization.yaml").read_text(encoding="utf-8"))
    objects: list[JSON] = []
    for name in plan["resources"]:
        if name == "webhooks.yaml":  # generated for the built-in rulebook
            objects += webhooks(rulebook, failure_policy="Ignore", mutate=mutate)
        elif name == "policies.yaml":
            objects += policies(rulebook)
        else:
            objects += yaml.safe_load_all((base / name).read_text(encoding="utf-8"))
    labels = {key: value for item in plan["labels"] for key, value in item["pairs"].items()}
    return [_adapt(value, labels, text, mutate=mutate) for value in objects]


def _adapt(value: JSON, labels: Mapping[str, str], text: str | None, *, mutate: bool) -> JSON:
    metadata = value["metadata"]
    metadata["labels"] = {**metadata.get("labels", {}), **labels}
    if value["kind"] == "ConfigMap" and text is not None:
        value["data"] = {"rulebook.yaml": text}
    if value["kind"] == "Deployment" and not mutate:
        value["spec"]["template"]["spec"]["containers"][0]["args"].append("--no-mutate")
    return value


def _entries(rulebook: Rulebook, door: Door) -> Iterator[tuple[Entry, list[JSON]]]:
    """The entries of a configuration in the order of their names, each with its match rules."""
    asked: dict[str, dict[Resource, frozenset[OperationName]]] = defaultdict(dict)
    entries = {}
    for resource, operations in _requests(rulebook, door).items():
        entry = _entry_of(*resource)
        entries[entry.name] = entry
        asked[entry.name][resource] = operations
    for name, entry in sorted(entries.items()):
        yield entry, _match_rules(asked[name])


def _requests(rulebook: Rulebook, door: Door) -> Mapping[Resource, frozenset[OperationName]]:
    """The operations that some standing rule must be asked at, by resource."""
    wanted: dict[Resource, frozenset[OperationName]] = defaultdict(frozenset)
    for configured in rulebook.rules:
        if not _stands(configured, door):
            continue
        rule = configured.default.rule
        for kind, subresource in resources_of(rule):
            operations = operations_of(kind, rule.operations, subresource)
            if door is MUTATE:  # it looks at the creation of an object itself, and no template
                whole = kind not in WORKLOADS and not subresource
                operations = operations & {"CREATE"} if whole else frozenset()
            if operations:
                wanted[kind, subresource] |= operations
    return wanted


def _stands(configured: Configured, door: Door) -> bool:
    """Whether the rule has something to say at this door in some namespace."""
    actives = [configured.default, *(active for _, active in configured.overrides)]
    return any(
        active.action != "off" and (door is VALIDATE or active.mends or active.rule.phase == "raw")
        for active in actives
    )


def _entry_of(kind: Kind, subresource: str) -> Entry:
    group = f".{kind.group}" if kind.group else ""
    return (
        ENTRIES.get(f"{kind.resource}/{subresource}{group}")
        or ENTRIES.get(f"{kind.resource}{group}")
        or Entry(kind.resource)
    )


def _match_rules(asked: Mapping[Resource, frozenset[OperationName]]) -> list[JSON]:
    """The `rules` of an entry: what differs only in its resource stands together."""
    together: dict[tuple[str, str, bool, tuple[OperationName, ...]], list[str]] = defaultdict(list)
    for (kind, subresource), operations in asked.items():
        ordered = tuple(name for name in _OPERATIONS if name in operations)
        name = f"{kind.resource}/{subresource}" if subresource else kind.resource
        together[kind.group, kind.version, kind.namespaced, ordered].append(name)
    return [
        {
            "apiGroups": [group],
            "apiVersions": [version],
            "operations": list(operations),
            "resources": sorted(names),
            "scope": "Namespaced" if namespaced else "Cluster",
        }
        for (group, version, namespaced, operations), names in sorted(together.items())
    ]


def _render(entry: Entry, door: Door, rules: Iterable[JSON], rulebook: Rulebook) -> JSON:
    rendered = {
        "name": f"{entry.name}.{door.path}.sallyport.dev",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "matchPolicy": "Equivalent",
        **door.extra,
        "rules": list(rules),
    }
    if entry.tenants:
        rendered["namespaceSelector"] = _named("NotIn", rulebook.site.trusted.namespaces)
    if entry.root:
        rendered["namespaceSelector"] = _named("In", [rulebook.site.mesh.root])
    if entry.conditions:
        rendered["matchConditions"] = [
            {"name": name, "expression": text} for name, text in entry.conditions.items()
        ]
    return rendered


def _named(operator: str, namespaces: Iterable[str]) -> JSON:
    """A selector of namespaces by their name: the one label that nobody can forge."""
    key = "kubernetes.io/metadata.name"
    return {"matchExpressions": [{"key": key, "operator": operator, "values": sorted(namespaces)}]}


def _reach(door: Door, url: str | None) -> JSON:
    if url is None:
        return {"service": {**SERVICE, "path": f"/{door.path}"}}
    return {"url": f"{url.rstrip('/')}/{door.path}"}


def _encode(bundle: bytes) -> str:
    from certs import pem

    pem.read_certificates(bundle)
    return base64.b64encode(bundle).decode("ascii")
