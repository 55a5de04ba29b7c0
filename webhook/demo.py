"""`sallyport demo`: the main job on this machine, with no cluster.

Makes certificates, starts the real server on the built-in rulebook, sends it the manifests of
manifests/samples as the API server would, over TLS, and prints what kubectl would print. Between
the two doors stands Istio's injector, as in a cluster.
"""

from __future__ import annotations

import base64
import difflib
import http.client
import json
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any
from uuid import uuid4

import yaml

from certs.keep import keep_files
from rules.injection import Injection
from rules.model import JSON, Kind, Operation
from rules.patch import apply
from rules.pods import Pod
from rules.review import Cluster
from rules.site import Site
from webhook.cluster import load as read_cluster
from webhook.configuration import webhooks
from webhook.injector import TEMPLATE, inject
from webhook.objects import Kinds
from webhook.rulebook import catalogue, load

WORLD = "world.yaml"
USER = {"username": "developer", "groups": ["system:authenticated"]}
KINDS = Kinds(catalogue())


def demo(*, once: bool = False) -> int:
    """Show the main job; then go on serving until Ctrl-C, unless `once`. The exit code."""
    samples = resources.files("manifests") / "samples"
    with (
        tempfile.TemporaryDirectory(prefix="sallyport-demo-") as folder,
        resources.as_file(samples / WORLD) as world,
    ):
        keep_files(Path(folder), ["127.0.0.1"], now=datetime.now(UTC))
        with _serve(Path(folder), world) as (server, port):
            print(f"Sallyport serves on https://127.0.0.1:{port}, with the built-in rulebook.")
            print(f"It takes the cluster to be what stands in {WORLD}.")
            caller = _Caller(port, Path(folder) / "ca.crt")
            cluster = read_cluster([world], Site())
            for sample in sorted(samples.iterdir(), key=lambda file: file.name):
                if sample.name not in {WORLD, TEMPLATE}:
                    _show(caller, cluster, sample)
            if not once:
                print(f"\nStill serving on https://127.0.0.1:{port}; Ctrl-C ends it.", flush=True)
                _wait(server)
    return 0


@contextmanager
def _serve(folder: Path, world: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    command = [sys.executable, "-m", "webhook", "serve", "--host", "127.0.0.1", "--port", "0"]
    command += ["--probe-port", "0", "--cluster", str(world)]
    command += ["--tls-cert", str(folder / "tls.crt"), "--tls-key", str(folder / "tls.key")]
    log = folder / "decisions.jsonl"
    with log.open("w", encoding="utf-8") as quiet:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=quiet, text=True)  # noqa: S603  # ourselves
    try:
        assert server.stdout is not None  # noqa: S101  # a pipe was asked for
        first = server.stdout.readline()
        if not first:
            raise SystemExit(f"sallyport demo: the server did not start:\n{log.read_text()}")
        yield server, json.loads(first)["port"]
    finally:
        server.kill()
        server.wait()


class _Caller:
    """Asks the server as the API server does: over TLS, one AdmissionReview a question."""

    def __init__(self, port: int, authority: Path) -> None:
        context = ssl.create_default_context(cafile=authority)
        self._connection = http.client.HTTPSConnection("127.0.0.1", port, context=context)

    def ask(self, path: str, value: JSON) -> JSON:
        """The response to the creation of an object."""
        kind = _kind_of(value)
        metadata = value["metadata"]
        names = {"group": kind.group, "version": kind.version}
        request = {
            "uid": str(uuid4()),
            "kind": names | {"kind": kind.kind},
            "resource": names | {"resource": kind.resource},
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "operation": "CREATE",
            "userInfo": USER,
            "object": value,
            "oldObject": None,
        }
        body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
        headers = {"Content-Type": "application/json"}
        self._connection.request("POST", f"{path}?timeout=4s", json.dumps(body), headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status != http.client.OK:
            raise SystemExit(f"sallyport demo: HTTP {answer.status}: {text.decode()}")
        return json.loads(text)["response"]


def _show(caller: _Caller, cluster: Cluster, sample: Traversable) -> None:
    """One sample: its comment, the command, and what kubectl would print."""
    name, text = sample.name, sample.read_text(encoding="utf-8")
    comment = text.partition("\n")[0].removeprefix("# ")
    value = yaml.safe_load(text)
    print(f"\n# {comment}\n$ kubectl apply -f {name}")
    mended = stored = value
    if value["kind"] == "Pod":
        response = caller.ask("/mutate", value)
        if not response["allowed"]:
            _refuse(name, "Mutating", _kind_of(value), response)
            return
        mended = _patched(value, response)
        stored = _injected(mended, cluster)
    response = caller.ask("/validate", stored)
    for warning in response.get("warnings", ()):
        print(f"Warning: {warning}")
    if not response["allowed"]:
        _refuse(name, "Validating", _kind_of(value), response)
        return
    kind = _kind_of(value)
    group = f".{kind.group}" if kind.group else ""
    print(f"{kind.kind.lower()}{group}/{value['metadata']['name']} created")
    for line in _difference(value, mended):
        print(f"  {line}")
    if stored is not mended:
        print("  and Istio's injector puts its sidecar in")


def _refuse(name: str, door: str, kind: Kind, response: JSON) -> None:
    print(
        f'Error from server (Forbidden): error when creating "{name}": admission webhook '
        f'"{_entry(door, kind)}" denied the request: {response["status"]["message"]}'
    )


def _patched(value: JSON, response: JSON) -> JSON:
    if "patch" not in response:
        return value
    return apply(value, [_operation(o) for o in json.loads(base64.b64decode(response["patch"]))])


def _injected(pod: JSON, cluster: Cluster) -> JSON:
    """The pod as it is when Istio's injector was asked, if it is."""
    namespace = cluster.namespace(pod["metadata"]["namespace"])
    injection = Injection.of(Pod.of(pod), namespace, cluster.revisions)
    return pod if injection.obstacles() else inject(pod, injection.revision)


def _operation(value: dict[str, Any]) -> Operation:
    steps = value["path"].split("/")[1:]
    path = tuple(step.replace("~1", "/").replace("~0", "~") for step in steps)
    return Operation(value["op"], path, value.get("value"))


def _difference(before: JSON, after: JSON) -> Iterator[str]:
    """What we filled in, as a difference of YAML."""
    was, now = (yaml.safe_dump(value, sort_keys=False).splitlines() for value in (before, after))
    for line in difflib.unified_diff(was, now, "as written", "as mended", n=2, lineterm=""):
        if not line.startswith("@@"):
            yield line


def _kind_of(value: JSON) -> Kind:
    return KINDS.find(value["apiVersion"].rpartition("/")[0], value["kind"])


def _entry(door: str, kind: Kind) -> str:
    """The name of the entry that a kind is sent to, of the configuration of this door."""
    for configuration in webhooks(load(None)):
        for entry in configuration["webhooks"]:
            asked = any(
                kind.group in rule["apiGroups"] and kind.resource in rule["resources"]
                for rule in entry["rules"]
            )
            if asked and configuration["kind"].startswith(door):
                return str(entry["name"])
    raise LookupError(kind.kind)


def _wait(server: subprocess.Popen[str]) -> None:
    """Print the decisions as they are made, until somebody has seen enough."""
    assert server.stdout is not None  # noqa: S101  # a pipe was asked for
    try:
        for line in server.stdout:
            print(line, end="", flush=True)
    except KeyboardInterrupt:
        print()
