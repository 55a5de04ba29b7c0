"""What the server answers from, and how it changes while it runs.

The rulebook, the view and the certificate are read again when their files change. Each is swapped
as one reference, and a bad one is counted and told while the last good one stays in force.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from certs.reload import BadPair, ServedPair
from rules import engine
from rules.model import JSON, POD, Phase
from rules.review import Cluster, Lazy, Review
from rules.rulebook import Configured, Rulebook
from webhook import cluster as view
from webhook import rulebook as book
from webhook.files import Watched
from webhook.metrics import Metrics
from webhook.opa import Opa
from webhook.settings import Settings

log = logging.getLogger("sallyport")

_SILENT_POD: JSON = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "a"}]}}


class Live:
    """The rulebook, Cluster and certificate in force.

    `opa` is the OPA server that is asked too, if any. Raises BadRulebook, BadView, BadPair or
    BadOpa where there is no good one to begin with.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self.draining = False
        self._beat: float | None = None
        self._rulebook_file = Watched([settings.rulebook] if settings.rulebook else [])
        self._view_files = Watched(settings.cluster)
        self.rulebook: Rulebook = self._read_rulebook()
        self.cluster = self._read_view()
        self.pair = ServedPair(settings.tls_cert, settings.tls_key, now=datetime.now(UTC))
        self.opa = Opa(settings.opa, metrics) if settings.opa is not None else None
        self._publish()

    def phases(self, own: tuple[Phase, ...]) -> tuple[Phase, ...]:
        """The phases of a door; without /mutate, /validate asks the raw rules too.

        What it sees is still what will be stored, so final stands first.
        """
        return own if self._settings.mutate else ("final", "raw")

    def beat(self, now: float) -> None:
        """The event loop came round at `now`, a monotonic time."""
        self._beat = now

    def lag(self, now: float) -> float:
        """For how long the event loop has not come round."""
        return now - self._beat if self._beat is not None else 0.0

    @property
    def trouble(self) -> str:
        """Why we are not ready; "" where we are."""
        if self.draining:
            return "draining"
        if self.pair.not_after <= datetime.now(UTC):
            return f"the certificate expired on {self.pair.not_after:%Y-%m-%d}"
        return self.opa.trouble if self.opa is not None else ""

    def refresh(self, *, force: bool = False) -> None:
        """Read again what changed on disk. Blocks: call it in a thread."""
        moved = self._rulebook_file.changed() or force
        if moved:
            self._swap("rulebook", self._reload_rulebook, book.BadRulebook)
        if self._view_files.changed() or force:
            self._swap("view", self._reload_view, view.BadView)
        self._swap("certificate", self._reload_pair, BadPair)

    def _swap(self, what: str, reload: Callable[[], bool], bad: type[Exception]) -> None:
        try:
            if reload():
                self._metrics.reloads.labels(what, "done").inc()
                log.info("%s read again", what)
                self._publish()
        except (bad, OSError) as error:
            self._metrics.reloads.labels(what, "failed").inc()
            log.error("%s not taken, the last good one stays: %s", what, error)  # noqa: TRY400

    def _reload_rulebook(self) -> bool:
        rulebook = self._read_rulebook()
        self.cluster = replace(self.cluster, site=rulebook.site)
        self.rulebook = rulebook
        return True

    def _reload_view(self) -> bool:
        self.cluster = self._read_view()
        return True

    def _reload_pair(self) -> bool:
        return self.pair.refresh(datetime.now(UTC))

    def _read_rulebook(self) -> Rulebook:
        settings = self._settings
        return book.load(settings.rulebook, audit=settings.audit, mutate=settings.mutate)

    def _read_view(self) -> Cluster:
        return view.load(self._settings.cluster, self.rulebook.site)

    def _publish(self) -> None:
        """Metrics that follow from what is in force."""
        self._metrics.rulebook.clear()
        self._metrics.rulebook.labels(self.rulebook.revision).set(1)
        self._metrics.certificate.labels("leaf").set(self.pair.not_after.timestamp())
        self._metrics.preflight.clear()
        for name, trouble in preflight(self.rulebook.rules, self.cluster):
            self._metrics.preflight.labels(name).set(1)
            log.warning("[%s] even a pod that says nothing would be denied: %s", name, trouble)
        for sentence in self.cluster.assumed:
            log.warning("assumed: %s", sentence)


def preflight(rules: Sequence[Configured], cluster: Cluster) -> list[tuple[str, str]]:
    """The mending rules that deny even a pod that says nothing: what they need is not there.

    A missing runtime class or mesh revision shows here, before any pod does.
    """
    menders = [
        replace(configured.default, mends=True, action="enforce")
        for configured in rules
        if configured.default.rule.mend != "off" and configured.default.action != "off"
        if POD in configured.default.rule.kinds
    ]
    review = Review(
        operation="CREATE",
        group=POD.group,
        resource=POD.resource,
        kind=POD.kind,
        phases=("raw",),
        new=Lazy.of(_SILENT_POD),
    )
    _, findings, _ = engine.mend(menders, engine.open_case(review), cluster)
    return [(f.rule, f.message) for f in findings]


def now() -> float:
    """The clock that `beat` and `lag` use."""
    return time.monotonic()
