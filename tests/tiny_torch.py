"""A system of three small torch stages whose operators can be counted by hand: for what only a real profile shows.

The middle stage multiplies by a matrix, at level `once` in one product and at the other in one per row; a training
step adds two products for each, to the input and to the weight. That other level has a name that no file, page or
markdown should take at its word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.system import Batch, Condition, Estimate, Output, Switch

ROWS = 5
HOSTILE = "../x|`y`"


@dataclass(frozen=True)
class Tiny:
    name: str = "tiny"
    title: str = "three stages, counted by hand"
    switches: tuple[Switch, ...] = (Switch("product", ("once", HOSTILE), "exact", "tiny 1"),)
    conditions: tuple[Condition, ...] = (Condition("width", 8, 1, 64),)
    modes: tuple[str, ...] = ("train_step", "forward")
    devices: tuple[str, ...] = ("cpu",)
    probes: tuple[()] = ()
    rounding: float = 1e-5
    gradient_slack: float = 10.0

    @property
    def sizes(self) -> Mapping[str, Mapping[str, int | float]]:
        return {}

    @property
    def variants(self) -> Mapping[str, Mapping[str, str]]:
        return {"status_quo": {"product": "once"}, "all_on": {"product": HOSTILE}}

    @property
    def stages(self) -> Mapping[str, str]:
        return {"first": "first", "middle": "middle", "last": "last"}

    def estimate(self, variant: Mapping[str, str], conditions: Mapping[str, Any], mode: str) -> Estimate:
        return Estimate(flops=1e3, parameter_bytes=1e3, activation_bytes=1e3)

    def build(
        self, variant: Mapping[str, str], conditions: Mapping[str, Any], seed: int, dtype: str = "float32", share=None
    ) -> Any:
        import torch
        from torch import nn

        class Middle(nn.Module):
            def __init__(self, width: int) -> None:
                super().__init__()
                self.weight = nn.Parameter(torch.eye(width))

            def forward(self, x: Any) -> Any:
                if variant["product"] == "once":
                    return x.mm(self.weight)
                return torch.cat([row.mm(self.weight) for row in x.split(1)])

        model = nn.Sequential()
        for name, stage in {
            "first": nn.Softplus(),
            "middle": Middle(int(conditions["width"])),
            "last": nn.Tanh(),
        }.items():
            model.add_module(name, stage)
        return model

    def batch(self, conditions: Mapping[str, Any], seed: int, dtype: str = "float32") -> Batch:
        import torch

        return Batch({"x": torch.ones(ROWS, int(conditions["width"]), requires_grad=True)})

    def run(self, model: Any, batch: Batch, mode: str) -> Output:
        y = model(batch.inputs["x"])
        return Output({"y": y}, y.sum() if mode == "train_step" else None)

    def read_probes(self, model: Any, batch: Batch) -> Mapping[str, float | str]:
        return {}


TINY = Tiny()
