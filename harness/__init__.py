"""Measures any System. The picture of the house is drawn here once it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.progress import Progress
    from harness.records import Analysis, Plan, Value
    from harness.store import RunFolder


@dataclass(frozen=True)
class Result:
    folder: RunFolder
    analysis: Analysis
    report: Path
    """report.html; report.md and the figures lie beside it."""
    exit_code: int


def run(
    suite: str | Path,
    *,
    preset: str = "quick",
    only: Sequence[str] = (),
    settings: Mapping[str, Value] | None = None,
    threads: int | None = None,
    max_minutes: float | None = None,
    resume: bool = False,
    results: Path = Path("results"),
    reports: Path = Path("reports"),
    progress: Callable[[Plan], Progress] | None = None,
    command: str | None = None,
) -> Result:
    """Measure, analyse and report a suite, given as a path or by name: what `semh run` does."""
    from harness.claims.ledger import ledger_texts
    from harness.find import find_suite
    from harness.plan import make_plan
    from harness.progress import Silent
    from harness.runner import run_plan
    from harness.suite import read_suite

    read = read_suite(find_suite(str(suite)))
    plan = make_plan(
        read, preset=preset, only=tuple(only), settings=settings or {}, threads=threads, max_minutes=max_minutes
    )
    folder = run_plan(
        plan,
        read.text,
        ledger_texts(),
        results=results,
        resume=resume,
        progress=progress(plan) if progress else Silent(),
        command=command or f"semh run {suite} --preset {preset}",
    )
    return conclude(folder, reports)


def conclude(folder: RunFolder, reports: Path = Path("reports")) -> Result:
    """Analyse what a run has on disk and render it. Needs neither torch nor the device it was measured on."""
    from harness.analysis import analyse
    from harness.report import render
    from harness.schedule import exit_code

    manifest = folder.manifest()
    analysis = analyse(folder)
    folder.write_analysis(analysis)
    return Result(folder, analysis, render(folder, reports), exit_code(manifest.plan, manifest.outcomes))
