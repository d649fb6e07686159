"""Which earlier run a new one goes on with: the same suite, plan, code and machine."""

from __future__ import annotations

from pathlib import Path

from harness.errors import StoreError
from harness.progress import Progress
from harness.records import Environment, Plan
from harness.store import RunFolder, run_folders


def earlier_run(results: Path, plan: Plan, where: Environment, progress: Progress) -> RunFolder | None:
    """The newest unfinished run of the same suite, plan, code and machine; else the newest finished one."""
    finished = None
    others = ""
    for folder in run_folders(results):
        try:
            manifest = folder.manifest()
        except StoreError:
            continue  # damaged, or of another version: no run to go on with
        if not _same(manifest.plan, plan):
            continue
        if manifest.environment.machine_id != where.machine_id:
            others = others or f"{folder.name} was made on another machine; "
        elif manifest.environment.code_sha256 != where.code_sha256:
            others = others or f"the code has changed since {folder.name}; "
        elif manifest.state == "running":
            progress.note(f"resuming {folder.name}")
            return folder
        else:
            finished = finished or folder
    if finished is None:
        progress.note(f"{others}no run to resume: starting one")
    return finished


def _same(left: Plan, right: Plan) -> bool:
    """The same cells to be measured in the same way. The suite may be named by another path, a condition may come from
    the suite or the command line, and the cells may be grouped otherwise: that depends on the memory that was free at
    the time."""
    return _core(left) == _core(right)


def _core(plan: Plan) -> Plan:
    incidental = {"groups": (), "notes": (), "estimated_bytes": 0.0, "given": ()}
    parts = tuple(part.model_copy(update=incidental) for part in plan.parts)
    return plan.model_copy(update={"suite_file": "", "settings": {}, "parts": parts})
