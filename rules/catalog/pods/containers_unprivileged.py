"""A container of a tenant must not be privileged, nor a process of its node, nor see all of /proc.

Why: to a privileged container the node may hand its own devices, a host process has no sandbox at
all, and an unmasked /proc shows and changes what all containers of the pod share.
Source: Kata Containers, docs/how-to/privileged.md; Azure/AgentBaker, containerd templates;
sandbox-and-mesh SBX-4, SBX-11 and SBX-17.

A debugging container that is added to a running pod is held to the same, by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rules.model import JSON, POD, PODS, Finding, Path, rule
from rules.patch import lookup
from rules.pods import added, mapping
from rules.refusal import removal
from rules.review import Cluster, Review

CONTEXT = "securityContext"
HOST_PROCESS: Path = ("windowsOptions", "hostProcess")


def _pod(context: str, among: str = "containers") -> str:
    return f"{{kind: Pod, spec: {{{among}: [{{name: a, securityContext: {{{context}}}}}]}}}}"


def _debug(debugger: str, *known: str) -> str:
    """An example: a debugging container is added to a pod that was privileged before."""
    old, new = (
        f"{{kind: Pod, spec: {{containers: [{_ROOT}], ephemeralContainers: [{', '.join(found)}]}}}}"
        for found in (known, (*known, debugger))
    )
    return f"{{object: {new}, old: {old}, operation: UPDATE, subresource: ephemeralcontainers}}"


_ROOT = "{name: root, securityContext: {privileged: true}}"
_WINDOWS = "windowsOptions: {hostProcess: true}"
ALLOW = [
    _pod("privileged: false, procMount: Default"),
    "{kind: Pod, spec: {hostUsers: true, containers: [{name: a}]}}",
    _debug("{name: plain}"),
    _debug("{name: plain}", _ROOT),
]
DENY = [
    _pod("privileged: true"),
    _pod("privileged: true", "initContainers"),  # case 18
    _pod("privileged: true", "ephemeralContainers"),
    _pod(_WINDOWS),
    f"{{kind: Pod, spec: {{securityContext: {{{_WINDOWS}}}}}}}",
    _pod("procMount: Unmasked"),
    _debug(_ROOT),  # case 29
    _debug("{name: new, securityContext: {procMount: Unmasked}}", _ROOT),
]


@rule(kinds=PODS, also=((POD, "ephemeralcontainers"),), shaped=True, severity="critical")
def check(review: Review, _cluster: Cluster) -> Iterator[Finding]:
    """The whole pod; of one that is being debugged, the containers that are added."""
    if review.subresource:
        for path, debugger in added(review.object, review.old, "ephemeralContainers"):
            for place, state, _ in _openings(path, debugger):
                yield removal(review, "SBX-17", place, state)
        return
    place = ("spec", CONTEXT, *HOST_PROCESS)
    if lookup(review.object, place) is True:
        yield removal(review, "SBX-4", place, "is true")
    for path, container in review.pod.containers:
        for place, state, paragraph in _openings(path, container):
            yield removal(review, paragraph, place, state)


def _openings(path: Path, container: Mapping[str, JSON]) -> Iterator[tuple[Path, str, str]]:
    """Where the container asks for more than a sandbox gives: place, what is, paragraph."""
    context = mapping(container, CONTEXT)
    if context.get("privileged") is True:
        yield (*path, CONTEXT, "privileged"), "is true", "SBX-4"
    if lookup(context, HOST_PROCESS) is True:
        yield (*path, CONTEXT, *HOST_PROCESS), "is true", "SBX-4"
    if context.get("procMount") == "Unmasked":
        yield (*path, CONTEXT, "procMount"), 'is "Unmasked"', "SBX-11"
