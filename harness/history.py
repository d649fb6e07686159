"""What earlier runs on this machine recorded about the time and memory of cells and processes: what a prediction is
made from.

Read newest first, and only as far back as needed: until every planned process has been seen, at most `MOST_RUNS` runs
that hold any of its cells, of the newest `MOST_LOOKED_AT`. Runs of other code count too: they are all there is to go by
after a change.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import median

from harness.errors import StoreError
from harness.records import Block, End, FollowUp, Line, Manifest, Memory, Part, Plan, Process, ProcessKind, WarmUp
from harness.schedule import Job, part_of, planned_jobs, rounds
from harness.store import RunFolder, run_folders

TRIALS = ("trial", "recheck", "confirm")
"""Kinds that run blocks."""
MOST_RUNS, MOST_LOOKED_AT = 4, 50
BETWEEN_S = 0.05
"""Between two processes, where no run says: the manifest is written twice, a process is started."""

Signature = tuple[ProcessKind, frozenset[str], int, bool]
"""Kind, cells, blocks, whether in stages too."""


@dataclass(frozen=True)
class CellCost:
    """Of one cell in one trial: `warm_up_s`, and per block `bare_s` and, where in stages too, `staged_s`."""

    first_call_s: float
    call_s: float
    warm_up_s: float
    bare_s: float
    staged_s: float | None = None

    def trial_s(self, blocks: int, staged: bool) -> float:
        """Where its stages were never timed they are taken to last as long as the bare calls."""
        arm = (self.bare_s if self.staged_s is None else self.staged_s) if staged else 0.0
        return self.warm_up_s + blocks * (self.bare_s + arm)


@dataclass(frozen=True)
class Past:
    """A process that ended well. What is no trial has neither controls nor blocks."""

    run: str
    process: ProcessKind
    cells: frozenset[str]
    blocks: int
    staged: bool
    wall_s: float
    """Start and end of its interpreter included."""
    import_s: float
    """Start of the interpreter and end of the process included."""
    sampled_s: float
    peak_bytes: int | None
    file_bytes: int
    costs: Mapping[str, CellCost] = field(default_factory=dict)

    @property
    def signature(self) -> Signature:
        return self.process, self.cells, self.blocks, self.staged

    @property
    def own_s(self) -> float:
        """What the harness spent in it itself."""
        return max(0.0, self.wall_s - self.import_s - self.sampled_s)


@dataclass(frozen=True)
class History:
    """Newest first. `record_bytes`: manifest and analysis of the newest run, per cell."""

    past: tuple[Past, ...] = ()
    between_s: float = BETWEEN_S
    record_bytes: float | None = None
    follow_ups: tuple[FollowUp, ...] = ()
    """Of the newest run of the same suite that could have had any."""
    failed: frozenset[str] = frozenset()
    """Cells that gave no numbers in the newest run that held them."""

    @property
    def runs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one.run for one in self.past))


def twins(plan: Plan) -> dict[str, str]:
    """A control -> the cell it is a second copy of."""
    return {cell.id: cell.baseline for part in plan.parts for cell in part.cells if cell.control}


def read_history(results: Path, plan: Plan, machine_id: str) -> History:
    copies = twins(plan)
    wanted = {copies.get(cell.id, cell.id) for part in plan.parts for cell in part.cells}
    signatures = {signature(part_of(plan, job.part), job, copies) for job in planned_jobs(plan)}
    past: list[Past] = []
    between: list[float] = []
    record_bytes: float | None = None
    follow_ups: tuple[FollowUp, ...] | None = None
    outcomes: dict[str, bool] = {}
    for folder, manifest in islice(_runs(results, machine_id), MOST_LOOKED_AT):
        if follow_ups is None and _comparable(manifest.plan, plan):
            follow_ups = manifest.follow_ups
        held = {cell.id for part in manifest.plan.parts for cell in part.cells}
        enough = signatures <= {one.signature for one in past} or len({one.run for one in past}) == MOST_RUNS
        found = _read(folder, manifest, wanted) if held & wanted and not enough else []
        if found:
            past += found
            between += _between(manifest)
            record_bytes = record_bytes or _record_bytes(folder, len(held))
            failed = {outcome.cell for outcome in manifest.outcomes if not outcome.again}
            outcomes = {cell: cell in failed for cell in held} | outcomes
        if enough and (follow_ups is not None or plan.preset == "smoke"):
            break
    return History(
        past=tuple(past),
        between_s=median(between) if between else BETWEEN_S,
        record_bytes=record_bytes,
        follow_ups=follow_ups or (),
        failed=frozenset(cell for cell, failed in outcomes.items() if failed),
    )


def signature(part: Part, job: Job | Process, copies: Container[str]) -> Signature:
    """Equal for processes that do the same. `copies`: the controls, which what is no trial leaves out."""
    if job.process in TRIALS:
        return job.process, frozenset(job.cells), part.blocks, bool(part.stages)
    return job.process, frozenset(cell for cell in job.cells if cell not in copies), 0, False


def _comparable(earlier: Plan, plan: Plan) -> bool:
    return (earlier.suite, earlier.purpose) == (plan.suite, plan.purpose) and earlier.preset != "smoke"


def _runs(results: Path, machine_id: str) -> Iterator[tuple[RunFolder, Manifest]]:
    for folder in run_folders(results):
        try:
            manifest = folder.manifest()
        except StoreError:
            continue  # damaged, or of another version: it tells nothing
        if manifest.environment.machine_id == machine_id:
            yield folder, manifest


def _read(folder: RunFolder, manifest: Manifest, wanted: Container[str]) -> list[Past]:
    copies = twins(manifest.plan)
    done = [process for process in manifest.processes if process.state == "done"]
    held = [process for process in done if any(copies.get(cell, cell) in wanted for cell in process.cells)]
    found = []
    for process in held:
        try:
            lines = folder.lines(process.number)
        except StoreError:
            continue
        past = _past(folder, manifest, process, lines)
        if past is not None:
            found.append(past)
    return found


def _past(folder: RunFolder, manifest: Manifest, process: Process, lines: Sequence[Line]) -> Past | None:
    end = next((line for line in lines if isinstance(line, End)), None)
    if end is None:
        return None
    part = part_of(manifest.plan, process.part)
    kind, cells, blocks, staged = signature(part, process, twins(manifest.plan))
    around_s = 0.0 if process.wall_s is None else max(0.0, process.wall_s - end.wall_s)
    peaks = [line.peak_bytes for line in lines if isinstance(line, Memory | End) and line.peak_bytes]
    return Past(
        run=manifest.run,
        process=kind,
        cells=cells,
        blocks=blocks,
        staged=staged,
        wall_s=end.wall_s + around_s,
        import_s=end.import_s + around_s,
        sampled_s=end.sampled_s,
        peak_bytes=max(peaks, default=None),
        file_bytes=folder.trial_file(process.number).stat().st_size,
        costs=_costs(lines),
    )


def _costs(lines: Sequence[Line]) -> dict[str, CellCost]:
    blocks = [line for line in lines if isinstance(line, Block)]
    warm_ups = {line.cell: line for line in lines if isinstance(line, WarmUp)}
    spent: dict[tuple[str, str], float] = {}
    for block in blocks:
        for sample in block.samples:
            arm = (sample.cell, sample.arm)
            spent[arm] = spent.get(arm, 0.0) + sample.time_s * sample.repeat / len(blocks)
    return {
        cell: CellCost(
            first_call_s=warm.first_call_s,
            call_s=warm.typical_s,
            warm_up_s=warm.first_call_s + (warm.calls - 1) * warm.typical_s,
            bare_s=spent.get((cell, "bare"), 0.0),
            staged_s=spent.get((cell, "staged")),
        )
        for cell, warm in warm_ups.items()
        if blocks
    }


def _between(manifest: Manifest) -> list[float]:
    """Seconds of the runner's own between processes. Known where it lived to see all of them end."""
    if manifest.state != "finished" or manifest.wall_s is None:
        return []
    took = [
        [process.wall_s for process in beside]
        for beside in rounds(manifest.processes, manifest.plan, manifest.environment)
    ]
    known = [[wall for wall in walls if wall is not None] for walls in took]
    if not known or known != took:
        return []
    return [max(0.0, manifest.wall_s - sum(map(max, known))) / len(known)]


def _record_bytes(folder: RunFolder, cells: int) -> float:
    files = [folder.path / name for name in ("manifest.json", "analysis.json")]
    return sum(file.stat().st_size for file in files if file.exists()) / cells
