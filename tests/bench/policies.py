"""What network policies cost in a large cluster: the index, and judging pods and policies by it.

`python -m tests.bench.policies --namespaces 500` measures one size in a process of its own, since
memory is measured, too, and says it in JSON. What is timed is CPU, so others on the machine change
little. Rules are asked in one state of the cluster, as between two changes.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from statistics import quantiles

from rules.catalog import discover
from rules.enforcement import empty_index
from rules.model import CILIUM_CLUSTERWIDE_POLICY, JSON, NETWORK_POLICY, POD, ActiveRule, Kind
from rules.netpol.index import Index
from rules.review import Cluster
from rules.rulebook import Configured, Rulebook
from rules.site import Site
from tests.bench import machine
from tests.bench.bench import Bench
from tests.reviews import ask, written
from webhook.codec import decode
from webhook.judge import judge

SIZES, LARGE = (500, 5_000), (50_000,)
PLANNED = 5_000
"""The size for which there are goals."""
POLICIES, PODS, GROUPS = 20, 20, 6
TIMES = 1000
MOST_PODS = 100_000
SEED = 7


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a size: seconds to build the index, the MiB it adds, and of each question microseconds.

    `audit` are the seconds to judge `pods` once, all there are or so many; `remembered` are the MiB
    that all that was asked added.
    """

    namespaces: int
    build: float
    resident: float
    pods: int
    audit: float
    remembered: float
    p50: Mapping[str, float] = field(default_factory=dict)
    p99: Mapping[str, float] = field(default_factory=dict)


def measure(bench: Bench, sizes: tuple[int, ...] = SIZES) -> list[Cost]:
    """Each size in a process of its own."""
    found = []
    for namespaces in sizes:
        bench.say(f"network policies of {namespaces:,} namespaces")
        words = [sys.executable, "-m", __name__, f"--namespaces={namespaces}"]
        said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        found.append(Cost(**json.loads(said)))
    return found


def _objects(namespaces: int) -> Iterator[JSON]:
    for number in range(namespaces):
        name = f"team-{number}"
        labels = {"sallyport.dev/tenant": f"t{number // 2}"}
        yield _object("v1", "Namespace", "", name, labels=labels)
        yield from (_policy(name, each) for each in range(POLICIES))
        yield from (_pod(name, each) for each in range(PODS))


def _object(version: str, kind: str, namespace: str, name: str, **more: JSON) -> JSON:
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    if "labels" in more:
        metadata["labels"] = more.pop("labels")
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **more}


def _pod(namespace: str, number: int) -> JSON:
    labels = {"app": f"app-{number % GROUPS}", "pod-template-hash": str(number)}
    ports = [{"name": "http", "containerPort": 8080}]
    spec = {"containers": [{"name": "app", "ports": ports}]}
    status = {"phase": "Running", "podIPs": [{"ip": f"10.{number}.0.9"}]}
    name = f"app-{number}"
    return _object("v1", "Pod", namespace, name, labels=labels, spec=spec, status=status)


def _policy(namespace: str, number: int) -> JSON:
    """The first isolates all; each third is Cilium's own; they let out to names, networks, pods."""
    app = {"matchLabels": {"app": f"app-{number % GROUPS}"}}
    if number == 0:
        spec: JSON = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
        return _object(NETWORK_POLICY.api_version, "NetworkPolicy", namespace, "closed", spec=spec)
    if number % 3:
        block = {"ipBlock": {"cidr": f"198.51.{number}.0/24"}}
        peer = block if number % 2 else {"podSelector": app}
        rule = {"to": [peer], "ports": [{"protocol": "TCP", "port": 443}]}
        spec = {"podSelector": app, "policyTypes": ["Egress"], "egress": [rule]}
        name = f"out-{number}"
        return _object(NETWORK_POLICY.api_version, "NetworkPolicy", namespace, name, spec=spec)
    ports = [{"port": "443", "protocol": "TCP"}]
    dns = {
        "toEndpoints": [{"matchLabels": {"k8s:io.kubernetes.pod.namespace": "kube-system"}}],
        "toPorts": [
            {
                "ports": [{"port": "53", "protocol": "UDP"}],
                "rules": {"dns": [{"matchPattern": "*"}]},
            }
        ],
    }
    names = {"toFQDNs": [{"matchName": f"a{number}.example"}], "toPorts": [{"ports": ports}]}
    spec = {"endpointSelector": app, "egress": [names, dns]}
    return _object("cilium.io/v2", "CiliumNetworkPolicy", namespace, f"names-{number}", spec=spec)


