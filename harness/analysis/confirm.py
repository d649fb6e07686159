"""What was measured once more, held against what the trials said.

A regression recurs if the recheck, judged as the trials were (its own control, its own canary, the suspected contrasts
as the family), calls it `slower` too. Otherwise it is `inconclusive`: what does not recur is not called. A win whose
cell and baseline, each alone in fresh processes, differ otherwise than inside the trials by more than the bar is
`cross-talk`, and `inconclusive` too (`stats.adjacent`). Where fresh processes are too noisy to say, the win stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from harness.analysis.cells import summarise
from harness.analysis.contrasts import compared, contrast, pair_all
from harness.analysis.controls import control_interval
from harness.analysis.evidence import Evidence
from harness.analysis.family import judged
from harness.analysis.followed import Followed
from harness.analysis.stage_contrasts import stage_contrasts
from harness.lookup import cross_talk
from harness.records import Confirmation, Contrast, Interval, PartAnalysis
from harness.stats import adjacent, noise, welch
from harness.stats import margin as margins
from harness.stats.disturbed import judged_by_clock
from harness.stats.interval import exponentiated, ratio_interval

Key = tuple[str, str, str]
"""Cell, stage, direction."""


def confirmed(evidence: Evidence, part: PartAnalysis) -> PartAnalysis:
    """The part with what its follow-ups found. One whose run has decided on none yet stays as it is."""
    if evidence.followed is None:
        return part
    slower = [one for one in (*part.contrasts, *part.stage_contrasts) if one.verdict == "slower"]
    again = {_key(one): one for one in _measured_again(evidence, slower)} if slower else {}
    contrasts = tuple(_settled(evidence, one, again) for one in part.contrasts)
    stages = tuple(_settled(evidence, one, again) for one in part.stage_contrasts)
    spoilt = [summary.name for summary in part.cells if summary.cell in cross_talk(contrasts)]
    note = f"cross-talk in {', '.join(spoilt)}: so it is with effects, shares and steps that rest on its times"
    notes = (*part.notes, note) if spoilt else part.notes
    return part.model_copy(update={"contrasts": contrasts, "stage_contrasts": stages, "notes": notes})


def _key(one: Contrast) -> Key:
    return one.cell, one.stage, one.direction


def _settled(evidence: Evidence, one: Contrast, again: Mapping[Key, Contrast]) -> Contrast:
    if one.verdict == "slower":
        return _rechecked(evidence, one, again)
    if one.verdict == "faster" and not one.stage:
        return _measured_alone(evidence, one)
    return one


def _measured_again(evidence: Evidence, slower: Sequence[Contrast]) -> list[Contrast]:
    """The suspected contrasts from the rechecks alone, judged as a family of their own."""
    through = [one for one in evidence.followed or () if one.follow_up.process == "recheck" and not one.lacking]
    resident = {cell for one in through for cell in one.follow_up.cells}
    suspects = {_key(one) for one in slower if one.cell in resident}
    if not suspects:
        return []
    again = replace(
        evidence,
        part=evidence.part.model_copy(update={"cells": tuple(c for c in evidence.part.cells if c.id in resident)}),
        blocks=judged_by_clock([block for one in through for block in one.blocks]),
        trials=min(one.follow_up.trials for one in through),
    )
    return judged([one for one in _contrasts(again) if _key(one) in suspects], evidence.margin)


def _contrasts(evidence: Evidence) -> Iterator[Contrast]:
    summaries = {cell.id: summarise(evidence, cell) for cell in evidence.part.cells}
    found = pair_all(evidence)
    _, control = control_interval(evidence, found)
    canary = noise.canary_drift(evidence.blocks, one_thread=evidence.one_thread)
    unknown = noise.unknown_because(control, canary, margin=evidence.margin, trials=evidence.trials)
    floor = margins.floor(control) if control and control.n > 1 else None
    for cell in compared(evidence):
        yield contrast(evidence, cell, found[cell.id], summaries, unknown, floor)
    yield from stage_contrasts(evidence, summaries, canary)


def _rechecked(evidence: Evidence, one: Contrast, again: Mapping[Key, Contrast]) -> Contrast:
    lacking = _lacking(evidence, "recheck", one)
    if lacking:
        return _with(one, Confirmation(way="again", ratio=None, agrees=False, reason=f"provisional: {lacking}"))
    found = again.get(_key(one))
    if found is None or found.ratio is None:
        told = Confirmation(way="again", word="too noisy", ratio=None, agrees=False)
        return _not_called(one, told, "when measured again, no pair was left")
    if found.verdict == "slower":
        reason = f"recurred: {_said(found.ratio)} when measured again"
        return _with(one, Confirmation(way="again", word="recurred", ratio=found.ratio, agrees=True, reason=reason))
    barred = margins.called(np.log(found.trials).tolist(), evidence.margin) == "slower"
    if found.verdict in ("same", "inconclusive", "faster") and not barred:
        told = Confirmation(way="again", word="did not recur", ratio=found.ratio, agrees=False)
        return _not_called(one, told, f"{_said(one.ratio)} in the trials, {_said(found.ratio)} when measured again")
    told = Confirmation(way="again", word="too noisy", ratio=found.ratio, agrees=False)
    return _not_called(one, told, f"when measured again, {_said(found.ratio)}: {found.reason}")


def _measured_alone(evidence: Evidence, one: Contrast) -> Contrast:
    chosen = _chosen(evidence, "confirm", one)
    if chosen is None:
        return one
    if chosen.lacking:
        reason = f"not confirmed: {chosen.lacking}"
        return _with(one, Confirmation(way="fresh", ratio=None, agrees=False, reason=reason))
    blocks = judged_by_clock(chosen.blocks)
    found = adjacent.adjacent(blocks, one.cell, one.baseline, one_thread=evidence.one_thread)
    inside = np.log(one.trials).tolist()
    if len(found.logs) < 2:
        reason = "not confirmed: fewer than two pairs of fresh processes gave times"
        return _with(one, Confirmation(way="fresh", word="too noisy", ratio=None, agrees=False, reason=reason))
    apart = welch.difference(found.logs, inside)
    word = adjacent.word(found, inside, one.bar or evidence.margin)
    ratio = ratio_interval(found.logs)
    told = Confirmation(
        way="fresh", word=word, ratio=ratio, difference=exponentiated(apart), agrees=word == "confirmed"
    )
    if word == "cross-talk":
        return _not_called(one, told, f"inside a trial {_said(one.ratio)}, alone {_said(ratio)} of the baseline's time")
    if word == "confirmed":
        reason = f"confirmed within {adjacent.within(apart):.1%} in fresh processes: {_said(ratio)}"
    else:
        reason = f"not confirmed: fresh processes are too noisy to say, {_said(ratio)}"
    return _with(one, told.model_copy(update={"reason": reason}))


def _lacking(evidence: Evidence, kind: str, one: Contrast) -> str:
    chosen = _chosen(evidence, kind, one)
    if chosen is None:
        return "the suite asks for no second look" if not evidence.part.confirm else "it was not measured again"
    return f"not measured again, {chosen.lacking}" if chosen.lacking else ""


def _chosen(evidence: Evidence, kind: str, one: Contrast) -> Followed | None:
    return next(
        (
            followed
            for followed in evidence.followed or ()
            if followed.follow_up.process == kind and one.cell in followed.follow_up.cells
        ),
        None,
    )


def _with(one: Contrast, told: Confirmation) -> Contrast:
    return one.model_copy(update={"confirmation": told})


def _not_called(one: Contrast, told: Confirmation, figures: str) -> Contrast:
    reason = f"{told.word}: {figures}"
    told = told.model_copy(update={"reason": reason})
    return _with(one, told).model_copy(
        update={"verdict": "inconclusive", "reason": "; ".join(filter(None, (one.reason, reason)))}
    )


def _said(ratio: Interval | None) -> str:
    return f"{ratio.point:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]" if ratio else "nothing"
