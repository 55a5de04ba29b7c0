"""What all measurements share: certificates, samples, servers, the load generator and the guard."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import samples
from tests.bench.load import Generator
from tests.bench.machine import Cores, Guard
from tests.bench.servers import ROOT, Server
from tests.control_plane.binaries import load_binary

PATCH = json.dumps([{"op": "add", "path": "/spec/runtimeClassName", "value": samples.CLASS}])


@dataclass(frozen=True, slots=True)
class Pace:
    """How often, and for how many seconds at a time."""

    rounds: int = 3
    slice: float = 1.5
    open_loop: float = 6.0
    creating: float = 2.0


QUICK = Pace(rounds=3, slice=0.5)


@dataclass(frozen=True, slots=True)
class Bench:
    """A folder with all that is needed, and what runs on it."""

    folder: Path
    pace: Pace
    cores: Cores
    guard: Guard
    load: Generator
    started: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, folder: Path, pace: Pace) -> Bench:
        """Issue certificates, write the samples, and leave a core to the server."""
        cores = Cores.of(os.sched_getaffinity(0))
        program = load_binary()
        _issue(folder / "certs")
        for name, body in samples.reviews().items():
            (folder / f"{name}.json").write_bytes(body)
        for name, body in samples.creations().items():
            (folder / f"create-{name}.json").write_bytes(body)
        text = "\n---\n".join(json.dumps(value) for value in samples.view())
        (folder / "cluster.yaml").write_text(text, encoding="utf-8")
        for name, rulebook in samples.rulebooks().items():
            (folder / f"{name}.yaml").write_text(rulebook, encoding="utf-8")
        os.sched_setaffinity(0, cores.load)
        load = Generator(program, folder / "certs" / "ca.crt", cores.load)
        return cls(folder, pace, cores, Guard(), load)

    def say(self, text: str) -> None:
        """Tell those who wait."""
        sys.stderr.write(f"[{time.monotonic() - self.started:5.0f} s] {text}\n")

    def review(self, name: str) -> Path:
        """The file of a sample."""
        return self.folder / f"{name}.json"

    def creation(self, name: str) -> Path:
        """The file of a pod to be created."""
        return self.folder / f"create-{name}.json"

    def rulebook(self, name: str) -> Path:
        """The file of a rulebook."""
        return self.folder / f"{name}.yaml"

    @contextmanager
    def ours(self, *flags: str, cores: frozenset[int] | None = None) -> Iterator[Server]:
        """Ours, with all rules, metrics and the decision log, ready to be asked."""
        words = ["webhook", "serve", "--host=127.0.0.1", "--port=0", "--probe-port=0"]
        words += [f"--cluster={self.folder / 'cluster.yaml'}", *self._pair(), *flags]
        with self._serve(words, "ours", cores) as server:
            server.await_probe()
            yield server

    @contextmanager
    def stand_in(self, namespaces: int, pods: int = 0) -> Iterator[Server]:
        """An API server with so many namespaces, those of the samples among them, and pods."""
        words = ["tests.bench.stand_in", f"--namespaces={namespaces}", f"--pods={pods}"]
        words += self._pair()
        with self._serve(words, "stand-in", self.cores.load) as server:
            yield server

    def way_to(self, api_server: Server) -> Path:
        """A kubeconfig for the stand-in."""
        path = self.folder / "kubeconfig"
        text = kubeconfig(api_server.port, self.folder / "certs" / "ca.crt")
        path.write_text(text, encoding="utf-8")
        return path

    @contextmanager
    def following(self, api_server: Server) -> Iterator[Server]:
        """Ours, as `ours`, but for the cluster, which it reads from an API server."""
        words = ["webhook", "serve", "--host=127.0.0.1", "--port=0", "--probe-port=0"]
        path = self.folder / "kubeconfig"
        text = kubeconfig(api_server.port, self.folder / "certs" / "ca.crt")
        path.write_text(text, encoding="utf-8")
        with self._serve(
            [*words, *self._pair()], "following", None, {"KUBECONFIG": str(path)}
        ) as server:
            server.await_probe()
            yield server

    @contextmanager
    def floor(
        self, *flags: str, patch: str = PATCH, cores: frozenset[int] | None = None
    ) -> Iterator[Server]:
        """The floor; `patch` is what its /mutate answers."""
        words = ["tests.bench.floor", f"--patch={patch}", *self._pair(), *flags]
        with self._serve(words, "floor", cores) as server:
            yield server

    @contextmanager
    def beside(self, module: str) -> Iterator[Server]:
        """A server that ours asks, with all cores."""
        with self._serve([module], module, self.cores.every) as server:
            yield server

    @contextmanager
    def _serve(
        self,
        words: list[str],
        name: str,
        cores: frozenset[int] | None,
        environment: Mapping[str, str] | None = None,
    ) -> Iterator[Server]:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        where = cores or self.cores.server
        server = Server(words, folder, cores=where, guard=self.guard, environment=environment)
        with server:
            yield server

    def _pair(self) -> list[str]:
        certs = self.folder / "certs"
        return [f"--tls-cert={certs / 'tls.crt'}", f"--tls-key={certs / 'tls.key'}"]


def _issue(folder: Path) -> None:
    words = [sys.executable, "-m", "webhook", "certs", "issue", f"--out={folder}"]
    subprocess.run(
        [*words, "--san", "127.0.0.1", "localhost"], check=True, cwd=ROOT, stdout=subprocess.DEVNULL
    )


def kubeconfig(port: int, ca: Path) -> str:
    """The text of a file that says where the stand-in is."""
    cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority": str(ca)}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "a", "cluster": cluster}],
            "users": [{"name": "a", "user": {"token": "none"}}],
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
            "current-context": "a",
        }
    )
