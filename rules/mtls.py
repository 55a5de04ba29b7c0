"""Which mutual TLS do workloads ask of their callers? What Istio makes of PeerAuthentications.

Source: istio/istio pilot/pkg/security/authn/policy_applier.go and ../../model/authentication.go,
as told in sandbox-and-mesh 5 and 5.1. On each level (mesh, namespace, workload) the oldest policy
counts, whole; what it leaves UNSET it inherits from the level above. A policy of the root namespace
that selects workloads is ignored, and port levels count only where one workload level has them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from rules.facts import MeshPolicies, MeshPolicy
from rules.model import JSON
from rules.pods import mapping

Level = Literal["mesh", "namespace", "workload", "none"]

DEFAULT = "PERMISSIVE"
"""What workloads ask for where no policy says anything: clear text is accepted."""
STRICT = "STRICT"
INHERITING = (None, "", "UNSET")


class Effective(NamedTuple):
    """What a workload asks for: on all ports, but for those named."""

    mode: str = DEFAULT
    ports: Mapping[str, str] = {}

    def at(self, port: str) -> str:
        """The mode of a port."""
        return self.ports.get(port, self.mode)


def effective(
    policies: MeshPolicies, namespace: str, labels: Mapping[str, str], *, root: str
) -> Effective:
    """What a workload with these labels asks for. `policies` are the oldest first."""
    mode: str = DEFAULT
    for level in ("mesh", "namespace"):
        policy = next(
            _at_level(policies, root if level == "mesh" else namespace, level, root), None
        )
        mode = _mode(policy.spec.get("mtls"), mode) if policy else mode
    for policy in _at_level(policies, namespace, "workload", root):
        if selector_of(policy.spec).items() <= labels.items():
            mode = _mode(policy.spec.get("mtls"), mode)
            ports = mapping(policy.spec, "portLevelMtls")
            return Effective(mode, {str(port): _mode(own, mode) for port, own in ports.items()})
    return Effective(mode)


def level_of(spec: JSON, namespace: str, root: str) -> Level:
    """On which level a PeerAuthentication counts; `none` where Istio ignores it."""
    if not selector_of(spec):
        return "mesh" if namespace == root else "namespace"
    return "none" if namespace == root else "workload"


def selector_of(spec: JSON) -> Mapping[str, JSON]:
    """The labels that a policy selects; an empty selector is none at all."""
    return mapping(spec, "selector", "matchLabels")


def can_meet(one: JSON, other: JSON) -> bool:
    """Whether some workload can be selected by both specs: no label is wanted with two values."""
    mine, theirs = selector_of(one), selector_of(other)
    return all(theirs.get(key, value) == value for key, value in mine.items())


def _at_level(
    policies: MeshPolicies, namespace: str, level: str, root: str
) -> Iterator[MeshPolicy]:
    for policy in policies.get(namespace, ()):
        if level_of(policy.spec, namespace, root) == level:
            yield policy


def _mode(mtls: JSON, inherited: str) -> str:
    stated = mapping(mtls).get("mode")
    return inherited if stated in INHERITING else str(stated)
