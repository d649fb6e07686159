"""Which cells share a process, and whether they fit into memory.

Cells under other process conditions (threads, dtype, ...) need another process. Of the rest as many as fit stay
resident together, each group with the baselines of its cells. Bytes of a group:

    1.5e9 (interpreter and torch) + sum over distinct conditions of max parameters + max activations

Cells under equal conditions share their parameters; one call is alive at a time. The budget is 80 % of what is
available when the plan is made: of the host's memory, or of the device's own, where the 1.5e9 stand for the driver's
context, the libraries' work space and the canary.

One control says how noisy equals are, three say it better (`stats.noise.pooled`). There are three where that is cheap:
a block of the group takes under 3 s at 1 GFLOP/s, or two controls more are at most a tenth of it. A part without times
has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

import psutil

from harness.cells import control_of
from harness.conditions import PROCESS_CONDITIONS, Fail
from harness.measure.device import HOSTS, facts
from harness.records import Cell, Group, StageCost, Value
from harness.suite import PartSpec
from harness.system import Estimate, System

PROCESS_BYTES = 1.5e9
BUDGET_SHARE = 0.8
GB = 1e9
MOST_CONTROLS = 3
CHEAP_BLOCK_FLOPS = 3e9
CHEAP_SHARE = 0.1

Estimates = Mapping[str, Estimate]


@dataclass(frozen=True)
class Grouped:
    cells: tuple[Cell, ...]
    """With the controls, each at the end of the cells it shares a process with."""
    groups: tuple[Group, ...]
    bytes: float
    """Of the largest group."""
    flops: float
    """Of one pass over all cells."""
    notes: tuple[str, ...]


def budget_bytes(available: float | None = None) -> float:
    return BUDGET_SHARE * (psutil.virtual_memory().available if available is None else available)


def budget_on(cell: Cell, host: float) -> float:
    """`host` is the host's budget; a device has its own memory."""
    device = str(cell.conditions.get("device", "cpu"))
    return host if device in HOSTS else BUDGET_SHARE * facts(device).free_bytes


def group_cells(
    part: str, system: System, mode: str, spec: PartSpec, cells: Sequence[Cell], budget: float, fail: Fail
) -> Grouped:
    costs = _estimates(system, mode, spec, cells, fail)
    cells = [cell.model_copy(update={"costs": _stage_costs(costs[cell.id])}) for cell in cells]
    for cell in cells:
        needed, allowed = group_bytes([cell], costs), budget_on(cell, budget)
        if needed > allowed:
            raise fail(_blamed(spec), _refusal(system, mode, cell, needed, allowed))
    ordered: list[Cell] = []
    groups: list[Group] = []
    largest = 0.0
    shared = by_process(cells)
    varied = [name for name in PROCESS_CONDITIONS if len({cell.conditions[name] for cell in cells}) > 1]
    for together in shared:
        split_up = split(together, costs, budget)
        numbers = range(1, _controls(together[0], split_up[0], costs) + 1 if spec.times else 1)
        controls = [control_of(together[0], spec.system, mode, varied, number) for number in numbers]
        for index, members in enumerate(split_up):
            ids = [cell.id for cell in (*members, *(controls if index == 0 else ()))]
            groups.append(Group(part=part, index=len(groups), cells=tuple(ids)))
            largest = max(largest, group_bytes(members, costs))
        ordered += [*together, *controls]
    flops = sum(costs[cell.baseline if cell.control else cell.id].flops for cell in ordered)
    return Grouped(tuple(ordered), tuple(groups), largest, flops, _notes(len(groups), len(shared), largest))


def _estimates(system: System, mode: str, spec: PartSpec, cells: Sequence[Cell], fail: Fail) -> dict[str, Estimate]:
    costs = {}
    for cell in cells:
        try:
            costs[cell.id] = system.estimate(cell.variant, cell.conditions, mode)
        except ValueError as error:
            if any(_possible(system, cell, other) for other in system.modes):
                raise fail(("mode",) if spec.mode else (), f"cell {cell.name!r}: {error}") from None
            raise fail(_blamed(spec), str(error)) from None  # each dimension is in range, but they do not go together
    return costs


