"""The webhook configurations in the API server: put in, called for sure, taken out for sure.

The API server reads configurations a moment after they are written. What it calls is counted in
its own metrics, so a marker, a pod that is never stored, shows what it calls by now.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.api_server.objects import pod
from tests.api_server.patience import await_that
from tests.api_server.serving import Serving
from tests.control_plane.cluster import ControlPlane

MARKER = json.dumps(pod("marker"))
NAMES = (
    "mutatingwebhookconfiguration/00-sallyport-mutate",
    "validatingwebhookconfiguration/sallyport-validate",
)
_OF_PODS = re.compile(r"\bpods[\w-]*\.\w+\.sallyport\.dev")
_CALLS = re.compile(
    r"^apiserver_admission_webhook_request_total\{.*name=\"(?P<name>[^\"]*sallyport\.dev)\".*\}"
    r" (?P<count>\d+)$",
    re.MULTILINE,
)


@contextmanager
def opened(
    control_plane: ControlPlane, server: Serving, *, failure_policy: str = "Fail"
) -> Iterator[None]:
    """The API server calls this server for as long as the context lasts, and no longer."""
    try:
        put_in(control_plane, server.configurations(failure_policy=failure_policy))
        yield
    finally:
        control_plane.kubectl("delete", "--ignore-not-found", *NAMES)
        await_that(lambda: not called(control_plane), "the API server calls us no more")


def put_in(control_plane: ControlPlane, configurations: str) -> None:
    """Apply configurations, and return when the API server calls those that are about pods."""
    wanted = set(_OF_PODS.findall(configurations))
    control_plane.apply(configurations)
    await_that(lambda: wanted <= called(control_plane), f"{', '.join(sorted(wanted))} are called")


def renamed(configurations: str, suffix: str) -> str:
    """The same with new names for the entries about pods.

    Who is called by its new name is called with all else that is new in the configurations.
    """
    return configurations.replace("name: pods.", f"name: pods-{suffix}.")


def called(control_plane: ControlPlane, namespace: str = "foo") -> set[str]:
    """The names of our webhooks that are called when a pod is created in the namespace."""
    create = ("create", "--dry-run=server", "-f", "-", "--namespace", namespace)
    return set(
        calls_during(
            control_plane, lambda: control_plane.kubectl(*create, stdin=MARKER, check=False)
        )
    )


def calls_during(control_plane: ControlPlane, act: Callable[[], object]) -> Counter[str]:
    """How often our webhooks are called, by name, while something is done."""
    before = _count(control_plane)
    act()
    return _count(control_plane) - before


def _count(control_plane: ControlPlane) -> Counter[str]:
    counts: Counter[str] = Counter()
    for found in _CALLS.finditer(control_plane.kubectl("get", "--raw", "/metrics").stdout):
        counts[found["name"]] += int(found["count"])
    return counts
