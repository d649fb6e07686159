"""What is told beside a verdict: the same change averaged over the others, and the same claim elsewhere in the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.claims.address import places
from harness.claims.ledger import Address
from harness.claims.read import TIMED, read, reduced
from harness.records import Interval, Part, PartAnalysis


def beside(
    decisive: Address, others: Sequence[tuple[Address, Part, PartAnalysis]], analysis: PartAnalysis, unit: str
) -> tuple[str, ...]:
    return (*_factorial(decisive, analysis), *_elsewhere(others, unit))


def _factorial(address: Address, analysis: PartAnalysis) -> Iterator[str]:
    """For one change against the baseline: its main effect and its share of what all changes did together."""
    if address.metric != "reduction" or len(address.changes) != 1 or address.start:
        return
    factor = next(iter(address.changes))
    for effect in analysis.effects:
        if effect.factors == (factor,):
            under = _under(effect.conditions)
            yield f"Averaged over the other switches{under}, {factor} {_saved(effect.ratio)} of the time."
    for share in analysis.shapley:
        if share.factor == factor:
            percent = Interval(
                point=100 * share.fraction.point,
                low=100 * share.fraction.low,
                high=100 * share.fraction.high,
                n=share.fraction.n,
            )
            yield f"Its Shapley share of the total speed-up{_under(share.conditions)} is {said(percent, '%')}."


def _saved(ratio: Interval) -> str:
    saved = reduced(ratio)
    if saved.point >= 0:
        return f"saves {said(saved, '%')}"
    cost = Interval(point=-saved.point, low=-saved.high, high=-saved.low, n=saved.n)
    return f"costs another {said(cost, '%')}"


def _under(conditions: dict[str, int | float | str | bool]) -> str:
    return " (" + ", ".join(f"{name}={value}" for name, value in conditions.items()) + ")" if conditions else ""


def _elsewhere(others: Sequence[tuple[Address, Part, PartAnalysis]], unit: str) -> Iterator[str]:
    for address, part, analysis in others:
        for place in places(address, part):
            if place.cell is None or place.start is None:
                continue
            reading = read(address, place, analysis)
            if reading.interval is None or (address.metric in TIMED and reading.interval.n < 2):
                continue
            where = f", {place.where}" if place.where and place.where not in place.cell.name else ""
            yield f"In part {part.name} ({part.mode}, cell {place.cell.name}{where}): {said(reading.interval, unit)}."


def said(interval: Interval, unit: str) -> str:
    """A number in a sentence, with its interval where it has one."""
    if interval.low == interval.high:
        return f"{interval.point:.3g} {unit}".strip()
    digits = ".1f" if unit == "%" else ".3g"
    return f"{interval.point:{digits}} {unit} [{interval.low:{digits}}, {interval.high:{digits}}]".replace("  ", " ")
