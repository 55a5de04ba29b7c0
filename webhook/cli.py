"""The command `sallyport`: arguments in, exit code out. Each command imports what it needs itself.

Exit codes: 0 done, 1 denied, 2 usage or unreadable input.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from webhook import arguments

Command = Callable[[argparse.Namespace], int]

USAGE = 2
INTERRUPTED = 130  # as shells say it: 128 and the number of the signal
CUT_SHORT = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; gives its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that cannot show a character shows its code
            stream.reconfigure(errors="backslashreplace")
    parser = arguments.parser()
    asked = parser.parse_args(argv)
    if asked.command is None:
        parser.print_help(sys.stderr)
        return USAGE
    del parser  # a server lives long
    try:
        code = COMMANDS[asked.command](asked)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough; never 0, what was denied is denied
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CUT_SHORT
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def serve(asked: argparse.Namespace) -> int:
    """`sallyport serve`."""
    from webhook.settings import BadSettings, read_settings

    try:
        settings = read_settings(vars(asked))
    except BadSettings as bad:
        return _fail(str(bad))
    gc.collect()
    gc.disable()  # until it listens: what is imported stays, and to look for garbage takes a tenth
    try:
        from webhook.server import serve as run

        return run(settings)
    finally:
        gc.enable()


def check(asked: argparse.Namespace) -> int:
    """`sallyport check`."""
    from rules.review import Requester
    from webhook.check import FINAL, RAW, Question
    from webhook.check import check as run
    from webhook.opa_options import BadOpa
    from webhook.settings import BadSettings, read_opa

    requester = None
    if asked.phase == "raw" or asked.user is not None or asked.groups:
        groups = frozenset(asked.groups or ["system:authenticated"])
        requester = Requester(asked.user or "developer", groups)
    try:
        question = Question(
            paths=tuple(asked.paths),
            cluster=tuple(asked.cluster),
            rulebook=asked.rulebook,
            denied_images=asked.denied_images,
            threats=asked.threats,
            namespace=asked.namespace,
            phases=RAW if asked.phase == "raw" else FINAL,
            requester=requester,
            mutate=not asked.no_mutate,
            opa=read_opa(vars(asked)),
        )
        report = run(question, sys.stdin.buffer.read)
    except (BadSettings, BadOpa) as bad:
        return _fail(str(bad))
    for sentence in report.assumed:
        _complain(f"assumed: {sentence}")
    _print_report(report, asked)
    return 0 if report.exit_code == 1 and asked.exit_zero else report.exit_code


def reach(asked: argparse.Namespace) -> int:
    """`sallyport reach`."""
    from webhook.reach import BadQuestion, Question, ask
    from webhook.reach import reach as run

    try:
        question = Question(
            paths=tuple(asked.paths),
            engine=asked.engine,
            rulebook=asked.rulebook,
            namespace=asked.namespace,
            asked=ask(
                side=asked.side,
                family=asked.family,
                port=asked.port,
                ends=(asked.source, asked.target),
            ),
            why=asked.why,
        )
        answer = run(question, sys.stdin.buffer.read)
    except BadQuestion as bad:
        return _fail(str(bad))
    for sentence in answer.assumed:
        _complain(f"assumed: {sentence}")
    _print_answer(answer, asked)
    return answer.exit_code


def rules(asked: argparse.Namespace) -> int:
    """`sallyport rules`."""
    from webhook.rulebook import catalogue
    from webhook.rulebook_text import tell

    if asked.output == "json":
        _print_json({"version": 1, "rules": [tell(rule) for rule in catalogue()]})
        return 0
    from webhook.report_text import columns

    head = ("rule", "severity", "action", "mend", "what must hold")
    rows = [(r.name, r.severity, r.action, r.mend, r.summary) for r in catalogue()]
    _say("\n".join(columns([head, *rows])))
    return 0


def rulebook(asked: argparse.Namespace) -> int:
    """`sallyport rulebook [check FILE | schema]`."""
    from webhook.rulebook import BadRulebook, catalogue, load
    from webhook.rulebook_shape import schema_of, shape_of
    from webhook.rulebook_text import render

    if asked.action == "schema":
        draft = "https://json-schema.org/draft/2020-12/schema"
        _print_json({"$schema": draft} | schema_of(shape_of(catalogue())))
        return 0
    checking = asked.action == "check"
    try:
        found = load(
            asked.file if checking else asked.rulebook,
            audit=not checking and asked.audit,
            mutate=checking or not asked.no_mutate,
        )
    except BadRulebook as bad:
        return _fail(str(bad))
    if checking:
        _say(f"{asked.file}: good, revision {found.revision}")
    else:
        sys.stdout.write(render(found))
    return 0


def manifests(asked: argparse.Namespace) -> int:
    """`sallyport manifests [webhooks]`."""
    from webhook import configuration
    from webhook.rulebook import BadRulebook, load

    mutate = not asked.no_mutate
    try:
        book = load(asked.rulebook, mutate=mutate)
        if asked.action == "webhooks":
            objects = configuration.webhooks(
                book,
                url=asked.url,
                ca_bundle=asked.ca_bundle.read_bytes() if asked.ca_bundle else None,
                failure_policy=asked.failure_policy,
                mutate=mutate,
            )
        else:
            text = asked.rulebook.read_text(encoding="utf-8") if asked.rulebook else None
            objects = configuration.everything(book, text=text, mutate=mutate)
    except BadRulebook as bad:
        return _fail(str(bad))
    except (OSError, ValueError) as error:  # the bundle: no such file, no PEM
        return _fail(str(error))
    from webhook.yaml_writer import write_block

    sys.stdout.write("---\n".join(write_block(value) for value in objects))
    return 0


def certs(asked: argparse.Namespace) -> int:
    """`sallyport certs issue`, into a folder or into the cluster."""
    from datetime import UTC, datetime

    from certs import keep
    from certs.cluster import Cluster, connect
    from certs.issue import BadName, service_name

    name = service_name(asked.service, asked.namespace)
    try:
        if asked.out is not None:
            report = keep.keep_files(asked.out, asked.san or [name], now=datetime.now(UTC))
        else:
            store = Cluster(
                connect(asked.kubeconfig),
                asked.namespace,
                mutating=asked.mutating,
                validating=asked.validating,
            )
            report = keep.keep_cluster(store, [name], clock=lambda: datetime.now(UTC))
    except (BadName, keep.CannotKeep) as error:
        return _fail(str(error))
    _say("\n".join(report.lines))
    # Installed all at once, the Job may come before the configurations: it must come again.
    return int(asked.validating in report.absent)


def demo(asked: argparse.Namespace) -> int:
    """`sallyport demo`."""
    from webhook.demo import demo as run

    return int(run(once=asked.once))


def version(_asked: argparse.Namespace) -> int:
    """`sallyport version`."""
    from importlib.metadata import version as installed

    _say(installed("sallyport"))
    return 0


COMMANDS: dict[str, Command] = {
    "serve": serve,
    "check": check,
    "reach": reach,
    "rules": rules,
    "rulebook": rulebook,
    "manifests": manifests,
    "certs": certs,
    "demo": demo,
    "version": version,
}


def _print_report(report: Any, asked: argparse.Namespace) -> None:
    if asked.output == "json":
        from webhook.report import to_json

        _print_json(to_json(report, summary=asked.summary))
        return
    from webhook.report_text import to_text
    from webhook.settings import wants_colour

    colour = wants_colour(terminal=sys.stdout.isatty())
    sys.stdout.write(to_text(report, summary=asked.summary, colour=colour))


def _print_answer(answer: Any, asked: argparse.Namespace) -> None:
    if asked.output == "json":
        from webhook.reach_report import to_json

        _print_json(to_json(answer, why=asked.why))
        return
    from webhook.reach_text import to_dot, to_text

    for mistake in sorted(answer.mistakes):
        _complain(f"error: {mistake}")
    sys.stdout.write(to_dot(answer) if asked.output == "dot" else to_text(answer))


def _print_json(value: Any) -> None:
    import json

    _say(json.dumps(value, indent=2))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _fail(message: str) -> int:
    for line in message.split("\n"):
        _complain(f"sallyport: {line}")
    return USAGE


def _complain(line: str) -> None:
    """One line on stderr; it may hold text from the files of others."""
    from webhook.text import visible

    sys.stderr.write(f"{visible(line)}\n")
