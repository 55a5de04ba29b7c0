"""ValidatingAdmissionPolicies: what must hold though no webhook is asked.

The API server evaluates them itself. They guard what decides whether it asks us at all: selectors
look at the labels of the new object, so that the very request that adds one may not be sent; and no
webhook is asked about webhooks. Sources: contracts 11; sandbox-and-mesh 1 and 2.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rules.guarded import ANNOTATIONS, Guard, guarded_labels
from rules.injection import REVISION
from rules.model import JSON
from rules.rulebook import Rulebook
from rules.site import Platform, Site

API_VERSION = "admissionregistration.k8s.io/v1"
BINDING = "ValidatingAdmissionPolicyBinding"
GUARDED_BY = "namespace-keys-guarded"

_SERVER = ("service", "url")
_METADATA = ("labels", "annotations", "ownerReferences")
_WEBHOOK = (
    "rules", "failurePolicy", "matchPolicy", "namespaceSelector", "objectSelector", "sideEffects",
    "timeoutSeconds", "admissionReviewVersions", "reinvocationPolicy", "matchConditions",
)  # fmt: skip
_API_SERVICE = (
    "group", "version", "groupPriorityMinimum", "versionPriority", "service",
    "insecureSkipTLSVerify",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Backstop:
    """One policy: on which resources of a group which CEL must hold, with what to say if not."""

    name: str
    group: str
    resources: tuple[str, ...]
    validations: Mapping[str, str]
    variables: Mapping[str, str] = field(default_factory=dict)


def policies(rulebook: Rulebook) -> list[JSON]:
    """The policies with their bindings, which only note in the audit log what they would deny."""
    made = [_WEBHOOKS, _API_SERVICES, _CONVERSIONS]
    guards = [c.default for c in rulebook.rules if c.default.rule.name == GUARDED_BY]
    if guards and guards[0].action != "off":
        made.append(_namespaces(rulebook.site))
    stranger = _stranger(rulebook.site.platform)
    return [
        part for backstop in made for part in (_render(backstop, stranger), _bind(backstop.name))
    ]


def enforced(printed: Iterable[JSON]) -> list[JSON]:
    """The patches that make the bindings among these objects deny."""
    return [
        {key: value[key] for key in ("apiVersion", "kind", "metadata")}
        | {"spec": {"validationActions": ["Deny", "Audit"]}}
        for value in printed
        if value["kind"] == BINDING
    ]


def _render(backstop: Backstop, stranger: str) -> JSON:
    constraint = {
        "apiGroups": [backstop.group],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": list(backstop.resources),
        "scope": "Cluster",
    }
    spec: dict[str, JSON] = {
        "failurePolicy": "Fail",
        "matchConstraints": {"matchPolicy": "Equivalent", "resourceRules": [constraint]},
        "matchConditions": [{"name": "not-the-platform", "expression": stranger}],
    }
    if backstop.variables:
        spec["variables"] = [
            {"name": name, "expression": text} for name, text in backstop.variables.items()
        ]
    spec["validations"] = [
        {"expression": text, "reason": "Forbidden", "message": f"only the platform may {message}"}
        for message, text in backstop.validations.items()
    ]
    metadata = {"name": backstop.name}
    kind = "ValidatingAdmissionPolicy"
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def _bind(name: str) -> JSON:
    spec = {"policyName": name, "validationActions": ["Audit"]}
    return {"apiVersion": API_VERSION, "kind": BINDING, "metadata": {"name": name}, "spec": spec}


def _stranger(platform: Platform) -> str:
    """CEL: no platform principal asks."""
    users, groups = _texts(platform.users), _texts(platform.groups)
    return (
        f"!(request.userInfo.username in {users}) && !(has(request.userInfo.groups)"
        f" && request.userInfo.groups.exists(g, g in {groups}))"
    )


def _namespaces(site: Site) -> Backstop:
    """What `namespace-keys-guarded` says, but for which mesh revisions there are."""
    tables = {"labels": guarded_labels(site), "annotations": ANNOTATIONS}
    variables = {}
    for name in tables:
        new, old = f"object.metadata.{name}", f"oldObject.metadata.{name}"
        variables[name] = f"has({new}) ? {new} : {{}}"
        variables[f"old_{name}"] = f"oldObject != null && has({old}) ? {old} : {{}}"
    return Backstop(
        "sallyport-namespace-keys",
        "",
        ("namespaces", "namespaces/status", "namespaces/finalize"),
        {
            f"change {name} by which a namespace is held [{GUARDED_BY}]": _kept(name, guards)
            for name, guards in tables.items()
        },
        variables,
    )


def _kept(name: str, guards: Iterable[Guard]) -> str:
    """CEL: no guarded key of the map is added, changed or removed."""
    keys = [guard.key for guard in guards]
    exact = _texts(key for key in keys if not key.endswith("/"))
    prefixes = _texts(key for key in keys if key.endswith("/"))
    free = f"!(k in {exact} || {prefixes}.exists(p, k.startsWith(p)))"
    if name == "labels":
        free += f" || request.operation == 'CREATE' && k == '{REVISION}'"
    new, old = f"variables.{name}", f"variables.old_{name}"
    return (
        f"{new}.all(k, {free} || k in {old} && {old}[k] == {new}[k])"
        f" && {old}.all(k, {free} || k in {new})"
    )


def _same(new: str, old: str, fields: Iterable[str]) -> str:
    """CEL: these fields are equal, or absent on both sides."""
    return " && ".join(
        f"(has({new}.{name}) ? [{new}.{name}] : []) == (has({old}.{name}) ? [{old}.{name}] : [])"
        for name in fields
    )


def _texts(values: Iterable[str]) -> str:
    """CEL: a list of strings, which is written as JSON is."""
    return json.dumps(sorted(values))


_STORED = f"oldObject != null && {_same('object.metadata', 'oldObject.metadata', _METADATA)}"
_LISTS = [f"(has({o}.webhooks) ? {o}.webhooks : [])" for o in ("object", "oldObject")]
_HOOKS = ("object.spec.conversion.webhook", "oldObject.spec.conversion.webhook")
_CLIENTS = [f"{hook}.clientConfig" for hook in _HOOKS]

# The CA bundle is not compared: istiod, cert-manager and we ourselves write it.
_WEBHOOKS = Backstop(
    "sallyport-foreign-webhooks",
    "admissionregistration.k8s.io",
    ("mutatingwebhookconfigurations", "validatingwebhookconfigurations"),
    {
        "add or change admission webhooks, but for their caBundle": f"{_STORED}"
        f" && {_LISTS[0]}.map(w, w.name) == {_LISTS[1]}.map(w, w.name)"
        f" && {_LISTS[0]}.all(w, {_LISTS[1]}.exists(o, o.name == w.name"
        f" && {_same('w', 'o', _WEBHOOK)} && {_same('w.clientConfig', 'o.clientConfig', _SERVER)}))"
    },
)
_API_SERVICES = Backstop(
    "sallyport-foreign-apiservices",
    "apiregistration.k8s.io",
    ("apiservices",),
    {
        "add or change APIServices, but for their caBundle": f"{_STORED}"
        f" && {_same('object.spec', 'oldObject.spec', _API_SERVICE)}"
    },
)
_CONVERSIONS = Backstop(
    "sallyport-foreign-conversions",
    "apiextensions.k8s.io",
    ("customresourcedefinitions",),
    {
        "add or change conversion webhooks, but for their caBundle": "!has(object.spec.conversion)"
        f" || !has({_HOOKS[0]}) || oldObject != null && has(oldObject.spec.conversion)"
        f" && has({_HOOKS[1]}) && {_same(*_HOOKS, ('conversionReviewVersions',))}"
        f" && has({_CLIENTS[0]}) == has({_CLIENTS[1]})"
        f" && (!has({_CLIENTS[0]}) || {_same(_CLIENTS[0], _CLIENTS[1], _SERVER)})"
    },
)
