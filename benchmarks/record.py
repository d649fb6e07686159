"""Records real runs of a benchmark suite, one core burnt beside them: what `detection.py` reads.

    python -m benchmarks.record nulls --runs 20 --preset quick
    python -m benchmarks.record planted --runs 6 --preset full

Twenty runs of `nulls` at quick take about half an hour. Runs lie in results/benchmarks/, each analysed as `semh run`
would; an interrupted recording goes on with the runs that are missing.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import harness
from benchmarks.burn import burning
from harness.analysis import analyse
from harness.claims.ledger import ledger_texts
from harness.progress import Silent
from harness.runner import run_plan
from harness.store import RunFolder, run_folders

RESULTS = Path("results/benchmarks")
SUITES = Path(__file__).resolve().parent


def recorded(suite: str, preset: str) -> list[RunFolder]:
    """Finished runs of a benchmark suite, oldest first."""
    found = []
    for folder in run_folders(RESULTS):
        manifest = folder.manifest()
        if (manifest.plan.suite, manifest.plan.preset, manifest.state) == (suite, preset, "finished"):
            found.append(folder)
    return found[::-1]


def record(suite: str, preset: str) -> RunFolder:
    """One run, analysed."""
    read, plan = harness.planned(SUITES / f"{suite}.yaml", preset=preset)
    words = f"semh run benchmarks/{suite}.yaml --preset {preset}"
    folder = run_plan(plan, read.text, ledger_texts(), results=RESULTS, resume=False, progress=Silent(), command=words)
    folder.write_analysis(analyse(folder))
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", choices=["nulls", "planted"])
    parser.add_argument("--runs", type=int, required=True)
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--burn", type=int, default=1, help="cores to keep busy beside the runs")
    options = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    with burning(options.burn):
        for number in range(len(recorded(options.suite, options.preset)), options.runs):
            began = time.monotonic()
            folder = record(options.suite, options.preset)
            load = f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
            took = time.monotonic() - began
            left = took * (options.runs - number - 1) / 60
            print(f"{number + 1}/{options.runs} {folder.name}: {took:.0f} s, {load}, {left:.0f} min left", flush=True)


if __name__ == "__main__":
    main()
