"""What each switch did, from a two-level design: effects, Shapley shares of a full one, and which effects stand out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.analysis.contrasts import Summaries, bar_of
from harness.analysis.evidence import Evidence
from harness.analysis.responses import Changes, Found, MissingError, doubts, responses
from harness.lookup import baselines
from harness.records import Effect, HalfNormal, Part, QuantilePoint, ShapleyShare, Value
from harness.stats import factorial, half_normal
from harness.stats import margin as margins
from harness.stats.interval import ratio_interval, t_interval
from harness.stats.layout import LAYOUTS, Layout, Term

NO_SHARES = "no Shapley shares: the total of all changes cannot be told from zero"


@dataclass(frozen=True)
class Effects:
    effects: tuple[Effect, ...] = ()
    shapley: tuple[ShapleyShare, ...] = ()
    half_normals: tuple[HalfNormal, ...] = ()
    notes: tuple[str, ...] = ()


def effects(evidence: Evidence, found: Found, summaries: Summaries) -> Effects:
    """Per combination of conditions."""
    part = evidence.part
    if part.design not in LAYOUTS:
        return Effects()
    many = [name for name, levels in part.factors.items() if len(levels) != 2]
    if many:
        return Effects(notes=(f"no effects: {', '.join(many)} has not two levels",))
    layout = LAYOUTS[part.design](len(part.factors))
    wanted = [_changes(part, row) for row in layout.rows]
    made = Effects()
    for baseline in baselines(part):
        conditions = {name: baseline.conditions[name] for name in part.varied_conditions}
        try:
            known = responses(part, baseline, wanted, found, summaries)
        except MissingError as missing:
            more = Effects(notes=(f"no effects: {missing}",))
        else:
            more = _estimated(evidence, conditions, layout, known.y)
            more = _with_notes(more, doubts("effects and shares", known.cells, found))
        made = _together(made, more)
    return made


def _estimated(evidence: Evidence, conditions: Mapping[str, Value], layout: Layout, y: factorial.Array) -> Effects:
    part = evidence.part
    logs = [factorial.effect(y, term.signs) for term in layout.terms]
    told = [(term, values) for term, values in zip(layout.terms, logs, strict=True) if len(term.factors) in (1, 2)]
    listed = [_effect(evidence, conditions, term, values) for term, values in told]
    if part.design == "screening":
        listed.sort(key=lambda each: -abs(np.log(each.ratio.point)))
    full = part.design == "full_factorial"
    shares = tuple(_shares(evidence, conditions, factorial.corners(y))) if full else ()
    return Effects(
        tuple(listed),
        shares,
        tuple(_half_normal(part, conditions, layout.terms, logs)),
        (NO_SHARES,) if full and not shares else (),
    )


def _together(one: Effects, other: Effects) -> Effects:
    return Effects(
        one.effects + other.effects,
        one.shapley + other.shapley,
        one.half_normals + other.half_normals,
        tuple(dict.fromkeys(one.notes + other.notes)),
    )


def _with_notes(made: Effects, notes: Iterator[str]) -> Effects:
    return _together(made, Effects(notes=tuple(notes)))


def _changes(part: Part, row: Sequence[int]) -> Changes:
    return {name: levels[high] for high, (name, levels) in zip(row, part.factors.items(), strict=True)}


def _names(part: Part, factors: Sequence[int]) -> tuple[str, ...]:
    names = list(part.factors)
    return tuple(names[factor] for factor in factors)


def _effect(evidence: Evidence, conditions: Mapping[str, Value], term: Term, logs: factorial.Array) -> Effect:
    part = evidence.part
    names = _names(part, term.factors)
    return Effect(
        part=part.name,
        conditions=dict(conditions),
        factors=names,
        levels=tuple((part.factors[name][0], part.factors[name][1]) for name in names),
        ratio=ratio_interval(logs.tolist()),
        aliases=tuple(_names(part, alias) for alias in term.aliases),
        detectable=margins.detectable(logs.tolist(), bar_of(evidence, evidence.floor)),
    )


def _half_normal(
    part: Part, conditions: Mapping[str, Value], terms: Sequence[Term], logs: Sequence[factorial.Array]
) -> Iterator[HalfNormal]:
    if len(terms) < half_normal.LEAST:
        return
    means = [float(np.mean(values)) for values in logs]
    margin = half_normal.margin_of_error(means)
    ordered = sorted(zip(terms, means, strict=True), key=lambda pair: abs(pair[1]))
    yield HalfNormal(
        part=part.name,
        conditions=dict(conditions),
        standard_error=half_normal.pseudo_standard_error(means),
        margin=margin,
        points=tuple(
            QuantilePoint(
                factors=_names(part, term.factors),
                aliases=tuple(_names(part, alias) for alias in term.aliases),
                size=abs(mean),
                quantile=quantile,
                stray=abs(mean) > margin,
            )
            for quantile, (term, mean) in zip(half_normal.quantiles(len(ordered)), ordered, strict=True)
        ),
    )


def _shares(evidence: Evidence, conditions: Mapping[str, Value], y: factorial.Array) -> Iterator[ShapleyShare]:
    """None at all where the interval of the total holds zero: a fraction of nothing means nothing."""
    values, total = factorial.shapley(y), factorial.total(y)
    whole = t_interval(total.tolist())
    if whole.low <= 0 <= whole.high or not np.all(np.sign(total) == np.sign(whole.point)):
        return
    for i, name in enumerate(evidence.part.factors):
        yield ShapleyShare(
            part=evidence.part.name,
            conditions=dict(conditions),
            factor=name,
            ratio=ratio_interval(values[:, i].tolist()),
            fraction=t_interval((values[:, i] / total).tolist()),
            detectable=margins.detectable(values[:, i].tolist(), bar_of(evidence, evidence.floor)),
        )
