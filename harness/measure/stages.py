"""Time per stage: hooks on submodules, never a timing line in a model.

Forward: a mark before and after the submodule's own forward. Backward: a tensor hook on each stage's output fires
when the gradient with respect to that output is complete, which is where the next stage's backward ends and this
one's begins. The last stage (with the loss) begins at `start_backward`, the first one ends with the pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.measure.clock import Clock


class StageError(Exception):
    """A stage that cannot be timed as declared."""


class StageRecorder:
    """Marks of one call. Use as a context manager around it; afterwards `times()` gives seconds per stage."""

    def __init__(self, clock: Clock, model: Any, paths: Mapping[str, str]) -> None:
        self.clock = clock
        self.names = tuple(paths)
        self.marks: list[tuple[str, str, Any]] = []
        self._modules = {name: model.get_submodule(path) for name, path in paths.items()}
        self._handles: list[Any] = []

    def __enter__(self) -> StageRecorder:
        for name, module in self._modules.items():
            self._handles.append(module.register_forward_pre_hook(self._before(name)))
            self._handles.append(module.register_forward_hook(self._after(name)))
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def mark(self, stage: str, event: str) -> None:
        self.marks.append((stage, event, self.clock.mark()))

    def start_backward(self) -> None:
        self.mark("", "backward")

    def end_backward(self) -> None:
        self.mark("", "end")

    def times(self) -> dict[str, float]:
        """`encoder` -> forward seconds, `encoder.backward` -> backward seconds if there was a backward pass."""
        seconds = self.clock.resolve([token for _, _, token in self.marks])
        at: dict[tuple[str, str], float] = {}
        for (stage, event, _), second in zip(self.marks, seconds, strict=True):
            if (stage, event) in at:
                raise StageError(f"stage '{stage}': {event} happened twice in a call; a stage's forward must run once")
            at[stage, event] = second
        times: dict[str, float] = {}
        for name in self.names:
            if (name, "enter") not in at or (name, "leave") not in at:
                raise StageError(f"stage '{name}': its forward did not run; its submodule must have its own forward")
            times[name] = at[name, "leave"] - at[name, "enter"]
        if ("", "backward") in at:
            times |= self._backward(at)
        return times

    def _backward(self, at: Mapping[tuple[str, str], float]) -> dict[str, float]:
        times = {}
        begin = at["", "backward"]
        for position in range(len(self.names) - 1, -1, -1):
            name = self.names[position]
            before = self.names[position - 1] if position else None
            if before is not None and (before, "gradient") not in at:
                raise StageError(f"stage '{before}': no gradient reached its output; is it detached?")
            end = at[before, "gradient"] if before is not None else at["", "end"]
            times[f"{name}.backward"] = end - begin
            begin = end
        return times

    def _before(self, name: str) -> Any:
        def hook(module: Any, inputs: Any) -> None:  # noqa: ARG001 - torch's signature
            self.mark(name, "enter")

        return hook

    def _after(self, name: str) -> Any:
        last = name == self.names[-1]

        def hook(module: Any, inputs: Any, output: Any) -> None:  # noqa: ARG001 - torch's signature
            self.mark(name, "leave")
            if not last:
                tensor = _differentiable(output)
                if tensor is not None:
                    tensor.register_hook(lambda _: self.mark(name, "gradient"))

        return hook


def _differentiable(output: Any) -> Any | None:
    """The first tensor of an output that wants a gradient."""
    candidates: Sequence[Any] = output if isinstance(output, tuple | list) else [output]
    for tensor in candidates:
        if getattr(tensor, "requires_grad", False):
            return tensor
    return None
