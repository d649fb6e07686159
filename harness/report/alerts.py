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
    if manifest.plan.preset == "smoke":
        yield Alert(
            "No verdicts: this is a smoke run",
            (f"{words.count(analysis.trials_done, 'trial')} cannot carry a verdict; readings are shown as they are.",),
            f"semh run {suite} --preset quick",
        )
    yield from _unstable(run, suite)
    if manifest.state != "finished":
        done = f"{analysis.trials_done} of {words.count(analysis.trials_planned, 'planned trial')} are in this report"
        yield Alert("This run is unfinished", (f"{done}.",), f"semh run {suite} --resume")
    elif manifest.stopped_early or analysis.trials_done < analysis.trials_planned:
        why = f" ({safe(manifest.stopped_early)})" if manifest.stopped_early else ""
        done = f"{analysis.trials_done} of {words.count(analysis.trials_planned, 'planned trial')} done{why}"
        yield Alert(
            "This run ended early", (f"{done}: intervals are wider than planned.",), plain(manifest.command, 1000)
        )


def _unstable(run: Run, suite: str) -> Iterator[Alert]:
    unstable = [part for part in run.analysis.parts if not part.stable]
    if unstable:
        reasons = tuple(
            f"{label(part.part)}: {safe('; '.join(part.reasons) or 'no reason recorded')}." for part in unstable
        )
        names = words.listed(label(part.part) for part in unstable)
        which = "" if len(unstable) == len(run.analysis.parts) else f" in {names}"
        yield Alert(
            f"Verdicts are withheld{which}: unstable host",
            (
                *reasons,
                "Contrasts are shown with their intervals, but none is called. On a quiet machine, more trials do:",
            ),
            f"semh run {suite} --preset full",
        )
