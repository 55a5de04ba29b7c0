"""Image references: what is parsed is what was composed, and a plain grammar agrees."""

from __future__ import annotations

import string
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rules.image import LONGEST_NAME, Image, InvalidImage, entries, parse

SMALL = string.ascii_lowercase + string.digits
WORDS = st.text(SMALL, min_size=1, max_size=5)
COMPONENTS = st.builds(
    lambda words, joint: joint.join(words),
    st.lists(WORDS, min_size=1, max_size=3),
    st.sampled_from([".", "_", "__", "-", "---"]),
)
PATHS = st.lists(COMPONENTS, min_size=1, max_size=3).map("/".join)
HOSTS = st.sampled_from(["repo.io", "localhost", "a.b:5000", "[::1]:5000", "10.0.0.1", "Upper"])
TAGS = st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=8)
DIGESTS = st.text("0123456789abcdef", min_size=64, max_size=64).map("sha256:{}".format)


@given(HOSTS, PATHS, st.just("") | TAGS, st.just("") | DIGESTS)
def test_what_is_composed_is_parsed(host: str, path: str, tag: str, digest: str) -> None:
    text = f"{host}/{path}" + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
    assert parse(text) == Image(host, path, tag, digest)


@given(PATHS, st.just("") | TAGS)
def test_without_a_registry_it_is_the_home_of_docker(path: str, tag: str) -> None:
    text = path + (f":{tag}" if tag else "")
    first = path.partition("/")[0]
    if "/" in path and ("." in first or first == "localhost"):
        assert parse(text).registry == first
    else:
        assert parse(text).registry == "docker.io"
        assert parse(text).path == (path if "/" in path else f"library/{path}")
        assert parse(f"index.docker.io/{text}") == parse(f"docker.io/{text}") == parse(text)


def _is_component(text: str) -> bool:
    """The grammar of a path component, letter by letter."""
    if not text or text[0] not in SMALL or text[-1] not in SMALL:
        return False
    runs = "".join("a" if letter in SMALL else letter for letter in text).split("a")
    return all(run in {"", ".", "_", "__"} or set(run) == {"-"} for run in runs)


@given(st.text("aZ0._-", max_size=10))
@example("a" * LONGEST_NAME)
@example("a" * (LONGEST_NAME + 1))
def test_a_plain_grammar_agrees(text: str) -> None:
    try:
        parsed = parse(text)
    except InvalidImage:
        assert not _is_component(text) or len(text) > LONGEST_NAME
    else:
        assert _is_component(text)
        assert parsed == Image("docker.io", f"library/{text}")


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(InvalidImage):
        assert parse(text).registry


@pytest.mark.parametrize(
    "text",
    [
        "", "a ", " a", "a\n", "A", "a:", "a@", "a//b", "/a", "a/", "a:b:c", "repo.io:x/a", "a..b",
        "a:-1", f"a:{'t' * 129}", "a@sha256:00", "r\u0435po.io/a", "https://repo.io/a", "0a" * 32,
        "a" * 100_000,
    ],
)  # fmt: skip
def test_what_no_runtime_reads_is_refused(text: str) -> None:
    with pytest.raises(InvalidImage):
        parse(text)


@given(HOSTS, PATHS, COMPONENTS)
def test_a_place_holds_what_is_below_it_and_nothing_that_only_begins_like_it(
    host: str, path: str, more: str
) -> None:
    place = f"{host}/{path}"
    assert parse(place).within([place])
    assert parse(f"{place}/{more}").within([place])
    assert parse(f"{place}/{more}").within([f"{host}/"])
    assert not parse(f"{place}{more}").within([place])
    assert not parse(f"{host}/{more}x/{path}").within([f"{host}/{more}"])


@pytest.mark.parametrize(
    ("text", "moves"),
    [("a", True), ("a:latest", True), ("a:1", False), (f"a:latest@sha256:{'0' * 64}", False)],
)
def test_without_a_tag_or_a_digest_it_moves(text: str, moves: bool) -> None:  # noqa: FBT001
    assert parse(text).moves == moves


DIGEST = f"sha256:{'a1' * 32}"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("docker.io/nginx", "docker.io/library/nginx docker.io/nginx"),
        (DIGEST, DIGEST),
        (DIGEST.replace("a1", "A1"), DIGEST),
        ("nginx", "docker.io/library/nginx"),
        ("team/app/", "docker.io/team/app"),
        ("index.docker.io/team/app", "docker.io/team/app"),
        ("repo.io:5000/a", "repo.io:5000/a"),
        ("repo.io", "repo.io"),
        ("Repo.io:443", "repo.io"),
        ("Repo.io/a", "repo.io/a"),
        ("localhost:5000", "localhost:5000"),
    ],
)
def test_an_entry_of_a_list_is_a_digest_or_a_place(text: str, wanted: str) -> None:
    assert entries(text) == set(wanted.split())


@pytest.mark.parametrize(
    "text",
    [
        *("", "nginx:1.29", "repo.io/a:1", f"repo.io/a@{DIGEST}", "a b", "*"),
        *("sha256:00", f"sha512:{'0' * 128}", "repo.io/a*", "a" * 100_000, "0a" * 32),
    ],
)
def test_what_is_no_entry_is_refused(text: str) -> None:
    with pytest.raises(InvalidImage):
        entries(text)


@given(HOSTS, PATHS, COMPONENTS)
def test_an_image_is_among_the_places_above_it_and_no_others(
    host: str, path: str, more: str
) -> None:
    place = entries(f"{host}/{path}")
    image = parse(f"{host}/{path}/{more}:1@{DIGEST}")
    assert image.among(place) in place
    assert image.among({DIGEST, *place}) == DIGEST
    assert not image.among({*entries(f"{host}/{path}/{more}x"), f"{host.lower()}x", "", path})
