"""The keys of a RequestAuthentication must come from outside of the cluster, over https.

Why: istiod fetches them itself, from where it stands: a tenant must not choose what it asks inside.
Source: sandbox-and-mesh 5 and 5.1; istio/istio pilot/pkg/model/jwks_resolver.go.

Without jwksUri and jwks istiod asks the issuer where its keys are, so the issuer is judged alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from rules.hosts import is_mesh_host, never_matches, normal
from rules.model import JSON, NAMESPACE, REQUEST_AUTHENTICATION, Finding, Path, rule
from rules.pods import mapping
from rules.review import Cluster, Review
from rules.shapes import misshapen
from rules.words import quote

CHECK = "MESH-RequestAuthentication"
SHAPE = {"jwtRules": [{"jwks": str, "jwksUri": object, "issuer": object}]}
_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9_.]*[a-z0-9])?")
_NUMERIC = re.compile(r"0x[0-9a-f]*|[0-9]+")


def _keys(text: str) -> str:
    return f"{{kind: RequestAuthentication, spec: {{jwtRules: [{{{text}}}]}}}}"


ALLOW = [
    _keys("issuer: a, jwksUri: 'https://login.microsoftonline.com/common/discovery/v2.0/keys'"),
    _keys("issuer: 'https://accounts.example.com'"),
    _keys("issuer: a, jwks: '{}'"),
    "{kind: RequestAuthentication, spec: {selector: {matchLabels: {app: a}}}}",
]
DENY = [
    _keys("issuer: a, jwksUri: 'http://169.254.169.254/metadata/identity'"),  # 86
    _keys("issuer: a, jwksUri: 'https://169.254.169.254/keys'"),
    _keys("issuer: a, jwksUri: 'https://[fd00::1]/keys'"),
    _keys("issuer: a, jwksUri: 'https://2852039166/keys'"),
    _keys("issuer: a, jwksUri: 'https://example.com@127.0.0.1/keys'"),
    _keys("issuer: a, jwksUri: 'https://kubernetes.default.svc/keys'"),
    _keys("issuer: a, jwksUri: 'https://LocalHost./keys'"),
    _keys("issuer: a, jwksUri: 'http://login.example.com/keys'"),
    _keys("issuer: 'http://login.example.com'"),
    _keys("issuer: me@example.com"),
    _keys("audiences: [a]"),
    "{object: {kind: RequestAuthentication, spec: {jwtRules: [{issuer: a, jwksUri:"
    " 'https://vault.pay/keys'}]}}, cluster: [{kind: Namespace, metadata: {name: pay}}]}",
]


@rule(kinds=(REQUEST_AUTHENTICATION,), reads=(NAMESPACE,), shaped=True, severity="high")
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """One Finding for each address that istiod would ask."""
    spec = mapping(review.object, "spec")
    yield from misshapen(spec, SHAPE, CHECK, ("spec",))
    found = spec.get("jwtRules")
    for index, value in enumerate(found if isinstance(found, list) else ()):
        keys = mapping(value)
        unset = keys.get("jwksUri") in (None, "")
        if unset and keys.get("jwks"):
            continue
        field = "issuer" if unset else "jwksUri"
        trouble = _trouble(keys.get(field), {*cluster.namespaces, review.namespace})
        if trouble:
            path: Path = ("spec", "jwtRules", index, field)
            yield Finding(
                check=CHECK,
                path=path,
                message=f"{trouble}; set jwksUri to an https address outside of the cluster",
                found=keys.get(field),
            )


def _trouble(address: JSON, namespaces: Iterable[str]) -> str:
    """Why istiod must not ask this address; "" where it may."""
    if address is None:
        return "is not set, and istiod asks the issuer where its keys are"
    try:
        parts = urlsplit(address if isinstance(address, str) else "")
        host = normal(parts.hostname or "")
    except ValueError:
        return f"is {quote(address)}, which is no address"
    if ":" in host or _NUMERIC.fullmatch(host.rpartition(".")[2]):
        return f"is {quote(address)}, which names an IP address and no host"
    if parts.scheme != "https" or not _NAME.fullmatch(host):
        return f"is {quote(address)}, which is no https address"
    inside = is_mesh_host(host) or host.endswith(".localhost") or never_matches(host, namespaces)
    if inside:
        return f"is {quote(address)}, which istiod would ask within the cluster"
    return ""
