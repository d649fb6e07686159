"""The stored run as the views ask for it: plan, summary and contrast of a cell.

A cell's id tells what is measured, so two parts may hold the same one: every question names the part too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from harness.records import Analysis, Cell, CellSummary, Contrast, Manifest, Part, PartAnalysis
from harness.report import words
from harness.report.text import label

Key = tuple[str, str]
"""(part, cell id)"""
FEW = 3
"""Changes that are better told than named."""


@dataclass(frozen=True)
class Run:
    manifest: Manifest
    analysis: Analysis

    @cached_property
    def plans(self) -> dict[str, Part]:
        return {part.name: part for part in self.manifest.plan.parts}

    @cached_property
    def parts(self) -> dict[str, PartAnalysis]:
        return {part.part: part for part in self.analysis.parts}

    @cached_property
    def cells(self) -> dict[Key, Cell]:
        return {(part.name, cell.id): cell for part in self.manifest.plan.parts for cell in part.cells}

    @cached_property
    def summaries(self) -> dict[Key, CellSummary]:
        return {(part.part, summary.cell): summary for part in self.analysis.parts for summary in part.cells}

    @cached_property
    def contrasts(self) -> dict[Key, Contrast]:
        return {(part.part, each.cell): each for part in self.analysis.parts for each in part.contrasts}

    def pairs(self) -> Iterator[tuple[Part, PartAnalysis]]:
        return ((self.plans[part.part], part) for part in self.analysis.parts if part.part in self.plans)

    def name(self, part: str, cell: str) -> str:
        return label(self.cells[part, cell].name if (part, cell) in self.cells else cell)

    def changed(self, contrast: Contrast) -> str:
        """What was changed; where it is much, the name of the variant if it has one of its own. The cell where nothing
        was, as in a calibration."""
        name = self.name(contrast.part, contrast.cell)
        if not contrast.changes or (len(contrast.changes) > FEW and "=" not in name):
            return f"{name} ({len(contrast.changes)} changes)" if contrast.changes else name
        return words.changes(contrast)

    def is_control(self, of: CellSummary) -> bool:
        return (of.part, of.cell) in self.cells and self.cells[of.part, of.cell].control

    def is_beyond(self, of: CellSummary) -> bool:
        return (of.part, of.cell) in self.cells and self.cells[of.part, of.cell].beyond

    def is_baseline(self, of: CellSummary) -> bool:
        return (of.part, of.cell) in self.cells and self.cells[of.part, of.cell].baseline == of.cell

    def varied(self, of: CellSummary | Contrast) -> str:
        known = self.cells.get((of.part, of.cell))
        return words.varied(known, self.plans[of.part]) if known else ""

    def unsolved(self, of: Contrast) -> str | None:
        return words.unsolved(self.summaries.get((of.part, of.cell)))

    def ordered(self, part: PartAnalysis) -> list[Contrast]:
        """Of what is on trial, by condition; within one, single changes before several; else the design's order."""
        return self._sorted([each for each in part.contrasts if not each.beyond])

    def beyond(self, part: PartAnalysis) -> list[Contrast]:
        """Of what goes beyond it, in the same order."""
        return self._sorted([each for each in part.contrasts if each.beyond])

    def _sorted(self, contrasts: list[Contrast]) -> list[Contrast]:
        shown = [contrast for contrast in contrasts if contrast.cell != contrast.baseline]
        places = {where: place for place, where in enumerate(dict.fromkeys(map(self.varied, shown)))}
        return sorted(shown, key=lambda each: (places[self.varied(each)], len(each.changes)))

    def reads(self, part: str) -> tuple[str, ...]:
        """Probes that the part is about, rather than about time."""
        return self.plans[part].reads if part in self.plans else ()

    def unit(self, part: Part, probe: str) -> str:
        return self.manifest.probes.get(part.system, {}).get(probe, "")

    def title(self, part: str) -> str:
        """Parts are named only where there are several."""
        return label(part) if len(self.analysis.parts) > 1 else ""
