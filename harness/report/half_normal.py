"""Which effects of a two-level design stand out from the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.records import HalfNormal, Part, PartAnalysis, QuantilePoint
from harness.report import numbers, words
from harness.report.shown import Column, Entry, Figure, Quantile, Quantiles, Table
from harness.report.text import slug


def half_normal_figures(plan: Part, part: PartAnalysis) -> Iterator[Figure]:
    for number, found in enumerate(part.half_normals, 1):
        where = words.conditions(found.conditions)
        strays = [point for point in found.points if point.stray]
        yield Figure(
            f"half-normal-{slug(plan.name)}" + (f"-{number}" if number > 1 else ""),
            "Which effects stand out?" + (f" ({where})" if where else ""),
            f"All {len(found.points)} effects of the design by size. Those that are noise alone lie along the line, "
            "whose slope is Lenth's pseudo standard error; a named one is beyond what the largest of so much noise "
            "reaches in 95 % of designs. This judges effects by one another, the intervals judge them by the trials.",
            Quantiles(
                "half-normal quantile",
                "size of the effect, |logarithm of the time ratio|",
                tuple(_point(point, plan) for point in found.points),
                slope=found.standard_error,
                limit=found.margin,
                limit_label=f"margin of error {numbers.brief(found.margin, 2)}",
            ),
            _table(found, strays, plan) if strays else None,
        )


def _point(point: QuantilePoint, plan: Part) -> Quantile:
    mark = words.STRAY_MARK if point.stray else words.NOISE_MARK
    return Quantile(_name(point, plan), point.quantile, point.size, mark, point.stray)


def _name(point: QuantilePoint, plan: Part) -> str:
    """A chain by its first interaction, with how many more there are."""
    if not point.factors:
        return "no switch" if plan.design == "screening" else "three or more switches together"
    more = f" and {len(point.aliases)} more" if point.aliases else ""
    return words.product(point.factors) + more


def _table(found: HalfNormal, strays: Sequence[QuantilePoint], plan: Part) -> Table:
    rows = tuple(
        (
            Entry(_name(point, plan), note=", ".join(words.product(alias) for alias in point.aliases)),
            Entry(numbers.brief(point.size)),
            Entry(numbers.brief(point.quantile)),
        )
        for point in reversed(strays)
    )
    columns = (Column("Effect"), Column("|log time ratio|", True), Column("Half-normal quantile", True))
    caption = (
        f"Beyond the margin of error; the pseudo standard error of an effect is {numbers.brief(found.standard_error)}"
    )
    return Table(caption, columns, rows)
