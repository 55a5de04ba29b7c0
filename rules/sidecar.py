"""Whether Istio's containers in a pod, as it will be stored, are what the injector makes.

What stands under their names is judged by what it does, not by who says to have put it there.
Source: sandbox-and-mesh 4.3 (INJ-FINAL) and 4.4; istio/istio, files/injection-template.yaml.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from rules.injection import INIT, INJECTED, PROXY, VALIDATION
from rules.model import JSON, Path
from rules.pods import Container, Pod, mapping
from rules.review import Cluster, Review
from rules.sidecar_settings import wrong_settings, wrong_variables
from rules.words import quote

_NAMES = tuple(INJECTED)  # no set, since what stands in name may be anything

IMAGE = r"^mcr\.microsoft\.com/oss/(v2/)?istio/proxyv2:"
PROXY_ID = 1337
STATUS = "sidecar.istio.io/status"
OVERRIDES = "proxy.istio.io/overrides"
TLS_MODE = "security.istio.io/tlsMode"
TRAFFIC = "traffic.sidecar.istio.io/"
ANNOTATIONS: Path = ("metadata", "annotations")
OWN_PORTS = frozenset({"15090", "15021", "15020"})

_FLAGS = {
    "-p": "15001", "-z": "15006", "-u": str(PROXY_ID), "-m": "REDIRECT", "-i": "*", "-x": "",
    "-b": "*",
}  # fmt: skip
_HARMLESS = re.compile(
    r"--log_output_level=[A-Za-z0-9:,_-]*|--log_as_json|--force-apply|--native-nftables"
)
_ADDED = {INIT: ("NET_ADMIN", "NET_RAW")}
_REDIRECTED = {
    "sidecar.istio.io/interceptionMode": "REDIRECT",
    f"{TRAFFIC}includeOutboundIPRanges": "*",
    f"{TRAFFIC}includeInboundPorts": "*",
}
_EXCLUDED = f"{TRAFFIC}excludeInboundPorts"


NONE: frozenset[Path] = frozenset()


class Flaw(NamedTuple):
    """What no genuine sidecar has: where, what is said of it, and what was found."""

    path: Path
    message: str
    found: JSON = None


class Sidecar(NamedTuple):
    """A pod looked at for its sidecar. `cni`: Istio's CNI plugin redirects, no init container.

    `image` is a regular expression that the images of Istio's containers begin with, `homes`:
    nobody looked at the author's text before, and these namespaces may hold the control plane; else
    the injector wrote what stands there, and how it is configured is up to the platform.
    """

    pod: Pod
    cni: bool = False
    image: str = IMAGE
    homes: frozenset[str] | None = None

    @classmethod
    def of(cls, review: Review, cluster: Cluster, image: str) -> Sidecar:
        """That of the pod under review, in this cluster."""
        site = cluster.site
        unseen = "raw" in review.phases
        homes = site.trusted.namespaces | {site.mesh.root} if unseen else None
        return cls(review.pod, site.mesh.redirection == "CNIChaining", image, homes)

    @property
    def claimed(self) -> list[Container]:
        """The containers under Istio's names, genuine or not."""
        return [c for c in self.pod.containers if c.value.get("name") in _NAMES]

    @property
    def genuine(self) -> frozenset[Path]:
        """The places of the containers in which nothing is wrong."""
        claimed = self.claimed
        if not claimed:
            return NONE
        wrong = {flaw.path[:3] for flaw in self._in_containers(claimed)}
        return frozenset(c.path for c in claimed if c.path not in wrong)

    def flaws(self) -> Iterator[Flaw]:
        """All that is wrong; nothing where the pod does not speak of a sidecar at all."""
        claimed, annotations = self.claimed, self.pod.annotations
        if not claimed and STATUS not in annotations:
            return
        yield from self._in_containers(claimed)
        named = [c for c in claimed if c.value["name"] == PROXY]
        if not named and STATUS in annotations:
            message = f"says that Istio put its sidecar in, but no container is named {PROXY}"
            yield Flaw((*ANNOTATIONS, STATUS), message)
        for container in named:
            yield from self._around(container, claimed, annotations)
        if OVERRIDES in annotations:
            message = (
                "changes Istio's sidecar; Istio writes it where a pod brings a container with one "
                "of its names: remove that, or the annotation"
            )
            yield Flaw((*ANNOTATIONS, OVERRIDES), message, annotations[OVERRIDES])
        mode = self.pod.labels.get(TLS_MODE)
        if mode != "istio":
            stated = "is not set" if mode is None else f"is {quote(mode)}"
            message = f'{stated}, so others speak clear text to the pod; it must be "istio"'
            yield Flaw(("metadata", "labels", TLS_MODE), message, mode)
        if self.cni:
            yield from _redirected_by_cni(annotations)

    def _around(
        self, proxy: Container, claimed: Sequence[Container], annotations: Mapping[str, str]
    ) -> Iterator[Flaw]:
        """What a genuine proxy has beside it."""
        redirects = VALIDATION if self.cni else INIT
        if not any(c.value["name"] == redirects for c in claimed):
            yield _named(proxy, f"no init container {redirects} stands beside it", redirects)
        if STATUS not in annotations:
            yield _named(proxy, f"the annotation {STATUS} is not set", STATUS)

    def _in_containers(self, claimed: Sequence[Container]) -> Iterator[Flaw]:
        seen: set[str] = set()
        for container in claimed:
            name = container.value["name"]
            wrong = list(self._wrong_with(container))
            if name in seen:
                wrong.append("another container has the name, too")
            seen.add(name)
            for words in wrong:
                yield _named(container, words, words)

    def _wrong_with(self, container: Container) -> Iterator[str]:
        """What is wrong with a container under one of Istio's names, each in a few words."""
        name, value = container.value["name"], container.value
        if name not in {PROXY, VALIDATION if self.cni else INIT}:
            yield f"the mesh has no such container while redirection is {self._mode}"
            return
        yield from _wrong_place(container)
        image = value.get("image")
        if not isinstance(image, str) or not re.match(self.image, image):
            yield f"its image is {quote(image)}, which is not Istio's"
        if value.get("command"):
            yield f"its command is {quote(value['command'])}, and Istio sets none"
        yield from _wrong_args(name, value.get("args"))
        yield from _wrong_rights(name, mapping(value, "securityContext"))
        if self.homes is None:
            yield from wrong_variables(value)
        else:
            yield from wrong_settings(value, self.homes)

    @property
    def _mode(self) -> str:
        return "CNIChaining" if self.cni else "InitContainers"


