"""What a trace says by operator: enough to render its tables again without torch and without the trace."""

from __future__ import annotations

from harness.records.base import Record
from harness.records.plan import Cell


class OperatorTime(Record):
    """One operator in one stage, summed over the traced calls. Self: without what it called in turn."""

    stage: str
    """`encoder`, `encoder.backward`; empty between stages."""
    name: str
    """`aten::mm`; of the harness's own ranges (`semh:encoder`) the time outside any operator, which is Python's."""
    calls: int
    self_cpu_s: float
    self_device_s: float = 0.0
    """Of the device's kernels that it launched."""


class StageSpan(Record):
    """One stage, summed over the traced calls, from entering it to leaving it."""

    name: str
    cpu_s: float
    device_s: float = 0.0
    """Of the kernels launched inside."""


class Operators(Record):
    """The traced calls of one cell. Every time in here is inflated by the profiler that took it."""

    suite: str
    suite_sha256: str
    system: str
    mode: str
    device: str
    cell: Cell
    calls: int
    call_s: float
    """All calls together, from issuing the first operator until the device was done."""
    stages: tuple[StageSpan, ...]
    """In the order they ran."""
    operators: tuple[OperatorTime, ...]
    trace: str
    """Name of the trace's file, which lies beside this one."""
    made: str
    machine_id: str
    code_sha256: str
    versions: dict[str, str]
