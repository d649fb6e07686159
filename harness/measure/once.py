"""The processes that run once: `prepare`, `sameness`, `memory`. Nothing here is timed."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from harness.measure import guards, memory
from harness.measure.allocator import allocator_of
from harness.measure.counters import counters
from harness.measure.resident import not_finite, settle_in
from harness.measure.stage_memory import stage_memory
from harness.measure.workshop import Workshop
from harness.records import Cell, Memory, ProbeReading, Sameness, Value
from harness.system import Conditions, Output, Switch, System

AFFORDABLE_S = 60.0
AFFORDABLE_BYTES = 8e9
SAMENESS_RATE = 25e9
"""FLOP/s assumed when asking whether the comparison fits its minute: float32 on one slow core, checks included."""


def prepare(shop: Workshop) -> None:
    """One untimed call of every cell but the control (compile caches, first-touch costs), its probes and counters."""
    share: Any = None
    for position, cell in enumerate(shop.cells):
        if cell.control:
            continue
        done = position / len(shop.cells)
        with shop.guarded(cell.id, "build", done):
            resident = settle_in(cell, shop.system, shop.part.mode, shop.plan.seed, share, shop.batches)
            share = share or resident.model
            shop.breadcrumb.drop(cell.id, "first call", done)
            resident.prepare()
            began = time.perf_counter()
            numbers = resident.first_call()
            shop.sampled_s += time.perf_counter() - began
            bad = not_finite(cell.id, numbers, "first call")
            if bad is not None:
                shop.fail(bad)
                continue
            values: dict[str, float | str] = {}
            if shop.system.probes:
                shop.breadcrumb.drop(cell.id, "probes", done)
                values = dict(shop.system.read_probes(resident.model, resident.batch))
                shop.write(ProbeReading(cell=cell.id, values=values))
            shop.breadcrumb.drop(cell.id, "counters", done)
            shop.write(counters(resident, shop.system.stages, values, torch=shop.device != "virtual"))


def measure_memory(shop: Workshop) -> None:
    """Resident size before a call and at its peak, with nothing but this cell in the process; then, in calls of their
    own, what the allocator says of it."""
    for cell in shop.cells:
        with shop.guarded(cell.id, "memory"):
            resident = settle_in(cell, shop.system, shop.part.mode, shop.plan.seed, None, shop.batches)
            resident.prepare()
            resident.call()
            resident.prepare()
            memory.settle()
            before = memory.resident_bytes()
            memory.reset_peak()
            resident.call()
            shop.write(Memory(cell=cell.id, before_bytes=before, peak_bytes=memory.peak_bytes()))
            shop.breadcrumb.drop(cell.id, "memory of stages", 0.5)
            shop.write(stage_memory(resident, allocator_of(shop.device), shop.system.stages))


def sameness(shop: Workshop) -> None:
    """Outputs (and gradients, where the mode has them) of every cell against the float64 oracle.

    The oracle of a cell keeps its levels of `different` switches and takes the system's oracle level of all others:
    an approximation is judged against the truth, not against another approximation.
    """
    conditions, at = affordable(shop)
    oracles: dict[str, tuple[dict[str, guards.Array], dict[str, guards.Array]]] = {}
    for position, cell in enumerate(shop.cells):
        done = position / len(shop.cells)
        if cell.control:
            continue
        small = cell.model_copy(update={"conditions": cell.conditions | conditions})
        variant = oracle_variant(shop.system, cell.variant)
        there = small.conditions | oracle_device(shop, cell)
        alike = small.model_copy(update={"variant": variant, "conditions": there})
        key = repr((sorted(variant.items()), sorted(alike.conditions.items())))
        with shop.guarded(cell.id, "oracle", done):
            if key not in oracles:
                oracles.clear()  # one at a time: a document-sized oracle is large
                oracles[key] = _answers(shop, alike, "float64")[:2]
            shop.breadcrumb.drop(cell.id, "sameness", done)
            truth, true_gradients = oracles[key]
            found, gradients, parameters = _answers(shop, small, str(cell.conditions.get("dtype", "float32")))
            allowed = tolerances(shop.system, cell.variant, small.conditions, shop.part.mode)
            shop.write(
                Sameness(
                    cell=cell.id,
                    error=guards.relative_error(found, truth),
                    tolerance=allowed.outputs,
                    gradient_error=guards.gradient_error(gradients, true_gradients) if true_gradients else None,
                    gradient_tolerance=allowed.gradients if true_gradients else None,
                    at=at,
                    output_digest=guards.digest(sorted(found.items())),
                    parameter_digest=guards.digest(sorted(parameters.items())),
                    parameters=sum(int(array.size) for array in parameters.values()),
                )
            )


class Tolerances(NamedTuple):
    """Largest relative errors allowed."""

    outputs: float
    gradients: float


def tolerances(system: System, variant: Mapping[str, str], conditions: Conditions, mode: str) -> Tolerances:
    """What rounding and the levels add, times what the levels make of it."""
    levels = [(switch, _level(switch, variant, mode)) for switch in system.switches if switch.applies(variant)]
    added = sum(switch.tolerance.get(level, 0.0) * switch.growth(conditions) for switch, level in levels)
    gains = {switch.name: switch.gain.get(level, 1.0) for switch, level in levels}
    steep = {one.name: one.gradient_gain[level](conditions) for one, level in levels if level in one.gradient_gain}
    error = system.rounding + added
    return Tolerances(
        error * math.prod(gains.values()), error * math.prod((gains | steep).values()) * system.gradient_slack
    )


def _level(switch: Switch, variant: Mapping[str, str], mode: str) -> str:
    """Outside its modes the oracle's: an approximation that has no choice there is still one."""
    return variant[switch.name] if switch.alive(variant, mode) else switch.oracle or ""


