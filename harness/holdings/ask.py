"""`semh memory`: from what was asked to the tables that answer it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.asked import Asked, changed, conditions_of, variant_of
from harness.conditions import shown_value
from harness.errors import UsageError, offer, shown
from harness.holdings import tables
from harness.holdings.judged import judged
from harness.holdings.measured import measure
from harness.holdings.stated import Stated, stated_tables
from harness.records import Value
from harness.system import Counting, Holdings
from harness.systems import load_system, system_names

MODE = "train_step"


def answer(
    ref: str, asked: Asked, mode: str | None, measured_at: Sequence[str] | None, say: Callable[[str], None]
) -> list[object]:
    """measured_at: CONDITION=VALUE, changed for the measurement; None for none."""
    system = _counting(ref)
    mode = mode or (MODE if MODE in system.modes else system.modes[0])
    if mode not in system.modes:
        raise UsageError(f"--mode: no mode {shown(mode)}; {offer(mode, system.name, system.modes)}")
    known = [one for one in stated_tables() if one.system == ref]
    variant = variant_of(system, asked, system.variants["status_quo"])
    conditions = conditions_of(system, asked, known[0].size if known else None)
    stages = list(system.stages)
    holdings = _holdings(system, variant, conditions, mode)
    found: list[object] = []
    for stated in known:
        if _same(stated, system, variant, conditions, mode):
            rows = judged(stated, holdings)
            found += [tables.stated_table(stated, rows), tables.notes(rows)]
        else:
            found.append(tables.another_call(stated))
    under = ", ".join(f"{name} {shown_value(value)}" for name, value in _told(system, conditions).items())
    found.append(tables.stages_table(stages, holdings, f"{ref}, {mode}, {under}: counted"))
    found += [tables.explained(holdings), tables.largest_table(stages, holdings)]
    if measured_at is not None:
        there = changed(system, conditions, measured_at, "--measure")
        counted = holdings if there == conditions else _holdings(system, variant, there, mode)
        say("measuring in a process of its own")
        measured = measure(ref, variant, there, mode, stages, counted)
        under = ", ".join(measured_at) or "the same conditions"
        found.append(tables.measured_table(stages, counted, measured, f"one call, {under}: counted and measured"))
        found.append(tables.measured_facts(measured, counted))
    return [part for one in found for part in (one, "")]


def _counting(ref: str) -> Counting:
    found = load_system(ref)
    if not isinstance(found, Counting):
        able = [name for name in system_names() if isinstance(load_system(name), Counting)]
        raise UsageError(f"{shown(ref)} cannot say what it holds; {offer(ref, 'this installation', able)}")
    return found


def _holdings(system: Counting, variant: dict[str, str], conditions: dict[str, Value], mode: str) -> Holdings:
    try:
        return system.holdings(variant, conditions, mode)
    except ValueError as error:
        raise UsageError(f"{system.name}, {mode}: {error}") from None


def _same(stated: Stated, system: Counting, variant: dict[str, str], conditions: dict[str, Value], mode: str) -> bool:
    """Whether the table speaks of this call."""
    meant = {**system.sizes[stated.size], **stated.conditions, "dtype": stated.dtype}
    given = {"dtype": "float32", **conditions}
    alike = all(given[name] == value for name, value in meant.items())
    return alike and mode == stated.mode and variant == dict(system.variants[stated.variant])


def _told(system: Counting, conditions: dict[str, Value]) -> dict[str, Value]:
    """The conditions a size sets, by their values."""
    named = {name for size in system.sizes.values() for name in size}
    return {name: value for name, value in conditions.items() if name in named}
