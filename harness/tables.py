"""What `semh runs`, `suites` and `systems` print, and what a plan will cost."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from harness.errors import StoreError, UsageError
from harness.find import suite_files
from harness.progress import duration
from harness.records import Plan
from harness.schedule import planned_jobs
from harness.store import RunFolder
from harness.suite import read_suite
from harness.system import Switch, System
from harness.systems import load_system

FAST, SLOW = 50e9, 5e9
"""FLOP/s of dense products and of sparse ones on a core of this decade: the two ends of what a cell may do."""
START_S = 3.0
"""What a process takes to start, torch included."""
CALLS_BESIDES_BLOCKS = 3
"""First call and warm-up of a trial, in passes over all cells."""


def plan_cost(plan: Plan) -> Text:
    """Processes and time. By FLOPs alone a range is all that can be said; the first trial of the run says better."""
    processes = len(planned_jobs(plan))
    flops = sum(
        part.estimated_flops * (1 + plan.trials * (part.blocks * (2 if part.stages else 1) + CALLS_BESIDES_BLOCKS))
        for part in plan.parts
    )
    low, high = (duration(processes * START_S + flops / rate) for rate in (FAST, SLOW))
    return Text(f"\n{processes} processes, by their FLOPs {low} to {high} in all")


def runs_table(folders: Sequence[RunFolder]) -> Table:
    table = _table()
    for column in ("run", "state", "preset", "trials", "wall", "cells failed"):
        table.add_column(column)
    for folder in folders:
        try:
            manifest = folder.manifest()
        except StoreError:
            _row(table, folder.name, "damaged", "", "", "", "")
            continue
        plan = manifest.plan
        measured = {process.trial for process in manifest.processes if _counts(process.process, process.state)}
        state = f"{manifest.state}, {manifest.stopped_early}" if manifest.stopped_early else manifest.state
        if manifest.state == "running":
            state = "unfinished"
        _row(
            table,
            folder.name,
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
    facts.append(f"; probes {', '.join(probe.name for probe in system.probes)}" if system.probes else "")
    return [facts, switches, conditions, sizes, variants]


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