def oracle_device(shop: Workshop, cell: Cell) -> dict[str, Value]:
    """The oracle is the host's, whatever the device under test: one truth for all, in true float64."""
    return {"device": "cpu"} if "cpu" in shop.system.devices and "device" in cell.conditions else {}


def oracle_variant(system: System, variant: Mapping[str, str]) -> dict[str, str]:
    return {switch.name: _oracle_level(switch, variant[switch.name]) for switch in system.switches}


def _oracle_level(switch: Switch, level: str) -> str:
    return level if switch.kind == "different" or switch.oracle is None else switch.oracle


def affordable(shop: Workshop) -> tuple[dict[str, Value], str]:
    """Conditions to override, and their name: the suite's own size if it costs under a minute and 8 GB, else the
    largest named size that does, else the smallest."""
    if _costs_little(shop, {}):
        return {}, "suite size"
    for name, size in reversed(list(shop.system.sizes.items())):
        smaller: dict[str, Value] = {key: value for key, value in size.items() if key in shop.cells[0].conditions}
        if _costs_little(shop, smaller):
            return smaller, f"size {name}"
    name, size = next(iter(shop.system.sizes.items()), ("", {}))
    return dict(size), f"size {name}" if name else "suite size"


def _costs_little(shop: Workshop, override: Mapping[str, Value]) -> bool:
    flops = peak = 0.0
    compared = [cell for cell in shop.cells if not cell.control]
    for cell in compared:
        estimate = shop.system.estimate(cell.variant, {**cell.conditions, **override}, shop.part.mode)
        flops += estimate.flops
        peak = max(peak, 3 * estimate.parameter_bytes + 2 * estimate.activation_bytes)
    oracle_flops = 2 * flops / len(compared)  # float64 runs at half the rate
    return (flops + oracle_flops) / SAMENESS_RATE <= AFFORDABLE_S and peak <= AFFORDABLE_BYTES


def _answers(
    shop: Workshop, cell: Cell, dtype: str
) -> tuple[dict[str, guards.Array], dict[str, guards.Array], dict[str, guards.Array]]:
    """Outputs, gradients and parameters of one call, as arrays of their own."""
    conditions = cell.conditions | {"dtype": dtype}
    resident = settle_in(
        cell.model_copy(update={"conditions": conditions}), shop.system, shop.part.mode, shop.plan.seed, None, {}
    )
    resident.prepare()
    output: Output = resident.call()
    found = {name: guards.as_array(tensor).copy() for name, tensor in resident.tensors(output).items()}
    parameters = {name: guards.as_array(p) for name, p in guards.parameters(resident.model).items()}
    return found, guards.gradients(resident.model), parameters
