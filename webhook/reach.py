"""`sallyport reach`: who reaches whom, from files, as one engine would have it (contracts 9)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path as FilePath

from rules.netpol import census, connections, explain, terms
from rules.netpol.connections import (
    EVERY_PORT,
    EVERYONE,
    Connection,
    Selection,
    WhoseSide,
    name_of,
)
from rules.netpol.engine import Api, Engine
from rules.netpol.engines import NEWEST_CILIUM, engine_of
from rules.netpol.explain import Doubt
from rules.netpol.inventory import Inventory
from rules.netpol.languages import LANGUAGES, translate
from rules.netpol.model import Origin, Policy, Unknown
from rules.netpol.reach import Network
from rules.netpol.sets import FAMILIES, Addresses, Family, InvalidSet, Ports
from rules.netpol.survey import Survey
from rules.selectors import describe
from rules.site import Network as Site
from webhook import rulebook as book
from webhook.documents import Document, read_paths
from webhook.objects import DEFAULT_NAMESPACE, Identity, Key, Kinds
from webhook.reach_report import Answer, Row, Uncertain
from webhook.text import Mistake

EVERYTHING = connections.Question()


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of which files. `engine` None: the rulebook's, or the words of the APIs."""

    paths: tuple[str, ...]
    engine: str | None = None
    rulebook: FilePath | None = None
    namespace: str = DEFAULT_NAMESPACE
    asked: connections.Question = EVERYTHING
    why: bool = False


class BadQuestion(ValueError):
    """A question that cannot be asked of these files: which flag, what it says, what it must."""


def ask(
    *, side: WhoseSide, family: Family | None, port: str | None, ends: tuple[str | None, str | None]
) -> connections.Question:
    """The question of the flags; `ends` are those of --from and --to. Raises BadQuestion."""
    flag = "--port"
    try:
        ports = Ports.parse(port) if port else EVERY_PORT
        flag = "--from"
        sources = Selection.of(ends[0]) if ends[0] else EVERYONE
        flag = "--to"
        targets = Selection.of(ends[1]) if ends[1] else EVERYONE
    except InvalidSet as error:
        raise BadQuestion(f"{flag} {error}") from error
    return connections.Question(
        side=side,
        families=(family,) if family else FAMILIES,
        ports=ports,
        sources=sources,
        targets=targets,
    )


def reach(question: Question, stdin: Callable[[], bytes]) -> Answer:
    """The answer of all that could be read; what could not be is a mistake in it.

    Raises BadQuestion where it asks for a workload that is not there.
    """
    try:
        site = book.load(question.rulebook).site.network if question.rulebook else None
    except book.BadRulebook as bad:
        return Answer(engine=question.engine or "spec", mistakes=tuple(bad.mistakes))
    reading = read_paths(question.paths, stdin)
    mistakes = list(reading.mistakes)
    if not reading.documents and not mistakes:
        mistakes.append(Mistake(question.paths[0], 1, 1, "no document found"))
    case = _Case(question, _engine(question, site), site, _identified(question, reading.documents))
    policies = list(case.policies())
    mistakes += (each for each in policies if isinstance(each, Mistake))
    answer = case.answer([each for each in policies if isinstance(each, Policy)])
    return replace(answer, mistakes=tuple(mistakes))


def _engine(question: Question, site: Site | None) -> Engine:
    if site is None:
        return engine_of(question.engine or "spec", NEWEST_CILIUM)
    name = question.engine or site.engine
    return engine_of(name, site.version, enterprise=site.enterprise)


def _identified(question: Question, documents: Iterable[Document]) -> dict[Identity, Document]:
    """The objects by who they are; of two with one identity the later counts."""
    kinds = Kinds(book.catalogue())
    found: dict[Key, tuple[Identity, Document]] = {}
    for document in documents:
        identity = kinds.identify(document.value, question.namespace)
        found[identity.key] = identity, document
    return dict(found.values())


