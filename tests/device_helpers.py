"""Devices that are none: what a clock sees of `torch.cuda` and `torch.xpu`, and what a sensor sees of NVML.

A FakeDevice has the queue of a virtual clock: work is launched and goes on while the host does not wait. Its events do
what torch's do: they are made at their first record, and know nothing before they are done.
"""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import numpy as np

from harness.measure.virtual import VirtualClock


class FakeEvent:
    def __init__(self, device: FakeDevice, enable_timing: bool = False) -> None:
        self.device, self.timed = device, enable_timing
        self.at: float | None = None

    def record(self, stream: object = None) -> None:
        if self.at is None:
            self.device.made += 1
        self.at = self.device.queue.mark()

    def query(self) -> bool:
        return self.at is None or self.at <= self.device.queue.host_s

    def elapsed_time(self, end: FakeEvent) -> float:
        """In milliseconds, as the device's timer and the driver's number format give it."""
        if not (self.timed and end.timed):
            raise ValueError("Both events must be created with argument 'enable_timing=True'.")
        if self.at is None or end.at is None:
            raise ValueError("Both events must be recorded before calculating elapsed time.")
        if not (self.query() and end.query()):
            raise RuntimeError("Both events must be completed before calculating elapsed time.")
        milliseconds = (self.device.timer(end.at) - self.device.timer(self.at)) * 1e3
        return float(self.device.number(milliseconds))


class FakeDevice:
    """`number` is float32 as CUDA's runtime, float as SYCL; the timer starts again every `wraps_s`."""

    def __init__(self, number: type = np.float32, wraps_s: float = float("inf")) -> None:
        self.queue = VirtualClock()
        self.number, self.wraps_s = number, wraps_s
        self.made = self.waits = 0
        self.Event = partial(FakeEvent, self)

    def timer(self, second: float) -> float:
        return second % self.wraps_s

    def synchronize(self) -> None:
        self.waits += 1
        self.queue.synchronise()


class NVMLError(Exception):
    pass


class FakeNvml:
    """The part of pynvml that is used; readings are taken from `clocks` and `masks` in turn, the last one stays."""

    NVMLError = NVMLError
    NVML_CLOCK_SM = 1

    def __init__(self, clocks=(1980,), masks=(0,), uuid="GPU-1", processes=(), persistence=1) -> None:
        self.clocks, self.masks, self.uuid = list(clocks), list(masks), uuid
        self.processes, self.persistence = processes, persistence

    def nvmlInit(self) -> None:  # noqa: N802 - NVML's names
        pass

    def nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802
        return "575.57"

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802
        if uuid != self.uuid:
            raise NVMLError("Not Found")
        return uuid

    def nvmlDeviceGetDeviceHandleFromMigDeviceHandle(self, handle: str) -> str:  # noqa: N802
        return f"parent of {handle}"

    def nvmlDeviceGetClockInfo(self, handle: str, which: int) -> int:  # noqa: N802
        return _next(self.clocks)

    def nvmlDeviceGetCurrentClocksEventReasons(self, handle: str) -> int:  # noqa: N802
        return _next(self.masks)

    def nvmlDeviceGetComputeRunningProcesses(self, handle: str) -> list[SimpleNamespace]:  # noqa: N802
        return [SimpleNamespace(pid=pid, usedGpuMemory=used) for pid, used in self.processes]

    def nvmlDeviceGetGraphicsRunningProcesses(self, handle: str) -> list[SimpleNamespace]:  # noqa: N802
        raise NVMLError("Not Supported")

    def nvmlDeviceGetPersistenceMode(self, handle: str) -> int:  # noqa: N802
        return self.persistence


def _next(readings: list[int]) -> int:
    value = readings.pop(0) if len(readings) > 1 else readings[0]
    if value < 0:
        raise NVMLError("Not Supported")
    return value
