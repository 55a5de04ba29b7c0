"""Who asks: the platform, or somebody else, and how somebody else is told.

Principals count by their exact names, as the rulebook lists them. No prefix does: who may make a
service account could else make one that is trusted.
"""

from __future__ import annotations

from rules.review import Cluster, Requester, Review
from rules.words import quote

GROUPS_SHOWN = 2


def is_platform(review: Review, cluster: Cluster) -> bool:
    """Whether a platform principal asks; where nobody is known, none does."""
    asker = review.requester or Requester()
    platform = cluster.site.platform
    return asker.username in platform.users or not platform.groups.isdisjoint(asker.groups)


def introduce(review: Review) -> str:
    """The user and the groups that ask, in few words: `"jane" of "dev"`, `"jane" of 7 groups`."""
    asker = review.requester or Requester()
    groups = [quote(group) for group in sorted(asker.groups)]
    of = f"{len(groups)} groups" if len(groups) > GROUPS_SHOWN else " and ".join(groups)
    return f"{quote(asker.username)} of {of or 'no group'}"


def admission(review: Review) -> str:
    """What in the rulebook would make a platform principal of who asks."""
    asker = review.requester or Requester()
    groups = ", ".join(quote(group) for group in sorted(asker.groups))
    by_group = f", or by one of the groups {groups}" if groups else ""
    return (
        f"the rulebook admits who asks by platform: {{users: [{quote(asker.username)}]}}{by_group}"
    )
