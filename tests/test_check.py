"""`sallyport check`: contracts 6, paragraph by paragraph."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rules.model import (
    JSON,
    NAMESPACE,
    POD,
    ActiveRule,
    Examples,
    Finding,
    Fix,
    Operation,
    Phase,
    Rule,
)
from rules.patch import set_field
from rules.pods import labels_of
from rules.review import Cluster, Requester, Review
from rules.rulebook import Configured, Rulebook
from rules.site import Site
from rules.words import sentence
from tests.reviews import ISOLATION
from webhook import codec
from webhook import rulebook as book
from webhook.check import FINAL, RAW, Case, Question, check
from webhook.documents import read_text
from webhook.judge import judge
from webhook.objects import Kinds
from webhook.report import Report, to_json
from webhook.report_text import to_text
from webhook.text import Text

RESTRICTED = (
    "{allowPrivilegeEscalation: false, capabilities: {drop: [ALL]},"
    " runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000}"
)
CONTAINED = f"resources: {{limits: {{memory: 1Gi}}}}, securityContext: {RESTRICTED}"
POD_TEXT = f"""\
apiVersion: v1
kind: Pod
metadata:
  name: a
  namespace: blue
spec:
  containers: [{{name: a, image: "b:1", {CONTAINED}}}]
"""
RUNC = POD_TEXT + "  runtimeClassName: runc\n"
MESHED = "apiVersion: v1\nkind: Namespace\nmetadata: {name: blue, labels: {istio.io/rev: asm-1}}\n"
DEVELOPER = Requester("developer", frozenset({"system:authenticated"}))


def _check(folder: Path, *texts: str, stdin: str = "", **asked: Any) -> Report:
    """The report on these texts, as files 0.yaml, 1.yaml ... of the folder."""
    paths = []
    asked["cluster"] = (*asked.get("cluster", ()), _file(folder, "isolation.yaml", ISOLATION))
    for number, text in enumerate(texts):
        file = folder / f"{number}.yaml"
        file.write_text(text, encoding="utf-8")
        paths.append(str(file))
    return check(Question(paths=tuple(paths or ["-"]), **asked), stdin.encode)


def _file(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def _told(report: Report) -> JSON:
    """The report as another program reads it."""
    return json.loads(json.dumps(to_json(report)))


def _spoken(report: Report) -> list[tuple[str, str, str]]:
    return [(row.finding.rule, row.finding.effect, row.finding.check) for row in report.rows]


SANDBOX = "sandboxed-runtime-class"
DENIED = [(SANDBOX, "deny", "RUNTIME-CLASS")]


# The JSON


def test_the_json_of_a_denial(tmp_path: Path) -> None:
    told = _told(_check(tmp_path, MESHED, RUNC))
    file = str(tmp_path / "1.yaml")
    pod = {"apiVersion": "v1", "kind": "Pod", "namespace": "blue", "name": "a"}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "namespace": "", "name": "blue"}
    patch = [{"op": "replace", "path": "/spec/runtimeClassName", "value": "kata-mshv-vm-isolation"}]
    assert told == {
        "version": 1,
        "allowed": False,
        "objects": [
            {
                "object": namespace,
                "file": str(tmp_path / "0.yaml"),
                "line": 1,
                "operation": "CREATE",
                "allowed": True,
                "patch": [],
            },
            {
                "object": pod,
                "file": file,
                "line": 1,
                "operation": "CREATE",
                "allowed": False,
                "patch": [],
            },
        ],
        "findings": [
            {
                "rule": SANDBOX,
                "check": "RUNTIME-CLASS",
                "action": "enforce",
                "level": "deny",
                "effect": "deny",
                "severity": "critical",
                "object": pod,
                "path": "spec.runtimeClassName",
                "message": 'spec.runtimeClassName is "runc"; set it to "kata-mshv-vm-isolation"',
                "file": file,
                "line": 8,
                "column": 21,
                "fix": {"safe": False, "patch": patch},
                "existing": False,
                "error": False,
                "exempted_by": None,
            }
        ],
        "errors": [],
        "assumed": told["assumed"],
    }
    assert len(told["assumed"]) == 3


def test_what_is_filled_in_is_a_patch_and_no_finding(tmp_path: Path) -> None:
    told = _told(_check(tmp_path, MESHED + "---\n" + POD_TEXT))
    assert told["allowed"]
    assert not told["findings"]
    assert told["objects"][1]["patch"] == [
        {"op": "add", "path": "/spec/runtimeClassName", "value": "kata-mshv-vm-isolation"}
    ]
    assert told["objects"][1]["line"] == 5


def test_without_a_mutating_webhook_what_is_missing_is_a_finding(tmp_path: Path) -> None:
    report = _check(tmp_path, MESHED, POD_TEXT, mutate=False)
    [finding] = _told(report)["findings"]
    assert (finding["path"], finding["line"], finding["column"]) == ("spec.runtimeClassName", 6, 1)
    assert finding["fix"]["safe"]
    assert report.exit_code == 1


def test_paths_are_those_of_the_authors_object(tmp_path: Path) -> None:
    text = """\
