"""One process for one cell, started and watched as those of a run are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from harness.process import Worker, hangs, kill, limit_s, look, post_mortem, start, wait
from harness.records import Cell, End, Environment, Group, Manifest, Outcome, Part, Plan, Process, ProcessKind
from harness.store import RunFolder, new_run_folder

WAKE_S = 1.0


class TraceError(Exception):
    """A cell that gave nothing: it failed, hung, or its process died. Its text is the whole message."""


def run_alone(
    plan: Plan,
    part: Part,
    cell: Cell,
    calls: int,
    folder: Path,
    where: Environment,
    command: Sequence[str],
    kind: ProcessKind = "trace",
) -> RunFolder:
    """A run of one cell that lives in `folder`; its process has the number 1."""
    alone = part.model_copy(
        update={"cells": (cell,), "groups": (Group(part=part.name, index=0, cells=(cell.id,)),), "blocks": calls}
    )
    process = Process(
        number=1, process=kind, part=part.name, group=0, trial=0, attempt=1, cells=(cell.id,), state="running"
    )
    run = new_run_folder(folder, plan.suite)
    run.write_manifest(
        Manifest(
            run=run.name,
            state="running",
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            plan=plan.model_copy(update={"parts": (alone,), "trials": 1}),
            suite_text="",
            claims_text={},
            environment=where,
            processes=(process,),
            command=f"semh {kind}",
        )
    )
    worker = start(run, process, alone, command)
    try:
        hung = _hung(run, worker)
    finally:
        kill(worker)
    name = f"{part.name}/{cell.name}"
    if hung:
        raise TraceError(f"{name}: {hung}")
    lines = run.lines(1)
    failed = next((line for line in lines if isinstance(line, Outcome)), None)
    if failed is not None and failed.outcome == "untested":
        raise TraceError(f"{name} is not testable here: {failed.detail}")
    if failed is not None:
        raise TraceError(f"{name}: {failed.outcome} during {failed.during}: {failed.detail}")
    if not lines or not isinstance(lines[-1], End):
        death = post_mortem(run, worker)
        raise TraceError(f"{name}: {death.outcome} during {death.during}: {death.reason}")
    return run


def _hung(run: RunFolder, worker: Worker) -> str:
    """Waits until it ends; where it hangs, what it was at."""
    while not wait([worker], WAKE_S):
        look(run, worker)
        if hangs(worker):
            return f"timed out after {limit_s(worker):g} s during {worker.crumb.doing}; a longer timeout_s would do"
    return ""
