"""Which pods are alike: for all rules, and for those that are only about a pod's place in the net.

The replicas of a workload, a pod that is started again, the pods of the next rollout: they differ
in names that are made up for each, and rules have the same to say of all of them.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import NamedTuple

import orjson

from rules.content import NOTHING, Content
from rules.injection import INJECT
from rules.model import JSON, POD
from rules.netpol.entries import VOLATILE
from rules.pods import Pod
from rules.review import Review

_NAMES = frozenset({"name", "generateName"})
_TOKEN = re.compile(rb"kube-api-access-[a-z0-9]{5}")
"""The volume with the token, that the API server puts into each pod under a name of its own."""
_OF_CONTAINERS = ("ports", "restartPolicy")


def likeness(review: Review) -> bytes | None:
    """A digest of all that rules see of a new pod, but for made-up names; None of all else."""
    pod = review.object
    if review.operation != "CREATE" or review.kind != POD.kind or not isinstance(pod, dict):
        return None
    asker = review.requester
    seen: JSON = (
        review.group,
        review.subresource,
        review.written,
        review.namespace,
        review.phases,
        review.fits,
        asker and (asker.username, *asker.groups),
        {**pod, "metadata": _nameless(pod.get("metadata"))},
    )
    text = _text(seen)
    return sha256(_TOKEN.sub(b"", text)).digest() if text is not None else None


def _text(value: JSON) -> bytes | None:
    """The value in a few bytes; None where it cannot be written, as it is nested too deeply."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return None


def _nameless(metadata: JSON) -> JSON:
    if not isinstance(metadata, dict):
        return metadata
    kept = {key: value for key, value in metadata.items() if key not in _NAMES}
    if isinstance(kept.get("labels"), dict):
        kept["labels"] = _lasting(kept["labels"])
    return kept


def _lasting(labels: dict[str, JSON]) -> dict[str, JSON]:
    """The labels without those that controllers give each pod or rollout anew."""
    if VOLATILE.isdisjoint(labels):
        return labels
    return {key: value for key, value in labels.items() if key not in VOLATILE}


class Group(NamedTuple):
    """Pods that neither network policies nor the mesh can tell apart.

    `key` names the group, if it can be named; `review` asks about a pod that has only what its
    group has: that is all that rules are shown which are declared `by_group`.
    """

    key: bytes | None
    review: Review

    @classmethod
    def of(cls, review: Review) -> Group:
        """The group of the pod under review."""
        pod = _outline(review.pod)
        shown = review._replace(name="", former=NOTHING, new=Content.of(pod), fits=False)
        return cls(_text((review.namespace, pod)), shown)


def _outline(pod: Pod) -> JSON:
    """What a pod is known by in the net, as an object."""
    spec = pod.spec
    return {
        "metadata": {
            "labels": _lasting(dict(pod.labels)),
            "annotations": {INJECT: pod.annotations.get(INJECT)},
        },
        "spec": {
            "serviceAccountName": spec.get("serviceAccountName"),
            "hostNetwork": spec.get("hostNetwork"),
            "containers": _ports(spec.get("containers")),
            "initContainers": _ports(spec.get("initContainers")),
        },
    }


def _ports(containers: JSON) -> JSON:
    """What makes ports known by name, of each container that has ports."""
    if not isinstance(containers, list):
        return None
    return [
        {field: container.get(field) for field in _OF_CONTAINERS}
        for container in containers
        if isinstance(container, dict) and container.get("ports")
    ]
