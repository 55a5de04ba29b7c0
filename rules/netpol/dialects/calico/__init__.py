"""Calico: NetworkPolicy, GlobalNetworkPolicy and their staged kinds, of both of its groups.

projectcalico.org/v3 is what users write; crd.projectcalico.org/v1 is how its API server keeps it,
and what one can write past that server. `reader` says what becomes of faults at either door,
`policy` is the objects, `rules` their rules, `ends` who is meant by source, destination and
subject, `selectors` the language in which they say so. Source: projectcalico/calico
api/pkg/apis/projectcalico/v3, libcalico-go/lib/validator, specification egress 1.3.
"""

from rules.netpol.dialects.calico.domains import (
    DOMAIN_WANTED,
    domain,
    is_of_enterprise,
    is_supported,
)
from rules.netpol.dialects.calico.policy import API_GROUP, CRD_GROUP, GROUPS, KINDS, translate

__all__ = [
    "API_GROUP",
    "CRD_GROUP",
    "DOMAIN_WANTED",
    "GROUPS",
    "KINDS",
    "domain",
    "is_of_enterprise",
    "is_supported",
    "translate",
]
