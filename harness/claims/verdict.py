"""The word for a claim. One function, `judge`; everything it says stands in the record it returns.

With the 95 % interval [low, high] of the measured value, the stated value s and its tolerance d:

    at_least   supported if low >= s - d, refuted if high < s - d
    at_most    supported if high <= s + d, refuted if low > s + d
    about      supported if the interval lies inside [s - d, s + d], refuted if wholly outside
    otherwise  inconclusive

`defended` is the strongest value the interval supports: its low end for at_least, its high end for at_most, the value
in it nearest to s for about.

A word is given only where it is earned. `untested`: the run has no such cell, the cell failed, a smoke run, a single
trial. `invalid`: a guard broke. `inconclusive`: outputs nobody compared, an unstable host (counters do not depend on
how quiet the machine was, and are judged all the same). Where an address has several places (conditions, levels of
other switches) each is judged; a claim that holds in some of them only is `qualified`, and says where.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from harness.claims.address import TIMED, Place, Reading, guarded_cells, places, read
from harness.claims.beside import beside
from harness.claims.ledger import Address, Claim
from harness.conditions import shown_value
from harness.records import Cell, ClaimVerdict, ClaimWord, Interval, Part, PartAnalysis, Plan, Value
from harness.sameness import broken_because

ALWAYS_SAID = ("batch_size", "threads")
USUAL: dict[str, Value] = {"allocator": "default", "flush_denormal": False, "dtype": "float32", "device": "cpu"}
"""Conditions that are told only where they differ."""

Held = tuple[Address, Part, PartAnalysis]
"""An address with the part it points into, as planned and as measured."""


@dataclass(frozen=True)
class Judged:
    """One place's word."""

    place: Place
    word: ClaimWord
    reading: Reading
    reason: str


def judge(claim: Claim, parts: Sequence[PartAnalysis], plan: Plan) -> ClaimVerdict:
    held = [found for address in claim.judged_by if (found := _held(address, parts, plan))]
    if not held:
        return _record(
            claim, "untested", reason=_why_not(claim, plan), command=claim.command, scope=f"claimed of {claim.scope}"
        )
    address, part, analysis = held[0]
    judged = [_judge_place(claim, address, place, analysis, plan) for place in places(address, part)]
    if not judged:
        reason = "the part runs under none of the conditions this claim speaks of"
        return _record(claim, "untested", reason=reason, command=claim.command, scope=f"claimed of {claim.scope}")
    word = _combined([one.word for one in judged])
    shown = _representative(claim, word, judged)
    cell = shown.place.cell
    return _record(
        claim,
        word,
        reason=_reason(claim, word, shown, judged),
        command=_repeat(plan),
        scope=f"claimed of {claim.scope}; judged by {_scope(part, cell, address, shown.place)}",
        measured=shown.reading.interval,
        defended=_defended(claim, shown.reading.interval) if _earned(shown.word, shown.reading) else None,
        holds_where=tuple(one.place.where for one in judged if one.word == "supported") if word == "qualified" else (),
        part=part.name,
        cell=cell.id if cell else None,
        stage=address.stage,
        counted=address.metric not in TIMED,
        trials=shown.reading.trials,
        beside=beside(address, held[1:], analysis, claim.unit),
    )


def _repeat(plan: Plan) -> str:
    """The command that would judge again; a suite of the user's own is named by its file."""
    file = PurePath(plan.suite_file)
    known = (file.parent.name, file.stem) == ("suites", plan.suite)
    preset = "" if plan.preset in ("smoke", "quick") else f" --preset {plan.preset}"
    return f"semh run {plan.suite if known else plan.suite_file}{preset}"


def _held(address: Address, parts: Sequence[PartAnalysis], plan: Plan) -> Held | None:
    if address.suite != plan.suite:
        return None
    part = next((part for part in plan.parts if part.name == address.part), None)
    analysis = next((one for one in parts if one.part == address.part), None)
    return (address, part, analysis) if part and analysis else None


def _why_not(claim: Claim, plan: Plan) -> str:
    if any(address.suite == plan.suite for address in claim.judged_by) and plan.only:
        return f"this run was restricted to {', '.join(plan.only)}"
    return claim.untested_because or f"the suite {plan.suite} does not measure it"


def _judge_place(claim: Claim, address: Address, place: Place, analysis: PartAnalysis, plan: Plan) -> Judged:
    nothing = Reading(None)
    if place.cell is None or place.start is None:
        reason = f"this run was restricted to {', '.join(plan.only)}" if plan.only else "the suite plans no such cell"
        return Judged(place, "untested", nothing, reason)
    guarded = guarded_cells(address, place, analysis)
    for cell in guarded:
        if cell.outcome == "not_finite":
            return Judged(place, "invalid", nothing, f"{cell.name} gave numbers that are not finite")
        if cell.outcome != "measured":
            return Judged(place, "untested", nothing, f"{cell.name}: {cell.outcome}")
    reading = read(address, place, analysis)
    for cell in guarded:
        if cell.sameness == "broken":
            return Judged(place, "invalid", reading, broken_because(cell))
    if reading.interval is None:
        return Judged(place, "untested", reading, reading.note)
    if plan.preset == "smoke":
        return Judged(place, "untested", reading, "smoke gives no verdicts")
    if address.metric in TIMED and reading.interval.n < 2:
        return Judged(place, "untested", reading, "one trial gives no interval")
    for cell in guarded:
        if cell.sameness == "not checked":
            return Judged(place, "inconclusive", reading, f"outputs of {cell.name} were not compared with the oracle")
    if address.metric in TIMED and not analysis.stable:
        return Judged(place, "inconclusive", reading, "unstable host: " + "; ".join(analysis.reasons))
    return Judged(place, word(claim, reading.interval), reading, reading.note)


