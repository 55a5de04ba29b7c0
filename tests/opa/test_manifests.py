"""The examples of manifests/opa: what they build, and what a real OPA makes of them."""

from __future__ import annotations

import http
import json
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from rules.model import DEPLOYMENT, JSON
from tests.control_plane.binaries import Binaries
from tests.faults.serving import Serving
from tests.generated import ROOT
from tests.opa.pki import Site
from tests.opa.server import HOST, OpaServer
from tests.reviews import (
    ask,
    ask_stored,
    causes,
    deployment,
    pod,
)
from webhook.arguments import parser
from webhook.settings import read_settings

pytestmark = pytest.mark.control_plane

EXAMPLES = ROOT / "manifests" / "opa"


def build(programs: Binaries, name: str) -> list[JSON]:
    command = [str(programs.kubectl), "kustomize", str(EXAMPLES / name)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stderr == ""
    return list(yaml.safe_load_all(done.stdout))


def the(objects: list[JSON], kind: str, namespace: str, prefix: str) -> JSON:
    """The only one of this kind whose name begins so."""
    (found,) = [
        value
        for value in objects
        if value["kind"] == kind
        and value["metadata"].get("namespace") == namespace
        and value["metadata"]["name"].startswith(prefix)
    ]
    return found


def volume(folder: Path, config: JSON) -> Path:
    """A ConfigMap as the kubelet mounts it."""
    version = folder / "..2026_01_01"
    version.mkdir(parents=True)
    for name, text in config["data"].items():
        (version / name).write_text(text, encoding="utf-8")
        (folder / name).symlink_to(Path("..data") / name)
    (folder / "..data").symlink_to(version.name)
    return folder


def moved(args: list[str], folders: dict[str, Path]) -> list[str]:
    """The arguments of a container, with its folders where they are here; less its addresses."""
    kept = [word for word in args[2:] if not word.startswith(("--addr", "--diagnostic"))]
    for there, here in folders.items():
        kept = [
            word.replace(f"={there}/", f"={here}/")
            if "=" in word
            else word.replace(there, str(here))
            for word in kept
        ]
    return kept


def test_our_rego_passes_its_own_tests(opa_program: Path) -> None:
    for folder in ("rules", "gatekeeper", "central/server"):
        words = [str(opa_program), "check", "--strict", str(EXAMPLES / folder)]
        subprocess.run(words, check=True, capture_output=True)
    words = [str(opa_program), "test", "--fail-on-empty", str(EXAMPLES / "rules")]
    subprocess.run(words, check=True, capture_output=True)
    done = subprocess.run(
        [str(opa_program), "fmt", "--list", str(EXAMPLES), str(Path(__file__).parent)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "", "opa fmt -w"


def test_the_server_takes_the_arguments_of_both(control_plane_programs: Binaries) -> None:
    for name, required in (("sidecar", True), ("central", False)):
        server = the(build(control_plane_programs, name), "Deployment", "sallyport-system", "sally")
        (container,) = server["spec"]["template"]["spec"]["containers"]
        settings = read_settings(vars(parser().parse_args(container["args"])), {})
        assert settings.opa is not None
        assert settings.opa.required is required
        mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert {str(path.parent) for path in settings.opa.files} <= mounted


@pytest.fixture
def beside(
    control_plane_programs: Binaries, opa_program: Path, tmp_path: Path
) -> Iterator[OpaServer]:
    """OPA as the sidecar runs it."""
    objects = build(control_plane_programs, "sidecar")
    rules = the(objects, "ConfigMap", "sallyport-system", "sallyport-opa-rules")
    pod_spec = the(objects, "Deployment", "sallyport-system", "sally")["spec"]["template"]["spec"]
    (container,) = pod_spec["initContainers"]
    (used,) = [v["configMap"]["name"] for v in pod_spec["volumes"] if v["name"] == "opa-rules"]
    assert used == rules["metadata"]["name"], "kustomize follows the name of the ConfigMap"
    flags = moved(container["args"], {"/rules": volume(tmp_path / "rules", rules)})
    flags.remove("--disable-telemetry")
    with OpaServer(opa_program, tmp_path, flags=flags) as running:
        yield running


def test_the_sidecar_decides_by_the_rules_of_its_bundle(
    beside: OpaServer, keys: Path, view: Path
) -> None:
    status, _ = beside.send("GET", "/health?bundles=true")
    assert status == http.HTTPStatus.OK
    with Serving(keys, "--cluster", view, "--opa", beside.url, "--opa-required") as server:
        response = server.ask(ask_stored(pod()))
        assert causes(response) == [("opa/image-registry", "spec.containers[0].image")]
        warned = server.ask(ask(deployment(pod()), DEPLOYMENT))["warnings"]
        assert any(
            line.startswith("[opa/owner] metadata.labels[example.com/owner]") for line in warned
        )


def test_constraint_templates_of_gatekeeper_are_heard(
    opa_program: Path, tmp_path: Path, keys: Path, view: Path
) -> None:
    folder = shutil.copytree(EXAMPLES / "gatekeeper", tmp_path / "gatekeeper")
    data = json.loads((folder / "data.json").read_text(encoding="utf-8"))
    (constraint,) = data["constraints"].values()
    data["constraints"] |= {
        "lost": {"kind": "K8sUnknown"},
        "elsewhere": constraint | {"match": {"namespaces": ["prod-*"]}},
        "here": constraint | {"match": {"namespaces": ["sh*"]}, "enforcementAction": "warn"},
        "out": constraint | {"match": {"excludedNamespaces": ["*op"]}},
        "watched": constraint | {"enforcementAction": "dryrun"},
    }
    (folder / "data.json").write_text(json.dumps(data), encoding="utf-8")
    with (
        OpaServer(opa_program, tmp_path, folder, flags=["--bundle"]) as opa,
        Serving(keys, "--cluster", view, "--opa", opa.url) as server,
    ):
        response = server.ask(ask(deployment(pod()), DEPLOYMENT, uid="uid"))
        said = {
            f["rule"]: f["effect"] for f in server.line("uid")["findings"] if "opa" in f["rule"]
        }
    assert said == {
        "opa/workloads-have-owners": "deny",
        "opa/lost": "deny",
        "opa/here": "warn",
        "opa/watched": "info",
    }
    assert "[opa/lost] has no template K8sUnknown in OPA" in response["status"]["message"]
    assert (
        "[opa/workloads-have-owners] must state the labels owner" in response["status"]["message"]
    )


def trusts(folder: Path) -> ssl.SSLContext:
    """The context of a client with the certificate in this folder."""
    context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    if (folder / "tls.crt").exists():
        context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    return context


@pytest.fixture
def central(
    control_plane_programs: Binaries, opa_program: Path, tmp_path: Path, pki: Site
) -> Iterator[OpaServer]:
    """OPA as the central Deployment runs it."""
    objects = build(control_plane_programs, "central")
    container = the(objects, "Deployment", "opa", "opa")["spec"]["template"]["spec"]["containers"][
        0
    ]
    folders = {
        "/tls": pki.server(tmp_path / "tls"),
        "/rules": volume(
            tmp_path / "rules", the(objects, "ConfigMap", "opa", "sallyport-opa-rules")
        ),
        "/authz": volume(
            tmp_path / "authz", the(objects, "ConfigMap", "opa", "sallyport-opa-authz")
        ),
    }
    flags = moved(container["args"], folders)
    flags.remove("--disable-telemetry")
    client = trusts(pki.client(tmp_path / "client", "sallyport"))
    with OpaServer(opa_program, tmp_path, flags=flags, context=client) as running:
        yield running


def flags(folder: Path) -> list[str]:
    """The options by which Sallyport shows the certificate in a folder."""
    files = {"--opa-ca": "ca.crt", "--opa-cert": "tls.crt", "--opa-key": "tls.key"}
    return [word for flag, name in files.items() for word in (flag, str(folder / name))]


def test_the_central_opa_answers_sallyport_and_nobody_else(
    central: OpaServer, pki: Site, keys: Path, view: Path, tmp_path: Path
) -> None:
    def said(folder: Path, name: str) -> str:
        pki.client(folder, name)
        with Serving(keys, "--cluster", view, "--opa", central.url, *flags(folder)) as server:
            return causes(server.ask(ask_stored(pod())))[0][0]

    assert central.send("GET", "/v1/policies")[0] == http.HTTPStatus.UNAUTHORIZED
    assert central.send("POST", "/v1/data/system")[0] == http.HTTPStatus.UNAUTHORIZED
    assert central.send("PUT", "/v1/policies/x", "package x")[0] == http.HTTPStatus.UNAUTHORIZED
    assert said(tmp_path / "client", "sallyport") == "opa/image-registry"
    assert said(tmp_path / "another", "somebody") == "opa/unavailable"


def test_each_end_wants_to_see_who_the_other_is(
    central: OpaServer, pki: Site, keys: Path, view: Path, tmp_path: Path
) -> None:
    client = pki.client(tmp_path / "client", "sallyport")
    without = ["--opa-ca", str(client / "ca.crt")]
    stranger = pki.strange(tmp_path / "strange", "sallyport")
    mistaken = [*flags(client)[2:], "--opa-ca", str(stranger / "ca.crt")]
    other = [*without, *flags(stranger)[2:]]
    for words in (without, mistaken, other, flags(client)[2:]):
        with Serving(keys, "--cluster", view, "--opa", central.url, *words) as server:
            assert causes(server.ask(ask_stored(pod())))[0] == ("opa/unavailable", "")
            assert server.metric("opa_questions_total", result="unreachable") == 1


def test_a_certificate_that_is_renewed_is_shown_while_it_runs(
    central: OpaServer, pki: Site, keys: Path, view: Path, tmp_path: Path
) -> None:
    folder = pki.client(tmp_path / "mine", "somebody")
    with Serving(keys, "--cluster", view, "--opa", central.url, *flags(folder)) as server:
        assert causes(server.ask(ask_stored(pod())))[0][0] == "opa/unavailable"
        (folder / "tls.key").write_text("no key", encoding="utf-8")
        server.counts(1, "reloads_total", what="opa", result="failed")
        assert server.metric("opa_questions_total", result="refused") == 1
        pki.client(folder, "sallyport")
        server.counts(1, "reloads_total", what="opa", result="done")
        central.stop()  # connections that stand keep what they were made with
        central.start()
        assert causes(server.ask(ask_stored(pod())))[0][0] == "opa/image-registry"


def test_files_that_are_no_good_end_the_start(
    keys: Path, view: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.faults.serving import PATIENCE, command, start

    missing = ["--opa", f"https://{HOST}", "--opa-ca", str(tmp_path / "none.crt")]
    process = start(*command(keys, "--cluster", view, *missing))
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert f"--opa-ca {tmp_path / 'none.crt'}".encode() in said
