"""AdmissionReview JSON to Review, and Decision to AdmissionReview JSON. Pure.

The envelope is decoded by itself; the objects inside only when somebody asks for them. A body that
is no review is refused here (`BadReview`, HTTP 4xx); what a review asks for is judged elsewhere.
Source: k8s.io/api/admission/v1; operations 1 and rows 1-26 of its fault table.
"""

from __future__ import annotations

import base64
import re
from functools import lru_cache, partial
from typing import Any

import msgspec
import orjson
from msgspec import Raw

from rules.content import NOTHING, Content, Decoded, Lazy
from rules.model import JSON, Decision, Phase
from rules.patch import encode as encode_patch
from rules.review import Requester, Review
from webhook import wire
from webhook.message import annotate, causes, explain, warn
from webhook.wire import FORMS, Envelope, Form, Head, Kind

API_VERSION = "admission.k8s.io/v1"
_HEAD = 1024
"""Go writes what kind of request it is into the first bytes, before anything of any length."""
_UID_NEAR_THE_START = re.compile(rb'"uid"\s*:\s*"([A-Za-z0-9-]{1,128})"')
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair
    rb"|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_NULL = b"null"
_ALLOWED = b'{"apiVersion":"%b","kind":"AdmissionReview","response":{"uid":%b,"allowed":true,%b}}'


