"""The word for a claim. One function, `judge`; everything it says stands in the record it returns.

With the 95 % interval [low, high] of the measured value, the stated value s and its tolerance d:

    at_least   supported if low >= s - d, refuted if high < s - d
    at_most    supported if high <= s + d, refuted if low > s + d
    about      supported if the interval lies inside [s - d, s + d], refuted if wholly outside
    within     the same for [s - d, h + d] with the upper end h of the stated range
    otherwise  inconclusive

The noise floor of its part is what two equal cells differed by, and an interval over trials does not hold it: what
layout or order does to a cell is the same in every trial. So a clock's number must clear the floor: [low, high] above
is the interval widened by it on both sides (`read.widened`), while `measured` is printed as it was measured. A share
has a floor of its own, for what slows a call slows all of its stages. That is why a claim may be judged on a host too
noisy to call ratios by the margin (78 % against 12 is no matter of 7 % of noise), as long as the noise is known.
`defended` is the strongest value the widened interval supports: its low end for at_least, its high end for at_most, the
value in it nearest to what is stated otherwise; nothing where the numbers were not fit to judge by.

A word is given only where it is earned. `untested`: a smoke run (whatever it found), no such cell in the run, a failed
cell, a single trial. `invalid`: a guard broke. `inconclusive`: outputs nobody compared, noise of unknown size,
disturbed samples, cross-talk between cells (counters do not depend on how quiet the machine was, and are judged all
the same).

Where an address has several places (conditions, levels of other switches) each is judged, and one word stands for all:

    the word of all places, where they agree
    qualified      some place supports it, and some place refutes it or is invalid; it says where it holds
    inconclusive   otherwise, if some place is
    supported      otherwise, if some place is: the others are untested, and the reason names them
    refuted        otherwise, if some place is, then invalid: what supports nothing is never called qualified
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.claims.address import Place, contradicted, guarded_cells, places
from harness.claims.beside import beside
from harness.claims.ledger import Address, Claim
from harness.claims.read import TIMED, Reading, read, widened
from harness.claims.recorded import recorded
from harness.claims.relation import combined, defended, favour, word
from harness.command import command
from harness.conditions import shown_value
from harness.lookup import cross_talk, unmeasured_because
from harness.records import Cell, ClaimVerdict, ClaimWord, Interval, Part, PartAnalysis, Plan, Value
from harness.sameness import broken_because, unchecked_because

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
    fit: Interval | None = None
    """The reading with the noise floor on both sides; None where it was not fit to judge by."""


def judge(claim: Claim, parts: Sequence[PartAnalysis], plan: Plan) -> ClaimVerdict:
    held = [found for address in claim.judged_by if (found := _held(address, parts, plan))]
    if not held:
        return recorded(
            claim, "untested", reason=_why_not(claim, plan), command=claim.command, scope=f"claimed of {claim.scope}"
        )
    address, part, analysis = held[0]
    judged = [judge_place(claim, address, place, analysis, plan) for place in places(address, part)]
    if not judged:
        reason = contradicted(address, part) or "the part runs under none of the conditions this claim speaks of"
        return recorded(claim, "untested", reason=reason, command=claim.command, scope=f"claimed of {claim.scope}")
    word = combined([one.word for one in judged])
    shown = representative(claim, word, judged)
    cell = shown.place.cell
    return recorded(
        claim,
        word,
        reason=told(claim, word, shown, judged),
        command=_repeat(plan, word),
        scope=f"claimed of {claim.scope}; judged by {_scope(part, cell, address, shown.place)}",
        measured=shown.reading.interval,
        defended=defended(claim, shown.fit),
        holds_where=tuple(one.place.where for one in judged if one.word == "supported") if word == "qualified" else (),
        part=part.name,
        cell=cell.id if cell else None,
        stage=address.stage,
        metric=address.metric,
        counted=address.metric not in TIMED,
        trials=shown.reading.trials,
        beside=beside(address, held[1:], analysis, claim.unit),
    )


def _repeat(plan: Plan, given: ClaimWord) -> str:
    """The command that judges again; for what is untested the one that would judge: every cell, and more than smoke."""
    if given != "untested":
        return command(plan)
    preset = "quick" if plan.preset == "smoke" else plan.preset
    return command(plan.model_copy(update={"only": (), "preset": preset}))


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


def judge_place(claim: Claim, address: Address, place: Place, analysis: PartAnalysis, plan: Plan) -> Judged:
    """The word the place's numbers earn; none at all in a smoke run."""
    found = _on_its_numbers(claim, address, place, analysis, plan)
    if plan.preset != "smoke" or found.word == "untested":
        return found
    reason = "smoke gives no verdicts" + (f"; {found.reason}" if found.word == "invalid" else "")
    return replace(found, word="untested", reason=reason, fit=None)


