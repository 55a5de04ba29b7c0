"""What the guarantees stand on: each gap is told, and nothing where all is well."""

from __future__ import annotations

import orjson
import pytest

from rules.facts import MeshPolicy, Term
from rules.model import PEER_AUTHENTICATION
from rules.review import Cluster
from rules.site import Mesh, Site
from webhook.configuration import webhooks
from webhook.followed import FOLLOWED
from webhook.ground import gaps
from webhook.kept import Kept
from webhook.rulebook import load, read
from webhook.text import Text

BUILT_IN = load(None)
ROOT = "aks-istio-system"


def told(*policies: MeshPolicy, site: Site | None = None, live: bool = True) -> dict[str, str]:
    """The gaps of a cluster with these PeerAuthentications."""
    facts = {PEER_AUTHENTICATION: {p.namespace + p.name: p for p in policies}}
    return dict(gaps(BUILT_IN.rules, Cluster.holding(facts, site, live=live), {}))


def policy(mode: str, space: str = ROOT, created: str = "2026", **spec: object) -> MeshPolicy:
    """A PeerAuthentication."""
    own = {"mtls": {"mode": mode}, **spec}
    return MeshPolicy(space, mode, created, managed=True, spec=own)


SELECTOR = {"matchLabels": {"a": "b"}}


@pytest.mark.parametrize(
    ("policies", "mode"),
    [
        ([], "PERMISSIVE"),
        ([policy("STRICT", "other")], "PERMISSIVE"),
        ([policy("STRICT", selector=SELECTOR)], "PERMISSIVE"),
        ([policy("DISABLE")], "DISABLE"),
        ([policy("STRICT"), policy("PERMISSIVE", created="2025")], "PERMISSIVE"),
    ],
)
def test_a_mesh_that_is_not_strict_is_told(policies: list[MeshPolicy], mode: str) -> None:
    found = told(*policies)
    assert list(found) == ["MESH-PeerAuthentication"]
    assert f"the mesh is {mode}: in {ROOT} " in found["MESH-PeerAuthentication"]


@pytest.mark.parametrize(
    "policies", [[policy("STRICT")], [policy("STRICT"), policy("DISABLE", created="2027")]]
)
def test_a_strict_mesh_is_not(policies: list[MeshPolicy]) -> None:
    assert told(*policies) == {}


def test_where_no_file_speaks_of_the_mesh_nothing_is_said() -> None:
    assert told(live=False) == {}
    assert told(policy("DISABLE"), live=False)


def test_a_redirection_that_sandboxes_do_not_bear_is_told() -> None:
    site = Site(mesh=Mesh(redirection="CNIChaining"))
    found = told(policy("STRICT"), site=site)
    assert list(found) == ["MESH-REDIRECTION"]
    text = "version: 1\nrules: {sidecar-injected: {action: off}}\n"
    lenient = read(Text("", text))
    strict = {PEER_AUTHENTICATION: {"a": policy("STRICT")}}
    assert not list(gaps(lenient.rules, Cluster.holding(strict, site), {}))


def test_our_configurations_as_printed_have_no_foreign_term() -> None:
    registered = {value["metadata"]["name"]: _terms(value) for value in webhooks(BUILT_IN)}
    assert all(registered.values())
    cluster = Cluster.holding({PEER_AUTHENTICATION: {"a": policy("STRICT")}}, live=True)
    assert not list(gaps(BUILT_IN.rules, cluster, registered))


@pytest.mark.parametrize(
    "term",
    [
        Term("control-plane", "NotIn", ("true",)),
        Term("kubernetes.azure.com/managedby", "NotIn", ("aks",)),
        Term("kubernetes.io/metadata.name", "NotIn", ("kube-system", "tenant")),
        Term("kubernetes.io/metadata.name", "In", ("tenant",)),
        Term("kubernetes.io/metadata.name", "DoesNotExist", ()),
    ],
)
def test_a_term_of_somebody_else_is_told(term: Term) -> None:
    cluster = Cluster.holding({PEER_AUTHENTICATION: {"a": policy("STRICT")}}, live=True)
    (gap,) = gaps(BUILT_IN.rules, cluster, {"sallyport-validate": (term, term)})
    assert gap.name == "ADMISSION-SELECTOR"
    assert gap.sentence.startswith("sallyport-validate has terms that are not ours")
    assert gap.sentence.count(term.key) == 1


def _terms(value: object) -> tuple[Term, ...]:
    found: list[Kept] = [kept for kept in FOLLOWED if kept.kind.resource.startswith("validating")]
    terms: tuple[Term, ...] = found[0].read(orjson.dumps(value)).value.terms
    return terms
