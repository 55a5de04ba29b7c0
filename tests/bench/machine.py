"""The machine: its cores, what each process took of them, and how quiet it was meanwhile.

Reads /proc, so measuring needs Linux.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

PROC = Path("/proc")
TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
LIMIT = 0.07  # of the machine, for processes that are not ours
TRIES = 3

_Value = TypeVar("_Value")


class Wrong(Exception):
    """Some answers were wrong or missing; the message counts them by reason."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Who runs where: the server on one core, the load on the others, where there are others."""

    server: frozenset[int]
    load: frozenset[int]
    every: frozenset[int]

    @classmethod
    def of(cls, available: Iterable[int]) -> Cores:
        """The first for the server."""
        every = frozenset(available)
        server = frozenset({min(every)})
        return cls(server, every - server or every, every)


@contextmanager
def pinned(cores: frozenset[int]) -> Iterator[None]:
    """What is started here runs on these cores, from its first instruction on."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_seconds(pid: int) -> float:
    """What all threads of a process have taken, in user and in kernel mode; 0 once it is gone."""
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    fields = text.rpartition(")")[2].split()  # the name before it may hold anything
    return (int(fields[11]) + int(fields[12])) / TICK


def resident_mib(pid: int) -> float:
    """The resident memory of a process."""
    fields = (PROC / str(pid) / "statm").read_text(encoding="utf-8").split()
    return int(fields[1]) * PAGE / 2**20


class Guard:
    """Repeats what was measured while others used the machine; `noisy` tells where that failed.

    So it does where an answer was wrong, and `noisy` tells that too: a server that others keep from
    the machine for a quarter of a second sheds load, as it should. `pids` are the processes of ours
    that are running. Time stolen by the host counts as others'.
    """

    def __init__(self) -> None:
        self.pids: set[int] = set()
        self.noisy: list[str] = []

    def measure(self, name: str, take: Callable[[], _Value]) -> _Value:
        """The quietest of a few tries: the first that is quiet enough."""
        tries: list[tuple[float, _Value]] = []
        wrong: Wrong | None = None
        for _ in range(TRIES):
            before, own, start = _busy_seconds(), self._own_seconds(), time.monotonic()
            try:
                value = take()
            except Wrong as fault:
                wrong = fault
                self.noisy.append(f"{name}: wrong answers, {fault}")
                continue
            spent = _busy_seconds() - before - (self._own_seconds() - own)
            share = spent / (time.monotonic() - start) / (os.cpu_count() or 1)
            if share <= LIMIT:
                return value
            tries.append((share, value))
        if not tries:
            raise wrong or Wrong(name)
        share, value = min(tries, key=lambda one: one[0])
        self.noisy.append(f"{name}: others used {share:.0%} of the machine")
        return value

    def _own_seconds(self) -> float:
        spent = (
            resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        ended = sum(usage.ru_utime + usage.ru_stime for usage in spent)
        return ended + sum(cpu_seconds(pid) for pid in self.pids)


def _busy_seconds() -> float:
    """All but idle time and interrupts; those of loopback traffic belong to nobody."""
    with (PROC / "stat").open(encoding="utf-8") as file:
        fields = [int(field) for field in file.readline().split()[1:]]
    user, nice, system, steal = (*fields[:3], fields[7])
    return (user + nice + system + steal) / TICK
