"""Suite x systems -> plan: every cell with a stable id, who shares a process, what it will cost. Nothing is run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial

from harness.conditions import Fail, RefusedError, Resolved, check_condition, condition_names, resolve, shown_value
from harness.design import Drawn, draw
from harness.errors import UsageError, offer, shown
from harness.find import suite_argument
from harness.grouping import budget_bytes, group_cells
from harness.lookup import named
from harness.records import Cell, Part, Plan, Value
from harness.suite import PartSpec, Suite
from harness.system import System, stages_in
from harness.systems import load_system
from harness.yamlfile import core_scalar

PRESETS = {"smoke": 2, "quick": 6, "full": 10, "rigorous": 20}
"""Preset -> trials."""


def make_plan(
    suite: Suite,
    *,
    preset: str = "quick",
    only: Sequence[str] = (),
    settings: Mapping[str, Value] | None = None,
    threads: int | None = None,
    max_minutes: float | None = None,
    available_bytes: float | None = None,
) -> Plan:
    """`only` keeps the cells whose name (or `part/name`) matches, with their baselines; `settings` override conditions
    wherever they exist (text is read as a YAML scalar); `available_bytes` stands for this machine's free memory."""
    if preset not in PRESETS:
        raise UsageError(f"no preset {shown(preset)}; {offer(preset, 'semh', PRESETS)}")
    if max_minutes is not None and not 0 < max_minutes < math.inf:
        raise UsageError(f"max-minutes {max_minutes:g}; a positive number would do")
    given = dict(settings or {}) | ({} if threads is None else {"threads": threads})
    wanted = {name: core_scalar(value) if isinstance(value, str) else value for name, value in given.items()}
    systems = {name: _system(suite, name, spec) for name, spec in suite.parts.items()}
    overrides = _overrides(systems, wanted)
    budget = budget_bytes(available_bytes)
    drawn = [_draw(suite, name, systems[name], overrides[name]) for name in suite.parts]
    _refuse_unmatched(drawn, only)
    parts = tuple(part for part in (_part(one, only, budget) for one in drawn) if part is not None)
    return Plan(
        suite=suite.name,
        title=suite.title,
        suite_file=suite_argument(suite.file),
        suite_sha256=suite.sha256,
        preset=preset,
        trials=PRESETS[preset],
        margin=suite.margin,
        family=suite.family,
        seed=suite.seed,
        max_minutes=max_minutes,
        parts=parts,
        claims=suite.claims,
        only=tuple(only),
        settings=wanted,
    )


@dataclass(frozen=True)
class _Drawn:
    """A part's cells before anyone asks for memory."""

    name: str
    spec: PartSpec
    system: System
    mode: str
    conditions: Resolved
    given: tuple[str, ...]
    design: Drawn
    reads: tuple[str, ...]
    fail: Fail


def _draw(suite: Suite, name: str, system: System, settings: Mapping[str, Value]) -> _Drawn:
    spec, fail = suite.parts[name], partial(suite.error, name)
    mode = spec.mode or system.modes[0]
    if mode not in system.modes:
        raise fail(("mode",), f"no mode {shown(mode)}; {offer(mode, system.name, system.modes)}")
    if spec.stages and not system.stages:
        raise fail(("stages",), f"{system.name} has no stages; stages: false would do")
    if spec.map is not None and spec.map not in system.stages:
        raise fail(("map",), f"no stage {shown(spec.map)}; {offer(spec.map, system.name, system.stages)}")
    if spec.map is not None and spec.stages is False:
        raise fail(("stages",), "found false; map needs the stages timed, stages: true would do")
    conditions = resolve(system, spec, settings, fail)
    given = tuple(dict.fromkeys((*spec.conditions, *settings)))
    design = draw(name, system, mode, spec, conditions, fail)
    drawn = _Drawn(name, spec, system, mode, conditions, given, design, _reads(system, spec, fail), fail)
    cells = design.cells
    for index, expected in enumerate(spec.expect):
        if not any(named(cell, expected.cell) for cell in cells):
            near = offer(expected.cell, "the part", [cell.name for cell in cells])
            raise fail(("expect", index, "cell"), f"no cell {shown(expected.cell)}; {near}")
    return drawn


