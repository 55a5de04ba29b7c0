"""What the API server tells of policies and pods, as an index: the one that files would give."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.enforcement import index_of
from rules.model import JSON, NAMESPACE, NETWORK, NETWORK_POLICY, POD, SERVICE, Kind
from rules.netpol import engine
from rules.netpol.engines import engine_of
from rules.netpol.index import Index
from rules.review import Cluster, Undeclared
from rules.site import Engine, Network, Site
from tests.view.test_mirror import speak_by_kind
from tests.view.wire import PATIENCE, Answer, Scripted, event, page, refusal, space, watch
from webhook.api import Api
from webhook.feed import Feed
from webhook.followed import FOLLOWED
from webhook.kept import Kept
from webhook.metrics import Metrics
from webhook.mirror import Mirror

KEPT = {kept.kind: kept for kept in FOLLOWED}
CALICO = Network(engine="calico")


def pod(name: str, version: int = 1, /, *, app: str = "web", phase: str = "Running") -> JSON:
    """A Pod as the API server sends it."""
    metadata = {"namespace": "t", "name": name, "resourceVersion": str(version)}
    return {
        "metadata": {**metadata, "labels": {"app": app, "pod-template-hash": name}},
        "spec": {"containers": [{"name": "a", "ports": [{"name": "w", "containerPort": 80}]}]},
        "status": {"phase": phase, "podIPs": [{"ip": f"10.0.0.{len(name)}"}]},
    }


def policy(name: str, version: int = 1, /, *, app: str = "web") -> JSON:
    """A NetworkPolicy as the API server sends it."""
    metadata = {"namespace": "t", "name": name, "resourceVersion": str(version)}
    selector = {"matchLabels": {"app": app}}
    return {"metadata": metadata, "spec": {"podSelector": selector, "policyTypes": ["Egress"]}}


def service(name: str, version: int = 1, /, *, app: str = "web") -> JSON:
    """A Service as the API server sends it."""
    metadata = {"namespace": "t", "name": name, "resourceVersion": str(version)}
    ports = [{"name": f"tcp-{app}", "port": 80, "targetPort": "w", "appProtocol": "tcp"}]
    spec = {"selector": {"app": app}, "clusterIP": "10.9.9.9", "ports": ports}
    return {"metadata": metadata, "spec": spec}


def whole(kind: Kind, value: JSON) -> JSON:
    """The object as a file holds it."""
    return {"apiVersion": kind.api_version, "kind": kind.kind, **value}


APPS = st.sampled_from(["web", "db"])
PHASES = st.sampled_from(["Running", "Succeeded"])
NAMES = st.sampled_from(["a", "bb", "ccc"])
CHANGES = st.one_of(
    st.builds(lambda n, a, p: (POD, pod(n, app=a, phase=p)), NAMES, APPS, PHASES),
    st.builds(lambda n, a: (NETWORK_POLICY, policy(n, app=a)), NAMES, APPS),
    st.builds(lambda n, a: (SERVICE, service(n, app=a)), NAMES, APPS),
    APPS.map(lambda zone: (NAMESPACE, space("t", zone=zone))),
)
Step = tuple[bool, bool, tuple[Kind, JSON]]


def _fed(steps: list[Step], networks: list[Network]) -> Index:
    """What a feed holds after steps (is it put, does the feed rest then, what)."""
    objects: dict[Kind, dict[str, Any]] = {kind: {} for kind in NETWORK}

    async def run() -> Index:
        feed = Feed(objects.items)
        running = asyncio.create_task(feed.run(lambda: None))
        for puts, rests, (kind, value) in steps:
            item = _kept(kind).read(json_of(value))
            if puts:
                objects[kind][item.key] = item.value
            else:
                objects[kind].pop(item.key, None)
            feed.put(kind, {item.key}, objects[kind])
            if rests:
                await feed.idle.wait()
        for network in networks:
            feed.aim(network)
        await feed.idle.wait()
        running.cancel()
        return feed.networks()(networks[-1] if networks else Network())

    return asyncio.run(run())


def _kept(kind: Kind) -> Kept:
    return KEPT[kind]


def json_of(value: JSON) -> bytes:
    """As it comes over the wire."""
    return event("", value)[len(b'{"type": "", "object": ') : -2]


def _stored(steps: list[Step]) -> list[JSON]:
    kept: dict[tuple[Kind, str], JSON] = {}
    for puts, _, (kind, value) in steps:
        key = kind, value["metadata"]["name"]
        kept.pop(key, None)
        if puts:
            kept[key] = whole(kind, value)
    return list(kept.values())


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.booleans(), CHANGES), max_size=12),
    st.sampled_from([[], [CALICO], [CALICO, Network()]]),
)
def test_however_it_came_about_it_is_what_files_would_give(
    steps: list[Step], networks: list[Network]
) -> None:
    wanted = index_of(_stored(steps), networks[-1] if networks else Network())
    fed = _fed(steps, networks)
    assert fed == wanted
    assert sorted(map(str, fed.pods("t"))) == sorted(map(str, wanted.pods("t")))


def _following(
    answers: dict[Kind, list[Answer]],
    test: Callable[[Mirror], None],
    ends: str = "pods",
    network: Network | None = None,
) -> None:
    """Follow an API server that says this of some kinds, and has no object of the others."""

    async def run(api: Api, _: Scripted) -> None:
        followed = Mirror(api, Metrics([]))
        changed = asyncio.Event()
        followed.cluster(Site(network=network or Network()))
        running = asyncio.create_task(followed.run(lambda _: changed.set()))
        if ends:
            await followed.wait()
        else:
            await changed.wait()
        test(followed)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    quiet = {kept.kind: [page(), watch(ends=False)] for kept in FOLLOWED}
    missing = {kept.kind: [refusal(404)] for kept in FOLLOWED if kept.installed}
    speak_by_kind(quiet | missing | answers, run)


def test_a_cluster_has_the_index_of_all_that_was_listed() -> None:
    seen: list[Cluster] = []
    ended = pod("over", phase="Failed")
    pages = [page(pod("a"), more="x"), page(pod("b"), ended, pod("db", app="db"))]
    answers = {
        NETWORK_POLICY: [page(policy("closed")), watch(ends=False)],
        POD: [*pages, watch(ends=False)],
    }
    _following(answers, lambda mirror: seen.append(mirror.cluster(Site())))
    index = seen[0].network
    found = {pod.labels["app"]: (count, pod) for pod, count in index.pods("t")}
    assert {app: count for app, (count, _) in found.items()} == {"web": 2, "db": 1}
    isolated = {app: index.sides(each, "egress")[0].isolated for app, (_, each) in found.items()}
    assert isolated == {"web": True, "db": False}


STORED, SHOWN = (
    next(k for k in KEPT if (k.group, k.kind) == (group, "NetworkPolicy"))
    for group in ("crd.projectcalico.org", "projectcalico.org")
)
OWN = Network(engine="calico", enforced=("crd.projectcalico.org/*", "projectcalico.org/*"))


def calico_policy(name: str) -> JSON:
    """Calico's NetworkPolicy as the API server sends it."""
    metadata = {"namespace": "t", "name": name, "resourceVersion": "1"}
    return {"metadata": metadata, "spec": {"selector": "app == 'web'", "types": ["Egress"]}}


