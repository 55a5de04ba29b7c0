"""The two hot routes, /validate and /mutate, as a raw ASGI application before FastAPI.

A policy outcome is always HTTP 200; any other status means that nothing was decided.
Source: operations 1 (what the API server does with each failure) and D2.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from rules.content import NOTHING
from rules.engine import DeadlinePassed
from rules.facts import Namespace
from rules.model import Decision, Phase
from rules.outside import Heard
from rules.review import Cluster, Review, Unknown
from webhook.asgi import TEXT, Application, Message, Receive, Send, respond
from webhook.codec import BadReview, TooDeep, decode, encode
from webhook.judge import judge, refuse_unread
from webhook.metrics import Entry
from webhook.observe import Recorder
from webhook.opa import SHARE
from webhook.opa_answer import unavailable
from webhook.opa_question import Unaskable, read_question

if TYPE_CHECKING:
    from webhook.live import Live

MOST_BYTES = 7 * 1024 * 1024  # object and oldObject, each of the 3 MiB that the API server takes
DEFAULT_TIMEOUT = 10.0  # of a webhook configuration that states none
PATIENCE_MARGIN = 0.8
QUEUE_SECONDS = 0.25

_RETRY = (b"retry-after", b"1")
_CLOSE = (b"connection", b"close")
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(h|ms|us|ns|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


class Reply(NamedTuple):
    """An HTTP answer; after one with `close` the connection ends."""

    status: int
    body: bytes
    media: bytes = TEXT
    headers: tuple[tuple[bytes, bytes], ...] = ()
    close: bool = False


class Refused(Exception):
    """The request gets no decision, but an HTTP status and a text."""

    def __init__(self, status: int, text: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(text)
        self.reply = Reply(status, text.encode(errors="replace"), headers=headers)


@dataclass(frozen=True, slots=True)
class Route:
    """One of the two hot routes: its name in metrics, and the phases that it judges on its own."""

    name: str
    phases: tuple[Phase, ...]


class Asked(NamedTuple):
    """What was found out before an answer, and the seconds that all of it took.

    What OPA said, and a namespace that the view lacks.
    """

    heard: Heard | None = None
    found: Namespace | None = None
    waited: float = 0.0


NOBODY = Asked()
TOO_LARGE = Reply(413, b"the body is larger than %d bytes" % MOST_BYTES, close=True)
ROUTES = {b"/validate": Route("validate", ("final",)), b"/mutate": Route("mutate", ("raw",))}


class Front:
    """Answers the doors; hands every other path to `rest`.

    `check` and `answer` are all there is to it, and need no event loop: `webhook.protocol` calls
    them before any task exists. As an ASGI application it does the same for what must wait, as for
    OPA where that is asked too, and for a namespace that is not known.
    """

    def __init__(self, live: Live, recorder: Recorder, rest: Application) -> None:
        self._live = live
        self._recorder = recorder
        self.metrics = recorder.metrics
        self._rest = rest
        self._worked = 0.0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        route = ROUTES.get(scope["raw_path"]) if scope["type"] == "http" else None
        if route is None:
            await self._rest(scope, receive, send)
            return
        reply = self.check(scope["method"].encode(), scope["headers"])
        if reply is None:
            body = await _read_body(receive)
            if body is None:
                self.count("413")
                reply = TOO_LARGE
            else:
                reply = await self._answer(route, body, scope["query_string"])
        leaving = reply.close or self._live.draining
        more = (_CLOSE, *reply.headers) if leaving else reply.headers
        await respond(send, reply.status, reply.body, *more, media=reply.media)

    def breathe(self) -> None:
        """The event loop came round: whoever asks now has not waited behind what was answered."""
        self._worked = 0.0

    def count(self, reason: str) -> None:
        """Count a request that was none."""
        self.metrics.bad.labels(reason).inc()

    @property
    def draining(self) -> bool:
        """Whether callers shall leave: every answer then closes its connection."""
        return self._live.draining

    def check(self, method: bytes, headers: Iterable[tuple[bytes, bytes]]) -> Reply | None:
        """The refusal that the head of a request deserves, if any; names in lower case."""
        reply = _check_head(method, headers)
        if reply is not None:
            self.count(str(reply.status))
        return reply

    def waits(self, route: Route) -> bool:
        """Whether somebody must be asked before an answer, so that this takes a task."""
        return route.name == "validate" and self._live.opa is not None

    async def _answer(self, route: Route, body: bytes, query: bytes) -> Reply:
        """The answer to a whole request, after questions to OPA and the API server as needed."""
        started = time.monotonic()
        try:
            return await self._ask(route, body, query, started)
        except Unknown as unknown:
            found = await self._live.find(unknown.namespace)
        if found is None:
            self.metrics.shed.labels("namespace not known").inc()
            return Refused(503, "the namespace is not known", _RETRY).reply
        return await self._ask(route, body, query, started, found)

    async def _ask(
        self,
        route: Route,
        body: bytes,
        query: bytes,
        started: float,
        found: Namespace | None = None,
    ) -> Reply:
        heard = None
        if self.waits(route):
            deadline = started + _patience(query) * SHARE
            heard = await self._hear(body, self._cluster(found), deadline)
        return self.answer(route, body, query, Asked(heard, found, time.monotonic() - started))

    async def _hear(self, body: bytes, cluster: Cluster, deadline: float) -> Heard | None:
        """What OPA says of the review in a body; None where it has no say."""
        live = self._live
        try:
            question = read_question(body, live.rulebook, cluster) if live.seeing else None
        except Unaskable as reason:
            return Heard((unavailable(str(reason)),))
        if question is None or live.opa is None:
            return None
        return await live.opa.hear(question, deadline)

    def _cluster(self, found: Namespace | None) -> Cluster:
        """The view, with a namespace that it lacks."""
        return self._live.cluster if found is None else self._live.cluster.beside(found)

    def answer(self, route: Route, body: bytes, query: bytes, asked: Asked = NOBODY) -> Reply:
        """The answer to a whole request, with what others were asked before.

        Raises Unknown where the view lacks the namespace.
        """
        started = time.monotonic()
        live = self._live
        try:
            deadline = started + _patience(query) - asked.waited
            review, decision = self._decide(route, body, deadline, asked)
        except BadReview as bad:
            self.count(bad.reason)
            return Reply(400, str(bad).encode(errors="replace"))
        except Refused as refused:
            self.metrics.shed.labels(str(refused)).inc()
            return refused.reply
        rulebook = live.rulebook
        text = encode(review, decision, messages=rulebook.site.messages)
        worked = time.monotonic() - started
        self._worked += worked
        self._note(Entry(review, decision, route.name, rulebook.revision, asked.waited + worked))
        return Reply(200, text, b"application/json")

    def _note(self, entry: Entry) -> None:
        if not entry.decision.rules and entry.review.key not in self._live.rulebook.index:
            self.metrics.unregistered.inc()
        self._recorder.note(entry)

    def _decide(
        self, route: Route, body: bytes, deadline: float, asked: Asked
    ) -> tuple[Review, Decision]:
        if self._worked > QUEUE_SECONDS:
            raise Refused(503, "overloaded", _RETRY)
        live, heard, cluster = self._live, asked.heard, self._cluster(asked.found)
        if not live.seeing:
            raise Refused(503, "the cluster is not known yet", _RETRY)
        try:
            # What OPA says may be about any field.
            shaped = frozenset() if heard is not None and heard.findings else live.rulebook.shaped
            review = decode(body, phases=live.phases(route.phases), shaped=shaped)
            try:
                decision = judge(
                    review,
                    live.rulebook,
                    cluster,
                    heard=heard,
                    late=lambda: time.monotonic() > deadline,
                )
            except (TooDeep, RecursionError):  # nobody need try again, for a name or a log line
                review = review._replace(new=NOTHING, former=NOTHING)
                decision = refuse_unread(review, live.rulebook, cluster, heard=heard)
        except TooDeep as deep:
            if not deep.uid:
                raise BadReview("depth", str(deep)) from deep
            review = Review(operation="CREATE", group="", resource="", kind="", uid=deep.uid)
            decision = refuse_unread(review, live.rulebook, cluster, heard=heard)
        except DeadlinePassed as late:
            raise Refused(503, "not decided in time", _RETRY) from late
        return review, decision


def _check_head(method: bytes, headers: Iterable[tuple[bytes, bytes]]) -> Reply | None:
    if method != b"POST":
        allow = ((b"allow", b"POST"),)
        return Reply(405, b"POST an AdmissionReview here", headers=allow, close=True)
    media = b""
    for name, value in headers:
        if name == b"content-type":
            media = value
        elif name == b"content-encoding" and value.strip().lower() != b"identity":
            return Reply(415, b"the body must not be compressed", close=True)
        elif name == b"content-length" and (not value.isdigit() or int(value) > MOST_BYTES):
            return TOO_LARGE
    if media == b"application/json" or media.partition(b";")[0].strip().lower() == (
        b"application/json"
    ):
        return None
    return Reply(415, b"Content-Type must be application/json", close=True)


async def _read_body(receive: Receive) -> bytes | None:
    """The whole body; None where it is too large."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MOST_BYTES:
            return None
        if not message.get("more_body"):
            return b"".join(parts)


@lru_cache(maxsize=64)
def _patience(query: bytes) -> float:
    """The seconds within which we must have answered `?timeout=4s`, with a margin for the way."""
    for part in query.decode("ascii", "replace").split("&"):
        key, _, value = part.partition("=")
        if key == "timeout":
            seconds = sum(float(n) * _SECONDS[unit] for n, unit in _DURATION.findall(value))
            if seconds > 0:
                return seconds * PATIENCE_MARGIN
    return DEFAULT_TIMEOUT * PATIENCE_MARGIN
