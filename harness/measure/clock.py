"""One clock protocol for every device.

`mark()` returns a token that costs as little as the device allows; `resolve(tokens)` turns tokens into seconds since
the first of them, waiting for the device if it must. A token means "everything issued before this is done", so a
clock for an asynchronous device records an event in its queue and never reads the host's time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Protocol

from harness.errors import UsageError
from harness.measure import virtual


class Clock(Protocol):
    name: str

    def mark(self) -> Any: ...

    def resolve(self, tokens: Sequence[Any]) -> list[float]: ...


class CpuClock:
    """Wall time of a synchronous host, from the monotonic counter with nanosecond ticks."""

    name = "cpu"

    def mark(self) -> int:
        return time.perf_counter_ns()

    def resolve(self, tokens: Sequence[int]) -> list[float]:
        return [(token - tokens[0]) * 1e-9 for token in tokens]


def clock_of(device: str) -> Clock:
    """The clock of a device. Raises UsageError for a device that has none yet."""
    if device == "cpu":
        return CpuClock()
    if device == "virtual":
        return virtual.CLOCK
    raise UsageError(f"device '{device}': no clock for it yet; measured here are cpu (and virtual, in tests)")


def mark_cost(clock: Clock, marks: int = 2000) -> float:
    """Seconds one mark costs on the host, kept token included: the smallest of five averages."""
    best = float("inf")
    for _ in range(5):
        kept = []
        start = time.perf_counter_ns()
        for _ in range(marks):
            kept.append(("stage", "forward", clock.mark()))
        best = min(best, (time.perf_counter_ns() - start) / marks)
    return best * 1e-9
