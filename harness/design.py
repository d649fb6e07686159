"""Which variants a part runs, under which conditions: its cells.

    pair            the baseline and every variant in `against`
    one_at_a_time   the baseline and, for every factor, each other level alone
    full_factorial  every combination of factors of two levels each; effects can be computed
    grid            every combination, any number of levels; no effects

Every combination of varied conditions repeats the design, with a baseline of its own. Variants that differ only in a
switch that does not apply are one cell: the switch is set to the baseline's level there.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from harness.conditions import Fail, Resolved, shown_value
from harness.errors import offer, shown
from harness.records import Cell, Value
from harness.suite import Changes, PartSpec
from harness.system import System
from harness.yamlfile import KeyPath

MAX_CELLS = 512
OWN_NAMES = ("baseline", "control")

Variant = dict[str, str]
Factors = dict[str, tuple[str, ...]]


@dataclass
class _Kept:
    """A variant that is run, under its canonical form."""

    name: str
    variant: Variant
    merged: list[str] = field(default_factory=list)
    merged_variants: list[Variant] = field(default_factory=list)


@dataclass(frozen=True)
class Drawn:
    cells: tuple[Cell, ...]
    factors: Factors
    notes: tuple[str, ...]


def draw(part: str, system: System, mode: str, spec: PartSpec, conditions: Resolved, fail: Fail) -> Drawn:
    """The cells of a part, baselines first under each combination of conditions."""
    baseline = _complete(system, spec.baseline, _status_quo(system), ("baseline",), fail)
    factors = _factors(system, spec, baseline, fail)
    combinations = math.prod(map(len, conditions.varied.values()))
    _refuse_too_many(spec, factors, combinations, fail)
    planned = [(None, baseline), *_planned(system, spec, baseline, factors, fail)]
    kept = _merge(system, baseline, planned)
    _refuse_empty(spec, kept, factors, conditions, fail)
    also = _given(system, spec.also, "also", baseline, fail)
    kept = _merge(system, baseline, [*planned, *also])
    if spec.design == "pair":
        factors = _differing(system, kept)
    cells = tuple(
        cell
        for values in product(*conditions.varied.values())
        for cell in _cells(part, spec.system, mode, kept, conditions, dict(zip(conditions.varied, values, strict=True)))
    )
    return Drawn(cells, factors, _notes(kept))


def cell_id(system: str, mode: str, variant: Mapping[str, str], conditions: Mapping[str, Value], control: bool) -> str:
    """Twelve hex digits of what is measured: equal in every process, whatever the order of keys."""
    content = {"system": system, "mode": mode, "variant": variant, "conditions": conditions, "control": control}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def canonical(system: System, variant: Mapping[str, str], baseline: Mapping[str, str]) -> Variant:
    """Switches that do not apply take the baseline's level, until nothing changes (one may hang on another)."""
    result = dict(variant)
    for _ in system.switches:
        dead = [switch.name for switch in system.switches if not switch.applies(result)]
        settled = result | {name: baseline[name] for name in dead}
        if settled == result:
            break
        result = settled
    return result


def _status_quo(system: System) -> Variant:
    return dict(system.variants["status_quo"])


def _complete(system: System, given: Changes, base: Variant, path: KeyPath, fail: Fail) -> Variant:
    if isinstance(given, str):
        if given not in system.variants:
            raise fail(path, f"no variant {shown(given)}; {offer(given, system.name, system.variants)}")
        return dict(system.variants[given])
    for name, level in given.items():
        _check_level(system, name, level, (*path, name), fail)
    return base | given


def _check_level(system: System, name: str, level: str, path: KeyPath, fail: Fail) -> None:
    levels = _levels(system, name, path[:2], fail)
    if level not in levels:
        raise fail(path, f"no level {shown(level)}; {offer(level, system.name, levels)}")


def _levels(system: System, name: str, path: KeyPath, fail: Fail) -> tuple[str, ...]:
    for switch in system.switches:
        if switch.name == name:
            return switch.levels
    names = [switch.name for switch in system.switches]
    raise fail(path, f"no switch {shown(name)}; {offer(name, system.name, names)}")


def _factors(system: System, spec: PartSpec, baseline: Variant, fail: Fail) -> Factors:
    """Factor -> levels, the baseline's first."""
    factors: Factors = {}
    for name, given in spec.factors.items():
        path = ("factors", name)
        _levels(system, name, path, fail)
        for index, level in enumerate(given):
            _check_level(system, name, level, (*path, index), fail)
            if level in given[:index]:
                raise fail((*path, index), f"{shown(level)} stands twice in the list; once would do")
        own = baseline[name]
        factors[name] = (own, *(level for level in given if level != own))
        if len(factors[name]) < 2:
            raise fail(path, f"an empty design: only the baseline's level, {own}; name another level, or leave it out")
        if spec.design == "full_factorial" and len(factors[name]) > 2:
            raise fail(path, f"{len(factors[name])} levels; full_factorial takes two, grid any number")
    return factors


