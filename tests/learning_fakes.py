"""Systems that learn, by hand: a loss that falls by known steps, a text that only repeats.

PARROT    loss 4, 3.9, 3.8, ...; repeats the prompt, then what its sampler was asked for
BROKEN    its loss is no number in the fourth step
HUGE      says that it needs more memory than any machine has
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.system import Estimate
from tests.fakes import LABEL, PACE, Fake, paced


@dataclass
class Pupil:
    made: dict[str, Any]
    steps: int
    step: int = 0
    breaks_at: int | None = None
    place: dict[str, Any] | None = None

    def advance(self) -> tuple[float, float]:
        if self.step == self.breaks_at:
            raise FloatingPointError(f"training step {self.step}: loss nan")
        self.step += 1
        return 4.0 - 0.1 * (self.step - 1), 2.5

    def judge(self) -> tuple[float, float]:
        return 4.0 - 0.1 * self.step, 3.25

    def save(self, file: Path) -> None:
        file.write_text(json.dumps({"made": self.made | (self.place or {}), "steps": self.steps, "step": self.step}))

    def write(self, prompt: bytes, count: int, seed: int, sampling: Mapping[str, float]) -> Iterator[bytes]:
        if not 0 < sampling["top_p"] <= 1:
            raise ValueError(f"top_p {sampling['top_p']} makes no sense")
        text = json.dumps({"seed": seed, **sampling}).encode() if prompt == b"asked?" else prompt * count
        for byte in text[:count] if prompt != b"asked?" else text:
            yield bytes([byte])


@dataclass
class Parrot(Fake):
    breaks_at: int | None = None
    bytes_needed: float = 1e6

    @property
    def learns(self) -> Mapping[str, str]:
        return {"pace": "usual", "label": "new"}

    def begin(
        self,
        variant: Mapping[str, str],
        conditions: Mapping[str, Any],
        seed: int,
        *,
        steps: int,
        base_rate: float | None = None,
    ) -> Pupil:
        made = {"variant": dict(variant), "conditions": dict(conditions), "seed": seed, "base_rate": base_rate}
        return Pupil(made, steps, breaks_at=self.breaks_at)

    def restore(self, file: Path, place: Mapping[str, Any]) -> Pupil:
        try:
            return Pupil(**json.loads(file.read_text()), place=dict(place))
        except json.JSONDecodeError:
            raise ValueError(f"{file} is no checkpoint") from None

    def estimate(self, variant: Mapping[str, str], conditions: Mapping[str, Any], mode: str) -> Estimate:
        return Estimate(flops=1.0, parameter_bytes=self.bytes_needed, activation_bytes=0.0)


PARROT = Parrot("parrot", (PACE, LABEL), paced)
BROKEN = Parrot("broken", (PACE, LABEL), paced, breaks_at=3)
HUGE = Parrot("huge", (PACE, LABEL), paced, bytes_needed=math.ldexp(1.0, 62))
