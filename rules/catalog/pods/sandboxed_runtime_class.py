"""A pod of a tenant must run in a Kata VM: its runtime class is one that the rulebook accepts.

Why: tenants do not trust each other; a VM of its own keeps a pod off the kernel that all share.
Source: AKS documentation, pod sandboxing; sandbox-and-mesh 3.0 and 3.1.

A class counts only as long as it exists in the cluster with the handler of a Kata runtime: the name
alone proves nothing. A missing class is filled in with the first accepted one that counts; a wrong
one is never rewritten, since the API server has already copied its overhead into the pod.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rules.model import JSON, PODS, RUNTIME_CLASS, Finding, Fix, Path, rule
from rules.patch import set_field
from rules.review import Cluster, Review
from rules.words import quote

FIELD: Path = ("spec", "runtimeClassName")
HANDLERS = {"kata-cc-isolation": "kata-cc"}  # every other accepted class is a plain Kata VM
POOL = "--workload-runtime KataMshvVmIsolation"

_RUNC = "{kind: RuntimeClass, metadata: {name: kata-mshv-vm-isolation}, handler: runc}"
_KATA = "{kind: RuntimeClass, metadata: {name: kata-vm-isolation}, handler: kata}"
_BARE = "{kind: Pod, spec: {containers: [{name: a}]}}"
ALLOW = [
    "{kind: Pod, spec: {runtimeClassName: kata-mshv-vm-isolation}}",
    "{kind: Pod, spec: {runtimeClassName: kata-vm-isolation}}",
    "{object: {kind: Pod, spec: {runtimeClassName: kata-cc-isolation}},"
    " parameters: {accepted: [kata-cc-isolation]}}",
]
DENY = [
    "{kind: Pod, spec: {runtimeClassName: runc}}",
    "{kind: Pod, spec: {runtimeClassName: kata-mhsv-vm-isolation}}",
    "{kind: Pod, spec: {runtimeClassName: kata-cc-isolation}}",
    "{kind: Pod, spec: {runtimeClassName: 7}}",
    f"{{object: {{kind: Pod, spec: {{runtimeClassName: kata-mshv-vm-isolation}}}},"
    f" cluster: [{_RUNC}]}}",
    f"{{object: {{kind: Pod, spec: {{runtimeClassName: kata-mshv-vm-isolation}}}},"
    f" cluster: [{_KATA}]}}",
    f"{{object: {_BARE}, cluster: [{_RUNC}]}}",
    f"{{object: {_BARE}, old: {_BARE}, operation: UPDATE}}",
]
FIX = [
    (
        _BARE,
        "{kind: Pod, spec: {containers: [{name: a}], runtimeClassName: kata-mshv-vm-isolation}}",
    ),
    (
        f"{{object: {{kind: Pod, spec: {{runtimeClassName: ''}}}}, cluster: [{_KATA}]}}",
        "{kind: Pod, spec: {runtimeClassName: kata-vm-isolation}}",
    ),
]


@rule(kinds=PODS, reads=(RUNTIME_CLASS,), shaped=True, severity="critical", mend="enforce")
def check(
    review: Review,
    cluster: Cluster,
    *,
    accepted: Sequence[str] = ("kata-mshv-vm-isolation", "kata-vm-isolation"),
) -> Iterator[Finding]:
    """`accepted`: names of classes, the preferred one first; each must have its Kata handler."""
    classes = cluster.runtime_classes
    stated = review.pod.spec.get("runtimeClassName")
    if stated == "":
        stated = None
    if stated in accepted and _is_usable(stated, classes):
        return
    usable = [name for name in accepted if _is_usable(name, classes)]
    if usable:
        cure = f"set it to {quote(usable[0])}"
        fix = Fix(set_field(review.object, FIELD, usable[0]), safe=stated is None)
    else:
        cure = f"no accepted class exists: add a node pool with {POOL}"
        fix = None
    if review.operation == "UPDATE":  # immutable: only templates and new pods can be mended
        cure, fix = f"{cure}; a stored pod cannot be changed: create it anew", None
    yield Finding(
        check="RUNTIME-CLASS",
        path=FIELD,
        message=f"{_describe(stated, accepted, classes)}; {cure}",
        found=stated,
        fix=fix,
        why=f"namespace {review.namespace} is no platform namespace: its pods must run in a Kata "
        "VM of their own, not on the kernel of the node",
    )


def _is_usable(name: JSON, classes: Mapping[str, str]) -> bool:
    return classes.get(name) == HANDLERS.get(name, "kata")


def _describe(stated: JSON, accepted: Sequence[str], classes: Mapping[str, str]) -> str:
    if stated is None:
        return "is not set"
    shown = quote(stated)
    if stated not in accepted:
        return f"is {shown}"
    if stated not in classes:
        return f"is {shown}, which does not exist in the cluster"
    must = HANDLERS.get(stated, "kata")
    return f"is {shown}, not of handler {quote(must)}"
