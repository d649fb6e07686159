"""What a run measured about one part, gathered from the lines of its processes.

Blocks count only from trial processes that ended well: those of an abandoned process are counted and enter nothing.
What is not a timing (probes, sameness, memory) holds whichever process wrote it; the last word wins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.analysis.followed import Followed, followed
from harness.records import (
    Block,
    Ceiling,
    Cell,
    Counters,
    End,
    Line,
    Manifest,
    MarkCost,
    Memory,
    Outcome,
    Part,
    ProbeReading,
    Process,
    Sameness,
    StageMemory,
    Start,
    WarmUp,
)
from harness.stats.disturbed import clock_note, judged_by_clock

Lines = Mapping[int, Sequence[Line]]
"""Process number -> its lines."""


@dataclass
class Evidence:
    part: Part
    margin: float
    smoke: bool
    ceilings: tuple[Ceiling, ...] = ()
    calibration: bool = False
    """Every cell has a twin (A/A): its control, and here what is compared."""
    blocks: list[Block] = field(default_factory=list)
    warm_ups: dict[str, list[WarmUp]] = field(default_factory=dict)
    probes: dict[str, list[ProbeReading]] = field(default_factory=dict)
    sameness: dict[str, Sameness] = field(default_factory=dict)
    memory: dict[str, Memory] = field(default_factory=dict)
    stage_memory: dict[str, list[StageMemory]] = field(default_factory=dict)
    counters: dict[str, list[Counters]] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    mark_s: dict[tuple[int, int], float] = field(default_factory=dict)
    """(trial, group) -> cost of a mark."""
    threads: set[int] = field(default_factory=set)
    trials: int = 0
    floor: float | None = None
    """Noise floor of whole calls, once it is known."""
    clock_note: str = ""
    """What the device's clock did; empty where it was not read."""
    followed: tuple[Followed, ...] | None = None
    abandoned: dict[str, int] = field(default_factory=dict)
    """Reason -> blocks that count for nothing."""

    @property
    def one_thread(self) -> bool:
        """Whether CPU time can stand in for the wall clock: one thread, and nothing computed elsewhere."""
        devices = {cell.conditions.get("device", "cpu") for cell in self.part.cells}
        return self.threads == {1} and not devices & {"cuda", "xpu"}

    @property
    def cells(self) -> dict[str, Cell]:
        return {cell.id: cell for cell in self.part.cells}


def gather(manifest: Manifest, lines: Lines, part: Part) -> Evidence:
    plan = manifest.plan
    calibration = plan.purpose == "calibrate"
    evidence = Evidence(part, plan.margin, plan.preset == "smoke", manifest.ceilings, calibration)
    processes = [process for process in manifest.processes if process.part == part.name]
    for process in processes:
        for line in lines[process.number]:
            if not (isinstance(line, Outcome) and process.process in ("recheck", "confirm")):
                _note(evidence, line)
    counted = {(process.trial, process.group): process for process in processes if _counts(process)}
    for process in counted.values():
        _take(evidence, process, lines[process.number])
    evidence.clock_note = clock_note(evidence.blocks)
    evidence.blocks = judged_by_clock(evidence.blocks)
    for process in processes:
        if process.process == "trial" and process.state == "abandoned":
            lost = sum(isinstance(line, Block) for line in lines[process.number])
            evidence.abandoned[process.reason] = evidence.abandoned.get(process.reason, 0) + lost
    ids = {cell.id for cell in part.cells}
    stated = [outcome for outcome in manifest.outcomes if outcome.cell in ids and not outcome.again]
    evidence.outcomes.update({outcome.cell: outcome for outcome in stated})
    evidence.trials = _complete(evidence, set(counted))
    evidence.followed = followed(manifest, lines, part)
    return evidence


def _counts(process: Process) -> bool:
    return process.process == "trial" and process.state == "done"


def _note(evidence: Evidence, line: Line) -> None:
    if isinstance(line, ProbeReading):
        evidence.probes.setdefault(line.cell, []).append(line)
    elif isinstance(line, Sameness):
        evidence.sameness[line.cell] = line
    elif isinstance(line, Memory):
        evidence.memory[line.cell] = line
    elif isinstance(line, StageMemory):
        evidence.stage_memory.setdefault(line.cell, []).append(line)
    elif isinstance(line, Counters):
        evidence.counters.setdefault(line.cell, []).append(line)
    elif isinstance(line, Outcome):
        evidence.outcomes[line.cell] = line


def _take(evidence: Evidence, process: Process, lines: Sequence[Line]) -> None:
    """A trial that ended well. Of a cell's warm-up records the last one knows how the trial went on."""
    warm_ups: dict[str, WarmUp] = {}
    for line in lines:
        if isinstance(line, Block):
            evidence.blocks.append(line)
        elif isinstance(line, WarmUp):
            warm_ups[line.cell] = line
        elif isinstance(line, MarkCost):
            evidence.mark_s[process.trial, process.group] = line.mark_s
        elif isinstance(line, Start):
            evidence.threads.add(line.threads)
    for cell, record in warm_ups.items():
        evidence.warm_ups.setdefault(cell, []).append(record)


def _complete(evidence: Evidence, counted: set[tuple[int, int]]) -> int:
    """Trials in which every group that still had a cell ended well."""
    needed = {group.index for group in evidence.part.groups if set(group.cells) - set(evidence.outcomes)}
    trials = {trial for trial, _ in counted}
    return sum(all((trial, group) in counted for group in needed) for trial in trials)


def harness_share(manifest: Manifest, lines: Lines) -> float | None:
    """Of the wall time of all trials that ended well, imports aside, the part that was neither warm-up nor sample.

    None under a virtual clock, whose samples may be longer than the wall time they took.
    """
    trials = [process for process in manifest.processes if _counts(process)]
    ends = [line for process in trials for line in lines[process.number] if isinstance(line, End)]
    wall = sum(end.wall_s - end.import_s for end in ends)
    own = wall - sum(end.sampled_s for end in ends)
    return own / wall if wall > 0 and own >= 0 else None
