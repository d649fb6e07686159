"""Finds cells by what they are, variant and conditions, also those that were merged into another."""

from __future__ import annotations

from collections.abc import Mapping

from harness.records import Cell, Part


def baselines(part: Part) -> list[Cell]:
    """The cells that are their own baseline: one per combination of varied conditions."""
    return [cell for cell in part.cells if cell.baseline == cell.id and not cell.control]


def changed(part: Part, baseline: Cell, changes: Mapping[str, str]) -> Cell | None:
    """The cell that differs from the baseline in `changes` alone, under its conditions; without any, the baseline.

    A change that does not apply was merged away when the plan was made: the cell that stands for it is found.
    """
    if not changes.keys() <= baseline.variant.keys():
        return None
    wanted = {**baseline.variant, **changes}
    family = [cell for cell in part.cells if cell.baseline == baseline.id and not cell.control]
    for cell in family:
        if cell.variant == wanted:
            return cell
    return next((cell for cell in family if wanted in cell.merged_variants), None)
