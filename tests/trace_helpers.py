"""Traces drawn by hand, in torch's format. Times in whole µs."""

from __future__ import annotations

from harness.trace.events import Event

HOST, ENGINE = 1, 2
"""Threads: that of the call, and that of a device's backward pass."""


def event(name: str, start: float, end: float, thread: int = HOST, category: str = "", **args: object) -> Event:
    """Of category `user_annotation` if the name is one of the harness's, else `cpu_op`."""
    usual = "user_annotation" if name.startswith("semh:") else "cpu_op"
    return {
        "ph": "X",
        "cat": category or usual,
        "name": name,
        "pid": 7,
        "tid": thread,
        "ts": start,
        "dur": end - start,
        "args": args,
    }


def launch(operator: int, correlation: int, at: float, start: float, end: float, thread: int = HOST) -> list[Event]:
    """A kernel and the call that launched it, from an operator's `External id`."""
    shared = {"External id": operator, "correlation": correlation}
    return [
        event("cudaLaunchKernel", at, at + 1, thread, "cuda_runtime", **shared),
        event("some_kernel", start, end, 99, "kernel", **shared),
    ]


def forward() -> list[Event]:
    """A call [0, 200) of two stages, each with one operator that calls another."""
    return [
        event("ProfilerStep#1", -5, 210, category="user_annotation"),
        event("semh:call", 0, 200),
        event("semh:encoder", 10, 40),
        event("aten::linear", 12, 32),
        event("aten::addmm", 15, 30, **{"External id": 15}),
        event("semh:head", 50, 70),
        event("aten::mm", 52, 60, **{"External id": 52}),
    ]


def backward(thread: int = HOST) -> list[Event]:
    """The pass [100, 190) in two steps. 1 µs into the second it is learnt that the encoder's gradient is there."""
    return [
        event("semh:backward", 100, 190),
        event("evaluate: head", 105, 130, thread),
        event("aten::mm", 110, 120, thread, **{"External id": 110}),
        event("evaluate: encoder", 140, 180, thread),
        event("semh:gradient of encoder", 141, 141, thread),
        event("aten::mm", 150, 170, thread, **{"External id": 150}),
    ]
