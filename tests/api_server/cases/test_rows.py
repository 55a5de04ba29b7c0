"""The tables of cases through the API server: each row is one request, by kubectl.

What only an injector makes is left out here; so are rows that need another world.
"""

from __future__ import annotations

import re

import pytest
import yaml

from rules.model import JSON
from tests.api_server.cases.requests import Place, send, stored
from tests.api_server.cases.scene import SERVED
from tests.api_server.people import Answer
from tests.api_server.serving import Serving
from tests.cases.table import Case, merge
from tests.control_plane.cluster import ControlPlane

pytestmark = [pytest.mark.control_plane, pytest.mark.usefixtures("sallyport")]

PLAIN = [case for case in SERVED if case.rulebook is None]
OTHERS = [case for case in SERVED if case.rulebook is not None]
_SAID = re.compile(r"\[[a-z-]+\] (\S+) ")
_INDEX = re.compile(r"\[\d+\]")  # an injector puts its containers before the author's


@pytest.mark.parametrize("case", PLAIN, ids=lambda case: f"{case.row} {case.about}")
def test_a_row_is_answered_as_the_table_says(case: Case, world: ControlPlane) -> None:
    _hold(case, _send(world, case))


@pytest.mark.parametrize("case", OTHERS, ids=lambda case: f"{case.row} {case.about}")
def test_a_row_with_a_rulebook_of_its_own(
    case: Case, world: ControlPlane, sallyport: Serving
) -> None:
    sallyport.adopt(yaml.safe_dump({"version": 1, **case.rulebook}))
    try:
        _hold(case, _send(world, case))
    finally:
        sallyport.adopt("version: 1\n")


def _send(world: ControlPlane, case: Case) -> Answer:
    """The request that the row stands for."""
    metadata = case.subject["metadata"]
    place = Place(
        case.kind,
        "" if case.operation == "CREATE" else metadata["name"],
        metadata.get("namespace", ""),
        case.subresource,
        case.subject["apiVersion"],
    )
    if case.operation == "CREATE":
        return send(world, "create", place.path, case.object, asker=case.asker)
    if case.operation == "DELETE":
        return send(world, "delete", place.path, asker=case.asker)
    old = stored(world, Place(case.kind, place.name, place.namespace))
    return send(world, "replace", place.path, merge(old, case.change), asker=case.asker)


def _hold(case: Case, answer: Answer) -> None:
    """The answer is that of the row: what is denied at which places, what is warned of."""
    lines = answer.err.splitlines()
    warned = _places("\n".join(line for line in lines if line.startswith("Warning: ")))
    denied = _places("\n".join(line for line in lines if not line.startswith("Warning: ")))
    if "refuses" in case.server:
        assert answer.code == 1
        assert case.server["refuses"] in answer.err
    elif "admits" in case.server:
        assert answer.code == 0, answer.err
    elif case.denials:
        assert answer.code == 1
        assert "sallyport.dev" in answer.err, "nobody else refused it"
        assert denied & {_INDEX.sub("", place) for place in case.denials}, answer.err
    else:
        assert answer.code == 0, answer.err
        assert warned == {_INDEX.sub("", place) for place in case.warnings}
        assert [_patched(answer.out, patch) for patch in case.patch] == [True] * len(case.patch)


def _places(text: str) -> set[str]:
    return {_INDEX.sub("", place) for place in _SAID.findall(text)}


def _patched(out: str, patch: JSON) -> bool:
    """Whether the object that came back has what a patch adds."""
    value = yaml.safe_load(out)
    for step in patch["path"].split("/")[1:]:
        value = value[step.replace("~1", "/").replace("~0", "~")]
    return bool(value == patch["value"])