def _refuse_too_many(spec: PartSpec, factors: Factors, combinations: int, fail: Fail) -> None:
    crossed = spec.design in ("full_factorial", "grid")
    count = combinations * (math.prod(map(len, factors.values())) if crossed else 1)
    if count > MAX_CELLS:
        raise fail(("design",), f"{count} cells; up to {MAX_CELLS} would do, with fewer levels or conditions")


def _planned(
    system: System, spec: PartSpec, baseline: Variant, factors: Factors, fail: Fail
) -> list[tuple[str | None, Variant]]:
    if spec.design == "pair":
        if factors:
            raise fail(("factors",), "found factors; pair takes against, the other designs take factors")
        if not spec.against:
            raise fail((), "an empty design: pair without against; add against: all_on, or a mapping of changes")
        return _given(system, spec.against, "against", baseline, fail)
    if spec.against is not None:
        raise fail(("against",), f"found against; {spec.design} takes factors, also adds variants to any design")
    if spec.design == "one_at_a_time":
        return [(None, baseline | {name: level}) for name, levels in factors.items() for level in levels[1:]]
    return [(None, baseline | dict(zip(factors, levels, strict=True))) for levels in product(*factors.values())]


def _given(
    system: System, given: Changes | list[Changes] | None, key: str, baseline: Variant, fail: Fail
) -> list[tuple[str | None, Variant]]:
    if given is None:
        return []
    places: list[tuple[KeyPath, Changes]]
    if isinstance(given, list):
        places = [((key, index), changes) for index, changes in enumerate(given)]
    else:
        places = [((key,), given)]
    return [
        (changes if isinstance(changes, str) else None, _complete(system, changes, baseline, path, fail))
        for path, changes in places
    ]


def _merge(system: System, baseline: Variant, planned: list[tuple[str | None, Variant]]) -> list[_Kept]:
    """One entry per canonical variant, in the order planned; the baseline is the first."""
    kept: dict[tuple[str, ...], _Kept] = {}
    for given, variant in planned:
        settled = canonical(system, variant, baseline)
        key = tuple(settled[switch.name] for switch in system.switches)
        asked = given or _changes(system, variant, baseline)
        if key not in kept:
            taken = given in OWN_NAMES or any(entry.name == given for entry in kept.values())
            name = given if given and not taken else _changes(system, settled, baseline)
            kept[key] = _Kept(name or _baseline_name(system, baseline), settled)
        elif asked and asked != kept[key].name and asked not in kept[key].merged:
            kept[key].merged.append(asked)
        if variant != settled and variant not in kept[key].merged_variants:
            kept[key].merged_variants.append(variant)
    return list(kept.values())


def _changes(system: System, variant: Variant, baseline: Variant) -> str:
    names = [switch.name for switch in system.switches]
    return ", ".join(f"{name}={variant[name]}" for name in names if variant[name] != baseline[name])


def _baseline_name(system: System, baseline: Variant) -> str:
    return "status_quo" if baseline == _status_quo(system) else "baseline"


def _refuse_empty(spec: PartSpec, kept: list[_Kept], factors: Factors, conditions: Resolved, fail: Fail) -> None:
    for name in factors:
        if len({entry.variant[name] for entry in kept}) < 2:
            raise fail(("factors", name), f"an empty design: {name} does not apply in any of its cells; leave it out")
    if len(kept) > 1 or (spec.design == "grid" and conditions.varied):
        return
    if spec.design == "pair":
        raise fail(("against",), "an empty design: the same cell as the baseline; name a switch that applies")
    raise fail(("design",), f"an empty design: nothing is varied; {spec.design} takes factors")


def _differing(system: System, kept: list[_Kept]) -> Factors:
    found: Factors = {}
    for switch in system.switches:
        levels = tuple(dict.fromkeys(entry.variant[switch.name] for entry in kept))
        if len(levels) > 1:
            found[switch.name] = levels
    return found


def _cells(
    part: str, system: str, mode: str, kept: list[_Kept], conditions: Resolved, values: Mapping[str, Value]
) -> list[Cell]:
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
            merged=tuple(name + suffix for name in entry.merged),
            merged_variants=tuple(entry.merged_variants),
        )
        for entry in kept
    ]


def control_of(baseline: Cell, system: str, mode: str, varied: Sequence[str]) -> Cell:
    """A second copy of the baseline (A/A), named by the process it runs in where those differ."""
    suffix = "".join(f", {name}={shown_value(baseline.conditions[name])}" for name in varied)
    own = cell_id(system, mode, baseline.variant, baseline.conditions, control=True)
    return baseline.model_copy(
        update={"id": own, "name": "control" + suffix, "control": True, "merged": (), "merged_variants": ()}
    )


def _notes(kept: list[_Kept]) -> tuple[str, ...]:
    return tuple(
        f"{entry.name} stands for {len(entry.merged)} more ({'; '.join(entry.merged)}): "
        "they differ from it at most in switches that do not apply"
        for entry in kept
        if entry.merged
    )
