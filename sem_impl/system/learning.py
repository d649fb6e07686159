"""What `sem` offers besides being measured: it learns from text and writes it."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from harness.system import Conditions, Variant
from sem_impl.system.variants import VARIANTS


class Learns:
    """For a system with `switches`, `conditions` and `build`."""

    learns = VARIANTS["all_on"] | {"kernels": "eager", "checkpointing": "none"}
    """Every documented *after*, but for two that cost more time than they save in a short training or text: compiling
    for every new shape, and computing twice what there is memory for."""

    def begin(
        self, variant: Variant, conditions: Conditions, seed: int, *, steps: int, base_rate: float | None = None
    ) -> Any:
        from sem_impl.training.learner import Learner
        from sem_impl.training.loop import BASE_RATE

        rate = BASE_RATE if base_rate is None else base_rate
        if steps < 0 or not 0 < rate < 1:
            raise ValueError(f"steps {steps}, base rate {rate:g}; steps from 0 and a rate between 0 and 1 would do")
        return Learner(self.build(variant, conditions, seed), variant, conditions, seed, steps=steps, base_rate=rate)

    def restore(self, file: Path, place: Conditions = MappingProxyType({})) -> Any:
        from sem_impl.training import files

        content = files.load(file)
        self._check(file, content)
        learner = self.begin(
            content["variant"],
            {**content["conditions"], **place},
            content["seed"],
            steps=content["steps"],
            base_rate=content["base_rate"],
        )
        return learner.restored(file, content)

    def _check(self, file: Path, content: Mapping[str, Any]) -> None:
        """That a file says what a model can be built from, before one is."""
        from sem_impl.training.files import CheckpointError

        variant, conditions = content["variant"], content["conditions"]
        for switch in self.switches:
            if variant.get(switch.name) not in switch.levels:
                found = f"{switch.name} {variant.get(switch.name)!r}"
                raise CheckpointError(f"{file}: no level {found}; {', '.join(switch.levels)} would do")
        for condition in self.conditions:
            value = conditions.get(condition.name)
            if not isinstance(value, int | float) or not condition.low <= value <= condition.high:
                would_do = f"{condition.low:g} to {condition.high:g}"
                raise CheckpointError(f"{file}: {condition.name} is {value!r}; {would_do} would do")
        if not 0 <= content["step"] <= content["steps"]:
            raise CheckpointError(f"{file}: step {content['step']} of {content['steps']}; up to all of them would do")
