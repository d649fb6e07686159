"""Numbers of a cell that repeat exactly. Keys; of a stage with its name before, `head.flops`:

    parameters                              numbers in the model, shared ones once
    flops, minimum_bytes, backward_...      the system's own formulas (`Estimate`); of a call the sum of its stages
    operators, backward_operators           operators that torch dispatched in one call, below autograd; those of an
                                            update count with the forward pass
    torch_flops, backward_torch_flops       what torch's own formulas count of those operators: a check
    <probe>                                 the probes a system calls exact

Operators are counted by a dispatch mode, and only where nothing runs compiled: a compiled region dispatches none of
what it does, and under such a mode torch would run it uncompiled. Whether there is one is seen in a profile of a call
of its own. Torch's formulas are left out wherever they met a complex or sparse operand: they take it for real and
dense.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from harness.measure import guards
from harness.measure.allocator import COMPILED
from harness.measure.resident import Resident
from harness.measure.stages import StageError, StageMarks
from harness.records import Counters
from harness.system import OPTIMISER, Cost

Count = int | float
BACKWARD = ".backward"


class Tally(NamedTuple):
    operators: int
    flops: int
    """By torch's formulas."""
    miscounted: int
    """Operators among them with a complex or sparse operand."""


def counters(
    resident: Resident, paths: Mapping[str, str], probes: Mapping[str, float | str], *, torch: bool = True
) -> Counters:
    """Of a cell after its first call; `probes` as just read. Without `torch` there are no operators to count."""
    exact = {probe.name for probe in resident.system.probes if probe.exact}
    values: dict[str, Count] = {"parameters": parameter_count(resident.model)}
    values |= formulas(resident)
    operators, uncounted = _counted_or_why_not(resident, paths) if torch else ({}, "")
    values |= operators
    values |= {name: value for name, value in probes.items() if name in exact and not isinstance(value, str)}
    return Counters(cell=resident.cell.id, values=values, uncounted=uncounted)


def parameter_count(model: Any) -> int:
    found = guards.parameters(model).values()
    return sum(p.numel() if hasattr(p, "numel") else guards.as_array(p).size for p in found)


def formulas(resident: Resident) -> dict[str, Count]:
    cell = resident.cell
    estimate = resident.system.estimate(cell.variant, cell.conditions, resident.mode)
    costs = dict(estimate.stages)
    whole = estimate.whole or (_sum(costs) if costs else None)
    named = ({"": whole} if whole else {}) | costs
    return {
        _key(stage, name): _integer(value)
        for stage, cost in named.items()
        for name, value in vars(cost).items()
        if value or not name.startswith("backward")
    }


def _sum(costs: Mapping[str, Cost]) -> Cost:
    parts = [vars(cost) for cost in costs.values()]
    return Cost(**{name: sum(part[name] for part in parts) for name in parts[0]})


def _integer(value: float) -> Count:
    return int(value) if float(value).is_integer() else value


def _key(stage: str, name: str) -> str:
    return f"{stage}.{name}" if stage else name


def _counted_or_why_not(resident: Resident, paths: Mapping[str, str]) -> tuple[dict[str, Count], str]:
    try:
        return operator_counts(resident, paths)
    except Exception as error:  # a system need not bear a dispatch mode: it is measured all the same
        return {}, f"operators (a call under a dispatch mode raised {type(error).__name__}: {error})"[:300]


def operator_counts(resident: Resident, paths: Mapping[str, str]) -> tuple[dict[str, Count], str]:
    """Operators and torch's FLOPs of a call and of its stages; or none, and why."""
    if runs_compiled(resident):
        return {}, "operators (part of it runs compiled)"
    mode = _tally_mode()
    resident.prepare()
    with mode, StageMarks(mode.tally, resident.model, paths) as marks:
        marks.mark("", "start")
        output = resident.call_in_stages(marks)
        marks.mark("", "finish")
    tallies = [tally for _, _, tally in marks.marks]
    at = {event: place for place, (stage, event, _) in enumerate(marks.marks) if not stage}
    spans = {"": (0, at.get("backward", at["finish"]))}
    if output.loss is not None:
        spans[BACKWARD] = at["backward"], at["end"]
    if output.update is not None:
        spans[OPTIMISER] = at.get("end", at["finish"]), at["finish"]
    try:
        found, uncounted = _differences(tallies, spans | marks.spans()), ""
    except StageError as error:
        found, uncounted = _differences(tallies, spans), f"operators of the stages ({error})"
    for name in ("operators", "torch_flops"):
        if {name, _key(OPTIMISER, name)} <= found.keys():
            found[name] += found[_key(OPTIMISER, name)]
    return found, uncounted


def _differences(tallies: list[Tally], spans: Mapping[str, tuple[int, int]]) -> dict[str, Count]:
    found: dict[str, Count] = {}
    for span, (begin, end) in spans.items():
        stage = span.removesuffix(BACKWARD)
        prefix = "backward_" if span.endswith(BACKWARD) else ""
        operators, flops, miscounted = (
            after - before for before, after in zip(tallies[begin], tallies[end], strict=True)
        )
        found[_key(stage, f"{prefix}operators")] = operators
        if flops and not miscounted:
            found[_key(stage, f"{prefix}torch_flops")] = flops
    return found


def runs_compiled(resident: Resident) -> bool:
    """Whether a call enters a compiled region. Nothing is compiled in a process that never loaded the compiler."""
    if "torch._dynamo" not in sys.modules:
        return False
    from torch.autograd.profiler import profile

    resident.prepare()
    with profile(use_cpu=True) as profiler:
        resident.call()
    return any(event.name().startswith(COMPILED) for event in profiler.kineto_results.events())


def _tally_mode() -> Any:
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves
    from torch.utils.flop_counter import flop_registry

    @cache
    def composite(func: Any) -> bool:
        """Made of other operators, which count instead."""
        return bool(torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd"))

    class TallyMode(TorchDispatchMode):  # type: ignore[misc]
        operators = flops = miscounted = 0

        @classmethod
        def _should_skip_dynamo(cls) -> bool:
            return False  # True would load the compiler, for seconds, to keep it out of what never meets it

        def tally(self) -> Tally:
            return Tally(self.operators, self.flops, self.miscounted)

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            if composite(func):
                with self:
                    return func.decompose(*args, **kwargs)
            self.operators += 1
            result = func(*args, **kwargs)
            formula = flop_registry.get(func._overloadpacket)
            if formula is not None:
                self.flops += formula(*args, **kwargs, out_val=result)
                tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
                self.miscounted += any(t.is_complex() or t.layout != torch.strided for t in tensors)
            return result

    return TallyMode()