@pytest.mark.parametrize(
    "shown",
    [
        [refusal(404)],
        [page(calico_policy("closed")), watch(ends=False)],
        [refusal(503), refusal(503)],
        [refusal(403), refusal(403)],
    ],
    ids=["absent", "there", "away", "refused"],
)
def test_policies_of_calico_are_known_whatever_its_own_api_server_says(
    shown: list[Answer],
) -> None:
    seen: list[Cluster] = []
    answers = {
        STORED: [page(calico_policy("default.closed")), watch(ends=False)],
        SHOWN: shown,
        POD: [page(pod("a"), pod("db", app="db")), watch(ends=False)],
    }
    site = Site(network=OWN)
    _following(answers, lambda mirror: seen.append(mirror.cluster(site)), network=OWN)
    index = seen[0].network
    found = {pod.labels["app"]: index.sides(pod, "egress") for pod, _ in index.pods("t")}
    isolated = {app: all(side.isolated for side in sides) for app, sides in found.items()}
    assert isolated == {"web": True, "db": False}


def test_a_kind_is_not_taken_for_absent_because_somebody_behind_the_api_server_is_away() -> None:
    """Nothing else holds what this kind holds."""

    def ask(mirror: Mirror) -> None:
        assert STORED.resource in mirror.missing

    _following({STORED: [refusal(503)] * 9, SHOWN: [refusal(503)] * 9}, ask, ends="")


def test_what_was_not_listed_is_not_taken_for_absent() -> None:
    def ask(mirror: Mirror) -> None:
        with pytest.raises(Undeclared, match="does not follow"):
            _ = mirror.cluster(Site()).network

    _following({POD: [watch(ends=False)]}, ask, ends="")


def test_an_engine_that_nobody_read_for_yet_is_no_empty_cluster() -> None:
    def ask(mirror: Mirror) -> None:
        cluster = mirror.cluster(Site())
        assert list(cluster.network.pods("t"))
        with pytest.raises(Undeclared, match="another engine"):
            cluster.networks(CALICO)  # type: ignore[misc]  # there is one

    _following({POD: [page(pod("a")), watch(ends=False)]}, ask)


def test_that_there_is_nothing_of_a_kind_is_told_too() -> None:
    async def run() -> None:
        told = asyncio.Event()
        feed = Feed(dict[Kind, dict[str, Any]]().items)
        running = asyncio.create_task(feed.run(told.set))
        feed.put(POD, (), {})
        async with asyncio.timeout(PATIENCE):
            await told.wait()
        running.cancel()

    asyncio.run(run())


def test_every_kind_that_an_engine_can_count_is_followed() -> None:
    followed = {engine.Api(kind.group, kind.kind) for kind in KEPT}
    for name in get_args(Engine):
        assert engine_of(name).kinds.keys() <= followed
