"""A clock that tests advance by hand, and the asynchronous device it can stand for.

A fake system calls `CLOCK.advance(seconds)` inside `run`: then the "measured" time is exactly what the fake planted.
`launch` models a device queue: the host goes on at once, the work ends later, and an event recorded in the queue
fires when the queue reaches it. A reader that looks at the host clock instead of the events reads too little; the
contract tests of every clock hang on that. `ALLOCATOR` stands for the device's memory in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence


class VirtualClock:
    """Host and device time in seconds, both starting at zero."""

    name = "virtual"
    launch_s = 1e-6
    """Host time one launch costs."""

    def __init__(self) -> None:
        self.host_s = 0.0
        self.device_s = 0.0

    def advance(self, seconds: float) -> None:
        """Work done by the host itself: nothing is queued behind it."""
        self.synchronise()
        self.host_s += seconds
        self.device_s = self.host_s

    def launch(self, seconds: float) -> None:
        """Work put into the device's queue: the host does not wait."""
        self.host_s += self.launch_s
        self.device_s = max(self.device_s, self.host_s) + seconds

    def synchronise(self) -> None:
        self.host_s = max(self.host_s, self.device_s)

    def mark(self) -> float:
        """An event in the queue: fires once everything before it is done."""
        return max(self.host_s, self.device_s)

    def resolve(self, tokens: Sequence[float]) -> list[float]:
        self.synchronise()
        return [token - tokens[0] for token in tokens]


CLOCK = VirtualClock()
"""The one virtual clock of a process: fakes advance it, the worker reads it."""


class VirtualAllocator:
    """Bytes a fake system allocates by hand, with the statistics torch's device modules keep of theirs."""

    def __init__(self) -> None:
        self.alive_bytes = 0
        self.peak_bytes = 0

    def allocate(self, count: int) -> None:
        self.alive_bytes += count
        self.peak_bytes = max(self.peak_bytes, self.alive_bytes)

    def free(self, count: int) -> None:
        self.alive_bytes -= count

    def memory_allocated(self) -> int:
        return self.alive_bytes

    def max_memory_allocated(self) -> int:
        return self.peak_bytes

    def reset_peak_memory_stats(self) -> None:
        self.peak_bytes = self.alive_bytes

    def synchronize(self) -> None:
        pass


ALLOCATOR = VirtualAllocator()
"""The one virtual allocator of a process."""
