"""People with kubectl: what they say, and what it prints for them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from rules.model import JSON
from tests.control_plane.cluster import ControlPlane

_CHANGING = (
    (re.compile(r"(?m)^(  ref   )[0-9a-f]{8}$"), r"\1........"),
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:PORT"),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """The exit code of kubectl, and what it printed, less what differs each time."""

    code: int
    out: str
    err: str


class Person:
    """A user of the API server, by default the developer of a tenant."""

    def __init__(self, control_plane: ControlPlane, name: str = "developer") -> None:
        self._control_plane = control_plane
        self._name = name

    def kubectl(self, *words: str, namespace: str = "foo", stdin: str | None = None) -> Answer:
        """Whatever kubectl can do."""
        words = (*words, "--namespace", namespace)
        done = self._control_plane.kubectl(*words, stdin=stdin, user=self._name, check=False)
        return Answer(done.returncode, mask(done.stdout), mask(done.stderr))

    def apply(self, *objects: JSON, flags: tuple[str, ...] = (), namespace: str = "foo") -> Answer:
        """`kubectl apply` of these objects."""
        return self._send("apply", objects, flags, namespace)

    def create(self, *objects: JSON, flags: tuple[str, ...] = (), namespace: str = "foo") -> Answer:
        """`kubectl create` of these objects."""
        return self._send("create", objects, flags, namespace)

    def get(self, name: str, namespace: str = "foo") -> JSON:
        """The object that is stored under `kind/name`, None where there is none."""
        words = ("get", name, "--ignore-not-found", "-o", "json")
        answer = self.kubectl(*words, namespace=namespace)
        assert answer.code == 0, answer.err
        return json.loads(answer.out) if answer.out else None

    def _send(
        self, verb: str, objects: tuple[JSON, ...], flags: tuple[str, ...], namespace: str
    ) -> Answer:
        several = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        text = json.dumps(objects[0] if len(objects) == 1 else several)
        return self.kubectl(verb, "-f", "-", *flags, namespace=namespace, stdin=text)


def mask(text: str) -> str:
    """The text without what differs each time: decision ids, ports."""
    for pattern, instead in _CHANGING:
        text = pattern.sub(instead, text)
    return text
