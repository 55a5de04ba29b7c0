"""What is installed: kustomize and we make the same of it, and it agrees with the code."""

from __future__ import annotations

import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from certs import cluster
from certs.issue import service_name
from rules.model import JSON
from tests import generated
from tests.control_plane.binaries import Binaries
from webhook.arguments import parser
from webhook.cli import main
from webhook.configuration import everything, webhooks
from webhook.doors import MUTATE, VALIDATE
from webhook.followed import FOLLOWED
from webhook.rulebook import catalogue, load, read
from webhook.rulebook_text import render
from webhook.settings import read_settings
from webhook.text import Text

BASE = generated.ROOT / "manifests" / "base"
ENFORCE = generated.ROOT / "manifests" / "overlays" / "enforce"
BUILT_IN = load(None)
BINDING = "ValidatingAdmissionPolicyBinding"


def the(kind: str, objects: list[JSON], name: str = "") -> JSON:
    """The only object of a kind, or the one of this name."""
    (found,) = [o for o in objects if o["kind"] == kind and name in {"", o["metadata"]["name"]}]
    return found


def pods(objects: list[JSON]) -> Iterator[JSON]:
    """The pod templates: of the server, of the Job, of the CronJob."""
    yield the("Deployment", objects)["spec"]["template"]
    yield the("Job", objects)["spec"]["template"]
    yield the("CronJob", objects)["spec"]["jobTemplate"]["spec"]["template"]


def build(programs: Binaries, folder: Path) -> list[JSON]:
    """What kustomize makes of a folder."""
    command = [str(programs.kubectl), "kustomize", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stderr == ""
    return list(yaml.safe_load_all(done.stdout))


def test_generated_files_are_fresh() -> None:
    assert generated.stale(generated.contents()) == []


def test_stale_files_are_named_and_written_anew(tmp_path: Path) -> None:
    wanted = {"docs/rules/a.md": "a", "docs/b.md": "b"}
    leftover = tmp_path / "docs" / "rules" / "gone.md"
    leftover.parent.mkdir(parents=True)
    leftover.write_text("of a rule that is no more")
    all_of_them = ["docs/b.md", "docs/rules/a.md", "docs/rules/gone.md"]
    assert generated.stale(wanted, tmp_path) == all_of_them
    assert generated.write(wanted, tmp_path) == all_of_them
    assert not leftover.exists()
    assert generated.stale(wanted, tmp_path) == []
    assert generated.write(wanted, tmp_path) == []


@pytest.mark.control_plane
def test_kustomize_builds_what_we_print(control_plane_programs: Binaries) -> None:
    built, printed = build(control_plane_programs, BASE), everything(BUILT_IN)
    assert sorted(built, key=_identity) == sorted(printed, key=_identity)


def _identity(value: JSON) -> tuple[str, str]:
    return value["kind"], value["metadata"]["name"]


@pytest.mark.control_plane
def test_the_second_step_enforces_and_changes_nothing_else(
    control_plane_programs: Binaries,
) -> None:
    first, second = (build(control_plane_programs, folder) for folder in (BASE, ENFORCE))
    for expected in webhooks(BUILT_IN, failure_policy="Fail"):
        assert the(expected["kind"], second)["webhooks"] == expected["webhooks"]
    before, after = (next(pods(objects))["spec"] for objects in (first, second))
    before["containers"][0]["args"].remove("--audit")
    assert before == after
    for bound in [o for o in second if o["kind"] == BINDING]:
        assert bound["spec"]["validationActions"] == ["Deny", "Audit"]
        bound["spec"]["validationActions"] = ["Audit"]
        assert bound == the(BINDING, first, bound["metadata"]["name"])
    changed = {"Deployment", MUTATE.kind, VALIDATE.kind, BINDING}
    rest = [[o for o in objects if o["kind"] not in changed] for objects in (first, second)]
    assert rest[0] == rest[1]


def test_the_command_prints_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["manifests"]) == 0
    assert list(yaml.safe_load_all(capsys.readouterr().out)) == everything(BUILT_IN)
    assert main(["manifests", "webhooks", "--failure-policy", "Ignore", "--no-mutate"]) == 0
    expected = webhooks(BUILT_IN, failure_policy="Ignore", mutate=False)
    assert list(yaml.safe_load_all(capsys.readouterr().out)) == expected


