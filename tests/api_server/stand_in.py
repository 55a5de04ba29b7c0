"""A stand-in for Istio's injector, which answers as the real one does.

Source: istio/istio pkg/kube/inject/{inject,webhook}.go, templates/mutatingwebhook.yaml.
"""

from __future__ import annotations

import base64
import copy
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from certs.issue import issue_authority, issue_leaf
from rules.model import JSON
from tests.api_server.injector import REVISION, Injector
from tests.certs.volume import Volume
from webhook.injector import inject

HOST = "127.0.0.1"
NEVER = ("kube-system", "kube-public", "kube-node-lease", "local-path-storage")
STATED = "sidecar.istio.io/inject"
OVERRIDES = "proxy.istio.io/overrides"
OWN = {"containers": ("istio-proxy",), "initContainers": ("istio-proxy", "istio-init")}
"""The containers of an author that stand for Istio's own, by list."""
NOT_REFUSED = {"key": STATED, "operator": "NotIn", "values": ["false"]}
SELECTORS = {
    "rev.namespace.": (
        [
            {"key": "istio.io/rev", "operator": "In", "values": [REVISION]},
            {"key": "istio-injection", "operator": "DoesNotExist"},
        ],
        [NOT_REFUSED],
    ),
    "rev.object.": (
        [
            {"key": "istio.io/rev", "operator": "DoesNotExist"},
            {"key": "istio-injection", "operator": "DoesNotExist"},
        ],
        [NOT_REFUSED, {"key": "istio.io/rev", "operator": "In", "values": [REVISION]}],
    ),
}


@contextmanager
def stand_in(folder: Path, *, native: bool = True) -> Iterator[Injector]:
    """One that puts in what `webhook.injector` says, over TLS, in a thread of its own."""
    now = datetime.now(UTC)
    authority = issue_authority([HOST], now=now)
    pair = Volume(folder / f"injector-{native}", issue_leaf(authority, [HOST], now=now))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    server = ThreadingHTTPServer((HOST, 0), _Native if native else _Classic)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    Thread(target=server.serve_forever, daemon=True).start()
    url = f"https://{HOST}:{server.server_address[1]}/inject"
    try:
        yield Injector([_webhook(name, url, authority.certificate) for name in SELECTORS], native)
    finally:
        server.shutdown()
        server.server_close()


def _webhook(name: str, url: str, authority: bytes) -> JSON:
    spaces, objects = SELECTORS[name]
    bundle = base64.b64encode(authority).decode()
    rule = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"]}
    return {
        "name": f"{name}sidecar-injector.istio.io",
        "clientConfig": {"url": url, "caBundle": bundle},
        "sideEffects": "None",
        "rules": [rule | {"resources": ["pods"]}],
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "admissionReviewVersions": ["v1"],
        "namespaceSelector": {"matchExpressions": spaces},
        "objectSelector": {"matchExpressions": objects},
    }


class _Native(BaseHTTPRequestHandler):
    """Answers AdmissionReviews, one thread a connection."""

    protocol_version = "HTTP/1.1"
    native = True

    def do_POST(self) -> None:
        """The review with its response, which has a patch where the sidecar is wanted."""
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        request = review.pop("request")
        review["response"] = {"uid": request["uid"], "allowed": True}
        value = request["object"]
        if _is_wanted(value, request["namespace"]):
            injected = _overlay(value, native=self.native)
            patch = [
                {"op": "add", "path": f"/{part}", "value": injected[part]}
                for part in ("metadata", "spec")
            ]
            coded = base64.b64encode(json.dumps(patch).encode()).decode()
            review["response"] |= {"patchType": "JSONPatch", "patch": coded}
        body = json.dumps(review).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Silent: pytest shows what failed."""


class _Classic(_Native):
    """The same with classic sidecars."""

    native = False


def _is_wanted(value: JSON, namespace: str) -> bool:
    """What the injector looks at itself, whatever the selectors let through."""
    metadata = value["metadata"]
    annotated = metadata.get("annotations", {}).get(STATED)
    stated = metadata.get("labels", {}).get(STATED, annotated)
    return not value["spec"].get("hostNetwork") and namespace not in NEVER and stated != "false"


def _overlay(value: JSON, *, native: bool) -> JSON:
    """The pod with the sidecar, over which its author has the last word.

    By a container of one's own under Istio's name, or unseen, in an annotation; the injector keeps
    in that annotation what it was told.
    """
    stated = copy.deepcopy(value)
    spec, annotations = stated["spec"], stated["metadata"].get("annotations", {})
    own = json.loads(annotations.get(OVERRIDES, "{}"))
    for at, names in OWN.items():
        listed = spec.get(at, [])
        own[at] = [*own.get(at, ()), *(one for one in listed if one["name"] in names)]
        spec[at] = [one for one in listed if one["name"] not in names]
    injected = inject(stated, REVISION, native=native)
    told = [one for at in OWN for one in own[at]]
    for container in (c for at in OWN for c in injected["spec"][at]):
        for mine in told:
            if mine["name"] == container["name"]:
                _merge(container, mine)
    if told:
        injected["metadata"]["annotations"][OVERRIDES] = json.dumps(own)
    return injected


def _merge(container: JSON, mine: JSON) -> None:
    """What the author states wins, field by field; the image `auto` states nothing."""
    for key, value in mine.items():
        if isinstance(value, dict) and isinstance(container.get(key), dict):
            _merge(container[key], value)
        elif (key, value) != ("image", "auto"):
            container[key] = value
