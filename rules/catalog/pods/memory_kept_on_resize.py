"""The memory of a sandboxed pod must stay as it is while it runs; its CPU may change.

Why: the memory of the VM is fixed once the pod starts; Kubernetes would count on memory that the
VM does not have.
Source: AKS documentation, considerations of pod sandboxing; sandbox-and-mesh SBX-16.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.model import JSON, POD, RUNTIME_CLASS, Finding, Fix, Operation, Path, rule
from rules.patch import lookup, set_field
from rules.pods import mapping
from rules.quantity import InvalidQuantity, parse
from rules.review import Cluster, Review
from rules.words import quote


def _resize(old: str, new: str, runtime: str = "kata-mshv-vm-isolation") -> str:
    before, after = (
        f"{{kind: Pod, spec: {{runtimeClassName: {runtime},"
        f" containers: [{{name: a, resources: {{{found}}}}}]}}}}"
        for found in (old, new)
    )
    return f"{{object: {after}, old: {before}, operation: UPDATE, subresource: resize}}"


_SMALL = "limits: {memory: 1Gi}"
_LARGE = "limits: {memory: 2Gi}"
ALLOW = [
    _resize("limits: {cpu: 1, memory: 1Gi}", "limits: {cpu: 2, memory: 1024Mi}"),  # case 27
    _resize(_SMALL, _LARGE, "runc"),
]
DENY = [
    _resize(_SMALL, _LARGE),  # case 27
    _resize(_LARGE, _SMALL),
    _resize("requests: {memory: 1Gi}", "requests: {memory: 2Gi}"),
    _resize("limits: {cpu: 1}", "limits: {cpu: 1, memory: 1Gi}"),
]


@rule(
    kinds=(POD,),
    operations=("UPDATE",),
    subresources=("resize",),
    reads=(RUNTIME_CLASS,),
    transition=True,
    shaped=True,
    severity="medium",
)
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """One Finding for each limit or request of memory that changes."""
    runtime = mapping(review.old, "spec").get("runtimeClassName")
    if not runtime or not cluster.runtime_classes.get(runtime, "kata").startswith("kata"):
        return  # stored before its namespace was judged: it runs on the node itself
    for owner in (("spec",), *(path for path, _ in review.pod.containers)):
        for field in ("limits", "requests"):
            path: Path = (*owner, "resources", field, "memory")
            old, new = lookup(review.old, path), lookup(review.object, path)
            if _size(old) != _size(new):
                yield _finding(review, path, old, new)


def _size(stated: JSON) -> JSON:
    """What a quantity means; what is none stands for itself."""
    try:
        return parse(stated)
    except InvalidQuantity:
        return stated


def _finding(review: Review, path: Path, old: JSON, new: JSON) -> Finding:
    state = "is removed" if new is None else f"is {quote(new)}"
    cure = "remove it" if old is None else f"leave it {quote(old)}"
    remove = (Operation("remove", path),)
    patch = remove if old is None else set_field(review.object, path, old)
    return Finding(
        check="SBX-16",
        path=path,
        message=f"{state}; {cure}, or create the pod anew",
        found=new,
        fix=Fix(patch, safe=False),
    )
