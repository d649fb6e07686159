"""One row per planned cell: what came of it, and every number that needs no other cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from harness.analysis.evidence import Evidence
from harness.analysis.sizes import sizes
from harness.records import Block, Cell, CellSummary, Interval, ProbeReading, Sample, StageTime
from harness.sameness import sameness_word
from harness.stats.interval import positive_interval, ratio_interval, t_interval
from harness.stats.pairing import paired, pairs
from harness.system import OPTIMISER

BACKWARD = ".backward"

Timed = tuple[Block, Sample]
Read = Callable[[Block, Sample], float]


def summarise(evidence: Evidence, cell: Cell) -> CellSummary:
    bare, disturbed = kept(evidence, cell.id, "bare")
    staged, disturbed_stages = kept(evidence, cell.id, "staged")
    staged = [(block, sample) for block, sample in staged if sample.stages and sum(sample.stages.values()) > 0]
    warm_ups = evidence.warm_ups.get(cell.id, [])
    memory = evidence.memory.get(cell.id)
    same = evidence.sameness.get(cell.id)
    probes, varied = _probes(evidence.probes.get(cell.id, []))
    outcome = evidence.outcomes.get(cell.id)
    size = sizes(evidence, cell.id)
    return CellSummary(
        cell=cell.id,
        part=evidence.part.name,
        name=cell.name,
        outcome=outcome.outcome if outcome else "measured" if bare or _read(evidence, cell) else "not run",
        detail=outcome.detail if outcome else "",
        time_s=_over_trials(bare, _end_to_end, positive_interval),
        first_call_s=float(np.median([w.first_call_s for w in warm_ups])) if warm_ups else None,
        steady=sum(w.steady for w in warm_ups) > len(warm_ups) / 2 if warm_ups else None,
        warm_up_calls=round(float(np.median([w.calls for w in warm_ups]))) if warm_ups else None,
        repeat=max(w.repeat for w in warm_ups) if warm_ups else None,
        peak_bytes=memory.peak_bytes if memory else None,
        before_bytes=memory.before_bytes if memory else None,
        probes=probes,
        error=same.error if same else None,
        tolerance=same.tolerance if same else None,
        gradient_error=same.gradient_error if same else None,
        gradient_tolerance=same.gradient_tolerance if same else None,
        sameness_at=same.at if same else None,
        sameness=sameness_word(same),
        stages=tuple(_stages(evidence, staged)),
        stage_sizes=size.stages,
        allocator_peak_bytes=size.allocator_peak_bytes,
        gradient_bytes=size.gradient_bytes,
        peak_gradient_bytes=size.peak_gradient_bytes,
        saved_bytes=size.saved_bytes,
        counters=size.counters,
        uncounted=size.uncounted,
        differing=size.differing,
        stage_shares=_stage_shares(evidence, staged),
        closure=_over_trials(staged, _residual, t_interval),
        probe_cost=_probe_cost(evidence, staged),
        staged_over_bare=_staged_over_bare(evidence, cell.id),
        degraded=bool(disturbed_stages),
        notes=(*varied, *size.notes, *disturbed, *disturbed_stages),
    )


def _read(evidence: Evidence, cell: Cell) -> bool:
    """Of a part without times: whether a process has read anything of the cell."""
    return not evidence.part.times and (cell.id in evidence.memory or cell.id in evidence.counters)


def kept(evidence: Evidence, cell: str, arm: str) -> tuple[list[Timed], tuple[str, ...]]:
    """Samples of an arm without the disturbed ones; with them, and a note, where under half would be left."""
    every = [
        (block, s)
        for block in evidence.blocks
        for s in block.samples
        if s.cell == cell and s.arm == arm and s.time_s > 0
    ]
    quiet = [(block, s) for block, s in every if s.quiet]
    if 2 * len(quiet) >= len(every):
        return quiet, ()
    return every, (f"degraded: {len(every) - len(quiet)} of {len(every)} {arm} samples were disturbed; all are used",)


def _over_trials(
    timed: Sequence[Timed], read: Read, interval: Callable[[Sequence[float]], Interval]
) -> Interval | None:
    medians = _trial_medians(timed, read)
    return interval(medians) if medians else None


def _trial_medians(timed: Sequence[Timed], read: Read) -> list[float]:
    return list(medians_by_trial(timed, read).values())


def medians_by_trial(timed: Sequence[Timed], read: Read) -> dict[int, float]:
    by_trial: dict[int, list[float]] = {}
    for block, sample in timed:
        by_trial.setdefault(block.trial, []).append(read(block, sample))
    return {trial: float(np.median(values)) for trial, values in sorted(by_trial.items())}


def _stages(evidence: Evidence, staged: Sequence[Timed]) -> Iterator[StageTime]:
    keys = {key for _, sample in staged for key in sample.stages or {}}
    for suffix in ("", BACKWARD):
        for name in _stage_names(evidence, staged):
            key = name + suffix
            here = [(block, sample) for block, sample in staged if key in (sample.stages or {})]
            if key in keys:
                yield StageTime(
                    stage=name,
                    direction="backward" if suffix else "forward",
                    time_s=positive_interval(_trial_medians(here, _stage_s(key))),
                    share=t_interval(_trial_medians(here, _share(key))),
                    share_without_update=t_interval(_trial_medians(here, _share(key, without=OPTIMISER)))
                    if OPTIMISER in keys and key != OPTIMISER
                    else None,
                )


def _stage_shares(evidence: Evidence, staged: Sequence[Timed]) -> dict[str, tuple[float, ...]]:
    return {name: tuple(_trial_medians(staged, share_of(name))) for name in _stage_names(evidence, staged)}


def _stage_names(evidence: Evidence, staged: Sequence[Timed]) -> list[str]:
    """Stages in the pipeline's order."""
    found = {key.removesuffix(BACKWARD): None for _, sample in staged for key in sample.stages or {}}
    return sorted(found, key=lambda name: (*evidence.part.stages, *found).index(name))


