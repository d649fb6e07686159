"""A cell made ready to be called: its model, its batch, and one way to call it.

`prepare` runs before every sample and outside its marks: gradients set to None, so that no call adds to an earlier one.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.measure import guards
from harness.measure.stages import StageMarks
from harness.records import Cell, Outcome, OutcomeWord
from harness.system import Batch, Output, System


@dataclass(frozen=True)
class Resident:
    cell: Cell
    system: System
    mode: str
    model: Any
    batch: Batch

    def prepare(self) -> None:
        if hasattr(self.model, "zero_grad"):
            self.model.zero_grad(set_to_none=True)

    def call(self) -> Output:
        output = self.system.run(self.model, self.batch, self.mode)
        if output.loss is not None:
            output.loss.backward()
        if output.update is not None:
            output.update()
        return output

    def first_call(self) -> dict[str, Any]:
        """As `call`; all that must be finite, by name. With gradients that are not no update is made: even at a rate
        of 0 it would write NaN into the parameters that the models of a process share."""
        output = self.system.run(self.model, self.batch, self.mode)
        numbers = self.tensors(output)
        if output.loss is not None:
            output.loss.backward()
        if output.update is not None:
            found = {name: getattr(p, "grad", None) for name, p in guards.parameters(self.model).items()}
            numbers |= {f"gradient of {name}": grad for name, grad in found.items() if grad is not None}
            if guards.finite(numbers):
                output.update()
        return numbers

    def call_repeatedly(self, times: int) -> None:
        """For calls too short to be read singly. In a training mode setting the gradients to None again is part of
        every call but the last; nothing else comes between them."""
        for _ in range(times - 1):
            if self.call().loss is not None:
                self.prepare()
        self.call()

    def call_in_stages(self, recorder: StageMarks) -> Output:
        output = self.system.run(self.model, self.batch, self.mode)
        if output.loss is not None:
            recorder.start_backward()
            output.loss.backward()
            recorder.end_backward()
        if output.update is not None:
            recorder.start_update()
            output.update()
            recorder.end_update()
        return output

    def tensors(self, output: Output) -> dict[str, Any]:
        """All the numbers of an output: its tensors and its loss."""
        found: dict[str, Any] = dict(output.tensors)
        return found if output.loss is None else found | {"loss": output.loss}


def settle_in(
    cell: Cell, system: System, mode: str, seed: int, share: Any | None, batches: dict[str, Batch]
) -> Resident:
    """Builds a cell. Models share equal parameters with `share`, cells under equal conditions share one batch."""
    dtype = str(cell.conditions.get("dtype", "float32"))
    key = repr(sorted(cell.conditions.items()))
    if key not in batches:
        batches[key] = system.batch(cell.conditions, seed, dtype)
    model = system.build(cell.variant, cell.conditions, seed, dtype, share)
    return Resident(cell, system, mode, model, batches[key])


def outcome_of(error: BaseException, cell: str, during: str) -> Outcome:
    """An exception as a recorded outcome: the word, and the place in the system's code it came from."""
    text = f"{type(error).__name__}: {error}".strip()
    frames = traceback.extract_tb(error.__traceback__)
    where = f" (in {frames[-1].name}, line {frames[-1].lineno})" if frames else ""
    return Outcome(cell=cell, outcome=_word(error, text), detail=(text + where)[:1000], during=during)


def not_finite(cell: str, tensors: Mapping[str, Any], during: str) -> Outcome | None:
    if guards.finite(tensors):
        return None
    bad = [name for name, tensor in tensors.items() if not guards.finite({name: tensor})]
    return Outcome(cell=cell, outcome="not_finite", detail=f"NaN or infinity in {', '.join(bad)}", during=during)


def _word(error: BaseException, text: str) -> OutcomeWord:
    if isinstance(error, MemoryError) or "out of memory" in text.lower() or "can't allocate memory" in text.lower():
        return "out_of_memory"
    return "failed"
