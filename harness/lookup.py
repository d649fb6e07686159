"""Finds cells by what they are, variant and conditions, also those merged into another, or by what came of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from harness.conditions import PROCESS_CONDITIONS
from harness.records import Cell, CellSummary, Contrast, Part, PartAnalysis, Value


def named(cell: Cell, pattern: str) -> bool:
    """Whether a glob means it: by its name, that of a cell merged into it, or its id; with or without `part/`."""
    names = (cell.name, *cell.merged, cell.id)
    return any(fnmatchcase(name, pattern) or fnmatchcase(f"{cell.part}/{name}", pattern) for name in names)


def baselines(part: Part) -> list[Cell]:
    """The cells that are their own baseline: one per combination of varied conditions."""
    return [cell for cell in part.cells if cell.baseline == cell.id and not cell.control]


LEAST_VALUES = 3
"""Two have a slope, and nothing that could speak against it."""


def growing(part: Part) -> str | None:
    """The condition that a part's cells grow with: the only one of its varied conditions that is a size, that is whole
    numbers above zero, three or more of them, and none of the harness's own (threads)."""
    sizes = [
        name
        for name, values in part.varied_conditions.items()
        if name not in PROCESS_CONDITIONS and len(values) >= LEAST_VALUES and all(map(_size, values))
    ]
    return sizes[0] if len(sizes) == 1 else None


def parted(part: Part) -> str | None:
    """The condition that parts a variant's cells into processes (threads): the only one of the harness's own that the
    part varies."""
    found = [name for name in part.varied_conditions if name in PROCESS_CONDITIONS]
    return found[0] if len(found) == 1 else None


def _size(value: Value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def changed(part: Part, baseline: Cell, changes: Mapping[str, str]) -> Cell | None:
    """The cell that differs from the baseline in `changes` alone, under its conditions; without any, the baseline.

    A change that does not apply was merged away when the plan was made: the cell that stands for it is found. A cell
    beyond the design is none of its cells, and is not.
    """
    if not changes.keys() <= baseline.variant.keys():
        return None
    wanted = {**baseline.variant, **changes}
    family = [c for c in part.cells if c.baseline == baseline.id and not (c.control or c.beyond)]
    for cell in family:
        if cell.variant == wanted:
            return cell
    return next((cell for cell in family if wanted in cell.merged_variants), None)


def unmeasured_because(summary: CellSummary) -> str:
    """In words, of a cell that gave no numbers."""
    if summary.outcome == "untested":
        return f"not testable here: {summary.detail}"
    return f"{summary.name}: {summary.outcome}"


def untested(part: PartAnalysis) -> bool:
    """Whether nothing of it could run on this machine as it is named."""
    return bool(part.cells) and all(cell.outcome == "untested" for cell in part.cells)


def cross_talk(contrasts: Iterable[Contrast]) -> set[str]:
    """Cells that alone in fresh processes took another time than beside other cells."""
    return {one.cell for one in contrasts if one.confirmation and one.confirmation.word == "cross-talk"}
