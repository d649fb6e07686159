"""Suites of fake systems, run in earnest: real worker processes, virtual time."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from unittest.mock import patch

from harness.measure.environment import environment as look_around
from harness.plan import make_plan
from harness.process import Crumb
from harness.progress import Silent, Standing
from harness.records import Block, Environment, Manifest, Outcome, Plan, Process
from harness.runner import run_plan
from harness.store import RunFolder
from harness.suite import read_suite

ROOT = Path(__file__).resolve().parent.parent

TWO_PARTS = """suite: two
title: Two parts take turns
parts:
  one: {system: "tests.fakes:PLAIN", design: one_at_a_time, factors: {pace: [usual, slow]}, blocks: 2}
  other: {system: "tests.fakes:PLAIN", design: one_at_a_time, factors: {label: [old, new]}, blocks: 2, memory: false}
"""


class Recorder:
    """A progress that remembers."""

    def __init__(self, at_show: object = None) -> None:
        self.notes: list[str] = []
        self.crumbs: list[Crumb] = []
        self.standings: list[Standing] = []
        self.at_show = at_show

    def note(self, text: str) -> None:
        self.notes.append(text)

    def show(self, process: Process, crumb: Crumb, standing: Standing) -> None:
        self.crumbs.append(crumb)
        self.standings.append(standing)
        if callable(self.at_show):
            self.at_show(process)

    def ended(self, process: Process, wall_s: float, standing: Standing) -> None:
        self.standings.append(standing)

    def close(self) -> None:
        pass


def fake_suite(
    folder: Path, system: str, factors: str, more: str = "", *, design: str = "one_at_a_time", name: str = "fake"
) -> Path:
    """A suite of one part over `tests.fakes:SYSTEM`."""
    file = folder / f"{name}.yaml"
    file.write_text(
        f"suite: {name}\ntitle: What was planted is found\nsystem: tests.fakes:{system}\n"
        f"design: {design}\nbaseline: status_quo\nfactors: {factors}\nblocks: 4\nmemory: false\n{more}"
    )
    return file


def two_parts_suite(folder: Path) -> Path:
    file = folder / "two.yaml"
    file.write_text(TWO_PARTS)
    return file


@cache
def here() -> Environment:
    return look_around(["tests.fakes:PLAIN"])


def planned(file: Path, preset: str = "smoke", **options: object) -> Plan:
    return make_plan(read_suite(file), preset=preset, **options)


def measured(
    file: Path, results: Path, *, resume: bool = False, plan: Plan | None = None, **options: object
) -> RunFolder:
    """As if nobody edited the code meanwhile: a run is resumed only by the code that began it."""
    made = plan or planned(file)
    with patch("harness.runner.environment", lambda *_: here()):
        return run_plan(
            made,
            file.read_text(),
            {},
            results=results,
            resume=resume,
            progress=options.pop("progress", Silent()),
            command="semh run fake",
            **options,
        )


def states(manifest: Manifest) -> list[tuple[str, int, int, str]]:
    return [(p.process, p.trial, p.attempt, p.state) for p in manifest.processes]


def outcomes(folder: RunFolder) -> dict[str, Outcome]:
    manifest = folder.manifest()
    names = {cell.id: cell.name for part in manifest.plan.parts for cell in part.cells}
    return {names[outcome.cell]: outcome for outcome in manifest.outcomes}


def keys(folder: RunFolder) -> list[tuple[str, str, str, int, int]]:
    """(kind, part, cell, trial, block) of every sample that counts, sorted; a repeated one stands twice."""
    found = []
    for process in folder.manifest().processes:
        if process.state == "done":
            for line in folder.lines(process.number):
                if isinstance(line, Block):
                    at = (line.trial, line.block)
                    found += [(process.process, line.part, sample.cell, *at) for sample in line.samples]
    return sorted(found)


def environment() -> dict[str, str]:
    """For a semh started elsewhere: `tests.fakes` is found whatever the working directory is."""
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def cell_named(plan: Plan, name: str) -> str:
    return next(cell.id for cell in _cells(plan) if cell.name == name)


def _cells(plan: Plan) -> Iterable:
    return (cell for part in plan.parts for cell in part.cells)


STAND_IN = """import json, os, signal, subprocess, sys, time
folder, number = sys.argv[1], int(sys.argv[2])
manifest = json.load(open(f"{folder}/manifest.json"))
process = next(p for p in manifest["processes"] if p["number"] == number)
part = next(p for p in manifest["plan"]["parts"] if p["name"] == process["part"])
kind, cells = process["process"], process["cells"]

def crumb(cell, doing):
    now = {"cell": cell, "doing": doing, "since": time.time(), "done": 0.5}
    open(f"{folder}/trials/{number:03d}.now", "w").write(json.dumps(now).ljust(512))

def line(**record):
    with open(f"{folder}/trials/{number:03d}.jsonl", "a") as file:
        file.write(json.dumps(record) + "\\n")

def block(at):
    samples = [dict(cell=c, arm="bare", position=0, time_s=1.0, cpu_s=1.0, lost_share=0.0) for c in cells]
    line(kind="block", part=part["name"], group=process["group"], trial=process["trial"], block=at, samples=samples)

def end():
    if kind == "trial":
        for at in range(part["blocks"]):
            block(at)
    line(kind="end", wall_s=1.0, import_s=0.0, sampled_s=0.0)

"""


def stand_in(folder: Path, body: str = "end()") -> tuple[str, ...]:
    """A worker that is none and starts at once: for what the runner makes of a worker's deeds and deaths."""
    file = folder / "stand_in.py"
    file.write_text(STAND_IN + body + "\n")
    return ("-I", "-S", str(file))
