"""The secret of a client must not stand in the environment of a container as text.

Why: whoever may read the pod or its manifest can sign in with it, and it never expires by itself.
Source: Microsoft Entra Workload ID; Kubernetes, secrets as environment variables; contracts 11
(IDENTITY), specification egress 2.1.

Nor may a password stand in a URL there. The value is never shown, logged or compared. Workload
identity needs no secret at all; where one must be, `valueFrom.secretKeyRef` keeps it out of the
manifest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rules.model import JSON, POD, PODS, Finding, rule
from rules.pods import mapping
from rules.review import Cluster, Review
from rules.words import quote

_PASSWORD = re.compile(r"://[^/\s:@]{0,256}:(?!\$)[^/\s@]{1,256}@")
_POD = "{kind: Pod, spec: {containers: [{env: [%s]}]}}"
_OTHERS = "{object: %s, parameters: {names: [PASSWORD]}}"
ALLOW = [
    _POD % "{name: AZURE_CLIENT_ID, value: 0b1f7f2c}",
    _POD % "{name: AZURE_CLIENT_SECRET, valueFrom: {secretKeyRef: {name: a, key: b}}}",
    _POD % "{name: HTTPS_PROXY, value: 'http://user:$(PASSWORD)@proxy:3128'}",
    _POD % "{name: API, value: 'https://example.com:443/a@b'}",
    _OTHERS % _POD % "{name: CLIENT_SECRET, value: a}",
]
WARN = [
    _POD % "{name: AZURE_CLIENT_SECRET, value: Zk9~not-for-your-eyes}",
    _POD % "{name: MY_APP__ClientSecret, value: Zk9~not-for-your-eyes}",
    _POD % "{name: HTTPS_PROXY, value: 'http://user:pass@proxy:3128'}",
    "{kind: Pod, spec: {initContainers: [{env: [{name: ARM_CLIENT_SECRET, value: a}]}]}}",
]


@rule(kinds=PODS, also=((POD, "ephemeralcontainers"),), shaped=True, severity="medium")
def check(
    review: Review,
    _cluster: Cluster,
    *,
    names: Sequence[str] = ("CLIENT_SECRET", "CLIENTSECRET"),
) -> Iterator[Finding]:
    """`names`: how names of variables end that hold a client's secret; case does not matter."""
    endings = tuple(name.upper() for name in names)
    for container in review.pod.containers:
        for index, entry in enumerate(_list(container.value.get("env"))):
            name, value = mapping(entry).get("name"), mapping(entry).get("value")
            if isinstance(value, str) and _PASSWORD.search(value):
                yield Finding(
                    check="IDENTITY",
                    path=(*container.path, "env", index, "value"),
                    message="is a URL with a password in it; take that from a Secret by "
                    "valueFrom.secretKeyRef",
                    found=name,
                    level="warn",
                )
            if not isinstance(name, str) or not name.upper().endswith(endings):
                continue
            if not mapping(entry, "valueFrom"):
                yield Finding(
                    check="IDENTITY",
                    path=(*container.path, "env", index, "name"),
                    message=f"is {quote(name)}, and its value is written out; use workload "
                    "identity, or a Secret by valueFrom.secretKeyRef",
                    found=name,
                    level="warn",
                )


def _list(value: JSON) -> Sequence[JSON]:
    return value if isinstance(value, list) else ()
