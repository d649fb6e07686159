"""A system whose stages allocate known sizes from the virtual allocator, and a torch module whose sizes are known.

HOARDER     `first` allocates 3000 bytes and frees 1000 of them, with `habit: tidy` all; `second` allocates 500 and
            frees them. Outside of both, 40 are allocated and stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.measure.virtual import ALLOCATOR
from harness.system import Cost, Estimate, Output, Switch
from tests.fakes import Fake, FakeModel, no_time_but_the_stages

KEPT = {"untidy": 2000, "tidy": 0}
BESIDE = 40


class Hoarder(Fake):
    def _stage(self, stage: str, model: FakeModel) -> Any:
        timed = super()._stage(stage, model)

        def forward(x: Any) -> Any:
            if stage == "first":
                ALLOCATOR.allocate(3000)
                ALLOCATOR.free(3000 - KEPT[model.variant["habit"]])
            else:
                ALLOCATOR.allocate(500)
                ALLOCATOR.free(500)
            return timed(x)

        return forward

    def run(self, model: FakeModel, batch: Any, mode: str) -> Output:
        ALLOCATOR.allocate(BESIDE)
        return super().run(model, batch, mode)

    def estimate(self, variant: Mapping[str, str], conditions: Mapping[str, Any], mode: str) -> Estimate:
        plain = super().estimate(variant, conditions, mode)
        stages = {"first": Cost(100.0, 20.0), "second": Cost(50.0, 30.5)}
        return Estimate(plain.flops, plain.parameter_bytes, plain.activation_bytes, stages)


HOARDER = Hoarder(
    "hoarder",
    (Switch("habit", ("untidy", "tidy"), "exact", "fake 7"),),
    no_time_but_the_stages,
    stages={"first": "first", "second": "second"},
)
