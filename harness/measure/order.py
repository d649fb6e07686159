"""In which order a block runs its cells.

Drawn at random per pair of blocks and mirrored in the second of the pair (ABBA), so that a drift that is linear over
the pair cancels. In long blocks the baseline comes back every fourth cell, so that every cell has one near by on both
sides (one or two others have one near by anyway). The staged arm has a segment of its own beside the bare one: it must
not move a cell away from its baseline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

Arm = Literal["bare", "staged"]
LONG_BLOCK_S = 3.0
BETWEEN_BASELINES = 3


def block_order(
    cells: Mapping[str, Sequence[str]], staged: Sequence[str], *, seed: Sequence[int], block: int, long: bool
) -> list[tuple[str, Arm]]:
    """Places of one block. `cells` maps each baseline to the cells compared with it; `staged` lists the staged arm."""
    generator = np.random.default_rng([*seed, block // 2])
    baselines = list(cells)
    generator.shuffle(baselines)
    bare: list[str] = []
    for baseline in baselines:
        others = list(cells[baseline])
        generator.shuffle(others)
        if long and len(others) >= BETWEEN_BASELINES:
            bare += _bracketed(baseline, others)
        else:
            mixed = [baseline, *others]
            generator.shuffle(mixed)
            bare += mixed
    arm = list(staged)
    generator.shuffle(arm)
    places: list[tuple[str, Arm]] = [(cell, "bare") for cell in bare] + [(cell, "staged") for cell in arm]
    return places[::-1] if block % 2 else places


def _bracketed(baseline: str, others: Sequence[str]) -> list[str]:
    order = [baseline]
    for start in range(0, len(others), BETWEEN_BASELINES):
        order += [*others[start : start + BETWEEN_BASELINES], baseline]
    return order
