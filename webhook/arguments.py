"""The arguments of each command, with help that teaches. Nothing heavy is imported here."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

_NAMESPACE = "sallyport-system"
_SERVICE = "sallyport"
_MUTATING = "00-sallyport-mutate"
_VALIDATING = "sallyport-validate"

_DENIED = "images that nobody may run: a digest or a repository a line"
_THREATS = "what nobody may call: a domain (with its subdomains) or a network a line"
_TOP = """\
Look at what goes into a multi-tenant AKS cluster: every workload lands sandboxed (Kata), meshed
(Istio) and micro-segmented. What was left open is filled in, what is wrong is denied with a
message that says how to mend it."""

_SERVE = """\
Answer the API server: /mutate and /validate over HTTPS, probes and metrics on a port of their own.

What it needs:
  a certificate and its key    sallyport certs issue --out certs --san 127.0.0.1
  the cluster                  $KUBECONFIG, or in a pod its service account; or, with --cluster,
                               kubectl get ns,runtimeclass,mutatingwebhookconfiguration -o yaml
                               and, with -A, all kinds of network policies, pods and services
Files are read again when they change, an API server is followed. The first line on stdout, once
the cluster is known, says {"ready": true} and the ports; the decision log follows, a JSON line per
decision. Everything else goes to stderr."""

_SERVE_END = """\
example:
  sallyport serve --tls-cert certs/tls.crt --tls-key certs/tls.key --cluster cluster.yaml --audit

Each flag has a variable: --tls-cert is SALLYPORT_TLS_CERT; several --cluster are separated by `:`.
SALLYPORT_DRAIN_SECONDS (20): for how long it goes on serving after SIGTERM.

With --opa URL each review at /validate is one question to an OPA server too: `findings` of a
package in Rego, named opa/<rule>. What it does not answer it has not allowed; see docs/opa.md."""

_CHECK = """\
Judge manifests as the server would: same rules, same words. Give files, folders (*.yaml, *.yml,
*.json, recursively) or - for stdin. What the cluster has comes from --cluster; without it the
usual objects of AKS are assumed, and each assumption is told on stderr."""

_CHECK_END = """\
examples:
  sallyport check deploy/
  helm template charts/web | sallyport check - -n blue-prod --cluster cluster.yaml
  kubectl get ns,pods,deployments,networkpolicies -A -o json |
      sallyport check - --phase final --exit-zero --summary

exit code: 0 nothing is denied, 1 something is, 2 something could not be read"""

_REACH = """\
Who reaches whom: what all network policies together let through, between every two workloads and
between each of them and the outside. Give files, folders (*.yaml, *.yml, *.json, recursively) or -
for stdin, with the pods or workloads, namespaces, policies and whatever else policies name.

An END is ns/name[Kind] (pods by their owner), addresses as first-last, fqdn:PATTERN, or entity:
and one of host, remote-node, kube-apiserver, ingress."""

_REACH_END = """\
examples:
  kubectl get ns,pods,networkpolicies -A -o json | sallyport reach -
  sallyport reach cluster/ --engine cilium --from 'blue/web[Deployment]' --port 443/TCP --why
  sallyport reach cluster/ -o dot | dot -Tsvg > reach.svg

exit code: 0 answered, 2 something could not be read (the rest is answered)"""

_CERTS = """\
Issue the serving certificate, with an authority that may sign for these names and nothing else.
With --out into a folder: ca.crt, tls.crt and tls.key. Without it into the cluster: two Secrets, and
the caBundle of both webhook configurations; run it again and again, it does only what is due."""


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; `command` and `action` say what was asked for."""
    top = argparse.ArgumentParser(prog="sallyport", description=_TOP, formatter_class=_Raw)
    top.set_defaults(command=None, action=None)
    commands = top.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    _serve(_add(commands, "serve", "answer the API server", _SERVE, _SERVE_END))
    _check(_add(commands, "check", "judge manifests without a cluster", _CHECK, _CHECK_END))
    _reach(_add(commands, "reach", "who reaches whom, and why", _REACH, _REACH_END))
    rules = _add(commands, "rules", "list the rules", "List the rules of the catalogue.")
    _output(rules)
    _rulebook(_add(commands, "rulebook", "print or lint the rulebook", _RULEBOOK))
    _manifests(_add(commands, "manifests", "print what is to be installed", _MANIFESTS))
    _certs(_add(commands, "certs", "issue certificates", _CERTS))
    demo = _add(
        commands, "demo", "see it work on this machine", "Serve, ask, and show the answers."
    )
    demo.add_argument("--once", action="store_true", help="end after showing, do not keep serving")
    _add(commands, "version", "print the version", "Print the version.")
    return top


