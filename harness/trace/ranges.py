"""The stages of the backward pass as ranges, from the marks that were left when their gradients were complete.

    backward of the last stage     from the start of the pass to the mark of the stage before it
    ... of a stage between         from its own mark to that of the stage before it
    ... of the first stage         from its own mark to the end of the pass

as in `harness.measure.stages`. A mark lies inside the step of the pass in which it was left; the boundary is drawn at
the beginning of that step, so that every range holds whole steps and ranges nest. The steps may run on a thread of
the device's own: there the ranges are drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.measure.profile import BACKWARD, CALL, GRADIENT, PREFIX
from harness.trace.events import Event, Span, nested

SHORT_US = 0.002
"""A range ends by so much earlier than the next begins: times of a nanosecond's resolution, read as fractions of µs,
are one too long as often as not, and a viewer drops what overlaps."""


def with_backward_stages(events: Sequence[Event], stages: Sequence[str]) -> list[Event]:
    """The events of a raw trace with the marks replaced by ranges, outer before inner. `stages` in pipeline order."""
    spans = nested(events)
    marks = [span for span in spans if span.name.startswith(GRADIENT)]
    passes = [span for span in spans if span.name == BACKWARD]
    drawn = [event for one in passes for event in _pass(one, _within(one, marks), _ran(one, spans, stages))]
    kept = [event for event in events if not str(event.get("name", "")).startswith(GRADIENT)]
    return sorted((*kept, *drawn), key=_outer_first)


def _pass(whole: Span, marks: Sequence[Span], stages: Sequence[str]) -> Iterable[Event]:
    """A stage to whose output no gradient came has no boundary: the later stage's range goes on over it."""
    arrived = {mark.name.removeprefix(GRADIENT): mark for mark in marks}
    thread = marks[0] if marks else whole
    begin, open_ = float(whole.event["ts"]), stages[-1] if stages else None
    for stage in reversed(stages[:-1]):
        if open_ is not None and stage in arrived:
            cut = _step(arrived[stage], whole).event["ts"]
            yield _range(open_, begin, cut, thread)
            begin, open_ = cut, stage
    if open_ is not None:
        yield _range(open_, begin, float(whole.event["ts"]) + float(whole.event["dur"]), thread)


def _range(stage: str, begin: float, end: float, like: Span) -> Event:
    return {
        "ph": "X",
        "cat": "user_annotation",
        "name": f"{PREFIX}{stage}.backward",
        "pid": like.event["pid"],
        "tid": like.event["tid"],
        "ts": begin,
        "dur": max(0.0, round(end - begin - SHORT_US, 3)),
        "args": {},
    }


def _step(mark: Span, whole: Span) -> Span:
    """The outermost event around the mark that is part of the pass."""
    step = mark
    while step.parent is not None and step.parent is not whole and step.parent.start >= whole.start:
        step = step.parent
    return step


def _within(whole: Span, spans: Iterable[Span]) -> list[Span]:
    """By time: a device's steps run on another thread."""
    return [span for span in spans if whole.start <= span.start < whole.end]


def _ran(whole: Span, spans: Sequence[Span], stages: Sequence[str]) -> list[str]:
    """The stages whose forward ran in the call of this pass."""
    call = whole
    while call.name != CALL and call.parent is not None:
        call = call.parent
    names = {span.name for span in _within(call, spans)}
    return [stage for stage in stages if PREFIX + stage in names]


def _outer_first(event: Event) -> tuple[float, float]:
    return float(event.get("ts", 0.0)), -float(event.get("dur", 0.0))
