"""Traces cells of a plan: one process each, then the files beside each other in one folder."""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from harness.errors import StoreError, UsageError, shown
from harness.measure.environment import environment
from harness.measure.profile import raw_trace
from harness.process import WORKER
from harness.records import Cell, Environment, Part, Plan
from harness.records.trace import Operators
from harness.report.text import slug
from harness.report.trace import markdown
from harness.systems import load_system
from harness.trace.choose import one_cell
from harness.trace.compare import Comparison, compare
from harness.trace.one import run_alone
from harness.trace.operators import summed
from harness.trace.ranges import with_backward_stages

MOST_CALLS = 100
RECORD = ".operators.json"
OPENING = (
    "Open a trace in ui.perfetto.dev or chrome://tracing. `tensorboard --logdir FOLDER` lists it too (extra `trace`);"
    " its page loads scripts from the network: a charting script from www.gstatic.com, and for its trace view one from"
    " cdnjs.cloudflare.com."
)
Note = Callable[[str], None]


@dataclass(frozen=True)
class Traced:
    """A cell's trace and the record made of it, on disk beside each other."""

    trace: Path
    record: Path
    operators: Operators


def trace(
    plan: Plan,
    cells: Sequence[tuple[str, str]],
    *,
    part: str | None = None,
    calls: int = 1,
    out: Path = Path("traces"),
    again: bool = False,
    note: Note = lambda _: None,
    worker: Sequence[str] = WORKER,
) -> list[Traced]:
    """Traces the cells of a whole plan, given as (option, pattern), each in a process of its own.

    `again` reads what an earlier trace left in `out` and runs nothing. Raises UsageError for a request that cannot be
    met, TraceError for a cell that fails, StoreError for files that cannot be written or read.
    """
    if not 1 <= calls <= MOST_CALLS:
        raise UsageError(f"--calls {calls}; 1 to {MOST_CALLS} would do")
    chosen = [one_cell(plan, pattern, part, option) for option, pattern in cells]
    if len({cell.id for _, cell in chosen}) < len(chosen):
        raise UsageError(f"{cells[-1][0]} {shown(cells[-1][1])}: the same cell twice; another one would do")
    if again:
        return [_read(out, plan, one, cell) for one, cell in chosen]
    for one, cell in chosen:
        if _device(one, cell) == "virtual":
            raise UsageError(f"{one.name}/{cell.name}: device virtual runs no operators; cpu, cuda or xpu would do")
    where = environment([one.system for one, _ in chosen], sorted({_device(one, cell) for one, cell in chosen}))
    return [_trace(plan, one, cell, calls, out, note, where, worker) for one, cell in chosen]


def _trace(
    plan: Plan, part: Part, cell: Cell, calls: int, out: Path, note: Note, where: Environment, worker: Sequence[str]
) -> Traced:
    note(f"tracing {part.name}/{cell.name}, {calls} {'call' if calls == 1 else 'calls'}")
    with tempfile.TemporaryDirectory(prefix="semh-trace-") as folder:
        run = run_alone(plan, part, cell, calls, Path(folder), where, worker)
        raw = raw_trace(run.trial_file(1))
        found = json.loads(raw.read_bytes())
    found["traceEvents"] = with_backward_stages(found["traceEvents"], list(load_system(part.system).stages))
    file, record = (out / name for name in file_names(plan.suite, cell))
    found["traceName"] = file.name
    totals = summed(found["traceEvents"])
    operators = Operators(
        suite=plan.suite,
        suite_sha256=plan.suite_sha256,
        system=part.system,
        mode=part.mode,
        device=_device(part, cell),
        cell=cell,
        calls=totals.calls,
        call_s=totals.call_s,
        stages=totals.stages,
        operators=totals.operators,
        trace=file.name,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        machine_id=where.machine_id,
        code_sha256=where.code_sha256,
        versions=where.versions,
    )
    write(file, gzip.compress(json.dumps(found, separators=(",", ":")).encode(), mtime=0))
    write(record, (operators.model_dump_json(indent=1) + "\n").encode())
    return Traced(file, record, operators)


def tabulate(traced: Sequence[Traced]) -> tuple[Comparison, Path]:
    """The tables, also as markdown beside the traces."""
    compared = compare(*(one.operators for one in traced))
    stem = traced[0].record.name.removesuffix(RECORD)
    other = traced[1].operators.cell if len(traced) > 1 else None
    name = f"{stem}-against-{slug(other.name)[:30]}-{other.id[:6]}" if other else stem
    page = traced[0].record.with_name(f"{name}.md")
    write(page, markdown(compared).encode())
    return compared, page


def write(file: Path, content: bytes) -> None:
    """Whole or not at all: a file that is there under its name is complete."""
    temporary = file.with_name(f".{file.name}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        temporary.replace(file)
    except OSError as error:
        raise StoreError(f"{file}: could not be written: {error.strerror}") from None


def _read(out: Path, plan: Plan, part: Part, cell: Cell) -> Traced:
    record = out / file_names(plan.suite, cell)[1]
    try:
        return read(record)
    except FileNotFoundError:
        raise UsageError(f"{record}: not there; without --again the cell {part.name}/{cell.name} is traced") from None


def read(record: Path) -> Traced:
    try:
        operators = Operators.model_validate_json(record.read_bytes())
    except ValidationError as error:
        raise StoreError(f"{record}: damaged or written by another version: {error.errors()[0]['msg']}") from None
    return Traced(record.with_name(operators.trace), record, operators)


def file_names(suite: str, cell: Cell) -> tuple[str, str]:
    """Of the trace, as torch-tb-profiler looks for them, and of its record. The cell's id tells apart what a slug
    cannot: long names, odd ones, conditions from the command line."""
    stem = f"{slug(suite)}-{slug(cell.part)}-{slug(cell.name)}-{cell.id[:6]}"
    return f"{stem}.pt.trace.json.gz", f"{stem}{RECORD}"


def _device(part: Part, cell: Cell) -> str:
    return str(cell.conditions.get("device", load_system(part.system).devices[0]))
