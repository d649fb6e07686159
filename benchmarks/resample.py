"""Suites that might have been: n whole trials drawn from many recorded ones, analysed as a run is.

The trial is the unit of inference, so a suite of n trials drawn without replacement from N recorded ones is as good
as a suite that was run; every rule of the analysis (excluded pairs, floors, family, margins) applies unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.analysis import analyse_lines
from harness.records import Analysis, Block, Line, Manifest, Process
from harness.store import RunFolder


@dataclass(frozen=True)
class Recording:
    """All trials of all runs of one suite. `once` are the processes that are no trials, of the first run."""

    manifest: Manifest
    once: Sequence[tuple[Process, Sequence[Line]]]
    trials: Sequence[tuple[Process, Sequence[Line]]]

    def suite(self, chosen: Sequence[int], preset: str) -> Analysis:
        """The analysis of a run whose trials are the chosen ones, numbered from 1."""
        processes, lines = [], {}
        for process, wrote in self.once:
            processes.append(process.model_copy(update={"number": len(processes) + 1}))
            lines[len(processes)] = list(wrote)
        for trial, index in enumerate(chosen, start=1):
            process, wrote = self.trials[index]
            processes.append(process.model_copy(update={"number": len(processes) + 1, "trial": trial}))
            lines[len(processes)] = [_renumbered(line, trial) for line in wrote]
        plan = self.manifest.plan.model_copy(update={"trials": len(chosen), "preset": preset, "claims": ()})
        manifest = self.manifest.model_copy(update={"plan": plan, "processes": tuple(processes), "follow_ups": None})
        return analyse_lines(manifest, lines)

    def drawn(self, generator: np.random.Generator, n: int, preset: str) -> Analysis:
        return self.suite(generator.choice(len(self.trials), size=n, replace=False).tolist(), preset)


def read(folders: Sequence[RunFolder]) -> Recording:
    """Runs of the same plan. Raises ValueError where their cells differ."""
    first = folders[0].manifest()
    trials: list[tuple[Process, Sequence[Line]]] = []
    once: list[tuple[Process, Sequence[Line]]] = []
    for folder in folders:
        manifest = folder.manifest()
        if [part.cells for part in manifest.plan.parts] != [part.cells for part in first.plan.parts]:
            raise ValueError(f"{folder.name}: other cells than {folders[0].name}; recordings of one plan would do")
        for process in manifest.processes:
            if process.process == "trial" and process.state == "done":
                trials.append((process, folder.lines(process.number)))
            elif process.process in ("prepare", "sameness") and folder is folders[0]:
                once.append((process, folder.lines(process.number)))
    return Recording(first, once, trials)


def _renumbered(line: Line, trial: int) -> Line:
    return line.model_copy(update={"trial": trial}) if isinstance(line, Block) else line
