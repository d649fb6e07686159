"""Does it stay silent on identical code, and does it see five per cent? From recorded runs, no new measurement.

    python -m benchmarks.detection            (after record.py nulls, record.py planted, and python -m benchmarks.peers)

Prints four tables: real A/A runs; suites of 60 null contrasts resampled by whole trials; planted changes of 5 and 10 %
on one stage; and the same kernels judged by other tools. Every share has its exact 95 % interval (Clopper-Pearson).
A host is noisy where the floor of whole calls is above the margin: a change must then clear the floor.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from benchmarks.peers.__main__ import CALLS
from benchmarks.record import recorded
from benchmarks.resample import Recording, read
from harness.analysis import analyse
from harness.records import Analysis, Block, Contrast
from harness.store import RunFolder

ALARMS = ("faster", "slower")
FALSE_DISCOVERIES = 0.05
PLANTS = ("none", "5", "10")


@dataclass
class Count:
    """Hits of tries, with the exact interval of the share."""

    hits: int = 0
    tries: int = 0

    def add(self, hit: bool) -> None:
        self.hits += hit
        self.tries += 1

    def __str__(self) -> str:
        if not self.tries:
            return "none"
        interval = stats.binomtest(self.hits, self.tries).proportion_ci(method="exact")
        return f"{self.hits}/{self.tries} = {self.hits / self.tries:.1%} [{interval.low:.1%}, {interval.high:.1%}]"


def contrasts_of(analysis: Analysis) -> list[Contrast]:
    return [one for part in analysis.parts for one in (*part.contrasts, *part.stage_contrasts)]


def planted(contrast: Contrast) -> str:
    """`5`, `10` where this very stage was slowed; empty where nothing was done to it."""
    slowed, _, more = contrast.changes.get("plant", ("", ""))[1].partition("_")
    return more if contrast.stage == slowed else ""


def untouched(contrast: Contrast) -> bool:
    """Neither this stage nor, for a whole call, any stage in it was slowed."""
    plant = contrast.changes.get("plant", ("", "none"))[1]
    return plant.startswith("none") or (contrast.stage != "" and not plant.startswith(contrast.stage))


def real_runs(folders: Sequence[RunFolder]) -> None:
    contrasts, suites, noisy = Count(), Count(), Count()
    for folder in folders:
        analysis = analyse(folder)
        words = [one.verdict for one in contrasts_of(analysis)]
        for word in words:
            contrasts.add(word in ALARMS)
        suites.add(any(word in ALARMS for word in words))
        noisy.add(not all(part.stable for part in analysis.parts))
    print(
        f"real A/A runs at quick: alarms {contrasts} of contrasts, {suites} of suites; noisy host {noisy}", flush=True
    )


def resampled_nulls(recording: Recording, suites: int, n: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    called, noisy = Count(), Count()
    for _ in range(suites):
        analysis = recording.drawn(generator, n, "quick")
        called.add(any(one.verdict in ALARMS for one in contrasts_of(analysis)))
        noisy.add(not all(part.stable for part in analysis.parts))
    trials = len(recording.trials)
    print(
        f"{suites} suites of 60 nulls from {trials} trials, n = {n}: any alarm {called}; noisy host {noisy}", flush=True
    )


def resampled_plants(recording: Recording, suites: int, n: int, preset: str, seed: int) -> None:
    """Each suite is drawn with a second one from other trials: what is slower in both has recurred, as a run's own
    recheck asks (the second is judged among all contrasts here, not among the suspected ones: a little stricter)."""
    generator = np.random.default_rng(seed)
    called, again = ({more: Count() for more in PLANTS} for _ in range(2))
    suites_alarmed, noisy = Count(), Count()
    for _ in range(suites):
        chosen = generator.choice(len(recording.trials), size=2 * n, replace=False).tolist()
        analysis = recording.suite(chosen[:n], preset)
        found, second = contrasts_of(analysis), contrasts_of(recording.suite(chosen[n:], preset))
        for one, other in zip(found, second, strict=True):
            if more := planted(one) or ("none" if untouched(one) else ""):
                words = ALARMS if more == "none" else ("slower",)
                called[more].add(one.verdict in words)
                again[more].add(one.verdict in words and other.verdict in words)
        suites_alarmed.add(any(one.verdict in ALARMS for one in found if untouched(one)))
        noisy.add(not all(part.stable for part in analysis.parts))
    print(f"planted, {suites} suites from {len(recording.trials)} trials at {preset}, n = {n}; noisy host {noisy}:")
    for more in PLANTS:
        what = "untouched, called anything" if more == "none" else f"+{more} % on one stage, called slower"
        print(f"  {what}: {called[more]}; recurred {again[more]}")
    print(f"  suites with an alarm where nothing was done: {suites_alarmed}", flush=True)


def mann_whitney(recording: Recording, pairs: int, processes: int, seed: int) -> dict[str, Count]:
    """Samples pooled over `processes` per side, side A from other processes than side B, p < 0.05 and slower by more
    than the margin in the median: what a careful user of the pooled test would do."""
    generator = np.random.default_rng(seed)
    found = {more: Count() for more in PLANTS}
    cells = {cell.id: cell for cell in recording.manifest.plan.parts[0].cells}
    times = [_stage_times(line for line in lines if isinstance(line, Block)) for _, lines in recording.trials]
    margin = recording.manifest.plan.margin
    baseline = next(id_ for id_, cell in cells.items() if cell.baseline == id_ and not cell.control)
    for _ in range(pairs):
        chosen = generator.choice(len(times), size=2 * processes, replace=False)
        sides = chosen[:processes], chosen[processes:]
        for id_, cell in cells.items():
            slowed, _, more = cell.variant["plant"].partition("_")
            if cell.control or id_ == baseline:
                continue
            for stage in recording.manifest.plan.parts[0].stages:
                plant = more if stage == slowed else "none" if slowed == "none" else ""
                if plant not in found:
                    continue
                before = [t for trial in sides[0] for t in times[trial].get((baseline, stage), [])]
                after = [t for trial in sides[1] for t in times[trial].get((id_, stage), [])]
                sure = stats.mannwhitneyu(after, before, alternative="two-sided").pvalue < FALSE_DISCOVERIES
                found[plant].add(bool(sure and np.median(after) > (1 + margin) * np.median(before)))
    return found


def _stage_times(blocks: Iterable[Block]) -> dict[tuple[str, str], list[float]]:
    times: dict[tuple[str, str], list[float]] = {}
    for block in blocks:
        for sample in block.samples:
            for stage, seconds in (sample.stages or {}).items():
                times.setdefault((sample.cell, stage), []).append(seconds)
    return times


def stage_calls(recording: Recording, suites: int, n: int, preset: str, seed: int) -> dict[str, Count]:
    """Our own stage contrasts as the other tools are counted: called slower, null stages included."""
    generator = np.random.default_rng(seed)
    found = {more: Count() for more in PLANTS}
    for _ in range(suites):
        for one in contrasts_of(recording.drawn(generator, n, preset)):
            plant = one.changes.get("plant", ("", "none"))[1]
            more = planted(one) or ("none" if plant.startswith("none") else "")
            if one.stage and more in found:
                found[more].add(one.verdict == "slower")
    return found


def tools() -> dict[str, dict[str, Count]]:
    """Tool -> plant -> called slower, from the lines that `python -m benchmarks.peers` wrote."""
    found: dict[str, dict[str, Count]] = {}
    if CALLS.exists():
        for line in CALLS.read_text().splitlines():
            call = json.loads(line)
            counts = found.setdefault(call["tool"], {more: Count() for more in PLANTS})
            counts[call["case"].partition("_")[2]].add(call["word"] == "slower")
    return found


def side_by_side(rows: dict[str, dict[str, Count]]) -> None:
    print("\n| called slower by | identical code | +5 % | +10 % |\n|---|---|---|---|")
    for tool, counts in rows.items():
        print(f"| {tool} | {counts['none']} | {counts['5']} | {counts['10']} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suites", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    nulls, plants = recorded("nulls", "quick"), recorded("planted", "full")
    if nulls:
        real_runs(nulls)
        resampled_nulls(read(nulls), options.suites, 6, options.seed)
    rows = tools()
    if plants:
        recording = read(plants)
        resampled_plants(recording, options.suites, 10, "full", options.seed)
        resampled_plants(recording, options.suites, 6, "quick", options.seed)
        pairs = math.ceil(options.suites / 4)
        rows["Mann-Whitney, 1 process a side"] = mann_whitney(recording, pairs, 1, options.seed)
        rows["Mann-Whitney, 6 processes a side"] = mann_whitney(recording, pairs, 6, options.seed)
        rows["semh, quick (6 trials)"] = stage_calls(recording, pairs, 6, "quick", options.seed)
        rows["semh, full (10 trials)"] = stage_calls(recording, pairs, 10, "full", options.seed)
    side_by_side(rows)
    if not nulls or not plants:
        print(
            "\nnot all recorded yet: python -m benchmarks.record nulls --runs 20; record planted --runs 6 --preset full"
        )


if __name__ == "__main__":
    main()
