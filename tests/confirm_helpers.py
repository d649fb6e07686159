"""Runs of thin air, and what their follow-ups found, made up too."""

from __future__ import annotations

import dataclasses

import numpy as np
from analysis_helpers import World, block, factorial_cells, sample

from harness.analysis import analyse_lines
from harness.records import Analysis, Block, Contrast, End, FollowUp, Manifest, Process

FACTORS = {"matrix": ("rebuild", "cached"), "kernels": ("eager", "fused")}
CELL = "matrix=cached"
PAIRS = 3


def world(ratio: float, **changes: object) -> World:
    made = World(cells=factorial_cells(FACTORS), factors=dict(FACTORS))
    made.times = lambda one: 0.01 * (ratio if one.id == CELL else 1.0)
    return dataclasses.replace(made, **changes)


def analysed(trials: World, follow_ups: list[FollowUp], wrote: list[tuple[Process, list]], **changes) -> Analysis:
    """The run of `trials`, whose follow-ups wrote these lines."""
    manifest: Manifest = trials.manifest
    first = len(manifest.processes)
    processes = [process.model_copy(update={"number": first + at}) for at, (process, _) in enumerate(wrote)]
    lines = trials.lines | {first + at: written for at, (_, written) in enumerate(wrote)}
    update = {"processes": (*manifest.processes, *processes), "follow_ups": tuple(follow_ups)}
    return analyse_lines(manifest.model_copy(update=update | changes), lines)


def process(kind: str, trial: int, *cells: str) -> Process:
    about = {"part": "p", "group": 0, "attempt": 1, "state": "done"}
    return Process.model_validate({"number": 0, "process": kind, "trial": trial, "cells": cells, **about})


def rechecked(trials: World, ratio: float, *, done: int = 6, **changes) -> Analysis:
    """A recheck of the one cell, in which it takes `ratio` times its baseline's time."""
    cells = ("base", CELL, *(cell.id for cell in trials.cells if cell.control))
    again = dataclasses.replace(trials, cells=[c for c in trials.cells if c.id in cells])
    again.times = lambda one: 0.01 * (ratio if one.id == CELL else 1.0)
    wrote = []
    for trial in range(1, done + 1):
        lines = [
            line.model_copy(update={"trial": trials.trials + trial}) if isinstance(line, Block) else line
            for line in again.lines[2 + trial]
        ]
        wrote.append((process("recheck", trials.trials + trial, *cells), lines))
    follow_up = FollowUp(process="recheck", part="p", cells=cells, trials=trials.trials)
    return analysed(trials, [follow_up], wrote, **changes)


def alone(trials: World, ratio: float, *, noise: float = 0.001, lost: float = 0.0, done: int = PAIRS, **changes):
    """The cell and its baseline each alone in `done` pairs of processes, of `noise` between processes."""
    generator = np.random.default_rng(3)
    wrote = []
    for pair in range(1, done + 1):
        for cell, factor in ((CELL, ratio), ("base", 1.0)):
            time_s = 0.01 * factor * float(np.exp(noise * generator.standard_normal()))
            blocks = [block(sample(cell, time_s / (1 - lost), lost=lost, cpu=time_s), trial=pair) for _ in range(4)]
            wrote.append((process("confirm", pair, cell), [*blocks, End(wall_s=1.0, import_s=0.0, sampled_s=0.5)]))
    follow_up = FollowUp(process="confirm", part="p", cells=(CELL, "base"), trials=PAIRS)
    return analysed(trials, [follow_up], wrote, **changes)


def found(analysis: Analysis) -> Contrast:
    return next(one for one in analysis.parts[0].contrasts if one.cell == CELL)
