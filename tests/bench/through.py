"""Through a real API server: pods created a second, and how long it says that the webhook took.

Every arrangement has a namespace of its own and configurations that select only this namespace, so
all are in place at once and take turns in short slices. Everything shares all cores, as it must.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rules.model import JSON
from tests.bench import samples
from tests.bench.bench import PATCH, Bench
from tests.bench.machine import pinned
from tests.bench.metrics import Times, read
from tests.bench.servers import Server
from tests.control_plane.binaries import provide
from tests.control_plane.cluster import ControlPlane
from webhook import configuration
from webhook.rulebook import load

CLIENTS = (1, 8, 25)
NONE = "none"
LABEL = "bench"


@dataclass(frozen=True, slots=True)
class Pair:
    """What is compared: ours and the floor in our place, for one kind of pod."""

    name: str
    title: str
    sample: str
    mutates: bool = False
    patch: str = ""

    @property
    def namespaces(self) -> tuple[str, str]:
        """Of the floor and of ours."""
        return f"{self.name}-floor", f"{self.name}-ours"


PAIRS = (
    Pair("alone", "validating alone", "pod"),
    Pair("both", "both, nothing to fill in", "pod", mutates=True),
    Pair("filled", "both, one field filled in", "pod-left", mutates=True, patch=PATCH),
)
NAMESPACES = (NONE, *(name for pair in PAIRS for name in pair.namespaces))


@dataclass(frozen=True, slots=True)
class Share:
    """One arrangement in one round: pods a second, and what the API server measured."""

    rps: float
    times: Times


@dataclass(frozen=True, slots=True)
class Round:
    """One round of a pair at one number of clients."""

    pair: Pair
    clients: int
    none: Share
    floor: Share
    ours: Share

    @property
    def speed(self) -> float:
        """Pods a second, as a share of the floor's."""
        return self.ours.rps / self.floor.rps

    @property
    def wait(self) -> float:
        """The mean of the validating webhook, in multiples of the floor's."""
        return self.ours.times.mean / self.floor.times.mean


def measure(bench: Bench) -> list[Round]:
    """Every pair at every number of clients, in every round."""
    found = []
    with _arranged(bench) as plane:
        for pair in PAIRS:  # warm up, unmeasured
            _take(bench, plane, pair, 8)
        for number in range(bench.pace.rounds):
            for pair in PAIRS:
                for clients in CLIENTS:
                    bench.say(f"round {number + 1}: {pair.title}, {clients} clients")
                    name = f"API server, {pair.title}, {clients} clients"
                    take = partial(_take, bench, plane, pair, clients)
                    found.append(bench.guard.measure(name, take))
    return found


def _take(bench: Bench, plane: ControlPlane, pair: Pair, clients: int) -> Round:
    floor, ours = pair.namespaces
    speeds: dict[str, list[float]] = {NONE: [], floor: [], ours: []}
    before = {name: read(plane, name) for name in speeds}
    for name in (NONE, floor, ours, ours, floor, NONE):
        speeds[name].append(_create(bench, plane, pair, name, clients))
    shares = {
        name: Share(statistics.mean(seen), read(plane, name) - before[name])
        for name, seen in speeds.items()
    }
    return Round(pair, clients, shares[NONE], shares[floor], shares[ours])


def _create(bench: Bench, plane: ControlPlane, pair: Pair, namespace: str, clients: int) -> float:
    sample = "pod" if namespace == NONE else pair.sample
    flags = {
        "server": plane.url,
        "ca": plane.ca_file,
        "namespace": namespace,
        "pod": bench.creation(sample),
        "c": clients,
        "duration": f"{bench.pace.creating}s",
    }
    load = replace(bench.load, cores=bench.cores.every)
    return load.run("create", flags, environment={"LOAD_TOKEN": plane.token("developer")}).rps


@contextmanager
def _arranged(bench: Bench) -> Iterator[ControlPlane]:
    """A control plane with all arrangements in place."""
    every = bench.cores.every
    unmeshed = partial(samples.namespace, **samples.UNMESHED)  # no injector runs here
    view = [*samples.CLUSTER, *map(unmeshed, NAMESPACES)]
    file = bench.folder / "arranged.yaml"
    file.write_text("\n---\n".join(map(json.dumps, view)), encoding="utf-8")
    with ExitStack() as running:
        ours = running.enter_context(bench.ours(f"--cluster={file}", cores=every))
        floors = {
            patch: running.enter_context(bench.floor("--echo", patch=patch, cores=every))
            for patch in {pair.patch for pair in PAIRS}
        }
        with pinned(every):
            plane = running.enter_context(ControlPlane(provide(), bench.folder / "plane"))
        bench.guard.pids |= {process.pid for process in plane.processes.values()}
        plane.apply(json.dumps(samples.RUNTIME_CLASS))
        for name in NAMESPACES:
            plane.create_namespace(name, labels=samples.TENANT | samples.UNMESHED | {LABEL: name})
        ca = bench.load.ca
        for pair in PAIRS:
            for name, server in zip(pair.namespaces, (floors[pair.patch], ours), strict=True):
                plane.apply(json.dumps(_configurations(name, server, ca, mutates=pair.mutates)))
        _await_effect(bench, plane)
        yield plane


def _configurations(name: str, server: Server, ca: Path, *, mutates: bool) -> JSON:
    """What `sallyport manifests webhooks` prints of pods, for this namespace alone."""
    made = configuration.webhooks(
        load(None), url=server.url(""), ca_bundle=ca.read_bytes(), mutate=mutates
    )
    for value in made:
        value["metadata"]["name"] += f"-{name}"
        value["webhooks"] = [one for one in value["webhooks"] if one["name"].startswith("pods.")]
        for webhook in value["webhooks"]:
            webhook["name"] = f"{name}.{webhook['name']}"
            webhook["namespaceSelector"]["matchLabels"] = {LABEL: name}
    return {"apiVersion": "v1", "kind": "List", "items": made}


def _await_effect(bench: Bench, plane: ControlPlane) -> None:
    """The API server hears of a configuration a moment later."""
    waiting = {(pair, name) for pair in PAIRS for name in pair.namespaces}
    for _ in range(60):
        for pair, name in list(waiting):
            _create(replace(bench, pace=replace(bench.pace, creating=0.2)), plane, pair, name, 1)
            if read(plane, name).count:
                waiting.discard((pair, name))
        if not waiting:
            return
    raise RuntimeError(f"webhooks that were never called: {sorted(n for _, n in waiting)}")
