"""Are counters the same every time? Ten repetitions in fresh processes, each with its own hash seed.

    python -m benchmarks.counters                       (smoke.yaml: about two minutes)
    python -m benchmarks.counters document --runs 3     (any suite, by name or path)

Only the processes that count are run: `prepare` and `memory`. Prints every counter of every cell that was not the same
in all repetitions. Exit code 1 if there is one, or if a process ended without its records.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import harness
from harness.measure.environment import environment
from harness.process import close, start, wait
from harness.records import Counters, End, Manifest, Part, Plan, Process, StageMemory
from harness.schedule import part_of, planned_jobs
from harness.store import RunFolder, new_run_folder

COUNTING = ("prepare", "memory")
RUNS = 10

Values = dict[tuple[str, str], object]
"""(cell, counter) -> value."""


def repetition(plan: Plan, text: str, seed: int) -> Values:
    """All counters of a plan, each read in a process that knows nothing of the others."""
    os.environ["PYTHONHASHSEED"] = str(seed)
    jobs = [job for job in planned_jobs(plan) if job.process in COUNTING]
    processes = tuple(
        Process(number=number, attempt=1, state="running", **vars(job)) for number, job in enumerate(jobs, start=1)
    )
    with tempfile.TemporaryDirectory() as results:
        folder = new_run_folder(Path(results), plan.suite)
        folder.write_manifest(
            Manifest(
                run=folder.name,
                state="running",
                started="",
                plan=plan,
                suite_text=text,
                claims_text={},
                environment=environment([part.system for part in plan.parts]),
                processes=processes,
                command="python -m benchmarks.counters",
            )
        )
        found: Values = {}
        for process in processes:
            found |= counted(folder, process, part_of(plan, process.part))
        return found


def counted(folder: RunFolder, process: Process, part: Part) -> Values:
    worker = start(folder, process, part)
    while not wait([worker], part.timeout_s):
        pass
    close(worker)
    lines = folder.lines(process.number)
    if not any(isinstance(line, End) for line in lines):
        sys.exit(f"{process.process} of {part.name} ended early: {folder.error_file(process.number).read_text()}")
    names = {cell.id: f"{part.name}: {cell.name}" for cell in part.cells}
    return {
        (names[line.cell], name): value
        for line in lines
        if isinstance(line, Counters | StageMemory)
        for name, value in flat(line)
    }


def flat(line: Counters | StageMemory) -> Iterator[tuple[str, object]]:
    if isinstance(line, Counters):
        yield from line.values.items()
        yield "uncounted", line.uncounted
        return
    yield "allocator_peak_bytes", line.allocator_peak_bytes
    yield "saved_bytes", line.saved_bytes
    for stage, found in line.stages.items():
        yield from ((f"{stage}.{name}", value) for name, value in found.model_dump().items())


def differing(repetitions: list[Values]) -> Iterator[str]:
    for cell, name in dict.fromkeys(key for values in repetitions for key in values):
        read = [values.get((cell, name), "missing") for values in repetitions]
        if len(set(map(repr, read))) > 1:
            yield f"{cell}: {name} {', '.join(map(str, read))}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", nargs="?", default="smoke")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    read, plan = harness.planned(options.suite, preset="smoke", threads=options.threads)
    repetitions = []
    for number in range(1, options.runs + 1):
        repetitions.append(repetition(plan, read.text, number))
        print(f"{number}/{options.runs}: {len(repetitions[-1])} counters", flush=True)
    differences = list(differing(repetitions))
    for difference in differences:
        print(difference)
    print(f"{len(differences)} of {len(repetitions[0])} counters differed over {options.runs} repetitions")
    sys.exit(1 if differences or not repetitions[0] else 0)


if __name__ == "__main__":
    main()
