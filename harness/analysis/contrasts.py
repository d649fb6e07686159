"""Every cell against its baseline, and the word for it.

The order in which a word is taken away: no numbers (`not measured`, or `invalid` where they were not finite), a wrong
output (`invalid`), then everything that makes a sound number too weak to judge by (`withheld`): a smoke run, one
trial, outputs nobody compared, an unstable host, disturbed pairs. Only what is left is called by the margin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from harness.analysis.evidence import Evidence
from harness.records import LOST_SHARE_LIMIT, Cell, CellSummary, Contrast, Exclusion
from harness.sameness import broken_because
from harness.stats import margin as margins
from harness.stats.interval import ratio_interval
from harness.stats.pairing import Paired, pair_in, paired, pairs

Word = Literal["faster", "slower", "same", "inconclusive", "invalid", "withheld", "not measured"]
Summaries = Mapping[str, CellSummary]

NO_PAIRS = Paired({}, "none", False, 0, 0)


def pair_all(evidence: Evidence) -> dict[str, Paired]:
    """Cell -> its log time ratios to its baseline, of the cells that are not a baseline themselves."""
    return {
        cell.id: paired(
            pairs(evidence.blocks, (cell.id, "bare"), (cell.baseline, "bare")), one_thread=evidence.one_thread
        )
        for cell in evidence.part.cells
        if cell.id != cell.baseline
    }


def contrast(evidence: Evidence, cell: Cell, found: Paired, summaries: Summaries, unstable: Sequence[str]) -> Contrast:
    baseline = evidence.cells.get(cell.baseline, cell)
    logs = found.logs
    usable = bool(logs) and not _failure(cell, summaries)
    word, reason = _word(evidence, cell, found, summaries, unstable)
    return Contrast(
        part=evidence.part.name,
        cell=cell.id,
        baseline=cell.baseline,
        changes={
            name: (baseline.variant[name], level)
            for name, level in cell.variant.items()
            if baseline.variant.get(name, level) != level
        },
        ratio=ratio_interval(logs) if usable else None,
        trials=tuple(float(np.exp(log)) for log in logs) if usable else (),
        trial_numbers=tuple(found.trials) if usable else (),
        verdict=word,
        reason=reason,
        clock=found.clock,
        degraded=found.degraded,
        kept_blocks=found.kept,
        excluded_blocks=found.excluded,
        n_to_settle=margins.n_to_settle(logs, evidence.margin) if word == "inconclusive" else None,
        detectable=margins.detectable(logs, evidence.margin) if usable else None,
    )


def _word(
    evidence: Evidence, cell: Cell, found: Paired, summaries: Summaries, unstable: Sequence[str]
) -> tuple[Word, str]:
    failure = _failure(cell, summaries)
    if failure:
        word: Word = "invalid" if failure.outcome == "not_finite" else "not measured"
        return word, f"{failure.name}: {failure.outcome}" + (f", {failure.detail}" if failure.detail else "")
    if not found.trials:
        return "not measured", "no finished trial holds this cell beside its baseline"
    for one in (cell.id, cell.baseline):
        if summaries[one].sameness == "broken":
            return "invalid", broken_because(summaries[one])
    if evidence.smoke:
        return "withheld", "smoke gives no verdicts"
    if len(found.trials) < 2:
        return "withheld", "one trial gives no interval"
    for one in (cell.id, cell.baseline):
        if summaries[one].sameness == "not checked":
            return "withheld", f"outputs of {summaries[one].name} were not compared with the oracle"
    if unstable:
        return "withheld", "unstable host: " + "; ".join(unstable)
    if found.degraded:
        return "withheld", _clock_note(found)
    called = margins.call(ratio_interval(found.logs), evidence.margin)
    return called, _clock_note(found)


def _failure(cell: Cell, summaries: Summaries) -> CellSummary | None:
    for one in (cell.id, cell.baseline):
        summary = summaries.get(one)
        if summary is not None and summary.outcome != "measured":
            return summary
    return None


def _clock_note(found: Paired) -> str:
    disturbed = f"{len(found.lost)} of {found.kept + found.excluded} pairs were disturbed"
    if found.clock == "cpu":
        return f"{disturbed}: compared by process CPU time, over all of them"
    if found.degraded:
        return f"degraded: {disturbed}, and all are used"
    return ""


def undisturbed(evidence: Evidence) -> int:
    """Blocks in which no pair of samples was disturbed."""
    kept = 0
    for block in evidence.blocks:
        compared = [
            pair_in(block, (cell.id, "bare"), (cell.baseline, "bare"))
            for cell in evidence.part.cells
            if cell.id != cell.baseline
        ]
        kept += all(pair is None or pair.lost <= LOST_SHARE_LIMIT for pair in compared)
    return kept


def exclusions(evidence: Evidence, found: Mapping[str, Paired]) -> tuple[Exclusion, ...]:
    """What entered no estimate, why, and how often; figures, so that nobody must take the rule on trust."""
    lost = [share for one in found.values() if one.excluded for share in one.lost]
    listed = []
    if lost:
        figure = f"median {np.median(lost):.1%}, largest {max(lost):.1%}"
        listed.append(
            Exclusion(reason=f"pairs with a lost share above {LOST_SHARE_LIMIT:.0%} ({figure})", count=len(lost))
        )
    for reason, blocks in evidence.abandoned.items():
        listed.append(Exclusion(reason=f"blocks of an abandoned process: {reason}", count=blocks))
    return tuple(listed)
