"""What `sem` offers besides being measured: it says what a call holds, tensor by tensor, at sizes that fit nowhere."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from harness.system import Batch, Conditions, Held, Holdings, Span, Variant


class Counts:
    """For a system with `stages`, `made`, `batch` and `run`."""

    counting = ("forward", "prefill", "train_step", "decode")

    def holdings(self, variant: Variant, conditions: Conditions, mode: str) -> Holdings:
        import torch

        from sem_impl.memory import FEW, Undrawn, assumed, count

        if mode not in self.counting:
            raise ValueError(f"mode {mode} cannot be counted; {', '.join(self.counting)} can")
        dtype = str(conditions.get("dtype", "float32"))
        instead = assumed(variant)
        found = count(
            lambda: self.made(Undrawn(0, getattr(torch, dtype)), {**variant, **instead}, {**conditions, **FEW}),
            self.batch({**conditions, "device": "cpu"}, 0, dtype).inputs,
            lambda model, inputs: self.run(model, Batch(inputs), mode),
            self.stages,
        )
        return Holdings(
            tensors=(*_parameters(found), *_activations(found)),
            spans={name: Span(one.begin_bytes, one.peak_bytes) for name, one in found.spans.items()},
            parameter_bytes=found.parameter_bytes,
            input_bytes=found.input_bytes,
            assumed=" and ".join(f"{name} {level}" for name, level in instead.items()),
        )


def _parameters(found: Any) -> Iterator[Held]:
    alike = Counter((_starred(name), one.shape, one.dtype, one.bytes) for name, one in found.parameters)
    for (name, *rest), count in alike.items():
        yield Held(name.split(".")[0], name, *rest, made=count, kept=count, parameter=True)


def _activations(found: Any) -> Iterator[Held]:
    for stage, made in found.made.items():
        kept = _places(found.kept.get(stage, {}))
        for (place, *rest), count in _places(made).items():
            yield Held(stage, place, *rest, made=count, kept=kept[place, *rest])


def _places(counted: Mapping[Any, int]) -> Counter[Any]:
    alike: Counter[Any] = Counter()
    for one, count in counted.items():
        alike[_starred(one.module), one.shape, one.dtype, one.bytes] += count
    return alike


def _starred(name: str) -> str:
    """Layers of a stack are one place: mixer.layers.3.norm -> mixer.layers.*.norm."""
    return re.sub(r"\.\d+(?=\.|$)", ".*", name)
