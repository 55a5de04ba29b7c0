"""Rules of pods, where an example in one rule file cannot say it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.model import JSON, Kind
from rules.pods import added
from tests.examples import RULES
from tests.made_up import Doors
from tests.reviews import ask, ask_update, bare_pod, causes, pod, reasons

BINDING_OF_POD = Kind("", "Binding", "pods")
MIRROR = {"kubernetes.io/config.mirror": "a1b2"}
NODE = {"username": "system:node:n1", "groups": ["system:nodes", "system:authenticated"]}


def _doors(*names: str) -> Doors:
    return Doors(*(rule for rule in RULES if rule.name in names or not names))


def _with(memory: list[int]) -> JSON:
    limits = [{"limits": {"memory": f"{size}Mi"}} for size in memory]
    return pod({"containers": [{"name": f"c{n}", "resources": r} for n, r in enumerate(limits)]})


@pytest.mark.parametrize(
    ("user", "allowed"), [("developer", False), ("system:kube-scheduler", True)]
)
def test_only_the_scheduler_binds_a_pod_through_its_subresource(user: str, allowed: bool) -> None:  # noqa: FBT001
    binding = {"kind": "Binding", "metadata": {"name": "web"}, "target": {"name": "n1"}}
    asked = ask(binding, BINDING_OF_POD, subResource="binding", userInfo={"username": user})
    assert _doors().ask(asked)["allowed"] == allowed


def test_a_mirror_pod_of_its_own_node_passes_whatever_it_asks_for() -> None:
    doors = _doors()
    static = bare_pod(annotations=MIRROR)
    static["spec"] |= {"nodeName": "n1", "hostNetwork": True}
    for path in (b"/mutate", b"/validate"):
        response = doors.ask(ask(static, userInfo=NODE), path)
        assert response["allowed"]
        assert "patch" not in response
    static["spec"]["nodeName"] = "n2"
    assert "mirror-pods-from-their-node" in reasons(doors.ask(ask(static, userInfo=NODE)))


def test_the_pod_that_debugs_a_node_is_told_all_that_it_asks_for() -> None:
    debugger = pod(
        {
            "nodeName": "n1",
            "hostIPC": True,
            "hostNetwork": True,
            "hostPID": True,
            "tolerations": [{"operator": "Exists"}],
            "volumes": [{"name": "host-root", "hostPath": {"path": "/"}}],
        }
    )
    assert reasons(_doors().ask(ask(debugger))) >= {
        "host-namespaces-not-shared",
        "scheduled-by-the-scheduler",
        "tolerations-name-a-taint",
        "volumes-inside-the-sandbox",
    }


def test_a_windows_pod_is_told_once() -> None:
    windows = pod({"os": {"name": "windows"}, "nodeSelector": {"kubernetes.io/os": "windows"}})
    response = _doors("runs-on-linux").ask(ask(windows))
    assert causes(response) == [("runs-on-linux", "spec.os.name")]


def test_a_toleration_of_an_empty_key_names_no_taint() -> None:
    blanket = pod({"tolerations": [{"key": "", "operator": "Exists"}]})
    assert reasons(_doors("tolerations-name-a-taint").ask(ask(blanket)))


def test_a_debugging_container_that_changes_is_new() -> None:
    plain, root = ({"name": "d", "securityContext": {"privileged": is_}} for is_ in (False, True))
    old, new = (pod({"ephemeralContainers": [found]}) for found in (plain, root))
    response = _doors().ask(ask_update(new, old, subResource="ephemeralcontainers"))
    assert reasons(response) == {"containers-unprivileged"}


def test_what_a_stored_pod_has_is_told_and_cannot_be_mended() -> None:
    shared = pod({"hostPID": True})
    response = _doors("host-namespaces-not-shared").ask(ask_update(shared, shared))
    assert response["allowed"]
    (warning,) = response["warnings"]
    assert "create it anew" in warning


@given(st.lists(st.integers(0, 200), min_size=1, max_size=5))
def test_the_limits_are_too_low_exactly_if_their_sum_is(memory: list[int]) -> None:
    response = _doors("memory-limited").ask(ask(_with(memory)))
    assert response["allowed"] == (sum(memory) >= 128)


_LISTS = st.lists(st.dictionaries(st.sampled_from("ab"), st.integers(0, 2)), max_size=4)


@given(_LISTS, _LISTS)
def test_added_is_all_that_was_not_there(new: list[Any], old: list[Any]) -> None:
    after, before = ({"spec": {"tolerations": found}} for found in (new, old))
    found = [item.value for item in added(after, before, "tolerations")]
    assert found == [value for value in new if value not in old]
    assert not list(added(after, after, "tolerations"))
    assert [item.value for item in added(after, None, "tolerations")] == new
