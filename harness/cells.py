"""Planned variants to cells: one per canonical variant and combination of conditions, with a name and a stable id."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.conditions import Resolved, shown_value
from harness.records import Cell, Value
from harness.system import System
from harness.variants import Named, Variant, canonical

OWN_NAMES = ("baseline", "control")


@dataclass
class Kept:
    """A variant that is run, under its canonical form."""

    name: str
    variant: Variant
    beyond: bool = False
    merged: list[str] = field(default_factory=list)
    merged_variants: list[Variant] = field(default_factory=list)


def cell_id(
    system: str, mode: str, variant: Mapping[str, str], conditions: Mapping[str, Value], control: bool | int
) -> str:
    """Twelve hex digits of what is measured: equal in every process, whatever the order of keys. `control`: whether it
    is one, or from the second on which."""
    content = {"system": system, "mode": mode, "variant": variant, "conditions": conditions, "control": control}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def merge(system: System, mode: str, baseline: Variant, planned: Iterable[Named]) -> list[Kept]:
    """One entry per canonical variant, in the order planned; the baseline is the first."""
    kept: dict[tuple[str, ...], Kept] = {}
    for given, variant in planned:
        settled = canonical(system, mode, variant, baseline)
        key = tuple(settled[switch.name] for switch in system.switches)
        asked = given or _changes(system, variant, baseline)
        if key not in kept:
            taken = given in OWN_NAMES or any(entry.name == given for entry in kept.values())
            name = given if given and not taken else _changes(system, settled, baseline)
            kept[key] = Kept(name or _baseline_name(system, baseline), settled)
        elif asked and asked != kept[key].name and asked not in kept[key].merged:
            kept[key].merged.append(asked)
        if variant != settled and variant not in kept[key].merged_variants:
            kept[key].merged_variants.append(variant)
    return list(kept.values())


def _changes(system: System, variant: Variant, baseline: Variant) -> str:
    names = [switch.name for switch in system.switches]
    return ", ".join(f"{name}={variant[name]}" for name in names if variant[name] != baseline[name])


def _baseline_name(system: System, baseline: Variant) -> str:
    """That of the system's variant it is, if it is one."""
    return next((name for name, variant in system.variants.items() if variant == baseline), "baseline")


def cells_of(
    part: str, system: str, mode: str, kept: Sequence[Kept], conditions: Resolved, values: Mapping[str, Value]
) -> list[Cell]:
    """Under one combination of the varied conditions."""
    under = dict(conditions.fixed) | dict(values)
    suffix = "".join(f", {name}={shown_value(value)}" for name, value in values.items())
    baseline = cell_id(system, mode, kept[0].variant, under, control=False)
    return [
        Cell(
            id=cell_id(system, mode, entry.variant, under, control=False),
            part=part,
            name=entry.name + suffix,
            variant=entry.variant,
            conditions=under,
            baseline=baseline,
            beyond=entry.beyond,
            merged=tuple(name + suffix for name in entry.merged),
            merged_variants=tuple(entry.merged_variants),
        )
        for entry in kept
    ]


def control_of(baseline: Cell, system: str, mode: str, varied: Sequence[str], number: int = 1) -> Cell:
    """Another copy of the baseline (A/A), named by its number and by the process it runs in where those differ."""
    which: tuple[bool | int, str] = (True, "control") if number == 1 else (number, f"control {number}")
    suffix = "".join(f", {name}={shown_value(baseline.conditions[name])}" for name in varied)
    own = cell_id(system, mode, baseline.variant, baseline.conditions, control=which[0])
    return baseline.model_copy(
        update={"id": own, "name": which[1] + suffix, "control": True, "merged": (), "merged_variants": ()}
    )


def merge_notes(kept: Iterable[Kept]) -> tuple[str, ...]:
    return tuple(
        f"{entry.name} stands for {len(entry.merged)} more ({'; '.join(entry.merged)}): "
        "they differ from it at most in switches that do not apply"
        for entry in kept
        if entry.merged
    )
