"""What `semh doctor` says of devices besides the host: (word, text, advice), in the words of its findings.

Where the kernel has no device node nothing is started and nothing imported. `ask` and `nvml` stand for the device and
for NVIDIA's management library, so that a made-up device can be examined.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

from harness.measure import device as devices
from harness.measure.device import NONE_HERE, Facts
from harness.measure.device_watch import NvmlSensor, Reading

GB = 1e9
USED = 0.05
"""Share of a device's memory that others may hold unnoticed: a desktop does."""
TRIED = {
    "cuda": "of such devices semh's authors had one, an NVIDIA H100",
    "xpu": "semh was never run on such a device by its authors",
}

Told = tuple[str, str, str]


def device_findings(ask: Callable[[str], Facts] = devices.facts, nvml: Callable[[], Any] | None = None) -> list[Told]:
    return [told for name in devices.DEVICES for told in _of(name, ask(name), nvml or _nvml)]


def _nvml() -> Any:
    """The module, or None where it is not installed."""
    try:
        import pynvml
    except ImportError:
        return None
    return pynvml


def _of(name: str, facts: Facts, nvml: Callable[[], Any]) -> Iterator[Told]:
    if facts.absent == NONE_HERE:
        yield "untested", f"{name}: untested, {NONE_HERE}", ""
        return
    if facts.absent:
        yield "missing", f"{name}: {facts.absent}", f"a driver, and a build of torch for {name}, make it usable"
        return
    free, size = facts.free_bytes / GB, facts.memory_bytes / GB
    yield "ok", f"{name}: {facts.name}, {facts.driver}, {size:.1f} GB, {free:.1f} GB free", ""
    yield "note", f"{name}: {TRIED[name]}", f"`make {name}` tests it on this one"
    if facts.unread:
        yield "missing", f"{name}: {facts.unread}", "till then no sample is left out for a slow clock"
    if facts.free_bytes < (1 - USED) * facts.memory_bytes:
        taken = f"{size - free:.1f} GB of {name} memory are taken"
        yield "noisy", taken, f"end what uses the device, or choose another with {devices.VISIBLE[name]}"
    if name == "cuda":
        yield from _managed(facts, nvml())


def _managed(facts: Facts, nvml: Any) -> Iterator[Told]:
    """What the management library knows of an NVIDIA device: who else is on it, and what holds it back."""
    if nvml is None:
        return
    try:
        sensor = NvmlSensor(nvml, facts.id)
        yield from _throttling(sensor.read())
        yield from _others(nvml, sensor.handle)
        yield from _persistence(nvml, sensor.handle)
    except nvml.NVMLError as error:
        yield "missing", f"cuda: its management library does not answer ({error})", ""


def _throttling(reading: Reading) -> Iterator[Told]:
    if reading.reasons:
        what = f"cuda: held back now by {', '.join(sorted(reading.reasons))}"
        yield "noisy", what, "let it cool, or fix a clock it can hold: nvidia-smi -lgc MHZ (as root)"
    elif reading.clock_hz is not None:
        yield "ok", f"cuda clock: {reading.clock_hz / 1e6:.0f} MHz, not held back", ""


def _others(nvml: Any, handle: Any) -> Iterator[Told]:
    found = []
    for query in (nvml.nvmlDeviceGetComputeRunningProcesses, nvml.nvmlDeviceGetGraphicsRunningProcesses):
        try:
            found += query(handle)
        except nvml.NVMLError:
            continue  # a card without a display has no graphics list
    others = {one.pid: one.usedGpuMemory for one in found if one.pid != os.getpid()}
    if not others:
        yield "ok", "cuda: no other process on the device", ""
        return
    told = [f"{pid}" + (f" ({used / GB:.1f} GB)" if used else "") for pid, used in sorted(others.items())]
    what = f"cuda: {len(told)} other process{'es' if len(told) > 1 else ''} on the device: {', '.join(told)}"
    yield "noisy", what, "end them: they take turns with what is measured"


def _persistence(nvml: Any, handle: Any) -> Iterator[Told]:
    try:
        kept = bool(nvml.nvmlDeviceGetPersistenceMode(handle))
    except nvml.NVMLError:
        return  # not every driver has it
    if not kept:
        yield "note", "cuda: persistence mode is off, the driver starts anew for every process", "nvidia-smi -pm 1"
