"""A control plane of one's own: no nodes, so nothing runs, but everything is admitted for real."""

from __future__ import annotations

import atexit
import http.client
import json
import os
import shutil
import ssl
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.control_plane import flags
from tests.control_plane.access import USERS, Access
from tests.control_plane.binaries import Binaries
from tests.control_plane.process import Process, StartFailed, free_ports

ATTEMPTS = 4  # a free port can be lost to somebody else before it is used
PATIENCE = 60.0  # seconds for a program to get ready, and for kubectl to answer


class ControlPlane:
    """Started by `with`, or by `start` and `stop`. Start it from a thread that lasts (tether.py).

    Users and their groups are those of access.USERS unless told otherwise; tenants.yaml says what
    group `tenants` may do. `apiserver_flags` come last, so they win.
    """

    def __init__(
        self,
        programs: Binaries,
        folder: Path,
        *,
        controller_manager: bool = True,
        users: Mapping[str, tuple[str, ...]] = USERS,
        apiserver_flags: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.url = ""  # of the API server; known once it has started
        self.ca_file = folder / "apiserver" / "apiserver.crt"
        self.processes: dict[str, Process] = {}  # by name of program, in order of start
        self._programs = programs
        self._has_controllers = controller_manager
        self._access = Access(folder, users)
        self._apiserver_flags = apiserver_flags

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Returns when every program is ready and a pod can be created in namespace `default`."""
        for attempt in range(1, ATTEMPTS + 1):
            atexit.register(self.stop)
            try:
                self._start_programs(free_ports(3))
                self._furnish()
            except BaseException as fault:
                self.stop()
                lost_port = isinstance(fault, StartFailed) and "already in use" in str(fault)
                if not lost_port or attempt == ATTEMPTS:
                    raise
            else:
                return

    def stop(self) -> None:
        """Kills without asking, since nothing is worth saving; the logs stay in the folder."""
        for process in reversed(self.processes.values()):
            process.stop()
        shutil.rmtree(self.folder / "etcd", ignore_errors=True)
        atexit.unregister(self.stop)

    def restart_apiserver(self) -> None:
        """Killed and started again, on the same address and data.

        Asked to end, it would wait a minute for the controllers' watches; etcd has all it wrote.
        """
        self.processes["kube-apiserver"].stop()
        self._run_apiserver()

    def kubeconfig(self, user: str = "admin") -> Path:
        """A file for `KUBECONFIG`; the user is one of those given at the start."""
        return self._access.kubeconfig(user)

    def token(self, user: str = "admin") -> str:
        """The bearer token of a user."""
        return self._access.token(user)

    def kubectl(
        self,
        *args: str,
        stdin: str | None = None,
        user: str = "admin",
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as `user`; with `check`, a failure shows what kubectl said."""
        done = subprocess.run(
            [str(self._programs.kubectl), *args],
            input=stdin,
            env=self._environment() | {"KUBECONFIG": str(self.kubeconfig(user))},
            cwd=self.folder,
            check=False,
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
        )
        if check and done.returncode:
            fault = subprocess.CalledProcessError(done.returncode, ["kubectl", *args])
            fault.add_note(done.stderr or done.stdout)
            raise fault
        return done

    def apply(self, manifests: str, *, user: str = "admin") -> str:
        """`kubectl apply` of YAML or JSON text; returns what kubectl said."""
        return self.kubectl("apply", "-f", "-", stdin=manifests, user=user).stdout

    def create_namespace(self, name: str, *, labels: Mapping[str, str] | None = None) -> None:
        """A namespace in which pods can be created at once: its `default` account is there."""
        metadata = {"name": name, "labels": dict(labels or {})}
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        self.kubectl("create", "-f", "-", stdin=json.dumps(namespace))
        self._await_account(name)

    def _start_programs(self, ports: Sequence[int]) -> None:
        etcd_port, apiserver_port, controllers_port = ports
        self.folder.mkdir(parents=True, exist_ok=True)
        self.url = f"https://127.0.0.1:{apiserver_port}"
        self._access.write_keys()
        self._access.write_kubeconfigs(self.url, self.ca_file)
        words = flags.etcd(etcd_port, self.folder / "etcd")
        etcd = self._add("etcd", self._programs.etcd, words)
        etcd.start(self._environment())
        etcd.wait_until(lambda: answers(f"127.0.0.1:{etcd_port}", "/readyz"), seconds=PATIENCE)
        certs = self.ca_file.parent
        words = flags.kube_apiserver(apiserver_port, etcd_port, certs, self._access)
        if not self._has_controllers:
            words += flags.WITHOUT_CONTROLLER_MANAGER
        words += self._apiserver_flags
        self._add("kube-apiserver", self._programs.kube_apiserver, words)
        self._run_apiserver()
        if self._has_controllers:
            self._run_controllers(controllers_port)

    def _run_apiserver(self) -> None:
        apiserver = self.processes["kube-apiserver"]
        apiserver.start(self._environment())
        address, token = self.url.removeprefix("https://"), self.token("admin")
        apiserver.wait_until(
            lambda: answers(address, "/readyz", ca_file=self.ca_file, token=token),
            seconds=PATIENCE,
        )

    def _run_controllers(self, port: int) -> None:
        certs = self.folder / "controller-manager"
        words = flags.kube_controller_manager(port, certs, self.ca_file, self._access)
        program = self._programs.kube_controller_manager
        controllers = self._add("kube-controller-manager", program, words)
        controllers.start(self._environment())
        ca_file = certs / "kube-controller-manager.crt"
        controllers.wait_until(
            lambda: answers(f"127.0.0.1:{port}", "/healthz", ca_file=ca_file),
            seconds=PATIENCE,
        )

    def _add(self, name: str, program: Path, words: Sequence[str]) -> Process:
        process = Process([program, *words], self.folder / f"{name}.log")
        self.processes[name] = process
        return process

    def _furnish(self) -> None:
        self.apply(Path(__file__).with_name("tenants.yaml").read_text(encoding="utf-8"))
        self._await_account("default")

    def _await_account(self, namespace: str) -> None:
        if self._has_controllers:
            wanted = ("serviceaccount/default", "--namespace", namespace)
            self.kubectl("wait", "--for=create", *wanted, f"--timeout={PATIENCE:.0f}s")

    def _environment(self) -> dict[str, str]:
        """Nothing of the user's: no kubeconfig, plugins, preferences, proxies or colours."""
        home = str(self.folder)
        return {"PATH": os.defpath, "HOME": home, "TMPDIR": home, "NO_COLOR": "1", "TERM": "dumb"}


def answers(address: str, path: str, *, ca_file: Path | None = None, token: str = "") -> bool:
    """Whether GET says 200; over TLS where there is a `ca_file`, which may yet have to appear."""
    try:
        if ca_file is None:
            connection = http.client.HTTPConnection(address, timeout=5)
        else:
            trust = ssl.create_default_context(cafile=str(ca_file))
            connection = http.client.HTTPSConnection(address, timeout=5, context=trust)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            return connection.getresponse().status == http.HTTPStatus.OK
        finally:
            connection.close()
    except (OSError, http.client.HTTPException):
        return False
