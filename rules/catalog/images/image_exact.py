"""An image must be named so that it is the same one tomorrow, and come from where it may.

Why: behind `latest` stands another image any day, and nobody has looked at that one.
Source: Kubernetes, container images; distribution/reference; contracts 10 and 11 (IMAGE).

Any registry is accepted unless `registries` names those that are; a place there holds what is below
it, and ends at a `/`: `repo.io` does not hold `repo.io.evil.example`. The sidecar itself is left
out where it is genuine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rules.image import InvalidImage, parse
from rules.model import POD, PODS, Finding, Level, rule
from rules.review import Cluster, Review
from rules.sidecar import IMAGE, Sidecar
from rules.words import enumerate_words, quote

_POD = "{kind: Pod, spec: {containers: [{image: '%s'}]}}"
_DIGEST = f"@sha256:{'0123456789abcdef' * 4}"
_OURS = "{object: %s, parameters: {registries: [repo.io/team, docker.io/library]}}"
_PINNED = "{object: %s, parameters: {digest: required}}"
ALLOW = [
    _POD % "nginx:1.29",
    _POD % f"localhost:5000/a/b{_DIGEST}",
    _POD % f"nginx:latest{_DIGEST}",
    _OURS % _POD % "repo.io/team/app:1",
    _OURS % _POD % "nginx:1.29",
    _PINNED % _POD % f"nginx:1.29{_DIGEST}",
]
DENY = [
    _POD % "Nginx:1",
    _POD % "nginx:1 ",
    _POD % "repo.io/team/\u0430pp:1",
    _POD % "nginx:1:2",
    _OURS % _POD % "repo.io.evil.com/team/app:1",
    _OURS % _POD % "repo.io/teams/app:1",
    _OURS % _POD % "other/nginx:1.29",
    _PINNED % _POD % "nginx:1.29",
]
WARN = [
    _POD % "wbitt/network-multitool",
    _POD % "localhost:5000/app",
    _POD % "nginx:latest",
    "{kind: Pod, spec: {initContainers: [{image: nginx}]}}",
    "{object: {kind: Pod, spec: {ephemeralContainers: [{name: b, image: busybox}]}},"
    " old: {kind: Pod}, operation: UPDATE, subresource: ephemeralcontainers}",
]


@rule(kinds=PODS, also=((POD, "ephemeralcontainers"),), shaped=True, severity="medium")
def check(
    review: Review,
    cluster: Cluster,
    *,
    registries: Sequence[str] = (),
    digest: str = "optional",
    sidecar_image: str = IMAGE,
) -> Iterator[Finding]:
    """`registries`: registries, or places in one, that images may come from.

    `digest`: `required` where each image must be named by its digest, else `optional`.
    `sidecar_image`: a regular expression that the images of Istio's containers begin with.
    """
    genuine = Sidecar.of(review, cluster, sidecar_image).genuine if review.is_final else ()
    for container in review.pod.containers:
        stated = container.value.get("image")
        if container.path in genuine or not isinstance(stated, str) or not stated:
            continue
        for level, message, why in _faults(stated, registries, pinned=digest != "optional"):
            yield Finding(
                check="IMAGE",
                path=(*container.path, "image"),
                message=f"is {quote(stated)}{message}",
                found=stated,
                level=level,
                why=why,
            )


def _faults(
    stated: str, registries: Sequence[str], *, pinned: bool
) -> Iterator[tuple[Level, str, str]]:
    """What is wrong with an image: how bad it is, how the sentence goes on, and another reason."""
    try:
        image = parse(stated)
    except InvalidImage as invalid:
        yield "deny", f", which {invalid}", "a name that cannot be read cannot be held to any rule"
        return
    if registries and not image.within(registries):
        places = enumerate_words(list(registries))
        why = "only images from there are looked after for this cluster"
        yield "deny", f", which is not from {places}; use an image from there", why
    if pinned and not image.digest:
        yield "deny", ", without a digest; name it by its digest, @sha256:...", ""
    elif image.moves:
        what = "tag latest" if image.tag else "missing tag, so latest,"
        yield "warn", f", whose {what} is another image any day; name a version or a digest", ""
