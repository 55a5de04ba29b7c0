"""The cases of the corpus calico-engine: what Calico's own code says of sets of policies."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from rules.netpol import census
from rules.netpol.dialects import calico
from rules.netpol.engine import Engine, nothing_refused
from rules.netpol.engines.calico import CALICO
from rules.netpol.inventory import End, Inventory, PodEnd
from rules.netpol.languages import api_of, translate
from rules.netpol.model import Direction, Policy
from rules.netpol.peers import Networks
from rules.netpol.reach import Network
from rules.netpol.sets import Addresses
from rules.netpol.sides import Verdict
from tests.corpora import corpus

NAME = "calico-engine"
DIRECTIONS: tuple[Direction, ...] = ("egress", "ingress")
# objects of projectcalico.org/v3 that Calico's API never saw; it alone looks for their tiers
NATIVE = "v3crd"
_BY_ROUTE: Mapping[str, Engine] = {
    "api": CALICO,
    "crd": CALICO,
    NATIVE: replace(CALICO, refuses=nothing_refused),
}


@cache
def world() -> dict[str, Any]:
    read: dict[str, Any] = json.loads((corpus(NAME) / "world.json").read_text())
    return read


def cases() -> Iterator[Case]:
    with (corpus(NAME) / "truth.jsonl").open() as lines:
        for line in lines:
            yield Case(json.loads(line))


@dataclass(frozen=True)
class Case:
    """One set of policies, one subject, and what Calico says."""

    told: dict[str, Any]

    @property
    def subject(self) -> dict[str, Any]:
        """As the world describes it, or as the case itself does."""
        stated = self.told["subject"]
        return dict(world()["subjects"][stated] if isinstance(stated, str) else stated)

    @property
    def lost(self) -> dict[int, str]:
        """By the number of the object at which stage it was lost."""
        return {each["policy"]: each["stage"] for each in self.told["answer"].get("errors", ())}

    def network(self) -> Network:
        """What of it counts."""
        nodes = [*_surroundings(), _pod(self.subject), *self.told["policies"]]
        engine = _BY_ROUTE[self.told["route"]]
        policies = [policy for _, policy in self.policies() if policy is not None]
        return Network.of(engine, census.take(nodes), policies)

    def policies(self) -> Iterator[tuple[int, Policy | None]]:
        """What each object means; None if it is no policy that Calico enforces.

        An object that is there already cannot be created a second time.
        """
        seen = set()
        for index, node in enumerate(self.told["policies"]):
            api, metadata = api_of(node), node["metadata"]
            key = api, metadata.get("namespace"), metadata["name"]
            if not CALICO.implements(api) or key in seen:
                yield index, None
            elif self.told["route"] == NATIVE and api.group == calico.API_GROUP:
                yield index, calico.translate(node, door="native")
            else:
                yield index, translate(node)[0]
            seen.add(key)

    def rows(self, network: Network) -> Iterator[tuple[str, str, str]]:
        """Who with whom, what we say of the world's ports, and what Calico does: A, D, U."""
        inventory = network.matcher.inventory
        for direction in DIRECTIONS:
            table = self.told["answer"][direction]["table"]
            for peer in world()["peers"]:
                six = ":" in peer["ip"]
                own = next(each for each in self.subject["ips"] if (":" in each) == six)
                side = network.side(_at(inventory, self.subject["podName"], own), direction)
                verdict = side.verdict(_end(inventory, peer))
                yield f"{direction} {peer['key']}", _letters(verdict), table.pop(peer["key"])
            assert not table


def _end(inventory: Inventory, peer: dict[str, Any]) -> End:
    if peer["kind"] == "pod":
        return _at(inventory, peer["podName"], peer["ip"])
    return Networks(Addresses.between(peer["ip"], peer["ip"]))


def _at(inventory: Inventory, name: str, address: str) -> PodEnd:
    pod = next(each for each in inventory.pods if each.name == name)
    return next(end for end in inventory.ends(pod) if address in end.at)


def _letters(verdict: Verdict) -> str:
    ports = [(port["protocol"], port["port"]) for port in world()["ports"]]
    return "".join(
        "A" if port in verdict.allowed else "U" if port in verdict.unknown else "D"
        for port in ports
    )


@cache
def _surroundings() -> tuple[dict[str, Any], ...]:
    pods = {each["podName"]: _pod(each) for each in world()["peers"] if each["kind"] == "pod"}
    return (
        *({"apiVersion": "v1", "kind": "Namespace", "metadata": m} for m in world()["namespaces"]),
        *(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": m}
            for m in world()["serviceAccounts"]
        ),
        *pods.values(),
    )


def _pod(told: dict[str, Any]) -> dict[str, Any]:
    ports = [
        {"name": each["name"], "containerPort": each["port"], "protocol": each["protocol"]}
        for each in told["namedPorts"]
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": told["podName"],
            "namespace": told["namespace"],
            "labels": told["labels"],
        },
        "spec": {
            "serviceAccountName": told["serviceAccount"],
            "containers": [{"name": "c", "ports": ports}],
        },
        "status": {"podIPs": [{"ip": each} for each in told["ips"]]},
    }
