"""`sallyport check`: manifests on disk, judged as the server would judge them (contracts 6)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import TYPE_CHECKING

from rules.content import Content
from rules.model import JSON, NAMESPACE, Decision, Path, Phase
from rules.patch import apply
from rules.pods import mapping
from rules.review import Cluster, Requester, Review
from rules.rulebook import Rulebook
from webhook import cluster as view
from webhook import rulebook as book
from webhook.documents import Document, read_paths
from webhook.judge import judge
from webhook.objects import DEFAULT_NAMESPACE, Identity, Key, Kinds
from webhook.opa_options import OpaOptions
from webhook.report import Judged, Report
from webhook.text import Mistake

if TYPE_CHECKING:
    from webhook.opa_check import Consultation

RAW: tuple[Phase, ...] = ("raw", "final")
FINAL: tuple[Phase, ...] = ("final",)
UID = "check"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What shall be checked, against what, and who asks (None: nobody is known).

    `opa` is an OPA server that is asked too.
    """

    paths: tuple[str, ...]
    cluster: tuple[str, ...] = ()
    rulebook: FilePath | None = None
    denied_images: FilePath | None = None
    threats: FilePath | None = None
    namespace: str = DEFAULT_NAMESPACE
    phases: tuple[Phase, ...] = RAW
    requester: Requester | None = None
    mutate: bool = True
    opa: OpaOptions | None = None


def check(question: Question, stdin: Callable[[], bytes]) -> Report:
    """Judge all objects in the paths. What cannot be read is a mistake; the rest is judged.

    Raises BadOpa.
    """
    try:
        rulebook = book.load(question.rulebook, mutate=question.mutate)
        rulebook = book.with_lists(
            rulebook, denied_images=question.denied_images, threats=question.threats
        )
    except book.BadRulebook as bad:
        return Report(mistakes=bad.mistakes)
    reading = read_paths(question.paths, stdin)
    stored = view.read(question.cluster, namespace=question.namespace)
    mistakes = [*reading.mistakes, *stored.mistakes]
    if not reading.documents and not reading.mistakes:
        mistakes.append(Mistake(question.paths[0], 1, 1, "no document found"))
    with ExitStack() as stack:
        opa = stack.enter_context(_consult(question.opa)) if question.opa is not None else None
        if opa is not None and opa.trouble:
            mistakes.append(Mistake("--opa", 1, 1, opa.trouble))
        case = Case(question, rulebook, Kinds(book.catalogue()), stored.objects, opa)
        judged, cluster = case.judge_all(reading.documents)
    mistakes += [found for found in judged if isinstance(found, Mistake)]
    return Report(
        judged=tuple(found for found in judged if isinstance(found, Judged)),
        mistakes=tuple(mistakes),
        assumed=cluster.assumed,
        texts={text.file: text for text in (*stored.texts, *reading.texts)},
    )


@dataclass(frozen=True, slots=True)
class Case:
    """A question with all that is needed to answer it; `stored` is what the cluster has."""

    question: Question
    rulebook: Rulebook
    kinds: Kinds
    stored: Mapping[Key, JSON] = field(default_factory=dict)
    opa: Consultation | None = None

    def judge_all(self, documents: Iterable[Document]) -> tuple[list[Judged | Mistake], Cluster]:
        """What is decided of each document, in order, and the view it was decided in.

        Namespaces go first: the other objects see them as they would be stored, mended.
        """
        documents = list(documents)
        objects = dict(self.stored)
        objects |= {self._identify(document).key: document.value for document in documents}
        cluster = Cluster.of(objects.values(), self.rulebook.site)
        first = {id(d): self._judge(d, cluster) for d in documents if _is_namespace(d.value)}
        mended = dict(_mended(first.values()))
        if mended:
            cluster = Cluster.of((objects | mended).values(), self.rulebook.site)
        return [first.get(id(d)) or self._judge(d, cluster) for d in documents], cluster

    def _judge(self, document: Document, cluster: Cluster) -> Judged | Mistake:
        try:
            if _is_review(document.value):
                return self._judge_review(document, cluster)
            identity = self._identify(document)
            review = self._review(document.value, identity)
            decision = self._decide(review, cluster)
        except RecursionError:
            return document.mistake((), "nested too deeply to be judged")
        return Judged(document, identity, review.operation, decision)

    def _decide(self, review: Review, cluster: Cluster, request: JSON = None) -> Decision:
        """The decision; OPA is asked of the object as it would be stored, so after we mended it."""
        decision = judge(review, self.rulebook, cluster)
        if self.opa is None:
            return decision
        stored = review.showing(apply(review.object, decision.patch)) if decision.patch else review
        heard = self.opa.hear(stored, self.rulebook, cluster, request)
        return judge(review, self.rulebook, cluster, heard=heard)

    def _identify(self, document: Document) -> Identity:
        return self.kinds.identify(document.value, self.question.namespace)

    def _review(self, value: JSON, identity: Identity) -> Review:
        """The question that `kubectl apply` of the object would ask."""
        kind = self.kinds.find(identity.group, identity.kind)
        former = self.stored.get(identity.key)
        name = str(mapping(value, "metadata").get("name") or "")
        return Review(
            operation="CREATE" if former is None else "UPDATE",
            group=kind.group,
            resource=kind.resource,
            kind=kind.kind,
            uid=UID,
            # The API server says of a Namespace that it lives in itself.
            namespace=name if _is_namespace(value) else identity.namespace,
            name=name,
            requester=self.question.requester,
            phases=self.question.phases,
            new=Content.of(_bare(value)),
            former=Content.of(_bare(former)),
        )

    def _judge_review(self, document: Document, cluster: Cluster) -> Judged | Mistake:
        """A recorded AdmissionReview, judged as it stands."""
        from webhook.codec import BadReview, TooDeep, decode

        body = json.dumps(document.value).encode()
        try:
            review = decode(body, phases=self.question.phases)
            decision = self._decide(review, cluster, document.value["request"])
        except (BadReview, TooDeep) as error:
            return document.mistake((), str(error))
        field = "oldObject" if review.operation == "DELETE" else "object"
        identity = self._identify_reviewed(document.value["request"], review)
        return Judged(document, identity, review.operation, decision, ("request", field))

    def _identify_reviewed(self, request: JSON, review: Review) -> Identity:
        stated = mapping(request, "kind")
        value = {
            "apiVersion": f"{stated.get('group', '')}/{stated.get('version', '')}".lstrip("/"),
            "kind": review.kind,
            **mapping(review.object),
        }
        found = self.kinds.identify(value, review.namespace)
        return replace(found, name=found.name or review.name)


def _consult(options: OpaOptions) -> Consultation:
    from webhook.opa_check import Consultation

    return Consultation(options)


def _is_review(value: JSON) -> bool:
    return bool(value["kind"] == "AdmissionReview" and "admission.k8s.io/" in value["apiVersion"])


def _is_namespace(value: JSON) -> bool:
    return bool(value["kind"] == NAMESPACE.kind and value["apiVersion"] == NAMESPACE.api_version)


def _mended(found: Iterable[Judged | Mistake]) -> Iterator[tuple[Key, JSON]]:
    for judged in found:
        if isinstance(judged, Judged) and judged.decision.patch:
            value = apply(judged.document.value, judged.decision.patch)
            yield judged.identity.key, value


def _bare(value: JSON) -> JSON:
    """The object without what its managers noted, which the server does not decode either."""
    metadata = mapping(value, "metadata")
    if "managedFields" not in metadata:
        return value
    kept: dict[Path | str, JSON] = {k: v for k, v in metadata.items() if k != "managedFields"}
    return value | {"metadata": kept}
