"""Three seconds of this machine as a sample sees it.

A fixed kernel of some milliseconds is timed again and again for two seconds, in one go, as the samples of a trial
would be; then, for one second, the clock is read as fast as it can be, and the longest time between two readings is
what a sample of one millisecond would suffer from an interruption it cannot see.

Spread: (90th - 10th percentile) / median, of all samples. Disturbed: lost share above the limit of a trial's samples.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.doctor.finding import Finding
from harness.measure.lost import Watch
from harness.records import LOST_SHARE_LIMIT

KERNEL_S, GAP_S = 2.0, 1.0
MOST_SAMPLES = 1000
SHORT_S = 1e-3
INTERRUPTED_S = 50e-6
"""Between two readings of the clock: what takes longer was something else running."""
CALM_SPREAD, WILD_SPREAD = 0.05, 0.2
CALM_DISTURBED = 0.1
CALM_GAP_S = 1e-3


@dataclass(frozen=True)
class SelfTest:
    times_s: tuple[float, ...]
    lost: tuple[float | None, ...]
    """Lost share of each; None where the kernel does not say."""
    gaps_s: tuple[float, ...]
    """Between two readings of the clock, the long ones."""
    watched_s: float


def self_test(kernel_s: float = KERNEL_S, gap_s: float = GAP_S) -> SelfTest:
    kernel, watch = Kernel(), Watch(threads=1)
    for _ in range(5):
        kernel.call()
    times: list[float] = []
    shares: list[float | None] = []
    gc.collect()
    gc.disable()
    try:
        until = time.perf_counter() + kernel_s
        while time.perf_counter() < until and len(times) < MOST_SAMPLES:
            before = watch.read()
            start = time.perf_counter_ns()
            kernel.call()
            end = time.perf_counter_ns()
            shares.append(watch.between(before, watch.read()).share)
            times.append((end - start) * 1e-9)
        gaps = _gaps(gap_s)
    finally:
        gc.enable()
    return SelfTest(tuple(times), tuple(shares), gaps, gap_s)


class Kernel:
    """Exponentials of what fits a core's cache, and passes over what does not: it feels clock rate and memory, and
    runs one thread however many the libraries of this process would take."""

    def __init__(self) -> None:
        generator = np.random.default_rng(0)
        self.small = generator.standard_normal(1 << 16, dtype=np.float32)
        self.powers = np.empty_like(self.small)
        self.stream = generator.standard_normal(1 << 20, dtype=np.float32)
        self.sink = np.empty_like(self.stream)

    def call(self) -> None:
        for _ in range(4):
            for _ in range(8):
                np.exp(self.small, out=self.powers)
            np.multiply(self.stream, 0.5, out=self.sink)


def _gaps(seconds: float) -> tuple[float, ...]:
    limit = round(INTERRUPTED_S * 1e9)
    found = []
    last = time.perf_counter_ns()
    until = last + round(seconds * 1e9)
    while last < until:
        now = time.perf_counter_ns()
        if now - last > limit:
            found.append(now - last)
        last = now
    return tuple(gap * 1e-9 for gap in found)


def self_test_findings(test: SelfTest) -> Iterator[Finding]:
    yield _spread(test.times_s)
    yield _disturbed(test.lost)
    yield _interruptions(test)


def _spread(times_s: Sequence[float]) -> Finding:
    low, middle, high = (float(np.percentile(times_s, at)) for at in (10, 50, 90))
    spread = (high - low) / middle
    what = (
        f"self test: {len(times_s)} calls of one kernel of {middle * 1e3:.1f} ms spread by {100 * spread:.1f} % (10th "
        f"to 90th percentile), the slowest took {max(times_s) / middle:.1f} times the median"
    )
    if spread <= CALM_SPREAD:
        return Finding("ok", what)
    if spread <= WILD_SPREAD:
        return Finding("noisy", what, "pairing copes with this; `--preset full` narrows the intervals")
    return Finding("noisy", what, "find out above who takes the time; one run alone will settle little before that")


def _disturbed(lost: Sequence[float | None]) -> Finding:
    known = [share for share in lost if share is not None]
    if not known:
        what = "self test: what its calls lost to others is not told here"
        return Finding("missing", what, "nothing is left out then; take more trials")
    disturbed = sum(share > LOST_SHARE_LIMIT for share in known) / len(known)
    limit = f"{100 * LOST_SHARE_LIMIT:g} %"
    what = f"self test: {100 * disturbed:.0f} % of its calls lost over {limit} of their time to others"
    if disturbed <= CALM_DISTURBED:
        return Finding("ok", what)
    if disturbed <= 0.5:
        return Finding("noisy", what, "such blocks are left out; more blocks or trials make up for them")
    return Finding("noisy", what, "a run here would be degraded: over half of its blocks would have to be left out")


def _interruptions(test: SelfTest) -> Finding:
    longest = max(test.gaps_s, default=0.0)
    rate = len(test.gaps_s) / test.watched_s
    if not test.gaps_s:
        limit = f"{INTERRUPTED_S * 1e6:.0f} µs"
        return Finding("ok", f"self test: nothing interrupted it for over {limit} in {test.watched_s:g} s")
    what = (
        f"self test: interrupted {rate:.0f} times a second, for {longest * 1e3:.2g} ms at the longest: a sample of "
        f"{SHORT_S * 1e3:g} ms hit by that would read {1 + longest / SHORT_S:.3g} times its time"
    )
    calm = longest <= CALM_GAP_S
    advice = "medians over blocks bear single hits; calls of 10 ms and more bear them better, set a larger size"
    return Finding("ok" if calm else "noisy", what, "" if calm else advice)
