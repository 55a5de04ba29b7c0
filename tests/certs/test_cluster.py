"""Keeping certificates in a real API server, and calling a webhook with what was kept."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from certs import pem
from certs.cluster import (
    AUTHORITIES,
    MANAGED_BY,
    SERVED,
    CannotKeep,
    Cluster,
    Conflict,
    Secret,
    connect,
)
from certs.issue import Pair
from certs.keep import Report, keep_cluster
from certs.reload import ServedPair
from certs.world import find_issuer, read_bundle, read_held
from tests.certs.moments import DAY, HOUR, MINUTE
from tests.certs.volume import Volume
from tests.control_plane.cluster import ControlPlane

pytestmark = pytest.mark.control_plane

LOCAL = ("127.0.0.1",)
NUMBERS = itertools.count()


@dataclass(slots=True)
class Site:
    """A namespace of its own, two configurations of its own, and a clock."""

    plane: ControlPlane
    namespace: str
    now: datetime
    user: str = "admin"

    @property
    def mutating(self) -> str:
        """The name of one configuration."""
        return f"00-{self.namespace}-mutate"

    @property
    def validating(self) -> str:
        """The name of the other."""
        return f"{self.namespace}-validate"

    @contextmanager
    def store(self) -> Iterator[Cluster]:
        """A way to the API server, as `user`."""
        with connect(self.plane.kubeconfig(self.user)) as client:
            yield Cluster(
                client, self.namespace, mutating=[self.mutating], validating=[self.validating]
            )

    def keep(self) -> Report:
        """One run of the job."""
        with self.store() as store:
            return keep_cluster(store, LOCAL, clock=lambda: self.now)

    def secret(self, name: str) -> Any:
        """A Secret as it is stored."""
        words = ("get", "secret", name, "--namespace", self.namespace, "--output=json")
        return json.loads(self.plane.kubectl(*words).stdout)

    def data(self, name: str) -> dict[str, bytes]:
        """Its values."""
        return {key: base64.b64decode(text) for key, text in self.secret(name)["data"].items()}

    def create_secret(self, name: str, kind: str, *, owner: str = "sallyport") -> None:
        """As the manifests do, with keys but without values."""
        metadata = {"name": name, "namespace": self.namespace, "labels": {MANAGED_BY: owner}}
        keys = {"tls.crt": "", "tls.key": ""} if kind == "kubernetes.io/tls" else {}
        self.create("v1", "Secret", metadata, type=kind, data=keys)

    def configure(self, port: int) -> None:
        """Both configurations, without caBundle, for ConfigMaps of this namespace."""
        selector = {"matchLabels": {"kubernetes.io/metadata.name": self.namespace}}
        resources = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}
        entry = {
            "clientConfig": {"url": f"https://127.0.0.1:{port}/"},
            "namespaceSelector": selector,
            "rules": [{"operations": ["CREATE"], **resources}],
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
        }
        for kind, name in (("Mutating", self.mutating), ("Validating", self.validating)):
            hooks = [entry | {"name": f"{word}.{kind.lower()}.test"} for word in ("one", "two")]
            group = "admissionregistration.k8s.io/v1"
            self.create(group, f"{kind}WebhookConfiguration", {"name": name}, webhooks=hooks)

    def bundles(self) -> set[bytes]:
        """The caBundle of all four entries."""
        with self.store() as store:
            found = store.read_configurations()
        texts = [bundle for one in found for _, bundle in one.hooks]
        assert len(texts) == 4
        return set(texts)

    def remove_configurations(self) -> None:
        """They belong to the whole cluster, so they must not stay."""
        for kind, name in (("mutating", self.mutating), ("validating", self.validating)):
            words = ("delete", f"{kind}webhookconfiguration", name, "--ignore-not-found")
            self.plane.kubectl(*words)

    def create(self, version: str, kind: str, metadata: dict[str, Any], **rest: Any) -> None:
        """Any object."""
        body = {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}
        self.plane.kubectl("create", "-f", "-", stdin=json.dumps(body))


@pytest.fixture
def site(control_plane: ControlPlane) -> Iterator[Site]:
    found = Site(control_plane, f"keys-{next(NUMBERS)}", datetime.now(UTC))
    control_plane.create_namespace(found.namespace)
    yield found
    found.remove_configurations()


def test_install_and_a_second_run(site: Site) -> None:
    report = site.keep()
    assert f"ValidatingWebhookConfiguration {site.validating}: absent, not written" in report.lines
    site.configure(1)
    assert sum("caBundle written (1 trusted)" in line for line in site.keep().lines) == 2
    tls, held = site.data(SERVED), read_held(site.data(AUTHORITIES))
    leaf = pem.prove(tls["tls.crt"], tls["tls.key"], now=site.now)
    assert held.current is not None
    assert site.bundles() == {held.current.certificate} == {tls["ca.crt"]}
    assert find_issuer(leaf, held.bundle())
    assert site.secret(SERVED)["type"] == "kubernetes.io/tls"
    assert site.secret(SERVED)["metadata"]["labels"] == {MANAGED_BY: "sallyport"}
    before = [site.secret(name)["metadata"]["resourceVersion"] for name in (SERVED, AUTHORITIES)]
    assert len(site.keep().lines) == 1
    after = [site.secret(name)["metadata"]["resourceVersion"] for name in (SERVED, AUTHORITIES)]
    assert before == after


def test_a_secret_of_somebody_else_is_left_alone(site: Site) -> None:
    site.create_secret(SERVED, "kubernetes.io/tls", owner="Helm")
    site.configure(1)
    with pytest.raises(CannotKeep, match=f"Secret {site.namespace}/{SERVED} is not labelled"):
        site.keep()
    assert site.bundles() == {b""}
    assert site.secret(SERVED)["data"] == {"tls.crt": "", "tls.key": ""}
    missing = site.plane.kubectl("get", "secret", AUTHORITIES, "-n", site.namespace, check=False)
    assert "NotFound" in missing.stderr


def test_labels_and_owners_that_others_set_stay(site: Site) -> None:
    site.create_secret(SERVED, "kubernetes.io/tls")
    site.plane.kubectl("label", "secret", SERVED, "team=platform", "-n", site.namespace)
    site.keep()
    assert site.secret(SERVED)["metadata"]["labels"]["team"] == "platform"
    assert site.data(SERVED)["tls.key"]


def _grant(site: Site, user: str) -> None:
    """What the job's account may do: get and patch, by name, and nothing else."""
    group = "admissionregistration.k8s.io"
    hooks = ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"]
    verbs = ["get", "patch"]
    secrets = {"apiGroups": [""], "resources": ["secrets"], "verbs": verbs}
    configurations = {"apiGroups": [group], "resources": hooks, "verbs": verbs}
    metadata = {"name": site.namespace, "namespace": site.namespace}
    version = "rbac.authorization.k8s.io/v1"
    subject = {"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}
    rules = {
        "": secrets | {"resourceNames": [AUTHORITIES, SERVED]},
        "Cluster": configurations | {"resourceNames": [site.mutating, site.validating]},
    }
    for scope, rule in rules.items():
        role = {"kind": f"{scope}Role", "name": site.namespace}
        site.create(version, f"{scope}Role", metadata, rules=[rule])
        binding = {"roleRef": role | {"apiGroup": "rbac.authorization.k8s.io"}}
        site.create(version, f"{scope}RoleBinding", metadata, subjects=[subject], **binding)


def test_get_and_patch_by_name_are_rights_enough(site: Site) -> None:
    _grant(site, "stranger")
    site.create_secret(AUTHORITIES, "Opaque")
    site.create_secret(SERVED, "kubernetes.io/tls")
    site.configure(1)
    site.user = "stranger"
    site.keep()
    assert {len(read_bundle(bundle)) for bundle in site.bundles()} == {1}


def test_without_the_right_to_create_the_answer_says_so(site: Site) -> None:
    _grant(site, "stranger")
    site.user = "stranger"
    with pytest.raises(CannotKeep, match=r"refuses \(403\): secrets is forbidden: .* create"):
        site.keep()


def test_a_stale_write_is_refused(site: Site) -> None:
    site.configure(1)
    site.keep()
    with site.store() as store:
        secret, (configuration, _) = store.read_secret(SERVED), store.read_configurations()
        store.write_secret(secret)
        store.write_secret(Secret(SERVED, {"ca.crt": b"new"}, store.read_secret(SERVED).version))
        with pytest.raises(Conflict, match="has been modified"):
            store.write_secret(secret)
        with pytest.raises(Conflict, match="already exists"):
            store.write_secret(Secret(SERVED, secret.data))
        bundle = configuration.hooks[0][1]
        store.write_bundle(configuration, bundle * 2)
        with pytest.raises(Conflict, match="has been modified"):
            store.write_bundle(configuration, bundle)
        site.remove_configurations()
        with pytest.raises(Conflict, match="not found"):
            store.write_bundle(configuration, bundle)


def test_entries_that_changed_places_are_not_mixed_up(site: Site) -> None:
    site.configure(1)
    with site.store() as store:
        found, _ = store.read_configurations()
        swapped = type(found)(found.kind, found.name, found.hooks[::-1], found.version)
        with pytest.raises(Conflict):
            store.write_bundle(swapped, b"x")


def test_many_jobs_at_once_agree(site: Site) -> None:
    site.configure(1)
    faults: list[BaseException] = []

    def work() -> None:
        try:
            site.keep()
        except BaseException as error:  # noqa: BLE001 - raised below, in the test's own thread
            faults.append(error)

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    tls, held = site.data(SERVED), read_held(site.data(AUTHORITIES))
    assert site.bundles() == {held.bundle()}
    assert find_issuer(pem.prove(tls["tls.crt"], tls["tls.key"], now=site.now), held.bundle())


def test_no_server_is_said_in_one_line(site: Site, tmp_path: Path) -> None:
    text = site.plane.kubeconfig().read_text().replace(site.plane.url, "https://127.0.0.1:1")
    (tmp_path / "config").write_text(text)
    with (
        connect(tmp_path / "config") as client,
        pytest.raises(CannotKeep, match=r"the API server does not answer: .*refused"),
    ):
        Cluster(client, "default", mutating=[], validating=[]).read_secret(SERVED)


def test_no_way_to_the_server_is_said(tmp_path: Path) -> None:
    with pytest.raises(CannotKeep, match="no way to the API server"):
        connect(tmp_path / "absent")
    with pytest.raises(CannotKeep, match="no way to the API server"):
        connect()


# The API server calls a webhook, through a whole rotation


class Webhook:
    """Allows everything, over a connection of its own for each call; runs in a thread."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.calls = 0
        self._loop = asyncio.new_event_loop()
        start = asyncio.start_server(self._answer, "127.0.0.1", 0, ssl=context)
        self._server = self._loop.run_until_complete(start)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length:")[1].split()[0])
        review = json.loads(await reader.readexactly(length))
        response = {"uid": review["request"]["uid"], "allowed": True}
        answer = {"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response}
        body = json.dumps(answer)
        fields = f"Content-Type: application/json\r\nContent-Length: {len(body)}"
        writer.write(f"HTTP/1.1 200 OK\r\nConnection: close\r\n{fields}\r\n\r\n{body}".encode())
        writer.close()
        await writer.wait_closed()
        self.calls += 1

    def stop(self) -> None:
        """Ends the thread."""
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextmanager
def _webhook(context: ssl.SSLContext) -> Iterator[Webhook]:
    webhook = Webhook(context)
    try:
        yield webhook
    finally:
        webhook.stop()


def _call(site: Site, webhook: Webhook) -> None:
    """A ConfigMap is admitted by all four entries, which fail closed.

    More than one try, since the API server reads a new caBundle in its own time: that is what the
    waits of a rotation are for, and here the clock has jumped over them.
    """
    before = webhook.calls
    words = ("create", "configmap", "probe", "--dry-run=server", "--namespace", site.namespace)
    for _ in range(100):
        done = site.plane.kubectl(*words, check=False)
        if done.returncode == 0:
            break
        assert "failed calling webhook" in done.stderr
    assert done.returncode == 0, done.stderr
    assert webhook.calls - before >= 4


def test_the_api_server_calls_through_a_whole_rotation(site: Site, tmp_path: Path) -> None:
    """Go, as strict as it is, accepts chain, constraints and address at each step."""
    real, site.now = site.now, site.now - 490 * DAY
    site.keep()
    site.now = real
    site.keep()
    volume = Volume(tmp_path / "volume", _pair(site))
    served = ServedPair(volume.certificate, volume.key, now=real)
    with _webhook(served.context) as webhook:
        site.configure(webhook.port)
        seen = []
        for wait in (timedelta(), 10 * MINUTE, 24 * HOUR):
            site.now += wait
            site.keep()
            volume.swap(_pair(site))
            served.refresh(real)
            _call(site, webhook)
            (bundle,) = site.bundles()
            seen.append((len(read_bundle(bundle)), served.serial))
    assert [count for count, _ in seen] == [2, 2, 1]
    assert seen[0][1] != seen[1][1] == seen[2][1]


def _pair(site: Site) -> Pair:
    data = site.data(SERVED)
    return Pair(data["tls.crt"], data["tls.key"])
