"""A second voice: rules that a site keeps in Rego, asked of its OPA server once for each review.

An OPA that does not answer is a Finding, never an allow. One that is dead is left alone for a
while, so that reviews do not wait for it. The client is imported only where OPA is on.
"""

from __future__ import annotations

import asyncio
import logging
import time

from prometheus_client import Counter, Gauge

from rules.model import JSON, Finding
from rules.outside import Heard
from webhook.breaker import Breaker
from webhook.files import Watched
from webhook.metrics import Metrics
from webhook.opa_answer import NoAnswer, findings_of, unavailable
from webhook.opa_options import BadOpa, OpaOptions
from webhook.opa_question import Question

log = logging.getLogger("sallyport.opa")

LOOK_SECONDS = 2.0
SHARE = 0.75
"""Of the time that a review has; the rest is for our own rules and the way back."""


class Opa:
    """One OPA server, asked from one event loop. Raises BadOpa where its files are not good.

    `trouble` says why the server is not ready for want of it; always "" where it is not required.
    """

    def __init__(self, options: OpaOptions, metrics: Metrics) -> None:
        from webhook.opa_wire import Wire

        self._wire = Wire(options)
        self._required = options.required
        self._files = Watched(options.files)
        self._breaker = Breaker()
        self._fault = ""
        self.trouble = "OPA was not asked yet" if options.required else ""
        self._reloads = metrics.reloads
        self._questions = Counter(
            "sallyport_opa_questions",
            "Questions to OPA by what came of it; `open` was not asked at all.",
            ["result"],
            registry=metrics.registry,
        )
        self._open = Gauge(
            "sallyport_opa_breaker_open",
            "1 while OPA is left alone because it did not answer.",
            registry=metrics.registry,
        )
        self._open.set_function(lambda: self._breaker.is_open)

    async def hear(self, question: Question, deadline: float) -> Heard:
        """What OPA says of the object; where that is something, of the stored one too.

        `deadline` is a monotonic time. What is not heard by then is a Finding.
        """
        findings = await self.ask(question.now, deadline)
        if question.former is None or all(finding.error for finding in findings):
            return Heard(findings)
        return Heard(findings, await self.ask(question.former, deadline))

    async def ask(self, question: JSON, deadline: float) -> tuple[Finding, ...]:
        """The Findings about one input."""
        if not self._breaker.admits(time.monotonic()):
            self._questions.labels("open").inc()
            return (unavailable("it has not answered lately"),)
        try:
            result = await self._query(question, deadline)
        except NoAnswer as fault:
            self._note(fault)
            return (unavailable(fault.told),)
        except asyncio.CancelledError:
            self._breaker.failed(time.monotonic())
            raise
        self._breaker.succeeded()
        findings = findings_of(result)
        wrong = next((finding.message for finding in findings if finding.error), "")
        self._questions.labels("shape" if wrong else "answered").inc()
        self._tell(wrong)
        return findings

    async def watch(self) -> None:
        """Look at its files and its health; for ever."""
        while True:
            if self._files.changed():
                self._reload()
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Where it is required, ask whether it is healthy: that it serves, with all its bundles."""
        if self._required:
            healthy = await self._wire.is_healthy()
            self.trouble = "" if healthy else "OPA is required, and is not healthy"

    async def close(self) -> None:
        """Let go of all connections."""
        await self._wire.close_connection()

    async def _query(self, question: JSON, deadline: float) -> JSON:
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                return await self._wire.findings(question)
        except TimeoutError as error:
            raise NoAnswer("timeout", "it did not answer in time") from error

    def _note(self, fault: NoAnswer) -> None:
        """Who answers something else is not dead: one object must not close the door for others."""
        if fault.alive:
            self._breaker.succeeded()
        else:
            self._breaker.failed(time.monotonic())
        self._questions.labels(fault.reason).inc()
        self._tell(str(fault))

    def _tell(self, fault: str) -> None:
        """Log what changes: a line for each review would fill the disk."""
        if fault and fault != self._fault:
            log.error("OPA could not decide: %s", fault)
        elif self._fault and not fault:
            log.info("OPA answers again")
        self._fault = fault

    def _reload(self) -> None:
        try:
            self._wire.reload()
            self._reloads.labels("opa", "done").inc()
            log.info("the files of OPA read again")
        except BadOpa as error:
            self._reloads.labels("opa", "failed").inc()
            log.error("not taken, the last good ones stay: %s", error)  # noqa: TRY400
