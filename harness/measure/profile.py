"""The process `trace`: some calls of one cell under torch's profiler, with the stages as named ranges.

Its times are inflated by the profiler and enter no estimate; `harness.trace` makes a readable trace of the raw one.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from harness.measure.clock import CpuClock
from harness.measure.resident import settle_in
from harness.measure.stages import StageRecorder
from harness.measure.workshop import Workshop

PREFIX = "semh:"
CALL, BACKWARD = f"{PREFIX}call", f"{PREFIX}backward"
GRADIENT = f"{PREFIX}gradient of "
"""A range without length: the gradient of that stage's output is complete. No range of torch's can end inside the
step of the backward pass in which that is learnt, so `harness.trace.ranges` draws the stages of that pass."""


def raw_trace(trial_file: Path) -> Path:
    return trial_file.with_suffix(".pt.trace.json")


class StageRanges(StageRecorder):
    """The marks of a staged call, written into the running profile instead of being read from a clock."""

    def __init__(self, model: Any, stages: dict[str, str]) -> None:
        super().__init__(CpuClock(), model, stages)
        self._open: list[AbstractContextManager[Any]] = []

    def mark(self, stage: str, event: str) -> None:
        if event == "gradient":
            with _range(GRADIENT + stage):
                pass
        elif event in ("enter", "backward"):
            opened = _range(PREFIX + (stage or event))
            opened.__enter__()
            self._open.append(opened)
        else:
            self._open.pop().__exit__(None, None, None)


def trace(shop: Workshop) -> None:
    """One call to load what a first call loads, one to warm the profiler up, then `blocks` traced ones."""
    from torch.profiler import profile, schedule

    [cell] = shop.cells
    with shop.guarded(cell.id, "build"):
        resident = settle_in(cell, shop.system, shop.part.mode, shop.plan.seed, None, shop.batches)
        shop.breadcrumb.drop(cell.id, "first call", 0.1)
        resident.prepare()
        resident.call()
        calls = 1 + shop.part.blocks
        with (
            profile(
                activities=_activities(shop.device),
                schedule=schedule(wait=0, warmup=1, active=shop.part.blocks, repeat=1),
                on_trace_ready=lambda profiler: _export(shop, profiler),
                record_shapes=True,
                profile_memory=True,
            ) as profiler,
            StageRanges(resident.model, dict(shop.system.stages)) as ranges,
        ):
            for call in range(calls):
                shop.breadcrumb.drop(cell.id, f"traced call {call}/{shop.part.blocks}", (1 + call) / (1 + calls))
                resident.prepare()
                with _range(CALL):
                    resident.call_in_stages(ranges)
                    _wait_for(shop.device)
                profiler.step()


def _export(shop: Workshop, profiler: Any) -> None:
    shop.breadcrumb.drop(shop.cells[0].id, "export", 0.9)
    profiler.export_chrome_trace(str(raw_trace(Path(shop.file.name))))


def _activities(device: str) -> list[Any]:
    from torch.profiler import ProfilerActivity

    of_device = [] if device == "cpu" else [getattr(ProfilerActivity, device.upper())]
    return [ProfilerActivity.CPU, *of_device]


def _wait_for(device: str) -> None:
    """A call ends when the device is done with it."""
    if device != "cpu":
        import torch

        getattr(torch, device).synchronize()


def _range(name: str) -> AbstractContextManager[Any]:
    from torch.profiler import record_function

    opened: AbstractContextManager[Any] = record_function(name)
    return opened
