"""Where a claim would be true: every other place of the run that gives the number it speaks of, judged there.

Other places are what the claim's further addresses name in the same run, and the points of a share map that was drawn
for it. Of those in which it holds the one comes first that differs least from where the claim was judged: in the
fewest conditions, then by the smallest factors.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.claims.address import places
from harness.claims.beside import said
from harness.claims.ledger import Claim
from harness.claims.verdict import judge_place
from harness.conditions import shown_value
from harness.records import Cell, ClaimVerdict, Interval, Part, PartAnalysis, Plan, ShareMap, Value

ASKED = ("refuted", "qualified", "inconclusive")
JUDGED = ("supported", "refuted", "inconclusive")
MAPPED = {"holds": "supported", "does not hold": "refuted", "not settled": "inconclusive"}
NAMED = 3
"""Places that are named, and switches that are named one by one before the cell's own name stands for them."""
Facts = dict[str, Value | None]


@dataclass(frozen=True)
class Site:
    """Another place, with the word the claim earns there."""

    part: Part
    cell: Cell
    word: str
    reading: Interval


def located(
    verdict: ClaimVerdict, claim: Claim, parts: Sequence[PartAnalysis], plan: Plan, maps: Sequence[ShareMap]
) -> ClaimVerdict:
    """The same verdict, with where else in this run the claim holds, or where it was looked for in vain."""
    here = next(
        ((part, cell) for part in plan.parts for cell in part.cells if (part.name, cell.id) == _place(verdict)), None
    )
    if verdict.verdict not in ASKED or here is None:
        return verdict
    sites = {(site.part.name, site.cell.id): site for site in _sites(claim, parts, plan, maps)}
    others = [site for key, site in sites.items() if key != _place(verdict)]
    if not others:
        return verdict.model_copy(update={"looked": _unlooked(claim, plan)})
    holding = sorted((site for site in others if site.word == "supported"), key=lambda site: _distance(here, site))
    told = [f"{_differing(here, site)}: {said(site.reading, claim.unit)}" for site in holding[:NAMED]]
    if len(holding) > NAMED:
        told.append(f"and {len(holding) - NAMED} more")
    looked = "" if holding or verdict.holds_where else _nowhere(claim, here, others)
    return verdict.model_copy(update={"would_hold": tuple(told), "looked": looked})


def _place(verdict: ClaimVerdict) -> tuple[str | None, str | None]:
    return verdict.part, verdict.cell


def _sites(claim: Claim, parts: Sequence[PartAnalysis], plan: Plan, maps: Sequence[ShareMap]) -> Iterator[Site]:
    planned = {part.name: part for part in plan.parts}
    analysed = {part.part: part for part in parts}
    for address in claim.judged_by:
        part, analysis = planned.get(address.part), analysed.get(address.part)
        if address.suite != plan.suite or part is None or analysis is None:
            continue
        for place in places(address, part):
            judged = judge_place(claim, address, place, analysis, plan)
            if place.cell is not None and judged.word in JUDGED and judged.reading.interval is not None:
                yield Site(part, place.cell, judged.word, judged.reading.interval)
    cells = {(part.name, cell.id): cell for part in plan.parts for cell in part.cells}
    for each in maps:
        for point in each.points if each.claim == claim.id else ():
            if point.share is not None and point.word in MAPPED:
                percent = {name: 100 * getattr(point.share, name) for name in ("point", "low", "high")}
                cell = cells[point.part, point.cell]
                yield Site(planned[point.part], cell, MAPPED[point.word], Interval(**percent, n=point.share.n))


def _facts(part: Part, cell: Cell) -> Facts:
    return {"mode": part.mode, "size": part.size, **cell.conditions, **cell.variant}


def _changed(here: tuple[Part, Cell], site: Site) -> dict[str, tuple[Value | None, Value | None]]:
    """Name -> (here, there). Where two named sizes differ, their names stand for the dimensions."""
    ours, theirs = _facts(*here), _facts(site.part, site.cell)
    sizes = (ours["size"], theirs["size"])
    given = {"mode", "size", *here[0].given, *site.part.given, *site.part.varied_conditions, *site.cell.variant}
    names = [name for name in theirs if None in sizes or sizes[0] == sizes[1] or name in given]
    return {name: (ours.get(name), theirs[name]) for name in names if ours.get(name) != theirs[name]}


def _distance(here: tuple[Part, Cell], site: Site) -> tuple[int, float]:
    pairs = _changed(here, site).values()
    return len(pairs), sum(abs(_log(there) - _log(one)) for one, there in pairs)


def _log(value: Value | None) -> float:
    """Zero of what is no size: words and switches differ by their number alone."""
    return math.log(value) if isinstance(value, int | float) and value > 0 else 0.0


def _differing(here: tuple[Part, Cell], site: Site) -> str:
    changed = _changed(here, site)
    switched = [name for name in changed if name in site.cell.variant]
    told = [_told(name, *pair) for name, pair in changed.items() if len(switched) <= NAMED or name not in switched]
    if len(switched) > NAMED:
        told.append(f"cell {site.cell.name}")
    return ", ".join(told) or f"part {site.part.name}"


def _told(name: str, here: Value | None, there: Value | None) -> str:
    named = "" if name == "mode" else f"{name} "
    before = "" if here is None else f" (here {shown_value(here)})"
    return f"{named}{'of its own' if there is None else shown_value(there)}{before}"


def _nowhere(claim: Claim, here: tuple[Part, Cell], others: Sequence[Site]) -> str:
    nearest = min(others, key=lambda site: abs(site.reading.point - claim.stated))
    unsettled = sum(site.word == "inconclusive" for site in others)
    places_ = "the other place" if len(others) == 1 else f"any of the {len(others)} other places"
    told = f"not {'settled ' if unsettled else ''}at {places_} of this run"
    if 0 < unsettled < len(others):
        told = f"not settled at {unsettled} of the {len(others)} other places of this run, not true at the rest"
    return f"{told}; nearest {said(nearest.reading, claim.unit)} at {_differing(here, nearest)}"


def _unlooked(claim: Claim, plan: Plan) -> str:
    suites = dict.fromkeys(address.suite for address in claim.judged_by if address.suite != plan.suite)
    asked = ", ".join(f"semh run {suite}" for suite in suites)
    return f"not looked for in this run{f'; to look elsewhere: {asked}' if asked else ''}"
