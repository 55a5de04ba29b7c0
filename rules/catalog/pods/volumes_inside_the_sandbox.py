"""A volume of a tenant must come from what a sandbox can be given without opening its node.

Why: hostPath shows the files and devices of the node to the VM, and other inline volumes are
mounted by the kernel that all pods of the node share.
Source: Kata Containers, docs/Limitations.md; AKS documentation, considerations of pod sandboxing;
sandbox-and-mesh SBX-3, SBX-12 and SBX-21; contracts 11.

Disks and file shares come as a PersistentVolumeClaim. A claim may be given as a block device; the
parameter `devices` takes that away.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rules.model import POD, PODS, Finding, Operation, rule
from rules.pods import Item, items, mapping
from rules.refusal import refuse
from rules.review import Cluster, Review
from rules.words import enumerate_words, quote

INSIDE = frozenset(
    {
        "configMap", "secret", "projected", "downwardAPI", "emptyDir", "ephemeral",
        "persistentVolumeClaim",
    }
)  # fmt: skip
NO_SOURCE = frozenset({"name"})
CLAIM = "use a persistentVolumeClaim"


def _pod(volume: str) -> str:
    return f"{{kind: Pod, spec: {{volumes: [{{name: a, {volume}}}]}}}}"


_BLOCK = "{kind: Pod, spec: {containers: [{volumeDevices: [{name: d, devicePath: /dev/d}]}]}}"
_DEBUG = _BLOCK.replace("containers", "ephemeralContainers")
ALLOW = [
    *(_pod(f"{source}: {{}}") for source in sorted(INSIDE)),
    _pod("csi: {driver: secrets-store.csi.k8s.io}"),
    _BLOCK,  # SBX-12, case 33
]
DENY = [
    _pod("hostPath: {path: /var/log}"),  # case 15; readOnly on its mount changes nothing
    _pod("hostPath: {path: /, type: Directory}"),  # case 31
    _pod("hostPath: {path: /dev/sda, type: BlockDevice}"),
    _pod("nfs: {server: nfs.example, path: /}"),
    _pod("azureFile: {secretName: s, shareName: s}"),
    _pod("csi: {driver: csi.example}"),
    _pod("csi: {}"),
    "{kind: Pod, spec: {volumes: [{name: a}]}}",
    f"{{object: {_BLOCK}, parameters: {{devices: false}}}}",
    f"{{object: {_DEBUG}, old: {{kind: Pod}}, operation: UPDATE, subresource: ephemeralcontainers,"
    " parameters: {devices: false}}",
]


@rule(kinds=PODS, also=((POD, "ephemeralcontainers"),), shaped=True, severity="critical")
def check(
    review: Review,
    _cluster: Cluster,
    *,
    drivers: Sequence[str] = (
        "secrets-store.csi.k8s.io",
        "disk.csi.azure.com",
        "file.csi.azure.com",
        "blob.csi.azure.com",
    ),
    devices: bool = True,
) -> Iterator[Finding]:
    """`drivers`: CSI drivers of inline volumes; `devices`: claims may come as block devices."""
    # a debugger cannot bring volumes
    for volume in items(review.pod.spec, ("spec",), "volumes") if not review.subresource else ():
        sources = volume.value.keys() - NO_SOURCE
        if not sources or not sources <= INSIDE:
            yield from _judge(review, volume, drivers)
    for path, container in review.pod.containers if not devices else ():
        for place, _ in items(container, path, "volumeDevices"):
            message = "is a block device; mount the claim as a file system: list it in volumeMounts"
            yield refuse(review, "SBX-12", place, message)


def _judge(review: Review, volume: Item, drivers: Sequence[str]) -> Iterator[Finding]:
    path, value = volume
    stated = [
        source
        for source, found in value.items()
        if source != "name" and (found is not None or source in INSIDE)
    ]
    if not stated:  # nobody leaves it out: what is stated is new to us, or means emptyDir
        yield refuse(review, "SBX-21", path, f"names no source that is known; {CLAIM} or emptyDir")
    for source in stated:
        place = (*path, source)
        if source == "hostPath":
            swap = Operation("remove", place), Operation("add", (*path, "emptyDir"), {})
            message = "is a path of the node; use emptyDir or a persistentVolumeClaim"
            yield refuse(review, "SBX-3", place, message, *swap)
        elif source == "csi":
            driver = mapping(value, source).get("driver")
            if driver not in drivers:
                message = f"is {quote(driver)}, a driver that is not accepted inline; {CLAIM}"
                why = f"accepted inline: {enumerate_words(list(drivers), 'and') or 'none'}"
                finding = refuse(review, "SBX-21", (*place, "driver"), message)
                yield replace(finding, why=why)
        elif source not in INSIDE:
            yield refuse(review, "SBX-21", place, f"is mounted by the node; {CLAIM}")
