"""What a device was doing around a sample: the clock of its processors, and whether something held it back.

CUDA: NVIDIA's management library through `pynvml` (package nvidia-ml-py, extra `cuda`), where it is installed. XPU: the
clock through `torch.xpu.clock_rate` (package pyzes), where that works; torch tells no throttle reasons there. Read
before and after a sample, outside its marks. The host's CPU time and run-queue waits say nothing about a device's time
and are not kept for it.
Source: NVML API reference, nvmlClocksEventReasons.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from harness.measure import lost

MHZ = 1e6
REASONS: Mapping[int, str] = {
    0x04: "power cap",
    0x08: "hardware slowdown",
    0x20: "thermal slowdown by software",
    0x40: "thermal slowdown by hardware",
    0x80: "power brake",
}
"""Bits that mean the device ran slower than it could. An idle clock, one that somebody has set, and boosting together
with other devices are no throttling."""


@dataclass(frozen=True)
class Reading:
    clock_hz: float | None = None
    reasons: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Noticed:
    """What can be said of the machine around one sample. Fields as in `records.Sample`."""

    cpu_s: float | None = None
    lost_share: float | None = None
    clock_hz: float | None = None
    disturbed: str = ""


class Sensor(Protocol):
    unread: str
    """What cannot be read, and what would help; empty where all can."""

    def read(self) -> Reading: ...


class Unreadable:
    """Nothing is known, and nothing is left out for it."""

    def __init__(self, why: str) -> None:
        self.unread = why

    def read(self) -> Reading:
        return Reading()


class NvmlSensor:
    """`nvml` is the module pynvml; `uuid` that of the device as torch tells it. Raises NVMLError without the driver."""

    def __init__(self, nvml: Any, uuid: str) -> None:
        self.nvml = nvml
        nvml.nvmlInit()
        self.driver = f"driver {nvml.nvmlSystemGetDriverVersion()}"
        self.handle = _handle(nvml, uuid)
        self.reasons = _reader_of_reasons(nvml, self.handle)
        lacking = [] if self._clock() is not None else ["clock"]
        lacking += [] if self.reasons is not None else ["throttle reasons"]
        self.unread = f"this device does not tell its {' and '.join(lacking)}" if lacking else ""

    def read(self) -> Reading:
        found: frozenset[str] = frozenset()
        if self.reasons is not None:
            try:
                mask = int(self.reasons(self.handle))
            except self.nvml.NVMLError:
                mask = 0
            found = frozenset(word for bit, word in REASONS.items() if mask & bit)
        return Reading(self._clock(), found)

    def _clock(self) -> float | None:
        try:
            return float(self.nvml.nvmlDeviceGetClockInfo(self.handle, self.nvml.NVML_CLOCK_SM)) * MHZ
        except self.nvml.NVMLError:
            return None


def _handle(nvml: Any, uuid: str) -> Any:
    """Of the whole device, also where torch sees a slice of it (MIG): a slice has no clock of its own."""
    try:
        return nvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
    except nvml.NVMLError:
        return nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvml.nvmlDeviceGetHandleByUUID(f"MIG-{uuid}"))


def _reader_of_reasons(nvml: Any, handle: Any) -> Any:
    """The query was renamed: the new name where package and driver know it, else the old one, else None."""
    for name in ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"):
        read = getattr(nvml, name, None)
        if read is None:
            continue
        try:
            read(handle)
        except nvml.NVMLError:
            continue
        return read
    return None


class XpuSensor:
    """`module` is torch.xpu. Raises whatever torch raises where the clock cannot be read."""

    unread = "throttle reasons of xpu are not told by torch; its clock is watched"

    def __init__(self, module: Any) -> None:
        self.module = module
        module.clock_rate()

    def read(self) -> Reading:
        try:
            clock_hz = float(self.module.clock_rate()) * MHZ
        except RuntimeError:
            return Reading()
        return Reading(clock_hz if clock_hz > 0 else None)  # a device at rest tells 0, one that does not know less


def sensor_of(device: str, module: Any) -> Sensor:
    """`module` is torch.cuda or torch.xpu."""
    if device == "xpu":
        try:
            return XpuSensor(module)
        except (AttributeError, ImportError, RuntimeError) as error:
            why = str(error).strip().split("\n")[0]
            return Unreadable(f"clock and throttle reasons of xpu are not read ({why}); pip install pyzes may help")
    try:
        import pynvml
    except ImportError:
        return Unreadable("clock and throttle reasons are not read: no nvidia-ml-py; pip install 'semh[cuda]' helps")
    try:
        return NvmlSensor(pynvml, str(module.get_device_properties(module.current_device()).uuid))
    except (AttributeError, pynvml.NVMLError) as error:
        return Unreadable(f"clock and throttle reasons are not read: {error}")


class Watch(Protocol):
    """Reads before and after a sample, outside its marks."""

    def read(self) -> Any: ...

    def between(self, before: Any, after: Any) -> Noticed: ...


class HostWatch:
    def __init__(self, threads: int) -> None:
        self.watch = lost.Watch(threads)

    def read(self) -> lost.Reading:
        return self.watch.read()

    def between(self, before: lost.Reading, after: lost.Reading) -> Noticed:
        found = self.watch.between(before, after)
        return Noticed(cpu_s=found.cpu_s, lost_share=found.share)


class DeviceWatch:
    def __init__(self, sensor: Sensor) -> None:
        self.sensor = sensor

    def read(self) -> Reading:
        return self.sensor.read()

    def between(self, before: Reading, after: Reading) -> Noticed:
        """The clock is the second reading's, taken while the device is at work: at rest it may be lowered."""
        reasons = sorted(before.reasons | after.reasons)
        return Noticed(
            clock_hz=after.clock_hz,
            disturbed=f"throttled: {', '.join(reasons)}" if reasons else "",
        )


def watch_of(device: str, threads: int) -> Watch:
    """Of the virtual clock nothing on this machine says anything."""
    if device == "cpu":
        return HostWatch(threads)
    if device == "virtual":
        return DeviceWatch(Unreadable("a virtual device"))
    import torch

    return DeviceWatch(sensor_of(device, getattr(torch, device)))
