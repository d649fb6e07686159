"""What a reader must know before any number: withheld verdicts, unfinished runs, and what would do instead."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from harness.command import command
from harness.lookup import untested
from harness.records import PartAnalysis, Plan
from harness.report import numbers, words
from harness.report.lookup import Run
from harness.report.shown import Alert
from harness.report.text import label, plain, safe

LARGER = {"quick": "full", "full": "rigorous"}
"""Preset -> the next with more trials."""
NAMED = 4
"""Cells that are named one by one."""


def alerts(run: Run) -> Iterator[Alert]:
    manifest, analysis = run.manifest, run.analysis
    plan = manifest.plan
    unstable = _unstable(run)
    if plan.purpose == "calibrate":
        copies = "Every cell stands beside a copy of itself: whatever a ratio shows is noise."
        yield Alert("A calibration, not a comparison", (copies,), _command(plan, purpose="measure"))
    elif plan.preset == "smoke":
        few = f"{words.count(analysis.trials_done, 'trial')} cannot carry a verdict; readings are shown as they are."
        yield Alert("No verdicts: this is a smoke run", (few, *unstable), _command(plan, preset="quick"))
    elif unstable:
        yield from _hosts(run)
    yield from _not_testable(run)
    if manifest.state != "finished":
        done = f"{analysis.trials_done} of {words.count(analysis.trials_planned, 'planned trial')} are in this report"
        yield Alert("This run is unfinished", (f"{done}.",), f"{_command(plan)} --resume")
    elif manifest.stopped_early or (analysis.trials_done < analysis.trials_planned and _tested(run)):
        why = f" ({safe(manifest.stopped_early)})" if manifest.stopped_early else ""
        done = f"{analysis.trials_done} of {words.count(analysis.trials_planned, 'planned trial')} done{why}"
        unbounded = _command(plan, max_minutes=None) if manifest.stopped_early else _command(plan)
        yield Alert("This run ended early", (f"{done}: intervals are wider than planned.",), unbounded)


def _not_testable(run: Run) -> Iterator[Alert]:
    """What would not run here as it is named, by the reason: each is said once, however many cells have it."""
    parts = run.analysis.parts
    alike: dict[str, dict[str, None]] = {}
    for cell in (cell for part in _tested(run) for cell in part.cells if cell.outcome == "untested"):
        alike.setdefault(cell.detail, {})[label(cell.name)] = None
    reasons = [f"{_few(names)}: {safe(detail)}." for detail, names in alike.items()]
    whole = [part for part in parts if untested(part)]
    reasons += [f"Part {label(part.part)} is not judged: it is {safe(part.reasons[0])}." for part in whole]
    if reasons:
        count = sum(cell.outcome == "untested" for part in parts for cell in part.cells)
        of = words.count(sum(len(part.cells) for part in parts), "cell")
        yield Alert(f"Not testable here: {count} of {of}", tuple(reasons), "semh doctor")


def _few(names: Collection[str]) -> str:
    told = [*names][:NAMED]
    more = len(names) - len(told)
    return words.listed([*told, f"{more} more"] if more else told)


def _tested(run: Run) -> list[PartAnalysis]:
    return [part for part in run.analysis.parts if not untested(part)]


def _hosts(run: Run) -> Iterator[Alert]:
    """One alert for the parts whose noise is of unknown size, one for those that are known to be noisy."""
    plan, parts = run.manifest.plan, [part for part in _tested(run) if not part.stable]
    larger = LARGER.get(plan.preset)
    more = _command(plan, preset=larger) if larger else "semh doctor"
    would = "On a quiet machine, more trials say more:" if larger else "More trials do not help; what disturbs it may:"
    for known, title, advice in (
        (False, "Ratios are not called{}: unstable host", "Ratios are shown with their intervals, but none is called."),
        (True, "A noisy host{}", "Ratios are called, and claims judged, only where they clear the noise floor."),
    ):
        told = [part for part in parts if part.noise_known == known]
        named = words.listed([label(part.part) for part in told])
        which = "" if len(told) == len(run.analysis.parts) else f" in {named}"
        why = _floors(told, plan) if known else _why_unstable(told)
        reasons = (*why, f"{advice} {would}")
        if told:
            yield Alert(title.format(which), reasons, more)


def _floors(parts: Sequence[PartAnalysis], plan: Plan) -> Iterator[str]:
    """All in one sentence; what is noisy for another reason has its own."""
    above = [part for part in parts if part.floor is not None and part.floor > plan.margin]
    if above:
        told = words.listed(f"{label(part.part)} {numbers.share(part.floor or 0.0)}" for part in above)
        yield f"Noise above the margin of {numbers.share(plan.margin)}: {told}."
    yield from _why_unstable([part for part in parts if part not in above])


def _command(plan: Plan, **changes: str | None) -> str:
    return plain(command(plan.model_copy(update=changes)), 1000)


def _unstable(run: Run) -> tuple[str, ...]:
    return tuple(_why_unstable([part for part in _tested(run) if not part.stable]))


def _why_unstable(parts: Sequence[PartAnalysis]) -> Iterator[str]:
    """Parts with the same reason in one sentence."""
    alike: dict[tuple[bool, str], list[str]] = {}
    for part in parts:
        reason = safe("; ".join(part.reasons) or "no reason recorded")
        alike.setdefault((part.noise_known, reason), []).append(label(part.part))
    for (known, reason), names in alike.items():
        yield f"{'Noisy' if known else 'Unstable'} host, {words.listed(names)}: {reason}."