def test_the_pods_run_commands_that_exist() -> None:
    server, *keepers = (pod["spec"]["containers"][0]["args"] for pod in pods(everything(BUILT_IN)))
    settings = read_settings(vars(parser().parse_args(server)), {})
    assert settings.audit
    assert settings.mutate
    for args in keepers:
        asked = parser().parse_args(args)
        assert service_name(asked.service, asked.namespace) == "sallyport.sallyport-system.svc"
        assert (asked.mutating, asked.validating) == (
            [MUTATE.configuration],
            [VALIDATE.configuration],
        )


def test_what_others_need_is_printed_before_them() -> None:
    kinds = [o["kind"] for o in everything(BUILT_IN)]
    assert kinds[0] == "Namespace"
    assert kinds.index("Secret") < kinds.index("Job") < kinds.index("Deployment")
    assert kinds.index(MUTATE.kind) < kinds.index(VALIDATE.kind) < kinds.index("Job")


def test_another_rulebook_changes_what_follows_from_it() -> None:
    text = "version: 1\ntrusted: {namespaces: [platform-tools]}\n"
    book = read(Text("", text))
    objects = everything(book, text=text, mutate=False)
    assert the("ConfigMap", objects)["data"] == {"rulebook.yaml": text}
    assert next(pods(objects))["spec"]["containers"][0]["args"][-1] == "--no-mutate"
    assert MUTATE.kind not in {o["kind"] for o in objects}
    (expected,) = webhooks(book, failure_policy="Ignore", mutate=False)
    assert the(VALIDATE.kind, objects)["webhooks"] == expected["webhooks"]
    assert "platform-tools" in str(expected)


def test_the_rulebook_that_is_installed_is_the_built_in_one() -> None:
    text = the("ConfigMap", everything(BUILT_IN))["data"]["rulebook.yaml"]
    assert render(read(Text("", text))) == render(BUILT_IN)


def test_pods_are_made_to_the_strictest_profile() -> None:
    for pod in pods(everything(BUILT_IN)):
        spec = pod["spec"]
        (container,) = spec["containers"]
        assert (
            spec["securityContext"]["runAsUser"] == spec["securityContext"]["runAsGroup"] == 65532
        )
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "cpu" not in container["resources"]["limits"]
        assert not spec["enableServiceLinks"]


def test_the_server_may_follow_what_rules_read_and_nothing_else() -> None:
    objects = everything(BUILT_IN)
    granted = {
        (group, resource): set(rule["verbs"])
        for rule in the("ClusterRole", objects, "sallyport")["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    followed = {(kept.kind.group, kept.kind.resource) for kept in FOLLOWED}
    of_tiers = {f"tier.{each}policies" for each in ("network", "globalnetwork")}
    followed |= {("projectcalico.org", resource) for resource in of_tiers}
    assert granted == {one: {"get", "list", "watch"} for one in followed}
    read = {kind for rule in catalogue() for kind in rule.reads}
    assert read <= {kept.kind for kept in FOLLOWED}
    assert next(pods(objects))["spec"]["automountServiceAccountToken"]
    (binding,) = [
        o
        for o in objects
        if o["kind"] in {"RoleBinding", "ClusterRoleBinding"}
        and {s["name"] for s in o["subjects"]} == {"sallyport"}
    ]
    assert binding["roleRef"]["name"] == "sallyport"


def test_the_job_and_the_cron_job_run_the_same_pod() -> None:
    _, once, weekly = pods(everything(BUILT_IN))
    assert once == weekly


def test_the_image_is_of_this_version() -> None:
    project = tomllib.loads((generated.ROOT / "pyproject.toml").read_text())["project"]
    for pod in pods(everything(BUILT_IN)):
        assert pod["spec"]["containers"][0]["image"] == f"sallyport:{project['version']}"


def test_names_agree_with_the_code_that_uses_them() -> None:
    objects = everything(BUILT_IN)
    secrets = {cluster.AUTHORITIES, cluster.SERVED}
    assert {o["metadata"]["name"] for o in objects if o["kind"] == "Secret"} == secrets
    for name in secrets:
        secret = the("Secret", objects, name)
        assert secret["metadata"]["labels"][cluster.MANAGED_BY] == cluster.OWNER
        assert "data" not in secret, "an apply would reset it"
    assert set(the("Role", objects)["rules"][0]["resourceNames"]) == secrets
    keeper = the("ClusterRole", objects, "sallyport-certs")
    granted = {n for rule in keeper["rules"] for n in rule["resourceNames"]}
    assert granted == {MUTATE.configuration, VALIDATE.configuration}
