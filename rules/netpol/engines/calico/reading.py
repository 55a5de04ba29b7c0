"""Policies of Kubernetes, as Calico reads them: in its own language.

Their label selectors become texts of that language, and no API server looks into those of a
ClusterNetworkPolicy: quotes in a value end the text early, and an operator that Calico does not
know asks for nothing at all. Source: projectcalico/calico
libcalico-go/lib/backend/k8s/conversion (conversion.go).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rules.netpol.dialects.calico.ends import EndReader, read_subject
from rules.netpol.dialects.calico.labels import KUBERNETES, NAMESPACE, OF_NAMESPACE, ORCHESTRATOR
from rules.netpol.dialects.calico.nets import Families
from rules.netpol.dialects.calico.reader import Reader
from rules.netpol.dialects.calico.rules import DOMAINS
from rules.netpol.engine import Api
from rules.netpol.expressions import Condition, Expression
from rules.netpol.model import Grant, PeerEntry, Policy, Stated, Subject, Unknown
from rules.netpol.peers import Anywhere, Endpoints, Labelled, Namespaces, Peer, Pods
from rules.selectors import EVERYTHING, LabelSelector

NETWORK_POLICY = Api("networking.k8s.io", "NetworkPolicy")
KINDS_OF_KUBERNETES = {
    NETWORK_POLICY: "KubernetesNetworkPolicy",
    Api("policy.networking.k8s.io", "ClusterNetworkPolicy"): "KubernetesClusterNetworkPolicy",
}
"""The kinds that it reads, by the names that it gives them."""


def pruned(policy: Policy) -> Policy:
    """As `reads`, by a Calico whose API has no domains: it cuts them off, and all is wider."""
    read = reads(policy)
    grants = tuple(map(_without_domains, read.grants))
    return read if grants == read.grants else replace(read, grants=grants)


def reads(policy: Policy) -> Policy:
    """Policies of Kubernetes, with the pods that they name under Calico's labels."""
    if Api(policy.origin.group, policy.origin.kind) not in KINDS_OF_KUBERNETES:
        return policy
    reader = Reader("crd")  # nobody has checked the texts
    subject = _subject(policy.subject, reader)
    grants = tuple(
        replace(each, subject=subject, peers=tuple(_entries(each.peers, reader)))
        for each in policy.grants
    )
    if any(fault.consequence == "void" for fault in reader.faults):
        return replace(policy, subject=subject, isolations=(), grants=())
    isolations = tuple(replace(each, subject=subject) for each in policy.isolations)
    return replace(policy, subject=subject, isolations=isolations, grants=grants)


def _without_domains(grant: Grant) -> Grant:
    named = [each.path for each in grant.peers if each.path[-2:-1] == (DOMAINS,)]
    return replace(grant, peers=(PeerEntry(named[0][:-2], Anywhere()),)) if named else grant


def _subject(subject: Subject, reader: Reader) -> Subject:
    if isinstance(subject, Unknown):
        found = read_subject(reader, _texts(subject), "") if subject.selectors else None
        return Endpoints(found) if found else subject
    asked = _asked(subject)
    return Endpoints(asked) if asked else subject


def _entries(
    entries: tuple[PeerEntry | Unknown, ...], reader: Reader
) -> Iterator[PeerEntry | Unknown]:
    for entry in entries:
        if isinstance(entry, PeerEntry):
            asked = _asked(entry.peer)
            yield PeerEntry(entry.path, Labelled(asked)) if asked else entry
        elif entry.selectors:
            end = EndReader(reader, "", "egress", "destination", entry.path)
            yield PeerEntry(entry.path, end.peer(_texts(entry), Families()))
        elif entry.consequence != "undecided":
            yield entry


def _texts(unknown: Unknown) -> dict[str, str]:
    """The selectors for which it stands, in Calico's language, under Calico's fields."""
    namespaces, *pods = unknown.selectors
    asked = "all()" if namespaces == Stated() else " && ".join(_terms(namespaces))
    found = {"namespaceSelector": asked}
    for each in pods:
        own = f"{ORCHESTRATOR} == '{KUBERNETES}'"
        found["selector"] = " && ".join((own, *_terms(each)))
    return found


def _terms(selector: Stated) -> Iterator[str]:
    for key, value in selector.labels:
        yield f"{key} == '{value}'"
    for key, operator, values in selector.expressions:
        quoted = "', '".join(values)
        match operator:
            case "In":
                yield f"{key} in {{ '{quoted}' }}"
            case "NotIn":
                yield f"{key} not in {{ '{quoted}' }}"
            case "Exists":
                yield f"has({key})"
            case "DoesNotExist":
                yield f"! has({key})"


def _asked(peer: Peer) -> Expression | None:
    """What a peer that goes by labels asks of Calico's."""
    match peer:
        case Namespaces(labels=LabelSelector() as namespaces):
            return _in(namespaces)
        case Pods(namespaces=str() as name, pods=LabelSelector() as pods):
            own = Expression((Condition(NAMESPACE, "in", (name,)),))
            return Expression.every(own, _KUBERNETES_OWN, Expression.of(pods))
        case Pods(namespaces=LabelSelector() as namespaces, pods=LabelSelector() as pods):
            return Expression.every(_in(namespaces), _KUBERNETES_OWN, Expression.of(pods))
    return None


_KUBERNETES_OWN = Expression((Condition(ORCHESTRATOR, "in", (KUBERNETES,)),))
_IN_SOME_NAMESPACE = Expression((Condition(NAMESPACE, "has"),))


def _in(namespaces: LabelSelector) -> Expression:
    if namespaces == EVERYTHING:
        return _IN_SOME_NAMESPACE
    return Expression.of(namespaces, OF_NAMESPACE)