_RULEBOOK = """\
Print the rulebook in force, complete: what a file leaves out has its default. Without --rulebook it
is the built-in one, a good start for your own. `sallyport rulebook check FILE` names every mistake
in a file at once, and its place."""

_MANIFESTS = """\
Print all that is to be installed, as YAML for `kubectl apply -f -`. `sallyport manifests webhooks`
prints the two webhook configurations alone: they follow from the rules that stand."""


class _Raw(argparse.RawDescriptionHelpFormatter):
    """Keeps our line breaks, and gives long names their own column."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28)


def _add(commands: Any, name: str, line: str, text: str, end: str = "") -> argparse.ArgumentParser:
    added: argparse.ArgumentParser = commands.add_parser(
        name, help=line, description=text, epilog=end, formatter_class=_Raw
    )
    return added


def _serve(command: argparse.ArgumentParser) -> None:
    command.add_argument("--host", help="address to listen on (0.0.0.0)")
    command.add_argument("--port", help="HTTPS port, 0 takes a free one (8443)")
    command.add_argument("--probe-port", help="HTTP port of /livez /readyz /metrics (9080)")
    command.add_argument("--tls-cert", metavar="F", help="PEM, the leaf first; needed")
    command.add_argument("--tls-key", metavar="F", help="PEM, unencrypted; needed")
    command.add_argument("--rulebook", metavar="F", help="your rulebook (the built-in one)")
    command.add_argument("--denied-images", metavar="F", help=_DENIED)
    command.add_argument("--threats", metavar="F", help=_THREATS)
    command.add_argument(
        "--cluster",
        metavar="PATH",
        action="append",
        help="what exists, as files: file or folder, repeatable (the API server tells)",
    )
    command.add_argument("--audit", action="store_true", help="deny nothing, only count and log")
    _no_mutate(command)
    _opa(command)


def _check(command: argparse.ArgumentParser) -> None:
    command.add_argument("paths", metavar="PATH", nargs="+", help="file, folder, or - for stdin")
    command.add_argument(
        "--cluster",
        metavar="PATH",
        action="append",
        default=[],
        help="what exists already: file or folder, repeatable; what is there too is an update",
    )
    command.add_argument("--rulebook", metavar="F", type=Path, help="your rulebook")
    command.add_argument("--denied-images", metavar="F", type=Path, help=_DENIED)
    command.add_argument("--threats", metavar="F", type=Path, help=_THREATS)
    command.add_argument(
        "-n",
        "--namespace",
        metavar="NS",
        default="default",
        help="namespace of objects that name none (default)",
    )
    command.add_argument("--as", metavar="USER", dest="user", help="who asks (developer)")
    command.add_argument(
        "--as-group", metavar="G", action="append", dest="groups", help="a group of theirs"
    )
    command.add_argument(
        "--phase",
        choices=("raw", "final"),
        default="raw",
        help="raw: the author's text, mended as the server would; final: as it is stored (raw)",
    )
    _output(command)
    command.add_argument("--summary", action="store_true", help="count by rule and namespace")
    command.add_argument("--exit-zero", action="store_true", help="exit 0 although denied")
    _no_mutate(command)
    _opa(command)


def _reach(command: argparse.ArgumentParser) -> None:
    command.add_argument("paths", metavar="PATH", nargs="+", help="file, folder, or - for stdin")
    command.add_argument(
        "--engine",
        choices=("spec", "cilium", "calico", "npm"),
        help="who enforces the policies (the rulebook's; without one spec: as their APIs say)",
    )
    command.add_argument(
        "--rulebook", metavar="F", type=Path, help="version, enforced kinds and networks from here"
    )
    command.add_argument(
        "-n",
        "--namespace",
        metavar="NS",
        default="default",
        help="namespace of objects that name none (default)",
    )
    command.add_argument("--from", metavar="END", dest="source", help="only from there")
    command.add_argument("--to", metavar="END", dest="target", help="only to there")
    command.add_argument("--port", metavar="80/TCP", help="only on this port")
    command.add_argument(
        "--side",
        choices=("egress", "ingress", "both"),
        default="both",
        help="whose policies count: of the source, of the destination, of both (both)",
    )
    command.add_argument(
        "--family", type=int, choices=(4, 6), help="only IPv4 or only IPv6 addresses (both)"
    )
    command.add_argument("--why", action="store_true", help="say which policies make it so")
    command.add_argument("-o", "--output", choices=("text", "json", "dot"), default="text")


def _rulebook(command: argparse.ArgumentParser) -> None:
    command.add_argument("--rulebook", metavar="F", type=Path, help="your rulebook")
    command.add_argument("--audit", action="store_true", help="as `serve --audit` would have it")
    _no_mutate(command)
    actions = command.add_subparsers(dest="action", metavar="check FILE | schema")
    lint = _add(actions, "check", "name every mistake in a file", "Name every mistake in a file.")
    lint.add_argument("file", metavar="FILE", type=Path)
    _add(actions, "schema", "print its JSON schema, for editors", "Print its JSON schema.")


def _manifests(command: argparse.ArgumentParser) -> None:
    _shared_manifests(command, absent=None)
    actions = command.add_subparsers(dest="action", metavar="webhooks")
    hooks = _add(
        actions, "webhooks", "the two webhook configurations", "Print both webhook configurations."
    )
    _shared_manifests(hooks, absent=argparse.SUPPRESS)
    hooks.add_argument("--url", metavar="U", help="where the server is, instead of its Service")
    hooks.add_argument("--ca-bundle", metavar="F", type=Path, help="PEM of its authority")
    hooks.add_argument(
        "--failure-policy",
        metavar="P",
        choices=("Fail", "Ignore"),
        default="Fail",
        help="Fail or Ignore (Fail)",
    )


def _shared_manifests(command: argparse.ArgumentParser, absent: Any) -> None:
    """Flags that may stand before or after `webhooks`; `absent` must not undo what stood before."""
    command.add_argument("--rulebook", metavar="F", type=Path, default=absent, help="your rulebook")
    _no_mutate(command, default=False if absent is None else absent)


def _certs(command: argparse.ArgumentParser) -> None:
    actions = command.add_subparsers(dest="action", metavar="issue", required=True)
    issue = _add(actions, "issue", "issue a certificate, or renew it", _CERTS)
    issue.add_argument("--out", metavar="DIR", type=Path, help="write files, touch no cluster")
    issue.add_argument(
        "--san",
        metavar="NAME",
        nargs="+",
        action="extend",
        help="with --out: DNS names or IP addresses (the Service)",
    )
    issue.add_argument("--namespace", metavar="NS", default=_NAMESPACE, help=_NAMESPACE)
    issue.add_argument("--service", metavar="NAME", default=_SERVICE, help=_SERVICE)
    issue.add_argument("--mutating", metavar="NAME", nargs="*", default=[_MUTATING], help=_MUTATING)
    issue.add_argument(
        "--validating", metavar="NAME", nargs="*", default=[_VALIDATING], help=_VALIDATING
    )
    issue.add_argument(
        "--kubeconfig", metavar="F", type=Path, help="the cluster (that of this pod)"
    )


def _output(command: argparse.ArgumentParser) -> None:
    command.add_argument("-o", "--output", choices=("text", "json"), default="text")


def _opa(command: argparse.ArgumentParser) -> None:
    command.add_argument("--opa", metavar="URL", help="an OPA server that is asked too (none)")
    command.add_argument(
        "--opa-package", metavar="P", help="the package whose `findings` are asked for (sallyport)"
    )
    command.add_argument("--opa-ca", metavar="F", help="PEM of its authority (the system's)")
    command.add_argument("--opa-cert", metavar="F", help="PEM of our own certificate, where wanted")
    command.add_argument("--opa-key", metavar="F", help="PEM of its key")
    command.add_argument(
        "--opa-required",
        action="store_true",
        help="a server is not ready, a check not complete, while OPA is not healthy",
    )


def _no_mutate(command: argparse.ArgumentParser, default: Any = False) -> None:  # noqa: FBT002
    command.add_argument(
        "--no-mutate",
        action="store_true",
        default=default,
        help="no mutating webhook is installed: nothing is filled in, what is missing is a finding",
    )
