"""Where a stage begins and ends, and its time: hooks on submodules, never a timing line in a model.

Forward: a mark before and after the submodule's own forward. Backward: a tensor hook on each stage's output fires
when the gradient with respect to that output is complete, which is where the next stage's backward ends and this
one's begins. The last stage begins there too: at once where its output is the loss, and a loss that is formed outside
all stages belongs to none of them. Where no gradient reaches it by a hook it begins at `start_backward`. The first one
ends with the pass. The update of a training step is the stage `optimiser`, after them all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from harness.measure.clock import Clock
from harness.system import OPTIMISER


class StageError(Exception):
    """A stage that cannot be told apart as declared."""


class StageMarks:
    """Marks of one call: whatever `read` gives at each boundary of a stage. Use as a context manager around it;
    afterwards `spans()` says which marks bound a stage."""

    def __init__(self, read: Callable[[], Any], model: Any, paths: Mapping[str, str]) -> None:
        self.read = read
        self.names = tuple(paths)
        self.marks: list[tuple[str, str, Any]] = []
        self._modules = {name: model.get_submodule(path) for name, path in paths.items()}
        self._handles: list[Any] = []

    def __enter__(self) -> Self:
        for name, module in self._modules.items():
            self._handles.append(module.register_forward_pre_hook(self._before(name)))
            self._handles.append(module.register_forward_hook(self._after(name)))
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def mark(self, stage: str, event: str) -> None:
        self.marks.append((stage, event, self.read()))

    def start_backward(self) -> None:
        self.mark("", "backward")

    def end_backward(self) -> None:
        self.mark("", "end")

    def start_update(self) -> None:
        self.mark(OPTIMISER, "enter")

    def end_update(self) -> None:
        self.mark(OPTIMISER, "leave")

    def spans(self) -> dict[str, tuple[int, int]]:
        """`encoder` -> its first and last mark's places, `encoder.backward` too if there was a backward pass."""
        at: dict[tuple[str, str], int] = {}
        for place, (stage, event, _) in enumerate(self.marks):
            if (stage, event) in at:
                raise StageError(f"stage '{stage}': {event} happened twice in a call; a stage's forward must run once")
            at[stage, event] = place
        spans: dict[str, tuple[int, int]] = {}
        for name in self.names:
            if (name, "enter") not in at or (name, "leave") not in at:
                raise StageError(f"stage '{name}': its forward did not run; its submodule must have its own forward")
            spans[name] = at[name, "enter"], at[name, "leave"]
        if ("", "backward") in at:
            spans |= self._backward(at)
        if (OPTIMISER, "enter") in at:
            spans[OPTIMISER] = at[OPTIMISER, "enter"], at[OPTIMISER, "leave"]
        return spans

    def _backward(self, at: Mapping[tuple[str, str], int]) -> dict[str, tuple[int, int]]:
        spans = {}
        begin = at["", "backward"]
        if self.names:
            begin = at.get((self.names[-1], "gradient"), begin)
        for position in range(len(self.names) - 1, -1, -1):
            name = self.names[position]
            before = self.names[position - 1] if position else None
            if before is not None and (before, "gradient") not in at:
                raise StageError(f"stage '{before}': no gradient reached its output; is it detached?")
            end = at[before, "gradient"] if before is not None else at["", "end"]
            if end < begin:
                raise StageError(f"stage '{name}': its backward ended before it began; stages go in pipeline order")
            spans[f"{name}.backward"] = begin, end
            begin = end
        return spans

    def _before(self, name: str) -> Any:
        def hook(module: Any, inputs: Any) -> None:  # noqa: ARG001 - torch's signature
            self.mark(name, "enter")

        return hook

    def _after(self, name: str) -> Any:
        def hook(module: Any, inputs: Any, output: Any) -> None:  # noqa: ARG001 - torch's signature
            self.mark(name, "leave")
            tensor = _differentiable(output)
            if tensor is not None:
                tensor.register_hook(lambda _: self.mark(name, "gradient"))

        return hook


class StageRecorder(StageMarks):
    """Marks of a clock."""

    def __init__(self, clock: Clock, model: Any, paths: Mapping[str, str]) -> None:
        super().__init__(clock.mark, model, paths)
        self.clock = clock

    def times(self) -> dict[str, float]:
        """Stage -> seconds, keys as those of `spans`."""
        seconds = self.clock.resolve([token for _, _, token in self.marks])
        return {stage: seconds[end] - seconds[begin] for stage, (begin, end) in self.spans().items()}


def _differentiable(output: Any) -> Any | None:
    """The first tensor of an output that wants a gradient."""
    candidates: Sequence[Any] = output if isinstance(output, tuple | list) else [output]
    for tensor in candidates:
        if getattr(tensor, "requires_grad", False):
            return tensor
    return None