@dataclass(frozen=True)
class _Case:
    """A question, the engine that answers it, and the objects by who they are."""

    question: Question
    engine: Engine
    site: Site | None
    objects: Mapping[Identity, Document]

    def policies(self) -> Iterator[Policy | Mistake]:
        """What the policies mean that the engine enforces."""
        for identity, document in self.objects.items():
            try:
                if self._enforced(identity):
                    yield from translate(document.value, namespace=identity.namespace)
            except RecursionError:
                yield document.mistake((), "nested too deeply to be read")

    def answer(self, policies: list[Policy]) -> Answer:
        """The answer under these policies."""
        inventory = census.take(
            (document.value for document in self.objects.values()),
            namespace=self.question.namespace,
            pod_networks=_union(self.site.cidrs.pods if self.site else ()),
        )
        survey = Survey(Network.of(self.engine, inventory, policies), self.question.asked)
        self._check_ends(survey)
        rows: list[Row] = []
        uncertain = [
            *self._uncounted(policies, inventory),
            *self._unread(),
            *self._unmerged(survey),
        ]
        for connection in sorted(survey.connections(), key=_order):
            uncertain += self._uncertain(survey, connection)
            if connection.verdict.allowed:
                rows.append(self._row(survey, connection))
        return Answer(
            engine=self.engine.name,
            rows=tuple(rows),
            uncertain=tuple(dict.fromkeys(uncertain)),
            assumed=tuple(self._assumed()),
        )

    def _check_ends(self, survey: Survey) -> None:
        known = {each.name for each in survey.workloads}
        for flag, selection in (
            ("--from", survey.question.sources),
            ("--to", survey.question.targets),
        ):
            strange = [name for name in selection.names or () if "[" in name and name not in known]
            if strange:
                some = ", ".join(sorted(known)[:3]) or "none"
                wanted = f"one of the {len(known)} workloads given, such as {some}"
                raise BadQuestion(f"{flag} is {describe(strange[0])}, must be {wanted}")

    def _enforced(self, identity: Identity) -> bool:
        api = Api(identity.group, identity.kind)
        enforced = self.site.enforced if self.site else None
        return self.engine.enforces(api, enforced)

    def _row(self, survey: Survey, connection: Connection) -> Row:
        reasons = survey.reasons(connection) if self.question.why else ()
        told = dict.fromkeys(explain.tell(each, connection) for each in reasons)
        why = tuple((self._named(each.origin), each) for each in told)
        return Row(connection, why)

    def _uncounted(self, policies: Iterable[Policy], inventory: Inventory) -> Iterator[Uncertain]:
        """Objects that do not count, or not as they read."""
        for policy in policies:
            read = self.engine.reads(policy).unknowns
            for unknown in (*read, *self.engine.refuses(policy, inventory)):
                if unknown.consequence != "undecided" or isinstance(policy.subject, Unknown):
                    doubt = Doubt(policy.origin, unknown.path, unknown.reason)
                    yield self._doubt("", "", doubt)

    def _unread(self) -> Iterator[Uncertain]:
        """What policies name and would not find in the sets, groups and tiers given."""
        enterprise = self.site is not None and self.site.enterprise
        for identity, document in self.objects.items():
            if terms.is_read(identity.kind, self.engine):
                for unknown in terms.faults(document.value, enterprise=enterprise):
                    yield Uncertain("", "", identity, unknown.path, unknown.reason)

    def _unmerged(self, survey: Survey) -> Iterator[Uncertain]:
        for pod, conflict in survey.conflicts:
            doubt = Doubt(conflict.origin, conflict.path, conflict.reason)
            yield self._doubt(str(pod), "", doubt)

    def _uncertain(self, survey: Survey, connection: Connection) -> Iterator[Uncertain]:
        if connection.verdict.unknown:
            ends = name_of(connection.source), name_of(connection.target)
            for reason in survey.doubtful(connection):
                for doubt in explain.doubts(reason, connection):
                    yield self._doubt(*ends, doubt)

    def _doubt(self, source: str, target: str, doubt: Doubt) -> Uncertain:
        return Uncertain(source, target, self._named(doubt.origin), doubt.path, doubt.reason)

    def _named(self, origin: Origin | None) -> Identity | None:
        """The object as it was written, in its version."""
        if origin is None:
            return None
        key = Key(origin.group, origin.kind, origin.namespace, origin.name)
        return self._identities[key]

    @cached_property
    def _identities(self) -> Mapping[Key, Identity]:
        return {identity.key: identity for identity in self.objects}

    def _assumed(self) -> Iterator[str]:
        if not any(identity.kind == "Namespace" for identity in self.objects):
            yield "no Namespace is given: namespaces have no labels but their names"
        ignored = Counter(
            f"{identity.group}/{identity.kind}"
            for identity in self.objects
            if Api(identity.group, identity.kind) in LANGUAGES and not self._enforced(identity)
        )
        for kind, number in sorted(ignored.items()):
            yield f"{self.engine.name} does not enforce {kind}: {number} left out"


def _union(networks: Iterable[str]) -> Addresses:
    return Addresses.union(map(Addresses.cidr, networks))


def _order(connection: Connection) -> tuple[str, str]:
    return name_of(connection.source), name_of(connection.target)
