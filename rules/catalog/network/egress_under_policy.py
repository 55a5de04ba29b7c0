"""What a pod sends must leave from the pod, where policies are about it.

Why: what leaves from the node passes every network policy, and so reaches what they shut off.
Source: specification egress 4 (HOSTNET-EGRESS) and 2.1; Pod Security Standards, baseline profile
since Kubernetes 1.34 (kubernetes/enhancements#4940).

The kubelet asks a probe or hook with a `host` from the node. Without one it asks the pod itself,
which is what a probe is for; a name of the node's own loopback reaches what runs on the node.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from rules.model import PODS, Finding, Operation, rule
from rules.pods import handlers, mapping
from rules.refusal import refuse, removal
from rules.review import Cluster, Review
from rules.words import quote

CHECK = "HOSTNET-EGRESS"


def _pod(container: str) -> str:
    return f"{{kind: Pod, spec: {{containers: [{{name: a, {container}}}]}}}}"


ALLOW = [
    _pod("livenessProbe: {httpGet: {port: 8080}}"),  # T73
    _pod("readinessProbe: {httpGet: {port: 8080, host: ''}}, startupProbe: {grpc: {port: 1}}"),
    _pod("lifecycle: {preStop: {exec: {command: [sleep, '5']}}}"),
    "{kind: Pod, spec: {hostNetwork: false}}",
]
DENY = [
    "{kind: Pod, spec: {hostNetwork: true}}",
    _pod("lifecycle: {preStop: {httpGet: {host: example.com, port: 80}}}"),  # T74
    _pod("lifecycle: {postStart: {httpGet: {host: example.com, port: 443, scheme: HTTPS}}}"),
    _pod("livenessProbe: {httpGet: {host: 169.254.169.254, port: 80}}"),
    _pod("readinessProbe: {tcpSocket: {host: 10.0.0.7, port: 5432}}"),
    _pod("startupProbe: {httpGet: {host: web, port: 80}}"),
]
WARN = [
    _pod("livenessProbe: {httpGet: {host: 127.0.0.1, port: 80}}"),
    _pod("livenessProbe: {tcpSocket: {host: '::1', port: 80}}"),
    _pod("livenessProbe: {httpGet: {host: localhost, port: 80}}"),
]


@rule(kinds=PODS, shaped=True, severity="critical")
def check(review: Review, _cluster: Cluster) -> Iterator[Finding]:
    """One Finding for the host network, and one for each host that a probe or hook names."""
    if review.pod.spec.get("hostNetwork") is True:
        state = "is true, so no network policy is about this pod"
        yield removal(review, CHECK, ("spec", "hostNetwork"), state)
    for container in review.pod.containers:
        for handler in handlers(container):
            for action in ("httpGet", "tcpSocket"):
                host = mapping(handler.value, action).get("host")
                if not isinstance(host, str) or not host:
                    continue
                path = (*handler.path, action, "host")
                asked = f"is {quote(host)}, which the kubelet asks from the node"
                message = f"{asked}, past every network policy; remove it"
                yield refuse(
                    review,
                    CHECK,
                    path,
                    message,
                    Operation("remove", path),
                    level="warn" if _is_loopback(host) else "deny",
                )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
