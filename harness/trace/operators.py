"""A trace summed by operator and stage.

Every event that begins inside a call is counted, under the stage whose range holds its beginning, on whatever thread:
while a backward pass runs on a thread of its own, the calling one waits. A device's kernel belongs to the operator
that launched it (torch gives both the same `External id`) and to that operator's stage, whenever the device ran it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.measure.profile import BACKWARD, CALL, PREFIX
from harness.records.trace import OperatorTime, StageSpan
from harness.trace.events import LAUNCHES, ON_DEVICE, Event, Span, chosen, nanoseconds, nested

NOT_STAGES = (CALL, BACKWARD)


@dataclass
class Summed:
    """What stands in `Operators` besides where it comes from."""

    calls: int
    call_s: float
    stages: tuple[StageSpan, ...]
    operators: tuple[OperatorTime, ...]


@dataclass
class _Sum:
    calls: int = 0
    cpu_ns: int = 0
    device_ns: int = 0


@dataclass
class _Windows:
    """Ranges that do not overlap, by start."""

    spans: list[Span] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._starts = [span.start for span in self.spans]

    def at(self, time: int) -> Span | None:
        position = bisect_right(self._starts, time) - 1
        span = self.spans[position] if position >= 0 else None
        return span if span is not None and time < span.end else None


def summed(events: Sequence[Event]) -> Summed:
    """Of a trace whose backward stages are drawn."""
    spans = nested(events)
    calls = _Windows([span for span in spans if span.name == CALL])
    stages = _Windows([span for span in spans if span.name.startswith(PREFIX) and span.name not in NOT_STAGES])
    counted = [span for span in spans if calls.at(span.start)]
    by_name: dict[tuple[str, str], _Sum] = {}
    by_stage = {stage.name.removeprefix(PREFIX): _Sum() for stage in stages.spans}
    for span in counted:
        total = by_name.setdefault((_stage(stages, span.start), span.name), _Sum())
        total.calls += 1
        total.cpu_ns += span.self_ns
    for stage in stages.spans:
        by_stage[stage.name.removeprefix(PREFIX)].cpu_ns += stage.end - stage.start
    for name, time, length in _kernels(events, counted):
        if calls.at(time):
            where = _stage(stages, time)
            by_name.setdefault((where, name), _Sum()).device_ns += length
            if where:
                by_stage[where].device_ns += length
    return Summed(
        calls=len(calls.spans),
        call_s=sum(call.end - call.start for call in calls.spans) * 1e-9,
        stages=tuple(
            StageSpan(name=name, cpu_s=total.cpu_ns * 1e-9, device_s=total.device_ns * 1e-9)
            for name, total in by_stage.items()
        ),
        operators=tuple(
            OperatorTime(
                stage=stage,
                name=name,
                calls=total.calls,
                self_cpu_s=total.cpu_ns * 1e-9,
                self_device_s=total.device_ns * 1e-9,
            )
            for (stage, name), total in by_name.items()
        ),
    )


def _stage(stages: _Windows, time: int) -> str:
    span = stages.at(time)
    return span.name.removeprefix(PREFIX) if span else ""


def _kernels(events: Sequence[Event], counted: Sequence[Span]) -> list[tuple[str, int, int]]:
    """Operator (the kernel's own name where none launched it), when it was launched, how long it ran."""
    operators = {_id(span.event): span for span in counted if span.event["cat"] == "cpu_op"}
    operators.pop(None, None)
    launches = {_correlation(event): event for event in chosen(events, LAUNCHES)}
    found = []
    for kernel in chosen(events, ON_DEVICE):
        operator = operators.get(_id(kernel))
        name = operator.name if operator else str(kernel["name"])
        launched = operator.start if operator else nanoseconds(launches.get(_correlation(kernel), kernel))[0]
        start, end = nanoseconds(kernel)
        found.append((name, launched, end - start))
    return found


def _id(event: Event) -> object:
    return event.get("args", {}).get("External id")


def _correlation(event: Event) -> object:
    return event.get("args", {}).get("correlation")
