"""An image must not be one that the platform denies.

Why: a scanner, or a person, found it to be harmful, and sandboxed pods are not scanned by Defender.
Source: contracts 11 (IMAGE, denied list); Microsoft Defender for Containers, support matrix.

The list is a file, read again when it changes: `sallyport serve --denied-images FILE`. A line is a
digest (`sha256:...`) or a repository, which stands for what lies below it, too; `#` begins a
comment. An image that cannot be read is denied, and the sidecar left out where it is genuine.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from rules.image import InvalidImage, parse
from rules.model import POD, PODS, Finding, rule
from rules.review import Cluster, Review
from rules.sidecar import IMAGE, Sidecar
from rules.words import quote

_DIGEST = f"sha256:{'0123456789abcdef' * 4}"
_LISTED = f"denied: ['{_DIGEST}', evil.example, repo.io/team/old, nginx]"
_POD = f"{{object: {{kind: Pod, spec: {{containers: [{{image: '%s'}}]}}}}, {_LISTED}}}"
ALLOW = [
    _POD % "repo.io/team/older:1",
    _POD % "repo.io/nginx:1",
    _POD % f"repo.io/team/app@{_DIGEST[:-1]}0",
    "{kind: Pod, spec: {containers: [{image: 'evil.example/a:1'}]}}",
]
DENY = [
    _POD % f"repo.io/team/app:1@{_DIGEST}",
    _POD % f"repo.io/team/app@{_DIGEST[:-3]}DEF",
    _POD % "repo.io/team/old:1",
    _POD % "repo.io/team/old/tools:1",
    _POD % "evil.example/a/b:1",
    _POD % "nginx:1.29",
    _POD % "nginx:1 ",
    _POD % "docker.io/library/nginx:1.29",
    _POD % "registry-1.docker.io/library/nginx:1.29",
    _POD % "Evil.Example:443/a:1",
    "{object: {kind: Pod, spec: {ephemeralContainers: [{name: b, image: evil.example/b}]}},"
    " old: {kind: Pod}, operation: UPDATE, subresource: ephemeralcontainers,"
    " denied: [evil.example]}",
]


@rule(kinds=PODS, also=((POD, "ephemeralcontainers"),), shaped=True, severity="critical")
def check(review: Review, cluster: Cluster, *, sidecar_image: str = IMAGE) -> Iterator[Finding]:
    """`sidecar_image`: a regular expression that the images of Istio's containers begin with."""
    denied = cluster.site.denied_images
    if not denied:
        return
    genuine = Sidecar.of(review, cluster, sidecar_image).genuine if review.is_final else ()
    for container in review.pod.containers:
        stated = container.value.get("image")
        if container.path in genuine or not isinstance(stated, str):
            continue
        if fault := _fault(stated, denied):
            yield Finding(
                check="IMAGE",
                path=(*container.path, "image"),
                message=f"is {quote(stated)}, which {fault}; use another image",
                found=stated,
            )


def _fault(stated: str, denied: Collection[str]) -> str:
    """What is wrong with an image; "" where it may run."""
    try:
        found = parse(stated).among(denied) if stated else ""
    except InvalidImage as invalid:
        return str(invalid)
    listed = "its digest" if "sha256:" in found else quote(found)
    return f"the platform denies: {listed} is on its list" if found else ""
