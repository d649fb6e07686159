"""One clock protocol for every device.

`mark()` returns a token that costs as little as the device allows; `resolve(tokens)` turns tokens into seconds since
the first of them, waiting for the device if it must. A token means "everything issued before this is done", so a
clock for an asynchronous device records an event in its queue and never reads the host's time. `synchronise()` waits
until nothing is left of what was issued: a sample must not pay for work that was queued before it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any, Protocol

from harness.errors import UsageError
from harness.measure import virtual

POOL = 1024
"""Events a device clock holds, all made beforehand: more marks than any call of a staged arm has."""


class Clock(Protocol):
    name: str

    def mark(self) -> Any: ...

    def resolve(self, tokens: Sequence[Any]) -> list[float]: ...

    def synchronise(self) -> None: ...


class ClockError(Exception):
    """A clock that was asked for what it cannot say."""


class CpuClock:
    """Wall time of a synchronous host, from the monotonic counter with nanosecond ticks."""

    name = "cpu"

    def mark(self) -> int:
        return time.perf_counter_ns()

    def resolve(self, tokens: Sequence[int]) -> list[float]:
        return [(token - tokens[0]) * 1e-9 for token in tokens]

    def synchronise(self) -> None:
        pass  # a call that has returned is done


class DeviceClock:
    """Events in a device's queue. `device` is `torch.cuda` or `torch.xpu`, whose events have the same methods.

    An event is recorded on the stream that is current where the mark is made: inside a backward hook too, for autograd
    runs a hook on the stream of its forward. Times are sums of the gaps between successive events, in milliseconds on
    the device: CUDA gives each gap in float32, so that a stage is known to 6e-8 of itself (not of the whole call), and
    to the timer's tick, about half a microsecond. A gap below zero is a timer that wrapped; from there on the times
    are NaN. Tokens are numbers, so that one whose event has been used again is noticed.
    Sources: CUDA runtime API, cudaEventElapsedTime; SYCL extension sycl_ext_oneapi_profiling_tag.
    """

    def __init__(self, name: str, device: Any) -> None:
        self.name = name
        self.device = device
        self.marks = 0
        self.pool = [device.Event(enable_timing=True) for _ in range(POOL)]
        for event in self.pool:
            event.record()  # the driver makes an event at its first record, which must not fall into a sample
        self.synchronise()

    def mark(self) -> int:
        number = self.marks
        self.pool[number % POOL].record()
        self.marks = number + 1
        return number

    def resolve(self, tokens: Sequence[int]) -> list[float]:
        if not tokens:
            return []
        if self.marks - min(tokens) > POOL:
            raise ClockError(f"{self.marks - min(tokens)} marks since the first one to be read; a pool holds {POOL}")
        self.synchronise()
        events = [self.pool[token % POOL] for token in tokens]
        gaps = (before.elapsed_time(after) * 1e-3 for before, after in pairwise(events))
        return list(accumulate((gap if gap >= 0 else math.nan for gap in gaps), initial=0.0))

    def synchronise(self) -> None:
        self.device.synchronize()


def clock_of(device: str) -> Clock:
    """The clock of a device. Raises UsageError for a device that has none."""
    if device == "cpu":
        return CpuClock()
    if device == "virtual":
        return virtual.CLOCK
    if device in ("cuda", "xpu"):
        import torch

        return DeviceClock(device, getattr(torch, device))
    raise UsageError(f"device '{device}': no clock for it; measured here are cpu, cuda and xpu (and virtual, in tests)")


def mark_cost(clock: Clock, marks: int = 500) -> float:
    """Seconds one mark costs on its own clock, kept token included: the smallest of five averages.

    On a device the marks come faster than it works them off, or it waits for them: whichever is slower is read, so
    this is the most a mark can add to a call.
    """
    averages = []
    for _ in range(5):
        clock.synchronise()
        kept = [("stage", "forward", clock.mark()) for _ in range(marks)]
        averages.append(clock.resolve([kept[0][2], kept[-1][2]])[1] / (marks - 1))
    return min(averages)