class BadReview(ValueError):
    """The body is no AdmissionReview that we can read. `reason` is a word for the metrics."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class TooDeep(Exception):
    """The body is nested deeper than any object of Kubernetes. `uid` is "" where none is found."""

    def __init__(self, uid: str) -> None:
        super().__init__("nested deeper than 900 levels")
        self.uid = uid


def decode(
    body: bytes,
    *,
    phases: tuple[Phase, ...] = ("final",),
    shaped: frozenset[tuple[str, str]] = frozenset(),
) -> Review:
    """The question in the body of a POST.

    `shaped` are the (group, resource) of which no more is decoded than `rules.shapes` names.
    Raises BadReview where the body is no review, TooDeep where it is nested too deeply; reading
    the objects of the Review may raise both later, since they are decoded when asked for.
    """
    try:
        if not body.isascii():
            body.decode()
        return _review_in_shape(body, phases, shaped) or _review_in(body, phases)
    except RecursionError as error:
        raise TooDeep(_uid_of(body)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        repaired = repair(body)
        if repaired != body:
            return decode(repaired, phases=phases, shaped=shaped)
        raise _bad(error) from error


def _review_in(body: bytes, phases: tuple[Phase, ...]) -> Review:
    """The question, its objects still to be decoded."""
    review = wire.decode(body)
    _check_head(review)
    request = review.request
    new = Content(Lazy(partial(_object, request.object, request.uid)))
    return _review(request, phases, new, _former(request.oldObject, request.uid))


def _review_in_shape(
    body: bytes, phases: tuple[Phase, ...], shaped: frozenset[tuple[str, str]]
) -> Review | None:
    """The question about a pod or a workload, as far as rules read it; None where that cannot be.

    What the body says near its start is a guess, and held against what was decoded.
    """
    start = body.find(b'"resource":{', 0, _HEAD) + len(b'"resource":')
    form = FORMS.get(body[start : body.find(b"}", start, _HEAD) + 1])
    if form is None or form.resource not in shaped:
        return None
    try:
        review = form.outlined(body)
    except msgspec.DecodeError:
        return None  # decoding all of it tells what is wrong
    request = review.request
    if (request.resource.group, request.resource.resource) != form.resource or request.subResource:
        return None
    new = NOTHING
    if request.object is not None:
        make = partial(_object_in, body, request.uid, form)
        new = Content(Lazy(make), form.outline(request.object))
    return _review(request, phases, new, _former(request.oldObject, request.uid, form))


def encode(review: Review, decision: Decision, *, messages: Any = None) -> bytes:
    """The answer: an AdmissionReview with the same uid. `messages`: a `rules.site.Messages`.

    A patch is only ever written where the Decision holds one, and that only /mutate makes.
    """
    uid = orjson.dumps(review.uid)
    if not decision.findings and not decision.patch:
        audit = b'"auditAnnotations":{"decision-id":%b}' % uid
        return _ALLOWED % (API_VERSION.encode(), uid, audit)
    response: dict[str, JSON] = {"uid": review.uid, "allowed": decision.allowed}
    if not decision.allowed:
        response["status"] = {
            "code": 403,
            "reason": "Forbidden",
            "message": explain(review, decision, messages),
            "details": {"causes": causes(decision)},
        }
    if decision.patch:
        patch = orjson.dumps(encode_patch(decision.patch))
        response |= {"patch": base64.b64encode(patch).decode(), "patchType": "JSONPatch"}
    warnings = warn(decision)
    if warnings:
        response["warnings"] = warnings
    response["auditAnnotations"] = annotate(review, decision)
    return orjson.dumps(
        {"apiVersion": API_VERSION, "kind": "AdmissionReview", "response": response}
    )


def _check_head(review: Head) -> None:
    if review.apiVersion != API_VERSION or review.kind != "AdmissionReview":
        raise BadReview(
            "kind",
            f"this is {review.kind[:64]} of {review.apiVersion[:64]}; "
            f"it must be AdmissionReview of {API_VERSION}",
        )


def _review(
    request: Envelope,
    phases: tuple[Phase, ...],
    new: Content,
    former: Content,
) -> Review:
    written = request.requestKind
    return Review(
        operation=request.operation,
        group=request.resource.group,
        resource=request.resource.resource,
        kind=request.kind.kind,
        written="" if written is None or written == request.kind else _name(written),
        uid=request.uid,
        subresource=request.subResource or "",
        namespace=request.namespace or "",
        name=request.name or "",
        requester=_requester(bytes(memoryview(request.userInfo))),
        dry_run=request.dryRun is True,
        phases=phases,
        new=new,
        former=former,
    )


def _name(kind: Kind) -> str:
    return f"{kind.group}/{kind.version}/{kind.kind}"


@lru_cache(maxsize=1024)  # a few controllers ask nearly all questions
def _requester(text: bytes) -> Requester:
    """Who a `userInfo` names. Raises msgspec.DecodeError."""
    user = wire.user(text)
    return Requester(user.username or "", frozenset(user.groups or ())) if user else Requester()


def _former(raw: Raw, uid: str, form: Form | None = None) -> Content:
    """The object as stored, still to be decoded, where there is one."""
    if memoryview(raw) == _NULL:
        return NOTHING
    return Content(Lazy(partial(_object, raw, uid, form)))


def _object_in(body: bytes, uid: str, form: Form) -> Decoded:
    """The new object in a body that is known to hold one."""
    try:
        return Decoded(form.whole(body).request.object, fits=True)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _object(wire.decode(body).request.object, uid)


def _object(raw: Raw, uid: str, form: Form | None = None) -> Decoded:
    """The object: what rules read of it where it has the shape for that, else all of it."""
    if form is not None:
        try:
            return Decoded(form.object(raw), fits=True)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass  # reading all of it tells what is wrong
    try:
        return Decoded(_loads(raw))
    except orjson.JSONDecodeError as error:
        if "depth" in str(error):
            raise TooDeep(uid) from error
        raise _bad(error) from error


def _loads(raw: Raw) -> JSON:
    return orjson.loads(memoryview(raw))


def repair(text: bytes) -> bytes:
    """The text with U+FFFD for each lone surrogate that is written as an escape, as Go reads it."""
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found["lone"] else found[0], text)


def _bad(error: Exception) -> BadReview:
    if isinstance(error, BadReview):
        return error
    invalid = isinstance(error, msgspec.ValidationError)
    return BadReview("review" if invalid else "json", f"the body is no AdmissionReview: {error}")


def _uid_of(body: bytes) -> str:
    """The uid, where Go writes it: behind kind and apiVersion, in the first 512 bytes."""
    found = _UID_NEAR_THE_START.search(body[:512])
    return found[1].decode() if found else ""