def _named(container: Container, words: str, found: JSON) -> Flaw:
    """A flaw of a container, told at its name: under another name it would be none."""
    message = f"is {quote(container.value['name'])}, but {words}"
    return Flaw((*container.path, "name"), message, found)


def _wrong_place(container: Container) -> Iterator[str]:
    where = container.path[1]
    if where == "ephemeralContainers":
        yield "Istio adds no ephemeral container"
    elif container.value["name"] != PROXY:
        if where != "initContainers":
            yield "it is no init container, so traffic flows before it has run"
    elif where == "initContainers" and container.value.get("restartPolicy") != "Always":
        yield "it is an init container whose restartPolicy is not Always, so it does not stay"


def _wrong_args(name: str, args: JSON) -> Iterator[str]:
    stated = args if isinstance(args, list) else []
    if name == PROXY and stated[:2] != ["proxy", "sidecar"]:
        yield f"its args begin with {quote(stated[:2])}, which must be proxy, sidecar"
    if name == INIT:
        if stated[:1] != ["istio-iptables"]:
            yield f"its args begin with {quote(stated[:1])}, which must be istio-iptables"
        yield from _wrong_flags(stated[1:])


def _wrong_flags(args: list[JSON]) -> Iterator[str]:
    """What the flags of istio-iptables leave uncaptured: `-flag value` each, as Istio writes it."""
    missing = list(_FLAGS)  # a list, since what stands in args may be anything
    rest = iter(args)
    for flag in rest:
        if flag == "-d":
            ports = next(rest, None)
            if not isinstance(ports, str) or not _are_own(ports):
                yield f"its flag -d is {quote(ports)}, which must be within {_own_ports()}"
        elif flag in missing:
            missing.remove(flag)
            value = next(rest, None)
            if value != _FLAGS[flag]:
                yield f"its flag {flag} is {quote(value)}, which must be {quote(_FLAGS[flag])}"
        elif not isinstance(flag, str) or not _HARMLESS.fullmatch(flag):
            yield f"its args have {quote(flag)}, which Istio does not set"
    if missing:
        yield f"its args lack {' '.join(missing)}"


def _wrong_rights(name: str, context: Mapping[str, JSON]) -> Iterator[str]:
    if context.get("privileged") is True:
        yield "it is privileged"
    user = context.get("runAsUser")
    if name != INIT and user != PROXY_ID:
        yield f"its runAsUser is {quote(user)}, which must be {PROXY_ID}"
    added = mapping(context, "capabilities").get("add")
    for capability in added if isinstance(added, list) else ():
        if capability not in _ADDED.get(name, ()):
            yield f"it adds the capability {quote(capability)}"


def _redirected_by_cni(annotations: Mapping[str, str]) -> Iterator[Flaw]:
    """What Istio's CNI plugin reads to redirect all traffic, where no init container does it."""
    for key, wanted in _REDIRECTED.items():
        if annotations.get(key) != wanted:
            stated = f"is {quote(annotations[key])}" if key in annotations else "is not set"
            message = f"{stated}; it must be {quote(wanted)}"
            yield Flaw((*ANNOTATIONS, key), message, annotations.get(key))
    for key in sorted(annotations):
        if key == _EXCLUDED and not _are_own(annotations[key]):
            message = f"is {quote(annotations[key])}; it must be within {_own_ports()}"
            yield Flaw((*ANNOTATIONS, key), message, annotations[key])
        elif key.startswith(TRAFFIC) and key != _EXCLUDED and key not in _REDIRECTED:
            message = (
                f"is {quote(annotations[key])}, which keeps traffic from the sidecar; remove it"
            )
            yield Flaw((*ANNOTATIONS, key), message, annotations[key])


def _are_own(ports: str) -> bool:
    return set(ports.split(",")) <= OWN_PORTS | {""}


def _own_ports() -> str:
    return ",".join(sorted(OWN_PORTS, reverse=True))
