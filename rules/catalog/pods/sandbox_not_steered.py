"""A pod of a tenant must not carry annotations that steer its sandbox, nor change them later.

Why: Kata and containerd read them when they build the VM: a kernel module more, a seccomp filter
less, no network namespace of its own.
Source: Kata Containers, docs/how-to/how-to-set-sandbox-config-kata.md, src/runtime/pkg/oci;
Azure/AgentBaker, containerd templates; sandbox-and-mesh SBX-6, SBX-7 and INJ-UPD of 4.3.

A confidential pod may bring its agent policy and its initial data, and keeps them as they are.
Scheduling gates can delay the VM, so what a stored pod carries counts as well.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.model import JSON, POD, PODS, RUNTIME_CLASS, Finding, Fix, Operation, Path, rule
from rules.patch import set_field
from rules.pods import annotations_of, mapping
from rules.review import Cluster, Review
from rules.words import quote

STEERING = {"io.katacontainers.": "SBX-6", "io.kubernetes.cri.": "SBX-7", "cdi.k8s.io/": "SBX-7"}
CONFIDENTIAL = frozenset(
    {
        "io.katacontainers.config.agent.policy",
        "io.katacontainers.config.hypervisor.cc_init_data",
    }
)


def _pod(annotations: str, spec: str = "") -> str:
    return f"{{kind: Pod, metadata: {{annotations: {{{annotations}}}}}, spec: {{{spec}}}}}"


def _change(old: str, new: str, subresource: str = "") -> str:
    """An example: a pod that is kept from being scheduled changes its annotations."""
    before, after = (_pod(found, "schedulingGates: [{name: later}]") for found in (old, new))
    return f"{{object: {after}, old: {before}, operation: UPDATE, subresource: '{subresource}'}}"


_POLICY = "io.katacontainers.config.agent.policy: cGFja2FnZQ=="
_NETNS = "io.katacontainers.config.runtime.disable_new_netns: 'true'"
_MODULE = "io.katacontainers.config.agent.kernel_modules: fuse"
_CONFIDENTIAL = "runtimeClassName: kata-cc-isolation"
ALLOW = [
    _pod("app.example/owner: a"),
    _pod(_POLICY, _CONFIDENTIAL),
    _change(_MODULE, f"{_MODULE}, app.example/owner: a"),
    _change("", "app.example/owner: a", "status"),
]
DENY = [
    _pod("io.katacontainers.config.hypervisor.virtio_fs_extra_args: '[\"--sandbox=none\"]'"),
    _pod(_POLICY, "runtimeClassName: kata-mshv-vm-isolation"),
    _pod(_NETNS, _CONFIDENTIAL),  # case 21
    _pod("io.kubernetes.cri.untrusted-workload: 'true'"),
    _pod("cdi.k8s.io/gpu: vendor.example/gpu=all"),
    _change("", _MODULE),  # case 22
    _change("", _MODULE, "status"),  # case 22
    _change(_POLICY, f"{_POLICY[:-2]}Cg=="),
    _change(f"app: a, {_POLICY}", "app: a", "status"),
]


@rule(kinds=PODS, also=((POD, "status"),), reads=(RUNTIME_CLASS,), shaped=True, severity="critical")
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """What a new pod may not have, and what a stored one may not change."""
    stated = review.pod.annotations
    if review.operation == "UPDATE":
        before = annotations_of(review.old)
        keys = [k for k in sorted({*before, *stated}) if before.get(k) != stated.get(k)]
    else:
        before = {}
        permitted = CONFIDENTIAL if _is_confidential(review.object, cluster) else frozenset()
        keys = [k for k in stated if k not in permitted]
    for key in keys:
        for prefix, paragraph in STEERING.items():
            if key.startswith(prefix):
                yield _finding(review, paragraph, key, before.get(key), stated.get(key))


def _is_confidential(pod: JSON, cluster: Cluster) -> bool:
    name = mapping(pod, "spec").get("runtimeClassName")
    return isinstance(name, str) and cluster.runtime_classes.get(name) == "kata-cc"


def _finding(review: Review, paragraph: str, key: str, old: JSON, new: JSON) -> Finding:
    path: Path = ("metadata", "annotations", key)
    state = "is removed" if new is None else f"is {quote(new)}"
    cure = "remove it" if old is None else f"leave it {quote(old)}"
    remove = (Operation("remove", path),)
    patch = remove if old is None else set_field(review.object, path, old)
    return Finding(
        check=paragraph,
        path=path,
        message=f"{state}; {cure}",
        found=new,
        fix=Fix(patch, safe=False),
    )
