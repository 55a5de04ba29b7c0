"""What the server answers from, and how it changes while it runs.

The rulebook, the view and the certificate are read again when their files change, and a live view
follows the API server. Each is swapped as one reference, and a bad one is counted and told while
the last good one stays in force.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from certs.reload import BadPair, ServedPair
from rules.facts import Namespace
from rules.model import NAMESPACE, Kind, Phase
from rules.review import Cluster
from rules.rulebook import Rulebook
from webhook import cluster as view
from webhook import ground
from webhook import rulebook as book
from webhook.files import Watched
from webhook.metrics import Metrics
from webhook.mirror import Mirror
from webhook.opa import Opa
from webhook.settings import Settings

log = logging.getLogger("sallyport")


class Live:
    """The rulebook, Cluster and certificate in force; the Cluster is that of `mirror`, if any.

    `opa` is the OPA server that is asked too, if any. Raises BadRulebook, BadView, BadPair or
    BadOpa where there is no good one to begin with.
    """

    def __init__(self, settings: Settings, metrics: Metrics, mirror: Mirror | None = None) -> None:
        self._settings = settings
        self._metrics = metrics
        self._mirror = mirror
        self._swapping = threading.Lock()
        self.seeing = mirror is None
        self.draining = False
        self._beat: float | None = None
        self._unpublished = False
        self._said: list[str] = []
        self._rulebook_files = Watched(
            filter(None, [settings.rulebook, settings.denied_images, settings.threats])
        )
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
        if self._mirror is not None and not self.seeing:
            return f"not listed yet: {', '.join(self._mirror.missing)}"
        return self.opa.trouble if self.opa is not None else ""

    async def follow(self) -> None:
        """Keep the Cluster as the API server tells; for ever, where there is one to follow."""
        if self._mirror is not None:
            await self._mirror.run(self._on_view)

    async def wait(self) -> None:
        """Wait until there is a view."""
        if self._mirror is not None:
            await self._mirror.wait()

    async def close(self) -> None:
        """Let go of the API server."""
        if self._mirror is not None:
            await self._mirror.close()

    async def find(self, namespace: str) -> Namespace | None:
        """Ask for a namespace that the view has not got."""
        return await self._mirror.find(namespace) if self._mirror is not None else None

    def refresh(self, *, force: bool = False) -> None:
        """Read again what changed on disk. Blocks: call it in a thread."""
        moved = self._rulebook_files.changed() or force
        if moved:
            self._swap("rulebook", self._reload_rulebook, book.BadRulebook)
        if self._view_files.changed() or force:
            self._swap("view", self._reload_view, view.BadView)
        self._swap("certificate", self._reload_pair, BadPair)
        if self._unpublished and self.seeing:
            self._publish()

    def _swap(self, what: str, reload: Callable[[], bool], bad: type[Exception]) -> None:
        try:
            if reload():
                self._metrics.reloads.labels(what, "done").inc()
                log.info("%s read again", what)
                self._publish()
        except (bad, OSError) as error:
            self._metrics.reloads.labels(what, "failed").inc()
            log.error("%s not taken, the last good one stays: %s", what, error)  # noqa: TRY400

    def _on_view(self, kind: Kind) -> None:
        """The API server told of a change. In the event loop, so what can wait does."""
        self._reload_view()
        if kind != NAMESPACE:  # from namespaces no metric follows
            self._unpublished = True
        if not self.seeing and self._mirror is not None and not self._mirror.missing:
            self.seeing = True
            self._publish()

    def _reload_rulebook(self) -> bool:
        rulebook = self._read_rulebook()
        with self._swapping:
            self.cluster = replace(self.cluster, site=rulebook.site)
            self.rulebook = rulebook
        return True

    def _reload_view(self) -> bool:
        with self._swapping:
            self.cluster = self._read_view()
        return True

    def _reload_pair(self) -> bool:
        return self.pair.refresh(datetime.now(UTC))

    def _read_rulebook(self) -> Rulebook:
        settings = self._settings
        rulebook = book.load(settings.rulebook, audit=settings.audit, mutate=settings.mutate)
        return book.with_lists(
            rulebook, denied_images=settings.denied_images, threats=settings.threats
        )

    def _read_view(self) -> Cluster:
        if self._mirror is not None:
            return self._mirror.cluster(self.rulebook.site)
        return view.load(self._settings.cluster, self.rulebook.site)

    def _publish(self) -> None:
        """Metrics that follow from what is in force, and what there is to say of it, once."""
        self._unpublished = False
        self._metrics.rulebook.clear()
        self._metrics.rulebook.labels(self.rulebook.revision).set(1)
        self._metrics.certificate.labels("leaf").set(self.pair.not_after.timestamp())
        if not self.seeing:
            return
        rules, cluster = self.rulebook.rules, self.cluster
        registered = self._mirror.registered() if self._mirror is not None else {}
        refused, gaps = ground.refused(rules, cluster), [*ground.gaps(rules, cluster, registered)]
        for gauge, found in ((self._metrics.preflight, refused), (self._metrics.ground, gaps)):
            gauge.clear()
            for gap in found:
                gauge.labels(gap.name).set(1)
        said = [f"[{gap.name}] {gap.sentence}" for gap in (*refused, *gaps)]
        said += [f"assumed: {sentence}" for sentence in cluster.assumed]
        for sentence in said:
            if sentence not in self._said:
                log.warning(sentence)
        self._said = said


def now() -> float:
    """The clock that `beat` and `lag` use."""
    return time.monotonic()
