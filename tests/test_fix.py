"""Fix to YAML: the least that shows what to change, and never a secret."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from rules.model import JSON, Fix, Operation, Path
from rules.patch import Inapplicable, apply, set_field
from tests.reviews import pod
from webhook.fix import MOST_VALUES, sketch


def replace(path: Path, value: JSON) -> Fix:
    return Fix((Operation("replace", path, value),), safe=False)


def shown(value: JSON, fix: Fix) -> str:
    return "\n".join(sketch(value, fix))


def test_a_map_shows_what_changes_and_no_more() -> None:
    fix = Fix(set_field({"metadata": {"name": "a"}}, ("metadata", "labels", "x/y"), "z"), safe=True)
    assert shown({"metadata": {"name": "a"}}, fix) == "metadata:\n  labels:\n    x/y: z"


def test_a_replaced_value_says_what_it_was() -> None:
    assert shown(pod(), replace(("spec", "runtimeClassName"), "kata")) == (
        'spec:\n  runtimeClassName: "kata"   # was "kata-mshv-vm-isolation"'
    )


@pytest.mark.parametrize("text", ["y", "08", "1e3", "0x1f", "null", "true"])
def test_a_text_reads_back_as_text(text: str) -> None:
    added = Fix(set_field({}, ("metadata", "labels", "a"), text), safe=True)
    assert shown({}, added) == f'metadata:\n  labels:\n    a: "{text}"'


def test_an_item_with_a_name_shows_that_and_the_change() -> None:
    fix = replace(("spec", "containers", 0, "image"), "web:2")
    assert shown(pod(), fix) == (
        'spec:\n  containers:\n  - name: app\n    image: "web:2"   # was "web:1"'
    )


def test_an_item_without_a_name_is_shown_whole() -> None:
    value = {"spec": {"egress": [{"to": ["x"], "ports": [{"port": 80, "protocol": "TCP"}]}]}}
    fix = replace(("spec", "egress", 0, "ports", 0, "port"), 443)
    assert yaml.safe_load(shown(value, fix)) == apply(value, fix.patch)
    assert "# was 80" in shown(value, fix)


def test_what_is_removed_is_said_in_words() -> None:
    fix = Fix((Operation("remove", ("spec", "hostNetwork")),), safe=False)
    assert shown(pod({"hostNetwork": True}), fix) == "# remove spec.hostNetwork"


def test_several_changes_stand_in_one_sketch() -> None:
    fix = Fix(
        (
            Operation("replace", ("spec", "runtimeClassName"), "kata"),
            Operation("add", ("spec", "hostNetwork"), value=False),
            Operation("remove", ("metadata", "labels")),
        ),
        safe=False,
    )
    assert shown(pod(), fix) == (
        'spec:\n  runtimeClassName: "kata"   # was "kata-mshv-vm-isolation"\n'
        "  hostNetwork: false\n# remove metadata.labels"
    )


def test_a_fix_that_does_not_apply_is_an_error() -> None:
    with pytest.raises(Inapplicable):
        sketch(pod(), replace(("spec", "no", "such"), 1))


def test_what_would_fill_pages_is_left_out() -> None:
    value = {"spec": {"egress": [{"ports": [{"port": n} for n in range(MOST_VALUES)]}]}}
    assert sketch(value, replace(("spec", "egress", 0, "ports", 7, "port"), 443)) == []


@pytest.mark.parametrize(
    "holder",
    [
        {"env": [{"name": "TOKEN", "value": "hunter2"}]},
        {"data": {"key": "hunter2"}},
        {"stringData": {"key": ["hunter2"]}},
        {"deep": {"env": [{"value": "hunter2"}]}},
    ],
)
def test_row_39_an_item_that_is_shown_whole_hides_its_secrets(holder: dict[str, Any]) -> None:
    value = {"spec": {"containers": [{"image": "a", **holder}]}}
    text = shown(value, replace(("spec", "containers", 0, "image"), "b"))
    assert "hunter2" not in text
    assert '"b"   # was "a"' in text


def test_row_39_a_replaced_secret_does_not_say_what_it_was() -> None:
    value = pod({"containers": [{"name": "app", "env": [{"name": "T", "value": "hunter2"}]}]})
    text = shown(value, replace(("spec", "containers", 0, "env", 0, "value"), ""))
    assert "hunter2" not in text
    assert '""   # was ...' in text


@pytest.mark.parametrize("nasty", ["sallyport-was-0", "a: b", "# x", "\n", "'", "{}", "&a", "*a"])
def test_whatever_a_tenant_wrote_stays_one_value(nasty: str) -> None:
    value = {"spec": {"egress": [{"to": nasty, "port": 80}]}}
    fix = replace(("spec", "egress", 0, "port"), 443)
    assert yaml.safe_load(shown(value, fix)) == apply(value, fix.patch)
