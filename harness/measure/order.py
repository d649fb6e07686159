"""In which order a block runs its cells.

Drawn at random per pair of blocks and mirrored in the second of the pair (ABBA), so that a drift that is linear over
the pair cancels. In long blocks the baseline comes back every fourth cell, so that every cell has one near by on both
sides (one or two others have one near by anyway). The staged arm has a segment of its own beside the bare one, ordered
by the same rules: it must not move a cell away from its baseline, and its stages are compared with the baseline's too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np

from harness.records import Cell

Arm = Literal["bare", "staged"]
LONG_BLOCK_S = 3.0
BETWEEN_BASELINES = 3


def families(cells: Iterable[Cell]) -> dict[str, list[str]]:
    """Baseline -> the cells compared with it, of the cells that are there. A control may be of a cell that is itself
    compared with another: it belongs to the same family."""
    there = {cell.id: cell for cell in cells}
    found: dict[str, list[str]] = {cell.id: [] for cell in there.values() if cell.baseline == cell.id}
    for cell in there.values():
        root = cell
        while root.baseline != root.id and root.baseline in there:
            root = there[root.baseline]
        if root.id in found and root is not cell:
            found[root.id].append(cell.id)
    return found


def block_order(
    cells: Mapping[str, Sequence[str]], *, staged: bool, seed: Sequence[int], block: int, long: bool
) -> list[tuple[str, Arm]]:
    """Places of one block. `cells` maps each baseline to the cells compared with it; `staged`: whether there is a
    staged arm."""
    generator = np.random.default_rng([*seed, block // 2])
    arms: tuple[Arm, ...] = ("bare", "staged") if staged else ("bare",)
    places = [(cell, arm) for arm in arms for cell in _segment(cells, generator, long=long)]
    return places[::-1] if block % 2 else places


def _segment(cells: Mapping[str, Sequence[str]], generator: np.random.Generator, *, long: bool) -> list[str]:
    baselines = list(cells)
    generator.shuffle(baselines)
    segment: list[str] = []
    for baseline in baselines:
        others = list(cells[baseline])
        generator.shuffle(others)
        if long and len(others) >= BETWEEN_BASELINES:
            segment += _bracketed(baseline, others)
        else:
            mixed = [baseline, *others]
            generator.shuffle(mixed)
            segment += mixed
    return segment


def _bracketed(baseline: str, others: Sequence[str]) -> list[str]:
    order = [baseline]
    for start in range(0, len(others), BETWEEN_BASELINES):
        order += [*others[start : start + BETWEEN_BASELINES], baseline]
    return order
