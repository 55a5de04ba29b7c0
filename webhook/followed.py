"""The kinds that the live view follows, and how much of each object: what rules and checks read.

A rule that reads a further kind gets a row here, and a test says so; the rights that
manifests/base/accounts.yaml grants are those of the rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec.json import Decoder

from rules.facts import MeshPolicy, Namespace, Term, Webhooks, is_managed
from rules.model import (
    AUTHORIZATION_POLICY,
    DESTINATION_RULE,
    MUTATING_WEBHOOKS,
    NAMESPACE,
    PEER_AUTHENTICATION,
    RUNTIME_CLASS,
    SERVICE_ENTRY,
    VALIDATING_WEBHOOKS,
)
from webhook.kept import Kept, Shape
from webhook.network_objects import NETWORK_OBJECTS


class _RuntimeClass(Shape):
    handler: str


class _Requirement(msgspec.Struct):
    key: str
    operator: str
    values: list[str] | None = None


class _Selector(msgspec.Struct, rename="camel"):
    match_labels: dict[str, str] | None = None
    match_expressions: list[_Requirement] | None = None


class _Webhook(msgspec.Struct, rename="camel"):
    namespace_selector: _Selector | None = None
    object_selector: _Selector | None = None


class _Configuration(Shape):
    webhooks: list[_Webhook] | None = None


class _PeerAuthenticationSpec(msgspec.Struct, rename="camel", omit_defaults=True):
    selector: Any = None
    mtls: Any = None
    port_level_mtls: Any = None


class _PeerAuthentication(Shape):
    spec: _PeerAuthenticationSpec | None = None


class _PortSettings(msgspec.Struct, omit_defaults=True):
    port: Any = None
    tls: Any = None


class _TrafficPolicy(msgspec.Struct, rename="camel", omit_defaults=True):
    tls: Any = None
    port_level_settings: list[_PortSettings] | None = None


class _Subset(msgspec.Struct, rename="camel", omit_defaults=True):
    name: Any = None
    traffic_policy: _TrafficPolicy | None = None


class _DestinationRuleSpec(msgspec.Struct, rename="camel", omit_defaults=True):
    host: Any = None
    traffic_policy: _TrafficPolicy | None = None
    subsets: list[_Subset] | None = None
    export_to: Any = None
    workload_selector: Any = None


class _DestinationRule(Shape):
    spec: _DestinationRuleSpec | None = None


class _ServiceEntrySpec(msgspec.Struct, rename="camel", omit_defaults=True):
    hosts: Any = None
    ports: Any = None
    location: Any = None
    endpoints: Any = None
    export_to: Any = None
    subject_alt_names: Any = None


class _ServiceEntry(Shape):
    spec: _ServiceEntrySpec | None = None


class _AuthorizationPolicySpec(msgspec.Struct, rename="camel", omit_defaults=True):
    action: Any = None
    selector: Any = None


class _AuthorizationPolicy(Shape):
    spec: _AuthorizationPolicySpec | None = None


def _keep_namespace(found: Shape) -> Namespace:
    about = found.metadata
    return Namespace(about.name, about.labels or {}, about.deletion_timestamp is not None)


def _keep_webhooks(found: _Configuration) -> Webhooks:
    return Webhooks.of(found.metadata.labels or {}, _terms(found))


def _terms(found: _Configuration) -> Iterator[Term]:
    for webhook in found.webhooks or ():
        for selector in filter(None, (webhook.namespace_selector, webhook.object_selector)):
            for key, value in (selector.match_labels or {}).items():
                yield Term(key, "In", (value,))
            for wanted in selector.match_expressions or ():
                yield Term(wanted.key, wanted.operator, tuple(wanted.values or ()))


def _keep_policy(
    found: _PeerAuthentication | _DestinationRule | _AuthorizationPolicy | _ServiceEntry,
) -> MeshPolicy:
    about = found.metadata
    return MeshPolicy(
        about.namespace,
        about.name,
        about.creation_timestamp or "",
        is_managed(about.labels or {}),
        msgspec.to_builtins(found.spec) if found.spec is not None else {},
    )


FOLLOWED = (
    Kept(NAMESPACE, Decoder(Shape), _keep_namespace),
    Kept(RUNTIME_CLASS, Decoder(_RuntimeClass), lambda found: found.handler),
    Kept(MUTATING_WEBHOOKS, Decoder(_Configuration), _keep_webhooks),
    Kept(VALIDATING_WEBHOOKS, Decoder(_Configuration), _keep_webhooks),
    Kept(PEER_AUTHENTICATION, Decoder(_PeerAuthentication), _keep_policy, installed=True),
    Kept(DESTINATION_RULE, Decoder(_DestinationRule), _keep_policy, installed=True),
    Kept(AUTHORIZATION_POLICY, Decoder(_AuthorizationPolicy), _keep_policy, installed=True),
    *NETWORK_OBJECTS,
    Kept(SERVICE_ENTRY, Decoder(_ServiceEntry), _keep_policy, installed=True),
)
NAMESPACES = FOLLOWED[0]
