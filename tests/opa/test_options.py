"""Where OPA is: what may be said of it, and all that may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from webhook.opa_options import OpaOptions
from webhook.settings import BadSettings, read_opa

NOTHING = {"SALLYPORT_OPA": ""}


def given(*words: str) -> OpaOptions | None:
    """As the command line gives it: `--opa-ca F` is the word `opa_ca=F`."""
    flags = {name: value or None for name, _, value in (word.partition("=") for word in words)}
    return read_opa(flags | ({"opa_required": True} if "opa_required" in flags else {}), NOTHING)


def test_without_a_server_nobody_is_asked() -> None:
    assert given() is None


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("http://127.0.0.1:8181", ("127.0.0.1", 8181, False)),
        ("http://localhost:8181/", ("localhost", 8181, False)),
        ("http://opa", ("opa", 80, False)),
        ("https://opa.site.svc", ("opa.site.svc", 443, True)),
        ("https://[::1]:1", ("[::1]", 1, True)),
    ],
)
def test_a_server_is_named_by_its_url(url: str, where: tuple[str, int, bool]) -> None:
    found = given(f"opa={url}")
    assert found is not None
    assert (found.host, found.port, found.tls) == where
    assert (found.package, found.required) == ("sallyport", False)


def test_all_of_it_may_come_from_the_environment() -> None:
    environment = {
        "SALLYPORT_OPA": "https://opa",
        "SALLYPORT_OPA_PACKAGE": "site.admission",
        "SALLYPORT_OPA_CA": "/ca.crt",
        "SALLYPORT_OPA_CERT": "/tls.crt",
        "SALLYPORT_OPA_KEY": "/tls.key",
        "SALLYPORT_OPA_REQUIRED": "true",
    }
    assert read_opa({}, environment) == OpaOptions(
        host="opa",
        port=443,
        tls=True,
        package="site.admission",
        authority=Path("/ca.crt"),
        certificate=Path("/tls.crt"),
        key=Path("/tls.key"),
        required=True,
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["opa=opa:8181"], "--opa is 'opa:8181'; it must be http://HOST[:PORT]"),
        (["opa=ftp://opa"], "it must be http://HOST[:PORT] or https://HOST[:PORT]"),
        (["opa=http://"], "it must be"),
        (["opa=http://opa/v1/data"], "and nothing else"),
        (["opa=http://opa?x=1"], "and nothing else"),
        (["opa=http://me:secret@opa"], "and nothing else"),
        (["opa=http://opa:port"], "it must be"),
        (["opa=http://opa:99999"], "it must be"),
        (["opa=http://[::1"], "it must be"),
        (["opa=http://opa", "opa_package=a/b"], "--opa-package is 'a/b'; it must be a package"),
        (["opa=http://opa", "opa_package=x?pretty=true&foo"], "it must be a package"),
        (["opa=http://opa", "opa_package=a..b"], "it must be a package"),
        (["opa=http://opa", "opa_ca=F"], "--opa must begin with https"),
        (["opa=https://opa", "opa_cert=F"], "belong together"),
        (["opa=https://opa", "opa_key=F"], "belong together"),
        (["opa_package=site"], "--opa URL is needed"),
        (["opa_ca=F"], "--opa URL is needed"),
        (["opa_required"], "--opa URL is needed"),
    ],
)
def test_what_cannot_be_meant_is_refused(words: list[str], said: str) -> None:
    with pytest.raises(BadSettings) as refusal:
        given(*words)
    assert said in str(refusal.value)
