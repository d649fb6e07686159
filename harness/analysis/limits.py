"""How far each stage is from what this machine could do at best.

    (1)  floor      = max(FLOPs / GEMM rate, minimum bytes / copy rate)
    (2)  over floor = measured time / floor, with the interval of the time
    (3)  whole call: floor = sum of (1) over stages and directions, for they follow one another

FLOPs and bytes come from the system's formulas (`Cell.costs`), rates from the ceilings under the cell's own device,
threads and allocator. FLOPs are real ones, whatever the stage computes in, so (1) takes the higher of the rates of the
real and of the complex product in the cell's precision: at the lower one the floor could be beaten. A time whose whole
interval lies below the floor is the floor's fault, and says so.

A cell whose outputs are wrong did not do the arithmetic, and gets no limits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.records import Ceiling, Cell, CellSummary, Interval, StageCost, StageLimit
from harness.records.manifest import PRECISIONS

MIB = 2.0**20

Direction = Literal["forward", "backward"]
Bound = Literal["arithmetic", "bandwidth"]


@dataclass(frozen=True)
class Rates:
    flops_per_s: float
    bytes_per_s: float
    cache_bytes: int | None


@dataclass(frozen=True)
class Floor:
    arithmetic_s: float
    bandwidth_s: float
    bytes: float

    @property
    def time_s(self) -> float:
        return max(self.arithmetic_s, self.bandwidth_s)


def with_limits(summary: CellSummary, cell: Cell, ceilings: Sequence[Ceiling]) -> CellSummary:
    """The summary with its limits, and a note for each floor that was beaten."""
    rates = rates_of(cell, ceilings)
    if rates is None or summary.sameness == "broken":
        return summary
    limits = tuple(_limits(summary, cell, rates))
    faults = (f"{named(limit)}: {limit.fault}" for limit in limits if limit.fault)
    return summary.model_copy(update={"limits": limits, "notes": (*summary.notes, *faults)})


def named(limit: StageLimit) -> str:
    return f"{limit.stage} {limit.direction}" if limit.stage else "whole call"


def rates_of(cell: Cell, ceilings: Sequence[Ceiling]) -> Rates | None:
    """None where none was measured under the cell's conditions."""
    given = {"device": "cpu", "threads": 1, "allocator": "default", "dtype": "float32", **cell.conditions}
    where = (given["device"], given["threads"], given["allocator"])
    dtypes = PRECISIONS.get(str(given["dtype"]), ())
    known = [one for one in ceilings if (one.device, one.threads, one.allocator) == where and one.dtype in dtypes]
    if not known:
        return None
    return Rates(
        max(one.gemm_flops_per_s for one in known),
        max(one.copy_bytes_per_s for one in known),
        max((one.cache_bytes for one in known if one.cache_bytes is not None), default=None),
    )


def floors(cost: StageCost, rates: Rates) -> dict[Direction, Floor]:
    """Direction -> equation (1); without those that cost nothing."""
    found: dict[Direction, Floor] = {
        "forward": _floor(cost.flops, cost.minimum_bytes, rates),
        "backward": _floor(cost.backward_flops, cost.backward_minimum_bytes, rates),
    }
    return {direction: floor for direction, floor in found.items() if floor.time_s > 0}


def _floor(flops: float, size: float, rates: Rates) -> Floor:
    return Floor(flops / rates.flops_per_s, size / rates.bytes_per_s, size)


def _limits(summary: CellSummary, cell: Cell, rates: Rates) -> Iterator[StageLimit]:
    known = {stage: floors(cost, rates) for stage, cost in cell.costs.items()}
    for stage in summary.stages:
        floor = known.get(stage.stage, {}).get(stage.direction)
        if floor:
            yield _limit(stage.stage, stage.direction, [floor], stage.time_s, rates)
    every = [floor for of_stage in known.values() for floor in of_stage.values()]
    if every:
        yield _limit("", "forward", every, summary.time_s, rates)


def _limit(
    stage: str, direction: Direction, floors: Sequence[Floor], time_s: Interval | None, rates: Rates
) -> StageLimit:
    """Of several floors the bound is what makes up most of their sum."""
    total = sum(floor.time_s for floor in floors)
    arithmetic = sum(floor.time_s for floor in floors if floor.arithmetic_s >= floor.bandwidth_s)
    bound: Bound = "arithmetic" if 2 * arithmetic >= total else "bandwidth"
    over = _over(time_s, total) if time_s else None
    beaten = over is not None and over.high < 1
    return StageLimit(
        stage=stage,
        direction=direction,
        floor_s=total,
        bound=bound,
        over_floor=over,
        time_s=time_s,
        fault=_fault(bound, sum(floor.bytes for floor in floors), rates) if beaten else "",
    )


def _over(time_s: Interval, floor_s: float) -> Interval:
    ends = {name: getattr(time_s, name) / floor_s for name in ("point", "low", "high")}
    return Interval(**ends, n=time_s.n)


def _fault(bound: Bound, size: float, rates: Rates) -> str:
    text = "faster than the floor: the ceiling was measured too low"
    if bound == "bandwidth" and rates.cache_bytes and size <= rates.cache_bytes:
        cache = f"the {rates.cache_bytes / MIB:.0f} MiB of the last-level caches"
        text += f", or its {size / MIB:.3g} MiB stayed in {cache} and never crossed memory"
    return text
