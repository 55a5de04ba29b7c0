"""Requests of anybody to the API server, by kubectl: a verb, a path and an object."""

from __future__ import annotations

import json
from typing import NamedTuple

from rules.model import JSON, Kind
from tests.api_server.people import Answer, mask
from tests.control_plane.cluster import ControlPlane

DRY = "?dryRun=All"


class Place(NamedTuple):
    """Where an object lives; without a name, the collection. `version`: `group/version`."""

    kind: Kind
    name: str = ""
    namespace: str = ""
    subresource: str = ""
    version: str = ""

    @property
    def path(self) -> str:
        """The path of its resource."""
        version = self.version or self.kind.api_version
        prefix = f"/apis/{version}" if "/" in version else f"/api/{version}"
        inside = f"/namespaces/{self.namespace}" if self.kind.namespaced else ""
        parts = (self.kind.resource, self.name, self.subresource)
        return prefix + inside + "".join(f"/{part}" for part in parts if part)


def send(
    control_plane: ControlPlane,
    verb: str,
    path: str,
    value: JSON = None,
    *,
    asker: JSON,
) -> Answer:
    """`kubectl create|replace|delete --raw`; nothing is stored. `asker`: a userInfo."""
    words = [verb, "--raw", path + DRY, f"--as={asker['username']}"]
    words += [f"--as-group={group}" for group in asker["groups"]]
    stdin = None
    if value is not None:
        words += ["-f", "-"]
        stdin = json.dumps(value)
    done = control_plane.kubectl(*words, stdin=stdin, check=False)
    return Answer(done.returncode, mask(done.stdout), mask(done.stderr))


def stored(control_plane: ControlPlane, place: Place) -> JSON:
    """The object as it is stored."""
    return json.loads(control_plane.kubectl("get", "--raw", place.path).stdout)
