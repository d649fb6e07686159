"""Two traced cells side by side, per call; or one alone. From their records, without torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from harness.records.trace import Operators

BETWEEN, WHOLE = "between stages", "whole call"


@dataclass(frozen=True)
class Spent:
    """Of one operator or stage in one call."""

    calls: float = 0.0
    time_s: float = 0.0
    share: float = 0.0
    """Of all the time counted, so that operators, and stages with what lies between them, add up to one."""


@dataclass(frozen=True)
class Row:
    name: str
    first: Spent
    second: Spent

    @property
    def difference_s(self) -> float:
        return self.first.time_s - self.second.time_s

    @property
    def ratio(self) -> float | None:
        """None where one of the two has no such time."""
        known = self.first.time_s > 0 and self.second.time_s > 0
        return self.first.time_s / self.second.time_s if known else None


@dataclass(frozen=True)
class Comparison:
    first: Operators
    second: Operators | None
    on_device: bool
    """Times are those of the device's kernels, not of the host."""
    stages: tuple[Row, ...]
    operators: tuple[Row, ...]
    """By the size of the difference; of one cell alone, by time."""


def compare(first: Operators, second: Operators | None = None) -> Comparison:
    on_device = first.device != "cpu"
    both = [first] if second is None else [first, second]
    stages = list(dict.fromkeys(span.name for one in both for span in one.stages))
    names = list(dict.fromkeys(row.name for one in both for row in one.operators))
    operators = _rows(names, both, lambda one: _operators(one, on_device))
    return Comparison(
        first,
        second,
        on_device,
        stages=_rows([*stages, BETWEEN, WHOLE], both, lambda one: _stages(one, on_device)),
        operators=tuple(sorted(operators, key=lambda row: (-abs(row.difference_s), row.name))),
    )


def _rows(
    names: Iterable[str], both: list[Operators], spent: Callable[[Operators], dict[str, Spent]]
) -> tuple[Row, ...]:
    sides = [spent(one) for one in both]
    second = sides[1] if len(sides) > 1 else {}
    return tuple(Row(name, sides[0].get(name, Spent()), second.get(name, Spent())) for name in names)


def _operators(one: Operators, on_device: bool) -> dict[str, Spent]:
    calls: dict[str, int] = {}
    times: dict[str, float] = {}
    for row in one.operators:
        calls[row.name] = calls.get(row.name, 0) + row.calls
        times[row.name] = times.get(row.name, 0.0) + (row.self_device_s if on_device else row.self_cpu_s)
    whole = sum(times.values()) or 1.0
    return {name: Spent(calls[name] / one.calls, times[name] / one.calls, times[name] / whole) for name in times}


def _stages(one: Operators, on_device: bool) -> dict[str, Spent]:
    times = {span.name: span.device_s if on_device else span.cpu_s for span in one.stages}
    whole = sum(row.self_device_s for row in one.operators) if on_device else one.call_s
    times |= {BETWEEN: whole - sum(times.values()), WHOLE: whole}
    return {name: Spent(1.0, time / one.calls, time / (whole or 1.0)) for name, time in times.items()}
