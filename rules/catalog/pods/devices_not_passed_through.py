"""A container of a tenant must not be given a device of its node.

Why: a device that is passed through reads and writes memory by itself, past the wall of the VM.
Source: Kata Containers, docs/threat-model/threat-model.md; sandbox-and-mesh SBX-5.

Devices are asked for as extended resources (`nvidia.com/gpu`) or by resourceClaims.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rules.model import PODS, Finding, rule
from rules.pods import mapping
from rules.refusal import refuse, removal
from rules.review import Cluster, Review

_GPU = "{kind: Pod, spec: {containers: [{resources: {limits: {nvidia.com/gpu: 1}}}]}}"
_PLAIN = "{cpu: 500m, memory: 1Gi, hugepages-2Mi: 4Mi, ephemeral-storage: 1Gi}"
ALLOW = [
    f"{{kind: Pod, spec: {{containers: [{{resources: {{limits: {_PLAIN}}}}}]}}}}",
    f"{{kind: Pod, spec: {{containers: [{{resources: {{requests: {_PLAIN}}}}}]}}}}",
    f"{{object: {_GPU}, parameters: {{accepted: [nvidia.com/gpu]}}}}",
]
DENY = [
    _GPU,  # case 19
    "{kind: Pod, spec: {initContainers: [{resources: {requests: {example.com/fpga: '1'}}}]}}",
    "{kind: Pod, spec: {resourceClaims: [{name: gpu, resourceClaimTemplateName: gpu}]}}",
]


@rule(kinds=PODS, shaped=True, severity="high")
def check(review: Review, _cluster: Cluster, *, accepted: Sequence[str] = ()) -> Iterator[Finding]:
    """`accepted`: extended resources by their full names."""
    if review.pod.spec.get("resourceClaims"):
        message = "asks for devices; remove it, and the claims of the containers"
        yield refuse(review, "SBX-5", ("spec", "resourceClaims"), message)
    for path, container in review.pod.containers:
        for field in ("limits", "requests"):
            for name in mapping(container, "resources", field):
                if "/" in name and name not in accepted:
                    place = (*path, "resources", field, name)
                    yield removal(review, "SBX-5", place, "asks for a device of the node")
