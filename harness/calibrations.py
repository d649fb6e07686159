"""Calibrations on disk, and what they mean for a run: `results/calibrations/<suite>.json`, the newest of each machine.

One counts for a run if it was made on the same machine, from the same suite text, with the same code, and holds cells
of the run. After a month it still counts, and is called old: machines change slowly, kernels and neighbours less so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import harness
from harness import Result
from harness.command import command
from harness.errors import StoreError
from harness.progress import Progress
from harness.records import Calibration, Calibrations, Environment, Plan
from harness.report import numbers
from harness.store import read_calibrations, write_calibrations

OLD = timedelta(days=30)


@dataclass(frozen=True)
class Calibrated:
    result: Result
    calibration: Calibration
    stored: Path | None
    """None where no cell gave an interval: such a calibration says nothing, and takes no other's place."""


def calibrate(
    suite: str | Path,
    *,
    resume: bool = False,
    results: Path = Path("results"),
    reports: Path = Path("reports"),
    progress: Callable[[Plan], Progress] | None = None,
    **options: Any,
) -> Calibrated:
    """Measure a suite's cells against copies of themselves, report on it, and store what was found: what
    `semh calibrate` does. `options` are those of `harness.plan.make_plan`."""
    from harness.calibrate import calibration, calibration_plan

    read, plan = harness.planned(suite, **options)
    folder = harness.measured(read, calibration_plan(plan), results, resume=resume, progress=progress)
    result = harness.conclude(folder, reports)
    manifest = folder.manifest()
    lines = {process.number: folder.lines(process.number) for process in manifest.processes}
    found = calibration(manifest, result.analysis, lines)
    return Calibrated(result, found, store(results, found) if found.contrasts else None)


def store(results: Path, calibration: Calibration) -> Path:
    """Takes the place of this machine's earlier one; those of other machines stay, unless they can no longer be
    read."""
    try:
        machines = read_calibrations(results, calibration.suite).machines
    except StoreError:
        machines = {}
    here = [calibration, *filter(None, [machines.get(calibration.machine_id)])]
    newest = max(here, key=lambda one: one.made)  # a finished one may be taken up again after another was made
    kept = Calibrations(machines={**machines, calibration.machine_id: newest})
    return write_calibrations(results, calibration.suite, kept)


def calibration_state(
    results: Path, plan: Plan, environment: Environment, now: datetime | None = None
) -> tuple[Calibration | None, str]:
    """The calibration that counts for this plan here, and what it says; None, and why, where there is none."""
    make = f"`{calibrate_command(plan)}` makes one"
    try:
        machines = read_calibrations(results, plan.suite).machines
    except StoreError as error:
        return None, f"not calibrated: {error}; {make}"
    found = machines.get(environment.machine_id)
    if found is None:
        others = f" ({len(machines)} of other machines)" if machines else ""
        return None, f"not calibrated: no calibration of {plan.suite} on this machine{others}; {make}"
    why = _refused(found, plan, environment)
    if why:
        return None, f"not calibrated: {why}; {make} anew"
    words = f"calibrated {found.made[:10]}: {summary(found)}"
    words += expectation(found, plan)
    days = ((now or datetime.now(UTC)) - datetime.fromisoformat(found.made)).days
    if days > OLD.days:
        words += f"; it is old, {days} days: {make} anew"
    return found, words


def _refused(found: Calibration, plan: Plan, environment: Environment) -> str:
    """Why it does not count; empty if it does."""
    when = f"the calibration of {found.made[:10]}"
    if found.suite_sha256 != plan.suite_sha256:
        return f"the suite's text has changed since {when}"
    if found.code_sha256 != environment.code_sha256:
        return f"the code has changed since {when}"
    calibrated = {one.cell for one in found.contrasts}
    cells = {cell.id for part in plan.parts for cell in part.cells if not cell.control}
    return "" if calibrated & cells else f"{when} holds none of these cells"


def summary(calibration: Calibration) -> str:
    """`noise floor 0.8 % (2.1 % at worst), of stages 1.2 % (6 % at worst); 0 false alarms in 30 comparisons`."""
    if not calibration.contrasts:
        return "it found no interval"
    floors = [(one.stage, one.floor) for one in calibration.contrasts]
    return (
        f"noise floor {_whole_and_stages(floors)}; "
        f"{calibration.false_alarms} false alarms in {len(floors)} comparisons of equals"
    )


def expectation(calibration: Calibration, plan: Plan) -> str:
    """The smallest change that the planned trials can be expected to see; empty where nothing says."""
    from harness.calibrate import expected_detectable  # scipy, which a plan without calibration need not wait for

    sizes = [(one.stage, size) for one, size in expected_detectable(calibration, plan)]
    return f"; {plan.trials} trials can be expected to see a change of {_whole_and_stages(sizes)}" if sizes else ""


def _whole_and_stages(values: Sequence[tuple[str, float]]) -> str:
    """Median and worst case, of whole calls and of stages (those with a name)."""
    said = []
    for word, found in (
        ("", [value for stage, value in values if not stage]),
        ("of stages ", [value for stage, value in values if stage]),
    ):
        if found:
            said.append(f"{word}{numbers.share(median(found))} ({numbers.share(max(found))} at worst)")
    return ", ".join(said)


def plan_words(results: Path, plan: Plan, environment: Environment) -> str:
    """What a planned run can be expected to see, or that this is not known."""
    found, words = calibration_state(results, plan, environment)
    return words if found else f"smallest change it can see: not known, {words}"


def calibrate_command(plan: Plan) -> str:
    return command(plan.model_copy(update={"purpose": "calibrate", "preset": "quick", "max_minutes": None}))