def _part(drawn: _Drawn, only: Sequence[str], budget: float) -> Part | None:
    """None where `only` leaves nothing but what is always kept."""
    spec, system, design = drawn.spec, drawn.system, drawn.design
    chosen = {cell.id for cell in design.cells if not only or any(named(cell, one) for one in only)}
    if not chosen:
        return None
    baselines = {cell.baseline for cell in design.cells if cell.id in chosen}
    kept = [_expecting(drawn, cell) for cell in design.cells if cell.id in chosen | baselines]
    grouped = group_cells(drawn.name, system, drawn.mode, spec, kept, budget, drawn.fail)
    staged = bool(system.stages) if spec.stages is None else spec.stages
    left_out = len(design.cells) - len(kept)
    restricted = (f"{left_out} cells of the design are left out (only: {', '.join(only)})",) if left_out else ()
    return Part(
        name=drawn.name,
        system=spec.system,
        mode=drawn.mode,
        size=spec.size,
        design=spec.design,
        factors=design.factors,
        varied_conditions=dict(drawn.conditions.varied),
        given=drawn.given,
        cells=grouped.cells,
        groups=grouped.groups,
        blocks=spec.blocks,
        stages=stages_in(system, drawn.mode) if staged and spec.times else (),
        memory=spec.memory,
        times=spec.times,
        timeout_s=spec.timeout_s,
        confirm=spec.confirm,
        reads=drawn.reads,
        map=spec.map,
        notes=(*drawn.conditions.notes, *design.notes, *grouped.notes, *restricted),
        estimated_bytes=grouped.bytes,
        estimated_flops=grouped.flops,
    )


def _reads(system: System, spec: PartSpec, fail: Fail) -> tuple[str, ...]:
    """The probes that are meant, each once, in the order asked for."""
    known = [probe.name for probe in system.probes]
    meant: dict[str, None] = {}
    for index, pattern in enumerate(spec.reads):
        found = [name for name in known if fnmatchcase(name, pattern)]
        if not found:
            raise fail(("reads", index), f"no probe {shown(pattern)}; {offer(pattern, system.name, known)}")
        meant |= dict.fromkeys(found)
    return tuple(meant)


def _expecting(drawn: _Drawn, cell: Cell) -> Cell:
    words = [expected.outcome for expected in drawn.spec.expect if named(cell, expected.cell)]
    return cell.model_copy(update={"expect": words[0]}) if words else cell


def _system(suite: Suite, part: str, spec: PartSpec) -> System:
    try:
        return load_system(spec.system)
    except UsageError as error:
        raise suite.error(part, ("system",), str(error)) from None


def _overrides(systems: Mapping[str, System], wanted: Mapping[str, Value]) -> dict[str, dict[str, Value]]:
    """Part -> the settings it has a condition for, in the condition's own type."""
    overrides: dict[str, dict[str, Value]] = {part: {} for part in systems}
    for name, value in wanted.items():
        having = [part for part, system in systems.items() if name in condition_names(system)]
        if not having:
            known = sorted({known for system in systems.values() for known in condition_names(system)})
            raise UsageError(f"--set {name}: no condition {shown(name)}; {offer(name, 'this suite', known)}")
        for part in having:
            try:
                overrides[part][name] = check_condition(systems[part], name, value)
            except RefusedError as refused:
                raise UsageError(f"--set {name}={shown_value(value)}: {refused}") from None
    return overrides


def _refuse_unmatched(drawn: Sequence[_Drawn], only: Sequence[str]) -> None:
    for pattern in only:
        if not any(named(cell, pattern) for part in drawn for cell in part.design.cells):
            names = dict.fromkeys(cell.name for part in drawn for cell in part.design.cells)
            raise UsageError(f"--only {shown(pattern)}: no such cell; {offer(pattern, 'the suite', names)}")
