"""Which contrasts changed between two runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.analysis.contrasts import CALLED
from harness.compare.side import Key, Side
from harness.records import Contrast, Interval
from harness.stats import sessions
from harness.stats.interval import exponentiated
from harness.stats.welch import difference


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
        return self._one_baseline and all(len(one.trials) > 1 and one.verdict != "invalid" for one in runs)

    @property
    def why_not(self) -> str:
        """Why its change gets no word; empty where it may."""
        if not self._one_baseline:
            return "another baseline in either run"
        sides = (("first", self.first), ("second", self.second))
        uncalled = [
            f"{one.verdict} in the {place} run" + (f": {one.reason}" if one.reason else "")
            for place, one in sides
            if one.verdict not in CALLED
        ]
        return "; ".join(uncalled)

    @property
    def _one_baseline(self) -> bool:
        return self.first.baseline == self.second.baseline


def moved(keys: Sequence[Key], first: Side, second: Side) -> Iterator[Moved]:
    """All contrasts that may get a word are one family."""
    found = [both for key in keys if (both := _both(key, first, second))]
    able = [one for one in found if not one.why_not]
    words = sessions.words([_change(one) for one in able])
    called = dict(zip((one.key for one in able), words, strict=True))
    for one in found:
        yield Moved(
            part=one.key[0],
            name=one.name,
            first=_told(one.first),
            second=_told(one.second),
            change=exponentiated(difference(*one.logs)) if one.sound else None,
            word=called.get(one.key),
            bar=one.bar if one.key in called else None,
            why_not=one.why_not,
        )


def _both(key: Key, first: Side, second: Side) -> Both | None:
    ours, theirs = first.contrasts.get(key), second.contrasts.get(key)
    if ours is None or theirs is None:
        return None
    margin = max(first.manifest.plan.margin, second.manifest.plan.margin)
    return Both(key, first.cells[key].name, ours, theirs, margin)


def _change(one: Both) -> sessions.Change:
    return sessions.Change(difference(*one.logs), sessions.p_moved(*one.logs, one.bar), one.margin, one.bar)


def _told(contrast: Contrast) -> Interval | None:
    """None where the outputs differ: the time means nothing."""
    return None if contrast.verdict == "invalid" else contrast.ratio
