"""How a rule of a network policy is narrowed to HTTPS, in each language.

For each entry of ports: the place that is blamed, what stands there in words, what to do, and the
patch that does it. The patch is what the author would write; whether it is safe to apply is the
rule's to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from rules.model import JSON, Operation, Path
from rules.netpol.model import NamedPort, PortEntry
from rules.patch import lookup, set_field
from rules.policies import CILIUM
from rules.review import Review
from rules.words import quote

HTTPS = 443


class Narrowing(NamedTuple):
    """The place, what stands there, what to do about it, and the patch for that."""

    path: Path
    what: str
    cure: str
    patch: tuple[Operation, ...]


def narrowing(review: Review, entry: PortEntry | NamedPort, number: int) -> Narrowing:
    """How to open 443 in place of what an entry opens, `number` among it (0: by name)."""
    stated = lookup(review.object, entry.path)
    calico = entry.path[-1] == "protocol" or "destination" in entry.path
    if calico:
        return _calico(review.object, entry, number)
    if isinstance(stated, dict):
        change = _cilium if review.group == CILIUM else _CHANGES.get(str(entry.path[-2]), _port)
        return change(review.object, entry, number)
    added = _ADDED["toPorts" if review.group == CILIUM else review.kind]
    what = f"is missing, so every port, {number} too, is open"
    return Narrowing(entry.path, what, "add port 443", (Operation("add", entry.path, added),))


_HTTPS_ITEM = {"protocol": "TCP", "port": HTTPS}
_HTTPS_TEXT = {"port": str(HTTPS), "protocol": "TCP"}
_HTTPS_TCP = {"tcp": {"destinationPort": {"number": HTTPS}}}
_ADDED: Mapping[str, JSON] = {
    "NetworkPolicy": [_HTTPS_ITEM],
    "toPorts": [{"ports": [_HTTPS_TEXT]}],
    "AdminNetworkPolicy": [{"portNumber": _HTTPS_ITEM}],
    "BaselineAdminNetworkPolicy": [{"portNumber": _HTTPS_ITEM}],
    "ClusterNetworkPolicy": [_HTTPS_TCP],
}


def _port(value: JSON, entry: PortEntry | NamedPort, number: int) -> Narrowing:
    """An item of `ports` of a NetworkPolicy."""
    stated = lookup(value, entry.path)
    if "portNumber" in stated:
        return _single(value, (*entry.path, "portNumber", "port"))
    if "portRange" in stated or "namedPort" in stated:
        return _whole(value, entry, {"portNumber": _HTTPS_ITEM})
    port, end = (*entry.path, "port"), (*entry.path, "endPort")
    patch = set_field(value, port, HTTPS)
    if stated.get("port") is None:
        what = f"is missing, so every TCP port, {number} too, is open"
        return Narrowing(port, what, "set it to 443", patch)
    shown = quote(stated["port"])
    if stated.get("endPort") is None:
        return Narrowing(port, f"is {shown}", "set it to 443", patch)
    patch = (*patch, Operation("remove", end))
    if number == stated["port"]:
        return Narrowing(port, f"is {shown}", "set it to 443 without endPort", patch)
    what = f"is {quote(stated['endPort'])}, which from {shown} on opens {number} too,"
    return Narrowing(end, what, "remove it and set port to 443", patch)


def _cilium(value: JSON, entry: PortEntry | NamedPort, number: int) -> Narrowing:
    stated, port = lookup(value, entry.path), (*entry.path, "port")
    shown = quote(stated.get("port"))
    what = f"is {shown}"
    if isinstance(entry, PortEntry) and number != entry.first:
        every = "any port" if entry.end is None else f"a range up to {entry.last}"
        what = f"is {shown}, {every}, so {number} too is open"
    change = Operation("replace", entry.path, dict(_HTTPS_TEXT))
    return Narrowing(port, what, 'set it to "443" of TCP', (change,))


def _protocol(value: JSON, entry: PortEntry | NamedPort, number: int) -> Narrowing:  # noqa: ARG001  # one of several
    single = (*entry.path, "tcp", "destinationPort", "number")
    stated = lookup(value, single) is not None
    return _single(value, single) if stated else _whole(value, entry, _HTTPS_TCP)


def _single(value: JSON, path: Path) -> Narrowing:
    change = Operation("replace", path, HTTPS)
    return Narrowing(path, f"is {quote(lookup(value, path))}", "set it to 443", (change,))


def _whole(value: JSON, entry: PortEntry | NamedPort, wanted: JSON) -> Narrowing:
    shown = quote(lookup(value, entry.path))
    change = (Operation("replace", entry.path, wanted),)
    return Narrowing(entry.path, f"is {shown}", f"set it to {quote(wanted)}", change)


_CHANGES: Mapping[str, Callable[[JSON, PortEntry | NamedPort, int], Narrowing]] = {
    "protocols": _protocol,
}


def _calico(value: JSON, entry: PortEntry | NamedPort, number: int) -> Narrowing:
    """An item of `destination.ports`, or a rule without any, where `protocol` is its place."""
    if entry.path[-1] == "services":
        what = f"is {quote(lookup(value, entry.path))}, behind which stands port {number},"
        return Narrowing(entry.path, what, "lead to a Service that speaks TLS", ())
    if entry.path[-1] != "protocol":
        shown, change = quote(lookup(value, entry.path)), Operation("replace", entry.path, HTTPS)
        return Narrowing(entry.path, f"is {shown}", "set it to 443", (change,))
    rule = entry.path[:-1]
    ports, unwanted = (*rule, "destination", "ports"), (*rule, "destination", "notPorts")
    patch = [*set_field(value, ports, [HTTPS])]
    if lookup(value, unwanted) is not None:
        patch.append(Operation("remove", unwanted))
    if lookup(value, entry.path) is None:
        patch += set_field(value, entry.path, "TCP")
    if lookup(value, (*rule, "notProtocol")) is not None:
        patch.append(Operation("remove", (*rule, "notProtocol")))
    what = f"is missing, so port {number} too is open"
    return Narrowing(ports, what, "set it to [443] of protocol TCP", tuple(patch))
