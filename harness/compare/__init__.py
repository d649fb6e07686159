"""Two runs of one suite side by side: what is the same, what moved, and what only looks as if it had.

Cells are matched by part and content id, so that equal names of different things never meet. Both runs are analysed
here again, from their lines, by the same code (`side`): what differs then lies in the runs.

    times        ratio second / first with Welch's interval over trials, and no word: two sessions of a machine differ
                 in more than their trials know; the canary's ratio stands beside it, and divides nothing
    contrasts    a cell's ratio to its baseline is paired inside each run: its change may be called (`contrasts`)
    memory       peak resident size, of one process each
    counters     exact: equal or not
    claims       those whose word changed, each by the ledger its run was given
    around them  machine, software, code and plan, where they differ (`differing`)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.analysis.cells import kept, medians_by_trial
from harness.analysis.evidence import Evidence
from harness.compare.contrasts import Moved, moved
from harness.compare.differing import Differing
from harness.compare.side import Key, Side, side
from harness.errors import UsageError
from harness.records import Analysis, ClaimVerdict, Interval, Manifest
from harness.stats.interval import exponentiated
from harness.stats.noise import CANARY
from harness.stats.pairing import samples_of
from harness.stats.welch import difference
from harness.store import RunFolder


@dataclass(frozen=True)
class CellTimes:
    part: str
    name: str
    first_s: Interval | None
    second_s: Interval | None
    ratio: Interval | None
    """second / first, unpaired."""
    why_not: str = ""
    """Why there is no ratio."""


@dataclass(frozen=True)
class Canary:
    part: str
    ratio: Interval
    """Of its time, second / first: how much slower the machine itself was, in another session."""


@dataclass(frozen=True)
class Bytes:
    part: str
    name: str
    first: int
    second: int


@dataclass(frozen=True)
class Comparison:
    first: Manifest
    second: Manifest
    matched: int
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    canaries: tuple[Canary, ...]
    times: tuple[CellTimes, ...]
    moved: tuple[Moved, ...]
    memory: tuple[Bytes, ...]
    counters: tuple[Differing, ...]
    """Those that differ."""
    counted: int
    """Counters that both runs have."""
    claims: tuple[tuple[ClaimVerdict, ClaimVerdict], ...]
    """Those whose word changed."""
    judged: int
    """Claims that both runs judged."""
    same_machine: bool


def compare(first: RunFolder, second: RunFolder) -> Comparison:
    if first.path.resolve() == second.path.resolve():
        raise UsageError(f"{first.name} twice; two runs would do (`semh runs` lists them)")
    ours, theirs = side(first), side(second)
    _comparable(ours.manifest, theirs.manifest)
    shared = [key for key in ours.cells if key in theirs.cells]
    counters = [pair for key in shared for pair in _counters(key, ours, theirs)]
    claims = list(_claims(ours.analysis, theirs.analysis))
    return Comparison(
        first=ours.manifest,
        second=theirs.manifest,
        matched=len(shared),
        only_first=tuple(ours.named(key) for key in ours.cells if key not in theirs.cells),
        only_second=tuple(theirs.named(key) for key in theirs.cells if key not in ours.cells),
        canaries=tuple(_canaries(ours, theirs, dict.fromkeys(part for part, _ in shared))),
        times=tuple(_times(key, ours, theirs) for key in shared),
        moved=tuple(moved(shared, ours, theirs)),
        memory=tuple(_memory(shared, ours, theirs)),
        counters=tuple(pair for pair in counters if pair.first != pair.second),
        counted=len(counters),
        claims=tuple(pair for pair in claims if pair[0].verdict != pair[1].verdict),
        judged=len(claims),
        same_machine=ours.manifest.environment.machine_id == theirs.manifest.environment.machine_id,
    )


def _comparable(first: Manifest, second: Manifest) -> None:
    kinds = [(one.plan.suite, one.plan.purpose) for one in (first, second)]
    if kinds[0] != kinds[1]:
        told = [f"{one.run} is a {_kind(one.plan.purpose)} of {one.plan.suite}" for one in (first, second)]
        raise UsageError(f"{told[0]}, {told[1]}; two runs of the same suite would do (`semh runs` lists them)")


def _kind(purpose: str) -> str:
    return "calibration" if purpose == "calibrate" else "run"


def _times(key: Key, first: Side, second: Side) -> CellTimes:
    part, cell = key
    ours, theirs = first.summaries[key], second.summaries[key]
    values = [_trial_logs(one.evidence[part], cell) for one in (first, second)]
    ratio, why = None, ""
    if ours.outcome != "measured" or theirs.outcome != "measured":
        why = f"{ours.outcome} in the first run, {theirs.outcome} in the second"
    elif min(map(len, values)) < 2:
        why = "under two trials give no interval"
    else:
        ratio = exponentiated(difference(values[1], values[0]))
    return CellTimes(part, first.cells[key].name, ours.time_s, theirs.time_s, ratio, why)


def _trial_logs(evidence: Evidence, cell: str) -> list[float]:
    timed, _ = kept(evidence, cell, "bare")
    return [math.log(time) for time in medians_by_trial(timed, lambda _, sample: sample.time_s).values()]


def _canaries(first: Side, second: Side, parts: Iterable[str]) -> Iterator[Canary]:
    for part in parts:
        values = [_canary_logs(one.evidence[part]) for one in (first, second)]
        if min(map(len, values)) > 1:
            yield Canary(part, exponentiated(difference(values[1], values[0])))


def _canary_logs(evidence: Evidence) -> list[float]:
    by_trial: dict[int, list[float]] = {}
    for block in evidence.blocks:
        quiet = [sample.time_s for sample in samples_of(block, CANARY) if sample.quiet]
        by_trial.setdefault(block.trial, []).extend(quiet)
    return [math.log(float(np.median(times))) for times in by_trial.values() if times]


def _memory(shared: Sequence[Key], first: Side, second: Side) -> Iterator[Bytes]:
    for key in shared:
        ours, theirs = first.summaries[key].peak_bytes, second.summaries[key].peak_bytes
        if ours is not None and theirs is not None:
            yield Bytes(key[0], first.cells[key].name, ours, theirs)


def _counters(key: Key, first: Side, second: Side) -> Iterator[Differing]:
    ours, theirs = first.summaries[key].counters, second.summaries[key].counters
    for name in ours:
        if name in theirs:
            yield Differing(f"{first.named(key)}: {name}", f"{ours[name]:,}", f"{theirs[name]:,}")


def _claims(first: Analysis, second: Analysis) -> Iterator[tuple[ClaimVerdict, ClaimVerdict]]:
    """Those that both runs judged."""
    theirs = {claim.id: claim for claim in second.claims}
    for claim in first.claims:
        other = theirs.get(claim.id)
        if other is not None:
            yield claim, other
