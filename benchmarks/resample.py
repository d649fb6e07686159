"""Suites that might have been: n whole trials drawn from many recorded ones, analysed as a run is.

The trial is the unit of inference, so a suite of n trials drawn from N recorded ones is as good as one that was run;
every rule of the analysis (excluded pairs, floors, family, margins) applies unchanged. Many such suites share trials,
and are not independent of one another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.analysis import analyse_lines
from harness.records import Analysis, Block, Line, Manifest, Process
from harness.store import RunFolder


@dataclass(frozen=True)
class Recording:
    """All trials of all runs of one suite. `once` are the processes that are no trials, of the first run."""

    manifest: Manifest
    once: Sequence[tuple[Process, Sequence[Line]]]
    trials: Sequence[tuple[Process, Sequence[Line]]]
    runs: Sequence[int]
    """Of each trial, which run it is from."""

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


def read(folders: Sequence[RunFolder]) -> Recording:
    """Runs of one suite text by one code. Raises ValueError where they differ."""
    first = folders[0].manifest()
    runs: list[int] = []
    trials: list[tuple[Process, Sequence[Line]]] = []
    once: list[tuple[Process, Sequence[Line]]] = []
    for index, folder in enumerate(folders):
        manifest = folder.manifest()
        if _made_by(manifest) != _made_by(first):
            raise ValueError(f"{folder.name}: another suite text or code than {folders[0].name}; move one of them away")
        for process in manifest.processes:
            if process.process == "trial" and process.state == "done":
                trials.append((process, folder.lines(process.number)))
                runs.append(index)
            elif process.process in ("prepare", "sameness") and folder is folders[0]:
                once.append((process, folder.lines(process.number)))
    return Recording(first, once, trials, runs)


def _made_by(manifest: Manifest) -> tuple[str, str]:
    return manifest.plan.suite_sha256, manifest.environment.code_sha256


def _renumbered(line: Line, trial: int) -> Line:
    return line.model_copy(update={"trial": trial}) if isinstance(line, Block) else line
