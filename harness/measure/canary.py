"""A fixed kernel that no switch can touch: if it changes, the machine changed.

Three small matrix products and passes over a few megabytes, some milliseconds in all: it feels both the clock rate and
the memory. In numpy on the host, on one thread whatever the process may use: a linear algebra library's threads go on
looking for work for some milliseconds after a product, and would take a core from the cells' own. On a device, larger,
through torch, put into the queue like any call. On the virtual device it advances the virtual clock by a fixed time.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from harness.measure.clock import Clock
from harness.measure.virtual import VirtualClock

TIMES = 3
SIZE = 192
STREAM = 1 << 20  # float32 elements: 4 MB, beyond a core's private cache of old and most new machines
DEVICE_SIZE = 2048
DEVICE_STREAM = 1 << 25  # 128 MB: beyond the cache of a large accelerator


class Canary(Protocol):
    def sing(self) -> None: ...


def canary_of(clock: Clock) -> Canary:
    if isinstance(clock, VirtualClock):
        return VirtualCanary(clock)
    return HostCanary() if clock.name == "cpu" else DeviceCanary(clock.name)


def _numbers(size: int, stream: int) -> tuple[npt.NDArray[np.float32], ...]:
    generator = np.random.default_rng(0)
    left, right = (generator.standard_normal((size, size), dtype=np.float32) for _ in range(2))
    return left, right, generator.standard_normal(stream, dtype=np.float32)


class HostCanary:
    def __init__(self) -> None:
        self.left, self.right, self.stream = _numbers(SIZE, STREAM)
        self.product, self.sink = np.empty_like(self.left), np.empty_like(self.stream)

    def sing(self) -> None:
        for _ in range(TIMES):
            np.einsum("ij,kj->ik", self.left, self.right, out=self.product)  # numpy's own loops: no library, no threads
            np.multiply(self.stream, 0.5, out=self.sink)


class DeviceCanary:
    def __init__(self, device: str) -> None:
        import torch

        self.torch: Any = torch
        numbers = _numbers(DEVICE_SIZE, DEVICE_STREAM)
        self.left, self.right, self.stream = (torch.from_numpy(array).to(device) for array in numbers)
        self.product, self.sink = torch.empty_like(self.left), torch.empty_like(self.stream)

    def sing(self) -> None:
        for _ in range(TIMES):
            self.torch.matmul(self.left, self.right, out=self.product)
            self.torch.mul(self.stream, 0.5, out=self.sink)


class VirtualCanary:
    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock

    def sing(self) -> None:
        self.clock.advance(1e-3)
