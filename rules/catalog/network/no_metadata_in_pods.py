"""A pod must not be set up to ask the cloud's instance metadata service.

Why: it answers for the node: its identity and its secrets are the platform's, not the tenant's.
Source: specification egress 2.1 and 4 (IMDS); Microsoft, restrict access to IMDS from pods.

It is said of any URL with one of its addresses. Where the cluster itself keeps pods from it
(`cluster.imdsRestriction`) there is nothing to say.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.egress import Outside
from rules.evidence import aliases_of
from rules.model import NETWORK, POD, PODS, Finding, rule
from rules.review import Cluster, Review
from rules.words import quote


def _env(value: str) -> str:
    container = f"{{name: a, env: [{{name: TOKEN_URL, value: '{value}'}}]}}"
    return f"{{kind: Pod, spec: {{containers: [{container}]}}}}"


ALLOW = [_env("http://169.254.169.25/"), _env("http://169.254.10.10:53"), _env("https://a.com")]
WARN = [
    _env("http://169.254.169.254/metadata/identity"),
    _env("http://[::ffff:169.254.169.254]/"),
    _env("http://2852039166/"),
    _env("https://168.63.129.16"),
]


@rule(
    kinds=PODS,
    also=((POD, "ephemeralcontainers"),),
    reads=NETWORK,
    shaped=True,
    severity="high",
)
def check(review: Review, cluster: Cluster) -> Iterator[Finding]:
    """One Finding for each URL: a warning, since a text is no proof of a call."""
    found = () if cluster.site.network.imds_restriction else review.mentions
    if not found:
        return
    outside, aliases = Outside.of(cluster, review.namespace), aliases_of(review.pod)
    for mention in found:
        if outside.place(mention.url.host, aliases) == "metadata":
            yield Finding(
                check="IMDS",
                path=mention.path,
                message=f"names {quote(str(mention.url))}, the node's instance metadata service; "
                "use a workload identity",
                found=str(mention.url),
                level="warn",
            )
