"""A runtime class of AKS must have the handler that it has on AKS, whoever makes it.

Why: pods are admitted by the name of their class; its handler is what runs them.
Source: sandbox-and-mesh 2 and 3.0, TEN-6 and TEN-7; Azure/AgentBaker, containerd templates.

The handler `untrusted` is no sandbox on AKS, whatever it sounds like: it runs runc.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rules.model import RUNTIME_CLASS, Finding, Fix, Path, rule
from rules.patch import set_field
from rules.pods import mapping
from rules.review import STOCK_CLASSES, Cluster, Review
from rules.words import quote

NAME: Path = ("metadata", "name")
HANDLER: Path = ("handler",)
RUNS_RUNC = "untrusted"


def _class(name: str, handler: str) -> str:
    """An example: the platform makes this class."""
    made = f"{{kind: RuntimeClass, metadata: {{name: {name}}}, handler: {handler}}}"
    return f"{{object: {made}, user: {{groups: ['system:masters']}}}}"


ALLOW = [
    _class("fast", "kata"),  # case 35
    _class("kata-mshv-vm-isolation", "kata"),
    _class("kata-cc-isolation", "kata-cc"),
    _class("runc", "runc"),
]
DENY = [
    _class("kata-mshv-vm-isolation", "runc"),  # case 34
    _class("kata-vm-isolation", "untrusted"),
    _class("kata-cc-isolation", "kata"),
]


@rule(kinds=(RUNTIME_CLASS,), shaped=True, severity="critical", scope="everywhere")
def check(
    review: Review, _cluster: Cluster, *, handlers: Mapping[str, str] = STOCK_CLASSES
) -> Iterator[Finding]:
    """`handlers`: the names of classes that are reserved, and the handler of each."""
    name = review.own_name
    wanted = handlers.get(name)
    found = mapping(review.object).get("handler")
    if wanted is None or found == wanted:
        return
    fix: Fix | None = Fix(set_field(review.object, HANDLER, wanted), safe=False)
    cure = "set it"
    if review.operation == "UPDATE":
        fix, cure = None, "it cannot be changed: delete the class and make it anew"
    runs = ", and on AKS this handler runs runc" if found == RUNS_RUNC else ""
    yield Finding(
        check="TEN-7" if found == RUNS_RUNC else "TEN-6",
        path=NAME,
        message=f"is {quote(name)}, so handler must be {quote(wanted)} and is {quote(found)}; "
        f"{cure}, or choose another name",
        found=found,
        fix=fix,
        why=f"pods of class {name} are admitted as what AKS runs under that name{runs}",
    )
