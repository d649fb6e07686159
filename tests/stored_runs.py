"""Runs of thin air, stored as real ones are: manifest, lines and analysis under `results/`."""

from __future__ import annotations

from pathlib import Path

from analysis_helpers import World

from harness.analysis import analyse
from harness.records import Manifest
from harness.store import RunFolder, append_lines


def stored(made: World, results: Path, run: str, **changes: object) -> RunFolder:
    """`changes` are of the manifest."""
    folder = RunFolder(results / run)
    (folder.path / "trials").mkdir(parents=True)
    folder.write_manifest(manifest_of(made, run, **changes))
    for number, lines in made.lines.items():
        with folder.trial_file(number).open("ab") as file:
            append_lines(file, lines)
    folder.write_analysis(analyse(folder))
    return folder


def manifest_of(made: World, run: str, **changes: object) -> Manifest:
    return made.manifest.model_copy(update={"run": run, **changes})
