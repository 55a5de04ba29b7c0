"""All that is served beside the two doors and the probes, by FastAPI.

Importing it takes as long as half of all else, so nobody waits for it: see `webhook.asgi.Later`.
"""

from __future__ import annotations

from fastapi import FastAPI, Response

from webhook.metrics import Metrics


def bare() -> FastAPI:
    """An application that serves nothing by itself: no docs, no telemetry, no redirects."""
    return FastAPI(
        telemetry={"auto_configure": False, "logs": False},
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )


def scraped(metrics: Metrics) -> FastAPI:
    """The application with /metrics."""
    application = bare()

    @application.get("/metrics")
    async def scrape() -> Response:
        return Response(metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return application
