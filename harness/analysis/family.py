"""The last word on a contrast: what it is called among all that were judged with it.

    faster, slower   its interval lies beyond the margin and the noise floor, and its adjusted p is at most 0.05
    inconclusive     its interval lies beyond the margin, but not the floor, or chance would do this among so many
    same             its interval and the floor lie inside the margin: equivalence is no alarm and needs no correction

The family is declared beforehand: all contrasts of the run (`family: run`) or of each part (`family: part`), whole
calls and stages alike. What could not have been called (no numbers, wrong outputs, noise of unknown size) does not
count. Contrasts of cells beyond the design (`beyond`) are a family of their own: however many there are, and whatever
they show, the word for what is on trial stays the same. Claims are few and declared one by one; they keep a rule of
their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from harness.analysis.contrasts import CALLED
from harness.records import Contrast, PartAnalysis, Plan
from harness.stats import margin as margins
from harness.stats.family import adjusted, next_level


def judged_parts(parts: Sequence[PartAnalysis], plan: Plan) -> tuple[PartAnalysis, ...]:
    """Every part with its contrasts judged in their family."""
    if plan.family == "part":
        return tuple(one for part in parts for one in _together([part], plan.margin))
    return tuple(_together(parts, plan.margin))


def _together(parts: Sequence[PartAnalysis], margin: float) -> Iterable[PartAnalysis]:
    contrasts = [one for part in parts for one in (*part.contrasts, *part.stage_contrasts)]
    size = family_size([one for one in contrasts if not one.beyond])
    judged_ones = iter(judged(contrasts, margin))
    for part in parts:
        update = {
            "contrasts": tuple(next(judged_ones) for _ in part.contrasts),
            "stage_contrasts": tuple(next(judged_ones) for _ in part.stage_contrasts),
            "detectable": margins.detectable_of(part.control, max(margin, part.floor or 0.0), size)
            if part.control
            else None,
            "family": size,
        }
        yield part.model_copy(update=update)


def family_size(contrasts: Sequence[Contrast]) -> int:
    """Contrasts that were judged; where verdicts were withheld from all, those that would have been."""
    members = sum(one.verdict in CALLED for one in contrasts)
    return members or max(1, sum(one.verdict == "withheld" and one.p_value is not None for one in contrasts))


def judged(contrasts: Sequence[Contrast], margin: float) -> list[Contrast]:
    """The same contrasts in the same order, those on trial called as one family and those beyond as another."""
    families = {beyond: iter(_called_together(contrasts, margin, beyond=beyond)) for beyond in (False, True)}
    return [next(families[one.beyond]) for one in contrasts]


def _called_together(every: Sequence[Contrast], margin: float, *, beyond: bool) -> list[Contrast]:
    contrasts = [one for one in every if one.beyond == beyond]
    size = family_size(contrasts)
    p = [one.p_value if one.p_value is not None else 1.0 for one in contrasts if one.verdict in CALLED]
    corrected = adjusted(p)
    level = next_level(corrected)
    rest = iter(corrected)
    found = []
    for one in contrasts:
        seen = _with_detectable(one, margin, size)
        found.append(_called(seen, margin, next(rest), level, size) if one.verdict in CALLED else seen)
    return found


def _with_detectable(one: Contrast, margin: float, size: int) -> Contrast:
    detectable = margins.detectable_of(one.ratio, one.bar or margin, size) if one.ratio else None
    return one.model_copy(update={"detectable": detectable})


def _called(one: Contrast, margin: float, adjusted_p: float, level: float, size: int) -> Contrast:
    logs, bar = np.log(one.trials).tolist(), one.bar or margin
    word, why = margins.called(logs, margin, bar), ""
    bare = margins.called(logs, margin)
    if word == "inconclusive" != bare:
        why = f"within the noise floor of {bar:.1%}: without it {bare}"
    if word in ("faster", "slower") and adjusted_p > margins.ALPHA:
        chance = f"among {size} contrasts chance would do this (adjusted p {adjusted_p:.2g})"
        why = f"alone it would be {word}; {chance}"
        word = "inconclusive"
    update = {
        "verdict": word,
        "reason": one.reason if why in one.reason else "; ".join(filter(None, (one.reason, why))),
        "adjusted_p": adjusted_p,
        "n_to_settle": _settled(logs, margin, bar, level) if word == "inconclusive" else None,
    }
    return one.model_copy(update=update)


def _settled(logs: Sequence[float], margin: float, bar: float, level: float) -> int | None:
    """None too where only a quieter host would settle it: the change lies within a floor that bars `same`."""
    within = abs(float(np.mean(logs))) <= math.log1p(bar)
    return None if bar > margin and within else margins.n_to_settle(logs, bar, level)