apiVersion: batch/v1
kind: CronJob
metadata: {name: a, namespace: blue}
spec:
  jobTemplate:
    spec:
      template:
        metadata:
          labels:
            sidecar.istio.io/inject: "false"
        spec: {runtimeClassName: runc}
"""
    findings = _told(_check(tmp_path, MESHED, text))["findings"]
    places = [(f["path"], f["line"], f["column"]) for f in findings]
    root = "spec.jobTemplate.spec.template"
    assert places == [  # the label speaks of forgery and of what it brings about
        (f"{root}.metadata.labels[sidecar.istio.io/inject]", 10, 38),
        (f"{root}.metadata.labels[sidecar.istio.io/inject]", 10, 38),
        (f"{root}.spec.runtimeClassName", 11, 34),
    ]
    pointers = [f["fix"]["patch"][0]["path"] for f in findings]
    assert pointers[1:] == [
        "/spec/jobTemplate/spec/template/metadata/labels/sidecar.istio.io~1inject",
        "/spec/jobTemplate/spec/template/spec/runtimeClassName",
    ]


def test_every_document_with_a_kind_is_listed(tmp_path: Path) -> None:
    text = (
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n---\n"
        "{apiVersion: v1, kind: Pod, metadata: {generateName: p-, namespace: kube-system}}\n---\n"
        "{apiVersion: example.com/v2, kind: Widget}\n---\n"
        "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: r}}\n"
    )
    objects = _told(_check(tmp_path, text, namespace="green"))["objects"]
    found = [(o["object"]["namespace"], o["object"]["name"], o["line"]) for o in objects]
    assert found == [("green", "a", 1), ("kube-system", "p-*", 3), ("green", "", 5), ("", "r", 7)]


def test_findings_are_sorted_by_place(tmp_path: Path) -> None:
    texts = [RUNC.replace("name: a\n", f"name: {name}\n", 1) for name in "ba"]
    both = "---\n".join(texts)
    report = _check(tmp_path, MESHED, both, both)
    places = [(f["file"], f["line"], f["column"]) for f in _told(report)["findings"]]
    assert places == sorted(places)
    assert len(places) == 4


# The view


def test_the_view_is_what_the_cluster_has_overlaid_by_the_paths(tmp_path: Path) -> None:
    gone = MESHED.replace("asm-1", "asm-0")
    injector = _file(
        tmp_path,
        "injector.yaml",
        "apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingWebhookConfiguration\n"
        "metadata: {name: istio, labels: {app: sidecar-injector, istio.io/rev: asm-1}}\n",
    )
    old = _file(tmp_path, "old.yaml", gone)
    kata = POD_TEXT + "  runtimeClassName: kata-vm-isolation\n"
    assert _spoken(_check(tmp_path, kata, cluster=(injector, old))) == [
        ("sidecar-injected", "deny", "NOT-INJECTED")
    ]
    assert _spoken(_check(tmp_path, kata, MESHED, cluster=(injector, old))) == []


def test_what_the_cluster_has_already_is_updated(tmp_path: Path) -> None:
    stored = _file(tmp_path, "stored.yaml", RUNC)
    told = _told(_check(tmp_path, MESHED, RUNC, cluster=(stored,)))
    assert [o["operation"] for o in told["objects"]] == ["CREATE", "UPDATE"]
    [finding] = told["findings"]
    assert (finding["effect"], finding["existing"], finding["fix"]) == ("warn", True, None)
    assert told["allowed"]


def test_an_update_that_makes_it_worse_is_denied(tmp_path: Path) -> None:
    stored = _file(tmp_path, "stored.yaml", POD_TEXT + "  runtimeClassName: kata-vm-isolation\n")
    report = _check(tmp_path, MESHED, RUNC, cluster=(stored,))
    assert _spoken(report) == DENIED


def test_another_version_or_namespace_is_told_apart(tmp_path: Path) -> None:
    deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n"
    stored = _file(tmp_path, "stored.yaml", deployment)
    for text, namespace, operation in (
        (deployment, "default", "UPDATE"),
        (deployment.replace("apps/v1", "apps/v1beta1"), "default", "UPDATE"),
        (deployment.replace("apps/v1", "example.com/v1"), "default", "CREATE"),
        (deployment.replace("name: a", "name: a, namespace: blue"), "default", "CREATE"),
    ):
        report = _check(tmp_path, text, cluster=(stored,), namespace=namespace)
        assert [judged.operation for judged in report.judged] == [operation]


@pytest.mark.parametrize("namespace", ["blue", "default"])
def test_what_names_no_namespace_is_where_it_goes_in_the_view_too(
    namespace: str, tmp_path: Path
) -> None:
    """A policy without a namespace isolates the pods that go where it goes."""
    policy = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: a}, "
    policy += "spec: {podSelector: {}, policyTypes: [Ingress, Egress]}}\n"
    pod = POD_TEXT.replace("  namespace: blue\n", "")
    beside = (_file(tmp_path, "meshed.yaml", MESHED), _file(tmp_path, "policy.yaml", policy))
    for paths, cluster in ((beside, ()), (beside[:1], beside[1:])):
        question = Question(
            paths=(*paths, _file(tmp_path, "pod.yaml", pod)), cluster=cluster, namespace=namespace
        )
        spoken = {row.finding.rule for row in check(question, bytes).rows}
        assert spoken.isdisjoint({"egress-isolated", "ingress-isolated"})


def test_another_groups_kind_of_the_same_name_tells_nothing(tmp_path: Path) -> None:
    other = "{apiVersion: a.example/v1, kind: RuntimeClass, metadata: {name: runc}, handler: runc}"
    assert _spoken(_check(tmp_path, MESHED, POD_TEXT, other)) == []


def test_a_namespace_that_is_only_named_is_trusted_by_its_name_alone(tmp_path: Path) -> None:
    assert not _check(tmp_path, RUNC.replace("blue", "kube-system")).rows
    label = "{name: blue, labels: {sallyport.dev/trust: trusted}}"
    namespace = f"apiVersion: v1\nkind: Namespace\nmetadata: {label}\n"
    assert _check(tmp_path, namespace, RUNC).exit_code == 1
    rulebook = _file(tmp_path, "rulebook.yaml", "trusted: {label: true}")
    assert not _check(tmp_path, namespace, RUNC, rulebook=Path(rulebook)).rows


def test_an_image_on_the_list_is_denied_and_a_bad_list_is_a_mistake(tmp_path: Path) -> None:
    listed = tmp_path / "denied.txt"
    listed.write_text("docker.io/library\n", encoding="utf-8")
    report = _check(tmp_path, POD_TEXT, MESHED, denied_images=listed)
    assert ("image-not-denied", "deny", "IMAGE") in _spoken(report)
    listed.write_text("docker.io/library:1\n", encoding="utf-8")
    report = _check(tmp_path, POD_TEXT, MESHED, denied_images=listed)
    assert (report.exit_code, str(report.mistakes[0]).startswith(f"{listed}:1:1:")) == (2, True)


def test_each_assumption_is_told(tmp_path: Path) -> None:
    report = check(Question(paths=(_file(tmp_path, "meshed.yaml", MESHED),)), bytes)
    assert [line.split(" is given")[0] for line in report.assumed] == [
        "no RuntimeClass",
        "no sidecar injector",
        "no network policy",
        "no pod, nor a workload that makes one,",
        "no Service",
    ]
    assert len(_check(tmp_path, RUNC).assumed) == 4
    assert len(_check(tmp_path, RUNC, MESHED).assumed) == 3
    kata = "{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: kata-vm-isolation}, "
    classes = _file(tmp_path, "classes.yaml", kata + "handler: kata}")
    report = _check(tmp_path, MESHED, POD_TEXT, cluster=(classes,))
    assert len(report.assumed) == 2
    assert [o.value for o in report.judged[1].decision.patch] == ["kata-vm-isolation"]


def _labelled(review: Review, _cluster: Cluster) -> Iterator[Finding]:
    if "seen" not in labels_of(review.object):
        fix = Fix(set_field(review.object, ("metadata", "labels"), {"seen": "yes"}), safe=True)
        yield Finding(check="A", path=("metadata", "labels"), message="is not set", fix=fix)


def _look(review: Review, cluster: Cluster) -> Iterator[Finding]:
    found = dict(cluster.namespace(review.namespace).labels)
    yield Finding(check="B", path=("spec",), message=f"saw {sorted(found)}", level="info")


def _fail(review: Review, _cluster: Cluster) -> Iterator[Finding]:
    if review.kind:
        raise LookupError("on purpose")
    yield from ()


def _case(*rules: Rule, **asked: Any) -> Case:
    active = [ActiveRule(r, "enforce", r.check, mends=r.mend == "enforce") for r in rules]
    rulebook = Rulebook.of(Site(), [Configured(a) for a in active])
    return Case(Question(paths=("-",), **asked), rulebook, Kinds(rules))


def _rule(name: str, check: Any, **settings: Any) -> Rule:
    defaults: dict[str, Any] = {
        "kinds": (POD,),
        "operations": frozenset({"CREATE", "UPDATE"}),
        "subresources": ("",),
        "reads": frozenset({NAMESPACE}),
        "severity": "low",
        "scope": "everywhere",
        "phase": "final",
        "transition": False,
        "mend": "off",
        "action": "enforce",
        "doc": "A.",
        "examples": Examples(),
        "parameters": {},
    }
    return Rule(name=name, check=check, **{**defaults, **settings})


LABELS = _rule("labelled-namespace", _labelled, kinds=(NAMESPACE,), mend="enforce")
SEES = _rule("sees", _look)


def test_other_objects_see_a_namespace_as_it_would_be_mended() -> None:
    text = Text(
        "a.yaml", f"{POD_TEXT}---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: blue}}\n"
    )
    judged, cluster = _case(LABELS, SEES).judge_all(read_text(text).documents)
    pod, namespace = judged
    assert [f.message for f in pod.decision.findings] == ["saw ['seen']"]  # type: ignore[union-attr]
    assert namespace.decision.patch == (  # type: ignore[union-attr]
        Operation("add", ("metadata", "labels"), {"seen": "yes"}),
    )
    assert cluster.namespace("blue").labels == {"seen": "yes"}


def test_a_rule_that_fails_denies_and_says_so(tmp_path: Path) -> None:
    documents = read_text(Text("a.yaml", POD_TEXT)).documents
    judged, _ = _case(_rule("fails", _fail)).judge_all(documents)
    [finding] = _told(Report(judged=tuple(judged)))["findings"]  # type: ignore[arg-type]
    assert (finding["check"], finding["error"], finding["effect"]) == ("ERROR", True, "deny")
    assert (finding["path"], finding["line"], finding["column"]) == ("", 1, 1)


def test_what_managers_noted_is_not_judged() -> None:
    seen = []

    def listen(review: Review, _cluster: Cluster) -> Iterator[Finding]:
        seen.append(review.object["metadata"])
        yield from ()

    text = '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "managedFields": [{}]}}'
    _case(_rule("listens", listen)).judge_all(read_text(Text("a.json", text)).documents)
    assert seen == [{"name": "a"}]


# Who asks, and in which phase


def _asked(**asked: Any) -> list[tuple[Requester | None, tuple[Phase, ...], str]]:
    """What a rule sees of the question."""
    seen = []

    def listen(review: Review, _cluster: Cluster) -> Iterator[Finding]:
        seen.append((review.requester, review.phases, review.namespace))
        yield from ()

    rules = [_rule("pod", listen), _rule("namespace", listen, kinds=(NAMESPACE,))]
    documents = read_text(Text("a.yaml", f"{POD_TEXT}---\n{MESHED}")).documents
    _case(*rules, **asked).judge_all(documents)
    return seen


def test_the_requester_and_phases_reach_the_rules() -> None:
    assert _asked(requester=DEVELOPER) == [(DEVELOPER, RAW, "blue")] * 2
    assert _asked(phases=FINAL) == [(None, FINAL, "blue")] * 2


def test_in_the_final_phase_nothing_is_filled_in(tmp_path: Path) -> None:
    report = _check(tmp_path, MESHED, POD_TEXT, phases=FINAL)
    assert _spoken(report) == [*DENIED, ("sidecar-genuine", "deny", "INJ-FINAL")]
    assert not report.judged[1].decision.patch


# AdmissionReviews


def _review(operation: str = "CREATE", **more: JSON) -> JSON:
    request = {
        "uid": "7f3a9c21-0000-0000-0000-000000000000",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "namespace": "blue",
        "operation": operation,
        "userInfo": {"username": "alice", "groups": ["g"]},
        **more,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def _pod(runtime_class: str = "runc") -> JSON:
    pod: JSON = yaml.safe_load(POD_TEXT)
    return pod | {"spec": pod["spec"] | {"runtimeClassName": runtime_class}}


def test_a_recorded_review_is_judged_as_it_stands(tmp_path: Path) -> None:
    stored = _file(tmp_path, "stored.yaml", RUNC)
    text = json.dumps(_review(object=_pod()), indent=1)
    told = _told(_check(tmp_path, MESHED, text, cluster=(stored,)))
    _, reviewed = told["objects"]
    assert reviewed["operation"] == "CREATE"
    assert reviewed["object"] == {
        "apiVersion": "v1",
        "kind": "Pod",
        "namespace": "blue",
        "name": "a",
    }
    lines = text.split("\n")
    [finding] = told["findings"]
    assert finding["path"] == "spec.runtimeClassName"
    line = lines[finding["line"] - 1]
    assert line[finding["column"] - 1 :].startswith('"runc"')
    assert '"object"' in lines[reviewed["line"] - 1]
    assert finding["fix"]["patch"][0]["path"] == "/spec/runtimeClassName"


def test_a_recorded_update_knows_the_old_object(tmp_path: Path) -> None:
    review = _review("UPDATE", object=_pod(), oldObject=_pod(), name="a")
    [finding] = _told(_check(tmp_path, MESHED, json.dumps(review)))["findings"]
    assert (finding["existing"], finding["effect"]) == (True, "warn")


def test_a_recorded_delete_is_of_the_old_object(tmp_path: Path) -> None:
    review = _review("DELETE", object=None, oldObject=_pod(), name="")
    text = json.dumps(review, indent=1)
    [_, listed] = _told(_check(tmp_path, MESHED, text))["objects"]
    assert (listed["operation"], listed["object"]["name"]) == ("DELETE", "a")
    assert '"oldObject"' in text.split("\n")[listed["line"] - 1]


def test_a_subresource_that_no_rule_reads_is_allowed(tmp_path: Path) -> None:
    review = _review("UPDATE", object=_pod(), oldObject=_pod(), subResource="status")
    assert _check(tmp_path, MESHED, json.dumps(review)).exit_code == 0


def test_a_recorded_review_is_no_part_of_the_view(tmp_path: Path) -> None:
    value = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "blue"}}
    kind = {"group": "", "version": "v1", "kind": "Namespace"}
    resource = {"group": "", "version": "v1", "resource": "namespaces"}
    review = _review(object=value, kind=kind, resource=resource, name="blue")
    report = _check(tmp_path, json.dumps(review))
    assert len(report.assumed) == 5
    assert report.judged[0].identity.namespace == ""


@pytest.mark.parametrize(
    "broken",
    [
        {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"},
        {"apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview", "request": {}},
        _review(operation="PATCH"),
    ],
)
def test_a_review_that_is_none_is_a_mistake_and_hides_nothing(tmp_path: Path, broken: JSON) -> None:
    report = _check(tmp_path, json.dumps(broken), MESHED, RUNC)
    assert [mistake.file for mistake in report.mistakes] == [str(tmp_path / "0.yaml")]
    assert report.exit_code == 2
    assert _spoken(report) == DENIED


def test_check_and_the_server_say_the_same(tmp_path: Path) -> None:
    """One document on disk, and the review that the API server would send of it."""
    for value in (_pod(), _pod("kata-vm-isolation"), {**_pod(), "spec": {"containers": 5}}):
        report = _check(tmp_path, MESHED, json.dumps(value), requester=DEVELOPER)
        rulebook = book.load(None)
        cluster = Cluster.of([_namespace(), yaml.safe_load(ISOLATION)], rulebook.site)
        body = json.dumps(_review(object=value)).encode()
        decision = judge(codec.decode(body, phases=RAW), rulebook, cluster)
        mine = report.judged[1].decision
        assert [sentence(f) for f in mine.findings] == [sentence(f) for f in decision.findings]
        assert (mine.patch, mine.allowed) == (decision.patch, decision.allowed)


def _namespace() -> JSON:
    metadata = {"name": "blue", "labels": {"istio.io/rev": "asm-1"}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


# What cannot be read


def test_what_cannot_be_read_wins_and_the_rest_is_judged(tmp_path: Path) -> None:
    report = _check(tmp_path, MESHED, f"a: [\n---\n{RUNC}", "{}", RUNC)
    told = _told(report)
    assert report.exit_code == 2
    assert not told["allowed"]
    assert [(Path(e["file"]).name, e["line"], e["column"]) for e in told["errors"]] == [
        ("1.yaml", 1, 4),
        ("2.yaml", 1, 1),
    ]
    assert [(Path(f["file"]).name, f["line"]) for f in told["findings"]] == [
        ("1.yaml", 10),
        ("3.yaml", 8),
    ]


@pytest.mark.parametrize("text", ["", "# nothing\n---\n", "apiVersion: v1\nkind: List\nitems: []"])
def test_no_document_is_no_answer(tmp_path: Path, text: str) -> None:
    report = _check(tmp_path, stdin=text)
    assert (report.exit_code, report.allowed) == (2, False)
    assert _told(report)["errors"] == [
        {"file": "-", "line": 1, "column": 1, "message": "no document found"}
    ]


def test_an_empty_file_beside_others_is_nothing(tmp_path: Path) -> None:
    assert _check(tmp_path, MESHED, "").exit_code == 0


def test_a_cluster_that_cannot_be_read_is_a_mistake(tmp_path: Path) -> None:
    report = _check(tmp_path, RUNC, MESHED, cluster=("/absent",))
    assert report.exit_code == 2
    assert _spoken(report) == DENIED


def test_a_bad_rulebook_judges_nothing(tmp_path: Path) -> None:
    rulebook = _file(tmp_path, "rulebook.yaml", "action: no\nmesh: {revison: a}\n")
    report = _check(tmp_path, RUNC, rulebook=Path(rulebook))
    told = _told(report)
    assert (report.exit_code, told["objects"]) == (2, [])
    [error] = told["errors"]
    assert (error["line"], error["column"]) == (2, 8)


def test_a_value_too_deep_to_judge_is_a_mistake(tmp_path: Path) -> None:
    deep = '{"apiVersion": "v1", "kind": "Pod", "spec": ' + '{"a":' * 900 + "1" + "}" * 901
    report = _check(tmp_path, MESHED, deep)
    assert report.exit_code in {0, 1, 2}
    to_text(report)
    json.dumps(to_json(report))


def test_objects_of_lists_and_stdin_have_their_places(tmp_path: Path) -> None:
    text = "apiVersion: v1\nkind: List\nitems:\n- " + RUNC.replace("\n", "\n  ")
    [finding] = _told(_check(tmp_path, stdin=f"{text}\n---\n{MESHED}"))["findings"]
    assert (finding["file"], finding["line"], finding["column"]) == ("-", 11, 23)


# The effects of actions


@pytest.mark.parametrize(
    ("action", "effect", "exit_code"),
    [("enforce", "deny", 1), ("warn", "warn", 0), ("audit", "audit", 0)],
)
def test_the_action_decides_the_effect(
    tmp_path: Path, action: str, effect: str, exit_code: int
) -> None:
    text = f"{{rules: {{{SANDBOX}: {{action: {action}}}}}}}"
    rulebook = Path(_file(tmp_path, "rulebook.yaml", text))
    report = _check(tmp_path, MESHED, RUNC, rulebook=rulebook)
    [finding] = _told(report)["findings"]
    assert (finding["action"], finding["effect"], finding["level"]) == (action, effect, "deny")
    assert report.exit_code == exit_code


def test_a_rule_that_is_off_is_silent(tmp_path: Path) -> None:
    rulebook = Path(_file(tmp_path, "rulebook.yaml", f"{{rules: {{{SANDBOX}: {{action: off}}}}}}"))
    assert not _check(tmp_path, MESHED, RUNC, rulebook=rulebook).rows


def test_what_is_exempted_is_shown_as_info() -> None:
    def exempted(_review: Review, _cluster: Cluster) -> Iterator[Finding]:
        yield Finding(check="A", path=("spec",), message="is bad", exempted_by="OPS-1")

    documents = read_text(Text("a.yaml", POD_TEXT)).documents
    judged, _ = _case(_rule("exempts", exempted)).judge_all(documents)
    report = Report(judged=tuple(judged))  # type: ignore[arg-type]
    [finding] = _told(report)["findings"]
    assert (finding["effect"], finding["exempted_by"], report.exit_code) == ("info", "OPS-1", 0)
    assert " = exempted by OPS-1" in to_text(report)


# Text


def test_the_text_shows_the_line_and_a_caret(tmp_path: Path) -> None:
    report = _check(tmp_path, MESHED, RUNC)
    assert (
        to_text(report)
        == f"""\
