"""Where a stage takes which share: every cell of all parts that name it in `map`, and in which of them a claim holds.

The claim is the one of the run that states about which share of a call the stage takes (metric `share`, of a part's
baseline); a headline comes before others. Every point is judged as the claim itself would be judged there. A cell that
did not give its share, or gave other numbers than the oracle, is no point of any rank: neither largest nor nearest. At
a cell beyond what is on trial the share is told and nothing is judged, and no such point is the nearest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.claims.address import Place
from harness.claims.ledger import Address, Claim
from harness.claims.verdict import judge_place
from harness.records import Cell, CellSummary, MapPoint, MapWord, Part, PartAnalysis, Plan, ShareMap, Value
from harness.sameness import broken_because
from harness.stats.interval import t_interval

WORDS: Mapping[str, MapWord] = {"supported": "holds", "refuted": "does not hold"}

Planned = tuple[Part, Cell]


def share_maps(plan: Plan, parts: Sequence[PartAnalysis], claims: Sequence[Claim]) -> tuple[ShareMap, ...]:
    stages = dict.fromkeys(part.map for part in plan.parts if part.map)
    return tuple(_map(stage, plan, parts, claims) for stage in stages)


def _map(stage: str, plan: Plan, parts: Sequence[PartAnalysis], claims: Sequence[Claim]) -> ShareMap:
    mapped = [part for part in plan.parts if part.map == stage]
    planned = [(part, cell) for part in mapped for cell in part.cells if not cell.control]
    facts = _differing([_facts(part, cell) for part, cell in planned])
    claim = _stating(stage, claims)
    analyses = {part.part: part for part in parts}
    points = [
        _point(stage, one, where, analyses[one[0].name], claim, plan) for one, where in zip(planned, facts, strict=True)
    ]
    points.sort(key=lambda point: -point.share.point if point.share else 1.0)
    axes, tied = _axes(mapped, facts)
    return ShareMap(
        stage=stage,
        up=axes[0] if len(axes) > 1 else None,
        across=axes[-1] if axes else None,
        tied=tied,
        stated=claim.stated / 100 if claim else None,
        tolerance=claim.tolerance / 100 if claim else 0.0,
        claim=claim.id if claim else None,
        points=tuple(points),
        nearest=_nearest(claim.stated / 100, points) if claim else None,
    )


def _facts(part: Part, cell: Cell) -> dict[str, Value]:
    return {"mode": part.mode, **cell.conditions, **cell.variant}


def _differing(facts: Sequence[dict[str, Value]]) -> list[dict[str, Value]]:
    """Of each point what is not the same in all of them."""
    names = dict.fromkeys(name for one in facts for name in one)
    differ = [name for name in names if len({one.get(name) for one in facts}) > 1]
    return [{name: one[name] for name in differ if name in one} for one in facts]


def _stating(stage: str, claims: Sequence[Claim]) -> Claim | None:
    stating = [
        claim
        for claim in claims
        if claim.relation == "about" and claim.unit == "%" and any(_of_baseline(stage, one) for one in claim.judged_by)
    ]
    return min(stating, key=lambda claim: not claim.headline, default=None)


def _of_baseline(stage: str, address: Address) -> bool:
    return address.metric == "share" and address.stage == stage and not (address.cell or address.changes)


def _point(
    stage: str, one: Planned, where: dict[str, Value], analysis: PartAnalysis, claim: Claim | None, plan: Plan
) -> MapPoint:
    part, cell = one
    summary = next(summary for summary in analysis.cells if summary.cell == cell.id)
    reason = _unfit(stage, summary)
    share = None if reason else t_interval(summary.stage_shares[stage])
    word: MapWord = "beyond" if cell.beyond else "not measured" if reason else "not settled"
    if claim is not None and share and not cell.beyond:
        address = Address(suite=plan.suite, part=part.name, metric="share", stage=stage)
        judged = judge_place(claim, address, Place(cell, cell, ""), analysis, plan)
        word, reason = WORDS.get(judged.word, word), judged.reason
    return MapPoint(part=part.name, cell=cell.id, where=where, share=share, word=word, reason=reason)


def _unfit(stage: str, summary: CellSummary) -> str:
    """Why the cell has no share; empty where it has one."""
    if summary.outcome != "measured":
        return summary.outcome
    if summary.sameness == "broken":
        return broken_because(summary)
    return "" if summary.stage_shares.get(stage) else f"stage {stage} was not timed"


def _axes(parts: Sequence[Part], facts: Sequence[Mapping[str, Value]]) -> tuple[list[str], dict[str, str]]:
    """The two numbers with the most values, in the order in which the suite gives them, and what goes with which."""
    given = dict.fromkeys(name for part in parts for name in (*part.given, *part.varied_conditions))
    numeric = [name for name in given if all(_number(one.get(name)) for one in facts)]
    tied: dict[str, str] = {}
    for place, name in enumerate(numeric):
        leads = [other for other in numeric[:place] if other not in tied and _together(name, other, facts)]
        if leads:
            tied[name] = leads[0]
    free = [name for name in numeric if name not in tied]
    most = sorted(free, key=lambda name: -len({one[name] for one in facts}))[:2]
    return [name for name in free if name in most], tied


def _number(value: Value | None) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _together(one: str, other: str, facts: Sequence[Mapping[str, Value]]) -> bool:
    pairs = {(fact[one], fact[other]) for fact in facts}
    return len(pairs) == len({first for first, _ in pairs}) == len({second for _, second in pairs})


def _nearest(stated: float, points: Sequence[MapPoint]) -> int | None:
    known = [
        (abs(point.share.point - stated), place)
        for place, point in enumerate(points)
        if point.share and point.word != "beyond"
    ]
    return min(known)[1] if known else None
