"""What Prometheus scrapes. Labels come from fixed lists: what a caller writes makes no series."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from rules.model import Decision
from rules.outside import EVERY, PREFIX
from rules.review import Review

BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
ENDPOINTS = ("validate", "mutate")
MOST_OUTSIDERS = 100


class Entry(NamedTuple):
    """One answer, as it is noted: at the door `endpoint`, under the rulebook `revision`."""

    review: Review
    decision: Decision
    endpoint: str
    revision: str
    seconds: float


class Answers(Collector):
    """Reviews answered, and how long each took.

    A Counter and a Histogram lock and look at every bucket each time; this adds up, and makes
    metrics of it when it is scraped. `add` belongs to one thread, `collect` to any.
    """

    def __init__(self, kinds: Iterable[str]) -> None:
        self._kinds = frozenset(kinds)
        self._counts: Tally[tuple[str, str, str, bool, bool]] = Tally()
        self._times = {endpoint: [0] * (len(BUCKETS) + 1) for endpoint in ENDPOINTS}
        self._seconds = dict.fromkeys(ENDPOINTS, 0.0)

    def add(self, entry: Entry) -> None:
        """Count one answer."""
        review, decision, endpoint, _, seconds = entry
        kind = review.kind if review.kind in self._kinds else "other"
        self._counts[endpoint, review.operation, kind, decision.allowed, review.dry_run] += 1
        self._times[endpoint][bisect_left(BUCKETS, seconds)] += 1
        self._seconds[endpoint] += seconds

    def collect(self) -> Iterator[CounterMetricFamily | HistogramMetricFamily]:
        """The two metrics."""
        requests = CounterMetricFamily(
            "sallyport_admission_requests",
            "Reviews answered.",
            labels=("endpoint", "operation", "kind", "decision", "dry_run"),
        )
        for (*names, allowed, dry_run), count in self._counts.copy().items():
            told = [*names, "allow" if allowed else "deny", boolean(dry_run)]
            requests.add_metric(told, count)
        yield requests
        durations = HistogramMetricFamily(
            "sallyport_admission_duration_seconds",
            "From the whole body to the whole answer.",
            labels=("endpoint",),
        )
        bounds = [*map(str, BUCKETS), "+Inf"]
        for endpoint, times in self._times.items():
            buckets = list(zip(bounds, accumulate(times), strict=True))
            durations.add_metric([endpoint], buckets, self._seconds[endpoint])
        yield durations


class Metrics:
    """All metrics; `kinds` are those that are counted by their name."""

    def __init__(self, kinds: Iterable[str]) -> None:
        self.registry = CollectorRegistry()
        self._answers = Answers(kinds)
        self.registry.register(self._answers)
        self._results = self._counter(
            "rule_results",
            "Findings by rule and effect; error is a rule that failed.",
            *("rule", "effect", "dry_run"),
        )
        self._outsiders: set[str] = set()
        self.bad = self._counter("bad_requests", "Requests that are no review.", "reason")
        self.unregistered = self._counter(
            "unregistered", "Reviews that no rule asks for: a webhook configuration is too wide."
        )
        self.shed = self._counter("shed", "Answered 503: come again.", "reason")
        self.reloads = self._counter("reloads", "Files read again.", "what", "result")
        self.lost_lines = self._counter("decision_log_lost", "Lines of the decision log lost.")
        connections = self._counter(
            "connections", "Accepted, and those of them that shook hands over TLS.", "stage"
        )
        self.accepted = connections.labels("accepted")
        self.secured = connections.labels("secured")
        self.certificate = self._gauge(
            "cert_not_after_seconds", "When the certificate expires, as a Unix time.", "role"
        )
        self.rulebook = self._gauge("rulebook", "1 for the rulebook in force.", "revision")
        self.preflight = self._gauge(
            "preflight", "1 where even a pod that says nothing is denied by this rule.", "rule"
        )
        self.ground = self._gauge(
            "ground", "1 where the cluster lacks what our guarantees stand on.", "check"
        )
        self.view_age = self._gauge(
            "view_age_seconds", "Since the API server last told of this kind.", "kind"
        )
        self.view_lists = self._counter(
            "view_lists",
            "Lists taken of a kind; one each, unless the watch lost its place.",
            "kind",
        )
        self.view_errors = self._counter(
            "view_errors", "What kept a kind from being followed.", "kind", "reason"
        )
        self.view_served = self._gauge(
            "view_served", "0 where the API server has no such kind.", "kind"
        )
        self.view_misses = self._counter(
            "view_misses", "Namespaces that had to be asked for, by what came of it.", "result"
        )

    def record(self, entry: Entry) -> None:
        """Count one answer."""
        self._answers.add(entry)
        for finding in entry.decision.findings:
            effect = "error" if finding.error else finding.effect
            name = self._name(finding.rule)
            self._results.labels(name, effect, boolean(entry.review.dry_run)).inc()

    def _name(self, rule: str) -> str:
        """The rule; of those outside, who may make up names as they go, only the first have one."""
        if not rule.startswith(PREFIX) or rule in self._outsiders:
            return rule
        if len(self._outsiders) >= MOST_OUTSIDERS:
            return EVERY
        self._outsiders.add(rule)
        return rule

    def render(self) -> bytes:
        """The exposition text."""
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"sallyport_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"sallyport_{name}", text, labels, registry=self.registry)


def boolean(value: bool) -> str:  # noqa: FBT001  # what it writes
    """As label values have it."""
    return "true" if value else "false"
