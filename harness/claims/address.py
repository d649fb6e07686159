"""From an address to the places it means: one per combination of conditions and repeated switches."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.claims.ledger import Address
from harness.conditions import shown_value
from harness.lookup import baselines, changed, growing, parted
from harness.records import Cell, CellSummary, Part, PartAnalysis, Value

COMPARED = ("reduction", "ratio")
"""Metrics that set the times of two cells against each other."""
GROWN = {"growth": "time", "memory_growth": "peak_bytes"}
JOINED = (*GROWN, "speedup")
"""Metrics that are read from several cells at once: there is one place for all values of what tells these apart."""


@dataclass(frozen=True)
class Place:
    """A cell, and the one it is compared with if the metric compares."""

    cell: Cell | None
    start: Cell | None
    where: str
    """What tells this place from the address's others, in words; empty where there is only one."""
    grown: tuple[str, ...] = ()
    """Ids of the cell under every value of the condition it is read over, as planned."""


def places(address: Address, part: Part) -> list[Place]:
    return list(_places(address, part))


def _places(address: Address, part: Part) -> Iterator[Place]:
    levels = [[(name, level) for level in chosen] for name, chosen in address.each.items()]
    size = _joined(address, part)
    if contradicted(address, part):
        return
    for alike in _alike(part, size):
        if not _picked(alike[0].conditions, address.where):
            continue
        others = {name: alike[0].conditions[name] for name in part.varied_conditions if name != size}
        for repeated in itertools.product(*levels):
            found = [_place(address, part, baseline, dict(repeated), others, size) for baseline in alike]
            yield next((place for place in found if place.cell and place.start), found[0])


def contradicted(address: Address, part: Part) -> str:
    """Why the address means nothing in this part; empty where it means something."""
    size = _joined(address, part)
    if size is None or size not in address.where:
        return ""
    return f"its address picks values of {size}, and {address.metric} is read over all of them; without them would do"


def _joined(address: Address, part: Part) -> str | None:
    """The condition over all of whose values the metric is read at once."""
    if address.metric == "speedup":
        return parted(part)
    return growing(part) if address.metric in GROWN else None


def _alike(part: Part, size: str | None) -> list[list[Cell]]:
    """Baselines that differ in nothing but that condition; without one each by itself."""
    found: dict[tuple[Value, ...], list[Cell]] = {}
    for baseline in baselines(part):
        key = tuple(baseline.conditions[name] for name in part.varied_conditions if name != size)
        found.setdefault(key, []).append(baseline)
    return list(found.values())


def _place(
    address: Address,
    part: Part,
    baseline: Cell,
    repeated: dict[str, str],
    others: Mapping[str, Value],
    size: str | None,
) -> Place:
    start = changed(part, baseline, {**repeated, **address.start})
    cell = _named(part, baseline, address.cell) if address.cell else None
    if address.cell is None:
        cell = changed(part, baseline, {**repeated, **address.start, **address.changes})
    grown = _grown(part, cell, others) if size and cell else ()
    return Place(cell, start, _words({**others, **repeated}), grown)


def _grown(part: Part, cell: Cell, others: Mapping[str, Value]) -> tuple[str, ...]:
    return tuple(
        one.id
        for one in part.cells
        if not one.control and one.variant == cell.variant and all(one.conditions[n] == others[n] for n in others)
    )


def _picked(conditions: Mapping[str, Value], where: Mapping[str, list[Value]]) -> bool:
    return all(conditions.get(name) in values for name, values in where.items())


def _named(part: Part, baseline: Cell, name: str) -> Cell | None:
    """Under varied conditions a cell carries them behind its name."""
    full = name + "".join(f", {key}={shown_value(baseline.conditions[key])}" for key in part.varied_conditions)
    family = [cell for cell in part.cells if cell.baseline == baseline.id and not cell.control]
    return next((cell for cell in family if full == cell.name or full in cell.merged), None)


def _words(varied: Mapping[str, Value]) -> str:
    return ", ".join(f"{name}={shown_value(value)}" for name, value in varied.items())


def guarded_cells(address: Address, place: Place, analysis: PartAnalysis) -> Sequence[CellSummary]:
    """Every cell the number leans on: if one failed or gives other numbers, so does the claim."""
    compares = address.metric in (*COMPARED, "probe_change") or (address.metric == "memory" and not address.of)
    cells = [cell for cell in (place.cell, place.start if compares else None) if cell is not None]
    ids = {cell.id for cell in cells} | ({cell.baseline for cell in cells} if address.metric in COMPARED else set())
    if address.metric in JOINED and place.grown:
        ids = set(place.grown)
    return [summary for summary in analysis.cells if summary.cell in ids]