def share_of(stage: str) -> Read:
    """Of a call, forward and backward."""
    return _share(stage, stage + BACKWARD)


def pass_times(sample: Sample, stage: str = "") -> tuple[float, float]:
    """Seconds of the forward and of the backward pass of a stage; without one of all stages, but for the update."""
    stages = {key: time_s for key, time_s in (sample.stages or {}).items() if key != OPTIMISER}
    wanted = {stage, stage + BACKWARD} if stage else stages
    backward = sum(time_s for key, time_s in stages.items() if key in wanted and key.endswith(BACKWARD))
    return sum(stages[key] for key in stages if key in wanted) - backward, backward


def passes_of(stage: str) -> Read:
    """Time of the backward pass over that of the forward pass; 0 where there is none."""

    def read(_: Block, sample: Sample) -> float:
        forward, backward = pass_times(sample, stage)
        return backward / forward if forward > 0 else 0.0

    return read


def _stage_s(key: str) -> Read:
    def read(_: Block, sample: Sample) -> float:
        return (sample.stages or {})[key]

    return read


def _share(*keys: str, without: str = "") -> Read:
    def read(_: Block, sample: Sample) -> float:
        stages = {name: time_s for name, time_s in (sample.stages or {}).items() if name != without}
        return sum(stages.get(key, 0.0) for key in keys) / sum(stages.values())

    return read


def _end_to_end(_: Block, sample: Sample) -> float:
    return sample.time_s


def _residual(_: Block, sample: Sample) -> float:
    return 1 - sum((sample.stages or {}).values()) / sample.time_s


def _probe_cost(evidence: Evidence, staged: Sequence[Timed]) -> float | None:
    costed = [(block, sample) for block, sample in staged if (block.trial, block.group) in evidence.mark_s]
    costs = _trial_medians(costed, lambda b, s: s.marks * evidence.mark_s[b.trial, b.group] / s.time_s)
    return float(np.median(costs)) if costs else None


def _staged_over_bare(evidence: Evidence, cell: str) -> Interval | None:
    found = paired(pairs(evidence.blocks, (cell, "staged"), (cell, "bare")), one_thread=evidence.one_thread)
    return ratio_interval(found.logs) if found.trials else None


def _probes(readings: Sequence[ProbeReading]) -> tuple[dict[str, float | str], tuple[str, ...]]:
    """The last reading, and a note for each probe that read differently before."""
    values: dict[str, float | str] = {}
    for reading in readings:
        values.update(reading.values)
    varied = [name for name, value in values.items() if any(r.values.get(name, value) != value for r in readings)]
    return values, tuple(f"probe {name} differed between readings" for name in varied)
