"""What each change does on top of others: the rungs of a ladder, and everything on without one switch.

With y the log time ratio of a cell to the baseline, per trial:

    (1)  rung i of a ladder   y_i - y_(i - 1), y_0 = 0 being the baseline; they add up to the last y
    (2)  without factor f     y(everything but f) - y(everything)

Intervals over trials.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from harness.analysis.contrasts import Summaries, bar_of
from harness.analysis.evidence import Evidence
from harness.analysis.responses import Changes, Found, MissingError, Responses, doubts, responses
from harness.lookup import baselines
from harness.records import Part, Step, Value
from harness.stats import margin as margins
from harness.stats.interval import ratio_interval


@dataclass(frozen=True)
class _Change:
    """The response in column `of` less that in column `less`."""

    factor: str
    levels: tuple[str, str]
    of: int
    less: int


def steps(evidence: Evidence, found: Found, summaries: Summaries) -> tuple[tuple[Step, ...], tuple[str, ...]]:
    """Steps and notes, per combination of conditions."""
    part = evidence.part
    if part.design not in ("ladder", "leave_one_out"):
        return (), ()
    way: Literal["ladder", "leave_one_out"] = "ladder" if part.design == "ladder" else "leave_one_out"
    wanted, changes = WAYS[way](part)
    listed: list[Step] = []
    notes: dict[str, None] = {}
    for baseline in baselines(part):
        try:
            known = responses(part, baseline, wanted, found, summaries)
        except MissingError as missing:
            notes[f"no steps: {missing}"] = None
            continue
        conditions = {name: baseline.conditions[name] for name in part.varied_conditions}
        listed += (_step(part, conditions, way, change, known, bar_of(evidence, evidence.floor)) for change in changes)
        notes |= dict.fromkeys(doubts("steps", known.cells, found))
    return tuple(listed), tuple(notes)


def _ladder(part: Part) -> tuple[list[Changes], list[_Change]]:
    at: dict[str, str] = {}
    rungs: list[Changes] = [at]
    changes = []
    for name, levels in part.factors.items():
        for pair in pairwise(levels):
            at = at | {name: pair[1]}
            changes.append(_Change(name, pair, of=len(rungs), less=len(rungs) - 1))
            rungs.append(at)
    return rungs, changes


def _leave_one_out(part: Part) -> tuple[list[Changes], list[_Change]]:
    everything = {name: levels[-1] for name, levels in part.factors.items()}
    without = [everything | {name: levels[0]} for name, levels in part.factors.items()]
    changes = [
        _Change(name, (levels[-1], levels[0]), of=column, less=0)
        for column, (name, levels) in enumerate(part.factors.items(), start=1)
    ]
    return [everything, *without], changes


def _step(
    part: Part,
    conditions: Mapping[str, Value],
    way: Literal["ladder", "leave_one_out"],
    change: _Change,
    known: Responses,
    bar: float,
) -> Step:
    y = known.y
    logs = (y[:, change.of] - y[:, change.less]).tolist()
    return Step(
        part=part.name,
        conditions=dict(conditions),
        way=way,
        factor=change.factor,
        levels=change.levels,
        cell=known.cells[change.of].id,
        against=known.cells[change.less].id,
        ratio=ratio_interval(logs),
        detectable=margins.detectable(logs, bar),
        running=ratio_interval(y[:, change.of].tolist()).point,
    )


WAYS: Mapping[str, Callable[[Part], tuple[list[Changes], list[_Change]]]] = {
    "ladder": _ladder,
    "leave_one_out": _leave_one_out,
}