def word(claim: Claim, measured: Interval) -> ClaimWord:
    least, most = claim.stated - claim.tolerance, claim.stated + claim.tolerance
    if claim.relation == "at_least":
        supported, refuted = measured.low >= least, measured.high < least
    elif claim.relation == "at_most":
        supported, refuted = measured.high <= most, measured.low > most
    else:
        supported = least <= measured.low and measured.high <= most
        refuted = measured.high < least or measured.low > most
    return "supported" if supported else "refuted" if refuted else "inconclusive"


def _defended(claim: Claim, measured: Interval | None) -> float | None:
    if measured is None:
        return None
    if claim.relation == "at_least":
        return measured.low
    if claim.relation == "at_most":
        return measured.high
    return min(max(claim.stated, measured.low), measured.high)


def _earned(given: ClaimWord, reading: Reading) -> bool:
    """Nothing is defended by numbers that were not fit to judge by."""
    return given in ("supported", "refuted", "inconclusive") and reading.interval is not None


def _combined(words: Sequence[ClaimWord]) -> ClaimWord:
    """One word for all places. What no place could decide is never overruled by one that refutes."""
    if len(set(words)) == 1:
        return words[0]
    if "supported" in words:
        return "qualified"
    order: tuple[ClaimWord, ...] = ("inconclusive", "refuted", "invalid", "untested")
    return next(one for one in order if one in words)


def _representative(claim: Claim, given: ClaimWord, judged: Sequence[Judged]) -> Judged:
    """The place whose numbers are shown: of those with the word, the worst for the claim where it is supported
    throughout, else the best."""
    wanted = "supported" if given == "qualified" else given
    candidates = [one for one in judged if one.word == wanted]
    numbered = [one for one in candidates if one.reading.interval is not None]
    if not numbered:
        return candidates[0]
    ranked = sorted(numbered, key=lambda one: _favour(claim, one.reading))
    return ranked[0] if given == "supported" else ranked[-1]


def _favour(claim: Claim, reading: Reading) -> float:
    assert reading.interval is not None
    if claim.relation == "at_least":
        return reading.interval.low
    if claim.relation == "at_most":
        return -reading.interval.high
    return -abs(reading.interval.point - claim.stated)


def _reason(claim: Claim, given: ClaimWord, shown: Judged, judged: Sequence[Judged]) -> str:
    if len(judged) == 1 or given in ("invalid", "untested"):
        return shown.reason
    count = sum(one.word == "supported" for one in judged)
    points = [one.reading.interval.point for one in judged if one.reading.interval is not None]
    spread = f"; measured from {min(points):.3g} to {max(points):.3g} {claim.unit}" if points else ""
    told = f"holds in {count} of {len(judged)} places{spread}"
    return f"{told}; {shown.reason}" if shown.reason and given != "supported" else told


def _scope(part: Part, cell: Cell | None, address: Address, place: Place) -> str:
    """How it was judged: mode, system, size, cell, and the conditions a reader needs."""
    size = f" at size {part.size}" if part.size else ""
    named = f", cell {cell.name}" if cell else f", {place.where}" if place.where else ""
    told = []
    if cell is not None:
        names = [*ALWAYS_SAID, *USUAL] if part.size else list(cell.conditions)
        said = {n: cell.conditions[n] for n in names if n in cell.conditions}
        told = [f"{n}={shown_value(value)}" for n, value in said.items() if USUAL.get(n) != value]
    started = f", from {', '.join(f'{n}={level}' for n, level in address.start.items())}" if address.start else ""
    return f"{part.mode} of {part.system}{size}{named}{started}" + (f"; {', '.join(told)}" if told else "")


def _record(
    claim: Claim,
    given: ClaimWord,
    *,
    reason: str,
    command: str,
    scope: str,
    measured: Interval | None = None,
    defended: float | None = None,
    holds_where: tuple[str, ...] = (),
    part: str | None = None,
    cell: str | None = None,
    stage: str | None = None,
    counted: bool = False,
    trials: tuple[float, ...] = (),
    beside: tuple[str, ...] = (),
) -> ClaimVerdict:
    return ClaimVerdict(
        id=claim.id,
        document=claim.document,
        section=claim.section,
        line=claim.line,
        statement=claim.statement,
        headline=claim.headline,
        relation=claim.relation,
        stated=claim.stated,
        tolerance=claim.tolerance,
        unit=claim.unit,
        verdict=given,
        measured=measured,
        counted=counted,
        defended=defended,
        scope=scope,
        holds_where=holds_where,
        reason=reason,
        part=part,
        cell=cell,
        stage=stage,
        trials=trials,
        beside=beside,
        command=command,
    )
