"""Which pods are alike: for all rules, and for those that are only about a pod's place in the net.

The replicas of a workload, a pod that is started again, the pods of the next rollout: they differ
in names that are made up for each, and rules have the same to say of all of them.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from hashlib import sha256
from typing import NamedTuple

import orjson

from rules.content import NOTHING, Content
from rules.injection import INJECT
from rules.model import JSON
from rules.netpol.entries import VOLATILE
from rules.pods import TEMPLATES, Pod
from rules.review import Review

_TOKEN = b'"name":"kube-api-access-'
"""The volume with the token, that the API server puts into each pod under a name of its own."""
_MADE_UP = 5
_OF_CONTAINERS = ("ports", "restartPolicy")


class Likeness(NamedTuple):
    """All that rules see of a new pod, but for names that are made up; equal for pods alike.

    `text` is the larger part of it, as it was written.
    """

    circumstances: tuple[Hashable, ...]
    text: bytes

    @property
    def digest(self) -> bytes:
        """The same in a few bytes."""
        return sha256(repr(self.circumstances).encode() + self.text).digest()


def likeness(review: Review) -> Likeness | None:
    """Which reviews this one is like; None where its answer may depend on more than is compared.

    It is about the creation of a pod, or about a template, whatever was stored before.
    """
    outline = review.new.outline
    if outline is None or not (
        review.operation == "CREATE" or (review.group, review.kind) in TEMPLATES
    ):
        return None
    labels = outline.labels
    circumstances = (
        review.operation,
        review.group,
        review.resource,
        review.subresource,
        review.kind,
        review.written,
        review.namespace,
        review.phases,
        review.requester,
        None if labels is None else tuple(_lasting(labels).items()),
    )
    return Likeness(circumstances, _nameless(outline.text))


def _nameless(text: bytes) -> bytes:
    """The text with the made-up name of the token's volume blotted out, as no text can be."""
    start = text.find(_TOKEN)
    if start < 0:
        return text
    begin = start + len(_TOKEN)
    made_up = text[begin : begin + _MADE_UP]
    if not made_up.isalnum() or text[begin + _MADE_UP : begin + _MADE_UP + 1] != b'"':
        return text
    name = _TOKEN.rpartition(b'"')[2]
    return text.replace(name + made_up, name + bytes(_MADE_UP))


def _lasting(labels: Mapping[str, JSON]) -> Mapping[str, JSON]:
    """The labels without those that controllers give each pod or rollout anew."""
    if VOLATILE.isdisjoint(labels):
        return labels
    return {key: value for key, value in labels.items() if key not in VOLATILE}


def _text(value: JSON) -> bytes | None:
    """The value in a few bytes; None where it cannot be written, as it is nested too deeply."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return None


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
        shown = review._replace(name="", former=NOTHING, new=Content.of(pod))
        return cls(_text((review.namespace, pod)), shown)


def _outline(pod: Pod) -> JSON:
    """What a pod is known by in the net, as an object."""
    spec = pod.spec
    return {
        "metadata": {
            "labels": _lasting(pod.labels),
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
