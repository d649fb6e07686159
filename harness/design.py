"""Which variants a part runs, under which conditions: its cells.

    pair                  the baseline and every variant in `against`
    one_at_a_time         the baseline and, for every factor, each other level alone
    leave_one_out         the baseline, everything on, and everything but one factor, for every factor
    ladder                the baseline, then one change after another on top of it, in the order of the factors
    full_factorial        every combination of factors of two levels each
    fractional_factorial  a part of them that keeps main effects clear of two-way interactions (stats/fraction.py)
    screening             as few of them as give main effects (stats/screening.py)
    grid                  every combination, any number of levels; no effects

Every combination of varied conditions repeats the design, with a baseline of its own. Variants that differ only in a
switch that does not apply are one cell: the switch is set to the baseline's level there. A fraction, a screening
design, a ladder and leaving one out are refused where that would happen to a cell they need.

`also` adds variants to any design. `beyond` adds those that go beyond what is on trial: they share its trials and its
baseline, and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

from harness.aliases import fraction_notes, screening_notes
from harness.cells import Kept, cells_of, merge, merge_notes
from harness.conditions import Fail, Resolved
from harness.records import Cell
from harness.stats import fraction, screening
from harness.suite import PartSpec
from harness.system import System
from harness.variants import Factors, Named, Variant, canonical, complete, listed, read_factors, status_quo

MAX_CELLS = 512
TWO_LEVELS = ("leave_one_out", "full_factorial", "fractional_factorial", "screening")
SOME_ROWS = ("fractional_factorial", "screening")
NUMBER_OF_FACTORS = {
    "leave_one_out": (2, math.inf, "takes 2 or more"),
    "ladder": (2, math.inf, "takes 2 or more"),
    "fractional_factorial": (fraction.FEWEST, math.inf, f"takes {fraction.FEWEST} or more, full_factorial any number"),
    "screening": (
        screening.FEWEST,
        screening.MOST,
        f"takes {screening.FEWEST} to {screening.MOST}, full_factorial fewer and fractional_factorial more",
    ),
}


@dataclass(frozen=True)
class Drawn:
    cells: tuple[Cell, ...]
    factors: Factors
    notes: tuple[str, ...]


def draw(part: str, system: System, mode: str, spec: PartSpec, conditions: Resolved, fail: Fail) -> Drawn:
    """The cells of a part, baselines first under each combination of conditions."""
    baseline = complete(system, spec.baseline, status_quo(system), ("baseline",), fail)
    factors = read_factors(system, spec, baseline, fail)
    _refuse_numbers(spec, factors, fail)
    _refuse_too_many(spec, factors, math.prod(map(len, conditions.varied.values())), fail)
    planned: list[Named] = [(None, baseline), *_planned(system, mode, spec, baseline, factors, fail)]
    kept = merge(system, mode, baseline, planned)
    _refuse_empty(spec, kept, factors, conditions, fail)
    notes = tuple(_notes(system, mode, spec, baseline, factors))
    planned += listed(system, spec.also, "also", baseline, fail)
    kept = merge(system, mode, baseline, planned)
    if spec.design == "pair":
        factors = _differing(system, kept)
    kept += _beyond(system, mode, spec, baseline, planned, fail)
    cells = tuple(
        cell
        for values in product(*conditions.varied.values())
        for cell in cells_of(
            part, spec.system, mode, kept, conditions, dict(zip(conditions.varied, values, strict=True))
        )
    )
    return Drawn(cells, factors, (*notes, *merge_notes(kept)))


def _beyond(
    system: System, mode: str, spec: PartSpec, baseline: Variant, planned: list[Named], fail: Fail
) -> list[Kept]:
    """What goes beyond the planned variants; one that is among them would be judged twice."""
    given = listed(system, spec.beyond, "beyond", baseline, fail)
    own = merge(system, mode, baseline, planned)
    for index, (_, variant) in enumerate(given):
        settled = canonical(system, mode, variant, baseline)
        twin = next((entry.name for entry in own if entry.variant == settled), None)
        if twin is not None:
            path = ("beyond", index) if isinstance(spec.beyond, list) else ("beyond",)
            raise fail(path, f"the same cell as {twin!r} of the design; leave it out, or name what goes beyond it")
    found = merge(system, mode, baseline, [*planned, *given])[len(own) :]
    return [replace(entry, beyond=True) for entry in found]


def one_at_a_time(baseline: Variant, factors: Factors) -> Iterator[Named]:
    for name, levels in factors.items():
        yield from ((None, baseline | {name: level}) for level in levels[1:])


def leave_one_out(baseline: Variant, factors: Factors) -> Iterator[Named]:
    everything = baseline | {name: levels[-1] for name, levels in factors.items()}
    yield "everything on", everything
    for name in factors:
        yield f"everything but {name}", everything | {name: baseline[name]}


def ladder(baseline: Variant, factors: Factors) -> Iterator[Named]:
    rung = dict(baseline)
    for name, levels in factors.items():
        for level in levels[1:]:
            rung = rung | {name: level}
            yield None, rung


def crossed(baseline: Variant, factors: Factors) -> Iterator[Named]:
    for levels in product(*factors.values()):
        yield None, baseline | dict(zip(factors, levels, strict=True))


def some_of(rows: Callable[[int], fraction.Rows]) -> Callable[[Variant, Factors], Iterator[Named]]:
    def chosen(baseline: Variant, factors: Factors) -> Iterator[Named]:
        for row in rows(len(factors)):
            changes = {name: levels[high] for high, (name, levels) in zip(row, factors.items(), strict=True)}
            yield None, baseline | changes

    return chosen


VARIANTS: Mapping[str, Callable[[Variant, Factors], Iterator[Named]]] = {
    "one_at_a_time": one_at_a_time,
    "leave_one_out": leave_one_out,
    "ladder": ladder,
    "full_factorial": crossed,
    "fractional_factorial": some_of(fraction.rows),
    "screening": some_of(screening.rows),
    "grid": crossed,
}


def _planned(system: System, mode: str, spec: PartSpec, baseline: Variant, factors: Factors, fail: Fail) -> list[Named]:
    if spec.design == "pair":
        if factors:
            raise fail(("factors",), "found factors; pair takes against, the other designs take factors")
        if not spec.against:
            raise fail((), "an empty design: pair without against; add against: all_on, or a mapping of changes")
        return listed(system, spec.against, "against", baseline, fail)
    if spec.against is not None:
        raise fail(("against",), f"found against; {spec.design} takes factors, also adds variants to any design")
    if not factors:
        return []
    planned = list(VARIANTS[spec.design](baseline, factors))
    _refuse_dead(spec, factors, [_dead(system, mode, variant, baseline) for _, variant in planned], fail)
    return planned


def _refuse_numbers(spec: PartSpec, factors: Factors, fail: Fail) -> None:
    for name, levels in factors.items():
        if spec.design in TWO_LEVELS and len(levels) > 2:
            raise fail(("factors", name), f"{len(levels)} levels; {spec.design} takes two, grid any number")
    least, most, takes = NUMBER_OF_FACTORS.get(spec.design, (0, math.inf, ""))
    if factors and not least <= len(factors) <= most:
        raise fail(("factors",), f"{len(factors)} factor{'s' * (len(factors) > 1)}; {spec.design} {takes}")


def _refuse_too_many(spec: PartSpec, factors: Factors, combinations: int, fail: Fail) -> None:
    rows = 1
    if spec.design in ("full_factorial", "grid"):
        rows = math.prod(map(len, factors.values()))
    elif spec.design == "fractional_factorial" and factors:
        rows = 2 ** fraction.free(len(factors))
    elif spec.design == "screening" and factors:
        rows = 2 * (screening.columns(len(factors)) + 1)
    if combinations * rows > MAX_CELLS:
        count = combinations * rows
        raise fail(("design",), f"{count} cells; up to {MAX_CELLS} would do, with fewer levels or conditions")


def _refuse_dead(spec: PartSpec, factors: Factors, dead: list[list[str]], fail: Fail) -> None:
    """A change that does not apply where the design needs it: its effect there would be nothing, and look measured.
    dead: of each planned variant, the switches it changes that do not apply."""
    if spec.design in SOME_ROWS:
        for name in factors:
            count = sum(name in names for names in dead)
            if count:
                raise fail(
                    ("factors", name),
                    f"{name} does not apply in {count} of the {len(dead)} cells, and {spec.design} needs every "
                    "switch in every cell; leave it out, or take full_factorial, which runs every combination",
                )
    elif spec.design == "leave_one_out" and dead[0]:
        raise fail(("factors", dead[0][0]), f"{dead[0][0]} does not apply where everything is on; leave it out")
    elif spec.design == "ladder":
        for name, names in zip(_climbed(factors), dead, strict=True):
            if name in names:
                raise fail(
                    ("factors", name),
                    f"{name} does not apply on its rung of the ladder; name it after the switch it hangs on",
                )


def _dead(system: System, mode: str, variant: Variant, baseline: Variant) -> list[str]:
    """Switches that do not apply in a variant, though it changes them."""
    settled = canonical(system, mode, variant, baseline)
    return [name for name, level in variant.items() if settled[name] != level]


def _climbed(factors: Factors) -> Iterator[str]:
    """The factor of each rung."""
    for name, levels in factors.items():
        yield from (name for _ in levels[1:])


def _refuse_empty(spec: PartSpec, kept: list[Kept], factors: Factors, conditions: Resolved, fail: Fail) -> None:
    for name in factors:
        if len({entry.variant[name] for entry in kept}) < 2:
            raise fail(("factors", name), f"an empty design: {name} does not apply in any of its cells; leave it out")
    if len(kept) > 1 or (spec.design == "grid" and conditions.varied):
        return
    if spec.design == "pair":
        raise fail(("against",), "an empty design: the same cell as the baseline; name a switch that applies")
    raise fail(("design",), f"an empty design: nothing is varied; {spec.design} takes factors")


def _differing(system: System, kept: list[Kept]) -> Factors:
    found: Factors = {}
    for switch in system.switches:
        levels = tuple(dict.fromkeys(entry.variant[switch.name] for entry in kept))
        if len(levels) > 1:
            found[switch.name] = levels
    return found


def _notes(system: System, mode: str, spec: PartSpec, baseline: Variant, factors: Factors) -> Iterable[str]:
    if spec.design == "fractional_factorial":
        yield from fraction_notes(list(factors))
    elif spec.design == "screening":
        yield from screening_notes(list(factors))
    elif spec.design == "leave_one_out":
        without = [variant for _, variant in leave_one_out(baseline, factors)][1:]
        for name, variant in zip(factors, without, strict=True):
            for other in _dead(system, mode, variant, baseline):
                yield f"leaving out {name} takes {other} with it, which does not apply without it"
