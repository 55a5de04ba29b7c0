"""What network policies let a pod reach, as a Cluster answers it to rules about other things.

A rule that finds a URL in a pod denies it where the pod can really reach it. Who knows the policies
answers by `Permits`; as long as nobody does, rules keep to their weaker level.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from rules.model import Level
from rules.netpol.destinations import Reach


class Permits(Protocol):
    """Who knows which policies hold, and which names Services give to what is outside."""

    def may_reach(
        self, namespace: str, labels: Mapping[str, str], reach: Reach, port: int
    ) -> bool | None:
        """Whether a pod with these labels may reach some address of that class on the TCP port.

        True for a pod that nothing isolates; None where it is not known.
        """

    def external_name(self, namespace: str, service: str) -> str:
        """What a Service of type ExternalName stands for; "" if it is no such Service."""


class _Unasked:
    """Nobody knows any policy or Service."""

    def may_reach(
        self,
        namespace: str,  # noqa: ARG002  # as Permits says
        labels: Mapping[str, str],  # noqa: ARG002
        reach: Reach,  # noqa: ARG002
        port: int,  # noqa: ARG002
    ) -> bool | None:
        return None

    def external_name(self, namespace: str, service: str) -> str:  # noqa: ARG002
        return ""


UNASKED: Permits = _Unasked()


def weigh(reachable: bool | None) -> Level:  # noqa: FBT001  # an answer of Permits
    """How bad something is that denies if it can be reached, and else says nothing of the pod."""
    return "warn" if reachable is None else "deny" if reachable else "info"
