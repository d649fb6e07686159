"""What the other tools measure: each kernel alone, on side A as it is, on side B with its plant.

The side is named by the environment variable SIDE, so that both sides bear the same names, as a benchmark does before
and after a change. Sixty calls in each of six processes, as a trial of planted.yaml has sixty blocks and quick has six
trials.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

from benchmarks.kernels import KERNELS, UNITS, inputs, planted_units

SIDE = "SEMH_BENCHMARK_SIDE"
PLANTS = ("none", "5", "10")
PROCESSES, CALLS, WARM_UPS = 6, 60, 5
NAMES = tuple(f"{kernel}_{plant}" for kernel in KERNELS for plant in PLANTS)


def case(name: str) -> Callable[[], None]:
    """The call to be timed, of this process's side."""
    kernel, _, plant = name.partition("_")
    units = planted_units(plant) if os.environ[SIDE] == "B" else UNITS
    return partial(KERNELS[kernel], inputs(), units)
