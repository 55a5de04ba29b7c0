"""The Kubernetes API as far as certificates need it: two Secrets and some caBundles, no more.

Every write carries the resourceVersion that was read, so that it fails (Conflict) when anybody
has changed the object since. Verbs needed: get and patch on the two Secrets (create only where
they do not exist yet), get and patch on the webhook configurations by name.

The client is imported inside functions: importing this module costs nothing.
"""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn, Protocol

JSON = Any  # what the API server sends

AUTHORITIES: Final = "sallyport-ca"  # the Secret of the authorities
SERVED: Final = "sallyport-tls"  # the Secret that the webhook mounts
TYPES: Final = {AUTHORITIES: "Opaque", SERVED: "kubernetes.io/tls"}
MANAGED_BY: Final = "app.kubernetes.io/managed-by"
OWNER: Final = "sallyport"

_TIMEOUT = 10  # seconds, of one request
_NOT_FOUND, _CONFLICT, _UNPROCESSABLE = 404, 409, 422


class CannotKeep(Exception):
    """Certificates cannot be kept, and trying again will not help; the text says what to do."""


class Conflict(Exception):
    """Somebody else has written first: look again."""


@dataclass(frozen=True, slots=True)
class Secret:
    """The values of a Secret; `version` is None where it does not exist."""

    name: str
    data: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Configuration:
    """A webhook configuration; `version` is None where it does not exist.

    `hooks`: name and caBundle (PEM) of each entry, in order.
    """

    kind: str
    name: str
    hooks: tuple[tuple[str, bytes], ...] = ()
    version: str | None = None


class Store(Protocol):
    """Where certificates are kept. All methods may raise CannotKeep, those that write Conflict."""

    def read_configurations(self) -> tuple[Configuration, ...]:
        """The webhook configurations that are ours by name, those that do not exist included."""

    def read_secret(self, name: str) -> Secret:
        """A Secret; one that exists and is not labelled as ours raises CannotKeep."""

    def write_secret(self, secret: Secret) -> None:
        """Set the keys in `data`, others stay; create it where its version is None."""

    def write_bundle(self, configuration: Configuration, bundle: bytes) -> None:
        """Set the caBundle (PEM) of every entry."""


def connect(kubeconfig: Path | None = None) -> Any:
    """An ApiClient from a kubeconfig, or without one from the pod's service account.

    Raises CannotKeep where there is neither.
    """
    from kubernetes import client, config

    settings = client.Configuration()
    try:
        if kubeconfig is None:
            config.load_incluster_config(client_configuration=settings)
        else:
            config.load_kube_config(str(kubeconfig), client_configuration=settings)
    except config.ConfigException as error:
        raise CannotKeep(f"no way to the API server: {error}") from error
    return client.ApiClient(settings)


class Cluster:
    """A Store in a real cluster: the Secrets of one namespace and the configurations named."""

    def __init__(
        self, client: Any, namespace: str, *, mutating: Sequence[str], validating: Sequence[str]
    ) -> None:
        from kubernetes.client import AdmissionregistrationV1Api, CoreV1Api

        self._namespace = namespace
        self._core = CoreV1Api(client)
        hooks = AdmissionregistrationV1Api(client)
        self._reads = {
            "MutatingWebhookConfiguration": hooks.read_mutating_webhook_configuration,
            "ValidatingWebhookConfiguration": hooks.read_validating_webhook_configuration,
        }
        self._patches = {
            "MutatingWebhookConfiguration": hooks.patch_mutating_webhook_configuration,
            "ValidatingWebhookConfiguration": hooks.patch_validating_webhook_configuration,
        }
        self._names = [
            *(("MutatingWebhookConfiguration", name) for name in mutating),
            *(("ValidatingWebhookConfiguration", name) for name in validating),
        ]

    def read_configurations(self) -> tuple[Configuration, ...]:
        """See Store."""
        return tuple(self._read_configuration(kind, name) for kind, name in self._names)

    def _read_configuration(self, kind: str, name: str) -> Configuration:
        found = _ask(self._reads[kind], name)
        if found is None:
            return Configuration(kind, name)
        hooks = tuple(
            (hook["name"], base64.b64decode(hook["clientConfig"].get("caBundle") or ""))
            for hook in found.get("webhooks") or ()
        )
        return Configuration(kind, name, hooks, found["metadata"]["resourceVersion"])

    def read_secret(self, name: str) -> Secret:
        """See Store."""
        found = _ask(self._core.read_namespaced_secret, name, self._namespace)
        if found is None:
            return Secret(name)
        if (found["metadata"].get("labels") or {}).get(MANAGED_BY) != OWNER:
            raise CannotKeep(
                f"Secret {self._namespace}/{name} is not labelled {MANAGED_BY}={OWNER}: it belongs"
                " to somebody else and is left alone; label it, or remove it"
            )
        data = {key: base64.b64decode(text) for key, text in (found.get("data") or {}).items()}
        return Secret(name, data, found["metadata"]["resourceVersion"])

    def write_secret(self, secret: Secret) -> None:
        """See Store."""
        data = {key: base64.b64encode(value).decode() for key, value in secret.data.items()}
        if secret.version is not None:
            patch = {"metadata": {"resourceVersion": secret.version}, "data": data}
            kind = "application/merge-patch+json"  # keeps labels and owners that others have set
            call, place = self._core.patch_namespaced_secret, (secret.name, self._namespace)
            _ask(call, *place, patch, _content_type=kind)
            return
        metadata = {"name": secret.name, "labels": {MANAGED_BY: OWNER}}
        body = {"metadata": metadata, "type": TYPES[secret.name], "data": data}
        _ask(self._core.create_namespaced_secret, self._namespace, body)

    def write_bundle(self, configuration: Configuration, bundle: bytes) -> None:
        """See Store."""
        text = base64.b64encode(bundle).decode()
        # A replaced resourceVersion is compared by the API server; the test of the name is for
        # whoever reads the audit log, and for entries that changed places.
        patch: list[dict[str, str | None]] = [
            {"op": "replace", "path": "/metadata/resourceVersion", "value": configuration.version}
        ]
        for number, (name, _) in enumerate(configuration.hooks):
            place = f"/webhooks/{number}"
            patch.append({"op": "test", "path": f"{place}/name", "value": name})
            patch.append({"op": "add", "path": f"{place}/clientConfig/caBundle", "value": text})
        call, kind = self._patches[configuration.kind], "application/json-patch+json"
        _ask(call, configuration.name, patch, _content_type=kind)


def _ask(call: Callable[..., Any], *arguments: Any, **options: Any) -> JSON | None:
    """The answer as JSON, None for an object that does not exist.

    Raw, since the typed models cost time and refuse fields that they do not know.
    """
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    options |= {"_preload_content": False, "_request_timeout": _TIMEOUT}
    try:
        return json.loads(call(*arguments, **options).data)
    except ApiException as error:
        if error.status == _NOT_FOUND and "_content_type" not in options:
            return None
        _refuse(error.status, error.body or error.reason)
    except HTTPError as error:
        raise CannotKeep(f"the API server does not answer: {error}") from error


def _refuse(status: int, answer: bytes | str) -> NoReturn:
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else str(answer)
    with suppress(ValueError, KeyError, TypeError):
        text = json.loads(text)["message"]
    # 404: gone since it was read. 422: an entry has another name than it had.
    if status in {_NOT_FOUND, _CONFLICT, _UNPROCESSABLE}:
        raise Conflict(text)
    raise CannotKeep(f"the API server refuses ({status}): {text}")
