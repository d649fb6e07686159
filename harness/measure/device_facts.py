"""`python -P -m harness.measure.device_facts cuda`: one line of JSON with what a device says of itself.

A process of its own, for it imports torch and starts the driver. It fixes the same settings as a worker does and
reports what it then reads back.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from typing import Any

from harness.measure.device import Facts
from harness.measure.device_watch import NvmlSensor, Sensor, sensor_of
from harness.records import Value

OVERRIDES = (
    "NVIDIA_TF32_OVERRIDE",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
    "PYTORCH_CUDA_ALLOC_CONF",
    "PYTORCH_ALLOC_CONF",
)
"""Variables of the surroundings that change what a device does; told where they are set."""


def fix_settings(device: str) -> dict[str, Value]:
    """float32 means float32, and no library chooses its algorithm by trying: both would differ from process to
    process. Returns what is in force afterwards."""
    import torch

    torch.set_float32_matmul_precision("highest")
    told: dict[str, Value] = {"float32_matmul_precision": torch.get_float32_matmul_precision()}
    if device == "cuda":
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = False
        told |= {
            "matmul_tf32": bool(torch.backends.cuda.matmul.allow_tf32),
            "cudnn_tf32": bool(torch.backends.cudnn.allow_tf32),
            "cudnn_benchmark": bool(torch.backends.cudnn.benchmark),
        }
    return told | {name: os.environ[name] for name in OVERRIDES if name in os.environ}


def facts_of(device: str, torch: Any) -> Facts:
    """`torch` is the module, or one that looks like it."""
    module = getattr(torch, device, None)
    if module is None or not module.is_available():
        return Facts(absent=f"torch {torch.__version__} finds no {device} device it can use")
    properties = module.get_device_properties(module.current_device())
    sensor = sensor_of(device, module)
    return Facts(
        name=str(properties.name),
        driver=_driver(device, torch, properties, sensor),
        id=str(getattr(properties, "uuid", "")),
        memory_bytes=int(properties.total_memory),
        free_bytes=_free_bytes(module, properties),
        float64=bool(getattr(properties, "has_fp64", True)),
        settings=fix_settings(device),
        unread=sensor.unread,
    )


def _free_bytes(module: Any, properties: Any) -> int:
    """All of it where nobody says how much is taken: not every driver of an XPU does."""
    try:
        return int(module.mem_get_info()[0])
    except (AttributeError, RuntimeError):
        return int(properties.total_memory)


def _driver(device: str, torch: Any, properties: Any, sensor: Sensor) -> str:
    if device == "xpu":
        return str(properties.driver_version)
    runtime = f"CUDA {torch.version.cuda}"
    return f"{sensor.driver}, {runtime}" if isinstance(sensor, NvmlSensor) else runtime


def main(device: str) -> None:
    try:
        import torch

        found = facts_of(device, torch)
    except Exception as error:  # a driver may fail in any way, and that is the answer
        found = Facts(absent=f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}")
    print(json.dumps(asdict(found)))


if __name__ == "__main__":
    main(sys.argv[1])
