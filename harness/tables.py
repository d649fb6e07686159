"""What `semh runs`, `suites` and `systems` print, and what a plan will cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from harness.errors import StoreError, UsageError
from harness.find import suite_files
from harness.progress import duration
from harness.records import Calibration, Ceiling
from harness.report import numbers
from harness.store import RunFolder
from harness.suite import read_suite
from harness.system import OPTIMISER, Switch, System, stages_in
from harness.systems import load_system

if TYPE_CHECKING:
    from harness.predict import Prediction


def plan_cost(prediction: Prediction, calibrated: str) -> Text:
    """What a plan will cost and from what that is known; `calibrated`: what it can be expected to see."""
    added = f" ({prediction.follow_ups} of them follow-ups, as in the last run)" if prediction.follow_ups else ""
    lines = [
        f"{prediction.cells} cells, {prediction.processes} processes{added}",
        f"{_range(prediction)}, up to {_size(prediction.peak_bytes)} of memory in one process, "
        f"{_size(prediction.disk_bytes)} on disk: {_source(prediction)}",
        calibrated,
    ]
    return Text("\n" + "\n".join(lines))


def _range(prediction: Prediction) -> str:
    low, high = duration(prediction.low_s), duration(prediction.high_s)
    return f"about {low}" if low == high else f"{low} to {high}"


def _source(prediction: Prediction) -> str:
    if prediction.unseen == prediction.processes:
        return "by their FLOPs alone, nothing like it has been run on this machine"
    runs = f"from {', '.join(prediction.runs[:2])}" + (" and others" if len(prediction.runs) > 2 else "")
    unseen = f"; {prediction.unseen} processes by their FLOPs alone" if prediction.unseen else ""
    return runs + unseen


def _size(size: float) -> str:
    scale, unit = next((one for one in ((1e9, "GB"), (1e6, "MB")) if size >= one[0]), (1e3, "kB"))
    return f"{size / scale:.2g} {unit}" if size < 100 * scale else f"{size / scale:.0f} {unit}"


def calibration_table(calibration: Calibration) -> Table:
    table = _table("what copies of one cell show against it")
    for column in ("part", "stage", "comparisons", "false alarms", "floor", "at worst", "in", "detectable", "kept"):
        table.add_column(column, justify="left" if column in ("part", "stage", "in") else "right")
    for one in calibration.stages:
        stage = f"{one.stage}, {one.direction}" if one.stage else "whole call"
        seen = "-" if one.detectable_median is None else numbers.share(one.detectable_median)
        figures = (
            numbers.share(one.floor_median),
            numbers.share(one.floor_worst),
            one.worst_cell,
            seen,
            numbers.share(one.kept_share),
        )
        _row(table, one.part, stage, str(one.contrasts), str(one.false_alarms), *figures)
    return table


def runs_table(folders: Sequence[RunFolder]) -> Table:
    table = _table()
    for column in ("run", "what", "state", "preset", "trials", "wall", "cells failed"):
        table.add_column(column)
    for folder in folders:
        try:
            manifest = folder.manifest()
        except StoreError:
            _row(table, folder.name, "", "damaged", "", "", "", "")
            continue
        plan = manifest.plan
        measured = {process.trial for process in manifest.processes if _counts(process.process, process.state)}
        state = f"{manifest.state}, {manifest.stopped_early}" if manifest.stopped_early else manifest.state
        if manifest.state == "running":
            state = "unfinished"
        _row(
            table,
            folder.name,
            "calibration" if plan.purpose == "calibrate" else "run",
            state,
            plan.preset,
            f"{len(measured)}/{plan.trials}",
            duration(manifest.wall_s or 0.0),
            str(len(manifest.outcomes)),
        )
    return table


def suites_table() -> Table:
    table = _table()
    for column in ("suite", "question", "file"):
        table.add_column(column)
    for name, file in suite_files().items():
        try:
            title = read_suite(file).title
        except UsageError as error:
            title = str(error)
        _row(table, name, title, str(file))
    return table


def systems_table(names: Sequence[str]) -> Table:
    table = _table()
    for column in ("system", "title", "switches", "modes", "sizes"):
        table.add_column(column)
    for name in names:
        try:
            system = load_system(name)
        except UsageError as error:
            _row(table, name, str(error), "", "", "")
            continue
        switches = ", ".join(switch.name for switch in system.switches)
        _row(table, name, system.title, switches, ", ".join(system.modes), ", ".join(system.sizes))
    return table


def system_tables(system: System) -> list[Table | Text]:
    switches = _table("switches, levels in order of history")
    for column in ("switch", "levels", "keeps the numbers", "source", "what it is"):
        switches.add_column(column)
    for switch in system.switches:
        _row(switches, switch.name, ", ".join(switch.levels), _keeps(switch), switch.source, switch.doc)
    conditions = _table("conditions")
    for column in ("condition", "default", "range", "unit", "what it is"):
        conditions.add_column(column)
    for condition in system.conditions:
        allowed = f"{condition.low:g} to {condition.high:g}"
        _row(conditions, condition.name, f"{condition.default:g}", allowed, condition.unit, condition.doc)
    sizes = _table("sizes")
    for column in ("size", "conditions it sets"):
        sizes.add_column(column)
    for name, size in system.sizes.items():
        _row(sizes, name, ", ".join(f"{key}={value:g}" for key, value in size.items()))
    variants = _table("named variants")
    for column in ("variant", "levels"):
        variants.add_column(column)
    for name, variant in system.variants.items():
        _row(variants, name, ", ".join(f"{key}={level}" for key, level in variant.items()))
    facts = Text(f"{system.name}: {system.title}\n")
    facts.append(f"modes {', '.join(system.modes)}; devices {', '.join(system.devices)}")
    facts.append(f"; stages {', '.join(system.stages)}" if system.stages else "")
    updating = [mode for mode in system.modes if OPTIMISER in stages_in(system, mode)]
    facts.append(f", in {', '.join(updating)} also {OPTIMISER}" if updating else "")
    facts.append(f"; probes {', '.join(probe.name for probe in system.probes)}" if system.probes else "")
    return [facts, switches, conditions, sizes, variants]


def ceilings_table(ceilings: Sequence[Ceiling]) -> Table:
    table = _table("copy: bytes read plus bytes written; GEMM: real FLOPs; the best sustained rates")
    for column in ("device", "threads", "allocator", "dtype", "copy, GB/s", "GEMM, GFLOP/s", "spread"):
        table.add_column(column, justify="right" if column[0] in "cGs" else "left")
    for one in ceilings:
        rates = (f"{one.copy_bytes_per_s / 1e9:.1f}", f"{one.gemm_flops_per_s / 1e9:.1f}", f"{one.spread:.0%}")
        _row(table, one.device, str(one.threads), one.allocator, one.dtype, *rates)
    return table


def _keeps(switch: Switch) -> str:
    words = {"exact": "yes", "approximate": "to its tolerance", "different": "no: another function"}
    return words[switch.kind]


def _counts(kind: str, state: str) -> bool:
    return kind == "trial" and state == "done"


def _table(title: str | None = None) -> Table:
    return Table(title=title and escape(title), box=None, title_justify="left", pad_edge=False, padding=(0, 2, 0, 0))


def _row(table: Table, *cells: str) -> None:
    """Text from a suite or a system is text: its brackets are no markup."""
    table.add_row(*(Text(cell) for cell in cells))
