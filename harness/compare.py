"""Two runs of one suite side by side: what is the same, what moved, and what only looks as if it had.

Cells are matched by part and content id, so that equal names of different things never meet. Both runs are analysed
here again, from their lines, by the same code: what differs then lies in the runs.

    times        ratio second / first with Welch's interval over trials, and no word: two sessions of a machine differ
                 in more than their trials know; the canary's ratio stands beside it, and divides nothing
    contrasts    a cell's ratio to its baseline is paired inside each run, so that its change may be called (`sessions`)
    memory       peak resident size, of one process each
    counters     exact: equal or not
    claims       those whose word changed, each by the ledger its run was given
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from harness.analysis import analyse_lines
from harness.analysis.cells import kept, medians_by_trial
from harness.analysis.contrasts import CALLED
from harness.analysis.evidence import Evidence, Lines, gather
from harness.differing import Differing
from harness.errors import UsageError
from harness.records import Analysis, Cell, CellSummary, ClaimVerdict, Contrast, Interval, Manifest
from harness.stats import sessions
from harness.stats.adjacent import difference
from harness.stats.interval import exponentiated
from harness.stats.noise import CANARY
from harness.stats.pairing import samples_of
from harness.store import RunFolder

Key = tuple[str, str]
"""(part, cell id)"""


@dataclass(frozen=True)
class Side:
    """One of the two runs, analysed by the code of today."""

    manifest: Manifest
    analysis: Analysis
    evidence: Mapping[str, Evidence]

    @cached_property
    def cells(self) -> dict[Key, Cell]:
        parts = self.manifest.plan.parts
        return {(part.name, cell.id): cell for part in parts for cell in part.cells if not cell.control}

    @cached_property
    def summaries(self) -> dict[Key, CellSummary]:
        return {(part.part, cell.cell): cell for part in self.analysis.parts for cell in part.cells}

    @cached_property
    def contrasts(self) -> dict[Key, Contrast]:
        return {(part.part, one.cell): one for part in self.analysis.parts for one in part.contrasts}

    @cached_property
    def floors(self) -> dict[str, float | None]:
        return {part.part: part.floor for part in self.analysis.parts}


@dataclass(frozen=True)
class Both:
    """A contrast, as each of the runs has it."""

    key: Key
    name: str
    first: Contrast
    second: Contrast
    margin: float

    @property
    def logs(self) -> tuple[list[float], list[float]]:
        """Second, first: the order in which a change is told."""
        return [math.log(one) for one in self.second.trials], [math.log(one) for one in self.first.trials]

    @property
    def bar(self) -> float:
        return sessions.bar_of(self.margin, [self.first.floor or 0.0, self.second.floor or 0.0])

    @property
    def sound(self) -> bool:
        """Whether there is a change to be shown."""
        runs = (self.first, self.second)
        return all(len(one.trials) > 1 and one.verdict != "invalid" for one in runs)

    @property
    def why_not(self) -> str:
        """Why its change gets no word; empty where it may."""
        sides = (("first", self.first), ("second", self.second))
        uncalled = [
            f"{one.verdict} in the {place} run" + (f": {one.reason}" if one.reason else "")
            for place, one in sides
            if one.verdict not in CALLED
        ]
        return "; ".join(uncalled)


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
class Moved:
    """A contrast in both runs, as time ratios cell / baseline."""

    part: str
    name: str
    first: Interval | None
    second: Interval | None
    change: Interval | None
    """second / first."""
    word: sessions.Word | None
    bar: float | None = None
    why_not: str = ""
    """Why there is no word."""


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
    same_machine: bool


def compare(first: RunFolder, second: RunFolder) -> Comparison:
    ours, theirs = _side(first), _side(second)
    _comparable(ours.manifest, theirs.manifest)
    shared = [key for key in ours.cells if key in theirs.cells]
    counters = [pair for key in shared for pair in _counters(key, ours, theirs)]
    return Comparison(
        first=ours.manifest,
        second=theirs.manifest,
        matched=len(shared),
        only_first=tuple(_named(ours, key) for key in ours.cells if key not in theirs.cells),
        only_second=tuple(_named(theirs, key) for key in theirs.cells if key not in ours.cells),
        canaries=tuple(_canaries(ours, theirs, dict.fromkeys(part for part, _ in shared))),
        times=tuple(_times(key, ours, theirs) for key in shared),
        moved=tuple(_moved([one for key in shared if (one := _both(key, ours, theirs))])),
        memory=tuple(_memory(shared, ours, theirs)),
        counters=tuple(pair for pair in counters if pair.first != pair.second),
        counted=len(counters),
        claims=tuple(_claims(ours.analysis, theirs.analysis)),
        same_machine=ours.manifest.environment.machine_id == theirs.manifest.environment.machine_id,
    )


def _side(folder: RunFolder) -> Side:
    manifest = folder.manifest()
    lines: Lines = {process.number: folder.lines(process.number) for process in manifest.processes}
    evidence = {part.name: gather(manifest, lines, part) for part in manifest.plan.parts}
    return Side(manifest, analyse_lines(manifest, lines), evidence)


def _comparable(first: Manifest, second: Manifest) -> None:
    kinds = [(one.plan.suite, one.plan.purpose) for one in (first, second)]
    if kinds[0] != kinds[1]:
        told = [f"{one.run} is a {_kind(one.plan.purpose)} of {one.plan.suite}" for one in (first, second)]
        raise UsageError(f"{told[0]}, {told[1]}; two runs of the same suite would do (`semh runs` lists them)")


def _kind(purpose: str) -> str:
    return "calibration" if purpose == "calibrate" else "run"


def _named(side: Side, key: Key) -> str:
    return f"{key[0]}/{side.cells[key].name}" if len(side.manifest.plan.parts) > 1 else side.cells[key].name


def _times(key: Key, first: Side, second: Side) -> CellTimes:
    part, cell = key
    ours, theirs = first.summaries[key], second.summaries[key]
    name = first.cells[key].name
    values = [_trial_logs(side.evidence[part], cell) for side in (first, second)]
    ratio, why = None, ""
    if ours.outcome != "measured" or theirs.outcome != "measured":
        why = f"{ours.outcome} in the first run, {theirs.outcome} in the second"
    elif min(map(len, values)) < 2:
        why = "one trial gives no interval"
    else:
        ratio = exponentiated(difference(values[1], values[0]))
    return CellTimes(part, name, ours.time_s, theirs.time_s, ratio, why)


def _trial_logs(evidence: Evidence, cell: str) -> list[float]:
    timed, _ = kept(evidence, cell, "bare")
    return [math.log(time) for time in medians_by_trial(timed, lambda _, sample: sample.time_s).values()]


def _canaries(first: Side, second: Side, parts: Sequence[str] | Mapping[str, None]) -> Iterator[Canary]:
    for part in parts:
        values = [_canary_logs(side.evidence[part]) for side in (first, second)]
        if min(map(len, values)) > 1:
            yield Canary(part, exponentiated(difference(values[1], values[0])))


def _canary_logs(evidence: Evidence) -> list[float]:
    by_trial: dict[int, list[float]] = {}
    for block in evidence.blocks:
        quiet = [sample.time_s for sample in samples_of(block, CANARY) if sample.quiet]
        by_trial.setdefault(block.trial, []).extend(quiet)
    return [math.log(float(np.median(times))) for times in by_trial.values() if times]


def _both(key: Key, first: Side, second: Side) -> Both | None:
    ours, theirs = first.contrasts.get(key), second.contrasts.get(key)
    if ours is None or theirs is None:
        return None
    margin = max(first.manifest.plan.margin, second.manifest.plan.margin)
    return Both(key, first.cells[key].name, ours, theirs, margin)


def _moved(found: Sequence[Both]) -> Iterator[Moved]:
    """All contrasts that both runs called are one family."""
    able = [one for one in found if not one.why_not]
    changes = {one.key: difference(*one.logs) for one in found if one.sound}
    p = [sessions.p_moved(*one.logs, one.bar) for one in able]
    margins, bars = [one.margin for one in able], [one.bar for one in able]
    words = sessions.words([changes[one.key] for one in able], p, margins, bars)
    called = dict(zip((one.key for one in able), words, strict=True))
    for one in found:
        yield Moved(
            part=one.key[0],
            name=one.name,
            first=_told(one.first),
            second=_told(one.second),
            change=exponentiated(changes[one.key]) if one.key in changes else None,
            word=called.get(one.key),
            bar=one.bar if one.key in called else None,
            why_not=one.why_not,
        )


def _told(contrast: Contrast) -> Interval | None:
    """None where the outputs differ: the time means nothing."""
    return None if contrast.verdict == "invalid" else contrast.ratio


def _memory(shared: Sequence[Key], first: Side, second: Side) -> Iterator[Bytes]:
    for key in shared:
        ours, theirs = first.summaries[key].peak_bytes, second.summaries[key].peak_bytes
        if ours is not None and theirs is not None:
            yield Bytes(key[0], first.cells[key].name, ours, theirs)


def _counters(key: Key, first: Side, second: Side) -> Iterator[Differing]:
    ours, theirs = first.summaries[key].counters, second.summaries[key].counters
    for name in ours:
        if name in theirs:
            yield Differing(f"{_named(first, key)}: {name}", f"{ours[name]:,}", f"{theirs[name]:,}")


def _claims(first: Analysis, second: Analysis) -> Iterator[tuple[ClaimVerdict, ClaimVerdict]]:
    theirs = {claim.id: claim for claim in second.claims}
    for claim in first.claims:
        other = theirs.get(claim.id)
        if other is not None and claim.verdict != other.verdict:
            yield claim, other
