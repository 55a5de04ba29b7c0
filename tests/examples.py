"""Examples of rule files as reviews, for the laws."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from rules.catalog import discover
from rules.image import entries
from rules.model import (
    JSON,
    NAMESPACE,
    NETWORK_POLICY,
    POD,
    PODS,
    ActiveRule,
    Kind,
    OperationName,
    Phase,
    Rule,
)
from rules.pods import mapping
from rules.review import Cluster, Review
from rules.rulebook import Configured, Rulebook
from rules.site import Acns, Cidrs, Mesh, Network, Site
from rules.threats import Threats, parse
from tests.reviews import ask
from webhook.codec import decode

RULES = discover()
KINDS: Mapping[tuple[str, str], Kind] = {
    (kind.group, kind.kind): kind
    for kinds in ((NETWORK_POLICY,), *((*rule.kinds, *PODS, *rule.reads) for rule in RULES))
    for kind in kinds
}
"""Of kinds of one name the first is meant where no group is: Kubernetes' own."""
MAP_KEYS = {
    "object", "old", "operation", "subresource", "user", "cluster", "parameters", "phase", "mesh",
    "denied", "network", "threats",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """An example: the object, and the circumstances in which it is met."""

    object: JSON = None
    old: JSON = None
    operation: OperationName = "CREATE"
    subresource: str = ""
    namespace: str = "default"
    user: Mapping[str, Any] = field(default_factory=dict)
    cluster: tuple[JSON, ...] = ()
    parameters: Mapping[str, JSON] = field(default_factory=dict)
    phase: Phase = "raw"
    mesh: Mapping[str, Any] = field(default_factory=dict)
    denied: tuple[str, ...] = ()
    network: Mapping[str, Any] = field(default_factory=dict)
    threats: tuple[str, ...] = ()

    def review(self, shaped: frozenset[tuple[str, str]] = frozenset()) -> Review:
        """The question that the example stands for, as it comes from the wire.

        `shaped` is that of the rulebook.
        """
        value = self.object or self.old
        kind = kind_of(value)
        stated = mapping(value, "metadata").get("name")
        name = stated if isinstance(stated, str) and stated else "example"
        inside = name if kind is NAMESPACE else self.namespace if kind.namespaced else ""
        asked = ask(
            self.object,
            kind,
            operation=self.operation,
            old=self.old,
            resource=_resource(POD if self.subresource == "binding" else kind),
            subResource=self.subresource,
            namespace=inside,  # the API server says of a Namespace that it lives in itself
            name=name,
            userInfo={"username": "developer", **self.user},
        )
        phases: tuple[Phase, ...] = ("raw", "final") if self.phase == "raw" else ("final",)
        body = json.dumps(asked, separators=(",", ":"))  # as Go writes it
        return decode(body.encode(), phases=phases, shaped=shaped)

    def view(self) -> Cluster:
        """What else exists."""
        denied = frozenset[str]().union(*map(entries, self.denied))
        threats = Threats.of(map(parse, self.threats))
        site = Site(
            mesh=Mesh(**self.mesh),
            denied_images=denied,
            threats=threats,
            network=_network(self.network),
        )
        return Cluster.of(map(_stored, self.cluster), site)


def kind_of(value: JSON) -> Kind:
    """The kind that an object states; without apiVersion, the first of that name."""
    group, slash, _ = str(value.get("apiVersion", "")).partition("/")
    name = value["kind"]
    return KINDS[group, name] if slash else next(k for k in KINDS.values() if k.kind == name)


def _stored(value: JSON) -> JSON:
    """The object with the apiVersion that an example may leave out."""
    return {"apiVersion": kind_of(value).api_version} | value


def _network(stated: Mapping[str, Any]) -> Network:
    """The engine as a rulebook states it, under `cluster`."""
    given = dict(stated)
    given["enforced"] = tuple(given.get("enforced", ()))
    given["acns"] = Acns(**given.get("acns", {}))
    cidrs = given.get("cidrs", {})
    given["cidrs"] = Cidrs(**{name: tuple(texts) for name, texts in cidrs.items()})
    return Network(**given)


def _resource(kind: Kind) -> JSON:
    return {"group": kind.group, "version": kind.version, "resource": kind.resource}


def read(text: str) -> Example:
    """The example that a YAML text of a rule file stands for."""
    value = yaml.safe_load(text)
    if "kind" in value:
        return Example(object=value, namespace=_namespace_in(value))
    unknown = set(value) - MAP_KEYS
    if unknown:
        raise ValueError(f"unknown keys in an example: {sorted(unknown)}")
    namespace = _namespace_in(value.get("object") or value.get("old"))
    return Example(**{**value, "cluster": tuple(value.get("cluster", ())), "namespace": namespace})


def _namespace_in(value: JSON) -> str:
    """The namespace of the request, which no mutilation of the object changes."""
    found = mapping(value, "metadata").get("namespace")
    return found if isinstance(found, str) else "default"


def rulebook(*rules: Rule, mends: bool = True, parameters: Mapping[str, JSON] | None = None,
             ) -> Rulebook:  # fmt: skip
    """These rules, all enforced; `parameters` go to the first of them."""
    chosen = []
    for position, rule in enumerate(rules):
        given = dict(parameters or {}) if position == 0 else {}

        def check(review: Review, cluster: Cluster, rule: Rule = rule, given: Any = given) -> Any:
            return rule.check(review, cluster, **given)

        active = ActiveRule(rule, "enforce", check, mends=mends and rule.mend == "enforce")
        chosen.append(Configured(active))
    return Rulebook.of(Site(), chosen)


def well_formed() -> Rule:
    """The built-in rule that looks at shapes: it speaks where others cannot read."""
    return next(rule for rule in RULES if rule.name == "well-formed")
