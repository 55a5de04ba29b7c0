"""What an OPA server is asked of a review: the request as it came, and what we know around it.

The objects are passed on as bytes: nobody here decodes them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw, Struct

from rules import engine
from rules.model import JSON
from rules.pods import mapping
from rules.review import Cluster, Review
from rules.rulebook import Rulebook
from webhook.codec import BadReview, TooDeep, decode, repair

NULL = Raw(b"null")


class Question(NamedTuple):
    """The `input` of a question, and of the one about the stored object, on UPDATE."""

    now: JSON
    former: JSON = None


class Unaskable(Exception):
    """A review about which nobody can be asked, though somebody has a say."""


class _Review(Struct):
    request: dict[str, Raw]


_decode = msgspec.json.Decoder(_Review).decode


def read_question(body: bytes, rulebook: Rulebook, cluster: Cluster) -> Question | None:
    """What to ask of the review in a body; None where OPA has no say.

    Raises Unaskable for what cannot be read; the door may find that it is no review at all.
    """
    try:
        review = decode(body)
        if not concerns(review, rulebook, cluster):
            return None
        request = _fields_of(body)
    except (BadReview, TooDeep, msgspec.DecodeError, RecursionError) as error:
        raise Unaskable("the review cannot be read") from error
    return question_of(request, review, cluster)


def question_of(request: Mapping[str, Any], review: Review, cluster: Cluster) -> Question:
    """What to ask of a review that was asked with this AdmissionRequest."""
    around = engine.surroundings(review, cluster)
    known: dict[str, JSON] = {
        "namespace": around and {"name": around.name, "labels": dict(around.labels)},
        "tenant": cluster.tenant(around.name) if around else "",
        "trusted": around is not None and cluster.trusts(around.name),
    }
    former = None
    if review.operation == "UPDATE":
        former = {"request": {**request, "object": request.get("oldObject", NULL)}, **known}
    return Question({"request": request, **known}, former)


def request_of(review: Review) -> dict[str, JSON]:
    """The AdmissionRequest that the API server would send with this review."""
    who = review.requester
    version = str(mapping(review.object).get("apiVersion", "")).rpartition("/")[2]
    return {
        "uid": review.uid,
        "kind": {"group": review.group, "version": version, "kind": review.kind},
        "resource": {"group": review.group, "version": version, "resource": review.resource},
        "name": review.name,
        "namespace": review.namespace,
        "operation": review.operation,
        "userInfo": {"username": who.username, "groups": sorted(who.groups)} if who else {},
        "object": review.new.get(),
        "oldObject": review.old,
        "dryRun": False,
    }


def _fields_of(body: bytes) -> Mapping[str, Raw]:
    try:
        return _decode(body).request
    except msgspec.DecodeError:
        return _decode(repair(body)).request


def in_bytes(request: Mapping[str, JSON]) -> dict[str, Raw]:
    """The fields as JSON: Python writes what others refuse, and who reads it says so."""
    return {key: Raw(json.dumps(value).encode()) for key, value in request.items()}


def concerns(review: Review, rulebook: Rulebook, cluster: Cluster) -> bool:
    """Whether some rule outside has a say. May decode."""
    around = engine.surroundings(review, cluster)
    return rulebook.asks_outside(around.labels if around else {}) and not engine.passes(review)
