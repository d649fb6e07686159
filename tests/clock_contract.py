"""What every clock must keep, on a queue whose work takes a known time. Each rule takes a clock, a way to queue work of
so many seconds and a unit of it, a tenth of which can be queued too; it returns what was read beside what is true.
`slack_s` is what the queue itself may add per launch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from harness.measure.clock import Clock

Launch = Callable[[float], None]


@dataclass(frozen=True)
class Reading:
    found: Sequence[float]
    true: Sequence[float]
    launches: int
    """Behind each of the numbers."""

    def holds(self, slack_s: float, relative: float) -> bool:
        return len(self.found) == len(self.true) and all(
            abs(found - true) <= self.launches * slack_s + relative * true
            for found, true in zip(self.found, self.true, strict=True)
        )


def queued_work(clock: Clock, launch: Launch, unit: float) -> Reading:
    """Three units of queued work read as three."""
    clock.synchronise()
    start = clock.mark()
    launch(3 * unit)
    return Reading([clock.resolve([start, clock.mark()])[1]], [3 * unit], 1)


def work_before_the_first_mark(clock: Clock, launch: Launch, unit: float) -> Reading:
    """A sample does not pay for what was queued before it."""
    clock.synchronise()
    launch(50 * unit)
    start = clock.mark()
    launch(unit)
    return Reading([clock.resolve([start, clock.mark()])[1]], [unit], 1)


def stages_while_the_host_runs_ahead(clock: Clock, launch: Launch, unit: float) -> Reading:
    """Marks between queued kernels give each its own time, although the host set them all at once."""
    clock.synchronise()
    marks, true = [clock.mark()], [4 * unit, unit, 2 * unit, 5 * unit]
    for seconds in true:
        launch(seconds)
        marks.append(clock.mark())
    return Reading(_gaps(clock, marks), true, 1)


def short_calls_repeated(clock: Clock, launch: Launch, unit: float) -> Reading:
    """Twenty calls read together, divided by their number."""
    clock.synchronise()
    start = clock.mark()
    for _ in range(20):
        launch(unit / 10)
    return Reading([clock.resolve([start, clock.mark()])[1] / 20], [unit / 10], 1)


def a_second_reading(clock: Clock, launch: Launch, unit: float) -> Reading:
    """Marks may be read twice, and later ones do not change them."""
    clock.synchronise()
    start = clock.mark()
    launch(unit)
    tokens = [start, clock.mark()]
    first = clock.resolve(tokens)[1]
    launch(unit)
    clock.mark()
    return Reading([clock.resolve(tokens)[1]], [first], 0)


RULES = {rule.__name__: rule for rule in (
    queued_work, work_before_the_first_mark, stages_while_the_host_runs_ahead, short_calls_repeated, a_second_reading
)}  # fmt: skip


def _gaps(clock: Clock, marks: Sequence[Any]) -> list[float]:
    return [after - before for before, after in pairwise(clock.resolve(marks))]
