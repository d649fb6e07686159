"""Records of what stands out and of what one change does on top of others, beside those of `report_helpers`."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from random import Random

from report_numbers import STAGE, interval, noisy

from harness.records import HalfNormal, QuantilePoint, Step


def half_normal(switches: Mapping[str, tuple[str, str]]) -> HalfNormal:
    """Fifteen effects of four switches, three of them strays."""
    sizes = [0.001 * at for at in range(12)] + [0.15, 0.25, 1.17]
    named = itertools.chain.from_iterable(itertools.combinations(switches, size) for size in (4, 3, 2, 1))
    points = (
        QuantilePoint(factors=factors, size=size, quantile=0.04 + 0.15 * at, stray=size > 0.05)
        for at, (factors, size) in enumerate(zip(named, sizes, strict=True))
    )
    return HalfNormal(part=STAGE, conditions={}, standard_error=0.009, margin=0.05, points=tuple(points))


def steps(switches: Mapping[str, tuple[str, str]], gain: Mapping[str, float], n: int) -> list[Step]:
    random, found, running = Random(20261122), [], 1.0
    for at, (name, levels) in enumerate(switches.items()):
        running *= gain[name]
        ratio = interval(noisy(gain[name], n, random), log=True)
        shared = {"part": STAGE, "conditions": {}, "factor": name}
        found.append(
            Step(**shared, way="ladder", levels=levels, cell=f"s{at}", against="s0", ratio=ratio, running=running)
        )
    for name, (low, high) in switches.items():
        ratio = interval(noisy(1 / gain[name], n, random), log=True)
        shared = {"part": STAGE, "conditions": {}, "factor": name, "levels": (high, low)}
        found.append(Step(**shared, way="leave_one_out", cell="s1", against="s15", ratio=ratio, running=0.4))
    return found
