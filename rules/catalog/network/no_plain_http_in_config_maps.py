"""A ConfigMap should not name hosts outside of the cluster by plain HTTP.

Why: what reads it sends there in clear text, which whoever carries it can read and change.
Source: specification egress 2.1; contracts 7.

A URL is evidence, not proof, and nobody knows which pods read it, so it only warns, once for each
host. `sallyport check` judges ConfigMaps; a server is sent none of tenants, for programs that elect
a leader write theirs all the time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rules.egress import INTERNAL_ZONES, Outside, Place
from rules.evidence import Mention, mentions_in
from rules.model import CONFIG_MAP, NETWORK, Finding, rule
from rules.netpol.destinations import PRIVATE
from rules.pods import mapping
from rules.review import Cluster, Review
from rules.shapes import misshapen
from rules.words import quote

SHAPE = {"data": {str: str}}


def _map(data: str) -> str:
    return f"{{apiVersion: v1, kind: ConfigMap, metadata: {{name: a}}, data: {{{data}}}}}"


ALLOW = [
    _map("api: 'https://api.example.com'"),
    _map("api: 'http://web.default.svc:8080/a'"),
    _map("api: 'http://web'"),
    _map("a.xml: '<a xmlns=\"http://www.w3.org/1999/xhtml\">'"),
    _map('a.conf: "# see http://example.com\\nlisten = http://0.0.0.0:80"'),
    _map("a.properties: 'cors.allowed-origins=http://app.example.com'"),
    _map("redirect_uri: 'http://app.example.com/back'"),
]
WARN = [
    _map("api: 'http://api.example.com/v1'"),
    _map('a.yaml: "# the API\\napi:\\n  url: http://api.example.com"'),
    _map("a.ini: 'token = http://169.254.169.254/metadata/identity'"),
]
_CRL = _map("crl: http://crl.example.com/a")
INFO = [
    _map("api: 'http://10.0.0.7'"),
    f"{{object: {_CRL}, parameters: {{allowed_http: ['*.example.com']}}}}",
]


@rule(kinds=(CONFIG_MAP,), reads=NETWORK, severity="low")
def check(
    review: Review,
    cluster: Cluster,
    *,
    private_cidrs: Sequence[str] = PRIVATE,
    internal_zones: Sequence[str] = INTERNAL_ZONES,
    allowed_http: Sequence[str] = (),
) -> Iterator[Finding]:
    """`internal_zones`: DNS zones of your own. `allowed_http`: hosts (`*.x`) and CIDRs."""
    value = mapping(review.object)
    yield from misshapen(value, SHAPE, "PLAIN-HTTP")
    found = {
        mention.url.host: mention
        for mention in reversed([*mentions_in(mapping(value, "data"), ("data",))])
        if mention.url.scheme == "http"
    }
    if not found:
        return
    outside = Outside.of(
        cluster, review.namespace, private=private_cidrs, zones=internal_zones, allowed=allowed_http
    )
    for host, mention in reversed(found.items()):
        place = outside.place(host)
        if place is not None:
            exempted_by = "allowed_http" if outside.is_allowed(host) else None
            yield _finding(mention, place, exempted_by)


def _finding(mention: Mention, place: Place, exempted_by: str | None) -> Finding:
    of_node = place == "metadata"
    cure = ", the metadata of the node; leave it out" if of_node else "; use https"
    told = "" if of_node else " (plain-HTTP egress)"
    return Finding(
        check="IMDS" if of_node else "PLAIN-HTTP",
        path=mention.path,
        message=f"names {quote(str(mention.url))}{cure}{told}",
        found=str(mention.url),
        level="info" if place == "private" else "warn",
        exempted_by=exempted_by,
    )
