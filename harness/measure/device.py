"""What there is of CUDA and XPU devices. Torch is imported in a process of its own, and only where the kernel has a
device node: a plan for the host, or on a machine without a device, starts at once, and no runner holds a device.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from harness.records import Device, Value

HOSTS = ("cpu", "virtual")
DEVICES = ("cuda", "xpu")
NODES = {
    "cuda": ("dev/nvidia[0-9]*", "dev/nvhost-gpu", "dev/dxg"),
    "xpu": ("dev/dri/renderD*", "dev/dxg"),
}
"""Device nodes of the kernel, below the root; `dxg` is that of WSL."""
INTEL = "0x8086"
VISIBLE = {"cuda": "CUDA_VISIBLE_DEVICES", "xpu": "ZE_AFFINITY_MASK"}
NONE_HERE = "no such device on this machine"
ASK_S = 300.0
"""A first start of torch and of a driver may take minutes."""


@dataclass(frozen=True)
class Facts:
    """What a device says of itself. `absent` is why it cannot be used, in words; empty where it can."""

    absent: str = ""
    name: str = ""
    driver: str = ""
    id: str = ""
    memory_bytes: int = 0
    free_bytes: int = 0
    float64: bool = True
    settings: dict[str, Value] = field(default_factory=dict)
    unread: str = ""
    """What of its clock and throttling cannot be read here, and what would help; empty where all can."""


def nodes(device: str, root: Path = Path("/")) -> list[Path]:
    """Device nodes of the kernel that may be such a device, sorted. A render node of another maker is none of xpu."""
    found = sorted(path for pattern in NODES.get(device, ()) for path in root.glob(pattern))
    return [path for path in found if device != "xpu" or _maker(path, root) in (INTEL, None)]


def _maker(node: Path, root: Path) -> str | None:
    try:
        return (root / "sys/class/drm" / node.name / "device/vendor").read_text().strip()
    except OSError:
        return None


@cache
def facts(device: str) -> Facts:
    """Asks the device, once per process. `cpu` and `virtual` are always there and say nothing."""
    if device in HOSTS:
        return Facts()
    return asked(device) if nodes(device) else Facts(absent=NONE_HERE)


def asked(device: str) -> Facts:
    command = [sys.executable, "-P", "-m", "harness.measure.device_facts", device]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ASK_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Facts(absent=f"it could not be asked ({type(error).__name__})")
    return understood(done.stdout, done.stderr)


def understood(answer: str, errors: str) -> Facts:
    """The last line is the answer: a driver may print before it."""
    try:
        return Facts(**json.loads(answer.strip().splitlines()[-1]))
    except (IndexError, ValueError, TypeError):
        last = (errors.strip().splitlines() or ["no message"])[-1]
        return Facts(absent=f"it could not be asked ({last.strip()[:200]})")


def absent(device: str) -> str:
    """Why a device cannot be measured here; empty where it can."""
    return facts(device).absent


def works(device: str) -> bool:
    """Whether a device this process has used still answers. After an illegal access no call of the process does."""
    if device in HOSTS:
        return True
    import torch

    try:
        getattr(torch, device).synchronize()
    except RuntimeError:
        return False
    return True


def not_run(used: frozenset[str]) -> dict[str, str]:
    """Device -> why a run on the devices `used` says nothing of it."""
    return {
        device: "not run on this device, though the machine may have one" if nodes(device) else f"untested, {NONE_HERE}"
        for device in DEVICES
        if device not in used
    }


def described(device: str) -> Device:
    """A device that is there, for the record of a run."""
    found = facts(device)
    return Device(
        kind=device,
        name=found.name,
        driver=found.driver,
        memory_bytes=found.memory_bytes,
        id=found.id,
        settings=found.settings,
    )


def identity(root: Path = Path("/")) -> str:
    """Which devices this machine has and which of them may be used, from the kernel's files; empty without any."""
    if not any(nodes(device, root) for device in DEVICES):
        return ""
    told = [*_nvidia(root), *_render(root)]
    chosen = [f"{name}={os.environ[name]}" for name in VISIBLE.values() if name in os.environ]
    return "|".join((*told, *chosen))


def _nvidia(root: Path) -> list[str]:
    known = ("Model:", "GPU UUID:")
    lines = []
    for file in sorted(root.glob("proc/driver/nvidia/gpus/*/information")):
        with suppress(OSError):  # a container may show the folder and not the file
            lines += [line.strip() for line in file.read_text().splitlines()]
    return [line for line in lines if line.startswith(known)]


def _render(root: Path) -> list[str]:
    found = []
    for node in nodes("xpu", root):
        with suppress(OSError):  # WSL has a node, but no entry for it
            found.append((root / "sys/class/drm" / node.name / "device/device").read_text().strip())
    return found
