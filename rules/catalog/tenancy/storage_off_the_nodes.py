"""Only the platform may make storage that lies on a node or comes from an unknown driver.

Why: a volume of type hostPath or local reaches a pod through a claim, and shows it the node as if
the pod had mounted the path itself.
Source: sandbox-and-mesh 2, TEN-8; Kubernetes API, PersistentVolume and StorageClass.

The source of a volume and the provisioner of a class cannot be changed later, so that whoever binds
or labels what the platform has made is not meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rules.model import PERSISTENT_VOLUME, STORAGE_CLASS, Finding, Path, rule
from rules.patch import lookup
from rules.principal import admission, is_platform
from rules.review import Cluster, Review
from rules.words import enumerate_words, quote

ON_NODES: tuple[Path, ...] = (("spec", "hostPath"), ("spec", "local"))
DRIVERS: dict[str, Path] = {
    PERSISTENT_VOLUME.kind: ("spec", "csi", "driver"),
    STORAGE_CLASS.kind: ("provisioner",),
}

_HOST = "{kind: PersistentVolume, spec: {hostPath: {path: /var/log}}}"
_CSI = "{kind: PersistentVolume, spec: {csi: {driver: %s, volumeHandle: v}}}"
_CLASS = "{kind: StorageClass, metadata: {name: s}, provisioner: %s}"
_BINDER = "system:serviceaccount:kube-system:persistent-volume-binder"
ALLOW = [
    _CSI % "disk.csi.azure.com",
    _CLASS % "file.csi.azure.com",
    f"{{object: {_HOST}, user: {{groups: ['system:masters']}}}}",
    f"{{object: {_HOST}, old: {_HOST}, operation: UPDATE, user: {{username: '{_BINDER}'}}}}",
]
DENY = [
    _HOST,  # case 17
    "{kind: PersistentVolume, spec: {local: {path: /mnt/disks/a}}}",
    _CSI % "hostpath.csi.k8s.io",
    _CLASS % "rancher.io/local-path",
    f"{{object: {_HOST}, old: {_CSI % 'disk.csi.azure.com'}, operation: UPDATE}}",
]


@rule(
    kinds=(PERSISTENT_VOLUME, STORAGE_CLASS),
    shaped=True,
    severity="critical",
    scope="everywhere",
    transition=True,
)
def check(
    review: Review,
    cluster: Cluster,
    *,
    drivers: Sequence[str] = ("disk.csi.azure.com", "file.csi.azure.com", "blob.csi.azure.com"),
) -> Iterator[Finding]:
    """`drivers`: the CSI drivers and provisioners that anybody may name."""
    if is_platform(review, cluster):
        return
    on_nodes = ON_NODES if review.kind == PERSISTENT_VOLUME.kind else ()
    for path in (*on_nodes, DRIVERS[review.kind]):
        found = lookup(review.object, path)
        if found is None or found == lookup(review.old, path):
            continue
        if path in ON_NODES:
            message = "is set, so the volume is part of a node; use a CSI driver"
        elif found not in drivers:
            usable = enumerate_words(list(drivers)) or "none"
            message = f"is {quote(found)}; use {usable}"
        else:
            continue
        yield Finding(
            check="TEN-8",
            path=path,
            message=f"{message}, since only the platform may make such storage",
            found=found,
            why=f"what a volume shows of a node, its pods see; {admission(review)}",
        )
