"""What network policies are, and are about, or name: how much of each object is decoded and kept.

An object is kept as its entry in the index; see `rules.netpol.entries`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.json import Decoder

from rules.model import (
    CALICO_TERMS,
    CILIUM_CIDR_GROUP,
    ENDPOINT_SLICE,
    NETWORK_POLICIES,
    NETWORK_POLICY,
    POD,
    SERVICE,
    SERVICE_ACCOUNT,
    Kind,
)
from rules.netpol.dialects import calico
from rules.netpol.entries import entry_of
from webhook.kept import OVER, Kept, Shape


class _Part(msgspec.Struct, rename="camel", omit_defaults=True):
    """Part of an object, of which absent fields stay absent."""


class _Stated(Shape, omit_defaults=True):
    spec: Any = None
    specs: Any = None


class _Container(_Part):
    ports: Any = None
    restart_policy: Any = None


class _PodSpec(_Part):
    containers: list[_Container] | None = None
    init_containers: list[_Container] | None = None
    service_account_name: Any = None
    host_network: Any = None


class _Address(_Part):
    ip: Any = None


class _PodStatus(_Part):
    phase: Any = None
    pod_ips: list[_Address] | None = msgspec.field(default=None, name="podIPs")


class _Pod(Shape, omit_defaults=True):
    spec: _PodSpec | None = None
    status: _PodStatus | None = None


class _ServiceSpec(_Part):
    selector: Any = None
    type: Any = None
    external_name: Any = None
    ports: Any = None


class _Service(Shape, omit_defaults=True):
    spec: _ServiceSpec | None = None


class _Endpoint(_Part):
    addresses: Any = None


class _Slice(Shape, omit_defaults=True):
    endpoints: list[_Endpoint] | None = None
    ports: Any = None


def _keeper(kind: Kind) -> Callable[[Any], Any]:
    def keep(found: Shape) -> Any:
        node = msgspec.to_builtins(found)
        node |= {"apiVersion": kind.api_version, "kind": kind.kind}
        value = entry_of(node).value
        return OVER if value is None else value

    return keep


def _kept(kind: Kind, shape: type[Shape], *, installed: bool = False) -> Kept:
    return Kept(kind, Decoder(shape), _keeper(kind), installed=installed, shows=_stored_as(kind))


def _stored_as(kind: Kind) -> Kind | None:
    """The kind in which Calico's own API server stores what is written in one of its API."""
    stored = (each for each in INSTALLED if each.group == calico.CRD_GROUP)
    return next((s for s in stored if (calico.API_GROUP, s.kind) == (kind.group, kind.kind)), None)


INSTALLED = (
    *(kind for kind in NETWORK_POLICIES if kind is not NETWORK_POLICY),
    CILIUM_CIDR_GROUP,
    *CALICO_TERMS,
)
"""The kinds that come with somebody's CustomResourceDefinition, or API server."""
NETWORK_OBJECTS = (
    _kept(NETWORK_POLICY, _Stated),
    *(_kept(kind, _Stated, installed=True) for kind in INSTALLED),
    _kept(SERVICE, _Service),
    _kept(ENDPOINT_SLICE, _Slice),
    _kept(SERVICE_ACCOUNT, Shape),
    _kept(POD, _Pod),
)
