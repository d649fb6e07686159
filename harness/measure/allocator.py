"""What an allocator has handed out, read at marks: one small protocol for every device.

`mark()` is called while the reader is open, `readings()` once after it was closed. A reading says how much was alive
at its mark and the most that was alive since the mark before. `kept_from_peak()` tells where that lies which was there
at the peak and stayed. Only allocations that go through torch count: a library's own scratch memory shows in the
process's resident size alone.

    cpu         torch's profiler reports every allocation of the calling thread, in bytes as requested; marks are ranges
                in the same stream of events. What is freed inside and was allocated before is not seen. Every event
                tells its address.
    cuda, xpu   the caching allocator's own statistics, in its blocks (multiples of 512 bytes), kept on the host in the
                order of issue: nothing to wait for. They tell no addresses.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

from harness.errors import UsageError
from harness.measure import virtual

MARK = "semh.mark"
COMPILED = "Torch-Compiled Region"


class Reading(NamedTuple):
    alive_bytes: int
    peak_bytes: int
    """Most alive since the mark before, this mark included."""


class Change(NamedTuple):
    bytes: int
    """Allocated; freed where negative."""
    address: int


class Extent(NamedTuple):
    address: int
    bytes: int


class Allocator(Protocol):
    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None: ...

    def mark(self) -> None: ...

    def readings(self) -> list[Reading]:
        """One per mark, in order."""
        ...

    def kept_from_peak(self) -> list[Extent] | None:
        """What was allocated after the first mark, was alive at the peak between the first mark and the last, and still
        is at the last; None where that is not known."""
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
        return replayed(None if event is None else event.bytes for event in self._events)

    def kept_from_peak(self) -> list[Extent]:
        return kept_from_peak(self._events)

    @cached_property
    def _events(self) -> list[Change | None]:
        """From the tree of events: in the flat list an allocation has no address."""
        from torch._C._profiler import _EventType

        found: list[tuple[int, Change | None]] = []
        branches = list(self._profile.kineto_results.experimental_event_tree())
        while branches:
            event = branches.pop()
            branches.extend(event.children)
            if event.tag == _EventType.Allocation:
                of = event.extra_fields
                if of.device.type == "cpu":
                    found.append((event.start_time_ns, Change(of.alloc_size, of.ptr or 0)))
            elif event.name == MARK:
                found.append((event.start_time_ns, None))
        found.sort(key=lambda each: each[0])
        return [event for _, event in found]


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


def kept_from_peak(events: Sequence[Change | None]) -> list[Extent]:
    """As `Allocator.kept_from_peak`, from events in order of time. Of several moments as high the first is the peak."""
    marks = [place for place, event in enumerate(events) if event is None]
    if not marks:
        return []
    first, last = marks[0], marks[-1]
    alive = peak = 0
    at = first
    born: dict[int, tuple[int, int]] = {}
    for place, event in enumerate(events[first:last], first):
        if event is None:
            continue
        alive += event.bytes
        if event.bytes > 0:
            born[event.address] = place, event.bytes
        else:
            born.pop(event.address, None)
        if alive > peak:
            peak, at = alive, place
    return [Extent(address, size) for address, (place, size) in born.items() if place <= at]


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

    def kept_from_peak(self) -> None:
        return None


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
