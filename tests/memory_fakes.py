"""A system whose stages allocate known sizes from the virtual allocator, and a torch module whose sizes are known.

HOARDER     `first` allocates 3000 bytes and frees 1000 of them, with `habit: tidy` all; `second` allocates 500 and
            frees them. Outside of both, 40 are allocated and stay.
COUNTING    the same, and it says so itself
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.measure.virtual import ALLOCATOR
from harness.system import Cost, Estimate, Held, Holdings, Output, Span, Switch
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


class Counting(Hoarder):
    """Says what it holds, and says it right: a parameter of 1000 bytes beside what its stages allocate."""

    def holdings(self, variant: Mapping[str, str], conditions: Mapping[str, Any], mode: str) -> Holdings:
        if mode != "forward":
            raise ValueError(f"mode {mode} cannot be counted; forward can")
        kept = KEPT[variant["habit"]]
        begin = 1000 + 64 + BESIDE
        return Holdings(
            tensors=(
                Held("first", "first.weight", (250,), "float32", 1000, made=1, kept=1, parameter=True),
                Held("first", "first", (500,), "float32", 2000, made=1, kept=kept // 2000),
                Held("first", "first", (250,), "float32", 1000, made=1, kept=0),
                Held("second", "second", (125,), "float32", 500, made=1, kept=0),
            ),
            spans={
                "": Span(1064, begin),
                "first": Span(begin, begin + 3000),
                "second": Span(begin + kept, begin + kept + 500),
            },
            parameter_bytes=1000,
            input_bytes=64,
            assumed="" if variant["habit"] == "tidy" else "habit tidy",
        )


COUNTING = Counting("counting", HOARDER.switches, no_time_but_the_stages, stages=HOARDER.stages)
