"""What one call really takes, in a process of its own: its resident size, and by stage what the allocator says."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.grouping import budget_bytes
from harness.holdings.judged import peak_bytes
from harness.measure.environment import environment
from harness.process import WORKER
from harness.records import Cell, Memory, Part, Plan, StageMemory, Value
from harness.system import Holdings
from harness.trace.one import run_alone

TIMEOUT_S = 1800.0
HARNESS: dict[str, Value] = {"threads": 1, "allocator": "default", "flush_denormal": False, "dtype": "float32"}
GB = 1e9


@dataclass(frozen=True)
class Measured:
    memory: Memory
    stages: StageMemory


def measure(
    system: str,
    variant: Mapping[str, str],
    conditions: Mapping[str, Value],
    mode: str,
    stages: Sequence[str],
    counted: Holdings,
    *,
    worker: Sequence[str] = WORKER,
) -> Measured:
    """system: as a suite names it. counted: what the same call is known to hold; UsageError where this machine has no
    room for it. TraceError where the process fails."""
    needed, free = peak_bytes(counted), budget_bytes()
    if needed > free:
        raise UsageError(
            f"--measure: {needed / GB:.1f} GB counted and {free / GB:.1f} GB may be used here; "
            "smaller conditions would do (--at CONDITION=VALUE)"
        )
    cell = Cell(
        id="memory",
        part="memory",
        name="memory",
        variant=dict(variant),
        conditions={**HARNESS, **conditions},
        baseline="memory",
    )
    part = Part(
        name="memory",
        system=system,
        mode=mode,
        size=None,
        design="pair",
        factors={},
        varied_conditions={},
        cells=(cell,),
        groups=(),
        blocks=1,
        stages=tuple(stages),
        memory=True,
        timeout_s=TIMEOUT_S,
        estimated_bytes=needed,
        estimated_flops=0.0,
    )
    plan = Plan(
        suite="memory",
        title="",
        suite_file="",
        suite_sha256="",
        preset="",
        trials=0,
        margin=0.0,
        seed=0,
        max_minutes=None,
        parts=(part,),
        claims=(),
    )
    with tempfile.TemporaryDirectory(prefix="semh-memory-") as folder:
        lines = run_alone(plan, part, cell, 1, Path(folder), environment([system]), worker, "memory").lines(1)
    return Measured(
        next(line for line in lines if isinstance(line, Memory)),
        next(line for line in lines if isinstance(line, StageMemory)),
    )
