"""What the follow-ups of a part measured, kept apart from its trials: they confirm, and enter no estimate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.records import Block, FollowUp, Line, Manifest, Part, Process
from harness.schedule import Job, follow_up_jobs
from harness.stats.disturbed import judged_by_clock


@dataclass(frozen=True)
class Followed:
    follow_up: FollowUp
    blocks: tuple[Block, ...]
    lacking: str
    """Why it did not come through, in words; empty where it did."""


def followed(manifest: Manifest, lines: Mapping[int, Sequence[Line]], part: Part) -> tuple[Followed, ...] | None:
    """None while the run has not decided on any."""
    decided = manifest.follow_ups
    if decided is None:
        return None
    failed = {outcome.cell: outcome.outcome for outcome in manifest.outcomes}
    done = {_job(process).key: process for process in manifest.processes if process.state == "done"}
    found = []
    for one, jobs in zip(decided, follow_up_jobs(manifest.plan, decided, failed), strict=True):
        through = [done[job.key] for job in jobs if job.key in done]
        blocks = [line for process in through for line in lines[process.number] if isinstance(line, Block)]
        lacking = "" if jobs and len(through) == len(jobs) else _lacking(manifest, jobs)
        if one.part == part.name:
            found.append(Followed(one, tuple(judged_by_clock(blocks)), lacking))
    return tuple(found)


def _lacking(manifest: Manifest, jobs: Sequence[Job]) -> str:
    if not jobs:
        return "it failed when it was measured once more"
    return "time budget" if manifest.state == "finished" else "the run is not finished"


def _job(process: Process) -> Job:
    return Job(process.process, process.part, process.group, process.trial, process.cells)
