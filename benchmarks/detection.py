"""Does it stay silent on identical code, and does it see five per cent? From recorded runs, no new measurement.

    python -m benchmarks.detection       (after record nulls, record planted, and python -m benchmarks.peers)

Suites are made of whole trials in two ways. *Disjoint* ones use every recorded trial once: they are independent, and
shares of them have an exact 95 % interval (Clopper-Pearson; the three kernels of one suite share its trials, so theirs
is a little too narrow). *Resampled* ones draw trials again and again: their share says the same more finely, but they
overlap, and no interval is given. A contrast that was not judged (withheld, not measured) is counted apart. A host is
noisy where its floor is above the margin; a change must then clear the floor.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from benchmarks.peers.__main__ import CALLS
from benchmarks.record import recorded
from benchmarks.resample import Recording, read
from harness.analysis.contrasts import CALLED
from harness.records import Analysis, Block, Contrast

ALARMS = ("faster", "slower")
PLANTS = ("none", "5", "10")
SIGNIFICANT = 0.05


@dataclass
class Count:
    hits: int = 0
    tries: int = 0

    def add(self, hit: bool) -> None:
        self.hits += hit
        self.tries += 1

    @property
    def share(self) -> str:
        return f"{self.hits}/{self.tries} = {self.hits / self.tries:.1%}" if self.tries else "none"

    @property
    def exact(self) -> str:
        """With its interval: for tries that are independent."""
        if not self.tries:
            return "none"
        interval = stats.binomtest(self.hits, self.tries).proportion_ci(method="exact")
        return f"{self.share} [{interval.low:.1%}, {interval.high:.1%}]"


@dataclass
class Tally:
    """What was called in some suites. Of plants: slower, in the stage that was slowed; of the rest: anything."""

    called: dict[str, Count] = field(default_factory=lambda: {plant: Count() for plant in PLANTS})
    suites: Count = field(default_factory=Count)
    """With an alarm where nothing was done."""
    noisy: Count = field(default_factory=Count)
    unjudged: int = 0

    def take(self, analysis: Analysis, again: Analysis | None = None) -> None:
        """`again`: from other trials. What is called must be called there too, as a run's own recheck asks (which
        judges the suspected contrasts among themselves and is a little less strict)."""
        found = contrasts_of(analysis)
        seconds = contrasts_of(again) if again else found
        alarm = False
        for one, second in zip(found, seconds, strict=True):
            plant = planted(one)
            if one.verdict not in CALLED:
                self.unjudged += 1
            elif plant is not None:
                words = ALARMS if plant == "none" else ("slower",)
                hit = one.verdict in words and second.verdict in words
                self.called[plant].add(hit)
                alarm |= hit and plant == "none"
        self.suites.add(alarm)
        self.noisy.add(not all(part.stable for part in analysis.parts))


def contrasts_of(analysis: Analysis) -> list[Contrast]:
    return [one for part in analysis.parts for one in (*part.contrasts, *part.stage_contrasts)]


def planted(contrast: Contrast) -> str | None:
    """`5`, `10` where this very stage was slowed, `none` where nothing was done to what is compared; else None (a whole
    call one stage of which was slowed)."""
    slowed, _, more = contrast.changes.get("plant", ("", "none_0"))[1].partition("_")
    if slowed == "none" or (contrast.stage and contrast.stage != slowed):
        return "none"
    return more if contrast.stage else None


def disjoint(recording: Recording, n: int, preset: str) -> Iterator[Analysis]:
    """Suites of n trials in the order they were recorded."""
    for first in range(0, len(recording.trials) - n + 1, n):
        yield recording.suite(range(first, first + n), preset)


def resampled(recording: Recording, suites: int, n: int, preset: str, seed: int) -> Iterator[tuple[Analysis, Analysis]]:
    """Each with a second one from other trials."""
    generator = np.random.default_rng(seed)
    for _ in range(suites):
        chosen = generator.choice(len(recording.trials), size=2 * n, replace=False).tolist()
        yield recording.suite(chosen[:n], preset), recording.suite(chosen[n:], preset)


def silence(recording: Recording, suites: int, seed: int) -> None:
    """Of suites of 60 nulls, before any recheck."""
    apart, drawn = Tally(), Tally()
    for analysis in disjoint(recording, 6, "quick"):
        apart.take(analysis)
    generator = np.random.default_rng(seed)
    for _ in range(suites):
        drawn.take(recording.suite(generator.choice(len(recording.trials), 6, replace=False).tolist(), "quick"))
    print(f"identical code, 60 contrasts a suite, n = 6, {len(recording.trials)} trials:")
    for name, tally in (("real", apart), ("resampled", drawn)):
        suites_said = tally.suites.exact if tally is apart else tally.suites.share
        print(f"  {name}: any alarm in {suites_said} of suites, {tally.called['none'].share} of contrasts;", end=" ")
        print(f"not judged {tally.unjudged}; noisy host {tally.noisy.share}", flush=True)


def power(recording: Recording, suites: int, n: int, preset: str, seed: int) -> Tally:
    """The tally of the disjoint suites, for the table."""
    apart, first, both = Tally(), Tally(), Tally()
    for analysis in disjoint(recording, n, preset):
        apart.take(analysis)
    for analysis, again in resampled(recording, suites, n, preset, seed):
        first.take(analysis)
        both.take(analysis, again)
    print(f"planted, {preset}, n = {n}, {len(recording.trials)} trials ({apart.suites.tries} disjoint suites):")
    for plant in PLANTS:
        what = "nothing done, called anything" if plant == "none" else f"+{plant} %, called slower"
        again_too = f"{first.called[plant].share} resampled, and again {both.called[plant].share}"
        print(f"  {what}: disjoint {apart.called[plant].exact}; {again_too}")
    print(f"  not judged {apart.unjudged}; noisy host {apart.noisy.share}", flush=True)
    return apart


def mann_whitney(recording: Recording, processes: int) -> dict[str, Count]:
    """Stage samples pooled over `processes` of a side, side B the processes after side A in the same run; slower where
    p < 0.05 and the median grew by more than the margin."""
    found = {plant: Count() for plant in PLANTS}
    part = recording.manifest.plan.parts[0]
    baseline = next(cell for cell in part.cells if cell.baseline == cell.id)
    others = [cell for cell in part.cells if not cell.control and cell is not baseline]
    times = [_stage_times(line for line in lines if isinstance(line, Block)) for _, lines in recording.trials]
    bar = 1 + recording.manifest.plan.margin
    for first in range(0, len(times) - 2 * processes + 1, 2 * processes):
        middle, last = first + processes, first + 2 * processes
        if recording.runs[first] != recording.runs[last - 1]:
            continue
        for cell in others:
            slowed, _, more = cell.variant["plant"].partition("_")
            for stage in part.stages:
                plant = more if stage == slowed else "none"
                before = [t for trial in times[first:middle] for t in trial.get((baseline.id, stage), [])]
                after = [t for trial in times[middle:last] for t in trial.get((cell.id, stage), [])]
                sure = stats.mannwhitneyu(after, before).pvalue < SIGNIFICANT
                found[plant].add(bool(sure and np.median(after) > bar * np.median(before)))
    return found


def _stage_times(blocks: Iterable[Block]) -> dict[tuple[str, str], list[float]]:
    times: dict[tuple[str, str], list[float]] = {}
    for block in blocks:
        for sample in block.samples:
            for stage, seconds in (sample.stages or {}).items():
                times.setdefault((sample.cell, stage), []).append(seconds)
    return times


def tools() -> dict[str, dict[str, Count]]:
    """Tool -> plant -> called slower, from the lines that `python -m benchmarks.peers` wrote."""
    found: dict[str, dict[str, Count]] = {}
    if CALLS.exists():
        for line in CALLS.read_text().splitlines():
            call = json.loads(line)
            counts = found.setdefault(f"{call['tool']} | 360", {plant: Count() for plant in PLANTS})
            counts[call["case"].partition("_")[2]].add(call["word"] == "slower")
    return found


def side_by_side(rows: dict[str, dict[str, Count]]) -> None:
    print("\n| called slower by | calls a side | identical code | +5 % | +10 % |\n|---|---|---|---|---|")
    for tool, counts in rows.items():
        print(f"| {tool} | {' | '.join(counts[plant].exact for plant in PLANTS)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--null-suites", type=int, default=200, help="resampled suites of identical code")
    parser.add_argument("--plant-suites", type=int, default=60, help="resampled suites of planted changes")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    nulls, plants = recorded("nulls", "quick"), recorded("planted", "full")
    if nulls:
        silence(read(nulls), options.null_suites, options.seed)
    rows = tools()
    if plants:
        recording = read(plants)
        full = power(recording, options.plant_suites, 10, "full", options.seed)
        quick = power(recording, options.plant_suites, 6, "quick", options.seed)
        calls = recording.manifest.plan.parts[0].blocks
        for processes in (1, 5):
            rows[f"Mann-Whitney | {processes * calls}"] = mann_whitney(recording, processes)
        rows[f"semh, quick | {6 * calls}"] = quick.called
        rows[f"semh, full | {10 * calls}"] = full.called
    side_by_side(rows)
    if not nulls or not plants:
        print("\nnot all is recorded yet: python -m benchmarks.record nulls --runs 20; planted --runs 6 --preset full")


if __name__ == "__main__":
    main()
