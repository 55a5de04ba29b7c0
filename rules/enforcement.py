"""Which engine enforces network policies here, and all that they say, as one value.

What the engine ignores on this cluster (`cluster` in the rulebook) is not in the index: a policy
that nobody enforces neither isolates nor grants.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

from rules.model import JSON
from rules.netpol.destinations import union
from rules.netpol.engine import Engine
from rules.netpol.engines import engine_of
from rules.netpol.index import Index
from rules.netpol.surroundings import Surroundings
from rules.site import Network


@lru_cache(maxsize=8)
def engine_at(network: Network) -> Engine:
    """The engine of this cluster, with no other kinds than those that it enforces here."""
    engine = engine_of(network.engine, network.version, network.calico)
    kinds = {
        api: since for api, since in engine.kinds.items() if engine.enforces(api, network.enforced)
    }
    return replace(engine, kinds=kinds)


def empty_index(network: Network) -> Index:
    """The index of this cluster with nothing in it."""
    around = Surroundings(pod_networks=union(network.cidrs.pods))
    return Index(engine_at(network), surroundings=around)


def index_of(objects: Iterable[JSON], network: Network) -> Index:
    """The index of these objects."""
    index = empty_index(network)
    for value in objects:
        index = index.put(value)
    return index
