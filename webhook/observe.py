"""Decision to metrics and one log line. Recorded at the door, from what was finished.

The log holds no object and no value of one; it is written by a thread of its own, and rather loses
a line (counted) than holds up an answer.
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import BinaryIO

import orjson
from prometheus_client import Counter

from rules.model import JSON, Finding
from rules.review import Requester
from rules.words import place
from webhook.metrics import Entry, Metrics
from webhook.objects import name_of

MOST_WAITING = 8 * 1024 * 1024
FLUSH_SECONDS = 0.1
FINDINGS_LOGGED = 20
NOBODY = Requester()
_LINE = b'{"ts":"%b","decision_id":%b,"name":%b,"ms":%.3f,%b%b}'


class DecisionLog:
    """Lines of JSON to a stream, written by a thread; `lost` is counted when the reader is slow.

    What waits is one buffer. Lines that wait one by one lie in what the reviews before them left,
    and make the heap grow by a review for each: that was a tenth of all CPU.
    """

    def __init__(self, lost: Counter, stream: BinaryIO | None = None) -> None:
        self._stream = stream or sys.stdout.buffer
        self._lost = lost
        self._waiting = bytearray()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._writer = threading.Thread(target=self._run, name="decision-log", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._writer.start()

    def close(self) -> None:
        """Write what is left and end, unless the reader takes nothing any more."""
        self._closing.set()
        self._writer.join(timeout=5)

    def append(self, line: bytes) -> None:
        """Take a line; it is lost when the reader is `MOST_WAITING` bytes behind."""
        with self._lock:
            if len(self._waiting) < MOST_WAITING:
                self._waiting += line
                self._waiting += b"\n"
                return
        self._lost.inc()

    def _run(self) -> None:
        while not self._closing.wait(FLUSH_SECONDS):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        with self._lock:
            text, self._waiting = self._waiting, bytearray()
        if not text:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # the reader went away: the decisions go on
            self._lost.inc(text.count(b"\n"))


class Recorder:
    """Counts and logs each answer at once: what is kept of a review would cost its memory."""

    def __init__(self, metrics: Metrics, log: DecisionLog) -> None:
        self.metrics = metrics
        self.log = log
        self._second = (0, "")

    def note(self, entry: Entry) -> None:
        """Take an answer. Belongs to one thread."""
        self.metrics.record(entry)
        self.log.append(describe(entry, self._stamp()))

    def _stamp(self) -> str:
        """The time as ISO 8601 with milliseconds; all but those is written once a second."""
        now = time.time()
        second = int(now)
        if second != self._second[0]:
            self._second = (second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)))
        return f"{self._second[1]}.{int((now - second) * 1000):03d}Z"


def describe(entry: Entry, stamp: str) -> bytes:
    """The line of the decision log, in ASCII: names are escaped, so nobody can forge a line."""
    review, decision = entry.review, entry.decision
    line = _LINE % (
        stamp.encode(),
        orjson.dumps(review.uid),
        # Where no rule was asked the object was not decoded, and is not for its name alone.
        orjson.dumps(name_of(review) if decision.rules else review.name),
        entry.seconds * 1000,
        _frame(
            entry.revision,
            entry.endpoint,
            review.operation,
            review.group,
            review.kind,
            review.subresource,
            review.namespace,
            review.requester or NOBODY,
            review.dry_run,
            decision.allowed,
            len(decision.patch),
            review.written,
        ),
        _list(decision.findings) if decision.findings else b"",
    )
    return line if line.isascii() else json.dumps(orjson.loads(line)).encode()


@lru_cache(maxsize=1024)
def _frame(  # noqa: PLR0913  # what many lines have in common, written once
    revision: str,
    endpoint: str,
    operation: str,
    group: str,
    kind: str,
    subresource: str,
    namespace: str,
    requester: Requester,
    dry_run: bool,  # noqa: FBT001
    allowed: bool,  # noqa: FBT001
    patch_operations: int,
    written: str,
) -> bytes:
    fields: dict[str, JSON] = {
        "rulebook": revision,
        "endpoint": endpoint,
        "operation": operation,
        "group": group,
        "kind": kind,
        "subresource": subresource,
        "namespace": namespace,
        "user": requester.username,
        "groups_hash": _digest(requester.groups),
        "dry_run": dry_run,
        "allowed": allowed,
        "patch_operations": patch_operations,
    }
    if written:
        fields["request_kind"] = written
    return orjson.dumps(fields)[1:-1]


def _list(findings: Sequence[Finding]) -> bytes:
    told = [
        {"rule": f.rule, "check": f.check, "effect": f.effect, "path": place(f.path)}
        | ({"existing": True} if f.existing else {})
        | ({"error": True} if f.error else {})
        for f in findings[:FINDINGS_LOGGED]
    ]
    more = max(0, len(findings) - FINDINGS_LOGGED)
    return b"," + orjson.dumps({"findings": told, "more_findings": more})[1:-1]


def _digest(groups: frozenset[str]) -> str:
    return hashlib.sha256("\n".join(sorted(groups)).encode(errors="replace")).hexdigest()[:16]
