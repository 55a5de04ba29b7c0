"""What an object under review states, read once for all who ask: as policies, and for the index."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from rules.content import Content
from rules.model import JSON, NAMESPACE
from rules.netpol.dialects import kubernetes
from rules.netpol.engine import Api
from rules.netpol.entries import Entry, statement_of
from rules.netpol.keys import EVERYWHERE, Key
from rules.netpol.languages import LANGUAGES, translate
from rules.netpol.model import Policy
from rules.netpol.parts import size
from rules.pods import mapping
from rules.review import Review


def written(review: Review) -> tuple[Policy, ...]:
    """What the object means by its own language; nothing where it is too large to be read."""
    return _policies(review, review.content)


def named(value: Mapping[str, JSON], review: Review) -> dict[str, JSON]:
    """The object with the kind that the request says."""
    return {**value, "apiVersion": f"{review.group}/", "kind": review.kind}


def key_in(review: Review) -> Key:
    """Which object of the index is under review."""
    where = EVERYWHERE if review.kind == NAMESPACE.kind else review.namespace
    stored = mapping(review.old, "metadata").get("name")
    name = stored if isinstance(stored, str) else review.own_name
    return Key(Api(review.group, review.kind), where, name)


def stated(review: Review, key: Key, content: Content) -> Entry:
    """What a version of the object under review is, that which has the key in the index."""
    if content.get() is None:
        return Entry(key, None)
    return content.once("stated", None, partial(_state, review, key, content))


def _policies(review: Review, content: Content) -> tuple[Policy, ...]:
    return content.once("policies", None, partial(_translate, review, content))


def _translate(review: Review, content: Content) -> tuple[Policy, ...]:
    value = content.get()
    if not isinstance(value, dict):
        return ()
    if review.group == kubernetes.GROUP:  # it says itself what is too large
        return (kubernetes.translate(value, namespace=review.namespace),)
    if size(value) > kubernetes.MOST_ENTRIES:
        return ()
    return translate(named(value, review), namespace=review.namespace)


def _state(review: Review, key: Key, content: Content) -> Entry:
    value = content.get()
    if key.api in LANGUAGES:
        policies = _policies(review, content)
        if policies and all(_is_of(key, policy) for policy in policies):
            return Entry(key, policies)
    node: Mapping[str, JSON] = mapping(value)
    metadata = {**mapping(node, "metadata"), "namespace": key.namespace, "name": key.name}
    about = {"apiVersion": f"{key.api.group}/v1".lstrip("/"), "kind": key.api.kind}
    return statement_of({**node, **about, "metadata": metadata}, namespace=key.namespace, key=key)


def _is_of(key: Key, policy: Policy) -> bool:
    """Whether a policy is read whole, and says of itself what the request says."""
    origin = policy.origin
    return (origin.namespace, origin.name) == (key.namespace, key.name) and not any(
        fault.consequence == "undecided" and fault.path == ("spec",) for fault in policy.unknowns
    )
