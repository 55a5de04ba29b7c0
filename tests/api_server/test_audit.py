"""What the API server's own audit log keeps of our decisions, and of those that we did not make."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rules.model import JSON
from tests.api_server.doors import opened
from tests.api_server.objects import pod, policy
from tests.api_server.patience import await_that
from tests.api_server.people import Person
from tests.api_server.serving import SITE, Serving
from tests.api_server.world import furnish
from tests.control_plane.binaries import Binaries
from tests.control_plane.cluster import ControlPlane

pytestmark = pytest.mark.control_plane

ALL = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}]}
HALF = (
    SITE
    + """\
action: enforce
rules:
  no-plain-http-egress: {action: audit}
"""
)


class Log:
    """The audit log of an API server of its own."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "audit.log"
        rules = folder / "audit-policy.json"
        rules.write_text(json.dumps(ALL), encoding="utf-8")
        self.flags = (f"--audit-policy-file={rules}", f"--audit-log-path={self._file}")

    def annotations(self, name: str) -> JSON:
        """Those of the creation of this object that are about us, without their prefix."""
        await_that(lambda: bool(self._events(name)), f"the creation of {name} is in the audit log")
        return self._events(name)[-1]["annotations"]

    def _events(self, name: str) -> list[JSON]:
        text = self._file.read_text(encoding="utf-8")
        events = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
        return [
            event
            for event in events
            if event["verb"] == "create"
            and event["stage"] == "ResponseComplete"
            and event["objectRef"].get("name") == name
        ]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    return Log(tmp_path_factory.mktemp("audit"))


@pytest.fixture(scope="module")
def audited(
    control_plane_programs: Binaries, log: Log, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Person, Serving]]:
    """A developer and the server, which judges for an API server that keeps an audit log."""
    folder = tmp_path_factory.mktemp("audited")
    with ControlPlane(
        control_plane_programs, folder, controller_manager=False, apiserver_flags=log.flags
    ) as own:
        furnish(own)
        with (
            Serving(tmp_path_factory.mktemp("sallyport"), rulebook=HALF) as server,
            opened(own, server, failure_policy="Ignore"),
        ):
            yield Person(own), server


def test_decisions_are_kept_under_the_ids_of_our_log(
    audited: tuple[Person, Serving], log: Log
) -> None:
    developer, server = audited
    developer.create(pod("denied", runtimeClassName="runc"), namespace="unmeshed")
    developer.create(policy("counted", 80))

    denied, counted = log.annotations("denied"), log.annotations("counted")

    assert denied["pods.validate.sallyport.dev/denied-by"] == "sandboxed-runtime-class"
    assert counted["network-policies.validate.sallyport.dev/audited"] == "no-plain-http-egress"
    decision = denied["pods.validate.sallyport.dev/decision-id"]
    await_that(lambda: bool(server.decisions(decision_id=decision)), "our log knows that id")
    (line,) = server.decisions(decision_id=decision)
    assert (line["name"], line["allowed"]) == ("denied", False)


def test_what_passed_unjudged_is_marked(audited: tuple[Person, Serving], log: Log) -> None:
    developer, server = audited
    server.stop()

    assert developer.create(pod("unjudged", runtimeClassName="runc")).code == 0

    marks = [key for key in log.annotations("unjudged") if key.startswith("failed-open.")]
    assert len(marks) == 2, "one for each door"
