"""One of the two runs: its records, analysed again from its lines by the code of today."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from harness.analysis import analyse_stored
from harness.analysis.evidence import Evidence, Lines, gather
from harness.records import Analysis, Cell, CellSummary, Contrast, Manifest
from harness.store import RunFolder

Key = tuple[str, str]
"""(part, cell id)"""


@dataclass(frozen=True)
class Side:
    manifest: Manifest
    analysis: Analysis
    evidence: Mapping[str, Evidence]

    @cached_property
    def cells(self) -> dict[Key, Cell]:
        parts = self.manifest.plan.parts
        return {(part.name, cell.id): cell for part in parts for cell in part.cells if not cell.control}

    @cached_property
    def summaries(self) -> dict[Key, CellSummary]:
        return {(part.part, cell.cell): cell for part in self.analysis.parts for cell in part.cells}

    @cached_property
    def contrasts(self) -> dict[Key, Contrast]:
        return {(part.part, one.cell): one for part in self.analysis.parts for one in part.contrasts}

    def named(self, key: Key) -> str:
        name = self.cells[key].name
        return f"{key[0]}/{name}" if len(self.manifest.plan.parts) > 1 else name


def side(folder: RunFolder) -> Side:
    manifest = folder.manifest()
    lines: Lines = {process.number: folder.lines(process.number) for process in manifest.processes}
    evidence = {part.name: gather(manifest, lines, part) for part in manifest.plan.parts}
    return Side(manifest, analyse_stored(folder, manifest, lines), evidence)