def _on_its_numbers(claim: Claim, address: Address, place: Place, analysis: PartAnalysis, plan: Plan) -> Judged:
    nothing = Reading(None)
    if place.cell is None or place.start is None:
        reason = f"this run was restricted to {', '.join(plan.only)}" if plan.only else "the suite plans no such cell"
        return Judged(place, "untested", nothing, reason)
    guarded = guarded_cells(address, place, analysis)
    for cell in guarded:
        if cell.outcome == "not_finite":
            return Judged(place, "invalid", nothing, f"{cell.name} gave numbers that are not finite")
        if cell.outcome != "measured":
            return Judged(place, "untested", nothing, unmeasured_because(cell))
    reading = read(address, place, analysis)
    for cell in guarded:
        if cell.sameness == "broken":
            return Judged(place, "invalid", reading, broken_because(cell))
    if reading.interval is None:
        return Judged(place, "untested", reading, reading.note)
    if address.metric in TIMED and reading.interval.n < 2:
        return Judged(place, "untested", reading, "one trial gives no interval")
    for cell in guarded:
        if cell.sameness == "not checked":
            return Judged(place, "inconclusive", reading, unchecked_because(cell))
    if address.metric in TIMED and not analysis.noise_known:
        return Judged(place, "inconclusive", reading, "unstable host: " + "; ".join(analysis.reasons))
    if reading.doubt:
        return Judged(place, "inconclusive", reading, reading.doubt)
    crossed = cross_talk(analysis.contrasts) if address.metric in TIMED else ()
    for cell in guarded:
        if cell.cell in crossed:
            reason = f"cross-talk: {cell.name} alone in fresh processes took another time than beside other cells"
            return Judged(place, "inconclusive", reading, reason)
    floor = (analysis.floor or 0.0) if reading.floor is None else reading.floor
    fit = widened(address.metric, reading.interval, floor if reading.slack is None else reading.slack)
    given, bare = word(claim, fit), word(claim, reading.interval)
    within = f"within {reading.bound} of {floor:.1%}: without it {bare}" if given != bare else ""
    if address.metric in TIMED and not analysis.stable and given != "inconclusive" and not within:
        within = f"a noisy host, but it clears {reading.bound} of {floor:.1%}"
    return Judged(place, given, reading, "; ".join(filter(None, (within, reading.note))), fit)


def representative(claim: Claim, given: ClaimWord, judged: Sequence[Judged]) -> Judged:
    """The place whose numbers are shown: of those with the word, the worst for the claim where it is supported
    throughout, else the best."""
    wanted = "supported" if given == "qualified" else given
    candidates = [one for one in judged if one.word == wanted]
    numbered = [(favour(claim, one.reading.interval), one) for one in candidates if one.reading.interval is not None]
    if not numbered:
        return candidates[0]
    ranked = [one for _, one in sorted(numbered, key=lambda pair: pair[0])]
    return ranked[0] if given == "supported" else ranked[-1]


def told(claim: Claim, given: ClaimWord, shown: Judged, judged: Sequence[Judged]) -> str:
    if len(judged) == 1 or given in ("invalid", "untested"):
        return shown.reason
    tested = [one for one in judged if one.word != "untested"]
    count = sum(one.word == "supported" for one in tested)
    points = [one.reading.interval.point for one in judged if one.reading.interval is not None]
    spread = f"; measured from {min(points):.3g} to {max(points):.3g} {claim.unit}" if points else ""
    left_out = "; ".join(f"{one.place.where} ({one.reason})" for one in judged if one.word == "untested")
    told = f"holds in {count} of {len(tested)}{' tested' if left_out else ''} places{spread}"
    told += f"; not tested: {left_out}" if left_out else ""
    return f"{told}; {shown.reason}" if shown.reason and given != "supported" else told


def _scope(part: Part, cell: Cell | None, address: Address, place: Place) -> str:
    """How it was judged: mode, system, size, cell, and the conditions that were given or that a reader needs."""
    size = f" at size {part.size}" if part.size else ""
    named = f", cell {cell.name}" if cell else f", {place.where}" if place.where else ""
    told = []
    known = cell or place.start
    if known is not None:
        names = dict.fromkeys((*ALWAYS_SAID, *part.given, *USUAL) if part.size else known.conditions)
        said = {n: known.conditions[n] for n in names if n in known.conditions}
        told = [f"{n}={shown_value(v)}" for n, v in said.items() if n in part.given or USUAL.get(n) != v]
    started = f", from {', '.join(f'{n}={level}' for n, level in address.start.items())}" if address.start else ""
    return f"{part.mode} of {part.system}{size}{named}{started}" + (f"; {', '.join(told)}" if told else "")
