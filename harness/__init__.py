"""Measures any System. Every arrow is a frozen record that exists on disk; any stage can be rerun alone.

    suites/cayley.yaml                        sem_impl/  (or yours)
        |                                         |  system.py, entry point group "semh.systems"
        v                                         v
    suite.py  (yamlfile, conditions)          system.py  the System protocol; systems.py finds one by name
        |  YAML -> Suite, errors with file:line   |
        v                                         |
    design.py  switches -> variants  <------------+   (variants, cells, aliases; the maths in stats/layout)
        |      pair, one_at_a_time, leave_one_out, ladder, full and fractional factorial, screening, grid
        v
    plan.py    Suite x System -> Plan of Cells, stable ids, groups that fit in memory (grouping)
        |      predict.py: its minutes and GB, from earlier runs (history)
        v
    runner.py  trials as fresh processes: schedule says what is left, process starts, watches and kills, resume goes
        |      on after a death, follow_up decides once what is measured again
        |                \\
        v                 v
    worker.py  prepare, sameness, memory, trial, recheck, confirm
        |      measure/: lacking, clock, device, stages, order, lost, canary, guards, allocator, counters
        |      one JSON line per finished block, fsynced
        v
    store.py   results/<run>/  manifest.json, trials/*.jsonl, analysis.json
        |
        v
    analysis/  records -> stats/ -> Analysis: contrasts and stage contrasts, then their family, then what was
        |      confirmed; effects, steps, growth, limits; stats/ is pure numpy and scipy
        v
    claims/    ledger.py reads the claims, verdict.py judges one, where.py says where else it would hold
        |
        +--> report/  reports/<run>/report.md, report.html (reads records, computes nothing)
        +--> export/  reports/<run>/tables/*.csv and parquet (for other programs)

Beside it, each with a command of its own: ceilings.py (what this machine can do at best -> results/ceilings.json ->
every run), calibrate.py (a suite against itself -> results/calibrations/ -> the next runs), doctor/ (what makes this
machine noisy), holdings/ (what a call holds: stated, counted, measured), trace/ (one cell under torch's profiler; it
explains, and enters no estimate), learning.py (trains a system and draws text from it; it measures nothing), audit.py
(claims that need no run), compare/ (two runs side by side), verdicts/ (the ledger over all runs). `commands/` holds
what the command line makes of each.

`records/` holds every record on disk, `errors.py` what a user can cause. Imports go down only: `cli -> harness`,
`harness ->` no system, `*_impl.system -> harness.system` (tests/test_house.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.progress import Progress
    from harness.records import Analysis, Plan, Value
    from harness.store import RunFolder
    from harness.suite import Suite


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
) -> Result:
    """Measure, analyse and report a suite, given as a path or by name: what `semh run` does."""
    read, plan = planned(
        suite, preset=preset, only=tuple(only), settings=settings or {}, threads=threads, max_minutes=max_minutes
    )
    return conclude(measured(read, plan, results, resume=resume, progress=progress), reports)


def measured(
    read: Suite, plan: Plan, results: Path, *, resume: bool = False, progress: Callable[[Plan], Progress] | None = None
) -> RunFolder:
    """The folder of the plan's finished run."""
    from harness.claims.ledger import ledger_texts
    from harness.command import command
    from harness.progress import Silent
    from harness.runner import run_plan

    shown = progress(plan) if progress else Silent()
    try:
        return run_plan(
            plan,
            read.text,
            ledger_texts(),
            results=results,
            resume=resume,
            progress=shown,
            command=command(plan),
        )
    finally:
        shown.close()


def planned(suite: str | Path, **options: Any) -> tuple[Suite, Plan]:
    """The suite as read and what it would run; `options` are those of `harness.plan.make_plan`."""
    from harness.claims.ledger import check_globs, ledger_texts, read_ledger
    from harness.find import find_suite
    from harness.plan import make_plan
    from harness.suite import read_suite

    read = read_suite(find_suite(str(suite)))
    check_globs(read, read_ledger(ledger_texts()))
    return read, make_plan(read, **options)


def conclude(folder: RunFolder, reports: Path = Path("reports")) -> Result:
    """Analyse what a run has on disk and render it. Needs neither torch nor the device it was measured on."""
    from harness.analysis import analyse
    from harness.errors import StoreError
    from harness.export import export
    from harness.report import render
    from harness.schedule import exit_code

    manifest = folder.manifest()
    analysis = analyse(folder)
    folder.write_analysis(analysis)
    try:
        tables = export(folder, reports / folder.path.resolve().name / "tables")
        page = render(folder, reports, tables)
    except OSError as error:
        raise StoreError(f"{reports}: the report could not be written: {error.strerror}") from None
    return Result(folder, analysis, page, exit_code(manifest.plan, manifest.outcomes))