error[{SANDBOX}] spec.runtimeClassName is "runc"; set it to "kata-mshv-vm-isolation"
 --> {tmp_path}/1.yaml:8:21  Pod blue/a
  |
8 |   runtimeClassName: runc
  |                     ^^^^ spec.runtimeClassName
  = why: namespace blue is no platform namespace: its pods must run in a Kata VM of their own, \
not on the kernel of the node
  = fix: spec.runtimeClassName: "kata-mshv-vm-isolation"  [unsafe: only you can decide it]

Checked 2 objects in 2 files: 1 error, 0 warnings.
"""
    )


def test_the_text_says_what_would_be_filled_in(tmp_path: Path) -> None:
    text = to_text(_check(tmp_path, MESHED, POD_TEXT))
    assert (
        f"filled in  {tmp_path}/1.yaml:1  Pod blue/a  spec.runtimeClassName: "
        '"kata-mshv-vm-isolation"'
    ) in text
    assert text.endswith("Checked 2 objects in 2 files: 0 errors, 0 warnings, 1 filled in.\n")


def test_the_text_of_a_mistake_shows_its_line(tmp_path: Path) -> None:
    text = to_text(_check(tmp_path, "apiVersion: v1\nkind: [\n", "", rulebook=None))
    assert text == (
        f"error: did not find expected node content\n --> {tmp_path}/0.yaml:2:7\n  |\n"
        "2 | kind: [\n  |       ^\n\n"
        "Checked 0 objects in 0 files: 0 errors, 0 warnings, 1 unreadable.\n"
    )


def test_the_summary_counts_by_rule_and_namespace(tmp_path: Path) -> None:
    pods = [RUNC.replace("name: a\n", f"name: {name}\n", 1) for name in "abc"]
    pods.append(RUNC.replace("blue", "green"))
    report = _check(tmp_path, MESHED, MESHED.replace("blue", "green"), "---\n".join(pods))
    assert to_text(report, summary=True) == (
        "rule                     namespace  deny  warn  audit  info\n"
        "sandboxed-runtime-class  blue          3     0      0     0\n"
        "sandboxed-runtime-class  green         1     0      0     0\n\n"
        "Checked 6 objects in 3 files: 4 errors, 0 warnings.\n"
    )
    counted = to_json(report, summary=True)["summary"]
    assert counted[0] == {
        "rule": SANDBOX,
        "namespace": "blue",
        "deny": 3,
        "warn": 0,
        "audit": 0,
        "info": 0,
    }


def test_a_caret_stays_under_its_value(tmp_path: Path) -> None:
    wide = "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: blue, annotations: {x: " + (
        "y" * 300 + "}}, spec: {runtimeClassName: runc, z: " + "z" * 300 + "}}"
    )
    lines = to_text(_check(tmp_path, MESHED, wide)).split("\n")
    shown, caret = lines[3], lines[4]
    assert len(shown) < 200
    assert shown[caret.index("^") :].startswith("runc, ")
    tabbed = RUNC.replace("runtimeClassName: runc", "runtimeClassName:\t'runc'")
    lines = to_text(_check(tmp_path, MESHED, tabbed)).split("\n")
    assert lines[3][lines[4].index("^") :] == "'runc'"


def test_colour_is_for_titles_only(tmp_path: Path) -> None:
    report = _check(tmp_path, MESHED, RUNC, "{}")
    coloured = to_text(report, colour=True)
    assert coloured.count("\x1b[1;31merror\x1b[0m") == 2
    plain = coloured.replace("\x1b[1;31m", "").replace("\x1b[0m", "")
    assert plain == to_text(report)


HOSTILE = '"\\e[31m\\a\\n\\u202e\\u2028\\x9b"'


@pytest.mark.parametrize(
    "text",
    [
        POD_TEXT.replace("name: a\n", f"name: {HOSTILE}\n", 1) + "  runtimeClassName: runc\n",
        POD_TEXT + f"  runtimeClassName: {HOSTILE}\n",
        f"{POD_TEXT}  runtimeClassName: runc # \u202e\u2028\n",
        RUNC.replace("namespace: blue", f"namespace: {HOSTILE}"),
        f"apiVersion: v1\nkind: {HOSTILE}\n{HOSTILE}: 1\n{HOSTILE}: 2\n",
        "a: \x1b[31m",
    ],
)
def test_nothing_hostile_reaches_the_terminal(tmp_path: Path, text: str) -> None:
    report = _check(tmp_path, MESHED, text)
    for shown in (to_text(report), to_text(report, summary=True)):
        assert all(line.isprintable() for line in shown.split("\n"))
    assert json.dumps(to_json(report)).isascii()


@given(st.text(), st.text())
def test_any_name_can_be_reported(name: str, value: str) -> None:
    pod = {**_pod(value), "metadata": {"name": name, "labels": {name: value}}}
    text = Text("a.json", json.dumps(pod))
    case = Case(Question(paths=("-",)), book.load(None), Kinds(book.catalogue()))
    judged, _ = case.judge_all(read_text(text).documents)
    report = Report(judged=tuple(judged))  # type: ignore[arg-type]
    assert all(line.isprintable() for line in to_text(report).split("\n"))
    json.dumps(to_json(report)).encode()
