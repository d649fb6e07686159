"""What the user sees while a run goes on: what is being measured, how far it is, how long it still takes."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, TextIO

from harness.records import Plan, Process
from harness.schedule import ALONE, Job, JobKey, cells_of

if TYPE_CHECKING:
    from rich.progress import TaskID

    from harness.process import Crumb


@dataclass(frozen=True)
class Standing:
    """Processes done and in all, the share of the work done, and the time left (None: nothing to judge by yet)."""

    done: int
    total: int
    share: float
    left_s: float | None


class Progress(Protocol):
    def note(self, text: str) -> None: ...
    def show(self, process: Process, crumb: Crumb, standing: Standing) -> None: ...
    def ended(self, process: Process, wall_s: float, standing: Standing) -> None: ...
    def close(self) -> None: ...


def standing(
    jobs: Sequence[Job],
    processes: Sequence[Process],
    walls: Mapping[int, float],
    running: Sequence[tuple[Process, float, float]],
    expected: Mapping[JobKey, float] = MappingProxyType({}),
) -> Standing:
    """`running`: live processes, their seconds so far, the fraction done they report. A job that has not run yet is
    taken to last as long as its like: same part and group, else what earlier runs let expect, else any of its kind (of
    a recheck also the trials it repeats in part), else any process at all."""
    done = [process for process in processes if process.state == "done"]
    seen: dict[tuple[str, ...], list[float]] = {}
    for process in processes:
        if process.number in walls and process.state == "done":
            for key in _known_as(process):
                seen.setdefault(key, []).append(walls[process.number])
    elapsed = {}
    for process, seconds, fraction in running:
        elapsed[_likenesses(process)[0], process.trial, process.cells] = (seconds, fraction)
        if fraction > 0.1:
            for key in _known_as(process):
                seen.setdefault(key, [seconds / fraction])
    spent = sum(walls.get(process.number, 0.0) for process in done)
    left = 0.0
    unknown = False
    for job in jobs:
        own, kind, *_ = likenesses = _likenesses(job)
        like = next((seen[key] for key in likenesses if key in seen), [])
        if own not in seen and job.key in expected:
            like = [expected[job.key]]
        elif not like or (job.process == "trial" and kind not in seen):
            unknown = True
        whole = sum(like) / len(like) if like else 0.0
        seconds, fraction = elapsed.get((own, job.trial, job.cells), (0.0, 0.0))
        spent += seconds
        left += max(whole - seconds, whole * (1 - fraction) if fraction else 0.0)
    total = len(done) + len(jobs)
    by_count = len(done) / total if total else 1.0
    share = by_count if unknown else spent / max(spent + left, 1e-9)
    return Standing(len(done), total, min(share, 1.0), None if unknown else left)


def _known_as(job: Job | Process) -> list[tuple[str, ...]]:
    return [(job.process, job.part, str(job.group)), (job.process,), ()]


def _likenesses(job: Job | Process) -> list[tuple[str, ...]]:
    own, kind, any_ = _known_as(job)
    repeated = [("trial", job.part, str(job.group))] if job.process == "recheck" else []
    return [own, kind, *repeated, any_]


class Silent:
    """For programs."""

    def note(self, text: str) -> None:
        pass

    def show(self, process: Process, crumb: Crumb, standing: Standing) -> None:
        pass

    def ended(self, process: Process, wall_s: float, standing: Standing) -> None:
        pass

    def close(self) -> None:
        pass


class Lines:
    """For logs: a plain line per process."""

    def __init__(self, plan: Plan, stream: TextIO | None = None) -> None:
        self.plan = plan
        self.stream = stream or sys.stderr

    def note(self, text: str) -> None:
        print(text, file=self.stream, flush=True)

    def show(self, process: Process, crumb: Crumb, standing: Standing) -> None:
        pass

    def ended(self, process: Process, wall_s: float, standing: Standing) -> None:
        how = f"abandoned: {process.reason}" if process.state == "abandoned" else duration(wall_s)
        self.note(f"{standing.done}/{standing.total} · {describe(self.plan, process)} · {how} · {left(standing)}")

    def close(self) -> None:
        pass


class Live:
    """For terminals: a bar with the time left and what is being measured. Drawn when the runner wakes, by no thread
    of its own: the machine belongs to the worker."""

    def __init__(self, plan: Plan) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar

        self.plan = plan
        self.names = {id_: cell.name for id_, cell in cells_of(plan).items()}
        self.bar = Bar(
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.description}", markup=False),
            console=Console(stderr=True),
            auto_refresh=False,
            transient=True,
        )
        self.task: TaskID = self.bar.add_task("starting", total=1.0, left="")
        self.bar.start()

    def note(self, text: str) -> None:
        self.bar.console.print(text, markup=False, highlight=False)

    def show(self, process: Process, crumb: Crumb, standing: Standing) -> None:
        cell = self.names.get(crumb.cell, "")
        what = " · ".join(word for word in (describe(self.plan, process), cell, crumb.doing) if word)
        self.bar.update(self.task, completed=standing.share, description=what, left=left(standing), refresh=True)

    def ended(self, process: Process, wall_s: float, standing: Standing) -> None:  # noqa: ARG002 - of the protocol
        if process.state == "abandoned":
            self.note(f"{describe(self.plan, process)} · abandoned: {process.reason}")

    def close(self) -> None:
        self.bar.stop()


def describe(plan: Plan, process: Process) -> str:
    """`trial 2/6 · stage`, `memory · total · all_on`."""
    part = next(part for part in plan.parts if part.name == process.part)
    words = [_numbered(plan, process), process.part]
    if process.process in ("trial", "recheck") and len(part.groups) > 1:
        words.append(f"group {process.group + 1}/{len(part.groups)}")
    if process.process in ALONE:
        words += [cell.name for cell in part.cells if cell.id in process.cells]
    if process.attempt > 1:
        words.append(f"attempt {process.attempt}")
    return " · ".join(words)


def _numbered(plan: Plan, process: Process) -> str:
    if process.process == "trial":
        return f"trial {process.trial}/{plan.trials}"
    if process.process == "recheck":
        return f"recheck {process.trial - plan.trials}/{plan.trials}"
    return f"confirm, pair {process.trial}" if process.process == "confirm" else process.process


def left(standing: Standing) -> str:
    return "time left not known yet" if standing.left_s is None else f"{duration(standing.left_s)} left"


def duration(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
