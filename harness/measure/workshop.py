"""What every kind of process works with: its orders, its file, its breadcrumb."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from harness.errors import StoreError
from harness.measure.device import works
from harness.measure.resident import outcome_of
from harness.records import Cell, Outcome, Part, Plan, Process
from harness.store import append_lines
from harness.system import Batch, System

BREADCRUMB_BYTES = 512


class DeviceLostError(Exception):
    """The device failed in a way that lasts as long as the process."""


class Breadcrumb:
    """One small file, one write per step: the runner reads from it who was working when a process died or hangs."""

    def __init__(self, path: str) -> None:
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        self.doing = ""

    def drop(self, cell: str, doing: str, done: float) -> None:
        self.doing = doing
        text = json.dumps({"cell": cell, "doing": doing, "since": time.time(), "done": round(done, 4)})
        try:
            os.pwrite(self.file, text.encode().ljust(BREADCRUMB_BYTES), 0)
        except OSError as error:
            raise StoreError(f"breadcrumb could not be written: {error.strerror}") from None


@dataclass
class Workshop:
    plan: Plan
    part: Part
    process: Process
    cells: Sequence[Cell]
    system: System
    file: BinaryIO
    breadcrumb: Breadcrumb
    batches: dict[str, Batch] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    sampled_s: float = 0.0
    """Spent inside warm-up and timed samples; the rest is the harness's own."""

    @property
    def threads(self) -> int:
        """Of every cell: a process has those of one group."""
        return int(self.cells[0].conditions.get("threads", 1))

    @property
    def device(self) -> str:
        return str(self.cells[0].conditions.get("device", self.system.devices[0]))

    def write(self, *records: Any) -> None:
        append_lines(self.file, records)

    def fail(self, outcome: Outcome) -> None:
        self.failed.add(outcome.cell)
        self.write(outcome)

    @contextmanager
    def guarded(self, cell: str, doing: str, done: float = 0.0) -> Iterator[None]:
        """Whatever a cell raises becomes its outcome; the other cells go on."""
        self.breadcrumb.drop(cell, doing, done)
        try:
            yield
        except StoreError:
            raise  # a full disk says nothing about the cell
        except Exception as error:  # a system's code may raise anything, and that is a result about the cell
            outcome = outcome_of(error, cell, self.breadcrumb.doing)
            if not works(self.device):  # the process is of no more use: its death is put down to this cell
                raise DeviceLostError(f"{self.device} answers no more after {outcome.detail}".splitlines()[0]) from None
            self.fail(outcome)
