"""A fixed kernel that no switch can touch: if it changes, the machine changed.

Three small matrix products and passes over a few megabytes, in numpy, some milliseconds in all: it feels both the
clock rate and the memory. On the virtual device it advances the virtual clock by a fixed time.
"""

from __future__ import annotations

import numpy as np

from harness.measure.clock import Clock
from harness.measure.virtual import VirtualClock

SIZE = 384
STREAM = 1 << 20  # float32 elements: 4 MB, beyond a core's private cache of old and most new machines


class Canary:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        generator = np.random.default_rng(0)
        self.left = generator.standard_normal((SIZE, SIZE), dtype=np.float32)
        self.right = generator.standard_normal((SIZE, SIZE), dtype=np.float32)
        self.product = np.empty((SIZE, SIZE), dtype=np.float32)
        self.stream = generator.standard_normal(STREAM, dtype=np.float32)
        self.sink = np.empty_like(self.stream)

    def sing(self) -> None:
        if isinstance(self.clock, VirtualClock):
            self.clock.advance(1e-3)
            return
        for _ in range(3):
            np.matmul(self.left, self.right, out=self.product)
            np.multiply(self.stream, 0.5, out=self.sink)
