"""What a cell's allocator and its counters say: exact numbers, so that two readings that differ are worth a note."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from harness.analysis.evidence import Evidence
from harness.records import Counters, StageMemory, StageSize

BACKWARD = ".backward"


class Sizes(NamedTuple):
    stages: tuple[StageSize, ...]
    allocator_peak_bytes: int | None
    gradient_bytes: int | None
    peak_gradient_bytes: int | None
    saved_bytes: int | None
    counters: dict[str, int | float]
    uncounted: tuple[str, ...]
    """What is not there, and why."""
    differing: tuple[str, ...]
    notes: tuple[str, ...]


def sizes(evidence: Evidence, cell: str) -> Sizes:
    memory = evidence.stage_memory.get(cell, [])
    counted = evidence.counters.get(cell, [])
    last = memory[-1] if memory else None
    differed = [*_differed([_flat(each) for each in memory]), *_differed([reading.values for reading in counted])]
    return Sizes(
        tuple(_stages(last)) if last else (),
        last.allocator_peak_bytes if last else None,
        last.gradient_bytes if last else None,
        last.peak_gradient_bytes if last else None,
        last.saved_bytes if last else None,
        _latest([reading.values for reading in counted]),
        tuple(_missing(last, counted)),
        tuple(name for name, _ in differed),
        tuple(f"counter {name} differed between readings: {found}" for name, found in differed),
    )


def _stages(memory: StageMemory) -> Iterator[StageSize]:
    """Forward in the pipeline's order, then backward in the order in which it ran."""
    for name, found in memory.stages.items():
        yield StageSize(
            stage=name.removesuffix(BACKWARD),
            direction="backward" if name.endswith(BACKWARD) else "forward",
            peak_bytes=found.peak_bytes,
            delta_bytes=found.delta_bytes,
            saved_bytes=found.saved_bytes,
        )


def _flat(memory: StageMemory) -> dict[str, int | float]:
    stages = {
        f"{stage}.{name}": value
        for stage, found in memory.stages.items()
        for name, value in found.model_dump().items()
        if value is not None
    }
    whole = {
        "allocator_peak_bytes": memory.allocator_peak_bytes,
        "gradient_bytes": memory.gradient_bytes,
        "peak_gradient_bytes": memory.peak_gradient_bytes,
        "saved_bytes": memory.saved_bytes,
    }
    return {name: value for name, value in whole.items() if value is not None} | stages


def _latest(readings: Sequence[Mapping[str, int | float]]) -> dict[str, int | float]:
    return {name: value for reading in readings for name, value in reading.items()}


def _differed(readings: Sequence[Mapping[str, int | float]]) -> Iterator[tuple[str, str]]:
    for name, value in _latest(readings).items():
        others = {reading[name] for reading in readings if name in reading} - {value}
        if others:
            yield name, ", ".join(f"{other:.6g}" for other in sorted({value, *others}))


def _missing(memory: StageMemory | None, counted: Sequence[Counters]) -> Iterator[str]:
    if memory and memory.unstaged:
        yield f"memory of the stages ({memory.unstaged})"
    if counted and counted[-1].uncounted:
        yield counted[-1].uncounted
