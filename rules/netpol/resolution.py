"""Whether a pod that may reach names can learn their addresses.

Cilium lets a pod reach a name only at addresses that it learnt of DNS through its own proxy, so
some rule of the same pod must let it ask for that name. Calico Enterprise reads all DNS that passes
to the cluster's servers, so some rule must let it pass. Source: specification egress 1.2;
tigera/docs calico-enterprise/network-policy/domain-based-policy.mdx.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from rules.netpol.dialects.cilium import normal
from rules.netpol.engine import Engine
from rules.netpol.model import L7, Grant, PeerEntry, PortEntry
from rules.netpol.names import Patterns
from rules.netpol.peers import Fqdn, leaves

DNS = 53


def unresolvable(grants: Iterable[Grant], engine: Engine) -> Iterator[tuple[Grant, str]]:
    """The names that rules let a pod reach and none lets it ask for, each with its rule."""
    grants = tuple(grants)
    if engine.learns == "traffic" and any(map(_opens_dns, grants)):
        return
    asked = Patterns(name for grant in grants if grant.l7 is L7.DNS for name in _questions(grant))
    for grant in grants:
        if grant.action != "allow" or grant.direction != "egress":
            continue
        for name in _names(grant):
            if not asked.cover(name):
                yield grant, name


def asks_names(grants: Iterable[Grant]) -> bool:
    """Whether rules are about names: to reach them, or to ask for them."""
    return any(grant.l7 is L7.DNS or any(_names(grant)) for grant in grants)


def _names(grant: Grant) -> Iterator[str]:
    for entry in grant.peers:
        if isinstance(entry, PeerEntry):
            yield from (leaf.pattern for leaf in leaves(entry.peer) if isinstance(leaf, Fqdn))


def _opens_dns(grant: Grant) -> bool:
    """Whether it lets DNS pass, to whomever: a name of a port may be that of DNS."""
    return (grant.action, grant.direction) == ("allow", "egress") and any(
        not isinstance(entry, PortEntry) or entry.first <= DNS <= entry.last
        for entry in grant.ports
    )


def _questions(grant: Grant) -> Iterator[str]:
    """The patterns of names that a rule lets pods ask for."""
    for text in grant.inspection.rules:
        try:
            rule = json.loads(text)
        except ValueError:
            continue
        for field in ("matchName", "matchPattern"):
            name = rule.get(field) if isinstance(rule, dict) else None
            if isinstance(name, str):
                yield normal(name)