def _build(namespaces: int, site: Site) -> tuple[Index, float, float]:
    """The index, the CPU seconds and the MiB that it took."""
    gc.collect()
    before = machine.resident_mib(os.getpid())
    index, spent = empty_index(site.network), 0.0
    for value in _objects(namespaces):
        started = time.process_time()
        index = index.put(value)
        spent += time.process_time() - started
    gc.collect()
    return index, spent, machine.resident_mib(os.getpid()) - before


def _questions(namespaces: int) -> Iterator[tuple[str, bytes]]:
    dice = random.Random(SEED)  # noqa: S311  # the same each time
    for _ in range(TIMES):
        where = f"team-{dice.randrange(namespaces)}"
        number = dice.randrange(POLICIES)
        yield "pod", _asked(_pod(where, number), POD, where)
        policy = _policy(where, 1 + number % 2)
        changed = {**policy, "spec": {**policy["spec"], "egress": [{"ports": [{"port": 8443}]}]}}
        yield "policy", _asked(changed, NETWORK_POLICY, where, old=policy)
    spec = {"endpointSelector": {}, "egress": [{"toEntities": ["kube-apiserver"]}]}
    wide = _object("cilium.io/v2", CILIUM_CLUSTERWIDE_POLICY.kind, "", "wide", spec=spec)
    asked = _asked(wide, CILIUM_CLUSTERWIDE_POLICY, "")
    yield from (("policy of the cluster", asked) for _ in "12")


def _asked(value: JSON, kind: Kind, namespace: str, old: JSON = None) -> bytes:
    operation = "UPDATE" if old else "CREATE"
    name = value["metadata"]["name"]
    asked = ask(value, kind, operation=operation, old=old, namespace=namespace, name=name)
    return written(asked)


def _network_rules() -> Rulebook:
    rules = (rule for rule in discover() if ".network." in rule.check.__module__)
    return Rulebook.of(Site(), [Configured(ActiveRule(r, r.action, r.check)) for r in rules])


def _cost(namespaces: int) -> Cost:
    book = _network_rules()
    index, build, resident = _build(namespaces, book.site)
    gc.freeze()  # as the server does once it is ready
    names = {name: index.namespaces.get(name) for name in index.namespaces}
    cluster = Cluster.of(
        [
            _object("v1", "Namespace", "", name, labels=dict(n.labels))
            for name, n in names.items()
            if n
        ],
        book.site,
    )
    cluster = Cluster(book.site, cluster.namespaces, networks=lambda _: index)
    before = machine.resident_mib(os.getpid())
    times: dict[str, list[float]] = {}
    for name, body in _questions(namespaces):
        times.setdefault(name, []).append(_time(body, book, cluster) * 1e6)
    spent = [_time(body, book, cluster) for body in _all_pods(namespaces)]
    cut = {name: quantiles(found, n=100) for name, found in times.items()}
    return Cost(
        namespaces,
        build,
        resident,
        len(spent),
        sum(spent),
        machine.resident_mib(os.getpid()) - before,
        {name: found[49] for name, found in cut.items()},
        {name: found[98] for name, found in cut.items()},
    )


def _all_pods(namespaces: int) -> Iterator[bytes]:
    """A review of each pod; of every so many-th namespace where these are too many."""
    for number in range(0, namespaces, -(-namespaces * PODS // MOST_PODS)):
        where = f"team-{number}"
        yield from (_asked(_pod(where, each), POD, where) for each in range(PODS))


def _time(body: bytes, book: Rulebook, cluster: Cluster) -> float:
    """The CPU seconds to judge a review; a rule that fails would take none."""
    review = decode(body, phases=("final",), shaped=book.shaped)
    review.object  # noqa: B018  # decoded here: what is timed is thought
    started = time.thread_time()
    decision = judge(review, book, cluster)
    spent = time.thread_time() - started
    if any(finding.error for finding in decision.findings):
        raise machine.Wrong(f"a rule failed: {decision.findings}")
    return spent


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--namespaces", type=int, required=True)
    print(json.dumps(asdict(_cost(parser.parse_args().namespaces))))  # noqa: T201  # for `measure`
