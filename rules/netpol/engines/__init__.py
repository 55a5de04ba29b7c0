"""What enforces policies: one module per engine, each with all in which it differs from the others.

Here belongs what an engine makes of the model. How a policy reads by its own documentation is its
dialect's to say, and how policies are weighed against each other is the same for all: `reach`.
"""

import re

from rules.netpol.engine import Engine
from rules.netpol.engines import calico, cilium, npm, spec

NEWEST_CILIUM = "1.20"
NAMES = ("spec", "cilium", "calico", "npm")


def engine_of(name: str, version: str = NEWEST_CILIUM, calico_flavor: str = "oss") -> Engine:
    """The engine of that name.

    Only of Cilium the version matters, only of Calico whether it is `oss` or `enterprise`.
    """
    match name:
        case "cilium":
            return cilium.engine(tuple(map(int, re.findall(r"[0-9]+", version)[:2])))
        case "calico":
            return calico.ENTERPRISE if calico_flavor == "enterprise" else calico.CALICO
        case "npm":
            return npm.NPM
        case "spec":
            return spec.SPEC
    raise ValueError(f"is {name}, must be one of {', '.join(NAMES)}")
