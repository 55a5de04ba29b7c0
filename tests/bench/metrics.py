"""What the API server itself measured of its webhooks."""

from __future__ import annotations

import http.client
import re
import ssl
from dataclasses import dataclass
from typing import Self

from tests.control_plane.cluster import ControlPlane

METRIC = "apiserver_admission_webhook_admission_duration_seconds"
FIRST_BUCKET = "0.005"  # the first of its histogram, in seconds


@dataclass(frozen=True, slots=True)
class Times:
    """Calls of one validating webhook: how many, their seconds, those within the first bucket."""

    count: float = 0.0
    seconds: float = 0.0
    fast: float = 0.0

    def __sub__(self, other: Self) -> Times:
        return Times(self.count - other.count, self.seconds - other.seconds, self.fast - other.fast)

    @property
    def mean(self) -> float:
        """Milliseconds a call."""
        return self.seconds / self.count * 1000 if self.count else 0.0

    @property
    def share_fast(self) -> float:
        """The share of calls within the first bucket."""
        return self.fast / self.count if self.count else 0.0


def read(plane: ControlPlane, arrangement: str) -> Times:
    """The counters of the arrangement's validating webhook."""
    text = _scrape(plane)
    name = f'name="{re.escape(arrangement)}\\.pods\\.validate[^"]*"'
    found = {}
    for part, more in (("count", ""), ("sum", ""), ("bucket", f'[^}}]*le="{FIRST_BUCKET}"')):
        lines = re.findall(rf"^{METRIC}_{part}\{{{name}{more}[^}}]*\}} (\S+)$", text, re.MULTILINE)
        found[part] = sum(map(float, lines))
    return Times(found["count"], found["sum"], found["bucket"])


def _scrape(plane: ControlPlane) -> str:
    trust = ssl.create_default_context(cafile=str(plane.ca_file))
    address = plane.url.removeprefix("https://")
    connection = http.client.HTTPSConnection(address, timeout=30, context=trust)
    try:
        headers = {"Authorization": f"Bearer {plane.token('admin')}"}
        connection.request("GET", "/metrics", headers=headers)
        return connection.getresponse().read().decode()
    finally:
        connection.close()
