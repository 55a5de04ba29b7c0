"""What one namespace holds, its policies and its pods, as values that are never changed.

A change gives a new value; what was found out about an old one is lost with it, and only with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from rules.netpol.entries import Group
from rules.netpol.keys import Key
from rules.netpol.model import PeerEntry, Policy
from rules.netpol.peers import NetworkGroup, leaves
from rules.netpol.roster import Roster
from rules.netpol.shards import changed


@dataclass(frozen=True)  # without slots: the roster is made when first asked for
class Policies:
    """The policies of a namespace, or those that lie in none, by the object that means them."""

    meant: Mapping[Key, tuple[Policy, ...]] = field(default_factory=dict)

    def put(self, key: Key, meant: tuple[Policy, ...]) -> Policies | None:
        """With what one object means now; None where there is nothing left."""
        kept = changed(self.meant, key, meant or None)
        return Policies(kept) if kept else None

    @cached_property
    def roster(self) -> Roster:
        """All of them, to find those of a pod."""
        return Roster.of(policy for each in self.meant.values() for policy in each)

    @property
    def all(self) -> tuple[Policy, ...]:
        """All of them."""
        return self.roster.policies

    @cached_property
    def grouped(self) -> tuple[Policy, ...]:
        """Those that name groups of CIDRs."""
        return tuple(policy for policy in self.all if _names_groups(policy))


def _names_groups(policy: Policy) -> bool:
    return any(
        isinstance(leaf, NetworkGroup)
        for grant in policy.grants
        for entry in grant.peers
        if isinstance(entry, PeerEntry)
        for leaf in leaves(entry.peer)
    )


@dataclass(frozen=True, slots=True)
class Population:
    """The pods of a namespace: of which group each is, and how many are of each."""

    members: Mapping[str, Group] = field(default_factory=dict)
    groups: Mapping[Group, int] = field(default_factory=dict)

    def put(self, name: str, group: Group | None) -> Population | None:
        """With what one pod is now, None: gone; None where there is nobody left."""
        former = self.members.get(name)
        if former == group:
            return self
        members, groups = changed(self.members, name, group), dict(self.groups)
        if former is not None:
            groups[former] -= 1
            if not groups[former]:
                del groups[former]
        if group is not None:
            groups[group] = groups.get(group, 0) + 1
        return Population(members, groups) if members else None
