"""Does a suite cost what `semh plan` says, the second time?

    python -m benchmarks.prediction [SUITE] [--preset smoke]     (smoke.yaml, two minutes)

Runs the suite once in a folder of its own, asks what a second run will cost, runs it again, and prints both: minutes of
the run, processes, peak memory of the largest process, bytes on disk. Exit code 1 if any of them is off by more than
25 %. Minutes are those of the runner: analysis and report come on top, some seconds.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import harness
from harness.measure.environment import environment
from harness.predict import Prediction, predicted
from harness.progress import Lines
from harness.records import Plan
from harness.store import RunFolder

TOLERANCE = 0.25


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("suite", nargs="?", default="smoke")
    options.add_argument("--preset", default="smoke")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as place:
        results, reports = Path(place) / "results", Path(place) / "reports"
        _, plan = harness.planned(given.suite, preset=given.preset)
        _run(given.suite, given.preset, results, reports)
        told = predicted(results, plan, environment([part.system for part in plan.parts]))
        return _compare(told, _run(given.suite, given.preset, results, reports))


def _run(suite: str, preset: str, results: Path, reports: Path) -> RunFolder:
    return harness.run(suite, preset=preset, results=results, reports=reports, progress=_lines).folder


def _lines(plan: Plan) -> Lines:
    return Lines(plan)


def _compare(told: Prediction, folder: RunFolder) -> int:
    manifest = folder.manifest()
    ends = [line for process in manifest.processes for line in folder.lines(process.number) if line.kind == "end"]
    happened = {
        "minutes": (told.low_s / 60, (manifest.wall_s or 0.0) / 60),
        "processes": (float(told.processes), float(len(manifest.processes))),
        "GB of memory": (told.peak_bytes / 1e9, max((end.peak_bytes or 0 for end in ends), default=0) / 1e9),
        "GB on disk": (told.disk_bytes / 1e9, _bytes(folder) / 1e9),
    }
    print(f"\n{'':14}{'predicted':>11}{'second run':>12}{'off by':>9}")
    off = {name: predicted_ / actual - 1 if actual else 0.0 for name, (predicted_, actual) in happened.items()}
    for name, (predicted_, actual) in happened.items():
        print(f"{name:14}{predicted_:11.3g}{actual:12.3g}{off[name]:+9.1%}")
    wrong = [name for name, error in off.items() if abs(error) > TOLERANCE]
    if told.unseen:
        print(f"{told.unseen} processes were judged by their FLOPs alone")
    print(f"beyond {TOLERANCE:.0%}: {', '.join(wrong)}" if wrong else f"within {TOLERANCE:.0%}")
    return 1 if wrong else 0


def _bytes(folder: RunFolder) -> int:
    return sum(file.stat().st_size for file in folder.path.rglob("*") if file.is_file())


if __name__ == "__main__":
    sys.exit(main())