def _possible(system: System, cell: Cell, mode: str) -> bool:
    try:
        system.estimate(cell.variant, cell.conditions, mode)
    except ValueError:
        return False
    return True


def _controls(baseline: Cell, members: Sequence[Cell], costs: Estimates) -> int:
    block = sum(costs[cell.id].flops for cell in members)
    more = (MOST_CONTROLS - 1) * costs[baseline.id].flops
    return MOST_CONTROLS if block + more < CHEAP_BLOCK_FLOPS or more <= CHEAP_SHARE * block else 1


def _stage_costs(estimate: Estimate) -> dict[str, StageCost]:
    named = dict(estimate.stages) | ({"": estimate.whole} if estimate.whole else {})
    return {name: StageCost(**asdict(cost)) for name, cost in named.items()}


def group_bytes(cells: Sequence[Cell], costs: Estimates) -> float:
    parameters: dict[tuple[tuple[str, Value], ...], float] = {}
    for cell in cells:
        key = tuple(sorted(cell.conditions.items()))
        parameters[key] = max(parameters.get(key, 0.0), costs[cell.id].parameter_bytes)
    return PROCESS_BYTES + sum(parameters.values()) + max(costs[cell.id].activation_bytes for cell in cells)


def by_process(cells: Iterable[Cell]) -> list[list[Cell]]:
    """Cells that may share a process: those under equal process conditions."""
    shared: dict[tuple[Value, ...], list[Cell]] = {}
    for cell in cells:
        shared.setdefault(tuple(cell.conditions[name] for name in PROCESS_CONDITIONS), []).append(cell)
    return list(shared.values())


def split(cells: Sequence[Cell], costs: Estimates, budget: float) -> list[list[Cell]]:
    """Fills group after group in the planned order; a baseline comes into every group that has cells of it."""
    by_id = {cell.id: cell for cell in cells}
    compared = {cell.baseline for cell in cells if cell.id != cell.baseline}
    budget = budget_on(cells[0], budget)
    groups: list[list[Cell]] = [[]]
    for cell in cells:
        if cell.id in compared:
            continue
        baseline = by_id[cell.baseline]
        unit = [baseline, cell] if baseline is not cell else [cell]
        wanted = groups[-1] + [new for new in unit if new not in groups[-1]]
        if groups[-1] and group_bytes(wanted, costs) > budget:
            groups.append(unit)
        else:
            groups[-1] = wanted
    return groups


def _blamed(spec: PartSpec) -> tuple[str, ...]:
    if spec.conditions:
        return ("conditions",)
    return ("size",) if spec.size else ()


def _refusal(system: System, mode: str, cell: Cell, needed: float, budget: float) -> str:
    smaller = _what_would_do(system, mode, cell)
    return (
        f"cell {cell.name!r} would need about {needed / GB:.1f} GB of memory, {budget / GB:.1f} GB may be used here; "
        + (f"a smaller {smaller} may do" if smaller else "a machine with more memory would do")
    )


def _what_would_do(system: System, mode: str, cell: Cell) -> str:
    """The conditions whose halving saves most."""
    now = _bytes(system.estimate(cell.variant, cell.conditions, mode))
    saved: dict[str, float] = {}
    for condition in system.conditions:
        value = cell.conditions[condition.name]
        if condition.integer and isinstance(value, int) and value // 2 >= condition.low:
            halved = dict(cell.conditions) | {condition.name: value // 2}
            with suppress(ValueError):
                saved[condition.name] = 1 - _bytes(system.estimate(cell.variant, halved, mode)) / now
    names = sorted((name for name in saved if saved[name] > 0.1), key=lambda name: -saved[name])[:3]
    return " or ".join(names)


def _bytes(estimate: Estimate) -> float:
    return estimate.parameter_bytes + estimate.activation_bytes


def _notes(groups: int, processes: int, largest: float) -> tuple[str, ...]:
    if groups == processes:
        return ()
    return (
        f"{groups} groups of cells, each in a process of its own with the baseline: together they do not fit into "
        f"memory (the largest group needs about {largest / GB:.1f} GB)",
    )
