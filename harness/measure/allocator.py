"""What an allocator has handed out, read at marks: one small protocol for every device.

`mark()` is called while the reader is open, `readings()` once after it was closed. A reading says how much was alive
at its mark and the most that was alive since the mark before. Only allocations that go through torch count: a library's
own scratch memory shows in the process's resident size alone.

    cpu         torch's profiler reports every allocation of the calling thread, in bytes as requested; marks are ranges
                in the same stream of events. What is freed inside and was allocated before is not seen.
    cuda, xpu   the caching allocator's own statistics, in its blocks (multiples of 512 bytes), kept on the host in the
                order of issue: nothing to wait for.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

from harness.errors import UsageError
from harness.measure import virtual

ALLOCATION = "[memory]"
MARK = "semh.mark"
COMPILED = "Torch-Compiled Region"


class Reading(NamedTuple):
    alive_bytes: int
    peak_bytes: int
    """Most alive since the mark before, this mark included."""


class Allocator(Protocol):
    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None: ...

    def mark(self) -> None: ...

    def readings(self) -> list[Reading]:
        """One per mark, in order."""
        ...


class CpuAllocator:
    def __init__(self) -> None:
        from torch.autograd.profiler import profile  # torch.profiler's would load the compiler too, for seconds

        self._profile = profile(use_cpu=True, profile_memory=True)

    def __enter__(self) -> Self:
        self._profile.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._profile.__exit__(*error)

    def mark(self) -> None:
        from torch.autograd.profiler import record_function

        with record_function(MARK):
            pass

    def readings(self) -> list[Reading]:
        from torch.autograd import DeviceType

        events = sorted(self._profile.kineto_results.events(), key=lambda event: event.start_ns())
        return replayed(
            None if event.name() == MARK else event.nbytes()
            for event in events
            if event.name() == MARK or (event.name() == ALLOCATION and event.device_type() == DeviceType.CPU)
        )


def replayed(events: Iterable[int | None]) -> list[Reading]:
    """Readings from events in order of time: bytes allocated (freed where negative), None for a mark."""
    found: list[Reading] = []
    alive = peak = 0
    for event in events:
        if event is None:
            found.append(Reading(alive, peak))
            peak = alive
        else:
            alive += event
            peak = max(peak, alive)
    return found


class DeviceAllocator:
    """`device` is `torch.cuda` or `torch.xpu`, whose statistics have the same names."""

    def __init__(self, device: Any) -> None:
        self._device = device
        self._readings: list[Reading] = []

    def __enter__(self) -> Self:
        self._device.synchronize()
        self._device.reset_peak_memory_stats()
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def mark(self) -> None:
        self._readings.append(Reading(self._device.memory_allocated(), self._device.max_memory_allocated()))
        self._device.reset_peak_memory_stats()

    def readings(self) -> list[Reading]:
        return self._readings


def allocator_of(device: str) -> Allocator:
    """The reader of a device, made for one call. Raises UsageError for a device that has none."""
    if device == "cpu":
        return CpuAllocator()
    if device == "virtual":
        return DeviceAllocator(virtual.ALLOCATOR)
    if device in ("cuda", "xpu"):
        import torch

        return DeviceAllocator(getattr(torch, device))
    raise UsageError(f"device '{device}': no reader of its memory; there is one for cpu, cuda and xpu")
