"""Cilium: all policies of the middle tier are one pool, and denial comes first.

Here belong, module by module, what it knows ends by (`ends`), what the peers are that say nothing
by themselves (`resolving`), what it makes of other languages than its own (`reading`), and what it
cannot merge (`merging`). Source: cilium/cilium pkg/policy (types/policyentry.go, repository.go),
specification egress 1.2.
"""

from __future__ import annotations

from functools import partial

from rules.netpol.dialects import cilium
from rules.netpol.engine import Api, Engine, Rung, Version
from rules.netpol.engines.cilium.ends import homes, spares, views
from rules.netpol.engines.cilium.merging import conflicts
from rules.netpol.engines.cilium.reading import CLUSTER_NETWORK_POLICY, NETWORK_POLICY, reads
from rules.netpol.engines.cilium.resolving import resolve
from rules.netpol.model import Grant
from rules.netpol.peers import ENTITIES

_NAMESPACED, _CLUSTERWIDE = (Api(cilium.GROUP, kind) for kind in cilium.KINDS)


def engine(version: Version) -> Engine:
    """Cilium of a version such as (1, 18)."""
    return Engine(
        name="cilium",
        version=version,
        kinds={
            NETWORK_POLICY: (1, 0),
            _NAMESPACED: (1, 0),
            _CLUSTERWIDE: (1, 0),
            CLUSTER_NETWORK_POLICY: (1, 20),
        },
        on_aks=frozenset({NETWORK_POLICY, _NAMESPACED, _CLUSTERWIDE}),
        drops="last",
        host_network=False,
        ties="deny",
        rung=_rung,
        reads=partial(reads, version=version),
        homes=homes,
        views=views,
        resolve=resolve,
        spares=spares,
        entities=ENTITIES,
        names=True,
        conflicts=conflicts,
    )


def _rung(grant: Grant) -> Rung:
    """Priority and rule number are added up in hundredths, so that they may tie."""
    place = grant.place
    return () if place.order is None else (place.order * 100 + place.index,)
