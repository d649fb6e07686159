"""Do 95 % intervals hold the truth 95 times in 100? A thousand simulated suites with planted effects.

    python -m benchmarks.coverage            (about four minutes; --quick for a twentieth of the suites)

Each suite holds a full factorial of three factors, a fraction of resolution IV of six, a ladder and a leave-one-out of
four, all planned by the harness and analysed from their records as a run is; half of the suites have 6 trials, half 10.
Prints how many of the intervals of each kind hold what was planted. Exit code 1 if a kind is outside 93 to 97 %.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.simulated import Truth, plan_of, planted, run_of
from harness.analysis import analyse_lines
from harness.records import Interval, Part, PartAnalysis

SUITES, QUICK = 1000, 50
PRESETS = {"quick": 6, "full": 10}
LOWEST, HIGHEST = 0.93, 0.97

Counts = dict[str, tuple[int, int]]
"""Kind of interval -> how many held the truth, of how many."""


def coverage(suites: int, preset: str, folder: Path) -> Counts:
    plan = plan_of(folder, preset)
    parts = {part.name: part for part in plan.parts}
    counts: Counts = {}
    for number in range(suites):
        generator = np.random.default_rng([number, plan.trials])
        truth = planted(generator)
        analysis = analyse_lines(*run_of(plan, truth, generator))
        for found in analysis.parts:
            for kind, interval, true in _told(parts[found.part], found, truth):
                held, told = counts.get(kind, (0, 0))
                counts[kind] = held + (interval.low <= true <= interval.high), told + 1
    return counts


def _told(part: Part, found: PartAnalysis, truth: Truth) -> Iterator[tuple[str, Interval, float]]:
    """Every interval of a part: of what kind, and what it should hold."""
    factors = tuple(part.factors)
    for effect in found.effects:
        if len(effect.factors) == 1:
            yield f"{part.design}: main effects", effect.ratio, math.exp(truth.main(effect.factors[0], factors))
        else:
            kind = "alias chains" if effect.aliases else "interactions"
            true = truth.chain([effect.factors, *effect.aliases])
            yield f"{part.design}: {kind}", effect.ratio, math.exp(true)
    for share in found.shapley:
        value = truth.main(share.factor, factors)
        yield f"{part.design}: Shapley values", share.ratio, math.exp(value)
        yield f"{part.design}: Shapley shares", share.fraction, value / truth.log(factors)
    high = {cell.id: [name for name, level in cell.variant.items() if level == "high"] for cell in part.cells}
    for step in found.steps:
        true = truth.log(high[step.cell]) - truth.log(high[step.against])
        yield f"{part.design}: steps", step.ratio, math.exp(true)
    for contrast in found.contrasts:
        if contrast.ratio and contrast.cell != contrast.baseline:
            yield f"{part.design}: cells", contrast.ratio, math.exp(truth.log(high[contrast.cell]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} suites, which are too few for a verdict")
    quick = parser.parse_args().quick
    suites = QUICK if quick else SUITES
    outside = []
    print(f"{suites} simulated suites; intervals that hold what was planted (nominally 95 %)\n")
    print(f"{'trials':>6}  {'interval':<38}{'held':>8}{'of':>8}{'coverage':>10}")
    with tempfile.TemporaryDirectory() as folder:
        for preset, trials in PRESETS.items():
            for kind, (held, told) in sorted(coverage(suites // len(PRESETS), preset, Path(folder)).items()):
                share = held / told
                print(f"{trials:>6}  {kind:<38}{held:>8}{told:>8}{100 * share:>9.1f}%")
                if not LOWEST <= share <= HIGHEST:
                    outside.append(f"{kind} at {trials} trials")
    if quick:
        print(f"\n{suites} suites are too few for a verdict")
        return 0
    if outside:
        print(f"\noutside {100 * LOWEST:g} to {100 * HIGHEST:g} %: {', '.join(outside)}")
    return 1 if outside else 0


if __name__ == "__main__":
    sys.exit(main())
