"""What enforces policies: one module per engine, each with all in which it differs from the others.

Here belongs what an engine makes of the model. How a policy reads by its own documentation is its
dialect's to say, and how policies are weighed against each other is the same for all: `reach`.
"""

import re
from functools import lru_cache

from rules.netpol.engine import Engine
from rules.netpol.engines import calico, cilium, npm, spec

NEWEST_CILIUM = "1.20"
NAMES = ("spec", "cilium", "calico", "npm")


@lru_cache(maxsize=16)
def engine_of(name: str, version: str = NEWEST_CILIUM, *, enterprise: bool = False) -> Engine:
    """The engine of that name. Of the others than Cilium the version does not matter.

    `enterprise`: Calico is Calico Enterprise or Calico Cloud.
    """
    match name:
        case "cilium":
            return cilium.engine(tuple(map(int, re.findall(r"[0-9]+", version)[:2])))
        case "calico":
            return calico.ENTERPRISE if enterprise else calico.CALICO
        case "npm":
            return npm.NPM
        case "spec":
            return spec.SPEC
    raise ValueError(f"is {name}, must be one of {', '.join(NAMES)}")
