"""OPA asked by `sallyport check`: one question at a time, in an event loop of its own."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Self

from rules.model import JSON
from rules.outside import Heard
from rules.review import Cluster, Review
from rules.rulebook import Rulebook
from webhook.metrics import Metrics
from webhook.opa import Opa
from webhook.opa_options import OpaOptions
from webhook.opa_question import concerns, in_bytes, question_of, request_of

PATIENCE_SECONDS = 10.0


class Consultation:
    """An OPA server for as long as a check takes. Raises BadOpa where its files are not good."""

    def __init__(self, options: OpaOptions) -> None:
        self._opa = Opa(options, Metrics(()))
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._runner.run(self._opa.close())
        self._runner.close()

    @property
    def trouble(self) -> str:
        """Why the check cannot be complete for want of OPA; "" where it can."""
        self._runner.run(self._opa.look())
        return self._opa.trouble

    def hear(
        self, review: Review, rulebook: Rulebook, cluster: Cluster, request: JSON = None
    ) -> Heard | None:
        """What OPA says; None where it has no say.

        `request` is the AdmissionRequest that the review was read from, if there was one.
        """
        if not concerns(review, rulebook, cluster):
            return None
        asked = {**request, "object": review.new.get()} if request else request_of(review)
        question = question_of(in_bytes(asked), review, cluster)
        return self._runner.run(self._opa.hear(question, time.monotonic() + PATIENCE_SECONDS))
