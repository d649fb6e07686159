"""What a reader must know before any number: withheld verdicts, unfinished runs, and what would do instead."""

from __future__ import annotations

from collections.abc import Iterator

from harness.report import words
from harness.report.lookup import Run
from harness.report.shown import Alert
from harness.report.text import label, plain, safe


def alerts(run: Run) -> Iterator[Alert]:
    manifest, analysis = run.manifest, run.analysis
    suite = words.suite_name(manifest.plan)
    unstable = _unstable(run)
    if manifest.plan.preset == "smoke":
        few = f"{words.count(analysis.trials_done, 'trial')} cannot carry a verdict; readings are shown as they are."
        yield Alert("No verdicts: this is a smoke run", (few, *unstable), f"semh run {suite} --preset quick")
    elif unstable:
        named = [label(part.part) for part in analysis.parts if not part.stable]
        which = "" if len(named) == len(analysis.parts) else f" in {words.listed(named)}"
        advice = "Ratios are shown with their intervals, but none is called. On a quiet machine, more trials do:"
        yield Alert(
            f"Verdicts are withheld{which}: unstable host", (*unstable, advice), f"semh run {suite} --preset full"
        )
    if manifest.state != "finished":
        done = f"{analysis.trials_done} of {words.count(analysis.trials_planned, 'planned trial')} are in this report"
        yield Alert("This run is unfinished", (f"{done}.",), f"semh run {suite} --resume")
    elif manifest.stopped_early or analysis.trials_done < analysis.trials_planned:
        why = f" ({safe(manifest.stopped_early)})" if manifest.stopped_early else ""
        done = f"{analysis.trials_done} of {words.count(analysis.trials_planned, 'planned trial')} done{why}"
        yield Alert(
            "This run ended early", (f"{done}: intervals are wider than planned.",), plain(manifest.command, 1000)
        )


def _unstable(run: Run) -> tuple[str, ...]:
    return tuple(
        f"Unstable host, {label(part.part)}: {safe('; '.join(part.reasons) or 'no reason recorded')}."
        for part in run.analysis.parts
        if not part.stable
    )
