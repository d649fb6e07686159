"""Systems whose work goes into a queue, on the virtual device and on a CUDA device that is none.

QUEUED     as STAGED, but the work is launched: the host is through long before it is done
ON_CUDA    asks for device cuda. In a worker, this module puts a made-up torch in the place of torch, with a device
           in it whose queue is the virtual clock's, and a management library that calls every ninth reading
           throttled. `fault: unsupported` raises what torch does for an operator that a device lacks;
           `fault: lost` takes the device with it
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from types import SimpleNamespace
from typing import Any

from harness.measure.virtual import CLOCK
from harness.system import Switch
from tests.fakes import BASE_S, PACE, STAGE_S, Fake, FakeModel, no_time_but_the_stages


@dataclass
class Queued(Fake):
    def _stage(self, stage: str, model: FakeModel) -> Callable[[Any], Any]:
        def forward(x: Any) -> Any:
            CLOCK.launch(STAGE_S[stage] * (2.0 if model.variant["pace"] == "slow" else 1.0))
            return x @ model.weight.data if stage == "second" else x

        return forward


QUEUED = Queued("queued", (PACE,), no_time_but_the_stages, stages={"first": "first", "second": "second"})

FAULT = Switch("fault", ("none", "unsupported", "lost"), "exact", "fake 8")
UNSUPPORTED = "Could not run 'aten::addmm' with arguments from the 'SparseCsrCUDA' backend."
LOST = "CUDA error: an illegal memory access was encountered\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1"


def on_the_device(variant: Mapping[str, str]) -> None:
    CLOCK.launch(BASE_S * (2.0 if variant["pace"] == "slow" else 1.0))
    if variant["fault"] == "unsupported":
        raise NotImplementedError(UNSUPPORTED)
    if variant["fault"] == "lost":
        _device.lost = True
        raise RuntimeError(LOST)


ON_CUDA = Fake("on_cuda", (PACE, FAULT), on_the_device, devices=("cuda", "cpu"))


def _plant() -> Any:
    """Only in a worker, which imports torch when it has loaded its system."""
    from harness.measure import canary
    from tests.device_helpers import FakeDevice, FakeNvml

    class Device(FakeDevice):
        lost = False

        def synchronize(self) -> None:
            if self.lost:
                raise RuntimeError(LOST)
            super().synchronize()

        def current_device(self) -> int:
            return 0

        def get_device_properties(self, _: int) -> SimpleNamespace:
            return SimpleNamespace(uuid="1")

    class Nvml(FakeNvml):
        reading = count(1)

        def nvmlDeviceGetCurrentClocksEventReasons(self, handle: str) -> int:  # noqa: N802
            return 0x20 if next(self.reading) % 9 == 0 else 0x01

    device = Device(float)
    device.queue = CLOCK
    backends = SimpleNamespace(cudnn=SimpleNamespace(), cuda=SimpleNamespace(matmul=SimpleNamespace(allow_tf32=False)))
    sys.modules["torch"] = SimpleNamespace(
        cuda=device,
        backends=backends,
        set_num_threads=print,
        set_flush_denormal=print,
        set_float32_matmul_precision=print,
        get_float32_matmul_precision=lambda: "highest",
    )
    sys.modules["pynvml"] = Nvml()
    canary.DeviceCanary = lambda _: canary.VirtualCanary(CLOCK)
    return device


_device = _plant() if sys.argv[-1].isdigit() else None
