"""Systems whose true differences are known, for measuring the measuring: three small kernels in numpy.

    gemm       products of a matrix of 128 columns with itself              bound by arithmetic
    stream     scaled sums over half a megabyte                    bound by a core's second-level cache
    interpret  a loop of Python over a dictionary                  bound by the interpreter

Each kernel works in equal units, UNITS of them a call at scale 1 (about a millisecond); a plant of 5 or 10 % is one
or two units of twenty more, which is 5 or 10 % of the stage's time by construction. `NULLS` runs one kernel a call, in
copies that differ in nothing but their name. `PLANTED` runs all three as stages, and slows one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.system import Batch, Condition, Conditions, Estimate, Output, Probe, Switch, Variant

UNITS = 20
MORE = {"5": 1, "10": 2}
"""Per cent more -> units more, of twenty."""
WIDTH = 128
STREAM = 1 << 17
KEYS = 300

Array = np.ndarray[Any, Any]


def gemm(x: Array, units: int) -> None:
    left, product = x[: WIDTH * WIDTH].reshape(WIDTH, WIDTH), np.empty((WIDTH, WIDTH), dtype=x.dtype)
    for _ in range(units):
        np.matmul(left, left, out=product)


def stream(x: Array, units: int) -> None:
    sink = np.empty_like(x)
    for _ in range(units):
        np.multiply(x, 0.5, out=sink)
        np.add(sink, x, out=sink)


def interpret(x: Array, units: int) -> None:
    counts: dict[int, int] = {}
    for _ in range(units):
        for key in range(KEYS):
            counts[key & 63] = counts.get(key & 63, 0) + key


KERNELS: dict[str, Callable[[Array, int], None]] = {"gemm": gemm, "stream": stream, "interpret": interpret}


def inputs(dtype: str = "float32") -> Array:
    return np.random.default_rng(0).standard_normal(STREAM).astype(dtype)


def planted_units(plant: str) -> int:
    """Units of a stage whose plant is `none`, `5` or `10` (per cent)."""
    return UNITS + MORE.get(plant, 0)


def _stage(kernel: str, units: int) -> Any:
    from torch import nn

    class Stage(nn.Module):
        """One kernel; hands its input on, which is what sameness compares."""

        def forward(self, x: Any) -> Any:
            KERNELS[kernel](x.numpy(), units)
            return x

    return Stage()


@dataclass(frozen=True)
class Kernels:
    """A System. `units(variant, conditions)` maps each of its stages to the work of one call."""

    name: str
    title: str
    switches: Sequence[Switch]
    units: Callable[[Variant, Conditions], Mapping[str, int]]
    stages: Mapping[str, str]
    conditions: Sequence[Condition]
    sizes: Mapping[str, Mapping[str, int | float]]
    modes: Sequence[str] = ("forward",)
    devices: Sequence[str] = ("cpu",)
    probes: Sequence[Probe] = ()
    rounding: float = 1e-6
    gradient_slack: float = 1.0

    @property
    def variants(self) -> Mapping[str, Variant]:
        return {
            "status_quo": {switch.name: switch.levels[0] for switch in self.switches},
            "all_on": {switch.name: switch.levels[-1] for switch in self.switches},
        }

    def estimate(self, variant: Variant, conditions: Conditions, mode: str) -> Estimate:
        units = sum(self.units(variant, conditions).values())
        return Estimate(flops=2e6 * units, parameter_bytes=0.0, activation_bytes=8.0 * STREAM)

    def build(
        self, variant: Variant, conditions: Conditions, seed: int, dtype: str = "float32", share: Any | None = None
    ) -> Any:
        from torch import nn

        model = nn.Module()
        for stage, units in self.units(variant, conditions).items():
            model.add_module(stage, _stage(stage, units))
        return model

    def batch(self, conditions: Conditions, seed: int, dtype: str = "float32") -> Batch:
        import torch

        return Batch({"x": torch.from_numpy(inputs(dtype))}, {"dataset": "standard normal"})

    def run(self, model: Any, batch: Batch, mode: str) -> Output:
        x = batch.inputs["x"]
        for stage in model.children():
            x = stage(x)
        return Output({"x": x})

    def read_probes(self, model: Any, batch: Batch) -> Mapping[str, float | str]:
        return {}


COPIES = tuple(f"copy_{number}" for number in range(11))


def _one_kernel(variant: Variant, conditions: Conditions) -> Mapping[str, int]:
    kernel = list(KERNELS)[int(conditions["kernel"])]
    return {kernel: UNITS * int(conditions["scale"])}


NULLS = Kernels(
    name="nulls",
    title="copies of small kernels that differ in nothing",
    switches=(Switch("copy", COPIES, "exact", "planted", doc="eleven names of the same code"),),
    units=_one_kernel,
    stages={},
    conditions=(
        Condition("kernel", 0, 0, 2, doc="0 gemm, 1 stream, 2 interpret"),
        Condition("scale", 1, 1, 8, doc="multiple of twenty units"),
    ),
    sizes={"small": {"kernel": 0, "scale": 1}},
)

PLANTS = (*(f"none_{number}" for number in range(7)), *(f"{kernel}_{more}" for more in MORE for kernel in KERNELS))


def _one_slower(variant: Variant, conditions: Conditions) -> Mapping[str, int]:
    slowed, _, more = variant["plant"].partition("_")
    scale = int(conditions["scale"])
    return {kernel: scale * planted_units(more if kernel == slowed else "none") for kernel in KERNELS}


PLANTED = Kernels(
    name="planted",
    title="three kernels as stages, one of them slowed by 5 or 10 %",
    switches=(Switch("plant", PLANTS, "exact", "planted", doc="which stage is slower, by how many per cent"),),
    units=_one_slower,
    stages={kernel: kernel for kernel in KERNELS},
    conditions=(Condition("scale", 1, 1, 8, doc="multiple of twenty units"),),
    sizes={"small": {"scale": 1}},
)
