"""Where the API server is, read as kubectl and pods read it; what is missing is named."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path

import pytest

from rules.model import JSON
from tests.faults.serving import issue
from webhook.access import Access, NoWay, find_access
from webhook.api import Api, Unreachable

SERVICE = "https://10.0.0.1:443"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA, a certificate and its key."""
    return issue(tmp_path_factory.mktemp("keys"))


def kubeconfig(folder: Path, user: JSON, **cluster: JSON) -> str:
    """A file with one cluster, one user and one context."""
    config = {
        "clusters": [{"name": "c", "cluster": {"server": "https://a:6443/", **cluster}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path = folder / "config"
    path.write_text(json.dumps(config))
    return str(path)


def test_a_pod_has_an_account_whose_token_changes(keys: Path, tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes((keys / "ca.crt").read_bytes())
    (tmp_path / "token").write_text("one\n")
    access = find_access("", SERVICE, account=tmp_path)
    assert access.url == SERVICE
    assert access.context is not None
    assert len(access.context.get_ca_certs()) == 1
    assert access.headers() == {"Authorization": "Bearer one"}
    (tmp_path / "token").write_text("two")
    assert access.headers() == {"Authorization": "Bearer two"}


def test_a_kubeconfig_names_files_beside_it_or_holds_them(keys: Path, tmp_path: Path) -> None:
    named = {"client-certificate": str(keys / "tls.crt"), "client-key": str(keys / "tls.key")}
    access = find_access(
        kubeconfig(tmp_path, named, **{"certificate-authority": str(keys / "ca.crt")}), ""
    )
    assert (access.url, access.headers()) == ("https://a:6443", {})
    held = {f"{key}-data": _coded(Path(path)) for key, path in named.items()}
    (tmp_path / "secret").write_text("t")
    path = kubeconfig(
        tmp_path,
        held | {"tokenFile": "secret"},
        **{"certificate-authority-data": _coded(keys / "ca.crt")},
    )
    access = find_access(path, SERVICE)
    assert access.context is not None
    assert len(access.context.get_ca_certs()) == 1
    assert access.headers() == {"Authorization": "Bearer t"}


@pytest.mark.parametrize(
    ("user", "cluster", "words"),
    [
        ({"exec": {"command": "kubelogin"}}, {}, "'exec'"),
        ({"auth-provider": {}}, {}, "'auth-provider'"),
        ({}, {"certificate-authority": "absent"}, "No such file"),
        ({}, {"certificate-authority-data": "!"}, "config"),
        ({}, {"certificate-authority-data": "YQ=="}, "config"),
        ({"client-certificate": "absent"}, {}, "config"),
        ({}, {"server": ""}, "names no server"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, user: JSON, cluster: JSON, words: str) -> None:
    with pytest.raises(NoWay, match=words):
        find_access(kubeconfig(tmp_path, user, **cluster), "")


@pytest.mark.parametrize(
    ("text", "words"),
    [("[", "while parsing"), ("[]", "no context None"), ("current-context: a", "no context 'a'")],
)
def test_what_is_no_kubeconfig_is_told(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(NoWay, match=words):
        find_access(str(path), "")


@pytest.mark.parametrize("token", [b"one\ntwo", b"\xff", None])
def test_a_token_that_cannot_be_sent_ends_nothing(tmp_path: Path, token: bytes | None) -> None:
    if token is not None:
        (tmp_path / "token").write_bytes(token)

    async def ask() -> None:
        api = Api(Access("http://127.0.0.1:1", token_file=tmp_path / "token"))
        with pytest.raises(Unreachable):
            await api.get("/version", {}, seconds=5, most=100)
        await api.close()

    asyncio.run(ask())


def test_nothing_at_all_is_told(tmp_path: Path) -> None:
    with pytest.raises(NoWay, match="KUBECONFIG"):
        find_access("", "")
    with pytest.raises(NoWay, match=str(tmp_path)):
        find_access("", SERVICE, account=tmp_path)


def _coded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
