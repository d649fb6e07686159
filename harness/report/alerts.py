"""What a reader must know before any number: withheld verdicts, unfinished runs, and what would do instead."""

from __future__ import annotations

from collections.abc import Iterator

from harness.command import command
from harness.records import PartAnalysis, Plan
from harness.report import words
from harness.report.lookup import Run
from harness.report.shown import Alert
from harness.report.text import label, plain, safe


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
        known = all(part.noise_known for part in analysis.parts if not part.stable)
        named = [label(part.part) for part in analysis.parts if not part.stable]
        which = "" if len(named) == len(analysis.parts) else f" in {words.listed(named)}"
        title = f"A noisy host{which}" if known else f"Ratios are not called{which}: unstable host"
        advice = (
            "Ratios are called, and claims judged, only where they hold by more than the noise floor. "
            if known
            else "Ratios are shown with their intervals, but not called where the size of the noise is not known. "
        )
        more = plan.preset if plan.preset == "rigorous" else "full"
        yield Alert(
            title, (*unstable, f"{advice}On a quiet machine, more trials say more:"), _command(plan, preset=more)
        )
    if manifest.state != "finished":
        done = f"{analysis.trials_done} of {words.count(analysis.trials_planned, 'planned trial')} are in this report"
        yield Alert("This run is unfinished", (f"{done}.",), f"{_command(plan)} --resume")
    elif manifest.stopped_early or analysis.trials_done < analysis.trials_planned:
        why = f" ({safe(manifest.stopped_early)})" if manifest.stopped_early else ""
        done = f"{analysis.trials_done} of {words.count(analysis.trials_planned, 'planned trial')} done{why}"
        unbounded = _command(plan, max_minutes=None) if manifest.stopped_early else _command(plan)
        yield Alert("This run ended early", (f"{done}: intervals are wider than planned.",), unbounded)


def _command(plan: Plan, **changes: str | None) -> str:
    return plain(command(plan.model_copy(update=changes)), 1000)


def _unstable(run: Run) -> tuple[str, ...]:
    return tuple(_why_unstable(part) for part in run.analysis.parts if not part.stable)


def _why_unstable(part: PartAnalysis) -> str:
    reasons = safe("; ".join(part.reasons) or "no reason recorded")
    return f"{'Noisy' if part.noise_known else 'Unstable'} host, {label(part.part)}: {reasons}."
