"""One judgement, in this process: from the bytes of a review to the bytes of the answer.

No server, no TLS, no metrics: what thinking alone takes, by kind of review.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import islice

from rules.model import Phase
from rules.review import Cluster
from rules.rulebook import Rulebook
from tests.bench import samples
from tests.bench.bench import Bench
from webhook.codec import decode, encode
from webhook.judge import judge
from webhook.rulebook import load

TIMES = 1000
CASES: tuple[tuple[str, str, Phase], ...] = (
    ("pod without a mesh", "pod", "final"),
    ("the same, like none before", "pod-unlike", "final"),
    ("pod with its sidecar", "pod-injected", "final"),
    ("the same, like none before", "pod-injected-unlike", "final"),
    ("pod that is filled in", "pod-left", "raw"),
    ("Deployment update", "deployment", "final"),
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was judged, how many bytes that were, and the microseconds of each time."""

    name: str
    size: int
    times: tuple[float, ...]


def measure(bench: Bench) -> list[Judgement]:
    """Every case many times over, with all shipped rules."""
    rulebook = load(None)
    cluster = Cluster.of(samples.view(), rulebook.site)
    bodies = samples.reviews()
    found = []
    for name, sample, phase in CASES:
        bench.say(f"one judgement: {name}")
        body = bodies[sample]
        unlike = (
            body.replace(samples.UNLIKE.encode(), b"%036d" % number) for number in range(TIMES * 2)
        )
        for each in islice(unlike, TIMES // 10):  # warm up, unmeasured
            _judge(each, phase, rulebook, cluster)
        times = tuple(_judge(each, phase, rulebook, cluster) for each in islice(unlike, TIMES))
        found.append(Judgement(name, len(body), times))
    return found


def _judge(body: bytes, phase: Phase, rulebook: Rulebook, cluster: Cluster) -> float:
    started = time.perf_counter()
    review = decode(body, phases=(phase,), shaped=rulebook.shaped)
    encode(review, judge(review, rulebook, cluster), messages=rulebook.site.messages)
    return (time.perf_counter() - started) * 1e6
