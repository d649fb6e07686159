"""The events of a trace in torch's chrome format, and which of them lies inside which.

An event `ph: X` covers [ts, ts + dur) in µs on the thread (pid, tid); torch writes three decimals, so times are kept
as whole nanoseconds. Self time is an event's own less that of the events directly inside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Event = dict[str, Any]
Thread = tuple[str, str]

ON_HOST = ("cpu_op", "user_annotation")
LAUNCHES = ("cuda_runtime", "cuda_driver", "xpu_runtime")
ON_DEVICE = ("kernel", "gpu_memcpy", "gpu_memset")


@dataclass
class Span:
    """An event of the host, placed among the others of its thread."""

    event: Event
    thread: Thread
    start: int
    end: int
    parent: Span | None = None
    inside_ns: int = 0
    """Of the events directly inside."""

    @property
    def name(self) -> str:
        return str(self.event["name"])

    @property
    def self_ns(self) -> int:
        return self.end - self.start - self.inside_ns


def nanoseconds(event: Mapping[str, Any]) -> tuple[int, int]:
    """Start and end."""
    start, length = float(event["ts"]), float(event.get("dur", 0.0))
    return round(start * 1e3), round((start + length) * 1e3)


def chosen(events: Iterable[Event], categories: Sequence[str]) -> list[Event]:
    return [event for event in events if event.get("ph") == "X" and event.get("cat") in categories]


def nested(events: Iterable[Event]) -> list[Span]:
    """The host's events with their parents, by start. One that ends after its parent is cut there (rounding)."""
    spans = [Span(event, _thread(event), *nanoseconds(event)) for event in chosen(events, ON_HOST)]
    spans.sort(key=lambda span: (span.start, -span.end))
    open_: dict[Thread, Span] = {}
    for span in spans:
        parent = open_.get(span.thread)
        while parent is not None and parent.end <= span.start:
            parent = parent.parent
        if parent is not None:
            span.end = min(span.end, parent.end)
            parent.inside_ns += span.end - span.start
        span.parent = parent
        open_[span.thread] = span
    return spans


def _thread(event: Event) -> Thread:
    return str(event.get("pid")), str(event.get("tid"))
